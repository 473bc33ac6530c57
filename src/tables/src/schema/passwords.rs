//! Passwords, as they are stored: hashed.

use bytes::Bytes;

use crate::codec::{Corrupt, Encoder, Field};

/// A hashed password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordHash {
    /// As this server hashes them.
    Argon2id(Argon2idHash),
    /// As it came from another server.
    Bcrypt(BcryptHash),
}

impl Field for PasswordHash {
    fn put(&self, out: &mut Encoder) {
        match self {
            Self::Argon2id(hash) => out.field(&1u8).field(hash),
            Self::Bcrypt(hash) => out.field(&2u8).field(hash),
        };
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        match u8::take(from)? {
            1 => Ok(Self::Argon2id(Field::take(from)?)),
            2 => Ok(Self::Bcrypt(Field::take(from)?)),
            _ => Err(Corrupt("unknown kind of password")),
        }
    }
}

/// A password under argon2id, with the parameters it was hashed with.
#[derive(Clone, PartialEq, Eq)]
pub struct Argon2idHash {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// The salt.
    pub salt: [u8; 16],
    /// The hash.
    pub hash: [u8; 32],
}

impl std::fmt::Debug for Argon2idHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Argon2idHash").finish_non_exhaustive()
    }
}

impl Field for Argon2idHash {
    fn put(&self, out: &mut Encoder) {
        out.field(&self.memory_kib)
            .field(&self.passes)
            .field(&self.lanes)
            .field(&self.salt)
            .field(&self.hash);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self {
            memory_kib: Field::take(from)?,
            passes: Field::take(from)?,
            lanes: Field::take(from)?,
            salt: Field::take(from)?,
            hash: Field::take(from)?,
        })
    }
}

/// A password under bcrypt.
#[derive(Clone, PartialEq, Eq)]
pub struct BcryptHash {
    /// The logarithm of how often it was hashed.
    pub cost: u8,
    /// The salt.
    pub salt: [u8; 16],
    /// The hash.
    pub hash: [u8; 23],
}

impl std::fmt::Debug for BcryptHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BcryptHash").finish_non_exhaustive()
    }
}

impl Field for BcryptHash {
    fn put(&self, out: &mut Encoder) {
        out.field(&self.cost).field(&self.salt).field(&self.hash);
    }

    fn take(from: &mut Bytes) -> Result<Self, Corrupt> {
        Ok(Self {
            cost: Field::take(from)?,
            salt: Field::take(from)?,
            hash: Field::take(from)?,
        })
    }
}
