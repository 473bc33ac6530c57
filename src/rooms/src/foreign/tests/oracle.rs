//! The same checks over whole states: slow, without trees, numbers or caches.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use heliograph_core::{
    auth,
    pdu::Pdu,
    resolution::{Sources, StateMap, resolve},
};
use heliograph_tables::schema::Standing;
use ruma_common::{EventId, OwnedEventId};
use ruma_events::StateEventType;
use ruma_state_res::utils::event_id_set::EventIdSet;

use super::world::{Names, World};

/// What the oracle says of each event.
#[derive(Default)]
pub(super) struct Oracle {
    pub(super) before: HashMap<OwnedEventId, Names>,
    pub(super) standing: HashMap<OwnedEventId, Standing>,
    pub(super) current: Names,
    after: HashMap<OwnedEventId, Names>,
    tips: BTreeSet<OwnedEventId>,
}

impl Oracle {
    /// Judges events in the order in which the room stored them.
    pub(super) fn of(world: &World, stored: &[(OwnedEventId, Standing)]) -> Self {
        let mut oracle = Self::default();
        for id in world.first.iter().chain(stored.iter().map(|(id, _)| id)) {
            oracle.judge(world, id);
        }
        oracle
    }

    fn judge(&mut self, world: &World, id: &EventId) {
        let pdu = world.pdu(id).unwrap();
        let states: Vec<Names> = pdu
            .prev_event_ids()
            .map(|p| self.after[p].clone())
            .collect();
        let before = resolved(world, &states);
        let standing = self.verdict(world, &pdu, &before);
        let mut after = before.clone();
        let counts = matches!(standing, Standing::Accepted | Standing::SoftFailed);
        if let Some(key) = pdu.state_key().filter(|_| counts) {
            after.insert((pdu.type_str().to_owned(), key.to_owned()), id.to_owned());
        }
        self.before.insert(id.to_owned(), before);
        self.after.insert(id.to_owned(), after);
        self.standing.insert(id.to_owned(), standing);
        if standing == Standing::Accepted {
            for prev in pdu.prev_event_ids() {
                self.tips.remove(prev);
            }
            self.tips.insert(id.to_owned());
            let states: Vec<Names> = self.tips.iter().map(|t| self.after[t].clone()).collect();
            self.current = resolved(world, &states);
        }
    }

    fn verdict(&self, world: &World, pdu: &Pdu, before: &Names) -> Standing {
        let version = world.version;
        let judged = |id: &EventId| {
            let pdu = world.pdu(id)?;
            let rejected = self.standing.get(id).is_some_and(|s| s.is_rejected());
            Some(if rejected {
                Arc::new(Pdu::clone(&pdu).into_rejected())
            } else {
                pdu
            })
        };
        let mut by_key: BTreeMap<(String, String), OwnedEventId> = BTreeMap::new();
        let named_by_room = version
            .rules()
            .authorization
            .room_create_event_id_as_room_id;
        let create = named_by_room.then(|| world.first[0].clone());
        for id in pdu.auth_event_ids().map(ToOwned::to_owned).chain(create) {
            let event = world.pdu(&id).unwrap();
            let key = (
                event.type_str().to_owned(),
                event.state_key().unwrap().to_owned(),
            );
            by_key.insert(key, id);
        }
        let over = |state: &Names| {
            auth::check_state_dependent(version, pdu, |event_type, key| {
                judged(state.get(&(event_type.to_owned(), key.to_owned()))?)
            })
        };
        if auth::check_state_independent(version, pdu, judged).is_err()
            || over(&by_key).is_err()
            || over(before).is_err()
        {
            Standing::Rejected
        } else if !self.current.is_empty() && over(&self.current).is_err() {
            Standing::SoftFailed
        } else {
            Standing::Accepted
        }
    }
}

/// All events in the auth chains of a state, its own included.
fn chain(world: &World, state: &StateMap) -> EventIdSet<OwnedEventId> {
    let mut chain = EventIdSet::new();
    let mut todo: Vec<OwnedEventId> = state.values().cloned().collect();
    while let Some(id) = todo.pop() {
        if chain.insert(id.clone()) {
            let pdu = world.pdu(&id).unwrap();
            todo.extend(pdu.auth_event_ids().map(ToOwned::to_owned));
        }
    }
    chain
}

/// The states together.
fn resolved(world: &World, states: &[Names]) -> Names {
    let mut distinct: Vec<Names> = Vec::new();
    for state in states {
        if !distinct.contains(state) {
            distinct.push(state.clone());
        }
    }
    match distinct.as_slice() {
        [] => return Names::new(),
        [only] => return only.clone(),
        _ => {}
    }
    let typed = |(t, k): &(String, String)| (StateEventType::from(t.as_str()), k.clone());
    let map = |state: &Names| {
        state
            .iter()
            .map(|(key, id)| (typed(key), id.clone()))
            .collect()
    };
    let maps: Vec<StateMap> = distinct.iter().map(map).collect();
    let chains = maps.iter().map(|map| chain(world, map)).collect();
    let sources = Sources {
        fetch: |id: &EventId| world.pdu(id),
        subgraph: |conflicts: &HashMap<(StateEventType, String), Vec<OwnedEventId>>| {
            Some(subgraph(
                world,
                &conflicts.values().flatten().cloned().collect(),
            ))
        },
    };
    let resolved = resolve(world.version, &maps, chains, sources).unwrap();
    resolved
        .into_iter()
        .map(|((t, k), id)| ((t.to_string(), k), id))
        .collect()
}

/// The events on paths along auth events from one conflicted event to another, both included.
fn subgraph(world: &World, conflicted: &BTreeSet<OwnedEventId>) -> EventIdSet<OwnedEventId> {
    let mut on_path = EventIdSet::new();
    for id in conflicted {
        reaches(world, id, conflicted, &mut on_path);
    }
    on_path
}

/// Whether an event is or leads to a conflicted one; those on the way are noted.
fn reaches(
    world: &World,
    id: &OwnedEventId,
    conflicted: &BTreeSet<OwnedEventId>,
    on_path: &mut EventIdSet<OwnedEventId>,
) -> bool {
    let mut found = conflicted.contains(id);
    let pdu = world.pdu(id).unwrap();
    for auth in pdu.auth_event_ids() {
        found |= reaches(world, &auth.to_owned(), conflicted, on_path);
    }
    if found {
        on_path.insert(id.clone());
    }
    found
}
