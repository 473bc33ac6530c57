//! The error codes of the specification.

use http::StatusCode;

/// A Matrix error code and the status it comes with unless an endpoint says otherwise.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#standard-error-response>
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ErrCode {
    name: &'static str,
    status: StatusCode,
}

/// Declares the codes as constants.
macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $status:ident;)*) => {
        impl ErrCode {
            $($(#[$doc])* pub const $name: Self = Self::new(stringify!($name), StatusCode::$status);)*
        }
    };
}

impl ErrCode {
    /// A code of an API crate's own; it begins with `M_` or a reversed domain name.
    pub const fn new(name: &'static str, status: StatusCode) -> Self {
        Self { name, status }
    }

    /// The code as clients see it.
    pub const fn as_str(self) -> &'static str {
        self.name
    }

    /// The status it comes with unless an endpoint says otherwise.
    pub const fn status(self) -> StatusCode {
        self.status
    }
}

codes! {
    /// A rule forbids this.
    M_FORBIDDEN = FORBIDDEN;
    /// The access token is unknown, revoked or expired.
    M_UNKNOWN_TOKEN = UNAUTHORIZED;
    /// No access token was given.
    M_MISSING_TOKEN = UNAUTHORIZED;
    /// The account is locked.
    M_USER_LOCKED = UNAUTHORIZED;
    /// What is asked for is not for guests.
    M_GUEST_ACCESS_FORBIDDEN = FORBIDDEN;
    /// The user does not accept invites.
    M_INVITE_BLOCKED = FORBIDDEN;
    /// The account may only read.
    M_USER_SUSPENDED = FORBIDDEN;
    /// JSON of the wrong shape.
    M_BAD_JSON = BAD_REQUEST;
    /// Not JSON at all.
    M_NOT_JSON = BAD_REQUEST;
    /// No such thing, or not for this user.
    M_NOT_FOUND = NOT_FOUND;
    /// Too many requests.
    M_LIMIT_EXCEEDED = TOO_MANY_REQUESTS;
    /// A limit of the installation is reached.
    M_RESOURCE_LIMIT_EXCEEDED = FORBIDDEN;
    /// A limit of the user's account is reached.
    M_USER_LIMIT_EXCEEDED = FORBIDDEN;
    /// The server does not know this endpoint, or not with this method.
    M_UNRECOGNIZED = NOT_FOUND;
    /// Something that has no code of its own.
    M_UNKNOWN = INTERNAL_SERVER_ERROR;
    /// The request is not authorised in a way that has no code of its own.
    M_UNAUTHORIZED = UNAUTHORIZED;
    /// The account was deactivated.
    M_USER_DEACTIVATED = FORBIDDEN;
    /// The user id is taken.
    M_USER_IN_USE = BAD_REQUEST;
    /// The user id is not valid.
    M_INVALID_USERNAME = BAD_REQUEST;
    /// The room alias is taken.
    M_ROOM_IN_USE = BAD_REQUEST;
    /// An alias in an event does not lead to the event's room.
    M_BAD_ALIAS = BAD_REQUEST;
    /// The initial state of a room is not valid.
    M_INVALID_ROOM_STATE = BAD_REQUEST;
    /// The server does not support this room version.
    M_UNSUPPORTED_ROOM_VERSION = BAD_REQUEST;
    /// The client's room version is not one the server supports.
    M_INCOMPATIBLE_ROOM_VERSION = BAD_REQUEST;
    /// The state change cannot be made, for instance an alias that leads elsewhere.
    M_BAD_STATE = BAD_REQUEST;
    /// A required parameter is missing.
    M_MISSING_PARAM = BAD_REQUEST;
    /// A parameter has a bad value.
    M_INVALID_PARAM = BAD_REQUEST;
    /// The request or the event is too large.
    M_TOO_LARGE = PAYLOAD_TOO_LARGE;
    /// Another application owns this name.
    M_EXCLUSIVE = BAD_REQUEST;
    /// The password is too weak.
    M_WEAK_PASSWORD = BAD_REQUEST;
    /// The homeserver does not trust the server named.
    M_SERVER_NOT_TRUSTED = FORBIDDEN;
    /// The server cannot check whether the user may join.
    M_UNABLE_TO_AUTHORISE_JOIN = BAD_REQUEST;
    /// The server could let the user join but lacks the power.
    M_UNABLE_TO_GRANT_JOIN = BAD_REQUEST;
    /// The same annotation was sent before.
    M_DUPLICATE_ANNOTATION = BAD_REQUEST;
    /// A profile key is too long.
    M_KEY_TOO_LARGE = BAD_REQUEST;
    /// The profile would become too large.
    M_PROFILE_TOO_LARGE = BAD_REQUEST;
}
