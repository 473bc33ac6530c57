//! Why a room did not do what was asked, by what the caller can do about it.

use heliograph_core::builder::BuildError;
use heliograph_tables::StoreError;
use heliograph_work::PoolError;

use crate::state::StateError;

/// Why a room did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum RoomError {
    /// This server does not know the room, or the user may not know that it exists.
    #[error("room not found")]
    UnknownRoom,
    /// There is no such event, or the user may not see it.
    #[error("event not found")]
    UnknownEvent,
    /// There is no such state entry.
    #[error("no such state")]
    UnknownState,
    /// The room's rules or its state do not allow it; the text says which rule.
    #[error("{0}")]
    Forbidden(String),
    /// The user is a guest, and the room does not let guests in.
    #[error("the room does not let guests in")]
    NotForGuests,
    /// The user is in as many rooms as the configuration allows.
    #[error("you are in too many rooms: leave one of them first")]
    TooManyRooms,
    /// The target of an invite has as many as the configuration allows.
    #[error("the user has too many invites that are not answered")]
    TooManyInvites,
    /// A ban is to end that there is not.
    #[error("the user is not banned")]
    NotBanned,
    /// The user does not want to be invited.
    #[error("the user does not accept invites")]
    InviteBlocked,
    /// The request contradicts the spec in itself.
    #[error("{0}")]
    Invalid(String),
    /// The sender has annotated that event in the same way already.
    #[error("the event has the same annotation by the same sender already")]
    DuplicateAnnotation,
    /// The content does not have the shape that the spec demands, or numbers that it forbids.
    #[error("{0}")]
    BadContent(String),
    /// The event, or a string in it, is over the spec's limit.
    #[error("{0}")]
    TooLarge(String),
    /// No alias of this server is so called.
    #[error("alias not found")]
    UnknownAlias,
    /// The alias leads to a room already.
    #[error("the alias is taken")]
    AliasTaken,
    /// An alias of an event does not lead to the event's room.
    #[error("{0}")]
    BadAlias(String),
    /// A text is no alias, or not one that can be set here.
    #[error("{0}")]
    InvalidAlias(String),
    /// The room version is not one that this server makes rooms with.
    #[error("unsupported room version")]
    UnsupportedVersion,
    /// Only servers that are in the room could answer.
    #[error("no server in the room is known")]
    NotLocal,
    /// The store failed or refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too much is going on.
    #[error(transparent)]
    Busy(#[from] PoolError),
    /// Stored rows contradict each other.
    #[error("the room's stored state is inconsistent: {0}")]
    Inconsistent(&'static str),
}

impl From<StateError> for RoomError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Store(error) => Self::Store(error),
            other => {
                tracing::error!(error = %other, "state could not be computed");
                Self::Inconsistent("state")
            }
        }
    }
}

impl From<BuildError> for RoomError {
    fn from(error: BuildError) -> Self {
        if error.is_too_large() {
            Self::TooLarge(error.to_string())
        } else {
            Self::BadContent(error.to_string())
        }
    }
}
