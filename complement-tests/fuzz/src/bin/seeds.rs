//! Writes the seeds of every target as files, which is what libFuzzer begins with.
//!
//! usage: `fuzz-seeds FOLDER`, which gets a folder for each target; it prints the targets' names.

use std::{
    env, fs,
    io::{self, Write},
    path::PathBuf,
};

// The code is instrumented and calls into libFuzzer.
use libfuzzer_sys as _;

fn main() -> io::Result<()> {
    let folder = env::args_os()
        .nth(1)
        .map(PathBuf::from)
        .ok_or_else(|| io::Error::other("usage: fuzz-seeds FOLDER"))?;
    for target in heliograph_fuzz::TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:03}")), seed)?;
        }
        writeln!(io::stdout(), "{}", target.name)?;
    }
    Ok(())
}
