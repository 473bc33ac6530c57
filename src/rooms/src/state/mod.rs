//! The state of a room at any event: persistent trees, auth chains and resolution.
//!
//! Entry points: [`States`] (the trees, and [`States::resolve`]), [`NodeWriter`] (the new nodes of
//! one change), [`EventSource`] (what resolution reads of a room beside its trees).

mod auth_chain;
mod error;
mod resolve;
mod source;
mod states;
mod tree;

pub use auth_chain::MAX_WALK;
pub use error::StateError;
pub use source::EventSource;
pub use states::{MemberChange, MemberEntry, OtherEntry, StateChange, StateKey, States};
pub use tree::nodes::NodeWriter;
