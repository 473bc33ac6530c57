//! Errors of the domain crates as answers: one `match` for each, without a catch-all, so that a
//! new error does not compile until someone has decided its answer.

use heliograph_accounts::AccountError;
use heliograph_http::{ApiError, ErrCode};
use heliograph_rooms::RoomError;
use heliograph_sync::SyncError;
use heliograph_tables::StoreError;
use heliograph_work::PoolError;

use crate::ClientSettings;

/// The answer to an error of a room.
pub(crate) fn room_error(error: RoomError) -> ApiError {
    match error {
        RoomError::UnknownRoom => ApiError::not_found("Unknown room"),
        RoomError::UnknownEvent => ApiError::not_found("Event not found"),
        RoomError::UnknownState => ApiError::not_found("State not found"),
        RoomError::Forbidden(text) => ApiError::forbidden(text),
        error @ RoomError::NotForGuests => {
            ApiError::new(ErrCode::M_GUEST_ACCESS_FORBIDDEN, error.to_string())
        }
        error @ RoomError::TooManyInvites => ApiError::forbidden(error.to_string()),
        error @ RoomError::TooManyRooms => {
            ApiError::new(ErrCode::M_RESOURCE_LIMIT_EXCEEDED, error.to_string())
        }
        error @ RoomError::NotBanned => ApiError::new(ErrCode::M_BAD_STATE, error.to_string())
            .with_status(http::StatusCode::FORBIDDEN),
        error @ RoomError::InviteBlocked => {
            ApiError::new(ErrCode::M_INVITE_BLOCKED, error.to_string())
        }
        RoomError::Invalid(text) => {
            ApiError::new(ErrCode::M_UNKNOWN, text).with_status(http::StatusCode::BAD_REQUEST)
        }
        error @ RoomError::DuplicateAnnotation => {
            ApiError::new(ErrCode::M_DUPLICATE_ANNOTATION, error.to_string())
        }
        RoomError::BadContent(text) => ApiError::bad_json(text),
        RoomError::TooLarge(text) => ApiError::new(ErrCode::M_TOO_LARGE, text),
        error @ RoomError::UnknownAlias => ApiError::not_found(error.to_string()),
        error @ RoomError::AliasTaken => ApiError::new(ErrCode::M_ROOM_IN_USE, error.to_string()),
        RoomError::BadAlias(text) => ApiError::new(ErrCode::M_BAD_ALIAS, text),
        RoomError::InvalidAlias(text) => ApiError::invalid_param(text),
        RoomError::UnsupportedVersion => ApiError::new(
            ErrCode::M_UNSUPPORTED_ROOM_VERSION,
            "This server does not make rooms of that version",
        ),
        RoomError::NotLocal => ApiError::not_found("No known server is in the room"),
        RoomError::Store(error) => store_error(error),
        RoomError::Busy(error) => pool_error(error),
        error @ RoomError::Inconsistent(_) => ApiError::internal(error),
    }
}

/// The same where a limit of the user's account may have been reached, which says what can be done.
pub(crate) fn joining_error(error: RoomError, settings: &ClientSettings) -> ApiError {
    match error {
        error @ RoomError::TooManyRooms => user_limit(error.to_string(), settings),
        other => room_error(other),
    }
}

/// The answer to an error of a login, of which the same is true.
pub(crate) fn login_error(error: AccountError, settings: &ClientSettings) -> ApiError {
    match error {
        error @ AccountError::TooManyDevices => user_limit(error.to_string(), settings),
        other => account_error(other),
    }
}

/// A limit of the user's account, with the page about it, or, without one, with whom to ask.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#common-error-codes>
fn user_limit(message: String, settings: &ClientSettings) -> ApiError {
    if let Some(uri) = &settings.limits_info_uri {
        return ApiError::new(ErrCode::M_USER_LIMIT_EXCEEDED, message)
            .with("info_uri", uri.as_str());
    }
    let error = ApiError::new(ErrCode::M_RESOURCE_LIMIT_EXCEEDED, message);
    match settings.support.admin_contact() {
        Some(contact) => error.with("admin_contact", contact),
        None => error,
    }
}

