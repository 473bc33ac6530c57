//! The file with the signing key.
//!
//! <https://spec.matrix.org/v1.19/appendices/#signing-details>
//!
//! One line: the algorithm, the key's version, the seed in unpadded Base64. Whoever has it can
//! speak for this server.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use heliograph_core::signing::Ed25519Signer;
use heliograph_work::{RandomSource, RandomSourceExt};

/// Why there is no signing key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or written.
    #[error("signing key file {path}: {source}")]
    File {
        /// The file.
        path: String,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
    /// The file holds no key.
    #[error("signing key file {path} does not hold a line `ed25519 VERSION SEED`")]
    Malformed {
        /// The file.
        path: String,
    },
}

/// Reads the signing key, or, where there is no file yet, makes a key and writes it.
///
/// # Errors
/// [`KeyError::Malformed`] when there is a file without a key: it is never overwritten.
pub fn load_or_make(
    path: &Path,
    server_name: &str,
    random: &dyn RandomSource,
) -> Result<Ed25519Signer, KeyError> {
    let failed = |source| KeyError::File {
        path: path.display().to_string(),
        source,
    };
    match fs::read_to_string(path) {
        Ok(text) => parse(&text, server_name).ok_or_else(|| KeyError::Malformed {
            path: path.display().to_string(),
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let seed: [u8; 32] = random.bytes();
            let version = format!("a_{}", random.letters_and_digits(6));
            write(path, &version, &seed).map_err(failed)?;
            Ok(Ed25519Signer::from_seed(server_name, &version, &seed))
        }
        Err(error) => Err(failed(error)),
    }
}

fn parse(text: &str, server_name: &str) -> Option<Ed25519Signer> {
    let mut words = text.lines().next()?.split_whitespace();
    let (algorithm, version, seed) = (words.next()?, words.next()?, words.next()?);
    let seed = STANDARD_NO_PAD.decode(seed.trim_end_matches('=')).ok()?;
    let seed: [u8; 32] = seed.try_into().ok()?;
    (algorithm == "ed25519" && words.next().is_none())
        .then(|| Ed25519Signer::from_seed(server_name, version, &seed))
}

/// Writes the file whole or not at all, readable by its owner only.
fn write(path: &Path, version: &str, seed: &[u8; 32]) -> io::Result<()> {
    let folder = path
        .parent()
        .filter(|p| !p.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("unfinished");
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)?;
    writeln!(file, "ed25519 {version} {}", STANDARD_NO_PAD.encode(seed))?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use heliograph_core::signing::Signer;
    use heliograph_work::SeededRandom;

    use super::*;

    #[test]
    fn a_key_is_made_once_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep").join("signing.key");
        let first = load_or_make(&path, "x.org", &SeededRandom::new(1)).unwrap();
        let again = load_or_make(&path, "x.org", &SeededRandom::new(2)).unwrap();
        assert_eq!(first.key_id(), again.key_id());
        assert_eq!(first.sign(b"m"), again.sign(b"m"));
    }

    #[test]
    fn a_file_without_a_key_is_refused_and_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("signing.key");
        for text in [
            "",
            "ed25519 1",
            "rsa 1 AAAA",
            "ed25519 1 AAAA",
            "ed25519 1 !",
        ] {
            fs::write(&path, text).unwrap();
            assert!(
                load_or_make(&path, "x.org", &SeededRandom::new(1)).is_err(),
                "{text}"
            );
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
    }
}
