//! `GET /rooms/{roomId}/event/{eventId}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomideventeventid>

use axum::extract::State;
use heliograph_http::{ApiError, Auth, AuthKind, Device, JsonBytes, PathParams, Route, RouteTable};
use heliograph_tables::Op;
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde::Deserialize;

use crate::{App, reading::RoomsState};

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/rooms/{roomId}/event/{eventId}";
    RouteTable::new().route(Route::get(path, AuthKind::Device, event))
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
