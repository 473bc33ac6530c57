//! `GET /rooms/{roomId}/timestamp_to_event`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event>

use axum::extract::State;
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, Json, Params, PathParams, Route, RouteTable,
};
use heliograph_rooms::RoomError;
use heliograph_tables::Op;
use ruma_common::OwnedRoomId;
use serde::{Deserialize, Serialize};

use super::messages::{Dir, may_read};
use crate::{App, reading::RoomsState};

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v1/rooms/{roomId}/timestamp_to_event";
    RouteTable::new().route(Route::get(path, AuthKind::Device, timestamp_to_event))
}

#[derive(Debug, Deserialize)]
struct TimestampPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Deserialize)]
struct TimestampParams {
    ts: u64,
    dir: Dir,
}

#[derive(Debug, Serialize)]
struct NearestEvent {
    event_id: String,
    origin_server_ts: u64,
}

/// The event nearest to a moment.
async fn timestamp_to_event(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<TimestampPath>,
    Params(params): Params<TimestampParams>,
) -> Result<Json<NearestEvent>, ApiError> {
    let found = rooms.read(Op::History, &caller, path.room_id, move |reading| {
        let presenter = reading
            .rooms
            .presenter(reading.room, Some(reading.reader))?;
        may_read(reading, &presenter)?;
        let nearest = presenter
            .nearest_to(params.ts, params.dir.direction())?
            .ok_or(RoomError::UnknownEvent)?;
        let status = presenter.status(nearest.event)?;
        let shared = presenter.shared(nearest.event, &status)?;
        Ok(NearestEvent {
            event_id: shared.event_id.to_string(),
            origin_server_ts: nearest.origin_server_ts,
        })
    });
    Ok(Json(found.await?))
}
