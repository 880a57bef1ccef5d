//! The journal's reading of faults against the conditions that were in force while it was written.

use std::collections::BTreeSet;

use rand::{RngExt, rngs::ChaCha8Rng};
use serde_json::{Value, json};

use super::*;
use crate::{
    journal::{
        exchange::exchanges,
        fault::{Fault, Kind, Target, faults},
    },
    network::conditions::Departure,
    scenario::{Action, Family, FaultAction},
    simulation::guest::Guests,
};

const SEEDS: u64 = 150;
const HOSTS: [&str; 4] = ["a", "b", "c", "d"];
const STEPS: u64 = 16;
const USUAL_MS: u64 = 20;

#[test]
fn the_journal_tells_of_each_link_at_each_moment_which_faults_hold() {
    let (mut played, mut fates) = (BTreeSet::new(), BTreeSet::new());
    for seed in 0..SEEDS {
        let scenario = json!({
            "why": "Faults overlap, and end in any order.",
            "servers": { "a": {}, "b": {}, "c": {}, "d": {} },
            "room": { "created_by": "a", "members": ["a"] },
            "timeline": timeline(&mut Streams::new(seed).stream("faults"))
        });
        let scenario = Scenario::parse(&scenario.to_string(), "faults.json").unwrap();
        let (journal, seen) = watch(&scenario);
        let faults = faults(&journal, &exchanges(&journal));
        for moment in &seen {
            assert_eq!(
                moment.told_by(&faults),
                moment.fate,
                "seed {seed}: {moment:?} {}",
                scenario.to_json()
            );
            let arrives = matches!(moment.fate.0, Departure::ArrivesAt(_));
            fates.insert((arrives, moment.fate.0 == Departure::Refused, moment.fate.1));
        }
        for step in &scenario.timeline {
            let key = step.action.key();
            let is_timed = json!(step)[key]["for"].is_string();
            assert_eq!(step.action.lasting().is_some(), is_timed, "whether `{key}` can have a `for`");
            played.insert(key);
        }
    }
    assert_eq!(
        fates.len(),
        5,
        "messages that arrive, are refused and vanish, and what left before: {fates:?}"
    );
    let faults = [Family::Fault, Family::Heal].into_iter().flat_map(Family::keys).copied();
    // These do nothing to messages.
    let wanted: BTreeSet<&str> = faults.filter(|key| !["clock", "rotate_key"].contains(key)).collect();
    assert_eq!(played, wanted);
}

/// One link at a moment of the timeline.
#[derive(Debug)]
struct Moment {
    t: u64,
    from: &'static str,
    to: &'static str,
    /// An earlier moment.
    earlier: u64,
    /// What becomes of a message that leaves now, and whether one that left earlier and should arrive now is
    /// lost.
    fate: (Departure, bool),
}

impl Moment {
    /// The same by the faults of the journal.
    fn told_by(&self, faults: &[Fault<'_>]) -> (Departure, bool) {
        let link = Target::Link(self.from, self.to);
        let t = i64::try_from(self.t).unwrap();
        let holds = |fault: &&Fault<'_>, target: Target<'_>| {
            let mut hits = fault.hits.iter().filter(|hit| hit.target == target);
            fault.since.t <= t && hits.any(|hit| hit.until.is_none_or(|until| until.t > t))
        };
        let on_link: Vec<_> = faults.iter().filter(|fault| holds(fault, link)).collect();
        let is_broken = on_link.iter().any(|fault| fault.kind == Kind::Breaks);
        let is_silent = on_link
            .iter()
            .any(|fault| matches!(fault.action(), Some(Action::Fault(FaultAction::Silence(_)))));
        let is_down = faults.iter().any(|fault| holds(&fault, Target::Server(self.to)));
        let latency = on_link.iter().rev().find_map(|fault| match fault.action() {
            Some(Action::Fault(FaultAction::Latency(latency))) => Some(latency.latency.as_millis()),
            _ => None,
        });
        let departure = match () {
            () if is_silent => Departure::Vanishes,
            () if is_broken || is_down => Departure::Refused,
            () => Departure::ArrivesAt(latency.unwrap_or(USUAL_MS)),
        };
        let broke = |fault: &Fault<'_>| {
            let since = u64::try_from(fault.since.t).unwrap();
            let hits = fault.hits.iter().any(|hit| hit.target == link);
            fault.kind == Kind::Breaks && hits && (self.earlier..=self.t).contains(&since)
        };
        (departure, is_broken || faults.iter().any(broke))
    }
}

