//! The delta engine: what changed for one client over one stretch of the log.
//!
//! Cost follows what changed: with nothing new it looks at nothing; with a token that the tracker
//! covers it reads the rooms that changed; else the user's rooms, one look each.

use std::{cell::OnceCell, collections::HashSet, sync::Arc};

use heliograph_accounts::{AccountDataRow, Accounts, blocks_invites, ignored_users};
use heliograph_core::{
    ids::{DeviceNum, EventIdx, Position, RoomNum, UserNum},
    tokens::SyncToken,
};
use heliograph_push::Push;
use heliograph_rooms::{Reader, Rooms, RoomsView, receipts_since};
use heliograph_tables::{
    StoreError, View,
    interner::Interner,
    schema::{Membership, UserRoom},
};

use crate::{
    Settings,
    delta::{Delta, JoinedRoom, RoomDelta},
    filter::Filter,
    lazy::LazyMembers,
    presence::Newcomers,
    request::{Stretch, SyncError, SyncRequest},
    room::RoomReader,
    tracker::Tracker,
    unread::Unread,
};

/// Receipts of one room in one answer at most, the newest ones.
const MAX_RECEIPTS: usize = 2000;
/// Rooms that the tracker gives before the user's rooms are walked instead.
const MAX_CHANGED_ROOMS: usize = 1000;

/// What the engine reads from.
pub(crate) struct Engine {
    pub(crate) rooms: Rooms,
    pub(crate) accounts: Arc<Accounts>,
    pub(crate) push: Arc<Push>,
    pub(crate) interner: Arc<Interner>,
    pub(crate) tracker: Arc<Tracker>,
    pub(crate) lazy: LazyMembers,
    pub(crate) settings: Settings,
    /// Which life of the data this is.
    pub(crate) epoch: u64,
    /// Which process this is.
    pub(crate) instance: u64,
}

/// One request at one moment.
pub(crate) struct Ask<'a> {
    pub(crate) engine: &'a Engine,
    pub(crate) view: &'a View,
    pub(crate) user: UserNum,
    pub(crate) device: DeviceNum,
    pub(crate) filter: &'a Filter,
    pub(crate) full_state: bool,
    pub(crate) use_state_after: bool,
    /// What is unread.
    pub(crate) unread: Unread,
    /// Whom the user ignores; read when it is first asked for.
    ignored: OnceCell<HashSet<String>>,
    /// The key of that state, or of the one before the timeline.
    pub(crate) state_key: &'static str,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(engine: &'a Engine, view: &'a View, request: &'a SyncRequest) -> Self {
        Self {
            engine,
            view,
            user: request.user,
            device: request.device,
            filter: &*request.filter,
            full_state: request.full_state,
            use_state_after: request.use_state_after,
            ignored: OnceCell::new(),
            state_key: request.state_key(),
            unread: Unread::default(),
        }
    }

    /// The ids of the users whom the user ignores; nobody ignores themselves.
    fn ignored(&self) -> Result<&HashSet<String>, SyncError> {
        if let Some(known) = self.ignored.get() {
            return Ok(known);
        }
        let mut ignored: HashSet<String> =
            ignored_users(self.view, self.user)?.into_iter().collect();
        if !ignored.is_empty() {
            ignored.remove(&self.engine.user_id(self.view, self.user)?);
        }
        Ok(self.ignored.get_or_init(|| ignored))
    }

    /// Whether the user ignores somebody.
    pub(crate) fn ignores(&self, user_id: &str) -> Result<bool, SyncError> {
        Ok(self.ignored()?.contains(user_id))
    }

    /// Whether the user ignores somebody, by the number.
    fn ignores_num(&self, user: UserNum) -> Result<bool, SyncError> {
        Ok(!self.ignored()?.is_empty() && self.ignores(&self.engine.user_id(self.view, user)?)?)
    }

    pub(crate) fn rooms(&self) -> RoomsView<'a> {
        self.engine.rooms.at(self.view)
    }

    pub(crate) const fn reader(&self) -> Reader {
        Reader {
            user: self.user,
            device: self.device,
        }
    }
}

