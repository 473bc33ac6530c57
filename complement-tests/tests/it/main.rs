//! Behaviours of the server, seen through HTTP. A failed assertion begins with the name of the
//! behaviour.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what tests share fails by panicking, too"
)]

mod accounts;
mod backups;
mod bad_input;
mod costs;
mod crashes;
mod deprecated;
mod history;
mod limits;
mod relations;
mod rooms;
mod sync;
mod timestamps;
mod transport;
mod versions;
mod visibility;
