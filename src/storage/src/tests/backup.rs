//! Backup, restore, verify, checkpoints.

use std::{
    collections::BTreeSet,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
};

use bytes::Bytes;
use heliograph_core::ids::Position;
use heliograph_tables::{
    Batch, Direction, Op, Store,
    codec::{Plain, Tail},
    schema,
};

use super::{batch, commit, open, settings, value};
use crate::{Database, StorageError, files, restore, verify};

/// Rows in several families.
fn rows(i: u64) -> Batch {
    let mut batch = batch(&format!("{i}"), i);
    let name = Tail::from(format!("secret {i}").as_str());
    batch.put(&schema::SECRETS, &name, &Plain(Bytes::from(vec![7; 100])));
    batch.put(&schema::CURSORS, &name, &Plain(Position(i)));
    batch
}

fn problems(path: &Path) -> Vec<String> {
    verify(path, &settings()).unwrap().problems
}

/// Changes one byte of a file and puts it back.
fn with_flipped(path: &Path, at: usize, check: impl FnOnce()) {
    let whole = fs::read(path).unwrap();
    let mut flipped = whole.clone();
    flipped[at] ^= 0x10;
    fs::write(path, flipped).unwrap();
    check();
    fs::write(path, whole).unwrap();
}

/// Places in a file: its ends and some between.
fn places(path: &Path) -> BTreeSet<usize> {
    let len = fs::read(path).unwrap().len();
    (0..6)
        .map(|i| i * len.saturating_sub(1) / 5)
        .filter(|at| *at < len)
        .collect()
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_before() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("store"));
    let key = folder.path().join("signing.key");
    fs::write(&key, "ed25519 a secret").unwrap();
    let acknowledged = AtomicU64::new(0);
    let stop = AtomicBool::new(false);
    let target = folder.path().join("backup");
    let (before, backup) = thread::scope(|scope| {
        for writer in 0..4u64 {
            let (database, acknowledged, stop) = (&database, &acknowledged, &stop);
            scope.spawn(move || {
                let mut i = writer;
                while !stop.load(Ordering::SeqCst) {
                    let position = commit(database, rows(i)).unwrap();
                    acknowledged.fetch_max(position.0, Ordering::SeqCst);
                    i += 4;
                }
            });
        }
        let mut published = database.published();
        while published.borrow_and_update().0 < 50 {
            thread::yield_now();
        }
        let before = acknowledged.load(Ordering::SeqCst);
        let backup = database.backup(&target, std::slice::from_ref(&key));
        stop.store(true, Ordering::SeqCst);
        (before, backup.unwrap())
    });
    assert!(before >= 40 && backup.position.0 >= before);
    assert_eq!(problems(&target), Vec::<String>::new());
    assert!(!database.folder.join("checkpoint").exists());

    let (store, keys) = (folder.path().join("restored"), folder.path().join("keys"));
    let restored = restore(&target, &store, &keys, settings()).unwrap();
    assert_eq!(restored.backup_position, backup.position);
    assert_ne!(restored.epoch, database.epoch());
    assert!(restored.position > *database.published().borrow());
    assert_eq!(restored.files, [keys.join("signing.key")]);
    assert_eq!(
        fs::read(&restored.files[0]).unwrap(),
        fs::read(&key).unwrap()
    );

    let copy = open(&store);
    assert_eq!(copy.epoch(), restored.epoch);
    let (original, view) = (database.view(Op::Other), copy.view(Op::Other));
    let old = original.range(
        &schema::LOG,
        &Position(2),
        &Position(before + 1),
        Direction::Forward,
    );
    assert_eq!(u64::try_from(old.count()).unwrap(), before - 1);
    let mut found = 0;
    for row in original.scan(&schema::CURSORS, &(), Direction::Forward) {
        let (name, position) = row.unwrap();
        found += u64::from(view.get(&schema::CURSORS, &name).unwrap() == Some(position));
    }
    // Every batch but the creation, and perhaps upkeep's marks, put one of these rows.
    assert!(found + 5 >= backup.position.0 && found < backup.position.0);
    commit(&copy, batch("more", 1)).unwrap();
    copy.close().unwrap();
    drop((view, copy));
    assert_eq!(problems(&store), Vec::<String>::new());
}

