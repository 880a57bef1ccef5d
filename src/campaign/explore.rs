//! Many runs of generated scenarios, each on one thread at a time.
//!
//! Outcomes are seen in the order of their seeds, whatever thread is done first: so results are the same with
//! one thread and with many.

use std::{
    collections::BTreeMap,
    sync::{
        atomic::{AtomicBool, AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use super::{
    outcome::{Case, Outcome, outcome},
    seeds::Seeds,
    stopwatch::Stopwatch,
    tally::Tally,
};
use crate::{scenario::generator::Profile, simulation::Options};

/// What is explored.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// What the scenarios are about.
    pub profile: Profile,
    /// The bug that is planted in each.
    pub planted: Option<String>,
    /// The seeds.
    pub seeds: Seeds,
    /// How each is played; the seed here is not looked at.
    pub options: Options,
    /// How many threads play.
    pub jobs: usize,
    /// No run begins when so much time is over.
    pub time: Option<Duration>,
    /// Whether it ends as soon as every mark was reached.
    pub until_marks: bool,
}

impl Campaign {
    /// Plays the campaign until it is through, its time is over, or `stop` is set. `see` gets each outcome,
    /// and what all came to so far without it.
    pub fn play(&self, stop: &AtomicBool, mut see: impl FnMut(&Tally, &Outcome)) -> Tally {
        let watch = Stopwatch::start();
        let next = AtomicU64::new(0);
        let over = AtomicBool::new(false);
        let is_over =
            || over.load(Ordering::Relaxed) || stop.load(Ordering::Relaxed) || watch.is_past(self.time);
        let (done, outcomes) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                let (done, next, is_over) = (done.clone(), &next, &is_over);
                scope.spawn(move || {
                    while !is_over() {
                        let position = next.fetch_add(1, Ordering::Relaxed);
                        let Some(seed) = self.seeds.at(position) else { return };
                        let case = Case { seed, profile: self.profile, planted: self.planted.clone() };
                        if done.send((position, outcome(&case, &self.options))).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let mut tally = Tally::default();
            in_order(outcomes, |outcome| {
                see(&tally, &outcome);
                tally.add(&outcome);
                if self.until_marks && tally.dark().next().is_none() {
                    over.store(true, Ordering::Relaxed);
                }
            });
            tally
        })
    }
}

/// Hands out what comes with its position in the order of positions, from 0 on.
fn in_order<T>(coming: mpsc::Receiver<(u64, T)>, mut see: impl FnMut(T)) {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (position, value) in coming {
        early.insert(position, value);
        while let Some(value) = early.remove(&next) {
            see(value);
            next += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::campaign::seeds::Shard;

    fn campaign(jobs: usize, shard: Shard) -> Campaign {
        Campaign {
            profile: Profile::Calm,
            planted: None,
            seeds: Seeds { range: 0..6, shard },
            options: Options::default(),
            jobs,
            time: None,
            until_marks: false,
        }
    }

    fn seen(campaign: &Campaign) -> Vec<(u64, u64, bool)> {
        let mut seen = Vec::new();
        campaign.play(&AtomicBool::new(false), |_, outcome| {
            seen.push((outcome.case.seed, outcome.simulated_ms, outcome.failure.is_some()));
        });
        seen
    }

    #[test]
    fn threads_and_shards_change_nothing() {
        let one = seen(&campaign(1, Shard::default()));
        assert_eq!(one.iter().map(|(seed, ..)| *seed).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(one, seen(&campaign(3, Shard::default())));
        let mut parts = seen(&campaign(1, Shard { number: 1, of: 2 }));
        parts.extend(seen(&campaign(2, Shard { number: 2, of: 2 })));
        parts.sort_unstable();
        assert_eq!(one, parts);
    }

    #[test]
    fn a_stopped_campaign_ends_with_what_it_has() {
        let campaign = campaign(2, Shard::default());
        let stop = AtomicBool::new(false);
        let tally = campaign.play(&stop, |_, _| stop.store(true, Ordering::Relaxed));
        assert!((1..6).contains(&tally.runs), "{} runs", tally.runs);
        assert_eq!(Campaign { time: Some(Duration::ZERO), ..campaign }.play(&stop, |_, _| {}).runs, 0);
    }
}
