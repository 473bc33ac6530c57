//! `/publicRooms` and `/directory/list/room/{roomId}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#published-room-directory>

use std::sync::Arc;

use axum::extract::State;
use heliograph_core::tokens::DirectoryToken;
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, Json, OptionalBody, Params, PathParams, RateClass, Route,
    RouteTable,
};
use heliograph_rooms::{DirectoryQuery, RoomSummary};
use heliograph_tables::Op;
use ruma_common::OwnedRoomId;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    App, ClientSettings,
    errors::{pool_error, room_error},
    reading::{RoomsState, sender},
};

/// Rooms in a page when nobody says how many, and at most.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;
/// Bytes of a search term, and room types of a filter, at most.
const MAX_TERM_BYTES: usize = 512;
const MAX_TYPES: usize = 20;

pub(super) fn routes() -> RouteTable<App> {
    let rooms = "/_matrix/client/v3/publicRooms";
    let listing = "/_matrix/client/v3/directory/list/room/{roomId}";
    RouteTable::new()
        .route(Route::get(rooms, AuthKind::None, get_page).rate_limit(RateClass::Other))
        .route(Route::post(rooms, AuthKind::Device, post_page).rate_limit(RateClass::Other))
        .route(Route::get(listing, AuthKind::None, get_listing))
        .route(Route::put(listing, AuthKind::Device, put_listing).rate_limit(RateClass::Other))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageParams {
    limit: Option<usize>,
    since: Option<String>,
    server: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct ServerParams {
    server: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageBody {
    limit: Option<usize>,
    since: Option<String>,
    filter: FilterBody,
    include_all_networks: bool,
    third_party_instance_id: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FilterBody {
    generic_search_term: Option<String>,
    room_types: Option<Vec<Option<String>>>,
}

#[derive(Debug, Serialize)]
struct Page {
    chunk: Vec<RoomSummary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prev_batch: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_room_count_estimate: Option<usize>,
}

/// `GET /publicRooms`
async fn get_page(
    State(rooms): State<RoomsState>,
    State(settings): State<Arc<ClientSettings>>,
    Params(params): Params<PageParams>,
) -> Result<Json<Page>, ApiError> {
    let body = PageBody {
        limit: params.limit,
        since: params.since,
        ..PageBody::default()
    };
    page(&rooms, &settings, params.server, body).await
}

/// `POST /publicRooms`
async fn post_page(
    _: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(settings): State<Arc<ClientSettings>>,
    Params(params): Params<ServerParams>,
    OptionalBody(body): OptionalBody<PageBody>,
) -> Result<Json<Page>, ApiError> {
    page(&rooms, &settings, params.server, body).await
}

/// A page of the published rooms of this server.
async fn page(
    rooms: &RoomsState,
    settings: &ClientSettings,
    server: Option<String>,
    body: PageBody,
) -> Result<Json<Page>, ApiError> {
    if server.is_some_and(|server| server != settings.server_name) {
        return Err(ApiError::not_found("That server cannot be asked"));
    }
    if body.third_party_instance_id.is_some() && body.include_all_networks {
        return Err(ApiError::invalid_param(
            "include_all_networks and third_party_instance_id exclude each other",
        ));
    }
    let query = query(&body)?;
    let filtered = query.term.is_some() || query.room_types.is_some();
    // No network is bridged here: a room of one there is none.
    if body
        .third_party_instance_id
        .is_some_and(|id| !id.is_empty())
    {
        return Err(ApiError::not_found("No such network is known"));
    }
    let reader = rooms.rooms.clone();
    let found = rooms.pool.run(move || reader.directory(&query)).await;
    let found = found.map_err(pool_error)?.map_err(room_error)?;
    Ok(Json(Page {
        chunk: found.rooms,
        next_batch: found.next.map(|token| token.encode()),
        prev_batch: found.previous.map(|token| token.encode()),
        total_room_count_estimate: (!filtered).then_some(found.published),
    }))
}

/// Reads what is asked for.
fn query(body: &PageBody) -> Result<DirectoryQuery, ApiError> {
    let from = body.since.as_deref().filter(|since| !since.is_empty());
    let from = from.map(DirectoryToken::decode).transpose();
    let from = from.map_err(|_| ApiError::invalid_param("since is no token of this list"))?;
    let term = body.filter.generic_search_term.clone();
    let term = term.filter(|term| !term.is_empty());
    let types = body.filter.room_types.clone();
    if term
        .as_ref()
        .is_some_and(|term| term.len() > MAX_TERM_BYTES)
        || types.as_ref().is_some_and(|types| types.len() > MAX_TYPES)
    {
        return Err(ApiError::invalid_param("The filter is too large"));
    }
    if body.limit == Some(0) {
        return Err(ApiError::invalid_param("limit must be greater than zero"));
    }
    Ok(DirectoryQuery {
        from,
        limit: body.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT),
        term,
        room_types: types,
    })
}

#[derive(Debug, Deserialize)]
struct RoomPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Visibility {
    Private,
    Public,
}

#[derive(Debug, Deserialize, Serialize)]
struct Listing {
    visibility: Visibility,
}

#[derive(Debug, Default, Deserialize)]
struct ListingBody {
    visibility: Option<Visibility>,
}

/// Whether a room is in the directory.
async fn get_listing(
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RoomPath>,
) -> Result<Json<Listing>, ApiError> {
    let published = rooms.look(Op::ReadState, move |rooms| {
        rooms.is_published(rooms.find(&path.room_id)?)
    });
    let visibility = if published.await? {
        Visibility::Public
    } else {
        Visibility::Private
    };
    Ok(Json(Listing { visibility }))
}

/// Puts a room into the directory, or takes it out.
async fn put_listing(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RoomPath>,
    OptionalBody(body): OptionalBody<ListingBody>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let found = rooms.look(Op::State, move |rooms| rooms.find(&path.room_id));
    let room = found.await?;
    let published = matches!(body.visibility, None | Some(Visibility::Public));
    let done = rooms.rooms.publish(room, sender(&caller), published);
    done.await.map_err(room_error)?;
    Ok(Json(json!({})))
}
