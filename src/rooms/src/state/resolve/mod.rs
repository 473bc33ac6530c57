//! State resolution: several states of a room become one.
//!
//! <https://spec.matrix.org/v1.19/rooms/v2/#state-resolution>
//!
//! The algorithm is in `core`; here is what keeps it from reading whole states. It gets the
//! conflicted entries, and of the others those that a rule can ask for: the auth events' keys of
//! every event of the full conflicted set.

mod conflicts;
#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    sync::Arc,
};

use heliograph_core::{
    ids::{EventIdx, RoomNum},
    pdu::Pdu,
    resolution::{Sources, StateMap, resolve},
    room_version::RoomVersion,
};
use heliograph_tables::{
    View,
    schema::{Membership, StateRoot},
};
use quick_cache::{Weighter, sync::Cache};
use ruma_common::{EventId, OwnedEventId, room_version_rules::StateResolutionVersion};
use ruma_events::StateEventType;
use ruma_state_res::{Event, auth_types_for_event, utils::event_id_set::EventIdSet};
use serde::Deserialize;

use self::conflicts::{Conflicts, Settled, find_conflicts};
use super::{
    EventSource, MemberEntry, NodeWriter, StateChange, StateError, StateKey, States,
    auth_chain::{Budget, MAX_WALK, Walk},
};

/// Changes that the cache of results holds, in all.
pub(super) const RESULT_CACHE_CHANGES: u64 = 1 << 16;
/// Sets of states that the cache of results expects.
pub(super) const RESULT_CACHE_SETS: usize = 1024;

/// What resolution made of a room's states, by their roots in order.
pub(super) type ResultCache = Cache<(RoomNum, Box<[StateRoot]>), Arc<Outcome>, ByChanges>;

/// One of the states, and the changes that make it the resolved one.
#[derive(Debug)]
pub(super) struct Outcome {
    from: StateRoot,
    changes: Vec<StateChange>,
}

/// Results weigh as much as they have changes.
#[derive(Clone, Copy, Debug)]
pub(super) struct ByChanges;

impl Weighter<(RoomNum, Box<[StateRoot]>), Arc<Outcome>> for ByChanges {
    fn weight(&self, key: &(RoomNum, Box<[StateRoot]>), outcome: &Arc<Outcome>) -> u64 {
        let parts = key.1.len().saturating_add(outcome.changes.len());
        u64::try_from(parts).unwrap_or(u64::MAX).max(1)
    }
}

/// Type and state key, as the algorithm names keys.
pub(super) type KeyName = (StateEventType, String);

impl States {
    /// The state that several states of one room resolve to.
    ///
    /// `events` are those of the room of `nodes`; new nodes are added to it. Reads what the states
    /// differ in and the auth chains down to where they meet, never whole states.
    ///
    /// # Errors
    /// [`StateError::TooManyEvents`] when the chains differ in more than [`MAX_WALK`] events and
    /// edges; else when the store fails, or its rows do not fit together.
    pub fn resolve(
        &self,
        view: &View,
        nodes: &mut NodeWriter,
        version: RoomVersion,
        events: &dyn EventSource,
        roots: &[StateRoot],
    ) -> Result<StateRoot, StateError> {
        let mut sorted = roots.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        match sorted.as_slice() {
            [] => return Ok(StateRoot::EMPTY),
            [only] => return Ok(*only),
            _ => {}
        }
        // Numbers of nodes that were never submitted may yet come to stand for others.
        let lasting = sorted
            .iter()
            .all(|root| !nodes.made(root.members) && !nodes.made(root.rest));
        let key = (nodes.room(), sorted.into_boxed_slice());
        if lasting && let Some(known) = self.results.get(&key) {
            return self.apply(view, nodes, known.from, &known.changes);
        }
        let fork = Fork {
            states: self,
            view,
            nodes,
            version,
            events,
            roots: &key.1,
        };
        let outcome = Arc::new(fork.resolve()?);
        let resolved = self.apply(view, nodes, outcome.from, &outcome.changes)?;
        if lasting {
            self.results.insert(key, outcome);
        }
        Ok(resolved)
    }
}

/// States that are to become one.
struct Fork<'a> {
    states: &'a States,
    view: &'a View,
    nodes: &'a NodeWriter,
    version: RoomVersion,
    events: &'a dyn EventSource,
    /// At least two.
    roots: &'a [StateRoot],
}

