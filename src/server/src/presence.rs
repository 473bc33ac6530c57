//! Wakes those who see somebody come or go, and lets time pass for presence.

use std::{sync::Arc, time::Duration};

use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_rooms::{RoomError, Rooms};
use heliograph_sync::Tracker;
use heliograph_tables::{Op, Store};
use heliograph_work::{Pool, Step, Worker, WorkerCx, WorkerError};
use tokio::{sync::watch, time::Instant};

/// Users whose sharers are woken in one go.
const CHUNK: usize = 64;
/// The time between two rounds: what changes meanwhile is told in one.
const ROUND: Duration = Duration::from_millis(100);
/// The time until the next look while requests wait for a thread: presence waits for them.
const BUSY: Duration = Duration::from_secs(1);

/// Wakes the waiting requests of those who share a room with whoever changed.
pub(crate) struct PresenceNotifier {
    pub(crate) rooms: Rooms,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) pool: Pool,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) told: u64,
}

impl Worker for PresenceNotifier {
    const NAME: &'static str = "presence";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        let presence = self.rooms.presence().clone();
        self.changes.borrow_and_update();
        let next = presence.expire(cx.now_ms());
        if self.pool.is_busy() {
            return Ok(Step::IdleUntil(Instant::now() + BUSY));
        }
        let upto = self.rooms.ephemeral_sequence();
        let changed = presence.changed_after(self.told, usize::MAX);
        if !changed.is_empty() {
            let most = count(presence.settings().max_room_members);
            for users in changed.chunks(CHUNK) {
                for user in self.tracker.wake_sharers(users, most) {
                    self.tracker.wake_rooms(&self.rooms_of(user).await?, most);
                }
            }
            self.told = upto;
            return Ok(Step::IdleUntil(Instant::now() + ROUND));
        }
        let passes = async {
            match next {
                Some(at) => tokio::time::sleep_until(cx.instant_at(at)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = self.changes.changed() => {
                Ok(if changed.is_ok() { Step::Again } else { Step::Done })
            }
            () = passes => Ok(Step::Again),
            () = cx.shutdown().requested() => Ok(Step::Done),
        }
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl PresenceNotifier {
    /// The rooms that a user has to do with for whom nobody waits.
    async fn rooms_of(&self, user: UserNum) -> Result<Vec<RoomNum>, WorkerError> {
        let (rooms, store) = (self.rooms.clone(), Arc::clone(&self.store));
        let found = self.pool.run(move || {
            let view = store.view(Op::Other);
            let found = rooms.at(&view).rooms_of(user);
            found
                .map(|row| row.map(|(room, _)| room))
                .collect::<Result<_, RoomError>>()
        });
        let found = found.await.map_err(WorkerError::new)?;
        found.map_err(WorkerError::new)
    }
}
