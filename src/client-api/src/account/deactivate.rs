//! `POST /account/deactivate`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#account-deactivation>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, Json, OptionalBody, RateClass, Route, RouteTable,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{App, errors::account_error, uia::Operation};

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/account/deactivate";
    RouteTable::new()
        .route(Route::post(path, AuthKind::Device, deactivate).rate_limit(RateClass::Login))
}

#[derive(Debug, Deserialize)]
struct DeactivateBody {
    #[serde(default)]
    erase: bool,
}

/// Ends the caller's account, after the user has given the password.
async fn deactivate(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    OptionalBody(body): OptionalBody<Map<String, Value>>,
) -> Result<Json<Value>, ApiError> {
    read(&body)?;
    let operation = Operation::by_password("POST /account/deactivate", caller.user);
    let completed = operation.authenticate(&accounts, body).await?;
    let ended = if read(&completed.parameters)?.erase {
        accounts.deactivate_and_erase(caller.user).await
    } else {
        accounts.deactivate(caller.user).await
    };
    ended.map_err(account_error)?;
    // No account here is bound to anything at an identity server.
    Ok(Json(json!({ "id_server_unbind_result": "success" })))
}

fn read(body: &Map<String, Value>) -> Result<DeactivateBody, ApiError> {
    DeactivateBody::deserialize(body).map_err(|error| ApiError::bad_json(error.to_string()))
}
