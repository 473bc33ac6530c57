//! Signatures of servers.
//!
//! <https://spec.matrix.org/v1.19/appendices/#signing-json>
//! <https://spec.matrix.org/v1.19/server-server-api/#validating-hashes-and-signatures-on-received-events>

use std::collections::BTreeSet;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use ruma_common::{EventId, OwnedUserId, ServerName};

use crate::{
    hashing::{base64, from_base64, signed_form},
    json::{Object, Value, write_object},
    pdu::{Pdu, PduError},
    room_version::RoomVersion,
};

/// A server's name and its signing key.
pub trait Signer: Send + Sync {
    /// The server's name.
    fn server_name(&self) -> &str;

    /// The key's id, such as `ed25519:1`.
    fn key_id(&self) -> &str;

    /// The public half of the key.
    fn public_key(&self) -> [u8; 32];

    /// Signs bytes.
    fn sign(&self, message: &[u8]) -> [u8; 64];
}

/// An Ed25519 signing key in memory.
#[derive(Debug)]
pub struct Ed25519Signer {
    server_name: String,
    key_id: String,
    pair: Ed25519KeyPair,
}

impl Ed25519Signer {
    /// The key made of a seed; `version` is the part of the key's id after the colon.
    ///
    /// # Panics
    /// Never: any 32 bytes are a seed.
    pub fn from_seed(server_name: &str, version: &str, seed: &[u8; 32]) -> Self {
        #[expect(clippy::expect_used, reason = "any 32 bytes are a seed")]
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("32 bytes are a seed");
        let key_id = format!("ed25519:{version}");
        Self {
            server_name: server_name.to_owned(),
            key_id,
            pair,
        }
    }
}

impl Signer for Ed25519Signer {
    fn server_name(&self) -> &str {
        &self.server_name
    }

    fn key_id(&self) -> &str {
        &self.key_id
    }

    fn public_key(&self) -> [u8; 32] {
        self.pair
            .public_key()
            .as_ref()
            .try_into()
            .unwrap_or([0; 32])
    }

    fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.pair
            .sign(message)
            .as_ref()
            .try_into()
            .unwrap_or([0; 64])
    }
}

/// Where the public keys of servers are found.
pub trait VerifyKeys {
    /// The key of a server, if it was valid at `at_ms`, milliseconds since the Unix epoch.
    fn key(&self, server: &str, key_id: &str, at_ms: u64) -> Option<[u8; 32]>;
}

/// Why something is not signed as it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It is not an object.
    #[error("only objects are signed")]
    NotAnObject,
    /// It has no signature of this server by a key that is known.
    #[error("no known signature of {0}")]
    Missing(Box<str>),
    /// A signature of this server is not right.
    #[error("forged signature of {0}")]
    Forged(Box<str>),
    /// The event cannot be read.
    #[error(transparent)]
    Pdu(#[from] PduError),
}

/// Adds a server's signature to an object.
///
/// # Errors
/// [`SignatureError::NotAnObject`]
pub fn sign_json(value: &mut Value, signer: &dyn Signer) -> Result<(), SignatureError> {
    let Value::Object(object) = value else {
        return Err(SignatureError::NotAnObject);
    };
    let signature = base64(&signer.sign(signed_json(object).as_bytes()));
    let own = [(signer.key_id(), Value::from(signature.as_str()))];
    let all = object
        .entry("signatures".to_owned())
        .or_insert_with(|| Value::object::<&str, _>([]));
    all.insert(signer.server_name(), Value::object(own));
    Ok(())
}

/// What a signature of an object is over.
fn signed_json(object: &Object) -> String {
    let mut object = object.clone();
    object.remove("signatures");
    object.remove("unsigned");
    let mut json = String::new();
    write_object(&object, &mut json);
    json
}

/// Checks a server's signature of an object.
///
/// # Errors
/// [`SignatureError::Missing`] and [`SignatureError::Forged`]
pub fn verify_json(
    object: &Object,
    server: &str,
    keys: &dyn VerifyKeys,
    at_ms: u64,
) -> Result<(), SignatureError> {
    check(object, signed_json(object).as_bytes(), server, keys, at_ms)
}

