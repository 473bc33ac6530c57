//! The database at one moment in a folder of its own, sharing table files with the open one.

use std::{fs, path::Path};

use rocksdb::checkpoint::Checkpoint;

use crate::{
    Database, StorageError,
    database::rocksdb_folder,
    files,
    watermark::{LastUse, Watermark},
};

/// Where a backup keeps its checkpoint while it copies; removed when a store is opened.
pub(crate) const LEFTOVER: &str = "checkpoint";

impl Database {
    /// Makes a store in a new folder that opens as this one would after a clean stop now, with the
    /// same epoch. For test fixtures: it takes no time, since both share their table files on disk
    /// (the folder must be on the same file system), so it is no backup.
    ///
    /// # Errors
    /// When the folder is there and not empty, or the disk fails.
    pub fn checkpoint(&self, path: impl AsRef<Path>) -> Result<(), StorageError> {
        let path = path.as_ref();
        files::make_empty_folder(path)?;
        let position = self.committer.sync_published()?;
        self.rocksdb_checkpoint(&rocksdb_folder(path))?;
        Watermark::new(position, LastUse::Closed).write(path)
    }

    /// A checkpoint of RocksDB alone, holding at least all that is published when this is called.
    pub(crate) fn rocksdb_checkpoint(&self, folder: &Path) -> Result<(), StorageError> {
        let engine = &self.committer.engine;
        // Rows in memory go to table files: the checkpoint has next to nothing to replay.
        Checkpoint::new(&engine.db)?.create_checkpoint(folder)?;
        // The settings in force are this program's, never those in the folder.
        for file in files::list(folder)? {
            let name = file.file_name().and_then(|name| name.to_str());
            if name.is_some_and(|name| name.starts_with("OPTIONS-")) {
                fs::remove_file(&file).map_err(StorageError::io(&file))?;
            }
        }
        files::sync_folder(folder)
    }
}
