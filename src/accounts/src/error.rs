//! Why an account did not do what was asked, by what the caller can do about it.

use heliograph_tables::StoreError;
use heliograph_work::PoolError;

use crate::localpart::InvalidLocalpart;

/// Why an account did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// The localpart does not follow the grammar, or is too long.
    #[error(transparent)]
    InvalidUsername(#[from] InvalidLocalpart),
    /// The localpart is set aside.
    #[error("this user name is reserved")]
    ReservedUsername,
    /// The localpart is taken, if only by an account that was deactivated.
    #[error("this user name is taken")]
    UserInUse,
    /// There is no such user of this server.
    #[error("no such user")]
    UnknownUser,
    /// The user has no such device.
    #[error("no such device")]
    UnknownDevice,
    /// There is no such registration token.
    #[error("no such registration token")]
    UnknownToken,
    /// Somebody else is named than the user whose request it is.
    #[error("another user made this request")]
    OtherUser,
    /// User or password is wrong; which of the two is not told.
    #[error("wrong user name or password")]
    BadCredentials,
    /// The token was good once; its device, and all that is the device's, is kept.
    #[error("the token has expired")]
    TokenExpired,
    /// The refresh token is not, or no longer, good.
    #[error("unknown refresh token")]
    BadRefreshToken,
    /// The login token is not, or no longer, good.
    #[error("the login token is not valid")]
    BadLoginToken,
    /// The access token is not, or no longer, that of a guest, or of another one.
    #[error("not the access token of the guest with this user name")]
    BadGuestToken,
    /// The account was deactivated.
    #[error("the account is deactivated")]
    Deactivated,
    /// The password is shorter than this server accepts; the number is the least of characters.
    #[error("the password needs at least {0} characters")]
    WeakPassword(usize),
    /// The registration token is not, or no longer, good.
    #[error("the registration token is not valid")]
    BadRegistrationToken,
    /// The session of user-interactive authentication is not known, or expired, or is another
    /// operation's or another user's.
    #[error("unknown session")]
    UnknownSession,
    /// The operation is not the one that the session was begun for.
    #[error("the request is not the one that the session was begun for")]
    OperationChanged,
    /// This way of registering is not configured.
    #[error("shared-secret registration is not enabled")]
    NoSharedSecret,
    /// The nonce was not given out, was used, or is too old.
    #[error("unrecognised nonce")]
    BadNonce,
    /// The MAC does not fit the request.
    #[error("the MAC is wrong")]
    BadMac,
    /// What is given does not have the form that the spec demands.
    #[error("{0}")]
    Invalid(&'static str),
    /// A string or a content is over its limit.
    #[error("{0} is too large")]
    TooLarge(&'static str),
    /// The name of a profile field is over its limit.
    #[error("the name of the field is too long")]
    KeyTooLarge,
    /// The profile would be over its limit.
    #[error("the profile would become too large")]
    ProfileTooLarge,
    /// Too many logins with this user name have failed of late.
    #[error("too many failed logins")]
    TooManyFailures {
        /// When one more may be tried, milliseconds from now.
        retry_after_ms: u64,
    },
    /// The user has as many devices as the configuration allows.
    #[error("too many devices: log out on one of them first")]
    TooManyDevices,
    /// The user has as many of these as one user can have.
    #[error("too many {0}")]
    TooMany(&'static str),
    /// The user has no such push rule.
    #[error("no such push rule")]
    UnknownPushRule,
    /// The server keeps this type of account data itself.
    #[error("this type cannot be set through account data")]
    NotSettable,
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too much is going on.
    #[error(transparent)]
    Busy(#[from] PoolError),
    /// Stored rows contradict each other.
    #[error("stored accounts are inconsistent: {0}")]
    Inconsistent(&'static str),
}
