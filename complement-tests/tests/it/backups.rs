//! Copying a server's data while it works, and finding damage in it.

use std::{
    collections::BTreeSet,
    fs,
    ops::Range,
    path::{Path, PathBuf},
};

use heliograph_complement::{
    Options, Reader, TestServer,
    load::{Acknowledged, Load, Timelines, small_buffers},
};

/// Places of a file in which a byte is flipped, at most; the first and the last among them.
const FLIPS: usize = 4;

/// A backup made under load, and what was known around it.
struct Copied {
    backup: PathBuf,
    /// What was acknowledged before the command was started.
    acknowledged: Acknowledged,
    /// Readers with tokens of before the backup, of after it, and of the end.
    readers: Vec<Reader>,
    /// What there was at the end.
    timelines: Timelines,
}

impl Copied {
    /// Makes a backup of a running server while everybody writes, and goes on for a while.
    async fn among_writes(server: &TestServer, load: &mut Load) -> Self {
        let backup = server.folder().join("backup");
        let work = load.begin();
        load.more_answers(1500).await;
        let mut readers = work.readers().await;
        let (acknowledged, before) = (load.acknowledged(), load.answered());
        let words = ["backup", path(&backup)];
        let (fine, said) = tokio::task::block_in_place(|| server.command(&words));
        assert!(fine, "backup: {said}");
        assert!(
            load.answered() > before,
            "nothing was written during the backup"
        );
        load.more_answers(500).await;
        readers.extend(work.readers().await);
        load.more_answers(500).await;
        load.rest(work).await;
        readers.extend(load.readers());
        Self {
            backup,
            acknowledged,
            readers,
            timelines: load.timelines().await,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_among_64_writers_has_all_that_was_acknowledged_and_no_token_skips() {
    // What was acknowledged last is in memory and in the log only when the backup begins.
    let options = Options::new()
        .set("storage", "write_buffers", "\"4 MiB\"")
        .set("storage", "max_wal", "\"1 MiB\"");
    check_backup_under_load(&options).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_among_flushes_and_compactions_has_all_and_no_token_skips() {
    check_backup_under_load(&small_buffers()).await;
}

async fn check_backup_under_load(options: &Options) {
    let mut server = TestServer::start(options.clone()).await;
    let mut load = Load::prepare(&server).await;
    let copied = Copied::among_writes(&server, &mut load).await;
    server.stop().await;
    server.assert_no_panic();

    let elsewhere = tempfile::tempdir().unwrap();
    let data = elsewhere.path().join("data");
    let (fine, said) = server.command(&["restore", path(&copied.backup), path(&data)]);
    assert!(fine, "restore: {said}");
    let other = TestServer::start(options.clone().in_folder(elsewhere.path())).await;
    let mut restored = load.on_restored(&other, copied.acknowledged).await;

    let mut lost = 0;
    for (room, timeline) in restored.timelines().await {
        let original = &copied.timelines[&room];
        let same = original.iter().zip(&timeline).take_while(|(a, b)| a == b);
        let same = same.count();
        assert_eq!(same, timeline.len(), "{room} is not as it was at a moment");
        lost += original.len() - same;
    }
    assert!(lost > 0, "nothing was sent after the backup");
    for reader in &copied.readers {
        restored.check_nothing_is_skipped(&other, reader).await;
    }
    restored.check().await;

    // Until positions would have passed all those that the old life gave out.
    let work = restored.begin();
    restored.more_answers(2500).await;
    restored.rest(work).await;
    for reader in &copied.readers {
        let unseen = restored.check_nothing_is_skipped(&other, reader).await;
        assert!(unseen >= 1000, "only {unseen} events were new");
    }
    other.assert_no_panic();
}

#[tokio::test]
async fn a_flipped_byte_in_any_file_of_a_backup_is_found() {
    let server = TestServer::usual().await;
    let alice = server.user("alice").await;
    let room = alice.create_public_room().await;
    for number in 0..30 {
        alice.say(&room, &format!("{number}")).await;
    }
    let backup = server.folder().join("backup");
    let (fine, said) = server.command(&["backup", path(&backup)]);
    assert!(fine, "backup: {said}");
    assert_whole(&server, &backup);
    for file in files(&backup) {
        let length = fs::read(&file).unwrap().len();
        for said in flip(&server, &backup, &file, 0..length) {
            assert!(said.contains(name(&file)), "{}: {said}", file.display());
        }
    }
    assert_whole(&server, &backup);
}

#[tokio::test]
async fn a_flipped_byte_in_any_data_block_of_the_store_or_in_its_manifest_is_found() {
    let mut server = TestServer::start(small_buffers()).await;
    let mut load = Load::prepare(&server).await;
    let work = load.begin();
    load.more_answers(5000).await;
    load.rest(work).await;
    server.stop().await;

    let data = server.data();
    assert_whole(&server, &data);
    let files = files(&data);
    let is_table = |file: &&PathBuf| file.extension().is_some_and(|found| found == "sst");
    let tables: Vec<_> = files.iter().filter(is_table).collect();
    assert!(tables.len() >= 5, "so few tables: {tables:?}");
    for table in tables {
        let blocks = data_length(&fs::read(table).unwrap());
        for said in flip(&server, &data, table, 0..blocks) {
            assert!(said.contains(name(table)), "{}: {said}", table.display());
        }
    }
    let is_manifest = |file: &&PathBuf| name(file).starts_with("MANIFEST");
    let manifests: Vec<_> = files.iter().filter(is_manifest).collect();
    assert_eq!(manifests.len(), 1, "{manifests:?}");
    let length = fs::read(manifests[0]).unwrap().len();
    for said in flip(&server, &data, manifests[0], 0..length) {
        assert!(said.contains("MANIFEST"), "{said}");
    }
    assert_whole(&server, &data);
}

/// Where the data blocks of a table file end, which are at its begin. Names of properties are
/// written without what they share with the one before: this is `rocksdb.data.size` after
/// `rocksdb.data.block.restart.interval`.
fn data_length(table: &[u8]) -> usize {
    let is_size = |bytes: &[u8]| bytes.starts_with(&[13, 4]) && bytes.ends_with(b"size");
    let at = table.windows(7).rposition(is_size);
    let number = &table[at.expect("a table has properties") + 7..];
    let end = number.iter().position(|byte| byte & 0x80 == 0).unwrap();
    let digits = number[..=end].iter().rev();
    digits.fold(0, |value, byte| value << 7 | usize::from(byte & 0x7f))
}

/// Demands that `verify` finds nothing.
#[track_caller]
fn assert_whole(server: &TestServer, folder: &Path) {
    let (fine, said) = server.command(&["verify", path(folder)]);
    assert!(fine, "verify of what was not changed: {said}");
}

/// Flips bytes spread over a part of a file, one at a time, and demands that `verify` finds each.
/// Gives what it said.
#[track_caller]
fn flip(server: &TestServer, folder: &Path, file: &Path, part: Range<usize>) -> Vec<String> {
    let whole = fs::read(file).unwrap();
    let last = part.len().saturating_sub(1);
    let places: BTreeSet<usize> = (0..FLIPS)
        .map(|number| part.start + last * number / (FLIPS - 1))
        .filter(|place| part.contains(place))
        .collect();
    let mut answers = Vec::new();
    for place in places {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(file, damaged).unwrap();
        let (fine, said) = server.command(&["verify", path(folder)]);
        let shown = file.display();
        assert!(!fine, "byte {place} of {shown} was flipped: {said}");
        answers.push(said);
    }
    fs::write(file, whole).unwrap();
    answers
}

fn name(file: &Path) -> &str {
    file.file_name().unwrap().to_str().unwrap()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}
