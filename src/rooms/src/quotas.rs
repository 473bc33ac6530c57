//! In how many rooms one user of this server may be.

use heliograph_core::{ids::UserNum, pdu::Pdu};
use heliograph_tables::{
    Direction,
    schema::{Membership, USER_ROOMS},
};

use crate::{RoomError, reading::membership_of, work::RoomWork};

impl RoomWork<'_> {
    /// Checks that an event of a user of this server is not a join to one room too many. Where a
    /// limit is configured, the user's rooms are counted up to it.
    pub(crate) fn check_quota(&mut self, pdu: &Pdu) -> Result<(), RoomError> {
        let Some(most) = self.inner.max_joined_rooms else {
            return Ok(());
        };
        if pdu.type_str() != "m.room.member" || membership_of(pdu) != Membership::Join {
            return Ok(());
        }
        if self.membership(pdu.sender())? == Some(Membership::Join) {
            return Ok(());
        }
        let user = self.user_num(pdu.sender().as_str())?;
        if self.has_joined(user, most)? {
            return Err(RoomError::TooManyRooms);
        }
        Ok(())
    }

    /// Whether a user is joined to so many rooms.
    fn has_joined(&self, user: UserNum, most: u32) -> Result<bool, RoomError> {
        let mut left = most;
        let rows = self.view.scan(&USER_ROOMS, &(user,), Direction::Forward);
        for row in rows {
            if left == 0 {
                break;
            }
            if row?.1.membership == Membership::Join {
                left = left.saturating_sub(1);
            }
        }
        Ok(left == 0)
    }
}
