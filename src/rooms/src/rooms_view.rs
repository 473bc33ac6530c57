//! Reading rooms at one moment.

use std::sync::Arc;

use heliograph_core::{
    auth::PowerLevels,
    hashing::hashes_of_id,
    ids::{EventIdx, Position, RoomNum, TimelineKey, UserNum},
    pdu::Pdu,
    room_version::RoomVersion,
};
use heliograph_tables::{
    Direction, View,
    schema::{
        EVENT_IDS, LIVE_EVENTS, LiveEvent, ROOM_HEADS, ROOMS, RoomHead, StateRoot, TIMELINE,
        USER_ROOMS, UserRoom,
    },
};
use ruma_common::{EventId, OwnedRoomId, RoomId};

use crate::{
    Inner, RoomError, Rooms,
    reading::StateReader,
    serving::{Presenter, Reader},
    visibility::Visibility,
};

/// All rooms at one moment.
#[derive(Clone, Copy)]
pub struct RoomsView<'a> {
    inner: &'a Inner,
    view: &'a View,
}

impl Rooms {
    /// Reads rooms at the moment of `view`.
    pub fn at<'a>(&'a self, view: &'a View) -> RoomsView<'a> {
        RoomsView::new(&self.inner, view)
    }

    /// The number of a room, if it is in memory; takes no time.
    pub fn cached_num(&self, room_id: &RoomId) -> Option<RoomNum> {
        self.inner.interner.rooms.cached(room_id.as_str())
    }
}

impl<'a> RoomsView<'a> {
    pub(crate) const fn new(inner: &'a Inner, view: &'a View) -> Self {
        Self { inner, view }
    }

