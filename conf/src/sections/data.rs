//! Sections about what is stored and how it is read.

use std::{
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Period, sections::network::at_least_one};

/// The database.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Storage {
    /// The folder of the database and the signing key. It is made if it is not there; a relative path
    /// begins where the server is started.
    pub path: PathBuf,
    /// "fsync": what was acknowledged survives a power cut. "os": it survives a crash of the server,
    /// and a power cut may lose the last seconds.
    pub durability: Durability,
    /// Memory for blocks of the database that were read, indexes and filters among them.
    pub block_cache: ByteSize,
    /// Memory for what was written and is not yet in files.
    pub write_buffers: ByteSize,
    /// Memory for events that were read.
    pub event_cache: ByteSize,
    /// Memory for nodes of the rooms' states that were read.
    pub state_cache: ByteSize,
    /// Write-ahead log on disk before it is flushed; how much is read again after a crash.
    pub max_wal: ByteSize,
    /// Files of the database that are open at once.
    pub max_open_files: NonZeroU32,
    /// The log of changes is kept for this long. Whoever is further behind is caught up from indexes.
    pub log_max_age: Period,
    /// The log of changes is cut above this size.
    pub log_max_size: ByteSize,
    /// Threads for reading and changing the database. They end when there is nothing to do.
    pub threads: NonZeroUsize,
    /// Requests that wait for such a thread, before more are refused.
    pub queue: NonZeroUsize,
}

impl Default for Storage {
    fn default() -> Self {
        Self {
            path: PathBuf::from("data"),
            durability: Durability::Fsync,
            block_cache: ByteSize::mib(32),
            write_buffers: ByteSize::mib(16),
            event_cache: ByteSize::mib(16),
            state_cache: ByteSize::mib(16),
            max_wal: ByteSize::mib(64),
            max_open_files: NonZeroU32::new(512).unwrap_or(NonZeroU32::MIN),
            log_max_age: Period::days(7),
            log_max_size: ByteSize::mib(1024),
            threads: at_least_one(8),
            queue: at_least_one(4096),
        }
    }
}

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// Power loss: a write is acknowledged when the disk has it.
    Fsync,
    /// The end of the process: a write is acknowledged when the operating system has it.
    Os,
}

/// Rooms made on this server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Rooms {
    /// The room version of new rooms, "1" to "12".
    pub default_room_version: String,
}

impl Default for Rooms {
    fn default() -> Self {
        Self {
            default_room_version: "12".to_owned(),
        }
    }
}

/// How clients are kept up to date.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Sync {
    /// How long a client may wait for news in one request; one that asks for longer is answered then.
    pub longest_wait: Period,
    /// Events of a room's timeline in one answer, where the client does not say.
    pub timeline_limit: NonZeroU32,
    /// Events of a room's timeline in one answer, whatever the client says.
    pub max_timeline_limit: NonZeroU32,
    /// Memory for which members a client was told of. A client whose entry is gone is told again.
    pub lazy_members_cache: ByteSize,
}

impl Default for Sync {
    fn default() -> Self {
        Self {
            longest_wait: Period(Duration::from_mins(5)),
            timeline_limit: NonZeroU32::new(10).unwrap_or(NonZeroU32::MIN),
            max_timeline_limit: NonZeroU32::new(1000).unwrap_or(NonZeroU32::MIN),
            lazy_members_cache: ByteSize::mib(8),
        }
    }
}

/// This server among others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Federation {
    /// The file of the key that signs events and requests. It is made at the first start. Keep a
    /// copy: without it the server cannot prove who it is. Without a value, it is signing.key in the
    /// folder of the database.
    /// Example: `"/etc/heliograph/signing.key"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signing_key: Option<PathBuf>,
}
