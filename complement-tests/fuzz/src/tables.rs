//! Rows of every table.

use bytes::Bytes;
use heliograph_core::ids::{EventIdx, NodeNum, Position, StateKeyNum, TimelineKey};
use heliograph_tables::{
    Encoder, Field, Table, Value,
    schema::{self, EventStatus, RoomHead, Standing, StateRoot},
};

use crate::{choice, events, must, states};

/// A table without its types.
pub(crate) struct Rows {
    /// The first two bytes of its keys.
    pub(crate) prefix: u16,
    check: fn(&[u8], Bytes) -> Decoded,
}

/// What of a row decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) key: bool,
    pub(crate) value: bool,
}

/// Tables by their names in the schema.
macro_rules! tables {
    ($($table:ident),* $(,)?) => {
        &[$(Rows {
            prefix: schema::$table.prefix,
            check: |key, value| check(&schema::$table, key, value),
        }),*]
    };
}

/// Every table. A test compares it with [`schema::ALL`].
pub(crate) const ALL: &[Rows] = tables![
    // The database itself.
    LOG,
    META,
    CURSORS,
    SECRETS,
    // Names.
    ROOM_NUMS,
    ROOM_NAMES,
    USER_NUMS,
    USER_NAMES,
    SERVER_NUMS,
    SERVER_NAMES,
    TYPE_NUMS,
    TYPE_NAMES,
    STATE_KEY_NUMS,
    STATE_KEY_NAMES,
    // Events.
    EVENTS,
    EVENT_STATUS,
    EVENT_LOCAL,
    EVENT_IDS,
    AUTH_CITED_BY,
    WAITING_REDACTIONS,
    STATE_NODES,
    // Relations between events.
    RELATIONS,
    RELATED,
    EDITS,
    ANNOTATIONS,
    THREADS,
    THREADS_BY_LATEST,
    THREAD_SENDERS,
    // Rooms.
    ROOMS,
    ROOM_HEADS,
    TIMELINE,
    LIVE_EVENTS,
    ALIASES,
    ROOM_ALIASES,
    PUBLISHED_ROOMS,
    PUBLIC_ROOMS,
    USER_WORDS,
    // Users in rooms.
    USER_ROOMS,
    RECEIPTS,
    RECEIPTS_BY_POSITION,
    ERASURES,
    GUESTS_OF_ROOMS,
    // Accounts.
    ACCOUNTS,
    DEVICES,
    DEVICE_NUMS,
    DEVICES_SEEN,
    PROFILES,
    PROFILE_FIELDS,
    REGISTRATION_TOKENS,
    TRANSACTIONS,
    DEPARTURES,
    ACCOUNT_DATA,
    ACCOUNT_DATA_BY_POSITION,
    ACCOUNT_DATA_BYTES,
    FILTERS,
    FILTER_NUMS,
    ACCEPTED_POLICIES,
    // Tokens.
    ACCESS_TOKENS,
    DEVICE_TOKENS,
    REFRESH_TOKENS,
    LOGIN_TOKENS,
    // Unread counts.
    UNREAD_ROOMS,
];

/// Rows: the first byte chooses the table, the second says how long the key is, without its prefix;
/// the rest is the value. What decodes encodes to the same bytes.
///
/// # Panics
/// When a property does not hold.
pub fn tables(data: &[u8]) {
    // What it says is for the tests, which want to know whether seeds decode.
    let _decoded: Option<Decoded> = row(data);
}

/// The same, and what of the row decoded.
pub(crate) fn row(data: &[u8]) -> Option<Decoded> {
    let (table, data) = choice(data);
    let (key_len, data) = choice(data);
    let table = ALL.get(usize::from(table) % ALL.len())?;
    let (key, value) = data.split_at(usize::from(key_len).min(data.len()));
    let key = [&table.prefix.to_be_bytes(), key].concat();
    let value = Bytes::copy_from_slice(value);
    if table.prefix == schema::EVENTS.prefix {
        events::stored_bytes(&value);
    } else if table.prefix == schema::STATE_NODES.prefix {
        states::damaged(std::slice::from_ref(&value));
    }
    Some((table.check)(&key, value))
}

