//! The server: everything put together in a straight line, started, and stopped in order.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use axum::{Router, extract::FromRef};
use heliograph_client_api::{App, Authenticator, ClientSettings, RoomsState};
use heliograph_conf::Config;
use heliograph_federation::{
    server_keys::{self, ServerKeys},
    version,
};
use heliograph_http::{
    BodySettings, Gate, Listener, RateLimits, RouteEntry, RouteTable, ServerSettings, Surface,
    TrustedProxies, tls_acceptor,
};
use heliograph_storage::Database;
use heliograph_tables::{Direction, Op, Store, schema};
use heliograph_work::{Runner, STOP_DEADLINE, Shutdown, Worker as _};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing::{Level, enabled, info, warn};

use crate::{
    app::{Domain, runtime},
    cli::{Failure, say_error},
    control::{self, Control, Socket},
    departures::DepartureWorker,
    follower::Follower,
    pages::{self, Pages},
    presence::{PresenceNotifier, Queue},
    profiles::ProfileWorker,
    room_follower::RoomFollower,
    settings, telemetry,
    workers::{MetricsUpkeep, Notifier, TypingNotifier},
};

/// What the handlers beside the client API are given parts of.
#[derive(Clone)]
pub(crate) struct AppState {
    keys: ServerKeys,
    pages: Pages,
}

/// Hands out a part of the state.
macro_rules! part {
    ($part:ty, $state:ident => $value:expr) => {
        impl FromRef<AppState> for $part {
            fn from_ref($state: &AppState) -> Self {
                $value
            }
        }
    };
}
part!(ServerKeys, state => state.keys.clone());
part!(Pages, state => state.pages.clone());

/// The routes beside the client API.
fn own_routes() -> RouteTable<AppState> {
    RouteTable::new()
        .merge(server_keys::routes())
        .merge(version::routes())
        .merge(pages::routes())
}

/// Every route of the server.
pub(crate) fn entries() -> Vec<RouteEntry> {
    let (client, own) = (heliograph_client_api::routes(), own_routes());
    client
        .entries()
        .iter()
        .chain(own.entries())
        .cloned()
        .collect()
}

/// Runs the server until a signal tells it to stop.
pub(crate) fn run(config: &Config, address_file: Option<PathBuf>) -> Result<(), Failure> {
    telemetry::start_log(config)?;
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| Failure::other("another provider of cryptography is installed"))?;
    let metrics = telemetry::start_metrics(config)?;
    run_until(config, metrics, address_file, signals)
}

/// Runs the server until the future that `stop` makes ends. The future is made before anything is
/// opened and first polled when everything is served.
fn run_until<F: Future<Output = ()>>(
    config: &Config,
    metrics: Option<PrometheusHandle>,
    address_file: Option<PathBuf>,
    stop: impl FnOnce() -> Result<F, Failure>,
) -> Result<(), Failure> {
    let shutdown = Shutdown::new();
    let runtime = runtime(config)?;
    let entered = runtime.enter();
    let stop = stop()?;
    let domain = Domain::open(config, shutdown.clone())?;
    drop(entered);
    let database = Arc::clone(&domain.database);
    let served = greet(config, &database).and_then(|()| {
        runtime.block_on(async {
            let stop = async {
                stop.await;
                info!("stopping");
            };
            serve(config, domain, metrics, shutdown, address_file, stop).await
        })
    });
    runtime.shutdown_timeout(Duration::from_secs(1));
    database.close().map_err(Failure::other)?;
    info!("stopped");
    served
}

/// Says, before there is an account, how to make the first.
fn greet(config: &Config, database: &Database) -> Result<(), Failure> {
    let view = database.view(Op::Open);
    let first = view.end(&schema::USER_NAMES, &(), Direction::Forward);
    if first.map_err(Failure::other)?.is_none() {
        let text = format!(
            "there is no account yet; to make the first one, call, with the configuration of \
             this server,\n  heliograph user create NAME --admin --config FILE\n\
             its user id will be @NAME:{}",
            config.server.name
        );
        // Once on standard error, whatever the log leaves out.
        if enabled!(Level::INFO) {
            info!("{text}");
        } else {
            say_error(&text);
        }
    }
    Ok(())
}

