//! Taking in events of other servers: the spec's checks in its order.
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#checks-performed-on-receipt-of-a-pdu>
//!
//! Form, signatures and hashes were checked before: a [`VerifiedPdu`] is the proof. There is no
//! network here: what is lacking is told, and the caller fetches it and submits again.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use heliograph_core::{
    auth,
    ids::{EventIdx, RoomNum, TimelineKey},
    pdu::Pdu,
    signing::VerifiedPdu,
};
use heliograph_tables::{
    Op,
    schema::{Standing, StateRoot},
};
use ruma_common::{EventId, OwnedEventId};

use crate::{
    RoomError, Rooms,
    append::{NewEvent, Place},
    state::{MemberEntry, StateChange, StateKey},
    work::RoomWork,
};

/// Events that one chunk of history has, at most.
const MAX_HISTORY: usize = 1000;

/// What became of a submitted event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored, and this is what the checks said.
    Stored(Standing),
    /// It had been stored before, and this is what the checks said then.
    Known(Standing),
    /// These events are not here, and nothing was stored.
    NeedsEvents {
        /// Auth events; to be submitted as outliers.
        auth: Vec<OwnedEventId>,
        /// Events before it; where they cannot be had, the state before it serves.
        prev: Vec<OwnedEventId>,
    },
}

/// What an event is submitted as.
#[derive(Clone, Debug)]
pub enum Submission {
    /// News: it is checked against all, and moves the room on.
    Live,
    /// News after a gap that cannot be filled: the state before it, as ids of events that are
    /// here. It begins a new run of the timeline.
    LiveAfterGap(Vec<OwnedEventId>),
    /// Part of an auth chain or of a state: it is checked against its own auth events only.
    Outlier,
}

impl Rooms {
    /// Takes in one event of another server.
    ///
    /// # Errors
    /// [`RoomError::Invalid`] when it is of another room, or would create this one again;
    /// [`RoomError::UnknownEvent`] when an event of a state that was given is not here; those of
    /// the store.
    pub async fn submit(
        &self,
        room: RoomNum,
        pdu: VerifiedPdu,
        submission: Submission,
    ) -> Result<Outcome, RoomError> {
        let pdu = Arc::new(pdu.into_pdu());
        self.change(room, Op::Foreign, move |work| {
            work.take_in(&pdu, &submission)
        })
        .await
    }

    /// Takes in a chunk of history that comes before what is here: `below` is the first event of a
    /// run, before which it was asked for; `state` is the state before the chunk's first event. The
    /// events stand parents first, at most 1,000 of them. Gives what became of each.
    ///
    /// # Errors
    /// As [`Self::submit`]; [`RoomError::Invalid`] also when the chunk is too long or not in order,
    /// when nothing is at `below`, and when what comes before it is here already.
    pub async fn submit_history(
        &self,
        room: RoomNum,
        chunk: Vec<VerifiedPdu>,
        state: Vec<OwnedEventId>,
        below: TimelineKey,
    ) -> Result<Vec<Outcome>, RoomError> {
        let chunk: Vec<Arc<Pdu>> = chunk.into_iter().map(|p| Arc::new(p.into_pdu())).collect();
        self.change(room, Op::Foreign, move |work| {
            work.take_in_history(&chunk, &state, below)
        })
        .await
    }
}

/// What is known of an event that has just come.
enum Arrival {
    /// It was here, and nothing is to be done.
    Known(Standing),
    /// It is to be judged; it may be here as an outlier.
    ToJudge(Arc<Pdu>, Option<EventIdx>),
}

/// Refuses a chunk that is too long, or in which an event names one that comes after it, or itself.
fn check_chunk(chunk: &[Arc<Pdu>]) -> Result<(), RoomError> {
    if chunk.len() > MAX_HISTORY {
        return Err(RoomError::Invalid("a chunk is too long".to_owned()));
    }
    let mut to_come: HashSet<&EventId> = chunk.iter().map(|pdu| pdu.event_id()).collect();
    for pdu in chunk {
        if pdu.prev_event_ids().any(|prev| to_come.contains(prev)) {
            return Err(RoomError::Invalid(
                "a chunk does not stand parents first".to_owned(),
            ));
        }
        to_come.remove(pdu.event_id());
    }
    Ok(())
}

