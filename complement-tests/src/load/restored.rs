//! What must hold of a server that was restored from a backup made among the writes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{
    Job, Load,
    ledger::{Ledger, SharedLedger},
};
use crate::{Client, Reader, TestServer, answer::event_ids, rooms::text};

/// What was acknowledged at one moment.
#[derive(Clone, Debug)]
pub struct Acknowledged(Ledger);

/// The ids of the events of each room, oldest first.
pub type Timelines = BTreeMap<String, Vec<String>>;

impl Load {
    /// What is acknowledged now.
    pub fn acknowledged(&self) -> Acknowledged {
        Acknowledged(self.ledger.lock().clone())
    }

    /// Every room's timeline as it is now.
    pub async fn timelines(&self) -> Timelines {
        let mut timelines = BTreeMap::new();
        for room in &self.rooms {
            let events = self.users[0].whole_history(room, "f", 1000).await;
            timelines.insert(room.clone(), event_ids(&Value::Array(events)));
        }
        timelines
    }

    /// The same users and writers, with the same access tokens, on a server that must have what was
    /// acknowledged at that moment, and may have what was asked for since.
    pub async fn on_restored(&self, server: &TestServer, acknowledged: Acknowledged) -> Self {
        let users: Vec<Client> = self.users.iter().map(|user| moved(user, server)).collect();
        let jobs = self.jobs.iter().map(|job| Job {
            client: users[job.number % users.len()].clone(),
            ..job.clone()
        });
        let later = self.ledger.lock().clone();
        let load = Self {
            jobs: jobs.collect(),
            users,
            rooms: self.rooms.clone(),
            ledger: SharedLedger::new(acknowledged.0.with_unanswered(&later)),
            readers: Vec::new(),
            begun_at: self.begun_at.clone(),
        };
        for (room, events) in load.timelines().await {
            let last = events.last().expect("a room has events");
            load.ledger.first_event(&room, last);
        }
        load
    }

    /// Demands that whoever goes on here with the token of a reader of another life of the data
    /// learns of everything that the reader had not seen. Gives how many events that were.
    pub async fn check_nothing_is_skipped(&self, server: &TestServer, reader: &Reader) -> usize {
        let client = moved(&reader.client, server);
        let answer = client.get(&reader.next_path(0)).await;
        let answer = answer.ok("SYN-19: a token of another life");
        let mut count = 0;
        for (room, timeline) in self.timelines().await {
            let before = timeline[..self.begun_at[&room]].iter();
            let known: BTreeSet<&String> = before.chain(&reader.seen[&room]).collect();
            let update = &answer["rooms"]["join"][&room]["timeline"];
            let told = told(&client, &room, update, &reader.since).await;
            let unseen = timeline.iter().filter(|event| !known.contains(event));
            let unseen: Vec<&String> = unseen.collect();
            let skipped = unseen.iter().filter(|event| !told.contains(**event));
            let skipped: Vec<_> = skipped.collect();
            assert!(
                skipped.is_empty(),
                "{} events of {} that were new to the reader were skipped, the first is {:?}: \
                 {update}",
                skipped.len(),
                unseen.len(),
                skipped.first()
            );
            count += unseen.len();
        }
        count
    }
}

/// What a client learns from a room's part of an answer: what is in it and, when it says that it
/// left something out, what history has between the answer and the token.
async fn told(client: &Client, room: &str, update: &Value, since: &str) -> BTreeSet<String> {
    let mut told: BTreeSet<String> = event_ids(&update["events"]).into_iter().collect();
    if update["limited"] != true {
        return told;
    }
    let mut from = text(update, "prev_batch");
    loop {
        let rest = format!("&limit=100&from={from}&to={since}");
        let page = client.messages(room, "b", &rest).await;
        told.extend(event_ids(&page["chunk"]));
        match page["end"].as_str() {
            Some(end) => end.clone_into(&mut from),
            None => return told,
        }
    }
}

/// The same device on another server.
fn moved(client: &Client, server: &TestServer) -> Client {
    let mut moved = server.client();
    moved.token.clone_from(&client.token);
    moved.user_id.clone_from(&client.user_id);
    moved.device_id.clone_from(&client.device_id);
    moved
}
