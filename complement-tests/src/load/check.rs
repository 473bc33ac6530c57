//! What must hold after a crash.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    Load,
    ledger::{Job, Kind, Message},
    value_path,
};
use crate::{answer::event_ids, rooms::text};

/// Acknowledged transactions that are repeated after a crash, at most; all others were, too, if
/// they were not answered.
const REPEATED: usize = 100;

impl Load {
    /// Demands everything that was acknowledged of a server that was started again.
    pub async fn check(&mut self) {
        self.repeat_transactions().await;
        let mut timelines = BTreeMap::new();
        for room in &self.rooms {
            timelines.insert(room.clone(), self.check_timeline(room).await);
        }
        for job in &self.jobs {
            if job.kind != Kind::Message {
                self.check_value(job).await;
            }
        }
        let begun_at = &self.begun_at;
        for reader in &mut self.readers {
            reader.catch_up().await;
            for (room, timeline) in &timelines {
                let since = &timeline[begun_at[room]..];
                assert_same(
                    since,
                    &reader.seen[room],
                    "a reader's syncs, with the gaps filled",
                );
            }
        }
        self.ledger.begin_again();
    }

    /// Sends again what was not answered, and some of what was; each gives the first answer.
    async fn repeat_transactions(&self) {
        let messages: Vec<(usize, Message)> = {
            let ledger = self.ledger.lock();
            ledger.messages.iter().cloned().enumerate().collect()
        };
        let answered = messages
            .iter()
            .filter(|(_, message)| message.event.is_some());
        let repeated = answered.rev().take(REPEATED);
        let unanswered = messages
            .iter()
            .filter(|(_, message)| message.event.is_none());
        for (number, message) in repeated.chain(unanswered) {
            let body = json!({ "msgtype": "m.text", "body": message.text });
            let answer = self.jobs[message.writer]
                .client
                .put(&message.path, body)
                .await;
            let event = text(&answer.ok("API-16: repeating a transaction"), "event_id");
            if let Some(first) = &message.event {
                assert_eq!(&event, first, "API-16: the first answer after a crash");
            }
            self.ledger.lock().messages[*number].event = Some(event);
        }
    }

    /// Every acknowledged event is there once, and everybody sees one order.
    async fn check_timeline(&self, room: &str) -> Vec<String> {
        let events = self.users[0].whole_history(room, "f", 1000).await;
        let forwards = event_ids(&Value::Array(events.clone()));
        let backwards = self.users[1].whole_history(room, "b", 1000).await;
        let mut backwards = event_ids(&Value::Array(backwards));
        backwards.reverse();
        assert_same(&forwards, &backwards, "two readers, in the two directions");
        let once: BTreeSet<&String> = forwards.iter().collect();
        assert_eq!(once.len(), forwards.len(), "an event is there twice");
        let mut by_text: BTreeMap<&str, &str> = BTreeMap::new();
        for event in &events {
            if let (Some(body), Some(id)) = (
                event["content"]["body"].as_str(),
                event["event_id"].as_str(),
            ) {
                let other = by_text.insert(body, id);
                assert!(
                    other.is_none(),
                    "{body:?} was stored twice: {other:?} and {id}"
                );
            }
        }
        let ledger = self.ledger.lock();
        for message in ledger
            .messages
            .iter()
            .filter(|message| message.room == room)
        {
            let stored = by_text.get(&*message.text).copied();
            assert_eq!(
                stored,
                message.event.as_deref(),
                "{:?} was acknowledged",
                message.text
            );
        }
        for (in_room, event) in &ledger.state_events {
            let there = in_room != room || once.contains(event);
            assert!(there, "the acknowledged state event {event} is lost");
        }
        forwards
    }

    /// A value is the last acknowledged one or a later one that was asked for.
    async fn check_value(&self, job: &Job) {
        let answer = job.client.get(&value_path(job)).await;
        let mut ledger = self.ledger.lock();
        let values = ledger.values.entry(job.number).or_default();
        let possible = values.answered..=values.asked;
        let found = match job.kind {
            _ if answer.status == 404 => 0,
            Kind::Marker => {
                let event = text(&answer.ok("EPH-14: a marker"), "event_id");
                let allowed = values.answered.saturating_sub(1)..values.asked;
                let place = values.markers[allowed]
                    .iter()
                    .position(|marker| *marker == event);
                let place = place.unwrap_or_else(|| panic!("marker {event} is an older one"));
                (values.answered + place).max(1)
            }
            _ => {
                let value = answer.ok("ACC-01: a value")["value"].as_u64();
                usize::try_from(value.expect("a number")).expect("a small number")
            }
        };
        assert!(
            possible.contains(&found),
            "{:?} {} has value {found}, {possible:?} were possible",
            job.kind,
            job.number
        );
        values.answered = found;
        // The next write must differ from one that might still have been stored.
        values.asked = values.asked.max(found);
    }
}

/// Demands two equal lists of events, and shows where they begin to differ.
#[track_caller]
fn assert_same(expected: &[String], found: &[String], what: &str) {
    let equal = expected
        .iter()
        .zip(found)
        .take_while(|(one, other)| one == other)
        .count();
    assert!(
        expected.len() == equal && found.len() == equal,
        "{what}: {} and {} events, equal up to number {equal}: {:?} against {:?}",
        expected.len(),
        found.len(),
        expected.get(equal),
        found.get(equal)
    );
}
