//! Values that people can read: sizes, durations, rates; and secrets, which nobody can.

use std::{fmt, num::NonZeroU32, str::FromStr, time::Duration};

use secrecy::{ExposeSecret as _, SecretString};
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, IgnoredAny, Visitor},
};

/// A number of bytes, written as `"64 MiB"`, `"10 MB"` or a plain number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// So many times 1024 · 1024 bytes.
    pub const fn mib(number: u64) -> Self {
        Self(number << 20)
    }

    /// The size as memory sizes are counted; the largest where the machine cannot count that far.
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_with_unit(self.0, &SIZE_UNITS, f)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = read_with_unit(text, &SIZE_UNITS);
        bytes
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a size such as \"64 MiB\""))
    }
}

/// A length of time, written as `"30 s"`; units are ms, s, min, h and d.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Period(pub Duration);

const TIME_UNITS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("min", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

impl Period {
    /// So many times 24 hours.
    pub const fn days(number: u64) -> Self {
        Self(Duration::from_hours(number * 24))
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        write_with_unit(milliseconds, &TIME_UNITS, f)
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let milliseconds = read_with_unit(text, &TIME_UNITS);
        let period = milliseconds.map(|number| Self(Duration::from_millis(number)));
        period.ok_or_else(|| {
            format!("{text:?} is not a duration such as \"30 s\"; units are ms, s, min, h, d")
        })
    }
}

/// Writes `number` in the first unit that it is a multiple of. Zero has the smallest unit.
fn write_with_unit(number: u64, units: &[(&str, u64)], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let whole = units
        .iter()
        .find(|(_, factor)| number != 0 && number.is_multiple_of(*factor));
    match whole.or_else(|| units.last()) {
        Some((unit, factor)) => write!(f, "{} {unit}", number / factor),
        None => write!(f, "{number}"),
    }
}

fn read_with_unit(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit = unit.trim_start();
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

/// How often something may be done, written as `"10 per minute, burst 20"` or `"off"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateLimit {
    /// Not counted.
    Off,
    /// Counted.
    Limited {
        /// How often a minute, in the long run.
        per_minute: NonZeroU32,
        /// How often at once.
        burst: NonZeroU32,
    },
}

impl RateLimit {
    /// A limit; zero counts as one.
    pub(crate) fn limited(per_minute: u32, burst: u32) -> Self {
        let at_least_one = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self::Limited {
            per_minute: at_least_one(per_minute),
            burst: at_least_one(burst),
        }
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Limited { per_minute, burst } => {
                write!(f, "{per_minute} per minute, burst {burst}")
            }
        }
    }
}

impl FromStr for RateLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim() == "off" {
            return Ok(Self::Off);
        }
        let read = || {
            let (rate, burst) = text.split_once(',')?;
            let per_minute = rate
                .trim()
                .strip_suffix("per minute")?
                .trim_end()
                .parse()
                .ok()?;
            let burst = burst
                .trim()
                .strip_prefix("burst")?
                .trim_start()
                .parse()
                .ok()?;
            Some(Self::Limited { per_minute, burst })
        };
        read().ok_or_else(|| {
            format!("{text:?} is neither \"off\" nor a rate such as \"10 per minute, burst 20\"")
        })
    }
}

/// Reads and writes a type as its text; a plain number may stand for a size.
macro_rules! as_text {
    ($type:ident, $expected:literal $(, $from_number:expr)?) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;

                impl Visitor<'_> for Text {
                    type Value = $type;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str($expected)
                    }

                    fn visit_str<E: Error>(self, text: &str) -> Result<$type, E> {
                        text.parse().map_err(E::custom)
                    }

                    $(fn visit_i64<E: Error>(self, number: i64) -> Result<$type, E> {
                        let negative = || E::custom(format!("{number} is negative"));
                        u64::try_from(number).map($from_number).map_err(|_| negative())
                    })?
                }

                deserializer.deserialize_any(Text)
            }
        }
    };
}

as_text!(ByteSize, "a size such as \"64 MiB\"", ByteSize);
as_text!(Period, "a duration with its unit, such as \"30 s\"");
as_text!(
    RateLimit,
    "\"off\" or a rate such as \"10 per minute, burst 20\""
);

/// A text that is never shown: not by `Debug`, not by [`crate::Config::show`], not in errors.
#[derive(Clone)]
pub struct Secret(SecretString);

impl Secret {
    /// A secret from its text.
    pub fn new(text: String) -> Self {
        Self(SecretString::from(text))
    }

    /// The text, for the one place that compares or hashes it.
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// The secret as the type that other crates take.
    pub fn into_inner(self) -> SecretString {
        self.0
    }
}

impl PartialEq for Secret {
    /// Not in constant time: for comparing configurations, not for authentication.
    fn eq(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl Eq for Secret {}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[redacted]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // Read as anything first: serde's own error would show a secret that is not a text.
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Raw {
            Text(String),
            Other(IgnoredAny),
        }
        match Raw::deserialize(deserializer)? {
            Raw::Text(text) => Ok(Self::new(text)),
            Raw::Other(_) => Err(D::Error::custom("a secret is a text in quotes")),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes, written) in [
            ("64 MiB", 64 << 20, "64 MiB"),
            ("1024KiB", 1 << 20, "1 MiB"),
            ("5 kB", 5_000, "5 kB"),
            ("7 B", 7, "7 B"),
            ("0 B", 0, "0 B"),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!((size.0, size.to_string().as_str()), (bytes, written));
        }
        for bad in [
            "",
            "64",
            "MiB",
            "-1 MiB",
            "1.5 MiB",
            "64 mib",
            "99999999999999 TiB",
            "1 MiB x",
        ] {
            assert!(bad.parse::<ByteSize>().is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_read_and_written() {
        for (text, seconds, written) in [
            ("30 s", 30, "30 s"),
            ("90min", 5_400, "90 min"),
            ("7 d", 604_800, "7 d"),
        ] {
            let period: Period = text.parse().unwrap();
            assert_eq!(period.0, Duration::from_secs(seconds));
            assert_eq!(period.to_string(), written);
        }
        for bad in ["", "30", "s", "30 sec", "1 s 5 ms", "-1 s"] {
            assert!(bad.parse::<Period>().is_err(), "{bad}");
        }
    }

    #[test]
    fn rates_are_read_and_written() {
        let rate: RateLimit = "10 per minute, burst 20".parse().unwrap();
        assert_eq!(rate, RateLimit::limited(10, 20));
        assert_eq!(rate.to_string(), "10 per minute, burst 20");
        assert_eq!("off".parse(), Ok(RateLimit::Off));
        for bad in [
            "",
            "10",
            "10 per minute",
            "0 per minute, burst 1",
            "1 per minute, burst 0",
        ] {
            assert!(bad.parse::<RateLimit>().is_err(), "{bad}");
        }
    }

    #[test]
    fn secrets_do_not_show() {
        let secret = Secret::new("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "[redacted]");
        assert_eq!(secret.expose(), "hunter2");
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(number: u64) {
            prop_assert_eq!(ByteSize(number).to_string().parse(), Ok(ByteSize(number)));
            let period = Period(Duration::from_millis(number));
            prop_assert_eq!(period.to_string().parse(), Ok(period));
        }

        #[test]
        fn no_text_panics(text: String) {
            let parsed = (
                text.parse::<ByteSize>(),
                text.parse::<Period>(),
                text.parse::<RateLimit>(),
            );
            prop_assert!(parsed.0.is_err() || parsed.1.is_err());
        }
    }
}
