//! What a user has not read, as far as a sync tells it.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications>

use std::cell::{Cell, OnceCell};

use heliograph_accounts::AccountDataRow;
use heliograph_core::ids::RoomNum;
use heliograph_push::{Budget, Counts, Place, Who};
use heliograph_tables::schema::{RoomHead, UserRoom};

use crate::{
    delta::RoomDelta,
    engine::{Ask, Engine},
    request::SyncError,
};

/// Rows of timelines that are looked at for unread counts before others have their turn.
const COUNTED_AT_ONCE: u64 = 50_000;
/// Account data by which it is told anew what is unread.
const DECIDES_COUNTS: [&str; 2] = ["m.push_rules", "m.ignored_user_list"];

/// How far one request has come with counting.
pub(crate) struct Unread {
    /// How much may still be counted.
    budget: Budget,
    /// Whether that was too little.
    pub(crate) is_uncounted: Cell<bool>,
    /// Whether that changed by which it is counted.
    pub(crate) rules_changed: Cell<bool>,
    /// The user with the user's rules, read when they are first asked for.
    who: OnceCell<Who>,
}

impl Default for Unread {
    fn default() -> Self {
        Self {
            budget: Budget::new(COUNTED_AT_ONCE),
            is_uncounted: Cell::new(false),
            rules_changed: Cell::new(false),
            who: OnceCell::new(),
        }
    }
}

impl Unread {
    /// Takes in the account data that changed.
    pub(crate) fn note_account_data(&self, rows: &[AccountDataRow]) {
        let decides = |row: &AccountDataRow| DECIDES_COUNTS.contains(&&*row.kind);
        self.rules_changed.set(rows.iter().any(decides));
    }
}

impl Ask<'_> {
    fn who(&self) -> Result<&Who, SyncError> {
        let who = &self.unread.who;
        if let Some(who) = who.get() {
            return Ok(who);
        }
        let read = self.engine.push.who(self.view, self.user)?;
        Ok(who.get_or_init(|| read))
    }
}

impl Engine {
    /// What the user has not read; `None` when there was too much to count at once.
    pub(crate) fn counts(
        &self,
        ask: &Ask<'_>,
        events: &RoomDelta<'_>,
        (room, standing): (RoomNum, &UserRoom),
        head: &RoomHead,
    ) -> Result<Option<Counts>, SyncError> {
        let place = Place {
            view: ask.view,
            rooms: &ask.rooms(),
            presenter: events.reader.presenter(),
            room,
            head,
            standing,
        };
        let counts = self.push.counts(ask.who()?, &place, &ask.unread.budget)?;
        if counts.is_none() {
            ask.unread.is_uncounted.set(true);
        }
        Ok(counts)
    }
}
