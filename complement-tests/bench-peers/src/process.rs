//! What the system tells about a process: memory, and the files that it wrote.

use std::{fs, io, os::unix::fs::MetadataExt as _, path::Path};

use crate::Result;

/// Proportional set size in MiB: shared pages count by the number of their users.
pub(crate) fn pss_mib(pid: u32) -> Result<f64> {
    let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let words = line.and_then(|line| line.split_whitespace().next());
    Ok(words.ok_or("no Pss in smaps_rollup")?.parse::<f64>()? / 1024.0)
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
