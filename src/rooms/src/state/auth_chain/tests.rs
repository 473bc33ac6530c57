//! Walks that end early say what whole chains say.

use std::{collections::HashSet, sync::Arc};

use heliograph_core::{ids::EventIdx, pdu::Pdu};
use heliograph_tables::schema::{EventStatus, Standing, StateRoot};
use proptest::prelude::*;
use ruma_common::EventId;

use super::{Budget, MAX_WALK, Walk};
use crate::state::{EventSource, StateError, StateKey};

/// Auth events by event; each event cites earlier ones.
#[derive(Clone, Debug)]
struct Graph(Vec<Vec<EventIdx>>);

fn at(event: EventIdx) -> usize {
    usize::try_from(event.0).unwrap()
}

fn event(n: usize) -> EventIdx {
    EventIdx(u32::try_from(n).unwrap())
}

impl Graph {
    fn auth_gen(&self, of: EventIdx) -> u32 {
        let above = self.0[at(of)].iter().map(|cited| self.auth_gen(*cited) + 1);
        above.max().unwrap_or(0)
    }

    fn chain(&self, from: &[EventIdx]) -> HashSet<EventIdx> {
        let mut reached = HashSet::new();
        let mut left = from.to_vec();
        while let Some(event) = left.pop() {
            if reached.insert(event) {
                left.extend(&self.0[at(event)]);
            }
        }
        reached
    }
}

impl EventSource for Graph {
    fn pdu(&self, event: EventIdx) -> Result<Arc<Pdu>, StateError> {
        Err(StateError::MissingEvent(event))
    }

    fn status(&self, event: EventIdx) -> Result<EventStatus, StateError> {
        let auth_events = self
            .0
            .get(at(event))
            .ok_or(StateError::MissingEvent(event))?;
        Ok(EventStatus {
            standing: Standing::Accepted,
            state_before: StateRoot::EMPTY,
            state_after: None,
            timeline: None,
            position: None,
            redacted_by: None,
            replaces: None,
            auth_gen: self.auth_gen(event),
            auth_events: auth_events.clone(),
        })
    }

    fn idx_of(&self, _: &EventId) -> Result<Option<EventIdx>, StateError> {
        Ok(None)
    }

    fn cited_by(
        &self,
        cited: EventIdx,
        from: EventIdx,
        limit: usize,
    ) -> Result<Vec<EventIdx>, StateError> {
        let citing = (at(from)..self.0.len()).filter(|n| self.0[*n].contains(&cited));
        Ok(citing.take(limit).map(event).collect())
    }

    fn state_key(&self, _: &str, _: &str) -> Result<Option<StateKey>, StateError> {
        Ok(None)
    }
}

fn graph() -> impl Strategy<Value = Graph> {
    prop::collection::vec(
        prop::collection::vec(any::<prop::sample::Index>(), 0..4),
        1..40,
    )
    .prop_map(|rows| {
        let row = |(n, row): (usize, Vec<prop::sample::Index>)| {
            // The newest events mostly cite new ones, so that chains are long.
            let cited = row.into_iter().filter(|_| n > 0);
            let cited = cited.map(|i| event(n - 1 - i.index(n.min(6))));
            let mut cited: Vec<_> = cited.collect();
            cited.sort_unstable();
            cited.dedup();
            cited
        };
        Graph(rows.into_iter().enumerate().map(row).collect())
    })
}

/// For each event: nothing, shared by all states, or in some of the three.
fn places() -> impl Strategy<Value = Vec<u8>> {
    let place = prop_oneof![6 => Just(0u8), 2 => Just(7), 3 => 1u8..7];
    prop::collection::vec(place, 40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_auth_difference_is_that_of_whole_chains(graph in graph(), places in places()) {
        let of = |place: &dyn Fn(u8) -> bool| -> Vec<_> {
            (0..graph.0.len()).filter(|n| place(places[*n])).map(event).collect()
        };
        let shared = of(&|place| place == 7);
        let differing: Vec<_> =
            (0..3).map(|set| of(&|place| place != 7 && place & (1 << set) != 0)).collect();
        let in_every_state = |event: EventIdx| Ok(places[at(event)] == 7);
        let mut walk = Walk::new(&graph, &in_every_state, Budget::new(MAX_WALK));
        let found = walk.auth_difference(&differing).unwrap();
        let common = graph.chain(&shared);
        let chains: Vec<HashSet<EventIdx>> = differing
            .iter()
            .map(|events| graph.chain(events).difference(&common).copied().collect())
            .collect();
        let differs = |event: &EventIdx| !chains.iter().all(|chain| chain.contains(event));
        for (found, chain) in found.iter().zip(&chains) {
            let expected: HashSet<_> = chain.iter().copied().filter(differs).collect();
            prop_assert_eq!(found, &expected);
        }
    }

    #[test]
    fn the_subgraph_is_all_paths(graph in graph(), places in places()) {
        let conflicted: HashSet<_> =
            (0..graph.0.len()).filter(|n| places[*n] != 0).map(event).collect();
        let in_every_state = |_: EventIdx| Ok(false);
        let mut walk = Walk::new(&graph, &in_every_state, Budget::new(MAX_WALK));
        let found = walk.conflicted_subgraph(&conflicted).unwrap();
        let from: Vec<_> = conflicted.iter().copied().collect();
        let leads = |event: &EventIdx| !graph.chain(&[*event]).is_disjoint(&conflicted);
        let expected: HashSet<_> = graph.chain(&from).into_iter().filter(leads).collect();
        prop_assert_eq!(found, expected);
    }
}

/// A chain that is too long is an error, and so is one that does not fall.
#[test]
fn walks_are_bounded() {
    let long = Graph(
        (0..50usize)
            .map(|n| n.checked_sub(1).map(event).into_iter().collect())
            .collect(),
    );
    let in_every_state = |_: EventIdx| Ok(false);
    let differing = [vec![event(49)], vec![]];
    let mut walk = Walk::new(&long, &in_every_state, Budget::new(40));
    let ended = walk.auth_difference(&differing);
    assert!(
        matches!(ended, Err(StateError::TooManyEvents(40))),
        "{ended:?}"
    );
    let mut walk = Walk::new(&long, &in_every_state, Budget::new(40));
    let ended = walk.conflicted_subgraph(&HashSet::from([event(0), event(49)]));
    assert!(
        matches!(ended, Err(StateError::TooManyEvents(40))),
        "{ended:?}"
    );
}

/// A difference at the top of long chains reads the top only.
#[test]
fn walks_end_where_chains_meet() {
    let mut rows: Vec<Vec<EventIdx>> = vec![vec![]];
    rows.extend((0..1000).map(|n| vec![event(n)]));
    rows.push(vec![event(1000)]);
    rows.push(vec![event(1000)]);
    let graph = Graph(rows);
    let in_every_state = |_: EventIdx| Ok(false);
    let mut walk = Walk::new(&graph, &in_every_state, Budget::new(20));
    let found = walk
        .auth_difference(&[vec![event(1001)], vec![event(1002)]])
        .unwrap();
    assert_eq!(
        found,
        [HashSet::from([event(1001)]), HashSet::from([event(1002)])]
    );
}
