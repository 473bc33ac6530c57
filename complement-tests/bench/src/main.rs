//! Measures sends beside the floor, starts and syncs, and writes the report of all benchmarks.
//!
//! usage: `heliograph-bench FLOOR CURVES REPORT`: the floor's program, the folder with what the
//! benchmarks of the crates printed (`commit`, `state`, `sync`, `push`), and the file to write.
//!
//! It knows the server from outside only: its process and its HTTP.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a program for developers"
)]

use std::{env, fs, path::PathBuf, process::ExitCode};

use heliograph_complement::measure::load_average;
use report::Report;

mod curves;
mod directory;
mod http;
mod process;
mod report;
mod send;
mod starts;
mod storm;
mod syncs;

/// Whatever ends the run is shown as it is: nobody tells one failure from another.
type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heliograph-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<()> {
    let mut words = env::args_os().skip(1).map(PathBuf::from);
    let mut word = |name: &str| words.next().ok_or_else(|| format!("{name} is missing"));
    let (floor, curves, target) = (word("FLOOR")?, word("CURVES")?, word("REPORT")?);
    let printed = |name: &str| fs::read_to_string(curves.join(name));
    let (commits, state) = (printed("commit")?, printed("state")?);
    let (commits, state) = (curves::of_commits(&commits)?, curves::of_divan(&state)?);
    let sync = curves::of_divan(&printed("sync")?)?;
    let push = curves::of_divan(&printed("push")?)?;

    let begun = load_average()?;
    let starts = vec![
        starts::on_empty_folders().await?,
        starts::on_a_full_folder().await?,
    ];
    for starts in &starts {
        println!("start on {}: {:.1} ms", starts.folder, starts.median());
    }
    let sends = send::measure(&floor).await?;
    println!("sends are measured");
    let accounts = syncs::measure().await?;
    let directories = directory::measure().await?;
    let weathers = storm::measure().await?;
    println!("messages in a storm of presence are measured");
    let report = Report {
        machine: process::machine()?,
        load: [begun, load_average()?],
        sends,
        starts,
        accounts,
        directories,
        weathers,
        commits,
        state,
        sync,
        push,
    };
    let text = report.text()?;
    fs::write(&target, &text)?;
    println!("{text}\nwritten to {}", target.display());
    Ok(())
}

/// The median; of an even number, the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len().saturating_sub(1) / 2;
    let count = if values.len().is_multiple_of(2) { 2 } else { 1 };
    let around = values.iter().skip(middle).take(count);
    around.sum::<f64>() / f64::from(u8::try_from(count).unwrap_or(1))
}
