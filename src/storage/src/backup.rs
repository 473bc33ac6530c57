//! Copying a running database, and the files that belong to it, to a folder.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use heliograph_core::ids::Position;
use heliograph_tables::schema::SCHEMA_VERSION;

use crate::{
    Database, StorageError,
    checkpoint::LEFTOVER,
    engine::Engine,
    files,
    life::{self, Life},
    manifest::{FileSum, Manifest},
};

/// The copy of RocksDB's folder in a backup.
pub(crate) const ROCKSDB: &str = "rocksdb";
/// The copies of other files in a backup, by their names.
pub(crate) const FILES: &str = "files";

/// A finished backup.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The last position in it.
    pub position: Position,
    /// The epoch that it is a moment of.
    pub epoch: u64,
    /// How many files it has, the manifest left aside.
    pub files: usize,
    /// Bytes of all of them.
    pub bytes: u64,
}

impl Database {
    /// Copies the database as it is at one moment, and other files (the signing key), to a folder
    /// that must be new or empty. Everything acknowledged before the call is in it. Goes on while
    /// the database is used, and shares no file with it. Blocks.
    ///
    /// The folder holds `rocksdb/`, `files/` and, written last, `manifest.json` with the SHA-256
    /// sum of every file, the epoch and the last position.
    ///
    /// # Errors
    /// When the folder is not empty, another backup is under way, two of `files` have the same
    /// name, or the disk fails; the folder is then no backup, for want of a manifest.
    pub fn backup(
        &self,
        target: impl AsRef<Path>,
        files: &[PathBuf],
    ) -> Result<Backup, StorageError> {
        let _one_at_a_time = self.backup.try_lock().ok_or(StorageError::Busy)?;
        let target = target.as_ref();
        files::make_empty_folder(target)?;
        let acknowledged = self.committer.sync_published()?;

        let checkpoint = self.folder.join(LEFTOVER);
        files::remove_folder(&checkpoint)?;
        self.rocksdb_checkpoint(&checkpoint)?;
        let mut copied = copy_all(&files::list(&checkpoint)?, target, ROCKSDB)?;
        files::remove_folder(&checkpoint)?;
        copied.extend(copy_all(files, target, FILES)?);
        files::sync_folder(target)?;

        let life = self.read_copy(&target.join(ROCKSDB))?;
        if life.last < acknowledged {
            return Err(StorageError::Damaged(format!(
                "the copy ends at position {}, though {acknowledged} was acknowledged before",
                life.last
            )));
        }
        let backup = Backup {
            position: life.last,
            epoch: life.epoch,
            files: copied.len(),
            bytes: copied.iter().map(|file| file.bytes).sum(),
        };
        let made_at_ms = self.settings.clock.now_ms();
        let manifest = Manifest::new(SCHEMA_VERSION, life.epoch, life.last.0, made_at_ms, copied);
        manifest.write(target)?;
        Ok(backup)
    }

    /// What a copy of the database says of itself.
    fn read_copy(&self, rocksdb: &Path) -> Result<Life, StorageError> {
        let engine = Arc::new(Engine::open_read_only(rocksdb, &self.settings)?);
        life::read(&life::view(&engine, &Arc::default()))?
            .ok_or_else(|| StorageError::Damaged("the copy is empty".to_owned()))
    }
}

/// Copies files to a new folder of a backup, on disk when this returns.
fn copy_all(from: &[PathBuf], backup: &Path, folder: &str) -> Result<Vec<FileSum>, StorageError> {
    let to = backup.join(folder);
    files::make_private(&to)?;
    let mut copied = Vec::new();
    for source in from {
        let name = source.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| {
            StorageError::Damaged(format!("{}: not a file's name", source.display()))
        })?;
        let sum = files::copy(source, &to.join(name))?;
        copied.push(FileSum {
            path: format!("{folder}/{name}"),
            bytes: sum.bytes,
            sha256: sum.sha256,
        });
    }
    files::sync_folder(&to)?;
    Ok(copied)
}
