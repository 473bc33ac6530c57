//! The committer: gives each batch the next position, and publishes it once it is safe.
//!
//! It reads nothing and checks nothing. Two threads (see [`crate::writer`]) take turns: while one
//! syncs a group, the other writes the next one. A batch goes through one of them only.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

use heliograph_core::ids::Position;
use heliograph_tables::{
    Batch, Completion, Op, Permit, StoreError, Submitted, View,
    batch::StampedBatch,
    codec::UNSTAMPED,
    counts::AllCounts,
    log::{Entry, Read},
    schema,
    store::LogEntry,
    view::{Direction, Snapshot},
};
use parking_lot::{Condvar, Mutex, RwLock};
use tokio::sync::{Semaphore, oneshot, watch};

use crate::{
    Durability, Settings, engine::Engine, metric::Handles, ring::MAX_ENTRIES, ring::Ring,
    snapshot::Frozen, upkeep::Signal,
};

/// A batch that has its position and waits to be written.
pub(crate) struct Waiting {
    pub(crate) batch: Arc<StampedBatch>,
    pub(crate) bytes: usize,
    pub(crate) answer: oneshot::Sender<Result<(), StoreError>>,
    /// The place in the queue, kept until the batch is published.
    pub(crate) permit: Permit,
}

/// Whether batches are taken.
#[derive(Clone)]
pub(crate) enum State {
    /// They are.
    Open,
    /// Not any more; what was submitted before is still written.
    Closing,
    /// A write or a sync failed.
    Failed(Arc<str>),
}

impl State {
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::Open => Ok(()),
            Self::Closing => Err(StoreError::Closed),
            Self::Failed(reason) => Err(StoreError::ReadOnly(Arc::clone(reason))),
        }
    }
}

/// What submitters and the two threads share.
pub(crate) struct Queue {
    pub(crate) waiting: VecDeque<Waiting>,
    pub(crate) next: Position,
    pub(crate) state: State,
    /// Whether a thread is between taking a group and beginning its sync.
    pub(crate) writing: bool,
    /// Groups begun.
    pub(crate) begun: u64,
    /// Groups published, in the order in which they were begun.
    pub(crate) done: u64,
}

/// The last published moment.
struct Published {
    snapshot: Arc<dyn Snapshot>,
    position: Position,
}

/// The committer's state.
pub(crate) struct Committer {
    pub(crate) engine: Arc<Engine>,
    pub(crate) queue: Mutex<Queue>,
    /// Told when there is something to write and nobody writes.
    pub(crate) work: Condvar,
    /// Told when a group is published: it is the next one's turn.
    pub(crate) turn: Condvar,
    places: Arc<Semaphore>,
    queue_places: usize,
    published: RwLock<Published>,
    ring: Mutex<Ring>,
    told: watch::Sender<Position>,
    counts: Arc<AllCounts>,
    durability: Durability,
    /// Loaders at work that asked for no sync of each group.
    unsynced: AtomicUsize,
    /// The last position known to be on disk.
    synced: AtomicU64,
    pub(crate) signal: Signal,
    pub(crate) metrics: Handles,
    #[cfg(test)]
    pub(crate) faults: Faults,
}

/// Failures that a test asks for.
#[cfg(test)]
#[derive(Default)]
pub(crate) struct Faults {
    pub(crate) write: std::sync::atomic::AtomicBool,
    pub(crate) sync: std::sync::atomic::AtomicBool,
}

impl Committer {
    /// Goes on after `last`, the position of the last batch in the database.
    pub(crate) fn new(
        engine: Arc<Engine>,
        last: Position,
        counts: Arc<AllCounts>,
        settings: &Settings,
    ) -> Self {
        let snapshot: Arc<dyn Snapshot> = Arc::new(Frozen::now(Arc::clone(&engine)));
        Self {
            engine,
            queue: Mutex::new(Queue {
                waiting: VecDeque::new(),
                next: Position(last.0.saturating_add(1)),
                state: State::Open,
                writing: false,
                begun: 0,
                done: 0,
            }),
            work: Condvar::new(),
            turn: Condvar::new(),
            places: Arc::new(Semaphore::new(settings.queue_places)),
            queue_places: settings.queue_places,
            published: RwLock::new(Published {
                snapshot,
                position: last,
            }),
            ring: Mutex::new(Ring::new(settings.log_memory_bytes)),
            told: watch::channel(last).0,
            counts,
            durability: settings.durability,
            unsynced: AtomicUsize::new(0),
            synced: AtomicU64::new(last.0),
            signal: Signal::default(),
            metrics: Handles::resolve(),
            #[cfg(test)]
            faults: Faults::default(),
        }
    }

