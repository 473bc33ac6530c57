//! What rooms and users have to do with each other: memberships and receipts.

use bytes::Bytes;
use heliograph_core::ids::{EventIdx, Position, RoomNum, TimelineKey, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Plain, Value, end, format, format_up_to},
    table::{AnyTable, Family, Table},
};

/// The `membership` of an `m.room.member` event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Membership {
    /// `join`
    Join,
    /// `invite`
    Invite,
    /// `knock`
    Knock,
    /// `leave`
    Leave,
    /// `ban`
    Ban,
}

impl Membership {
    /// The spec's word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Invite => "invite",
            Self::Knock => "knock",
            Self::Leave => "leave",
            Self::Ban => "ban",
        }
    }

    /// The membership with the spec's word.
    pub fn parse(word: &str) -> Option<Self> {
        [
            Self::Join,
            Self::Invite,
            Self::Knock,
            Self::Leave,
            Self::Ban,
        ]
        .into_iter()
        .find(|m| m.as_str() == word)
    }

    /// The byte it is stored as.
    pub const fn to_byte(self) -> u8 {
        match self {
            Self::Join => 1,
            Self::Invite => 2,
            Self::Knock => 3,
            Self::Leave => 4,
            Self::Ban => 5,
        }
    }

    /// The membership stored as a byte.
    pub fn from_byte(byte: u8) -> Option<Self> {
        [
            Self::Join,
            Self::Invite,
            Self::Knock,
            Self::Leave,
            Self::Ban,
        ]
        .into_iter()
        .find(|m| m.to_byte() == byte)
    }
}

impl Field for Membership {
    fn put(&self, out: &mut Encoder) {
        self.to_byte().put(out);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Self::from_byte(u8::take(from)?).ok_or(Corrupt("membership"))
    }
}

/// A local user's standing in a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserRoom {
    /// The membership in the current state.
    pub membership: Membership,
    /// The member event.
    pub event: EventIdx,
    /// When it became so.
    pub position: Position,
    /// Where the user last ceased to be joined: up to there the room may be read by one who left.
    /// `None` while joined, and for users who never were.
    pub joined_until: Option<(EventIdx, TimelineKey)>,
    /// Whether the user forgot the room.
    pub forgotten: bool,
    /// Since when the user is joined, whatever member events came since. `None` while not joined,
    /// and in rows that were written before this was kept.
    pub joined_since: Option<Position>,
}

impl Value for UserRoom {
    fn encode(&self, out: &mut Encoder) {
        out.field(&2u8)
            .field(&self.membership)
            .field(&self.event)
            .field(&self.position)
            .field(&self.joined_until)
            .field(&self.forgotten)
            .field(&self.joined_since);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        let format = format_up_to(&mut from, 2)?;
        let from = &mut from;
        let room = Self {
            membership: Field::take(from)?,
            event: Field::take(from)?,
            position: Field::take(from)?,
            joined_until: Field::take(from)?,
            forgotten: Field::take(from)?,
            joined_since: match format {
                1 => None,
                _ => Field::take(from)?,
            },
        };
        end(from)?;
        Ok(room)
    }
}

/// A receipt of one user.
///
/// <https://spec.matrix.org/v1.19/client-server-api/#receipts>
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The event up to which the user has read.
    pub event_id: Box<str>,
    /// When the receipt was sent, milliseconds since the Unix epoch.
    pub ts: u64,
    /// When it came in.
    pub position: Position,
}

impl Value for Receipt {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8)
            .field(&self.event_id)
            .field(&self.ts)
            .field(&self.position);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let receipt = Self {
            event_id: Field::take(from)?,
            ts: Field::take(from)?,
            position: Field::take(from)?,
        };
        end(from)?;
        Ok(receipt)
    }
}

/// Every room that a local user has to do with.
pub const USER_ROOMS: Table<(UserNum, RoomNum), UserRoom> =
    Table::new("user_rooms", Family::Index, 0x0501);
/// (Room, user, receipt type, thread or empty) → where the receipt stands.
pub const RECEIPTS: Table<(RoomNum, UserNum, Box<str>, Box<str>), Receipt> =
    Table::new("receipts", Family::Index, 0x0502);
/// (Room, position, user, receipt type, thread or empty).
pub type ReceiptByPosition = (RoomNum, Position, UserNum, Box<str>, Box<str>);
/// Receipts of a room in the order in which they came.
pub const RECEIPTS_BY_POSITION: Table<ReceiptByPosition, Plain<()>> =
    Table::new("receipts_by_position", Family::Index, 0x0503);
/// Users of this server whose accounts were ended and who asked to be erased → when they did.
pub const ERASURES: Table<UserNum, Plain<Position>> = Table::new("erasures", Family::Index, 0x0710);
/// (Room, user): guests of this server who are joined.
pub const GUESTS_OF_ROOMS: Table<(RoomNum, UserNum), Plain<()>> =
    Table::new("guests_of_rooms", Family::Index, 0x0620);

pub(super) const USER_TABLES: &[&dyn AnyTable] = &[
    &USER_ROOMS,
    &RECEIPTS,
    &RECEIPTS_BY_POSITION,
    &ERASURES,
    &GUESTS_OF_ROOMS,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::testing::round_trip;

    fn user_room(joined_since: Option<Position>) -> UserRoom {
        UserRoom {
            membership: Membership::Join,
            event: EventIdx(3),
            position: Position(4),
            joined_until: Some((EventIdx(1), TimelineKey::FIRST)),
            forgotten: true,
            joined_since,
        }
    }

    #[test]
    fn standings_round_trip_and_are_read_as_they_once_were_written() {
        let key = (UserNum(1), RoomNum(2));
        for since in [None, Some(Position(2))] {
            round_trip(&USER_ROOMS, &key, &user_room(since));
        }
        let mut out = Encoder::new();
        user_room(None).encode(&mut out);
        let mut old = out.into_bytes();
        old.pop();
        old[0] = 1;
        assert_eq!(UserRoom::decode(old.into()).unwrap(), user_room(None));
    }

    #[test]
    fn erasures_round_trip() {
        for number in [0, 1, u32::MAX] {
            let position = Plain(Position(u64::from(number)));
            round_trip(&ERASURES, &UserNum(number), &position);
        }
    }

    #[test]
    fn guests_of_rooms_round_trip() {
        for key in [(0, 1), (1, 0), (u32::MAX, u32::MAX)] {
            let key = (RoomNum(key.0), UserNum(key.1));
            let encoded = GUESTS_OF_ROOMS.key(&key).0;
            assert_eq!(GUESTS_OF_ROOMS.decode_key(encoded.into()).unwrap(), key);
        }
    }
}
