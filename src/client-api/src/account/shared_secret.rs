//! `GET` and `POST /_synapse/admin/v1/register`: registration with a shared secret, as scripts
//! written for Synapse do it.

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::{Accounts, NewDevice, SharedSecretRegistration};
use heliograph_http::{ApiError, AuthKind, Body, Json, RateClass, Route, RouteTable};
use serde::Deserialize;
use serde_json::{Value, json};

use super::login::session_json;
use crate::{App, ClientSettings, errors::account_error};

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_synapse/admin/v1/register";
    RouteTable::new()
        .route(Route::get(path, AuthKind::None, nonce).rate_limit(RateClass::Registration))
        .route(Route::post(path, AuthKind::None, register).rate_limit(RateClass::Registration))
}

/// A nonce for one registration.
async fn nonce(State(accounts): State<Arc<Accounts>>) -> Result<Json<Value>, ApiError> {
    let nonce = accounts.new_nonce().map_err(account_error)?;
    Ok(Json(json!({ "nonce": nonce })))
}

#[derive(Deserialize)]
struct RegisterBody {
    nonce: String,
    username: String,
    password: String,
    mac: String,
    #[serde(default)]
    admin: bool,
    user_type: Option<String>,
    displayname: Option<String>,
    #[serde(default)]
    inhibit_login: bool,
}

/// Makes an account for one who knows the secret.
async fn register(
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    Body(body): Body<RegisterBody>,
) -> Result<Json<Value>, ApiError> {
    let request = SharedSecretRegistration {
        nonce: body.nonce,
        username: body.username,
        password: body.password,
        admin: body.admin,
        user_type: body.user_type,
        displayname: body.displayname,
        mac: body.mac,
        device: (!body.inhibit_login).then(NewDevice::default),
    };
    let registered = accounts
        .register_with_shared_secret(request)
        .await
        .map_err(account_error)?;
    let user_id = registered.user_id.as_str();
    Ok(Json(match &registered.session {
        Some(session) => Value::Object(session_json(user_id, session, &settings)),
        None => json!({ "user_id": user_id, "home_server": settings.server_name }),
    }))
}
