//! Reading the timeline: `/messages`, `/context`, `/event`.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#getting-events-for-a-room>
//!
//! A token names a *place between events*: the one just before the event with its timeline key.
//! Backward from it come the events with smaller keys, forward from it those with that key and up.

use std::sync::Arc;

use heliograph_core::ids::{EventIdx, Position, RoomNum, TimelineKey};
use heliograph_tables::{
    Direction, View,
    schema::{EVENT_STATUS, EventStatus, LIVE_EVENTS, TIMELINE, TimelineEntry},
};

use crate::{
    RoomError,
    serving::{Presenter, SharedEvent},
};

/// What a page is asked for.
#[derive(Clone, Copy, Debug)]
pub struct PageRequest {
    /// Where to begin.
    pub from: TimelineKey,
    /// Where to stop, if anywhere.
    pub to: Option<TimelineKey>,
    /// Which way.
    pub direction: Direction,
    /// At most so many events.
    pub limit: usize,
}

/// A page of history.
#[derive(Debug, Default)]
pub struct Page {
    /// The events, in the order in which the page was read.
    pub events: Vec<EventIdx>,
    /// Where the next page begins; `None` when there is nothing further.
    pub end: Option<TimelineKey>,
}

/// The place just after an event.
pub const fn after(key: TimelineKey) -> TimelineKey {
    match key.index.checked_add(1) {
        Some(index) => TimelineKey {
            segment: key.segment,
            index,
        },
        None => TimelineKey {
            segment: key.segment.saturating_add(1),
            index: 0,
        },
    }
}

/// How many rows a page reads at most, shown or not.
pub(crate) const MAX_ROWS_READ: usize = 2000;

impl Presenter<'_> {
    /// Reads a page of what the reader may see and `wanted` lets through, less what ignored users
    /// sent.
    pub fn page(
        &self,
        request: PageRequest,
        wanted: impl Fn(&SharedEvent) -> Result<bool, RoomError>,
    ) -> Result<Page, RoomError> {
        let mut page = Page::default();
        for (read, row) in self.rows(request).enumerate() {
            let (key, entry) = row?;
            if page.events.len() == request.limit || read == MAX_ROWS_READ {
                // The row just read is the first of the next page.
                page.end = Some(match request.direction {
                    Direction::Backward => after(key),
                    Direction::Forward => key,
                });
                break;
            }
            let status = self.status(entry.event)?;
            if !self.visibility().allows(entry.event, &status)? {
                continue;
            }
            let shared = self.shared(entry.event, &status)?;
            if !self.is_ignored(&shared)? && wanted(&shared)? {
                page.events.push(entry.event);
            }
        }
        Ok(page)
    }

    fn rows(
        &self,
        request: PageRequest,
    ) -> Box<dyn Iterator<Item = Result<(TimelineKey, TimelineEntry), RoomError>> + '_> {
        let (low, high) = match request.direction {
            Direction::Backward => (request.to.unwrap_or(TimelineKey::MIN), request.from),
            Direction::Forward => (request.from, request.to.unwrap_or(TimelineKey::MAX)),
        };
        if low >= high {
            return Box::new(std::iter::empty());
        }
        let room = self.room();
        let rows = self
            .view()
            .range(&TIMELINE, &(room, low), &(room, high), request.direction);
        Box::new(rows.map(|row| row.map(|((_, key), e)| (key, e)).map_err(RoomError::from)))
    }

    /// An event with its status, if the reader may see it.
    ///
    /// # Errors
    /// [`RoomError::UnknownEvent`] when it is not there or may not be seen.
    pub fn visible(&self, idx: EventIdx) -> Result<Arc<EventStatus>, RoomError> {
        let status = self.status(idx)?;
        let shown = status.timeline.is_some() && self.visibility().allows(idx, &status)?;
        if shown {
            Ok(status)
        } else {
            Err(RoomError::UnknownEvent)
        }
    }
}

/// The place just after all that came in live up to a position: what a sync token means to
/// `/messages`.
pub fn place_of_position(
    view: &View,
    room: RoomNum,
    position: Position,
) -> Result<TimelineKey, RoomError> {
    let end = (room, position.next().unwrap_or(position));
    let last = view
        .range(&LIVE_EVENTS, &(room,), &end, Direction::Backward)
        .next()
        .transpose()?;
    Ok(last.map_or(TimelineKey::MIN, |(_, live)| after(live.timeline)))
}

/// What is known of an event.
pub(crate) fn status(view: &View, room: RoomNum, idx: EventIdx) -> Result<EventStatus, RoomError> {
    let status = view.get(&EVENT_STATUS, &(room, idx))?;
    status.ok_or(RoomError::Inconsistent("event without status"))
}
