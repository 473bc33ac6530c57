//! `GET /_matrix/federation/v1/version`
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#get_matrixfederationv1version>

use heliograph_core::json::Value;
use heliograph_http::{AuthKind, JsonBytes, Route, RouteTable};

/// The route on which others learn what software runs here.
pub fn routes<S: Clone + Send + Sync + 'static>() -> RouteTable<S> {
    let path = "/_matrix/federation/v1/version";
    RouteTable::new().route(Route::get(path, AuthKind::None, version))
}

/// The name and the version of this software.
async fn version() -> JsonBytes {
    let software = Value::object([
        ("name", Value::from("Heliograph")),
        ("version", Value::from(env!("CARGO_PKG_VERSION"))),
    ]);
    let document = Value::object([("server", software)]);
    JsonBytes(document.to_canonical_string().into())
}
