//! The load: the rooms and accounts that it needs, and each operation.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use futures_util::future::try_join_all;
use reqwest::Method;
use serde_json::Value;

use crate::{
    Result,
    http::{Http, User, text},
    operation::{Operation, WAITING},
    server::Server,
};

/// Requests at once, where several are.
const AT_ONCE: u32 = 16;
/// Members of the large room, and of the room whose members are awaited.
const LARGE: usize = 300;
/// Rooms of the account that syncs for the first time, with members and messages in each.
const ROOMS: usize = 40;
const ROOM_MEMBERS: usize = 3;
const ROOM_MESSAGES: u32 = 5;
/// Rooms in which messages are sent at once.
const SENDING_ROOMS: usize = 20;
/// How long a client waits for news.
const WAIT_MS: u32 = 60_000;

/// What one operation used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// CPU seconds of the server for 1,000 operations.
    pub(crate) cpu: f64,
    /// Seconds that all of them took.
    pub(crate) wall: f64,
}

/// The accounts and rooms on one server.
#[derive(Debug)]
pub(crate) struct World {
    users: Vec<User>,
    /// Those who join the large room under measurement.
    joiners: Vec<User>,
    syncer: User,
    /// Only in the large room.
    member: User,
    small: String,
    large: String,
    waiting: String,
    sending: Vec<String>,
    transactions: Cell<u32>,
}

impl World {
    /// Makes the accounts and rooms.
    pub(crate) async fn prepare(server: &Server, joins: u32) -> Result<Self> {
        let http = &server.http;
        let mut users = Vec::new();
        for n in 0..LARGE {
            users.push(server.register(&format!("user{n}")).await?);
        }
        let mut joiners = Vec::new();
        for n in 0..joins {
            joiners.push(server.register(&format!("joiner{n}")).await?);
        }
        let first = users.first().ok_or("nobody registered")?;
        let room_of = async |count: usize| -> Result<String> {
            let room = http.create_room(first).await?;
            for user in users.iter().take(count).skip(1) {
                http.join(user, &room).await?;
            }
            Ok(room)
        };
        let small = room_of(usize::try_from(AT_ONCE)?).await?;
        let (large, waiting) = (
            room_of(LARGE).await?,
            room_of(usize::try_from(WAITING)?).await?,
        );
        let mut sending = Vec::new();
        for user in users.iter().take(SENDING_ROOMS) {
            let room = http.create_room(user).await?;
            http.join(users.last().ok_or("nobody registered")?, &room)
                .await?;
            sending.push(room);
        }
        let member = users.get(LARGE - 2).ok_or("too few registered")?.clone();
        let world = Self {
            syncer: server.register("syncer").await?,
            member,
            joiners,
            small,
            large,
            waiting,
            sending,
            transactions: Cell::new(0),
            users,
        };
        world.fill_rooms(http).await?;
        Ok(world)
    }

    /// The rooms of the account that syncs.
    async fn fill_rooms(&self, http: &Http) -> Result<()> {
        for _ in 0..ROOMS {
            let room = http.create_room(&self.syncer).await?;
            for user in self.users.iter().take(ROOM_MEMBERS - 1) {
                http.join(user, &room).await?;
            }
            for _ in 0..ROOM_MESSAGES {
                self.send(http, &self.syncer, &room).await?;
            }
        }
        Ok(())
    }

    async fn send(&self, http: &Http, user: &User, room: &str) -> Result<String> {
        let transaction = self.transactions.get() + 1;
        self.transactions.set(transaction);
        http.send(user, room, &format!("t{transaction}")).await
    }

    /// Does an operation `count` times.
    pub(crate) async fn measure(
        &self,
        server: &Server,
        operation: Operation,
        count: u32,
    ) -> Result<Figure> {
        let (cpu, begun) = (server.rest().await?, Instant::now());
        let http = &server.http;
        match operation {
            Operation::Send => self.send_in(http, &self.small, count).await?,
            Operation::SendAtOnce => {
                self.send_at_once(http, count, |_| &self.small).await?;
            }
            Operation::SendInRooms => self.send_in_rooms(http, count).await?,
            Operation::SendInLarge => self.send_in(http, &self.large, count).await?,
            Operation::JoinLarge => {
                for user in self.joiners.iter().take(usize::try_from(count)?) {
                    http.join(user, &self.large).await?;
                }
            }
            Operation::CreateRoom => {
                for _ in 0..count {
                    http.create_room(self.user(0)?).await?;
                }
            }
            Operation::Deliver => return self.deliver(server, count).await,
            Operation::FirstSync => self.first_syncs(http, &self.syncer, count, ROOMS).await?,
            Operation::FirstSyncLarge => self.first_syncs(http, &self.member, count, 1).await?,
            Operation::Members => self.members(http, count).await?,
            Operation::EmptySync => self.empty_syncs(http, count).await?,
        }
        let wall = begun.elapsed().as_secs_f64();
        let used = server.rest().await? - cpu;
        Ok(Figure {
            cpu: used * 1000.0 / f64::from(count),
            wall,
        })
    }

