//! `GET /rooms/{roomId}/event/{eventId}`, and `GET /events/{eventId}`, which it took the place of.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomideventeventid>
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3eventseventid>

use axum::extract::State;
use heliograph_http::{ApiError, Auth, AuthKind, Device, JsonBytes, PathParams, Route, RouteTable};
use heliograph_rooms::RoomError;
use heliograph_tables::Op;
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde::Deserialize;

use crate::{App, reading::RoomsState};

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/rooms/{roomId}/event/{eventId}";
    let old = "/_matrix/client/v3/events/{eventId}";
    RouteTable::new()
        .route(Route::get(path, AuthKind::Device, event).for_guests())
        .route(Route::get(old, AuthKind::Device, event_of_any_room))
}

#[derive(Debug, Deserialize)]
struct EventPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    #[serde(rename = "eventId")]
    event: OwnedEventId,
}

/// One event that the caller may see.
async fn event(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<EventPath>,
) -> Result<JsonBytes, ApiError> {
    let room_id = path.room_id.clone();
    let json = rooms.read(Op::History, &caller, room_id, move |reading| {
        let event = reading.event(&path.event)?;
        let presenter = reading
            .rooms
            .presenter(reading.room, Some(reading.reader))?;
        presenter.visible(event)?;
        presenter.bundled_event(event)
    });
    Ok(JsonBytes(json.await?.into()))
}

#[derive(Debug, Deserialize)]
struct EventOfAnyRoomPath {
    #[serde(rename = "eventId")]
    event: OwnedEventId,
}

/// One event that the caller may see, of whatever room.
async fn event_of_any_room(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<EventOfAnyRoomPath>,
) -> Result<JsonBytes, ApiError> {
    let json = rooms.read_all(Op::History, &caller, move |rooms, reader| {
        let found = rooms.event_of_any_room(&path.event)?;
        let (room, event) = found.ok_or(RoomError::UnknownEvent)?;
        let presenter = rooms.presenter(room, Some(reader))?;
        presenter.visible(event)?;
        presenter.bundled_event(event)
    });
    Ok(JsonBytes(json.await?.into()))
}
