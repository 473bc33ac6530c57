//! Resolution of forks within a change in the making.

use std::sync::Arc;

use heliograph_core::{ids::EventIdx, pdu::Pdu};
use heliograph_tables::{
    Direction,
    codec::Tail,
    schema::{AUTH_CITED_BY, EventStatus, STATE_KEY_NUMS, StateRoot},
};
use ruma_common::EventId;

use crate::{
    RoomError,
    state::{EventSource, NodeWriter, StateError, StateKey},
    work::RoomWork,
};

impl RoomWork<'_> {
    /// The state after several states together.
    pub(crate) fn resolve(&mut self, roots: &[StateRoot]) -> Result<StateRoot, RoomError> {
        match roots {
            [] => Ok(StateRoot::EMPTY),
            [one] => Ok(*one),
            _ => {
                let mut nodes = std::mem::replace(&mut self.nodes, NodeWriter::none(self.room));
                let (view, version) = (&self.view, self.version());
                let resolved = self
                    .inner
                    .states
                    .resolve(view, &mut nodes, version, &*self, roots);
                self.nodes = nodes;
                Ok(resolved?)
            }
        }
    }
}

/// What reading an event says to the state engine.
fn state_error(error: RoomError) -> StateError {
    match error {
        RoomError::Store(error) => StateError::Store(error),
        _ => StateError::Inconsistent("event"),
    }
}

impl EventSource for RoomWork<'_> {
    fn pdu(&self, event: EventIdx) -> Result<Arc<Pdu>, StateError> {
        let pdu = self.pdu(event).map_err(state_error)?;
        if self
            .status(event)
            .map_err(state_error)?
            .standing
            .is_rejected()
        {
            return Ok(Arc::new(Pdu::clone(&pdu).into_rejected()));
        }
        Ok(pdu)
    }

    fn status(&self, event: EventIdx) -> Result<EventStatus, StateError> {
        self.status(event).map_err(state_error)
    }

    fn idx_of(&self, id: &EventId) -> Result<Option<EventIdx>, StateError> {
        self.find(id).map_err(state_error)
    }

    fn cited_by(
        &self,
        event: EventIdx,
        from: EventIdx,
        limit: usize,
    ) -> Result<Vec<EventIdx>, StateError> {
        let start = (self.room, event, from);
        let end = (self.room, event.next().unwrap_or(event));
        let stored = self
            .view
            .range(&AUTH_CITED_BY, &start, &end, Direction::Forward);
        let mut citing = Vec::new();
        for row in stored.take(limit) {
            citing.push(row?.0.2);
        }
        let fresh = self.fresh.iter().filter(|(idx, (pdu, status))| {
            **idx >= from && pdu.state_key().is_some() && status.auth_events.contains(&event)
        });
        citing.extend(fresh.map(|(idx, _)| *idx));
        citing.sort_unstable();
        citing.dedup();
        citing.truncate(limit);
        Ok(citing)
    }

    fn state_key(&self, event_type: &str, key: &str) -> Result<Option<StateKey>, StateError> {
        let names = &self.inner.interner;
        if event_type == "m.room.member" {
            return Ok(names.users.find_any(&self.view, key)?.map(StateKey::Member));
        }
        let Some(event_type) = names.types.find_any(&self.view, event_type)? else {
            return Ok(None);
        };
        let num = match self.fresh_key(key) {
            Some(num) => Some(num),
            None => self
                .view
                .get(&STATE_KEY_NUMS, &(self.room, Tail::from(key)))?
                .map(|r| r.0),
        };
        Ok(num.map(|num| StateKey::Other(event_type, num)))
    }
}
