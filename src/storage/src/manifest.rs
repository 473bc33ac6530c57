//! What a backup consists of: every file with its sum, and what the database was.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{StorageError, files};

/// The file in the folder of a backup; written last.
pub(crate) const FILE: &str = "manifest.json";

/// The only format there is.
const FORMAT: u32 = 1;

/// A file of a backup.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FileSum {
    /// From the folder of the backup, with slashes.
    pub(crate) path: String,
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// What a backup consists of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    format: u32,
    pub(crate) schema_version: u32,
    pub(crate) epoch: u64,
    /// The last position in the backup.
    pub(crate) position: u64,
    /// Milliseconds since 1970.
    pub(crate) made_at_ms: u64,
    pub(crate) files: Vec<FileSum>,
    /// SHA-256 of this document with nothing here, so that damage to it is found too.
    own_sha256: String,
}

impl Manifest {
    pub(crate) const fn new(
        schema_version: u32,
        epoch: u64,
        position: u64,
        made_at_ms: u64,
        files: Vec<FileSum>,
    ) -> Self {
        Self {
            format: FORMAT,
            schema_version,
            epoch,
            position,
            made_at_ms,
            files,
            own_sha256: String::new(),
        }
    }

    /// The bytes of the file.
    fn render(&self) -> Result<Vec<u8>, StorageError> {
        let broken = |error: serde_json::Error| StorageError::Damaged(error.to_string());
        let mut signed = self.clone();
        signed.own_sha256.clear();
        let body = serde_json::to_vec_pretty(&signed).map_err(broken)?;
        signed.own_sha256 = files::hex(&Sha256::digest(&body));
        let mut bytes = serde_json::to_vec_pretty(&signed).map_err(broken)?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    pub(crate) fn write(&self, backup: &Path) -> Result<(), StorageError> {
        files::replace(&backup.join(FILE), &self.render()?)
    }

    /// Reads the manifest of a backup; `None` when there is none.
    ///
    /// # Errors
    /// [`StorageError::Damaged`] when any byte of it was changed.
    pub(crate) fn read(backup: &Path) -> Result<Option<Self>, StorageError> {
        let path = backup.join(FILE);
        let Some(bytes) = files::read_if_there(&path)? else {
            return Ok(None);
        };
        let damaged = |what: String| StorageError::Damaged(format!("{}: {what}", path.display()));
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        if manifest.format != FORMAT {
            return Err(damaged(format!("unknown format {}", manifest.format)));
        }
        if manifest.render()? != bytes {
            return Err(damaged("it is not as it was written".to_owned()));
        }
        Ok(Some(manifest))
    }

    /// Compares every file of a backup with its sum; says what is wrong.
    pub(crate) fn check(&self, backup: &Path) -> Result<Vec<String>, StorageError> {
        let mut problems = Vec::new();
        let mut listed = BTreeSet::from([backup.join(FILE)]);
        for file in &self.files {
            let path = backup.join(Path::new(&file.path));
            if !path.is_file() {
                problems.push(format!("{}: missing", file.path));
                continue;
            }
            let sum = files::sum(&path)?;
            if sum.bytes != file.bytes || sum.sha256 != file.sha256 {
                problems.push(format!("{}: not as it was written", file.path));
            }
            listed.insert(path);
        }
        let there: BTreeSet<PathBuf> = files::list(backup)?.into_iter().collect();
        for path in there.difference(&listed) {
            problems.push(format!("{}: not part of the backup", path.display()));
        }
        Ok(problems)
    }
}