/// The router of all APIs, with what stands before and around it.
fn router(config: &Config, domain: &Domain, workers: &Arc<Runner>) -> Result<Router, Failure> {
    let client = settings::client(config);
    let state = AppState {
        pages: Pages {
            database: Arc::clone(&domain.database),
            workers: Arc::clone(workers),
            server_name: client.server_name.as_str().into(),
            public_base_url: client.public_base_url.as_deref().map(Into::into),
        },
        keys: ServerKeys {
            signer: Arc::clone(&domain.signer),
            clock: Arc::clone(&domain.clock),
        },
    };
    let gate = Gate {
        authenticate: Arc::new(Authenticator {
            accounts: Arc::clone(&domain.accounts),
            exempt_users: settings::exempt_users(config),
        }),
        rate_limits: Arc::new(RateLimits::new(&settings::rate_limits(config))),
        body: BodySettings {
            max_bytes: config.limits.max_body.bytes(),
            timeout: config.limits.body_timeout.0,
        },
    };
    let own = own_routes().build(state, &gate).map_err(Failure::other)?;
    let client = heliograph_client_api::routes().build(app(domain, client), &gate);
    let router = client.map_err(Failure::other)?.merge(own);
    let proxies = config
        .server
        .trusted_proxies
        .iter()
        .map(|network| network.parse());
    let proxies = proxies.collect::<Result<_, _>>().map_err(Failure::other)?;
    Ok(Surface::new(TrustedProxies(proxies), &*domain.random).around(router))
}

fn app(domain: &Domain, settings: ClientSettings) -> App {
    let store: Arc<dyn Store> = Arc::<Database>::clone(&domain.database);
    App {
        accounts: Arc::clone(&domain.accounts),
        rooms: RoomsState {
            rooms: domain.rooms.clone(),
            store,
            pool: domain.pool.clone(),
        },
        sync: domain.sync.clone(),
        settings: Arc::new(settings),
    }
}

/// Listens, starts the workers, serves, and takes everything down when `stop` ends.
async fn serve(
    config: &Config,
    domain: Domain,
    metrics: Option<PrometheusHandle>,
    shutdown: Shutdown,
    address_file: Option<PathBuf>,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let (clock, random) = (Arc::clone(&domain.clock), Arc::clone(&domain.random));
    let runner = Arc::new(Runner::new(clock, random, shutdown.clone()));
    let main = router(config, &domain, &runner)?;
    let (listeners, mut addresses) = listen(config).await?;
    let (own, own_listeners) = match (metrics.clone(), config.metrics.address) {
        (Some(handle), Some(address)) => {
            let tcp = bind(address).await?;
            let bound = tcp.local_addr().map_err(Failure::other)?;
            addresses.push(format!("metrics http://{bound}/metrics"));
            let router = pages::metrics(handle, Arc::clone(&domain.database));
            (router, vec![Listener { tcp, tls: None }])
        }
        _ => (Router::new(), Vec::new()),
    };
    start_workers(config, &runner, &domain, metrics)?;
    if let Some(file) = address_file {
        write_addresses(&file, &addresses).map_err(Failure::other)?;
    }
    info!(?addresses, server_name = config.server.name, "ready");
    let settings = ServerSettings {
        max_connections: config.server.max_connections.get(),
        header_timeout: config.server.header_timeout.0,
        max_http2_streams: config.server.max_http2_streams.get(),
        drain_deadline: config.server.drain_deadline.0,
    };
    let (dropped, _, ()) = tokio::join!(
        heliograph_http::serve(listeners, main, settings, shutdown.clone()),
        heliograph_http::serve(own_listeners, own, settings, shutdown.clone()),
        async {
            stop.await;
            shutdown.request();
        },
    );
    if dropped > 0 {
        warn!(dropped, "connections were dropped at the deadline");
    }
    for worker in runner.stop(STOP_DEADLINE).await {
        warn!(worker, "worker did not stop in time");
    }
    Ok(())
}

async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| Failure::other(format!("cannot listen on {address}: {error}")))
}

/// Binds every listener; gives them with their URLs.
async fn listen(config: &Config) -> Result<(Vec<Listener>, Vec<String>), Failure> {
    let (mut listeners, mut addresses) = (Vec::new(), Vec::new());
    for listener in &config.server.listeners {
        let tcp = bind(listener.address).await?;
        let bound = tcp.local_addr().map_err(Failure::other)?;
        let tls = match (&config.tls.certificate, &config.tls.key) {
            (Some(certificate), Some(key)) if listener.tls => {
                Some(tls_acceptor(certificate, key).map_err(Failure::other)?)
            }
            _ => None,
        };
        let scheme = if tls.is_some() { "https" } else { "http" };
        addresses.push(format!("{scheme}://{bound}"));
        listeners.push(Listener { tcp, tls });
    }
    Ok((listeners, addresses))
}

