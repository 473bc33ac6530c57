//! Events by number and by id, through bounded caches.

use std::sync::Arc;

use heliograph_core::{
    hashing::event_id_hash,
    ids::{EventIdx, RoomNum},
    pdu::{Pdu, StoredPdu},
    room_version::RoomVersion,
};
use heliograph_tables::{
    View,
    schema::{EVENT_IDS, EVENTS, ROOMS},
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
    versions: Cache<RoomNum, RoomVersion>,
}

impl Events {
    /// Caches for `capacity` events.
    pub fn new(capacity: usize) -> Self {
        Self {
            pdus: Cache::new(capacity),
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
    /// made in [`crate::serving`].
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
