//! Who asks.
//!
//! The kind of authentication stands in the route table and in the type of the handler: the gate does
//! what the table says before the handler runs, and the extractor takes the result over.

use std::{fmt, ops::Deref, sync::Arc};

use axum::extract::FromRequestParts;
use futures_util::future::BoxFuture;
use heliograph_core::ids::{DeviceNum, UserNum};
use http::{header, request::Parts};
use ruma_common::{OwnedDeviceId, OwnedUserId};

use crate::{ApiError, BoxError, ErrCode};

/// Longer access tokens are unknown without a look.
const MAX_TOKEN_BYTES: usize = 1024;

/// A user on one of their devices, as an access token tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceIdentity {
    /// The user's number.
    pub user: UserNum,
    /// The user's id.
    pub user_id: OwnedUserId,
    /// The device's number, among this user's.
    pub device: DeviceNum,
    /// The device's id.
    pub device_id: OwnedDeviceId,
    /// SHA-256 of the access token, by which the session is stored.
    pub token_hash: [u8; 32],
    /// Whether limits by user apply; not to services that are exempt.
    pub rate_limited: bool,
    /// Whether the user is a guest, who may call only the routes that are for guests too.
    pub is_guest: bool,
}

/// Why a token gives no identity.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// It is not, or no longer, a token of this server.
    #[error("unknown access token")]
    Unknown {
        /// The device and its keys are kept: the client may log in again and go on.
        soft_logout: bool,
    },
    /// The account is locked; its devices and tokens remain.
    #[error("the account is locked")]
    Locked,
    /// Too much work is waiting to look.
    #[error("too busy to look at the access token")]
    Busy(#[source] BoxError),
    /// The store cannot be read.
    #[error("cannot look at the access token")]
    Failed(#[source] BoxError),
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unknown { soft_logout } => Self::unknown_token(soft_logout),
            AuthError::Locked => {
                Self::new(ErrCode::M_USER_LOCKED, "The account is locked").with("soft_logout", true)
            }
            AuthError::Busy(source) => {
                Self::limit_exceeded(std::time::Duration::from_secs(1)).caused_by(source)
            }
            AuthError::Failed(source) => Self::internal(source),
        }
    }
}

/// Port: finds who an access token belongs to. Called once a request.
pub trait Authenticate: Send + Sync {
    /// The device that `token` was given to.
    ///
    /// # Errors
    ///
    /// As [`AuthError`] says; the future may be dropped.
    fn authenticate<'a>(
        &'a self,
        token: &'a str,
    ) -> BoxFuture<'a, Result<Arc<DeviceIdentity>, AuthError>>;
}

/// What a route asks of its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AuthKind {
    /// Nothing; a token, if given, is not looked at.
    None,
    /// A token may be given, and then must be valid: [`Auth<OptionalDevice>`](OptionalDevice).
    OptionalDevice,
    /// The access token of a device: [`Auth<Device>`](Device).
    Device,
}

/// A kind of authentication as a type.
pub trait AuthScheme {
    /// What is known of the caller then.
    type Identity: Clone + Send + Sync + 'static;
}

/// The caller is a device; the route says [`AuthKind::Device`].
#[derive(Clone, Copy, Debug)]
pub struct Device;

impl AuthScheme for Device {
    type Identity = Arc<DeviceIdentity>;
}

/// The caller may be a device; the route says [`AuthKind::OptionalDevice`].
#[derive(Clone, Copy, Debug)]
pub struct OptionalDevice;

impl AuthScheme for OptionalDevice {
    type Identity = Option<Arc<DeviceIdentity>>;
}

/// Who calls, in a handler. A route that does not authenticate what its handler asks for answers 500
/// to its first test.
pub struct Auth<K: AuthScheme>(pub K::Identity);

impl<K: AuthScheme> Deref for Auth<K> {
    type Target = K::Identity;

    fn deref(&self) -> &K::Identity {
        &self.0
    }
}

impl<K: AuthScheme<Identity: fmt::Debug>> fmt::Debug for Auth<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Auth").field(&self.0).finish()
    }
}

impl<S: Send + Sync, K: AuthScheme> FromRequestParts<S> for Auth<K> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        let identity = parts.extensions.get::<K::Identity>().cloned();
        identity.map(Self).ok_or_else(|| {
            ApiError::internal("the route does not authenticate what its handler asks for")
        })
    }
}

/// The access token of a request: from `Authorization: Bearer`, else from the query parameter
/// `access_token`, which is deprecated and still sent.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#using-access-tokens>
///
/// # Errors
///
/// `M_MISSING_TOKEN` without one, `M_UNKNOWN_TOKEN` for one of absurd length.
pub(crate) fn access_token(parts: &Parts) -> Result<String, ApiError> {
    let token = match parts.headers.get(header::AUTHORIZATION) {
        Some(value) => bearer(value.to_str().unwrap_or_default()),
        None => form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes())
            .find_map(|(name, value)| (name == "access_token").then(|| value.into_owned())),
    };
    match token {
        None => Err(ApiError::missing_token()),
        Some(token) if token.is_empty() => Err(ApiError::missing_token()),
        Some(token) if token.len() > MAX_TOKEN_BYTES => Err(ApiError::unknown_token(false)),
        Some(token) => Ok(token),
    }
}

fn bearer(value: &str) -> Option<String> {
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn token(uri: &str, authorization: Option<&str>) -> Result<String, &'static str> {
        let mut request = Request::get(uri);
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        access_token(&parts).map_err(|error| error.errcode().unwrap().as_str())
    }

    #[test]
    fn tokens_are_read_from_the_header_and_the_query() {
        assert_eq!(token("/", Some("Bearer abc")), Ok("abc".to_owned()));
        assert_eq!(token("/", Some("bearer  abc ")), Ok("abc".to_owned()));
        assert_eq!(
            token("/?a=b&access_token=a%2Bc", None),
            Ok("a+c".to_owned())
        );
        assert_eq!(
            token("/?access_token=query", Some("Bearer header")),
            Ok("header".to_owned())
        );
    }

    #[test]
    fn what_is_no_token_is_missing_or_unknown() {
        for (uri, authorization) in [
            ("/", None),
            ("/?access_token=", None),
            ("/", Some("Bearer ")),
            ("/", Some("Bearer")),
            ("/", Some("Basic abc")),
            ("/", Some("\u{e9}")),
        ] {
            assert_eq!(
                token(uri, authorization),
                Err("M_MISSING_TOKEN"),
                "{uri} {authorization:?}"
            );
        }
        let long = format!("Bearer {}", "x".repeat(MAX_TOKEN_BYTES + 1));
        assert_eq!(token("/", Some(&long)), Err("M_UNKNOWN_TOKEN"));
    }
}
