//! Which seeds a campaign plays, and which of them fall to one of several machines.

use std::{fmt, ops::Range, str::FromStr};

/// The seeds of a campaign.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seeds {
    /// All of them.
    pub range: Range<u64>,
    /// The part of them that is played here.
    pub shard: Shard,
}

/// One of several equal parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Which, counted from 1.
    pub number: u64,
    /// Of how many.
    pub of: u64,
}

impl Default for Shard {
    fn default() -> Self {
        Self { number: 1, of: 1 }
    }
}

impl Seeds {
    /// How many seeds are played here.
    pub fn count(&self) -> u64 {
        let all = self.range.end.saturating_sub(self.range.start);
        all.saturating_sub(self.shard.number - 1).div_ceil(self.shard.of)
    }

    /// The seed at a position of those that are played here. Shards take turns, so that each begins early.
    pub fn at(&self, position: u64) -> Option<u64> {
        (position < self.count())
            .then(|| self.range.start + position * self.shard.of + (self.shard.number - 1))
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no part of a whole; write for example 1/4, up to 4/4");
        let (number, of) = text.split_once('/').ok_or_else(wrong)?;
        let (number, of) = (number.parse().map_err(|_| wrong())?, of.parse().map_err(|_| wrong())?);
        if (1..=of).contains(&number) { Ok(Self { number, of }) } else { Err(wrong()) }
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// Reads `A..B`, which leaves B out, or a single seed.
///
/// # Errors
///
/// When the text is neither, or there is no seed in it.
pub fn parse_range(text: &str) -> Result<Range<u64>, String> {
    let number = |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is no seed"));
    let range = match text.split_once("..") {
        Some((from, to)) => number(from)?..number(to)?,
        None => {
            let seed = number(text)?;
            seed..seed.checked_add(1).ok_or("seeds end one earlier")?
        }
    };
    if range.is_empty() {
        return Err(format!("there is no seed in `{text}`; write for example 0..1000"));
    }
    Ok(range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_play_each_seed_once() {
        for of in 1..=7 {
            for end in 0..20 {
                let mut played: Vec<u64> = (1..=of)
                    .map(|number| Seeds { range: 3..3 + end, shard: Shard { number, of } })
                    .flat_map(|seeds| (0..seeds.count()).map(move |nth| seeds.at(nth).unwrap()))
                    .collect();
                played.sort_unstable();
                assert_eq!(played, (3..3 + end).collect::<Vec<_>>(), "{of} shards");
            }
        }
    }

    #[test]
    fn ranges_and_shards_are_read() {
        assert_eq!(parse_range("0..10"), Ok(0..10));
        assert_eq!(parse_range("7"), Ok(7..8));
        assert_eq!("2/4".parse(), Ok(Shard { number: 2, of: 4 }));
        for text in ["", "10..3", "..", "x", "1..y", "-1"] {
            assert!(parse_range(text).is_err(), "{text}");
        }
        for text in ["0/4", "5/4", "1", "a/b", "1/0"] {
            assert!(text.parse::<Shard>().is_err(), "{text}");
        }
    }
}
