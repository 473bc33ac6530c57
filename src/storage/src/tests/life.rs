//! Opening: the same life, a new one, or a refusal.

use std::{fs, path::Path, sync::atomic::Ordering::Relaxed};

use heliograph_core::ids::Position;
use heliograph_tables::{
    Batch, Op, Store,
    codec::{Plain, Tail},
    schema::{META, SCHEMA_VERSION},
};

use super::{batch, commit, open, positions, settings, settings_os, value};
use crate::{
    Database, Settings, StorageError,
    database::rocksdb_folder,
    life::JUMP,
    watermark::{LastUse, Watermark},
};

/// Opens, commits one row and closes; the epoch and the last position.
fn once(path: &Path, settings: Settings, close: bool) -> (u64, Position) {
    let database = Database::open(path, settings).unwrap();
    let position = commit(&database, batch("a", 1)).unwrap();
    if close {
        database.close().unwrap();
    }
    (database.epoch(), position)
}

#[test]
fn a_life_goes_on_after_a_clean_stop_and_after_an_unclean_one_with_fsync() {
    for (settings, close) in [
        (settings(), true),
        (settings(), false),
        (settings_os(), true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (epoch, position) = once(folder.path(), settings.clone(), close);
        let (again, next) = once(folder.path(), settings, close);
        assert_eq!(again, epoch);
        // Upkeep may have taken a position for itself.
        assert!(next > position && next.0 < position.0 + 5);
    }
}

#[test]
fn an_unclean_stop_without_syncing_begins_a_new_life() {
    let folder = tempfile::tempdir().unwrap();
    let (epoch, position) = once(folder.path(), settings_os(), false);
    let database = Database::open(folder.path(), settings()).unwrap();
    assert_ne!(database.epoch(), epoch);
    let start = database.view(Op::Other).position().0;
    assert!(start >= position.0 + JUMP);
    assert_eq!(value(&database, "a"), Some(1));
    // Consumers of the old life are told to catch up; those of the new one read on.
    assert_eq!(positions(&database, position.0, 10), None);
    let next = commit(&database, batch("b", 1)).unwrap();
    assert_eq!(next.0, start + 1);
    assert_eq!(
        positions(&database, start, 10).unwrap().first(),
        Some(&next.0)
    );
    database.close().unwrap();
    assert!(
        crate::verify(folder.path(), &settings())
            .unwrap()
            .problems
            .is_empty()
    );
}

#[test]
fn a_database_below_its_watermark_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for last_use in [LastUse::RunningFsync, LastUse::Closed] {
        let (_, position) = once(folder.path(), settings(), true);
        let above = Position(position.0 + 50);
        Watermark::new(above, last_use)
            .write(folder.path())
            .unwrap();
        let refused = Database::open(folder.path(), settings()).unwrap_err();
        assert!(
            matches!(refused, StorageError::BehindWatermark { watermark, .. } if watermark == above),
            "{refused}"
        );
        let report = crate::verify(folder.path(), &settings()).unwrap();
        assert_eq!(report.problem_count, 1, "{report:?}");
        Watermark::new(position, last_use)
            .write(folder.path())
            .unwrap();
    }
    // Also when all of it is gone.
    fs::remove_dir_all(rocksdb_folder(folder.path())).unwrap();
    let refused = Database::open(folder.path(), settings()).unwrap_err();
    assert!(
        matches!(refused, StorageError::BehindWatermark { .. }),
        "{refused}"
    );
}

#[test]
fn without_a_watermark_a_new_life_begins_and_a_damaged_one_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (epoch, _) = once(folder.path(), settings(), true);
    let file = Watermark::file(folder.path());
    fs::write(&file, b"{\"position\":").unwrap();
    let refused = Database::open(folder.path(), settings()).unwrap_err();
    assert!(matches!(refused, StorageError::Damaged(_)), "{refused}");
    fs::remove_file(&file).unwrap();
    let (next, _) = once(folder.path(), settings(), true);
    assert_ne!(next, epoch);
}

