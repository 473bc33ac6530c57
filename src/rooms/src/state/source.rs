//! What resolution reads of a room beside its state trees.

use std::sync::Arc;

use heliograph_core::{ids::EventIdx, pdu::Pdu};
use heliograph_tables::schema::EventStatus;
use ruma_common::EventId;

use super::{StateError, StateKey};

/// The events of one room. It shows those of the change in the making too.
pub trait EventSource {
    /// An event, for the rules; marked as rejected if it is.
    fn pdu(&self, event: EventIdx) -> Result<Arc<Pdu>, StateError>;

    /// Its status. `auth_gen` is greater than that of each of its `auth_events`.
    fn status(&self, event: EventIdx) -> Result<EventStatus, StateError>;

    /// The event with an id, if it is here.
    fn idx_of(&self, id: &EventId) -> Result<Option<EventIdx>, StateError>;

    /// The state events that name `event` among their auth events, in the order of their numbers:
    /// at most `limit` of them, from `from` on.
    fn cited_by(
        &self,
        event: EventIdx,
        from: EventIdx,
        limit: usize,
    ) -> Result<Vec<EventIdx>, StateError>;

    /// The key of a type and a state key, if they have numbers; they do if a state event has them
    /// that is stored.
    fn state_key(&self, event_type: &str, key: &str) -> Result<Option<StateKey>, StateError>;
}
