//! A change to one room in the making: what it reads, what it will write, where the room then
//! stands.

use std::{collections::HashMap, sync::Arc};

use heliograph_core::{
    ids::{EventIdx, RoomNum, TypeNum, UserNum},
    pdu::Pdu,
    room_version::RoomVersion,
};
use heliograph_tables::{
    Batch, Op, Record, View,
    codec::{Plain, Tail, UNSTAMPED},
    schema::{
        EVENT_IDS, EVENT_STATUS, EventStatus, LiveEvent, ROOM_HEADS, RoomHead, STATE_KEY_NAMES,
        STATE_KEY_NUMS, StateRoot,
    },
};
use ruma_common::EventId;

use crate::{
    Inner, RoomError,
    live::LiveRoom,
    relations::FreshRelations,
    state::{MemberEntry, NodeWriter, StateChange, StateKey},
};

/// A change to one room in the making.
pub(crate) struct RoomWork<'a> {
    /// The process's rooms.
    pub(crate) inner: &'a Arc<Inner>,
    /// The room.
    pub(crate) room: RoomNum,
    /// The room as it will stand.
    pub(crate) live: LiveRoom,
    /// What is read: everything submitted so far.
    pub(crate) view: View,
    /// What will be written.
    pub(crate) batch: Batch,
    /// Tree nodes made by this change, and those that it reads.
    pub(crate) nodes: NodeWriter,
    /// Events of this change, which no view shows yet.
    pub(crate) fresh: HashMap<EventIdx, (Arc<Pdu>, EventStatus)>,
    /// Live events of this change, by their places in it.
    pub(crate) fresh_live: HashMap<EventIdx, (u16, LiveEvent)>,
    /// Rows about relations that this change has touched.
    pub(crate) relations: FreshRelations,
    /// State keys numbered by this change.
    fresh_keys: HashMap<Box<str>, heliograph_core::ids::StateKeyNum>,
    /// How many live events this change has.
    pub(crate) live_events: u16,
    /// The room's state before this change.
    state_at_begin: StateRoot,
    touched: bool,
}

impl<'a> RoomWork<'a> {
    pub(crate) fn begin(
        inner: &'a Arc<Inner>,
        room: RoomNum,
        live: LiveRoom,
        view: View,
        op: Op,
    ) -> Self {
        let nodes = NodeWriter::new(room, live.head.next_node);
        let state_at_begin = live.head.state;
        Self {
            inner,
            room,
            live,
            view,
            batch: Batch::new(op),
            nodes,
            fresh: HashMap::new(),
            fresh_live: HashMap::new(),
            relations: FreshRelations::default(),
            fresh_keys: HashMap::new(),
            live_events: 0,
            state_at_begin,
            touched: false,
        }
    }

    /// The room version.
    pub(crate) fn version(&self) -> RoomVersion {
        self.live.version
    }

    /// Where the room stands.
    pub(crate) fn head(&mut self) -> &mut RoomHead {
        self.touched = true;
        &mut self.live.head
    }

    /// Notes that the status of an event changes that readers may have in their cache.
    pub(crate) fn note_rewrite(&mut self) {
        let head = self.head();
        head.rewrites = head.rewrites.wrapping_add(1);
    }

    /// The batch with the new head in it, and the room as it stands after it; `None` when nothing
    /// is to be written.
    pub(crate) fn finish(mut self) -> Option<(Batch, LiveRoom)> {
        if self.touched {
            self.live.head.next_node = self.nodes.next_node();
            self.nodes.write(&mut self.batch);
            if self.live.head.state != self.state_at_begin {
                self.live.head.state_changed = UNSTAMPED;
                self.batch.record(Record::CurrentState { room: self.room });
            }
            self.batch
                .put(&ROOM_HEADS, &(self.room, UNSTAMPED), &self.live.head);
        }
        (!self.batch.is_empty()).then_some((self.batch, self.live))
    }

    /// An event of the room.
    pub(crate) fn pdu(&self, idx: EventIdx) -> Result<Arc<Pdu>, RoomError> {
        if let Some((pdu, _)) = self.fresh.get(&idx) {
            return Ok(Arc::clone(pdu));
        }
        self.inner.events.pdu(&self.view, self.room, idx)
    }

