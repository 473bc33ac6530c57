//! Measures this server beside Synapse, under the same load in one run, and writes the report.
//!
//! usage: `heliograph-bench-peers SERVER_BINARY SYNAPSE_ENVIRONMENT SYNAPSE_VERSION REPORT`; with
//! `QUICK=1`, fewer of each operation and no ten idle minutes.
//!
//! It talks HTTP only, to servers that it started on the loopback interface. Of this server's
//! crates it knows the store alone, to compact it while the server is stopped.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers"
)]

use std::{
    env, fs,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use heliograph_complement::measure::load_average;
use load::World;
use operation::Operation;
use report::{Pair, Report, Row};
use server::{Kind, Server};
use tokio::signal::unix::{SignalKind, signal};

mod http;
mod load;
mod operation;
mod process;
mod report;
mod server;

/// Whatever ends the run is shown as it is: nobody tells one failure from another.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// How many minutes both do nothing before their memory is taken.
const IDLE_MINUTES: u32 = 10;

/// A server and what is on it.
struct Side {
    server: Server,
    world: World,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // Whoever ends the run ends the servers with it, the frozen one too.
    let ended = tokio::select! {
        ended = run() => ended,
        signal = stopped() => signal,
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heliograph-bench-peers: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Waits for SIGTERM, SIGHUP or SIGINT.
async fn stopped() -> Result<()> {
    let mut term = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    tokio::select! {
        _ = term.recv() => {}
        _ = hangup.recv() => {}
        interrupted = tokio::signal::ctrl_c() => interrupted?,
    }
    Err("stopped by a signal".into())
}

async fn run() -> Result<()> {
    let mut words = env::args_os().skip(1).map(PathBuf::from);
    let mut word = |name: &str| words.next().ok_or_else(|| format!("{name} is missing"));
    // Whole paths, as servers are started in folders of their own.
    let binary = word("SERVER_BINARY")?.canonicalize()?;
    let environment = word("SYNAPSE_ENVIRONMENT")?.canonicalize()?;
    let (version, target) = (word("SYNAPSE_VERSION")?, word("REPORT")?);
    let quick = env::var_os("QUICK").is_some_and(|value| value == "1");
    let begun = Instant::now();

    let ours = start(Kind::Ours, &binary).await?;
    let synapse = start(Kind::Synapse, &environment).await?;
    let idle = Pair {
        ours: ours.1,
        synapse: synapse.1,
    };
    let mut pair = Pair {
        ours: prepare(ours.0, quick).await?,
        synapse: prepare(synapse.0, quick).await?,
    };
    let mut rows = Vec::new();
    for operation in Operation::ALL {
        rows.push(measure(&mut pair, operation, operation.count(quick)).await?);
    }
    let after = if quick {
        None
    } else {
        Some(memory_after_idling(&mut pair).await?)
    };
    let messages = if quick { 960 } else { 4800 };
    let disk = Pair {
        ours: disk(&mut pair.ours, messages).await?,
        synapse: disk(&mut pair.synapse, messages).await?,
    };
    let report = Report {
        quick,
        version: version.to_string_lossy().into_owned(),
        rows,
        idle,
        after,
        disk,
        minutes: begun.elapsed().as_secs_f64() / 60.0,
    };
    let text = report.text()?;
    fs::write(&target, &text)?;
    println!("{text}\nwritten to {}", target.display());
    Ok(())
}

/// Starts a server, gives it with its memory, frozen.
async fn start(kind: Kind, program: &std::path::Path) -> Result<(Server, f64)> {
    let server = Server::start(kind, program).await?;
    server.rest().await?;
    let memory = server.memory()?;
    println!("{kind:?} has started and takes {memory:.1} MiB");
    server.freeze()?;
    Ok((server, memory))
}

async fn prepare(mut server: Server, quick: bool) -> Result<Side> {
    server.thaw()?;
    let begun = Instant::now();
    let world = World::prepare(&server, Operation::JoinLarge.count(quick)).await?;
    println!("prepared in {:.0} s", begun.elapsed().as_secs_f64());
    server.freeze()?;
    Ok(Side { server, world })
}

async fn measure(pair: &mut Pair<Side>, operation: Operation, count: u32) -> Result<Row> {
    let (ours, our_load) = one(&mut pair.ours, operation, count).await?;
    let (synapse, its_load) = one(&mut pair.synapse, operation, count).await?;
    println!(
        "{}: {:.3} and {:.2} CPU s for 1,000",
        operation.name(),
        ours.cpu,
        synapse.cpu
    );
    Ok(Row {
        operation,
        count,
        figures: Pair { ours, synapse },
        load: Pair {
            ours: our_load,
            synapse: its_load,
        },
    })
}

async fn one(side: &mut Side, operation: Operation, count: u32) -> Result<(load::Figure, f64)> {
    side.server.thaw()?;
    let figure = side.world.measure(&side.server, operation, count).await?;
    let load = load_average()?;
    side.server.freeze()?;
    Ok((figure, load))
}

async fn memory_after_idling(pair: &mut Pair<Side>) -> Result<Pair<f64>> {
    pair.ours.server.thaw()?;
    pair.synapse.server.thaw()?;
    let mut minutes = tokio::time::interval(Duration::from_mins(1));
    minutes.tick().await;
    for minute in 1..=IDLE_MINUTES {
        minutes.tick().await;
        println!("both idle, {minute} of {IDLE_MINUTES} minutes");
    }
    let memory = Pair {
        ours: pair.ours.server.memory()?,
        synapse: pair.synapse.server.memory()?,
    };
    pair.ours.server.freeze()?;
    pair.synapse.server.freeze()?;
    Ok(memory)
}

/// KiB by which the store grows with each message.
async fn disk(side: &mut Side, messages: u32) -> Result<f64> {
    side.server.thaw()?;
    let before = side.server.compacted_kib().await?;
    side.world
        .send_in_rooms(&side.server.http, messages)
        .await?;
    let after = side.server.compacted_kib().await?;
    side.server.freeze()?;
    Ok((after - before) / f64::from(messages))
}
