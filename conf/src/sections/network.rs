//! Sections about connections and what the process tells of itself.

use std::{
    net::{Ipv4Addr, SocketAddr},
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
    time::Duration,
};

use serde::{Deserialize, Serialize};

use crate::{ByteSize, Period};

/// The server as clients and other servers see it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Server {
    /// The name of this server: the part after the colon in the ids of its users. It is in every id
    /// and signature, and cannot be changed once the server has started. Required.
    pub name: String,
    /// Where clients reach this server from outside, told to them in /.well-known/matrix/client.
    /// Without it, that document is not served.
    /// Example: `"https://matrix.example.org"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub public_base_url: Option<String>,
    /// Where the server listens. With `tls = true` a listener uses the certificate of `[tls]`; without,
    /// put a reverse proxy before it, or keep it on this machine.
    pub listeners: Vec<Listener>,
    /// The addresses or networks of reverse proxies whose X-Forwarded-For header is believed. Rate
    /// limits go by the address that it tells. For example: `["127.0.0.1", "10.0.0.0/8"]`.
    pub trusted_proxies: Vec<String>,
    /// Connections open at once; more wait in the kernel's queue.
    pub max_connections: NonZeroUsize,
    /// Requests at once on one HTTP/2 connection.
    pub max_http2_streams: NonZeroU32,
    /// How long a client may take for a TLS handshake, for the head of a request, and between two
    /// requests of one connection.
    pub header_timeout: Period,
    /// How long requests may go on when the server stops.
    pub drain_deadline: Period,
    /// Threads for everything that waits for the network.
    pub async_threads: NonZeroUsize,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            name: String::new(),
            public_base_url: None,
            listeners: vec![Listener {
                address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8008)),
                tls: false,
            }],
            trusted_proxies: Vec::new(),
            max_connections: at_least_one(10_000),
            max_http2_streams: NonZeroU32::new(200).unwrap_or(NonZeroU32::MIN),
            header_timeout: Period(Duration::from_secs(30)),
            drain_deadline: Period(Duration::from_secs(8)),
            async_threads: at_least_one(2),
        }
    }
}

pub(crate) fn at_least_one(number: usize) -> NonZeroUsize {
    NonZeroUsize::new(number).unwrap_or(NonZeroUsize::MIN)
}

/// One socket that the server listens on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Listener {
    /// Address and port; port 0 takes a free one.
    pub address: SocketAddr,
    /// Whether to speak TLS.
    #[serde(default)]
    pub tls: bool,
}

/// The certificate of listeners with `tls = true`. It is read when the server starts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Tls {
    /// The certificate and those that lead from it to its root, as a PEM file.
    /// Example: `"/etc/heliograph/fullchain.pem"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<PathBuf>,
    /// The private key of the certificate, as a PEM file.
    /// Example: `"/etc/heliograph/privkey.pem"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
}

/// Bounds on what one request may ask, and on what one user may have.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Limits {
    /// The size of a request's body. An event is limited to 65536 bytes by the protocol.
    pub max_body: ByteSize,
    /// How long a client may take to send a request's body.
    pub body_timeout: Period,
    /// Memory for hashing one password; two are hashed at once. More makes stolen hashes harder to guess; less than
    /// "19 MiB" is for tests.
    pub password_memory: ByteSize,
    /// Passwords that wait to be hashed or checked, two at once, before more are refused.
    pub password_queue: usize,
    /// Rooms that one user may be joined to. Without a value, any number.
    /// Example: `1000`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_joined_rooms: Option<NonZeroU32>,
    /// Invites that one user may have without an answer; more are refused to whoever sends them. Without a
    /// value, any number.
    /// Example: `500`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pending_invites: Option<NonZeroU32>,
    /// A page that says what users can do who are at a limit of their account. Without one, they are
    /// told whom `[support]` names.
    /// Example: `"https://example.org/limits"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub info_uri: Option<String>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_body: ByteSize::mib(1),
            body_timeout: Period(Duration::from_mins(1)),
            password_memory: ByteSize::mib(19),
            password_queue: 64,
            max_joined_rooms: None,
            max_pending_invites: None,
            info_uri: None,
        }
    }
}

/// What the server writes to its standard error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Logging {
    /// How much is written: "error", "warn", "info", or a filter by part of the program such as
    /// `"info,heliograph_http=warn"`.
    pub filter: String,
    /// "text" for people, "json" for machines.
    pub format: LogFormat,
}

impl Default for Logging {
    fn default() -> Self {
        Self {
            filter: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Figures for Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Metrics {
    /// Where /metrics is served, apart from everything else and without TLS or authentication: keep
    /// it away from the internet. Without it, figures are not collected.
    /// Example: `"127.0.0.1:9008"`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<SocketAddr>,
}
