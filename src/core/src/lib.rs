//! The ground of the protocol: identifiers, raw events, hashes, signatures, room-version rules and
//! the glue to state resolution.
//!
//! It must never know storage, the network, or a clock: everything here is a function of its
//! arguments.
//!
//! Entry points: [`ids`] (numbers and positions).

pub mod ids;
