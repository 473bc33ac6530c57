//! Kills servers and cuts their power for as long as one likes.
//!
//! `SOAK_MODELS=1..41` is the range of seeds of the model, of 500 steps each, `SOAK_SEEDS=1..301`
//! that of the kills, `SOAK_CUTS=1..201` that of the power cuts, each without its end. `SOAK_STATE` names a folder that remembers what went well, so that a
//! run that was stopped (by SIGTERM or SIGINT, or killed) goes on from there. The folder goes when
//! all is done, and when something failed: then another program is to be tried from the beginning.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a program for developers"
)]

use std::{
    collections::BTreeSet,
    env,
    fs::{self, OpenOptions},
    io::Write as _,
    ops::Range,
    path::PathBuf,
    process::ExitCode,
    thread,
    time::Instant,
};

use heliograph_complement::{
    TestServer, binary,
    load::{CUT_AFTER, KILL_AFTER, Load, MIN_UNANSWERED, small_buffers},
    model,
    power::{Churn, PowerCut},
};
use rand::{SeedableRng as _, rngs::StdRng};
use tokio::signal::unix::{SignalKind, signal};

/// Crashes of one server, before a new one begins with an empty folder.
const PER_SERVER: usize = 20;
/// Cuts in a row of which some must have come among rotations, flushes and compactions.
const CUTS_IN_A_ROW: usize = 50;
/// Steps of a seed of the model; 40 seeds are 20,000 of them.
const MODEL_STEPS: usize = 500;
/// Steps between kills.
const MODEL_KILL_AFTER: usize = 50;
/// What a shell gives for a program that SIGTERM ended.
const STOPPED: u8 = 143;

#[tokio::main]
async fn main() -> ExitCode {
    let mut terminate = signal(SignalKind::terminate()).expect("signals can be waited for");
    let mut interrupt = signal(SignalKind::interrupt()).expect("signals can be waited for");
    println!("the server is {}", binary().display());
    let state = State(env::var_os("SOAK_STATE").map(PathBuf::from));
    // What is dropped here ends its server and removes its folder.
    tokio::select! {
        () = soak(&state) => {
            state.remove();
            println!("everything went well");
            ExitCode::SUCCESS
        }
        _ = terminate.recv() => state.stopped(),
        _ = interrupt.recv() => state.stopped(),
    }
}

async fn soak(state: &State) {
    models(state, range("SOAK_MODELS", "1..41")).await;
    let kills = range("SOAK_SEEDS", "1..301");
    Series::new(state, "kill", kills).run().await;
    let cuts = range("SOAK_CUTS", "1..201");
    Series::new(state, "cut", cuts).run().await;
}

/// Random operations, after each of which devices are compared with first syncs.
async fn models(state: &State, seeds: Range<u64>) {
    let known = state.done("model");
    for seed in seeds.filter(|seed| !known.contains(seed)) {
        let mut server = TestServer::usual().await;
        let accepted = model::run(&mut server, seed, MODEL_STEPS, MODEL_KILL_AFTER).await;
        state.note("model", seed);
        println!("model seed {seed}: {MODEL_STEPS} steps, {accepted} operations accepted");
    }
}

/// A range of seeds, `a..b` without `b`.
fn range(name: &str, default: &str) -> Range<u64> {
    let text = env::var(name).unwrap_or_else(|_| default.to_owned());
    let (first, end) = text.split_once("..").expect("a range such as 1..301");
    let number = |text: &str| text.trim().parse().expect("a number");
    number(first)..number(end)
}

/// The folder with the seeds of each kind that went well, one a line.
struct State(Option<PathBuf>);

impl State {
    fn done(&self, kind: &str) -> BTreeSet<u64> {
        let file = self.0.as_ref().map(|folder| folder.join(kind));
        let text = file.and_then(|file| fs::read_to_string(file).ok());
        let text = text.unwrap_or_default();
        // A line without its end was being written when the run was killed.
        let lines = text.split_inclusive('\n');
        let whole = lines.filter_map(|line| line.strip_suffix('\n'));
        whole.filter_map(|line| line.parse().ok()).collect()
    }

    fn note(&self, kind: &str, seed: u64) {
        let Some(folder) = &self.0 else { return };
        fs::create_dir_all(folder).expect("the folder for the state can be made");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(folder.join(kind));
        let mut file = file.expect("the state can be opened");
        let line = format!("{seed}\n");
        file.write_all(line.as_bytes())
            .expect("the state can be written");
    }

