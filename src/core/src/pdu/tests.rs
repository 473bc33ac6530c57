//! Tests of events: made, read, stored, served, for every room version.

use bytes::Bytes;
use ruma_common::{OwnedEventId, OwnedRoomId, OwnedUserId};

use super::*;
use crate::{
    builder::{BuildError, EventBuilder},
    hashing::event_id_hash,
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

proptest::proptest! {
    #[test]
    fn garbage_is_corrupt_never_a_panic(mut bytes: Vec<u8>) {
        if let Some(first) = bytes.first_mut() {
            *first = 1;
        }
        if let Ok(stored) = StoredPdu::decode(Bytes::from(bytes)) {
            stored.client_json(RoomVersion::DEFAULT, &mut String::new()).ok();
            stored.to_pdu(RoomVersion::DEFAULT).ok();
        }
    }
}
