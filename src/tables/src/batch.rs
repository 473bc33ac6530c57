//! All writes of one operation, prepared without a position and applied atomically.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use heliograph_core::ids::Position;

use crate::{
    codec::{Encoder, Field, Plain, UNSTAMPED, Value},
    counts::{AllCounts, Op},
    log::{self, Record},
    overlay::Layer,
    schema,
    table::{Family, Table},
};

/// One write.
#[derive(Clone, Debug)]
enum Write {
    Put {
        key: Vec<u8>,
        value: Vec<u8>,
        key_stamps: Vec<usize>,
        value_stamps: Vec<usize>,
    },
    Delete {
        key: Vec<u8>,
    },
    DeleteRange {
        from: Vec<u8>,
        to: Vec<u8>,
    },
}

/// All writes of one operation.
///
/// A key or value may hold [`UNSTAMPED`] where the position of the batch belongs; it is written
/// there when the batch is submitted.
#[derive(Debug)]
pub struct Batch {
    op: Op,
    writes: Vec<(Family, Write)>,
    records: Vec<Record>,
}

/// A write of a batch that has its position.
#[derive(Clone, Debug)]
pub enum Stamped {
    /// Put this row.
    Put(Family, Vec<u8>, Vec<u8>),
    /// Delete this row, there or not.
    Delete(Family, Vec<u8>),
    /// Delete all rows from the first key up to, without, the second.
    DeleteRange(Family, Vec<u8>, Vec<u8>),
}

/// A batch that has its position: what the database writes.
#[derive(Debug)]
pub struct StampedBatch {
    /// Its place in the log.
    pub position: Position,
    /// The writes, in the order in which they were made.
    pub writes: Vec<Stamped>,
    /// The records, as they stand in the log at this position.
    pub records: Arc<[Record]>,
}

impl Batch {
    /// An empty batch, to be counted under `op`.
    pub const fn new(op: Op) -> Self {
        Self {
            op,
            writes: Vec::new(),
            records: Vec::new(),
        }
    }

    /// Puts a row.
    pub fn put<K: Field, V: Value>(&mut self, table: &Table<K, V>, key: &K, value: &V) {
        let (key, key_stamps) = table.key(key);
        let mut out = Encoder::new();
        value.encode(&mut out);
        let (value, value_stamps) = out.finish();
        self.writes.push((
            table.family,
            Write::Put {
                key,
                value,
                key_stamps,
                value_stamps,
            },
        ));
    }

    /// Deletes a row, whether it is there or not.
    pub fn delete<K: Field, V: Value>(&mut self, table: &Table<K, V>, key: &K) {
        self.writes.push((
            table.family,
            Write::Delete {
                key: table.key(key).0,
            },
        ));
    }

    /// Deletes all rows whose keys begin with `start`.
    pub fn delete_prefix<K: Field, V: Value, P: Field>(&mut self, table: &Table<K, V>, start: &P) {
        let from = table.start(start);
        if let Some(to) = crate::table::after_prefix(&from) {
            self.writes
                .push((table.family, Write::DeleteRange { from, to }));
        }
    }

    /// Deletes all rows from `from` up to, without, `to`; both leading parts of `K`, or whole keys.
    pub fn delete_range<K: Field, V: Value, A: Field, B: Field>(
        &mut self,
        table: &Table<K, V>,
        from: &A,
        to: &B,
    ) {
        let (from, to) = (table.start(from), table.start(to));
        if from < to {
            self.writes
                .push((table.family, Write::DeleteRange { from, to }));
        }
    }

    /// Adds a record to what the log says at this batch's position.
    pub fn record(&mut self, record: Record) {
        self.records.push(record);
    }

    /// Takes over all writes and records of another batch.
    pub fn append(&mut self, mut other: Self) {
        self.writes.append(&mut other.writes);
        self.records.append(&mut other.records);
    }

    /// Whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.records.is_empty()
    }

    /// Bytes of all keys and values, roughly what the write-ahead log grows by.
    pub fn size_bytes(&self) -> usize {
        self.writes
            .iter()
            .map(|(_, write)| write.size_bytes())
            .sum()
    }

    /// Gives the batch its position: the log's row is added and every stamp is filled in.
    ///
    /// Only a [`crate::Store`] calls this, in the order of positions.
    pub fn stamp(mut self, position: Position, counts: &AllCounts) -> StampedBatch {
        let records: Arc<[Record]> = self.records.as_slice().into();
        self.put(&schema::LOG, &UNSTAMPED, &log::Entry(Arc::clone(&records)));
        let counts = counts.of(self.op);
        let bytes = position.to_be_bytes();
        let mut writes = Vec::with_capacity(self.writes.len());
        for (family, write) in self.writes {
            counts.wrote(family, write.size_bytes());
            writes.push(write.stamp(family, bytes));
        }
        StampedBatch {
            position,
            writes,
            records,
        }
    }
}

impl Write {
    fn size_bytes(&self) -> usize {
        match self {
            Self::Put { key, value, .. } => key.len().saturating_add(value.len()),
            Self::Delete { key } => key.len(),
            Self::DeleteRange { from, to } => from.len().saturating_add(to.len()),
        }
    }

    fn stamp(self, family: Family, position: [u8; 8]) -> Stamped {
        match self {
            Self::Put {
                mut key,
                mut value,
                key_stamps,
                value_stamps,
            } => {
                fill(&mut key, &key_stamps, position);
                fill(&mut value, &value_stamps, position);
                Stamped::Put(family, key, value)
            }
            Self::Delete { key } => Stamped::Delete(family, key),
            Self::DeleteRange { from, to } => Stamped::DeleteRange(family, from, to),
        }
    }
}

/// Writes the position over each stamp.
fn fill(bytes: &mut [u8], stamps: &[usize], position: [u8; 8]) {
    for &at in stamps {
        if let Some(place) = bytes.get_mut(at..at.saturating_add(8)) {
            place.copy_from_slice(&position);
        }
    }
}

impl StampedBatch {
    /// The writes as a layer that can be laid over an older view.
    pub fn layer(&self) -> Layer {
        let mut rows = BTreeMap::new();
        let mut ranges = Vec::new();
        for write in &self.writes {
            match write {
                Stamped::Put(family, key, value) => {
                    let value = Bytes::copy_from_slice(value);
                    rows.insert((*family, key.clone()), Some(value));
                }
                Stamped::Delete(family, key) => {
                    rows.insert((*family, key.clone()), None);
                }
                Stamped::DeleteRange(family, from, to) => {
                    rows.retain(|(f, key), _| f != family || key < from || key >= to);
                    ranges.push((*family, from.clone(), to.clone()));
                }
            }
        }
        Layer {
            position: self.position,
            rows,
            ranges,
        }
    }
}

/// A row whose value says nothing: its key is all.
pub const PRESENT: Plain<()> = Plain(());
