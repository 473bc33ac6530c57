//! Bytes of keys and values: fixed layout, big-endian, so that byte order is the order we scan.
//!
//! A key is a sequence of [`Field`]s, integers first and a variable string last. A value is one
//! format byte and then its fields; [`Value::decode`] matches on that byte.

use bytes::Bytes;
use heliograph_core::ids::{
    DeviceNum, EventIdx, NodeNum, Position, RoomNum, ServerNum, StateKeyNum, TimelineKey, TypeNum,
    UserNum,
};

/// Stored bytes that do not decode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes do not decode: {0}")]
pub struct Corrupt(pub &'static str);

/// Where the position of a batch that has none yet stands in its bytes.
///
/// The largest position is never given out; a [`Position`] field of this value is patched when
/// the batch is submitted.
pub const UNSTAMPED: Position = Position(u64::MAX);

/// Collects the bytes of a key or a value, and where its position is still to be written.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
    stamps: Vec<usize>,
}

impl Encoder {
    /// An empty encoder.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends raw bytes.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Appends a field.
    pub fn field<F: Field + ?Sized>(&mut self, field: &F) -> &mut Self {
        field.put(self);
        self
    }

    /// What was collected, and the offsets of unstamped positions in it.
    pub fn finish(self) -> (Vec<u8>, Vec<usize>) {
        (self.bytes, self.stamps)
    }

    /// What was collected.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// One part of a key or value.
pub trait Field {
    /// Appends the bytes.
    fn put(&self, out: &mut Encoder);

    /// Takes the bytes off the front of `from`.
    fn take(from: &mut Bytes) -> Result<Self, Corrupt>
    where
        Self: Sized;
}

/// A stored value: a format byte and its fields.
pub trait Value: Sized {
    /// Appends the format byte and the fields.
    fn encode(&self, out: &mut Encoder);

    /// Reads any format that was ever written.
    fn decode(from: Bytes) -> Result<Self, Corrupt>;
}

/// Splits `n` bytes off the front.
pub fn split(from: &mut Bytes, n: usize) -> Result<Bytes, Corrupt> {
    if from.len() < n {
        return Err(Corrupt("too short"));
    }
    Ok(from.split_to(n))
}

/// Fails when bytes are left over.
pub fn end(from: &Bytes) -> Result<(), Corrupt> {
    if from.is_empty() {
        Ok(())
    } else {
        Err(Corrupt("too long"))
    }
}

/// Takes the format byte and fails unless it is `expected`.
pub fn format(from: &mut Bytes, expected: u8) -> Result<(), Corrupt> {
    if u8::take(from)? == expected {
        Ok(())
    } else {
        Err(Corrupt("unknown format"))
    }
}

/// Takes the format byte of a value that has had more than one: 1 up to `newest`.
pub fn format_up_to(from: &mut Bytes, newest: u8) -> Result<u8, Corrupt> {
    let format = u8::take(from)?;
    if (1..=newest).contains(&format) {
        Ok(format)
    } else {
        Err(Corrupt("unknown format"))
    }
}

/// Integers and their newtypes.
macro_rules! integers {
    ($($int:ty),*) => {$(
        impl Field for $int {
            fn put(&self, out: &mut Encoder) {
                out.raw(&self.to_be_bytes());
            }

            fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
                let bytes = split(from, size_of::<$int>())?;
                let bytes = bytes.as_ref().try_into().map_err(|_| Corrupt("integer"))?;
                Ok(<$int>::from_be_bytes(bytes))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64);

/// Number newtypes are their integer.
macro_rules! numbers {
    ($($name:ident),*) => {$(
        impl Field for $name {
            fn put(&self, out: &mut Encoder) {
                self.0.put(out);
            }

            fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
                Field::take(from).map(Self)
            }
        }
    )*};
}
numbers!(
    RoomNum,
    UserNum,
    ServerNum,
    DeviceNum,
    TypeNum,
    StateKeyNum,
    EventIdx,
    NodeNum
);

impl Field for Position {
    fn put(&self, out: &mut Encoder) {
        if *self == UNSTAMPED {
            out.stamps.push(out.bytes.len());
        }
        self.0.put(out);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        u64::take(from).map(Self)
    }
}

impl Field for TimelineKey {
    fn put(&self, out: &mut Encoder) {
        self.segment.put(out);
        self.index.put(out);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self {
            segment: Field::take(from)?,
            index: Field::take(from)?,
        })
    }
}

impl Field for bool {
    fn put(&self, out: &mut Encoder) {
        u8::from(*self).put(out);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        match u8::take(from)? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Corrupt("boolean")),
        }
    }
}

impl<const N: usize> Field for [u8; N] {
    fn put(&self, out: &mut Encoder) {
        out.raw(self);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        split(from, N)?
            .as_ref()
            .try_into()
            .map_err(|_| Corrupt("array"))
    }
}

