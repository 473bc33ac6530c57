//! `GET /events` and `GET /initialSync`: what clients used before there was `/sync`.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3events>
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3initialsync>
//!
//! Both are a sync, its answer put in another order: what a client of today is told is what these
//! tell. Where more came than a timeline holds, `/messages` has the rest.

use std::sync::Arc;

use axum::extract::State;
use heliograph_core::tokens::SyncToken;
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, DeviceIdentity, Json, Params, Route, RouteTable,
};
use heliograph_rooms::{PresenceState, RoomError};
use heliograph_sync::{EventFilter, Filter, RoomFilter, Sync, SyncRequest};
use heliograph_tables::{Op, schema::Membership};
use ruma_common::OwnedRoomId;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{App, errors::sync_error, reading::RoomsState};

/// Events of a room in an answer of `/events`, at most; the settings of syncs may allow less.
const EVENTS_LIMIT: u64 = 1000;
/// Events of a room in an answer of `/initialSync` when nobody says how many.
const DEFAULT_LIMIT: u64 = 10;

pub(crate) fn routes() -> RouteTable<App> {
    let events_path = "/_matrix/client/v3/events";
    let initial_sync_path = "/_matrix/client/v3/initialSync";
    RouteTable::new()
        .route(Route::get(events_path, AuthKind::Device, events).for_guests())
        .route(Route::get(
            initial_sync_path,
            AuthKind::Device,
            initial_sync,
        ))
}

#[derive(Debug, Deserialize)]
struct EventsParams {
    from: Option<String>,
    #[serde(default)]
    timeout: u64,
    room_id: Option<OwnedRoomId>,
}

#[derive(Debug, Deserialize)]
struct InitialSyncParams {
    limit: Option<u64>,
    #[serde(default)]
    archived: bool,
}

/// A filter of rooms and of the length of their timelines.
fn filter(rooms: Option<Vec<String>>, limit: u64, include_leave: bool) -> Arc<Filter> {
    let timeline = EventFilter {
        limit: Some(limit),
        ..EventFilter::default()
    };
    let room = RoomFilter {
        rooms,
        include_leave,
        timeline,
        ..RoomFilter::default()
    };
    Arc::new(Filter {
        room,
        ..Filter::default()
    })
}

/// A sync's answer, read again.
async fn sync(
    syncs: &Sync,
    caller: &DeviceIdentity,
    (since, timeout_ms): (Option<SyncToken>, u64),
    filter: Arc<Filter>,
) -> Result<Value, ApiError> {
    let request = SyncRequest {
        user: caller.user,
        device: caller.device,
        since,
        filter,
        full_state: false,
        use_state_after: true,
        old_state_after: false,
        timeout_ms,
        set_presence: PresenceState::Online,
    };
    let answer = syncs.sync(request).await.map_err(sync_error)?;
    serde_json::from_str(&answer).map_err(ApiError::internal)
}

fn token(text: &str) -> Result<SyncToken, ApiError> {
    SyncToken::decode(text).map_err(|_| ApiError::invalid_param("from is not a token of a sync"))
}

/// What is new since a token, without it since now: events of all rooms in one list.
async fn events(
    caller: Auth<Device>,
    State(syncs): State<Sync>,
    State(rooms): State<RoomsState>,
    Params(params): Params<EventsParams>,
) -> Result<Json<Value>, ApiError> {
    if let Some(room_id) = &params.room_id {
        must_be_joined(&rooms, &caller, room_id).await?;
    }
    let start = match params.from {
        Some(from) => from,
        None => {
            let nothing = filter(Some(Vec::new()), 0, false);
            let mut now = sync(&syncs, &caller, (None, 0), nothing).await?;
            let now = take(&mut now, "/next_batch");
            now.as_str().unwrap_or_default().to_owned()
        }
    };
    let only = params.room_id.map(|room_id| vec![room_id.to_string()]);
    let since = Some(token(&start)?);
    let wanted = filter(only, EVENTS_LIMIT, false);
    let mut answer = sync(&syncs, &caller, (since, params.timeout), wanted).await?;
    let mut chunk = list(&mut answer, "/presence/events");
    for kind in ["join", "leave"] {
        for (room_id, mut room) in members(&mut answer, &format!("/rooms/{kind}")) {
            for part in ["/timeline/events", "/ephemeral/events"] {
                chunk.extend(in_room(&room_id, list(&mut room, part)));
            }
        }
    }
    for (room_id, mut room) in members(&mut answer, "/rooms/invite") {
        let invite = invite(&caller, list(&mut room, "/invite_state/events"));
        chunk.extend(in_room(&room_id, invite.into_iter().collect()));
    }
    Ok(Json(json!({
        "start": start,
        "end": take(&mut answer, "/next_batch"),
        "chunk": chunk,
    })))
}

