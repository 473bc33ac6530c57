//! What every HTTP surface shares: the route table, extractors, errors, limits, TLS and the server.
//!
//! It must never know a rule of the protocol, nor storage. Besides the API crates it is the only place
//! that knows `errcode`s, and it knows only those of the common behaviours.
//!
//! Entry points: [`RouteTable`] (what is served, readable by tests), [`Gate`] (what stands before
//! every handler), [`Surface`] (what goes around the whole router), [`serve`] (listeners and
//! connections); in handlers [`Auth`], [`Body`], [`OptionalBody`], [`Params`], [`PathParams`],
//! [`ClientAddr`], [`Json`], [`JsonBytes`] and [`ApiError`].
//!
//! A request passes, in this order: CORS and OPTIONS, request id and span, routing, the limit by
//! address, authentication, the limit by user, the extractors of the handler, the handler.

mod address;
mod auth;
mod body;
mod errcode;
mod error;
mod gate;
mod json;
mod leftover;
mod params;
mod rate_limit;
mod route;
mod server;
mod surface;
mod tls;

pub use address::{BadNetwork, ClientAddr, Network, PeerAddr, TrustedProxies};
pub use auth::{
    Auth, AuthError, AuthKind, AuthScheme, Authenticate, Device, DeviceIdentity, OptionalDevice,
};
pub use body::{Body, BodySettings, OptionalBody};
pub use errcode::ErrCode;
pub use error::{ApiError, BoxError};
pub use gate::Gate;
pub use json::{Json, JsonBytes, MAX_NESTING};
pub use params::{Params, PathParams};
pub use rate_limit::{ClassLimits, Rate, RateClass, RateLimitSettings, RateLimits};
pub use route::{Route, RouteEntry, RouteError, RouteTable};
pub use server::{Listener, ServerSettings, serve};
pub use surface::{RequestId, Surface};
pub use tls::{TlsError, tls_acceptor};

use heliograph_work::metric::{Kind, Metric};

/// Every metric that this crate writes.
pub const METRICS: &[Metric] = &[
    Metric {
        name: "http_requests_total",
        kind: Kind::Counter,
        help: "Requests answered, by route, method and class of status.",
    },
    Metric {
        name: "http_request_seconds",
        kind: Kind::Histogram,
        help: "Time from a routed request to the head of its answer, by route and method.",
    },
    Metric {
        name: "http_requests_in_flight",
        kind: Kind::Gauge,
        help: "Requests that are being answered now, waiting long-polls among them.",
    },
    Metric {
        name: "http_connections",
        kind: Kind::Gauge,
        help: "Open connections.",
    },
    Metric {
        name: "http_rate_limited_total",
        kind: Kind::Counter,
        help: "Requests refused by a rate limit, by class and by what was counted (user, address).",
    },
    Metric {
        name: "http_panics_total",
        kind: Kind::Counter,
        help: "Requests whose handler panicked.",
    },
];
