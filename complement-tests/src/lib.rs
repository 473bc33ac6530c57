//! The harness of the black-box tests: real server processes, each with a folder and a port of its
//! own, and clients that speak to them over HTTP.
//!
//! This crate must never know how the server works inside: it links none of its crates, and sees
//! only answers, the figures of `/metrics`, the log, and the files of the store.
//!
//! Entry points: [`TestServer`] and [`Options`] (a server), [`Client`] (a device of a user),
//! [`Reader`] (a client that follows everything), [`load`] (many writers, and what must hold after
//! a crash), [`power`] (what a power cut leaves of a folder), [`Costs`] (what an operation read
//! and wrote), [`measure`] (what benchmarks of a process share), [`Loaded`] (a server on which much has happened).

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "the harness is test code: it fails a test by panicking"
)]

mod answer;
mod client;
mod costs;
pub mod coverage;
mod fixtures;
pub mod load;
pub mod measure;
pub mod model;
pub mod power;
mod reader;
mod rooms;
mod routes;
mod server;
pub mod spec;
pub mod synapse;
mod wait;
pub mod walk;

pub use answer::{Answer, event_ids};
pub use client::{Client, path};
pub use costs::{Cost, Costs};
pub use fixtures::{Loaded, Sizes};
pub use reader::Reader;
pub use routes::{Route, filled, routes};
pub use server::{Options, SERVER_NAME, TestServer, binary};
pub use wait::wait_for;
