//! What a room tells those who are not in it: in the directory, in spaces, before joining.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-summaries>

use heliograph_core::{
    ids::{RoomNum, UserNum},
    pdu::Pdu,
};
use heliograph_tables::schema::{Membership, RoomHead};
use ruma_common::OwnedRoomId;
use serde::{Serialize, de::DeserializeOwned};

use crate::{JoinRules, RoomError, RoomsView, guests::lets_guests_in};

/// A room as the published directory shows it.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3publicrooms>
#[derive(Clone, Debug, Serialize)]
pub struct RoomSummary {
    /// The room.
    pub room_id: OwnedRoomId,
    /// How many are joined.
    pub num_joined_members: u32,
    /// Whether its history can be read by everybody.
    pub world_readable: bool,
    /// Whether guests may join.
    pub guest_can_join: bool,
    /// Who may join.
    pub join_rule: Box<str>,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its topic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Its avatar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar_url: Option<String>,
    /// Its main alias.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canonical_alias: Option<String>,
    /// Its type, such as `m.space`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room_type: Option<String>,
}

/// A room as it shows itself to somebody who might join.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1room_summaryroomidoralias>
#[derive(Clone, Debug, Serialize)]
pub struct RoomDetails {
    /// What the directory would show.
    #[serde(flatten)]
    pub summary: RoomSummary,
    /// The rooms whose members may join, where the join rule is a restricted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed_room_ids: Option<Vec<OwnedRoomId>>,
    /// The algorithm, where messages are encrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encryption: Option<String>,
    /// The version.
    pub room_version: &'static str,
}

/// A text in an event's content.
pub(crate) fn text_of(event: Option<&Pdu>, key: &str) -> Option<String> {
    let content: serde_json::Map<String, serde_json::Value> = content_of(event?)?;
    match content.get(key)? {
        serde_json::Value::String(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

fn content_of<T: DeserializeOwned>(event: &Pdu) -> Option<T> {
    serde_json::from_str(event.content_json()).ok()
}

impl RoomsView<'_> {
    /// What a room tells in the directory.
    ///
    /// # Errors
    /// [`RoomError::UnknownRoom`].
    pub fn summary(&self, room: RoomNum) -> Result<RoomSummary, RoomError> {
        self.summary_at(room, &self.head(room)?)
    }

    /// What a room tells a user, if it tells them anything: members and the invited, and everybody
    /// of a room that they could come into or read.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#room-summaries>
    ///
    /// # Errors
    /// [`RoomError::UnknownRoom`], also for a room that the user may not know of.
    pub fn details(
        &self,
        room: RoomNum,
        user: Option<UserNum>,
    ) -> Result<(RoomDetails, Option<Membership>), RoomError> {
        let head = self.head(room)?;
        let summary = self.summary_at(room, &head)?;
        let state = self.state(room);
        let event = |event_type: &str| state.pdu(head.state, event_type, "");
        let rules = JoinRules::of(event("m.room.join_rules")?.as_deref());
        let standing = match user {
            Some(user) => self.standing(user, room)?,
            None => None,
        };
        let membership = standing.map(|row| row.membership);
        let of_room = matches!(membership, Some(Membership::Join | Membership::Invite));
        let open = summary.world_readable || &*rules.rule == "public" || rules.allows_knocks();
        let is_let_in = || user.map_or(Ok(false), |user| self.is_let_in(user, &rules));
        if !of_room && !open && !is_let_in()? {
            return Err(RoomError::UnknownRoom);
        }
        let details = RoomDetails {
            summary,
            encryption: text_of(event("m.room.encryption")?.as_deref(), "algorithm"),
            room_version: self.version(room)?.as_str(),
            allowed_room_ids: rules.is_restricted().then_some(rules.allowed_rooms),
        };
        Ok((details, membership))
    }

    /// What a room tells in the directory, for those who have read its head.
    pub(crate) fn summary_at(
        &self,
        room: RoomNum,
        head: &RoomHead,
    ) -> Result<RoomSummary, RoomError> {
        let state = self.state(room);
        let event = |event_type: &str| state.pdu(head.state, event_type, "");
        let text = |event_type: &str, key: &str| -> Result<Option<String>, RoomError> {
            Ok(text_of(event(event_type)?.as_deref(), key))
        };
        let visibility = text("m.room.history_visibility", "history_visibility")?;
        let guests = event("m.room.guest_access")?;
        Ok(RoomSummary {
            room_id: self.room_id(room)?,
            num_joined_members: head.joined,
            world_readable: visibility.as_deref() == Some("world_readable"),
            guest_can_join: lets_guests_in(guests.as_deref()),
            join_rule: JoinRules::of(event("m.room.join_rules")?.as_deref()).rule,
            name: text("m.room.name", "name")?,
            topic: text("m.room.topic", "topic")?,
            avatar_url: text("m.room.avatar", "url")?,
            canonical_alias: text("m.room.canonical_alias", "alias")?,
            room_type: text("m.room.create", "type")?,
        })
    }
}
