//! The background work of the process.

use std::{sync::Arc, time::Duration};

use heliograph_core::ids::Position;
use heliograph_rooms::Rooms;
use heliograph_sync::Tracker;
use heliograph_work::{Step, Worker, WorkerCx, WorkerError};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{sync::watch, time::Instant};

/// Wakes those whom a commit group concerns.
pub(crate) struct Notifier {
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) published: watch::Receiver<Position>,
}

impl Worker for Notifier {
    const NAME: &'static str = "notifier";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        tokio::select! {
            changed = self.published.changed() => {
                if changed.is_err() {
                    return Ok(Step::Done);
                }
                self.published.borrow_and_update();
                self.tracker.catch_up().map_err(WorkerError::new)?;
                Ok(Step::Again)
            }
            () = cx.shutdown().requested() => Ok(Step::Done),
        }
    }
}

/// Wakes those who see somebody type, and ends what has run out.
pub(crate) struct TypingNotifier {
    pub(crate) rooms: Rooms,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) told: u64,
}

impl TypingNotifier {
    /// Wakes the rooms in which something changed since the last time.
    fn tell(&mut self) {
        let typing = self.rooms.typing();
        let upto = typing.sequence();
        for room in typing.rooms_changed_after(self.told) {
            self.tracker.wake_room(room);
        }
        self.told = upto;
    }
}

impl Worker for TypingNotifier {
    const NAME: &'static str = "typing";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        let mut changes = self.rooms.typing().changes();
        let next = self.rooms.typing().expire(cx.now_ms());
        self.tell();
        let ends = async {
            match next {
                Some(at) => tokio::time::sleep_until(cx.instant_at(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = changes.changed() => Ok(Step::Again),
            () = ends => Ok(Step::Again),
            () = cx.shutdown().requested() => Ok(Step::Done),
        }
    }
}

/// Moves what histograms were given into their buckets; until then each value takes memory.
pub(crate) struct MetricsUpkeep(pub(crate) PrometheusHandle);

impl MetricsUpkeep {
    const EVERY: Duration = Duration::from_secs(5);
}

impl Worker for MetricsUpkeep {
    const NAME: &'static str = "metrics";

    async fn step(&mut self, _: &WorkerCx) -> Result<Step, WorkerError> {
        self.0.run_upkeep();
        Ok(Step::IdleUntil(Instant::now() + Self::EVERY))
    }
}
