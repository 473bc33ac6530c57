//! The configuration: typed sections, their defaults, and how they are read.
//!
//! It must never know the crates that it configures, and only the server's binary knows it: each
//! other crate takes a plain settings struct of its own.
//!
//! Entry points: [`Config::load`] reads a file and the environment, [`Config::show`] writes the
//! effective values without secrets. The sections are plain structs; the comment on each field is
//! also its comment in the shipped `heliograph.toml`, which a test generates from them.
//!
//! A value comes from the environment variable `HELIOGRAPH__SECTION__KEY`, else from the file, else
//! from the default. A key that does not exist is refused, with the nearest one that does. Defaults
//! are safe on the open internet: registration is closed, rate limits are on, and the server listens
//! on the loopback interface only.

mod config;
mod error;
mod introspect;
mod load;
mod sections;
mod values;

pub use config::Config;
pub use error::{ConfError, Place};
pub use sections::{
    access::{Policy, Profiles, RateLimits, Registration, Sessions, Support},
    data::{Durability, Federation, Rooms, Storage, Sync},
    network::{Limits, Listener, LogFormat, Logging, Metrics, Server, Tls},
    users::{Presence, Push},
};
pub use values::{ByteSize, Period, RateLimit, Secret};

/// What the environment variables that override the file begin with.
pub const ENV_PREFIX: &str = "HELIOGRAPH__";
