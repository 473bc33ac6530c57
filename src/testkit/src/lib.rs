//! What tests of several crates are made of: events made to measure, other servers, an oracle.
//!
//! This crate must never know how the server keeps or judges events: what it says about them is
//! worked out anew, over whole states, from the rules in `core` alone.
//!
//! Entry points: [`Craft`] (an event of any room version, hashed and signed), [`FakeServer`]
//! (another server with its own graph of a room), [`Oracle`] (the verdict on each event and the
//! state before it), [`Keys`] (everybody's signing keys).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "this is test code: it fails a test by panicking"
)]

mod craft;
mod fake;
mod graph;
mod keys;
mod oracle;
mod resolution;

pub use craft::{Craft, EPOCH_MS, remade};
pub use fake::{Deed, FakeServer};
pub use graph::{Graph, Pool};
pub use keys::{KEY_VERSION, Keys, signer};
pub use oracle::Oracle;
pub use resolution::{Names, resolved};
