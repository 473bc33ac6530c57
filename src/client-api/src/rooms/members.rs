//! `GET /rooms/{roomId}/members` and `/joined_members`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3roomsroomidmembers>

use axum::extract::State;
use heliograph_core::{
    ids::EventIdx,
    tokens::{PaginationToken, SyncToken},
};
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, JsonBytes, Params, PathParams, Route, RouteTable,
};
use heliograph_rooms::{RoomError, push_string};
use heliograph_tables::{
    Op,
    schema::{Membership, StateRoot},
};
use ruma_common::OwnedRoomId;
use serde::Deserialize;

use super::state::readable_root;
use crate::{
    App,
    reading::{RoomReading, RoomsState},
};

pub(super) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .route(
            Route::get(
                "/_matrix/client/v3/rooms/{roomId}/members",
                AuthKind::Device,
                members,
            )
            .for_guests(),
        )
        .route(Route::get(
            "/_matrix/client/v3/rooms/{roomId}/joined_members",
            AuthKind::Device,
            joined_members,
        ))
}

#[derive(Debug, Deserialize)]
struct MembersPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Deserialize)]
struct MembersParams {
    at: Option<String>,
    membership: Option<String>,
    not_membership: Option<String>,
}

/// Reads a membership's name.
fn parse_membership(word: Option<&str>) -> Result<Option<Membership>, ApiError> {
    let Some(word) = word else { return Ok(None) };
    let parsed = Membership::parse(word);
    parsed
        .map(Some)
        .ok_or_else(|| ApiError::invalid_param("Unknown membership"))
}

/// The member events: as they are now, or as they were at a token.
async fn members(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<MembersPath>,
    Params(params): Params<MembersParams>,
) -> Result<JsonBytes, ApiError> {
    let only = parse_membership(params.membership.as_deref())?;
    let not = parse_membership(params.not_membership.as_deref())?;
    let at = params.at.as_deref().map(At::parse).transpose()?;
    let json = rooms.read(Op::ReadState, &caller, path.room_id, move |reading| {
        let mut root = readable_root(reading)?;
        if let Some(at) = at {
            root = at.root(reading)?.unwrap_or(root);
        }
        let presenter = reading
            .rooms
            .presenter(reading.room, Some(reading.reader))?;
        let mut json = String::from("{\"chunk\":[");
        let mut first = true;
        for (_, entry) in reading.rooms.state(reading.room).members(root)? {
            let wanted = only.is_none_or(|only| only == entry.membership)
                && not.is_none_or(|not| not != entry.membership);
            if wanted {
                if !first {
                    json.push(',');
                }
                first = false;
                json.push_str(&presenter.event(entry.event)?);
            }
        }
        json.push_str("]}");
        Ok(json)
    });
    Ok(JsonBytes(json.await?.into()))
}

/// A moment, as a token tells it.
#[derive(Clone, Copy, Debug)]
enum At {
    Sync(SyncToken),
    Place(PaginationToken),
}

impl At {
    fn parse(text: &str) -> Result<Self, ApiError> {
        if let Ok(token) = SyncToken::decode(text) {
            return Ok(Self::Sync(token));
        }
        PaginationToken::decode(text)
            .map(Self::Place)
            .map_err(|_| ApiError::invalid_param("at is not a token"))
    }

    /// The state at that moment, or `None` from before the room was here.
    fn root(self, reading: &RoomReading<'_>) -> Result<Option<StateRoot>, RoomError> {
        match self {
            Self::Sync(token) => {
                let head = reading.rooms.head_at(reading.room, token.position)?;
                Ok(head.map(|(_, head)| head.state))
            }
            Self::Place(PaginationToken(place)) => {
                reading.rooms.members_before(reading.room, place)
            }
        }
    }
}

/// Who is joined, with their profiles in the room.
async fn joined_members(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<MembersPath>,
) -> Result<JsonBytes, ApiError> {
    let json = rooms.read(Op::ReadState, &caller, path.room_id, |reading| {
        let row = reading.rooms.standing(reading.user, reading.room)?;
        if row.is_none_or(|row| row.membership != Membership::Join) {
            return Err(RoomError::Forbidden("not joined to the room".to_owned()));
        }
        let root = reading.rooms.head(reading.room)?.state;
        let presenter = reading.rooms.presenter(reading.room, None)?;
        let mut json = String::from("{\"joined\":{");
        for (_, entry) in reading.rooms.state(reading.room).members(root)? {
            if entry.membership == Membership::Join {
                if !json.ends_with('{') {
                    json.push(',');
                }
                push_member(&mut json, &presenter, entry.event)?;
            }
        }
        json.push_str("}}");
        Ok(json)
    });
    Ok(JsonBytes(json.await?.into()))
}

/// Appends a user id and the profile in the member event.
fn push_member(
    json: &mut String,
    presenter: &heliograph_rooms::Presenter<'_>,
    event: EventIdx,
) -> Result<(), RoomError> {
    // What is not set is null, as Synapse has it and Complement demands: the keys are always there.
    #[derive(Default, Deserialize, serde::Serialize)]
    struct Profile {
        #[serde(rename(deserialize = "displayname"))]
        display_name: Option<String>,
        avatar_url: Option<String>,
    }
    let status = presenter.status(event)?;
    let shared = presenter.shared(event, &status)?;
    let content = presenter.content(event)?;
    // A profile of the wrong shape is nobody's fault here: the member is shown without it.
    let profile: Profile = serde_json::from_str(&content).unwrap_or_default();
    push_string(json, shared.state_key.as_deref().unwrap_or_default());
    json.push(':');
    let profile =
        serde_json::to_string(&profile).map_err(|_| RoomError::Inconsistent("profile"))?;
    json.push_str(&profile);
    Ok(())
}
