//! `GET /sync`
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync>

use std::sync::Arc;

use axum::extract::State;
use heliograph_accounts::Accounts;
use heliograph_core::tokens::SyncToken;
use heliograph_http::{
    ApiError, Auth, AuthKind, Device, DeviceIdentity, JsonBytes, Params, Route, RouteTable,
};
use heliograph_sync::{Filter, Sync, SyncRequest};
use serde::Deserialize;

use crate::{
    App,
    errors::{account_error, sync_error},
    presence::StateWord,
};

pub(crate) fn routes() -> RouteTable<App> {
    let path = "/_matrix/client/v3/sync";
    RouteTable::new().route(Route::get(path, AuthKind::Device, sync).for_guests())
}

#[derive(Debug, Deserialize)]
struct SyncParams {
    filter: Option<String>,
    since: Option<String>,
    #[serde(default)]
    full_state: bool,
    #[serde(default)]
    use_state_after: bool,
    #[serde(default, rename = "org.matrix.msc4222.use_state_after")]
    old_state_after: bool,
    #[serde(default)]
    timeout: u64,
    #[serde(default)]
    set_presence: StateWord,
}

/// What is new since a token.
async fn sync(
    caller: Auth<Device>,
    State(syncs): State<Sync>,
    State(accounts): State<Arc<Accounts>>,
    Params(params): Params<SyncParams>,
) -> Result<JsonBytes, ApiError> {
    let since = match params.since.as_deref() {
        None | Some("") => None,
        Some(token) => Some(
            SyncToken::decode(token)
                .map_err(|_| ApiError::invalid_param("since is not a sync token"))?,
        ),
    };
    let filter = match params.filter.as_deref() {
        None | Some("") => Arc::default(),
        Some(filter) => find_filter(&accounts, &caller, filter).await?,
    };
    let request = SyncRequest {
        user: caller.user,
        device: caller.device,
        since,
        filter,
        full_state: params.full_state,
        use_state_after: params.use_state_after || params.old_state_after,
        old_state_after: params.old_state_after && !params.use_state_after,
        timeout_ms: params.timeout,
        set_presence: params.set_presence.into(),
    };
    let json = syncs.sync(request).await.map_err(sync_error)?;
    Ok(JsonBytes(json.into()))
}

/// The filter that a parameter names, or is.
async fn find_filter(
    accounts: &Accounts,
    caller: &DeviceIdentity,
    filter: &str,
) -> Result<Arc<Filter>, ApiError> {
    let bad = |error| ApiError::invalid_param(format!("{error}"));
    if filter.starts_with('{') {
        return Filter::parse(filter).map(Arc::new).map_err(bad);
    }
    let stored = accounts
        .filter(caller.user, filter)
        .await
        .map_err(account_error)?;
    let stored = stored.ok_or_else(|| ApiError::invalid_param("There is no such filter"))?;
    Filter::parse(&stored).map(Arc::new).map_err(bad)
}
