//! What the directory of published rooms costs the server, by rooms in it.

use std::time::Instant;

use bytes::Bytes;
use heliograph_complement::{Loaded, Sizes};
use hyper::Method;
use serde_json::{Value, json};

use crate::{Result, http::Connection, median, process, starts};

/// Rounds, of which the median is taken.
const ROUNDS: usize = 3;
/// Requests in a round.
const REQUESTS: u32 = 200;
const PATH: &str = "/_matrix/client/v3/publicRooms";

/// What requests to one directory take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Directory {
    /// Rooms in it.
    pub(crate) rooms: usize,
    /// Wall milliseconds of the first request after a start.
    pub(crate) first: f64,
    /// CPU milliseconds of the first page.
    pub(crate) page: f64,
    /// The same, of the page after it.
    pub(crate) later: f64,
    /// The same, of a search for what one room has in its name.
    pub(crate) rare: f64,
    /// The same, of a search for what every room has in its name.
    pub(crate) common: f64,
}

/// Measures directories of 1,000 to 100,000 rooms.
pub(crate) async fn measure() -> Result<Vec<Directory>> {
    let mut directories = Vec::new();
    for rooms in [1000, 10_000, 100_000] {
        directories.push(directory(rooms).await?);
    }
    Ok(directories)
}

async fn directory(rooms: usize) -> Result<Directory> {
    let sizes = Sizes {
        published: rooms,
        ..Sizes::SMALL
    };
    let loaded = Loaded::start(sizes, starts::options()).await;
    let mut asker = Asker {
        connection: Connection::open(&loaded.server.base()).await?,
        token: loaded.user("owner").token,
        pid: u32::try_from(loaded.server.process())?,
    };
    let page = json!({ "limit": 20 });
    let begun = Instant::now();
    let answer: Value = serde_json::from_slice(&asker.ask(&page).await?)?;
    let first = begun.elapsed().as_secs_f64() * 1000.0;
    let next = answer.get("next_batch").ok_or("one page holds all")?;
    let search = |term: &str| json!({ "limit": 20, "filter": { "generic_search_term": term } });
    Ok(Directory {
        rooms,
        first,
        page: asker.cpu(&page).await?,
        later: asker.cpu(&json!({ "limit": 20, "since": next })).await?,
        rare: asker
            .cpu(&search(&format!("room {:05}", rooms / 2)))
            .await?,
        common: asker.cpu(&search("room")).await?,
    })
}

/// Somebody who looks for rooms.
struct Asker {
    connection: Connection,
    token: String,
    pid: u32,
}

impl Asker {
    async fn ask(&mut self, body: &Value) -> Result<Bytes> {
        let body = Bytes::from(body.to_string());
        self.connection
            .request(Method::POST, PATH, &self.token, body)
            .await
    }

    /// CPU milliseconds of one request.
    async fn cpu(&mut self, body: &Value) -> Result<f64> {
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let before = process::rest(self.pid).await?;
            for _ in 0..REQUESTS {
                self.ask(body).await?;
            }
            let used = process::rest(self.pid).await? - before;
            rounds.push(used * 1000.0 / f64::from(REQUESTS));
        }
        Ok(median(rounds))
    }
}
