//! Tests of signatures: the specification's vectors, and who must have signed what.

use super::*;
use crate::{
    hashing::content_hash,
    json::{Numbers, parse},
};

/// The seed of the specification's test vectors.
const SEED: &str = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1";

fn signer() -> Ed25519Signer {
    let seed = from_base64(SEED).unwrap().try_into().unwrap();
    Ed25519Signer::from_seed("domain", "1", &seed)
}

struct Known(Ed25519Signer);

impl VerifyKeys for Known {
    fn key(&self, server: &str, key_id: &str, _: u64) -> Option<[u8; 32]> {
        (server == self.0.server_name() && key_id == self.0.key_id()).then(|| self.0.public_key())
    }
}

/// <https://spec.matrix.org/v1.19/appendices/#json-signing>
#[test]
fn the_signatures_of_the_specification() {
    for (json, expected) in [
        (
            "{}",
            "K8280/U9SSy9IVtjBuVeLr+HpOB4BQFWbg+UZaADMtTdGYI7Geitb76LTrr5QV/7Xg4ahLwYGYZzuHGZKM5ZAQ",
        ),
        (
            r#"{"one": 1, "two": "Two"}"#,
            "KqmLSbO39/Bzb0QIYE82zqLwsA+PDzYIpIRA2sRQ4sL53+sN6/fpNSoqE7BP7vBZhG6kYdD13EIMJpvhJI+6Bw",
        ),
    ] {
        let mut value = parse(json.as_bytes(), Numbers::Strict).unwrap();
        sign_json(&mut value, &signer()).unwrap();
        let signature = value.get("signatures").and_then(|s| s.get("domain"));
        let signature = signature
            .and_then(|s| s.get("ed25519:1"))
            .and_then(Value::as_str);
        assert_eq!(signature, Some(expected));
        let object = value.as_object().unwrap();
        assert_eq!(verify_json(object, "domain", &Known(signer()), 0), Ok(()));
    }
}

#[test]
fn a_changed_object_is_forged_and_another_server_missing() {
    let mut value = Value::object([("a", Value::from(1))]);
    sign_json(&mut value, &signer()).unwrap();
    value.insert("a", Value::from(2));
    let object = value.as_object().unwrap();
    let keys = Known(signer());
    let forged = SignatureError::Forged("domain".into());
    assert_eq!(verify_json(object, "domain", &keys, 0), Err(forged));
    let missing = SignatureError::Missing("other".into());
    assert_eq!(verify_json(object, "other", &keys, 0), Err(missing));
}

fn object(json: &str) -> Object {
    let Ok(Value::Object(object)) = parse(json.as_bytes(), Numbers::Loose) else {
        panic!("{json}")
    };
    object
}

/// <https://spec.matrix.org/v1.19/appendices/#event-signing>
#[test]
fn the_events_of_the_specification() {
    for (event, hash, signature) in [
        (
            r#"{
                "room_id": "!x:domain", "sender": "@a:domain", "origin": "domain",
                "origin_server_ts": 1000000, "signatures": {}, "hashes": {}, "type": "X",
                "content": {}, "prev_events": [], "auth_events": [], "depth": 3,
                "unsigned": {"age_ts": 1000000}
            }"#,
            "5jM4wQpv6lnBo7CLIghJuHdW+s2CMBJPUOGOC89ncos",
            "KxwGjPSDEtvnFgU00fwFz+l6d2pJM6XBIaMEn81SXPTRl16AqLAYqfIReFGZlHi5KLjAWbOoMszkwsQma+lYAg",
        ),
        (
            r#"{
                "content": {"body": "Here is the message content"}, "event_id": "$0:domain",
                "origin": "domain", "origin_server_ts": 1000000, "type": "m.room.message",
                "room_id": "!r:domain", "sender": "@u:domain", "signatures": {},
                "unsigned": {"age_ts": 1000000}
            }"#,
            "onLKD1bGljeBWQhWZ1kaP9SorVmRQNdN5aM2JYU2n/g",
            "Wm+VzmOUOz08Ds+0NTWb1d4CZrVsJSikkeRxh6aCcUwu6pNC78FunoD7KNWzqFn241eYHYMGCA5McEiVPdhzBA",
        ),
    ] {
        let mut event = object(event);
        assert_eq!(base64(&content_hash(&event)), hash);
        let hashes = Value::object([("sha256", Value::from(hash))]);
        event.insert("hashes".to_owned(), hashes);
        let message = signed_form(&event, RoomVersion::ALL[0]);
        assert_eq!(base64(&signer().sign(message.as_bytes())), signature);
    }
}

