//! How the database is to be opened.

use std::time::Duration;

use heliograph_work::{SharedClock, SharedRandom, SystemClock, SystemRandom};

/// What an acknowledged write survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// Loss of power: every commit group is synced before it is acknowledged.
    #[default]
    Fsync,
    /// The end of the process, but not of the machine: groups are handed to the operating system
    /// and synced about once a second. After an unclean stop a new epoch begins.
    Os,
}

/// How the database is to be opened. Every size is a bound.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What an acknowledged write survives.
    pub durability: Durability,
    /// Bytes of blocks, indexes and filters kept in memory.
    pub cache_bytes: usize,
    /// Bytes of rows that are not yet in table files, over all families.
    pub write_buffer_bytes: usize,
    /// Bytes of write-ahead log: what a start after a crash may have to replay.
    pub max_total_wal_bytes: u64,
    /// Table files held open.
    pub max_open_files: u16,
    /// How long entries of the log are kept.
    pub log_max_age: Duration,
    /// Bytes on disk that the log may take.
    pub log_max_bytes: u64,
    /// Bytes of the newest log entries kept in memory (at most 65,536 entries in any case).
    pub log_memory_bytes: usize,
    /// Batches that may be on their way to disk at once.
    pub queue_places: usize,
    /// The time of day, for the age of log entries.
    pub clock: SharedClock,
    /// Where a new epoch comes from.
    pub random: SharedRandom,
}

impl Default for Settings {
    fn default() -> Self {
        const MIB: usize = 1024 * 1024;
        Self {
            durability: Durability::Fsync,
            cache_bytes: 32 * MIB,
            write_buffer_bytes: 16 * MIB,
            max_total_wal_bytes: 64 * 1024 * 1024,
            max_open_files: 256,
            log_max_age: Duration::from_hours(7 * 24),
            log_max_bytes: 1024 * 1024 * 1024,
            log_memory_bytes: 8 * MIB,
            queue_places: 1024,
            clock: SystemClock::shared(),
            random: SystemRandom::shared(),
        }
    }
}
