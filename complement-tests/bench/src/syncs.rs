//! What an incremental sync costs the server, by rooms in the account.

use bytes::Bytes;
use heliograph_complement::{Loaded, Sizes};
use hyper::Method;
use serde_json::Value;

use crate::{Result, http::Connection, median, process, starts};

/// Rounds, of which the median is taken.
const ROUNDS: usize = 3;
/// Syncs in a round.
const SYNCS: u32 = 2000;
/// The same, of those that look at each room of the account.
const LOOKS: u32 = 15;
/// A filter that lets no room through, for a token at little cost.
const NO_ROOMS: &str = "filter=%7B%22room%22%3A%7B%22rooms%22%3A%5B%5D%7D%7D";

/// CPU milliseconds of one sync of an account.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Account {
    /// Rooms that the account is in, beside two.
    pub(crate) rooms: usize,
    /// With nothing new.
    pub(crate) nothing: f64,
    /// With one message.
    pub(crate) one: f64,
    /// With one message, from a token that is older than the server's start.
    pub(crate) restarted: f64,
}

/// Measures accounts in 10 to 10,000 rooms.
pub(crate) async fn measure() -> Result<Vec<Account>> {
    let few = |rooms| Sizes {
        rooms,
        ..Sizes::SMALL
    };
    let mut accounts = Vec::new();
    for sizes in [Sizes::SMALL, few(100), few(1000), Sizes::BIG] {
        accounts.push(account(sizes).await?);
    }
    Ok(accounts)
}

async fn account(sizes: Sizes) -> Result<Account> {
    let mut loaded = Loaded::start(sizes, starts::options()).await;
    let owner = loaded.user("owner");
    let mut asker = Asker::new(&loaded, &owner.token).await?;
    let before = asker.sync(NO_ROOMS).await?.next_batch;
    owner.say(&loaded.room("long"), "one message").await;
    let told = asker.sync(&format!("since={before}")).await?;
    let nothing = asker.cpu(&told.next_batch, SYNCS, 0).await?;
    let one = asker.cpu(&before, SYNCS, 1).await?;
    loaded.server.restart().await;
    let mut asker = Asker::new(&loaded, &owner.token).await?;
    Ok(Account {
        rooms: sizes.rooms,
        nothing,
        one,
        restarted: asker.cpu(&before, LOOKS, 1).await?,
    })
}

/// Somebody who syncs.
struct Asker {
    connection: Connection,
    token: String,
    pid: u32,
}

/// What an answer told.
struct Told {
    next_batch: String,
    /// Joined rooms with news.
    rooms: usize,
}

impl Asker {
    async fn new(loaded: &Loaded, token: &str) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(&loaded.server.base()).await?,
            token: token.to_owned(),
            pid: u32::try_from(loaded.server.process())?,
        })
    }

    /// CPU milliseconds of a sync from `since`, of `count` in a round; each must tell of so many
    /// rooms.
    async fn cpu(&mut self, since: &str, count: u32, rooms: usize) -> Result<f64> {
        let query = format!("since={since}");
        // The first reads what the others find in memory.
        let told = self.sync(&query).await?;
        if told.rooms != rooms {
            return Err(format!("news of {} rooms, not of {rooms}", told.rooms).into());
        }
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let before = process::rest(self.pid).await?;
            for _ in 0..count {
                self.answer(&query).await?;
            }
            let used = process::rest(self.pid).await? - before;
            rounds.push(used * 1000.0 / f64::from(count));
        }
        Ok(median(rounds))
    }

    async fn answer(&mut self, query: &str) -> Result<Bytes> {
        let path = format!("/_matrix/client/v3/sync?timeout=0&{query}");
        let (token, nothing) = (&self.token, Bytes::new());
        self.connection
            .request(Method::GET, &path, token, nothing)
            .await
    }

    async fn sync(&mut self, query: &str) -> Result<Told> {
        let answer: Value = serde_json::from_slice(&self.answer(query).await?)?;
        let next = answer.get("next_batch").and_then(Value::as_str);
        let rooms = answer.pointer("/rooms/join").and_then(Value::as_object);
        Ok(Told {
            next_batch: next.ok_or("no next_batch")?.to_owned(),
            rooms: rooms.map_or(0, serde_json::Map::len),
        })
    }
}
