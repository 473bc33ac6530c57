//! Resolution of forks within a change in the making.

use heliograph_tables::schema::StateRoot;

use crate::{RoomError, work::RoomWork};

impl RoomWork<'_> {
    /// The state after several states together.
    pub(crate) fn resolve(&mut self, roots: &[StateRoot]) -> Result<StateRoot, RoomError> {
        match roots {
            [] => Ok(StateRoot::EMPTY),
            [one] => Ok(*one),
            _ => Err(RoomError::Inconsistent("forks")),
        }
    }
}
