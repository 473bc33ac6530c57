//! Reading: a snapshot and its position, taken together, perhaps under layers not yet published.

use std::{cmp::Ordering as Order, iter::Peekable, sync::Arc};

use bytes::Bytes;
use heliograph_core::ids::Position;

use crate::{
    codec::{Field, Value},
    counts::{AllCounts, Counts, Op},
    overlay::{Changes, Overlay},
    store::StoreError,
    table::{Family, Table, after_prefix},
};

/// Which way a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the smallest key up.
    Forward,
    /// From the largest key down.
    Backward,
}

/// A raw row of a scan.
pub type RawRow = Result<(Bytes, Bytes), StoreError>;

/// A scan over raw rows.
pub type RawScan<'a> = Box<dyn Iterator<Item = RawRow> + 'a>;

/// The database at one moment, in bytes; what a store implements.
pub trait Snapshot: Send + Sync {
    /// One row.
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// Many rows of one family, in the order of the keys given.
    fn multi_get(&self, family: Family, keys: &[Vec<u8>])
    -> Result<Vec<Option<Bytes>>, StoreError>;

    /// Rows from `from` up to, without, `to`, in either direction.
    fn scan(&self, family: Family, from: &[u8], to: &[u8], direction: Direction) -> RawScan<'_>;
}

/// Everything up to one position, never moving.
#[derive(Clone)]
pub struct View {
    snapshot: Arc<dyn Snapshot>,
    overlay: Option<Arc<Overlay>>,
    position: Position,
    counts: Arc<AllCounts>,
    op: Op,
}

impl std::fmt::Debug for View {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View")
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl View {
    /// Puts a snapshot and its position together; only a store does this.
    pub fn new(
        snapshot: Arc<dyn Snapshot>,
        position: Position,
        counts: Arc<AllCounts>,
        op: Op,
    ) -> Self {
        Self {
            snapshot,
            overlay: None,
            position,
            counts,
            op,
        }
    }

    /// The position of the last batch that shows, layers left aside.
    pub const fn position(&self) -> Position {
        self.position
    }

    /// The same view under layers that were submitted and do not show yet.
    #[must_use]
    pub fn under(mut self, mut overlay: Overlay) -> Self {
        overlay.forget_up_to(self.position);
        self.overlay = (!overlay.is_empty()).then(|| Arc::new(overlay));
        self
    }

    /// The same view, counted under another operation.
    #[must_use]
    pub const fn counted_as(mut self, op: Op) -> Self {
        self.op = op;
        self
    }

    fn counts(&self) -> &Counts {
        self.counts.of(self.op)
    }

    /// One row, or `None`.
    pub fn get<K: Field, V: Value>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<Option<V>, StoreError> {
        let key = table.key(key).0;
        let layered = self
            .overlay
            .as_ref()
            .and_then(|o| o.get(table.family, &key));
        let row = match layered {
            Some(row) => row,
            None => self.snapshot.get(table.family, &key)?,
        };
        let bytes = row
            .as_ref()
            .map_or(0, |v| v.len().saturating_add(key.len()));
        self.counts().read(table.family, bytes);
        row.map(|value| decode(table, value)).transpose()
    }

    /// Whether a row is there.
    pub fn has<K: Field, V: Value>(
        &self,
        table: &Table<K, V>,
        key: &K,
    ) -> Result<bool, StoreError> {
        self.get(table, key).map(|row| row.is_some())
    }

    /// Many rows, in the order of the keys given.
    pub fn multi_get<K: Field, V: Value>(
        &self,
        table: &Table<K, V>,
        keys: &[K],
    ) -> Result<Vec<Option<V>>, StoreError> {
        if self.overlay.is_some() {
            return keys.iter().map(|key| self.get(table, key)).collect();
        }
        let raw: Vec<Vec<u8>> = keys.iter().map(|key| table.key(key).0).collect();
        let rows = self.snapshot.multi_get(table.family, &raw)?;
        let counts = self.counts();
        rows.into_iter()
            .map(|row| {
                counts.read(table.family, row.as_ref().map_or(0, Bytes::len));
                row.map(|value| decode(table, value)).transpose()
            })
            .collect()
    }

    /// All rows whose keys begin with `start`, a leading part of `K`.
    pub fn scan<'a, K: Field + 'a, V: Value + 'a, P: Field>(
        &'a self,
        table: &'a Table<K, V>,
        start: &P,
        direction: Direction,
    ) -> impl Iterator<Item = Result<(K, V), StoreError>> + use<'a, K, V, P> {
        let from = table.start(start);
        let to = after_prefix(&from).unwrap_or_default();
        self.scan_bytes(table, &from, &to, direction)
    }

    /// All rows from `from` up to, without, `to`; both leading parts of `K`, or whole keys.
    pub fn range<'a, K: Field + 'a, V: Value + 'a, A: Field, B: Field>(
        &'a self,
        table: &'a Table<K, V>,
        from: &A,
        to: &B,
        direction: Direction,
    ) -> impl Iterator<Item = Result<(K, V), StoreError>> + use<'a, K, V, A, B> {
        self.scan_bytes(table, &table.start(from), &table.start(to), direction)
    }

    /// The first or last row whose key begins with `start`.
    pub fn end<K: Field, V: Value, P: Field>(
        &self,
        table: &Table<K, V>,
        start: &P,
        direction: Direction,
    ) -> Result<Option<(K, V)>, StoreError> {
        self.scan(table, start, direction).next().transpose()
    }

    fn scan_bytes<'a, K: Field + 'a, V: Value + 'a>(
        &'a self,
        table: &'a Table<K, V>,
        from: &[u8],
        to: &[u8],
        direction: Direction,
    ) -> impl Iterator<Item = Result<(K, V), StoreError>> + use<'a, K, V> {
        let below = self.snapshot.scan(table.family, from, to, direction);
        let rows: RawScan<'a> = match &self.overlay {
            None => below,
            Some(overlay) => Box::new(Merge::new(
                below,
                overlay.range(table.family, from, to),
                direction,
            )),
        };
        rows.map(move |row| {
            let (key, value) = row?;
            let bytes = key.len().saturating_add(value.len());
            self.counts().read(table.family, bytes);
            let key = table
                .decode_key(key)
                .map_err(|source| StoreError::Corrupt {
                    table: table.name,
                    source,
                })?;
            Ok((key, decode(table, value)?))
        })
    }
}

