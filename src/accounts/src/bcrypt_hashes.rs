//! Passwords under bcrypt, as Synapse has them in its table of users: `$2b$12$`, the salt and the
//! hash. They are checked, and never made: the next login makes a hash of our own of them.
//!
//! Synapse brings a password into Unicode's form NFKC before it hashes it, which changes few of those
//! that people type; whoever has another one sets it anew.

use base64::{
    Engine as _,
    alphabet::BCRYPT,
    engine::general_purpose::{GeneralPurpose, NO_PAD},
};
use heliograph_tables::schema::{BcryptHash, PasswordHash};
use subtle::ConstantTimeEq as _;

use crate::AccountError;

/// Bytes of a password that bcrypt takes in.
const TAKEN_BYTES: usize = 72;

/// Costs that are accepted: one more takes twice as long, and the dearest here takes seconds.
const COSTS: std::ops::RangeInclusive<u8> = 4..=16;

/// Characters of the salt; those of the hash follow.
const SALT_CHARS: usize = 22;

/// Bcrypt's own alphabet. The last character of a salt has bits that mean nothing.
const ENGINE: GeneralPurpose =
    GeneralPurpose::new(&BCRYPT, NO_PAD.with_decode_allow_trailing_bits(true));

/// Reads a hash.
///
/// # Errors
/// [`AccountError::Invalid`] when it is none, or too dear to be checked.
pub(crate) fn parse(text: &str) -> Result<PasswordHash, AccountError> {
    let hash = parts(text).ok_or(AccountError::Invalid("this is no bcrypt hash"))?;
    if COSTS.contains(&hash.cost) {
        Ok(PasswordHash::Bcrypt(hash))
    } else {
        Err(AccountError::Invalid(
            "the cost of the hash is not from 4 to 16",
        ))
    }
}

fn parts(text: &str) -> Option<BcryptHash> {
    let (kind, rest) = text.strip_prefix('$')?.split_once('$')?;
    let (cost, rest) = rest.split_once('$')?;
    let (salt, hash) = rest.split_at_checked(SALT_CHARS)?;
    let is_known = matches!(kind, "2a" | "2b" | "2y") && cost.len() == 2;
    Some(BcryptHash {
        cost: cost.parse().ok().filter(|_| is_known)?,
        salt: ENGINE.decode(salt).ok()?.try_into().ok()?,
        hash: ENGINE.decode(hash).ok()?.try_into().ok()?,
    })
}

/// Whether this is the password, with the pepper behind it. Takes as long as the cost says.
pub(crate) fn verify(password: &str, stored: &BcryptHash) -> bool {
    let mut taken = password.as_bytes().to_vec();
    // It ends the password for bcrypt, so that there is none within.
    if taken.contains(&0) {
        return false;
    }
    taken.push(0);
    taken.truncate(TAKEN_BYTES);
    let found = bcrypt::bcrypt(u32::from(stored.cost), stored.salt, &taken);
    let found = found.get(..stored.hash.len()).unwrap_or_default();
    bool::from(found.ct_eq(&stored.hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by the `bcrypt` package of Python, which Synapse uses, of `secretpepper`.
    const HASH: &str = "$2b$04$cjYxoWcgUVJqJXYSA54BIez//VCEPdAG8Bk26XmyVqLNKCef8hGNq";
    /// Of 72 times the letter a: of a longer password no more is taken.
    const LONG: &str = "$2b$04$JXdvplO20QCJJFyKAVRt7elsZdTKBBi///TVK8sPF234RxfSwwNZK";

    fn read(text: &str) -> BcryptHash {
        match parse(text).unwrap() {
            PasswordHash::Bcrypt(hash) => hash,
            PasswordHash::Argon2id(_) => panic!("another kind"),
        }
    }

    #[test]
    fn hashes_of_another_implementation_verify() {
        let hash = read(HASH);
        assert!(verify("secretpepper", &hash));
        for wrong in [
            "",
            "secret",
            "secretpeppers",
            "Secretpepper",
            "secretpepper\0",
        ] {
            assert!(!verify(wrong, &hash), "{wrong:?}");
        }
        let long = read(LONG);
        for length in [72, 80] {
            assert!(verify(&"a".repeat(length), &long), "{length}");
        }
        assert!(!verify(&"a".repeat(71), &long));
    }

    #[test]
    fn what_is_no_hash_is_refused() {
        let cut = &HASH[..HASH.len() - 1];
        let (dear, other) = (HASH.replace("$04$", "$17$"), HASH.replace("$2b$", "$2c$"));
        for bad in [
            "",
            "$",
            "$2b$",
            "secret",
            cut,
            &dear,
            &other,
            &format!("{HASH}a"),
        ] {
            let refused = parse(bad);
            assert!(matches!(refused, Err(AccountError::Invalid(_))), "{bad}");
        }
    }
}
