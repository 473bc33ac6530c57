//! Events by id, and ways through them.

use std::{collections::HashMap, sync::Arc};

use heliograph_core::{auth, json::Value, pdu::Pdu, room_version::RoomVersion};
use parking_lot::Mutex;
use ruma_common::{EventId, OwnedEventId, UserId};

/// Where the events of a room are found.
pub trait Graph {
    /// The version of the room.
    fn version(&self) -> RoomVersion;

    /// An event.
    fn pdu(&self, id: &EventId) -> Option<Arc<Pdu>>;

    /// The last event with a type and state key at or before another, along first parents.
    fn last_of(&self, key: &(String, String), from: &EventId) -> Option<OwnedEventId> {
        let mut at = Some(from.to_owned());
        while let Some(id) = at {
            let pdu = self.pdu(&id)?;
            if pdu.type_str() == key.0 && pdu.state_key() == Some(key.1.as_str()) {
                return Some(id);
            }
            at = pdu.prev_event_ids().next().map(ToOwned::to_owned);
        }
        None
    }

    /// The auth events of an event whose first parent is `parent`: the last of their keys on the
    /// way back along first parents.
    fn auth_of(
        &self,
        (sender, event_type, state_key): (&UserId, &str, Option<&str>),
        content: &Value,
        parent: &EventId,
    ) -> Vec<OwnedEventId> {
        let keys = auth::auth_types(event_type, sender, state_key, content, self.version());
        let keys = keys.unwrap().into_iter();
        keys.filter_map(|key| self.last_of(&key, parent)).collect()
    }
}

/// Events in memory.
#[derive(Debug, Default)]
pub struct Pool(Mutex<HashMap<OwnedEventId, Arc<Pdu>>>);

impl Pool {
    /// Takes an event in; gives its id.
    pub fn keep(&self, pdu: Pdu) -> OwnedEventId {
        let id = pdu.event_id().to_owned();
        self.0.lock().insert(id.clone(), Arc::new(pdu));
        id
    }

    /// An event.
    pub fn get(&self, id: &EventId) -> Option<Arc<Pdu>> {
        self.0.lock().get(id).map(Arc::clone)
    }
}
