//! Takes guests out of rooms that are no longer for guests.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#guest-access>

use std::{collections::BTreeSet, sync::Arc};

use heliograph_accounts::Accounts;
use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_rooms::{RoomError, Rooms, RoomsView};
use heliograph_tables::{Op, Record, Store};
use heliograph_work::{Pool, Step, Worker, WorkerCx, WorkerError};

use crate::{
    departures::{leave, sender_of},
    follower::{Follower, News},
};

/// Guests who leave before others are looked for.
const PAGE: usize = 100;

/// Reads the log for rooms whose state changed. To leave a room that was left is to do nothing: what
/// a restart interrupts is done again.
pub(crate) struct GuestWorker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) rooms: Rooms,
    pub(crate) pool: Pool,
    pub(crate) log: Follower,
}

impl Worker for GuestWorker {
    const NAME: &'static str = "guests";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        let (to, done) = match self.log.next()? {
            News::Records(to, records) => {
                let changed: BTreeSet<RoomNum> = records.iter().filter_map(changed).collect();
                let mut done = false;
                for room in changed {
                    done |= self.clear(room, cx).await?;
                }
                (to, done)
            }
            News::Trimmed(to) => {
                let mut after = None;
                while let Some(room) = self.room_after(after).await? {
                    self.clear(room, cx).await?;
                    after = Some(room);
                }
                (to, true)
            }
            News::None => return self.log.wait(cx).await,
        };
        if cx.shutdown().is_requested() {
            return Ok(Step::Done);
        }
        self.log.advance(to, done).await?;
        Ok(Step::Again)
    }
}

/// The room whose state a record says has changed.
fn changed(record: &Record) -> Option<RoomNum> {
    match record {
        Record::CurrentState { room } => Some(*room),
        _ => None,
    }
}

impl GuestWorker {
    /// Takes all guests out of a room, if it is not for guests; whether there were any.
    async fn clear(&self, room: RoomNum, cx: &WorkerCx) -> Result<bool, WorkerError> {
        let mut after: Option<UserNum> = None;
        loop {
            let guests = self
                .look(move |rooms| rooms.guests_to_leave(room, after, PAGE))
                .await?;
            let Some(last) = guests.last().copied() else {
                return Ok(after.is_some());
            };
            for guest in guests {
                if cx.shutdown().is_requested() {
                    return Ok(true);
                }
                if let Some(sender) = sender_of(&self.accounts, guest).await? {
                    leave(&self.rooms, room, sender).await?;
                }
            }
            after = Some(last);
        }
    }

    async fn room_after(&self, after: Option<RoomNum>) -> Result<Option<RoomNum>, WorkerError> {
        self.look(move |rooms| rooms.next_room_with_guests(after))
            .await
    }

    async fn look<T, F>(&self, look: F) -> Result<T, WorkerError>
    where
        T: Send + 'static,
        F: FnOnce(&RoomsView<'_>) -> Result<T, RoomError> + Send + 'static,
    {
        let (rooms, store) = (self.rooms.clone(), Arc::clone(&self.store));
        let found = self
            .pool
            .run(move || look(&rooms.at(&store.view(Op::Other))));
        found
            .await
            .map_err(WorkerError::new)?
            .map_err(WorkerError::new)
    }
}
