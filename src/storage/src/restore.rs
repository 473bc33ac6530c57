//! Making a store out of a backup.

use std::path::{Path, PathBuf};

use heliograph_core::ids::Position;
use heliograph_tables::Store;

use crate::{
    Database, Settings, StorageError, backup,
    database::rocksdb_folder,
    files,
    manifest::Manifest,
    watermark::{LastUse, Watermark},
};

/// What was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The last position in the backup.
    pub backup_position: Position,
    /// The epoch of the new life; tokens of the old one are answered as if there were none.
    pub epoch: u64,
    /// Where the new life begins: above every position that the old one gave out.
    pub position: Position,
    /// The other files of the backup, where they are now.
    pub files: Vec<PathBuf>,
}

/// Makes a store in `target`, which must be new or empty, out of a backup, and puts the backup's
/// other files (the signing key) into `files_to`, where none of them may be yet. Blocks.
///
/// All sums are compared first. The store begins a new life: whatever the old one gave out after
/// the backup is recognised as of another epoch.
///
/// # Errors
/// [`StorageError::Damaged`] when the folder is no backup or any byte of it was changed; nothing is
/// written then. [`StorageError::Occupied`] when there is something where it is to go.
pub fn restore(
    backup: impl AsRef<Path>,
    target: impl AsRef<Path>,
    files_to: impl AsRef<Path>,
    settings: Settings,
) -> Result<Restored, StorageError> {
    let (backup, target, files_to) = (backup.as_ref(), target.as_ref(), files_to.as_ref());
    let manifest = Manifest::read(backup)?.ok_or_else(|| {
        StorageError::Damaged(format!("{}: not a finished backup", backup.display()))
    })?;
    let problems = manifest.check(backup)?;
    if !problems.is_empty() {
        return Err(StorageError::Damaged(problems.join("; ")));
    }
    let others: Vec<(PathBuf, PathBuf)> = with_names(backup, &manifest, backup::FILES)
        .map(|(from, name)| (from, files_to.join(name)))
        .collect();
    if let Some((_, there)) = others.iter().find(|(_, to)| to.exists()) {
        return Err(StorageError::Occupied(there.clone()));
    }

    files::make_empty_folder(target)?;
    let rocksdb = rocksdb_folder(target);
    files::make_private(&rocksdb)?;
    for (from, name) in with_names(backup, &manifest, backup::ROCKSDB) {
        files::copy(&from, &rocksdb.join(name))?;
    }
    files::sync_folder(&rocksdb)?;
    let backup_position = Position(manifest.position);
    Watermark::new(backup_position, LastUse::Restored).write(target)?;
    files::make_folder(files_to)?;
    for (from, to) in &others {
        files::copy(from, to)?;
    }
    files::sync_folder(files_to)?;

    // The new life begins at once, so that it is also known that the store opens.
    let database = Database::open(target, settings)?;
    let restored = Restored {
        backup_position,
        epoch: database.epoch(),
        position: *database.published().borrow(),
        files: others.into_iter().map(|(_, to)| to).collect(),
    };
    database.close()?;
    Ok(restored)
}

/// The files in one folder of a backup, and their names.
fn with_names<'a>(
    backup: &'a Path,
    manifest: &'a Manifest,
    folder: &'a str,
) -> impl Iterator<Item = (PathBuf, &'a str)> {
    manifest.files.iter().filter_map(move |file| {
        let (within, name) = file.path.split_once('/')?;
        (within == folder && !name.contains('/')).then(|| (backup.join(&file.path), name))
    })
}
