//! Heliograph: as it is shipped, with rate limits off.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use heliograph_storage::{Database, Settings};
use ring::hmac;
use serde_json::{Value, json};

use crate::{
    Result,
    http::{Http, User, text},
};

const SECRET: &str = "the secret of a server that lives for minutes";
const REGISTER: &str = "/_synapse/admin/v1/register";

/// Writes the configuration. Hashing passwords is cheap: it is not what is measured.
pub(super) fn configure(folder: &Path, port: &str) -> Result<()> {
    let data = json!(folder.join("data"));
    let text = format!(
        "[server]\n\
         name = \"bench.localhost\"\n\
         listeners = [{{ address = \"127.0.0.1:{port}\" }}]\n\
         [storage]\n\
         path = {data}\n\
         durability = \"fsync\"\n\
         [registration]\n\
         shared_secret = \"{SECRET}\"\n\
         [rate_limits]\n\
         enabled = false\n\
         [limits]\n\
         password_memory = \"8 KiB\"\n\
         [logging]\n\
         filter = \"warn\"\n"
    );
    Ok(fs::write(folder.join("heliograph.toml"), text)?)
}

pub(super) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .args(["serve", "--config"])
        .arg(folder.join("heliograph.toml"));
    command
}

/// Flushes and compacts the store of a stopped server, and gives its folder.
pub(super) fn compact(folder: &Path) -> Result<PathBuf> {
    let store = folder.join("data").join("database");
    let database = Database::open(&store, Settings::default())?;
    database.compact()?;
    database.close()?;
    drop(database);
    // Opening removes the files that compaction made superfluous.
    Database::open(&store, Settings::default())?.close()?;
    Ok(store)
}

pub(super) async fn register(http: &Http, name: &str) -> Result<User> {
    let nobody = User {
        token: String::new(),
        id: String::new(),
    };
    let nonce = text(&http.get(&nobody, REGISTER).await?, "nonce")?;
    let body = registration(&nonce, name, "a password")?;
    User::of(&http.post("", REGISTER, body).await?)
}

/// The body of a registration: <https://element-hq.github.io/synapse/latest/admin_api/register_api.html>
fn registration(nonce: &str, name: &str, password: &str) -> Result<Value> {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    let signed = [nonce, name, password, "notadmin"].join("\0");
    let mut mac = String::new();
    for byte in hmac::sign(&key, signed.as_bytes()).as_ref() {
        write!(mac, "{byte:02x}")?;
    }
    Ok(json!({
        "nonce": nonce,
        "username": name,
        "password": password,
        "admin": false,
        "mac": mac,
    }))
}
