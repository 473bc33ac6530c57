//! One room's part of a delta.

use std::{collections::HashSet, sync::Arc};

use heliograph_core::ids::{EventIdx, Position, RoomNum, TimelineKey, UserNum};
use heliograph_rooms::{Presenter, RoomsView, state::StateKey};
use heliograph_tables::schema::{EventStatus, LiveEvent, Membership, RoomHead, StateRoot};

use crate::{
    delta::{RoomDelta, Summary},
    engine::Ask,
    filter::EventFilter,
    lazy::Client,
    request::{Stretch, SyncError},
};

/// Live events looked at to fill a timeline, wanted or not.
const MAX_LOOKED_AT: usize = 1000;
/// Members looked at to find heroes.
const MAX_HERO_CANDIDATES: usize = 16;

/// A timeline in the making, newest first.
struct Chunk {
    events: Vec<(LiveEvent, Arc<EventStatus>)>,
    /// The oldest event looked at, wanted or not: where the state is taken.
    oldest: Option<LiveEvent>,
    limited: bool,
}

/// Reads one room for one client.
pub(crate) struct RoomReader<'a> {
    ask: &'a Ask<'a>,
    rooms: RoomsView<'a>,
    room: RoomNum,
    presenter: Presenter<'a>,
}

impl<'a> RoomReader<'a> {
    /// `head` is where the room stands at the moment of the view.
    pub(crate) fn new(ask: &'a Ask<'a>, room: RoomNum, head: &RoomHead) -> Result<Self, SyncError> {
        let rooms = ask.rooms();
        let presenter = rooms.presenter_at(room, head, Some(ask.reader()))?;
        Ok(Self {
            ask,
            rooms,
            room,
            presenter,
        })
    }

