//! Synapse: one process on `SQLite`, without what this server does not do yet.
//!
//! Off are rate limits, statistics, outside key servers, and the cache of answers to `/sync`,
//! which would answer a repeated first sync without doing it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use heliograph_complement::synapse;
use serde_json::{Value, json};

use crate::{
    Result,
    http::{Http, User},
    server::run,
};

const SERVICE_TOKEN: &str = "the_token_of_an_application_service_that_lives_for_minutes";

/// Writes the configuration.
pub(super) fn configure(folder: &Path, port: u16) -> Result<()> {
    let service_file = folder.join("service.yaml");
    let more = vec![("app_service_config_files", json!([service_file]))];
    let config = synapse::configuration("bench.localhost", folder, port, more);
    synapse::write(folder, &config)?;
    Ok(fs::write(
        folder.join("service.yaml"),
        service().to_string(),
    )?)
}

/// An application service that is told nothing and may make accounts.
fn service() -> Value {
    json!({
        "id": "bench",
        "url": null,
        "as_token": SERVICE_TOKEN,
        "hs_token": "the_other_token_of_that_application_service",
        "sender_localpart": "service",
        "rate_limited": false,
        "namespaces": {
            "users": [{ "exclusive": false, "regex": "@.*" }],
            "rooms": [],
            "aliases": [],
        },
    })
}

/// Makes the database of a stopped server as small as it gets, and gives its folder.
pub(super) fn compact(environment: &Path, folder: &Path) -> Result<PathBuf> {
    let store = folder.join("store");
    let script = "import sqlite3, sys\n\
                  database = sqlite3.connect(sys.argv[1])\n\
                  database.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n\
                  database.execute('VACUUM')\n\
                  database.execute('PRAGMA wal_checkpoint(TRUNCATE)')\n\
                  database.close()\n";
    run(Command::new(environment.join("bin").join("python"))
        .args(["-c", script])
        .arg(store.join("homeserver.db")))?;
    Ok(store)
}

pub(super) async fn register(http: &Http, name: &str) -> Result<User> {
    let body = json!({
        "type": "m.login.application_service",
        "username": name,
        "device_id": "BENCH",
    });
    let path = "/_matrix/client/v3/register";
    User::of(&http.post(SERVICE_TOKEN, path, body).await?)
}
