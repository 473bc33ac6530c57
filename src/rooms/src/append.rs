//! Taking an event into a room: its rows, its place in the timeline, the room's new head.

use std::sync::Arc;

use heliograph_core::{
    ids::{EventIdx, TimelineKey, UserNum},
    pdu::{Pdu, StoredPdu},
};
use heliograph_tables::{
    Direction, Record,
    batch::PRESENT,
    codec::{Plain, UNSTAMPED},
    schema::{
        AUTH_CITED_BY, EVENT_IDS, EVENT_LOCAL, EVENT_STATUS, EVENTS, EventLocal, EventStatus,
        LIVE_EVENTS, LiveEvent, LiveFacts, LiveMarks, Membership, Raw, Standing, StateRoot,
        TIMELINE, TimelineEntry, USER_ROOMS, UserRoom,
    },
};

use crate::{
    RoomError, live_facts,
    state::{MemberChange, MemberEntry, StateChange, StateKey},
    work::RoomWork,
};

/// An event that passed its checks, or did not, and is to be stored.
pub(crate) struct NewEvent {
    /// The event.
    pub(crate) pdu: Arc<Pdu>,
    /// Its auth events, where they were found already, in the order in which it names them.
    pub(crate) auth_events: Option<Vec<EventIdx>>,
    /// What the checks said.
    pub(crate) standing: Standing,
    /// The state before it.
    pub(crate) state_before: StateRoot,
    /// How a client of this server sent it.
    pub(crate) local: Option<EventLocal>,
    /// Where it stands in the timeline, if it is accepted.
    pub(crate) place: Place,
}

/// Where an accepted event stands in the timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// After the newest.
    Newest,
    /// After the newest and a gap, in a run of its own.
    AfterGap,
    /// In the past: it is no news to anybody and moves nothing on.
    Past(TimelineKey),
    /// Nowhere.
    None,
}

impl Place {
    /// Whether the event is news.
    pub(crate) const fn is_live(self) -> bool {
        matches!(self, Self::Newest | Self::AfterGap)
    }
}

