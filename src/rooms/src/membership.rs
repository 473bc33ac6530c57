//! Membership: invite, join, knock, leave, kick, ban, unban, forget.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-membership>

use heliograph_core::{ids::RoomNum, json::Value};
use heliograph_tables::{
    Batch, Op,
    schema::{Membership, USER_ROOMS},
};
use ruma_common::{OwnedEventId, OwnedUserId};

use crate::{RoomError, Rooms, Sender, work::RoomWork};

/// A change of somebody's membership.
#[derive(Clone, Debug)]
pub struct MembershipChange {
    /// Whose membership.
    pub target: OwnedUserId,
    /// What it is to become.
    pub action: Action,
    /// Why, in the member event.
    pub reason: Option<String>,
    /// What else the member event says, such as the profile of `target`, where they join, knock or
    /// are invited.
    pub content: Value,
    /// Whether an invite is to a direct chat.
    pub is_direct: bool,
}

/// What may be done to a membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Join, also on an invite.
    Join,
    /// Ask to be let in.
    Knock,
    /// Invite someone.
    Invite,
    /// Leave, or reject an invite, or take a knock back.
    Leave,
    /// Make someone leave.
    Kick,
    /// Keep someone out.
    Ban,
    /// End a ban.
    Unban,
}

impl Rooms {
    /// Changes a membership. What is already so is answered as done.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when the room's state does not allow it; for a leave,
    /// [`RoomError::UnknownRoom`] when the user has nothing to do with the room; for an unban,
    /// [`RoomError::NotBanned`].
    pub async fn change_membership(
        &self,
        room: RoomNum,
        sender: Sender,
        change: MembershipChange,
    ) -> Result<(), RoomError> {
        self.change(room, Op::Membership, move |work| {
            work.change_membership(&sender, change).map(|_| ())
        })
        .await
    }

    /// Forgets a room that the user has left: it is in no sync any more, and its history is closed
    /// to them.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv3roomsroomidforget>
    ///
    /// # Errors
    /// [`RoomError::Invalid`] when the user is joined or invited.
    pub async fn forget(&self, room: RoomNum, sender: Sender) -> Result<(), RoomError> {
        self.change(room, Op::Membership, move |work| {
            let key = (sender.user, room);
            let mut row = work
                .view
                .get(&USER_ROOMS, &key)?
                .ok_or(RoomError::UnknownRoom)?;
            if !matches!(row.membership, Membership::Leave | Membership::Ban) {
                return Err(RoomError::Invalid("the room must be left first".to_owned()));
            }
            if !row.forgotten {
                row.forgotten = true;
                let mut batch = Batch::new(Op::Membership);
                batch.put(&USER_ROOMS, &key, &row);
                work.batch.append(batch);
            }
            Ok(())
        })
        .await
    }
}

impl RoomWork<'_> {
    /// Makes and sends the member event that a change asks for.
    fn change_membership(
        &mut self,
        sender: &Sender,
        change: MembershipChange,
    ) -> Result<Option<OwnedEventId>, RoomError> {
        let before = self.membership(&change.target)?;
        let next = match next_membership(change.action, before) {
            // Who is banned is nobody's business who is not in the room.
            Err(RoomError::NotBanned)
                if self.membership(&sender.user_id)? != Some(Membership::Join) =>
            {
                return Err(RoomError::Forbidden("not joined to the room".to_owned()));
            }
            next => next?,
        };
        let Some(membership) = next else {
            return Ok(None);
        };
        let mut content = match membership {
            Membership::Join | Membership::Invite | Membership::Knock => change.content,
            _ => Value::object::<&str, _>([]),
        };
        content.insert("membership", Value::from(membership.as_str()));
        if change.action == Action::Join
            && let Some(user) = self.authorising_user(sender, before)?
        {
            let user = Value::from(user.as_str());
            content.insert("join_authorised_via_users_server", user);
        }
        if let Some(reason) = change.reason {
            content.insert("reason", Value::from(reason.as_str()));
        }
        if membership == Membership::Invite && change.is_direct {
            content.insert("is_direct", Value::Bool(true));
        }
        let id = self.set_state(sender, "m.room.member", change.target.as_str(), content)?;
        Ok(Some(id))
    }
}

/// What a membership becomes; `None` when it is so already.
fn next_membership(
    action: Action,
    before: Option<Membership>,
) -> Result<Option<Membership>, RoomError> {
    let forbidden = |text: &str| Err(RoomError::Forbidden(text.to_owned()));
    let next = match (action, before) {
        (Action::Join, Some(Membership::Join)) | (Action::Leave, Some(Membership::Leave)) => {
            return Ok(None);
        }
        (Action::Join, _) => Membership::Join,
        (Action::Knock, Some(Membership::Join | Membership::Invite)) => {
            return forbidden("the user may come in without knocking");
        }
        (Action::Knock, _) => Membership::Knock,
        (Action::Invite, Some(Membership::Join)) => {
            return forbidden("the user is already in the room");
        }
        (Action::Invite, Some(Membership::Ban)) => return forbidden("the user is banned"),
        (Action::Invite, _) => Membership::Invite,
        (Action::Leave, None) => return Err(RoomError::UnknownRoom),
        (Action::Leave, _)
        | (Action::Kick, Some(Membership::Join | Membership::Invite | Membership::Knock))
        | (Action::Unban, Some(Membership::Ban)) => Membership::Leave,
        (Action::Kick, _) => return forbidden("the user is not in the room"),
        (Action::Ban, _) => Membership::Ban,
        (Action::Unban, _) => return Err(RoomError::NotBanned),
    };
    Ok(Some(next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_already_so_is_no_event() {
        assert!(matches!(
            next_membership(Action::Join, Some(Membership::Join)),
            Ok(None)
        ));
        assert!(matches!(
            next_membership(Action::Leave, Some(Membership::Leave)),
            Ok(None)
        ));
    }

    #[test]
    fn kick_needs_somebody_to_kick_and_unban_a_ban() {
        assert!(next_membership(Action::Kick, Some(Membership::Leave)).is_err());
        assert!(next_membership(Action::Unban, Some(Membership::Leave)).is_err());
        assert!(next_membership(Action::Leave, None).is_err());
    }
}