#[test]
fn the_watermark_follows_what_is_on_disk_and_never_leads() {
    let folder = tempfile::tempdir().unwrap();
    let (database, mut upkeep) = Database::open_without_upkeep(folder.path(), settings()).unwrap();
    let in_file = || Watermark::read(folder.path()).unwrap().unwrap().position();
    assert!(!upkeep.is_behind());

    let position = commit(&database, batch("a", 1)).unwrap();
    assert!(upkeep.is_behind());
    upkeep.step().unwrap();
    let synced = in_file();
    assert!(synced >= position && synced <= database.committer.synced());
    assert!(!upkeep.is_behind());

    // Published, but not synced: nothing to say.
    let unsynced = database.committer.without_syncing();
    let published = commit(&database, batch("a", 2)).unwrap();
    assert_eq!(database.view(Op::Other).position(), published);
    assert!(database.committer.synced() < published);
    assert!(!upkeep.is_behind());
    upkeep.step().unwrap();
    assert_eq!(in_file(), synced);
    drop(unsynced);

    let last = commit(&database, batch("a", 3)).unwrap();
    database.close().unwrap();
    assert_eq!(
        Watermark::read(folder.path()).unwrap(),
        Some(Watermark::new(last, LastUse::Closed))
    );
}

#[test]
fn upkeep_syncs_what_the_system_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let (database, mut upkeep) =
        Database::open_without_upkeep(folder.path(), settings_os()).unwrap();
    let position = commit(&database, batch("a", 1)).unwrap();
    assert!(database.committer.synced() < position);
    assert!(upkeep.is_behind());
    upkeep.step().unwrap();
    assert!(database.committer.synced() >= position);
    let watermark = Watermark::read(folder.path()).unwrap().unwrap();
    assert_eq!(watermark.last_use, LastUse::RunningOs);
    assert!(watermark.position() >= position);
}

#[test]
fn a_database_for_later_readers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let mut batch = Batch::new(Op::Other);
    let newer = u64::from(SCHEMA_VERSION) + 1;
    batch.put(&META, &Tail::from("schema_version"), &Plain(newer));
    commit(&database, batch).unwrap();
    drop(database);
    // Later, but this program can follow.
    let database = open(folder.path());
    let mut batch = Batch::new(Op::Other);
    batch.put(&META, &Tail::from("compatibility_version"), &Plain(newer));
    commit(&database, batch).unwrap();
    drop(database);
    let refused = Database::open(folder.path(), settings()).unwrap_err();
    assert!(
        matches!(refused, StorageError::Newer { needs, known } if needs == newer && known == SCHEMA_VERSION),
        "{refused}"
    );
}

#[test]
fn a_folder_with_data_and_no_current_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    once(folder.path(), settings(), true);
    let current = rocksdb_folder(folder.path()).join("CURRENT");
    let kept = fs::read(&current).unwrap();
    fs::remove_file(&current).unwrap();
    let refused = Database::open(folder.path(), settings()).unwrap_err();
    assert!(matches!(refused, StorageError::NoCurrent(_)), "{refused}");
    fs::write(&current, kept).unwrap();
    assert_eq!(value(&open(folder.path()), "a"), Some(1));
}

#[test]
fn a_database_is_opened_once() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let refused = Database::open(folder.path(), settings()).unwrap_err();
    assert!(matches!(refused, StorageError::Engine(_)), "{refused}");
    commit(&database, batch("a", 1)).unwrap();
}

#[test]
fn opening_reads_as_much_of_a_large_database_as_of_a_small_one() {
    let cost = |rows: u64| {
        let folder = tempfile::tempdir().unwrap();
        let database = open(folder.path());
        database
            .load((0..rows).map(|i| batch(&format!("{i}"), i)))
            .unwrap();
        database.close().unwrap();
        drop(database);
        let database = open(folder.path());
        let counts = database.counts().of(Op::Open);
        (
            counts.keys_read.load(Relaxed),
            counts.bytes_read.load(Relaxed),
        )
    };
    let (keys, bytes) = cost(10);
    assert!(keys <= 5, "{keys}");
    assert_eq!(cost(20_000), (keys, bytes));
}