impl RoomWork<'_> {
    /// Stores an event; an accepted one gets its place in the timeline, and, if it is news, moves
    /// the head.
    pub(crate) fn append(&mut self, new: &NewEvent) -> Result<EventIdx, RoomError> {
        self.append_as(new, None)
    }

    /// The same for an event that may be here already, as an outlier: its bytes stay, and so does
    /// what a redaction took of them.
    pub(crate) fn append_as(
        &mut self,
        new: &NewEvent,
        known: Option<EventIdx>,
    ) -> Result<EventIdx, RoomError> {
        let (idx, redacted_by) = match known {
            Some(idx) => (idx, self.status(idx)?.redacted_by),
            None => (self.next_event()?, None),
        };
        let auth_events = match &new.auth_events {
            Some(found) => found.clone(),
            None => self.auth_events(&new.pdu)?,
        };
        let auth_gen = self.auth_gen_over(&auth_events)?;
        let mut status = EventStatus {
            standing: new.standing,
            state_before: new.state_before,
            state_after: None,
            timeline: None,
            position: None,
            redacted_by,
            replaces: None,
            auth_gen,
            auth_events,
        };
        if let Some(state_key) = new.pdu.state_key() {
            self.enter_state(&new.pdu, state_key, idx, &mut status)?;
        }
        if new.standing == Standing::Accepted {
            self.enter_timeline(new, idx, &mut status)?;
        }
        if known.is_none() {
            self.write_event(&new.pdu, idx, new.local.as_ref());
        }
        if known.is_some() {
            self.note_rewrite();
        }
        self.batch.put(&EVENT_STATUS, &(self.room, idx), &status);
        let accepted = new.standing == Standing::Accepted;
        self.fresh.insert(idx, (Arc::clone(&new.pdu), status));
        if accepted && new.place.is_live() {
            self.move_head(idx, &new.pdu)?;
        }
        Ok(idx)
    }

    /// The number for a new event.
    fn next_event(&mut self) -> Result<EventIdx, RoomError> {
        let idx = self.head().next_event;
        let next = idx
            .next()
            .ok_or(RoomError::Inconsistent("event numbers are used up"))?;
        self.head().next_event = next;
        Ok(idx)
    }

    /// The auth events as numbers: all of them are here.
    fn auth_events(&self, pdu: &Pdu) -> Result<Vec<EventIdx>, RoomError> {
        let missing = RoomError::Inconsistent("an auth event that is not here");
        let found: Result<Option<_>, _> = pdu.auth_event_ids().map(|id| self.find(id)).collect();
        found?.ok_or(missing)
    }

    /// One more than the highest `auth_gen` among auth events.
    ///
    /// They were there before the event that names them, and stay what they are: so `auth_gen`
    /// falls along every edge, always, and auth events cannot form a cycle, even where their
    /// senders choose their ids.
    fn auth_gen_over(&self, auth_events: &[EventIdx]) -> Result<u32, RoomError> {
        let mut auth_gen = 0u32;
        for idx in auth_events {
            auth_gen = auth_gen.max(self.auth_gen(*idx)?.saturating_add(1));
        }
        Ok(auth_gen)
    }

    /// Notes what a state event replaces, and the state after it if it counts.
    fn enter_state(
        &mut self,
        pdu: &Pdu,
        state_key: &str,
        idx: EventIdx,
        status: &mut EventStatus,
    ) -> Result<(), RoomError> {
        for auth in &status.auth_events {
            self.batch
                .put(&AUTH_CITED_BY, &(self.room, *auth, idx), &PRESENT);
        }
        // Also of one that does not count: an event of an auth chain may come back in the answer of
        // a resolution.
        let key = self.intern_key(pdu.type_str(), state_key)?;
        if !matches!(status.standing, Standing::Accepted | Standing::SoftFailed) {
            return Ok(());
        }
        status.replaces = self.state_at(status.state_before, pdu.type_str(), state_key)?;
        let change = match key {
            StateKey::Member(user) => {
                let membership = crate::reading::membership_of(pdu);
                StateChange::Member(
                    user,
                    Some(MemberEntry {
                        event: idx,
                        membership,
                    }),
                )
            }
            StateKey::Other(event_type, key) => StateChange::Other(event_type, key, Some(idx)),
        };
        let after = self.changed_state(status.state_before, &[change])?;
        status.state_after = (after != status.state_before).then_some(after);
        Ok(())
    }

    /// Gives an accepted event its place.
    fn enter_timeline(
        &mut self,
        new: &NewEvent,
        idx: EventIdx,
        status: &mut EventStatus,
    ) -> Result<(), RoomError> {
        let place = match new.place {
            Place::Newest => self.next_place()?,
            Place::AfterGap => self.next_segment()?,
            Place::Past(place) => place,
            Place::None => return Ok(()),
        };
        status.timeline = Some(place);
        let (state, live) = (new.pdu.state_key().is_some(), new.place.is_live());
        let entry = TimelineEntry {
            event: idx,
            state,
            live,
        };
        self.batch.put(&TIMELINE, &(self.room, place), &entry);
        if status.redacted_by.is_none() {
            self.note_relation(&new.pdu, idx, place)?;
        }
        if !live {
            return Ok(());
        }
        status.position = Some(UNSTAMPED);
        let state_before = self.live.head.state;
        let sender = self.user_num(new.pdu.sender().as_str())?;
        let marks = live_facts::marks_of(&new.pdu)
            .with_if(new.state_before != state_before, LiveMarks::APART)
            .with_if(status.redacted_by.is_some(), LiveMarks::REDACTED);
        let live = LiveEvent {
            timeline: place,
            event: idx,
            state,
            state_before,
            facts: Some(LiveFacts { sender, marks }),
        };
        let key = (self.room, UNSTAMPED, self.live_events);
        self.batch.put(&LIVE_EVENTS, &key, &live);
        self.fresh_live.insert(idx, (self.live_events, live));
        self.live_events = self.live_events.saturating_add(1);
        let (room, event) = (self.room, idx);
        self.batch.record(Record::Event {
            room,
            event,
            timeline: place,
            sender,
        });
        Ok(())
    }

    /// The place after the newest one.
    fn next_place(&mut self) -> Result<TimelineKey, RoomError> {
        let newest = self.live.head.newest;
        if newest == TimelineKey::default() {
            self.head().newest = TimelineKey::FIRST;
            return Ok(TimelineKey::FIRST);
        }
        let Some(index) = newest.index.checked_add(1) else {
            return self.next_segment();
        };
        let place = TimelineKey {
            segment: newest.segment,
            index,
        };
        self.head().newest = place;
        Ok(place)
    }

    /// The first place of a new run above the newest.
    fn next_segment(&mut self) -> Result<TimelineKey, RoomError> {
        let newest = self.live.head.newest.segment;
        let segment = newest
            .checked_add(TimelineKey::SEGMENT_STEP)
            .ok_or(RoomError::Inconsistent("timeline segments are used up"))?;
        let place = TimelineKey { segment, index: 0 };
        self.head().newest = place;
        Ok(place)
    }

    /// The first place of the free run just below the one that begins at a place.
    pub(crate) fn free_segment_below(&self, place: TimelineKey) -> Result<TimelineKey, RoomError> {
        let used_up = RoomError::Inconsistent("no room for history");
        let segment = place.segment.checked_sub(1).ok_or(used_up)?;
        let free = TimelineKey { segment, index: 0 };
        let end = (self.room, TimelineKey::MAX);
        let next = self
            .view
            .range(&TIMELINE, &(self.room, free), &end, Direction::Forward)
            .next()
            .transpose()?
            .map(|((_, key), _)| key);
        match next {
            Some(key) if key < place => Err(RoomError::Invalid(
                "the history before that place is here".to_owned(),
            )),
            Some(key) if key.segment == place.segment => Ok(free),
            _ => Err(RoomError::Invalid("no event is at that place".to_owned())),
        }
    }

    /// Writes what never changes of an event, but for its redaction.
    fn write_event(&mut self, pdu: &Pdu, idx: EventIdx, local: Option<&EventLocal>) {
        let key = (self.room, idx);
        let hash = crate::events::id_hash(&self.live.id, pdu.event_id(), self.version());
        self.batch
            .put(&EVENTS, &key, &Raw(StoredPdu::encode(pdu, hash).into()));
        self.batch.put(&EVENT_IDS, &hash, &Plain(key));
        if let Some(local) = local {
            self.batch.put(&EVENT_LOCAL, &key, local);
        }
    }

    /// Makes an accepted event a forward extremity and moves the current state on.
    fn move_head(&mut self, idx: EventIdx, pdu: &Pdu) -> Result<(), RoomError> {
        let mut tips = std::mem::take(&mut self.live.tips);
        tips.retain(|(_, id)| !pdu.prev_event_ids().any(|prev| prev == id));
        tips.push((idx, pdu.event_id().to_owned()));
        tips.sort_unstable_by_key(|(idx, _)| *idx);
        let depth = self.live.head.depth.max(pdu.depth());
        let head = self.head();
        head.extremities = tips.iter().map(|(idx, _)| *idx).collect();
        head.depth = depth;
        self.live.tips = tips;
        let state = self.state_over_tips()?;
        self.move_state(state)
    }

    /// The state after the forward extremities together.
    fn state_over_tips(&mut self) -> Result<StateRoot, RoomError> {
        let tips = self.live.head.extremities.clone();
        self.state_over(&tips)
    }

    /// The state after some events together.
    pub(crate) fn state_over(&mut self, events: &[EventIdx]) -> Result<StateRoot, RoomError> {
        let mut roots = Vec::new();
        for idx in events {
            let status = self.status(*idx)?;
            let root = status.state_after.unwrap_or(status.state_before);
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
        self.resolve(&roots)
    }

    /// Makes `to` the current state: counts and the rows of local users follow.
    fn move_state(&mut self, to: StateRoot) -> Result<(), RoomError> {
        let from = self.live.head.state;
        if from == to {
            return Ok(());
        }
        let changes = self
            .inner
            .states
            .member_changes(&self.view, &self.nodes, from, to)?;
        self.head().state = to;
        self.note_public(from, to)?;
        for change in changes {
            self.count_member(&change);
            self.note_local_member(&change)?;
        }
        Ok(())
    }

    fn count_member(&mut self, change: &MemberChange) {
        let head = self.head();
        for (entry, up) in [(change.before, false), (change.after, true)] {
            let count = match entry.map(|e| e.membership) {
                Some(Membership::Join) => &mut head.joined,
                Some(Membership::Invite) => &mut head.invited,
                _ => continue,
            };
            *count = if up {
                count.saturating_add(1)
            } else {
                count.saturating_sub(1)
            };
        }
    }

    /// Writes the membership row of a user of this server.
    fn note_local_member(&mut self, change: &MemberChange) -> Result<(), RoomError> {
        let Some(entry) = change.after.or(change.before) else {
            return Ok(());
        };
        let pdu = self.pdu(entry.event)?;
        let user_id = pdu.state_key().unwrap_or_default();
        if !self.inner.is_local(user_id) {
            return Ok(());
        }
        let membership = change.after.map_or(Membership::Leave, |e| e.membership);
        self.set_user_room(change.user, membership, entry.event)
    }

    fn set_user_room(
        &mut self,
        user: UserNum,
        membership: Membership,
        event: EventIdx,
    ) -> Result<(), RoomError> {
        let key = (user, self.room);
        let before = self.view.get(&USER_ROOMS, &key)?;
        let was_joined = before
            .as_ref()
            .is_some_and(|b| b.membership == Membership::Join);
        self.note_guest(user, was_joined, membership == Membership::Join)?;
        let joined_since = match (membership, &before) {
            (Membership::Join, Some(before)) if was_joined => {
                before.joined_since.or(Some(before.position))
            }
            (Membership::Join, _) => Some(UNSTAMPED),
            _ => None,
        };
        let joined_until = match membership {
            Membership::Join => None,
            _ if was_joined => Some((event, self.live.head.newest)),
            _ => before.and_then(|b| b.joined_until),
        };
        let row = UserRoom {
            membership,
            event,
            position: UNSTAMPED,
            joined_until,
            forgotten: false,
            joined_since,
        };
        self.batch.put(&USER_ROOMS, &key, &row);
        self.batch.record(Record::Membership {
            room: self.room,
            user,
        });
        Ok(())
    }
}
