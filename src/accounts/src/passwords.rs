//! Passwords under argon2id, few at a time and off the async threads.

use argon2::{Algorithm, Argon2, Params, Version};
use heliograph_tables::schema::{Argon2idHash, PasswordHash};
use heliograph_work::{Pool, PoolSettings, RandomSource, RandomSourceExt};
use subtle::ConstantTimeEq as _;

use crate::{AccountError, bcrypt_hashes};

/// Bytes of a password, at most.
pub const MAX_PASSWORD_BYTES: usize = 512;

/// Passwords that are hashed at once: each takes [`HashCost::memory_kib`].
const AT_ONCE: usize = 2;

/// How hard passwords are hashed. Those hashed under other costs go on working.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HashCost {
    /// Memory, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl Default for HashCost {
    fn default() -> Self {
        Self {
            memory_kib: Params::DEFAULT_M_COST,
            passes: Params::DEFAULT_T_COST,
            lanes: Params::DEFAULT_P_COST,
        }
    }
}

impl HashCost {
    /// The least that argon2 allows: for tests only.
    pub const CHEAPEST: Self = Self {
        memory_kib: Params::MIN_M_COST,
        passes: Params::MIN_T_COST,
        lanes: Params::MIN_P_COST,
    };
}

/// Hashes and checks passwords.
pub(crate) struct Passwords {
    cost: HashCost,
    /// What Synapse put behind every password before it hashed it.
    pepper: String,
    pool: Pool,
}

impl Passwords {
    pub(crate) fn new(cost: HashCost, pepper: String, queue: usize) -> Self {
        let settings = PoolSettings {
            name: "passwords",
            threads: AT_ONCE,
            queue,
        };
        Self {
            cost,
            pepper,
            pool: Pool::new(settings),
        }
    }

    /// A new password, checked against this server's demands and hashed.
    pub(crate) async fn hash(
        &self,
        password: String,
        min_chars: usize,
        random: &dyn RandomSource,
    ) -> Result<PasswordHash, AccountError> {
        check(&password, min_chars)?;
        self.hash_again(password, random).await
    }

    /// The hash of a password that was good enough before.
    pub(crate) async fn hash_again(
        &self,
        password: String,
        random: &dyn RandomSource,
    ) -> Result<PasswordHash, AccountError> {
        let salt: [u8; 16] = random.bytes();
        let cost = self.cost;
        let hash = self.pool.run(move || hash(&password, salt, cost)).await??;
        Ok(PasswordHash::Argon2id(hash))
    }

    /// Whether this is the password. Without a stored one it takes as long, and is not.
    pub(crate) async fn verify(
        &self,
        password: String,
        stored: Option<PasswordHash>,
    ) -> Result<bool, AccountError> {
        if password.len() > MAX_PASSWORD_BYTES {
            return Ok(false);
        }
        let known = stored.is_some();
        let stored = match stored {
            Some(PasswordHash::Bcrypt(stored)) => {
                let text = password + &self.pepper;
                let run = self.pool.run(move || bcrypt_hashes::verify(&text, &stored));
                return Ok(run.await?);
            }
            Some(PasswordHash::Argon2id(stored)) => stored,
            None => Argon2idHash {
                memory_kib: self.cost.memory_kib,
                passes: self.cost.passes,
                lanes: self.cost.lanes,
                salt: [0; 16],
                hash: [0; 32],
            },
        };
        let cost = HashCost {
            memory_kib: stored.memory_kib,
            passes: stored.passes,
            lanes: stored.lanes,
        };
        let salt = stored.salt;
        let found = self.pool.run(move || hash(&password, salt, cost)).await??;
        let same = bool::from(found.hash.ct_eq(&stored.hash));
        Ok(same && known)
    }
}

/// Checks a new password against this server's demands.
pub(crate) fn check(password: &str, min_chars: usize) -> Result<(), AccountError> {
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(AccountError::TooLarge("the password"));
    }
    if password.is_empty() || password.chars().count() < min_chars {
        return Err(AccountError::WeakPassword(min_chars.max(1)));
    }
    Ok(())
}

fn hash(password: &str, salt: [u8; 16], cost: HashCost) -> Result<Argon2idHash, AccountError> {
    let HashCost {
        memory_kib,
        passes,
        lanes,
    } = cost;
    let fail = |_| AccountError::Inconsistent("argon2 refuses its parameters");
    let params = Params::new(memory_kib, passes, lanes, Some(32)).map_err(fail)?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let mut hash = [0; 32];
    argon2
        .hash_password_into(password.as_bytes(), &salt, &mut hash)
        .map_err(fail)?;
    Ok(Argon2idHash {
        memory_kib,
        passes,
        lanes,
        salt,
        hash,
    })
}

#[cfg(test)]
mod tests {
    use heliograph_work::SeededRandom;

    use super::*;

    fn passwords() -> Passwords {
        Passwords::new(HashCost::CHEAPEST, "pepper".to_owned(), 4)
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let (passwords, random) = (passwords(), SeededRandom::new(1));
        let hash = |p: &str| passwords.hash(p.to_owned(), 8, &random);
        let stored = hash("correct horse").await.unwrap();
        assert_ne!(stored, hash("correct horse").await.unwrap(), "salted");
        let verify = |p: &str, s: Option<PasswordHash>| passwords.verify(p.to_owned(), s);
        assert!(verify("correct horse", Some(stored.clone())).await.unwrap());
        assert!(!verify("correct horsf", Some(stored.clone())).await.unwrap());
        assert!(!verify("", Some(stored)).await.unwrap());
        assert!(!verify("correct horse", None).await.unwrap());
    }

    #[tokio::test]
    async fn what_was_hashed_under_another_cost_goes_on_working() {
        let random = SeededRandom::new(1);
        let password = "correct horse".to_owned();
        let stored = passwords()
            .hash(password.clone(), 1, &random)
            .await
            .unwrap();
        let dearer = HashCost {
            memory_kib: 64,
            passes: 2,
            lanes: 1,
        };
        let passwords = Passwords::new(dearer, String::new(), 4);
        assert!(passwords.verify(password, Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn an_unknown_user_costs_as_much_as_a_known_one() {
        // The work is the same: the dummy is hashed with the parameters of the configuration.
        let broken = HashCost {
            memory_kib: 0,
            passes: 1,
            lanes: 1,
        };
        let passwords = Passwords::new(broken, String::new(), 4);
        let result = passwords.verify("whatever".to_owned(), None).await;
        assert!(matches!(result, Err(AccountError::Inconsistent(_))));
    }

    #[tokio::test]
    async fn weak_and_huge_passwords_are_refused() {
        let (passwords, random) = (passwords(), SeededRandom::new(1));
        let short = passwords.hash("1234567".to_owned(), 8, &random).await;
        assert!(matches!(short, Err(AccountError::WeakPassword(8))));
        let empty = passwords.hash(String::new(), 0, &random).await;
        assert!(matches!(empty, Err(AccountError::WeakPassword(1))));
        let longest = "é".repeat(MAX_PASSWORD_BYTES / 2);
        assert!(passwords.hash(longest.clone(), 8, &random).await.is_ok());
        let longer = passwords.hash(longest + "a", 8, &random).await;
        assert!(matches!(longer, Err(AccountError::TooLarge(_))));
    }
}
