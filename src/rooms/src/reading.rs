//! Reading a room's state at one point.

use std::sync::Arc;

use heliograph_core::{
    ids::{EventIdx, RoomNum, StateKeyNum, UserNum},
    pdu::Pdu,
};
use heliograph_tables::{
    View,
    schema::{Membership, StateRoot},
};
use serde::Deserialize;

use crate::{
    Inner, RoomError,
    state::{MemberEntry, NodeWriter, StateKey},
};

/// The `membership` in a member event's content; what has none counts as having left.
pub(crate) fn membership_of(pdu: &Pdu) -> Membership {
    #[derive(Deserialize)]
    struct Content {
        membership: String,
    }
    serde_json::from_str::<Content>(pdu.content_json())
        .ok()
        .and_then(|c| Membership::parse(&c.membership))
        .unwrap_or(Membership::Leave)
}

/// Reads states of one room.
pub struct StateReader<'a> {
    inner: &'a Inner,
    view: &'a View,
    room: RoomNum,
}

impl<'a> StateReader<'a> {
    /// A reader of `room` at the moment of `view`.
    pub(crate) const fn new(inner: &'a Inner, view: &'a View, room: RoomNum) -> Self {
        Self { inner, view, room }
    }

    /// A state event.
    pub fn event(
        &self,
        root: StateRoot,
        event_type: &str,
        key: &str,
    ) -> Result<Option<EventIdx>, RoomError> {
        self.event_with(&NodeWriter::none(self.room), root, event_type, key, None)
    }

    /// A state event, for a change in the making: with its own nodes and a key it has numbered.
    pub(crate) fn event_with(
        &self,
        nodes: &NodeWriter,
        root: StateRoot,
        event_type: &str,
        key: &str,
        fresh_key: Option<StateKeyNum>,
    ) -> Result<Option<EventIdx>, RoomError> {
        let states = &self.inner.states;
        if event_type == "m.room.member" {
            let Some(user) = self.inner.interner.users.find_any(self.view, key)? else {
                return Ok(None);
            };
            return Ok(states
                .member_with(self.view, nodes, root, user)?
                .map(|m| m.event));
        }
        let Some(event_type) = self.inner.interner.types.find_any(self.view, event_type)? else {
            return Ok(None);
        };
        let key = match fresh_key {
            Some(num) => num,
            None => match self.inner.events.state_key(self.view, self.room, key)? {
                Some(num) => num,
                None => return Ok(None),
            },
        };
        Ok(states.other_with(self.view, nodes, root, (event_type, key))?)
    }

    /// A state event's PDU.
    pub fn pdu(
        &self,
        root: StateRoot,
        event_type: &str,
        key: &str,
    ) -> Result<Option<Arc<Pdu>>, RoomError> {
        let idx = self.event(root, event_type, key)?;
        idx.map(|idx| self.inner.events.pdu(self.view, self.room, idx))
            .transpose()
    }

    /// A member.
    pub fn member(&self, root: StateRoot, user: UserNum) -> Result<Option<MemberEntry>, RoomError> {
        let nodes = NodeWriter::none(self.room);
        Ok(self
            .inner
            .states
            .member_with(self.view, &nodes, root, user)?)
    }

    /// Every state event, members included.
    pub fn all(&self, root: StateRoot) -> Result<Vec<EventIdx>, RoomError> {
        let mut events = self.others(root)?;
        events.extend(
            self.members(root)?
                .into_iter()
                .map(|(_, entry)| entry.event),
        );
        Ok(events)
    }

    /// Every state event but the members.
    pub fn others(&self, root: StateRoot) -> Result<Vec<EventIdx>, RoomError> {
        let entries = self.inner.states.others(self.view, self.room, root)?;
        Ok(entries.into_iter().map(|(_, event)| event).collect())
    }

    /// Every state event of a type other than `m.room.member`.
    pub fn of_type(&self, root: StateRoot, event_type: &str) -> Result<Vec<EventIdx>, RoomError> {
        let types = &self.inner.interner.types;
        let Some(event_type) = types.find_any(self.view, event_type)? else {
            return Ok(Vec::new());
        };
        let states = &self.inner.states;
        Ok(states.of_type(self.view, self.room, root, event_type)?)
    }

    /// Every member, whatever the membership.
    pub fn members(&self, root: StateRoot) -> Result<Vec<(UserNum, MemberEntry)>, RoomError> {
        Ok(self.inner.states.members(self.view, self.room, root)?)
    }

    /// The first so many members, in the order of their numbers.
    pub fn first_members(
        &self,
        root: StateRoot,
        limit: usize,
    ) -> Result<Vec<(UserNum, MemberEntry)>, RoomError> {
        Ok(self
            .inner
            .states
            .members_page(self.view, self.room, root, None, limit)?)
    }

    /// What differs between two states: for each key, the event in the second, if there is one.
    pub fn changes(
        &self,
        from: StateRoot,
        to: StateRoot,
    ) -> Result<Vec<(StateKey, Option<EventIdx>)>, RoomError> {
        Ok(self.inner.states.diff(self.view, self.room, from, to)?)
    }
}
