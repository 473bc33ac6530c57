//! `POST /login/get_token`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#post_matrixclientv1loginget_token>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, Json, OptionalBody, RateClass, Route, RouteTable,
};
use serde_json::{Map, Value, json};

use crate::{App, ClientSettings, errors::account_error, uia::Operation};

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v1/login/get_token";
    let route = Route::post(path, AuthKind::Device, get_token).rate_limit(RateClass::Login);
    RouteTable::new().route(route)
}

/// Gives a token with which another client logs in, after the user has given the password.
async fn get_token(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    State(settings): State<Arc<ClientSettings>>,
    OptionalBody(body): OptionalBody<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    if !settings.login_tokens {
        return Err(ApiError::unrecognized());
    }
    let operation = Operation::by_password("POST /login/get_token", caller.user);
    operation.authenticate(&accounts, body).await?;
    let made = accounts.new_login_token(caller.user).await;
    let (login_token, expires_in_ms) = made.map_err(account_error)?;
    Ok(Json(json!({
        "login_token": login_token,
        "expires_in_ms": expires_in_ms,
    })))
}
