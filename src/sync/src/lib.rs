//! The delta engine, the notifier and the encoders for `/sync`.
//!
//! This crate must never know how a room decides, and writes nothing: it reads the log and the
//! indexes.
//!
//! Entry points: [`Sync`] (waits and answers), [`Filter`], [`Tracker`] (fed by the process's one
//! log consumer).

mod delta;
mod encode;
mod engine;
mod event_fields;
mod filter;
mod lazy;
mod presence;
mod receipts;
mod request;
mod room;
mod tracker;
mod unread;

use std::{sync::Arc, time::Duration};

use heliograph_accounts::Accounts;
use heliograph_push::Push;
use heliograph_rooms::Rooms;
use heliograph_tables::{Op, Store, interner::Interner};
use heliograph_work::{Pool, Shutdown};
use tokio::{sync::watch, time::Instant};

pub use delta::{Delta, JoinedRoom, RoomDelta, Summary};
pub use filter::{BadFilter, EventFilter, EventFormat, Filter, RoomFilter};
pub use presence::PresenceRow;
pub use request::{SyncError, SyncRequest};
pub use tracker::{Tracker, Wake};

use crate::{
    engine::{Ask, Engine},
    lazy::LazyMembers,
};

/// Sizes and limits.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// The longest that a request waits, milliseconds.
    pub max_timeout_ms: u64,
    /// Pairs of a client and a room for which lazily loaded members are remembered.
    pub lazy_cache: usize,
    /// Events of a room's timeline when the filter says nothing.
    pub timeline_limit: usize,
    /// The longest timeline that a client gets, whatever it asks for.
    pub max_timeline_limit: usize,
}

/// What the crate is built from.
pub struct Parts {
    /// The database.
    pub store: Arc<dyn Store>,
    /// The names of the process.
    pub interner: Arc<Interner>,
    /// Where synchronous code runs.
    pub pool: Pool,
    /// Rooms.
    pub rooms: Rooms,
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Push rules and unread counts.
    pub push: Arc<Push>,
    /// What changed lately.
    pub tracker: Arc<Tracker>,
    /// A number that no other process of this database has had.
    pub instance: u64,
    /// Ends all waits.
    pub shutdown: Shutdown,
}

/// Answers syncs.
#[derive(Clone)]
pub struct Sync {
    store: Arc<dyn Store>,
    pool: Pool,
    engine: Arc<Engine>,
    settings: Settings,
    shutdown: Shutdown,
}

/// An answer, and whether it has news.
struct Answer {
    json: String,
    empty: bool,
}

/// Times that an answer is begun anew before all unread events are counted: each
/// round counts more than a thousand.
const MAX_COUNTING_ROUNDS: usize = 10_000;

impl Sync {
    /// Syncs over a store.
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let Parts {
            store,
            interner,
            pool,
            rooms,
            accounts,
            push,
            tracker,
            instance,
            shutdown,
        } = parts;
        let epoch = store.epoch();
        let lazy = LazyMembers::new(settings.lazy_cache);
        let engine = Engine {
            rooms,
            accounts,
            push,
            interner,
            tracker,
            lazy,
            settings,
            epoch,
            instance,
        };
        Self {
            store,
            pool,
            engine: Arc::new(engine),
            settings,
            shutdown,
        }
    }

    /// Answers at once if there is news, if the sync is an initial one, or if no wait is wanted;
    /// else when there is news or the time is over. A request that waits holds its token and its
    /// filter, and costs no CPU.
    ///
    /// # Errors
    /// [`SyncError::DeviceGone`] when the device is removed meanwhile; those of the store.
    pub async fn sync(&self, request: SyncRequest) -> Result<String, SyncError> {
        let timeout = request.timeout_ms.min(self.settings.max_timeout_ms);
        let deadline = Instant::now() + Duration::from_millis(timeout);
        let request = Arc::new(request);
        let presence = self.engine.rooms.presence();
        let _polling = presence.poll(request.user, request.device, request.set_presence);
        let mut wake = if timeout > 0 && request.since.is_some() {
            Some(self.watch(&request).await?)
        } else {
            None
        };
        loop {
            if let Some(wake) = &mut wake {
                wake.borrow_and_update();
            }
            let answer = self.answer(&request).await?;
            let waits = answer.empty && !request.full_state;
            let Some(wake) = wake.as_mut().filter(|_| waits) else {
                return Ok(answer.json);
            };
            let woken = tokio::select! {
                woken = tokio::time::timeout_at(deadline, wake.changed()) => woken.is_ok(),
                () = self.shutdown.requested() => false,
            };
            if wake.borrow().removed == Some(request.device) {
                return Err(SyncError::DeviceGone);
            }
            if !woken {
                return Ok(self.answer(&request).await?.json);
            }
        }
    }

    /// Subscribes to what concerns the user. A device that was removed before is seen here, one
    /// that is removed later wakes the subscriber.
    async fn watch(&self, request: &SyncRequest) -> Result<watch::Receiver<Wake>, SyncError> {
        let (engine, store) = (Arc::clone(&self.engine), Arc::clone(&self.store));
        let (user, device) = (request.user, request.device);
        self.pool
            .run(move || {
                let rooms = || engine.rooms_of(&store.view(Op::Sync), user);
                let receiver = engine.tracker.watch(user, rooms)?;
                let known = engine
                    .accounts
                    .device(&store.view(Op::Sync), user, device)?;
                if known.is_some() {
                    Ok(receiver)
                } else {
                    Err(SyncError::DeviceGone)
                }
            })
            .await?
    }

    /// What there is to tell now; first, unread events are counted, as many at once as leave others
    /// their turn.
    async fn answer(&self, request: &Arc<SyncRequest>) -> Result<Answer, SyncError> {
        for _ in 0..MAX_COUNTING_ROUNDS {
            if let Some(answer) = self.try_answer(request).await? {
                return Ok(answer);
            }
        }
        Err(SyncError::Inconsistent("unread events without an end"))
    }

    /// What there is to tell now; `None` when there are still unread events to be counted.
    async fn try_answer(&self, request: &Arc<SyncRequest>) -> Result<Option<Answer>, SyncError> {
        let (engine, store, request) = (
            Arc::clone(&self.engine),
            Arc::clone(&self.store),
            Arc::clone(request),
        );
        self.pool
            .run(move || {
                let op = if request.since.is_some() {
                    Op::Sync
                } else {
                    Op::InitialSync
                };
                let view = store.view(op);
                let ask = Ask::new(&engine, &view, &request);
                let delta = engine.delta(&ask, request.since)?;
                if ask.unread.is_uncounted.get() {
                    return Ok(None);
                }
                let initial = engine.stretch(&view, request.since).from.is_none();
                let json = encode::encode(&ask, &delta)?;
                Ok(Some(Answer {
                    json,
                    empty: delta.is_empty() && !initial,
                }))
            })
            .await?
    }
}

#[cfg(test)]
mod tests;