#[test]
fn one_flipped_byte_in_any_file_of_a_backup_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("store"));
    database.load((0..200).map(rows)).unwrap();
    commit(&database, rows(1000)).unwrap();
    let key = folder.path().join("signing.key");
    fs::write(&key, "ed25519 a secret").unwrap();
    let target = folder.path().join("backup");
    database.backup(&target, &[key]).unwrap();
    assert_eq!(problems(&target), Vec::<String>::new());
    let folder_mode = fs::metadata(&target).unwrap().permissions().mode();
    let key_mode = fs::metadata(target.join("files/signing.key")).unwrap();
    assert_eq!((folder_mode | key_mode.permissions().mode()) & 0o077, 0);
    let all = files::list(&target).unwrap();
    assert!(all.len() > 8, "{all:?}");
    for file in &all {
        for at in places(file) {
            with_flipped(file, at, || {
                assert!(!problems(&target).is_empty(), "{} {at}", file.display());
                let store = folder.path().join("refused");
                let refused = restore(&target, &store, folder.path(), settings()).unwrap_err();
                assert!(matches!(refused, StorageError::Damaged(_)), "{refused}");
                assert!(!store.exists());
            });
        }
    }
    // A file more or less is found too.
    let more = target.join("rocksdb/000099.sst");
    fs::write(&more, "").unwrap();
    assert_eq!(problems(&target).len(), 1);
    fs::remove_file(&more).unwrap();
    assert_eq!(problems(&target), Vec::<String>::new());
    fs::remove_file(target.join("files/signing.key")).unwrap();
    assert_eq!(problems(&target).len(), 1);
}

#[test]
fn one_flipped_byte_in_any_data_block_of_a_store_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    // Blocks under deleted ranges and older versions of rows count too.
    database.load((0..3000).map(rows)).unwrap();
    database.load((0..40).map(|i| batch("same", i))).unwrap();
    let mut deleted = Batch::new(Op::Other);
    deleted.delete_range(
        &schema::SECRETS,
        &Tail::from("secret 1"),
        &Tail::from("secret 3"),
    );
    database.load([deleted]).unwrap();
    database.close().unwrap();
    drop(database);
    assert_eq!(problems(folder.path()), Vec::<String>::new());
    let tables: Vec<PathBuf> = files::list(folder.path())
        .unwrap()
        .into_iter()
        .filter(|file| file.extension().is_some_and(|e| e == "sst"))
        .collect();
    assert!(tables.len() >= 4, "{tables:?}");
    for file in tables {
        // Data blocks come first; behind them are the index, filters and properties, small here.
        let len = fs::read(&file).unwrap().len();
        let ends = [0, 1, 5].into_iter().filter(|at| *at < len);
        let within = (1..12).map(|i| i * (len / 2) / 12).filter(|_| len > 8000);
        for at in ends.chain(within) {
            with_flipped(&file, at, || {
                assert!(
                    !problems(folder.path()).is_empty(),
                    "{} {at}",
                    file.display()
                );
            });
        }
    }
    assert_eq!(problems(folder.path()), Vec::<String>::new());
}

#[test]
fn a_row_that_does_not_decode_and_a_gap_in_the_log_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    commit(&database, batch("a", 1)).unwrap();
    let first = commit(&database, batch("a", 2)).unwrap();
    commit(&database, batch("a", 3)).unwrap();
    let mut gap = Batch::new(Op::Other);
    gap.delete(&schema::LOG, &first);
    // The same key, by a table whose values look otherwise.
    let other: heliograph_tables::Table<Tail, Plain<u8>> =
        heliograph_tables::Table::new("meta", schema::META.family, schema::META.prefix);
    gap.put(&other, &Tail::from("b"), &Plain(1));
    commit(&database, gap).unwrap();
    database.close().unwrap();
    drop(database);
    let problems = problems(folder.path());
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(
        problems[0].contains("meta") && problems[1].contains("gap"),
        "{problems:?}"
    );
}

#[test]
fn a_target_in_use_and_a_folder_that_is_no_backup_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("store"));
    let occupied = |error| matches!(error, StorageError::Occupied(_));
    assert!(occupied(database.backup(folder.path(), &[]).unwrap_err()));
    assert!(occupied(database.checkpoint(folder.path()).unwrap_err()));
    let target = folder.path().join("backup");
    let key = folder.path().join("signing.key");
    fs::write(&key, "x").unwrap();
    database.backup(&target, &[key]).unwrap();
    let to = folder.path().join("restored");
    // The key would be overwritten.
    let refused = restore(&target, &to, folder.path(), settings()).unwrap_err();
    assert!(occupied(refused));
    fs::remove_file(target.join("manifest.json")).unwrap();
    let keys = folder.path().join("keys");
    let refused = restore(&target, &to, &keys, settings()).unwrap_err();
    assert!(matches!(refused, StorageError::Damaged(_)), "{refused}");
}

#[test]
fn a_checkpoint_opens_as_the_same_life() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(&folder.path().join("store"));
    database.load((0..100).map(rows)).unwrap();
    let last = commit(&database, batch("a", 1)).unwrap();
    let copy = folder.path().join("copy");
    database.checkpoint(&copy).unwrap();
    commit(&database, batch("a", 2)).unwrap();
    let copy = Database::open(copy, settings()).unwrap();
    assert_eq!(copy.epoch(), database.epoch());
    assert_eq!(value(&copy, "a"), Some(1));
    let next = commit(&copy, batch("b", 1)).unwrap();
    assert!(next > last);
    assert_eq!(value(&database, "b"), None);
}