#[test]
fn signatures_are_added_to_those_that_are_there() {
    let mut value = Value::Object(object(
        r#"{"signatures":{"domain":{"ed25519:old":"o"},"other":{"ed25519:1":"x"}}}"#,
    ));
    sign_json(&mut value, &signer()).unwrap();
    let kept = [
        ("domain", "ed25519:old"),
        ("other", "ed25519:1"),
        ("domain", "ed25519:1"),
    ];
    for (server, key) in kept {
        let signature = value
            .get("signatures")
            .unwrap()
            .get(server)
            .unwrap()
            .get(key);
        assert!(signature.is_some(), "{server} {key}");
    }
    for odd in [r#"{"signatures":1}"#, r#"{"signatures":{"domain":1}}"#] {
        let signed = sign_json(&mut Value::Object(object(odd)), &signer());
        assert!(
            signed.is_err(),
            "nothing is left unsigned in silence: {odd}"
        );
    }
}

/// An invite that only another server than its sender's has signed.
fn foreign_invite(version: RoomVersion, third_party: &str, right_hash: bool) -> Pdu {
    let id = if version.events_carry_ids() {
        r#""event_id":"$i:domain","#
    } else {
        ""
    };
    let room = "!AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let mut event = object(&format!(
        r#"{{
            {id} "room_id": "{room}", "sender": "@admin:victim", "type": "m.room.member",
            "state_key": "@me:domain", "origin_server_ts": 1, "depth": 3,
            "prev_events": [], "auth_events": [],
            "content": {{"membership": "invite", "third_party_invite": {third_party}}}
        }}"#
    ));
    let mut hash = content_hash(&event);
    hash[0] ^= u8::from(!right_hash);
    let hashes = Value::object([("sha256", Value::from(base64(&hash).as_str()))]);
    event.insert("hashes".to_owned(), hashes);
    let signature = base64(&signer().sign(signed_form(&event, version).as_bytes()));
    let own = Value::object([("ed25519:1", Value::from(signature.as_str()))]);
    event.insert("signatures".to_owned(), Value::object([("domain", own)]));
    Pdu::from_object(&event, version).unwrap()
}

/// The sender's server need not sign an invite that a third-party invite led to; everything else
/// it must, or anyone could invite in its users' names.
#[test]
fn only_a_whole_third_party_invite_excuses_the_senders_server() {
    let keys = Known(signer());
    let missing = SignatureError::Missing("victim".into());
    let invite =
        r#"{"display_name":"e","signed":{"mxid":"@me:domain","token":"t","signatures":{}}}"#;
    for version in RoomVersion::ALL {
        let name = version.as_str();
        let whole = verify_pdu(foreign_invite(version, invite, true), version, &keys);
        assert!(whole.is_ok(), "version {name}");
        for odd in ["null", "true", "\"\"", "[]"] {
            let refused = verify_pdu(foreign_invite(version, odd, true), version, &keys);
            assert_eq!(refused.unwrap_err(), missing, "version {name}: {odd}");
        }
        // Of a wrong hash, what counts is the redacted form, which is an ordinary invite where
        // redaction takes the third-party invite away.
        let redacted = verify_pdu(foreign_invite(version, invite, false), version, &keys);
        let keeps = version
            .rules()
            .redaction
            .keep_room_member_third_party_invite_signed;
        assert_eq!(redacted.is_ok(), keeps, "version {name}");
        if let Ok(redacted) = redacted {
            assert!(redacted.pdu().content_json().contains("\"signed\""));
        } else if let Err(error) = redacted {
            assert_eq!(error, missing);
        }
    }
}

#[test]
fn the_server_of_an_id_and_of_an_authorising_user_must_sign_too() {
    let keys = Known(signer());
    let missing = SignatureError::Missing("victim".into());
    for version in RoomVersion::ALL {
        let mut event = object(
            r#"{
                "event_id": "$i:victim", "room_id": "!r:domain", "sender": "@me:domain",
                "type": "m.room.member", "state_key": "@me:domain", "origin_server_ts": 1,
                "depth": 3, "prev_events": [], "auth_events": [], "hashes": {},
                "content": {"membership": "join", "join_authorised_via_users_server": "@a:victim"}
            }"#,
        );
        let of_id = version.events_carry_ids();
        if !of_id {
            event.remove("event_id");
        }
        let signature = base64(&signer().sign(signed_form(&event, version).as_bytes()));
        let own = Value::object([("ed25519:1", Value::from(signature.as_str()))]);
        event.insert("signatures".to_owned(), Value::object([("domain", own)]));
        let verified = verify_pdu(Pdu::from_object(&event, version).unwrap(), version, &keys);
        let restricted = version
            .rules()
            .signatures
            .check_join_authorised_via_users_server;
        if of_id || restricted {
            assert_eq!(
                verified.unwrap_err(),
                missing,
                "version {}",
                version.as_str()
            );
        } else {
            assert!(verified.is_ok(), "version {}", version.as_str());
        }
    }
}
