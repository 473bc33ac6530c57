//! Events made to measure, and what became of them.

use std::{collections::BTreeMap, sync::Arc};

use heliograph_core::{
    auth,
    builder::EventBuilder,
    hashing::{base64, content_hash, signed_form},
    ids::{EventIdx, TimelineKey},
    json::{Numbers, Object, Value, parse},
    pdu::Pdu,
    signing::{Ed25519Signer, SignatureError, Signer, VerifiedPdu, VerifyKeys, verify_pdu},
};
use heliograph_tables::{
    Direction,
    schema::{EVENT_STATUS, EventStatus, RoomHead, TIMELINE},
};
use ruma_common::{EventId, OwnedEventId, OwnedUserId};

use super::world::World;
use crate::{Outcome, RoomError, Submission, Transaction};

/// All versions there are.
pub(super) const VERSIONS: [&str; 12] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12",
];

/// What an event is made of; what is not said follows from its parents.
#[derive(Default)]
pub(super) struct Craft<'a> {
    pub(super) sender: &'a str,
    pub(super) event_type: &'a str,
    pub(super) state_key: Option<&'a str>,
    pub(super) content: &'a str,
    pub(super) prev: Vec<OwnedEventId>,
    /// The last of their keys on the way back along first parents, where nothing is said.
    pub(super) auth: Option<Vec<OwnedEventId>>,
    /// One more than that of the deepest parent, where nothing is said.
    pub(super) depth: Option<u64>,
    pub(super) redacts: Option<OwnedEventId>,
    /// The time, milliseconds after the room was made.
    pub(super) nth: usize,
}

/// The key of a server.
pub(super) fn signer(server: &str) -> Ed25519Signer {
    let seed = match server {
        "x.org" => 1,
        "far.org" => 2,
        _ => 3,
    };
    Ed25519Signer::from_seed(server, "1", &[seed; 32])
}

/// The keys of all servers.
struct Known;

impl VerifyKeys for Known {
    fn key(&self, server: &str, key_id: &str, _: u64) -> Option<[u8; 32]> {
        let known = ["x.org", "far.org", "away.org"].contains(&server) && key_id == "ed25519:1";
        known.then(|| signer(server).public_key())
    }
}

impl World {
    /// Makes an event of a foreign user, without submitting it.
    pub(super) fn craft(&self, craft: Craft<'_>) -> OwnedEventId {
        let mut content = parse(craft.content.as_bytes(), Numbers::Loose).unwrap();
        let in_content = self.version.rules().redaction.content_field_redacts;
        if let Some(target) = craft.redacts.as_ref().filter(|_| in_content) {
            content.insert("redacts", Value::String(target.to_string()));
        }
        let sender = OwnedUserId::try_from(craft.sender).unwrap();
        let depth_of = |id: &OwnedEventId| self.pdu(id).map_or(0, |pdu| pdu.depth());
        let deepest = craft.prev.iter().map(depth_of).max().unwrap_or_default();
        let auth_events = craft.auth.unwrap_or_else(|| {
            self.auth_of(
                (&sender, craft.event_type, craft.state_key),
                &content,
                &craft.prev[0],
            )
        });
        let builder = EventBuilder {
            room_id: Some(self.room_id.clone()),
            event_type: craft.event_type.to_owned(),
            state_key: craft.state_key.map(str::to_owned),
            content,
            redacts: craft.redacts.filter(|_| !in_content),
            prev_events: craft.prev,
            auth_events,
            depth: craft.depth.unwrap_or(deepest + 1),
            origin_server_ts: 1_700_000_000_100 + u64::try_from(craft.nth).unwrap(),
            sender,
        };
        let key = signer(builder.sender.server_name().as_str());
        self.keep(builder.build(self.version, &key).unwrap())
    }

    /// The auth events of an event whose first parent is `parent`.
    pub(super) fn auth_of(
        &self,
        (sender, event_type, state_key): (&OwnedUserId, &str, Option<&str>),
        content: &Value,
        parent: &EventId,
    ) -> Vec<OwnedEventId> {
        let keys = auth::auth_types(event_type, sender, state_key, content, self.version);
        let keys = keys.unwrap().into_iter();
        keys.filter_map(|key| self.last_of(&key, parent)).collect()
    }

