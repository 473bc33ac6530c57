//! Making one event: hashed, signed and named as rooms of version 12 have it.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use ring::{
    digest::{SHA256, digest},
    signature::Ed25519KeyPair,
};
use serde::Serialize;
use serde_json::{Map, Value};

/// Who sends everything.
const SENDER: &str = "@sender:floor.localhost";
/// The power levels and the sender's membership, as an event of a message cites them.
const AUTH_EVENTS: [&str; 2] = [
    "$hXAy5OqfMWwJvpp2dcP3bfDNDdDwWzIdTnWrwQwRVgI",
    "$dWl0aG91dCBhIHJvb20gdGhlcmUgaXMgbm8gbWVtYmU",
];

/// An event, with its keys in the order of canonical JSON.
#[derive(Serialize)]
struct Event<'a> {
    auth_events: [&'a str; 2],
    content: &'a Map<String, Value>,
    depth: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    hashes: Option<Hashes<'a>>,
    origin_server_ts: u64,
    prev_events: [&'a str; 1],
    room_id: &'a str,
    sender: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    signatures: Option<Signatures<'a>>,
    r#type: &'a str,
}

#[derive(Clone, Copy, Serialize)]
struct Hashes<'a> {
    sha256: &'a str,
}

#[derive(Serialize)]
struct Signatures<'a> {
    #[serde(rename = "floor.localhost")]
    server: OwnSignature<'a>,
}

#[derive(Serialize)]
struct OwnSignature<'a> {
    #[serde(rename = "ed25519:1")]
    key: &'a str,
}

/// What a message's event is made of.
pub(crate) struct Draft<'a> {
    /// The room in the request's path.
    pub(crate) room_id: &'a str,
    /// The body of the request.
    pub(crate) content: &'a Map<String, Value>,
    /// The event before it.
    pub(crate) prev: &'a str,
    /// One more than the depth before it.
    pub(crate) depth: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) time_ms: u64,
}

/// An event as it is stored.
pub(crate) struct Made {
    /// The event's id.
    pub(crate) id: String,
    /// The whole event as canonical JSON.
    pub(crate) json: Vec<u8>,
}

impl Draft<'_> {
    /// Hashes, signs and names the event.
    ///
    /// # Errors
    /// When the content cannot be written, which serde allows for and this content is never.
    pub(crate) fn make(&self, key: &Ed25519KeyPair) -> serde_json::Result<Made> {
        let nothing = Map::new();
        let mut event = Event {
            auth_events: AUTH_EVENTS,
            content: self.content,
            depth: self.depth,
            hashes: None,
            origin_server_ts: self.time_ms,
            prev_events: [self.prev],
            room_id: self.room_id,
            sender: SENDER,
            signatures: None,
            r#type: "m.room.message",
        };
        let content_hash = digest(&SHA256, &serde_json::to_vec(&event)?);
        let content_hash = STANDARD_NO_PAD.encode(content_hash);
        event.hashes = Some(Hashes {
            sha256: &content_hash,
        });
        // Redaction leaves nothing of a message's content; what is left is signed and named.
        event.content = &nothing;
        let signed = serde_json::to_vec(&event)?;
        let signature = STANDARD_NO_PAD.encode(key.sign(&signed));
        let name = URL_SAFE_NO_PAD.encode(digest(&SHA256, &signed));
        event.content = self.content;
        event.signatures = Some(Signatures {
            server: OwnSignature { key: &signature },
        });
        Ok(Made {
            id: format!("${name}"),
            json: serde_json::to_vec(&event)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, KeyPair as _, UnparsedPublicKey};
    use serde_json::json;

    use super::*;

    /// The parts of an event, taken apart again: what an event of this content must hold.
    #[test]
    fn an_event_has_its_hash_its_signature_and_its_name() {
        let key = Ed25519KeyPair::from_seed_unchecked(&[1; 32]).unwrap();
        let content = json!({ "msgtype": "m.text", "body": "b\"ä\n", "a": { "z": 1, "b": 2 } });
        let draft = Draft {
            room_id: "!room",
            content: content.as_object().unwrap(),
            prev: "$prev",
            depth: 7,
            time_ms: 1_700_000_000_000,
        };
        let made = draft.make(&key).unwrap();
        let mut event: Value = serde_json::from_slice(&made.json).unwrap();
        assert_eq!(
            serde_json::to_vec(&event).unwrap(),
            made.json,
            "keys are sorted"
        );
        let event_map = event.as_object_mut().unwrap();
        let signatures = event_map.remove("signatures").unwrap();
        let hashes = event_map.remove("hashes").unwrap();
        let hash = digest(&SHA256, &serde_json::to_vec(&event).unwrap());
        assert_eq!(hashes["sha256"], STANDARD_NO_PAD.encode(hash));
        event["content"] = json!({});
        event["hashes"] = hashes;
        let signed = serde_json::to_vec(&event).unwrap();
        let signature = signatures["floor.localhost"]["ed25519:1"].as_str().unwrap();
        let signature = STANDARD_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ED25519, key.public_key())
            .verify(&signed, &signature)
            .unwrap();
        let name = URL_SAFE_NO_PAD.encode(digest(&SHA256, &signed));
        assert_eq!(made.id, format!("${name}"));
    }
}
