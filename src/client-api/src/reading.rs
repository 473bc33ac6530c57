//! Reading for a handler: on the pool, at one moment.

use std::sync::Arc;

use heliograph_core::ids::{EventIdx, RoomNum, UserNum};
use heliograph_http::{ApiError, DeviceIdentity};
use heliograph_rooms::{Reader, RoomError, Rooms, RoomsView};
use heliograph_tables::{Op, Store, View};
use heliograph_work::Pool;
use ruma_common::{EventId, OwnedRoomAliasId, OwnedRoomId, RoomAliasId, RoomId};

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

    /// The room that a path names by its id or by an alias.
    ///
    /// # Errors
    /// `M_NOT_FOUND` when the alias leads nowhere, `M_INVALID_PARAM` for what is neither.
    pub(crate) async fn id_or_alias(&self, name: &str) -> Result<OwnedRoomId, ApiError> {
        if !name.starts_with('#') {
            return OwnedRoomId::try_from(name)
                .map_err(|_| ApiError::invalid_param("That is neither a room id nor an alias"));
        }
        let alias = RoomAliasId::parse(name)
            .map_err(|_| ApiError::invalid_param("That is no room alias"))?;
        self.alias(alias).await
    }

    /// The room that an alias leads to.
    ///
    /// # Errors
    /// `M_NOT_FOUND`.
    pub(crate) async fn alias(&self, alias: OwnedRoomAliasId) -> Result<OwnedRoomId, ApiError> {
        self.look(Op::ReadState, move |rooms| {
            let room = rooms.alias(&alias)?.ok_or(RoomError::UnknownAlias)?;
            rooms.room_id(room)
        })
        .await
    }

    /// Reads rooms for anybody.
    pub(crate) async fn look<T, F>(&self, op: Op, look: F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&RoomsView<'_>) -> Result<T, RoomError> + Send + 'static,
    {
        let this = self.clone();
        let answer = self.pool.run(move || {
            let view = this.store.view(op);
            look(&this.rooms.at(&view))
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
        caller: &DeviceIdentity,
        read: F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: FnOnce(&RoomsView<'_>, Reader) -> Result<T, RoomError> + Send + 'static,
    {
        let reader = Reader {
            user: caller.user,
            device: caller.device,
        };
        self.look(op, move |rooms| read(rooms, reader)).await
    }

    /// The number of a room, for a change.
    pub(crate) async fn room_num(&self, op: Op, room_id: &RoomId) -> Result<RoomNum, ApiError> {
        if let Some(known) = self.rooms.cached_num(room_id) {
            return Ok(known);
        }
        let room_id = room_id.to_owned();
        self.look(op, move |rooms| known_room(rooms, &room_id))
            .await
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
