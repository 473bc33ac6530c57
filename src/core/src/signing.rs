//! Signatures of servers.
//!
//! <https://spec.matrix.org/v1.19/appendices/#signing-json>
//! <https://spec.matrix.org/v1.19/server-server-api/#validating-hashes-and-signatures-on-received-events>

use std::collections::BTreeSet;

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use ruma_common::{EventId, OwnedUserId, ServerName};

use crate::{
    hashing::{base64, from_base64, has_its_hash, signed_form},
    json::{Object, Value, write_members},
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
    /// It is not an object, or its `signatures` are not objects.
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

/// Adds a server's signature to an object, beside those that are there.
///
/// # Errors
/// [`SignatureError::NotAnObject`]
pub fn sign_json(value: &mut Value, signer: &dyn Signer) -> Result<(), SignatureError> {
    let Value::Object(object) = value else {
        return Err(SignatureError::NotAnObject);
    };
    let signature = base64(&signer.sign(signed_json(object).as_bytes()));
    let all = object_in(object, "signatures")?;
    let own = object_in(all, signer.server_name())?;
    own.insert(signer.key_id().to_owned(), Value::String(signature));
    Ok(())
}

/// The object at a key of an object, made where there is none.
fn object_in<'a>(object: &'a mut Object, key: &str) -> Result<&'a mut Object, SignatureError> {
    let inner = object
        .entry(key.to_owned())
        .or_insert_with(|| Value::Object(Object::new()));
    match inner {
        Value::Object(inner) => Ok(inner),
        _ => Err(SignatureError::NotAnObject),
    }
}

/// What a signature of an object is over.
fn signed_json(object: &Object) -> String {
    let signed = object
        .iter()
        .filter(|(key, _)| !matches!(key.as_str(), "unsigned" | "signatures"));
    let mut json = String::new();
    write_members(signed, &mut json);
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
    let mut servers = signing_servers(&pdu, &event, version);
    let counts = if has_its_hash(&event) {
        pdu
    } else {
        // Redaction can take away the third-party invite that excuses the sender's server: then
        // what counts is an ordinary invite, and must be signed as one.
        let redacted = pdu.redacted(version)?;
        servers.extend(signing_servers(&redacted, &redacted.object()?, version));
        redacted
    };
    for server in servers {
        check(&event, message.as_bytes(), &server, keys, at_ms)?;
    }
    Ok(VerifiedPdu(counts))
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
    // To the authorisation rules an invite whose `third_party_invite` is null is an ordinary one.
    let third_party = is_member
        && membership == Some("invite")
        && content
            .and_then(|c| c.get("third_party_invite"))
            .is_some_and(|invite| invite.as_object().is_some());
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
mod tests;
