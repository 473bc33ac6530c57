//! `GET /account/whoami`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3accountwhoami>

use heliograph_http::{Auth, AuthKind, Device, Json, RateClass, Route, RouteTable};
use serde_json::{Value, json};

use crate::App;

pub(super) fn routes() -> RouteTable<App> {
    let route = Route::get(
        "/_matrix/client/v3/account/whoami",
        AuthKind::Device,
        whoami,
    )
    .rate_limit(RateClass::Other)
    .for_guests();
    RouteTable::new().route(route)
}

/// Whose token it is.
async fn whoami(caller: Auth<Device>) -> Json<Value> {
    Json(json!({
        "user_id": caller.user_id,
        "device_id": caller.device_id,
        "is_guest": caller.is_guest,
    }))
}
