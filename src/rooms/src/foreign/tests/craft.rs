//! Events made to measure, and what became of them.

use std::collections::BTreeMap;

use heliograph_core::{
    ids::{EventIdx, TimelineKey},
    json::{Object, Value},
    pdu::Pdu,
    signing::{SignatureError, VerifiedPdu},
};
use heliograph_tables::{
    Direction,
    schema::{EVENT_STATUS, EventStatus, RoomHead, TIMELINE},
};
use heliograph_testkit::{Craft, Graph, Keys, remade};
use ruma_common::{EventId, OwnedEventId};

use super::world::World;
use crate::{Outcome, RoomError, Submission, Transaction};

/// All versions there are.
pub(super) const VERSIONS: [&str; 12] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12",
];

impl World {
    /// Makes an event of a foreign user, without submitting it.
    pub(super) fn craft(&self, craft: Craft<'_>) -> OwnedEventId {
        self.keep(craft.make(&self.room_id, self))
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
        self.pool.keep(pdu)
    }

    /// An event of the foreign servers, changed, hashed and signed anew.
    pub(super) fn remade(&self, id: &EventId, change: impl FnOnce(&mut Value)) -> OwnedEventId {
        let pdu = self.pdu(id).unwrap();
        self.keep(remade(&pdu, self.version, "far.org", change))
    }

    /// Checks the signatures and the hash of an event as it would come over the network.
    pub(super) fn verify(&self, event: &Object) -> Result<VerifiedPdu, SignatureError> {
        Keys::of(&["x.org", "far.org", "away.org"]).verify(event, self.version)
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
