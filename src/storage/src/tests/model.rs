//! The database and the store in memory give the same answers.

use heliograph_core::ids::{Position, RoomNum};
use heliograph_tables::{
    Batch, Direction, Family, Op, Record, Store, Table, View,
    codec::{Plain, UNSTAMPED},
    log::Read,
    mem::MemStore,
    schema,
};
use proptest::prelude::*;

use super::{commit, open};

type Rows = Table<(u8, Position, u8), Plain<Position>>;

const TABLES: [Rows; 3] = [
    Table::new("one", Family::Events, 0xff01),
    Table::new("two", Family::Index, 0xff02),
    Table::new("three", Family::Index, 0xff03),
];

#[derive(Clone, Debug)]
enum Change {
    Put(usize, u8, Option<u64>, u8),
    Delete(usize, u8, u64, u8),
    DeletePrefix(usize, u8),
    DeleteRange(usize, u8, u8),
    Record(u32),
}

fn change() -> impl Strategy<Value = Change> {
    let table = 0usize..3;
    prop_oneof![
        6 => (table.clone(), 0u8..4, prop::option::of(0u64..4), 0u8..3)
            .prop_map(|(t, a, p, b)| Change::Put(t, a, p, b)),
        3 => (table.clone(), 0u8..4, 0u64..4, 0u8..3)
            .prop_map(|(t, a, p, b)| Change::Delete(t, a, p, b)),
        1 => (table.clone(), 0u8..4).prop_map(|(t, a)| Change::DeletePrefix(t, a)),
        1 => (table, 0u8..4, 0u8..5).prop_map(|(t, a, b)| Change::DeleteRange(t, a, b)),
        1 => (0u32..9).prop_map(Change::Record),
    ]
}

fn prepare(changes: &[Change]) -> Batch {
    let mut batch = Batch::new(Op::Other);
    for change in changes {
        match *change {
            Change::Put(t, a, p, b) => {
                let key = (a, p.map_or(UNSTAMPED, Position), b);
                batch.put(&TABLES[t], &key, &Plain(UNSTAMPED));
            }
            Change::Delete(t, a, p, b) => batch.delete(&TABLES[t], &(a, Position(p), b)),
            Change::DeletePrefix(t, a) => batch.delete_prefix(&TABLES[t], &a),
            Change::DeleteRange(t, a, b) => batch.delete_range(&TABLES[t], &a, &b),
            Change::Record(room) => batch.record(Record::CurrentState {
                room: RoomNum(room),
            }),
        }
    }
    batch
}

/// Everything that a view says.
fn all(view: &View) -> Vec<String> {
    let mut said = vec![view.position().to_string()];
    for table in &TABLES {
        for direction in [Direction::Forward, Direction::Backward] {
            for row in view.scan(table, &(), direction) {
                said.push(format!("{} {:?}", table.name, row.unwrap()));
            }
            for row in view.range(table, &1u8, &(3u8, Position(2)), direction) {
                said.push(format!("{} range {:?}", table.name, row.unwrap()));
            }
        }
        let keys: Vec<_> = (0u8..4)
            .rev()
            .flat_map(|a| (0u64..4).map(move |p| (a, Position(p), 1u8)))
            .collect();
        let many = view.multi_get(table, &keys).unwrap();
        for (key, row) in keys.iter().zip(many) {
            assert_eq!(view.get(table, key).unwrap(), row);
            said.push(format!("{} {key:?} {row:?}", table.name));
        }
    }
    let log = view.scan(&schema::LOG, &(), Direction::Forward);
    said.extend(log.map(|row| format!("log {:?}", row.unwrap())));
    said
}

fn log(store: &dyn Store, after: u64, limit: usize) -> Vec<String> {
    let Read::Entries(entries) = store.log_after(Position(after), limit).unwrap() else {
        return vec!["trimmed".to_owned()];
    };
    entries.iter().map(|entry| format!("{entry:?}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn both_stores_say_the_same(
        batches in prop::collection::vec(prop::collection::vec(change(), 0..8), 1..12),
        flush_after in 0usize..12,
        held in 0usize..12,
    ) {
        let folder = tempfile::tempdir().unwrap();
        let database = open(folder.path());
        let model = MemStore::new();
        // A database's first batch is its creation.
        model.submit(model.try_reserve().unwrap(), Batch::new(Op::Other)).unwrap();
        let mut old = None;
        for (i, changes) in batches.iter().enumerate() {
            let position = commit(&database, prepare(changes)).unwrap();
            let submitted = model.submit(model.try_reserve().unwrap(), prepare(changes)).unwrap();
            prop_assert_eq!(position, submitted.position);
            if i == flush_after {
                database.committer.engine.flush().unwrap();
            }
            if i == held {
                old = Some((database.view(Op::Other), model.view(Op::Other)));
            }
        }
        for (a, b) in old.into_iter().chain([(database.view(Op::Other), model.view(Op::Other))]) {
            prop_assert_eq!(all(&a), all(&b));
        }
        for after in 1..14 {
            prop_assert_eq!(log(&database, after, 5), log(&model, after, 5));
        }
        drop(database);
        // The log on disk is the one in memory.
        let database = open(folder.path());
        for after in 1..14 {
            prop_assert_eq!(log(&database, after, 5), log(&model, after, 5));
        }
    }
}
