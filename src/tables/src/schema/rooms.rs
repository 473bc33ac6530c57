//! Rooms: their heads and their timelines.

use bytes::Bytes;
use heliograph_core::ids::{
    EventIdx, NodeNum, Position, RoomNum, StateKeyNum, TimelineKey, UserNum,
};

use super::StateRoot;
use crate::{
    codec::{Corrupt, Encoder, Field, UNSTAMPED, Value, end, format, format_up_to},
    table::{AnyTable, Family, Table},
};

/// What never changes about a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomInfo {
    /// The room version's name.
    pub version: Box<str>,
    /// Who sent the create event.
    pub creator: UserNum,
    /// The create event.
    pub create: EventIdx,
}

impl Value for RoomInfo {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.version)
            .field(&self.creator)
            .field(&self.create);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let info = Self {
            version: Field::take(from)?,
            creator: Field::take(from)?,
            create: Field::take(from)?,
        };
        end(from)?;
        Ok(info)
    }
}

/// Where a room stands after the batch at one position; drives sync and membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoomHead {
    /// The forward extremities, in the order of their numbers.
    pub extremities: Vec<EventIdx>,
    /// The *current* state: resolved over all extremities.
    pub state: StateRoot,
    /// The newest place given in the timeline.
    pub newest: TimelineKey,
    /// The greatest depth among the extremities.
    pub depth: u64,
    /// The number of joined members in the current state.
    pub joined: u32,
    /// The number of invited members in the current state.
    pub invited: u32,
    /// The next free event number.
    pub next_event: EventIdx,
    /// The next free tree node number.
    pub next_node: NodeNum,
    /// The next free state key number.
    pub next_state_key: StateKeyNum,
    /// The position at which the current state last changed.
    pub state_changed: Position,
    /// How often the status of an event that was known has changed: as long as it stays, so do
    /// all statuses of the room.
    pub rewrites: u32,
}

impl RoomHead {
    /// Replaces what a batch has stamped by the position that it was given.
    pub fn settle(&mut self, position: Position) {
        if self.state_changed == UNSTAMPED {
            self.state_changed = position;
        }
    }
}

impl Value for RoomHead {
    fn encode(&self, out: &mut Encoder) {
        out.field(&2u8)
            .field(&self.extremities)
            .field(&self.state)
            .field(&self.newest)
            .field(&self.depth)
            .field(&self.joined)
            .field(&self.invited)
            .field(&self.next_event)
            .field(&self.next_node)
            .field(&self.next_state_key)
            .field(&self.state_changed)
            .field(&self.rewrites);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        let format = format_up_to(&mut from, 2)?;
        let from = &mut from;
        let head = Self {
            extremities: Field::take(from)?,
            state: Field::take(from)?,
            newest: Field::take(from)?,
            depth: Field::take(from)?,
            joined: Field::take(from)?,
            invited: Field::take(from)?,
            next_event: Field::take(from)?,
            next_node: Field::take(from)?,
            next_state_key: Field::take(from)?,
            state_changed: Field::take(from)?,
            rewrites: match format {
                1 => 0,
                _ => Field::take(from)?,
            },
        };
        end(from)?;
        Ok(head)
    }
}

/// One event of a timeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimelineEntry {
    /// The event.
    pub event: EventIdx,
    /// Whether it is a state event.
    pub state: bool,
    /// Whether it came in live, so that incremental syncs deliver it.
    pub live: bool,
}

impl Value for TimelineEntry {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.event)
            .field(&self.state)
            .field(&self.live);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let entry = Self {
            event: Field::take(from)?,
            state: Field::take(from)?,
            live: Field::take(from)?,
        };
        end(from)?;
        Ok(entry)
    }
}

/// Marks of a live event that are told without reading it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveMarks(u8);

impl LiveMarks {
    /// Nothing is told.
    pub const NONE: Self = Self(0);
    /// An `m.room.message` that is no `m.notice`, has no state key, mentions nobody and relates to
    /// nothing.
    pub const PLAIN: Self = Self(1);
    /// It relates to another event by a `rel_type`.
    pub const RELATES: Self = Self(2);
    /// It is a redaction.
    pub const REDACTION: Self = Self(4);
    /// It was redacted.
    pub const REDACTED: Self = Self(8);
    /// The state before it is not the room's *current* state when it came.
    pub const APART: Self = Self(16);
    const ALL: u8 = 31;

