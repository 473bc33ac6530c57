//! The table of what is served: the router is built from it, and tests read it.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    Router,
    handler::Handler,
    middleware::from_fn_with_state,
    routing::{MethodFilter, MethodRouter, on},
};
use http::{Method, StatusCode};

use crate::{
    ApiError, AuthKind, Gate, RateClass,
    gate::{RouteGate, pass},
};

/// What can be read of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteEntry {
    /// The method; GET also answers HEAD.
    pub method: Method,
    /// The path, with its parameters as `{roomId}`.
    pub path: String,
    /// Who may call.
    pub auth: AuthKind,
    /// What it counts as for rate limits; `None` is not limited.
    pub rate_limit: Option<RateClass>,
    /// Bytes of its body, at most, where it is not what all have.
    pub max_body_bytes: Option<usize>,
    /// Whether guests may call it too, where it takes an access token.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#guest-access>
    pub for_guests: bool,
}

/// A route that is not in a table yet.
pub struct Route<S> {
    entry: RouteEntry,
    other_paths: Vec<String>,
    handler: MethodRouter<S>,
}

/// Why a table gives no router.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Two routes have the same method and path.
    #[error("two routes for {method} {path}")]
    Duplicate {
        /// Their method.
        method: Method,
        /// Their path.
        path: String,
    },
    /// A path does not begin with a slash.
    #[error("{path:?} is not an absolute path")]
    BadPath {
        /// The path.
        path: String,
    },
}

impl<S: Clone + Send + Sync + 'static> Route<S> {
    /// A route for GET, and with it HEAD.
    pub fn get<H: Handler<T, S>, T: 'static>(path: &str, auth: AuthKind, handler: H) -> Self {
        Self::new(Method::GET, MethodFilter::GET, path, auth, handler)
    }

    /// A route for POST.
    pub fn post<H: Handler<T, S>, T: 'static>(path: &str, auth: AuthKind, handler: H) -> Self {
        Self::new(Method::POST, MethodFilter::POST, path, auth, handler)
    }

    /// A route for PUT.
    pub fn put<H: Handler<T, S>, T: 'static>(path: &str, auth: AuthKind, handler: H) -> Self {
        Self::new(Method::PUT, MethodFilter::PUT, path, auth, handler)
    }

    /// A route for DELETE.
    pub fn delete<H: Handler<T, S>, T: 'static>(path: &str, auth: AuthKind, handler: H) -> Self {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, auth, handler)
    }

    fn new<H: Handler<T, S>, T: 'static>(
        method: Method,
        filter: MethodFilter,
        path: &str,
        auth: AuthKind,
        handler: H,
    ) -> Self {
        let path = path.to_owned();
        let entry = RouteEntry {
            method,
            path,
            auth,
            rate_limit: None,
            max_body_bytes: None,
            for_guests: false,
        };
        Self {
            entry,
            other_paths: Vec::new(),
            handler: on(filter, handler),
        }
    }

    /// The same handler at another path too: an older version of the API, a trailing slash.
    #[must_use]
    pub fn also_at(mut self, path: &str) -> Self {
        self.other_paths.push(path.to_owned());
        self
    }

    /// Counted for rate limits as `class`.
    #[must_use]
    pub fn rate_limit(mut self, class: RateClass) -> Self {
        self.entry.rate_limit = Some(class);
        self
    }

    /// For guests too.
    #[must_use]
    pub fn for_guests(mut self) -> Self {
        self.entry.for_guests = true;
        self
    }

    /// With a limit of its own for bodies.
    #[must_use]
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.entry.max_body_bytes = Some(bytes);
        self
    }
}

/// All routes of a surface; `S` is the state of their handlers.
pub struct RouteTable<S> {
    entries: Vec<RouteEntry>,
    handlers: Vec<MethodRouter<S>>,
}

impl<S> Default for RouteTable<S> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            handlers: Vec::new(),
        }
    }
}

impl<S: Clone + Send + Sync + 'static> RouteTable<S> {
    /// A table without routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same table with one route more.
    #[must_use]
    pub fn route(mut self, route: Route<S>) -> Self {
        for path in route.other_paths {
            self.entries.push(RouteEntry {
                path,
                ..route.entry.clone()
            });
            self.handlers.push(route.handler.clone());
        }
        self.entries.push(route.entry);
        self.handlers.push(route.handler);
        self
    }

    /// The same table with the routes of another that has the same state.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.entries.extend(other.entries);
        self.handlers.extend(other.handlers);
        self
    }

    /// What is served, one entry a method and path.
    pub fn entries(&self) -> &[RouteEntry] {
        &self.entries
    }

    /// The router, each route behind its gate. Routers of several tables can be merged; an unknown
    /// path is 404 and a wrong method 405 once [`crate::Surface::around`] has gone around them.
    ///
    /// # Errors
    ///
    /// When two routes have the same method and path, or a path is no path.
    ///
    /// # Panics
    ///
    /// When two paths differ only in the names of their parameters.
    pub fn build(self, state: S, gate: &Gate) -> Result<Router, RouteError> {
        let mut seen = BTreeSet::new();
        let mut router = Router::new();
        for (entry, handler) in self.entries.into_iter().zip(self.handlers) {
            if !entry.path.starts_with('/') {
                return Err(RouteError::BadPath { path: entry.path });
            }
            let (method, path) = (entry.method.clone(), entry.path.clone());
            if !seen.insert((method.to_string(), path.clone())) {
                return Err(RouteError::Duplicate { method, path });
            }
            let gate = Arc::new(RouteGate::new(gate, entry));
            router = router.route(&path, handler.route_layer(from_fn_with_state(gate, pass)));
        }
        Ok(router.with_state(state))
    }
}

/// 404 for a path that no route has.
pub(crate) async fn unknown_path() -> ApiError {
    ApiError::unrecognized()
}

/// 405 for a path that has routes, none with this method.
pub(crate) async fn wrong_method() -> ApiError {
    ApiError::unrecognized().with_status(StatusCode::METHOD_NOT_ALLOWED)
}
