//! `POST /createRoom`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3createroom>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_core::{json::Value, room_version::RoomVersion};
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, ErrCode, Json, RateClass, Route, RouteTable,
};
use heliograph_rooms::{InitialState, NewRoom, Preset, RoomError};
use ruma_common::{OwnedRoomId, OwnedUserId, RoomAliasId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::membership::member_profile;
use crate::{
    App, ClientSettings,
    content::{any, event_content},
    errors::joining_error,
    reading::{RoomsState, sender},
};

/// State events that a room is made with, at most.
const MAX_INITIAL_STATE: usize = 100;
/// Users invited as a room is made, at most.
const MAX_INVITES: usize = 100;

pub(super) fn routes() -> RouteTable<App> {
    let route = Route::post("/_matrix/client/v3/createRoom", AuthKind::Device, create)
        .rate_limit(RateClass::Join);
    RouteTable::new().route(route)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CreateBody {
    creation_content: Option<Box<RawValue>>,
    initial_state: Vec<InitialStateBody>,
    invite: Vec<OwnedUserId>,
    is_direct: bool,
    name: Option<String>,
    power_level_content_override: Option<Box<RawValue>>,
    preset: Option<PresetBody>,
    room_alias_name: Option<String>,
    room_version: Option<String>,
    topic: Option<String>,
    visibility: VisibilityBody,
}

#[derive(Debug, Deserialize)]
struct InitialStateBody {
    #[serde(rename = "type")]
    event_type: String,
    #[serde(default)]
    state_key: String,
    content: Box<RawValue>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
enum PresetBody {
    #[serde(rename = "private_chat")]
    Private,
    #[serde(rename = "trusted_private_chat")]
    TrustedPrivate,
    #[serde(rename = "public_chat")]
    Public,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum VisibilityBody {
    #[default]
    Private,
    Public,
}

#[derive(Debug, Serialize)]
struct Created {
    room_id: OwnedRoomId,
}

/// Makes a room.
async fn create(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    Body(body): Body<CreateBody>,
) -> Result<Json<Created>, ApiError> {
    let profile = member_profile(&accounts, &caller.user_id).await?;
    let new = new_room(body, &settings, profile)?;
    let room_id = rooms
        .rooms
        .create(sender(&caller), new)
        .await
        .map_err(|error| creation_error(error, &settings))?;
    Ok(Json(Created { room_id }))
}

/// The answer when a room cannot be made: what its rules refuse is state that cannot be its first.
fn creation_error(error: RoomError, settings: &ClientSettings) -> ApiError {
    match error {
        RoomError::Forbidden(text) => ApiError::new(ErrCode::M_INVALID_ROOM_STATE, text),
        error => joining_error(error, settings),
    }
}

/// Reads what the room is to be.
fn new_room(
    body: CreateBody,
    settings: &ClientSettings,
    creator_profile: Value,
) -> Result<NewRoom, ApiError> {
    if body.initial_state.len() > MAX_INITIAL_STATE || body.invite.len() > MAX_INVITES {
        return Err(ApiError::invalid_param(
            "Too much initial state, or too many invites",
        ));
    }
    let version = match body.room_version.as_deref() {
        None => settings.default_room_version,
        Some(version) => RoomVersion::try_from(version).map_err(|_| {
            ApiError::new(
                ErrCode::M_UNSUPPORTED_ROOM_VERSION,
                "This server does not make rooms of that version",
            )
        })?,
    };
    let preset = match (body.preset, body.visibility) {
        (Some(PresetBody::Private), _) | (None, VisibilityBody::Private) => Preset::PrivateChat,
        (Some(PresetBody::TrustedPrivate), _) => Preset::TrustedPrivateChat,
        (Some(PresetBody::Public), _) | (None, VisibilityBody::Public) => Preset::PublicChat,
    };
    let alias = body.room_alias_name.map(|name| {
        RoomAliasId::parse(format!("#{name}:{}", settings.server_name))
            .ok()
            .filter(|_| !name.contains(':'))
            .ok_or_else(|| ApiError::invalid_param("room_alias_name makes no alias"))
    });
    let initial_state = body.initial_state.into_iter().map(|state| {
        let content = event_content(&state.content)?;
        Ok(InitialState {
            event_type: state.event_type,
            state_key: state.state_key,
            content,
        })
    });
    Ok(NewRoom {
        version,
        preset,
        creation_content: match body.creation_content {
            Some(raw) => event_content(&raw)?,
            None => Value::object::<&str, _>([]),
        },
        transferred: None,
        initial_state: initial_state.collect::<Result<_, ApiError>>()?,
        power_level_override: body
            .power_level_content_override
            .map(|raw| any(&raw))
            .transpose()?,
        name: body.name,
        topic: body.topic,
        invite: body.invite,
        is_direct: body.is_direct,
        alias: alias.transpose()?,
        published: body.visibility == VisibilityBody::Public,
        creator_profile,
    })
}
