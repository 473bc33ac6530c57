//! Opaque tokens that clients hold: where a sync ended, where a page of history begins.
//!
//! A token is one letter for its kind, one digit for its format, `_` and URL-safe Base64 of
//! fixed-width numbers.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::ids::{Position, RoomNum, TimelineKey};

/// A text that is no token of the kind asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a token")]
pub struct BadToken;

/// Where a sync ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncToken {
    /// Which life of the database it is of.
    pub epoch: u64,
    /// Everything up to here was told.
    pub position: Position,
    /// To-device messages up to here were told.
    pub to_device: u64,
    /// The process whose `ephemeral` it has.
    pub instance: u64,
    /// Typing up to here was told.
    pub ephemeral: u64,
}

impl SyncToken {
    /// The token as clients hold it.
    pub fn encode(&self) -> String {
        let fields = [
            self.epoch,
            self.position.0,
            self.to_device,
            self.instance,
            self.ephemeral,
        ];
        let bytes: Vec<u8> = fields.into_iter().flat_map(u64::to_be_bytes).collect();
        format!("s1_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`BadToken`] when it is none of these.
    pub fn decode(text: &str) -> Result<Self, BadToken> {
        let bytes: [u8; 40] = body(text, "s1_")?;
        let mut fields = bytes.chunks_exact(8).map(number);
        let mut next = || fields.next().ok_or(BadToken);
        Ok(Self {
            epoch: next()?,
            position: Position(next()?),
            to_device: next()?,
            instance: next()?,
            ephemeral: next()?,
        })
    }
}

/// A place in a room's timeline, just before the event with this key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PaginationToken(pub TimelineKey);

impl PaginationToken {
    /// The token as clients hold it.
    pub fn encode(&self) -> String {
        let mut bytes = self.0.segment.to_be_bytes().to_vec();
        bytes.extend(self.0.index.to_be_bytes());
        format!("t1_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`BadToken`] when it is none of these.
    pub fn decode(text: &str) -> Result<Self, BadToken> {
        let bytes: [u8; 12] = body(text, "t1_")?;
        let (segment, index) = bytes.split_at(8);
        let index = index.try_into().map_err(|_| BadToken)?;
        Ok(Self(TimelineKey {
            segment: number(segment),
            index: u32::from_be_bytes(index),
        }))
    }
}

/// A place in the published directory: just after, or just before, a room as large as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryToken {
    /// Whether the page is of the rooms before.
    pub backward: bool,
    /// How many members the room had.
    pub joined: u32,
    /// The room.
    pub room: RoomNum,
}

impl DirectoryToken {
    /// The token as clients hold it.
    pub fn encode(&self) -> String {
        let mut bytes = vec![u8::from(self.backward)];
        bytes.extend(self.joined.to_be_bytes());
        bytes.extend(self.room.0.to_be_bytes());
        format!("d1_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`BadToken`] when it is none of these.
    pub fn decode(text: &str) -> Result<Self, BadToken> {
        let [backward, numbers @ ..] = body::<9>(text, "d1_")?;
        let (joined, room) = numbers.split_at(4);
        let number = |bytes: &[u8]| bytes.try_into().map_or(0, u32::from_be_bytes);
        Ok(Self {
            backward: flag(backward)?,
            joined: number(joined),
            room: RoomNum(number(room)),
        })
    }
}

/// How far a walk over the rooms of a space has come, and what it is a walk of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HierarchyToken {
    /// The space.
    pub room: RoomNum,
    /// Whether the walk is of suggested rooms only.
    pub suggested_only: bool,
    /// How deep it goes.
    pub max_depth: u32,
    /// How many rooms were given.
    pub given: u32,
}

impl HierarchyToken {
    /// The token as clients hold it.
    pub fn encode(&self) -> String {
        let mut bytes = vec![u8::from(self.suggested_only)];
        for number in [self.room.0, self.max_depth, self.given] {
            bytes.extend(number.to_be_bytes());
        }
        format!("h1_{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads a token.
    ///
    /// # Errors
    /// [`BadToken`] when it is none of these.
    pub fn decode(text: &str) -> Result<Self, BadToken> {
        let [suggested_only, numbers @ ..] = body::<13>(text, "h1_")?;
        let mut numbers = numbers
            .chunks_exact(4)
            .map(|bytes| bytes.try_into().map_or(0, u32::from_be_bytes));
        let mut next = || numbers.next().ok_or(BadToken);
        Ok(Self {
            suggested_only: flag(suggested_only)?,
            room: RoomNum(next()?),
            max_depth: next()?,
            given: next()?,
        })
    }
}

fn flag(byte: u8) -> Result<bool, BadToken> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(BadToken),
    }
}

/// The bytes of a token of one kind.
fn body<const N: usize>(text: &str, kind: &str) -> Result<[u8; N], BadToken> {
    let text = text.strip_prefix(kind).ok_or(BadToken)?;
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadToken)?;
    bytes.try_into().map_err(|_| BadToken)
}

fn number(bytes: &[u8]) -> u64 {
    bytes.try_into().map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn tokens_round_trip(f: [u64; 5], index: u32) {
            let sync = SyncToken {
                epoch: f[0], position: Position(f[1]), to_device: f[2], instance: f[3],
                ephemeral: f[4],
            };
            prop_assert_eq!(SyncToken::decode(&sync.encode()), Ok(sync));
            let page = PaginationToken(TimelineKey { segment: f[0], index });
            prop_assert_eq!(PaginationToken::decode(&page.encode()), Ok(page));
            prop_assert!(SyncToken::decode(&page.encode()).is_err());
            let room = DirectoryToken { backward: f[0] % 2 == 1, joined: index, room: RoomNum(index) };
            prop_assert_eq!(DirectoryToken::decode(&room.encode()), Ok(room));
            let walk = HierarchyToken {
                room: RoomNum(index), suggested_only: room.backward, max_depth: index, given: index,
            };
            prop_assert_eq!(HierarchyToken::decode(&walk.encode()), Ok(walk));
        }

        #[test]
        fn garbage_is_refused(text: String) {
            prop_assert!(SyncToken::decode(&text).is_err());
            let near = format!("t1_{text}");
            prop_assert!(PaginationToken::decode(&near).is_err() || text.len() == 16);
        }
    }
}
