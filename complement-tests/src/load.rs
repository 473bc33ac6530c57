//! Many writers at once, and what must hold after the server was killed among them, or restored
//! from a backup that was made among them.

mod check;
mod ledger;
mod restored;
mod work;

use std::{collections::BTreeMap, ops::Range, time::Duration};

use rand::{RngExt as _, rngs::StdRng};
use serde_json::json;

use crate::{Client, Options, Reader, TestServer, path, wait_for};
use ledger::{Job, Kind, SharedLedger};
pub use restored::{Acknowledged, Timelines};
pub use work::Work;

/// Writers at once.
pub const WRITERS: usize = 64;
/// Writes that must be unanswered when the server is killed.
pub const MIN_UNANSWERED: usize = 16;
/// Answers after which a server is killed.
pub const KILL_AFTER: Range<usize> = 20..600;
/// Answers after which the power is cut: enough for logs to rotate before.
pub const CUT_AFTER: Range<usize> = 100..2000;
const USERS: usize = 8;
const ROOMS: usize = 4;
/// Small, so that readers have gaps to fill.
const TIMELINE_LIMIT: usize = 5;
const PATIENCE: Duration = Duration::from_mins(1);

/// A server with buffers and logs so small that logs rotate, and tables are flushed and compacted,
/// all the time.
pub fn small_buffers() -> Options {
    Options::new()
        .set("storage", "write_buffers", "\"1 MiB\"")
        .set("storage", "max_wal", "\"64 KiB\"")
}

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

    /// Lets everybody write, and kills the server at a random moment, after so many answers, at
    /// which at least [`MIN_UNANSWERED`] writes are unanswered. Gives how many were.
    pub async fn crash(
        &mut self,
        server: &mut TestServer,
        random: &mut StdRng,
        answers: Range<usize>,
    ) -> usize {
        let work = self.begin();
        loop {
            self.more_answers(random.random_range(answers.clone()))
                .await;
            server.freeze();
            self.settle().await;
            if self.ledger.unanswered() >= MIN_UNANSWERED {
                break;
            }
            server.thaw();
        }
        server.kill();
        self.end(work).await;
        self.ledger.unanswered()
    }

    /// The readers as they stand while nobody is at work.
    pub fn readers(&self) -> Vec<Reader> {
        self.readers.clone()
    }

    /// Waits until so many more writes were answered.
    pub async fn more_answers(&self, count: usize) {
        let goal = self.answered() + count;
        wait_for("answers to writes", PATIENCE, || {
            (self.answered() >= goal).then_some(())
        })
        .await;
    }

    /// How many writes were answered so far.
    pub fn answered(&self) -> usize {
        self.ledger.answered()
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
