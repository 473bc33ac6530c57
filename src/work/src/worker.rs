//! What a piece of background work is.

use std::{error::Error, future::Future, sync::Arc, time::Duration};

use tokio::time::Instant;

use crate::{SharedClock, Shutdown, WakeHandle, runner::Slot};

/// Background work of one kind, done in small steps by the [`crate::Runner`].
///
/// A worker keeps its position in the store, written in the batch of its effect where that effect is
/// local: it may be dropped between two steps, and at any await once the stop deadline has passed, and
/// is built anew after a panic.
pub trait Worker: Send + 'static {
    /// What the worker is called in metrics, logs and lists.
    const NAME: &'static str;

    /// Does one bounded piece of work. Every step is idempotent.
    ///
    /// A step that waits for something slow should also wait for [`WorkerCx::shutdown`].
    fn step(&mut self, cx: &WorkerCx) -> impl Future<Output = Result<Step, WorkerError>> + Send;
}

/// When the next step is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There is more to do: at once.
    Again,
    /// At this time, or when woken before.
    IdleUntil(Instant),
    /// When woken.
    Idle,
    /// Never: the work is finished.
    Done,
}

/// A step failed, and is to be tried again after a delay that grows.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct WorkerError {
    source: Box<dyn Error + Send + Sync>,
}

impl WorkerError {
    /// An error of a lower layer, or a text.
    pub fn new(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: source.into(),
        }
    }
}

/// What the runner gives a step.
#[derive(Clone, Debug)]
pub struct WorkerCx {
    pub(crate) clock: SharedClock,
    pub(crate) shutdown: Shutdown,
    pub(crate) slot: Arc<Slot>,
}

impl WorkerCx {
    /// No instant that [`WorkerCx::instant_at`] gives lies further ahead.
    pub const LONGEST_IDLE: Duration = Duration::from_hours(1);

    /// The time of day.
    pub fn now_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    /// The instant at which the clock will show `unix_ms`, at most [`WorkerCx::LONGEST_IDLE`] ahead:
    /// a step asked earlier than it wanted finds nothing to do, and one whose clock was set anew is
    /// not late for long.
    pub fn instant_at(&self, unix_ms: u64) -> Instant {
        let ahead = Duration::from_millis(unix_ms.saturating_sub(self.clock.now_ms()));
        Instant::now() + ahead.min(Self::LONGEST_IDLE)
    }

    /// Told when the process stops.
    pub fn shutdown(&self) -> &Shutdown {
        &self.shutdown
    }

    /// Wakes this very worker.
    pub fn wake_handle(&self) -> WakeHandle {
        self.slot.wake_handle()
    }

    /// Says how far behind its input the worker is, in the input's own unit (positions, rows).
    pub fn set_lag(&self, lag: u64) {
        self.slot.set_lag(lag);
    }
}
