//! A snapshot of RocksDB that keeps its database alive, and reading from it.

use std::sync::Arc;

use bytes::Bytes;
use heliograph_tables::{
    Direction, Family, StoreError,
    view::{RawRow, RawScan, Snapshot},
};
use rocksdb::{DBRawIterator, ReadOptions};

use crate::engine::{Engine, read_error};

/// A snapshot, and read options that point at it.
struct Pinned<'a> {
    options: ReadOptions,
    snapshot: rocksdb::Snapshot<'a>,
}

self_cell::self_cell!(
    /// The database at one moment. Cheap to hold for a request; old ones keep deleted rows on disk.
    pub(crate) struct Frozen {
        owner: Arc<Engine>,

        #[covariant]
        dependent: Pinned,
    }
);

impl Frozen {
    /// The database as it is now.
    pub(crate) fn now(engine: Arc<Engine>) -> Self {
        Self::new(engine, |engine| {
            let snapshot = engine.db.snapshot();
            let mut options = ReadOptions::default();
            options.set_snapshot(&snapshot);
            Pinned { options, snapshot }
        })
    }
}

impl Snapshot for Frozen {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let engine = self.borrow_owner();
        let options = &self.borrow_dependent().options;
        engine
            .db
            .get_pinned_cf_opt(engine.family(family)?, key, options)
            .map(|row| row.map(|value| Bytes::copy_from_slice(&value)))
            .map_err(|e| read_error(&e))
    }

    fn multi_get(
        &self,
        family: Family,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        let engine = self.borrow_owner();
        let options = &self.borrow_dependent().options;
        let sorted = keys.is_sorted();
        engine
            .db
            .batched_multi_get_cf_opt(engine.family(family)?, keys, sorted, options)
            .into_iter()
            .map(|row| {
                row.map(|value| value.map(|value| Bytes::copy_from_slice(&value)))
                    .map_err(|e| read_error(&e))
            })
            .collect()
    }

    fn scan(&self, family: Family, from: &[u8], to: &[u8], direction: Direction) -> RawScan<'_> {
        if from >= to {
            return Box::new(std::iter::empty());
        }
        let engine = self.borrow_owner();
        let handle = match engine.family(family) {
            Ok(handle) => handle,
            Err(error) => return Box::new(std::iter::once(Err(error))),
        };
        let mut options = ReadOptions::default();
        options.set_snapshot(&self.borrow_dependent().snapshot);
        options.set_iterate_lower_bound(from);
        options.set_iterate_upper_bound(to);
        let mut rows = engine.db.raw_iterator_cf_opt(handle, options);
        match direction {
            Direction::Forward => rows.seek_to_first(),
            Direction::Backward => rows.seek_to_last(),
        }
        Box::new(Scan {
            rows,
            direction,
            ended: false,
        })
    }
}

/// Rows between the bounds that the iterator was given.
pub(crate) struct Scan<'a> {
    rows: DBRawIterator<'a>,
    direction: Direction,
    ended: bool,
}

impl<'a> Scan<'a> {
    /// Goes on from where the iterator stands.
    pub(crate) const fn forward(rows: DBRawIterator<'a>) -> Self {
        Self {
            rows,
            direction: Direction::Forward,
            ended: false,
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = RawRow;

    fn next(&mut self) -> Option<RawRow> {
        if self.ended {
            return None;
        }
        let Some((key, value)) = self.rows.item() else {
            // The end of the rows and a failed read look alike until asked.
            self.ended = true;
            return self.rows.status().err().map(|e| Err(read_error(&e)));
        };
        let row = (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        match self.direction {
            Direction::Forward => self.rows.next(),
            Direction::Backward => self.rows.prev(),
        }
        Some(Ok(row))
    }
}
