//! Tests of events: made, read, stored, served, for every room version.

use bytes::Bytes;
use ruma_common::{OwnedEventId, OwnedRoomId, OwnedUserId};

use super::*;
use crate::{
    builder::{BuildError, EventBuilder},
    hashing::event_id_hash,
    json::MAX_DEPTH,
    signing::{Ed25519Signer, SignatureError, Signer, VerifyKeys, verify_pdu},
};

struct Known(Ed25519Signer);

impl VerifyKeys for Known {
    fn key(&self, server: &str, key_id: &str, _: u64) -> Option<[u8; 32]> {
        (server == self.0.server_name() && key_id == self.0.key_id()).then(|| self.0.public_key())
    }
}

fn signer() -> Ed25519Signer {
    Ed25519Signer::from_seed("x.org", "1", &[7; 32])
}

fn builder(version: RoomVersion) -> EventBuilder {
    let reference = if version.events_carry_ids() {
        "$one:x.org"
    } else {
        "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    };
    EventBuilder {
        room_id: Some(OwnedRoomId::try_from("!r:x.org").unwrap()),
        sender: OwnedUserId::try_from("@a:x.org").unwrap(),
        event_type: "m.room.message".to_owned(),
        state_key: None,
        content: Value::object([("body", Value::from("h\"i\n"))]),
        redacts: None,
        prev_events: vec![OwnedEventId::try_from(reference).unwrap()],
        auth_events: vec![],
        depth: 3,
        origin_server_ts: 1_700_000_000_000,
    }
}

#[test]
fn what_is_built_is_read_verified_and_stored_alike_in_every_version() {
    for version in RoomVersion::ALL {
        let built = builder(version).build(version, &signer()).unwrap();
        let read = Pdu::parse(&built.bytes, version).unwrap();
        assert_eq!(
            read.event_id(),
            built.event_id(),
            "version {}",
            version.as_str()
        );
        assert_eq!(read.layout, built.layout);
        assert!(read.has_its_hash().unwrap());
        let room = read.room_id().unwrap().to_owned();
        let hash = event_id_hash(&room, read.event_id(), version);
        let stored = StoredPdu::decode(StoredPdu::encode(&read, hash).into()).unwrap();
        assert_eq!(&*stored.event_id(version).unwrap(), read.event_id());
        assert_eq!(stored.content_json(), r#"{"body":"h\"i\n"}"#);
        assert_eq!(stored.to_pdu(version).unwrap().event_id(), read.event_id());
        let verified = verify_pdu(read, version, &Known(signer())).unwrap();
        assert_eq!(verified.pdu().content_json(), r#"{"body":"h\"i\n"}"#);
    }
}

#[test]
fn a_changed_content_is_redacted_and_a_changed_key_forged() {
    for version in RoomVersion::ALL {
        let built = builder(version).build(version, &signer()).unwrap();
        let changed = built.json().replace("h\\\"i", "changed");
        let read = Pdu::parse(changed.as_bytes(), version).unwrap();
        let verified = verify_pdu(read, version, &Known(signer())).unwrap();
        assert_eq!(
            verified.pdu().content_json(),
            "{}",
            "the redacted form counts"
        );
        assert_eq!(verified.pdu().event_id(), built.event_id());
        let changed = built.json().replace("\"depth\":3", "\"depth\":4");
        let read = Pdu::parse(changed.as_bytes(), version).unwrap();
        let refused = verify_pdu(read, version, &Known(signer()));
        assert_eq!(refused.unwrap_err(), SignatureError::Forged("x.org".into()));
    }
}

#[test]
fn since_version_12_the_create_event_names_the_room() {
    let version = RoomVersion::DEFAULT;
    let create = EventBuilder {
        room_id: None,
        event_type: "m.room.create".to_owned(),
        state_key: Some(String::new()),
        prev_events: vec![],
        ..builder(version)
    };
    let built = create.build(version, &signer()).unwrap();
    let read = Pdu::parse(&built.bytes, version).unwrap();
    assert_eq!(read.room_id(), built.room_id());
    let name = read
        .room_id()
        .unwrap()
        .as_str()
        .trim_start_matches('!')
        .to_owned();
    assert_eq!(format!("${name}"), read.event_id().as_str());
}

#[test]
fn a_client_gets_all_keys_but_room_id_and_unsigned() {
    let version = RoomVersion::DEFAULT;
    let built = builder(version).build(version, &signer()).unwrap();
    let hash = event_id_hash(built.room_id().unwrap(), built.event_id(), version);
    let stored = StoredPdu::decode(StoredPdu::encode(&built, hash).into()).unwrap();
    let mut json = String::new();
    stored.client_json(version, &mut json).unwrap();
    json.push('}');
    let event: serde_json::Value = serde_json::from_str(&json).unwrap();
    let expected = serde_json::json!({
        "type": "m.room.message", "sender": "@a:x.org", "event_id": built.event_id(),
        "origin_server_ts": 1_700_000_000_000u64, "content": {"body": "h\"i\n"},
    });
    assert_eq!(event, expected, "SYN-39");
}

#[test]
fn strings_at_their_limit_and_one_past_it() {
    let version = RoomVersion::DEFAULT;
    let with = |len: usize| EventBuilder {
        event_type: "t".repeat(len),
        ..builder(version)
    };
    assert!(with(255).build(version, &signer()).is_ok(), "EVT-11");
    let over = with(256).build(version, &signer()).unwrap_err();
    assert_eq!(over, BuildError::TooLarge("type"), "EVT-11");
    let big = |len: usize| EventBuilder {
        content: Value::object([("b", Value::String("b".repeat(len)))]),
        ..builder(version)
    };
    let overhead = big(1).build(version, &signer()).unwrap().bytes.len() - 1;
    assert!(
        big(MAX_PDU_BYTES - overhead)
            .build(version, &signer())
            .is_ok(),
        "EVT-10"
    );
    let over = big(MAX_PDU_BYTES - overhead + 1)
        .build(version, &signer())
        .unwrap_err();
    assert!(over.is_too_large(), "EVT-10");
}

/// Stores and decodes an event.
fn stored(pdu: &Pdu, version: RoomVersion) -> StoredPdu {
    let hash = event_id_hash(pdu.room_id().unwrap(), pdu.event_id(), version);
    StoredPdu::decode(StoredPdu::encode(pdu, hash).into()).unwrap()
}

#[test]
fn a_type_is_read_whatever_characters_it_has() {
    let version = RoomVersion::DEFAULT;
    for event_type in [
        "",
        "a\"b",
        "a\\b",
        "line\nfeed",
        "\u{1}",
        "日本",
        "m.room.message",
    ] {
        let builder = EventBuilder {
            event_type: event_type.to_owned(),
            state_key: Some(event_type.to_owned()),
            ..builder(version)
        };
        let built = builder.build(version, &signer()).unwrap();
        let read = Pdu::parse(&built.bytes, version).unwrap();
        let stored = stored(&read, version);
        assert_eq!(built.type_str(), event_type);
        assert_eq!(read.type_str(), event_type);
        assert_eq!(stored.to_pdu(version).unwrap().type_str(), event_type);
        assert_eq!(stored.event_type().unwrap(), event_type);
        assert_eq!(stored.state_key().unwrap().unwrap(), event_type);
    }
}

/// <https://spec.matrix.org/v1.19/rooms/v11/#moving-the-redacts-property-of-mroomredaction-events-to-a-content-property>
#[test]
fn a_redaction_tells_clients_what_the_version_says_it_redacts() {
    for version in RoomVersion::ALL {
        let real = builder(version).prev_events[0].clone();
        let other = OwnedEventId::try_from("$other:x.org").unwrap();
        let in_content = version.rules().redaction.content_field_redacts;
        let (top, content) = if in_content {
            (&other, &real)
        } else {
            (&real, &other)
        };
        let redaction = EventBuilder {
            event_type: "m.room.redaction".to_owned(),
            content: Value::object([("redacts", Value::from(content.as_str()))]),
            redacts: Some(top.clone()),
            ..builder(version)
        };
        let built = redaction.build(version, &signer()).unwrap();
        let read = Pdu::parse(&built.bytes, version).unwrap();
        assert_eq!(read.redacts_id(), Some(&*real));
        assert_eq!(built.redacts_id(), Some(&*real));
        let mut json = String::new();
        stored(&read, version)
            .client_json(version, &mut json)
            .unwrap();
        json.push('}');
        let event: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            event["redacts"],
            real.as_str(),
            "version {}",
            version.as_str()
        );
        assert_eq!(event["content"]["redacts"], real.as_str());

        // What stands in the other place alone redacts nothing.
        let nothing = read.redacted(version).unwrap();
        let mut json = String::new();
        stored(&nothing, version)
            .client_json(version, &mut json)
            .unwrap();
        json.push('}');
        let event: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(event.get("redacts").is_some(), in_content);
    }
}

#[test]
fn only_redactions_redact() {
    let version = RoomVersion::try_from("6").unwrap();
    let target = builder(version).prev_events.pop();
    let message = EventBuilder {
        redacts: target,
        ..builder(version)
    };
    let built = message.build(version, &signer()).unwrap();
    assert_eq!(built.redacts_id(), None);
    assert_eq!(
        Pdu::parse(&built.bytes, version).unwrap().redacts_id(),
        None
    );
}

#[test]
fn a_rejected_event_stays_rejected_when_redacted() {
    let version = RoomVersion::DEFAULT;
    let rejected = builder(version)
        .build(version, &signer())
        .unwrap()
        .into_rejected();
    assert!(rejected.redacted(version).unwrap().rejected);
}

/// What is built can always be read again: the content stands one level down in the event.
#[test]
fn the_deepest_content_and_one_deeper() {
    let version = RoomVersion::DEFAULT;
    let nested = |depth: usize| {
        let content = format!(
            "{}{{}}{}",
            "{\"a\":".repeat(depth - 1),
            "}".repeat(depth - 1)
        );
        EventBuilder {
            content: parse(content.as_bytes(), Numbers::Strict).unwrap(),
            ..builder(version)
        }
    };
    let built = nested(MAX_DEPTH - 1).build(version, &signer()).unwrap();
    assert!(stored(&built, version).to_pdu(version).is_ok());
    let refused = nested(MAX_DEPTH).build(version, &signer()).unwrap_err();
    assert_eq!(refused, BuildError::Json(JsonError::TooDeep));
}

#[test]
fn lists_at_their_limit_and_one_past_it() {
    for version in RoomVersion::ALL {
        let id = builder(version).prev_events.remove(0);
        for (key, prev, auth) in [("prev_events", 20, 0), ("auth_events", 1, 10)] {
            let list = |more: usize| EventBuilder {
                prev_events: vec![id.clone(); prev + if key == "prev_events" { more } else { 0 }],
                auth_events: vec![id.clone(); auth + if key == "auth_events" { more } else { 0 }],
                ..builder(version)
            };
            let full = list(0).build(version, &signer()).unwrap();
            let mut event = full.object().unwrap();
            assert!(Pdu::from_object(&event, version).is_ok(), "EVT-11");
            let over = list(1).build(version, &signer()).unwrap_err();
            assert_eq!(over, BuildError::TooLarge(key), "EVT-11");
            let mut ids = event[key].as_array().unwrap().to_vec();
            ids.push(ids[0].clone());
            event.insert(key.to_owned(), Value::Array(ids));
            let over = Pdu::from_object(&event, version).unwrap_err();
            assert_eq!(over, PduError::TooLarge(key), "EVT-11");
        }
    }
}

#[test]
fn malformed_keys_are_refused() {
    for version in RoomVersion::ALL {
        let event = builder(version)
            .build(version, &signer())
            .unwrap()
            .object()
            .unwrap();
        let mut odd = vec![
            ("type", "1"),
            ("sender", r#""a""#),
            ("room_id", r#""r""#),
            ("content", "[]"),
            ("state_key", "null"),
            ("origin_server_ts", "-1"),
            ("depth", "-1"),
            ("depth", "\"1\""),
            ("prev_events", "{}"),
            ("auth_events", "[1]"),
        ];
        if version.events_carry_ids() {
            odd.push(("event_id", "\"$without-a-server\""));
        }
        for (key, json) in odd {
            let mut event = event.clone();
            event.insert(
                key.to_owned(),
                parse(json.as_bytes(), Numbers::Strict).unwrap(),
            );
            let refused = Pdu::from_object(&event, version).unwrap_err();
            assert_eq!(
                refused,
                PduError::Malformed(key),
                "version {}",
                version.as_str()
            );
            if key != "state_key" {
                event.remove(key);
                assert!(Pdu::from_object(&event, version).is_err(), "without {key}");
            }
        }
    }
}

#[test]
fn since_version_12_the_create_event_is_no_auth_event() {
    let room = "!BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB";
    for version in RoomVersion::ALL.into_iter().skip(2) {
        let event = EventBuilder {
            room_id: Some(OwnedRoomId::try_from(room).unwrap()),
            auth_events: vec![OwnedEventId::try_from(room.replace('!', "$")).unwrap()],
            ..builder(version)
        };
        let built = event.build(version, &signer()).unwrap();
        let read = Pdu::parse(&built.bytes, version);
        assert_eq!(read.is_ok(), version.as_str() != "12");
    }
}

fn use_stored(stored: &StoredPdu, version: RoomVersion) {
    stored.client_json(version, &mut String::new()).ok();
    stored.to_pdu(version).ok();
    stored.sender().ok();
    stored.event_type().ok();
    stored.state_key().ok();
    stored.origin_server_ts();
}

proptest::proptest! {
    #[test]
    fn garbage_is_corrupt_never_a_panic(mut bytes: Vec<u8>) {
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        if let Ok(stored) = StoredPdu::decode(Bytes::from(bytes)) {
            use_stored(&stored, RoomVersion::DEFAULT);
        }
    }

    #[test]
    fn a_stored_event_with_changed_bytes_is_never_a_panic(
        version in proptest::sample::select(RoomVersion::ALL.to_vec()),
        changes in proptest::collection::vec((0usize..1000, 0u8..128), 1..4),
        cut in 0usize..1200,
    ) {
        let built = builder(version).build(version, &signer()).unwrap();
        let mut bytes = StoredPdu::encode(&built, [1; 32]);
        for (at, byte) in changes {
            let at = at % bytes.len();
            bytes[at] = byte;
        }
        bytes.truncate(cut);
        if let Ok(stored) = StoredPdu::decode(Bytes::from(bytes)) {
            use_stored(&stored, version);
        }
    }
}
