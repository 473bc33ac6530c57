//! Opening: is this a database that this program may go on with, and from which position?
//!
//! A *life* is a stretch of positions without a break, named by its epoch. A new one begins where
//! positions that were given out may be lost or may be given out again elsewhere: after an unclean
//! stop without syncing, and after a restore. Tokens of an older life are recognised by the epoch.

use std::sync::Arc;

use heliograph_core::ids::Position;
use heliograph_tables::{
    Batch, Direction, Op, View,
    codec::{Plain, Tail},
    counts::AllCounts,
    schema::{self, COMPATIBILITY_VERSION, SCHEMA_VERSION},
};
use heliograph_work::RandomSourceExt;

use crate::{
    Settings, StorageError,
    engine::Engine,
    snapshot::Frozen,
    trim,
    watermark::{LastUse, Watermark},
};

/// How far positions jump when a new life begins: more than can ever have been lost.
pub(crate) const JUMP: u64 = 1 << 32;

const SCHEMA: &str = "schema_version";
const COMPATIBILITY: &str = "compatibility_version";
const EPOCH: &str = "epoch";

/// The life that goes on or begins.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Life {
    pub(crate) epoch: u64,
    /// The position of the last batch.
    pub(crate) last: Position,
}

/// Everything in the database now, counted as the cost of opening.
pub(crate) fn view(engine: &Arc<Engine>, counts: &Arc<AllCounts>) -> View {
    let snapshot = Frozen::now(Arc::clone(engine));
    // The position is what is looked for.
    View::new(
        Arc::new(snapshot),
        Position(0),
        Arc::clone(counts),
        Op::Open,
    )
}

/// Reads a named number.
fn meta(view: &View, name: &str) -> Result<Option<u64>, StorageError> {
    Ok(view
        .get(&schema::META, &Tail::from(name))?
        .map(|Plain(value)| value))
}

/// What the database says of itself; `None` when it is new. Refuses what this program cannot read.
pub(crate) fn read(view: &View) -> Result<Option<Life>, StorageError> {
    let last = view.end(&schema::LOG, &(), Direction::Backward)?;
    let last = last.map(|(position, _)| position);
    let compatibility = meta(view, COMPATIBILITY)?;
    let epoch = meta(view, EPOCH)?;
    match (last, compatibility, epoch) {
        (None, None, None) => Ok(None),
        (_, Some(needs), _) if needs > u64::from(SCHEMA_VERSION) => Err(StorageError::Newer {
            needs,
            known: SCHEMA_VERSION,
        }),
        (Some(last), Some(_), Some(epoch)) => Ok(Some(Life { epoch, last })),
        _ => Err(StorageError::Damaged(
            "the log's last row, the schema version or the epoch is missing".to_owned(),
        )),
    }
}

/// Goes on with the life in the database, or begins a new one.
pub(crate) fn begin(
    engine: &Arc<Engine>,
    watermark: Option<&Watermark>,
    settings: &Settings,
    counts: &Arc<AllCounts>,
) -> Result<Life, StorageError> {
    let Some(found) = read(&view(engine, counts))? else {
        if let Some(watermark) = watermark {
            return Err(StorageError::BehindWatermark {
                last: Position(0),
                watermark: watermark.position(),
            });
        }
        return create(engine, settings, counts);
    };
    let Some(watermark) = watermark else {
        tracing::warn!("there is no watermark beside the database; a new epoch begins");
        return begin_new(engine, found, found.last, settings, counts);
    };
    let highest = found.last.max(watermark.position());
    match watermark.last_use {
        LastUse::RunningFsync | LastUse::Closed if found.last < watermark.position() => {
            Err(StorageError::BehindWatermark {
                last: found.last,
                watermark: watermark.position(),
            })
        }
        LastUse::RunningFsync | LastUse::Closed => Ok(found),
        LastUse::RunningOs => {
            tracing::warn!("the last stop was unclean and `durability` was \"os\": a new epoch");
            begin_new(engine, found, highest, settings, counts)
        }
        LastUse::Restored => begin_new(engine, found, highest, settings, counts),
    }
}

/// The first batch of a database, at position 1.
fn create(
    engine: &Arc<Engine>,
    settings: &Settings,
    counts: &Arc<AllCounts>,
) -> Result<Life, StorageError> {
    let life = Life {
        epoch: random_epoch(settings),
        last: Position(1),
    };
    let mut batch = Batch::new(Op::Open);
    let mut put = |name: &str, value| batch.put(&schema::META, &Tail::from(name), &Plain(value));
    put(SCHEMA, u64::from(SCHEMA_VERSION));
    put(COMPATIBILITY, u64::from(COMPATIBILITY_VERSION));
    put(EPOCH, life.epoch);
    write(engine, batch, life.last, counts)?;
    Ok(life)
}

/// A new epoch, beginning far above every position that can have been given out. The log of the
/// old one goes: it does not lead up to the new positions without a gap.
fn begin_new(
    engine: &Arc<Engine>,
    found: Life,
    highest: Position,
    settings: &Settings,
    counts: &Arc<AllCounts>,
) -> Result<Life, StorageError> {
    let mut epoch = random_epoch(settings);
    if epoch == found.epoch {
        epoch = epoch.wrapping_add(1);
    }
    let last = Position(highest.0.saturating_add(JUMP));
    let mut batch = Batch::new(Op::Open);
    batch.delete_range(&schema::LOG, &Position(0), &last);
    batch.delete_prefix(&schema::META, &Tail::from(trim::MARKS));
    batch.put(&schema::META, &Tail::from(EPOCH), &Plain(epoch));
    write(engine, batch, last, counts)?;
    Ok(Life { epoch, last })
}

/// Commits one batch before the committer's threads run.
fn write(
    engine: &Engine,
    batch: Batch,
    position: Position,
    counts: &AllCounts,
) -> Result<(), StorageError> {
    engine.write(&[Arc::new(batch.stamp(position, counts))])?;
    engine.flush_wal(true)?;
    Ok(())
}

/// 32 random bits: short in tokens, and other than any epoch that a copy may have.
fn random_epoch(settings: &Settings) -> u64 {
    settings.random.below(u64::from(u32::MAX)).saturating_add(1)
}
