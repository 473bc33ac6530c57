//! Why a state could not be read or computed.

use heliograph_core::ids::EventIdx;
use heliograph_tables::StoreError;

/// Why a state could not be read or computed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StateError {
    /// The store failed, or a row does not decode.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No number is left for a tree node of this room, or none was to be given out.
    #[error("the numbers of tree nodes are used up")]
    NodesUsedUp,
    /// An event that a state or an auth chain names is not stored.
    #[error("event {0} is missing")]
    MissingEvent(EventIdx),
    /// The events between the states are more than this server goes through.
    #[error("more than {0} events between the states")]
    TooManyEvents(usize),
    /// Stored rows contradict each other.
    #[error("stored rows contradict each other: {0}")]
    Inconsistent(&'static str),
    /// The resolution algorithm could not use the events.
    #[error("resolution failed: {0}")]
    Resolution(String),
}
