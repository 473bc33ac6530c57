//! Tests of hashes and redaction.

use proptest::{
    prelude::*,
    sample::{select, subsequence},
};

use super::*;
use crate::json::{Numbers, parse};

fn redacted(version: &str, event: &str) -> String {
    let version = RoomVersion::try_from(version).unwrap();
    let Ok(Value::Object(event)) = parse(event.as_bytes(), Numbers::Loose) else {
        panic!()
    };
    Value::Object(redact(event, &version.rules().redaction)).to_canonical_string()
}

#[test]
fn redaction_follows_the_version() {
    for (version, event, expected) in [
        (
            "1",
            r#"{"type":"m.room.aliases","content":{"aliases":[],"x":1},"origin":"o"}"#,
            r#"{"content":{"aliases":[]},"origin":"o","type":"m.room.aliases"}"#,
        ),
        (
            "11",
            r#"{"type":"m.room.aliases","content":{"aliases":[],"x":1},"origin":"o"}"#,
            r#"{"content":{},"type":"m.room.aliases"}"#,
        ),
        (
            "10",
            r#"{"type":"m.room.create","content":{"creator":"@a:b","x":1}}"#,
            r#"{"content":{"creator":"@a:b"},"type":"m.room.create"}"#,
        ),
        (
            "11",
            r#"{"type":"m.room.create","content":{"creator":"@a:b","x":1}}"#,
            r#"{"content":{"creator":"@a:b","x":1},"type":"m.room.create"}"#,
        ),
        (
            "10",
            r#"{"type":"m.room.power_levels","content":{"ban":1,"invite":2,"y":3}}"#,
            r#"{"content":{"ban":1},"type":"m.room.power_levels"}"#,
        ),
        (
            "11",
            r#"{"type":"m.room.power_levels","content":{"ban":1,"invite":2,"y":3}}"#,
            r#"{"content":{"ban":1,"invite":2},"type":"m.room.power_levels"}"#,
        ),
        (
            "8",
            r#"{"type":"m.room.join_rules","content":{"join_rule":"x","allow":[]}}"#,
            r#"{"content":{"allow":[],"join_rule":"x"},"type":"m.room.join_rules"}"#,
        ),
        (
            "12",
            r#"{"type":"m.room.message","content":{"body":"b"},"unsigned":{},"depth":1}"#,
            r#"{"content":{},"depth":1,"type":"m.room.message"}"#,
        ),
    ] {
        assert_eq!(
            redacted(version, event),
            expected,
            "EVT-24, version {version}"
        );
    }
}

/// <https://spec.matrix.org/v1.19/rooms/v11/#redactions>: an emptied `third_party_invite` stays,
/// as other servers have it, or the event's id would not be theirs.
#[test]
fn an_emptied_third_party_invite_stays() {
    for (invite, expected) in [
        (
            r#"{"display_name":"e"}"#,
            r#"{"membership":"invite","third_party_invite":{}}"#,
        ),
        (
            r#"{"display_name":"e","signed":{"token":"t"}}"#,
            r#"{"membership":"invite","third_party_invite":{"signed":{"token":"t"}}}"#,
        ),
        ("null", r#"{"membership":"invite"}"#),
    ] {
        let event = format!(
            r#"{{"content":{{"membership":"invite","third_party_invite":{invite}}},"type":"m.room.member"}}"#
        );
        let expected = format!(r#"{{"content":{expected},"type":"m.room.member"}}"#);
        assert_eq!(redacted("11", &event), expected, "EVT-24");
        let old = r#"{"content":{"membership":"invite"},"type":"m.room.member"}"#;
        assert_eq!(redacted("10", &event), old, "EVT-24");
    }
}

/// Top-level keys and content keys that the redaction of some version and type knows, and others.
const KEYS: &[&str] = &[
    "allow",
    "aliases",
    "ban",
    "creator",
    "events",
    "events_default",
    "history_visibility",
    "invite",
    "join_authorised_via_users_server",
    "join_rule",
    "kick",
    "membership",
    "notifications",
    "redact",
    "redacts",
    "room_version",
    "state_default",
    "users",
    "users_default",
];
const TOP_KEYS: &[&str] = &[
    "auth_events",
    "depth",
    "event_id",
    "hashes",
    "membership",
    "origin",
    "origin_server_ts",
    "prev_events",
    "prev_state",
    "redacts",
    "room_id",
    "sender",
    "signatures",
    "state_key",
    "unsigned",
    "x",
];
const TYPES: &[&str] = &[
    "m.room.aliases",
    "m.room.create",
    "m.room.history_visibility",
    "m.room.join_rules",
    "m.room.member",
    "m.room.message",
    "m.room.power_levels",
    "m.room.redaction",
    "m.room.topic",
    "x",
];

proptest! {
    /// Ruma's redaction, over its own JSON, is the oracle.
    #[test]
    fn redaction_is_as_by_another_implementation(
        version in select(RoomVersion::ALL.to_vec()),
        event_type in select(TYPES),
        content in subsequence(KEYS, 0..KEYS.len()),
        top in subsequence(TOP_KEYS, 0..TOP_KEYS.len()),
        signed: bool,
    ) {
        let number = |key: &&str| ((*key).to_owned(), Value::from(1));
        let mut content = Value::object(content.iter().map(number));
        let mut invite = Value::object([("display_name", Value::from("e"))]);
        if signed {
            invite.insert("signed", Value::object([("token", Value::from("t"))]));
        }
        content.insert("third_party_invite", invite);
        let mut event = Value::object(top.iter().map(number));
        event.insert("type", Value::from(event_type));
        event.insert("content", content);

        let rules = &version.rules().redaction;
        let theirs = serde_json::from_str(&event.to_canonical_string()).unwrap();
        let theirs = ruma_common::canonical_json::redact(theirs, rules, None).unwrap();
        let ours = Value::Object(redact(event.as_object().unwrap().clone(), rules));
        prop_assert_eq!(ours.to_canonical_string(), serde_json::to_string(&theirs).unwrap());
    }
}

#[test]
fn ids_are_hashes_in_the_alphabet_of_the_version() {
    let hash = [0xfb; 32];
    let id = |name| id_of_hash(&hash, RoomVersion::try_from(name).unwrap());
    assert!(id("3").starts_with("$+/v7+"));
    assert!(id("4").starts_with("$-_v7-") && id("12") == id("4"));
    let room = <&RoomId>::try_from("!r:x.org").unwrap();
    for version in RoomVersion::ALL.into_iter().skip(2) {
        let id = ruma_common::OwnedEventId::try_from(id_of_hash(&hash, version)).unwrap();
        assert_eq!(event_id_hash(room, &id, version), hash);
    }
    // An id that is no hash, and ids that events carry, are hashed together with their room.
    let other = <&RoomId>::try_from("!s:x.org").unwrap();
    let id = <&EventId>::try_from("$one:x.org").unwrap();
    for version in RoomVersion::ALL {
        assert_ne!(
            event_id_hash(room, id, version),
            event_id_hash(other, id, version)
        );
    }
}
