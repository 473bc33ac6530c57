//! Reading the log for a worker that follows it; how far it came is in the store.

use std::sync::Arc;

use heliograph_core::ids::Position;
use heliograph_tables::{
    Batch, Op, Record, Store,
    codec::{Plain, Tail},
    log::Read,
    schema::CURSORS,
};
use heliograph_work::{Step, WorkerCx, WorkerError};
use tokio::sync::watch;

/// Log entries read at a time.
const CHUNK: usize = 256;
/// Entries that may be read again after a restart.
const SAVE_EVERY: u64 = 4096;

/// A place in the log.
pub(crate) struct Follower {
    name: &'static str,
    store: Arc<dyn Store>,
    published: watch::Receiver<Position>,
    /// Up to where the log is read, and up to where that is stored; `None` before the first look.
    cursor: Option<(Position, Position)>,
}

/// What comes next in the log.
pub(crate) enum News {
    /// What changed up to a position.
    Records(Position, Vec<Record>),
    /// The log was trimmed: what changed up to a position has to be found in other ways.
    Trimmed(Position),
    /// Nothing yet.
    None,
}

impl Follower {
    /// The place where the worker with a name stopped.
    pub(crate) fn new(
        name: &'static str,
        store: Arc<dyn Store>,
        published: watch::Receiver<Position>,
    ) -> Self {
        Self {
            name,
            store,
            published,
            cursor: None,
        }
    }

    /// What comes next, up to [`CHUNK`] entries; the same again until [`Self::advance`] is called.
    pub(crate) fn next(&mut self) -> Result<News, WorkerError> {
        let (at, saved) = match self.cursor {
            Some(cursor) => cursor,
            None => self.load()?,
        };
        self.cursor = Some((at, saved));
        self.published.borrow_and_update();
        let read = self.store.log_after(at, CHUNK).map_err(WorkerError::new)?;
        let Read::Entries(entries) = read else {
            return Ok(News::Trimmed(*self.published.borrow()));
        };
        let Some(last) = entries.last().map(|entry| entry.position) else {
            return Ok(News::None);
        };
        let records = entries.iter().flat_map(|entry| entry.entry.0.iter());
        Ok(News::Records(last, records.cloned().collect()))
    }

    /// Goes on to a position, which is stored if something was `done` for what lies before it, and
    /// now and then otherwise.
    pub(crate) async fn advance(&mut self, to: Position, done: bool) -> Result<(), WorkerError> {
        let saved = self.cursor.map_or(Position(0), |(_, saved)| saved);
        self.cursor = Some((to, saved));
        if done || to.0.saturating_sub(saved.0) >= SAVE_EVERY {
            self.save(to).await?;
        }
        Ok(())
    }

    /// Waits for something new.
    pub(crate) async fn wait(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        tokio::select! {
            changed = self.published.changed() => {
                Ok(if changed.is_ok() { Step::Again } else { Step::Done })
            }
            () = cx.shutdown().requested() => Ok(Step::Done),
        }
    }

    fn load(&self) -> Result<(Position, Position), WorkerError> {
        let view = self.store.view(Op::Other);
        let row = view.get(&CURSORS, &Tail::from(self.name));
        let at = row.map_err(WorkerError::new)?;
        let at = at.map_or(Position(0), |row| row.0);
        Ok((at, at))
    }

    /// Stores how far the log is read.
    async fn save(&mut self, at: Position) -> Result<(), WorkerError> {
        let permit = self.store.reserve().await.map_err(WorkerError::new)?;
        let mut batch = Batch::new(Op::Other);
        batch.put(&CURSORS, &Tail::from(self.name), &Plain(at));
        let submitted = self.store.submit(permit, batch).map_err(WorkerError::new)?;
        let published = submitted.completion.published().await;
        published.map_err(WorkerError::new)?;
        self.cursor = Some((at, at));
        Ok(())
    }
}
