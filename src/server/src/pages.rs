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
use http::{StatusCode, header};
use metrics_exporter_prometheus::PrometheusHandle;
use serde_json::json;

use crate::serve::AppState;

/// What the pages tell of.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) database: Arc<Database>,
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
    match pages.database.health() {
        Ok(()) => axum::Json(json!({ "status": "ok" })).into_response(),
        Err(error) => {
            let body = json!({ "status": "failing", "reasons": [error.to_string()] });
            (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response()
        }
    }
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
