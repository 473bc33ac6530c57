//! `PUT /rooms/{roomId}/typing/{userId}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#typing-notifications>

use axum::extract::State;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, Json, PathParams, RateClass, Route, RouteTable,
};
use heliograph_tables::Op;
use ruma_common::{OwnedRoomId, OwnedUserId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{App, errors::room_error, reading::RoomsState};

/// How long somebody types when the client does not say, milliseconds.
const DEFAULT_MS: u64 = 30_000;

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/rooms/{roomId}/typing/{userId}";
    let route = Route::put(path, AuthKind::Device, typing).rate_limit(RateClass::Other);
    RouteTable::new().route(route)
}

#[derive(Debug, Deserialize)]
struct TypingPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    #[serde(rename = "userId")]
    user_id: OwnedUserId,
}

#[derive(Debug, Deserialize)]
struct TypingBody {
    typing: bool,
    timeout: Option<u64>,
}

/// Says that the caller types, or has stopped.
async fn typing(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<TypingPath>,
    Body(body): Body<TypingBody>,
) -> Result<Json<Value>, ApiError> {
    if path.user_id != caller.user_id {
        return Err(ApiError::forbidden("Nobody types for another"));
    }
    let room = rooms.room_num(Op::UserData, &path.room_id).await?;
    let for_ms = body.typing.then(|| body.timeout.unwrap_or(DEFAULT_MS));
    rooms
        .rooms
        .set_typing(room, caller.user, for_ms)
        .await
        .map_err(room_error)?;
    rooms.rooms.presence().active(caller.user, caller.device);
    Ok(Json(json!({})))
}
