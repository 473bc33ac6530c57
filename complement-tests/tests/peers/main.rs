//! This server beside others: the same asked of both, and each difference known.

#![expect(clippy::indexing_slicing, reason = "tests fail by panicking")]

mod walk_beside_synapse;
