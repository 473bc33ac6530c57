//! What can be wrong with a configuration, told so that it can be put right.

use std::{fmt, io, path::PathBuf};

/// Where a value was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
    },
    /// In an environment variable.
    Env {
        /// Its name.
        variable: String,
    },
    /// Nowhere: it is a default, or missing.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line } => write!(f, "{}:{line}", path.display()),
            Self::Env { variable } => write!(f, "environment variable {variable}"),
            Self::Nowhere => f.write_str("configuration"),
        }
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfError {
    /// The file cannot be read.
    #[error("cannot read {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: {message}")]
    Syntax {
        /// The line.
        place: Place,
        /// What is wrong there.
        message: String,
    },
    /// A key does not exist.
    #[error("{place}: there is no `{key}`{}", nearest.as_deref().map_or(String::new(), |nearest| format!("; did you mean `{nearest}`?")))]
    UnknownKey {
        /// Where it was set.
        place: Place,
        /// The key, with its section.
        key: String,
        /// A key that exists and looks much like it.
        nearest: Option<String>,
    },
    /// A value cannot be used.
    #[error("{place}: `{key}`: {message}")]
    Invalid {
        /// Where it was set.
        place: Place,
        /// The key, with its section.
        key: String,
        /// What is wrong with the value.
        message: String,
    },
    /// A secret's file cannot be read.
    #[error("{place}: `{key}`: cannot read {}", path.display())]
    UnreadableSecret {
        /// Where the key was set.
        place: Place,
        /// The key, with its section.
        key: String,
        /// The file that it names.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}
