//! The log is trimmed by age and by size, and held for nobody.

use std::{sync::Arc, time::Duration};

use heliograph_core::ids::Position;
use heliograph_tables::{Op, Store};
use heliograph_work::ManualClock;

use super::{batch, commit, positions, settings};
use crate::{Database, Settings};

const HOUR_MS: u64 = 3_600_000;
const DAY_MS: u64 = 24 * HOUR_MS;

#[test]
fn entries_go_when_they_are_seven_days_old_and_not_before() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(DAY_MS));
    let settings = Settings {
        clock: Arc::<ManualClock>::clone(&clock),
        // Nothing in memory, so that the disk is asked.
        log_memory_bytes: 0,
        ..settings()
    };
    let (database, mut upkeep) = Database::open_without_upkeep(folder.path(), settings).unwrap();
    let first = commit(&database, batch("a", 1)).unwrap();
    upkeep.step().unwrap();
    for _ in 0..6 {
        clock.advance(DAY_MS);
        commit(&database, batch("a", 2)).unwrap();
        upkeep.step().unwrap();
        assert_eq!(positions(&database, 0, 1), Some(vec![1]));
    }
    clock.advance(DAY_MS);
    commit(&database, batch("a", 3)).unwrap();
    upkeep.step().unwrap();
    assert_eq!(positions(&database, 0, 1), None);
    assert_eq!(positions(&database, first.0 - 1, 1), None);
    // What came within the week is there.
    let last = database.view(Op::Other).position().0;
    let kept = positions(&database, first.0, 100).unwrap();
    assert_eq!(kept, (first.0 + 1..=last).collect::<Vec<_>>());
    // The rows that the entries spoke of are not touched.
    assert_eq!(super::value(&database, "a"), Some(3));
}

#[test]
fn an_idle_database_keeps_its_last_entry_and_makes_none() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(DAY_MS));
    let settings = Settings {
        clock: Arc::<ManualClock>::clone(&clock),
        log_memory_bytes: 0,
        ..settings()
    };
    let (database, mut upkeep) = Database::open_without_upkeep(folder.path(), settings).unwrap();
    commit(&database, batch("a", 1)).unwrap();
    upkeep.step().unwrap();
    clock.advance(30 * DAY_MS);
    upkeep.step().unwrap();
    let last = database.view(Op::Other).position();
    for _ in 0..5 {
        clock.advance(30 * DAY_MS);
        upkeep.step().unwrap();
    }
    assert_eq!(database.view(Op::Other).position(), last);
    let before = Position(last.0 - 1).0;
    assert_eq!(positions(&database, before, 10), Some(vec![last.0]));
    database.close().unwrap();
    drop((database, upkeep));
    assert_eq!(super::open(folder.path()).view(Op::Other).position(), last);
}

#[test]
fn entries_go_when_the_log_is_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new(DAY_MS));
    let settings = Settings {
        clock: Arc::<ManualClock>::clone(&clock),
        log_memory_bytes: 0,
        log_max_bytes: 20_000,
        log_max_age: Duration::from_hours(24 * 365),
        ..settings()
    };
    let (database, mut upkeep) = Database::open_without_upkeep(folder.path(), settings).unwrap();
    let mut hours = 0u64;
    while positions(&database, 0, 1).is_some() {
        hours += 1;
        assert!(hours < 100, "never trimmed");
        let batches = (0..500).map(|i| batch("a", i));
        database.load(batches).unwrap();
        clock.advance(HOUR_MS);
        upkeep.step().unwrap();
    }
    // The newest hours are there.
    assert!(hours > 1);
    let last = database.view(Op::Other).position().0;
    let kept = positions(&database, last - 400, 1000).unwrap();
    assert_eq!(kept.last(), Some(&last));
    database.close().unwrap();
    let report = crate::verify(folder.path(), &super::settings()).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
}
