//! A store in memory, for tests of the crates above: the same port, the same order, no disk.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use heliograph_core::ids::Position;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Semaphore, watch};

use crate::{
    batch::{Batch, Stamped},
    counts::{AllCounts, Op},
    log::{Entry, Read},
    store::{Completion, LogEntry, Permit, Reserve, Store, StoreError, Submitted},
    table::Family,
    view::{Direction, RawScan, Snapshot, View},
};

/// Every version of every row, newest last.
type Rows = BTreeMap<(Family, Vec<u8>), Vec<(Position, Option<Bytes>)>>;

/// A store in memory that publishes a batch when it is submitted, or when told to.
pub struct MemStore {
    rows: Arc<RwLock<Rows>>,
    log: Mutex<VecDeque<LogEntry>>,
    next: Mutex<Position>,
    published: watch::Sender<Position>,
    places: Arc<Semaphore>,
    counts: Arc<AllCounts>,
    held: Mutex<Option<Vec<Held>>>,
}

/// A completion that waits for [`MemStore::release`].
type Held = (
    Position,
    tokio::sync::oneshot::Sender<Result<(), StoreError>>,
);

impl Default for MemStore {
    fn default() -> Self {
        Self {
            rows: Arc::default(),
            log: Mutex::default(),
            next: Mutex::new(Position(1)),
            published: watch::channel(Position(0)).0,
            places: Arc::new(Semaphore::new(1024)),
            counts: Arc::default(),
            held: Mutex::new(None),
        }
    }
}

impl MemStore {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on batches get positions but are not published: what an owner sees between its
    /// submit and the sync of the disk.
    pub fn hold(&self) {
        self.held.lock().get_or_insert_default();
    }

    /// Publishes what was held back, and from now on publishes at once.
    pub fn release(&self) {
        for (position, sender) in self.held.lock().take().into_iter().flatten() {
            self.publish(position, sender);
        }
    }

    /// A place in the queue, at once; for tests that are not async.
    ///
    /// # Errors
    /// [`StoreError::Full`] when all places are taken.
    pub fn try_reserve(&self) -> Result<Permit, StoreError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Permit::new).map_err(|_| StoreError::Full)
    }

    /// What was read and written so far, by operation.
    pub fn counts(&self) -> &AllCounts {
        &self.counts
    }

    fn publish(
        &self,
        position: Position,
        sender: tokio::sync::oneshot::Sender<Result<(), StoreError>>,
    ) {
        self.published.send_replace(position);
        // The caller may have stopped waiting; the batch is published all the same.
        drop(sender.send(Ok(())));
    }

    fn apply(rows: &mut Rows, position: Position, write: Stamped) {
        match write {
            Stamped::Put(family, key, value) => {
                rows.entry((family, key))
                    .or_default()
                    .push((position, Some(value.into())));
            }
            Stamped::Delete(family, key) => {
                rows.entry((family, key))
                    .or_default()
                    .push((position, None));
            }
            Stamped::DeleteRange(family, from, to) => {
                for (_, versions) in rows.range_mut((family, from)..(family, to)) {
                    versions.push((position, None));
                }
            }
        }
    }
}

impl Store for MemStore {
    fn view(&self, op: Op) -> View {
        let position = *self.published.borrow();
        let snapshot = MemSnapshot {
            rows: Arc::clone(&self.rows),
            position,
        };
        View::new(Arc::new(snapshot), position, Arc::clone(&self.counts), op)
    }

    fn reserve(&self) -> Reserve<'_> {
        Box::pin(async {
            let place = Arc::clone(&self.places).acquire_owned().await;
            place.map(Permit::new).map_err(|_| StoreError::Closed)
        })
    }

    fn submit(&self, permit: Permit, batch: Batch) -> Result<Submitted, StoreError> {
        let mut next = self.next.lock();
        let position = *next;
        *next = position.next().ok_or(StoreError::Closed)?;
        let stamped = batch.stamp(position, &self.counts);
        let layer = Arc::new(stamped.layer());
        let entry = LogEntry {
            position,
            entry: Entry(Arc::clone(&stamped.records)),
        };
        let mut rows = self.rows.write();
        for write in stamped.writes {
            Self::apply(&mut rows, position, write);
        }
        drop(rows);
        self.log.lock().push_back(entry);
        let (sender, completion) = Completion::new();
        match self.held.lock().as_mut() {
            Some(held) => held.push((position, sender)),
            None => self.publish(position, sender),
        }
        drop(permit);
        Ok(Submitted {
            position,
            layer,
            completion,
        })
    }

    fn published(&self) -> watch::Receiver<Position> {
        self.published.subscribe()
    }

    fn log_after(&self, after: Position, limit: usize) -> Result<Read, StoreError> {
        let published = *self.published.borrow();
        let log = self.log.lock();
        let newer = log
            .iter()
            .filter(|e| e.position > after && e.position <= published);
        Ok(Read::Entries(newer.take(limit).cloned().collect()))
    }

    fn epoch(&self) -> u64 {
        1
    }
}

/// The rows up to one position.
struct MemSnapshot {
    rows: Arc<RwLock<Rows>>,
    position: Position,
}

impl MemSnapshot {
    /// The newest version that shows.
    fn visible(&self, versions: &[(Position, Option<Bytes>)]) -> Option<Bytes> {
        versions
            .iter()
            .rev()
            .find(|(p, _)| *p <= self.position)
            .and_then(|(_, v)| v.clone())
    }
}

impl Snapshot for MemSnapshot {
    fn get(&self, family: Family, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        let rows = self.rows.read();
        Ok(rows
            .get(&(family, key.to_vec()))
            .and_then(|v| self.visible(v)))
    }

    fn multi_get(
        &self,
        family: Family,
        keys: &[Vec<u8>],
    ) -> Result<Vec<Option<Bytes>>, StoreError> {
        keys.iter().map(|key| self.get(family, key)).collect()
    }

    fn scan(&self, family: Family, from: &[u8], to: &[u8], direction: Direction) -> RawScan<'_> {
        let bounds = (family, from.to_vec())..(family, to.to_vec());
        if bounds.start >= bounds.end {
            return Box::new(std::iter::empty());
        }
        let rows = self.rows.read();
        let mut found: Vec<_> = rows
            .range(bounds)
            .filter_map(|((_, key), v)| {
                self.visible(v)
                    .map(|value| Ok((Bytes::copy_from_slice(key), value)))
            })
            .collect();
        if direction == Direction::Backward {
            found.reverse();
        }
        Box::new(found.into_iter())
    }
}
