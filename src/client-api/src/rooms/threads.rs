//! `GET /rooms/{roomId}/threads`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#querying-threads-in-a-room>

use axum::extract::State;
use heliograph_core::{ids::TimelineKey, tokens::PaginationToken};
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, JsonBytes, Params, PathParams, Route, RouteTable,
};
use heliograph_rooms::{Form, RoomError, push_string};
use heliograph_tables::Op;
use ruma_common::OwnedRoomId;
use serde::Deserialize;

use super::{
    messages::{Token, may_read},
    relations::limit,
};
use crate::{
    App,
    reading::{RoomReading, RoomsState},
};

/// The limit when none is asked for.
const DEFAULT_LIMIT: usize = 20;
/// The greatest limit.
const MAX_LIMIT: usize = 100;

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v1/rooms/{roomId}/threads";
    RouteTable::new().route(Route::get(path, AuthKind::Device, threads))
}

#[derive(Debug, Deserialize)]
struct ThreadsPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Include {
    #[default]
    All,
    Participated,
}

#[derive(Debug, Deserialize)]
struct ThreadsParams {
    #[serde(default)]
    include: Include,
    from: Option<String>,
    limit: Option<usize>,
}

/// The roots of a room's threads, those with the latest replies first.
async fn threads(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<ThreadsPath>,
    Params(params): Params<ThreadsParams>,
) -> Result<JsonBytes, ApiError> {
    let from = params.from.as_deref().map(Token::parse).transpose()?;
    let limit = limit(params.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let participated = params.include == Include::Participated;
    let json = rooms.read(Op::History, &caller, path.room_id, move |reading| {
        let from = from.map(|token| token.place(reading)).transpose()?;
        page(
            reading,
            from.unwrap_or(TimelineKey::MAX),
            participated,
            limit,
        )
    });
    Ok(JsonBytes(json.await?.into()))
}

fn page(
    reading: &RoomReading<'_>,
    from: TimelineKey,
    participated: bool,
    limit: usize,
) -> Result<String, RoomError> {
    let presenter = reading
        .rooms
        .presenter(reading.room, Some(reading.reader))?;
    may_read(reading, &presenter)?;
    let page = presenter.threads_page(from, participated, limit)?;
    let mut json = String::from("{\"chunk\":[");
    let related = presenter.related(&page.events)?;
    for (i, event) in page.events.iter().enumerate() {
        if i > 0 {
            json.push(',');
        }
        presenter.push_bundled_event(&mut json, *event, &related, Form::WithRoomId)?;
    }
    json.push(']');
    if let Some(end) = page.end {
        json.push_str(",\"next_batch\":");
        push_string(&mut json, &PaginationToken(end).encode());
    }
    json.push('}');
    Ok(json)
}
