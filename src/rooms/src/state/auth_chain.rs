//! Auth chains: what they differ in, and the paths within them.
//!
//! Chains are not stored. A walk takes the events in falling `auth_gen`, so that an event comes up
//! only after all that cite it, and ends where nothing more can differ.
//!
//! <https://spec.matrix.org/v1.19/rooms/v2/#definitions>

use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet};

use heliograph_core::ids::EventIdx;

use super::{EventSource, StateError};

/// Events and edges that one resolution goes through, at most.
pub const MAX_WALK: usize = 200_000;
/// Citing events that are read at once.
const CITING_PAGE: usize = 64;

/// Which of the states have an event in their chains.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Sets(Vec<u64>);

impl Sets {
    fn bit(set: usize) -> (usize, u64) {
        (set / 64, 1 << (set % 64))
    }

    fn add(&mut self, set: usize) {
        let (word, bit) = Self::bit(set);
        if self.0.len() <= word {
            self.0.resize(word.saturating_add(1), 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }

    fn has(&self, set: usize) -> bool {
        let (word, bit) = Self::bit(set);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn join(&mut self, other: &Self) {
        if self.0.len() < other.0.len() {
            self.0.resize(other.0.len(), 0);
        }
        for (mine, theirs) in self.0.iter_mut().zip(&other.0) {
            *mine |= theirs;
        }
    }

    fn are_all(&self, of: usize) -> bool {
        (0..of).all(|set| self.has(set))
    }
}

/// An event on its way to be looked at.
#[derive(Clone, Debug, Default)]
struct Waiting {
    sets: Sets,
    /// Whether it is known not to differ: all chains have it, or those of shared events do.
    settled: bool,
}

/// How much of [`MAX_WALK`] is left.
#[derive(Debug)]
pub(super) struct Budget {
    limit: usize,
    left: usize,
}

impl Budget {
    pub(super) const fn new(limit: usize) -> Self {
        Self { limit, left: limit }
    }

    fn take(&mut self, n: usize) -> Result<(), StateError> {
        let left = self.left.checked_sub(n);
        self.left = left.ok_or(StateError::TooManyEvents(self.limit))?;
        Ok(())
    }
}

/// Walks over the auth chains of one room.
pub(super) struct Walk<'a> {
    events: &'a dyn EventSource,
    /// Whether an event is in every state, at its key.
    in_every_state: &'a dyn Fn(EventIdx) -> Result<bool, StateError>,
    budget: Budget,
    edges: HashMap<EventIdx, (u32, Vec<EventIdx>)>,
    /// Whether an event is in every state or in the chain of one that is, as far as is known.
    shared: HashMap<EventIdx, bool>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        events: &'a dyn EventSource,
        in_every_state: &'a dyn Fn(EventIdx) -> Result<bool, StateError>,
        budget: Budget,
    ) -> Self {
        Self {
            events,
            in_every_state,
            budget,
            edges: HashMap::new(),
            shared: HashMap::new(),
        }
    }

    /// The auth difference, as what each state has of it: (∪Dᵢ − ∩Dᵢ) − C split by i, where Dᵢ are
    /// the chains of state i's events in `differing`, these included, and C those of the events
    /// that all states share, these included.
    pub(super) fn auth_difference(
        &mut self,
        differing: &[Vec<EventIdx>],
    ) -> Result<Vec<HashSet<EventIdx>>, StateError> {
        let mut queue = Queue::default();
        for (set, events) in differing.iter().enumerate() {
            let mut sets = Sets::default();
            sets.add(set);
            for event in events {
                let auth_gen = self.auth_gen(*event)?;
                queue.push(auth_gen, *event, &sets, false);
            }
        }
        let mut found = vec![HashSet::new(); differing.len()];
        while let Some((event, waiting)) = queue.pop() {
            let settled = waiting.settled
                || waiting.sets.are_all(differing.len())
                || self.is_shared(event)?;
            if !settled {
                for (set, found) in found.iter_mut().enumerate() {
                    if waiting.sets.has(set) {
                        found.insert(event);
                    }
                }
            }
            for cited in self.auth_events(event)? {
                let auth_gen = self.falling(event, cited)?;
                queue.push(auth_gen, cited, &waiting.sets, settled);
            }
        }
        Ok(found)
    }

    /// All events on the paths from one of `conflicted` to another, these included.
    ///
    /// <https://spec.matrix.org/v1.19/rooms/v12/#definitions>
    pub(super) fn conflicted_subgraph(
        &mut self,
        conflicted: &HashSet<EventIdx>,
    ) -> Result<HashSet<EventIdx>, StateError> {
        let mut lowest = u32::MAX;
        for event in conflicted {
            lowest = lowest.min(self.auth_gen(*event)?);
        }
        // Below the lowest of them no path comes back to any.
        let mut reached = HashSet::new();
        let mut to_visit: Vec<_> = conflicted.iter().copied().collect();
        let mut by_gen: BTreeMap<u32, Vec<EventIdx>> = BTreeMap::new();
        while let Some(event) = to_visit.pop() {
            let auth_gen = self.auth_gen(event)?;
            if !reached.insert(event) {
                continue;
            }
            by_gen.entry(auth_gen).or_default().push(event);
            for cited in self.auth_events(event)? {
                if self.falling(event, cited)? >= lowest && !reached.contains(&cited) {
                    to_visit.push(cited);
                }
            }
        }
        let mut leads = HashSet::new();
        for event in by_gen.into_values().flatten() {
            let cites_one = self
                .auth_events(event)?
                .iter()
                .any(|cited| leads.contains(cited));
            if cites_one || conflicted.contains(&event) {
                leads.insert(event);
            }
        }
        Ok(leads)
    }

    /// Whether an event is in every state, or in the chain of one that is.
    ///
    /// It looks at what cites the event, and what cites that: in most rooms one of the first is in
    /// every state.
    fn is_shared(&mut self, event: EventIdx) -> Result<bool, StateError> {
        if let Some(shared) = self.shared.get(&event) {
            return Ok(*shared);
        }
        let mut seen = HashSet::from([event]);
        let mut above = vec![event];
        let mut shared = (self.in_every_state)(event)?;
        while !shared && let Some(cited) = above.pop() {
            shared = self.look_above(cited, &mut seen, &mut above)?;
        }
        if shared {
            self.shared.insert(event, true);
        } else {
            self.shared
                .extend(seen.into_iter().map(|event| (event, false)));
        }
        Ok(shared)
    }

    /// Looks at the events that cite one: whether one of them is shared. Those not known yet are
    /// added to `above`.
    fn look_above(
        &mut self,
        cited: EventIdx,
        seen: &mut HashSet<EventIdx>,
        above: &mut Vec<EventIdx>,
    ) -> Result<bool, StateError> {
        let mut from = Some(EventIdx(0));
        while let Some(start) = from {
            let page = self.events.cited_by(cited, start, CITING_PAGE)?;
            self.budget.take(page.len().saturating_add(1))?;
            from = page
                .last()
                .filter(|_| page.len() >= CITING_PAGE)
                .and_then(|last| last.next());
            for citing in page {
                match self.shared.get(&citing) {
                    Some(true) => return Ok(true),
                    Some(false) => continue,
                    None if !seen.insert(citing) => continue,
                    None => {}
                }
                if (self.in_every_state)(citing)? {
                    return Ok(true);
                }
                above.push(citing);
            }
        }
        Ok(false)
    }

    fn edges(&mut self, event: EventIdx) -> Result<&(u32, Vec<EventIdx>), StateError> {
        if !self.edges.contains_key(&event) {
            self.budget.take(1)?;
            let status = self.events.status(event)?;
            self.edges
                .insert(event, (status.auth_gen, status.auth_events));
        }
        self.edges
            .get(&event)
            .ok_or(StateError::MissingEvent(event))
    }

    fn auth_gen(&mut self, event: EventIdx) -> Result<u32, StateError> {
        self.edges(event).map(|(auth_gen, _)| *auth_gen)
    }

    fn auth_events(&mut self, event: EventIdx) -> Result<Vec<EventIdx>, StateError> {
        self.edges(event).map(|(_, cited)| cited.clone())
    }

    /// The `auth_gen` of an auth event, which must be less than that of the event which cites it:
    /// the walks end because of it.
    fn falling(&mut self, event: EventIdx, cited: EventIdx) -> Result<u32, StateError> {
        let above = self.auth_gen(event)?;
        let below = self.auth_gen(cited)?;
        if below < above {
            Ok(below)
        } else {
            Err(StateError::Inconsistent("auth_gen"))
        }
    }
}

/// Events to look at, in falling `auth_gen`, each once.
#[derive(Default)]
struct Queue {
    order: BinaryHeap<(u32, EventIdx)>,
    waiting: HashMap<EventIdx, Waiting>,
    /// Those that are not settled: without one, nothing more can differ.
    open: usize,
}

impl Queue {
    fn push(&mut self, auth_gen: u32, event: EventIdx, sets: &Sets, settled: bool) {
        let waiting = self.waiting.entry(event).or_insert_with(|| {
            self.order.push((auth_gen, event));
            self.open = self.open.saturating_add(1);
            Waiting::default()
        });
        waiting.sets.join(sets);
        if settled && !waiting.settled {
            waiting.settled = true;
            self.open = self.open.saturating_sub(1);
        }
    }

    fn pop(&mut self) -> Option<(EventIdx, Waiting)> {
        if self.open == 0 {
            return None;
        }
        let (_, event) = self.order.pop()?;
        let waiting = self.waiting.remove(&event)?;
        if !waiting.settled {
            self.open = self.open.saturating_sub(1);
        }
        Some((event, waiting))
    }
}

#[cfg(test)]
mod tests;
