//! Listeners and connections.

use std::{
    io,
    net::SocketAddr,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::Router;
use heliograph_work::Shutdown;
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use metrics::{Gauge, gauge};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore},
    task::JoinSet,
    time::{Instant, sleep, timeout, timeout_at},
};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt as _;
use tracing::{debug, warn};

use crate::PeerAddr;

/// The bounds of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// Connections open at once, over all listeners; more wait in the kernel's queue.
    pub max_connections: usize,
    /// How long a client may take for its TLS handshake, for the head of a request, and between two
    /// requests of one connection.
    pub header_timeout: Duration,
    /// Requests at once on one HTTP/2 connection.
    pub max_http2_streams: u32,
    /// How long requests may go on once the process stops.
    pub drain_deadline: Duration,
}

impl Default for ServerSettings {
    fn default() -> Self {
        Self {
            max_connections: 10_000,
            header_timeout: Duration::from_secs(30),
            max_http2_streams: 200,
            drain_deadline: Duration::from_secs(8),
        }
    }
}

/// A bound socket, with TLS or without. Both speak HTTP/1.1 and HTTP/2; without TLS, HTTP/2 is for
/// clients that know beforehand.
pub struct Listener {
    /// The socket, listening already.
    pub tcp: TcpListener,
    /// TLS, from [`crate::tls_acceptor`].
    pub tls: Option<TlsAcceptor>,
}

/// Bytes of the heads of a request, at most.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// HTTP/2 connections are asked for a sign of life this often.
const KEEP_ALIVE_INTERVAL: Duration = Duration::from_mins(1);

/// How long to wait when the machine has no file handles left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `router` on all listeners until `shutdown` is requested: then no connection is accepted,
/// requests in flight may end by the deadline, and what is left is dropped. Returns how many
/// connections that were.
///
/// Long-polls should end by themselves on `shutdown`, or each stop takes the whole deadline.
pub async fn serve(
    listeners: Vec<Listener>,
    router: Router,
    settings: ServerSettings,
    shutdown: Shutdown,
) -> usize {
    let shared = Arc::new(Shared {
        router,
        builder: builder(&settings),
        slots: Arc::new(Semaphore::new(
            settings.max_connections.clamp(1, Semaphore::MAX_PERMITS),
        )),
        open: gauge!("http_connections"),
        settings,
        shutdown,
    });
    let mut loops = JoinSet::new();
    for listener in listeners {
        loops.spawn(accept_all(listener, Arc::clone(&shared)));
    }
    let mut dropped = 0;
    while let Some(ended) = loops.join_next().await {
        match ended {
            Ok(count) => dropped += count,
            Err(error) => warn!(%error, "a listener ended"),
        }
    }
    dropped
}

struct Shared {
    router: Router,
    builder: Builder<TokioExecutor>,
    slots: Arc<Semaphore>,
    open: Gauge,
    settings: ServerSettings,
    shutdown: Shutdown,
}

fn builder(settings: &ServerSettings) -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(settings.header_timeout)
        .max_buf_size(MAX_HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(settings.max_http2_streams)
        .max_header_list_size(u32::try_from(MAX_HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(KEEP_ALIVE_INTERVAL)
        .keep_alive_timeout(settings.header_timeout);
    builder
}

/// One listener's loop; returns how many connections had to be dropped at the end.
async fn accept_all(listener: Listener, shared: Arc<Shared>) -> usize {
    let mut connections = JoinSet::new();
    while let Some((stream, peer, slot)) = accept(&listener.tcp, &shared).await {
        while connections.try_join_next().is_some() {}
        let (shared, tls) = (Arc::clone(&shared), listener.tls.clone());
        connections.spawn(async move {
            let _slot = slot;
            let _open = Open::new(&shared.open);
            if let Err(error) = connection(stream, peer, tls, &shared).await {
                debug!(%peer, error, "connection failed");
            }
        });
    }
    // Closed before the wait, so that a balancer sees at once that this server is going.
    drop(listener);
    let deadline = Instant::now() + shared.settings.drain_deadline;
    while let Ok(Some(_)) = timeout_at(deadline, connections.join_next()).await {}
    let dropped = connections.len();
    connections.shutdown().await;
    dropped
}

/// The next connection, once there is room for it; `None` when the process stops.
async fn accept(
    tcp: &TcpListener,
    shared: &Shared,
) -> Option<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let next = async {
        let slot = Arc::clone(&shared.slots).acquire_owned().await.ok()?;
        loop {
            match tcp.accept().await {
                Ok((stream, peer)) => return Some((stream, peer, slot)),
                // The client's fault or luck: the next one may be waiting.
                Err(error) if is_clients_fault(&error) => {}
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    };
    tokio::select! {
        biased;
        () = shared.shutdown.requested() => None,
        next = next => next,
    }
}

fn is_clients_fault(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
    )
}

/// Keeps the gauge of connections one higher.
struct Open(Gauge);

impl Open {
    fn new(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// One connection from its handshake to its end. An error is the client's or the network's, and a
/// text for debugging.
async fn connection(
    stream: TcpStream,
    peer: SocketAddr,
    tls: Option<TlsAcceptor>,
    shared: &Shared,
) -> Result<(), String> {
    // Answers are written whole; waiting for more to send would only delay them.
    stream
        .set_nodelay(true)
        .map_err(|error| error.to_string())?;
    match tls {
        None => requests(stream, peer, shared).await,
        Some(acceptor) => {
            let handshake = timeout(shared.settings.header_timeout, acceptor.accept(stream)).await;
            let stream = handshake
                .map_err(|_| "TLS handshake took too long".to_owned())?
                .map_err(|error| error.to_string())?;
            requests(stream, peer, shared).await
        }
    }
}

async fn requests<IO>(io: IO, peer: SocketAddr, shared: &Shared) -> Result<(), String>
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let begun = AtomicBool::new(false);
    let begun = Arc::new(begun);
    let service = {
        let (router, begun) = (shared.router.clone(), Arc::clone(&begun));
        service_fn(move |mut request: Request<Incoming>| {
            begun.store(true, Ordering::Relaxed);
            request.extensions_mut().insert(PeerAddr(peer));
            router.clone().oneshot(request)
        })
    };
    // hyper's own timeout begins when it knows which HTTP it speaks, and a client may never say.
    let never_began = async {
        sleep(shared.settings.header_timeout).await;
        if begun.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
    };
    let mut never_began = pin!(never_began);
    let served = shared
        .builder
        .serve_connection_with_upgrades(TokioIo::new(io), service);
    let mut served = pin!(served);
    let mut draining = false;
    loop {
        tokio::select! {
            ended = served.as_mut() => return ended.map_err(|error| error.to_string()),
            () = &mut never_began => return Err("no request came".to_owned()),
            () = shared.shutdown.requested(), if !draining => {
                draining = true;
                served.as_mut().graceful_shutdown();
            }
        }
    }
}

#[cfg(test)]
mod tests;