impl Fork<'_> {
    fn resolve(&self) -> Result<Outcome, StateError> {
        let conflicts = find_conflicts(self)?;
        let known = Known::new(self.events);
        let mut full: HashSet<EventIdx> = conflicts.events().collect();
        for event in &full {
            known.add(*event)?;
        }
        let (chains, subgraph) = self.auth_sets(&conflicts, &full)?;
        full.extend(chains.iter().flatten().chain(&subgraph).copied());
        let common = self.common_entries(&conflicts, &known, &full)?;
        let maps = conflicts.maps(&known, &common, self.roots.len())?;
        let ids = |events: &HashSet<EventIdx>| -> Result<EventIdSet<OwnedEventId>, StateError> {
            events
                .iter()
                .map(|event| Ok(known.add(*event)?.event_id().to_owned()))
                .collect()
        };
        let chains = chains.iter().map(ids).collect::<Result<Vec<_>, _>>()?;
        let subgraph = ids(&subgraph)?;
        let sources = Sources {
            fetch: |id: &EventId| known.fetch(id),
            subgraph: |_: &HashMap<KeyName, Vec<OwnedEventId>>| Some(subgraph.clone()),
        };
        let answer = resolve(self.version, &maps, chains, sources);
        known.check()?;
        let answer = answer.map_err(|error| StateError::Resolution(error.to_string()))?;
        self.outcome(&conflicts, &known, &common, answer)
    }

    /// What the chains of the states differ in, for each state, and the conflicted state
    /// subgraph; each where the version has it.
    fn auth_sets(
        &self,
        conflicts: &Conflicts,
        conflicted: &HashSet<EventIdx>,
    ) -> Result<(Vec<HashSet<EventIdx>>, HashSet<EventIdx>), StateError> {
        let StateResolutionVersion::V2(rules) = &self.version.rules().state_res else {
            return Ok((Vec::new(), HashSet::new()));
        };
        let in_every_state = |event| self.is_common(conflicts, event);
        let mut walk = Walk::new(self.events, &in_every_state, Budget::new(MAX_WALK));
        let chains = walk.auth_difference(&conflicts.by_state(self.roots.len()))?;
        let subgraph = if rules.consider_conflicted_state_subgraph {
            walk.conflicted_subgraph(conflicted)?
        } else {
            HashSet::new()
        };
        Ok((chains, subgraph))
    }

    /// Whether all states have an event, at its key.
    fn is_common(&self, conflicts: &Conflicts, event: EventIdx) -> Result<bool, StateError> {
        if conflicts.has_event(event) {
            return Ok(false);
        }
        let pdu = self.events.pdu(event)?;
        let Some(state_key) = pdu.state_key() else {
            return Ok(false);
        };
        let key = self.events.state_key(pdu.type_str(), state_key)?;
        key.map_or(Ok(false), |key| {
            Ok(self.common_event(conflicts, key)? == Some(event))
        })
    }

    /// The event that all states have at a key, if they do.
    fn common_event(
        &self,
        conflicts: &Conflicts,
        key: StateKey,
    ) -> Result<Option<EventIdx>, StateError> {
        match self.roots.first() {
            Some(root) if !conflicts.has_key(key) => {
                self.states.event_with(self.view, self.nodes, *root, key)
            }
            _ => Ok(None),
        }
    }

    /// The entries that all states share and that decide about the events of the full conflicted
    /// set.
    ///
    /// <https://spec.matrix.org/v1.19/server-server-api/#auth-events-selection>
    fn common_entries(
        &self,
        conflicts: &Conflicts,
        known: &Known<'_>,
        full: &HashSet<EventIdx>,
    ) -> Result<HashMap<KeyName, EventIdx>, StateError> {
        let rules = &self.version.rules().authorization;
        let mut names = HashSet::from([
            (StateEventType::RoomCreate, String::new()),
            (StateEventType::RoomPowerLevels, String::new()),
        ]);
        for event in full {
            let pdu = known.add(*event)?;
            let (kind, sender) = (pdu.event_type(), pdu.sender());
            let content = Event::content(&*pdu);
            // The rules pass over an event whose content does not say what to ask for.
            if let Ok(keys) = auth_types_for_event(kind, sender, pdu.state_key(), content, rules) {
                names.extend(keys);
            }
            // What the answer says of a key that all states share does not count.
            names.insert(name_of(&pdu));
        }
        let mut common = HashMap::new();
        for name in names {
            let Some(key) = self.events.state_key(&name.0.to_string(), &name.1)? else {
                continue;
            };
            if let Some(event) = self.common_event(conflicts, key)? {
                known.add(event)?;
                common.insert(name, event);
            }
        }
        Ok(common)
    }

    /// What the answer means.
    fn outcome(
        &self,
        conflicts: &Conflicts,
        known: &Known<'_>,
        common: &HashMap<KeyName, EventIdx>,
        answer: StateMap,
    ) -> Result<Outcome, StateError> {
        let mut settled = Settled::new(conflicts);
        for (name, id) in answer {
            if common.contains_key(&name) {
                continue;
            }
            let key = self.events.state_key(&name.0.to_string(), &name.1)?;
            let key = key.ok_or(StateError::Inconsistent("a state key without a number"))?;
            settled.insert(key, known.idx(&id)?);
        }
        let (nearest, changes) = settled.nearest(self.roots.len());
        let changes = changes
            .into_iter()
            .map(|(key, event)| known.change(key, event));
        Ok(Outcome {
            from: self.roots.get(nearest).copied().unwrap_or_default(),
            changes: changes.collect::<Result<_, _>>()?,
        })
    }
}

