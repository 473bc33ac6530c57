//! The signing keys of the servers of a test.

use heliograph_core::{
    hashing::sha256,
    json::Object,
    pdu::Pdu,
    room_version::RoomVersion,
    signing::{Ed25519Signer, SignatureError, Signer, VerifiedPdu, VerifyKeys, verify_pdu},
};

/// The part of every key's id after `ed25519:`.
pub const KEY_VERSION: &str = "1";

/// The key of a server: always the same for the same name.
pub fn signer(server: &str) -> Ed25519Signer {
    Ed25519Signer::from_seed(server, KEY_VERSION, &sha256(server.as_bytes()))
}

/// The public keys that a test knows.
#[derive(Clone, Debug)]
pub struct Keys(Vec<String>);

impl Keys {
    /// The keys that [`signer`] gives to these servers, and no others.
    pub fn of(servers: &[&str]) -> Self {
        Self(servers.iter().map(|server| (*server).to_owned()).collect())
    }

    /// Checks the signatures and the hash of an event as it would come over the network.
    ///
    /// # Errors
    /// Those of [`verify_pdu`].
    pub fn verify(
        &self,
        event: &Object,
        version: RoomVersion,
    ) -> Result<VerifiedPdu, SignatureError> {
        verify_pdu(Pdu::from_object(event, version)?, version, self)
    }
}

impl VerifyKeys for Keys {
    fn key(&self, server: &str, key_id: &str, _: u64) -> Option<[u8; 32]> {
        let signer = signer(server);
        let known = self.0.iter().any(|name| name == server) && key_id == signer.key_id();
        known.then(|| signer.public_key())
    }
}
