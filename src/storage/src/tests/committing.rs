//! Submitting, publishing, failing.

use std::{
    collections::BTreeSet,
    sync::{Barrier, atomic::Ordering},
    thread,
};

use heliograph_core::ids::Position;
use heliograph_tables::{
    Batch, Direction, Op, Store, StoreError,
    codec::{Plain, UNSTAMPED},
    log::Read,
    schema,
};

use super::{batch, commit, open, open_with, positions, settings, settings_os, submit, value};
use crate::Database;

#[test]
fn what_is_published_is_read_and_logged() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let before = database.view(Op::Other);
    assert_eq!(before.position(), Position(1));

    let position = commit(&database, batch("a", 5)).unwrap();
    assert_eq!(position, Position(2));
    assert_eq!(value(&database, "a"), Some(5));
    assert_eq!(database.view(Op::Other).position(), position);
    assert_eq!(*database.published().borrow(), position);
    // An older view does not move.
    let row = before.get(&schema::META, &"a".into()).unwrap();
    assert_eq!(row, None);

    let Read::Entries(entries) = database.log_after(Position(1), 10).unwrap() else {
        panic!("trimmed");
    };
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].entry.0.len(), 1);
}

#[test]
fn sixteen_writers_get_dense_positions_and_readers_never_see_a_gap() {
    const WRITERS: u64 = 16;
    const EACH: u64 = 60;
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let start = Barrier::new(17);
    let last = 1 + WRITERS * EACH;
    let mut seen = thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let (database, start) = (&database, &start);
                scope.spawn(move || {
                    start.wait();
                    (0..EACH)
                        .map(|i| {
                            commit(database, batch(&format!("{writer}/{i}"), i))
                                .unwrap()
                                .0
                        })
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        start.wait();
        let mut at = 1;
        while at < last {
            let published = *database.published().borrow();
            let view = database.view(Op::Other);
            assert!(view.position() >= published);
            let newest = view.end(&schema::LOG, &(), Direction::Backward).unwrap();
            assert_eq!(newest.unwrap().0, view.position());
            let new = positions(&database, at, 1000).unwrap();
            let count = u64::try_from(new.len()).unwrap();
            assert_eq!(new, (at + 1..=at + count).collect::<Vec<_>>());
            at += count;
            assert!(database.view(Op::Other).position().0 >= at);
        }
        writers
            .into_iter()
            .flat_map(|writer| {
                let own = writer.join().unwrap();
                assert!(own.is_sorted());
                own
            })
            .collect::<Vec<_>>()
    });
    seen.sort_unstable();
    assert_eq!(seen, (2..=last).collect::<Vec<_>>());

    let view = database.view(Op::Other);
    let rows = view.range(&schema::LOG, &Position(2), &UNSTAMPED, Direction::Forward);
    let on_disk: Vec<_> = rows.map(Result::unwrap).collect();
    let Read::Entries(ring) = database.log_after(Position(1), usize::MAX).unwrap() else {
        panic!("trimmed");
    };
    let ring: Vec<_> = ring.into_iter().map(|e| (e.position, e.entry)).collect();
    assert_eq!(ring, on_disk);
    let names = view.scan(&schema::META, &(), Direction::Forward);
    let names: BTreeSet<_> = names.map(|row| row.unwrap().0.0).collect();
    for writer in 0..WRITERS {
        for i in 0..EACH {
            assert!(names.contains(format!("{writer}/{i}").as_str()));
        }
    }
}

#[test]
fn the_log_reads_on_from_memory_to_disk_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let small = crate::Settings {
        log_memory_bytes: 2000,
        ..settings()
    };
    let database = open_with(folder.path(), small);
    for i in 0..200 {
        commit(&database, batch("a", i)).unwrap();
    }
    let mut at = 0;
    while at < 201 {
        let some = positions(&database, at, 7).unwrap();
        assert_eq!(some.first(), Some(&(at + 1)));
        at += u64::try_from(some.len()).unwrap();
    }
    assert_eq!(positions(&database, 201, 7), Some(vec![]));
    assert_eq!(positions(&database, 999, 7), Some(vec![]));
}