    fn user(&self, index: usize) -> Result<&User> {
        Ok(self.users.get(index).ok_or("too few users")?)
    }

    async fn send_in(&self, http: &Http, room: &str, count: u32) -> Result<()> {
        for _ in 0..count {
            self.send(http, self.user(0)?, room).await?;
        }
        Ok(())
    }

    /// Sixteen members send, each one after the other.
    async fn send_at_once<'a>(
        &'a self,
        http: &Http,
        count: u32,
        room: impl Fn(u32) -> &'a str,
    ) -> Result<()> {
        let room = &room;
        let senders = (0..AT_ONCE).map(|sender| async move {
            let user = self.user(usize::try_from(sender)?)?;
            for n in 0..count / AT_ONCE {
                self.send(http, user, room(n)).await?;
            }
            Result::Ok(())
        });
        try_join_all(senders).await?;
        Ok(())
    }

    /// Sixteen requests at once, each in the next of the rooms, by the one who made it.
    pub(crate) async fn send_in_rooms(&self, http: &Http, count: u32) -> Result<()> {
        let next = &Cell::new(0_u32);
        let senders = (0..AT_ONCE).map(|_| async move {
            while next.get() < count {
                let index = usize::try_from(next.get())? % SENDING_ROOMS;
                next.set(next.get() + 1);
                let room = self.sending.get(index).ok_or("too few rooms")?;
                self.send(http, self.user(index)?, room).await?;
            }
            Result::Ok(())
        });
        try_join_all(senders).await?;
        Ok(())
    }

    async fn first_syncs(&self, http: &Http, user: &User, count: u32, rooms: usize) -> Result<()> {
        for _ in 0..count {
            let answer = http.sync(user, None, 0).await?;
            let joined = answer.pointer("/rooms/join").and_then(Value::as_object);
            let found = joined.map_or(0, serde_json::Map::len);
            if found != rooms {
                return Err(format!("{found} rooms of {rooms} in {}'s first sync", user.id).into());
            }
        }
        Ok(())
    }

    async fn members(&self, http: &Http, count: u32) -> Result<()> {
        let path = format!("/_matrix/client/v3/rooms/{}/members", self.large);
        for _ in 0..count {
            let answer = http.get(self.user(0)?, &path).await?;
            let chunk = answer.get("chunk").and_then(Value::as_array);
            if chunk.map_or(0, Vec::len) < LARGE {
                return Err("too few members".into());
            }
        }
        Ok(())
    }

    async fn empty_syncs(&self, http: &Http, count: u32) -> Result<()> {
        let first = http.sync(&self.syncer, None, 0).await?;
        let since = text(&first, "next_batch")?;
        for _ in 0..count {
            let answer = http.sync(&self.syncer, Some(&since), 0).await?;
            if answer
                .pointer("/rooms/join")
                .is_some_and(|join| *join != Value::Object(<_>::default()))
            {
                return Err("news where there were none".into());
            }
        }
        Ok(())
    }

    /// `count` messages, each to a hundred clients that wait. What it costs to begin to wait is
    /// left out.
    async fn deliver(&self, server: &Server, count: u32) -> Result<Figure> {
        let http = &server.http;
        let watchers = self
            .users
            .get(..usize::try_from(WAITING)?)
            .ok_or("too few users")?;
        let mut tokens = Vec::new();
        for user in watchers {
            tokens.push(text(&http.sync(user, None, 0).await?, "next_batch")?);
        }
        let (mut cpu, mut wall) = (0.0, Duration::ZERO);
        for _ in 0..count {
            let waiting = watchers.iter().zip(&mut tokens);
            let waiting =
                waiting.map(|(user, since)| await_message(http, user, since, &self.waiting));
            let sending = async {
                let before = server.rest().await?;
                let begun = Instant::now();
                self.send(http, self.user(0)?, &self.waiting).await?;
                Result::Ok((before, begun))
            };
            let ((before, begun), _) = tokio::try_join!(sending, try_join_all(waiting))?;
            wall += begun.elapsed();
            cpu += server.rest().await? - before;
        }
        let deliveries = f64::from(Operation::Deliver.operations(count));
        Ok(Figure {
            cpu: cpu * 1000.0 / deliveries,
            wall: wall.as_secs_f64(),
        })
    }
}

/// Waits in `/sync` until the room has news.
async fn await_message(http: &Http, user: &User, since: &mut String, room: &str) -> Result<()> {
    loop {
        let path = format!("/_matrix/client/v3/sync?timeout={WAIT_MS}&since={since}");
        let body = http.bytes(Method::GET, &path, &user.token, None).await?;
        let answer: Value = serde_json::from_slice(&body)?;
        *since = text(&answer, "next_batch")?;
        let rooms = answer.get("rooms").and_then(|rooms| rooms.get("join"));
        if rooms.is_some_and(|rooms| rooms.get(room).is_some()) {
            return Ok(());
        }
    }
}
