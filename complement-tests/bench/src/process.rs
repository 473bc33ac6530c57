//! What the system tells about a process and about the machine.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

use heliograph_complement::measure::cpu_seconds;
use tokio::time::interval;

use crate::Result;

/// How often it is looked whether a process rests.
const LOOK: Duration = Duration::from_millis(50);
/// A process that used no more CPU seconds than this between looks rests.
const RESTING: f64 = 0.001;
/// Longest wait for it.
const LONGEST_REST: Duration = Duration::from_secs(5);

/// Waits until a process has nothing more to do, and gives its CPU seconds.
pub(crate) async fn rest(pid: u32) -> Result<f64> {
    let (begun, mut looks) = (Instant::now(), interval(LOOK));
    let (mut before, mut quiet) = (cpu_seconds(pid)?, 0);
    while quiet < 4 && begun.elapsed() < LONGEST_REST {
        looks.tick().await;
        let now = cpu_seconds(pid)?;
        quiet = if now - before < RESTING { quiet + 1 } else { 0 };
        before = now;
    }
    Ok(before)
}

/// How often the threads of a process have given up their core to wait, those left out that ended.
pub(crate) fn waits(pid: u32) -> Result<u32> {
    let mut waits = 0;
    for thread in fs::read_dir(format!("/proc/{pid}/task"))? {
        // It may have ended since.
        let Ok(status) = fs::read_to_string(thread?.path().join("status")) else {
            continue;
        };
        let mut lines = status.lines();
        let line = lines.find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
        waits += line.unwrap_or("0").trim().parse::<u32>()?;
    }
    Ok(waits)
}

/// The machine and the compiler, in words.
pub(crate) fn machine() -> Result<String> {
    let cores = thread::available_parallelism()?;
    let text = fs::read_to_string("/proc/cpuinfo")?;
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("an unnamed processor", |(_, name)| name.trim());
    let rustc = Command::new("rustc").arg("--version").output()?;
    let version = String::from_utf8(rustc.stdout)?;
    let version = version.split(' ').nth(1).unwrap_or("?");
    Ok(format!("{cores} cores of {model}, Rust {version}"))
}
