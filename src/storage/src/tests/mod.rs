//! The database as a whole, on disk.

mod backup;
mod committing;
mod fixture;
mod life;
mod model;
mod trimming;

use std::path::Path;

use heliograph_core::ids::{Position, RoomNum};
use heliograph_tables::{
    Batch, Op, Record, Store, StoreError, Submitted,
    codec::{Plain, Tail},
    log::Read,
    schema,
};

use crate::{Database, Durability, Settings};

/// Opens with small sizes and without upkeep, which would take positions for its marks.
fn open(path: &Path) -> Database {
    open_with(path, settings())
}

fn open_with(path: &Path, settings: Settings) -> Database {
    Database::open_without_upkeep(path, settings).unwrap().0
}

fn settings() -> Settings {
    Settings {
        cache_bytes: 4 * 1024 * 1024,
        write_buffer_bytes: 2 * 1024 * 1024,
        ..Settings::default()
    }
}

fn settings_os() -> Settings {
    Settings {
        durability: Durability::Os,
        ..settings()
    }
}

/// A batch that puts one row and has one record.
fn batch(name: &str, value: u64) -> Batch {
    let mut batch = Batch::new(Op::Other);
    batch.put(&schema::META, &Tail::from(name), &Plain(value));
    batch.record(Record::CurrentState { room: RoomNum(7) });
    batch
}

fn submit(database: &Database, batch: Batch) -> Result<Submitted, StoreError> {
    database.submit(database.reserve_blocking()?, batch)
}

/// Commits and waits.
fn commit(database: &Database, batch: Batch) -> Result<Position, StoreError> {
    let submitted = submit(database, batch)?;
    submitted.completion.published_blocking()?;
    Ok(submitted.position)
}

/// The value of a row that [`batch`] puts.
fn value(database: &Database, name: &str) -> Option<u64> {
    let view = database.view(Op::Other);
    let row = view.get(&schema::META, &Tail::from(name)).unwrap();
    row.map(|Plain(value)| value)
}

/// The positions that the log gives, or `None` where it is trimmed.
fn positions(database: &Database, after: u64, limit: usize) -> Option<Vec<u64>> {
    match database.log_after(Position(after), limit).unwrap() {
        Read::Entries(entries) => Some(entries.iter().map(|e| e.position.0).collect()),
        Read::Trimmed => None,
    }
}
