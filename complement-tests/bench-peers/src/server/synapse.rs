//! Synapse: one process on `SQLite`, without what this server does not do yet.
//!
//! Off are rate limits, statistics, presence, outside key servers, and the cache of answers to
//! `/sync`, which would answer a repeated first sync without doing it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    Result,
    http::{Http, User},
    server::run,
};

const SERVICE_TOKEN: &str = "the_token_of_an_application_service_that_lives_for_minutes";
const SECRET: &str = "a secret of a server that lives for minutes";
/// A key of zeros: no other server ever sees what it signs.
const SIGNING_KEY: &str = "ed25519 bench AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// Writes the configuration. JSON is YAML too.
pub(super) fn configure(folder: &Path, port: u16) -> Result<()> {
    let mut config = json!({
        "server_name": "bench.localhost",
        "pid_file": folder.join("pid"),
        "listeners": [{
            "port": port,
            "bind_addresses": ["127.0.0.1"],
            "type": "http",
            "tls": false,
            "resources": [{ "names": ["client"], "compress": false }],
        }],
        "database": {
            "name": "sqlite3",
            "args": { "database": folder.join("store").join("homeserver.db") },
        },
        "log_config": folder.join("log.yaml"),
        "media_store_path": folder.join("media"),
        "signing_key": SIGNING_KEY,
        "macaroon_secret_key": SECRET,
        "form_secret": SECRET,
        "registration_shared_secret": SECRET,
        "app_service_config_files": [folder.join("service.yaml")],
        "trusted_key_servers": [],
        "suppress_key_server_warning": true,
        "federation_domain_whitelist": [],
        "report_stats": false,
        "stats": { "enabled": false },
        "presence": { "enabled": false },
        "caches": { "sync_response_cache_duration": "0s" },
        "default_room_version": "12",
    });
    without_rate_limits(&mut config);
    fs::create_dir_all(folder.join("store"))?;
    fs::write(folder.join("homeserver.yaml"), config.to_string())?;
    fs::write(folder.join("service.yaml"), service().to_string())?;
    fs::write(folder.join("log.yaml"), logging().to_string())?;
    Ok(())
}

fn without_rate_limits(config: &mut Value) {
    let off = json!({ "per_second": 1_000_000, "burst_count": 1_000_000 });
    for name in [
        "message",
        "registration",
        "admin_redaction",
        "joins_per_room",
        "room_creation",
    ] {
        insert(config, &format!("rc_{name}"), off.clone());
    }
    insert(config, "rc_joins", json!({ "local": off, "remote": off }));
    let invites = json!({ "per_room": off, "per_user": off, "per_issuer": off });
    insert(config, "rc_invites", invites);
    let logins = json!({ "address": off, "account": off, "failed_attempts": off });
    insert(config, "rc_login", logins);
}

fn insert(config: &mut Value, key: &str, value: Value) {
    if let Some(config) = config.as_object_mut() {
        config.insert(key.to_owned(), value);
    }
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

fn logging() -> Value {
    json!({
        "version": 1,
        "formatters": { "plain": { "format": "%(asctime)s %(levelname)s %(name)s %(message)s" } },
        "handlers": { "error": { "class": "logging.StreamHandler", "formatter": "plain" } },
        "root": { "level": "WARNING", "handlers": ["error"] },
        "disable_existing_loggers": false,
    })
}

pub(super) fn command(environment: &Path, folder: &Path) -> Command {
    let mut command = Command::new(environment.join("bin").join("python"));
    command
        .args(["-m", "synapse.app.homeserver", "--config-path"])
        .arg(folder.join("homeserver.yaml"));
    command
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
