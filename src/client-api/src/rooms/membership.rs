//! Join, knock, invite, leave, kick, ban, unban, forget; `GET /joined_rooms`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-membership>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{AccountError, Accounts, ProfileField};
use heliograph_core::json::Value;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, DeviceIdentity, Json, OptionalBody, PathParams,
    RateClass, Route, RouteTable,
};
use heliograph_rooms::{Action, MembershipChange};
use heliograph_tables::{Op, schema::Membership};
use ruma_common::{OwnedRoomId, OwnedUserId, RoomId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, json, value::to_raw_value};

use crate::{
    App, ClientSettings,
    content::any,
    errors::{account_error, joining_error, pool_error, room_error},
    reading::{RoomsState, sender},
};

pub(super) fn routes() -> RouteTable<App> {
    let room = |action: &str| format!("/_matrix/client/v3/rooms/{{roomId}}/{action}");
    RouteTable::new()
        .route(
            Route::post(&room("join"), AuthKind::Device, join)
                .rate_limit(RateClass::Join)
                .for_guests(),
        )
        .route(
            Route::post(
                "/_matrix/client/v3/join/{roomIdOrAlias}",
                AuthKind::Device,
                join_any,
            )
            .rate_limit(RateClass::Join)
            // Not in the specification's list for guests, but what client libraries call.
            .for_guests(),
        )
        .route(
            Route::post(
                "/_matrix/client/v3/knock/{roomIdOrAlias}",
                AuthKind::Device,
                knock,
            )
            .rate_limit(RateClass::Join),
        )
        .route(Route::post(&room("invite"), AuthKind::Device, invite).rate_limit(RateClass::Invite))
        .route(
            Route::post(&room("leave"), AuthKind::Device, leave)
                .rate_limit(RateClass::Other)
                .for_guests(),
        )
        .route(Route::post(&room("kick"), AuthKind::Device, kick))
        .route(Route::post(&room("ban"), AuthKind::Device, ban))
        .route(Route::post(&room("unban"), AuthKind::Device, unban))
        .route(Route::post(&room("forget"), AuthKind::Device, forget).rate_limit(RateClass::Other))
        .route(Route::get(
            "/_matrix/client/v3/joined_rooms",
            AuthKind::Device,
            joined_rooms,
        ))
}

#[derive(Debug, Deserialize)]
struct RoomPath {
    #[serde(rename = "roomId")]
    room_id: OwnedRoomId,
}

#[derive(Debug, Default, Deserialize)]
struct Reason {
    reason: Option<String>,
}

/// The body of a join.
#[derive(Debug, Default, Deserialize)]
struct JoinBody {
    reason: Option<String>,
    /// Whatever else is in it goes into the member event, as by Synapse.
    #[serde(flatten)]
    more: Map<String, serde_json::Value>,
}

impl JoinBody {
    /// Keys that are no content, or say what only this server says.
    const TAKEN: [&str; 6] = [
        "avatar_url",
        "displayname",
        "is_direct",
        "join_authorised_via_users_server",
        "membership",
        "third_party_signed",
    ];

    /// What goes into the member event.
    fn content(&self) -> Result<Value, ApiError> {
        let mut content = Value::object::<&str, _>([]);
        let more = self.more.iter();
        for (key, value) in more.filter(|(key, _)| !Self::TAKEN.contains(&key.as_str())) {
            let value = to_raw_value(value).map_err(ApiError::internal)?;
            content.insert(key, any(&value)?);
        }
        Ok(content)
    }
}

#[derive(Debug, Deserialize)]
struct Target {
    user_id: OwnedUserId,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct Joined {
    room_id: OwnedRoomId,
}

/// What a change of membership needs.
struct Ask<'a> {
    rooms: &'a RoomsState,
    accounts: &'a Accounts,
    caller: &'a DeviceIdentity,
    room_id: &'a RoomId,
    settings: &'a ClientSettings,
}