/// Listening to one room is for those who are in it: of another, nothing would ever come.
async fn must_be_joined(
    rooms: &RoomsState,
    caller: &Arc<DeviceIdentity>,
    room_id: &OwnedRoomId,
) -> Result<(), ApiError> {
    let read = rooms.read(Op::Sync, caller, room_id.clone(), |reading| {
        let standing = reading.rooms.standing(reading.user, reading.room)?;
        if standing.is_some_and(|row| row.membership == Membership::Join) {
            return Ok(());
        }
        Err(RoomError::Forbidden("not a member of the room".to_owned()))
    });
    read.await
}

/// All rooms of the caller, each with its state and its newest events.
async fn initial_sync(
    caller: Auth<Device>,
    State(syncs): State<Sync>,
    Params(params): Params<InitialSyncParams>,
) -> Result<Json<Value>, ApiError> {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    let wanted = filter(None, limit, params.archived);
    let mut answer = sync(&syncs, &caller, (None, 0), wanted).await?;
    let end = take(&mut answer, "/next_batch");
    let mut rooms = Vec::new();
    for kind in ["join", "leave"] {
        for (room_id, room) in members(&mut answer, &format!("/rooms/{kind}")) {
            rooms.push(snapshot(&room_id, kind, room, &end));
        }
    }
    for (room_id, mut room) in members(&mut answer, "/rooms/invite") {
        let invite = invite(&caller, list(&mut room, "/invite_state/events"));
        let invite = invite.map(|event| in_room(&room_id, vec![event]).remove(0));
        rooms.push(json!({ "room_id": room_id, "membership": "invite", "invite": invite }));
    }
    Ok(Json(json!({
        "presence": list(&mut answer, "/presence/events"),
        "account_data": list(&mut answer, "/account_data/events"),
        "rooms": rooms,
        "end": end,
    })))
}

/// A room as `/initialSync` tells it.
fn snapshot(room_id: &str, membership: &str, mut room: Value, end: &Value) -> Value {
    let chunk = in_room(room_id, list(&mut room, "/timeline/events"));
    let state = in_room(room_id, list(&mut room, "/state_after/events"));
    json!({
        "room_id": room_id,
        "membership": membership,
        "messages": {
            "start": take(&mut room, "/timeline/prev_batch"),
            "end": end,
            "chunk": chunk,
        },
        "state": state,
        "account_data": list(&mut room, "/account_data/events"),
    })
}

/// The caller's own member event among stripped state.
fn invite(caller: &DeviceIdentity, state: Vec<Value>) -> Option<Value> {
    state.into_iter().find(|event| {
        event["type"] == "m.room.member" && event["state_key"] == caller.user_id.as_str()
    })
}

/// Takes a part out of an answer; `null` when it is not there.
fn take(answer: &mut Value, pointer: &str) -> Value {
    let part = answer.pointer_mut(pointer);
    part.map(Value::take).unwrap_or_default()
}

/// Takes a list out of an answer; none is an empty one.
fn list(answer: &mut Value, pointer: &str) -> Vec<Value> {
    match take(answer, pointer) {
        Value::Array(list) => list,
        _ => Vec::new(),
    }
}

/// Takes the members of an object out of an answer.
fn members(answer: &mut Value, pointer: &str) -> Map<String, Value> {
    match take(answer, pointer) {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

/// Events with the room that a sync leaves out.
fn in_room(room_id: &str, mut events: Vec<Value>) -> Vec<Value> {
    for event in &mut events {
        if let Some(event) = event.as_object_mut() {
            event.insert("room_id".to_owned(), Value::from(room_id));
        }
    }
    events
}
