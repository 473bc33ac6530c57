//! Taking an event into a room: its rows, its place in the timeline, the room's new head.

use std::sync::Arc;

use heliograph_core::{
    ids::{EventIdx, TimelineKey, UserNum},
    pdu::{Pdu, StoredPdu},
};
use heliograph_tables::{
    Record,
    batch::PRESENT,
    codec::{Plain, UNSTAMPED},
    schema::{
        AUTH_CITED_BY, EVENT_IDS, EVENT_LOCAL, EVENT_STATUS, EVENTS, EventLocal, EventStatus,
        LIVE_EVENTS, LiveEvent, Membership, Raw, Standing, StateRoot, TIMELINE, TimelineEntry,
        USER_ROOMS, UserRoom,
    },
};

use crate::{
    RoomError,
    state::{MemberChange, MemberEntry, StateChange, StateKey},
    work::RoomWork,
};

/// An event that passed its checks, or did not, and is to be stored.
pub(crate) struct NewEvent {
    /// The event.
    pub(crate) pdu: Arc<Pdu>,
    /// What the checks said.
    pub(crate) standing: Standing,
    /// The state before it.
    pub(crate) state_before: StateRoot,
    /// How a client of this server sent it.
    pub(crate) local: Option<EventLocal>,
}

impl RoomWork<'_> {
    /// Stores an event; an accepted one gets the newest place in the timeline and moves the head.
    pub(crate) fn append(&mut self, new: &NewEvent) -> Result<EventIdx, RoomError> {
        let idx = self.head().next_event;
        let next = idx
            .next()
            .ok_or(RoomError::Inconsistent("event numbers are used up"))?;
        self.head().next_event = next;
        let (auth_events, auth_gen) = self.auth_edges(&new.pdu)?;
        let mut status = EventStatus {
            standing: new.standing,
            state_before: new.state_before,
            state_after: None,
            timeline: None,
            position: None,
            redacted_by: None,
            replaces: None,
            auth_gen,
            auth_events,
        };
        if let Some(state_key) = new.pdu.state_key() {
            self.enter_state(&new.pdu, state_key, idx, &mut status)?;
        }
        if new.standing == Standing::Accepted {
            self.enter_timeline(&new.pdu, idx, &mut status)?;
        }
        self.write_event(&new.pdu, idx, &status, new.local.as_ref());
        let accepted = new.standing == Standing::Accepted;
        self.fresh.insert(idx, (Arc::clone(&new.pdu), status));
        if accepted {
            self.move_head(idx, &new.pdu)?;
        }
        Ok(idx)
    }

    /// The auth events as numbers, and one more than the highest `auth_gen` among them.
    fn auth_edges(&self, pdu: &Pdu) -> Result<(Vec<EventIdx>, u32), RoomError> {
        let mut edges = Vec::new();
        let mut auth_gen = 0u32;
        for id in pdu.auth_event_ids() {
            if let Some(idx) = self.find(id)? {
                auth_gen = auth_gen.max(self.status(idx)?.auth_gen.saturating_add(1));
                edges.push(idx);
            }
        }
        Ok((edges, auth_gen))
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
        if !matches!(status.standing, Standing::Accepted | Standing::SoftFailed) {
            return Ok(());
        }
        status.replaces = self.state_at(status.state_before, pdu.type_str(), state_key)?;
        let change = match self.intern_key(pdu.type_str(), state_key)? {
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

    /// Gives a live event the next place.
    fn enter_timeline(
        &mut self,
        pdu: &Pdu,
        idx: EventIdx,
        status: &mut EventStatus,
    ) -> Result<(), RoomError> {
        let place = self.next_place()?;
        status.timeline = Some(place);
        status.position = Some(UNSTAMPED);
        let state = pdu.state_key().is_some();
        let entry = TimelineEntry {
            event: idx,
            state,
            live: true,
        };
        self.batch.put(&TIMELINE, &(self.room, place), &entry);
        let state_before = self.live.head.state;
        let live = LiveEvent {
            timeline: place,
            event: idx,
            state,
            state_before,
        };
        self.batch.put(
            &LIVE_EVENTS,
            &(self.room, UNSTAMPED, self.live_events),
            &live,
        );
        self.live_events = self.live_events.saturating_add(1);
        let sender = self.user_num(pdu.sender().as_str())?;
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
        let place = if newest == TimelineKey::default() {
            TimelineKey::FIRST
        } else {
            match newest.index.checked_add(1) {
                Some(index) => TimelineKey {
                    segment: newest.segment,
                    index,
                },
                None => TimelineKey {
                    segment: newest
                        .segment
                        .checked_add(TimelineKey::SEGMENT_STEP)
                        .ok_or(RoomError::Inconsistent("timeline segments are used up"))?,
                    index: 0,
                },
            }
        };
        self.head().newest = place;
        Ok(place)
    }

    fn write_event(
        &mut self,
        pdu: &Pdu,
        idx: EventIdx,
        status: &EventStatus,
        local: Option<&EventLocal>,
    ) {
        let key = (self.room, idx);
        let hash = crate::events::id_hash(&self.live.id, pdu.event_id(), self.version());
        self.batch
            .put(&EVENTS, &key, &Raw(StoredPdu::encode(pdu, hash).into()));
        self.batch.put(&EVENT_STATUS, &key, status);
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
        let mut roots = Vec::new();
        for idx in self.live.head.extremities.clone() {
            let status = self.status(idx)?;
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
        };
        self.batch.put(&USER_ROOMS, &key, &row);
        self.batch.record(Record::Membership {
            room: self.room,
            user,
        });
        Ok(())
    }
}
