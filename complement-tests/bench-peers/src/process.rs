//! What the system tells about a process: CPU, memory, and the files that it wrote.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use crate::Result;

/// CPU seconds that all threads of a process have used, those that ended too.
///
/// Linux counts them in hundredths of a second.
pub(crate) fn cpu_seconds(pid: i32) -> Result<f64> {
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

/// Proportional set size in MiB: shared pages count by the number of their users.
pub(crate) fn pss_mib(pid: i32) -> Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    Ok(words.ok_or("no Pss in smaps_rollup")?.parse::<f64>()? / 1024.0)
}

/// The load average of the machine over the last minute.
pub(crate) fn load_average() -> Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    let first = text.split(' ').next().ok_or("an empty /proc/loadavg")?;
    Ok(first.parse()?)
}

/// KiB that the files under a folder take on disk.
pub(crate) fn disk_kib(folder: &Path) -> io::Result<f64> {
    let mut kib = 0.0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        kib += if meta.is_dir() {
            disk_kib(&entry.path())?
        } else {
            // Blocks of 512 bytes.
            f64::from(u32::try_from(meta.blocks()).map_err(io::Error::other)?) / 2.0
        };
    }
    Ok(kib)
}
