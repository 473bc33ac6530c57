//! The floor: the least that a server must do for a message, on the libraries that ours is built of.
//!
//! usage: `heliograph-bench-floor FILE`; it prints where it listens and appends to the file.
//!
//! A request's token is compared with one constant, its body is parsed, an event of room version 12
//! is made of it, hashed and signed, appended to the file and synced with those that wait beside
//! it, and then the answer is given. Rooms, members, power levels, indexes, transaction ids: there
//! is nothing of them. It links none of the server's crates, so that what those cost cannot be in
//! it; allocator, threads and the settings of HTTP are the server's.

#![expect(clippy::print_stdout, reason = "it says where it listens")]

mod appender;
mod event;

use std::{
    env, io,
    io::Write as _,
    net::Ipv4Addr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse as _, Response},
    routing::put,
};
use bytes::Bytes;
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use ring::signature::Ed25519KeyPair;
use serde_json::{Map, Value, json};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, oneshot},
    task::JoinSet,
};

use appender::Line;
use event::Draft;

/// The same allocator as the server's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The one header that lets a request pass.
const AUTHORISED: &str = "Bearer floor";
/// Threads for async code, as many as the server has by default.
const ASYNC_THREADS: usize = 2;
/// The server's default, of `header_timeout`.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);
/// The server's bound of a request's head.
const MAX_HEAD_BYTES: usize = 64 * 1024;

/// What handlers share.
struct Floor {
    key: Ed25519KeyPair,
    /// The last event's id and depth.
    last: std::sync::Mutex<(String, u64)>,
    appender: mpsc::Sender<Line>,
}

fn main() -> io::Result<()> {
    let file = env::args_os().nth(1).map(PathBuf::from);
    let file = file.ok_or_else(|| io::Error::other("usage: heliograph-bench-floor FILE"))?;
    let (appender, thread) = appender::start(&file)?;
    let key = Ed25519KeyPair::from_seed_unchecked(&[1; 32])
        .map_err(|error| io::Error::other(error.to_string()))?;
    let floor = Arc::new(Floor {
        key,
        last: std::sync::Mutex::new(("$create".to_owned(), 0)),
        appender,
    });
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(ASYNC_THREADS)
        .enable_all()
        .build()?;
    runtime.spawn(async move {
        if let Err(error) = serve(floor).await {
            writeln!(io::stderr(), "heliograph-bench-floor: {error}").ok();
        }
    });
    // It ends when something fails; else whoever started this process kills it.
    thread
        .join()
        .unwrap_or_else(|_| Err(io::Error::other("the appender panicked")))
}

async fn serve(floor: Arc<Floor>) -> io::Result<()> {
    let path = "/_matrix/client/v3/rooms/{roomId}/send/m.room.message/{txnId}";
    let router = Router::new().route(path, put(send)).with_state(floor);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("http://{}", listener.local_addr()?);
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        while connections.try_join_next().is_some() {}
        stream.set_nodelay(true)?;
        connections.spawn(connection(stream, router.clone()));
    }
}

async fn connection(stream: TcpStream, router: Router) {
    let mut builder = Builder::new(TokioExecutor::new());
    builder
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEAD_BYTES);
    let service = TowerToHyperService::new(router);
    // An error is the client's: it sees that the connection ended.
    builder
        .serve_connection_with_upgrades(TokioIo::new(stream), service)
        .await
        .ok();
}

async fn send(
    State(floor): State<Arc<Floor>>,
    Path((room, _transaction)): Path<(String, String)>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if headers
        .get(AUTHORIZATION)
        .is_none_or(|given| given != AUTHORISED)
    {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let Ok(content) = serde_json::from_slice::<Map<String, Value>>(&body) else {
        return StatusCode::BAD_REQUEST.into_response();
    };
    match floor.append(&room, &content).await {
        Some(id) => axum::Json(json!({ "event_id": id })).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

impl Floor {
    /// Makes an event after the last, and gives its id once it is synced.
    async fn append(&self, room_id: &str, content: &Map<String, Value>) -> Option<String> {
        let place = self.appender.reserve().await.ok()?;
        let (synced, done) = oneshot::channel();
        let since = SystemTime::UNIX_EPOCH.elapsed().ok()?;
        let time_ms = u64::try_from(since.as_millis()).ok()?;
        let id = {
            let mut last = self.last.lock().ok()?;
            let depth = last.1 + 1;
            let draft = Draft {
                room_id,
                content,
                prev: &last.0,
                depth,
                time_ms,
            };
            let made = draft.make(&self.key).ok()?;
            place.send(Line {
                json: made.json,
                synced,
            });
            *last = (made.id.clone(), depth);
            made.id
        };
        done.await.ok()?;
        Some(id)
    }
}
