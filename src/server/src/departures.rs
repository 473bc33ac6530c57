//! Takes users whose account was ended out of all rooms.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#account-deactivation>

use std::sync::Arc;

use heliograph_accounts::Accounts;
use heliograph_core::{
    ids::{DeviceNum, RoomNum, UserNum},
    json::Value,
};
use heliograph_rooms::{Action, MembershipChange, RoomError, Rooms, Sender};
use heliograph_tables::{Op, Store, schema::Membership};
use heliograph_work::{Pool, Step, Worker, WorkerCx, WorkerError};
use tokio::sync::watch;
use tracing::warn;

/// The device of events that no device sent: none has this number.
const NO_DEVICE: DeviceNum = DeviceNum(0);

/// Does what the stored notes of departures ask for, one user a step. To leave a room that was left
/// is to do nothing: a step may be done again.
pub(crate) struct DepartureWorker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) rooms: Rooms,
    pub(crate) pool: Pool,
    /// Changes when there is a new note.
    pub(crate) noted: watch::Receiver<u64>,
}

impl Worker for DepartureWorker {
    const NAME: &'static str = "departures";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        self.noted.borrow_and_update();
        let departing = self.accounts.next_departing().await;
        let Some(user) = departing.map_err(WorkerError::new)? else {
            return self.wait(cx).await;
        };
        if let Some(sender) = sender_of(&self.accounts, user).await? {
            for room in self.rooms_of(user).await? {
                if cx.shutdown().is_requested() {
                    return Ok(Step::Done);
                }
                leave(&self.rooms, room, sender.clone()).await?;
            }
        }
        let done = self.accounts.departed(user).await;
        done.map_err(WorkerError::new)?;
        Ok(Step::Again)
    }
}

impl DepartureWorker {
    /// Waits for a new note.
    async fn wait(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        tokio::select! {
            changed = self.noted.changed() => {
                Ok(if changed.is_ok() { Step::Again } else { Step::Done })
            }
            () = cx.shutdown().requested() => Ok(Step::Done),
        }
    }

    /// The rooms that a user is in, is invited to, or has knocked at.
    async fn rooms_of(&self, user: UserNum) -> Result<Vec<RoomNum>, WorkerError> {
        let (rooms, store) = (self.rooms.clone(), Arc::clone(&self.store));
        let found = self.pool.run(move || {
            let view = store.view(Op::Other);
            let mut found = Vec::new();
            for row in rooms.at(&view).rooms_of(user) {
                let (room, standing) = row?;
                match standing.membership {
                    Membership::Join | Membership::Invite | Membership::Knock => found.push(room),
                    Membership::Leave | Membership::Ban => {}
                }
            }
            Ok::<_, RoomError>(found)
        });
        let found = found.await.map_err(WorkerError::new)?;
        found.map_err(WorkerError::new)
    }
}

/// A user as the sender of what the server does for them.
pub(crate) async fn sender_of(
    accounts: &Accounts,
    user: UserNum,
) -> Result<Option<Sender>, WorkerError> {
    let info = accounts.user(user).await.map_err(WorkerError::new)?;
    Ok(info.map(|info| Sender {
        user,
        user_id: info.user_id,
        device: NO_DEVICE,
    }))
}

/// Leaves one room for a user; a room that cannot be left holds up no other.
pub(crate) async fn leave(rooms: &Rooms, room: RoomNum, sender: Sender) -> Result<(), WorkerError> {
    let change = MembershipChange {
        target: sender.user_id.clone(),
        action: Action::Leave,
        reason: None,
        content: Value::object::<&str, _>([]),
        is_direct: false,
    };
    match rooms.change_membership(room, sender, change).await {
        Ok(()) => Ok(()),
        Err(error @ (RoomError::Store(_) | RoomError::Busy(_))) => Err(WorkerError::new(error)),
        Err(error) => {
            warn!(%room, %error, "a user who has to go cannot leave a room");
            Ok(())
        }
    }
}
