//! The ground of the protocol: identifiers, raw events, hashes, signatures, room-version rules and
//! the glue to state resolution.
//!
//! It must never know storage, the network, or a clock: everything here is a function of its
//! arguments.
//!
//! Entry points: [`ids`] (numbers and positions), [`pdu`] (events), [`builder`] (making them),
//! [`signing`] and [`hashing`], [`room_version`] and [`auth`] (rules), [`resolution`], [`json`]
//! (canonical JSON), [`tokens`] (what clients hold).

pub mod auth;
pub mod builder;
pub mod hashing;
pub mod ids;
pub mod json;
pub mod pdu;
pub mod resolution;
pub mod room_version;
pub mod signing;
pub mod tokens;
