//! What the store did with its files before a power cut: logs begun and removed, tables written by
//! flushes and by compactions, and what of it was under way at the cut.

use std::{
    collections::BTreeMap,
    fmt,
    ops::AddAssign,
    path::{Path, PathBuf},
};

use super::{Call, Moment, Step, text::first_string};

/// How often one thing was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Files that were begun.
    pub made: usize,
    /// Files that were removed, as what was done made them useless.
    pub removed: usize,
    /// Cuts that fell in between: the file was there, and not yet part of what would be found.
    pub cut: usize,
}

/// What was done to the files of the store after it was opened; opening itself is left aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Churn {
    /// Logs: those begun where writing goes on, and those removed once all in them was flushed.
    pub rotations: Done,
    /// Tables written from memory.
    pub flushes: Done,
    /// Tables written from other tables, and those that they replaced.
    pub compactions: Done,
}

impl AddAssign for Done {
    fn add_assign(&mut self, other: Self) {
        self.made += other.made;
        self.removed += other.removed;
        self.cut += other.cut;
    }
}

impl AddAssign for Churn {
    fn add_assign(&mut self, other: Self) {
        self.rotations += other.rotations;
        self.flushes += other.flushes;
        self.compactions += other.compactions;
    }
}

impl Churn {
    /// Demands that there was some of everything, and that a cut fell in the middle of something.
    ///
    /// # Panics
    /// When there was not.
    #[track_caller]
    pub fn assert_crossed(&self) {
        let (logs, flushes, compactions) = (self.rotations, self.flushes, self.compactions);
        let is_crossed = logs.made > 0
            && logs.removed > 0
            && flushes.made > 0
            && compactions.made > 0
            && compactions.removed > 0;
        assert!(is_crossed, "not everything was crossed: {self}");
        let cuts = logs.cut + flushes.cut + compactions.cut;
        assert!(cuts > 0, "no cut came in the middle of anything: {self}");
    }
}

impl fmt::Display for Churn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (logs, flushes, compactions) = (self.rotations, self.flushes, self.compactions);
        write!(
            f,
            "{} logs begun and {} removed, {} tables flushed, {} compacted and {} removed; cut in \
             {} rotations, {} flushes, {} compactions",
            logs.made,
            logs.removed,
            flushes.made,
            compactions.made,
            compactions.removed,
            logs.cut,
            flushes.cut,
            compactions.cut
        )
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Rotation,
    Flush,
    Compaction,
}

/// A file that is begun and not yet part of what is found after a power cut.
#[derive(Clone, Debug)]
struct Making {
    kind: Kind,
    file: PathBuf,
    /// All of it is on disk.
    synced: bool,
    /// The thread whose sync, which has begun, finishes it.
    finisher: Option<u32>,
}

/// Follows the steps of a record.
#[derive(Debug)]
pub(super) struct Watch {
    /// The thread that opens the store.
    main: u32,
    names: BTreeMap<u32, String>,
    making: Vec<Making>,
    churn: Churn,
}

impl Watch {
    pub(super) fn new(main: u32) -> Self {
        Self {
            main,
            names: BTreeMap::new(),
            making: Vec::new(),
            churn: Churn::default(),
        }
    }

    /// Takes in the next step of the record.
    pub(super) fn take(&mut self, step: &Step) {
        let call = &step.call;
        match (&*call.name, step.moment) {
            ("fsync" | "fdatasync", Moment::Begin) => self.sync_begins(call),
            ("fsync" | "fdatasync", Moment::End(0)) => self.synced(call),
            ("openat" | "creat", Moment::End(0..)) => self.opened(call),
            ("unlink" | "unlinkat", Moment::End(0)) => self.removed(call),
            ("write", Moment::End(0..)) => self.named(call),
            _ => {}
        }
    }

    /// What was done until the cut, which is now.
    pub(super) fn end(mut self) -> Churn {
        for kind in [Kind::Rotation, Kind::Flush, Kind::Compaction] {
            let is_cut = self.making.iter().any(|making| making.kind == kind);
            self.of(kind).cut = usize::from(is_cut);
        }
        self.churn
    }

    fn of(&mut self, kind: Kind) -> &mut Done {
        match kind {
            Kind::Rotation => &mut self.churn.rotations,
            Kind::Flush => &mut self.churn.flushes,
            Kind::Compaction => &mut self.churn.compactions,
        }
    }

    /// `RocksDB` names its threads: those for flushes are of high priority, others compact.
    fn named(&mut self, call: &Call) {
        let Some(file) = call.file(0).filter(|file| file.ends_with("comm")) else {
            return;
        };
        let thread = file.parent().and_then(Path::file_name);
        let thread = thread.and_then(|name| name.to_str()?.parse().ok());
        let name = first_string(&call.args).and_then(|name| String::from_utf8(name).ok());
        if let (Some(thread), Some(name)) = (thread, name) {
            self.names.insert(thread, name);
        }
    }

