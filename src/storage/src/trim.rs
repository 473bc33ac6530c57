//! Trimming the log: by age or by size, whichever first, and held for nobody.
//!
//! Entries carry no time. A mark in [`schema::META`] says which position was the last at some
//! time: one an hour, and one every 65,536 positions, written only when something was committed.

use std::time::Duration;

use heliograph_core::ids::Position;
use heliograph_tables::{
    Batch, Direction, Family, Op, StoreError,
    codec::{Plain, Tail},
    schema,
};
use heliograph_work::SharedClock;

use crate::{Settings, committer::Committer};

/// How the names of the marks begin; after it the time in milliseconds, 20 digits.
pub(crate) const MARKS: &str = "log_mark/";

const MARK_EVERY: Duration = Duration::from_hours(1);
const MARK_POSITIONS: u64 = 65_536;

/// The log ended at `position` at this time.
#[derive(Clone, Copy, Debug)]
struct Mark {
    time_ms: u64,
    position: Position,
}

impl Mark {
    fn name(self) -> Tail {
        Tail(format!("{MARKS}{:020}", self.time_ms).into())
    }
}

/// Decides when to mark and what to trim.
pub(crate) struct Trimmer {
    clock: SharedClock,
    max_age: Duration,
    max_bytes: u64,
    /// The newest mark, once it was looked for.
    last: Option<Mark>,
    /// The position of the last batch that this made: no reason for another mark.
    own: Position,
    looked_ms: Option<u64>,
}

impl Trimmer {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            clock: settings.clock.clone(),
            max_age: settings.log_max_age,
            max_bytes: settings.log_max_bytes,
            last: None,
            own: Position(0),
            looked_ms: None,
        }
    }

    /// Marks and trims where it is time to.
    pub(crate) fn step(&mut self, committer: &Committer) -> Result<(), StoreError> {
        let now_ms = self.clock.now_ms();
        let marked = self.mark(committer, now_ms)?;
        let hour_ms = millis(MARK_EVERY);
        let due = self
            .looked_ms
            .is_none_or(|looked| now_ms.abs_diff(looked) >= hour_ms);
        if marked || due {
            self.looked_ms = Some(now_ms);
            self.trim(committer, now_ms)?;
        }
        Ok(())
    }

    /// Writes a mark when the last one is old or far below, and something came since.
    fn mark(&mut self, committer: &Committer, now_ms: u64) -> Result<bool, StoreError> {
        let position = committer.position();
        if position <= self.own {
            return Ok(false);
        }
        let last = match self.last {
            Some(last) => Some(last),
            None => newest_mark(committer)?,
        };
        self.last = last;
        let due = last.is_none_or(|last| {
            now_ms.abs_diff(last.time_ms) >= millis(MARK_EVERY)
                || position.0.saturating_sub(last.position.0) >= MARK_POSITIONS
        });
        if !due {
            return Ok(false);
        }
        let mark = Mark {
            time_ms: now_ms,
            position,
        };
        let mut batch = Batch::new(Op::Other);
        batch.put(&schema::META, &mark.name(), &Plain(position.0));
        self.commit(committer, batch)?;
        self.last = Some(mark);
        Ok(true)
    }

    /// Removes what is too old or too much; the last entry always stays.
    fn trim(&mut self, committer: &Committer, now_ms: u64) -> Result<(), StoreError> {
        let marks = marks(committer)?;
        let oldest_ms = now_ms.saturating_sub(millis(self.max_age));
        let by_age = marks
            .iter()
            .filter(|mark| mark.time_ms <= oldest_ms)
            .map(|mark| mark.position)
            .max();
        let by_size = self.too_much(committer, &marks)?;
        let Some(cut) = by_age.max(by_size) else {
            return Ok(());
        };
        let cut = cut.min(Position(committer.position().0.saturating_sub(1)));
        let mut batch = Batch::new(Op::Other);
        batch.delete_range(
            &schema::LOG,
            &Position(0),
            &Position(cut.0.saturating_add(1)),
        );
        for mark in marks.iter().filter(|mark| mark.position <= cut) {
            batch.delete(&schema::META, &mark.name());
        }
        tracing::debug!(%cut, "trimming the log");
        self.commit(committer, batch)
    }

    /// The mark up to which entries must go so that the rest fits.
    fn too_much(
        &self,
        committer: &Committer,
        marks: &[Mark],
    ) -> Result<Option<Position>, StoreError> {
        if bytes_after(committer, Position(0))? <= self.max_bytes {
            return Ok(None);
        }
        let mut cut = None;
        for mark in marks {
            cut = cut.max(Some(mark.position));
            if bytes_after(committer, mark.position)? <= self.max_bytes {
                break;
            }
        }
        Ok(cut)
    }

    fn commit(&mut self, committer: &Committer, batch: Batch) -> Result<(), StoreError> {
        let submitted = committer.submit(committer.try_reserve()?, batch)?;
        self.own = submitted.position;
        submitted.completion.published_blocking()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// All marks, oldest first; some hundreds at most.
fn marks(committer: &Committer) -> Result<Vec<Mark>, StoreError> {
    let view = committer.view(Op::Other);
    view.scan(&schema::META, &Tail::from(MARKS), Direction::Forward)
        .map(|row| row.map(|(name, position)| decode(&name, position)))
        .filter_map(Result::transpose)
        .collect()
}

fn newest_mark(committer: &Committer) -> Result<Option<Mark>, StoreError> {
    let view = committer.view(Op::Other);
    let row = view.end(&schema::META, &Tail::from(MARKS), Direction::Backward)?;
    Ok(row.and_then(|(name, position)| decode(&name, position)))
}

/// A mark out of its row; nothing for a name that is none.
fn decode(name: &Tail, Plain(position): Plain<u64>) -> Option<Mark> {
    let time_ms = name.0.strip_prefix(MARKS)?.parse().ok()?;
    Some(Mark {
        time_ms,
        position: Position(position),
    })
}

/// What the entries after a position take on disk, roughly; those in memory do not count.
fn bytes_after(committer: &Committer, after: Position) -> Result<u64, StoreError> {
    let from = schema::LOG.start(&after);
    let to = schema::LOG.start(&Position(u64::MAX));
    let engine = &committer.engine;
    let sizes = engine.db.get_approximate_sizes_cf(
        engine.family(Family::Log)?,
        &[rocksdb::Range::new(&from, &to)],
    );
    Ok(sizes.into_iter().sum())
}
