//! `GET /rooms/{roomId}/messages`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidmessages>

use axum::extract::State;
use heliograph_core::{
    ids::{EventIdx, TimelineKey},
    tokens::{PaginationToken, SyncToken},
};
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, JsonBytes, Params, PathParams, Route, RouteTable,
};
use heliograph_rooms::{PageRequest, Presenter, RoomError, after, place_of_position, push_string};
use heliograph_sync::EventFilter;
use heliograph_tables::{
    Direction, Op,
    schema::{Membership, StateRoot},
};
use ruma_common::OwnedRoomId;
use serde::Deserialize;

use super::context::{push_bundled_events, push_events};
use crate::{
    App,
    reading::{RoomReading, RoomsState},
};

/// The limit when none is asked for.
const DEFAULT_LIMIT: usize = 10;
/// The greatest limit.
const MAX_LIMIT: usize = 1000;

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/rooms/{roomId}/messages";
    RouteTable::new().route(Route::get(path, AuthKind::Device, messages).for_guests())
}

#[derive(Debug, Deserialize)]
struct MessagesPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

/// A `dir` parameter.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) enum Dir {
    #[default]
    #[serde(rename = "b")]
    Backward,
    #[serde(rename = "f")]
    Forward,
}

impl Dir {
    /// The way through the timeline.
    pub(super) const fn direction(self) -> Direction {
        match self {
            Self::Backward => Direction::Backward,
            Self::Forward => Direction::Forward,
        }
    }

    /// Where a page begins that is asked for without `from`.
    pub(super) const fn start(self) -> TimelineKey {
        match self {
            Self::Backward => TimelineKey::MAX,
            Self::Forward => TimelineKey::MIN,
        }
    }
}

#[derive(Debug, Deserialize)]
struct MessagesParams {
    dir: Option<Dir>,
    from: Option<String>,
    to: Option<String>,
    limit: Option<usize>,
    filter: Option<String>,
}

/// A token of `/messages` or of `/sync`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    Place(TimelineKey),
    Sync(SyncToken),
}

impl Token {
    /// Reads either kind of token.
    pub(super) fn parse(text: &str) -> Result<Self, ApiError> {
        if let Ok(PaginationToken(place)) = PaginationToken::decode(text) {
            return Ok(Self::Place(place));
        }
        SyncToken::decode(text)
            .map(Self::Sync)
            .map_err(|_| ApiError::invalid_param("That is not a pagination token"))
    }

    /// The place that it names in a room.
    pub(super) fn place(self, reading: &RoomReading<'_>) -> Result<TimelineKey, RoomError> {
        match self {
            Self::Place(place) => Ok(place),
            Self::Sync(token) => place_of_position(reading.view, reading.room, token.position),
        }
    }
}

/// Reads a `filter` parameter.
pub(super) fn parse_filter(json: Option<&str>) -> Result<EventFilter, ApiError> {
    let Some(json) = json else {
        return Ok(EventFilter::default());
    };
    serde_json::from_str(json)
        .map_err(|error| ApiError::invalid_param(format!("The filter cannot be read: {error}")))
}

/// A page of history.
async fn messages(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<MessagesPath>,
    Params(params): Params<MessagesParams>,
) -> Result<JsonBytes, ApiError> {
    let filter = parse_filter(params.filter.as_deref())?;
    let from = params.from.as_deref().map(Token::parse).transpose()?;
    let to = params.to.as_deref().map(Token::parse).transpose()?;
    let asked = params.limit.unwrap_or(DEFAULT_LIMIT);
    let limit = filter.limit(asked, MAX_LIMIT).min(asked).min(MAX_LIMIT);
    let Some(dir) = params.dir else {
        // Whoever may not read the room is told so first, whatever else is wrong.
        let read = rooms.read(Op::History, &caller, path.room_id, |reading| {
            let reader = Some(reading.reader);
            may_read(reading, &reading.rooms.presenter(reading.room, reader)?)
        });
        read.await?;
        return Err(ApiError::missing_param("dir"));
    };
    let json = rooms.read(Op::History, &caller, path.room_id, move |reading| {
        let to = to.map(|token| token.place(reading)).transpose()?;
        let from = from.map(|token| token.place(reading)).transpose()?;
        let request = PageRequest {
            from: from.unwrap_or(dir.start()),
            to,
            direction: dir.direction(),
            limit,
        };
        page(reading, request, &filter)
    });
    Ok(JsonBytes(json.await?.into()))
}

fn page(
    reading: &RoomReading<'_>,
    mut request: PageRequest,
    filter: &EventFilter,
) -> Result<String, RoomError> {
    let presenter = reading
        .rooms
        .presenter(reading.room, Some(reading.reader))?;
    may_read(reading, &presenter)?;
    let newest = after(reading.rooms.head(reading.room)?.newest);
    if request.direction == Direction::Backward {
        request.from = request.from.min(newest);
    }
    let page = presenter.page(request, |shared| filter.wants_of(&presenter, shared))?;
    let mut json = String::from("{\"start\":");
    push_string(&mut json, &PaginationToken(request.from).encode());
    push_bundled_events(&mut json, "chunk", &presenter, &page.events)?;
    if let Some(end) = page.end {
        json.push_str(",\"end\":");
        push_string(&mut json, &PaginationToken(end).encode());
    }
    if filter.lazy_load_members && !page.events.is_empty() {
        let root = reading.rooms.head(reading.room)?.state;
        let members = lazy_members(reading, &presenter, root, &page.events)?;
        push_events(&mut json, "state", &presenter, &members)?;
    }
    json.push('}');
    Ok(json)
}

/// History is for those who are or were in the room, who are invited, and, where it is world
/// readable, for everybody.
pub(super) fn may_read(
    reading: &RoomReading<'_>,
    presenter: &Presenter<'_>,
) -> Result<(), RoomError> {
    let standing = presenter
        .visibility()
        .standing()
        .filter(|row| !row.forgotten);
    let known = standing.is_some_and(|row| {
        row.joined_until.is_some()
            || matches!(row.membership, Membership::Join | Membership::Invite)
    });
    if known {
        return Ok(());
    }
    let head = reading.rooms.head(reading.room)?;
    presenter
        .visibility()
        .readable_state(head.state)
        .map(|_| ())
}

/// The member events of those who sent events.
pub(super) fn lazy_members(
    reading: &RoomReading<'_>,
    presenter: &Presenter<'_>,
    root: StateRoot,
    events: &[EventIdx],
) -> Result<Vec<EventIdx>, RoomError> {
    let state = reading.rooms.state(reading.room);
    let mut members = Vec::new();
    for event in events {
        let status = presenter.status(*event)?;
        let shared = presenter.shared(*event, &status)?;
        if let Some(member) = state.event(root, "m.room.member", &shared.sender)?
            && !members.contains(&member)
        {
            members.push(member);
        }
    }
    Ok(members)
}
