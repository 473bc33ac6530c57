//! What the tests of all areas share.

use std::fmt::Debug;

use bytes::Bytes;

use crate::{
    codec::{Encoder, Field, Value},
    table::Table,
};

/// A row comes back as it was put, and its bytes are neither cut nor drawn out.
pub(super) fn round_trip<K, V>(table: &Table<K, V>, key: &K, value: &V)
where
    K: Field + PartialEq + Debug,
    V: Value + PartialEq + Debug,
{
    let encoded = Bytes::from(table.key(key).0);
    assert_eq!(&table.decode_key(encoded).unwrap(), key);
    let mut out = Encoder::new();
    value.encode(&mut out);
    let bytes = Bytes::from(out.into_bytes());
    assert_eq!(&V::decode(bytes.clone()).unwrap(), value);
    let cut = bytes.slice(..bytes.len() - 1);
    assert!(V::decode(cut).map_or(true, |other| other != *value));
    let mut unknown = bytes.to_vec();
    unknown[0] = 0xff;
    assert!(
        V::decode(unknown.into()).is_err(),
        "unknown formats are refused"
    );
}
