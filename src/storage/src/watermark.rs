//! A small file beside the database that says what was on disk for certain, and how the database
//! was last used.

use std::path::{Path, PathBuf};

use heliograph_core::ids::Position;
use serde::{Deserialize, Serialize};

use crate::{Durability, StorageError, files};

/// How the database was last used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LastUse {
    /// Opened with [`Durability::Fsync`], and not closed.
    RunningFsync,
    /// Opened with [`Durability::Os`], and not closed: published positions may be lost.
    RunningOs,
    /// Closed: everything is on disk.
    Closed,
    /// Restored from a backup, and not opened since.
    Restored,
}

impl From<Durability> for LastUse {
    fn from(durability: Durability) -> Self {
        match durability {
            Durability::Fsync => Self::RunningFsync,
            Durability::Os => Self::RunningOs,
        }
    }
}

/// What the file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Watermark {
    /// A position that is on disk; never more than that.
    position: u64,
    pub(crate) last_use: LastUse,
}

impl Watermark {
    pub(crate) const fn new(position: Position, last_use: LastUse) -> Self {
        Self {
            position: position.0,
            last_use,
        }
    }

    pub(crate) const fn position(&self) -> Position {
        Position(self.position)
    }

    /// The file in the folder of a store.
    pub(crate) fn file(store: &Path) -> PathBuf {
        store.join("watermark")
    }

    /// Reads the file, if it is there.
    pub(crate) fn read(store: &Path) -> Result<Option<Self>, StorageError> {
        let path = Self::file(store);
        let Some(bytes) = files::read_if_there(&path)? else {
            return Ok(None);
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            StorageError::Damaged(format!(
                "{}: {error}; run `heliograph verify`, and remove the file to begin a new life \
                 with what is there",
                path.display()
            ))
        })
    }

    /// Writes the file, safe from a power cut.
    pub(crate) fn write(&self, store: &Path) -> Result<(), StorageError> {
        let mut bytes =
            serde_json::to_vec(self).map_err(|e| StorageError::Damaged(e.to_string()))?;
        bytes.push(b'\n');
        files::replace(&Self::file(store), &bytes)
    }
}