/// Plays a scenario as `play` does, and looks at all links whenever something was done.
fn watch(scenario: &Scenario) -> (Journal, Vec<Moment>) {
    let options = Options { fabric: crate::simulation::Fabric::Direct, ..Options::default() };
    let mut player = Player::new(scenario, &options, &Guests::default()).unwrap();
    player.record_run(None);
    player.set_up(None).unwrap();
    let zero = player.now().next_multiple_of(1_000);
    let (mut seen, mut before, mut now) = (Vec::new(), 0, 0);
    for (at, due) in schedule(scenario) {
        player.step_until(zero + at).unwrap();
        due.into_iter().for_each(|due| player.perform(due).unwrap());
        (before, now) = (now, at);
        seen.extend(look(&player, zero, now, before));
    }
    player.step_until(zero + now + 1).unwrap();
    player.heal_all().unwrap();
    seen.extend(look(&player, zero, now + 1, before));
    (Journal { records: player.recorder.finish(zero) }, seen)
}

fn look(player: &Player<'_>, zero: u64, t: u64, earlier: u64) -> Vec<Moment> {
    let pairs = HOSTS.iter().flat_map(|from| HOSTS.iter().map(move |to| (*from, *to)));
    let look = |(from, to)| {
        let mut conditions = player.conditions.borrow_mut();
        let departure = conditions.send_request(from, to, 0);
        let fate = (departure, conditions.was_lost(from, to, zero + earlier));
        Moment { t, from, to, earlier, fate }
    };
    pairs.filter(|(from, to)| from != to).map(look).collect()
}

/// Faults and their ends at random; servers crash and restart in turn.
fn timeline(random: &mut ChaCha8Rng) -> Vec<Value> {
    let mut down = BTreeSet::new();
    let mut at = 0;
    (0..STEPS)
        .map(|_| {
            at += random.random_range(1..2_000_u64);
            let host = HOSTS[random.random_range(0..HOSTS.len())];
            let mut step = match random.random_range(0..9) {
                0 if down.remove(host) => json!({ "restart": { "server": host } }),
                0 => {
                    down.insert(host);
                    json!({ "crash": { "server": host } })
                }
                1 => json!({ "heal": {} }),
                2 => json!({ "heal": { "between": two(random) } }),
                3 => json!({ "partition": with_end(json!({ "groups": [[host]] }), random) }),
                4 => json!({ "partition": with_end(json!({ "groups": two(random).map(|host| [host]) }), random) }),
                5 => json!({ "cut": ends(random) }),
                6 => {
                    let mut silence = ends(random);
                    silence["both"] = random.random_bool(0.5).into();
                    json!({ "silence": silence })
                }
                7 => {
                    let mut latency = ends(random);
                    latency["latency"] = format!("{}ms", random.random_range(10..500)).into();
                    json!({ "latency": latency })
                }
                _ => {
                    let mut disturb = ends(random);
                    disturb["how"] = json!("lose");
                    json!({ "disturb": disturb })
                }
            };
            step["at"] = format!("{at}ms").into();
            step
        })
        .collect()
}

fn two(random: &mut ChaCha8Rng) -> [&'static str; 2] {
    let one = random.random_range(0..HOSTS.len());
    let other = (one + random.random_range(1..HOSTS.len())) % HOSTS.len();
    [HOSTS[one], HOSTS[other]]
}

fn ends(random: &mut ChaCha8Rng) -> Value {
    let [from, to] = two(random);
    with_end(json!({ "from": from, "to": to }), random)
}

/// Half of the faults end by themselves.
fn with_end(mut fault: Value, random: &mut ChaCha8Rng) -> Value {
    if random.random_bool(0.5) {
        fault["for"] = format!("{}ms", random.random_range(1..8_000)).into();
    }
    fault
}
