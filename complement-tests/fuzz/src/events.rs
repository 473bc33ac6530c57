//! Events as other servers send them.

use std::sync::LazyLock;

use bytes::Bytes;
use heliograph_core::{
    auth::{PowerLevels, auth_types, check_state_dependent, check_state_independent},
    builder::EventBuilder,
    hashing::{event_id_hash, signed_form},
    json::{Numbers, Value, parse},
    pdu::{MAX_AUTH_EVENTS, MAX_ID_BYTES, MAX_PDU_BYTES, MAX_PREV_EVENTS, Pdu, StoredPdu},
    room_version::RoomVersion,
    signing::{Ed25519Signer, Signer, VerifyKeys, verify_pdu},
};
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedUserId};

use crate::{choice, must};

/// The server whose key is known here.
static SIGNER: LazyLock<Ed25519Signer> =
    LazyLock::new(|| Ed25519Signer::from_seed("x.org", "1", &[7; 32]));

/// Knows the key of [`SIGNER`].
struct Keys([u8; 32]);

static KEYS: LazyLock<Keys> = LazyLock::new(|| Keys(SIGNER.public_key()));

impl VerifyKeys for Keys {
    fn key(&self, server: &str, key_id: &str, _at_ms: u64) -> Option<[u8; 32]> {
        (server == "x.org" && key_id == "ed25519:1").then_some(self.0)
    }
}

/// Events: the first byte chooses the room version, the rest is JSON. What is read is within its
/// limits, is read alike from its canonical form and from what is stored of it, keeps its id when
/// it is redacted, and is served as JSON.
///
/// # Panics
/// When a property does not hold.
pub fn events(data: &[u8]) {
    let (version, json) = choice(data);
    let version = version_of(version);
    let Ok(pdu) = Pdu::parse(json, version) else {
        return;
    };
    limits(&pdu);
    let again = Pdu::parse(pdu.json().as_bytes(), version);
    same(&must(again, "a canonical event is read"), &pdu);
    stored(&pdu, version);
    redacted(&pdu, version);
    rules(&pdu, version);
    verified(pdu, version);
}

/// A room version chosen by a byte.
fn version_of(byte: u8) -> RoomVersion {
    let at = usize::from(byte) % RoomVersion::ALL.len();
    RoomVersion::ALL
        .get(at)
        .copied()
        .unwrap_or(RoomVersion::DEFAULT)
}

/// The limits of the specification, counted another way.
fn limits(pdu: &Pdu) {
    assert!(
        pdu.json().len() <= MAX_PDU_BYTES,
        "an event is within 64 KiB"
    );
    let own = [
        pdu.event_id().as_str(),
        pdu.sender().as_str(),
        pdu.type_str(),
        pdu.state_key().unwrap_or_default(),
        pdu.room_id().map_or("", |id| id.as_str()),
        pdu.redacts_id().map_or("", |id| id.as_str()),
    ];
    let others = pdu.prev_event_ids().chain(pdu.auth_event_ids());
    let mut strings = own.into_iter().chain(others.map(EventId::as_str));
    let long = strings.find(|text| text.len() > MAX_ID_BYTES);
    assert_eq!(long, None, "strings are within 255 bytes");
    assert!(pdu.prev_event_ids().count() <= MAX_PREV_EVENTS);
    assert!(pdu.auth_event_ids().count() <= MAX_AUTH_EVENTS);
    assert!(pdu.room_id().is_some(), "an event is of a room");
}

/// Two events say the same.
fn same(a: &Pdu, b: &Pdu) {
    assert_eq!(a.json(), b.json());
    assert_eq!(a.event_id(), b.event_id());
    assert_eq!(a.room_id(), b.room_id());
    assert_eq!(a.sender(), b.sender());
    assert_eq!(a.type_str(), b.type_str());
    assert_eq!(a.state_key(), b.state_key());
    assert_eq!(a.origin_server_ts(), b.origin_server_ts());
    assert_eq!(a.depth(), b.depth());
    assert!(a.prev_event_ids().eq(b.prev_event_ids()));
    assert!(a.auth_event_ids().eq(b.auth_event_ids()));
    assert_eq!(a.redacts_id(), b.redacts_id());
    assert_eq!(a.content_json(), b.content_json());
}

