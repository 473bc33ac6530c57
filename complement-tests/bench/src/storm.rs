//! Whether messages arrive as fast while a thousand users change their presence.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::future::try_join_all;
use heliograph_complement::{Client, TestServer, measure::cpu_seconds, path};
use hyper::Method;
use rustix::process::nice;
use tokio::{
    runtime,
    sync::{mpsc, watch},
    task::JoinSet,
    time::interval,
};

use crate::{Result, http::Connection, starts};

/// Rooms, and those in each who change their presence.
const ROOMS: usize = 20;
const MEMBERS: usize = 50;
/// Rounds, each calm and then stormy; messages in each half, those that do not count included.
const ROUNDS: usize = 5;
const MESSAGES: u32 = 225;
/// Messages at the beginning of each half that do not count.
const FIRST: u32 = 25;
/// The time between two messages, and between two changes in one room: a user changes each second.
const MESSAGE_EVERY: Duration = Duration::from_millis(40);
const CHANGE_EVERY: Duration = Duration::from_millis(20);
/// The largest ratio that meets the aim.
pub(crate) const AIM: f64 = 1.1;

/// What the crowd does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// It waits in `/sync`.
    Calm,
    /// It changes its presence, too.
    Storm,
    /// It goes home.
    Over,
}

/// How long messages took, in one weather.
#[derive(Clone, Debug, Default)]
pub(crate) struct Times {
    /// Milliseconds until the sender had the answer.
    pub(crate) answered: Vec<f64>,
    /// Milliseconds until another member had the message from a waiting `/sync`.
    pub(crate) arrived: Vec<f64>,
    /// CPU seconds of the server.
    cpu: f64,
    seconds: f64,
    /// Answers to `/sync` that told presence, and changes of it.
    told: u32,
    changes: u32,
}

/// Both weathers.
#[derive(Clone, Debug)]
pub(crate) struct Compared {
    /// Without changes.
    pub(crate) calm: Times,
    /// With them.
    pub(crate) storm: Times,
}

impl Times {
    /// CPU seconds of the server in a second.
    pub(crate) fn cpu(&self) -> f64 {
        self.cpu / self.seconds
    }

    /// Answers to `/sync` that told presence, in a second.
    pub(crate) fn told(&self) -> f64 {
        f64::from(self.told) / self.seconds
    }

    /// Changes of presence in a second.
    pub(crate) fn changes(&self) -> f64 {
        f64::from(self.changes) / self.seconds
    }
}

/// The time that so many of a hundred times are within.
pub(crate) fn percentile(times: &[f64], of_hundred: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    let place = (times.len() * of_hundred).div_ceil(100).max(1) - 1;
    times.get(place).copied().unwrap_or(f64::NAN)
}

/// How it is done, for the report.
pub(crate) fn method() -> String {
    format!(
        "{} users in {ROOMS} rooms, {MEMBERS} in each, all waiting in `/sync`. In a storm each sets \
         another status message every second by `PUT /presence`. Meanwhile a member of one of the \
         rooms sends a message every {} ms, until another has it from a waiting `/sync`; the \
         other {MEMBERS} get it too. {ROUNDS} rounds, each calm and then stormy, {} messages in each half, taken \
         together. The crowd's side runs at the lowest priority (`nice` 19): elsewhere, clients do \
         not take the server's cores. Times are of HTTP on the loopback interface.",
        ROOMS * MEMBERS,
        MESSAGE_EVERY.as_millis(),
        MESSAGES - FIRST
    )
}

/// Counts of what the crowd did and was told.
#[derive(Debug, Default)]
struct Counts {
    changes: AtomicU32,
    told: AtomicU32,
}