impl RoomWork<'_> {
    /// Looks whether an event is of this room, and here.
    fn arrive(&self, pdu: &Arc<Pdu>, as_outlier: bool) -> Result<Arrival, RoomError> {
        if pdu.room_id() != Some(&*self.live.id) {
            return Err(RoomError::Invalid(
                "the event is of another room".to_owned(),
            ));
        }
        let Some(idx) = self.find(pdu.event_id())? else {
            // The rules allow any server in the room's id to create it twice.
            if pdu.type_str() == "m.room.create" {
                return Err(RoomError::Invalid(
                    "the room has its create event".to_owned(),
                ));
            }
            return Ok(Arrival::ToJudge(Arc::clone(pdu), None));
        };
        let standing = self.status(idx)?.standing;
        // An outlier may come again with its place in the graph.
        if !standing.is_outlier() || as_outlier {
            return Ok(Arrival::Known(standing));
        }
        // In versions 1 and 2 the sender chooses the id, and may give it to two events: the first
        // counts, for others cite it.
        Ok(Arrival::ToJudge(self.pdu(idx)?, Some(idx)))
    }

    fn take_in(&mut self, pdu: &Arc<Pdu>, as_what: &Submission) -> Result<Outcome, RoomError> {
        let as_outlier = matches!(as_what, Submission::Outlier);
        let (pdu, known) = match self.arrive(pdu, as_outlier)? {
            Arrival::Known(standing) => return Ok(Outcome::Known(standing)),
            Arrival::ToJudge(pdu, known) => (pdu, known),
        };
        let pdu = &pdu;
        if let Some(needs) = self.lacking(pdu, as_what)? {
            return Ok(needs);
        }
        let by_auth_events = self.allowed_by_auth_events(pdu)?;
        let new = match as_what {
            Submission::Outlier => NewEvent {
                pdu: Arc::clone(pdu),
                auth_events: None,
                standing: if by_auth_events {
                    Standing::Outlier
                } else {
                    Standing::RejectedOutlier
                },
                state_before: StateRoot::EMPTY,
                local: None,
                place: Place::None,
            },
            Submission::Live => {
                let state_before = self.state_after_all(pdu.prev_event_ids())?;
                self.judge(pdu, by_auth_events, state_before, Place::Newest)?
            }
            Submission::LiveAfterGap(state) => {
                let state_before = self.state_of(state)?;
                self.judge(pdu, by_auth_events, state_before, Place::AfterGap)?
            }
        };
        let standing = new.standing;
        self.take(&new, known)?;
        Ok(Outcome::Stored(standing))
    }

    /// Stores an event, applies it if it is a redaction, and what waited for it: clients may see
    /// an outlier too, as part of a state.
    fn take(&mut self, new: &NewEvent, known: Option<EventIdx>) -> Result<EventIdx, RoomError> {
        let idx = self.append_as(new, known)?;
        if known.is_none() {
            self.adopt_relations(idx, &new.pdu)?;
        }
        if new.standing == Standing::Accepted && new.pdu.type_str() == "m.room.redaction" {
            self.apply_redaction(idx, &new.pdu)?;
        }
        self.apply_waiting(idx, &new.pdu)?;
        Ok(idx)
    }

    /// What must be here before the event can be judged and is not.
    fn lacking(&self, pdu: &Pdu, as_what: &Submission) -> Result<Option<Outcome>, RoomError> {
        let mut auth = Vec::new();
        for id in pdu.auth_event_ids() {
            if self.find(id)?.is_none() {
                auth.push(id.to_owned());
            }
        }
        let mut prev = Vec::new();
        if matches!(as_what, Submission::Live) {
            for id in pdu.prev_event_ids() {
                let placed = match self.find(id)? {
                    Some(idx) => !self.status(idx)?.standing.is_outlier(),
                    None => false,
                };
                if !placed {
                    prev.push(id.to_owned());
                }
            }
        }
        let nothing = auth.is_empty() && prev.is_empty();
        Ok((!nothing).then_some(Outcome::NeedsEvents { auth, prev }))
    }

    /// Checks 4: the rules over the auth events that the event itself names.
    fn allowed_by_auth_events(&self, pdu: &Pdu) -> Result<bool, RoomError> {
        let mut by_id: HashMap<OwnedEventId, Arc<Pdu>> = HashMap::new();
        let mut by_key: HashMap<(String, String), Arc<Pdu>> = HashMap::new();
        for id in pdu.auth_event_ids() {
            let Some(event) = self.judged(id)? else {
                continue;
            };
            if let Some(key) = event.state_key() {
                let key = (event.type_str().to_owned(), key.to_owned());
                by_key.insert(key, Arc::clone(&event));
            }
            by_id.insert(id.to_owned(), event);
        }
        // Since version 12 the create event is not named: the room's id is.
        let create = self.create_event()?;
        if let Some(create) = create {
            let key = ("m.room.create".to_owned(), String::new());
            by_key.entry(key).or_insert_with(|| Arc::clone(&create));
            by_id.entry(create.event_id().to_owned()).or_insert(create);
        }
        let version = self.version();
        let independent =
            auth::check_state_independent(version, pdu, |id| by_id.get(id).map(Arc::clone));
        let dependent = auth::check_state_dependent(version, pdu, |event_type, key| {
            by_key
                .get(&(event_type.to_owned(), key.to_owned()))
                .map(Arc::clone)
        });
        if let Err(error) = independent.and(dependent) {
            tracing::debug!(event = %pdu.event_id(), %error, "event rejected by its auth events");
            return Ok(false);
        }
        Ok(true)
    }

    /// The create event, where events do not name it among their auth events.
    fn create_event(&self) -> Result<Option<Arc<Pdu>>, RoomError> {
        if !self
            .version()
            .rules()
            .authorization
            .room_create_event_id_as_room_id
        {
            return Ok(None);
        }
        self.pdu(self.live.info.create).map(Some)
    }

    /// An event that knows whether it was rejected.
    fn judged(&self, id: &EventId) -> Result<Option<Arc<Pdu>>, RoomError> {
        let Some(idx) = self.find(id)? else {
            return Ok(None);
        };
        let pdu = self.pdu(idx)?;
        if self.status(idx)?.standing.is_rejected() {
            return Ok(Some(Arc::new(Pdu::clone(&pdu).into_rejected())));
        }
        Ok(Some(pdu))
    }

    /// Checks 5 and 6: the rules over the state before the event, then over the current state.
    fn judge(
        &mut self,
        pdu: &Arc<Pdu>,
        by_auth_events: bool,
        state_before: StateRoot,
        place: Place,
    ) -> Result<NewEvent, RoomError> {
        let standing = if !by_auth_events || !self.allowed_by(pdu, state_before)? {
            Standing::Rejected
        } else if place.is_live() && !self.allowed_by(pdu, self.live.head.state)? {
            Standing::SoftFailed
        } else {
            Standing::Accepted
        };
        let pdu = Arc::clone(pdu);
        Ok(NewEvent {
            pdu,
            auth_events: None,
            standing,
            state_before,
            local: None,
            place,
        })
    }

    /// Whether a state allows an event.
    fn allowed_by(&self, pdu: &Pdu, state: StateRoot) -> Result<bool, RoomError> {
        match self.check_by_rules(pdu, state) {
            Ok(()) => Ok(true),
            Err(RoomError::Forbidden(reason)) => {
                tracing::debug!(event = %pdu.event_id(), reason, "event not allowed by a state");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The state after several events together; all of them have their place here.
    fn state_after_all<'i>(
        &mut self,
        ids: impl Iterator<Item = &'i EventId>,
    ) -> Result<StateRoot, RoomError> {
        let events: Vec<EventIdx> = ids
            .map(|id| self.find(id)?.ok_or(RoomError::UnknownEvent))
            .collect::<Result<_, _>>()?;
        self.state_over(&events)
    }

    /// The state that consists of these events.
    fn state_of(&mut self, ids: &[OwnedEventId]) -> Result<StateRoot, RoomError> {
        let mut changes = Vec::with_capacity(ids.len());
        for id in ids {
            let idx = self.find(id)?.ok_or(RoomError::UnknownEvent)?;
            let pdu = self.pdu(idx)?;
            let (Some(key), false) = (pdu.state_key(), self.status(idx)?.standing.is_rejected())
            else {
                continue;
            };
            changes.push(match self.intern_key(pdu.type_str(), key)? {
                StateKey::Member(user) => {
                    let membership = crate::reading::membership_of(&pdu);
                    StateChange::Member(
                        user,
                        Some(MemberEntry {
                            event: idx,
                            membership,
                        }),
                    )
                }
                StateKey::Other(event_type, key) => StateChange::Other(event_type, key, Some(idx)),
            });
        }
        self.changed_state(StateRoot::EMPTY, &changes)
    }

    fn take_in_history(
        &mut self,
        chunk: &[Arc<Pdu>],
        state: &[OwnedEventId],
        below: TimelineKey,
    ) -> Result<Vec<Outcome>, RoomError> {
        check_chunk(chunk)?;
        let mut place = self.free_segment_below(below)?;
        let base = self.state_of(state)?;
        let mut outcomes = Vec::with_capacity(chunk.len());
        for pdu in chunk {
            let outcome = self.take_in_past(pdu, base, place)?;
            if outcome == Outcome::Stored(Standing::Accepted) {
                place = crate::history::after(place);
            }
            outcomes.push(outcome);
        }
        Ok(outcomes)
    }

    /// Takes in one event of a chunk of history at a place of its own.
    fn take_in_past(
        &mut self,
        pdu: &Arc<Pdu>,
        base: StateRoot,
        place: TimelineKey,
    ) -> Result<Outcome, RoomError> {
        let (pdu, known) = match self.arrive(pdu, false)? {
            Arrival::Known(standing) => return Ok(Outcome::Known(standing)),
            Arrival::ToJudge(pdu, known) => (pdu, known),
        };
        let pdu = &pdu;
        if let Some(needs) = self.lacking(pdu, &Submission::Outlier)? {
            return Ok(needs);
        }
        let mut parents = Vec::new();
        for id in pdu.prev_event_ids() {
            if let Some(idx) = self.find(id)?
                && !self.status(idx)?.standing.is_outlier()
            {
                parents.push(id);
            }
        }
        let state_before = if parents.is_empty() {
            base
        } else {
            self.state_after_all(parents.into_iter())?
        };
        let by_auth_events = self.allowed_by_auth_events(pdu)?;
        let new = self.judge(pdu, by_auth_events, state_before, Place::Past(place))?;
        let standing = new.standing;
        self.take(&new, known)?;
        Ok(Outcome::Stored(standing))
    }
}

#[cfg(test)]
mod tests;
