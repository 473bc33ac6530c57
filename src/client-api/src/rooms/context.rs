//! `GET /rooms/{roomId}/context/{eventId}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#event-context>

use axum::extract::State;
use heliograph_core::{ids::EventIdx, tokens::PaginationToken};
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, JsonBytes, Params, PathParams, Route, RouteTable,
};
use heliograph_rooms::{Form, PageRequest, Presenter, RoomError, after, push_string};
use heliograph_sync::EventFilter;
use heliograph_tables::{Direction, Op};
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde::Deserialize;

use super::messages::{lazy_members, parse_filter};
use crate::{
    App,
    reading::{RoomReading, RoomsState},
};

/// The limit when none is asked for.
const DEFAULT_LIMIT: usize = 10;
/// The greatest limit.
const MAX_LIMIT: usize = 100;

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/rooms/{roomId}/context/{eventId}";
    RouteTable::new().route(Route::get(path, AuthKind::Device, context).for_guests())
}

#[derive(Debug, Deserialize)]
struct ContextPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
    #[serde(rename = "eventId")]
    event: OwnedEventId,
}

#[derive(Debug, Deserialize)]
struct ContextParams {
    limit: Option<usize>,
    filter: Option<String>,
}

/// What stands around an event, and the state at the end of it.
async fn context(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<ContextPath>,
    Params(params): Params<ContextParams>,
) -> Result<JsonBytes, ApiError> {
    let filter = parse_filter(params.filter.as_deref())?;
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).min(MAX_LIMIT);
    let room_id = path.room_id.clone();
    let json = rooms.read(Op::History, &caller, room_id, move |reading| {
        let event = reading.event(&path.event)?;
        around(reading, event, limit, &filter)
    });
    Ok(JsonBytes(json.await?.into()))
}

fn around(
    reading: &RoomReading<'_>,
    event: EventIdx,
    limit: usize,
    filter: &EventFilter,
) -> Result<String, RoomError> {
    let presenter = reading
        .rooms
        .presenter(reading.room, Some(reading.reader))?;
    let status = presenter.visible(event)?;
    let place = status.timeline.ok_or(RoomError::UnknownEvent)?;
    let page = |from, direction, limit| {
        let request = PageRequest {
            from,
            to: None,
            direction,
            limit,
        };
        presenter.page(request, |shared| filter.wants_of(&presenter, shared))
    };
    let before = page(place, Direction::Backward, limit / 2)?;
    let later = page(after(place), Direction::Forward, limit - limit / 2)?;
    let start = edge(&presenter, before.events.last(), false)?.unwrap_or(place);
    let end = edge(&presenter, later.events.last(), true)?.unwrap_or(after(place));
    let last = later.events.last().copied().unwrap_or(event);
    let mut json = String::from("{\"event\":");
    json.push_str(&presenter.bundled_event(event)?);
    push_bundled_events(&mut json, "events_before", &presenter, &before.events)?;
    push_bundled_events(&mut json, "events_after", &presenter, &later.events)?;
    let state = state_at(
        reading,
        &presenter,
        last,
        filter,
        &before.events,
        &later.events,
        event,
    )?;
    push_events(&mut json, "state", &presenter, &state)?;
    json.push_str(",\"start\":");
    push_string(&mut json, &PaginationToken(start).encode());
    json.push_str(",\"end\":");
    push_string(&mut json, &PaginationToken(end).encode());
    json.push('}');
    Ok(json)
}

/// The place at an event, or just after it.
fn edge(
    presenter: &Presenter<'_>,
    event: Option<&EventIdx>,
    behind: bool,
) -> Result<Option<heliograph_core::ids::TimelineKey>, RoomError> {
    let Some(event) = event else { return Ok(None) };
    let place = presenter.status(*event)?.timeline;
    Ok(place.map(|place| if behind { after(place) } else { place }))
}

/// The state after the last event, with the members that the filter wants.
fn state_at(
    reading: &RoomReading<'_>,
    presenter: &Presenter<'_>,
    last: EventIdx,
    filter: &EventFilter,
    before: &[EventIdx],
    later: &[EventIdx],
    event: EventIdx,
) -> Result<Vec<EventIdx>, RoomError> {
    let status = presenter.status(last)?;
    let root = status.state_after.unwrap_or(status.state_before);
    let state = reading.rooms.state(reading.room);
    if !filter.lazy_load_members {
        return state.all(root);
    }
    let mut events = state.others(root)?;
    let shown: Vec<EventIdx> = before
        .iter()
        .chain(later)
        .copied()
        .chain(std::iter::once(event))
        .collect();
    events.extend(lazy_members(reading, presenter, root, &shown)?);
    Ok(events)
}

/// Appends a member that is a list of events.
pub(super) fn push_events(
    json: &mut String,
    key: &str,
    presenter: &Presenter<'_>,
    events: &[EventIdx],
) -> Result<(), RoomError> {
    json.push(',');
    push_string(json, key);
    json.push_str(":[");
    for (i, event) in events.iter().enumerate() {
        if i > 0 {
            json.push(',');
        }
        json.push_str(&presenter.event(*event)?);
    }
    json.push(']');
    Ok(())
}

/// The same for events of a timeline, with the aggregations of what relates to them.
pub(super) fn push_bundled_events(
    json: &mut String,
    key: &str,
    presenter: &Presenter<'_>,
    events: &[EventIdx],
) -> Result<(), RoomError> {
    json.push(',');
    push_string(json, key);
    json.push_str(":[");
    let related = presenter.related(events)?;
    for (i, event) in events.iter().enumerate() {
        if i > 0 {
            json.push(',');
        }
        presenter.push_bundled_event(json, *event, &related, Form::WithRoomId)?;
    }
    json.push(']');
    Ok(())
}