/// Checks one server's signature of a message.
fn check(
    signed: &Object,
    message: &[u8],
    server: &str,
    keys: &dyn VerifyKeys,
    at_ms: u64,
) -> Result<(), SignatureError> {
    let missing = || SignatureError::Missing(server.into());
    let signatures = signed.get("signatures").and_then(|s| s.get(server));
    let signatures = signatures.and_then(Value::as_object).ok_or_else(missing)?;
    let mut verdict = Err(missing());
    for (key_id, signature) in signatures {
        let Some(key) = keys.key(server, key_id, at_ms) else {
            continue;
        };
        let signature = signature.as_str().and_then(from_base64).unwrap_or_default();
        let right = UnparsedPublicKey::new(&ED25519, key)
            .verify(message, &signature)
            .is_ok();
        if right {
            return Ok(());
        }
        verdict = Err(SignatureError::Forged(server.into()));
    }
    verdict
}

/// An event whose signatures were checked, in the form that counts: redacted, if its content is
/// not what its hash says. Only this module makes one.
#[derive(Debug)]
pub struct VerifiedPdu(Pdu);

impl VerifiedPdu {
    /// The event.
    pub const fn pdu(&self) -> &Pdu {
        &self.0
    }

    /// The event.
    pub fn into_pdu(self) -> Pdu {
        self.0
    }
}

/// Checks the signatures and the content hash of an event.
///
/// # Errors
/// [`SignatureError::Missing`] and [`SignatureError::Forged`]; a wrong hash is no error.
pub fn verify_pdu(
    pdu: Pdu,
    version: RoomVersion,
    keys: &dyn VerifyKeys,
) -> Result<VerifiedPdu, SignatureError> {
    let event = pdu.object()?;
    let message = signed_form(&event, version);
    let at_ms = if version.rules().enforce_key_validity {
        pdu.origin_server_ts()
    } else {
        0
    };
    for server in signing_servers(&pdu, &event, version) {
        check(&event, message.as_bytes(), &server, keys, at_ms)?;
    }
    if pdu.has_its_hash()? {
        return Ok(VerifiedPdu(pdu));
    }
    Ok(VerifiedPdu(pdu.redacted(version)?))
}

/// The servers that must have signed an event.
fn signing_servers(pdu: &Pdu, event: &Object, version: RoomVersion) -> BTreeSet<String> {
    let rules = &version.rules().signatures;
    let content = event.get("content");
    let membership = content
        .and_then(|c| c.get("membership"))
        .and_then(Value::as_str);
    let is_member = pdu.type_str() == "m.room.member";
    let mut servers = BTreeSet::new();
    let third_party = is_member
        && membership == Some("invite")
        && content.is_some_and(|c| c.get("third_party_invite").is_some());
    if !third_party {
        servers.insert(pdu.sender().server_name().to_string());
    }
    if rules.check_event_id_server
        && let Some(server) = server_of(pdu.event_id())
    {
        servers.insert(server.to_string());
    }
    if rules.check_join_authorised_via_users_server && is_member && membership == Some("join") {
        let user = content.and_then(|c| c.get("join_authorised_via_users_server"));
        let user = user
            .and_then(Value::as_str)
            .and_then(|u| OwnedUserId::try_from(u).ok());
        servers.extend(user.map(|user| user.server_name().to_string()));
    }
    servers
}

/// The server in an event id that names one.
fn server_of(id: &EventId) -> Option<&ServerName> {
    id.server_name()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Numbers, parse};

    /// The seed of the specification's test vectors.
    const SEED: &str = "YJDBA9Xnr2sVqXD9Vj7XVUnmFZcZrlw8Md7kMW+3XA1";

    fn signer() -> Ed25519Signer {
        let seed = from_base64(SEED).unwrap().try_into().unwrap();
        Ed25519Signer::from_seed("domain", "1", &seed)
    }

    struct Known(Ed25519Signer);

    impl VerifyKeys for Known {
        fn key(&self, server: &str, key_id: &str, _: u64) -> Option<[u8; 32]> {
            (server == self.0.server_name() && key_id == self.0.key_id())
                .then(|| self.0.public_key())
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
}
