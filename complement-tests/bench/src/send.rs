//! What a send costs, beside the floor.

use std::{
    cell::Cell,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::Instant,
};

use bytes::Bytes;
use futures_util::future::try_join_all;
use heliograph_complement::{TestServer, path};
use hyper::Method;
use tempfile::TempDir;

use crate::{Result, http::Connection, median, process, starts};

/// Requests at once, where several are.
const AT_ONCE: u32 = 16;
/// Rounds, each of ours and the floor's.
const ROUNDS: usize = 7;
/// Sends in a round.
const ONE_BY_ONE: u32 = 1600;
const MANY: u32 = 4800;
/// What one server used for one load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figure {
    /// CPU seconds for 1,000 sends.
    pub(crate) cpu: f64,
    /// How often a thread waited, for each send.
    pub(crate) waits: f64,
    /// Sends a second.
    pub(crate) rate: f64,
}

/// What ours and the floor used for one load, each the median of the rounds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Compared {
    /// Requests at once.
    pub(crate) at_once: u32,
    /// The largest ratio that meets the aim.
    pub(crate) aim: f64,
    /// Ours.
    pub(crate) ours: Figure,
    /// The floor's.
    pub(crate) floor: Figure,
}

/// How it is done, for the report.
pub(crate) fn method() -> String {
    format!(
        "Heliograph (`durability = \"fsync\"`, rate limits off, only warnings logged) and the floor \
         each on a temporary folder of one disk, the same load from one generator: a connection \
         for each request at once, messages of about 100 characters into one room, at {AT_ONCE} by as \
         many members. {ROUNDS} rounds of {ONE_BY_ONE} and {MANY} sends, in turn, after one that does \
         not count; medians. CPU: user and system time of the server's process, from \
         `/proc/PID/stat`, until it rests after the last answer. Waits: how often a thread of the \
         server gave up its core to wait for another or for the disk, for each send."
    )
}

/// A server under load.
struct Side {
    pid: u32,
    room: String,
    base: String,
    tokens: Vec<String>,
    transactions: Cell<u32>,
}

/// The floor's process; it ends with this value.
struct Floor {
    child: Child,
    base: String,
}

impl Floor {
    /// Starts it on a file in a folder.
    fn start(program: &Path, folder: &TempDir) -> Result<Self> {
        let mut child = Command::new(program)
            .arg(folder.path().join("events"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take();
        let mut floor = Self {
            child,
            base: String::new(),
        };
        let output = output.ok_or("the floor has no output")?;
        BufReader::new(output).read_line(&mut floor.base)?;
        floor.base.truncate(floor.base.trim_end().len());
        Ok(floor)
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().ok();
        }
    }
}

/// Measures one after the other and many at once; `floor` is the floor's program.
pub(crate) async fn measure(floor: &Path) -> Result<Vec<Compared>> {
    let folders = [tempfile::tempdir()?, tempfile::tempdir()?];
    let [own, its] = &folders;
    let server = TestServer::start(starts::options().in_folder(own.path())).await;
    let floor = Floor::start(floor, its)?;
    let ours = Side::ours(&server).await?;
    let floor = Side {
        pid: floor.child.id(),
        room: "!hXAy5OqfMWwJvpp2dcP3bfDNDdDwWzIdTnWrwQwRVgI".to_owned(),
        base: floor.base.clone(),
        tokens: vec!["floor".to_owned(); usize::try_from(AT_ONCE)?],
        transactions: Cell::new(0),
    };
    let mut compared = Vec::new();
    for (at_once, count, aim) in [(1, ONE_BY_ONE, 2.0), (AT_ONCE, MANY, 3.0)] {
        let (mut of_ours, mut of_floor) = (Vec::new(), Vec::new());
        ours.round(at_once, count).await?;
        floor.round(at_once, count).await?;
        for _ in 0..ROUNDS {
            of_ours.push(ours.round(at_once, count).await?);
            of_floor.push(floor.round(at_once, count).await?);
        }
        compared.push(Compared {
            at_once,
            aim,
            ours: Figure::median(&of_ours),
            floor: Figure::median(&of_floor),
        });
    }
    Ok(compared)
}

impl Figure {
    fn median(figures: &[Self]) -> Self {
        Self {
            cpu: median(figures.iter().map(|figure| figure.cpu).collect()),
            waits: median(figures.iter().map(|figure| figure.waits).collect()),
            rate: median(figures.iter().map(|figure| figure.rate).collect()),
        }
    }
}

impl Side {
    /// Members of one room of our server.
    async fn ours(server: &TestServer) -> Result<Self> {
        let creator = server.user("sender0").await;
        let room = creator.create_public_room().await;
        let mut tokens = vec![creator.token];
        for n in 1..AT_ONCE {
            let user = server.user(&format!("sender{n}")).await;
            user.join(&room).await;
            tokens.push(user.token);
        }
        Ok(Self {
            pid: u32::try_from(server.process())?,
            room,
            base: server.base(),
            tokens,
            transactions: Cell::new(0),
        })
    }

    /// `at_once` members send `count` messages between them, each one after the other, on
    /// connections of this round: a server closes those that were quiet for long.
    async fn round(&self, at_once: u32, count: u32) -> Result<Figure> {
        let connections = (0..at_once).map(|_| Connection::open(&self.base));
        let connections = try_join_all(connections).await?;
        let before = process::rest(self.pid).await?;
        let waits = process::waits(self.pid)?;
        let begun = Instant::now();
        let senders = connections.into_iter().zip(&self.tokens);
        try_join_all(
            senders.map(|(connection, token)| self.send(connection, token, count / at_once)),
        )
        .await?;
        let seconds = begun.elapsed().as_secs_f64();
        // A thread that ended meanwhile is missed; with it, what it waited for before.
        let waits = process::waits(self.pid)?.saturating_sub(waits);
        let used = process::rest(self.pid).await? - before;
        Ok(Figure {
            cpu: used * 1000.0 / f64::from(count),
            waits: f64::from(waits) / f64::from(count),
            rate: f64::from(count) / seconds,
        })
    }

    async fn send(&self, mut connection: Connection, token: &str, count: u32) -> Result<()> {
        for _ in 0..count {
            let n = self.transactions.get() + 1;
            self.transactions.set(n);
            let transaction = format!("t{n}");
            let path = path(&["rooms", &self.room, "send", "m.room.message", &transaction]);
            let body = message(n);
            connection.request(Method::PUT, &path, token, body).await?;
        }
        Ok(())
    }
}

/// The body of a message of about a hundred characters.
fn message(n: u32) -> Bytes {
    let text = format!(
        r#"{{"msgtype":"m.text","body":"message {n}: the quick brown fox jumps over the lazy dog, and then it goes home to sleep until noon"}}"#
    );
    text.into()
}