    /// Whether all of some marks are there.
    pub const fn has(self, marks: Self) -> bool {
        self.0 & marks.0 == marks.0
    }

    /// These marks and others.
    #[must_use]
    pub const fn with(self, marks: Self) -> Self {
        Self(self.0 | marks.0)
    }

    /// The same if a condition holds.
    #[must_use]
    pub const fn with_if(self, condition: bool, marks: Self) -> Self {
        if condition { self.with(marks) } else { self }
    }
}

/// What is told of a live event without reading it: what unread counts ask first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveFacts {
    /// Who sent it.
    pub sender: UserNum,
    /// What kind of event it is.
    pub marks: LiveMarks,
}

impl Field for LiveFacts {
    fn put(&self, out: &mut Encoder) {
        out.field(&self.sender).field(&self.marks.0);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        let sender = Field::take(from)?;
        let marks = u8::take(from)?;
        if marks > LiveMarks::ALL {
            return Err(Corrupt("marks of a live event"));
        }
        Ok(Self {
            sender,
            marks: LiveMarks(marks),
        })
    }
}

/// One event that came in live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LiveEvent {
    /// Its place in the timeline.
    pub timeline: TimelineKey,
    /// The event.
    pub event: EventIdx,
    /// Whether it is a state event.
    pub state: bool,
    /// The room's *current* state when it came, without it.
    pub state_before: StateRoot,
    /// What is told of it without reading it; not in rows that were written before this was kept.
    pub facts: Option<LiveFacts>,
}

impl Value for LiveEvent {
    fn encode(&self, out: &mut Encoder) {
        out.field(&2u8)
            .field(&self.timeline)
            .field(&self.event)
            .field(&self.state)
            .field(&self.state_before)
            .field(&self.facts);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        let format = format_up_to(&mut from, 2)?;
        let from = &mut from;
        let live = Self {
            timeline: Field::take(from)?,
            event: Field::take(from)?,
            state: Field::take(from)?,
            state_before: Field::take(from)?,
            facts: match format {
                1 => None,
                _ => Field::take(from)?,
            },
        };
        end(from)?;
        Ok(live)
    }
}

/// What never changes about each room.
pub const ROOMS: Table<RoomNum, RoomInfo> = Table::new("rooms", Family::Index, 0x0401);
/// (Room, position) → where the room stood; the last row is where it stands.
pub const ROOM_HEADS: Table<(RoomNum, Position), RoomHead> =
    Table::new("room_heads", Family::Index, 0x0402);
/// The one timeline order of each room.
pub const TIMELINE: Table<(RoomNum, TimelineKey), TimelineEntry> =
    Table::new("timeline", Family::Index, 0x0403);
/// (Room, position, place within the batch): live events in the order in which they came, which
/// is also their order in the timeline.
pub const LIVE_EVENTS: Table<(RoomNum, Position, u16), LiveEvent> =
    Table::new("live_events", Family::Index, 0x0404);

pub(super) const ROOM_TABLES: &[&dyn AnyTable] = &[&ROOMS, &ROOM_HEADS, &TIMELINE, &LIVE_EVENTS];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::testing::round_trip;

    fn live(facts: Option<LiveFacts>) -> LiveEvent {
        LiveEvent {
            timeline: TimelineKey::FIRST,
            event: EventIdx(1),
            state: true,
            state_before: StateRoot::EMPTY,
            facts,
        }
    }

    #[test]
    fn live_events_round_trip_and_are_read_as_they_once_were_written() {
        let key = (RoomNum(1), Position(2), 3);
        for marks in 0..=LiveMarks::ALL {
            let facts = LiveFacts {
                sender: UserNum(9),
                marks: LiveMarks(marks),
            };
            round_trip(&LIVE_EVENTS, &key, &live(Some(facts)));
        }
        round_trip(&LIVE_EVENTS, &key, &live(None));
        let mut out = Encoder::new();
        live(None).encode(&mut out);
        let mut old = out.into_bytes();
        old.pop();
        old[0] = 1;
        assert_eq!(LiveEvent::decode(old.into()).unwrap(), live(None));
    }
}
