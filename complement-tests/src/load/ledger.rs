//! What was asked of the server, and what it acknowledged.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use reqwest::Method;
use serde_json::{Value, json};

use super::value_path;
use crate::{Client, path};

/// What a writer writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    State,
    AccountData,
    RoomAccountData,
    /// The fully read marker; only one writer of a user and a room does.
    Marker,
}

impl Kind {
    /// Half of the writers send messages.
    pub(super) fn of(number: usize) -> Self {
        match number / 8 {
            0 => Self::Marker,
            1 | 2 => Self::State,
            3 => {
                if number.is_multiple_of(2) {
                    Self::AccountData
                } else {
                    Self::RoomAccountData
                }
            }
            _ => Self::Message,
        }
    }
}

/// One writer.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) number: usize,
    pub(super) kind: Kind,
    pub(super) client: Client,
    pub(super) room: String,
}

/// One request that writes.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) method: Method,
    pub(super) path: String,
    pub(super) body: Value,
    /// The number of the message or value.
    pub(super) number: usize,
}

/// A message, answered or not.
#[derive(Clone, Debug)]
pub(super) struct Message {
    pub(super) writer: usize,
    pub(super) room: String,
    pub(super) path: String,
    pub(super) text: String,
    pub(super) event: Option<String>,
}

/// The numbers of the values of one writer.
#[derive(Clone, Debug, Default)]
pub(super) struct Values {
    pub(super) asked: usize,
    pub(super) answered: usize,
    /// For markers, the event of each number, from 1.
    pub(super) markers: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    pub(super) messages: Vec<Message>,
    /// Acknowledged state events, by room.
    pub(super) state_events: Vec<(String, String)>,
    pub(super) values: BTreeMap<usize, Values>,
    /// The last acknowledged event of each room.
    last_event: BTreeMap<String, String>,
    in_flight: usize,
    answers: usize,
}

impl Ledger {
    /// What is known of a server that has all that was acknowledged here, and perhaps some of what
    /// was asked for until `later`.
    pub(super) fn with_unanswered(mut self, later: &Self) -> Self {
        let known = self.messages.len();
        self.messages.extend_from_slice(&later.messages[known..]);
        for message in &mut self.messages[known..] {
            message.event = None;
        }
        for (job, last) in &later.values {
            let values = self.values.entry(*job).or_default();
            values.asked = last.asked;
            values.markers.clone_from(&last.markers);
        }
        self.in_flight = 0;
        self
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct SharedLedger(Arc<Mutex<Ledger>>);

impl SharedLedger {
    pub(super) fn new(ledger: Ledger) -> Self {
        Self(Arc::new(Mutex::new(ledger)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.0.lock().expect("no writer panicked")
    }

    pub(super) fn answered(&self) -> usize {
        self.lock().answers
    }

    pub(super) fn unanswered(&self) -> usize {
        self.lock().in_flight
    }

    /// Notes what markers are to be set on until an event is sent.
    pub(super) fn first_event(&self, room: &str, event: &str) {
        let mut ledger = self.lock();
        ledger.last_event.insert(room.to_owned(), event.to_owned());
    }

    /// Notes the next write of a job, before it is asked for.
    pub(super) fn begin(&self, job: &Job) -> Write {
        let mut ledger = self.lock();
        ledger.in_flight += 1;
        if job.kind == Kind::Message {
            let number = ledger.messages.len();
            let text = format!("message {number} of writer {}", job.number);
            let id = format!("load{number}");
            let path = path(&["rooms", &job.room, "send", "m.room.message", &id]);
            ledger.messages.push(Message {
                writer: job.number,
                room: job.room.clone(),
                path: path.clone(),
                text: text.clone(),
                event: None,
            });
            let body = json!({ "msgtype": "m.text", "body": text });
            return Write {
                method: Method::PUT,
                path,
                body,
                number,
            };
        }
        let event = ledger.last_event[&job.room].clone();
        let values = ledger.values.entry(job.number).or_default();
        values.asked += 1;
        let number = values.asked;
        if job.kind == Kind::Marker {
            values.markers.push(event.clone());
            let path = path(&["rooms", &job.room, "read_markers"]);
            let body = json!({ "m.fully_read": event });
            return Write {
                method: Method::POST,
                path,
                body,
                number,
            };
        }
        let body = json!({ "value": number });
        Write {
            method: Method::PUT,
            path: value_path(job),
            body,
            number,
        }
    }

    /// Notes that a write was acknowledged.
    pub(super) fn answer(&self, job: &Job, write: &Write, event: Option<String>) {
        let mut ledger = self.lock();
        ledger.in_flight -= 1;
        ledger.answers += 1;
        if let Some(event) = &event {
            ledger.last_event.insert(job.room.clone(), event.clone());
        }
        match job.kind {
            Kind::Message => ledger.messages[write.number].event = event,
            Kind::State => {
                let event = event.expect("EVT-03: state is answered with an event id");
                ledger.state_events.push((job.room.clone(), event));
                ledger.values.entry(job.number).or_default().answered = write.number;
            }
            Kind::AccountData | Kind::RoomAccountData | Kind::Marker => {
                ledger.values.entry(job.number).or_default().answered = write.number;
            }
        }
    }

    /// Nothing is on its way any more.
    pub(super) fn begin_again(&self) {
        self.lock().in_flight = 0;
    }
}