impl Engine {
    /// The number of a user, if this server knows the user.
    pub(crate) fn user_num(&self, view: &View, id: &str) -> Result<Option<UserNum>, StoreError> {
        self.interner.users.find(view, id)
    }

    /// A user's id.
    pub(crate) fn user_id(&self, view: &View, user: UserNum) -> Result<String, SyncError> {
        let name = self.interner.users.name(view, user)?;
        name.map(|n| n.to_string())
            .ok_or(SyncError::Inconsistent("user without a name"))
    }

    /// Where a token stands at the moment of `view`: a token of another life of the data, or of
    /// the future, counts as none.
    pub(crate) fn stretch(&self, view: &View, since: Option<SyncToken>) -> Stretch {
        let to = view.position();
        let known = since.filter(|s| s.epoch == self.epoch && s.position <= to);
        let ephemeral_from = known
            .filter(|s| s.instance == self.instance)
            .map_or(0, |s| s.ephemeral);
        Stretch {
            from: known.map(|s| s.position),
            to,
            ephemeral_from,
        }
    }

    /// The rooms that the user is in or has to do with.
    pub(crate) fn rooms_of(
        &self,
        view: &View,
        user: UserNum,
    ) -> Result<HashSet<RoomNum>, SyncError> {
        let mut rooms = HashSet::new();
        for row in self.rooms.at(view).rooms_of(user) {
            let (room, standing) = row?;
            if matches!(standing.membership, Membership::Join) {
                rooms.insert(room);
            }
        }
        Ok(rooms)
    }

