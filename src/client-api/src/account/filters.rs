//! `POST /user/{userId}/filter` and `GET /user/{userId}/filter/{filterId}`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#filtering>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_http::{
    ApiError, Auth, AuthKind, Body, Device, Json, JsonBytes, PathParams, Route, RouteTable,
};
use heliograph_sync::Filter;
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::own;
use crate::{App, errors::account_error};

pub(super) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .route(Route::post(
            "/_matrix/client/v3/user/{userId}/filter",
            AuthKind::Device,
            add,
        ))
        .route(Route::get(
            "/_matrix/client/v3/user/{userId}/filter/{filterId}",
            AuthKind::Device,
            get,
        ))
}

#[derive(Debug, Deserialize)]
struct UserPath {
    #[serde(rename = "userId")]
    user_id: String,
}

#[derive(Debug, Deserialize)]
struct FilterPath {
    #[serde(rename = "userId")]
    user_id: String,
    #[serde(rename = "filterId")]
    filter_id: String,
}

/// Stores a filter.
async fn add(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<UserPath>,
    Body(body): Body<Box<RawValue>>,
) -> Result<Json<Value>, ApiError> {
    own(&caller, &path.user_id)?;
    Filter::parse(body.get()).map_err(|error| ApiError::bad_json(error.to_string()))?;
    let id = accounts
        .add_filter(caller.user, body.get())
        .await
        .map_err(account_error)?;
    Ok(Json(json!({ "filter_id": id })))
}

/// A stored filter.
async fn get(
    caller: Auth<Device>,
    State(accounts): State<Arc<Accounts>>,
    PathParams(path): PathParams<FilterPath>,
) -> Result<JsonBytes, ApiError> {
    own(&caller, &path.user_id)?;
    let filter = accounts
        .filter(caller.user, &path.filter_id)
        .await
        .map_err(account_error)?;
    let filter = filter.ok_or_else(|| ApiError::not_found("No such filter"))?;
    Ok(JsonBytes(filter.into()))
}
