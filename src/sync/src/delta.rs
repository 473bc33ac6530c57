//! The delta engine's answer, typed: what every encoder writes.

use heliograph_accounts::AccountDataRow;
use heliograph_core::{
    ids::{EventIdx, RoomNum, TimelineKey, UserNum},
    tokens::SyncToken,
};
use heliograph_push::Counts;
use heliograph_rooms::ReceiptRow;

use crate::{
    presence::{Newcomers, PresenceRow},
    room::RoomReader,
};

/// All that changed for one client.
pub struct Delta<'a> {
    /// Where the next sync begins.
    pub next: SyncToken,
    /// Rooms that the user is in.
    pub joined: Vec<JoinedRoom<'a>>,
    /// Rooms that the user is invited to: the invite event.
    pub invited: Vec<(RoomNum, EventIdx)>,
    /// Rooms that the user has knocked on: the knock event.
    pub knocked: Vec<(RoomNum, EventIdx)>,
    /// Rooms that the user has left.
    pub left: Vec<RoomDelta<'a>>,
    /// Global account data.
    pub account_data: Vec<AccountDataRow>,
    /// Presence that changed, or came into sight.
    pub presence: Vec<PresenceRow>,
    /// Who came into sight.
    pub(crate) newcomers: Newcomers,
}

impl Delta<'_> {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.joined.is_empty()
            && self.invited.is_empty()
            && self.knocked.is_empty()
            && self.left.is_empty()
            && self.account_data.is_empty()
            && self.presence.is_empty()
    }
}

/// The events of one room.
pub struct RoomDelta<'a> {
    /// What reads the room for the client.
    pub(crate) reader: RoomReader<'a>,
    /// The room.
    pub room: RoomNum,
    /// The timeline, oldest first.
    pub timeline: Vec<EventIdx>,
    /// Whether there is more between the last sync and the timeline.
    pub limited: bool,
    /// The place just before the timeline.
    pub prev_batch: TimelineKey,
    /// The state that changed before the timeline, or, if so asked, up to its end.
    pub state: Vec<EventIdx>,
    /// Whether anything came, wanted or not.
    pub(crate) has_events: bool,
    /// Account data of the room.
    pub account_data: Vec<AccountDataRow>,
}

impl RoomDelta<'_> {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.timeline.is_empty()
            && self.state.is_empty()
            && !self.limited
            && self.account_data.is_empty()
    }
}

/// What changed in a room that the user is in.
pub struct JoinedRoom<'a> {
    /// Its events.
    pub events: RoomDelta<'a>,
    /// Receipts that moved.
    pub receipts: Vec<ReceiptRow>,
    /// Who types, if that changed.
    pub typing: Option<Vec<UserNum>>,
    /// Who is in it, if that changed.
    pub summary: Option<Summary>,
    /// What the user has not read; always there once all is counted.
    pub counts: Option<Counts>,
}

/// Who is in a room.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv3sync_response-200_roomsummary>
#[derive(Debug, PartialEq, Eq)]
pub struct Summary {
    /// Joined members.
    pub joined: u32,
    /// Invited members.
    pub invited: u32,
    /// Up to five others, for a room without a name.
    pub heroes: Option<Vec<UserNum>>,
}
