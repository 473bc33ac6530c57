//! `GET` and `PUT /presence/{userId}/status`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#presence>

use axum::extract::State;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, Json, PathParams, RateClass, Route, RouteTable,
};
use heliograph_rooms::{MAX_STATUS_BYTES, PresenceState, Shown};
use heliograph_tables::Op;
use ruma_common::OwnedUserId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{App, reading::RoomsState};

pub(crate) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/presence/{userId}/status";
    RouteTable::new()
        .route(Route::get(path, AuthKind::Device, get))
        .route(Route::put(path, AuthKind::Device, put).rate_limit(RateClass::Other))
}

#[derive(Debug, Deserialize)]
struct UserPath {
    #[serde(rename = "userId")]
    user_id: OwnedUserId,
}

/// A value of `presence` in a request.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum StateWord {
    Offline,
    Unavailable,
    #[default]
    Online,
}

impl From<StateWord> for PresenceState {
    fn from(word: StateWord) -> Self {
        match word {
            StateWord::Offline => Self::Offline,
            StateWord::Unavailable => Self::Unavailable,
            StateWord::Online => Self::Online,
        }
    }
}

#[derive(Debug, Deserialize)]
struct StatusBody {
    presence: StateWord,
    status_msg: Option<String>,
}

/// Sets the caller's presence.
async fn put(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<UserPath>,
    Body(body): Body<StatusBody>,
) -> Result<Json<Value>, ApiError> {
    if path.user_id != caller.user_id {
        return Err(ApiError::forbidden("Nobody is online for another"));
    }
    let status = body.status_msg.filter(|status| !status.is_empty());
    if status
        .as_ref()
        .is_some_and(|status| status.len() > MAX_STATUS_BYTES)
    {
        return Err(ApiError::invalid_param("status_msg is too long"));
    }
    let presence = rooms.rooms.presence();
    let (state, status) = (body.presence.into(), status.map(Into::into));
    presence.set(caller.user, caller.device, state, status);
    Ok(Json(json!({})))
}

/// The presence of a user who shares a room with the caller.
async fn get(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<UserPath>,
) -> Result<Json<Value>, ApiError> {
    let shown = rooms.read_all(Op::UserData, &caller, move |rooms, reader| {
        rooms.presence_of(reader.user, path.user_id.as_str())
    });
    Ok(Json(status_json(&shown.await?)))
}

fn status_json(shown: &Shown) -> Value {
    let mut status = Map::new();
    status.insert("presence".to_owned(), shown.state.as_str().into());
    if let Some(ago_ms) = shown.last_active_ago_ms {
        status.insert("last_active_ago".to_owned(), ago_ms.into());
    }
    if let Some(text) = &shown.status {
        status.insert("status_msg".to_owned(), Value::from(&**text));
    }
    if shown.state == PresenceState::Online {
        let active = shown.currently_active;
        status.insert("currently_active".to_owned(), active.into());
    }
    Value::Object(status)
}
