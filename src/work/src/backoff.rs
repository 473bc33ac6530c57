//! How long to wait before trying again.

use std::time::Duration;

use crate::random::{RandomSource, RandomSourceExt};

/// Delays that double from `first` to `longest`, each with jitter so that many who failed together
/// do not come back together.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// No failure yet; the first delay is about `first`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// As [`Backoff::new`], with `failures` counted already: for a count that was stored.
    pub fn resume(first: Duration, longest: Duration, failures: u32) -> Self {
        Self {
            first,
            longest,
            failures,
        }
    }

    /// Counts a failure and says how long to wait: between half of the doubled delay and all of it.
    pub fn failed(&mut self, random: &dyn RandomSource) -> Duration {
        let doublings = self.failures.min(30);
        self.failures = self.failures.saturating_add(1);
        let full = self.first.saturating_mul(1 << doublings).min(self.longest);
        let half = full / 2;
        let jitter_us = u64::try_from(full.saturating_sub(half).as_micros()).unwrap_or(u64::MAX);
        half + Duration::from_micros(random.below(jitter_us.saturating_add(1)))
    }

    /// Forgets the failures, after a success.
    pub fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures since the last success.
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SeededRandom;

    #[test]
    fn delays_double_with_jitter_up_to_the_longest() {
        let random = SeededRandom::new(1);
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
        for full_ms in [100, 200, 400, 800, 1000, 1000] {
            let delay = backoff.failed(&random);
            let full = Duration::from_millis(full_ms);
            assert!(delay >= full / 2 && delay <= full, "{delay:?} for {full:?}");
        }
        assert_eq!(backoff.failures(), 6);
        backoff.succeeded();
        assert!(backoff.failed(&random) <= Duration::from_millis(100));
    }

    #[test]
    fn a_long_outage_does_not_overflow() {
        let day = Duration::from_hours(24);
        let mut backoff = Backoff::resume(Duration::from_secs(1), day, u32::MAX);
        assert!(backoff.failed(&SeededRandom::new(1)) <= day);
    }
}
