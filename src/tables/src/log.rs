//! The ordered log: at each position, small typed records of what changed; numbers, never bytes
//! of events.

use std::sync::Arc;

use bytes::Bytes;
use heliograph_core::ids::{DeviceNum, EventIdx, RoomNum, TimelineKey, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Value, end, format},
    store::LogEntry,
};

/// Something that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A live event has its place in the timeline.
    Event {
        /// The room.
        room: RoomNum,
        /// The event.
        event: EventIdx,
        /// Its place.
        timeline: TimelineKey,
        /// Who sent it.
        sender: UserNum,
    },
    /// The current state of a room is not what it was, by an event or by a merge of forks.
    CurrentState {
        /// The room.
        room: RoomNum,
    },
    /// A local user's membership row changed.
    Membership {
        /// The room.
        room: RoomNum,
        /// The user.
        user: UserNum,
    },
    /// A receipt moved.
    Receipt {
        /// The room.
        room: RoomNum,
        /// Whose receipt.
        user: UserNum,
        /// Whether only the user may see it.
        private: bool,
    },
    /// Account data changed.
    AccountData {
        /// The user.
        user: UserNum,
        /// The room, unless it is global.
        room: Option<RoomNum>,
    },
    /// A profile changed.
    ProfileChanged {
        /// The user.
        user: UserNum,
    },
    /// A user's devices changed.
    DevicesChanged {
        /// The user.
        user: UserNum,
    },
    /// A device is gone; its requests that wait end.
    DeviceRemoved {
        /// The user.
        user: UserNum,
        /// The device.
        device: DeviceNum,
    },
    /// A room was published in the directory, or taken out.
    Published {
        /// The room.
        room: RoomNum,
    },
    /// An event was redacted; what was made from it is stale.
    Redacted {
        /// The room.
        room: RoomNum,
        /// The event that lost its content.
        event: EventIdx,
    },
}

impl Field for Record {
    fn put(&self, out: &mut Encoder) {
        match self {
            Self::Event {
                room,
                event,
                timeline,
                sender,
            } => {
                out.field(&1u8)
                    .field(room)
                    .field(event)
                    .field(timeline)
                    .field(sender);
            }
            Self::CurrentState { room } => {
                out.field(&2u8).field(room);
            }
            Self::Membership { room, user } => {
                out.field(&3u8).field(room).field(user);
            }
            Self::Receipt {
                room,
                user,
                private,
            } => {
                out.field(&4u8).field(room).field(user).field(private);
            }
            Self::AccountData { user, room } => {
                out.field(&5u8).field(user).field(room);
            }
            Self::ProfileChanged { user } => {
                out.field(&6u8).field(user);
            }
            Self::DevicesChanged { user } => {
                out.field(&7u8).field(user);
            }
            Self::DeviceRemoved { user, device } => {
                out.field(&8u8).field(user).field(device);
            }
            Self::Published { room } => {
                out.field(&10u8).field(room);
            }
            Self::Redacted { room, event } => {
                out.field(&9u8).field(room).field(event);
            }
        }
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(match u8::take(from)? {
            1 => Self::Event {
                room: Field::take(from)?,
                event: Field::take(from)?,
                timeline: Field::take(from)?,
                sender: Field::take(from)?,
            },
            2 => Self::CurrentState {
                room: Field::take(from)?,
            },
            3 => Self::Membership {
                room: Field::take(from)?,
                user: Field::take(from)?,
            },
            4 => Self::Receipt {
                room: Field::take(from)?,
                user: Field::take(from)?,
                private: Field::take(from)?,
            },
            5 => Self::AccountData {
                user: Field::take(from)?,
                room: Field::take(from)?,
            },
            6 => Self::ProfileChanged {
                user: Field::take(from)?,
            },
            7 => Self::DevicesChanged {
                user: Field::take(from)?,
            },
            8 => Self::DeviceRemoved {
                user: Field::take(from)?,
                device: Field::take(from)?,
            },
            9 => Self::Redacted {
                room: Field::take(from)?,
                event: Field::take(from)?,
            },
            10 => Self::Published {
                room: Field::take(from)?,
            },
            _ => return Err(Corrupt("unknown log record")),
        })
    }
}

/// All records at one position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry(pub Arc<[Record]>);

impl Value for Entry {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8);
        for record in self.0.iter() {
            out.field(record);
        }
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let mut records = Vec::new();
        while !from.is_empty() {
            records.push(Record::take(&mut from)?);
        }
        end(&from)?;
        Ok(Self(records.into()))
    }
}

/// What a consumer of the log gets.
#[derive(Clone, Debug)]
pub enum Read {
    /// The next entries, without a gap; none when there is nothing newer.
    Entries(Vec<LogEntry>),
    /// The log was trimmed past the place asked for: catch up from the permanent indexes.
    Trimmed,
}
