//! Which users share a room, and so may know of each other's presence.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#presence>

use std::collections::{HashMap, hash_map::Entry};

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

/// What one user shares with others, at one moment: what was found of the user's own rooms is not
/// looked up for each of them again.
pub struct Sharing<'a> {
    rooms: RoomsView<'a>,
    user: UserNum,
    max_members: u32,
    /// Whether the user is joined to a room, and it is small enough.
    counts: HashMap<RoomNum, bool>,
}

impl<'a> RoomsView<'a> {
    /// What a user of this server shares with others, of rooms with at most `max_members` joined
    /// members.
    pub fn sharing(&self, user: UserNum, max_members: u32) -> Sharing<'a> {
        Sharing {
            rooms: *self,
            user,
            max_members,
            counts: HashMap::new(),
        }
    }
}

/// The first room in both of two lists that counts; each list gives its first room from one on.
///
/// They are walked by leaps: what it costs goes by the shorter one.
pub(crate) fn first_common(
    one: impl Fn(RoomNum) -> Result<Option<RoomNum>, RoomError>,
    other: impl Fn(RoomNum) -> Result<Option<RoomNum>, RoomError>,
    mut counts: impl FnMut(RoomNum) -> Result<bool, RoomError>,
) -> Result<Option<RoomNum>, RoomError> {
    let mut from = Some(RoomNum(0));
    while let Some(start) = from
        && let Some(first) = one(start)?
    {
        match other(first)? {
            None => break,
            Some(second) if second > first => from = Some(second),
            Some(_) if counts(first)? => return Ok(Some(first)),
            Some(_) => from = first.next(),
        }
    }
    Ok(None)
}

impl Sharing<'_> {
    /// Whether the user and another one of this server are both joined to a room.
    pub fn with(&mut self, other: UserNum) -> Result<bool, RoomError> {
        let known = &self.rooms.inner().shared_rooms.0;
        let pair = (self.user.min(other), self.user.max(other));
        if let Some(room) = known.get(&pair)
            && self.counts(other, room)?
        {
            return Ok(true);
        }
        let (rooms, user) = (self.rooms, self.user);
        let found = first_common(
            |from| rooms.first_room(user, from),
            |from| rooms.first_room(other, from),
            |room| self.counts(other, room),
        )?;
        if let Some(room) = found {
            known.insert(pair, room);
        }
        Ok(found.is_some())
    }

    /// Whether both are joined to a room that is small enough.
    fn counts(&mut self, other: UserNum, room: RoomNum) -> Result<bool, RoomError> {
        let own = match self.counts.entry(room) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(unknown) => {
                let counts = self.rooms.is_joined(self.user, room)?
                    && self.rooms.head(room)?.joined <= self.max_members;
                *unknown.insert(counts)
            }
        };
        Ok(own && self.rooms.is_joined(other, room)?)
    }
}

impl RoomsView<'_> {
    /// Whether a user of this server is joined to a room.
    pub fn is_joined(&self, user: UserNum, room: RoomNum) -> Result<bool, RoomError> {
        let row = self.standing(user, room)?;
        Ok(row.is_some_and(|row| row.membership == Membership::Join))
    }

    /// The first room from one on that a user of this server has to do with.
    pub(crate) fn first_room(
        &self,
        user: UserNum,
        from: RoomNum,
    ) -> Result<Option<RoomNum>, RoomError> {
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
            Some(user) => self.sharing(reader, u32::MAX).with(user)?.then_some(user),
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