impl Ask<'_> {
    /// Changes the caller's own membership.
    async fn own(&self, action: Action, reason: Option<String>) -> Result<(), ApiError> {
        self.change(action, self.caller.user_id.clone(), reason)
            .await
    }

    /// Lets the caller come in, or knock.
    async fn come_in(&self, action: Action, body: JoinBody) -> Result<(), ApiError> {
        let content = match action {
            Action::Join => body.content()?,
            _ => Value::object::<&str, _>([]),
        };
        let user = self.caller.user_id.clone();
        self.change_with(action, user, body.reason, content).await
    }

    /// Changes a membership; the target's profile goes into the event where there is a place.
    async fn change(
        &self,
        action: Action,
        target: OwnedUserId,
        reason: Option<String>,
    ) -> Result<(), ApiError> {
        let content = Value::object::<&str, _>([]);
        self.change_with(action, target, reason, content).await
    }

    /// Changes a membership, with more in the event than the target's profile.
    async fn change_with(
        &self,
        action: Action,
        target: OwnedUserId,
        reason: Option<String>,
        mut content: Value,
    ) -> Result<(), ApiError> {
        let room = self.rooms.room_num(Op::Membership, self.room_id).await?;
        if matches!(action, Action::Join | Action::Invite | Action::Knock) {
            add_profile(&mut content, self.accounts, &target).await?;
        }
        let change = MembershipChange {
            target,
            action,
            reason,
            content,
            is_direct: false,
        };
        let sender = sender(self.caller);
        self.rooms
            .rooms
            .change_membership(room, sender, change)
            .await
            .map_err(|error| joining_error(error, self.settings))
    }
}

/// A local user's profile as it stands in a member event.
pub(super) async fn member_profile(
    accounts: &Accounts,
    user: &OwnedUserId,
) -> Result<Value, ApiError> {
    let mut content = Value::object::<&str, _>([]);
    add_profile(&mut content, accounts, user).await?;
    Ok(content)
}

/// Adds a local user's profile to the content of a member event.
async fn add_profile(
    content: &mut Value,
    accounts: &Accounts,
    user: &OwnedUserId,
) -> Result<(), ApiError> {
    let profile = match accounts.profile_of(user.as_str()).await {
        Ok((_, profile)) => profile,
        // A user of another server, or nobody: the member event has no profile.
        Err(AccountError::UnknownUser) => return Ok(()),
        Err(error) => return Err(account_error(error)),
    };
    for field in [ProfileField::Displayname, ProfileField::AvatarUrl] {
        if let Some(value) = field.of(&profile) {
            content.insert(field.as_str(), Value::from(value));
        }
    }
    Ok(())
}

/// `POST /rooms/{roomId}/join`
async fn join(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    PathParams(path): PathParams<RoomPath>,
    OptionalBody(body): OptionalBody<JoinBody>,
) -> Result<Json<Joined>, ApiError> {
    let RoomPath { room_id } = path;
    let ask = Ask {
        rooms: &rooms,
        accounts: &accounts,
        caller: &caller,
        room_id: &room_id,
        settings: &settings,
    };
    ask.come_in(Action::Join, body).await?;
    Ok(Json(Joined { room_id }))
}

#[derive(Debug, Deserialize)]
struct AnyPath {
    #[serde(rename = "roomIdOrAlias")]
    room: String,
}

/// `POST /join/{roomIdOrAlias}`
async fn join_any(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    PathParams(path): PathParams<AnyPath>,
    OptionalBody(body): OptionalBody<JoinBody>,
) -> Result<Json<Joined>, ApiError> {
    come_in(
        Action::Join,
        &caller,
        (&rooms, &accounts, &settings),
        path,
        body,
    )
    .await
}