/// Decodes a value, naming the table when it does not.
fn decode<K, V: Value>(table: &Table<K, V>, value: Bytes) -> Result<V, StoreError> {
    V::decode(value).map_err(|source| StoreError::Corrupt {
        table: table.name,
        source,
    })
}

/// A scan of the snapshot merged with what layers change.
struct Merge<'a> {
    below: Peekable<RawScan<'a>>,
    above: Peekable<std::vec::IntoIter<(Vec<u8>, Option<Bytes>)>>,
    changes: Changes,
    direction: Direction,
}

impl<'a> Merge<'a> {
    fn new(below: RawScan<'a>, changes: Changes, direction: Direction) -> Self {
        let mut above: Vec<_> = changes
            .rows
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect();
        if direction == Direction::Backward {
            above.reverse();
        }
        Self {
            below: below.peekable(),
            above: above.into_iter().peekable(),
            changes,
            direction,
        }
    }

    /// Whether the next row comes from the layers.
    fn above_is_next(&mut self) -> bool {
        match (self.above.peek(), self.below.peek()) {
            (None, _) | (Some(_), Some(Err(_))) => false,
            (Some(_), None) => true,
            (Some((above, _)), Some(Ok((below, _)))) => {
                let order = above.as_slice().cmp(below.as_ref());
                match self.direction {
                    Direction::Forward => order != Order::Greater,
                    Direction::Backward => order != Order::Less,
                }
            }
        }
    }
}

impl Iterator for Merge<'_> {
    type Item = RawRow;

    fn next(&mut self) -> Option<RawRow> {
        loop {
            if self.above_is_next() {
                let (key, value) = self.above.next()?;
                if let Some(value) = value {
                    return Some(Ok((key.into(), value)));
                }
            } else {
                match self.below.next()? {
                    Ok((key, _)) if !self.changes.shows(&key) => {}
                    row => return Some(row),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::{Batch, Store, codec::Plain, mem::MemStore, overlay::Overlay};

    const ROWS: Table<(u8, u8), Plain<u8>> = Table::new("rows", Family::Index, 0xff01);

    #[derive(Clone, Debug)]
    enum Change {
        Put(u8, u8, u8),
        Delete(u8, u8),
        DeletePrefix(u8),
    }

    fn change() -> impl Strategy<Value = Change> {
        prop_oneof![
            4 => (0u8..3, 0u8..4, any::<u8>()).prop_map(|(a, b, v)| Change::Put(a, b, v)),
            2 => (0u8..3, 0u8..4).prop_map(|(a, b)| Change::Delete(a, b)),
            1 => (0u8..3).prop_map(Change::DeletePrefix),
        ]
    }

    fn apply(model: &mut BTreeMap<(u8, u8), u8>, batch: &mut Batch, change: &Change) {
        match *change {
            Change::Put(a, b, v) => {
                model.insert((a, b), v);
                batch.put(&ROWS, &(a, b), &Plain(v));
            }
            Change::Delete(a, b) => {
                model.remove(&(a, b));
                batch.delete(&ROWS, &(a, b));
            }
            Change::DeletePrefix(a) => {
                model.retain(|key, _| key.0 != a);
                batch.delete_prefix(&ROWS, &(a,));
            }
        }
    }

    proptest! {
        /// What an owner sees through its layers is what everybody sees once they are published.
        #[test]
        fn layers_read_like_rows(
            before in prop::collection::vec(change(), 0..8),
            batches in prop::collection::vec(prop::collection::vec(change(), 0..5), 0..5),
        ) {
            let store = MemStore::new();
            let mut model = BTreeMap::new();
            let mut first = Batch::new(Op::Other);
            for c in &before {
                apply(&mut model, &mut first, c);
            }
            store.submit(store.try_reserve().unwrap(), first).unwrap();
            store.hold();
            let mut overlay = Overlay::default();
            for changes in &batches {
                let mut batch = Batch::new(Op::Other);
                for c in changes {
                    apply(&mut model, &mut batch, c);
                }
                let submitted = store.submit(store.try_reserve().unwrap(), batch).unwrap();
                overlay.push(submitted.layer);
            }
            let over = store.view(Op::Other).under(overlay);
            store.release();
            for view in [over, store.view(Op::Other)] {
                for a in 0..3 {
                    for direction in [Direction::Forward, Direction::Backward] {
                        let rows: Result<Vec<_>, _> = view.scan(&ROWS, &(a,), direction).collect();
                        let rows = rows.unwrap().into_iter().map(|(k, v)| (k, v.0));
                        let mut expected: Vec<_> =
                            model.iter().filter(|(k, _)| k.0 == a).map(|(k, v)| (*k, *v)).collect();
                        if direction == Direction::Backward {
                            expected.reverse();
                        }
                        prop_assert_eq!(rows.collect::<Vec<_>>(), expected);
                    }
                    for b in 0..4 {
                        let row = view.get(&ROWS, &(a, b)).unwrap().map(|v| v.0);
                        prop_assert_eq!(row, model.get(&(a, b)).copied());
                    }
                }
            }
        }
    }
}