/// What is stored of an event says what the event says.
fn stored(pdu: &Pdu, version: RoomVersion) {
    let Some(room) = pdu.room_id() else { return };
    let hash = event_id_hash(room, pdu.event_id(), version);
    let bytes = Bytes::from(StoredPdu::encode(pdu, hash));
    let stored = must(StoredPdu::decode(bytes.clone()), "a stored event");
    assert_eq!(stored.json(), pdu.json());
    assert_eq!(stored.content_json(), pdu.content_json());
    assert_eq!(must(stored.sender(), "sender"), pdu.sender().as_str());
    assert_eq!(must(stored.event_type(), "type"), pdu.type_str());
    assert_eq!(
        must(stored.state_key(), "state_key").as_deref(),
        pdu.state_key()
    );
    assert_eq!(stored.origin_server_ts(), pdu.origin_server_ts());
    assert_eq!(must(stored.event_id(version), "id"), pdu.event_id());
    let read = must(stored.to_pdu(version), "a stored event is read");
    same(&read, pdu);
    assert_eq!(StoredPdu::encode(&read, hash), bytes);
    served(&stored, pdu, version);
}

/// What clients get of an event is JSON that says what the event says.
fn served(stored: &StoredPdu, pdu: &Pdu, version: RoomVersion) {
    let mut json = String::new();
    must(stored.client_json(version, &mut json), "what clients get");
    json.push('}');
    let event = must(parse(json.as_bytes(), Numbers::Loose), "what clients get");
    let text = |key| event.get(key).and_then(Value::as_str);
    assert_eq!(text("event_id"), Some(pdu.event_id().as_str()));
    assert_eq!(text("type"), Some(pdu.type_str()));
    assert_eq!(text("sender"), Some(pdu.sender().as_str()));
    assert_eq!(text("state_key"), pdu.state_key());
    assert!(event.get("content").and_then(Value::as_object).is_some());
    if pdu.type_str() != "m.room.redaction" {
        assert!(json.contains(pdu.content_json()), "the content is copied");
    }
}

/// Redaction keeps an event's id and what was signed, and a second one changes nothing.
fn redacted(pdu: &Pdu, version: RoomVersion) {
    let redacted = must(pdu.redacted(version), "an event is redacted");
    assert_eq!(redacted.event_id(), pdu.event_id());
    let again = must(redacted.redacted(version), "an event is redacted twice");
    same(&again, &redacted);
    let read = Pdu::parse(redacted.json().as_bytes(), version);
    same(&must(read, "a redacted event is read"), &redacted);
    let form = |pdu: &Pdu| signed_form(&must(pdu.object(), "an event's keys"), version);
    assert_eq!(form(&redacted), form(pdu), "signatures stay right");
    stored_only(&redacted, version);
}

/// The stored form of a redacted event, whose id is that of the whole one.
fn stored_only(redacted: &Pdu, version: RoomVersion) {
    let Some(room) = redacted.room_id() else {
        return;
    };
    let hash = event_id_hash(room, redacted.event_id(), version);
    let stored = StoredPdu::decode(StoredPdu::encode(redacted, hash).into());
    let stored = must(stored, "a stored redacted event");
    same(&must(stored.to_pdu(version), "it is read"), redacted);
}

/// The rules come to a verdict about any event, also about one that is its own auth event.
fn rules(pdu: &Pdu, version: RoomVersion) {
    let content = parse(pdu.content_json().as_bytes(), Numbers::Loose);
    let content = must(content, "the content is JSON");
    let types = auth_types(
        pdu.type_str(),
        pdu.sender(),
        pdu.state_key(),
        &content,
        version,
    );
    if let Ok(types) = types {
        assert!(types.len() <= MAX_AUTH_EVENTS, "auth events are few");
    }
    let own = std::sync::Arc::new(pdu.clone());
    let by_id = |id: &EventId| (id != pdu.event_id()).then(|| own.clone());
    let by_type = |event_type: &str, key: &str| {
        (event_type == pdu.type_str() && Some(key) == pdu.state_key()).then(|| own.clone())
    };
    // Only that there is a verdict is of interest: `rooms` tests which.
    drop(check_state_independent(version, pdu, by_id));
    drop(check_state_dependent(version, pdu, by_type));
    drop(PowerLevels::new(version, Some(pdu), pdu));
    drop(PowerLevels::new(version, None, pdu));
}

/// What passes as signed is the event, or the event redacted.
fn verified(pdu: Pdu, version: RoomVersion) {
    let whole = must(pdu.has_its_hash(), "the hash of an event");
    let redacted = must(pdu.redacted(version), "an event is redacted");
    let expected = if whole { pdu.clone() } else { redacted };
    if let Ok(verified) = verify_pdu(pdu, version, &*KEYS) {
        // An invite of a third party is signed by another server, which must not be the sender's.
        if verified.pdu().type_str() != "m.room.member" {
            assert_eq!(verified.pdu().sender().server_name(), "x.org");
        }
        same(verified.pdu(), &expected);
    }
}

