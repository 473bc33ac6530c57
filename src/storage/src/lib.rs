//! RocksDB under the tables: the committer and its ordered log, snapshots, backup, restore and
//! verification.
//!
//! This crate must never know a rule of Matrix, nor what a row means beyond that it decodes; and
//! nothing outside it sees a type of RocksDB. Every write goes through the committer: nothing is
//! written around it.
//!
//! Entry points: [`Database`] (opens a folder and implements [`heliograph_tables::Store`]),
//! [`Settings`], [`Database::backup`], [`restore`], [`verify`].
//!
//! # The folder
//!
//! * `rocksdb/`: the database, one column family for each [`heliograph_tables::Family`];
//! * `watermark`: a position that was safe on disk at some time, and how the last life ended. A
//!   database whose last position is below it has lost acknowledged writes, and is refused.

mod backup;
mod checkpoint;
mod committer;
mod database;
mod engine;
mod error;
mod files;
mod life;
mod manifest;
mod metric;
mod options;
mod reserve;
mod restore;
mod ring;
mod settings;
mod snapshot;
mod trim;
mod upkeep;
mod verify;
mod watermark;
mod writer;

pub use backup::Backup;
pub use database::Database;
pub use error::StorageError;
pub use metric::METRICS;
pub use restore::{Restored, restore};
pub use settings::{Durability, Settings};
pub use verify::{Report, verify};

#[cfg(test)]
mod tests;
