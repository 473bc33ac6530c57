//! Access tokens to devices: the adapter between HTTP and accounts.

use std::sync::Arc;

use axum::extract::FromRef;
use heliograph_accounts::{AccountError, Accounts};
use heliograph_http::{AuthError, Authenticate, DeviceIdentity};

use crate::App;

/// Finds the device of an access token.
#[derive(Clone)]
pub struct Authenticator(pub Arc<Accounts>);

impl FromRef<App> for Authenticator {
    fn from_ref(app: &App) -> Self {
        Self(Arc::clone(&app.accounts))
    }
}

impl Authenticate for Authenticator {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
    ) -> futures_util::future::BoxFuture<'a, Result<Arc<DeviceIdentity>, AuthError>> {
        Box::pin(async move {
            let found = self
                .0
                .authenticate(token)
                .await
                .map_err(|error| match error {
                    AccountError::TokenExpired => AuthError::Unknown { soft_logout: true },
                    AccountError::Busy(error) => AuthError::Busy(error.into()),
                    other => AuthError::Failed(other.into()),
                })?;
            let identity = found.ok_or(AuthError::Unknown { soft_logout: false })?;
            Ok(Arc::new(DeviceIdentity {
                user: identity.user,
                user_id: identity.user_id.clone(),
                device: identity.device,
                device_id: identity.device_id.clone(),
                token_hash: identity.token_hash,
                rate_limited: true,
                is_guest: identity.is_guest,
            }))
        })
    }
}
