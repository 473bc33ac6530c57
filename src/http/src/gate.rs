//! What stands before every handler, as the route table asks for it.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tracing::{Span, field::display};

use crate::{
    ApiError, AuthKind, Authenticate, BodySettings, ClientAddr, ErrCode, RateLimits,
    address::NO_ADDRESS,
    auth::{DeviceIdentity, access_token},
    route::RouteEntry,
};

/// What the routes of a table share: authentication and limits.
#[derive(Clone)]
pub struct Gate {
    /// Finds who an access token belongs to.
    pub authenticate: Arc<dyn Authenticate>,
    /// Counts requests.
    pub rate_limits: Arc<RateLimits>,
    /// The limits of bodies, unless a route sets its own.
    pub body: BodySettings,
}

/// The gate of one route.
pub(crate) struct RouteGate {
    gate: Gate,
    entry: RouteEntry,
    metrics: RouteMetrics,
}

struct RouteMetrics {
    in_flight: Gauge,
    seconds: Histogram,
    /// By hundreds of the status: 2xx, 3xx, 4xx, 5xx.
    answers: [(u16, Counter); 4],
}

impl RouteMetrics {
    fn new(entry: &RouteEntry) -> Self {
        let (route, method) = (entry.path.clone(), entry.method.to_string());
        let answered = |hundreds, status| {
            let (route, method) = (route.clone(), method.clone());
            let counter = counter!(
                "http_requests_total", "route" => route, "method" => method, "status" => status
            );
            (hundreds, counter)
        };
        Self {
            in_flight: gauge!("http_requests_in_flight"),
            answers: [
                answered(2, "2xx"),
                answered(3, "3xx"),
                answered(4, "4xx"),
                answered(5, "5xx"),
            ],
            seconds: histogram!("http_request_seconds", "route" => route, "method" => method),
        }
    }
}

/// Counts a request as in flight until it is answered or given up.
struct InFlight<'a>(&'a Gauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

impl RouteGate {
    pub(crate) fn new(gate: &Gate, entry: RouteEntry) -> Self {
        let metrics = RouteMetrics::new(&entry);
        Self {
            gate: gate.clone(),
            entry,
            metrics,
        }
    }

    /// Limits and authentication, in the order that costs a stranger least.
    async fn admit(&self, request: Request) -> Result<Request, ApiError> {
        let (mut parts, body) = request.into_parts();
        if let Some(class) = self.entry.rate_limit {
            let address = parts
                .extensions
                .get::<ClientAddr>()
                .map_or(NO_ADDRESS, |client| client.0);
            self.gate.rate_limits.check_address(class, address)?;
        }
        let mut settings = self.gate.body;
        settings.max_bytes = self.entry.max_body_bytes.unwrap_or(settings.max_bytes);
        parts.extensions.insert(settings);
        match self.entry.auth {
            AuthKind::None => {}
            AuthKind::Device => {
                let device = self.device(&access_token(&parts)?).await?;
                parts.extensions.insert(device);
            }
            AuthKind::OptionalDevice => {
                let device = match access_token(&parts) {
                    Ok(token) => Some(self.device(&token).await?),
                    Err(error) if error.errcode() == Some(ErrCode::M_MISSING_TOKEN) => None,
                    Err(error) => return Err(error),
                };
                parts.extensions.insert(device);
            }
        }
        Ok(Request::from_parts(parts, body))
    }

    async fn device(&self, token: &str) -> Result<Arc<DeviceIdentity>, ApiError> {
        let device = self.gate.authenticate.authenticate(token).await?;
        Span::current().record("user", display(&device.user_id));
        if device.is_guest && !self.entry.for_guests {
            let message = "This is not for guests";
            return Err(ApiError::new(ErrCode::M_GUEST_ACCESS_FORBIDDEN, message));
        }
        if let Some(class) = self.entry.rate_limit.filter(|_| device.rate_limited) {
            self.gate.rate_limits.check_user(class, device.user)?;
        }
        Ok(device)
    }
}

/// The middleware around one route's handler.
pub(crate) async fn pass(
    State(gate): State<Arc<RouteGate>>,
    request: Request,
    next: Next,
) -> Response {
    let metrics = &gate.metrics;
    let began = Instant::now();
    metrics.in_flight.increment(1.0);
    let in_flight = InFlight(&metrics.in_flight);
    let response = match gate.admit(request).await {
        Ok(request) => next.run(request).await,
        Err(error) => error.into_response(),
    };
    drop(in_flight);
    metrics.seconds.record(began.elapsed());
    let hundreds = response.status().as_u16() / 100;
    if let Some((_, counter)) = metrics.answers.iter().find(|(each, _)| *each == hundreds) {
        counter.increment(1);
    }
    response
}
