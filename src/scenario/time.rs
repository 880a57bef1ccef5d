//! Durations and moments of simulated time, as people write them: `500ms`, `1m 30s`, `-2h`.
//!
//! Whole milliseconds only, because that is what the fabrics' timers keep. Knows no clock.

use std::{fmt, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::mistake::complaint;

/// Every duration of a scenario is shorter than this, in milliseconds: 30 days.
pub const MAX_DURATION_MS: u64 = 30 * 24 * 60 * 60 * 1000;

/// A length of simulated time: whole milliseconds, 0 up to (not including) 30 days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimDuration(u64);

/// A moment of simulated time, counted from the start of the timeline: whole milliseconds, less than 30 days.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SimTime(u64);

/// A duration that may be negative, for clocks: whole milliseconds, less than 30 days either way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignedDuration(i64);

impl SimDuration {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A duration of `ms` milliseconds; longer ones than the format can hold become the longest that it can.
    pub const fn from_millis(ms: u64) -> Self {
        Self(if ms < MAX_DURATION_MS { ms } else { MAX_DURATION_MS - 1 })
    }

    /// The duration in milliseconds.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// The same as a standard duration.
    pub const fn to_duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Whether it is no time at all.
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl SimTime {
    /// The moment `ms` milliseconds after the start; later ones than the format can hold become the last that
    /// it can.
    pub const fn from_millis(ms: u64) -> Self {
        Self(SimDuration::from_millis(ms).0)
    }

    /// Milliseconds since the start.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// Time since the start, as a standard duration.
    pub const fn since_start(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

impl SignedDuration {
    /// `ms` milliseconds, limited to what the format can hold.
    pub const fn from_millis(ms: i64) -> Self {
        let size = SimDuration::from_millis(ms.unsigned_abs()).0.cast_signed();
        Self(if ms < 0 { -size } else { size })
    }

    /// The duration in milliseconds, negative for the past.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Whether it is no time at all.
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }
}

impl fmt::Display for SimDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MINUTE_MS: u64 = 60_000;
        match self.0 {
            // One number is easier to compare than "2s 500ms", and nearly all that scenarios say is this
            // short.
            ms if ms < MINUTE_MS && (ms == 0 || ms % 1000 != 0) => write!(f, "{ms}ms"),
            _ => humantime::format_duration(self.to_duration()).fmt(f),
        }
    }
}

impl fmt::Display for SimTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        SimDuration(self.0).fmt(f)
    }
}

impl fmt::Display for SignedDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 < 0 {
            f.write_str("-")?;
        }
        SimDuration(self.0.unsigned_abs()).fmt(f)
    }
}

/// Reads a duration without a sign; an error is what is wrong and what to do.
fn parse_millis(text: &str) -> Result<u64, (String, String)> {
    let trimmed = text.trim();
    let wrong = |what: &str, help: String| Err((format!("{trimmed:?} {what}"), help));
    if trimmed.starts_with('-') {
        return wrong("is negative", "durations here go forward only; drop the `-`".to_owned());
    }
    if !trimmed.is_empty() && trimmed.bytes().all(|b| b.is_ascii_digit()) && trimmed != "0" {
        return wrong(
            "needs a unit",
            format!("for example {:?} or {:?}", format!("{trimmed}ms"), format!("{trimmed}s")),
        );
    }
    let Ok(duration) = humantime::parse_duration(trimmed) else {
        return wrong("is not a duration", "write it as \"500ms\", \"2s\", \"1m 30s\" or \"2h\"".to_owned());
    };
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return wrong(
            "is finer than a millisecond",
            "round it to whole milliseconds, such as \"1ms\"".to_owned(),
        );
    }
    match u64::try_from(duration.as_millis()) {
        Ok(ms) if ms < MAX_DURATION_MS => Ok(ms),
        _ => wrong("is too long", "durations must be shorter than 30 days".to_owned()),
    }
}

fn parse_signed(text: &str) -> Result<i64, (String, String)> {
    let trimmed = text.trim();
    match trimmed.strip_prefix('-') {
        Some(rest) => parse_millis(rest).map(|ms| -ms.cast_signed()),
        None => parse_millis(trimmed.strip_prefix('+').unwrap_or(trimmed)).map(u64::cast_signed),
    }
}

/// Takes a string, and tells who wrote a bare number that a unit is missing.
struct DurationText<T>(fn(&str) -> Result<T, (String, String)>);

impl<T> de::Visitor<'_> for DurationText<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration such as \"500ms\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).map_err(|(what, help)| complaint(what, help))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        Err(complaint(
            format!("{number} needs a unit"),
            format!("write a string, for example \"{number}ms\" or \"{number}s\""),
        ))
    }
}

macro_rules! duration_text {
    ($type:ty, $parse:path, $pattern:literal, $description:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(DurationText($parse)).map(Self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": $pattern, "description": $description })
            }
        }
    };
}

duration_text!(
    SimDuration,
    parse_millis,
    r"^\s*(0|(\d+\s*[a-zA-Z]+\s*)+)$",
    "A length of simulated time in whole milliseconds, under 30 days: `500ms`, `2s`, `1m 30s`, `2h`."
);
duration_text!(
    SimTime,
    parse_millis,
    r"^\s*(0|(\d+\s*[a-zA-Z]+\s*)+)$",
    "A moment, as the time since the start of the timeline: `500ms`, `2s`, `1m 30s`, `2h`."
);
duration_text!(
    SignedDuration,
    parse_signed,
    r"^\s*[+-]?(0|(\d+\s*[a-zA-Z]+\s*)+)$",
    "A duration that may be negative, under 30 days either way: `-2h`, `500ms`."
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_survive_printing() {
        for ms in [0, 1, 20, 999, 1000, 1500, 60_000, 90_001, 86_400_000, MAX_DURATION_MS - 1] {
            let printed = SimDuration::from_millis(ms).to_string();
            assert_eq!(parse_millis(&printed), Ok(ms), "{printed}");
            let negative = -ms.cast_signed();
            let printed = SignedDuration::from_millis(negative).to_string();
            assert_eq!(parse_signed(&printed), Ok(negative), "{printed}");
        }
    }

    #[test]
    fn bad_durations_say_what_is_wrong() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            let (what, _) = parse_millis(text).unwrap_err();
            assert_eq!(what, expected);
        }
        check("500", "\"500\" needs a unit");
        check("soon", "\"soon\" is not a duration");
        check("", "\"\" is not a duration");
        check("-1s", "\"-1s\" is negative");
        check("10us", "\"10us\" is finer than a millisecond");
        check("30days", "\"30days\" is too long");
        check("99999999999999999999999s", "\"99999999999999999999999s\" is not a duration");
    }
}
