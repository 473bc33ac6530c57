//! Makes the fixture of the current schema: `cargo run -p heliograph-storage --example fixture --
//! FOLDER`. Run it once, when a schema is released; a test opens what it made then for ever after.

use std::{env, error::Error, sync::Arc};

use bytes::Bytes;
use heliograph_core::ids::{Position, RoomNum};
use heliograph_storage::{Database, Settings};
use heliograph_tables::{
    Batch, Op, Record,
    codec::{Plain, Tail},
    schema,
};
use heliograph_work::{ManualClock, RandomSource};

/// Always the same, so that the epoch is known.
#[derive(Debug)]
struct Fixed;

impl RandomSource for Fixed {
    fn fill(&self, bytes: &mut [u8]) {
        let pattern = 0x0000_0000_aabb_ccdc_u64.to_le_bytes();
        for (byte, fixed) in bytes.iter_mut().zip(pattern.iter().cycle()) {
            *byte = *fixed;
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let target = env::args().nth(1).ok_or("the folder to make is missing")?;
    let settings = Settings {
        clock: Arc::new(ManualClock::new(1_800_000_000_000)),
        random: Arc::new(Fixed),
        ..Settings::default()
    };
    let folder = tempfile::tempdir()?;
    let database = Database::open(folder.path(), settings)?;
    let name = Tail::from("fixture");
    let mut names = Batch::new(Op::Other);
    let room = Tail::from("!fixture:example.org");
    names.put(&schema::ROOM_NUMS, &room, &Plain(RoomNum(1)));
    names.put(&schema::ROOM_NAMES, &RoomNum(1), &Plain(room.0.clone()));
    names.record(Record::CurrentState { room: RoomNum(1) });
    let mut secret = Batch::new(Op::Other);
    secret.put(&schema::SECRETS, &name, &Plain(Bytes::from_static(b"kept")));
    let mut cursor = Batch::new(Op::Other);
    cursor.put(&schema::CURSORS, &name, &Plain(Position(2)));
    database.load([names, secret, cursor])?;
    database.checkpoint(target)?;
    database.close()?;
    Ok(())
}
