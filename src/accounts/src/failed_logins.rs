//! How often a password may be guessed for one user name.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#rate-limiting>
//!
//! Kept in memory, for names that exist and names that do not alike. An attempt counts when it begins:
//! many at once count as many.

use std::{
    collections::HashMap,
    hash::{BuildHasher, RandomState},
    num::NonZeroU32,
};

use parking_lot::Mutex;

use crate::AccountError;

/// Names remembered in each of two generations.
const GENERATION: usize = 32_768;

/// How many failed logins of one name are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLimit {
    /// In a minute, in the long run.
    pub per_minute: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// Failed logins by the hash of the name: the time at which all of them are forgiven, milliseconds
/// since the Unix epoch.
#[derive(Default)]
struct Generations {
    young: HashMap<u64, u64>,
    old: HashMap<u64, u64>,
}

/// Failed logins of all names.
pub(crate) struct FailedLogins {
    limit: Option<LoginLimit>,
    hasher: RandomState,
    names: Mutex<Generations>,
}

impl FailedLogins {
    pub(crate) fn new(limit: Option<LoginLimit>) -> Self {
        Self {
            limit,
            hasher: RandomState::new(),
            names: Mutex::default(),
        }
    }

    /// Counts an attempt as failed until [`Self::succeeded`] is told.
    ///
    /// # Errors
    /// [`AccountError::TooManyFailures`] when there were too many.
    pub(crate) fn attempt(&self, name: &str, now_ms: u64) -> Result<(), AccountError> {
        let Some(LoginLimit { per_minute, burst }) = self.limit else {
            return Ok(());
        };
        let every_ms = u64::from((60_000 / per_minute.get()).max(1));
        let tolerated_ms = every_ms.saturating_mul(u64::from(burst.get().saturating_sub(1)));
        let key = self.hasher.hash_one(name);
        let mut names = self.names.lock();
        let known = names.young.get(&key).or_else(|| names.old.get(&key));
        let forgiven_ms = known.copied().unwrap_or(0).max(now_ms);
        let allowed_from_ms = forgiven_ms.saturating_sub(tolerated_ms);
        if allowed_from_ms > now_ms {
            let retry_after_ms = allowed_from_ms.saturating_sub(now_ms);
            return Err(AccountError::TooManyFailures { retry_after_ms });
        }
        if names.young.len() >= GENERATION && !names.young.contains_key(&key) {
            names.old = std::mem::take(&mut names.young);
        }
        names
            .young
            .insert(key, forgiven_ms.saturating_add(every_ms));
        Ok(())
    }

    /// Forgets the failures of a name: whoever it is knows the password.
    pub(crate) fn succeeded(&self, name: &str) {
        let key = self.hasher.hash_one(name);
        let mut names = self.names.lock();
        names.young.remove(&key);
        names.old.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failed(per_minute: u32, burst: u32) -> FailedLogins {
        FailedLogins::new(Some(LoginLimit {
            per_minute: per_minute.try_into().unwrap(),
            burst: burst.try_into().unwrap(),
        }))
    }

    #[test]
    fn a_burst_is_allowed_then_the_rate_holds_for_each_name_alone() {
        let failed = failed(6, 3);
        for _ in 0..3 {
            failed.attempt("alice", 1_000).unwrap();
        }
        let refused = failed.attempt("alice", 1_000).unwrap_err();
        let AccountError::TooManyFailures { retry_after_ms } = refused else {
            panic!("{refused}");
        };
        assert_eq!(retry_after_ms, 10_000);
        assert!(failed.attempt("alice", 10_999).is_err());
        failed.attempt("alice", 11_000).unwrap();
        assert!(failed.attempt("alice", 11_000).is_err());
        failed.attempt("bob", 1_000).unwrap();
        failed.succeeded("alice");
        failed.attempt("alice", 11_000).unwrap();
    }

    #[test]
    fn names_are_bounded() {
        let failed = failed(1, 1);
        for number in 0..3 * GENERATION {
            failed.attempt(&number.to_string(), 1).unwrap();
        }
        let names = failed.names.lock();
        assert!(names.young.len() + names.old.len() <= 2 * GENERATION);
    }
}
