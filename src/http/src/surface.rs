//! What goes around the whole router: CORS, request ids, the span, panics, answers to the unknown.

use std::{
    fmt,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    extract::{FromRequestParts, Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use heliograph_work::{RandomSource, RandomSourceExt as _, panic_message};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header, request::Parts};
use metrics::{Counter, counter};
use serde_json::json;
use tracing::{Instrument as _, Span, debug, error, field::Empty, info_span, warn};

use crate::{
    ApiError, ErrCode, PeerAddr, TrustedProxies,
    address::NO_ADDRESS,
    error::ErrorReport,
    json::json_response,
    leftover::Leftover,
    route::{unknown_path, wrong_method},
};

/// Carries the request id on every answer.
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The headers that let browsers use the API from any page.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#web-browser-clients>
const CORS: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (
        header::ACCESS_CONTROL_ALLOW_METHODS,
        "GET, POST, PUT, DELETE, OPTIONS",
    ),
    (
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        "X-Requested-With, Content-Type, Authorization",
    ),
];

/// What paths began with before version 1.1 of the specification, and what they begin with since.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#api-versions>
const OLD_PREFIXES: [(&str, &str); 1] = [("/_matrix/client/r0/", "/_matrix/client/v3/")];

/// How long browsers may keep the answer to OPTIONS: a day.
const MAX_AGE_SECONDS: &str = "86400";

/// Names a request in logs and in the header `X-Request-Id` of its answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestId {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let known = parts.extensions.get::<Self>().cloned();
        known.ok_or_else(|| ApiError::internal("the router is not within a surface"))
    }
}

/// What goes around all routes of the process.
///
/// Every answer gets CORS headers and a request id; OPTIONS is answered for every path and runs
/// nothing; an unknown path is 404 `M_UNRECOGNIZED`, a known one with a wrong method 405
/// `M_UNRECOGNIZED`; a panic is 500 `M_UNKNOWN`. Each request runs in one span with its id, method,
/// path without query, and, once known, user.
pub struct Surface {
    trusted_proxies: TrustedProxies,
    /// Differs from one start of the process to the next.
    id_prefix: String,
    next_id: AtomicU64,
    panics: Counter,
}

impl Surface {
    /// A surface that believes these proxies.
    pub fn new(trusted_proxies: TrustedProxies, random: &dyn RandomSource) -> Self {
        Self {
            trusted_proxies,
            id_prefix: random.letters_and_digits(8),
            next_id: AtomicU64::new(1),
            panics: counter!("http_panics_total"),
        }
    }

    /// The router with this around it, ready to be served.
    pub fn around(self, router: Router) -> Router {
        let inner = router
            .fallback(unknown_path)
            .method_not_allowed_fallback(wrong_method);
        // A router within one that has no routes: what is around the outer one comes before a route
        // is chosen, and can change the path.
        Router::new()
            .fallback_service(inner)
            .layer(from_fn_with_state(Arc::new(self), answer))
    }

    fn new_id(&self) -> RequestId {
        let number = self.next_id.fetch_add(1, Ordering::Relaxed);
        RequestId(format!("{}-{number:x}", self.id_prefix).into())
    }

    /// Gives the request its id, its client's address and its span.
    fn prepare(&self, request: &mut Request) -> (RequestId, Span) {
        let id = self.new_id();
        let peer = request
            .extensions()
            .get::<PeerAddr>()
            .map_or(NO_ADDRESS, |peer| peer.0.ip());
        let client = self.trusted_proxies.client(peer, request.headers());
        let span = info_span!(
            "request",
            id = %id,
            method = %request.method(),
            path = request.uri().path(),
            user = Empty,
        );
        if let Some(uri) = renewed(request.uri()) {
            *request.uri_mut() = uri;
        }
        request.extensions_mut().insert(client);
        request.extensions_mut().insert(id.clone());
        (id, span)
    }
}

/// A path that begins as it did in old versions of the specification, as it is served now.
fn renewed(uri: &Uri) -> Option<Uri> {
    let path = uri.path_and_query()?.as_str();
    let (new, rest) = OLD_PREFIXES
        .iter()
        .find_map(|(old, new)| Some((new, path.strip_prefix(old)?)))?;
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(format!("{new}{rest}").parse().ok()?);
    Uri::from_parts(parts).ok()
}

async fn answer(State(surface): State<Arc<Surface>>, mut request: Request, next: Next) -> Response {
    let (id, span) = surface.prepare(&mut request);
    let leftover = Leftover::of(&mut request);
    let mut response = if request.method() == Method::OPTIONS {
        preflight()
    } else {
        let run = AssertUnwindSafe(next.run(request))
            .catch_unwind()
            .instrument(span.clone());
        run.await.unwrap_or_else(|payload| {
            surface.panics.increment(1);
            let message = panic_message(&*payload);
            ApiError::internal(format!("the handler panicked: {message}")).into_response()
        })
    };
    if let Some(report) = response.extensions_mut().remove::<ErrorReport>() {
        span.in_scope(|| log(response.status(), &report));
        if report.hides_cause {
            response = cause_withheld(response.status(), &id);
        }
    }
    add_headers(response.headers_mut(), &id);
    if let Some(leftover) = leftover {
        leftover.discard(response.headers_mut()).await;
    }
    response
}

fn preflight() -> Response {
    let max_age = HeaderValue::from_static(MAX_AGE_SECONDS);
    (
        StatusCode::NO_CONTENT,
        [(header::ACCESS_CONTROL_MAX_AGE, max_age)],
    )
        .into_response()
}

/// The one place where an error of a request is logged.
fn log(status: StatusCode, report: &ErrorReport) {
    let errcode = report.errcode;
    let source = report.source.as_deref().map(|source| chain(source));
    let cause = source.as_deref().unwrap_or("");
    match status.as_u16() {
        503 => warn!(errcode, cause, "answered 503"),
        500.. => error!(status = status.as_u16(), errcode, cause, "request failed"),
        _ => debug!(status = status.as_u16(), errcode, cause, "request refused"),
    }
}

/// An error and what caused it, in one line.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// The answer for an error whose cause is nobody's business: only the id to ask the operator with.
fn cause_withheld(status: StatusCode, id: &RequestId) -> Response {
    let message = if status == StatusCode::SERVICE_UNAVAILABLE {
        format!("The server cannot do this now (request {id})")
    } else {
        format!("Internal server error (request {id})")
    };
    json_response(
        status,
        &json!({ "errcode": ErrCode::M_UNKNOWN.as_str(), "error": message }),
    )
}

fn add_headers(headers: &mut HeaderMap, id: &RequestId) {
    for (name, value) in CORS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        headers.insert(X_REQUEST_ID, value);
    }
}

#[cfg(test)]
mod tests;
