//! Endpoints about accounts.

mod account_data;
mod authenticator;
mod deactivate;
mod devices;
mod fallback;
mod filters;
mod login;
mod login_token;
mod password;
mod profile;
mod push_rule;
mod push_rules;
mod refresh;
mod register;
mod shared_secret;
mod tags;
mod terms;
mod whoami;

use heliograph_http::{ApiError, DeviceIdentity, RouteTable};

pub use authenticator::Authenticator;

use crate::App;

/// The routes of this area.
pub(crate) fn routes() -> RouteTable<App> {
    RouteTable::new()
        .merge(login::routes())
        .merge(login_token::routes())
        .merge(refresh::routes())
        .merge(fallback::routes())
        .merge(register::routes())
        .merge(shared_secret::routes())
        .merge(whoami::routes())
        .merge(password::routes())
        .merge(deactivate::routes())
        .merge(devices::routes())
        .merge(profile::routes())
        .merge(account_data::routes())
        .merge(tags::routes())
        .merge(filters::routes())
        .merge(push_rules::routes())
        .merge(push_rule::routes())
}

/// Checks that a path names the caller.
fn own(caller: &DeviceIdentity, user_id: &str) -> Result<(), ApiError> {
    if caller.user_id == user_id {
        Ok(())
    } else {
        Err(ApiError::forbidden("That belongs to another user"))
    }
}
