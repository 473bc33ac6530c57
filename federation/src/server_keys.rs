//! `GET /_matrix/key/v2/server`
//!
//! <https://spec.matrix.org/v1.19/server-server-api/#publishing-keys>

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use heliograph_core::{
    json::Value,
    signing::{Signer, sign_json},
};
use heliograph_http::{ApiError, AuthKind, JsonBytes, Route, RouteTable};
use heliograph_work::SharedClock;

/// How long others may rely on the keys without asking again, milliseconds: one day.
const VALIDITY_MS: u64 = 24 * 60 * 60 * 1000;

/// What the key server needs.
#[derive(Clone)]
pub struct ServerKeys {
    /// This server's name and key.
    pub signer: Arc<dyn Signer>,
    /// The time.
    pub clock: SharedClock,
}

/// The routes of the key server.
pub fn routes<S>() -> RouteTable<S>
where
    S: Clone + Send + Sync + 'static,
    ServerKeys: axum::extract::FromRef<S>,
{
    let path = "/_matrix/key/v2/server";
    RouteTable::new().route(Route::get(path, AuthKind::None, server_keys))
}

/// This server's keys, signed with them.
async fn server_keys(
    axum::extract::State(keys): axum::extract::State<ServerKeys>,
) -> Result<JsonBytes, ApiError> {
    let key = STANDARD_NO_PAD.encode(keys.signer.public_key());
    let valid_until = keys.clock.now_ms().saturating_add(VALIDITY_MS);
    let own = Value::object([("key", Value::from(key.as_str()))]);
    let mut document = Value::object([
        ("server_name", Value::from(keys.signer.server_name())),
        ("verify_keys", Value::object([(keys.signer.key_id(), own)])),
        ("old_verify_keys", Value::object::<&str, _>([])),
        ("valid_until_ts", Value::from(valid_until)),
    ]);
    sign_json(&mut document, &*keys.signer).map_err(ApiError::internal)?;
    Ok(JsonBytes(document.to_canonical_string().into()))
}
