//! `GET /rooms/{roomId}/initialSync`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidinitialsync>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{AccountDataRow, Accounts};
use heliograph_core::{ids::TimelineKey, tokens::PaginationToken};
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, JsonBytes, Params, PathParams, Route, RouteTable,
};
use heliograph_rooms::{PageRequest, RoomError, after, push_string};
use heliograph_tables::{Direction, Op};
use ruma_common::OwnedRoomId;
use serde::Deserialize;

use super::{
    context::{push_bundled_events, push_events},
    state::readable_root,
};
use crate::{
    App,
    reading::{RoomReading, RoomsState},
};

/// The newest events that are told when nobody says how many.
const DEFAULT_LIMIT: usize = 10;
/// The most events that are told.
const MAX_LIMIT: usize = 100;

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/rooms/{roomId}/initialSync";
    RouteTable::new().route(Route::get(path, AuthKind::Device, initial_sync).for_guests())
}

#[derive(Debug, Deserialize)]
struct InitialSyncPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Deserialize)]
struct InitialSyncParams {
    limit: Option<usize>,
}

/// A room's state and its newest events, for members, for those who left, and for everybody where
/// the room is world readable.
async fn initial_sync(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<InitialSyncPath>,
    Params(params): Params<InitialSyncParams>,
) -> Result<JsonBytes, ApiError> {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let room_id = path.room_id.clone();
    let json = rooms.read(Op::History, &caller, room_id, move |reading| {
        let data = accounts.all_account_data(reading.view, reading.user, Some(reading.room))?;
        snapshot(reading, &path.room_id, limit, &data)
    });
    Ok(JsonBytes(json.await?.into()))
}

fn snapshot(
    reading: &RoomReading<'_>,
    room_id: &OwnedRoomId,
    limit: usize,
    account_data: &[AccountDataRow],
) -> Result<String, RoomError> {
    let root = readable_root(reading)?;
    let presenter = reading
        .rooms
        .presenter(reading.room, Some(reading.reader))?;
    let newest = after(reading.rooms.head(reading.room)?.newest);
    let request = PageRequest {
        from: newest,
        to: None,
        direction: Direction::Backward,
        limit,
    };
    let mut page = presenter.page(request, |_| Ok(true))?;
    page.events.reverse();
    let mut json = String::from("{\"room_id\":");
    push_string(&mut json, room_id.as_str());
    if let Some(row) = presenter.visibility().standing() {
        json.push_str(",\"membership\":");
        push_string(&mut json, row.membership.as_str());
    }
    json.push_str(",\"visibility\":");
    let published = reading.rooms.is_published(reading.room)?;
    push_string(&mut json, if published { "public" } else { "private" });
    json.push_str(",\"messages\":{\"end\":");
    push_string(&mut json, &PaginationToken(newest).encode());
    json.push_str(",\"start\":");
    let start = page.end.unwrap_or(TimelineKey::MIN);
    push_string(&mut json, &PaginationToken(start).encode());
    push_bundled_events(&mut json, "chunk", &presenter, &page.events)?;
    json.push('}');
    let state = reading.rooms.state(reading.room).all(root)?;
    push_events(&mut json, "state", &presenter, &state)?;
    json.push_str(",\"account_data\":[");
    for (i, row) in account_data.iter().enumerate() {
        if i > 0 {
            json.push(',');
        }
        json.push_str("{\"type\":");
        push_string(&mut json, &row.kind);
        json.push_str(",\"content\":");
        json.push_str(&row.content);
        json.push('}');
    }
    json.push_str("]}");
    Ok(json)
}
