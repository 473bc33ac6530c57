//! What a client asks of a sync, and why it may not get it.

use std::sync::Arc;

use heliograph_core::{
    ids::{DeviceNum, Position, UserNum},
    tokens::SyncToken,
};
use heliograph_rooms::{PresenceState, RoomError};
use heliograph_tables::StoreError;
use heliograph_work::PoolError;

use crate::filter::Filter;

/// A client's request.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync>
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Who asks.
    pub user: UserNum,
    /// From which device.
    pub device: DeviceNum,
    /// Up to where the client has everything.
    pub since: Option<SyncToken>,
    /// What it wants.
    pub filter: Arc<Filter>,
    /// Whether it wants all state of all rooms, whatever it has.
    pub full_state: bool,
    /// Whether it wants the state at the end of timelines instead of at their start.
    pub use_state_after: bool,
    /// Whether it knows that state by the name that it had before version 1.16.
    pub old_state_after: bool,
    /// How long it waits when there is nothing, milliseconds.
    pub timeout_ms: u64,
    /// What the client is by asking; with `offline` it is nothing by it.
    pub set_presence: PresenceState,
}

impl SyncRequest {
    /// The key of a room's state in the answer.
    ///
    /// <https://github.com/matrix-org/matrix-spec-proposals/pull/4222>
    pub(crate) const fn state_key(&self) -> &'static str {
        match (self.use_state_after, self.old_state_after) {
            (false, _) => "state",
            (true, false) => "state_after",
            (true, true) => "org.matrix.msc4222.state_after",
        }
    }
}

/// The stretch of the log that an answer covers: after `from`, up to `to`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    /// `None` for an initial sync.
    pub(crate) from: Option<Position>,
    pub(crate) to: Position,
    /// Typing and presence changed after this sequence number is news.
    pub(crate) ephemeral_from: u64,
}

/// Why a sync failed.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The device was removed while the request waited.
    #[error("the device is gone")]
    DeviceGone,
    /// A room could not be read.
    #[error(transparent)]
    Room(#[from] RoomError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Stored rows contradict each other.
    #[error("stored rows are inconsistent: {0}")]
    Inconsistent(&'static str),
    /// Too much is going on.
    #[error(transparent)]
    Busy(#[from] PoolError),
}