    /// The events of the room after `from` (everything, with `None`) and up to `to`; `head` is
    /// where the room stands at `to`.
    pub(crate) fn events(
        self,
        stretch: Stretch,
        head: &RoomHead,
    ) -> Result<RoomDelta<'a>, SyncError> {
        let chunk = self.timeline(stretch)?;
        let start = chunk
            .oldest
            .map_or(head.state, |oldest| oldest.state_before);
        let base = self.base_state(stretch)?;
        let prev_batch = match chunk.events.last() {
            Some((live, _)) => live.timeline,
            None => heliograph_rooms::place_of_position(self.ask.view, self.room, stretch.to)?,
        };
        let state = self.state(&chunk, base, start, head.state)?;
        let mut timeline: Vec<EventIdx> = chunk.events.iter().map(|(l, _)| l.event).collect();
        timeline.reverse();
        Ok(RoomDelta {
            room: self.room,
            reader: self,
            timeline,
            limited: chunk.limited,
            prev_batch,
            state,
            has_events: chunk.oldest.is_some() || chunk.limited,
            account_data: Vec::new(),
        })
    }

    /// The newest events that the client wants and may see.
    fn timeline(&self, stretch: Stretch) -> Result<Chunk, SyncError> {
        let filter = &self.ask.filter.room.timeline;
        let settings = &self.ask.engine.settings;
        let limit = filter.limit(settings.timeline_limit, settings.max_timeline_limit);
        let mut chunk = Chunk {
            events: Vec::new(),
            oldest: None,
            limited: false,
        };
        let after = stretch.from.unwrap_or(Position(0));
        for (looked_at, row) in self
            .rooms
            .live_events(self.room, (after, stretch.to))
            .enumerate()
        {
            let (_, live) = row?;
            let status = self.presenter.status(live.event)?;
            let wanted = self.wants(filter, live.event, &status)?;
            let full = chunk.events.len() >= limit || looked_at >= MAX_LOOKED_AT;
            if full && (wanted || looked_at >= MAX_LOOKED_AT) {
                chunk.limited = true;
                break;
            }
            chunk.oldest = Some(live);
            if wanted {
                chunk.events.push((live, status));
            }
            if begins_after_gap(live.timeline) {
                // History may have filled the gap since, and is told by no sync: the client looks.
                chunk.limited = true;
                break;
            }
        }
        Ok(chunk)
    }

    fn wants(
        &self,
        filter: &EventFilter,
        event: EventIdx,
        status: &EventStatus,
    ) -> Result<bool, SyncError> {
        if !self.presenter.visibility().allows(event, status)? {
            return Ok(false);
        }
        let shared = self.presenter.shared(event, status)?;
        if shared.state_key.is_none() && self.ask.ignores(&shared.sender)? {
            return Ok(false);
        }
        Ok(filter.wants_of(&self.presenter, &shared)?)
    }

    /// The state that the client has, or none for an initial sync.
    fn base_state(&self, stretch: Stretch) -> Result<Option<StateRoot>, SyncError> {
        let Some(from) = stretch.from.filter(|_| !self.ask.full_state) else {
            return Ok(None);
        };
        let head = self.rooms.head_at(self.room, from)?;
        Ok(Some(head.map_or(StateRoot::EMPTY, |(_, head)| head.state)))
    }

    /// The state events that the client lacks beside the timeline.
    ///
    /// That is what changed from `base` to `start`, and what `end` has that neither `start` nor
    /// the timeline gives: what came from resolving forks.
    fn state(
        &self,
        chunk: &Chunk,
        base: Option<StateRoot>,
        start: StateRoot,
        end: StateRoot,
    ) -> Result<Vec<EventIdx>, SyncError> {
        let target = if self.ask.use_state_after { end } else { start };
        let in_timeline: HashSet<EventIdx> = chunk.events.iter().map(|(l, _)| l.event).collect();
        let mut events = StateEvents::default();
        match base {
            Some(base) if base == target => {}
            Some(base) => events.add(self.rooms.state(self.room).changes(base, target)?),
            None => self.add_whole(&mut events, target)?,
        }
        if !self.ask.use_state_after && start != end {
            let changes = self.rooms.state(self.room).changes(start, end)?;
            let changes = changes.into_iter();
            events.add(changes.filter(|(_, e)| e.is_some_and(|e| !in_timeline.contains(&e))));
        }
        if self.ask.filter.room.state.lazy_load_members {
            self.keep_lazy_members(chunk, &mut events, target, base.is_none())?;
        }
        self.wanted_state(events)
    }

    /// Adds a whole state; members only where they are not loaded lazily.
    fn add_whole(&self, events: &mut StateEvents, root: StateRoot) -> Result<(), SyncError> {
        let state = self.rooms.state(self.room);
        events.others.extend(state.others(root)?);
        if !self.ask.filter.room.state.lazy_load_members {
            let members = state.members(root)?.into_iter();
            events
                .members
                .extend(members.map(|(user, entry)| (user, entry.event)));
        }
        Ok(())
    }

    /// Leaves of the members those whom the timeline is about and the client's own user, unless the
    /// client has them as they are.
    fn keep_lazy_members(
        &self,
        chunk: &Chunk,
        events: &mut StateEvents,
        root: StateRoot,
        fresh: bool,
    ) -> Result<(), SyncError> {
        let client = Client {
            user: self.ask.user,
            device: self.ask.device,
            room: self.room,
        };
        if fresh {
            self.ask.engine.lazy.forget(client);
        }
        let redundant = self.ask.filter.room.state.include_redundant_members;
        // Who asks for the state after the timeline takes no state from the timeline itself.
        let after = self.ask.use_state_after;
        let mut about = HashSet::from([self.ask.user]);
        let mut own_timeline = HashSet::new();
        for (live, status) in &chunk.events {
            let shared = self.presenter.shared(live.event, status)?;
            about.extend(self.ask.engine.user_num(self.ask.view, &shared.sender)?);
            if !after {
                own_timeline.insert(live.event);
            } else if &*shared.event_type == "m.room.member"
                && let Some(member) = shared.state_key.as_deref()
            {
                about.extend(self.ask.engine.user_num(self.ask.view, member)?);
            }
        }
        let state = self.rooms.state(self.room);
        events.members.clear();
        for user in about {
            let Some(entry) = state.member(root, user)? else {
                continue;
            };
            let had = self.ask.engine.lazy.note(client, user, entry.event);
            if (!had || redundant) && !own_timeline.contains(&entry.event) {
                events.members.push((user, entry.event));
            }
        }
        Ok(())
    }

    /// The state events that the client's filter lets through.
    fn wanted_state(&self, events: StateEvents) -> Result<Vec<EventIdx>, SyncError> {
        let filter = &self.ask.filter.room.state;
        let mut wanted = Vec::new();
        let all = events
            .others
            .into_iter()
            .chain(events.members.into_iter().map(|(_, e)| e));
        if filter.wants_all() {
            return Ok(all.collect());
        }
        for event in all {
            let status = self.presenter.status(event)?;
            let shared = self.presenter.shared(event, &status)?;
            if filter.wants_of(&self.presenter, &shared)? {
                wanted.push(event);
            }
        }
        Ok(wanted)
    }

    /// Who is in the room, if that is other than at the last sync.
    pub(crate) fn summary(
        &self,
        stretch: Stretch,
        head: &RoomHead,
    ) -> Result<Option<Summary>, SyncError> {
        let before = match stretch.from {
            Some(from) => self.rooms.head_at(self.room, from)?.map(|(_, head)| head),
            None => None,
        };
        let state = self.rooms.state(self.room);
        let named = |root| -> Result<bool, SyncError> {
            Ok(state.event(root, "m.room.name", "")?.is_some()
                || state.event(root, "m.room.canonical_alias", "")?.is_some())
        };
        let same = before
            .is_some_and(|b| b.state == head.state || (b.state.members == head.state.members));
        if same {
            return Ok(None);
        }
        let heroes = if named(head.state)? {
            None
        } else {
            Some(self.heroes(head.state)?)
        };
        Ok(Some(Summary {
            joined: head.joined,
            invited: head.invited,
            heroes,
        }))
    }

    /// Up to five members other than the reader: joined and invited ones first, else those who
    /// left.
    fn heroes(&self, root: StateRoot) -> Result<Vec<UserNum>, SyncError> {
        let members = self
            .rooms
            .state(self.room)
            .first_members(root, MAX_HERO_CANDIDATES)?;
        let others = members
            .into_iter()
            .filter(|(user, _)| *user != self.ask.user);
        let here = |m: Membership| matches!(m, Membership::Join | Membership::Invite);
        let (present, gone): (Vec<_>, Vec<_>) =
            others.partition(|(_, entry)| here(entry.membership));
        let chosen = if present.is_empty() { gone } else { present };
        Ok(chosen.into_iter().take(5).map(|(user, _)| user).collect())
    }

    /// What makes this room's events for the client.
    pub(crate) const fn presenter(&self) -> &Presenter<'a> {
        &self.presenter
    }

    /// The place of a timeline's start, as `prev_batch` tells it.
    pub(crate) const fn first_place() -> TimelineKey {
        TimelineKey::MIN
    }
}

/// Whether there is a gap, filled or not, just before a live event: it begins a run that is not the
/// room's first.
const fn begins_after_gap(place: TimelineKey) -> bool {
    place.index == 0 && place.segment != TimelineKey::FIRST.segment
}

/// State events to be told, by kind.
#[derive(Default)]
struct StateEvents {
    others: Vec<EventIdx>,
    members: Vec<(UserNum, EventIdx)>,
}

impl StateEvents {
    fn add(&mut self, changes: impl IntoIterator<Item = (StateKey, Option<EventIdx>)>) {
        for (key, event) in changes {
            let Some(event) = event else { continue };
            match key {
                StateKey::Member(user) => self.members.push((user, event)),
                StateKey::Other(..) => self.others.push(event),
            }
        }
    }
}
