//! The port that the database implements: views, and the committer that takes batches.

use std::sync::Arc;

use heliograph_core::ids::Position;
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

use crate::{
    batch::Batch,
    codec::Corrupt,
    counts::Op,
    log::{Entry, Read},
    overlay::Layer,
    view::View,
};

/// Why the store did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A row does not decode; other rows are still good.
    #[error("corrupt row in table {table}")]
    Corrupt {
        /// The table's name.
        table: &'static str,
        /// What is wrong.
        #[source]
        source: Corrupt,
    },
    /// The database failed to read.
    #[error("the database failed to read: {0}")]
    Read(Arc<str>),
    /// Writing failed once and is refused since then, until a restart.
    #[error("the store is read-only: {0}")]
    ReadOnly(Arc<str>),
    /// All places in the commit queue are taken; try again later.
    #[error("the commit queue is full")]
    Full,
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// A place in the commit queue, taken before a change is prepared.
#[derive(Debug)]
pub struct Permit(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Permit {
    /// Wraps a place of the queue's semaphore; only a store makes these.
    pub const fn new(place: OwnedSemaphorePermit) -> Self {
        Self(place)
    }
}

/// Resolves when a batch is safe, or never will be.
#[derive(Debug)]
pub struct Completion(oneshot::Receiver<Result<(), StoreError>>);

impl Completion {
    /// A completion and the end that resolves it.
    pub fn new() -> (oneshot::Sender<Result<(), StoreError>>, Self) {
        let (sender, receiver) = oneshot::channel();
        (sender, Self(receiver))
    }

    /// Waits until the batch is published: as durable as the configuration says, and visible.
    ///
    /// # Errors
    /// When the write failed, [`StoreError::ReadOnly`]; when the store went away,
    /// [`StoreError::Closed`]. In both cases the batch may or may not be found after a restart.
    pub async fn published(self) -> Result<(), StoreError> {
        self.0.await.unwrap_or(Err(StoreError::Closed))
    }

    /// The same for threads that may block.
    pub fn published_blocking(self) -> Result<(), StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

/// A batch that is on its way to disk.
#[derive(Debug)]
pub struct Submitted {
    /// Its place in the log.
    pub position: Position,
    /// Its rows, to be laid over views that do not show it yet.
    pub layer: Arc<Layer>,
    /// Resolves when it is safe.
    pub completion: Completion,
}

/// A future that the store returns; boxed, since the port is used as an object.
pub type Reserve<'a> =
    std::pin::Pin<Box<dyn Future<Output = Result<Permit, StoreError>> + Send + 'a>>;

/// The database as domain crates see it.
pub trait Store: Send + Sync {
    /// Everything up to the last published position, never moving; counted under `op`.
    fn view(&self, op: Op) -> View;

    /// Waits for a place in the commit queue.
    fn reserve(&self) -> Reserve<'_>;

    /// Gives the batch the next position and queues it; the order of calls is the order of
    /// positions. Takes microseconds and never waits.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] or [`StoreError::Closed`]; the batch is then nowhere.
    fn submit(&self, permit: Permit, batch: Batch) -> Result<Submitted, StoreError>;

    /// Tells each newly published position, at most once a commit group.
    fn published(&self) -> watch::Receiver<Position>;

    /// The published log entries after `after`, at most `limit` of them; they go up to what any view
    /// shows that was taken before the call.
    ///
    /// # Errors
    /// When the disk is read and fails.
    fn log_after(&self, after: Position, limit: usize) -> Result<Read, StoreError>;

    /// Which life of the data this is: changed when a backup is restored or positions jumped.
    fn epoch(&self) -> u64;
}

/// A published batch as its consumers see it.
#[derive(Clone, Debug)]
pub struct LogEntry {
    /// Its position.
    pub position: Position,
    /// What it changed.
    pub entry: Entry,
}
