//! The order of what is kept in memory only.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// Numbers the changes of what is kept in memory only, of all kinds in one order. Sync tokens hold
/// such a number, with the process that it is of; a token of another process gets the present state
/// again. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Sequence(Arc<AtomicU64>);

impl Sequence {
    /// The number of the last change. Who reads it first, and then what changed, misses nothing:
    /// a change has its number while what it changes is locked.
    pub fn current(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }

    /// The number of the next change.
    pub(crate) fn advance(&self) -> u64 {
        self.0.fetch_add(1, Ordering::AcqRel).saturating_add(1)
    }
}