/// The answer to an error of a sync.
pub(crate) fn sync_error(error: SyncError) -> ApiError {
    match error {
        SyncError::DeviceGone => ApiError::unknown_token(false),
        SyncError::Room(error) => room_error(error),
        SyncError::Store(error) => store_error(error),
        SyncError::Busy(error) => pool_error(error),
        error @ SyncError::Inconsistent(_) => ApiError::internal(error),
    }
}

/// The answer to an error of the store.
pub(crate) fn store_error(error: StoreError) -> ApiError {
    match error {
        error @ (StoreError::Corrupt { .. } | StoreError::Read(_)) => ApiError::internal(error),
        error @ (StoreError::ReadOnly(_) | StoreError::Full | StoreError::Closed) => {
            ApiError::unavailable(error)
        }
    }
}

/// The answer when too much waits.
pub(crate) fn pool_error(error: PoolError) -> ApiError {
    match error {
        PoolError::Full => ApiError::limit_exceeded(std::time::Duration::from_secs(1)),
        error @ PoolError::Panicked { .. } => ApiError::internal(error),
        error @ PoolError::Stopping => ApiError::unavailable(error),
    }
}

/// The answer to an error of an account.
pub(crate) fn account_error(error: AccountError) -> ApiError {
    match error {
        AccountError::InvalidUsername(error) => {
            ApiError::new(ErrCode::M_INVALID_USERNAME, error.to_string())
        }
        error @ AccountError::ReservedUsername => {
            ApiError::new(ErrCode::M_EXCLUSIVE, error.to_string())
        }
        error @ AccountError::UserInUse => ApiError::new(ErrCode::M_USER_IN_USE, error.to_string()),
        error @ (AccountError::UnknownUser
        | AccountError::UnknownDevice
        | AccountError::UnknownToken
        | AccountError::UnknownPushRule) => ApiError::not_found(error.to_string()),
        error @ (AccountError::OtherUser
        | AccountError::BadCredentials
        | AccountError::NoSharedSecret
        | AccountError::BadMac
        | AccountError::BadLoginToken
        | AccountError::BadGuestToken
        | AccountError::BadRegistrationToken) => ApiError::forbidden(error.to_string()),
        AccountError::TokenExpired => ApiError::unknown_token(true),
        AccountError::BadRefreshToken => ApiError::unknown_token(false),
        error @ AccountError::Deactivated => {
            ApiError::new(ErrCode::M_USER_DEACTIVATED, error.to_string())
        }
        error @ AccountError::WeakPassword(_) => {
            ApiError::new(ErrCode::M_WEAK_PASSWORD, error.to_string())
        }
        error @ (AccountError::UnknownSession
        | AccountError::OperationChanged
        | AccountError::BadNonce) => ApiError::new(ErrCode::M_UNKNOWN, error.to_string())
            .with_status(http::StatusCode::BAD_REQUEST),
        error @ AccountError::Invalid(_) => ApiError::invalid_param(error.to_string()),
        error @ AccountError::TooLarge(_) => ApiError::new(ErrCode::M_TOO_LARGE, error.to_string()),
        error @ AccountError::KeyTooLarge => {
            ApiError::new(ErrCode::M_KEY_TOO_LARGE, error.to_string())
        }
        error @ AccountError::ProfileTooLarge => {
            ApiError::new(ErrCode::M_PROFILE_TOO_LARGE, error.to_string())
        }
        AccountError::TooManyFailures { retry_after_ms } => {
            ApiError::limit_exceeded(std::time::Duration::from_millis(retry_after_ms))
        }
        error @ AccountError::TooManyDevices => {
            ApiError::new(ErrCode::M_RESOURCE_LIMIT_EXCEEDED, error.to_string())
        }
        error @ AccountError::TooMany(_) => {
            ApiError::new(ErrCode::M_LIMIT_EXCEEDED, error.to_string())
                .with_status(http::StatusCode::FORBIDDEN)
        }
        error @ AccountError::NotSettable => ApiError::new(ErrCode::M_BAD_JSON, error.to_string())
            .with_status(http::StatusCode::METHOD_NOT_ALLOWED),
        AccountError::Store(error) => store_error(error),
        AccountError::Busy(error) => pool_error(error),
        error @ AccountError::Inconsistent(_) => ApiError::internal(error),
    }
}
