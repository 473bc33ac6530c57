//! A model of a folder: what was written, and what of it was synced.

use std::{
    collections::BTreeMap,
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use super::{Call, Churn, Loss, Moment, Step, text::first_string};

/// Files up to this size are remembered, for when another is renamed over them.
const SMALL: usize = 64 * 1024;

#[derive(Clone, Debug)]
struct File {
    length: u64,
    synced: u64,
    /// What is in it, while it is small and known.
    bytes: Option<Vec<u8>>,
    /// Where it is on disk now; nowhere once another was renamed over it.
    at: Vec<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entry {
    File(usize),
    Folder,
}

/// A change of a folder that was not synced when it was made.
#[derive(Clone, Debug)]
struct Change {
    number: usize,
    path: PathBuf,
    entry: Option<Entry>,
}

/// What a sync that has begun will have made safe when it ends.
#[derive(Clone, Debug)]
enum Syncing {
    File(usize, u64),
    Folder(PathBuf, usize),
}

/// A folder and everything in it.
#[derive(Clone, Debug)]
pub struct Disk {
    root: PathBuf,
    files: Vec<File>,
    now: BTreeMap<PathBuf, Entry>,
    safe: BTreeMap<PathBuf, Entry>,
    changes: Vec<Change>,
    made: usize,
    written: u64,
    syncing: BTreeMap<u32, Syncing>,
}

impl Disk {
    /// A folder as it stands, all of it synced.
    pub fn of(root: &Path) -> Self {
        let mut disk = Self {
            root: root.to_owned(),
            files: Vec::new(),
            now: BTreeMap::new(),
            safe: BTreeMap::new(),
            changes: Vec::new(),
            made: 0,
            written: 0,
            syncing: BTreeMap::new(),
        };
        disk.read(root);
        disk.safe = disk.now.clone();
        disk
    }

    fn read(&mut self, folder: &Path) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                self.read(&path);
                self.now.insert(path, Entry::Folder);
                continue;
            }
            let length = path.metadata().unwrap().len();
            let small = usize::try_from(length).is_ok_and(|length| length <= SMALL);
            let bytes = small.then(|| fs::read(&path).unwrap());
            self.now.insert(path.clone(), Entry::File(self.files.len()));
            self.files.push(File {
                length,
                synced: length,
                bytes,
                at: vec![path],
            });
        }
    }

    /// Takes in the next step of the record.
    pub fn take(&mut self, step: &Step) {
        match step.moment {
            Moment::Begin => self.begin(&step.call),
            Moment::End(result) if result >= 0 => self.end(&step.call, result.unsigned_abs()),
            Moment::End(_) => {
                self.syncing.remove(&step.call.thread);
            }
        }
    }

    fn begin(&mut self, call: &Call) {
        match &*call.name {
            "fsync" | "fdatasync" => {
                let Some(path) = call.file(0).map(|path| clean(&path)) else {
                    return;
                };
                let syncing = match self.now.get(&path) {
                    Some(&Entry::File(file)) => Syncing::File(file, self.files[file].length),
                    Some(Entry::Folder) => Syncing::Folder(path, self.made),
                    None if path == self.root => Syncing::Folder(path, self.made),
                    None => return,
                };
                self.syncing.insert(call.thread, syncing);
            }
            // It may be carried out though its end is not recorded.
            "rename" | "renameat" | "renameat2" => {
                if let [from, to] = &call.paths()[..]
                    && let Some(&Entry::File(file)) = self.now.get(from)
                {
                    self.files[file].at.push(to.clone());
                }
            }
            _ => {}
        }
    }

    fn end(&mut self, call: &Call, result: u64) {
        match &*call.name {
            "fsync" | "fdatasync" => self.synced(call.thread),
            "openat" | "creat" => self.opened(call),
            "write" | "writev" | "sendfile" => self.wrote(call, call.file(0), None, result),
            "pwrite64" | "pwritev" => {
                self.wrote(call, call.file(0), call.number_from_end(0), result);
            }
            "copy_file_range" => self.wrote(call, call.file(2), None, result),
            "ftruncate" => self.resized(call, call.number_from_end(0)),
            "fallocate" if !call.args.contains("KEEP_SIZE") => {
                let end = call.number_from_end(1).zip(call.number_from_end(0));
                self.grown(call, end.map(|(offset, length)| offset + length));
            }
            "rename" | "renameat" | "renameat2" => self.renamed(&call.paths()),
            "link" | "linkat" => self.linked(&call.paths()),
            "unlink" | "unlinkat" | "rmdir" => {
                if let [path] = &call.paths()[..] {
                    self.change(path, None);
                }
            }
            "mkdir" | "mkdirat" => {
                if let [path] = &call.paths()[..] {
                    self.change(path, Some(Entry::Folder));
                }
            }
            _ => {}
        }
    }

    /// Notes that a name in the folder leads elsewhere, or nowhere.
    fn change(&mut self, path: &Path, entry: Option<Entry>) {
        if !path.starts_with(&self.root) || entry.is_none() && !self.now.contains_key(path) {
            return;
        }
        self.made += 1;
        self.changes.push(Change {
            number: self.made,
            path: path.to_owned(),
            entry,
        });
        match entry {
            Some(entry) => self.now.insert(path.to_owned(), entry),
            None => self.now.remove(path),
        };
    }

    fn synced(&mut self, thread: u32) {
        match self.syncing.remove(&thread) {
            Some(Syncing::File(file, length)) => self.files[file].synced = length,
            Some(Syncing::Folder(folder, made)) => {
                let safe = &mut self.safe;
                self.changes.retain(|change| {
                    let done = change.number <= made && change.path.parent() == Some(&folder);
                    if done {
                        match change.entry {
                            Some(entry) => safe.insert(change.path.clone(), entry),
                            None => safe.remove(&change.path),
                        };
                    }
                    !done
                });
            }
            None => {}
        }
    }

    fn opened(&mut self, call: &Call) {
        let paths = call.paths();
        let Some(path) = paths.first() else { return };
        let known = self.now.contains_key(path);
        let creates = call.args.contains("O_CREAT") || call.name == "creat";
        let empties = call.args.contains("O_TRUNC") || call.name == "creat";
        if !path.starts_with(&self.root) || known && !empties || !known && !creates {
            return;
        }
        for file in &mut self.files {
            file.at.retain(|at| at != path);
        }
        let file = File {
            length: 0,
            synced: 0,
            bytes: Some(Vec::new()),
            at: vec![path.clone()],
        };
        self.files.push(file);
        self.change(path, Some(Entry::File(self.files.len() - 1)));
    }

    fn file_mut(&mut self, path: Option<PathBuf>) -> Option<&mut File> {
        match self.now.get(&clean(&path?)) {
            Some(&Entry::File(file)) => self.files.get_mut(file),
            _ => None,
        }
    }

    fn wrote(&mut self, call: &Call, path: Option<PathBuf>, offset: Option<u64>, count: u64) {
        let Some(file) = self.file_mut(path) else {
            return;
        };
        let text = if call.name == "write" {
            first_string(&call.args)
        } else {
            None
        };
        file.bytes = match (file.bytes.take(), text) {
            (Some(mut bytes), Some(text)) if bytes.len() + text.len() <= SMALL => {
                bytes.extend(text);
                Some(bytes)
            }
            _ => None,
        };
        file.length = match offset {
            Some(offset) => file.length.max(offset + count),
            None => file.length + count,
        };
        self.written += count;
    }

    fn resized(&mut self, call: &Call, length: Option<u64>) {
        if let (Some(file), Some(length)) = (self.file_mut(call.file(0)), length) {
            file.length = length;
            file.synced = file.synced.min(length);
            file.bytes = None;
        }
    }

    fn grown(&mut self, call: &Call, length: Option<u64>) {
        if let (Some(file), Some(length)) = (self.file_mut(call.file(0)), length) {
            file.length = file.length.max(length);
            file.bytes = None;
        }
    }

    fn renamed(&mut self, paths: &[PathBuf]) {
        let [from, to] = paths else { return };
        let Some(&entry) = self.now.get(from) else {
            return;
        };
        assert!(
            entry != Entry::Folder,
            "a folder is renamed: {}",
            from.display()
        );
        for (number, file) in self.files.iter_mut().enumerate() {
            if entry == Entry::File(number) {
                file.at = vec![to.clone()];
            } else {
                file.at.retain(|at| at != to);
            }
        }
        self.change(from, None);
        self.change(to, Some(entry));
    }

    fn linked(&mut self, paths: &[PathBuf]) {
        let [from, to] = paths else { return };
        if let Some(&entry) = self.now.get(from) {
            self.change(to, Some(entry));
        }
    }

    /// Makes `target` what the disk would hold after a power cut now.
    pub fn cut(&self, target: &Path) -> Loss {
        let mut loss = Loss {
            bytes: 0,
            written: self.written,
            names: self.changes.len(),
            churn: Churn::default(),
        };
        fs::create_dir_all(target).unwrap();
        // Folders come before what is in them.
        for (path, entry) in &self.safe {
            let inside = path.strip_prefix(&self.root).unwrap();
            let place = target.join(inside);
            if !place.parent().is_some_and(Path::is_dir) {
                continue;
            }
            match entry {
                Entry::Folder => fs::create_dir(&place).unwrap(),
                Entry::File(file) => {
                    let file = &self.files[*file];
                    loss.bytes += file.length.saturating_sub(file.synced);
                    fs::write(&place, file.content(path)).unwrap();
                }
            }
        }
        loss
    }
}

impl File {
    /// What was synced of it.
    fn content(&self, name: &Path) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(at) = self.at.iter().find(|at| at.exists()) {
            let file = fs::File::open(at).unwrap();
            file.take(self.synced).read_to_end(&mut bytes).unwrap();
        } else {
            let known = self.bytes.as_ref();
            let known = known.unwrap_or_else(|| panic!("{} is not kept", name.display()));
            bytes.extend(known.iter().take(usize::try_from(self.synced).unwrap()));
        }
        let read = u64::try_from(bytes.len()).unwrap();
        assert_eq!(
            read,
            self.synced,
            "the record of {} is wrong",
            name.display()
        );
        bytes
    }
}

/// The path without the remark that a name is gone.
fn clean(path: &Path) -> PathBuf {
    let text = path.to_str().unwrap_or("");
    PathBuf::from(text.strip_suffix(" (deleted)").unwrap_or(text))
}