/// `POST /knock/{roomIdOrAlias}`
async fn knock(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    PathParams(path): PathParams<AnyPath>,
    OptionalBody(body): OptionalBody<JoinBody>,
) -> Result<Json<Joined>, ApiError> {
    come_in(
        Action::Knock,
        &caller,
        (&rooms, &accounts, &settings),
        path,
        body,
    )
    .await
}

/// Joins a room that is named by its id or by an alias, or knocks on it.
async fn come_in(
    action: Action,
    caller: &DeviceIdentity,
    (rooms, accounts, settings): (&RoomsState, &Accounts, &ClientSettings),
    path: AnyPath,
    body: JoinBody,
) -> Result<Json<Joined>, ApiError> {
    let room_id = rooms.id_or_alias(&path.room).await?;
    let ask = Ask {
        rooms,
        accounts,
        caller,
        room_id: &room_id,
        settings,
    };
    ask.come_in(action, body).await?;
    Ok(Json(Joined { room_id }))
}

/// `POST /rooms/{roomId}/leave`
async fn leave(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    PathParams(path): PathParams<RoomPath>,
    OptionalBody(body): OptionalBody<Reason>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let room_id = &path.room_id;
    let ask = Ask {
        rooms: &rooms,
        accounts: &accounts,
        caller: &caller,
        room_id,
        settings: &settings,
    };
    ask.own(Action::Leave, body.reason).await?;
    Ok(Json(json!({})))
}

/// The handlers whose body names a target.
macro_rules! on_target {
    ($($(#[$doc:meta])* $name:ident => $action:expr;)*) => {$(
        $(#[$doc])*
        async fn $name(
            caller: Auth<Device>,
            State(rooms): State<RoomsState>,
            State(accounts): State<Arc<Accounts>>,
            State(settings): State<Arc<ClientSettings>>,
            PathParams(path): PathParams<RoomPath>,
            Body(body): Body<Target>,
        ) -> Result<Json<serde_json::Value>, ApiError> {
            let room_id = &path.room_id;
            let ask = Ask {
                rooms: &rooms,
                accounts: &accounts,
                caller: &caller,
                room_id,
                settings: &settings,
            };
            ask.change($action, body.user_id, body.reason).await?;
            Ok(Json(json!({})))
        }
    )*};
}
on_target! {
    /// `POST /rooms/{roomId}/invite`
    invite => Action::Invite;
    /// `POST /rooms/{roomId}/kick`
    kick => Action::Kick;
    /// `POST /rooms/{roomId}/ban`
    ban => Action::Ban;
    /// `POST /rooms/{roomId}/unban`
    unban => Action::Unban;
}

/// `POST /rooms/{roomId}/forget`
async fn forget(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
    PathParams(path): PathParams<RoomPath>,
    OptionalBody(_): OptionalBody<Reason>,
) -> Result<Json<serde_json::Value>, ApiError> {
    let room = rooms.room_num(Op::Membership, &path.room_id).await?;
    rooms
        .rooms
        .forget(room, sender(&caller))
        .await
        .map_err(room_error)?;
    Ok(Json(json!({})))
}

#[derive(Debug, Serialize)]
struct JoinedRooms {
    joined_rooms: Vec<OwnedRoomId>,
}

/// `GET /joined_rooms`
async fn joined_rooms(
    caller: Auth<Device>,
    State(rooms): State<RoomsState>,
) -> Result<Json<JoinedRooms>, ApiError> {
    let (user, pool) = (caller.user, rooms.pool.clone());
    let found = pool.run(move || {
        let view = rooms.store.view(Op::ReadState);
        let at = rooms.rooms.at(&view);
        let mut joined_rooms = Vec::new();
        for row in at.rooms_of(user) {
            let (room, standing) = row?;
            if standing.membership == Membership::Join {
                joined_rooms.push(at.room_id(room)?);
            }
        }
        Ok(JoinedRooms { joined_rooms })
    });
    found
        .await
        .map_err(pool_error)?
        .map(Json)
        .map_err(room_error)
}
