//! Nodes of a tree, and their bytes.
//!
//! A tree maps 64-bit keys to entries. Its shape depends on what is in it and on nothing else:
//! at most [`BUCKET_MAX`] entries are one bucket; more are a branch at the first half-byte in which
//! their keys differ, and each of its children is a tree again. A child of at most
//! [`EMBEDDED_MAX`] entries stands inside its branch, a greater one is a node of its own.

use bytes::Bytes;
use heliograph_core::ids::{EventIdx, NodeNum};
use heliograph_tables::Corrupt;

/// Entries that are one node instead of a branch, at most.
pub(in crate::state) const BUCKET_MAX: usize = 32;
/// Entries of a child that stands inside its branch, at most.
pub(in crate::state) const EMBEDDED_MAX: usize = 4;
/// Half-bytes in a key.
const KEY_DIGITS: u8 = 16;
/// The byte that all nodes of this layout begin with.
const FORMAT: u8 = 1;
/// The second byte of a bucket.
const BUCKET: u8 = 0;
/// The second byte of a branch.
const BRANCH: u8 = 1;

/// One key and what stands there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::state) struct Entry {
    pub(in crate::state) key: u64,
    pub(in crate::state) event: EventIdx,
    /// The membership's byte in the tree of members, zero in the other.
    pub(in crate::state) tag: u8,
}

/// A node.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::state) enum Node {
    /// Between one and [`BUCKET_MAX`] entries, in the order of their keys.
    Bucket(Vec<Entry>),
    /// More than [`BUCKET_MAX`] entries.
    Branch(Branch),
}

/// A node whose keys differ first at one half-byte.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::state) struct Branch {
    /// How many leading half-bytes all keys share.
    pub(in crate::state) level: u8,
    /// Those half-bytes, the rest zero.
    pub(in crate::state) prefix: u64,
    /// Entries below, in all.
    pub(in crate::state) total: u32,
    /// At least two children by the half-byte at `level`, in its order.
    pub(in crate::state) children: Vec<(u8, Child)>,
}

/// What hangs at one half-byte of a branch.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::state) enum Child {
    /// A node.
    Stored(NodeNum),
    /// Between one and [`EMBEDDED_MAX`] entries.
    Embedded(Vec<Entry>),
}

/// Where a node hangs: all keys below share the first `fixed` half-bytes of `prefix`.
#[derive(Clone, Copy, Debug)]
pub(in crate::state) struct Place {
    pub(in crate::state) num: NodeNum,
    pub(in crate::state) fixed: u8,
    pub(in crate::state) prefix: u64,
}

impl Place {
    /// The place of a tree's first node.
    pub(in crate::state) const fn root(num: NodeNum) -> Self {
        Self {
            num,
            fixed: 0,
            prefix: 0,
        }
    }
}

/// The half-byte of a key after `level` others.
pub(in crate::state) fn digit(key: u64, level: u8) -> u8 {
    let shift = u32::from(KEY_DIGITS.saturating_sub(1).saturating_sub(level)).saturating_mul(4);
    u8::try_from((key >> shift) & 0xf).unwrap_or_default()
}

/// The first `level` half-bytes of a key, the rest zero.
pub(in crate::state) fn head(key: u64, level: u8) -> u64 {
    let below = u64::MAX
        .checked_shr(u32::from(level).saturating_mul(4))
        .unwrap_or(0);
    key & !below
}

/// How many leading half-bytes two keys share.
pub(in crate::state) fn shared(a: u64, b: u64) -> u8 {
    u8::try_from((a ^ b).leading_zeros() / 4).unwrap_or(KEY_DIGITS)
}

/// The number of entries as nodes count them.
pub(in crate::state) fn count_of(entries: &[Entry]) -> u32 {
    u32::try_from(entries.len()).unwrap_or(u32::MAX)
}

impl Branch {
    /// What hangs at a half-byte.
    pub(in crate::state) fn child(&self, at: u8) -> Option<&Child> {
        let found = self
            .children
            .binary_search_by_key(&at, |(digit, _)| *digit)
            .ok()?;
        self.children.get(found).map(|(_, child)| child)
    }

    /// Whether a key belongs below this branch.
    pub(in crate::state) fn holds(&self, key: u64) -> bool {
        head(key, self.level) == self.prefix
    }

    /// The first key that can stand at a half-byte.
    pub(in crate::state) fn first_key(&self, at: u8) -> u64 {
        let shift = u32::from(KEY_DIGITS.saturating_sub(1).saturating_sub(self.level));
        self.prefix | (u64::from(at) << shift.saturating_mul(4))
    }

    /// The last key that can stand at a half-byte.
    pub(in crate::state) fn last_key(&self, at: u8) -> u64 {
        let level = u32::from(self.level).saturating_add(1).saturating_mul(4);
        self.first_key(at) | u64::MAX.checked_shr(level).unwrap_or(0)
    }

    /// The place of a stored child.
    pub(in crate::state) fn place(&self, at: u8, num: NodeNum) -> Place {
        Place {
            num,
            fixed: self.level.saturating_add(1),
            prefix: self.first_key(at),
        }
    }
}

impl Node {
    /// Entries below, in all.
    pub(in crate::state) fn count(&self) -> u32 {
        match self {
            Self::Bucket(entries) => count_of(entries),
            Self::Branch(branch) => branch.total,
        }
    }

