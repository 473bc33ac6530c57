//! `POST /account/password`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#password-management>
//!
//! A password is reset without a token by mail or telephone only, and this server sends neither.

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_http::{ApiError, Auth, AuthKind, Body, Device, Json, RateClass, Route, RouteTable};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{App, errors::account_error, uia::Operation};

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/account/password";
    RouteTable::new()
        .route(Route::post(path, AuthKind::Device, change).rate_limit(RateClass::Login))
}

/// It has no `Debug`, for the password in it.
#[derive(Deserialize)]
struct PasswordBody {
    new_password: Option<String>,
    #[serde(default = "yes")]
    logout_devices: bool,
}

const fn yes() -> bool {
    true
}

/// Sets another password, after the user has given the present one.
async fn change(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    Body(body): Body<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    // Refused before the user is asked for anything. A request that only goes on has no password.
    if let Some(password) = read(&body)?.new_password {
        accounts
            .check_new_password(&password)
            .map_err(account_error)?;
    }
    let operation = Operation::by_password("POST /account/password", caller.user);
    let completed = operation.authenticate(&accounts, body).await?;
    let PasswordBody {
        new_password,
        logout_devices,
    } = read(&completed.parameters)?;
    let password = new_password.ok_or_else(|| ApiError::missing_param("new_password"))?;
    accounts
        .set_password(caller.user, password, logout_devices, Some(caller.device))
        .await
        .map_err(account_error)?;
    Ok(Json(json!({})))
}

fn read(body: &Map<String, Value>) -> Result<PasswordBody, ApiError> {
    PasswordBody::deserialize(body).map_err(|error| ApiError::bad_json(error.to_string()))
}
