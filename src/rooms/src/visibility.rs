//! Who may see which event: decided by the state at each event, for every kind of reader.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#room-history-visibility>

use std::{cell::RefCell, collections::HashMap};

use heliograph_core::ids::{EventIdx, NodeNum, RoomNum, TimelineKey, UserNum};
use heliograph_tables::{
    View,
    schema::{EventStatus, Membership, StateRoot, USER_ROOMS, UserRoom},
};
use serde::Deserialize;

use crate::{Inner, RoomError, reading::StateReader};

/// The values of `history_visibility`, from closed to open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HistoryVisibility {
    /// Only for those who were joined at the event.
    Joined,
    /// Also for those who were invited at it.
    Invited,
    /// For all who are members at some time after it.
    Shared,
    /// For everybody.
    WorldReadable,
}

impl HistoryVisibility {
    /// What an event's content says; anything unknown counts as `shared`, the spec's default.
    pub(crate) fn of(content: &str) -> Self {
        #[derive(Deserialize)]
        struct Content {
            history_visibility: String,
        }
        let word = serde_json::from_str::<Content>(content).map(|c| c.history_visibility);
        match word.as_deref() {
            Ok("joined") => Self::Joined,
            Ok("invited") => Self::Invited,
            Ok("world_readable") => Self::WorldReadable,
            _ => Self::Shared,
        }
    }
}

/// What one state says about one reader.
#[derive(Clone, Copy, Debug)]
struct AtState {
    visibility: HistoryVisibility,
    membership: Option<Membership>,
}

/// What one reader may see of one room; remembers what it found for each state.
pub struct Visibility<'a> {
    inner: &'a Inner,
    view: &'a View,
    room: RoomNum,
    reader: Option<UserNum>,
    row: Option<UserRoom>,
    states: RefCell<HashMap<StateRoot, AtState>>,
    memberships: RefCell<HashMap<NodeNum, Option<Membership>>>,
}

impl<'a> Visibility<'a> {
    /// What `reader` may see of `room`; without a reader, what everybody may.
    pub(crate) fn new(
        inner: &'a Inner,
        view: &'a View,
        room: RoomNum,
        reader: Option<UserNum>,
    ) -> Result<Self, RoomError> {
        let row = match reader {
            Some(user) => view.get(&USER_ROOMS, &(user, room))?,
            None => None,
        };
        Ok(Self {
            inner,
            view,
            room,
            reader,
            row,
            states: RefCell::default(),
            memberships: RefCell::default(),
        })
    }

    /// The reader's standing in the room.
    pub const fn standing(&self) -> Option<&UserRoom> {
        self.row.as_ref()
    }

    /// The reader's membership at an event, as `unsigned.membership` tells it.
    pub fn membership_at(&self, status: &EventStatus) -> Result<Option<Membership>, RoomError> {
        let root = status.state_after.unwrap_or(status.state_before);
        self.membership_in(root)
    }

    /// The reader's membership in one state; no event is opened for it.
    fn membership_in(&self, root: StateRoot) -> Result<Option<Membership>, RoomError> {
        let Some(user) = self.reader else {
            return Ok(None);
        };
        if let Some(known) = self.memberships.borrow().get(&root.members) {
            return Ok(*known);
        }
        let state = StateReader::new(self.inner, self.view, self.room);
        let membership = state.member(root, user)?.map(|m| m.membership);
        self.memberships
            .borrow_mut()
            .insert(root.members, membership);
        Ok(membership)
    }

    /// Whether the reader may see an event.
    pub fn allows(&self, idx: EventIdx, status: &EventStatus) -> Result<bool, RoomError> {
        if status.standing.is_rejected() {
            return Ok(false);
        }
        let before = self.at(status.state_before)?;
        if self.allows_at(before, status.timeline) {
            return Ok(true);
        }
        // A change of the setting, or of the reader's own membership, may be seen under either.
        let Some(root) = status.state_after else {
            return Ok(false);
        };
        let event = self.inner.events.pdu(self.view, self.room, idx)?;
        let own = event.type_str() == "m.room.member" && self.is_reader(event.state_key())?;
        if own || event.type_str() == "m.room.history_visibility" {
            return Ok(self.allows_at(self.at(root)?, status.timeline));
        }
        Ok(false)
    }

    fn is_reader(&self, user_id: Option<&str>) -> Result<bool, RoomError> {
        let (Some(reader), Some(user_id)) = (self.reader, user_id) else {
            return Ok(false);
        };
        Ok(self.inner.interner.users.find(self.view, user_id)? == Some(reader))
    }

    fn allows_at(&self, at: AtState, place: Option<TimelineKey>) -> bool {
        if at.visibility == HistoryVisibility::WorldReadable {
            return true;
        }
        if self.row.as_ref().is_some_and(|row| row.forgotten) {
            return false;
        }
        match (at.membership, at.visibility) {
            (Some(Membership::Join), _) => true,
            (Some(Membership::Invite), v) if v >= HistoryVisibility::Invited => true,
            (_, v) => v >= HistoryVisibility::Shared && self.joined_after(place),
        }
    }

    /// Whether the reader was joined at some time after a place in the timeline.
    fn joined_after(&self, place: Option<TimelineKey>) -> bool {
        let Some(row) = &self.row else { return false };
        if row.membership == Membership::Join {
            return true;
        }
        match (row.joined_until, place) {
            (Some((_, until)), Some(place)) => place <= until,
            _ => false,
        }
    }

    /// What one state says about the reader.
    fn at(&self, root: StateRoot) -> Result<AtState, RoomError> {
        if let Some(known) = self.states.borrow().get(&root) {
            return Ok(*known);
        }
        let state = StateReader::new(self.inner, self.view, self.room);
        let visibility = state
            .pdu(root, "m.room.history_visibility", "")?
            .map_or(HistoryVisibility::Shared, |pdu| {
                HistoryVisibility::of(pdu.content_json())
            });
        let membership = self.membership_in(root)?;
        let at = AtState {
            visibility,
            membership,
        };
        self.states.borrow_mut().insert(root, at);
        Ok(at)
    }

    /// The state that the reader may read as the room's: the current one for members and where
    /// everybody may, the one at their leaving for those who left.
    ///
    /// # Errors
    /// [`RoomError::Forbidden`] for everybody else.
    pub fn readable_state(&self, current: StateRoot) -> Result<StateRoot, RoomError> {
        if self
            .row
            .as_ref()
            .is_some_and(|r| r.membership == Membership::Join)
        {
            return Ok(current);
        }
        if self.at(current)?.visibility == HistoryVisibility::WorldReadable {
            return Ok(current);
        }
        let left = self
            .row
            .as_ref()
            .filter(|r| !r.forgotten)
            .and_then(|r| r.joined_until);
        let Some((event, _)) = left else {
            return Err(RoomError::Forbidden("not a member of the room".to_owned()));
        };
        let status = crate::history::status(self.view, self.room, event)?;
        Ok(status.state_after.unwrap_or(status.state_before))
    }
}
