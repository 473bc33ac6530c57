//! Numbers that stand for names inside this process, and positions in its orders.
//!
//! Names (room ids, user ids, event types, state keys) are interned once and then carried as small
//! integers. A number is never used again for another name and never leaves the process except
//! inside an opaque token.

use std::fmt;

/// Declares a number newtype with big-endian key bytes.
macro_rules! number {
    ($(#[$doc:meta])* $name:ident($int:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $int);

        impl $name {
            /// The bytes in which numeric order is byte order.
            pub const fn to_be_bytes(self) -> [u8; size_of::<$int>()] {
                self.0.to_be_bytes()
            }

            /// The number after this one, or `None` when all are used up.
            pub const fn next(self) -> Option<Self> {
                match self.0.checked_add(1) {
                    Some(n) => Some(Self(n)),
                    None => None,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A room, interned from its room id.
    RoomNum(u32)
}
number! {
    /// A user of any server, interned from the user id.
    UserNum(u32)
}
number! {
    /// A homeserver, interned from its server name.
    ServerNum(u32)
}
number! {
    /// A device of one user; dense per user, never reused after the device is gone.
    DeviceNum(u32)
}
number! {
    /// A state event type, interned.
    TypeNum(u32)
}
number! {
    /// A state key, dense per room.
    StateKeyNum(u32)
}
number! {
    /// An event within its room, dense, in the order of arrival here: identity, never order.
    EventIdx(u32)
}
number! {
    /// A node of a room's state trees. Zero is the empty tree.
    NodeNum(u32)
}
number! {
    /// A place in the one ordered log. The first batch of a database has position 1.
    Position(u64)
}

/// An event of any room: identity, never order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventNum {
    /// The room that the event is in.
    pub room: RoomNum,
    /// The event within that room.
    pub idx: EventIdx,
}

/// A place in a room's one timeline order; byte order is timeline order.
///
/// Live events append to the newest segment. A gap that is not filled opens a new segment 2³²
/// higher, and a chunk of history takes the free segment below the one it was asked from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TimelineKey {
    /// The run of events without a known gap.
    pub segment: u64,
    /// The place within the segment.
    pub index: u32,
}

impl TimelineKey {
    /// How far apart the segments of two live runs lie, so that history fits between them.
    pub const SEGMENT_STEP: u64 = 1 << 32;

    /// Where the first event of a room stands: half of the number space is free below it.
    pub const FIRST: Self = Self {
        segment: 1 << 63,
        index: 0,
    };

    /// Below every event.
    pub const MIN: Self = Self {
        segment: 0,
        index: 0,
    };

    /// Above every event.
    pub const MAX: Self = Self {
        segment: u64::MAX,
        index: u32::MAX,
    };
}
