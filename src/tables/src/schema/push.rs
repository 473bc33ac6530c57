//! Unread counts, as far as they were counted.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#receiving-notifications>
//!
//! A cache: what is not here is counted again from the timeline.

use bytes::Bytes;
use heliograph_core::ids::{EventIdx, Position, RoomNum, TimelineKey, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Value, end, format},
    table::{AnyTable, Family, Table},
};

/// How many events notify, and how many of them are highlighted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Notifications.
    pub notifications: u32,
    /// Highlights among them.
    pub highlights: u32,
}

impl Tally {
    /// Counts one notification more.
    pub const fn add(&mut self, highlight: bool) {
        self.notifications = self.notifications.saturating_add(1);
        if highlight {
            self.highlights = self.highlights.saturating_add(1);
        }
    }

    /// Both together.
    #[must_use]
    pub const fn plus(self, other: Self) -> Self {
        Self {
            notifications: self.notifications.saturating_add(other.notifications),
            highlights: self.highlights.saturating_add(other.highlights),
        }
    }
}

impl Field for Tally {
    fn put(&self, out: &mut Encoder) {
        out.field(&self.notifications).field(&self.highlights);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self {
            notifications: Field::take(from)?,
            highlights: Field::take(from)?,
        })
    }
}

/// An unread notification that is still kept by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnreadEvent {
    /// Its place.
    pub place: TimelineKey,
    /// The event.
    pub event: EventIdx,
    /// Which of the threads it is in, by its number in the row.
    pub thread: u32,
    /// Whether it is highlighted.
    pub highlight: bool,
}

impl Field for UnreadEvent {
    fn put(&self, out: &mut Encoder) {
        out.field(&self.place)
            .field(&self.event)
            .field(&self.thread)
            .field(&self.highlight);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self {
            place: Field::take(from)?,
            event: Field::take(from)?,
            thread: Field::take(from)?,
            highlight: Field::take(from)?,
        })
    }
}

/// What is known of a thread, or of the main timeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadThread {
    /// `main`, or the event id of the thread's root.
    pub id: Box<str>,
    /// Up to where it is read by its own receipts.
    pub read: Option<TimelineKey>,
    /// Its notifications that are no longer kept by themselves.
    pub folded: Tally,
}

impl Field for UnreadThread {
    fn put(&self, out: &mut Encoder) {
        out.field(&self.id).field(&self.read).field(&self.folded);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self {
            id: Field::take(from)?,
            read: Field::take(from)?,
            folded: Field::take(from)?,
        })
    }
}

/// What one user has not read of one room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnreadRoom {
    /// What it was counted by: a hash of the rules, of who is ignored, and of the time of joining.
    pub basis: u64,
    /// The room head's count of rewrites as far as it is taken in.
    pub rewrites: u32,
    /// Redactions that came up to this position are taken in.
    pub rewrites_at: Position,
    /// All live events up to this position are counted.
    pub counted_to: Position,
    /// When the counts last changed, or a little later.
    pub changed: Position,
    /// Up to where everything is read by receipts without a thread.
    pub read: Option<TimelineKey>,
    /// Notifications up to this place are no longer kept by themselves.
    pub folded_to: Option<TimelineKey>,
    /// The main timeline first, then threads with something unread.
    pub threads: Vec<UnreadThread>,
    /// The newest unread notifications, oldest first.
    pub unread: Vec<UnreadEvent>,
}

impl Value for UnreadRoom {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.basis)
            .field(&self.rewrites)
            .field(&self.rewrites_at)
            .field(&self.counted_to)
            .field(&self.changed)
            .field(&self.read)
            .field(&self.folded_to)
            .field(&self.threads)
            .field(&self.unread);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let room = Self {
            basis: Field::take(from)?,
            rewrites: Field::take(from)?,
            rewrites_at: Field::take(from)?,
            counted_to: Field::take(from)?,
            changed: Field::take(from)?,
            read: Field::take(from)?,
            folded_to: Field::take(from)?,
            threads: Field::take(from)?,
            unread: Field::take(from)?,
        };
        end(from)?;
        Ok(room)
    }
}

/// What each user has not read of each room, written now and then.
pub const UNREAD_ROOMS: Table<(UserNum, RoomNum), UnreadRoom> =
    Table::new("unread_rooms", Family::Accounts, 0x0720);

pub(super) const PUSH_TABLES: &[&dyn AnyTable] = &[&UNREAD_ROOMS];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::testing::round_trip, *};

    fn place() -> impl Strategy<Value = TimelineKey> {
        (any::<u64>(), any::<u32>()).prop_map(|(segment, index)| TimelineKey { segment, index })
    }

    fn tally() -> impl Strategy<Value = Tally> {
        (any::<u32>(), any::<u32>()).prop_map(|(notifications, highlights)| Tally {
            notifications,
            highlights,
        })
    }

    fn thread() -> impl Strategy<Value = UnreadThread> {
        (".{0,20}", prop::option::of(place()), tally()).prop_map(|(id, read, folded)| {
            UnreadThread {
                id: id.into(),
                read,
                folded,
            }
        })
    }

    fn event() -> impl Strategy<Value = UnreadEvent> {
        (place(), any::<u32>(), any::<u32>(), any::<bool>()).prop_map(
            |(place, event, thread, highlight)| UnreadEvent {
                place,
                event: EventIdx(event),
                thread,
                highlight,
            },
        )
    }

    proptest! {
        #[test]
        fn rows_round_trip(
            (user, room, basis, rewrites) in any::<(u32, u32, u64, u32)>(),
            // The largest position is that of a batch without one.
            (counted_to, changed, rewrites_at) in (0..u64::MAX, 0..u64::MAX, 0..u64::MAX),
            read in prop::option::of(place()),
            folded_to in prop::option::of(place()),
            threads in prop::collection::vec(thread(), 0..4),
            unread in prop::collection::vec(event(), 0..4),
        ) {
            let row = UnreadRoom {
                basis,
                rewrites,
                rewrites_at: Position(rewrites_at),
                counted_to: Position(counted_to),
                changed: Position(changed),
                read,
                folded_to,
                threads,
                unread,
            };
            round_trip(&UNREAD_ROOMS, &(UserNum(user), RoomNum(room)), &row);
        }
    }
}
