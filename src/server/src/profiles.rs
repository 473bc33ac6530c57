//! Brings a changed profile into the rooms that its user is in.

use std::sync::Arc;

use heliograph_accounts::{AccountError, Accounts, ProfileField};
use heliograph_core::{ids::UserNum, json::Value};
use heliograph_rooms::{RoomError, Rooms};
use heliograph_tables::{Op, Record, Store};
use heliograph_work::{Pool, Step, Worker, WorkerCx, WorkerError};
use tracing::debug;

use crate::follower::{Follower, News};

/// Reads the log for changed profiles.
pub(crate) struct ProfileWorker {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) rooms: Rooms,
    pub(crate) pool: Pool,
    pub(crate) log: Follower,
}

impl Worker for ProfileWorker {
    const NAME: &'static str = "profiles";

    async fn step(&mut self, cx: &WorkerCx) -> Result<Step, WorkerError> {
        let (to, records) = match self.log.next()? {
            News::Records(to, records) => (to, records),
            // What changed before that is in the rooms of everybody who talked since.
            News::Trimmed(to) => (to, Vec::new()),
            News::None => return self.log.wait(cx).await,
        };
        let mut handled = false;
        for record in &records {
            if let Record::ProfileChanged { user } = record {
                self.refresh(*user).await?;
                handled = true;
            }
        }
        self.log.advance(to, handled).await?;
        Ok(Step::Again)
    }
}

impl ProfileWorker {
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
