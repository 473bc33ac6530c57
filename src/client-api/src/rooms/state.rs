//! `GET` and `PUT /rooms/{roomId}/state…`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#getting-events-for-a-room>
//! <https://spec.matrix.org/v1.19/client-server-api/#sending-events-to-a-room>

use axum::extract::State;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, Json, JsonBytes, Params, PathParams, RateClass, Route,
    RouteTable,
};
use heliograph_rooms::RoomError;
use heliograph_tables::Op;
use ruma_common::OwnedRoomId;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::send::Sent;
use crate::{
    App,
    content::event_content,
    errors::room_error,
    reading::{RoomReading, RoomsState, sender},
};

pub(super) fn routes() -> RouteTable<App> {
    let one = "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/{stateKey}";
    let empty = "/_matrix/client/v3/rooms/{roomId}/state/{eventType}";
    // The slash before an empty state key may be written or left out.
    let slash = "/_matrix/client/v3/rooms/{roomId}/state/{eventType}/";
    RouteTable::new()
        .route(
            Route::get(
                "/_matrix/client/v3/rooms/{roomId}/state",
                AuthKind::Device,
                all,
            )
            .for_guests(),
        )
        .route(
            Route::get(one, AuthKind::Device, get)
                .also_at(empty)
                .also_at(slash)
                .for_guests(),
        )
        .route(
            Route::put(one, AuthKind::Device, put)
                .also_at(empty)
                .also_at(slash)
                .rate_limit(RateClass::Send)
                .for_guests(),
        )
}

#[derive(Debug, Deserialize)]
struct RoomPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Deserialize)]
struct StatePath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    #[serde(rename = "eventType")]
    event_type: String,
    #[serde(rename = "stateKey", default)]
    state_key: String,
}

/// The whole state: as it is for members, as it was for those who left.
async fn all(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RoomPath>,
) -> Result<JsonBytes, ApiError> {
    let json = rooms.read(Op::ReadState, &caller, path.room_id, |reading| {
        let root = readable_root(reading)?;
        let presenter = reading
            .rooms
            .presenter(reading.room, Some(reading.reader))?;
        let mut json = String::from("[");
        for event in reading.rooms.state(reading.room).all(root)? {
            if json.len() > 1 {
                json.push(',');
            }
            json.push_str(&presenter.event(event)?);
        }
        json.push(']');
        Ok(json)
    });
    Ok(JsonBytes(json.await?.into()))
}

/// The state that the caller may read.
pub(super) fn readable_root(
    reading: &RoomReading<'_>,
) -> Result<heliograph_tables::schema::StateRoot, RoomError> {
    let head = reading.rooms.head(reading.room)?;
    let visibility = reading.rooms.visibility(reading.room, Some(reading.user))?;
    visibility.readable_state(head.state)
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Content,
    Event,
}

#[derive(Debug, Deserialize)]
struct GetParams {
    #[serde(default)]
    format: Format,
}

/// One entry: its content, or the whole event.
async fn get(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<StatePath>,
    Params(params): Params<GetParams>,
) -> Result<JsonBytes, ApiError> {
    let room_id = path.room_id.clone();
    let json = rooms.read(Op::ReadState, &caller, room_id, move |reading| {
        let root = readable_root(reading)?;
        let state = reading.rooms.state(reading.room);
        let event = state
            .event(root, &path.event_type, &path.state_key)?
            .ok_or(RoomError::UnknownState)?;
        let presenter = reading
            .rooms
            .presenter(reading.room, Some(reading.reader))?;
        match params.format {
            Format::Content => presenter.content(event),
            Format::Event => presenter.event(event),
        }
    });
    Ok(JsonBytes(json.await?.into()))
}

/// Sets one entry.
async fn put(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<StatePath>,
    Body(body): Body<Box<RawValue>>,
) -> Result<Json<Sent>, ApiError> {
    let content = event_content(&body)?;
    let room = rooms.room_num(Op::State, &path.room_id).await?;
    let event_id = rooms
        .rooms
        .send_state(
            room,
            sender(&caller),
            path.event_type,
            path.state_key,
            content,
        )
        .await
        .map_err(room_error)?;
    rooms.rooms.presence().active(caller.user, caller.device);
    Ok(Json(Sent { event_id }))
}
