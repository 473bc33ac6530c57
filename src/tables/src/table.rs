//! A table: rows of one kind under a two-byte prefix in one of the store's families.

use std::marker::PhantomData;

use bytes::Bytes;

use crate::codec::{Corrupt, Encoder, Field, Value, end};

/// A group of tables that are read and written alike; a column family of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Event bytes: written once, read singly.
    Events,
    /// Nodes of the state trees: written once, read singly.
    State,
    /// Everything small that leads from one thing to another.
    Index,
    /// The ordered log and what is trimmed with it.
    Log,
    /// Work that waits.
    Queues,
    /// What belongs to users.
    Accounts,
    /// Media rows.
    Media,
}

impl Family {
    /// Every family, in the order of their names.
    pub const ALL: [Self; 7] = [
        Self::Events,
        Self::State,
        Self::Index,
        Self::Log,
        Self::Queues,
        Self::Accounts,
        Self::Media,
    ];

    /// The name that the database gives it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::State => "state",
            Self::Index => "index",
            Self::Log => "log",
            Self::Queues => "queues",
            Self::Accounts => "accounts",
            Self::Media => "media",
        }
    }
}

/// Rows with keys of type `K` and values of type `V`.
#[derive(Debug)]
pub struct Table<K, V> {
    /// The name, for errors and reports.
    pub name: &'static str,
    /// Where the rows live.
    pub family: Family,
    /// The first two bytes of every key; unique in the whole database.
    pub prefix: u16,
    types: PhantomData<fn() -> (K, V)>,
}

impl<K, V> Table<K, V> {
    /// Declares a table.
    pub const fn new(name: &'static str, family: Family, prefix: u16) -> Self {
        Self {
            name,
            family,
            prefix,
            types: PhantomData,
        }
    }
}

impl<K: Field, V: Value> Table<K, V> {
    /// The whole key, and the offsets of unstamped positions in it.
    pub fn key(&self, key: &K) -> (Vec<u8>, Vec<usize>) {
        let mut out = Encoder::new();
        out.field(&self.prefix).field(key);
        out.finish()
    }

    /// The first bytes of all keys that begin with `start`, a leading part of `K`.
    pub fn start<P: Field>(&self, start: &P) -> Vec<u8> {
        let mut out = Encoder::new();
        out.field(&self.prefix).field(start);
        out.into_bytes()
    }

    /// The logical key within a whole key.
    pub fn decode_key(&self, mut key: Bytes) -> Result<K, Corrupt> {
        if u16::take(&mut key)? != self.prefix {
            return Err(Corrupt("key of another table"));
        }
        let decoded = K::take(&mut key)?;
        end(&key)?;
        Ok(decoded)
    }

    /// Decodes a row only to see that it decodes: what `verify` and the fuzz targets do.
    pub fn check_row(&self, key: Bytes, value: Bytes) -> Result<(), Corrupt> {
        self.decode_key(key)?;
        V::decode(value).map(|_| ())
    }
}

/// A table without its types, for walks over the whole database.
pub trait AnyTable: Sync {
    /// The name, for errors and reports.
    fn name(&self) -> &'static str;

    /// Where the rows live.
    fn family(&self) -> Family;

    /// The first two bytes of every key.
    fn prefix(&self) -> u16;

    /// Decodes a row only to see that it decodes.
    fn check(&self, key: Bytes, value: Bytes) -> Result<(), Corrupt>;
}

impl<K: Field, V: Value> AnyTable for Table<K, V> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn family(&self) -> Family {
        self.family
    }

    fn prefix(&self) -> u16 {
        self.prefix
    }

    fn check(&self, key: Bytes, value: Bytes) -> Result<(), Corrupt> {
        self.check_row(key, value)
    }
}

/// The first key after all keys that begin with `start`, or `None` when there is none.
pub fn after_prefix(start: &[u8]) -> Option<Vec<u8>> {
    let mut end = start.to_vec();
    while let Some(last) = end.pop() {
        if let Some(next) = last.checked_add(1) {
            end.push(next);
            return Some(end);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_prefix_ends_before_the_next_key(start: Vec<u8>, rest: Vec<u8>) {
            let mut inside = start.clone();
            inside.extend(rest);
            if let Some(end) = after_prefix(&start) {
                prop_assert!(inside < end);
                prop_assert!(!end.starts_with(&start));
            }
        }
    }
}
