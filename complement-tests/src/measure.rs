//! What benchmarks of a process from outside share: its CPU time, the machine's load, and what
//! stands beside an aim.

use std::{fs, io};

/// CPU seconds that all threads of a process have used, those that ended too.
///
/// Linux counts them in hundredths of a second.
///
/// # Errors
/// When there is no such process.
pub fn cpu_seconds(pid: u32) -> io::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program, in brackets, may hold spaces.
    let (_, fields) = stat.rsplit_once(") ").ok_or_else(odd)?;
    // utime and stime: the 14th and 15th field, the 12th and 13th after the name.
    let mut ticks = 0.0;
    for field in fields.split(' ').skip(11).take(2) {
        ticks += field.parse::<f64>().map_err(io::Error::other)?;
    }
    let per_second = rustix::param::clock_ticks_per_second();
    let per_second = u32::try_from(per_second).map_err(io::Error::other)?;
    Ok(ticks / f64::from(per_second))
}

/// The load average of the machine over the last minute.
///
/// # Errors
/// When the system does not tell.
pub fn load_average() -> io::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().ok_or_else(odd)?;
    first.parse().map_err(io::Error::other)
}

/// Whether an aim is met; if not, why: `missed` has a line `NAME: REASON` for each that is known.
pub fn verdict(missed: &str, name: &str, met: bool) -> String {
    if met {
        return "yes".to_owned();
    }
    let reason = missed
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    format!("**no**: {}", reason.unwrap_or("not looked into yet"))
}

fn odd() -> io::Error {
    io::Error::other("/proc says something else than it should")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_used_cpu_and_the_machine_has_a_load() {
        let mut sum = 0u64;
        while cpu_seconds(std::process::id()).unwrap() < 0.01 {
            sum = sum.wrapping_add(std::hint::black_box(sum) ^ 1);
        }
        assert!(load_average().unwrap() >= 0.0);
        assert!(cpu_seconds(u32::MAX).is_err());
    }

    #[test]
    fn a_missed_aim_says_why_if_that_is_known() {
        let missed = "slow: a reason\nslow too: another";
        assert_eq!(verdict(missed, "slow", true), "yes");
        assert_eq!(verdict(missed, "slow", false), "**no**: a reason");
        assert_eq!(verdict(missed, "new", false), "**no**: not looked into yet");
    }
}
