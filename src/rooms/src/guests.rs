//! Guests of this server in rooms: which rooms they may come into, and who is in which.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#guest-access>

use heliograph_accounts::is_guest;
use heliograph_core::{
    ids::{RoomNum, UserNum},
    pdu::Pdu,
};
use heliograph_tables::{
    Direction,
    batch::PRESENT,
    schema::{GUESTS_OF_ROOMS, Membership},
};

use crate::{RoomError, RoomsView, reading::membership_of, summary::text_of, work::RoomWork};

/// Whether `m.room.guest_access` lets guests in.
pub(crate) fn lets_guests_in(event: Option<&Pdu>) -> bool {
    text_of(event, "guest_access").as_deref() == Some("can_join")
}

impl RoomWork<'_> {
    /// Checks that an event of a user of this server is not the join of a guest to a room that is
    /// not for guests.
    pub(crate) fn check_guest(&mut self, pdu: &Pdu) -> Result<(), RoomError> {
        if pdu.type_str() != "m.room.member" || membership_of(pdu) != Membership::Join {
            return Ok(());
        }
        let user = self.user_num(pdu.sender().as_str())?;
        if !is_guest(&self.view, user)? {
            return Ok(());
        }
        let access = self.state_at(self.live.head.state, "m.room.guest_access", "")?;
        let access = access.map(|idx| self.pdu(idx)).transpose()?;
        if lets_guests_in(access.as_deref()) {
            return Ok(());
        }
        Err(RoomError::NotForGuests)
    }

    /// Keeps the rows of guests, as a user of this server comes or goes.
    pub(crate) fn note_guest(
        &mut self,
        user: UserNum,
        was_joined: bool,
        is_joined: bool,
    ) -> Result<(), RoomError> {
        let key = (self.room, user);
        match (was_joined, is_joined) {
            (false, true) if is_guest(&self.view, user)? => {
                self.batch.put(&GUESTS_OF_ROOMS, &key, &PRESENT);
            }
            // Somebody who came as a guest may have become a user meanwhile.
            (true, false) if self.view.has(&GUESTS_OF_ROOMS, &key)? => {
                self.batch.delete(&GUESTS_OF_ROOMS, &key);
            }
            _ => {}
        }
        Ok(())
    }
}

impl RoomsView<'_> {
    /// The first room after another that guests of this server are in, or came into as guests.
    pub fn next_room_with_guests(
        &self,
        after: Option<RoomNum>,
    ) -> Result<Option<RoomNum>, RoomError> {
        let from = match after {
            Some(room) => room.next(),
            None => Some(RoomNum(0)),
        };
        let Some(from) = from else { return Ok(None) };
        let end = (RoomNum(u32::MAX), UserNum(u32::MAX));
        let mut rows = self
            .view()
            .range(&GUESTS_OF_ROOMS, &(from,), &end, Direction::Forward);
        Ok(rows.next().transpose()?.map(|((room, _), _)| room))
    }

    /// Guests of this server who are in a room that is not, or no longer, for guests; at most
    /// `limit`, those after a user.
    pub fn guests_to_leave(
        &self,
        room: RoomNum,
        after: Option<UserNum>,
        limit: usize,
    ) -> Result<Vec<UserNum>, RoomError> {
        let from = after.map_or(Some(UserNum(0)), UserNum::next);
        let Some(from) = from else {
            return Ok(Vec::new());
        };
        let end = (room, UserNum(u32::MAX));
        let mut rows = self
            .view()
            .range(&GUESTS_OF_ROOMS, &(room, from), &end, Direction::Forward)
            .peekable();
        // Most rooms have no guests, and this is asked whenever a room's state changes.
        if rows.peek().is_none() {
            return Ok(Vec::new());
        }
        let state = self.head(room)?.state;
        let access = self.state(room).pdu(state, "m.room.guest_access", "")?;
        if lets_guests_in(access.as_deref()) {
            return Ok(Vec::new());
        }
        let mut guests = Vec::new();
        for row in rows {
            let ((_, user), _) = row?;
            if guests.len() == limit {
                break;
            }
            if is_guest(self.view(), user)? {
                guests.push(user);
            }
        }
        Ok(guests)
    }
}
