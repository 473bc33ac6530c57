//! Kills servers and cuts their power for as long as one likes.
//!
//! `SOAK_SEEDS=1..300` is the range of seeds of the kills, `SOAK_CUTS=1..200` that of the power
//! cuts; `SOAK_STATE` names a file that remembers how far it came, so that it goes on from there.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for developers"
)]

use std::{env, fs, ops::Range, path::PathBuf};

use heliograph_complement::{Options, TestServer, load::Load, power::PowerCut};
use rand::{SeedableRng as _, rngs::StdRng};

/// Crashes of one server, before a new one begins with an empty folder.
const PER_SERVER: u64 = 20;

#[tokio::main]
async fn main() {
    let done = Done::read();
    let kills = range("SOAK_SEEDS", "1..301");
    soak(&done, "kill", kills, false).await;
    soak(&done, "cut", range("SOAK_CUTS", "1..201"), true).await;
}

/// A range of seeds, `a..b` without `b`.
fn range(name: &str, default: &str) -> Range<u64> {
    let text = env::var(name).unwrap_or_else(|_| default.to_owned());
    let (first, end) = text.split_once("..").expect("a range such as 1..301");
    let number = |text: &str| text.trim().parse().expect("a number");
    number(first)..number(end)
}

/// The last seed of each kind that went well.
struct Done(Option<PathBuf>);

impl Done {
    fn read() -> Self {
        Self(env::var_os("SOAK_STATE").map(PathBuf::from))
    }

    fn file(&self, kind: &str) -> Option<PathBuf> {
        self.0.as_ref().map(|path| path.with_extension(kind))
    }

    fn last(&self, kind: &str) -> Option<u64> {
        let text = fs::read_to_string(self.file(kind)?).ok()?;
        text.trim().parse().ok()
    }

    fn note(&self, kind: &str, seed: u64) {
        if let Some(file) = self.file(kind) {
            fs::write(file, format!("{seed}\n")).expect("the state file can be written");
        }
    }
}

async fn soak(done: &Done, kind: &str, seeds: Range<u64>, cut: bool) {
    let last = done.last(kind);
    let seeds: Vec<u64> = seeds
        .filter(|seed| last.is_none_or(|last| *seed > last))
        .collect();
    for seeds in seeds.chunks(usize::try_from(PER_SERVER).unwrap_or(1)) {
        let options = Options::new()
            .set("storage", "write_buffers", "\"1 MiB\"")
            .set("storage", "max_wal", "\"2 MiB\"");
        let mut server = TestServer::start(options).await;
        let mut load = Load::prepare(&server).await;
        for &seed in seeds {
            let mut random = StdRng::seed_from_u64(seed);
            let unanswered = if cut {
                server.stop().await;
                let power = PowerCut::start(&mut server).await;
                let unanswered = load.crash(&mut server, &mut random).await;
                let loss = power.cut(&server).await;
                println!(
                    "{kind} {seed}: {} bytes, {} names lost",
                    loss.bytes, loss.names
                );
                unanswered
            } else {
                load.crash(&mut server, &mut random).await
            };
            server.start_again().await;
            load.check().await;
            server.assert_no_panic();
            done.note(kind, seed);
            println!("{kind} {seed}: {unanswered} writes unanswered, all is there");
        }
    }
}
