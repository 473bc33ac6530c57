//! Access tokens to devices: the adapter between HTTP and accounts.

use std::{collections::HashSet, sync::Arc};

use heliograph_accounts::{AccountError, Accounts};
use heliograph_http::{AuthError, Authenticate, DeviceIdentity};

/// Finds the device of an access token.
#[derive(Clone)]
pub struct Authenticator {
    /// Accounts.
    pub accounts: Arc<Accounts>,
    /// Users to whom limits by user do not apply.
    pub exempt_users: HashSet<String>,
}

impl Authenticate for Authenticator {
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
    ) -> futures_util::future::BoxFuture<'a, Result<Arc<DeviceIdentity>, AuthError>> {
        Box::pin(async move {
            let found = self
                .accounts
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
                rate_limited: !self.exempt_users.contains(identity.user_id.as_str()),
                is_guest: identity.is_guest,
            }))
        })
    }
}
