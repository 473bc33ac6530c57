//! In how many rooms one user of this server may be, and to how many invited.

use heliograph_core::{ids::UserNum, pdu::Pdu};
use heliograph_tables::{
    Direction,
    schema::{Membership, USER_ROOMS},
};

use crate::{RoomError, reading::membership_of, work::RoomWork};

/// What one user may have; any number without a value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quotas {
    /// Rooms that a user may be joined to.
    pub joined_rooms: Option<u32>,
    /// Invites that a user may have without an answer.
    pub pending_invites: Option<u32>,
}

impl RoomWork<'_> {
    /// Checks that an event of a user of this server is neither a join to one room too many nor one
    /// invite too many. Where a limit is configured, the user's rooms are counted up to it.
    pub(crate) fn check_quota(&mut self, pdu: &Pdu) -> Result<(), RoomError> {
        if pdu.type_str() != "m.room.member" {
            return Ok(());
        }
        let (
            membership,
            Quotas {
                joined_rooms,
                pending_invites,
            },
        ) = (membership_of(pdu), self.inner.quotas);
        let (most, error) = match membership {
            Membership::Join => (joined_rooms, RoomError::TooManyRooms),
            Membership::Invite => (pending_invites, RoomError::TooManyInvites),
            _ => return Ok(()),
        };
        let Some(most) = most else { return Ok(()) };
        let user = pdu.state_key().unwrap_or_default();
        let Some(user) = self.inner.interner.users.find(&self.view, user)? else {
            return Ok(());
        };
        let own = self.view.get(&USER_ROOMS, &(user, self.room))?;
        if own.is_some_and(|row| row.membership == membership) {
            return Ok(());
        }
        if self.has(user, membership, most)? {
            return Err(error);
        }
        Ok(())
    }

    /// Whether a user has this membership in so many rooms.
    fn has(&self, user: UserNum, membership: Membership, most: u32) -> Result<bool, RoomError> {
        let mut left = most;
        let rows = self.view.scan(&USER_ROOMS, &(user,), Direction::Forward);
        for row in rows {
            if left == 0 {
                break;
            }
            if row?.1.membership == membership {
                left = left.saturating_sub(1);
            }
        }
        Ok(left == 0)
    }
}
