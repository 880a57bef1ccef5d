//! Scenarios that nobody thought of: a profile and a seed give one, always the same.
//!
//! Swarm testing: a seed first switches whole kinds of operations, faults and lies on or off and then draws
//! how much there is of each, so that runs differ in kind and not only in detail. Each kind draws from a
//! stream of its own name, so that one more kind leaves what the others do as it was.
//!
//! What is written here is judged like any other scenario, so it must be possible to recover: faults end,
//! every event has an honest holder, and at last each member says a word from which the others see what they
//! lack. This room knows the format, and nothing of how it is played.

mod ask;
mod dice;
mod disturb;
mod draft;
mod fault;
mod lack;
mod lie;
mod member;
mod profile;
mod read;
mod rights;
mod scheme;
mod talk;
mod told_state;

pub use profile::{Profile, UnknownProfile};

use dice::Dice;
use draft::Draft;

use super::Scenario;
use crate::chance::Streams;

/// A kind of operation, fault or lie that a seed can switch on.
struct Kind {
    /// Its name, also that of its stream.
    name: &'static str,
    /// What there is then, as it stands in the scenario's sentence.
    told: &'static str,
    /// Which profiles have it, see [`Profile::chance`].
    family: Family,
    write: fn(&mut Draft, &mut Dice),
}

/// What kinds have in common for a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    /// In every scenario.
    Always,
    Talk,
    Rights,
    Members,
    Readers,
    Links,
    Crashes,
    Clocks,
    Lies,
}

/// All kinds, in the order in which they are written.
fn kinds() -> impl Iterator<Item = &'static Kind> {
    let before = [talk::KINDS, rights::KINDS, member::KINDS, read::KINDS, fault::KINDS, disturb::KINDS];
    let lies = [lie::KINDS, scheme::KINDS, told_state::KINDS, lack::KINDS];
    // Questions are asked about what all the others have made.
    before.into_iter().chain(lies).chain([ask::KINDS]).flatten()
}

/// The scenario of a profile and a seed. The same ones, the same scenario.
pub fn generate(profile: Profile, seed: u64) -> Scenario {
    let streams = Streams::new(seed);
    let dice = |name: &str| Dice::new(streams.stream(&format!("generator/{profile}/{name}")));
    let mut draft = Draft::new(profile, &mut dice("shape"));
    let mut told = Vec::new();
    for kind in switched_on(profile, dice) {
        let before = draft.size();
        (kind.write)(&mut draft, &mut dice(kind.name));
        if draft.size() > before {
            told.push(kind.told);
        }
    }
    draft.last_words();
    draft.finish(profile, seed, &told)
}

/// Plants a bug in a scenario: by the seed in one of its servers, or in all.
pub fn plant(scenario: &mut Scenario, bug: &str, seed: u64) {
    let mut dice = Dice::new(Streams::new(seed).stream("generator/planted"));
    let names: Vec<_> = scenario.servers.keys().cloned().collect();
    let chosen = if dice.percent(50) { names } else { vec![dice.pick(&names)] };
    for name in chosen {
        scenario.servers[&name].planted.push(bug.to_owned());
    }
}

/// The kinds of a seed: at least one of the family that the profile is about.
fn switched_on(profile: Profile, dice: impl Fn(&str) -> Dice) -> Vec<&'static Kind> {
    let is_on = |kind: &&Kind| dice(&format!("switch {}", kind.name)).percent(profile.chance(kind.family));
    let mut on: Vec<&Kind> = kinds().filter(is_on).collect();
    let about = profile.family();
    if !on.iter().any(|kind| kind.family == about) {
        let own: Vec<&Kind> = kinds().filter(|kind| kind.family == about).collect();
        on.push(dice("switch").pick(&own));
    }
    on
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scenario::{Action, Family, SendAction};

    #[test]
    fn generated_scenarios_are_like_written_ones() {
        for profile in Profile::ALL {
            for seed in 0..100 {
                let scenario = generate(profile, seed);
                let text = scenario.to_json();
                let read = Scenario::parse(&text, "generated.json")
                    .unwrap_or_else(|error| panic!("{profile}, seed {seed}: {error}\n{text}"));
                assert_eq!(read, scenario, "{profile}, seed {seed}");
                assert_eq!(text, generate(profile, seed).to_json(), "{profile}, seed {seed}");
            }
        }
    }

    #[test]
    fn every_kind_is_switched_on_by_some_seed_and_off_by_another() {
        for profile in [Profile::Everything, Profile::Liars] {
            for kind in kinds() {
                let dice = |seed: u64| {
                    move |name: &str| {
                        Dice::new(Streams::new(seed).stream(&format!("generator/{profile}/{name}")))
                    }
                };
                let has = |seed| switched_on(profile, dice(seed)).iter().any(|on| on.name == kind.name);
                let chance = profile.chance(kind.family);
                assert_eq!((0..200).any(has), chance > 0, "{profile}: {}", kind.name);
                assert_eq!(!(0..200).all(has), chance < 100, "{profile}: {}", kind.name);
            }
        }
    }

    #[test]
    fn kinds_have_names_of_their_own() {
        let names: BTreeSet<&str> = kinds().map(|kind| kind.name).collect();
        assert_eq!(names.len(), kinds().count());
    }

    #[test]
    fn calm_scenarios_have_no_faults_and_large_ones_are_large() {
        for seed in 0..50 {
            let calm = generate(Profile::Calm, seed);
            let is_fault = |action: &Action| matches!(action.family(), Family::Fault | Family::Lie);
            assert!(!calm.timeline.iter().any(|step| is_fault(&step.action)), "seed {seed}");
        }
        let large = generate(Profile::Large, 0);
        assert_eq!(large.servers.len(), 50);
        let messages = large.timeline.iter().filter_map(|step| match &step.action {
            Action::Send(SendAction::Message(message)) => Some(message.count),
            _ => None,
        });
        let messages: u32 = messages.sum();
        assert!((9_000..=11_000).contains(&messages), "{messages}");
    }
}