    /// Whether all that this node can hold belongs where it hangs. It keeps walks over damaged
    /// nodes finite: each step down fixes at least one half-byte more.
    pub(in crate::state) fn fits(&self, place: Place) -> bool {
        let belongs = |key| head(key, place.fixed) == head(place.prefix, place.fixed);
        match self {
            Self::Bucket(entries) => entries.iter().all(|e| belongs(e.key)),
            Self::Branch(branch) => branch.level >= place.fixed && belongs(branch.prefix),
        }
    }

    /// The bytes to store.
    pub(in crate::state) fn encode(&self) -> Bytes {
        let mut out = vec![FORMAT];
        match self {
            Self::Bucket(entries) => {
                out.push(BUCKET);
                put_entries(&mut out, entries, 0);
            }
            Self::Branch(branch) => {
                out.extend([BRANCH, branch.level]);
                let shift = u32::from(KEY_DIGITS.saturating_sub(branch.level)).saturating_mul(4);
                put_number(&mut out, branch.prefix.checked_shr(shift).unwrap_or(0));
                put_number(&mut out, u64::from(branch.total));
                let digits = branch
                    .children
                    .iter()
                    .fold(0u16, |set, (at, _)| set | (1 << at));
                out.extend(digits.to_be_bytes());
                for (at, child) in &branch.children {
                    match child {
                        Child::Stored(num) => put_number(&mut out, u64::from(num.0)),
                        Child::Embedded(entries) => {
                            put_number(&mut out, 0);
                            put_entries(&mut out, entries, branch.first_key(*at));
                        }
                    }
                }
            }
        }
        out.into()
    }

    /// Reads what [`Self::encode`] wrote.
    pub(in crate::state) fn decode(bytes: &[u8]) -> Result<Self, Corrupt> {
        let from = &mut { bytes };
        if take_byte(from)? != FORMAT {
            return Err(Corrupt("unknown format"));
        }
        let node = match take_byte(from)? {
            BUCKET => Self::Bucket(take_entries(from, 0, u64::MAX, BUCKET_MAX)?),
            BRANCH => Self::Branch(take_branch(from)?),
            _ => return Err(Corrupt("kind of node")),
        };
        if from.is_empty() {
            Ok(node)
        } else {
            Err(Corrupt("too long"))
        }
    }
}

fn take_branch(from: &mut &[u8]) -> Result<Branch, Corrupt> {
    let level = take_byte(from)?;
    if level >= KEY_DIGITS {
        return Err(Corrupt("level"));
    }
    let shift = u32::from(KEY_DIGITS.saturating_sub(level)).saturating_mul(4);
    let digits = take_number(from)?;
    let prefix = digits.checked_shl(shift).unwrap_or(0);
    if prefix.checked_shr(shift).unwrap_or(0) != digits {
        return Err(Corrupt("prefix"));
    }
    let total = u32::try_from(take_number(from)?).map_err(|_| Corrupt("total"))?;
    let set = u16::from_be_bytes([take_byte(from)?, take_byte(from)?]);
    if set.count_ones() < 2 {
        return Err(Corrupt("branch without children"));
    }
    let mut branch = Branch {
        level,
        prefix,
        total,
        children: Vec::new(),
    };
    for at in (0..KEY_DIGITS).filter(|at| set & (1 << at) != 0) {
        let num = u32::try_from(take_number(from)?).map_err(|_| Corrupt("node number"))?;
        let child = if num == 0 {
            let (first, last) = (branch.first_key(at), branch.last_key(at));
            Child::Embedded(take_entries(from, first, last, EMBEDDED_MAX)?)
        } else {
            Child::Stored(NodeNum(num))
        };
        branch.children.push((at, child));
    }
    Ok(branch)
}

/// Entries whose keys are `first` or greater, as distances from one to the next.
fn put_entries(out: &mut Vec<u8>, entries: &[Entry], first: u64) {
    put_number(out, u64::from(count_of(entries)));
    let mut next = first;
    for entry in entries {
        put_number(out, entry.key.wrapping_sub(next));
        put_number(out, u64::from(entry.event.0));
        out.push(entry.tag);
        next = entry.key.wrapping_add(1);
    }
}

fn take_entries(
    from: &mut &[u8],
    first: u64,
    last: u64,
    most: usize,
) -> Result<Vec<Entry>, Corrupt> {
    let count = usize::try_from(take_number(from)?).map_err(|_| Corrupt("count"))?;
    if count == 0 || count > most {
        return Err(Corrupt("count"));
    }
    let mut entries = Vec::with_capacity(count);
    let mut next = Some(first);
    for _ in 0..count {
        let distance = take_number(from)?;
        let key = next
            .and_then(|next| next.checked_add(distance))
            .ok_or(Corrupt("key"))?;
        if key > last {
            return Err(Corrupt("key"));
        }
        let event = u32::try_from(take_number(from)?).map_err(|_| Corrupt("event number"))?;
        entries.push(Entry {
            key,
            event: EventIdx(event),
            tag: take_byte(from)?,
        });
        next = key.checked_add(1);
    }
    Ok(entries)
}

/// Appends a number, seven bits a byte, the lowest first.
fn put_number(out: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = u8::try_from(number & 0x7f).unwrap_or_default();
        number >>= 7;
        if number == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn take_byte(from: &mut &[u8]) -> Result<u8, Corrupt> {
    let (first, rest) = from.split_first().ok_or(Corrupt("too short"))?;
    *from = rest;
    Ok(*first)
}

fn take_number(from: &mut &[u8]) -> Result<u64, Corrupt> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = take_byte(from)?;
        let part = u64::from(byte & 0x7f);
        if part.checked_shl(shift).is_none_or(|p| p >> shift != part) {
            return Err(Corrupt("number"));
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(Corrupt("number"))
}
