//! What follows from changes in rooms: guests leave those that are no longer for guests, and who comes
//! into a room that replaces another takes along what they have set for that one.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#guest-access>
//! <https://spec.matrix.org/v1.19/client-server-api/#room-upgrades>

use std::{collections::BTreeSet, sync::Arc};

use heliograph_accounts::{AccountError, Accounts};
use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_rooms::{RoomError, Rooms, RoomsView};
use heliograph_tables::{Op, Record, Store};
use heliograph_work::{Pool, Step, Worker, WorkerCx, WorkerError};
use tracing::debug;

use crate::{
    departures::{leave, sender_of},
    follower::{Follower, News},
};

/// Guests who leave before others are looked for.
const PAGE: usize = 100;

/// Reads the log for rooms and memberships that changed. All that is done may be done again: a restart
/// may interrupt it.
pub(crate) struct RoomFollower {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) rooms: Rooms,
    pub(crate) pool: Pool,
    pub(crate) log: Follower,
}

impl Worker for RoomFollower {
    const NAME: &'static str = "room follower";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        let (to, done) = match self.log.next()? {
            News::Records(to, records) => {
                let changed: BTreeSet<RoomNum> = records.iter().filter_map(changed).collect();
                let mut done = false;
                let memberships: BTreeSet<(RoomNum, UserNum)> =
                    records.iter().filter_map(membership).collect();
                for (room, user) in memberships {
                    done |= self.carry_over(room, user).await?;
                }
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

/// The membership that a record says has changed.
fn membership(record: &Record) -> Option<(RoomNum, UserNum)> {
    match record {
        Record::Membership { room, user } => Some((*room, *user)),
        _ => None,
    }
}

impl RoomFollower {
    /// Gives a room what a user who is joined has set for the one that it replaces; whether it
    /// replaces one.
    async fn carry_over(&self, room: RoomNum, user: UserNum) -> Result<bool, WorkerError> {
        let names = self.look(move |rooms| {
            if !rooms.is_joined(user, room)? {
                return Ok(None);
            }
            let Some(old) = rooms.replaced_for(user, room)? else {
                return Ok(None);
            };
            if rooms.standing(user, old)?.is_none() {
                return Ok(None);
            }
            let (old_id, new_id) = (rooms.room_id(old)?, rooms.room_id(room)?);
            Ok(Some(((old, old_id), (room, new_id))))
        });
        let Some((old, new)) = names.await? else {
            return Ok(false);
        };
        match self.accounts.carry_over(user, old, new).await {
            Ok(()) => {}
            Err(error @ (AccountError::Store(_) | AccountError::Busy(_))) => {
                return Err(WorkerError::new(error));
            }
            Err(error) => debug!(%room, %error, "nothing was taken along into a new room"),
        }
        Ok(true)
    }

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