    /// What a thread does with files of this name.
    fn kind(&self, thread: u32, file: &Path) -> Option<Kind> {
        match file.extension()?.to_str()? {
            "log" => (thread != self.main).then_some(Kind::Rotation),
            "sst" => match self.names.get(&thread)?.as_str() {
                "rocksdb:high" => Some(Kind::Flush),
                "rocksdb:low" => Some(Kind::Compaction),
                _ => None,
            },
            _ => None,
        }
    }

    fn opened(&mut self, call: &Call) {
        let creates = call.args.contains("O_CREAT") || call.name == "creat";
        let Some(file) = call.paths().into_iter().next().filter(|_| creates) else {
            return;
        };
        if let Some(kind) = self.kind(call.thread, &file) {
            self.of(kind).made += 1;
            self.making.push(Making {
                kind,
                file,
                synced: false,
                finisher: None,
            });
        }
    }

    fn removed(&mut self, call: &Call) {
        if let Some(file) = call.paths().first()
            && let Some(kind) = self.kind(call.thread, file)
        {
            self.of(kind).removed += 1;
        }
    }

    fn sync_begins(&mut self, call: &Call) {
        let Some(path) = call.file(0) else { return };
        let name = path.file_name().and_then(|name| name.to_str());
        let is_manifest = name.is_some_and(|name| name.starts_with("MANIFEST"));
        for making in &mut self.making {
            let finishes = match making.kind {
                // The name of a log is enough for what is in it to be found.
                Kind::Rotation => making.file.parent() == Some(&path),
                // A table is found once the manifest speaks of it.
                Kind::Flush | Kind::Compaction => making.synced && is_manifest,
            };
            if finishes {
                making.finisher.get_or_insert(call.thread);
            }
        }
    }

    fn synced(&mut self, call: &Call) {
        let thread = Some(call.thread);
        self.making.retain(|making| making.finisher != thread);
        let file = call.file(0);
        for making in &mut self.making {
            making.synced |= file.as_ref() == Some(&making.file);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::steps;

    const RECORD: &str = "\
        1 openat(AT_FDCWD</>, \"/d/1.log\", O_CREAT) = 5</d/1.log>\n\
        1 write(9</proc/1/task/2/comm>, \"rocksdb:low\", 11) = 11\n\
        1 write(9</proc/1/task/3/comm>, \"rocksdb:high\", 12) = 12\n\
        4 openat(AT_FDCWD</>, \"/d/2.log\", O_CREAT) = 6</d/2.log>\n\
        3 openat(AT_FDCWD</>, \"/d/3.sst\", O_CREAT) = 7</d/3.sst>\n\
        4 fsync(8</d>) = 0\n\
        3 fsync(7</d/3.sst>) = 0\n\
        3 fdatasync(4</d/MANIFEST-5>) = 0\n\
        3 unlink(\"/d/1.log\") = 0 (INJECTED)\n\
        2 openat(AT_FDCWD</>, \"/d/4.sst\", O_CREAT) = 7</d/4.sst>\n\
        2 fsync(7</d/4.sst>) = 0\n\
        2 fdatasync(4</d/MANIFEST-5> <unfinished ...>\n";

    fn churn(record: &str) -> Churn {
        let mut watch = Watch::new(1);
        for step in steps(record) {
            watch.take(&step);
        }
        watch.end()
    }

    #[test]
    fn files_are_told_apart_by_the_threads_that_make_them() {
        let done = |made, removed, cut| Done { made, removed, cut };
        let found = churn(RECORD);
        assert_eq!(found.rotations, done(1, 1, 0));
        assert_eq!(found.flushes, done(1, 0, 0));
        assert_eq!(found.compactions, done(1, 0, 1));
    }

    #[test]
    fn a_cut_is_in_what_no_sync_has_finished() {
        let lines: Vec<&str> = RECORD.lines().collect();
        let of_first = |count: usize| {
            let found = churn(&format!("{}\n", lines[..count].join("\n")));
            let cut = [found.rotations, found.flushes, found.compactions].map(|done| done.cut);
            (cut[0], cut[1], cut[2])
        };
        assert_eq!(of_first(3), (0, 0, 0));
        assert_eq!(of_first(4), (1, 0, 0));
        assert_eq!(of_first(5), (1, 1, 0));
        assert_eq!(of_first(6), (0, 1, 0));
        assert_eq!(of_first(7), (0, 1, 0));
        assert_eq!(of_first(8), (0, 0, 0));
    }
}
