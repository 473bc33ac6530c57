//! `/health`, `/metrics` and the welcome page on `/`.

use std::sync::Arc;

use axum::{
    Router,
    extract::State,
    response::{Html, IntoResponse, Response},
    routing::get,
};
use heliograph_http::{AuthKind, Route, RouteTable};
use heliograph_storage::Database;
use heliograph_tables::StoreError;
use heliograph_work::{Runner, WorkerStatus};
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::serve::AppState;

/// A worker that failed so often, one after the other, is a reason to look.
const FAILURES: u32 = 3;

/// What the pages tell of.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) database: Arc<Database>,
    pub(crate) workers: Arc<Runner>,
    pub(crate) server_name: Arc<str>,
    pub(crate) public_base_url: Option<Arc<str>>,
}

/// The pages that are served beside the APIs.
pub(crate) fn routes() -> RouteTable<AppState> {
    RouteTable::new()
        .route(Route::get("/", AuthKind::None, welcome))
        .route(Route::get("/health", AuthKind::None, health))
}

/// Whether the server can do its work, and if not, why.
async fn health(State(pages): State<Pages>) -> Response {
    let reasons = reasons(pages.database.health(), pages.workers.list());
    if reasons.is_empty() {
        return axum::Json(json!({ "status": "ok" })).into_response();
    }
    let body = json!({ "status": "failing", "reasons": reasons });
    (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
}

/// Why the server cannot do its work.
fn reasons(store: Result<(), StoreError>, workers: Vec<WorkerStatus>) -> Vec<String> {
    let store = store.err().map(|error| error.to_string());
    let failing = workers
        .into_iter()
        .filter(|worker| worker.failures >= FAILURES);
    let failing = failing.map(|worker| {
        let error = worker.last_error.unwrap_or_default();
        format!("worker {} fails: {error}", worker.name)
    });
    store.into_iter().chain(failing).collect()
}

/// How to connect.
async fn welcome(State(pages): State<Pages>) -> Html<String> {
    let name = escape(&pages.server_name);
    let address = pages.public_base_url.as_deref().map(escape);
    let address = address.map_or_else(
        || "the address of this page".to_owned(),
        |url| format!("<code>{url}</code>"),
    );
    Html(format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{name}</title>\
         <style>body{{font-family:sans-serif;max-width:40em;margin:4em auto;padding:0 1em;\
         line-height:1.5}}</style></head><body><h1>{name}</h1>\
         <p>This is a <a href=\"https://matrix.org\">Matrix</a> homeserver; it runs Heliograph.</p>\
         <p>To connect, take any Matrix client, choose to log in or to register on another \
         homeserver, and give {address} as its address. Your user id will be \
         <code>@you:{name}</code>.</p></body></html>"
    ))
}

/// Text as HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// The router of the metrics' own listener.
pub(crate) fn metrics(handle: PrometheusHandle, database: Arc<Database>) -> Router {
    let render = move || {
        let (handle, database) = (handle.clone(), Arc::clone(&database));
        async move {
            database.refresh_metrics();
            let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4")];
            (kind, handle.render())
        }
    };
    Router::new().route("/metrics", get(render))
}

#[cfg(test)]
mod tests {
    use heliograph_work::WorkerState;

    use super::*;

    #[test]
    fn a_broken_store_and_a_worker_that_keeps_failing_are_reasons() {
        let worker = |name: &str, failures| WorkerStatus {
            name: name.to_owned(),
            state: WorkerState::BackingOff,
            steps: 9,
            failures,
            lag: 0,
            last_error: (failures > 0).then(|| "no luck".to_owned()),
        };
        assert!(reasons(Ok(()), vec![worker("a", 0), worker("b", 2)]).is_empty());
        let broken = Err(StoreError::ReadOnly("disk full".into()));
        assert_eq!(
            reasons(broken, vec![worker("b", 2), worker("c", 3)]),
            [
                "the store is read-only: disk full",
                "worker c fails: no luck"
            ]
        );
    }

    #[test]
    fn names_cannot_bring_markup_in() {
        assert_eq!(escape("<a&\">"), "&lt;a&amp;&quot;&gt;");
    }
}
