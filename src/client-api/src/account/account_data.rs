//! `GET`, `PUT` and, unstable, `DELETE /user/{userId}/account_data/{type}`, and the same for a room.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#client-config>

use std::sync::Arc;

use axum::extract::State;
use bytes::Bytes;
use heliograph_accounts::{Accounts, PRIVACY};
use heliograph_core::ids::RoomNum;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, DeviceIdentity, Json, JsonBytes, PathParams, Route,
    RouteTable,
};
use heliograph_tables::Op;
use ruma_common::OwnedRoomId;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::own;
use crate::{App, errors::account_error, reading::RoomsState};

pub(super) fn routes() -> RouteTable<App> {
    let global = "/_matrix/client/v3/user/{userId}/account_data/{type}";
    let room = "/_matrix/client/v3/user/{userId}/rooms/{roomId}/account_data/{type}";
    let unstable = |path: &str| path.replacen("v3", "unstable/org.matrix.msc3391", 1);
    RouteTable::new()
        .route(Route::delete(&unstable(global), AuthKind::Device, delete))
        .route(Route::delete(&unstable(room), AuthKind::Device, delete))
        .route(Route::get(global, AuthKind::Device, get))
        .route(Route::put(global, AuthKind::Device, put))
        .route(Route::get(room, AuthKind::Device, get))
        .route(Route::put(room, AuthKind::Device, put))
}

#[derive(Debug, Deserialize)]
struct DataPath {
    #[serde(rename = "userId")]
    user_id: String,
    #[serde(rename = "roomId")]
    room_id: Option<OwnedRoomId>,
    #[serde(rename = "type")]
    kind: String,
}

impl DataPath {
    /// The room's number, if the path names a room.
    async fn room(&self, rooms: &RoomsState) -> Result<Option<RoomNum>, ApiError> {
        match &self.room_id {
            Some(room_id) => rooms.room_num(Op::UserData, room_id).await.map(Some),
            None => Ok(None),
        }
    }

    /// Has others see at once what the caller hides now, or does not hide any more.
    fn tell(&self, caller: &DeviceIdentity, rooms: &RoomsState) {
        if self.room_id.is_none() && self.kind == PRIVACY {
            rooms.rooms.presence().touch(caller.user);
        }
    }
}

/// One piece of account data.
async fn get(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<DataPath>,
) -> Result<JsonBytes, ApiError> {
    own(&caller, &path.user_id)?;
    let room = path.room(&rooms).await?;
    let found = accounts.account_data(caller.user, room, &path.kind).await;
    let content = found.map_err(account_error)?;
    let content = content.ok_or_else(|| ApiError::not_found("No such account data"))?;
    Ok(JsonBytes(Bytes::from(content.into_string())))
}

/// Sets one piece of account data.
async fn put(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<DataPath>,
    Body(body): Body<Box<RawValue>>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    let room = path.room(&rooms).await?;
    let set = accounts
        .set_account_data(caller.user, room, &path.kind, body.get())
        .await;
    set.map_err(account_error)?;
    path.tell(&caller, &rooms);
    Ok(Json(json!({})))
}

/// Deletes one piece of account data; to delete what is not there is to do nothing.
///
/// <https://github.com/matrix-org/matrix-spec-proposals/pull/3391>
async fn delete(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<DataPath>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    let room = path.room(&rooms).await?;
    let deleted = accounts.delete_account_data(caller.user, room, &path.kind);
    deleted.await.map_err(account_error)?;
    path.tell(&caller, &rooms);
    Ok(Json(json!({})))
}