    pub(crate) fn view(&self, op: Op) -> View {
        let published = self.published.read();
        let (snapshot, position) = (Arc::clone(&published.snapshot), published.position);
        drop(published);
        View::new(snapshot, position, Arc::clone(&self.counts), op)
    }

    /// The position up to which views show.
    pub(crate) fn position(&self) -> Position {
        *self.told.borrow()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Position> {
        self.told.subscribe()
    }

    pub(crate) fn counts(&self) -> &AllCounts {
        &self.counts
    }

    /// Whether batches are taken; if not, why.
    pub(crate) fn check(&self) -> Result<(), StoreError> {
        self.queue.lock().state.check()
    }

    pub(crate) async fn reserve(&self) -> Result<Permit, StoreError> {
        self.check()?;
        let place = Arc::clone(&self.places).acquire_owned().await;
        place.map(Permit::new).map_err(|_| StoreError::Closed)
    }

    pub(crate) fn try_reserve(&self) -> Result<Permit, StoreError> {
        self.check()?;
        let place = Arc::clone(&self.places).try_acquire_owned();
        place.map(Permit::new).map_err(|error| match error {
            tokio::sync::TryAcquireError::Closed => StoreError::Closed,
            tokio::sync::TryAcquireError::NoPermits => StoreError::Full,
        })
    }

    /// Places of the queue that are taken.
    pub(crate) fn places_in_use(&self) -> usize {
        self.queue_places
            .saturating_sub(self.places.available_permits())
    }

    pub(crate) fn submit(&self, permit: Permit, batch: Batch) -> Result<Submitted, StoreError> {
        let bytes = batch.size_bytes();
        let (answer, completion) = Completion::new();
        let mut queue = self.queue.lock();
        queue.state.check()?;
        let position = queue.next;
        queue.next = position
            .next()
            .filter(|next| *next != UNSTAMPED)
            .ok_or(StoreError::Closed)?;
        let stamped = Arc::new(batch.stamp(position, &self.counts));
        queue.waiting.push_back(Waiting {
            batch: Arc::clone(&stamped),
            bytes,
            answer,
            permit,
        });
        // Whoever is writing looks at the queue again before it lets go.
        let wake = !queue.writing;
        drop(queue);
        if wake {
            self.work.notify_one();
        }
        Ok(Submitted {
            position,
            layer: Arc::new(stamped.layer()),
            completion,
        })
    }

    /// Makes what is written as safe as the settings say.
    pub(crate) fn sync(&self, last: Position) -> Result<(), StoreError> {
        #[cfg(test)]
        if self.faults.sync.load(Ordering::SeqCst) {
            return Err(StoreError::Read("a test asked for a failed sync".into()));
        }
        let sync =
            self.durability == Durability::Fsync && self.unsynced.load(Ordering::SeqCst) == 0;
        self.engine.flush_wal(sync)?;
        if sync {
            self.synced.fetch_max(last.0, Ordering::SeqCst);
        }
        Ok(())
    }

    /// Puts on disk all that is published, and says up to where.
    pub(crate) fn sync_published(&self) -> Result<Position, StoreError> {
        let last = self.position();
        if self.synced.load(Ordering::SeqCst) < last.0 {
            if let Err(error) = self.engine.flush_wal(true) {
                self.fail(&error.to_string().into());
                return Err(error);
            }
            self.synced.fetch_max(last.0, Ordering::SeqCst);
        }
        Ok(last)
    }

    /// The last position that is on disk for certain.
    pub(crate) fn synced(&self) -> Position {
        Position(self.synced.load(Ordering::SeqCst))
    }

    /// The durability that was asked for.
    pub(crate) const fn durability(&self) -> Durability {
        self.durability
    }

    /// Until the answer is dropped, groups are published without being synced.
    pub(crate) fn without_syncing(&self) -> Unsynced<'_> {
        self.unsynced.fetch_add(1, Ordering::SeqCst);
        Unsynced(self)
    }

