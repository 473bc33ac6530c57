//! `GET /pushrules/` and `GET /pushrules/global/`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#push-rules-api>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_http::{ApiError, Auth, AuthKind, Device, Json, Route, RouteTable};
use serde_json::Value;

use crate::{App, errors::account_error};

pub(super) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .route(Route::get(
            "/_matrix/client/v3/pushrules/",
            AuthKind::Device,
            all,
        ))
        .route(Route::get(
            "/_matrix/client/v3/pushrules/global/",
            AuthKind::Device,
            global,
        ))
}

/// All rules.
async fn all(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
) -> Result<Json<Value>, ApiError> {
    let rules = accounts
        .push_rules(caller.user)
        .await
        .map_err(account_error)?;
    serde_json::from_str(&rules)
        .map(Json)
        .map_err(ApiError::internal)
}

/// The rules of the only scope.
async fn global(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
) -> Result<Json<Value>, ApiError> {
    let Json(mut rules) = all(caller, State(accounts)).await?;
    let global = rules.get_mut("global").map(Value::take);
    global
        .map(Json)
        .ok_or_else(|| ApiError::internal("push rules without a global scope"))
}
