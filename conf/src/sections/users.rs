//! Sections about users among each other.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Period;

/// Who is online: shown to users who share a room, and kept in memory only.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Presence {
    /// Whether it is shown at all.
    pub enabled: bool,
    /// A user who does nothing for this long is shown as unavailable.
    pub idle_after: Period,
    /// A client that does not sync for this long is offline.
    pub offline_after: Period,
    /// Rooms with more joined members do not show it: in a room, everybody is told of everybody.
    pub max_room_members: u32,
}

/// Which messages are notifications.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub struct Push {
    /// Whether a name of a user in the text of a message, or `@room`, mentions the user, where the message
    /// does not say whom it mentions: as all clients and bridges once sent them. Each member's name is then
    /// looked for in each message.
    pub names_in_texts: bool,
}

impl Default for Presence {
    fn default() -> Self {
        Self {
            enabled: true,
            idle_after: Period(Duration::from_mins(5)),
            offline_after: Period(Duration::from_secs(30)),
            max_room_members: 250,
        }
    }
}
