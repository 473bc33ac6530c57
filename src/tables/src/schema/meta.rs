//! Rows about the database itself.

use bytes::Bytes;
use heliograph_core::ids::Position;

use crate::{
    codec::{Plain, Tail},
    log::Entry,
    table::{AnyTable, Family, Table},
};

/// The ordered log.
pub const LOG: Table<Position, Entry> = Table::new("log", Family::Log, 0x0001);

/// Named values: schema version, epoch, the trimming point.
pub const META: Table<Tail, Plain<u64>> = Table::new("meta", Family::Index, 0x0002);

/// Where consumers of the log stand, by name.
pub const CURSORS: Table<Tail, Plain<Position>> = Table::new("cursors", Family::Queues, 0x0003);

/// Secrets of this server that are kept with its data, by name.
pub const SECRETS: Table<Tail, Plain<Bytes>> = Table::new("secrets", Family::Accounts, 0x0004);

pub(super) const META_TABLES: &[&dyn AnyTable] = &[&LOG, &META, &CURSORS, &SECRETS];
