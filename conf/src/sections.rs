//! The sections of the file, one struct each.
//!
//! The comment of a struct or field is its comment in the shipped file: write it for whoever runs
//! the server, without links. An optional field ends its comment with `Example: ` and a value.

pub(crate) mod access;
pub(crate) mod data;
pub(crate) mod network;
pub(crate) mod users;