/// The type and state key of a state event.
fn name_of(pdu: &Pdu) -> KeyName {
    let kind = StateEventType::from(pdu.type_str());
    (kind, pdu.state_key().unwrap_or_default().to_owned())
}

/// The `membership` that a member event's content says; what says none counts as having left.
fn membership_of(pdu: &Pdu) -> Membership {
    #[derive(Deserialize)]
    struct Content {
        membership: String,
    }
    let content = serde_json::from_str::<Content>(pdu.content_json());
    let said = content
        .ok()
        .and_then(|content| Membership::parse(&content.membership));
    said.unwrap_or(Membership::Leave)
}

/// Events that were fetched already, and what went wrong on the way: the algorithm's own look-up
/// can only say that an event is not there.
struct Known<'a> {
    events: &'a dyn EventSource,
    by_idx: RefCell<HashMap<EventIdx, Arc<Pdu>>>,
    by_id: RefCell<HashMap<OwnedEventId, Option<EventIdx>>>,
    failed: RefCell<Option<StateError>>,
}

impl<'a> Known<'a> {
    fn new(events: &'a dyn EventSource) -> Self {
        Self {
            events,
            by_idx: RefCell::default(),
            by_id: RefCell::default(),
            failed: RefCell::default(),
        }
    }

    /// An event, fetched if it was not yet.
    fn add(&self, event: EventIdx) -> Result<Arc<Pdu>, StateError> {
        if let Some(pdu) = self.by_idx.borrow().get(&event) {
            return Ok(Arc::clone(pdu));
        }
        let pdu = self.events.pdu(event)?;
        self.by_id
            .borrow_mut()
            .insert(pdu.event_id().to_owned(), Some(event));
        self.by_idx.borrow_mut().insert(event, Arc::clone(&pdu));
        Ok(pdu)
    }

    fn find(&self, id: &EventId) -> Result<Option<EventIdx>, StateError> {
        if let Some(found) = self.by_id.borrow().get(id) {
            return Ok(*found);
        }
        let found = self.events.idx_of(id)?;
        self.by_id.borrow_mut().insert(id.to_owned(), found);
        Ok(found)
    }

    /// The number of an event of the answer.
    fn idx(&self, id: &EventId) -> Result<EventIdx, StateError> {
        self.find(id)?.ok_or(StateError::Inconsistent(
            "an event of the answer is not here",
        ))
    }

    /// The algorithm's look-up.
    fn fetch(&self, id: &EventId) -> Option<Arc<Pdu>> {
        let found = self
            .find(id)
            .and_then(|found| found.map(|event| self.add(event)).transpose());
        found.unwrap_or_else(|error| {
            self.failed.borrow_mut().get_or_insert(error);
            None
        })
    }

    /// Fails if a look-up did.
    fn check(&self) -> Result<(), StateError> {
        self.failed.borrow_mut().take().map_or(Ok(()), Err)
    }

    fn change(&self, key: StateKey, event: Option<EventIdx>) -> Result<StateChange, StateError> {
        Ok(match key {
            StateKey::Other(event_type, key) => StateChange::Other(event_type, key, event),
            StateKey::Member(user) => {
                let entry = match event {
                    None => None,
                    Some(event) => {
                        let membership = membership_of(&*self.add(event)?);
                        Some(MemberEntry { event, membership })
                    }
                };
                StateChange::Member(user, entry)
            }
        })
    }
}
