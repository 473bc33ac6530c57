//! How long a start takes until the server says that it is healthy.

use std::time::Instant;

use bytes::Bytes;
use heliograph_complement::{Loaded, Options, Sizes, TestServer};
use hyper::Method;

use crate::{Result, http::Connection, median};

/// Starts of which the median is taken.
pub(crate) const STARTS: usize = 20;
/// Aims, in milliseconds.
const EMPTY_AIM: f64 = 100.0;
const FULL_AIM: f64 = 300.0;

/// The starts on one kind of folder.
#[derive(Clone, Debug)]
pub(crate) struct Starts {
    /// What was in the folder.
    pub(crate) folder: &'static str,
    /// The aim, in milliseconds.
    pub(crate) aim: f64,
    /// Milliseconds of each start, the shortest first.
    pub(crate) times: Vec<f64>,
}

impl Starts {
    /// The median, in milliseconds.
    pub(crate) fn median(&self) -> f64 {
        median(self.times.clone())
    }
}

/// How servers under measurement are configured. Hashing passwords is cheap: it is not what is
/// measured.
pub(crate) fn options() -> Options {
    Options::new()
        .unset("metrics", "address")
        .set("storage", "durability", "\"fsync\"")
        .set("limits", "password_memory", "\"8 KiB\"")
        .set("logging", "filter", "\"warn\"")
}

/// Starts on empty folders, each made anew.
pub(crate) async fn on_empty_folders() -> Result<Starts> {
    let mut times = Vec::new();
    for _ in 0..STARTS {
        let folder = tempfile::tempdir()?;
        let begun = Instant::now();
        let server = TestServer::start(options().in_folder(folder.path())).await;
        times.push(healthy(&server, begun).await?);
    }
    Ok(starts("an empty folder", EMPTY_AIM, times))
}

/// Starts on a folder with much in it, one after the other; each is stopped in order.
pub(crate) async fn on_a_full_folder() -> Result<Starts> {
    let (mut loaded, mut times) = (Loaded::start(Sizes::BIG, options()).await, Vec::new());
    for _ in 0..STARTS {
        loaded.server.stop().await;
        let begun = Instant::now();
        loaded.server.start_again().await;
        times.push(healthy(&loaded.server, begun).await?);
    }
    Ok(starts("1,000,000 events", FULL_AIM, times))
}

fn starts(folder: &'static str, aim: f64, mut times: Vec<f64>) -> Starts {
    times.sort_by(f64::total_cmp);
    Starts { folder, aim, times }
}

/// Milliseconds until the server has answered 200 to `/health`.
async fn healthy(server: &TestServer, begun: Instant) -> Result<f64> {
    let mut connection = Connection::open(&server.base()).await?;
    connection
        .request(Method::GET, "/health", "", Bytes::new())
        .await?;
    Ok(begun.elapsed().as_secs_f64() * 1000.0)
}