/// Bytes that claim to be a stored event, in the table of events.
pub(crate) fn stored_bytes(bytes: &Bytes) {
    let Ok(stored) = StoredPdu::decode(bytes.clone()) else {
        return;
    };
    for version in RoomVersion::ALL {
        let mut json = String::new();
        // Damage within the bytes may show in any of these as an error.
        let _served = stored.client_json(version, &mut json);
        let Ok(pdu) = stored.to_pdu(version) else {
            continue;
        };
        assert_eq!(must(stored.event_id(version), "id"), pdu.event_id());
        assert_eq!(pdu.content_json(), stored.content_json());
        drop(pdu.redacted(version));
    }
}

/// Signed events of many kinds in every version.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, version) in (0..).zip(RoomVersion::ALL) {
        for (event_type, state_key, content) in KINDS {
            if let Some(pdu) = event(version, event_type, *state_key, content) {
                seeds.push([&[number], pdu.json().as_bytes()].concat());
            }
        }
    }
    seeds
}

/// Stored events, for the table of events.
pub(crate) fn stored_seeds() -> Vec<Vec<u8>> {
    [RoomVersion::ALL.first(), RoomVersion::ALL.last()]
        .into_iter()
        .flatten()
        .filter_map(|version| event(*version, "m.room.name", Some(""), r#"{"name":"n"}"#))
        .map(|pdu| StoredPdu::encode(&pdu, [5; 32]))
        .collect()
}

/// Types, state keys and contents of seeds.
const KINDS: &[(&str, Option<&str>, &str)] = &[
    (
        "m.room.message",
        None,
        r#"{"body":"h\"i\n","msgtype":"m.text"}"#,
    ),
    (
        "m.room.create",
        Some(""),
        r#"{"creator":"@a:x.org","room_version":"11","m.federate":false,"additional_creators":["@b:x.org"]}"#,
    ),
    (
        "m.room.member",
        Some("@a:x.org"),
        r#"{"membership":"join","displayname":"é","join_authorised_via_users_server":"@b:x.org"}"#,
    ),
    (
        "m.room.member",
        Some("@b:y.org"),
        r#"{"membership":"invite","third_party_invite":{"display_name":"b","signed":{"mxid":"@b:y.org","token":"t","signatures":{"y.org":{"ed25519:0":"AA"}}}}}"#,
    ),
    (
        "m.room.power_levels",
        Some(""),
        r#"{"ban":50,"events":{"m.room.name":100},"events_default":0,"invite":0,"kick":"50","notifications":{"room":50},"redact":50,"state_default":50,"users":{"@a:x.org":100},"users_default":0}"#,
    ),
    (
        "m.room.join_rules",
        Some(""),
        r#"{"join_rule":"restricted","allow":[{"room_id":"!o:x.org","type":"m.room_membership"}]}"#,
    ),
    (
        "m.room.redaction",
        None,
        r#"{"redacts":"$one:x.org","reason":"r"}"#,
    ),
    (
        "m.room.aliases",
        Some("x.org"),
        r##"{"aliases":["#a:x.org"]}"##,
    ),
    (
        "m.room.history_visibility",
        Some(""),
        r#"{"history_visibility":"shared"}"#,
    ),
    (
        "m.\"quoted\\\u{1}",
        Some("a\nb"),
        r#"{"":{"a":[null,true,0]}}"#,
    ),
];

/// A signed event, where the version allows it.
fn event(
    version: RoomVersion,
    event_type: &str,
    state_key: Option<&str>,
    content: &str,
) -> Option<Pdu> {
    let reference = if version.events_carry_ids() {
        "$one:x.org"
    } else {
        "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    };
    let reference = OwnedEventId::try_from(reference).ok()?;
    let in_room = event_type != "m.room.create" || version.as_str() != "12";
    let room = OwnedRoomId::try_from("!r:x.org").ok();
    let builder = EventBuilder {
        room_id: room.filter(|_| in_room),
        sender: OwnedUserId::try_from("@a:x.org").ok()?,
        event_type: event_type.to_owned(),
        state_key: state_key.map(str::to_owned),
        content: parse(content.as_bytes(), Numbers::Loose).ok()?,
        redacts: (event_type == "m.room.redaction").then(|| reference.clone()),
        prev_events: vec![reference.clone()],
        auth_events: vec![reference],
        depth: 3,
        origin_server_ts: 1_700_000_000_000,
    };
    builder.build(version, &*SIGNER).ok()
}
