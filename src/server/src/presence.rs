//! Wakes those who see somebody come or go, and lets time pass for presence.
//!
//! They are woken a few at a time: what changes before it is somebody's turn is told at once, so that
//! a storm of changes costs no more than its share, and a message never waits behind a crowd.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
    time::Duration,
};

use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_rooms::{RoomError, Rooms};
use heliograph_sync::Tracker;
use heliograph_tables::{Op, Store};
use heliograph_work::{Pool, Step, Worker, WorkerCx, WorkerError};
use tokio::{sync::watch, time::Instant};

/// Changed users whose sharers are found in one go.
const CHUNK: usize = 64;
/// Users woken in one go, of those who wait.
const WOKEN: usize = 1;
/// The time until the next ones.
const PACE: Duration = Duration::from_millis(3);
/// The time until the next look while requests wait for a thread: presence waits for them.
const BUSY: Duration = Duration::from_millis(100);

/// Wakes the waiting requests of those who share a room with whoever changed.
pub(crate) struct PresenceNotifier {
    pub(crate) rooms: Rooms,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) pool: Pool,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) told: u64,
    pub(crate) queue: Queue,
}

/// Users to be woken, each once, in the order in which they came.
#[derive(Default)]
pub(crate) struct Queue {
    order: VecDeque<UserNum>,
    queued: HashSet<UserNum>,
}

impl Queue {
    fn add(&mut self, users: HashSet<UserNum>) {
        for user in users {
            if self.queued.insert(user) {
                self.order.push_back(user);
            }
        }
    }

    fn next(&mut self) -> Option<UserNum> {
        let user = self.order.pop_front()?;
        self.queued.remove(&user);
        Some(user)
    }
}

impl Worker for PresenceNotifier {
    const NAME: &'static str = "presence";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        self.changes.borrow_and_update();
        let next = self.rooms.presence().expire(cx.now_ms());
        if self.pool.is_busy() {
            return Ok(Step::IdleUntil(Instant::now() + BUSY));
        }
        self.find_sharers().await?;
        let mut woken = 0;
        while woken < WOKEN
            && let Some(user) = self.queue.next()
        {
            woken += usize::from(self.tracker.wake(user));
        }
        if woken > 0 {
            return Ok(Step::IdleUntil(Instant::now() + PACE));
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
    /// Queues those who are to be told of what changed since this was last done.
    async fn find_sharers(&mut self) -> Result<(), WorkerError> {
        let presence = self.rooms.presence();
        let upto = self.rooms.ephemeral_sequence();
        let changed = presence.changed_after(self.told, usize::MAX);
        let most = count(presence.settings().max_room_members);
        for users in changed.chunks(CHUNK) {
            let mut sharers = HashSet::new();
            for user in self.tracker.sharers(users, most, &mut sharers) {
                let rooms = self.rooms_of(user).await?;
                self.tracker.watched_in(&rooms, most, &mut sharers);
            }
            self.queue.add(sharers);
        }
        self.told = upto;
        Ok(())
    }

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
