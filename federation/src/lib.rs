//! What this server is to other servers: its name and its signing keys.
//!
//! This crate must never know clients.
//!
//! Entry points: [`keys::load_or_make`] (the key file), [`server_keys::routes`]
//! (`GET /_matrix/key/v2/server`), [`version::routes`] (`GET /_matrix/federation/v1/version`).

pub mod keys;
pub mod server_keys;
pub mod version;
