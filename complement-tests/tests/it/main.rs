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
mod deactivation;
mod deleted_data;
mod deprecated;
mod directory;
mod fallback;
mod guests;
mod history;
mod ignoring;
mod joining;
mod limits;
mod login_tokens;
mod passwords;
mod presence;
mod privacy;
mod push_rules;
mod refresh;
mod relations;
mod rooms;
mod spaces;
mod support;
mod sync;
mod tags;
mod timestamps;
mod transport;
mod upgrades;
mod versions;
mod visibility;
