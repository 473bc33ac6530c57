//! The event nearest to a moment.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#get_matrixclientv1roomsroomidtimestamp_to_event>
//!
//! There is no index of times: the timeline, which is nearly in their order, is searched by halves.
//! A clock that lies misleads one probe only where most of its neighbours lie too; the neighbourhood
//! of where the search ends is then looked through, and the nearest time in it counts.

use heliograph_core::ids::{EventIdx, TimelineKey};
use heliograph_tables::{
    Direction,
    schema::{TIMELINE, TimelineEntry},
};

use crate::{RoomError, after, history::MAX_ROWS_READ, serving::Presenter};

/// Events whose middle time stands for a place.
const EVENTS_A_PROBE: usize = 3;
/// Events on the near side of where the search ended that are looked at: their clocks may be wrong.
const NEIGHBOURS: usize = 50;
/// Events looked at after one that would do, for one that is nearer.
const MORE: usize = 50;

/// The event nearest to a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nearest {
    /// The event.
    pub event: EventIdx,
    /// Its time by its server's clock, milliseconds since the Unix epoch.
    pub origin_server_ts: u64,
}

impl Presenter<'_> {
    /// The event that the reader may see with the time nearest to `ts`, at or after it forward, at
    /// or before it backward.
    pub fn nearest_to(&self, ts: u64, direction: Direction) -> Result<Option<Nearest>, RoomError> {
        let middle = self.first_not_before(ts)?;
        let against = match direction {
            Direction::Forward => Direction::Backward,
            Direction::Backward => Direction::Forward,
        };
        let mut best: Option<Nearest> = None;
        for row in self.places_from(middle, against).take(NEIGHBOURS) {
            best = self.nearer(best, row?.1, ts, direction)?;
        }
        let mut more = MORE;
        for row in self.places_from(middle, direction).take(MAX_ROWS_READ) {
            best = self.nearer(best, row?.1, ts, direction)?;
            if best.is_some() {
                more = more.saturating_sub(1);
            }
            if more == 0 {
                break;
            }
        }
        Ok(best)
    }

    /// The nearer one of the best so far and of an event, if that one counts.
    fn nearer(
        &self,
        best: Option<Nearest>,
        entry: TimelineEntry,
        ts: u64,
        direction: Direction,
    ) -> Result<Option<Nearest>, RoomError> {
        let status = self.status(entry.event)?;
        let time = self.shared(entry.event, &status)?.origin_server_ts;
        let is_there = match direction {
            Direction::Forward => time >= ts,
            Direction::Backward => time <= ts,
        };
        let is_nearer = best.is_none_or(|b| b.origin_server_ts.abs_diff(ts) > time.abs_diff(ts));
        if is_there && is_nearer && self.visibility().allows(entry.event, &status)? {
            return Ok(Some(Nearest {
                event: entry.event,
                origin_server_ts: time,
            }));
        }
        Ok(best)
    }

    /// The events from a place on, in one direction.
    fn places_from(
        &self,
        place: TimelineKey,
        direction: Direction,
    ) -> impl Iterator<Item = Result<(TimelineKey, TimelineEntry), RoomError>> {
        let (low, high) = match direction {
            Direction::Forward => (place, TimelineKey::MAX),
            Direction::Backward => (TimelineKey::MIN, place),
        };
        let rows = self.view().range(
            &TIMELINE,
            &(self.room(), low),
            &(self.room(), high),
            direction,
        );
        rows.map(|row| row.map(|((_, key), e)| (key, e)).map_err(RoomError::from))
    }

    /// The place before which times are below `ts`, as far as times are in order.
    fn first_not_before(&self, ts: u64) -> Result<TimelineKey, RoomError> {
        let edge = |direction| self.view().end(&TIMELINE, &(self.room(),), direction);
        let (Some(((_, first), _)), Some(((_, last), _))) =
            (edge(Direction::Forward)?, edge(Direction::Backward)?)
        else {
            return Ok(TimelineKey::MIN);
        };
        let (mut low, mut high) = (number(first), number(after(last)));
        while low < high {
            let middle = low.midpoint(high);
            match self.probe(place(middle))? {
                // All events before the probed ones, and they, are too early.
                Some((at, time)) if time < ts => low = number(after(at)).max(middle + 1),
                _ => high = middle,
            }
        }
        Ok(place(low))
    }

    /// The place of the first event at or after one, and the middle time of some from there on.
    fn probe(&self, from: TimelineKey) -> Result<Option<(TimelineKey, u64)>, RoomError> {
        let (mut at, mut times) = (None, Vec::with_capacity(EVENTS_A_PROBE));
        for row in self
            .places_from(from, Direction::Forward)
            .take(EVENTS_A_PROBE)
        {
            let (key, entry) = row?;
            at = at.or(Some(key));
            let status = self.status(entry.event)?;
            times.push(self.shared(entry.event, &status)?.origin_server_ts);
        }
        times.sort_unstable();
        let middle = times.get(times.len() / 2).copied();
        Ok(at.zip(middle))
    }
}

/// A place as a number in the same order.
fn number(place: TimelineKey) -> u128 {
    (u128::from(place.segment) << u32::BITS) | u128::from(place.index)
}

/// The place with a number.
fn place(number: u128) -> TimelineKey {
    TimelineKey {
        segment: u64::try_from(number >> u32::BITS).unwrap_or(u64::MAX),
        index: u32::try_from(number & u128::from(u32::MAX)).unwrap_or(u32::MAX),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_are_places_in_the_same_order(a: (u64, u32), b: (u64, u32)) {
            let key = |(segment, index)| TimelineKey { segment, index };
            let (a, b) = (key(a), key(b));
            prop_assert_eq!(place(number(a)), a);
            prop_assert_eq!(number(a).cmp(&number(b)), a.cmp(&b));
        }
    }
}
