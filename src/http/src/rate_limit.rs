//! How often a user or an address may ask.
//!
//! <https://spec.matrix.org/v1.19/client-server-api/#rate-limiting>

use std::{collections::HashMap, hash::Hash, net::IpAddr, num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::StateStore,
};
use heliograph_core::ids::UserNum;
use metrics::{Counter, counter};
use parking_lot::Mutex;

use crate::ApiError;

/// What kind of request is counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RateClass {
    /// Whatever has no class of its own.
    Other,
    /// Logging in, and other ways to guess a secret.
    Login,
    /// Making accounts.
    Registration,
    /// Sending events.
    Send,
    /// Joining and making rooms.
    Join,
    /// Inviting others.
    Invite,
}

impl RateClass {
    /// All classes.
    pub const ALL: [Self; 6] = [
        Self::Other,
        Self::Login,
        Self::Registration,
        Self::Send,
        Self::Join,
        Self::Invite,
    ];

    /// The class as the settings and metrics name it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Other => "other",
            Self::Login => "login",
            Self::Registration => "registration",
            Self::Send => "send",
            Self::Join => "join",
            Self::Invite => "invite",
        }
    }
}

/// How many requests are allowed: `burst` at once, and `per_minute` in the long run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Requests a minute in the long run.
    pub per_minute: NonZeroU32,
    /// Requests at once after a pause.
    pub burst: NonZeroU32,
}

/// The limits of one class; `None` is no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ClassLimits {
    /// For each user.
    pub user: Option<Rate>,
    /// For each IPv4 address, or IPv6 network of 64 bits.
    pub address: Option<Rate>,
}

/// All limits. The default is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimitSettings {
    /// For [`RateClass::Other`].
    pub other: ClassLimits,
    /// For [`RateClass::Login`].
    pub login: ClassLimits,
    /// For [`RateClass::Registration`].
    pub registration: ClassLimits,
    /// For [`RateClass::Send`].
    pub send: ClassLimits,
    /// For [`RateClass::Join`].
    pub join: ClassLimits,
    /// For [`RateClass::Invite`].
    pub invite: ClassLimits,
    /// Users or addresses remembered, at most, by each limit (about 100 bytes each). Beyond, those
    /// not seen for longest are forgotten, and start anew.
    pub max_keys: usize,
}

impl Default for RateLimitSettings {
    fn default() -> Self {
        let none = ClassLimits::default();
        Self {
            other: none,
            login: none,
            registration: none,
            send: none,
            join: none,
            invite: none,
            max_keys: 100_000,
        }
    }
}

impl RateLimitSettings {
    fn class(&self, class: RateClass) -> ClassLimits {
        match class {
            RateClass::Other => self.other,
            RateClass::Login => self.login,
            RateClass::Registration => self.registration,
            RateClass::Send => self.send,
            RateClass::Join => self.join,
            RateClass::Invite => self.invite,
        }
    }
}

/// Counts requests and refuses those over the limits.
pub struct RateLimits {
    classes: Vec<(RateClass, Class)>,
}

struct Class {
    user: Option<Limiter<UserNum>>,
    address: Option<Limiter<AddressKey>>,
    refused_user: Counter,
    refused_address: Counter,
}

impl RateLimits {
    /// Counters for these limits, all at zero.
    pub fn new(settings: &RateLimitSettings) -> Self {
        let classes = RateClass::ALL.map(|class| {
            let limits = settings.class(class);
            let name = class.as_str();
            let refused = |by| counter!("http_rate_limited_total", "class" => name, "by" => by);
            let class_limits = Class {
                user: limits
                    .user
                    .map(|rate| Limiter::new(rate, settings.max_keys)),
                address: limits
                    .address
                    .map(|rate| Limiter::new(rate, settings.max_keys)),
                refused_user: refused("user"),
                refused_address: refused("address"),
            };
            (class, class_limits)
        });
        Self {
            classes: classes.into(),
        }
    }

    fn class(&self, class: RateClass) -> Option<&Class> {
        self.classes
            .iter()
            .find(|(name, _)| *name == class)
            .map(|(_, limits)| limits)
    }

    /// Counts one request from `address`.
    ///
    /// # Errors
    ///
    /// 429 `M_LIMIT_EXCEEDED` over the limit.
    pub fn check_address(&self, class: RateClass, address: IpAddr) -> Result<(), ApiError> {
        let Some(Class {
            address: Some(limiter),
            refused_address,
            ..
        }) = self.class(class)
        else {
            return Ok(());
        };
        limiter
            .check(&AddressKey::new(address))
            .map_err(|retry_after| {
                refused_address.increment(1);
                ApiError::limit_exceeded(retry_after)
            })
    }

    /// Counts one request of `user`.
    ///
    /// # Errors
    ///
    /// 429 `M_LIMIT_EXCEEDED` over the limit.
    pub fn check_user(&self, class: RateClass, user: UserNum) -> Result<(), ApiError> {
        let Some(Class {
            user: Some(limiter),
            refused_user,
            ..
        }) = self.class(class)
        else {
            return Ok(());
        };
        limiter.check(&user).map_err(|retry_after| {
            refused_user.increment(1);
            ApiError::limit_exceeded(retry_after)
        })
    }
}

/// An IPv4 address, or an IPv6 network of 64 bits: what one customer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct AddressKey(u64, bool);

