//! `POST /refresh`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#refreshing-access-tokens>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_http::{ApiError, AuthKind, Body, Json, RateClass, Route, RouteTable};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::login::add_refresh;
use crate::{App, errors::account_error};

pub(super) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/refresh";
    // Nobody guesses such a token, and all clients behind one address come for new ones.
    let route = Route::post(path, AuthKind::None, refresh).rate_limit(RateClass::Other);
    RouteTable::new().route(route)
}

/// It has no `Debug`, for the token in it.
#[derive(Deserialize)]
struct RefreshBody {
    refresh_token: String,
}

/// Gives the next access token.
async fn refresh(
    State(accounts): State<Arc<Accounts>>,
    Body(body): Body<RefreshBody>,
) -> Result<Json<Value>, ApiError> {
    let session = accounts.refresh(&body.refresh_token).await;
    let session = session.map_err(account_error)?;
    let token = Value::from(session.access_token.as_str());
    let mut answer = Map::from_iter([("access_token".to_owned(), token)]);
    add_refresh(&mut answer, &session);
    Ok(Json(Value::Object(answer)))
}