    /// Shows a group to readers and answers those who wait for it.
    pub(crate) fn publish(&self, snapshot: Frozen, group: Vec<Waiting>) {
        let Some(last) = group.last().map(|waiting| waiting.batch.position) else {
            return;
        };
        let published = Published {
            snapshot: Arc::new(snapshot),
            position: last,
        };
        // The view and the log at once: whoever reads an entry of the log finds it in a view taken
        // after, and whoever has a view finds all that it shows in the log.
        let mut shown = self.published.write();
        let mut ring = self.ring.lock();
        for waiting in &group {
            ring.push(LogEntry {
                position: waiting.batch.position,
                entry: Entry(Arc::clone(&waiting.batch.records)),
            });
        }
        drop(ring);
        let old = std::mem::replace(&mut *shown, published);
        drop(shown);
        drop(old);
        self.told.send_replace(last);
        self.signal.changed();
        for waiting in group {
            // The caller may have stopped waiting; the batch is published all the same.
            drop(waiting.answer.send(Ok(())));
            drop(waiting.permit);
        }
    }

    /// Refuses all further writes, and answers those that wait.
    pub(crate) fn fail(&self, reason: &Arc<str>) {
        let mut queue = self.queue.lock();
        if !matches!(queue.state, State::Failed(_)) {
            tracing::error!(%reason, "writing failed; the store is read-only until a restart");
            queue.state = State::Failed(Arc::clone(reason));
        }
        let waiting = std::mem::take(&mut queue.waiting);
        drop(queue);
        self.work.notify_all();
        self.turn.notify_all();
        refuse(waiting, reason);
    }

    /// Takes no more batches; what was submitted before is still written.
    pub(crate) fn begin_close(&self) {
        let mut queue = self.queue.lock();
        if matches!(queue.state, State::Open) {
            queue.state = State::Closing;
        }
        drop(queue);
        self.places.close();
        self.work.notify_all();
    }

    pub(crate) fn log_after(&self, after: Position, limit: usize) -> Result<Read, StoreError> {
        // Not what was told: that is later than what views show.
        if after >= self.published.read().position {
            return Ok(Read::Entries(Vec::new()));
        }
        let recent = self.ring.lock().after(after, limit);
        match recent {
            Some(entries) => Ok(Read::Entries(entries)),
            None => self.log_on_disk(after, limit),
        }
    }

    fn log_on_disk(&self, after: Position, limit: usize) -> Result<Read, StoreError> {
        let view = self.view(Op::Other);
        let mut expected = Position(after.0.saturating_add(1));
        let mut entries = Vec::new();
        let rows = view.range(&schema::LOG, &expected, &UNSTAMPED, Direction::Forward);
        for row in rows.take(limit.min(MAX_ENTRIES)) {
            let (position, entry) = row?;
            // A consumer is never led over a gap.
            if position != expected {
                break;
            }
            entries.push(LogEntry { position, entry });
            expected = Position(expected.0.saturating_add(1));
        }
        if entries.is_empty() && limit > 0 {
            return Ok(Read::Trimmed);
        }
        Ok(Read::Entries(entries))
    }
}

/// Answers batches that will not be written.
pub(crate) fn refuse(group: impl IntoIterator<Item = Waiting>, reason: &Arc<str>) {
    for waiting in group {
        let refusal = Err(StoreError::ReadOnly(Arc::clone(reason)));
        // The caller may have stopped waiting.
        drop(waiting.answer.send(refusal));
        drop(waiting.permit);
    }
}

/// Groups are published without being synced while this lives.
pub(crate) struct Unsynced<'a>(&'a Committer);

impl Drop for Unsynced<'_> {
    fn drop(&mut self) {
        self.0.unsynced.fetch_sub(1, Ordering::SeqCst);
    }
}
