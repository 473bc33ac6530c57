//! Who may come in: join rules, and joins that membership of another room allows.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#mroomjoin_rules>

use heliograph_core::{ids::UserNum, pdu::Pdu};
use heliograph_tables::schema::Membership;
use ruma_common::{OwnedRoomId, OwnedUserId, UserId};
use serde::Deserialize;

use crate::{RoomError, RoomsView, Sender, state::MemberEntry, work::RoomWork};

/// Members that are looked at for one who may let somebody in.
const MAX_LOOKED_AT: usize = 1000;
/// Members read at a time.
const PAGE: usize = 100;
/// Rooms of an `allow` list that are looked at.
const MAX_ALLOWED_ROOMS: usize = 100;

/// What the join rules of a room say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinRules {
    /// The rule; `invite` where nothing is said.
    pub rule: Box<str>,
    /// The rooms whose members are let in, where the rule is a restricted one.
    pub allowed_rooms: Vec<OwnedRoomId>,
}

#[derive(Deserialize)]
struct Content {
    join_rule: String,
    #[serde(default)]
    allow: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Allow {
    r#type: String,
    room_id: OwnedRoomId,
}

impl JoinRules {
    /// Reads `m.room.join_rules`; entries of `allow` that are of no known kind count for nothing.
    pub fn of(event: Option<&Pdu>) -> Self {
        let content = event.and_then(|event| serde_json::from_str(event.content_json()).ok());
        let Some(Content { join_rule, allow }) = content else {
            return Self {
                rule: "invite".into(),
                allowed_rooms: Vec::new(),
            };
        };
        let mut rules = Self {
            rule: join_rule.into(),
            allowed_rooms: Vec::new(),
        };
        if rules.is_restricted() {
            let known = allow
                .into_iter()
                .filter_map(|entry| serde_json::from_value::<Allow>(entry).ok())
                .filter(|entry| entry.r#type == "m.room_membership");
            rules.allowed_rooms = known
                .map(|entry| entry.room_id)
                .take(MAX_ALLOWED_ROOMS)
                .collect();
        }
        rules
    }

    /// Whether anybody may come in.
    pub fn is_public(&self) -> bool {
        &*self.rule == "public"
    }

    /// Whether membership of another room lets somebody in.
    pub fn is_restricted(&self) -> bool {
        matches!(&*self.rule, "restricted" | "knock_restricted")
    }

    /// Whether anybody may knock.
    pub fn allows_knocks(&self) -> bool {
        matches!(&*self.rule, "knock" | "knock_restricted")
    }
}

impl RoomsView<'_> {
    /// Whether a local user is joined to a room whose members a restricted rule lets in.
    pub(crate) fn is_let_in(&self, user: UserNum, rules: &JoinRules) -> Result<bool, RoomError> {
        for room in &rules.allowed_rooms {
            let found = match self.find(room) {
                Ok(room) => self.standing(user, room)?,
                Err(RoomError::UnknownRoom) => None,
                Err(error) => return Err(error),
            };
            if found.is_some_and(|row| row.membership == Membership::Join) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl RoomWork<'_> {
    /// The user of this server in whose name a join is allowed that membership of another room
    /// allows; `None` where the join needs nobody.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#restricted-rooms>
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the user is in none of the rooms, or nobody here may invite.
    pub(crate) fn authorising_user(
        &mut self,
        sender: &Sender,
        before: Option<Membership>,
    ) -> Result<Option<OwnedUserId>, RoomError> {
        if matches!(before, Some(Membership::Join | Membership::Invite)) {
            return Ok(None);
        }
        let state = self.live.head.state;
        let idx = self.state_at(state, "m.room.join_rules", "")?;
        let event = idx.map(|idx| self.pdu(idx)).transpose()?;
        let rules = JoinRules::of(event.as_deref());
        let restricted = self.version().rules().authorization.restricted_join_rule;
        if !rules.is_restricted() || !restricted {
            return Ok(None);
        }
        if !RoomsView::new(self.inner, &self.view).is_let_in(sender.user, &rules)? {
            return Err(RoomError::Forbidden(
                "not invited, and in none of the rooms whose members may join".to_owned(),
            ));
        }
        self.local_inviter()?.map(Some).ok_or_else(|| {
            RoomError::Forbidden("nobody of this server may let others in".to_owned())
        })
    }

    /// A joined user of this server who may invite: one of those whose power is set, else any
    /// member, where all may.
    fn local_inviter(&mut self) -> Result<Option<OwnedUserId>, RoomError> {
        let power = self.power_levels()?;
        for user in power.named_inviters() {
            if self.inner.is_local(user.as_str())
                && self.membership(user)? == Some(Membership::Join)
            {
                return Ok(Some(user.to_owned()));
            }
        }
        let (state, mut after) = (self.live.head.state, None);
        for _ in 0..MAX_LOOKED_AT / PAGE {
            let members = self
                .inner
                .states
                .members_page(&self.view, self.room, state, after, PAGE)?;
            let Some((last, _)) = members.last() else {
                break;
            };
            after = Some(*last);
            for (_, member) in members {
                if let Some(user) = self.local_member(member)?
                    && power.user_can_invite(&user)
                {
                    return Ok(Some(user));
                }
            }
        }
        Ok(None)
    }

    /// The id of a member who is joined and of this server.
    fn local_member(&self, member: MemberEntry) -> Result<Option<OwnedUserId>, RoomError> {
        if member.membership != Membership::Join {
            return Ok(None);
        }
        let pdu = self.pdu(member.event)?;
        let user = pdu.state_key().and_then(|key| UserId::parse(key).ok());
        Ok(user.filter(|user| self.inner.is_local(user.as_str())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_said_is_by_invitation() {
        let rules = JoinRules::of(None);
        assert_eq!((&*rules.rule, rules.allowed_rooms.len()), ("invite", 0));
        assert!(!rules.is_restricted() && !rules.allows_knocks());
    }
}
