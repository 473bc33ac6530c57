//! Files and folders, with what it takes for them to be there after a power cut.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::StorageError;

/// Makes the entries of a folder safe.
pub(crate) fn sync_folder(path: &Path) -> Result<(), StorageError> {
    File::open(path)
        .and_then(|folder| folder.sync_all())
        .map_err(StorageError::io(path))
}

/// Makes a folder and those above it, so that they stay; what is made is for its owner only, since
/// there are secrets in it.
pub(crate) fn make_folder(path: &Path) -> Result<(), StorageError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = parent(path) {
        make_folder(parent)?;
    }
    make_private(path)?;
    parent(path).map_or(Ok(()), sync_folder)
}

/// Makes one folder that only its owner may enter.
pub(crate) fn make_private(path: &Path) -> Result<(), StorageError> {
    DirBuilder::new()
        .mode(0o700)
        .create(path)
        .map_err(StorageError::io(path))
}

/// The folder that a path is in, if the path says so.
fn parent(path: &Path) -> Option<&Path> {
    path.parent().filter(|p| !p.as_os_str().is_empty())
}

/// Makes a folder for a copy; one that is there must be empty.
pub(crate) fn make_empty_folder(path: &Path) -> Result<(), StorageError> {
    make_folder(path)?;
    let mut entries = fs::read_dir(path).map_err(StorageError::io(path))?;
    if entries.next().is_some() {
        return Err(StorageError::Occupied(path.to_owned()));
    }
    Ok(())
}

/// Replaces a file: after a power cut it is the old or the new one, whole.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StorageError> {
    let new = path.with_extension("new");
    write_synced(&new, bytes).map_err(StorageError::io(&new))?;
    fs::rename(&new, path).map_err(StorageError::io(path))?;
    parent(path).map_or(Ok(()), sync_folder)
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// A file's bytes, or `None` when it is not there.
pub(crate) fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, StorageError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StorageError::io(path)(error)),
    }
}

/// Length and SHA-256 of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sum {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

/// The sum of a file.
pub(crate) fn sum(path: &Path) -> Result<Sum, StorageError> {
    pass(path, &mut io::sink())
}

/// Copies a file to a new one, which is on disk when this returns, and gives the sum of what was
/// copied. Only its owner may read the copy.
pub(crate) fn copy(from: &Path, to: &Path) -> Result<Sum, StorageError> {
    let mut target = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)
        .map_err(StorageError::io(to))?;
    let sum = pass(from, &mut target)?;
    target.sync_all().map_err(StorageError::io(to))?;
    Ok(sum)
}

/// Reads a file once, in pieces.
fn pass(path: &Path, to: &mut impl Write) -> Result<Sum, StorageError> {
    let mut source = File::open(path).map_err(StorageError::io(path))?;
    let mut piece = vec![0; 256 * 1024];
    let mut hash = Sha256::new();
    let mut bytes = 0u64;
    loop {
        let read = source.read(&mut piece).map_err(StorageError::io(path))?;
        let Some(part) = piece.get(..read).filter(|part| !part.is_empty()) else {
            break;
        };
        hash.update(part);
        to.write_all(part).map_err(StorageError::io(path))?;
        bytes = bytes.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
    }
    let sha256 = hex(&hash.finalize());
    Ok(Sum { bytes, sha256 })
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut out, byte| {
        // Writing to a string cannot fail.
        write!(out, "{byte:02x}").unwrap_or_default();
        out
    })
}

/// All files in a folder and those below it, in the order of their names.
pub(crate) fn list(folder: &Path) -> Result<Vec<PathBuf>, StorageError> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).map_err(StorageError::io(&next))? {
            let entry = entry.map_err(StorageError::io(&next))?;
            let kind = entry.file_type().map_err(StorageError::io(&next))?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Removes a folder and all that is in it, if it is there.
pub(crate) fn remove_folder(path: &Path) -> Result<(), StorageError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(StorageError::io(path)(error)),
    }
}