    pub(crate) const fn inner(&self) -> &'a Inner {
        self.inner
    }

    pub(crate) const fn view(&self) -> &'a View {
        self.view
    }

    /// The power levels of a room as it stands.
    pub(crate) fn power_levels(&self, room: RoomNum) -> Result<PowerLevels, RoomError> {
        let head = self.head(room)?;
        let state = self.state(room);
        let levels = state.pdu(head.state, "m.room.power_levels", "")?;
        let create = state.pdu(head.state, "m.room.create", "")?;
        let create = create.ok_or(RoomError::Inconsistent("a room without a create event"))?;
        PowerLevels::new(self.version(room)?, levels.as_deref(), &create)
            .map_err(|error| RoomError::Forbidden(error.to_string()))
    }

    /// An event of a room.
    pub(crate) fn pdu(&self, room: RoomNum, event: EventIdx) -> Result<Arc<Pdu>, RoomError> {
        self.inner.events.pdu(self.view, room, event)
    }

    /// The number of a room that this server knows.
    ///
    /// # Errors
    /// [`RoomError::UnknownRoom`] when there is none.
    pub fn find(&self, room_id: &RoomId) -> Result<RoomNum, RoomError> {
        let num = self
            .inner
            .interner
            .rooms
            .find(self.view, room_id.as_str())?;
        num.ok_or(RoomError::UnknownRoom)
    }

    /// A room's id.
    pub fn room_id(&self, room: RoomNum) -> Result<OwnedRoomId, RoomError> {
        let name = self.inner.interner.rooms.name(self.view, room)?;
        let name = name.ok_or(RoomError::UnknownRoom)?;
        OwnedRoomId::try_from(&*name).map_err(|_| RoomError::Inconsistent("room id"))
    }

    /// A room's version.
    pub fn version(&self, room: RoomNum) -> Result<RoomVersion, RoomError> {
        self.inner.events.version(self.view, room)
    }

    /// Who sent a room's create event.
    pub(crate) fn creator(&self, room: RoomNum) -> Result<Option<UserNum>, RoomError> {
        Ok(self.view.get(&ROOMS, &room)?.map(|info| info.creator))
    }

    /// Where a room stands now.
    pub fn head(&self, room: RoomNum) -> Result<RoomHead, RoomError> {
        let last = self.view.end(&ROOM_HEADS, &(room,), Direction::Backward)?;
        last.map(|(_, head)| head).ok_or(RoomError::UnknownRoom)
    }

    /// Where a room stood after the batch at `position`; `None` before its first.
    pub fn head_at(
        &self,
        room: RoomNum,
        position: Position,
    ) -> Result<Option<(Position, RoomHead)>, RoomError> {
        let end = (room, position.next().unwrap_or(position));
        let row = self
            .view
            .range(&ROOM_HEADS, &(room,), &end, Direction::Backward)
            .next();
        Ok(row.transpose()?.map(|((_, at), head)| (at, head)))
    }

    /// The live events after one position and up to another, newest first.
    pub fn live_events(
        &self,
        room: RoomNum,
        (after, to): (Position, Position),
    ) -> impl Iterator<Item = Result<(Position, LiveEvent), RoomError>> + 'a {
        let from = (room, after.next().unwrap_or(after));
        let end = (room, to.next().unwrap_or(to));
        let rows = self
            .view
            .range(&LIVE_EVENTS, &from, &end, Direction::Backward);
        rows.map(|row| row.map(|((_, at, _), e)| (at, e)).map_err(RoomError::from))
    }

    /// A local user's standing in a room.
    pub fn standing(&self, user: UserNum, room: RoomNum) -> Result<Option<UserRoom>, RoomError> {
        Ok(self.view.get(&USER_ROOMS, &(user, room))?)
    }

    /// Every room that a local user has to do with.
    pub fn rooms_of(
        &self,
        user: UserNum,
    ) -> impl Iterator<Item = Result<(RoomNum, UserRoom), RoomError>> + 'a {
        let rows = self.view.scan(&USER_ROOMS, &(user,), Direction::Forward);
        rows.map(|row| {
            row.map(|((_, room), row)| (room, row))
                .map_err(RoomError::from)
        })
    }

    /// Reads a room's states.
    pub const fn state(&self, room: RoomNum) -> StateReader<'a> {
        StateReader::new(self.inner, self.view, room)
    }

    /// What a user may see of a room.
    pub fn visibility(
        &self,
        room: RoomNum,
        reader: Option<UserNum>,
    ) -> Result<Visibility<'a>, RoomError> {
        Visibility::new(self.inner, self.view, room, reader)
    }

    /// Makes a room's events for a reader.
    pub fn presenter(
        &self,
        room: RoomNum,
        reader: Option<Reader>,
    ) -> Result<Presenter<'a>, RoomError> {
        self.presenter_at(room, &self.head(room)?, reader)
    }

    /// The same for those who have read the room's head.
    pub fn presenter_at(
        &self,
        room: RoomNum,
        head: &RoomHead,
        reader: Option<Reader>,
    ) -> Result<Presenter<'a>, RoomError> {
        Presenter::new(self.inner, self.view, (room, head.rewrites), reader)
    }

    /// The stripped state that tells a user about a room to which `member` invites them.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#stripped-state>
    pub fn stripped_state(
        &self,
        room: RoomNum,
        member: EventIdx,
    ) -> Result<Vec<String>, RoomError> {
        const TOLD: [&str; 7] = [
            "m.room.create",
            "m.room.join_rules",
            "m.room.canonical_alias",
            "m.room.avatar",
            "m.room.name",
            "m.room.topic",
            "m.room.encryption",
        ];
        let presenter = self.presenter(room, None)?;
        let status = presenter.status(member)?;
        let root = status.state_after.unwrap_or(status.state_before);
        let state = self.state(room);
        let mut events = Vec::new();
        for event_type in TOLD {
            events.extend(state.event(root, event_type, "")?);
        }
        let inviter = presenter.shared(member, &status)?;
        events.extend(state.event(root, "m.room.member", &inviter.sender)?);
        if !events.contains(&member) {
            events.push(member);
        }
        events
            .into_iter()
            .map(|event| presenter.stripped(event))
            .collect()
    }

    /// The state before the first event at or after a place; `None` when there is none.
    pub fn state_before(
        &self,
        room: RoomNum,
        place: TimelineKey,
    ) -> Result<Option<StateRoot>, RoomError> {
        let end = (room, TimelineKey::MAX);
        let row = self
            .view
            .range(&TIMELINE, &(room, place), &end, Direction::Forward)
            .next();
        let Some((_, entry)) = row.transpose()? else {
            return Ok(None);
        };
        Ok(Some(
            crate::history::status(self.view, room, entry.event)?.state_before,
        ))
    }

    /// The members at a place: those before the first event at or after it. Before a room's first
    /// events, where nobody is a member yet, those are meant who made it. `None` when nothing comes
    /// after the place.
    pub fn members_before(
        &self,
        room: RoomNum,
        place: TimelineKey,
    ) -> Result<Option<StateRoot>, RoomError> {
        /// The creation, the creator's join, and what follows.
        const FIRST_WITH_MEMBERS: usize = 3;
        let end = (room, TimelineKey::MAX);
        let rows = self
            .view
            .range(&TIMELINE, &(room, place), &end, Direction::Forward);
        let mut found = None;
        for row in rows.take(FIRST_WITH_MEMBERS) {
            let (_, entry) = row?;
            let root = crate::history::status(self.view, room, entry.event)?.state_before;
            found = Some(root);
            if root.members != StateRoot::EMPTY.members {
                break;
            }
        }
        Ok(found)
    }

    /// The event of any room with an id; `None` also for events of room versions 1 and 2, whose
    /// ids are no hashes and may stand for an event in each room.
    pub fn event_of_any_room(
        &self,
        id: &EventId,
    ) -> Result<Option<(RoomNum, EventIdx)>, RoomError> {
        for hash in hashes_of_id(id) {
            if let Some(row) = self.view.get(&EVENT_IDS, &hash)? {
                return Ok(Some(row.0));
            }
        }
        Ok(None)
    }

    /// The event of a room with an id.
    pub fn event(&self, room: RoomNum, id: &EventId) -> Result<Option<EventIdx>, RoomError> {
        let room_id = self.room_id(room)?;
        self.inner.events.find(self.view, (room, &room_id), id)
    }
}
