//! What the system tells about a process and about the machine.

use std::{
    fs,
    process::Command,
    thread,
    time::{Duration, Instant},
};

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

/// CPU seconds that all threads of a process have used, those that ended too.
///
/// Linux counts them in hundredths of a second.
fn cpu_seconds(pid: u32) -> Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in brackets, may hold spaces.
    let (_, fields) = stat.rsplit_once(") ").ok_or("no such /proc/PID/stat")?;
    // utime and stime: the 14th and 15th field, the 12th and 13th after the name.
    let mut ticks = 0.0;
    for field in fields.split(' ').skip(11).take(2) {
        ticks += field.parse::<f64>()?;
    }
    let per_second = u32::try_from(rustix::param::clock_ticks_per_second())?;
    Ok(ticks / f64::from(per_second))
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

/// The load average of the machine over the last minute.
pub(crate) fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().ok_or("an empty /proc/loadavg")?;
    Ok(first.parse()?)
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
