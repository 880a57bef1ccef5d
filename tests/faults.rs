//! Every kind of fault and every lie is played by a kept scenario, so that all that is said of kept scenarios
//! is said of it: `determinism.rs` plays each twice, `fabrics.rs` on both fabrics. And each holds, whatever
//! chance decides.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use backfire::{
    campaign::play::play,
    journal::What,
    matrix::endpoint::Endpoint,
    scenario::{
        Action, Disturb, Disturbance, Family, FaultAction, HealAction, Lie, LieAction, Scenario, SendAction,
        Side, UserAction,
    },
    simulation::Fabric,
};

/// Chance decides otherwise for each.
const SEEDS: std::ops::Range<u64> = 0..3;

/// What there is besides the faults of the format and the ways in which a single message goes wrong. A
/// message that is answered by something in between is one kind for each status.
const KINDS: &[&str] = &[
    "partition of three groups",
    "silence one way",
    "silence both ways",
    "heal of one link",
    "jitter",
    "crash between two writes",
    "clock that is wrong",
    "key that expires",
    "server that leaves and comes back",
    "answer to the third /backfill lost",
    "transaction under the same id again",
    "status 403",
    "status 429 with a time to wait",
    "status 500",
    "status 502",
    "status 504",
];

#[test]
fn every_kind_of_fault_is_in_a_kept_scenario() {
    let played: BTreeSet<String> = kept().iter().flat_map(faults).collect();
    let mut wanted: BTreeSet<String> = KINDS.iter().map(ToString::to_string).collect();
    let ways = ["lose", "delay", "truncate", "break", "status", "drip", "hang"];
    wanted.extend(ways.iter().flat_map(|way| ["request", "answer"].map(|side| format!("{way} {side}"))));
    wanted.insert("duplicate request".to_owned());
    wanted.extend(
        [Family::Fault, Family::Heal].iter().flat_map(|family| family.keys()).map(ToString::to_string),
    );
    let never: Vec<&String> = wanted.difference(&played).collect();
    assert!(never.is_empty(), "no kept scenario has {never:?}");
}

#[test]
fn every_lie_is_told_in_a_kept_scenario() {
    let lies = |scenario: &&Scenario| {
        scenario.timeline.iter().any(|step| matches!(step.action, Action::Lie(LieAction::Lies(_))))
    };
    let mut told: BTreeSet<String> = BTreeSet::new();
    for scenario in kept().iter().filter(lies) {
        for record in play(scenario, 0, Fabric::Direct).unwrap().journal.records {
            if let What::Lied { lies, .. } = record.what {
                told.extend(lies);
            }
        }
    }
    let never: Vec<&str> =
        Lie::ALL.iter().map(|lie| lie.name()).filter(|name| !told.contains(*name)).collect();
    assert!(never.is_empty(), "no kept scenario tells {never:?}");
}

#[test]
fn kept_scenarios_end_as_they_expect_whatever_chance_decides() {
    let mut wrong = Vec::new();
    for scenario in kept() {
        for seed in SEEDS {
            let judgement = play(&scenario, seed, Fabric::Direct).unwrap().judgement;
            if !judgement.is_as_expected() {
                let first = judgement.violations.first();
                wrong.push(format!("{}, seed {seed}: {first:?} {:?}", scenario.name(), judgement.dark));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn kept() -> Vec<Scenario> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    files.sort();
    files.iter().map(|file| Scenario::read(file).unwrap_or_else(|error| panic!("{error}"))).collect()
}

/// The kinds of faults of a scenario.
fn faults(scenario: &Scenario) -> Vec<String> {
    let actions = || scenario.timeline.iter().map(|step| &step.action);
    let mut faults: Vec<String> = actions().map(|action| action.key().to_owned()).collect();
    faults.extend(actions().flat_map(of_action).map(ToOwned::to_owned));
    let disturbed = scenario.timeline.iter().filter_map(|step| match &step.action {
        Action::Fault(FaultAction::Disturb(disturb)) => Some(disturb),
        _ => None,
    });
    faults.extend(disturbed.flat_map(of_message));
    let servers = || scenario.servers.values();
    let links = scenario.links.values();
    let leaves = |action: &Action| matches!(action, Action::Send(SendAction::Leave(_)));
    let returns = |action: &Action| matches!(action, Action::User(UserAction::Join(_)));
    let first_leave = scenario.timeline.iter().position(|step| leaves(&step.action));
    let comes_back =
        first_leave.is_some_and(|leave| scenario.timeline[leave..].iter().any(|step| returns(&step.action)));
    let there = [
        ("clock that is wrong", servers().any(|server| !server.clock_skew.is_zero())),
        ("key that expires", servers().any(|server| server.key_validity.is_some())),
        ("jitter", links.into_iter().any(|link| link.jitter.is_some_and(|jitter| !jitter.is_zero()))),
        ("server that leaves and comes back", comes_back),
    ];
    faults.extend(there.into_iter().filter(|(_, is_there)| *is_there).map(|(kind, _)| kind.to_owned()));
    faults
}

/// What there is to a fault besides its key.
fn of_action(action: &Action) -> Option<&'static str> {
    match action {
        Action::Fault(FaultAction::Partition(partition)) if partition.groups.len() > 2 => {
            Some("partition of three groups")
        }
        Action::Fault(FaultAction::Silence(silence)) if silence.both => Some("silence both ways"),
        Action::Fault(FaultAction::Silence(_)) => Some("silence one way"),
        Action::Fault(FaultAction::Crash(crash)) if crash.after_writes.is_some() => {
            Some("crash between two writes")
        }
        Action::Heal(HealAction::Heal(heal)) if heal.between.is_some() => Some("heal of one link"),
        _ => None,
    }
}

fn of_message(disturb: &Disturb) -> Vec<String> {
    let is_answer = disturb.side == Side::Answer;
    let mut kinds = vec![format!("{} {}", disturb.how.name(), if is_answer { "answer" } else { "request" })];
    match &disturb.how {
        Disturbance::Status(status) => kinds.push(match status.retry_after {
            Some(_) => format!("status {} with a time to wait", status.code),
            None => format!("status {}", status.code),
        }),
        Disturbance::Lose if is_answer && disturb.skip == 2 && disturb.times == Some(1) => {
            kinds.extend(disturb.endpoint.as_ref().map(|name| format!("answer to the third /{name} lost")));
        }
        Disturbance::Duplicate(_) if disturb.endpoint == Some(Endpoint::Send) => {
            kinds.push("transaction under the same id again".to_owned());
        }
        _ => {}
    }
    kinds
}
