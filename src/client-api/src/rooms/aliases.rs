//! `/directory/room/{roomAlias}` and `GET /rooms/{roomId}/aliases`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-aliases>

use std::sync::Arc;

use axum::extract::State;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, ErrCode, Json, PathParams, RateClass, Route, RouteTable,
};
use heliograph_rooms::RoomError;
use heliograph_tables::Op;
use http::StatusCode;
use ruma_common::{OwnedRoomAliasId, OwnedRoomId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::state::readable_root;
use crate::{
    App, ClientSettings,
    errors::room_error,
    reading::{RoomsState, sender},
};

pub(super) fn routes() -> RouteTable<App> {
    let one = "/_matrix/client/v3/directory/room/{roomAlias}";
    RouteTable::new()
        .route(Route::get(one, AuthKind::None, get))
        .route(Route::put(one, AuthKind::Device, put).rate_limit(RateClass::Other))
        .route(Route::delete(one, AuthKind::Device, delete).rate_limit(RateClass::Other))
        .route(Route::get(
            "/_matrix/client/v3/rooms/{roomId}/aliases",
            AuthKind::Device,
            all,
        ))
}

#[derive(Debug, Deserialize)]
struct AliasPath {
    #[serde(rename = "roomAlias")]
    alias: OwnedRoomAliasId,
}

#[derive(Debug, Serialize)]
struct Found {
    room_id: OwnedRoomId,
    servers: [String; 1],
}

/// Where an alias leads.
async fn get(
    State(rooms): State<RoomsState>,
    State(settings): State<Arc<ClientSettings>>,
    PathParams(path): PathParams<AliasPath>,
) -> Result<Json<Found>, ApiError> {
    let room_id = rooms.alias(path.alias).await?;
    Ok(Json(Found {
        room_id,
        servers: [settings.server_name.clone()],
    }))
}

#[derive(Debug, Deserialize)]
struct PutBody {
    room_id: OwnedRoomId,
}

/// Lets an alias lead to a room.
async fn put(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<AliasPath>,
    Body(body): Body<PutBody>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let room = rooms.room_num(Op::State, &body.room_id).await?;
    let set = rooms.rooms.set_alias(room, sender(&caller), path.alias);
    set.await.map_err(|error| match error {
        RoomError::AliasTaken => {
            ApiError::new(ErrCode::M_UNKNOWN, error.to_string()).with_status(StatusCode::CONFLICT)
        }
        other => room_error(other),
    })?;
    Ok(Json(json!({})))
}

/// Removes an alias.
async fn delete(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<AliasPath>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let removed = rooms.rooms.remove_alias(sender(&caller), path.alias);
    removed.await.map_err(room_error)?;
    Ok(Json(json!({})))
}

#[derive(Debug, Deserialize)]
struct RoomPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

/// The aliases of a room: for its members, and where everybody may read it.
async fn all(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RoomPath>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let aliases = rooms.read(Op::ReadState, &caller, path.room_id, |reading| {
        let present = reading.rooms.head(reading.room)?.state;
        if readable_root(reading)? != present {
            return Err(RoomError::Forbidden("you have left the room".to_owned()));
        }
        reading.rooms.aliases(reading.room)
    });
    Ok(Json(json!({ "aliases": aliases.await? })))
}