    fn stopped(&self) -> ExitCode {
        match &self.0 {
            Some(folder) => println!("stopped; SOAK_STATE={} goes on", folder.display()),
            None => println!("stopped"),
        }
        ExitCode::from(STOPPED)
    }

    fn remove(&self) {
        if let Some(folder) = self.0.as_ref().filter(|folder| folder.exists()) {
            fs::remove_dir_all(folder).expect("the state can be removed");
        }
    }
}

impl Drop for State {
    fn drop(&mut self) {
        if thread::panicking() {
            self.remove();
        }
    }
}

/// All crashes of one kind.
struct Series<'a> {
    state: &'a State,
    kind: &'static str,
    /// The seeds that are left.
    seeds: Vec<u64>,
    /// The seed that is tried.
    seed: u64,
    /// How many seeds there are.
    all: usize,
    done: usize,
    begun: Instant,
    /// Cuts since the sums below were asserted.
    cuts: usize,
    churn: Churn,
}

impl<'a> Series<'a> {
    fn new(state: &'a State, kind: &'static str, seeds: Range<u64>) -> Self {
        let known = state.done(kind);
        let all = seeds.clone().count();
        let seeds: Vec<u64> = seeds.filter(|seed| !known.contains(seed)).collect();
        let done = all - seeds.len();
        match seeds.first() {
            Some(first) if done > 0 => {
                println!("{kind}: {done} of {all} went well before, going on with seed {first}");
            }
            Some(first) => println!("{kind}: {all} seeds, beginning with {first}"),
            None => println!("{kind}: all {all} seeds went well before"),
        }
        Self {
            state,
            kind,
            seeds,
            seed: 0,
            all,
            done,
            begun: Instant::now(),
            cuts: 0,
            churn: Churn::default(),
        }
    }

    async fn run(&mut self) {
        let seeds = std::mem::take(&mut self.seeds);
        for seeds in seeds.chunks(PER_SERVER) {
            let mut server = TestServer::start(small_buffers()).await;
            let mut load = Load::prepare(&server).await;
            for &seed in seeds {
                self.seed = seed;
                let what = if self.kind == "cut" {
                    self.cut(&mut server, &mut load, seed).await
                } else {
                    kill(&mut server, &mut load, seed).await
                };
                server.start_again().await;
                load.check().await;
                server.assert_no_panic();
                self.state.note(self.kind, seed);
                self.done += 1;
                let (kind, done, all) = (self.kind, self.done, self.all);
                let seconds = self.begun.elapsed().as_secs();
                println!("{kind} seed {seed}, {done} of {all}, {seconds} s: all is there; {what}");
            }
        }
    }

    async fn cut(&mut self, server: &mut TestServer, load: &mut Load, seed: u64) -> String {
        server.stop().await;
        let power = PowerCut::start(server).await;
        let mut random = StdRng::seed_from_u64(seed);
        let unanswered = load.crash(server, &mut random, CUT_AFTER).await;
        let loss = power.cut(server).await;
        assert!(
            unanswered >= MIN_UNANSWERED,
            "too few writes are on their way"
        );
        self.churn += loss.churn;
        self.cuts += 1;
        if self.cuts == CUTS_IN_A_ROW {
            println!("the last {CUTS_IN_A_ROW} cuts: {}", self.churn);
            self.churn.assert_crossed();
            let is_cut = self.churn.flushes.cut > 0 && self.churn.compactions.cut > 0;
            assert!(is_cut, "no cut came in a flush or in a compaction");
            (self.cuts, self.churn) = (0, Churn::default());
        }
        let (bytes, names) = (loss.bytes, loss.names);
        format!(
            "{unanswered} writes unanswered, {bytes} bytes and {names} names lost, {}",
            loss.churn
        )
    }
}

impl Drop for Series<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            println!("{} seed {} FAILED", self.kind, self.seed);
        }
    }
}

async fn kill(server: &mut TestServer, load: &mut Load, seed: u64) -> String {
    let mut random = StdRng::seed_from_u64(seed);
    let unanswered = load.crash(server, &mut random, KILL_AFTER).await;
    assert!(
        unanswered >= MIN_UNANSWERED,
        "too few writes are on their way"
    );
    format!("{unanswered} writes unanswered")
}
