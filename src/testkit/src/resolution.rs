//! Resolution over whole states: slow, without trees, numbers or caches.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use heliograph_core::resolution::{Sources, StateMap, resolve};
use ruma_common::{EventId, OwnedEventId};
use ruma_events::StateEventType;
use ruma_state_res::utils::event_id_set::EventIdSet;

use crate::Graph;

/// A state by names: (type, key) → event id.
pub type Names = BTreeMap<(String, String), OwnedEventId>;

/// The states together.
pub fn resolved(graph: &impl Graph, states: &[Names]) -> Names {
    let mut distinct: Vec<&Names> = Vec::new();
    for state in states {
        if !distinct.contains(&state) {
            distinct.push(state);
        }
    }
    match distinct.as_slice() {
        [] => return Names::new(),
        [only] => return Names::clone(only),
        _ => {}
    }
    let typed = |(t, k): &(String, String)| (StateEventType::from(t.as_str()), k.clone());
    let maps: Vec<StateMap> = distinct
        .iter()
        .map(|state| {
            let entries = state.iter();
            entries.map(|(key, id)| (typed(key), id.clone())).collect()
        })
        .collect();
    let chains = maps.iter().map(|map| chain(graph, map)).collect();
    let sources = Sources {
        fetch: |id: &EventId| graph.pdu(id),
        subgraph: |conflicts: &HashMap<(StateEventType, String), Vec<OwnedEventId>>| {
            let conflicted = conflicts.values().flatten().cloned().collect();
            Some(subgraph(graph, &conflicted))
        },
    };
    let resolved = resolve(graph.version(), &maps, chains, sources).unwrap();
    resolved
        .into_iter()
        .map(|((t, k), id)| ((t.to_string(), k), id))
        .collect()
}

/// All events in the auth chains of a state, its own included.
fn chain(graph: &impl Graph, state: &StateMap) -> EventIdSet<OwnedEventId> {
    let mut chain = EventIdSet::new();
    let mut todo: Vec<OwnedEventId> = state.values().cloned().collect();
    while let Some(id) = todo.pop() {
        if chain.insert(id.clone()) {
            let pdu = graph.pdu(&id).unwrap();
            todo.extend(pdu.auth_event_ids().map(ToOwned::to_owned));
        }
    }
    chain
}

/// The events on paths along auth events from one conflicted event to another, both included.
fn subgraph(graph: &impl Graph, conflicted: &BTreeSet<OwnedEventId>) -> EventIdSet<OwnedEventId> {
    let mut known = HashMap::new();
    for id in conflicted {
        reaches(graph, id, conflicted, &mut known);
    }
    let on_path = known.into_iter().filter(|(_, reaches)| *reaches);
    on_path.map(|(id, _)| id).collect()
}

/// Whether an event is or leads to a conflicted one; what is found of each is kept.
fn reaches(
    graph: &impl Graph,
    id: &EventId,
    conflicted: &BTreeSet<OwnedEventId>,
    known: &mut HashMap<OwnedEventId, bool>,
) -> bool {
    if let Some(found) = known.get(id) {
        return *found;
    }
    let mut found = conflicted.contains(id);
    for auth in graph.pdu(id).unwrap().auth_event_ids() {
        found |= reaches(graph, auth, conflicted, known);
    }
    known.insert(id.to_owned(), found);
    found
}
