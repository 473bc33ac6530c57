//! Synapse, the reference server, as a peer to compare with: one process on `SQLite`.
//!
//! It asks no outside server for keys and reports no statistics; rate limits are off.

use std::{
    env, fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, RwLock},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{Client, SERVER_NAME, wait_for};

/// How long it may take to begin.
const PATIENCE: Duration = Duration::from_mins(1);
const SECRET: &str = "a secret of a server that lives for minutes";
/// A key of zeros: no other server ever sees what it signs.
const SIGNING_KEY: &str = "ed25519 bench AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// A configuration for a folder and a port of 127.0.0.1, with `more` settings. JSON is YAML too.
pub fn configuration(
    server_name: &str,
    folder: &Path,
    port: u16,
    more: Vec<(&str, Value)>,
) -> Value {
    let mut config = json!({
        "server_name": server_name,
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
        "trusted_key_servers": [],
        "suppress_key_server_warning": true,
        "federation_domain_whitelist": [],
        "report_stats": false,
        "stats": { "enabled": false },
        "caches": { "sync_response_cache_duration": "0s" },
        "default_room_version": "12",
    });
    let off = json!({ "per_second": 1_000_000, "burst_count": 1_000_000 });
    let all = [
        ("rc_message", off.clone()),
        ("rc_registration", off.clone()),
        ("rc_admin_redaction", off.clone()),
        ("rc_joins_per_room", off.clone()),
        ("rc_room_creation", off.clone()),
        ("rc_joins", json!({ "local": off, "remote": off })),
        (
            "rc_invites",
            json!({ "per_room": off, "per_user": off, "per_issuer": off }),
        ),
        (
            "rc_login",
            json!({ "address": off, "account": off, "failed_attempts": off }),
        ),
        ("rc_presence", json!({ "per_user": off })),
    ];
    for (key, value) in all.into_iter().chain(more) {
        config[key] = value;
    }
    config
}

/// Writes a configuration and what it refers to.
pub fn write(folder: &Path, config: &Value) -> std::io::Result<()> {
    let logging = json!({
        "version": 1,
        "formatters": { "plain": { "format": "%(asctime)s %(levelname)s %(name)s %(message)s" } },
        "handlers": { "error": { "class": "logging.StreamHandler", "formatter": "plain" } },
        "root": { "level": "WARNING", "handlers": ["error"] },
        "disable_existing_loggers": false,
    });
    fs::create_dir_all(folder.join("store"))?;
    fs::write(folder.join("homeserver.yaml"), config.to_string())?;
    fs::write(folder.join("log.yaml"), logging.to_string())
}

/// The command that serves a folder with what is installed in `environment`.
pub fn command(environment: &Path, folder: &Path) -> Command {
    let mut command = Command::new(environment.join("bin").join("python"));
    command
        .args(["-m", "synapse.app.homeserver", "--config-path"])
        .arg(folder.join("homeserver.yaml"));
    command
}

/// A running Synapse that lets everybody in; it ends with this value.
#[derive(Debug)]
pub struct Synapse {
    child: Child,
    base: String,
    folder: TempDir,
}

impl Synapse {
    /// Starts the one that `scripts/peers.sh` installed, named by `HELIOGRAPH_SYNAPSE`.
    pub async fn start() -> Self {
        let environment =
            env::var_os("HELIOGRAPH_SYNAPSE").expect("make test sets HELIOGRAPH_SYNAPSE");
        let folder = tempfile::Builder::new()
            .prefix("synapse-")
            .tempdir()
            .unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let more = vec![
            ("public_baseurl", json!("https://heliograph.test/")),
            ("serve_server_wellknown", json!(true)),
            ("enable_registration", json!(true)),
            ("enable_registration_without_verification", json!(true)),
            ("allow_guest_access", json!(true)),
            ("refreshable_access_token_lifetime", json!("5m")),
            (
                "login_via_existing_session",
                json!({ "enabled": true, "require_ui_auth": true }),
            ),
            ("bcrypt_rounds", json!(4)),
            ("ui_auth", json!({ "session_timeout": "0s" })),
            ("allow_public_rooms_without_auth", json!(true)),
            ("stats", json!({ "enabled": true })),
            (
                "room_list_publication_rules",
                json!([{ "action": "allow" }]),
            ),
        ];
        let config = configuration(SERVER_NAME, folder.path(), port, more);
        write(folder.path(), &config).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = command(&PathBuf::from(environment), folder.path())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("Synapse starts");
        let mut synapse = Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
            folder,
        };
        synapse.wait(port).await;
        synapse
    }

    async fn wait(&mut self, port: u16) {
        let log = self.folder.path().join("log");
        wait_for("Synapse", PATIENCE, || {
            let ended = self.child.try_wait().unwrap();
            let told = || fs::read_to_string(&log).unwrap_or_default();
            assert!(ended.is_none(), "Synapse ended: {ended:?} {}", told());
            std::net::TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
    }

    /// A client without a token.
    pub fn client(&self) -> Client {
        Client::new(Arc::new(RwLock::new(self.base.clone())))
    }
}

impl Drop for Synapse {
    fn drop(&mut self) {
        // It is thrown away with its folder.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
