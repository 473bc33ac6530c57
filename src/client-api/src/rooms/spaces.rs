//! `GET /room_summary/{roomIdOrAlias}` and `GET /rooms/{roomId}/hierarchy`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-summaries>
//! <https://spec.matrix.org/v1.19/client-server-api/#discovering-rooms-within-spaces>

use axum::extract::State;
use heliograph_core::tokens::HierarchyToken;
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, Json, OptionalDevice, Params, PathParams, RateClass, Route,
    RouteTable,
};
use heliograph_rooms::{HierarchyQuery, RoomDetails, RoomError, SpaceRoom};
use heliograph_tables::{Op, schema::Membership};
use ruma_common::OwnedRoomId;
use serde::{Deserialize, Serialize};

use crate::{App, reading::RoomsState};

/// Rooms in an answer when nobody says how many, and at most.
const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 100;

pub(super) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .route(
            Route::get(
                "/_matrix/client/v1/room_summary/{roomIdOrAlias}",
                AuthKind::OptionalDevice,
                summary,
            )
            // What clients ask that know it from MSC3266 only, such as matrix-js-sdk.
            .also_at("/_matrix/client/unstable/im.nheko.summary/summary/{roomIdOrAlias}")
            .also_at("/_matrix/client/unstable/im.nheko.summary/rooms/{roomIdOrAlias}/summary")
            .rate_limit(RateClass::Other),
        )
        .route(
            Route::get(
                "/_matrix/client/v1/rooms/{roomId}/hierarchy",
                AuthKind::Device,
                hierarchy,
            )
            .rate_limit(RateClass::Other),
        )
}

#[derive(Debug, Deserialize)]
struct AnyPath {
    #[serde(rename = "roomIdOrAlias")]
    room: String,
}

#[derive(Debug, Serialize)]
struct Summary {
    #[serde(flatten)]
    details: RoomDetails,
    #[serde(skip_serializing_if = "Option::is_none")]
    membership: Option<&'static str>,
}

/// What a room tells somebody who might join.
async fn summary(
    caller: Auth<OptionalDevice>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<AnyPath>,
) -> Result<Json<Summary>, ApiError> {
    let room_id = rooms.id_or_alias(&path.room).await?;
    let user = caller.as_ref().map(|caller| caller.user);
    let details = rooms.look(Op::ReadState, move |rooms| {
        rooms.details(rooms.find(&room_id)?, user)
    });
    let (details, membership) = details.await?;
    Ok(Json(Summary {
        details,
        membership: membership.map(Membership::as_str),
    }))
}

#[derive(Debug, Deserialize)]
struct RoomPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct HierarchyParams {
    suggested_only: bool,
    limit: Option<usize>,
    max_depth: Option<u32>,
    from: Option<String>,
}

#[derive(Debug, Serialize)]
struct HierarchyAnswer {
    rooms: Vec<SpaceRoom>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_batch: Option<String>,
}

/// The rooms of a space.
async fn hierarchy(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RoomPath>,
    Params(params): Params<HierarchyParams>,
) -> Result<Json<HierarchyAnswer>, ApiError> {
    let bad_token = || ApiError::invalid_param("from is no token of a walk like this");
    if params.limit == Some(0) {
        return Err(ApiError::invalid_param("limit must be greater than zero"));
    }
    let room = rooms.room_num(Op::ReadState, &path.room_id).await?;
    let begin = HierarchyToken {
        room,
        suggested_only: params.suggested_only,
        max_depth: params.max_depth.unwrap_or(u32::MAX),
        given: 0,
    };
    let from = match params.from.as_deref() {
        Some(from) => HierarchyToken::decode(from).map_err(|_| bad_token())?,
        None => begin,
    };
    if (HierarchyToken { given: 0, ..from }) != begin {
        return Err(bad_token());
    }
    let query = HierarchyQuery {
        room,
        user: caller.user,
        suggested_only: from.suggested_only,
        max_depth: from.max_depth,
        skip: usize::try_from(from.given).unwrap_or(usize::MAX),
        limit: params.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT),
    };
    let found = rooms.look(Op::ReadState, move |rooms| {
        rooms.hierarchy(&query).map_err(|error| match error {
            RoomError::UnknownRoom => RoomError::Forbidden("not a member of the room".to_owned()),
            other => other,
        })
    });
    let found = found.await?;
    let count = u32::try_from(found.rooms.len()).unwrap_or(u32::MAX);
    let next = HierarchyToken {
        given: from.given.saturating_add(count),
        ..from
    };
    Ok(Json(HierarchyAnswer {
        rooms: found.rooms,
        next_batch: found.more.then(|| next.encode()),
    }))
}
