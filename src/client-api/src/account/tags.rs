//! `GET /user/{userId}/rooms/{roomId}/tags`, `PUT` and `DELETE …/tags/{tag}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-tagging>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, Json, PathParams, Route, RouteTable,
};
use heliograph_tables::Op;
use ruma_common::OwnedRoomId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::own;
use crate::{App, errors::account_error, reading::RoomsState};

pub(super) fn routes() -> RouteTable<App> {
    let all = "/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags";
    let one = "/_matrix/client/v3/user/{userId}/rooms/{roomId}/tags/{tag}";
    RouteTable::new()
        .route(Route::get(all, AuthKind::Device, get))
        .route(Route::put(one, AuthKind::Device, put))
        .route(Route::delete(one, AuthKind::Device, delete))
}

#[derive(Debug, Deserialize)]
struct RoomPath {
    #[serde(rename = "userId")]
    user_id: String,
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Deserialize)]
struct TagPath {
    #[serde(rename = "userId")]
    user_id: String,
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    tag: String,
}

/// The tags of a room.
async fn get(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RoomPath>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    let room = rooms.room_num(Op::UserData, &path.room_id).await?;
    let tags = accounts.tags(caller.user, room).await;
    Ok(Json(json!({ "tags": tags.map_err(account_error)? })))
}

/// Puts a tag on a room.
async fn put(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<TagPath>,
    Body(about): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    let room = rooms.room_num(Op::UserData, &path.room_id).await?;
    accounts
        .set_tag(caller.user, room, path.tag, about)
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}

/// Takes a tag off a room.
async fn delete(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<TagPath>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    let room = rooms.room_num(Op::UserData, &path.room_id).await?;
    accounts
        .remove_tag(caller.user, room, path.tag)
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}
