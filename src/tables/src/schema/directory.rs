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

/// A word by which a user is found; as a key in the order of words. It ends with a byte that is no
/// part of a word, and the number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserWord {
    /// The word, in small letters.
    pub word: Box<str>,
    /// Who is found by it.
    pub user: UserNum,
}

impl Field for UserWord {
    fn put(&self, out: &mut Encoder) {
        Tail(self.word.clone()).put(out);
        out.field(&0u8).field(&self.user);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        /// Bytes after the word.
        const END: usize = 5;
        let len = from.len().checked_sub(END).ok_or(Corrupt("length"))?;
        let Tail(word) = Tail::take(&mut from.split_to(len))?;
        if u8::take(from)? != 0 {
            return Err(Corrupt("the end of a word"));
        }
        Ok(Self {
            word,
            user: Field::take(from)?,
        })
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

/// Rooms that everybody may come into, or read: whoever is in one is found by everybody.
pub const PUBLIC_ROOMS: Table<RoomNum, Plain<()>> =
    Table::new("public_rooms", Family::Index, 0x0423);
/// The words by which users of this server are found.
pub const USER_WORDS: Table<UserWord, Plain<()>> = Table::new("user_words", Family::Index, 0x0424);

pub(super) const DIRECTORY_TABLES: &[&dyn AnyTable] = &[
    &ALIASES,
    &ROOM_ALIASES,
    &PUBLISHED_ROOMS,
    &PUBLIC_ROOMS,
    &USER_WORDS,
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn words_are_kept_in_their_order(one in "[a-zé@:]{0,8}", other in "[a-zé@:]{0,8}", user: u32) {
            let row = |word: &str| UserWord { word: word.into(), user: UserNum(user) };
            let keys = [&one, &other].map(|word| USER_WORDS.key(&row(word)).0);
            prop_assert_eq!(keys[0].cmp(&keys[1]), one.cmp(&other));
            let [key, _] = keys;
            prop_assert_eq!(USER_WORDS.decode_key(key.into()).unwrap(), row(&one));
        }

        #[test]
        fn an_alias_is_read_as_it_was_written(room: u32, creator: u32) {
            let alias = Alias { room: RoomNum(room), creator: UserNum(creator) };
            let mut out = Encoder::new();
            alias.encode(&mut out);
            prop_assert_eq!(Alias::decode(out.finish().0.into()), Ok(alias));
        }
    }
}