/// Every codec is one to one, so that a row has one form and a key is found by its parts.
fn check<K: Field, V: Value>(table: &Table<K, V>, key: &[u8], value: Bytes) -> Decoded {
    let decoded_key = table.decode_key(Bytes::copy_from_slice(key));
    let decoded_value = V::decode(value.clone());
    let decoded = Decoded {
        key: decoded_key.is_ok(),
        value: decoded_value.is_ok(),
    };
    if let Ok(decoded) = decoded_key {
        let (bytes, stamps) = table.key(&decoded);
        assert_eq!(bytes, key, "a key of {}", table.name);
        for stamp in stamps {
            let unstamped = bytes.get(stamp..).and_then(|rest| rest.get(..8));
            assert_eq!(unstamped, Some([0xff; 8].as_slice()), "{}", table.name);
        }
    }
    if let Ok(decoded) = decoded_value {
        again(table, &encoded(&decoded), &value);
    }
    let whole = table.check_row(Bytes::copy_from_slice(key), value);
    assert_eq!(whole.is_ok(), decoded.key && decoded.value);
    decoded
}

/// A value of the newest format is written as it was read; one of an older format becomes one that
/// is.
fn again<K, V: Value>(table: &Table<K, V>, written: &[u8], read: &[u8]) {
    if written.first() == read.first() {
        assert_eq!(written, read, "a value of {}", table.name);
        return;
    }
    assert!(written.first() > read.first(), "formats only grow");
    let twice = V::decode(Bytes::copy_from_slice(written));
    let twice = encoded(&must(twice, "a value of the newest format"));
    assert_eq!(twice, written, "a value of {}", table.name);
}

/// The bytes of a row of the table at `at` in [`ALL`].
fn bytes(at: usize, key: &[u8], value: &[u8]) -> Vec<u8> {
    let byte = |n| u8::try_from(n).unwrap_or(u8::MAX);
    [&[byte(at), byte(key.len())], key, value].concat()
}

/// The longest key and value that seeds are looked for.
const LONGEST: usize = 200;

/// For each table the shortest rows of zeros and of ones that decode, which is one of each kind for
/// most, and rows with everything in them for the tables that have lists.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for at in 0..ALL.len() {
        for fill in [0, 1] {
            let key = (0..LONGEST).map(|len| vec![fill; len]);
            let key = key
                .into_iter()
                .find(|key| row(&bytes(at, key, &[])).is_some_and(|decoded| decoded.key));
            let value = (0..LONGEST).map(|len| [&[1], vec![fill; len].as_slice()].concat());
            let value = value
                .into_iter()
                .find(|value| row(&bytes(at, &[], value)).is_some_and(|decoded| decoded.value));
            if key.is_some() || value.is_some() {
                seeds.push(bytes(
                    at,
                    &key.unwrap_or_default(),
                    &value.unwrap_or_default(),
                ));
            }
        }
    }
    seeds.extend(full());
    seeds
}

/// Rows with lists in them.
fn full() -> Vec<Vec<u8>> {
    let at = |prefix| ALL.iter().position(|table| table.prefix == prefix);
    let root = StateRoot {
        members: NodeNum(3),
        rest: NodeNum(4),
    };
    let head = RoomHead {
        extremities: vec![EventIdx(7), EventIdx(9)],
        state: root,
        newest: TimelineKey::FIRST,
        depth: 12,
        joined: 2,
        invited: 1,
        next_event: EventIdx(10),
        next_node: NodeNum(5),
        next_state_key: StateKeyNum(6),
        state_changed: Position(11),
        ..RoomHead::default()
    };
    let status = EventStatus {
        standing: Standing::SoftFailed,
        state_before: root,
        state_after: Some(StateRoot::EMPTY),
        timeline: Some(TimelineKey::MAX),
        position: Some(Position(8)),
        redacted_by: Some(EventIdx(1)),
        replaces: Some(EventIdx(2)),
        auth_gen: 3,
        auth_events: vec![EventIdx(1), EventIdx(2), EventIdx(3)],
    };
    let mut rows = vec![
        (schema::ROOM_HEADS.prefix, encoded(&head)),
        (schema::EVENT_STATUS.prefix, encoded(&status)),
        (schema::STATE_NODES.prefix, vec![1, 0, 2, 3, 5, 1, 0, 6, 2]),
    ];
    for stored in events::stored_seeds() {
        rows.push((schema::EVENTS.prefix, stored));
    }
    rows.into_iter()
        .filter_map(|(prefix, value)| Some(bytes(at(prefix)?, &[0; 12], &value)))
        .collect()
}

fn encoded<V: Value>(value: &V) -> Vec<u8> {
    let mut out = Encoder::new();
    value.encode(&mut out);
    out.into_bytes()
}
