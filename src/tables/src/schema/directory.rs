//! Names that lead to rooms, and the published rooms.

use bytes::Bytes;
use heliograph_core::ids::{RoomNum, UserNum};

use crate::{
    codec::{Corrupt, Encoder, Field, Plain, Tail, Value, end, format},
    table::{AnyTable, Family, Table},
};

/// Where an alias of this server leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alias {
    /// The room.
    pub room: RoomNum,
    /// Who made the alias.
    pub creator: UserNum,
}

impl Value for Alias {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8).field(&self.room).field(&self.creator);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let from = &mut from;
        let alias = Self {
            room: Field::take(from)?,
            creator: Field::take(from)?,
        };
        end(from)?;
        Ok(alias)
    }
}

/// Aliases of this server, whole.
pub const ALIASES: Table<Tail, Alias> = Table::new("aliases", Family::Index, 0x0420);
/// The aliases of each room.
pub const ROOM_ALIASES: Table<(RoomNum, Tail), Plain<()>> =
    Table::new("room_aliases", Family::Index, 0x0421);
/// The rooms in the published directory.
pub const PUBLISHED_ROOMS: Table<RoomNum, Plain<()>> =
    Table::new("published_rooms", Family::Index, 0x0422);

pub(super) const DIRECTORY_TABLES: &[&dyn AnyTable] = &[&ALIASES, &ROOM_ALIASES, &PUBLISHED_ROOMS];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_alias_is_read_as_it_was_written(room: u32, creator: u32) {
            let alias = Alias { room: RoomNum(room), creator: UserNum(creator) };
            let mut out = Encoder::new();
            alias.encode(&mut out);
            prop_assert_eq!(Alias::decode(out.finish().0.into()), Ok(alias));
        }
    }
}
