//! Brings a changed profile into the rooms that its user is in.

use std::sync::Arc;

use heliograph_accounts::{AccountError, Accounts, ProfileField};
use heliograph_core::{
    ids::{Position, UserNum},
    json::Value,
};
use heliograph_rooms::{RoomError, Rooms};
use heliograph_tables::{
    Batch, Op, Record, Store,
    codec::{Plain, Tail},
    log::Read,
    schema::CURSORS,
};
use heliograph_work::{Pool, Step, Worker, WorkerCx, WorkerError};
use tokio::sync::watch;
use tracing::debug;

/// Log entries taken in at a step.
const CHUNK: usize = 256;
/// Entries that may be looked at again after a restart.
const SAVE_EVERY: u64 = 4096;

/// Reads the log for changed profiles; its cursor is in the store.
pub(crate) struct ProfileWorker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) rooms: Rooms,
    pub(crate) pool: Pool,
    pub(crate) published: watch::Receiver<Position>,
    /// Up to where the log is read, and up to where that is stored; `None` before the first step.
    pub(crate) cursor: Option<(Position, Position)>,
}

impl Worker for ProfileWorker {
    const NAME: &'static str = "profiles";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        let (at, saved) = match self.cursor {
            Some(cursor) => cursor,
            None => self.load()?,
        };
        self.published.borrow_and_update();
        let entries = match self.store.log_after(at, CHUNK).map_err(WorkerError::new)? {
            Read::Entries(entries) => entries,
            // What changed before that is in the rooms of everybody who talked since.
            Read::Trimmed => {
                let newest = *self.published.borrow();
                self.cursor = Some((newest, saved));
                return Ok(Step::Again);
            }
        };
        let Some(last) = entries.last().map(|entry| entry.position) else {
            return self.wait(cx).await;
        };
        let mut handled = false;
        for record in entries.iter().flat_map(|entry| entry.entry.0.iter()) {
            if let Record::ProfileChanged { user } = record {
                self.refresh(*user).await?;
                handled = true;
            }
        }
        self.cursor = Some((last, saved));
        if handled || last.0.saturating_sub(saved.0) >= SAVE_EVERY {
            self.save(last).await?;
        }
        Ok(Step::Again)
    }
}

impl ProfileWorker {
    fn load(&self) -> Result<(Position, Position), WorkerError> {
        let view = self.store.view(Op::Other);
        let row = view
            .get(&CURSORS, &Tail::from(Self::NAME))
            .map_err(WorkerError::new)?;
        let at = row.map_or(Position(0), |row| row.0);
        Ok((at, at))
    }

    /// Stores how far the log is read.
    async fn save(&mut self, at: Position) -> Result<(), WorkerError> {
        let permit = self.store.reserve().await.map_err(WorkerError::new)?;
        let mut batch = Batch::new(Op::Other);
        batch.put(&CURSORS, &Tail::from(Self::NAME), &Plain(at));
        let submitted = self.store.submit(permit, batch).map_err(WorkerError::new)?;
        submitted
            .completion
            .published()
            .await
            .map_err(WorkerError::new)?;
        self.cursor = Some((at, at));
        Ok(())
    }

    /// Waits for something new.
    async fn wait(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        tokio::select! {
            changed = self.published.changed() => {
                Ok(if changed.is_ok() { Step::Again } else { Step::Done })
            }
            () = cx.shutdown().requested() => Ok(Step::Done),
        }
    }

    /// Brings one user's profile into all rooms that the user is in.
    async fn refresh(&self, user: UserNum) -> Result<(), WorkerError> {
        let Some(info) = self.accounts.user(user).await.map_err(WorkerError::new)? else {
            return Ok(());
        };
        let profile = match self.accounts.profile_of(info.user_id.as_str()).await {
            Ok((_, profile)) => profile,
            Err(AccountError::UnknownUser) => return Ok(()),
            Err(error) => return Err(WorkerError::new(error)),
        };
        let mut content = Value::object::<&str, _>([]);
        for field in [ProfileField::Displayname, ProfileField::AvatarUrl] {
            if let Some(value) = field.of(&profile) {
                content.insert(field.as_str(), Value::from(value));
            }
        }
        let (rooms, store) = (self.rooms.clone(), Arc::clone(&self.store));
        let joined = self
            .pool
            .run(move || rooms.joined_rooms(&store.view(Op::Other), user));
        for room in joined
            .await
            .map_err(WorkerError::new)?
            .map_err(WorkerError::new)?
        {
            let changed = self
                .rooms
                .refresh_profile(room, info.user_id.clone(), content.clone());
            match changed.await {
                Ok(()) => {}
                Err(RoomError::Forbidden(reason)) => debug!(%room, reason, "profile not changed"),
                Err(error) => return Err(WorkerError::new(error)),
            }
        }
        Ok(())
    }
}
