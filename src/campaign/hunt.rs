//! How many generated scenarios it takes until a planted bug is noticed: what the generator is worth.
//!
//! A scenario notices a bug if it fails with it and holds without it. Single seeds say little, so each bug is
//! hunted from several starting seeds, and the median counts.

use serde::Serialize;

use super::outcome::{Case, End, Failure, outcome};
use crate::{homeserver::planted::Planted, scenario::generator::Profile, simulation::Options};

/// How far apart starting seeds are: no hunt runs into the next.
const STARTS_APART: u64 = 100_000;

/// How bugs are hunted.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// What the scenarios are about.
    pub profile: Profile,
    /// How many starting seeds.
    pub starts: u64,
    /// The most seeds that are tried from each.
    pub most: u64,
    /// How each is played; the seed here is not looked at.
    pub options: Options,
}

/// Where a bug was noticed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// How many seeds it took.
    pub seeds: u64,
    /// The case, as commands take it.
    pub case: String,
    /// The invariant that did not hold.
    pub invariant: String,
}

/// What came of the hunt for one bug.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Hunted {
    /// The bug's id.
    pub bug: &'static str,
    /// What each start came to, in order; nothing where the bug was not noticed.
    pub notices: Vec<Option<Notice>>,
    /// The median of the seeds that it took, if most starts came to something.
    pub median: Option<u64>,
}

impl Hunt {
    /// Hunts one bug. Once most starts have come to nothing, so has the median, and the others are left out.
    pub fn bug(&self, planted: &'static Planted) -> Hunted {
        let mut notices = Vec::new();
        for start in 0..self.starts {
            let in_vain = notices.iter().filter(|notice: &&Option<Notice>| notice.is_none()).count();
            if in_vain as u64 * 2 > self.starts {
                break;
            }
            notices.push(self.from(planted, start * STARTS_APART));
        }
        Hunted { bug: planted.id, median: median(&notices), notices }
    }

    fn from(&self, planted: &Planted, start: u64) -> Option<Notice> {
        (0..self.most).find_map(|nth| {
            let with =
                Case { seed: start + nth, profile: self.profile, planted: Some(planted.id.to_owned()) };
            let failure = self.failure(&with)?;
            let without = Case { planted: None, ..with.clone() };
            self.failure(&without).is_none().then(|| Notice {
                seeds: nth + 1,
                case: with.to_string(),
                invariant: failure.signature.invariant,
            })
        })
    }

    /// Why a case fails; that Backfire itself broke off says nothing of a bug.
    fn failure(&self, case: &Case) -> Option<Failure> {
        outcome(case, &self.options).failure.filter(|failure| failure.end != End::BrokeOff)
    }
}

/// The middle one, where what came to nothing counts as more than all that came to something.
fn median(notices: &[Option<Notice>]) -> Option<u64> {
    let mut seeds: Vec<u64> =
        notices.iter().map(|notice| notice.as_ref().map_or(u64::MAX, |notice| notice.seeds)).collect();
    seeds.sort_unstable();
    seeds.get(seeds.len() / 2).copied().filter(|seeds| *seeds < u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::homeserver::planted;

    #[test]
    fn the_median_counts_what_came_to_nothing() {
        let notices = |seeds: &[u64]| -> Vec<Option<Notice>> {
            let notice =
                |seeds: &u64| Notice { seeds: *seeds, case: String::new(), invariant: String::new() };
            seeds.iter().map(|seeds| (*seeds > 0).then(|| notice(seeds))).collect()
        };
        assert_eq!(median(&notices(&[7, 1, 0, 3, 0])), Some(7));
        assert_eq!(median(&notices(&[0, 0, 0])), None);
        assert_eq!(median(&[]), None);
    }

    #[test]
    fn a_bug_that_shows_at_once_is_noticed_by_what_it_does() {
        let hunt = Hunt { profile: Profile::Partitions, starts: 1, most: 20, options: Options::default() };
        let hunted = hunt.bug(planted::find("min-depth-zero-is-falsy").unwrap());
        assert!(hunted.median.is_some(), "{hunted:?}");
    }
}