/// Measures both weathers.
pub(crate) async fn measure() -> Result<Compared> {
    let server = TestServer::start(starts::options()).await;
    let (rooms, sender, receiver) = people(&server).await;
    let (weather, seen) = watch::channel(Weather::Calm);
    let counts = Arc::new(Counts::default());
    let crowd = {
        let (base, counts) = (server.base(), Arc::clone(&counts));
        let users: Vec<_> = rooms.iter().map(|(_, users)| users.clone()).collect();
        thread::spawn(move || crowd(&base, &users, &seen, &counts))
    };
    let room = rooms.first().ok_or("no room")?.0.clone();
    let mut messages = Messages::begin(&server, room, sender, receiver).await?;
    let mut compared = Compared {
        calm: Times::default(),
        storm: Times::default(),
    };
    for _ in 0..ROUNDS {
        for (now, times) in [
            (Weather::Calm, &mut compared.calm),
            (Weather::Storm, &mut compared.storm),
        ] {
            weather.send_replace(now);
            messages.half(&counts, times).await?;
        }
    }
    weather.send_replace(Weather::Over);
    crowd.join().map_err(|_| "the crowd panicked")??;
    Ok(compared)
}

/// The rooms with their members, and two who are in the first, too.
async fn people(server: &TestServer) -> (Vec<(String, Vec<Client>)>, Client, Client) {
    let mut rooms = Vec::new();
    for room in 0..ROOMS {
        let creator = server.user(&format!("user{room}_0")).await;
        let id = creator.create_public_room().await;
        let mut users = vec![creator];
        for member in 1..MEMBERS {
            let user = server.user(&format!("user{room}_{member}")).await;
            user.join(&id).await;
            users.push(user);
        }
        rooms.push((id, users));
    }
    let (sender, receiver) = (server.user("sender").await, server.user("receiver").await);
    for user in [&sender, &receiver] {
        if let Some((room, _)) = rooms.first() {
            user.join(room).await;
        }
    }
    (rooms, sender, receiver)
}

/// All users of all rooms, until it is over.
fn crowd(
    base: &str,
    rooms: &[Vec<Client>],
    weather: &watch::Receiver<Weather>,
    counts: &Counts,
) -> Result<()> {
    nice(19)?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let waiting = rooms.iter().flatten();
        let waiting = waiting.map(|user| wait(base, user, weather.clone(), counts));
        let changing = rooms.iter();
        let changing = changing.map(|users| change(base, users, weather.clone(), counts));
        tokio::try_join!(try_join_all(waiting), try_join_all(changing))?;
        Ok(())
    })
}

