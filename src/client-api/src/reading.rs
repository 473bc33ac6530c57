//! Reading for a handler: on the pool, at one moment.

use std::sync::Arc;

use heliograph_core::ids::{EventIdx, RoomNum, UserNum};
use heliograph_http::{ApiError, DeviceIdentity};
use heliograph_rooms::{Reader, RoomError, Rooms, RoomsView};
use heliograph_tables::{Op, Store, View};
use heliograph_work::Pool;
use ruma_common::{EventId, OwnedRoomId, RoomId};

use crate::errors::room_error;

/// Rooms, and what it takes to read them.
#[derive(Clone)]
pub struct RoomsState {
    /// Rooms.
    pub rooms: Rooms,
    /// The database.
    pub store: Arc<dyn Store>,
    /// Where synchronous code runs.
    pub pool: Pool,
}

/// A room as one user reads it at one moment.
pub(crate) struct RoomReading<'a> {
    /// All rooms at that moment.
    pub(crate) rooms: RoomsView<'a>,
    /// The moment.
    pub(crate) view: &'a View,
    /// The room.
    pub(crate) room: RoomNum,
    /// The user.
    pub(crate) user: UserNum,
    /// The user and the device.
    pub(crate) reader: Reader,
}

impl RoomReading<'_> {
    /// The event with an id that the user may see.
    ///
    /// # Errors
    /// [`RoomError::UnknownEvent`] when it is not there or may not be seen.
    pub(crate) fn event(&self, id: &EventId) -> Result<EventIdx, RoomError> {
        self.rooms
            .event(self.room, id)?
            .ok_or(RoomError::UnknownEvent)
    }
}

impl RoomsState {
    /// Reads a room for the caller.
    pub(crate) async fn read<T, F>(
        &self,
        op: Op,
        caller: &Arc<DeviceIdentity>,
        room_id: OwnedRoomId,
        read: F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&RoomReading<'_>) -> Result<T, RoomError> + Send + 'static,
    {
        let (this, caller) = (self.clone(), Arc::clone(caller));
        let answer = self.pool.run(move || {
            let view = this.store.view(op);
            let rooms = this.rooms.at(&view);
            let room = known_room(&rooms, &room_id)?;
            let reader = Reader {
                user: caller.user,
                device: caller.device,
            };
            let reading = RoomReading {
                rooms: this.rooms.at(&view),
                view: &view,
                room,
                user: caller.user,
                reader,
            };
            read(&reading)
        });
        answer
            .await
            .map_err(|error| room_error(error.into()))?
            .map_err(room_error)
    }

    /// Reads all rooms for the caller.
    pub(crate) async fn read_all<T, F>(
        &self,
        op: Op,
        caller: &Arc<DeviceIdentity>,
        read: F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&RoomsView<'_>, Reader) -> Result<T, RoomError> + Send + 'static,
    {
        let (this, caller) = (self.clone(), Arc::clone(caller));
        let answer = self.pool.run(move || {
            let view = this.store.view(op);
            let reader = Reader {
                user: caller.user,
                device: caller.device,
            };
            read(&this.rooms.at(&view), reader)
        });
        answer
            .await
            .map_err(|error| room_error(error.into()))?
            .map_err(room_error)
    }

    /// The number of a room, for a change.
    pub(crate) async fn room_num(&self, op: Op, room_id: &RoomId) -> Result<RoomNum, ApiError> {
        if let Some(known) = self.rooms.cached_num(room_id) {
            return Ok(known);
        }
        let (this, room_id) = (self.clone(), room_id.to_owned());
        let found = self.pool.run(move || {
            let view = this.store.view(op);
            known_room(&this.rooms.at(&view), &room_id)
        });
        found
            .await
            .map_err(|error| room_error(error.into()))?
            .map_err(room_error)
    }
}

/// A room that this server knows. To others it does not tell which rooms exist: unknown rooms
/// answer like rooms that the user is not in.
fn known_room(rooms: &RoomsView<'_>, room_id: &RoomId) -> Result<RoomNum, RoomError> {
    rooms.find(room_id).map_err(|error| match error {
        RoomError::UnknownRoom => RoomError::Forbidden("not a member of the room".to_owned()),
        other => other,
    })
}

/// The caller as a sender of events.
pub(crate) fn sender(caller: &DeviceIdentity) -> heliograph_rooms::Sender {
    heliograph_rooms::Sender {
        user: caller.user,
        user_id: caller.user_id.clone(),
        device: caller.device,
    }
}
