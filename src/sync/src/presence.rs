//! Whose presence a client is told.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#presence>
//!
//! Cost follows how many users changed, not how many rooms or members there are.

use std::collections::HashSet;

use heliograph_core::ids::{RoomNum, UserNum};
use heliograph_rooms::{PresenceState, Shown, state::StateKey};
use heliograph_tables::schema::RoomHead;

use crate::{
    engine::{Ask, Engine},
    request::{Stretch, SyncError},
};

/// Changed users looked at for one answer, the last to change first.
const MAX_CHANGED: usize = 10_000;
/// Those of them who may share a room with the reader.
const MAX_LOOKED_AT: usize = 1000;

/// A user's presence, as a client is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceRow {
    /// Whose it is.
    pub user_id: String,
    /// What is shown.
    pub shown: Shown,
}

/// Users who came into the reader's sight since the last sync.
#[derive(Debug, Default)]
pub(crate) struct Newcomers {
    /// Those who came into rooms of the reader.
    users: Vec<UserNum>,
    /// Rooms into which the reader came.
    rooms: Vec<RoomNum>,
}

impl Newcomers {
    /// Notes who is new in a joined room that carries presence, or that the room is.
    pub(crate) fn note(
        &mut self,
        ask: &Ask<'_>,
        (own, stretch): (Stretch, Stretch),
        (room, head): (RoomNum, &RoomHead),
    ) -> Result<(), SyncError> {
        let settings = ask.engine.rooms.presence().settings();
        let carries = settings.enabled && head.joined <= settings.max_room_members;
        if !carries || stretch.from.is_none() || self.users.len() >= MAX_LOOKED_AT {
            return Ok(());
        }
        let Some(from) = own.from else {
            self.rooms.push(room);
            return Ok(());
        };
        let Some((_, before)) = ask.rooms().head_at(room, from)? else {
            return Ok(());
        };
        if before.state.members == head.state.members {
            return Ok(());
        }
        let changes = ask.rooms().state(room).changes(before.state, head.state)?;
        self.users
            .extend(changes.into_iter().filter_map(|(key, _)| match key {
                StateKey::Member(user) => Some(user),
                StateKey::Other(..) => None,
            }));
        Ok(())
    }
}

impl Engine {
    /// The presence that is news to a client.
    pub(crate) fn presence(
        &self,
        ask: &Ask<'_>,
        stretch: Stretch,
        newcomers: &Newcomers,
    ) -> Result<Vec<PresenceRow>, SyncError> {
        let presence = self.rooms.presence();
        let filter = &ask.filter.presence;
        let limit = filter.limit(MAX_LOOKED_AT, MAX_LOOKED_AT);
        if !presence.settings().enabled || limit == 0 || !filter.wants_type("m.presence") {
            return Ok(Vec::new());
        }
        let mut changed = match stretch.from {
            Some(_) => presence.changed_after(stretch.ephemeral_from, MAX_CHANGED),
            None => presence.present(MAX_CHANGED),
        };
        self.tracker.retain_sharers(ask.user, &mut changed);
        changed.truncate(MAX_LOOKED_AT);
        let mut seen: HashSet<UserNum> = changed.iter().copied().collect();
        let come = self.come(ask, newcomers)?;
        let users = changed
            .into_iter()
            .chain(come.into_iter().filter(|user| seen.insert(*user)));
        let max_members = presence.settings().max_room_members;
        let (mut sharing, mut rows) = (ask.rooms().sharing(ask.user, max_members), Vec::new());
        for user in users {
            if rows.len() == limit {
                break;
            }
            if user != ask.user && !sharing.with(user)? {
                continue;
            }
            let user_id = self.user_id(ask.view, user)?;
            if !filter.wants_sender(&user_id) || ask.ignores(&user_id)? {
                continue;
            }
            let shown = ask.rooms().presence_shown(ask.user, user)?;
            // At first, those who are offline, or hide, are not told.
            if stretch.from.is_some() || shown.state != PresenceState::Offline {
                rows.push(PresenceRow { user_id, shown });
            }
        }
        Ok(rows)
    }

    /// Those of the users present who came into the reader's sight.
    fn come(&self, ask: &Ask<'_>, newcomers: &Newcomers) -> Result<Vec<UserNum>, SyncError> {
        let mut come = Vec::new();
        if newcomers.users.is_empty() && newcomers.rooms.is_empty() {
            return Ok(come);
        }
        let users: HashSet<UserNum> = newcomers.users.iter().copied().collect();
        for user in self.rooms.presence().present(MAX_LOOKED_AT) {
            let mut is_new = users.contains(&user);
            for room in &newcomers.rooms {
                is_new = is_new || ask.rooms().is_joined(user, *room)?;
            }
            if is_new {
                come.push(user);
            }
        }
        Ok(come)
    }
}