/// A user waits in `/sync`, again and again.
async fn wait(
    base: &str,
    user: &Client,
    mut weather: watch::Receiver<Weather>,
    counts: &Counts,
) -> Result<()> {
    let mut connection = Connection::open(base).await?;
    let mut since = String::new();
    loop {
        let path = sync_path(&since);
        let asked = connection.request(Method::GET, &path, &user.token, Bytes::new());
        let answer = tokio::select! {
            answer = asked => answer?,
            over = weather.wait_for(|now| *now == Weather::Over) => return Ok(over.map(drop)?),
        };
        since = next_batch(&answer)?;
        if has(&answer, "m.presence") {
            counts.told.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The users of a room set other status messages in turn, as long as the storm lasts.
async fn change(
    base: &str,
    users: &[Client],
    mut weather: watch::Receiver<Weather>,
    counts: &Counts,
) -> Result<()> {
    let mut round = 0;
    loop {
        let now = *weather.wait_for(|now| *now != Weather::Calm).await?;
        if now == Weather::Over {
            return Ok(());
        }
        // A server closes connections that are quiet for long.
        let mut connection = Connection::open(base).await?;
        let mut ticks = interval(CHANGE_EVERY);
        while *weather.borrow() == Weather::Storm {
            for user in users {
                ticks.tick().await;
                round += 1;
                let path = path(&["presence", &user.user_id, "status"]);
                let body = format!(r#"{{"presence":"online","status_msg":"number {round}"}}"#);
                connection
                    .request(Method::PUT, &path, &user.token, body.into())
                    .await?;
                counts.changes.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn sync_path(since: &str) -> String {
    match since {
        "" => "/_matrix/client/v3/sync?timeout=0".to_owned(),
        since => format!("/_matrix/client/v3/sync?timeout=30000&since={since}"),
    }
}

/// The token in an answer, read with as little work as can be.
fn next_batch(answer: &[u8]) -> Result<String> {
    let text = std::str::from_utf8(answer)?;
    let rest = text
        .split_once(r#""next_batch":""#)
        .ok_or("no next_batch")?;
    let (token, _) = rest.1.split_once('"').ok_or("half an answer")?;
    Ok(token.to_owned())
}

fn has(answer: &[u8], text: &str) -> bool {
    std::str::from_utf8(answer).is_ok_and(|answer| answer.contains(text))
}

/// The message that is under way, and who sends and awaits it.
struct Messages {
    pid: u32,
    base: String,
    room: String,
    sender: Client,
    number: u32,
    /// The numbers of messages that have arrived, and when.
    arrivals: mpsc::Receiver<(u32, Instant)>,
    /// What awaits them; it ends with this value.
    _receiving: JoinSet<Result<()>>,
}

impl Messages {
    async fn begin(
        server: &TestServer,
        room: String,
        sender: Client,
        receiver: Client,
    ) -> Result<Self> {
        let (arrived, arrivals) = mpsc::channel(1);
        let mut connection = Connection::open(&server.base()).await?;
        let path = sync_path("");
        let first = connection.request(Method::GET, &path, &receiver.token, Bytes::new());
        let since = next_batch(&first.await?)?;
        let mut receiving = JoinSet::new();
        receiving.spawn(receive(connection, receiver.token, since, arrived));
        Ok(Self {
            pid: u32::try_from(server.process())?,
            base: server.base(),
            room,
            sender,
            number: 0,
            arrivals,
            _receiving: receiving,
        })
    }

    /// Sends the messages of half a round.
    async fn half(&mut self, counts: &Counts, times: &mut Times) -> Result<()> {
        let mut connection = Connection::open(&self.base).await?;
        let mut ticks = interval(MESSAGE_EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let now = || {
            (
                counts.changes.load(Ordering::Relaxed),
                counts.told.load(Ordering::Relaxed),
            )
        };
        let (mut begun, mut cpu, mut counted) = (Instant::now(), 0.0, now());
        for message in 0..MESSAGES {
            if message == FIRST {
                (begun, cpu, counted) = (Instant::now(), cpu_seconds(self.pid)?, now());
            }
            ticks.tick().await;
            let (answered, arrived) = self.message(&mut connection).await?;
            if message >= FIRST {
                times.answered.push(answered);
                times.arrived.push(arrived);
            }
        }
        times.seconds += begun.elapsed().as_secs_f64();
        times.cpu += cpu_seconds(self.pid)? - cpu;
        times.changes += now().0 - counted.0;
        times.told += now().1 - counted.1;
        Ok(())
    }

    /// Sends one; the milliseconds until it was answered, and until it had arrived.
    async fn message(&mut self, connection: &mut Connection) -> Result<(f64, f64)> {
        self.number += 1;
        let number = self.number;
        let transaction = format!("t{number}");
        let path = path(&["rooms", &self.room, "send", "m.room.message", &transaction]);
        let body = format!(r#"{{"msgtype":"m.text","body":"message {number}."}}"#);
        let begun = Instant::now();
        let sent = connection.request(Method::PUT, &path, &self.sender.token, body.into());
        sent.await?;
        let answered = begun.elapsed();
        let arrived = loop {
            let (arrived, at) = self.arrivals.recv().await.ok_or("nobody receives")?;
            if arrived == number {
                break at.duration_since(begun);
            }
        };
        Ok((answered.as_secs_f64() * 1e3, arrived.as_secs_f64() * 1e3))
    }
}

/// Tells of each message that a waiting `/sync` brings.
async fn receive(
    mut connection: Connection,
    token: String,
    mut since: String,
    arrived: mpsc::Sender<(u32, Instant)>,
) -> Result<()> {
    loop {
        let path = sync_path(&since);
        let answer = connection.request(Method::GET, &path, &token, Bytes::new());
        let answer = answer.await?;
        let at = Instant::now();
        since = next_batch(&answer)?;
        let text = std::str::from_utf8(&answer)?;
        for found in text.split(r#""body":"message "#).skip(1) {
            let number = found.split_once('.').map(|(number, _)| number.parse());
            arrived.send((number.ok_or("half a message")??, at)).await?;
        }
    }
}
