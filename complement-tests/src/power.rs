//! What a power cut leaves of a folder: files as long as when they were last synced, and creations,
//! renames and removals undone that came after the last sync of their folder.
//!
//! A server runs under `strace`; removals are only noted, not carried out, so that they can be
//! undone. [`PowerCut::cut`] makes what the disk would hold.

mod churn;
mod disk;
mod text;
mod trace;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

pub use churn::{Churn, Done};
pub use disk::Disk;
pub use trace::{Call, Moment, Step, steps};

use crate::{TestServer, wait_for};
use churn::Watch;

/// The calls that change files.
const CALLS: &str = "openat,creat,write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,\
                     renameat2,unlink,unlinkat,link,linkat,mkdir,mkdirat,rmdir,ftruncate,fallocate,\
                     copy_file_range,sendfile";

/// A server whose calls are recorded, from one start to the next crash.
#[derive(Debug)]
pub struct PowerCut {
    disk: Disk,
    trace: PathBuf,
    process: i32,
}

/// The words that record the calls of a process into `file`; `more` are calls besides those that
/// change files, `text` the bytes kept of what is written.
pub fn recorder(file: &Path, more: &str, text: usize) -> Vec<String> {
    let calls = format!("--trace={CALLS}{more}");
    let text = format!("--string-limit={text}");
    let file = file.display().to_string();
    let words = [
        "strace",
        "-D",
        "-f",
        "-y",
        "--seccomp-bpf",
        &calls,
        &text,
        "-o",
        &file,
    ];
    words.map(str::to_owned).to_vec()
}

impl PowerCut {
    /// Starts a stopped server so that the power can be cut.
    pub async fn start(server: &mut TestServer) -> Self {
        let disk = Disk::of(&server.data());
        let trace = server.folder().join("calls");
        let mut words = recorder(&trace, "", 512);
        words.push("--inject=unlink,unlinkat,rmdir:retval=0".to_owned());
        // Longer than a frozen server is given for its last answers: most kills then come between a
        // write and its sync.
        words.push("--inject=fsync,fdatasync:delay_enter=25000".to_owned());
        server.wrap(&words);
        server.start_again().await;
        server.wrap(&[]);
        Self {
            disk,
            trace,
            process: server.process(),
        }
    }

    /// Once the server is killed: puts what the disk would hold in place of its data. Gives how
    /// many bytes and names were lost.
    pub async fn cut(mut self, server: &TestServer) -> Loss {
        let calls = finished(&self.trace, self.process).await;
        let mut watch = Watch::new(self.process.unsigned_abs());
        for step in steps(&calls) {
            self.disk.take(&step);
            watch.take(&step);
        }
        let data = server.data();
        let after = data.with_file_name("after the cut");
        let mut loss = self.disk.cut(&after);
        loss.churn = watch.end();
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&after, &data).unwrap();
        loss
    }
}

/// What a power cut took, and what was written before.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loss {
    /// Bytes that were written and not synced.
    pub bytes: u64,
    /// Bytes that were written at all.
    pub written: u64,
    /// Creations, renames and removals that were undone.
    pub names: usize,
    /// What the store did with its files.
    pub churn: Churn,
}

/// The whole record of a process that has ended: the end of each of its threads is in it.
pub async fn finished(trace: &Path, process: i32) -> String {
    let process = process.to_string();
    wait_for(
        "the end of the record of calls",
        Duration::from_mins(1),
        || {
            let calls = String::from_utf8_lossy(&fs::read(trace).unwrap()).into_owned();
            let (mut begun, mut ended) = (BTreeSet::new(), BTreeSet::new());
            for (thread, what) in calls.lines().filter_map(|line| line.split_once(' ')) {
                let is_end = what.trim_start().starts_with("+++ ");
                if is_end { &mut ended } else { &mut begun }.insert(thread);
            }
            let complete = calls.ends_with('\n') && ended.contains(&*process);
            (complete && begun.is_subset(&ended)).then(|| calls.clone())
        },
    )
    .await
}