    /// All that changed for a client.
    pub(crate) fn delta<'a>(
        &self,
        ask: &'a Ask<'a>,
        since: Option<SyncToken>,
    ) -> Result<Delta<'a>, SyncError> {
        self.tracker.catch_up()?;
        let stretch = self.stretch(ask.view, since);
        let ephemeral = self.rooms.ephemeral_sequence();
        let next = SyncToken {
            epoch: self.epoch,
            position: stretch.to,
            to_device: 0,
            instance: self.instance,
            ephemeral,
        };
        let mut delta = Delta {
            next,
            joined: Vec::new(),
            invited: Vec::new(),
            knocked: Vec::new(),
            left: Vec::new(),
            account_data: Vec::new(),
            presence: Vec::new(),
            newcomers: Newcomers::default(),
        };
        self.add_account_data(ask, stretch, &mut delta)?;
        for (room, standing) in self.candidates(ask, stretch)? {
            if ask
                .filter
                .room
                .wants_room(ask.rooms().room_id(room)?.as_str())
            {
                self.add_room(ask, stretch, (room, &standing), &mut delta)?;
            }
        }
        delta.presence = self.presence(ask, stretch, &delta.newcomers)?;
        Ok(delta)
    }

    /// The rooms to look at, with the user's standing in each.
    fn candidates(
        &self,
        ask: &Ask<'_>,
        stretch: Stretch,
    ) -> Result<Vec<(RoomNum, UserRoom)>, SyncError> {
        let changed = match stretch.from {
            Some(from) if !ask.full_state && !ask.unread.rules_changed.get() => {
                self.tracker.rooms_after(from, MAX_CHANGED_ROOMS)
            }
            _ => None,
        };
        let Some(mut changed) = changed else {
            return Ok(ask.rooms().rooms_of(ask.user).collect::<Result<_, _>>()?);
        };
        changed.extend(
            self.rooms
                .typing()
                .rooms_changed_after(stretch.ephemeral_from),
        );
        changed.sort_unstable();
        changed.dedup();
        let mut rooms = Vec::new();
        for room in changed {
            if let Some(standing) = ask.rooms().standing(ask.user, room)? {
                rooms.push((room, standing));
            }
        }
        Ok(rooms)
    }

    fn add_room<'a>(
        &self,
        ask: &'a Ask<'a>,
        stretch: Stretch,
        (room, standing): (RoomNum, &UserRoom),
        delta: &mut Delta<'a>,
    ) -> Result<(), SyncError> {
        let is_new = stretch.from.is_none_or(|from| standing.position > from);
        // The spec has forgotten rooms in no sync at all. But other devices of the user must learn
        // that the room was left, and are told once, as by Synapse.
        if standing.forgotten && stretch.from.is_none() {
            return Ok(());
        }
        match standing.membership {
            Membership::Join => self.add_joined(ask, stretch, (room, standing), delta),
            Membership::Invite if is_new => {
                if self.shows_invite(ask, (room, standing.event))? {
                    delta.invited.push((room, standing.event));
                }
                Ok(())
            }
            Membership::Knock if is_new => {
                delta.knocked.push((room, standing.event));
                Ok(())
            }
            Membership::Leave | Membership::Ban if is_new => {
                self.add_left(ask, stretch, (room, standing), delta)
            }
            _ => Ok(()),
        }
    }

    /// Whether the user is shown an invite: not one by an ignored user, and none who blocks them.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#ignoring-users>
    /// <https://spec.matrix.org/v1.19/client-server-api/#invite-permission>
    fn shows_invite(
        &self,
        ask: &Ask<'_>,
        (room, event): (RoomNum, EventIdx),
    ) -> Result<bool, SyncError> {
        if blocks_invites(ask.view, ask.user)? {
            return Ok(false);
        }
        let presenter = ask.rooms().presenter(room, None)?;
        let status = presenter.status(event)?;
        Ok(!ask.ignores(&presenter.shared(event, &status)?.sender)?)
    }

    fn add_joined<'a>(
        &self,
        ask: &'a Ask<'a>,
        stretch: Stretch,
        (room, standing): (RoomNum, &UserRoom),
        delta: &mut Delta<'a>,
    ) -> Result<(), SyncError> {
        let own = self.since_joined(ask, stretch, (room, standing))?;
        let head = ask.rooms().head(room)?;
        let reader = RoomReader::new(ask, room, &head)?;
        let summary = reader.summary(own, &head)?;
        if summary.is_some() {
            delta.newcomers.note(ask, (own, stretch), (room, &head))?;
        }
        let mut events = reader.events(own, &head)?;
        events.limited |= own.from.is_none() && stretch.from.is_some();
        events.account_data = self.room_account_data(ask, own, room)?;
        let mut receipts = self.receipts(ask, own, room)?;
        let has_read = receipts.iter().any(|row| row.user == ask.user);
        if !ask.filter.room.ephemeral.wants_type("m.receipt") {
            receipts.clear();
        }
        let typing = self.typing(ask, stretch, room)?;
        let news = !events.is_empty()
            || !receipts.is_empty()
            || typing.is_some()
            || summary.is_some()
            || stretch.from.is_none()
            || ask.full_state;
        // Without any of these nobody's counts have changed.
        if !(news || has_read || events.has_events || ask.unread.rules_changed.get()) {
            return Ok(());
        }
        let counts = self.counts(ask, &events, (room, standing), &head)?;
        let counted = counts.as_ref().map(|counts| counts.changed);
        if news || counted > own.from {
            delta.joined.push(JoinedRoom {
                events,
                receipts,
                typing,
                summary,
                counts,
            });
        }
        Ok(())
    }

    /// The stretch that counts for a joined room: one that was joined since the last sync is told
    /// from its beginning.
    fn since_joined(
        &self,
        ask: &Ask<'_>,
        stretch: Stretch,
        (room, standing): (RoomNum, &UserRoom),
    ) -> Result<Stretch, SyncError> {
        let Some(from) = stretch.from.filter(|from| standing.position > *from) else {
            return Ok(stretch);
        };
        // A member event that only changed the profile is no join.
        let was_joined = match ask.rooms().head_at(room, from)? {
            Some((_, head)) => ask
                .rooms()
                .state(room)
                .member(head.state, ask.user)?
                .is_some_and(|m| m.membership == Membership::Join),
            None => false,
        };
        Ok(if was_joined {
            stretch
        } else {
            Stretch {
                from: None,
                ..stretch
            }
        })
    }

    fn add_left<'a>(
        &self,
        ask: &'a Ask<'a>,
        stretch: Stretch,
        (room, standing): (RoomNum, &UserRoom),
        delta: &mut Delta<'a>,
    ) -> Result<(), SyncError> {
        let archived = ask.filter.room.include_leave;
        if stretch.from.is_none() && !archived {
            return Ok(());
        }
        let reader = RoomReader::new(ask, room, &ask.rooms().head(room)?)?;
        let to = standing.position;
        let own = Stretch { to, ..stretch };
        let events = match ask.rooms().head_at(room, to)? {
            Some((_, head)) if standing.joined_until.is_some() && !standing.forgotten => {
                reader.events(own, &head)?
            }
            _ => RoomDelta {
                reader,
                room,
                timeline: vec![standing.event],
                limited: false,
                prev_batch: RoomReader::first_place(),
                // Who takes no state from timelines is told of the end here too.
                state: Vec::from_iter(ask.use_state_after.then_some(standing.event)),
                has_events: true,
                account_data: Vec::new(),
            },
        };
        delta.left.push(events);
        Ok(())
    }

    fn add_account_data(
        &self,
        ask: &Ask<'_>,
        stretch: Stretch,
        delta: &mut Delta<'_>,
    ) -> Result<(), SyncError> {
        let rows = self.account_data(ask, stretch, None)?;
        ask.unread.note_account_data(&rows);
        let wanted = |kind: &str| ask.filter.account_data.wants_type(kind);
        delta.account_data = rows.into_iter().filter(|row| wanted(&row.kind)).collect();
        Ok(())
    }

    fn room_account_data(
        &self,
        ask: &Ask<'_>,
        stretch: Stretch,
        room: RoomNum,
    ) -> Result<Vec<AccountDataRow>, SyncError> {
        let rows = self.account_data(ask, stretch, Some(room))?;
        let wanted = |kind: &str| ask.filter.room.account_data.wants_type(kind);
        Ok(rows.into_iter().filter(|row| wanted(&row.kind)).collect())
    }

    fn account_data(
        &self,
        ask: &Ask<'_>,
        stretch: Stretch,
        room: Option<RoomNum>,
    ) -> Result<Vec<AccountDataRow>, SyncError> {
        let after = stretch.from.unwrap_or(Position(0));
        Ok(match stretch.from {
            Some(_) => self
                .accounts
                .account_data_since(ask.view, ask.user, room, after)?,
            None => self.accounts.all_account_data(ask.view, ask.user, room)?,
        })
    }

    fn receipts(
        &self,
        ask: &Ask<'_>,
        stretch: Stretch,
        room: RoomNum,
    ) -> Result<Vec<heliograph_rooms::ReceiptRow>, SyncError> {
        let bounds = (stretch.from.unwrap_or(Position(0)), stretch.to);
        let rows = receipts_since(ask.view, (room, ask.user), bounds, MAX_RECEIPTS)?;
        let mut shown = Vec::with_capacity(rows.len());
        for row in rows {
            if !ask.ignores_num(row.user)? {
                shown.push(row);
            }
        }
        Ok(shown)
    }

    fn typing(
        &self,
        ask: &Ask<'_>,
        stretch: Stretch,
        room: RoomNum,
    ) -> Result<Option<Vec<UserNum>>, SyncError> {
        if !ask.filter.room.ephemeral.wants_type("m.typing") {
            return Ok(None);
        }
        let typing = self.rooms.typing();
        let Some(typing) = typing.changed_after(room, stretch.ephemeral_from) else {
            return Ok(None);
        };
        let mut shown = Vec::with_capacity(typing.len());
        for user in typing {
            if !ask.ignores_num(user)? {
                shown.push(user);
            }
        }
        // Nobody is told at first that nobody types.
        Ok((stretch.from.is_some() || !shown.is_empty()).then_some(shown))
    }
}