/// A string in the middle of a key or value: two bytes of length, then UTF-8.
///
/// As part of a key its order is by length first, so it serves for look-ups and whole prefixes.
impl Field for Box<str> {
    fn put(&self, out: &mut Encoder) {
        put_short(self.as_bytes(), out);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        let len = usize::from(u16::take(from)?);
        utf8(&split(from, len)?)
    }
}

/// Appends at most 65,535 bytes with their length; identifiers and keys are bounded far below.
fn put_short(bytes: &[u8], out: &mut Encoder) {
    let len = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    len.put(out);
    out.raw(bytes.get(..usize::from(len)).unwrap_or(bytes));
}

/// Checks that bytes are text.
fn utf8(bytes: &[u8]) -> Result<Box<str>, Corrupt> {
    std::str::from_utf8(bytes)
        .map(Box::from)
        .map_err(|_| Corrupt("text"))
}

/// A string at the end of a key: the rest of the bytes, in byte order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tail(pub Box<str>);

impl From<&str> for Tail {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl Field for Tail {
    fn put(&self, out: &mut Encoder) {
        out.raw(self.0.as_bytes());
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        utf8(&from.split_to(from.len())).map(Self)
    }
}

/// Bytes within a value: four bytes of length, then the bytes.
impl Field for Bytes {
    fn put(&self, out: &mut Encoder) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(out);
        out.raw(self);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        let len = usize::try_from(u32::take(from)?).map_err(|_| Corrupt("length"))?;
        split(from, len)
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Encoder) {
        self.is_some().put(out);
        if let Some(inner) = self {
            inner.put(out);
        }
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        if bool::take(from)? {
            T::take(from).map(Some)
        } else {
            Ok(None)
        }
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Encoder) {
        u32::try_from(self.len()).unwrap_or(u32::MAX).put(out);
        for item in self {
            item.put(out);
        }
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        let len = u32::take(from)?;
        let mut items = Self::new();
        for _ in 0..len {
            items.push(T::take(from)?);
        }
        Ok(items)
    }
}

impl Field for () {
    fn put(&self, _out: &mut Encoder) {}

    fn take(_from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(())
    }
}

/// Tuples are their parts, one after the other.
macro_rules! tuples {
    ($(($($name:ident $at:tt),+)),*) => {$(
        impl<$($name: Field),+> Field for ($($name,)+) {
            fn put(&self, out: &mut Encoder) {
                $(self.$at.put(out);)+
            }

            fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
                Ok(($($name::take(from)?,)+))
            }
        }
    )*};
}
tuples!((A 0), (A 0, B 1), (A 0, B 1, C 2), (A 0, B 1, C 2, D 3), (A 0, B 1, C 2, D 3, E 4));

/// A value of one field in format 1, for rows that need no structure of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plain<T>(pub T);

impl<T: Field> Value for Plain<T> {
    fn encode(&self, out: &mut Encoder) {
        out.field(&1u8).field(&self.0);
    }

    fn decode(mut from: Bytes) -> Result<Self, Corrupt> {
        format(&mut from, 1)?;
        let inner = T::take(&mut from)?;
        end(&from)?;
        Ok(Self(inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key<F: Field>(field: &F) -> Vec<u8> {
        let mut out = Encoder::new();
        field.put(&mut out);
        out.into_bytes()
    }

    proptest! {
        #[test]
        fn byte_order_is_logical_order(a: (u32, u64, u32), b: (u32, u64, u32)) {
            let row = |v: (u32, u64, u32)| (
                RoomNum(v.0),
                TimelineKey { segment: v.1, index: v.2 },
            );
            prop_assert_eq!(key(&row(a)).cmp(&key(&row(b))), row(a).cmp(&row(b)));
        }

        #[test]
        fn tails_sort_as_text(a: String, b: String) {
            let (x, y) = (Tail::from(a.as_str()), Tail::from(b.as_str()));
            prop_assert_eq!(key(&x).cmp(&key(&y)), x.cmp(&y));
        }

        #[test]
        fn fields_round_trip(a: Option<u32>, b: Vec<u64>, c in ".{0,40}", d: bool) {
            let row = (a, b, Box::<str>::from(c), d);
            let mut bytes = Bytes::from(key(&row));
            prop_assert_eq!(<(Option<u32>, Vec<u64>, Box<str>, bool)>::take(&mut bytes), Ok(row));
            prop_assert!(bytes.is_empty());
        }
    }

    #[test]
    fn unstamped_positions_are_found() {
        let mut out = Encoder::new();
        out.field(&RoomNum(7)).field(&UNSTAMPED).field(&Position(3));
        assert_eq!(out.finish().1, [4]);
    }
}
