//! A persistent map with structural sharing: 64-bit keys to events.
//!
//! [`node`] says how it is laid out, [`nodes`] where nodes come from, [`update`] how it changes and
//! [`walk`] how it is read.

pub(super) mod node;
pub(super) mod nodes;
pub(super) mod update;
pub(super) mod walk;

#[cfg(test)]
mod tests;
