//! `POST /rooms/{roomId}/upgrade`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidupgrade>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_core::room_version::RoomVersion;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, Json, PathParams, RateClass, Route, RouteTable,
};
use heliograph_rooms::Upgrade;
use heliograph_tables::Op;
use ruma_common::{OwnedRoomId, OwnedUserId};
use serde::{Deserialize, Serialize};

use super::membership::member_profile;
use crate::{
    App,
    errors::room_error,
    reading::{RoomsState, sender},
};

/// Users who may be named as creators, at most.
const MAX_CREATORS: usize = 100;

pub(super) fn routes() -> RouteTable<App> {
    let route = Route::post(
        "/_matrix/client/v3/rooms/{roomId}/upgrade",
        AuthKind::Device,
        upgrade,
    );
    RouteTable::new().route(route.rate_limit(RateClass::Join))
}

#[derive(Debug, Deserialize)]
struct RoomPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Deserialize)]
struct UpgradeBody {
    new_version: String,
    #[serde(default)]
    additional_creators: Vec<OwnedUserId>,
}

#[derive(Debug, Serialize)]
struct Replacement {
    replacement_room: OwnedRoomId,
}

/// Replaces a room.
async fn upgrade(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<RoomPath>,
    Body(body): Body<UpgradeBody>,
) -> Result<Json<Replacement>, ApiError> {
    let version = RoomVersion::try_from(&*body.new_version)
        .map_err(|_| room_error(heliograph_rooms::RoomError::UnsupportedVersion))?;
    let privileged = version
        .rules()
        .authorization
        .explicitly_privilege_room_creators;
    if body.additional_creators.len() > MAX_CREATORS
        || (!privileged && !body.additional_creators.is_empty())
    {
        return Err(ApiError::invalid_param(
            "additional_creators are too many, or not known to that version",
        ));
    }
    let room = rooms.room_num(Op::CreateRoom, &path.room_id).await?;
    let upgrade = Upgrade {
        version,
        additional_creators: body.additional_creators,
        profile: member_profile(&accounts, &caller.user_id).await?,
    };
    let replaced = rooms.rooms.upgrade(room, sender(&caller), upgrade);
    Ok(Json(Replacement {
        replacement_room: replaced.await.map_err(room_error)?,
    }))
}
