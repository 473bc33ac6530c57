//! The state of a room at any event: persistent trees, auth chains and resolution.
//!
//! Entry points: [`States`] (the trees), [`NodeWriter`] (the new nodes of one change).

mod error;
mod states;
mod tree;

pub use error::StateError;
pub use states::{MemberChange, MemberEntry, OtherEntry, StateChange, StateKey, States};
pub use tree::nodes::NodeWriter;
