//! Many writers at once, and what must hold after the server was killed among them.

mod check;
mod ledger;

use std::{collections::BTreeMap, time::Duration};

use rand::{RngExt as _, rngs::StdRng};
use reqwest::Method;
use serde_json::json;
use tokio::task::JoinSet;

use crate::{Client, Reader, TestServer, path, wait_for};
use ledger::{Job, Kind, SharedLedger};

/// Writers at once.
pub const WRITERS: usize = 64;
/// Writes that must be unanswered when the server is killed.
pub const MIN_UNANSWERED: usize = 16;
const USERS: usize = 8;
const ROOMS: usize = 4;
/// Small, so that readers have gaps to fill.
const TIMELINE_LIMIT: usize = 5;
const PATIENCE: Duration = Duration::from_mins(1);

/// Users, rooms and writers, and what they were told.
#[derive(Debug)]
pub struct Load {
    users: Vec<Client>,
    rooms: Vec<String>,
    jobs: Vec<Job>,
    ledger: SharedLedger,
    readers: Vec<Reader>,
    /// How long each room's timeline was when the readers began.
    begun_at: BTreeMap<String, usize>,
}

impl Load {
    /// Makes users who are all in the same rooms.
    pub async fn prepare(server: &TestServer) -> Self {
        let mut users = Vec::new();
        for number in 0..USERS {
            users.push(server.user(&format!("writer{number}")).await);
        }
        let (mut rooms, ledger) = (Vec::new(), SharedLedger::default());
        for owner in users.iter().take(ROOMS) {
            let body = json!({
                "preset": "public_chat",
                "power_level_content_override": { "state_default": 0 },
            });
            rooms.push(owner.create_room(body).await);
        }
        let mut begun_at = BTreeMap::new();
        for room in &rooms {
            for user in &users {
                user.join(room).await;
            }
            ledger.first_event(room, &users[0].say(room, "the first").await);
            begun_at.insert(
                room.clone(),
                users[0].whole_history(room, "f", 1000).await.len(),
            );
        }
        let mut readers = Vec::new();
        for user in users.iter().take(2) {
            let mut reader = Reader::begin(user, TIMELINE_LIMIT).await;
            reader.follow(&rooms);
            readers.push(reader);
        }
        let jobs = (0..WRITERS).map(|number| Job {
            number,
            kind: Kind::of(number),
            client: users[number % USERS].clone(),
            room: rooms[number / USERS % ROOMS].clone(),
        });
        let jobs = jobs.collect();
        Self {
            users,
            rooms,
            jobs,
            ledger,
            readers,
            begun_at,
        }
    }

    /// Lets everybody write, and kills the server at a random moment at which at least
    /// [`MIN_UNANSWERED`] writes are unanswered. Gives how many were.
    pub async fn crash(&mut self, server: &mut TestServer, random: &mut StdRng) -> usize {
        let mut writers = JoinSet::new();
        for job in self.jobs.clone() {
            writers.spawn(write_on(job, self.ledger.clone()));
        }
        let mut readers = JoinSet::new();
        for reader in self.readers.drain(..) {
            readers.spawn(read_on(reader));
        }
        loop {
            let goal = self.ledger.answered() + random.random_range(20..600);
            wait_for("answers to writes", PATIENCE, || {
                (self.ledger.answered() >= goal).then_some(())
            })
            .await;
            server.freeze();
            self.settle().await;
            if self.ledger.unanswered() >= MIN_UNANSWERED {
                break;
            }
            server.thaw();
        }
        server.kill();
        while let Some(ended) = writers.join_next().await {
            ended.expect("a writer ends with the server");
        }
        while let Some(reader) = readers.join_next().await {
            self.readers
                .push(reader.expect("a reader ends with the server"));
        }
        self.ledger.unanswered()
    }

    /// Waits until all answers that a frozen server gave are read.
    async fn settle(&self) {
        let (mut last, mut equal) = (self.ledger.answered(), 0);
        wait_for("the last answers of a frozen server", PATIENCE, || {
            let now = self.ledger.answered();
            equal = if now == last { equal + 1 } else { 0 };
            last = now;
            (equal == 5).then_some(())
        })
        .await;
    }
}

/// Writes one after the other until the server is gone.
async fn write_on(job: Job, ledger: SharedLedger) {
    loop {
        let write = ledger.begin(&job);
        let body = Some(write.body.to_string().into_bytes());
        let answer = job
            .client
            .attempt(&write.method, &write.path, body, &[])
            .await;
        let Ok(answer) = answer else { return };
        let event = answer.ok("a write while the server is up")["event_id"]
            .as_str()
            .map(str::to_owned);
        ledger.answer(&job, &write, event);
    }
}

/// Follows everything until the server is gone.
async fn read_on(mut reader: Reader) -> Reader {
    loop {
        let path = reader.next_path(1000);
        let answer = reader.client.attempt(&Method::GET, &path, None, &[]).await;
        let Ok(answer) = answer else { return reader };
        if reader
            .take(&answer.ok("a sync while the server is up"))
            .await
            .is_none()
        {
            return reader;
        }
    }
}

/// The path at which a job writes its `number`th value.
fn value_path(job: &Job) -> String {
    let name = format!("test.writer{}", job.number);
    match job.kind {
        Kind::State => path(&["rooms", &job.room, "state", "test.value", &name]),
        Kind::AccountData => job.client.account_data_path(&name),
        Kind::RoomAccountData => job.client.room_account_data_path(&job.room, &name),
        Kind::Message | Kind::Marker => {
            job.client.room_account_data_path(&job.room, "m.fully_read")
        }
    }
}
