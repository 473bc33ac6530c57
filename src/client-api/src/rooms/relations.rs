//! `GET /rooms/{roomId}/relations/{eventId}`, `…/{relType}` and `…/{relType}/{eventType}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#relationships-api>

use axum::extract::State;
use heliograph_core::tokens::PaginationToken;
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, JsonBytes, Params, PathParams, Route, RouteTable,
};
use heliograph_rooms::{
    Form, MAX_RECURSION_DEPTH, PageRequest, RelationsRequest, RoomError, push_string,
};
use heliograph_tables::Op;
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde::Deserialize;

use super::messages::{Dir, Token};
use crate::{
    App,
    reading::{RoomReading, RoomsState},
};

/// The limit when none is asked for.
const DEFAULT_LIMIT: usize = 50;
/// The greatest limit.
const MAX_LIMIT: usize = 500;

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}";
    let by_type = "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}";
    let by_types = "/_matrix/client/v1/rooms/{roomId}/relations/{eventId}/{relType}/{eventType}";
    RouteTable::new()
        .route(Route::get(path, AuthKind::Device, relations))
        .route(Route::get(by_type, AuthKind::Device, relations))
        .route(Route::get(by_types, AuthKind::Device, relations))
}

#[derive(Debug, Deserialize)]
struct RelationsPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    #[serde(rename = "eventId")]
    event: OwnedEventId,
    #[serde(rename = "relType")]
    rel_type: Option<String>,
    #[serde(rename = "eventType")]
    event_type: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RelationsParams {
    #[serde(default)]
    dir: Dir,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    recurse: Option<bool>,
}

/// A `limit` parameter, which must not be zero.
pub(super) fn limit(asked: Option<usize>, default: usize, most: usize) -> Result<usize, ApiError> {
    match asked {
        Some(0) => Err(ApiError::invalid_param("limit must be greater than zero")),
        asked => Ok(asked.unwrap_or(default).min(most)),
    }
}

/// The events that relate to one.
async fn relations(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RelationsPath>,
    Params(params): Params<RelationsParams>,
) -> Result<JsonBytes, ApiError> {
    let from = params.from.as_deref().map(Token::parse).transpose()?;
    let to = params.to.as_deref().map(Token::parse).transpose()?;
    let limit = limit(params.limit, DEFAULT_LIMIT, MAX_LIMIT)?;
    let room_id = path.room_id.clone();
    let json = rooms.read(Op::History, &caller, room_id, move |reading| {
        let from = from.map(|token| token.place(reading)).transpose()?;
        let page = PageRequest {
            from: from.unwrap_or(params.dir.start()),
            to: to.map(|token| token.place(reading)).transpose()?,
            direction: params.dir.direction(),
            limit,
        };
        let request = RelationsRequest {
            target: reading.event(&path.event)?,
            rel_type: path.rel_type.as_deref(),
            event_type: path.event_type.as_deref(),
            recurse: params.recurse.unwrap_or_default(),
            page,
        };
        let depth = params
            .recurse
            .map(|recurse| if recurse { MAX_RECURSION_DEPTH } else { 1 });
        answer(reading, &request, from.is_some(), depth)
    });
    Ok(JsonBytes(json.await?.into()))
}

fn answer(
    reading: &RoomReading<'_>,
    request: &RelationsRequest<'_>,
    has_before: bool,
    depth: Option<u32>,
) -> Result<String, RoomError> {
    let presenter = reading
        .rooms
        .presenter(reading.room, Some(reading.reader))?;
    let page = presenter.relations_page(request)?;
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
    if has_before {
        json.push_str(",\"prev_batch\":");
        push_string(&mut json, &PaginationToken(request.page.from).encode());
    }
    if let Some(depth) = depth {
        json.push_str(",\"recursion_depth\":");
        json.push_str(&depth.to_string());
    }
    json.push('}');
    Ok(json)
}
