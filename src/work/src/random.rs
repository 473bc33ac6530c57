//! Randomness as an argument.

use std::{fmt, sync::Arc};

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, rngs::StdRng};

/// Where random bytes come from: access tokens, device ids, event salts, jitter.
pub trait RandomSource: fmt::Debug + Send + Sync {
    /// Overwrites `bytes` with random ones, fit for secrets where the source is [`SystemRandom`].
    fn fill(&self, bytes: &mut [u8]);
}

/// A source as constructors take it.
pub type SharedRandom = Arc<dyn RandomSource>;

/// What can be made from random bytes.
pub trait RandomSourceExt: RandomSource {
    /// `N` random bytes.
    fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A random number out of all.
    fn number(&self) -> u64 {
        u64::from_le_bytes(self.bytes())
    }

    /// A random number below `bound`, every one as likely; 0 for a bound of 0.
    fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            return 0;
        }
        // Numbers at or above the largest multiple of the bound would favour small results.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let number = self.number();
            if number < limit {
                return number % bound;
            }
        }
    }

    /// `len` characters out of `alphabet`, each as likely; empty for an empty alphabet.
    ///
    /// With the 62 letters and digits a character carries 5.95 bits.
    fn text(&self, len: usize, alphabet: &str) -> String {
        let characters: Vec<char> = alphabet.chars().collect();
        let bound = u64::try_from(characters.len()).unwrap_or(u64::MAX);
        (0..len)
            .filter_map(|_| {
                let index = usize::try_from(self.below(bound)).ok()?;
                characters.get(index).copied()
            })
            .collect()
    }

    /// `len` letters (both cases) and digits.
    fn letters_and_digits(&self, len: usize) -> String {
        self.text(
            len,
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789",
        )
    }
}

impl<R: RandomSource + ?Sized> RandomSourceExt for R {}

/// Secure randomness: a generator per thread, seeded and reseeded by the operating system.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRandom;

impl SystemRandom {
    /// This source as constructors take it.
    pub fn shared() -> SharedRandom {
        Arc::new(Self)
    }
}

impl RandomSource for SystemRandom {
    fn fill(&self, bytes: &mut [u8]) {
        rand::rng().fill_bytes(bytes);
    }
}

/// The same bytes in the same order for the same seed. For tests: whoever knows the seed knows
/// every secret made from it.
pub struct SeededRandom(Mutex<StdRng>);

impl SeededRandom {
    /// A source that repeats itself for the same `seed`.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(StdRng::seed_from_u64(seed)))
    }
}

impl fmt::Debug for SeededRandom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeededRandom").finish_non_exhaustive()
    }
}

impl RandomSource for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_itself_and_another_does_not() {
        let (a, b, c) = (
            SeededRandom::new(1),
            SeededRandom::new(1),
            SeededRandom::new(2),
        );
        let (a, b, c): ([u8; 32], [u8; 32], [u8; 32]) = (a.bytes(), b.bytes(), c.bytes());
        assert_eq!(a, b);
        assert_ne!(a, c);
    }

    #[test]
    fn system_randomness_does_not_repeat() {
        assert_ne!(SystemRandom.bytes::<32>(), SystemRandom.bytes::<32>());
    }

    #[test]
    fn bounded_numbers_reach_every_value_and_stay_below() {
        let source = SeededRandom::new(3);
        let mut seen = [false; 7];
        for _ in 0..200 {
            seen[usize::try_from(source.below(7)).unwrap()] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(source.below(0), 0);
    }

    #[test]
    fn text_has_the_length_and_the_alphabet_asked_for() {
        let source: SharedRandom = Arc::new(SeededRandom::new(4));
        let text = source.text(40, "xyzé");
        assert_eq!(text.chars().count(), 40);
        assert!(text.chars().all(|c| "xyzé".contains(c)));
        assert_eq!(source.text(5, ""), "");
        assert_ne!(source.letters_and_digits(20), source.letters_and_digits(20));
    }
}
