//! Why a database could not be opened, copied or trusted.

use std::{
    io,
    path::{Path, PathBuf},
};

use heliograph_core::ids::Position;
use heliograph_tables::StoreError;

/// What the caller is to do differs by variant; the text is for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The file system refused.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// RocksDB refused; also when another process has the database open.
    #[error("RocksDB: {0}")]
    Engine(#[from] rocksdb::Error),
    /// Reading or writing through the store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There are data files, but not the file that says which of them count. Opening would begin
    /// an empty database over them.
    #[error(
        "{}: there are data files but no file CURRENT, so this is a damaged or partly copied \
         database; restore it from a backup",
        .0.display()
    )]
    NoCurrent(PathBuf),
    /// Written by a later release that readers of this schema cannot follow.
    #[error(
        "the database needs a reader of schema {needs} or later and this program knows schema \
         {known}; use the release that wrote it, or a later one"
    )]
    Newer {
        /// The compatibility version in the database.
        needs: u64,
        /// The schema version of this program.
        known: u32,
    },
    /// Writes that were acknowledged are not there.
    #[error(
        "the last position in the database is {last}, but position {watermark} was safely on \
         disk once: acknowledged writes are lost. Run `heliograph verify`; restore a backup, or \
         remove the file `watermark` to begin a new life with what is left"
    )]
    BehindWatermark {
        /// The last position found.
        last: Position,
        /// The position that had been synced.
        watermark: Position,
    },
    /// What is stored contradicts itself.
    #[error("damaged: {0}")]
    Damaged(String),
    /// The target of a copy has something in it.
    #[error("{}: already there and not empty", .0.display())]
    Occupied(PathBuf),
    /// Another backup of the same database is under way.
    #[error("another backup is under way")]
    Busy,
}

impl StorageError {
    /// Names the file or folder in an I/O error.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.to_owned();
        move |source| Self::Io { path, source }
    }
}
