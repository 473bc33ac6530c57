//! Which users share a room, and so may know of each other's presence.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#presence>

use heliograph_accounts::privacy;
use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_tables::{
    Direction,
    schema::{Membership, USER_ROOMS},
};
use quick_cache::sync::Cache;

use crate::{RoomError, RoomsView, presence::Shown};

/// For pairs of users, a room that they shared when it was last looked at; looked at again whenever
/// it is used.
#[derive(Debug)]
pub(crate) struct SharedRooms(Cache<(UserNum, UserNum), RoomNum>);

impl Default for SharedRooms {
    fn default() -> Self {
        /// Pairs remembered.
        const CAPACITY: usize = 65_536;
        Self(Cache::new(CAPACITY))
    }
}

impl RoomsView<'_> {
    /// Whether two users of this server are both joined to a room, of those with at most
    /// `max_members` joined members.
    ///
    /// The two lists of rooms are walked by leaps: what it costs goes by the shorter one.
    pub fn shares_room(
        &self,
        (one, other): (UserNum, UserNum),
        max_members: u32,
    ) -> Result<bool, RoomError> {
        let known = &self.inner().shared_rooms.0;
        let pair = (one.min(other), one.max(other));
        let may_be = |room| -> Result<bool, RoomError> {
            Ok(self.is_joined(one, room)?
                && self.is_joined(other, room)?
                && self.head(room)?.joined <= max_members)
        };
        if let Some(room) = known.get(&pair)
            && may_be(room)?
        {
            return Ok(true);
        }
        let mut from = RoomNum(0);
        while let Some(first) = self.first_room(one, from)? {
            match self.first_room(other, first)? {
                None => break,
                Some(second) if second > first => from = second,
                Some(_) => {
                    if may_be(first)? {
                        known.insert(pair, first);
                        return Ok(true);
                    }
                    let Some(next) = first.next() else { break };
                    from = next;
                }
            }
        }
        Ok(false)
    }

    /// Whether a user of this server is joined to a room.
    pub fn is_joined(&self, user: UserNum, room: RoomNum) -> Result<bool, RoomError> {
        let row = self.standing(user, room)?;
        Ok(row.is_some_and(|row| row.membership == Membership::Join))
    }

    /// The first room from one on that a user of this server has to do with.
    fn first_room(&self, user: UserNum, from: RoomNum) -> Result<Option<RoomNum>, RoomError> {
        let end = (user, RoomNum(u32::MAX));
        let mut rows = self
            .view()
            .range(&USER_ROOMS, &(user, from), &end, Direction::Forward);
        Ok(rows.next().transpose()?.map(|((_, room), _)| room))
    }

    /// The presence of a user, as another one may see it.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] when they share no room.
    pub fn presence_of(&self, reader: UserNum, user_id: &str) -> Result<Shown, RoomError> {
        let inner = self.inner();
        let user = inner.interner.users.find(self.view(), user_id)?;
        let seen = match user {
            Some(user) if user == reader => Some(user),
            Some(user) => self.shares_room((reader, user), u32::MAX)?.then_some(user),
            None => None,
        };
        let forbidden = || RoomError::Forbidden("you share no room with that user".to_owned());
        let user = seen.ok_or_else(forbidden)?;
        self.presence_shown(reader, user)
    }

    /// The presence of a user who shares a room with another one, as that one is shown it.
    pub fn presence_shown(&self, reader: UserNum, user: UserNum) -> Result<Shown, RoomError> {
        if user != reader && privacy(self.view(), user)?.hide_presence {
            return Ok(Shown::default());
        }
        Ok(self.inner().presence.of(user))
    }
}
