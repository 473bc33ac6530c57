//! Behaviours of the server, seen through HTTP. A failed assertion begins with the name of the
//! behaviour.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "what tests share fails by panicking, too"
)]

mod accounts;
mod appendices;
mod backups;
mod bad_input;
mod conformance;
mod costs;
mod counts;
mod coverage;
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
mod model;
mod passwords;
mod permissions;
mod presence;
mod privacy;
mod profiles;
mod push;
mod push_rules;
mod quotas;
mod refresh;
mod relations;
mod room_versions;
mod rooms;
mod routes;
mod spaces;
mod standards;
mod support;
mod sync;
mod tags;
mod terms;
mod timestamps;
mod transport;
mod upgrades;
mod user_directory;
mod versions;
mod visibility;
mod walk;
