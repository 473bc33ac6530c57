//! The checks of the specification over whole states.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use heliograph_core::{auth, pdu::Pdu};
use heliograph_tables::schema::Standing;
use ruma_common::{EventId, OwnedEventId};

use crate::{Graph, Names, resolved};

/// What must be said of each event, given the order in which a server took them in.
#[derive(Debug, Default)]
pub struct Oracle {
    /// The state before each event.
    pub before: HashMap<OwnedEventId, Names>,
    /// The state after each event.
    pub after: HashMap<OwnedEventId, Names>,
    /// The verdict on each event.
    pub standing: HashMap<OwnedEventId, Standing>,
    /// The room's current state.
    pub current: Names,
    /// The accepted events that no accepted event follows.
    pub tips: BTreeSet<OwnedEventId>,
    /// The first event.
    create: Option<OwnedEventId>,
}

impl Oracle {
    /// Judges an event whose parents and auth events were judged; the first is the create event.
    pub fn judge(&mut self, graph: &impl Graph, id: &EventId) -> Standing {
        let pdu = graph.pdu(id).unwrap();
        self.create.get_or_insert_with(|| id.to_owned());
        let before = self.state_after(graph, pdu.prev_event_ids());
        let standing = self.verdict(graph, &pdu, &before);
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
            self.current = self.state_after(graph, self.tips.iter().map(|id| &**id));
        }
        standing
    }

    /// The state after several judged events together.
    pub fn state_after<'i>(
        &self,
        graph: &impl Graph,
        ids: impl Iterator<Item = &'i EventId>,
    ) -> Names {
        let states: Vec<Names> = ids.map(|id| self.after[id].clone()).collect();
        resolved(graph, &states)
    }

    fn verdict(&self, graph: &impl Graph, pdu: &Pdu, before: &Names) -> Standing {
        let version = graph.version();
        let judged = |id: &EventId| {
            let pdu = graph.pdu(id)?;
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
        let create = self.create.clone().filter(|_| named_by_room);
        for id in pdu.auth_event_ids().map(ToOwned::to_owned).chain(create) {
            let event = graph.pdu(&id).unwrap();
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
