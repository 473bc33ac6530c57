//! State resolution over whole states.
//!
//! Versions 2 and 2.1 are `ruma-state-res`; version 1 is ours.
//! <https://spec.matrix.org/v1.19/rooms/v1/#state-resolution>

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use ruma_common::{EventId, OwnedEventId, room_version_rules::StateResolutionVersion};
use ruma_events::StateEventType;
use ruma_state_res::utils::event_id_set::EventIdSet;

use crate::{
    auth::{AuthError, check_state_dependent},
    hashing::sha1_hex,
    pdu::Pdu,
    room_version::RoomVersion,
};

/// A state: type and state key → event.
pub type StateMap = HashMap<(StateEventType, String), OwnedEventId>;

/// What resolution reads beside the states.
pub struct Sources<F, G> {
    /// Gives an event.
    pub fetch: F,
    /// Gives the conflicted state subgraph (version 2.1 only).
    pub subgraph: G,
}

/// Resolves states by the algorithm of a room version.
///
/// `auth_chains` are those of each state's events; version 1 does not use them.
///
/// # Errors
/// When an event that must be there is not.
pub fn resolve<F, G>(
    version: RoomVersion,
    states: &[StateMap],
    auth_chains: Vec<EventIdSet<OwnedEventId>>,
    sources: Sources<F, G>,
) -> Result<StateMap, AuthError>
where
    F: Fn(&EventId) -> Option<Arc<Pdu>>,
    G: Fn(
        &HashMap<(StateEventType, String), Vec<OwnedEventId>>,
    ) -> Option<EventIdSet<OwnedEventId>>,
{
    let rules = version.rules();
    match &rules.state_res {
        StateResolutionVersion::V2(state_res) => ruma_state_res::resolve(
            &rules.authorization,
            state_res,
            states.iter(),
            auth_chains,
            sources.fetch,
            sources.subgraph,
        )
        .map_err(|error| AuthError(error.to_string())),
        _ => resolve_v1(version, states, sources.fetch),
    }
}

/// Version 1: conflicts are settled in four rounds, each checked against what is settled so far:
/// power levels, join rules, members, the rest.
fn resolve_v1(
    version: RoomVersion,
    states: &[StateMap],
    fetch: impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<StateMap, AuthError> {
    let (mut resolved, conflicted) = split(states);
    let rounds: [fn(&StateEventType) -> bool; 3] = [
        |t| *t == StateEventType::RoomPowerLevels,
        |t| *t == StateEventType::RoomJoinRules,
        |t| *t == StateEventType::RoomMember,
    ];
    let mut rest = conflicted;
    for round in rounds {
        let (now, later) = rest
            .into_iter()
            .partition(|((event_type, _), _)| round(event_type));
        rest = later;
        settle_by_auth(version, &mut resolved, now, &fetch)?;
    }
    for (key, candidates) in rest {
        let winner = first_allowed(version, &resolved, &candidates, &fetch)?;
        resolved.insert(key, winner);
    }
    Ok(resolved)
}

/// Conflicts by key, in the order of keys.
type Conflicts = BTreeMap<(StateEventType, String), HashSet<OwnedEventId>>;

/// What all states that have a key agree on, and what they do not.
fn split(states: &[StateMap]) -> (StateMap, Conflicts) {
    let mut all = Conflicts::new();
    for state in states {
        for (key, event) in state {
            all.entry(key.clone()).or_default().insert(event.clone());
        }
    }
    let mut agreed = StateMap::new();
    all.retain(|key, events| {
        let mut iter = events.iter();
        if let (Some(only), None) = (iter.next(), iter.next()) {
            agreed.insert(key.clone(), only.clone());
            return false;
        }
        true
    });
    (agreed, all)
}

/// Candidates from the least to the greatest depth; among equals the smaller SHA-1 of the id is
/// the later one.
fn by_depth(
    candidates: &HashSet<OwnedEventId>,
    fetch: &impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<Vec<Arc<Pdu>>, AuthError> {
    let mut events = Vec::with_capacity(candidates.len());
    for id in candidates {
        let event = fetch(id).ok_or_else(|| AuthError(format!("event {id} is not here")))?;
        events.push(event);
    }
    events.sort_by_cached_key(|event| {
        (
            event.depth(),
            std::cmp::Reverse(sha1_hex(event.event_id().as_bytes())),
        )
    });
    Ok(events)
}

/// Settles keys whose events authorise others: from the least deep on, each that is allowed takes
/// the place of the one before it; the first that is not allowed ends it.
///
/// The keys of one round do not see each other's outcome, so their order does not matter. The
/// specification leaves this open; it is what the other servers do, and they must agree.
fn settle_by_auth(
    version: RoomVersion,
    resolved: &mut StateMap,
    conflicts: Conflicts,
    fetch: &impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<(), AuthError> {
    let mut settled = Vec::with_capacity(conflicts.len());
    for (key, candidates) in conflicts {
        let mut events = by_depth(&candidates, fetch)?.into_iter();
        let Some(mut winner) = events.next() else {
            continue;
        };
        for event in events {
            let own = (&key, &winner);
            if !allowed(version, resolved, Some(own), &event, fetch) {
                break;
            }
            winner = event;
        }
        settled.push((key, winner.event_id().to_owned()));
    }
    resolved.extend(settled);
    Ok(())
}

/// The newest candidate that the state allows, or the oldest when it allows none.
fn first_allowed(
    version: RoomVersion,
    resolved: &StateMap,
    candidates: &HashSet<OwnedEventId>,
    fetch: &impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> Result<OwnedEventId, AuthError> {
    let events = by_depth(candidates, fetch)?;
    let newest = events
        .iter()
        .rev()
        .find(|event| allowed(version, resolved, None, event, fetch));
    let winner = newest.or_else(|| events.first());
    winner
        .map(|event| event.event_id().to_owned())
        .ok_or_else(|| AuthError("a conflict without events".to_owned()))
}

/// Whether a state, with one entry put over it, allows an event.
fn allowed(
    version: RoomVersion,
    state: &StateMap,
    over: Option<(&(StateEventType, String), &Arc<Pdu>)>,
    event: &Pdu,
    fetch: &impl Fn(&EventId) -> Option<Arc<Pdu>>,
) -> bool {
    let lookup = |event_type: &str, key: &str| {
        let key = (StateEventType::from(event_type), key.to_owned());
        match over {
            Some((own, event)) if *own == key => Some(Arc::clone(event)),
            _ => state.get(&key).and_then(|id| fetch(id)),
        }
    };
    check_state_dependent(version, event, lookup).is_ok()
}

#[cfg(test)]
mod tests;
