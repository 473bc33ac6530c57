//! A database of every released schema opens.

use std::{fs, path::Path};

use bytes::Bytes;
use heliograph_core::ids::{Position, RoomNum};
use heliograph_tables::{
    Op, Store,
    codec::{Plain, Tail},
    schema,
};

use super::{open, positions, settings, value};
use crate::{files, verify};

/// Copies a folder of the fixtures.
fn copy(from: &Path, to: &Path) {
    for file in files::list(from).unwrap() {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
}

#[test]
fn schema_1_opens() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/schema-1");
    let folder = tempfile::tempdir().unwrap();
    copy(&fixture, folder.path());
    let report = verify(folder.path(), &settings()).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());

    let database = open(folder.path());
    assert_eq!(database.epoch(), 2_864_434_397);
    assert_eq!(value(&database, "schema_version"), Some(1));
    let view = database.view(Op::Other);
    assert_eq!(view.position(), Position(5));
    assert_eq!(positions(&database, 1, 10), Some(vec![2, 3, 4, 5]));
    let room = view.get(&schema::ROOM_NUMS, &Tail::from("!fixture:example.org"));
    assert_eq!(room.unwrap(), Some(Plain(RoomNum(1))));
    let secret = view.get(&schema::SECRETS, &Tail::from("fixture")).unwrap();
    assert_eq!(secret, Some(Plain(Bytes::from_static(b"kept"))));
    let cursor = view.get(&schema::CURSORS, &Tail::from("fixture")).unwrap();
    assert_eq!(cursor, Some(Plain(Position(2))));
}
