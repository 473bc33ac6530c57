//! What push rules ask of a room: which thread an event is in, and who was there with what power.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#conditions-1>

use heliograph_core::{
    auth::PowerLevels,
    ids::{EventIdx, RoomNum, TimelineKey, UserNum},
};
use heliograph_tables::{
    Direction,
    schema::{EventStatus, RelationKind, StateRoot, THREADS_BY_LATEST},
};
use ruma_common::{EventId, OwnedEventId};
use serde::Deserialize;

use crate::{RoomError, RoomsView, relations::RelatesTo};

/// Relations that are followed from an event to find its thread.
const MAX_HOPS: usize = 3;

impl RoomsView<'_> {
    /// The number of a user that this server has heard of.
    pub fn user_num(&self, user_id: &str) -> Result<Option<UserNum>, RoomError> {
        Ok(self.inner().interner.users.find(self.view(), user_id)?)
    }

    /// The root of the thread that an event is in; `None` in the main timeline.
    ///
    /// <https://spec.matrix.org/v1.19/client-server-api/#threaded-read-receipts>
    pub fn thread_of(
        &self,
        room: RoomNum,
        event: EventIdx,
    ) -> Result<Option<OwnedEventId>, RoomError> {
        let mut event = event;
        for _ in 0..=MAX_HOPS {
            let stored = self.inner().events.stored(self.view(), room, event)?;
            let Some(relates) = RelatesTo::of(stored.content_json()) else {
                return Ok(None);
            };
            if relates.kind() == RelationKind::Thread {
                return Ok(Some(relates.target));
            }
            let Some(target) = self.event(room, &relates.target)? else {
                return Ok(None);
            };
            event = target;
        }
        Ok(None)
    }

    /// Whether a room has any thread.
    pub fn has_threads(&self, room: RoomNum) -> Result<bool, RoomError> {
        let first = self
            .view()
            .end(&THREADS_BY_LATEST, &(room,), Direction::Forward)?;
        Ok(first.is_some())
    }

    /// What is known of the event with an id, if it has a place in the timeline.
    pub fn placed(
        &self,
        room: RoomNum,
        id: &EventId,
    ) -> Result<Option<(TimelineKey, EventStatus)>, RoomError> {
        let Some(event) = self.event(room, id)? else {
            return Ok(None);
        };
        let status = crate::history::status(self.view(), room, event)?;
        Ok(status.timeline.map(|place| (place, status)))
    }

    /// The event that a redaction redacts, if it is here.
    pub fn redacted_by(
        &self,
        room: RoomNum,
        redaction: EventIdx,
    ) -> Result<Option<(EventIdx, EventStatus)>, RoomError> {
        let redaction = self.pdu(room, redaction)?;
        let Some(target) = redaction.redacts_id() else {
            return Ok(None);
        };
        let Some(target) = self.event(room, target)? else {
            return Ok(None);
        };
        let status = crate::history::status(self.view(), room, target)?;
        Ok(Some((target, status)))
    }

    /// The power levels in a state; `None` where they cannot be read.
    pub fn power_levels_in(
        &self,
        room: RoomNum,
        root: StateRoot,
    ) -> Result<Option<PowerLevels>, RoomError> {
        let state = self.state(room);
        let levels = state.pdu(root, "m.room.power_levels", "")?;
        let Some(create) = state.pdu(root, "m.room.create", "")? else {
            return Ok(None);
        };
        Ok(PowerLevels::new(self.version(room)?, levels.as_deref(), &create).ok())
    }

    /// A member's display name in a state.
    pub fn displayname_in(
        &self,
        room: RoomNum,
        root: StateRoot,
        user: UserNum,
    ) -> Result<Option<Box<str>>, RoomError> {
        #[derive(Deserialize)]
        struct Content {
            displayname: Option<Box<str>>,
        }
        let Some(member) = self.state(room).member(root, user)? else {
            return Ok(None);
        };
        let content = self.pdu(room, member.event)?;
        let content = serde_json::from_str::<Content>(content.content_json());
        Ok(content.ok().and_then(|content| content.displayname))
    }
}