    /// A message of the foreign user 0.
    pub(super) fn message(&self, prev: &[&OwnedEventId], nth: usize) -> OwnedEventId {
        self.craft(Craft {
            sender: "@f0:far.org",
            event_type: "m.room.message",
            content: &format!(r#"{{"body":"{nth}"}}"#),
            prev: prev.iter().copied().cloned().collect(),
            nth,
            ..Craft::default()
        })
    }

    /// A topic that the foreign user 0 sets.
    pub(super) fn topic(&self, prev: &OwnedEventId, nth: usize) -> OwnedEventId {
        self.craft(Craft {
            sender: "@f0:far.org",
            event_type: "m.room.topic",
            state_key: Some(""),
            content: &format!(r#"{{"topic":"{nth}"}}"#),
            prev: vec![prev.clone()],
            nth,
            ..Craft::default()
        })
    }

    /// Takes an event among those that the foreign servers have.
    pub(super) fn keep(&self, pdu: Pdu) -> OwnedEventId {
        let id = pdu.event_id().to_owned();
        self.pool.lock().insert(id.clone(), Arc::new(pdu));
        id
    }

    /// An event of the foreign servers, changed, hashed and signed anew.
    pub(super) fn remade(&self, id: &EventId, change: impl FnOnce(&mut Value)) -> OwnedEventId {
        let mut event = Value::Object(self.pdu(id).unwrap().object().unwrap());
        change(&mut event);
        event.remove("signatures");
        event.remove("hashes");
        let hash = base64(&content_hash(event.as_object().unwrap()));
        event.insert(
            "hashes",
            Value::object([("sha256", Value::from(hash.as_str()))]),
        );
        let key = signer("far.org");
        let message = signed_form(event.as_object().unwrap(), self.version);
        let signature = base64(&key.sign(message.as_bytes()));
        let own = Value::object([(key.key_id(), Value::from(signature.as_str()))]);
        event.insert("signatures", Value::object([(key.server_name(), own)]));
        self.keep(Pdu::from_object(event.as_object().unwrap(), self.version).unwrap())
    }

    /// Checks the signatures and the hash of an event as it would come over the network.
    pub(super) fn verify(&self, event: &Object) -> Result<VerifiedPdu, SignatureError> {
        verify_pdu(Pdu::from_object(event, self.version)?, self.version, &Known)
    }

    fn verified(&self, id: &EventId) -> VerifiedPdu {
        self.verify(&self.pdu(id).unwrap().object().unwrap())
            .unwrap()
    }

    /// Submits an event, which may be refused.
    pub(super) async fn try_submit(
        &self,
        id: &EventId,
        submission: Submission,
    ) -> Result<Outcome, RoomError> {
        self.rooms
            .submit(self.room, self.verified(id), submission)
            .await
    }

    /// Submits a chunk of history.
    pub(super) async fn history(
        &self,
        chunk: &[OwnedEventId],
        state: Vec<OwnedEventId>,
        below: TimelineKey,
    ) -> Result<Vec<Outcome>, RoomError> {
        let chunk = chunk.iter().map(|id| self.verified(id)).collect();
        self.rooms
            .submit_history(self.room, chunk, state, below)
            .await
    }

    /// Sends a message of the local user.
    pub(super) async fn say(&self, text: &str) -> OwnedEventId {
        let content = Value::object([("body", Value::from(text))]);
        let transaction = Transaction {
            scope: "send".to_owned(),
            id: text.to_owned(),
        };
        let sender = self.locals[0].clone();
        let kind = "m.room.message".to_owned();
        let sent = self
            .rooms
            .send_message(self.room, sender, kind, content, transaction);
        sent.await.unwrap()
    }

    /// The number of an event that is here.
    pub(super) fn idx(&self, id: &EventId) -> Option<EventIdx> {
        self.rooms.at(&self.view()).event(self.room, id).unwrap()
    }

    /// What is known of an event that is here.
    pub(super) fn status(&self, id: &EventId) -> EventStatus {
        let idx = self.idx(id).unwrap();
        crate::history::status(&self.view(), self.room, idx).unwrap()
    }

    /// Where the room stands.
    pub(super) fn head(&self) -> RoomHead {
        self.rooms.at(&self.view()).head(self.room).unwrap()
    }

    /// The ids of the current state.
    pub(super) fn state_ids(&self) -> Vec<OwnedEventId> {
        self.current_state().into_values().collect()
    }

    /// The timeline by its keys.
    pub(super) fn timeline(&self) -> BTreeMap<TimelineKey, EventIdx> {
        let view = self.view();
        let rows = view.scan(&TIMELINE, &(self.room,), Direction::Forward);
        let rows = rows.map(|row| {
            let ((_, key), entry) = row.unwrap();
            (key, entry.event)
        });
        rows.collect()
    }

    /// Asserts that `auth_gen` falls along every edge that is stored.
    pub(super) fn assert_auth_gen_falls(&self) {
        let view = self.view();
        let rows = view.scan(&EVENT_STATUS, &(self.room,), Direction::Forward);
        let all: BTreeMap<EventIdx, EventStatus> = rows
            .map(|row| {
                let ((_, idx), status) = row.unwrap();
                (idx, status)
            })
            .collect();
        for (idx, status) in &all {
            for cited in &status.auth_events {
                assert!(
                    all[cited].auth_gen < status.auth_gen,
                    "{idx:?} cites {cited:?}"
                );
            }
        }
    }
}