    /// What is known of an event.
    pub(crate) fn status(&self, idx: EventIdx) -> Result<EventStatus, RoomError> {
        if let Some((_, status)) = self.fresh.get(&idx) {
            return Ok(status.clone());
        }
        let status = self.view.get(&EVENT_STATUS, &(self.room, idx))?;
        status.ok_or(RoomError::Inconsistent("event without status"))
    }

    /// The `auth_gen` of an event's status.
    pub(crate) fn auth_gen(&self, idx: EventIdx) -> Result<u32, RoomError> {
        match self.fresh.get(&idx) {
            Some((_, status)) => Ok(status.auth_gen),
            None => self.inner.events.auth_gen(&self.view, self.room, idx),
        }
    }

    /// The event with an id, if it is known and of this room.
    pub(crate) fn find(&self, id: &EventId) -> Result<Option<EventIdx>, RoomError> {
        if let Some((idx, _)) = self.fresh.iter().find(|(_, (pdu, _))| pdu.event_id() == id) {
            return Ok(Some(*idx));
        }
        let hash = crate::events::id_hash(&self.live.id, id, self.version());
        let found = self.view.get(&EVENT_IDS, &hash)?;
        Ok(found
            .map(|row| row.0)
            .filter(|(room, _)| *room == self.room)
            .map(|(_, idx)| idx))
    }

    /// The number of a state event type, a new one if need be.
    pub(crate) fn type_num(&mut self, event_type: &str) -> Result<TypeNum, RoomError> {
        Ok(self
            .inner
            .interner
            .types
            .intern(&self.view, &mut self.batch, event_type)?)
    }

    /// The number of a user, a new one if need be.
    pub(crate) fn user_num(&mut self, user: &str) -> Result<UserNum, RoomError> {
        Ok(self
            .inner
            .interner
            .users
            .intern(&self.view, &mut self.batch, user)?)
    }

    /// The key of a state entry in the tree, with new numbers if need be.
    pub(crate) fn intern_key(
        &mut self,
        event_type: &str,
        key: &str,
    ) -> Result<StateKey, RoomError> {
        if event_type == "m.room.member" {
            return Ok(StateKey::Member(self.user_num(key)?));
        }
        let type_num = self.type_num(event_type)?;
        if let Some(num) = self.fresh_keys.get(key) {
            return Ok(StateKey::Other(type_num, *num));
        }
        if let Some(num) = self.inner.events.state_key(&self.view, self.room, key)? {
            return Ok(StateKey::Other(type_num, num));
        }
        let num = self.head().next_state_key;
        let next = num
            .next()
            .ok_or(RoomError::Inconsistent("state keys are used up"))?;
        self.head().next_state_key = next;
        self.fresh_keys.insert(key.into(), num);
        self.batch
            .put(&STATE_KEY_NUMS, &(self.room, Tail::from(key)), &Plain(num));
        self.batch
            .put(&STATE_KEY_NAMES, &(self.room, num), &Plain(key.into()));
        Ok(StateKey::Other(type_num, num))
    }

    /// The number of a state key that this change has numbered.
    pub(crate) fn fresh_key(&self, key: &str) -> Option<heliograph_core::ids::StateKeyNum> {
        self.fresh_keys.get(key).copied()
    }

    /// The event at a key of a state.
    pub(crate) fn state_at(
        &self,
        root: StateRoot,
        event_type: &str,
        key: &str,
    ) -> Result<Option<EventIdx>, RoomError> {
        let reader = crate::reading::StateReader::new(self.inner, &self.view, self.room);
        let fresh = self.fresh_keys.get(key).copied();
        reader.event_with(&self.nodes, root, event_type, key, fresh)
    }

    /// A member in a state.
    pub(crate) fn member_at(
        &self,
        root: StateRoot,
        user: UserNum,
    ) -> Result<Option<MemberEntry>, RoomError> {
        Ok(self
            .inner
            .states
            .member_with(&self.view, &self.nodes, root, user)?)
    }

    /// A state with changes.
    pub(crate) fn changed_state(
        &mut self,
        root: StateRoot,
        changes: &[StateChange],
    ) -> Result<StateRoot, RoomError> {
        self.touched = true;
        Ok(self
            .inner
            .states
            .apply(&self.view, &mut self.nodes, root, changes)?)
    }
}
