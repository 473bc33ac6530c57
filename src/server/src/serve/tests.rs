//! A whole server in this process, asked over the network and over its control socket.

mod foreign;

use std::{fs, io, os::unix::fs::PermissionsExt, path::Path};

use heliograph_conf::{ByteSize, Durability, Listener as ListenerConfig};
use metrics_exporter_prometheus::PrometheusBuilder;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::*;
use crate::{admin::Request, commands};

fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.server.name = "heliograph.test".to_owned();
    config.server.listeners = vec![ListenerConfig {
        address: SocketAddr::from(([127, 0, 0, 1], 0)),
        tls: false,
    }];
    config.storage.path = folder.join("data");
    config.storage.durability = Durability::Os;
    config.limits.password_memory = ByteSize(8 * 1024);
    config.metrics.address = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
    config
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// The whole answer to a GET, its head included.
async fn get(address: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

/// Runs a server until `ask` has asked what it wants; `ask` is given the lines of the address file.
fn with_server<F: Future<Output = ()>>(
    config: &Config,
    folder: &Path,
    ask: impl FnOnce(Vec<String>) -> F,
) {
    let file = folder.join("addresses");
    let told = file.clone();
    let stop = || {
        Ok(async move {
            let lines = fs::read_to_string(told).unwrap();
            ask(lines.lines().map(str::to_owned).collect()).await;
        })
    };
    let handle = PrometheusBuilder::new().build_recorder().handle();
    run_until(config, Some(handle), Some(file), stop).unwrap();
}

#[test]
fn a_server_tells_where_it_is_answers_and_stops() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    with_server(&config, folder.path(), |lines| async move {
        let address = lines[0].strip_prefix("http://").unwrap();
        for (path, part) in [
            ("/_matrix/client/versions", "\"versions\""),
            ("/_matrix/key/v2/server", "\"verify_keys\""),
            ("/health", r#"{"status":"ok"}"#),
            ("/", "<code>@you:heliograph.test</code>"),
        ] {
            let answer = get(address, path).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200 "), "{path}: {answer}");
            assert!(answer.contains(part), "{path}: {answer}");
        }
        let unknown = get(address, "/metrics").await.unwrap();
        assert!(unknown.starts_with("HTTP/1.1 404 "), "{unknown}");
        let metrics = lines[1].strip_prefix("metrics http://").unwrap();
        let (address, _) = metrics.split_once('/').unwrap();
        let answer = get(address, "/metrics").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    });
    assert!(!control::socket_path(&config).exists());
    let again = Database::open(
        settings::database_folder(&config),
        settings::storage(&config),
    );
    again.unwrap().close().unwrap();
}

#[test]
fn commands_reach_a_running_server_and_a_stopped_ones_data() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let password = folder.path().join("password");
    fs::write(&password, "a long password\n").unwrap();
    let create = |localpart: &str| crate::cli::UserCommand::Create {
        bcrypt: false,
        localpart: localpart.to_owned(),
        admin: true,
        password_file: Some(password.clone()),
    };
    commands::user(&config, create("before")).unwrap();

    let copy = folder.path().join("copy");
    let (asked, target, while_running) = (config.clone(), copy.clone(), create("during"));
    with_server(&config, folder.path(), |_| async move {
        let commands = tokio::task::spawn_blocking(move || {
            commands::user(&asked, while_running).unwrap();
            commands::backup(&asked, &target).unwrap();
            let again = commands::backup(&asked, &target).unwrap_err();
            assert!(again.to_string().contains("not empty"), "{again}");
            control::ask(&asked, &Request::ListUsers { after: None }).unwrap()
        });
        let listed = commands.await.unwrap().expect("a server that answers");
        let names = [
            "@before:heliograph.test admin",
            "@during:heliograph.test admin",
        ];
        assert_eq!(
            (listed.lines.as_slice(), listed.next),
            (names.map(str::to_owned).as_slice(), None)
        );
    });
    let request = Request::ListUsers { after: None };
    assert!(
        control::ask(&config, &request).unwrap().is_none(),
        "nobody answers any more"
    );

    commands::verify(&config, &copy).unwrap();
    let mut restored = config.clone();
    restored.storage.path = folder.path().join("restored");
    commands::restore(&config, &copy, &restored.storage.path).unwrap();
    for private in [&config.storage.path, &copy, &restored.storage.path] {
        assert_eq!(mode(private), 0o700, "{}", private.display());
    }
    assert_eq!(mode(&settings::signing_key(&restored)), 0o600);
    let keys = [&config, &restored].map(|config| fs::read(settings::signing_key(config)).unwrap());
    assert_eq!(keys[0], keys[1]);
    let taken = commands::user(&restored, create("during")).unwrap_err();
    assert!(taken.to_string().contains("use"), "{taken}");
}

#[test]
fn the_control_socket_is_for_its_owner_and_replaces_one_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    fs::create_dir(&config.storage.path).unwrap();
    fs::write(control::socket_path(&config), "left behind").unwrap();
    let socket = control::socket_path(&config);
    with_server(&config, folder.path(), |_| async move {
        assert_eq!(mode(&socket), 0o600);
    });
}

#[test]
fn a_port_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    config.server.listeners[0].address = taken.local_addr().unwrap();
    let failed = run_until(&config, None, None, || Ok(async {})).unwrap_err();
    let address = taken.local_addr().unwrap().to_string();
    assert!(failed.to_string().contains(&address), "{failed}");
}