fn start_workers(
    config: &Config,
    runner: &Runner,
    domain: &Domain,
    metrics: Option<PrometheusHandle>,
) -> Result<(), Failure> {
    let tracker = Arc::clone(&domain.tracker);
    let published = domain.database.published();
    runner
        .start(move || Notifier {
            tracker: Arc::clone(&tracker),
            published: published.clone(),
        })
        .map_err(Failure::other)?;
    let (rooms, tracker) = (domain.rooms.clone(), Arc::clone(&domain.tracker));
    runner
        .start(move || TypingNotifier {
            rooms: rooms.clone(),
            tracker: Arc::clone(&tracker),
            told: 0,
        })
        .map_err(Failure::other)?;
    start_presence(runner, domain)?;
    let store: Arc<dyn Store> = Arc::<Database>::clone(&domain.database);
    let (accounts, rooms) = (Arc::clone(&domain.accounts), domain.rooms.clone());
    let (pool, published) = (domain.pool.clone(), domain.database.published());
    let make = move || ProfileWorker {
        store: Arc::clone(&store),
        accounts: Arc::clone(&accounts),
        rooms: rooms.clone(),
        pool: pool.clone(),
        log: Follower::new(ProfileWorker::NAME, Arc::clone(&store), published.clone()),
    };
    runner.start(make).map_err(Failure::other)?;
    let store: Arc<dyn Store> = Arc::<Database>::clone(&domain.database);
    let (accounts, rooms) = (Arc::clone(&domain.accounts), domain.rooms.clone());
    let (pool, published) = (domain.pool.clone(), domain.database.published());
    let make = move || RoomFollower {
        store: Arc::clone(&store),
        accounts: Arc::clone(&accounts),
        rooms: rooms.clone(),
        pool: pool.clone(),
        log: Follower::new(RoomFollower::NAME, Arc::clone(&store), published.clone()),
    };
    runner.start(make).map_err(Failure::other)?;
    let store: Arc<dyn Store> = Arc::<Database>::clone(&domain.database);
    let (accounts, rooms) = (Arc::clone(&domain.accounts), domain.rooms.clone());
    let pool = domain.pool.clone();
    let make = move || DepartureWorker {
        noted: accounts.departures_noted(),
        store: Arc::clone(&store),
        accounts: Arc::clone(&accounts),
        rooms: rooms.clone(),
        pool: pool.clone(),
    };
    runner.start(make).map_err(Failure::other)?;
    if let Some(handle) = metrics {
        let make = move || MetricsUpkeep(handle.clone());
        runner.start(make).map_err(Failure::other)?;
    }
    match Socket::bind(control::socket_path(config)) {
        Ok(socket) => {
            let (admin, socket) = (Arc::new(domain.admin(config)), Arc::new(socket));
            let make = move || Control {
                admin: Arc::clone(&admin),
                socket: Arc::clone(&socket),
            };
            runner.start(make).map_err(Failure::other)?;
        }
        // A path may be too long for a socket, and a file system may have none.
        Err(error) => warn!(%error, "no control socket: commands cannot reach this server"),
    }
    Ok(())
}

fn start_presence(runner: &Runner, domain: &Domain) -> Result<(), Failure> {
    let store: Arc<dyn Store> = Arc::<Database>::clone(&domain.database);
    let (rooms, tracker) = (domain.rooms.clone(), Arc::clone(&domain.tracker));
    let pool = domain.pool.clone();
    let make = move || PresenceNotifier {
        changes: rooms.presence().changes(),
        rooms: rooms.clone(),
        tracker: Arc::clone(&tracker),
        store: Arc::clone(&store),
        pool: pool.clone(),
        told: 0,
        queue: Queue::default(),
    };
    runner.start(make).map_err(Failure::other)?;
    Ok(())
}

/// Writes the addresses whole or not at all.
fn write_addresses(file: &Path, addresses: &[String]) -> std::io::Result<()> {
    let unfinished = file.with_extension("unfinished");
    fs::write(&unfinished, format!("{}\n", addresses.join("\n")))?;
    fs::rename(unfinished, file)
}

/// Ends at the first SIGTERM or SIGINT after this call.
fn signals() -> Result<impl Future<Output = ()>, Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::other)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::other)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests;