#[test]
fn a_failed_write_or_sync_turns_the_store_read_only() {
    for sync in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let database = open(folder.path());
        commit(&database, batch("a", 1)).unwrap();
        let faults = &database.committer.faults;
        let fault = if sync { &faults.sync } else { &faults.write };
        fault.store(true, Ordering::SeqCst);
        let reserved = database.try_reserve().unwrap();

        let refused = commit(&database, batch("a", 2)).unwrap_err();
        assert!(matches!(refused, StoreError::ReadOnly(_)), "{refused}");
        // It is never tried again, also when it would succeed.
        fault.store(false, Ordering::SeqCst);
        let again = database.submit(reserved, batch("a", 3)).unwrap_err();
        assert!(matches!(again, StoreError::ReadOnly(_)), "{again}");
        let place = database.reserve_blocking().unwrap_err();
        assert!(matches!(place, StoreError::ReadOnly(_)), "{place}");
        let health = database.health().unwrap_err();
        assert!(health.to_string().contains("a test asked"), "{health}");

        // Reading goes on, and does not show what failed.
        assert_eq!(value(&database, "a"), Some(1));
        assert_eq!(database.view(Op::Other).position(), Position(2));
        assert!(database.close().is_err());
        drop(database);
        let database = open(folder.path());
        let after = value(&database, "a").unwrap();
        assert!(after == 1 || (sync && after == 2), "{after}");
        commit(&database, batch("a", 9)).unwrap();
    }
}

#[test]
fn every_waiting_writer_is_answered_when_a_sync_fails() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    database.committer.faults.sync.store(true, Ordering::SeqCst);
    let submitted: Vec<_> = (0..100)
        .map_while(|i| submit(&database, batch("a", i)).ok())
        .collect();
    assert!(!submitted.is_empty());
    for one in submitted {
        let answer = one.completion.published_blocking();
        assert!(matches!(answer, Err(StoreError::ReadOnly(_))), "{answer:?}");
    }
}

#[test]
fn the_queue_has_as_many_places_as_it_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let two = crate::Settings {
        queue_places: 2,
        ..settings()
    };
    let database = open_with(folder.path(), two);
    let first = database.try_reserve().unwrap();
    let second = database.try_reserve().unwrap();
    assert_eq!(database.try_reserve().unwrap_err(), StoreError::Full);
    assert_eq!(database.committer.places_in_use(), 2);
    drop(first);
    let submitted = database.submit(second, batch("a", 1)).unwrap();
    submitted.completion.published_blocking().unwrap();
    // A place is free again at the latest when its batch is published: the next waits for that.
    drop((
        database.reserve_blocking().unwrap(),
        database.reserve_blocking().unwrap(),
    ));
}

#[test]
fn closing_writes_what_was_submitted_and_refuses_more() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let reserved = database.try_reserve().unwrap();
    let submitted: Vec<_> = (0..300)
        .map(|i| submit(&database, batch(&format!("{i}"), i)).unwrap())
        .collect();
    database.close().unwrap();
    for one in submitted {
        one.completion.published_blocking().unwrap();
    }
    let refused = database.submit(reserved, batch("a", 1)).unwrap_err();
    assert_eq!(refused, StoreError::Closed);
    assert_eq!(database.reserve_blocking().unwrap_err(), StoreError::Closed);
    assert_eq!(database.health(), Err(StoreError::Closed));
    drop(database);
    let database = open(folder.path());
    assert_eq!(database.view(Op::Other).position(), Position(301));
    assert_eq!(value(&database, "299"), Some(299));
}

#[test]
fn dropping_without_closing_loses_nothing() {
    for settings in [settings(), settings_os()] {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path(), settings.clone()).unwrap();
        let position = commit(&database, batch("a", 1)).unwrap();
        drop(database);
        let database = Database::open(folder.path(), settings).unwrap();
        assert_eq!(value(&database, "a"), Some(1));
        assert!(database.view(Op::Other).position() >= position);
    }
}

#[test]
fn loading_commits_everything_and_ends_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    let database = open(folder.path());
    let batches = (0..3000).map(|i| {
        let mut batch = Batch::new(Op::Other);
        batch.put(&schema::META, &format!("{i:04}").as_str().into(), &Plain(i));
        batch
    });
    assert_eq!(database.load(batches).unwrap(), Position(3001));
    assert_eq!(database.committer.synced(), Position(3001));
    assert_eq!(value(&database, "2999"), Some(2999));
    // From here on each group is synced again.
    let position = commit(&database, batch("a", 1)).unwrap();
    assert_eq!(database.committer.synced(), position);
}

#[test]
fn whatever_a_view_shows_is_in_the_log() {
    const BATCHES: u64 = 5000;
    let folder = tempfile::tempdir().unwrap();
    let database = open_with(folder.path(), settings_os());
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..BATCHES {
                commit(&database, batch("a", number)).unwrap();
            }
        });
        loop {
            let shown = database.view(Op::Other).position();
            let read = database.log_after(Position(shown.0 - 1), 1).unwrap();
            let Read::Entries(entries) = read else {
                panic!("trimmed at {shown:?}");
            };
            let found = entries.first().map(|entry| entry.position);
            assert_eq!(found, Some(shown), "a sync would leave it out in silence");
            if shown.0 > BATCHES {
                return;
            }
        }
    });
}