impl AddressKey {
    fn new(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => Self(u64::from(v4.to_bits()), false),
            IpAddr::V6(v6) => Self(u64::try_from(v6.to_bits() >> 64).unwrap_or(u64::MAX), true),
        }
    }
}

struct Limiter<K: Hash + Eq + Copy, C: Clock = DefaultClock> {
    inner: RateLimiter<K, Bounded<K>, C, NoOpMiddleware<C::Instant>>,
    clock: C,
}

impl<K: Hash + Eq + Copy> Limiter<K> {
    fn new(rate: Rate, max_keys: usize) -> Self {
        Self::with_clock(rate, max_keys, DefaultClock::default())
    }
}

impl<K: Hash + Eq + Copy, C: Clock + Clone> Limiter<K, C> {
    fn with_clock(rate: Rate, max_keys: usize, clock: C) -> Self {
        let quota = Quota::per_minute(rate.per_minute).allow_burst(rate.burst);
        let inner = RateLimiter::new(quota, Bounded::new(max_keys), clock.clone());
        Self { inner, clock }
    }

    /// Counts one; on refusal says how long to wait.
    fn check(&self, key: &K) -> Result<(), Duration> {
        let refused = self.inner.check_key(key);
        refused.map_err(|not_until| not_until.wait_time_from(self.clock.now()))
    }
}

/// A bounded store in two generations: when the young one is half of all, it becomes the old one,
/// and what was not asked for since the last time is forgotten.
struct Bounded<K> {
    generations: Mutex<Generations<K>>,
    half: usize,
}

struct Generations<K> {
    young: HashMap<K, Nanos>,
    old: HashMap<K, Nanos>,
}

impl<K> Bounded<K> {
    fn new(max_keys: usize) -> Self {
        let generations = Generations {
            young: HashMap::new(),
            old: HashMap::new(),
        };
        Self {
            generations: Mutex::new(generations),
            half: (max_keys / 2).max(1),
        }
    }
}

impl<K: Hash + Eq + Copy> StateStore for Bounded<K> {
    type Key = K;

    fn measure_and_replace<T, F, E>(&self, key: &K, f: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut generations = self.generations.lock();
        let young = generations.young.get(key);
        let state = young.or_else(|| generations.old.get(key)).copied();
        let (outcome, state) = match f(state) {
            Ok((value, state)) => (Ok(value), Some(state)),
            // Also a refused key was asked for, and stays.
            Err(error) => (Err(error), state),
        };
        if let Some(state) = state {
            if generations.young.len() >= self.half && !generations.young.contains_key(key) {
                generations.old = std::mem::take(&mut generations.young);
            }
            generations.young.insert(*key, state);
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use governor::clock::FakeRelativeClock;

    use super::*;

    fn rate(per_minute: u32, burst: u32) -> Rate {
        Rate {
            per_minute: NonZeroU32::new(per_minute).unwrap(),
            burst: NonZeroU32::new(burst).unwrap(),
        }
    }

    #[test]
    fn a_burst_passes_then_the_rate_holds_for_each_key_alone() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::with_clock(rate(60, 3), 100, clock.clone());
        for _ in 0..3 {
            assert_eq!(limiter.check(&1), Ok(()));
        }
        assert_eq!(limiter.check(&1), Err(Duration::from_secs(1)));
        assert_eq!(limiter.check(&2), Ok(()));
        clock.advance(Duration::from_millis(400));
        assert_eq!(limiter.check(&1), Err(Duration::from_millis(600)));
        clock.advance(Duration::from_millis(600));
        assert_eq!(limiter.check(&1), Ok(()));
        assert!(limiter.check(&1).is_err());
    }

    #[test]
    fn keys_are_bounded_and_those_in_use_stay() {
        let clock = FakeRelativeClock::default();
        let limiter = Limiter::with_clock(rate(1, 1), 10, clock);
        assert_eq!(limiter.check(&0), Ok(()));
        for key in 1..1_000 {
            assert_eq!(limiter.check(&key), Ok(()));
            assert!(limiter.check(&0).is_err(), "forgotten after {key}");
        }
        let generations = limiter.inner.into_state_store().generations.into_inner();
        assert!(generations.young.len() + generations.old.len() <= 10);
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one() {
        let key = |text: &str| AddressKey::new(text.parse().unwrap());
        assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:2"));
        assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
        assert_eq!(key("::ffff:1.2.3.4"), key("1.2.3.4"));
        assert_ne!(key("1.2.3.4"), key("1.2.3.5"));
    }

    #[test]
    fn classes_count_apart_and_no_limit_is_none() {
        let limits = RateLimits::new(&RateLimitSettings {
            login: ClassLimits {
                user: None,
                address: Some(rate(1, 1)),
            },
            ..RateLimitSettings::default()
        });
        let address = "1.2.3.4".parse().unwrap();
        assert!(limits.check_address(RateClass::Login, address).is_ok());
        let error = limits.check_address(RateClass::Login, address).unwrap_err();
        assert_eq!(error.errcode(), Some(crate::ErrCode::M_LIMIT_EXCEEDED));
        for _ in 0..100 {
            assert!(limits.check_address(RateClass::Other, address).is_ok());
            assert!(limits.check_user(RateClass::Login, UserNum(1)).is_ok());
        }
    }
}
