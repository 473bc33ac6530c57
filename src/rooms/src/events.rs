//! Events by number and by id, through bounded caches.

use std::sync::Arc;

use heliograph_core::{
    hashing::event_id_hash,
    ids::{EventIdx, RoomNum, StateKeyNum},
    pdu::{Pdu, StoredPdu},
    room_version::RoomVersion,
};
use heliograph_tables::{
    View,
    codec::Tail,
    schema::{EVENT_IDS, EVENTS, ROOMS, STATE_KEY_NUMS},
};
use quick_cache::sync::Cache;
use ruma_common::{EventId, RoomId};

use crate::RoomError;

/// The key of an event in the index of event ids.
pub(crate) fn id_hash(room: &RoomId, event: &EventId, version: RoomVersion) -> [u8; 32] {
    event_id_hash(room, event, version)
}

/// Parsed events. What the rules read of an event never changes, so nothing is ever taken out but
/// for room.
#[derive(Debug)]
pub struct Events {
    pdus: Cache<(RoomNum, EventIdx), Arc<Pdu>>,
    auth_gens: Cache<(RoomNum, EventIdx), u32>,
    state_keys: Cache<(RoomNum, Box<str>), StateKeyNum>,
    versions: Cache<RoomNum, RoomVersion>,
}

impl Events {
    /// Caches for `capacity` events.
    pub fn new(capacity: usize) -> Self {
        Self {
            pdus: Cache::new(capacity),
            auth_gens: Cache::new(capacity),
            state_keys: Cache::new(capacity),
            versions: Cache::new(1024),
        }
    }

    /// The version of a room.
    pub fn version(&self, view: &View, room: RoomNum) -> Result<RoomVersion, RoomError> {
        if let Some(version) = self.versions.get(&room) {
            return Ok(version);
        }
        let info = view.get(&ROOMS, &room)?.ok_or(RoomError::UnknownRoom)?;
        let version = RoomVersion::try_from(&*info.version)
            .map_err(|_| RoomError::Inconsistent("room version"))?;
        self.versions.insert(room, version);
        Ok(version)
    }

    /// An event for the rules.
    ///
    /// The content of an event that was redacted may still be whole here: what clients get is
    /// made by the presenter of events.
    pub fn pdu(&self, view: &View, room: RoomNum, idx: EventIdx) -> Result<Arc<Pdu>, RoomError> {
        if let Some(pdu) = self.pdus.get(&(room, idx)) {
            return Ok(pdu);
        }
        let stored = self.stored(view, room, idx)?;
        let version = self.version(view, room)?;
        let pdu = stored
            .to_pdu(version)
            .map_err(|_| RoomError::Inconsistent("event"))?;
        let pdu = Arc::new(pdu);
        self.pdus.insert((room, idx), Arc::clone(&pdu));
        Ok(pdu)
    }

    /// The `auth_gen` of an event's status, which never changes.
    pub fn auth_gen(&self, view: &View, room: RoomNum, idx: EventIdx) -> Result<u32, RoomError> {
        if let Some(auth_gen) = self.auth_gens.get(&(room, idx)) {
            return Ok(auth_gen);
        }
        let auth_gen = crate::history::status(view, room, idx)?.auth_gen;
        self.auth_gens.insert((room, idx), auth_gen);
        Ok(auth_gen)
    }

    /// The number of a state key in a room, which it keeps for good once it has one.
    pub fn state_key(
        &self,
        view: &View,
        room: RoomNum,
        key: &str,
    ) -> Result<Option<StateKeyNum>, RoomError> {
        let place = (room, key.into());
        if let Some(num) = self.state_keys.get(&place) {
            return Ok(Some(num));
        }
        let row = view.get(&STATE_KEY_NUMS, &(room, Tail::from(key)))?;
        let num = row.map(|row| row.0);
        if let Some(num) = num {
            self.state_keys.insert(place, num);
        }
        Ok(num)
    }

    /// An event as it is stored.
    pub fn stored(
        &self,
        view: &View,
        room: RoomNum,
        idx: EventIdx,
    ) -> Result<StoredPdu, RoomError> {
        let raw = view.get(&EVENTS, &(room, idx))?;
        let raw = raw.ok_or(RoomError::Inconsistent("event without bytes"))?;
        StoredPdu::decode(raw.0).map_err(|_| RoomError::Inconsistent("event bytes"))
    }

    /// The event of a room with an id.
    pub fn find(
        &self,
        view: &View,
        (room, room_id): (RoomNum, &RoomId),
        id: &EventId,
    ) -> Result<Option<EventIdx>, RoomError> {
        let version = self.version(view, room)?;
        let found = view.get(&EVENT_IDS, &id_hash(room_id, id, version))?;
        Ok(found
            .map(|row| row.0)
            .filter(|(r, _)| *r == room)
            .map(|(_, idx)| idx))
    }
}

#[cfg(test)]
mod tests {
    use heliograph_tables::{
        Batch, Op, Store,
        codec::Plain,
        mem::MemStore,
        schema::{EVENT_STATUS, EventStatus, Standing, StateRoot},
    };

    use super::*;

    fn status(auth_gen: u32) -> EventStatus {
        EventStatus {
            standing: Standing::Accepted,
            state_before: StateRoot::EMPTY,
            state_after: None,
            timeline: None,
            position: None,
            redacted_by: None,
            replaces: None,
            auth_gen,
            auth_events: Vec::new(),
        }
    }

    #[test]
    fn what_is_kept_of_one_room_is_not_taken_for_anothers() {
        let (store, idx) = (MemStore::new(), EventIdx(1));
        let rooms = [(RoomNum(1), 5), (RoomNum(2), 9)];
        let mut batch = Batch::new(Op::Other);
        for (room, number) in rooms {
            batch.put(&EVENT_STATUS, &(room, idx), &status(number));
            let key = (room, Tail::from("key"));
            batch.put(&STATE_KEY_NUMS, &key, &Plain(StateKeyNum(number)));
        }
        store.submit(store.try_reserve().unwrap(), batch).unwrap();
        let (events, view) = (Events::new(100), store.view(Op::Other));
        for _ in 0..2 {
            for (room, number) in rooms {
                assert_eq!(events.auth_gen(&view, room, idx).unwrap(), number);
                let key = events.state_key(&view, room, "key").unwrap();
                assert_eq!(key, Some(StateKeyNum(number)));
            }
        }
    }

    #[test]
    fn a_state_key_without_a_number_is_asked_for_again() {
        let (store, events, room) = (MemStore::new(), Events::new(100), RoomNum(1));
        let none = events.state_key(&store.view(Op::Other), room, "key");
        assert_eq!(none.unwrap(), None);
        let mut batch = Batch::new(Op::Other);
        let key = (room, Tail::from("key"));
        batch.put(&STATE_KEY_NUMS, &key, &Plain(StateKeyNum(3)));
        store.submit(store.try_reserve().unwrap(), batch).unwrap();
        let found = events.state_key(&store.view(Op::Other), room, "key");
        assert_eq!(found.unwrap(), Some(StateKeyNum(3)));
    }
}
