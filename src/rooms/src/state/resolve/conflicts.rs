//! What several states do not agree on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use heliograph_core::{ids::EventIdx, resolution::StateMap};

use super::{Fork, KeyName, Known, name_of};
use crate::state::{StateError, StateKey};

/// The keys at which the states differ, and what each state has there.
#[derive(Debug)]
pub(super) struct Conflicts {
    by_key: BTreeMap<StateKey, Vec<Option<EventIdx>>>,
    events: HashSet<EventIdx>,
}

/// Compares all states with the first.
pub(super) fn find_conflicts(fork: &Fork<'_>) -> Result<Conflicts, StateError> {
    let mut by_key: BTreeMap<StateKey, Vec<Option<EventIdx>>> = BTreeMap::new();
    let Some((first, others)) = fork.roots.split_first() else {
        return Ok(Conflicts {
            by_key,
            events: HashSet::new(),
        });
    };
    for (state, other) in (1usize..).zip(others) {
        let found = fork
            .states
            .differences(fork.view, fork.nodes, *first, *other)?;
        for difference in found {
            let at = by_key
                .entry(difference.key)
                .or_insert_with(|| vec![difference.before; fork.roots.len()]);
            if let Some(at) = at.get_mut(state) {
                *at = difference.after;
            }
        }
    }
    let events = by_key.values().flatten().copied().flatten().collect();
    Ok(Conflicts { by_key, events })
}

impl Conflicts {
    pub(super) fn has_key(&self, key: StateKey) -> bool {
        self.by_key.contains_key(&key)
    }

    pub(super) fn has_event(&self, event: EventIdx) -> bool {
        self.events.contains(&event)
    }

    /// Every event that some state has and some other does not.
    pub(super) fn events(&self) -> impl Iterator<Item = EventIdx> {
        self.events.iter().copied()
    }

    /// The events of each state that not all states have.
    pub(super) fn by_state(&self, states: usize) -> Vec<Vec<EventIdx>> {
        let mut by_state = vec![Vec::new(); states];
        for at in self.by_key.values() {
            for (event, events) in at.iter().zip(&mut by_state) {
                events.extend(event);
            }
        }
        by_state
    }

    /// The states as the algorithm takes them, without what it will not ask for.
    pub(super) fn maps(
        &self,
        known: &Known<'_>,
        common: &HashMap<KeyName, EventIdx>,
        states: usize,
    ) -> Result<Vec<StateMap>, StateError> {
        let mut shared = StateMap::new();
        for (name, event) in common {
            shared.insert(name.clone(), known.add(*event)?.event_id().to_owned());
        }
        let mut maps = vec![shared; states];
        for at in self.by_key.values() {
            for (event, map) in at.iter().zip(&mut maps) {
                if let Some(event) = event {
                    let pdu = known.add(*event)?;
                    map.insert(name_of(&pdu), pdu.event_id().to_owned());
                }
            }
        }
        Ok(maps)
    }
}

/// What the answer says of the keys that were in conflict, and of new ones.
pub(super) struct Settled<'a> {
    conflicts: &'a Conflicts,
    answer: BTreeMap<StateKey, EventIdx>,
}

impl<'a> Settled<'a> {
    /// Before the answer is read: all that was in conflict is gone.
    pub(super) const fn new(conflicts: &'a Conflicts) -> Self {
        Self {
            conflicts,
            answer: BTreeMap::new(),
        }
    }

    /// Takes in one entry of the answer, which is not one that all states share.
    pub(super) fn insert(&mut self, key: StateKey, event: EventIdx) {
        self.answer.insert(key, event);
    }

    /// Which of the states is nearest to the answer, and the keys at which it changes, in order.
    pub(super) fn nearest(self, states: usize) -> (usize, Vec<(StateKey, Option<EventIdx>)>) {
        let mut agree = vec![0usize; states];
        for (key, at) in &self.conflicts.by_key {
            let after = self.answer.get(key);
            for (before, agree) in at.iter().zip(&mut agree) {
                if before.as_ref() == after {
                    *agree = agree.saturating_add(1);
                }
            }
        }
        let nearest = (0..states).rev().max_by_key(|state| agree.get(*state));
        let nearest = nearest.unwrap_or_default();
        let keys: BTreeSet<_> = self
            .conflicts
            .by_key
            .keys()
            .chain(self.answer.keys())
            .collect();
        let changes = keys.into_iter().filter_map(|key| {
            let before = self
                .conflicts
                .by_key
                .get(key)
                .and_then(|at| *at.get(nearest)?);
            let after = self.answer.get(key).copied();
            (before != after).then_some((*key, after))
        });
        (nearest, changes.collect())
    }
}
