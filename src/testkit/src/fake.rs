//! Another server, as far as its events go: it makes them, keeps them, and answers for them.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
};

use heliograph_core::{
    auth,
    json::{Numbers, Object, Value, parse},
    pdu::Pdu,
    room_version::RoomVersion,
    signing::VerifiedPdu,
};
use heliograph_tables::schema::Standing;
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId};

use crate::{Craft, Graph, Keys, Names, Oracle, Pool};

/// What a user of a fake server does.
#[derive(Clone, Debug, Default)]
pub struct Deed<'a> {
    /// The full id of who does it.
    pub sender: &'a str,
    /// The event's type.
    pub event_type: &'a str,
    /// The event's state key, if it is a state event.
    pub state_key: Option<&'a str>,
    /// The event's content: an object as JSON.
    pub content: &'a str,
    /// The events that it follows: where there are none, [`FakeServer::tips`].
    pub prev: Vec<OwnedEventId>,
    /// Its time, milliseconds after [`crate::EPOCH_MS`].
    pub nth: usize,
}

/// A server with its own graph of one room, its own verdicts, and the key to sign its events.
#[derive(Debug)]
pub struct FakeServer {
    name: String,
    room_id: OwnedRoomId,
    version: RoomVersion,
    events: Pool,
    oracle: Oracle,
}

impl Graph for FakeServer {
    fn version(&self) -> RoomVersion {
        self.version
    }

    fn pdu(&self, id: &EventId) -> Option<Arc<Pdu>> {
        self.events.get(id)
    }
}

impl FakeServer {
    /// A server that knows nothing of the room yet.
    pub fn new(name: &str, room_id: OwnedRoomId, version: RoomVersion) -> Self {
        Self {
            name: name.to_owned(),
            room_id,
            version,
            events: Pool::default(),
            oracle: Oracle::default(),
        }
    }

    /// The full id of a user of this server.
    pub fn user(&self, localpart: &str) -> OwnedUserId {
        OwnedUserId::try_from(format!("@{localpart}:{}", self.name)).unwrap()
    }

    /// Takes in an event of another server. What it follows and what allows it must be known; the
    /// first is the room's create event.
    pub fn learn(&mut self, pdu: Pdu) -> Standing {
        let id = self.events.keep(pdu);
        match self.oracle.standing.get(&id) {
            Some(known) => *known,
            None => self.judge(&id),
        }
    }

    fn judge(&mut self, id: &EventId) -> Standing {
        let mut oracle = std::mem::take(&mut self.oracle);
        let standing = oracle.judge(self, id);
        self.oracle = oracle;
        standing
    }

    /// Makes an event as an honest server would, allowed or not: its auth events are those of the
    /// state before it.
    pub fn make(&mut self, deed: Deed<'_>) -> OwnedEventId {
        let prev = if deed.prev.is_empty() {
            self.tips()
        } else {
            deed.prev
        };
        let before = self.oracle.state_after(self, prev.iter().map(|id| &**id));
        let content = parse(deed.content.as_bytes(), Numbers::Loose).unwrap();
        let sender = OwnedUserId::try_from(deed.sender).unwrap();
        let keys = auth::auth_types(
            deed.event_type,
            &sender,
            deed.state_key,
            &content,
            self.version,
        );
        let keys = keys.unwrap().into_iter();
        let auth = keys.filter_map(|key| before.get(&key).cloned()).collect();
        let craft = Craft {
            sender: deed.sender,
            event_type: deed.event_type,
            state_key: deed.state_key,
            content: deed.content,
            prev,
            auth: Some(auth),
            nth: deed.nth,
            ..Craft::default()
        };
        let id = self.events.keep(craft.make(&self.room_id, self));
        self.judge(&id);
        id
    }

    /// A user of this server joins.
    pub fn join(&mut self, localpart: &str, nth: usize) -> OwnedEventId {
        let user = self.user(localpart);
        self.make(Deed {
            sender: user.as_str(),
            event_type: "m.room.member",
            state_key: Some(user.as_str()),
            content: r#"{"membership":"join"}"#,
            nth,
            ..Deed::default()
        })
    }

    /// The accepted events that nothing follows yet, at most ten of them.
    pub fn tips(&self) -> Vec<OwnedEventId> {
        self.oracle.tips.iter().take(10).cloned().collect()
    }

    /// What this server says of an event.
    pub fn standing(&self, id: &EventId) -> Standing {
        self.oracle.standing[id]
    }

    /// The state before an event.
    pub fn state_before(&self, id: &EventId) -> &Names {
        &self.oracle.before[id]
    }

    /// The events before `latest` that `has` does not say the asker has, parents first, at most
    /// `limit` of them, those nearest to `latest`.
    pub fn missing(
        &self,
        latest: &[OwnedEventId],
        has: impl Fn(&EventId) -> bool,
        limit: usize,
    ) -> Vec<OwnedEventId> {
        let mut seen: HashSet<OwnedEventId> = latest.iter().cloned().collect();
        let mut found: BTreeSet<(u64, OwnedEventId)> = BTreeSet::new();
        let mut todo = latest.to_vec();
        while let Some(id) = todo.pop() {
            for prev in self.events.get(&id).unwrap().prev_event_ids() {
                if !has(prev) && seen.insert(prev.to_owned()) {
                    let depth = self.events.get(prev).unwrap().depth();
                    found.insert((depth, prev.to_owned()));
                    todo.push(prev.to_owned());
                }
            }
        }
        let surplus = found.len().saturating_sub(limit);
        found.into_iter().skip(surplus).map(|(_, id)| id).collect()
    }

    /// These events and all in their auth chains that `has` does not say the asker has; each
    /// stands after those that it cites.
    pub fn auth_chain(
        &self,
        ids: &[OwnedEventId],
        has: impl Fn(&EventId) -> bool,
    ) -> Vec<OwnedEventId> {
        let (mut chain, mut seen) = (Vec::new(), HashSet::new());
        // An event is on the stack twice: to be opened, and to be closed after what it cites.
        let mut todo: Vec<(OwnedEventId, bool)> =
            ids.iter().map(|id| (id.clone(), false)).collect();
        while let Some((id, opened)) = todo.pop() {
            if opened {
                chain.push(id);
            } else if !has(&id) && seen.insert(id.clone()) {
                let pdu = self.events.get(&id).unwrap();
                todo.push((id, true));
                todo.extend(pdu.auth_event_ids().map(|id| (id.to_owned(), false)));
            }
        }
        chain
    }

    /// An event as it comes over the network.
    pub fn sent(&self, id: &EventId) -> Object {
        self.events.get(id).unwrap().object().unwrap()
    }

    /// The event as a receiver has it that knows `keys`.
    pub fn verified(&self, id: &EventId, keys: &Keys) -> VerifiedPdu {
        keys.verify(&self.sent(id), self.version).unwrap()
    }

    /// An event with the signature of another one.
    pub fn forged(&self, id: &EventId, other: &EventId) -> Object {
        let mut event = self.sent(id);
        let signatures = self.sent(other)["signatures"].clone();
        event.insert("signatures".to_owned(), signatures);
        event
    }

    /// An event with another content than its hash says.
    pub fn tampered(&self, id: &EventId) -> Object {
        let mut event = self.sent(id);
        let content = Value::object([("body", Value::from("tampered"))]);
        event.insert("content".to_owned(), content);
        event
    }
}
