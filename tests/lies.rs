//! Every lie at every endpoint: it is really told, the honest servers notice or outlive it, and they agree in
//! the end.

use backfire::{
    campaign::play::play,
    journal::{Violation, What},
    matrix::endpoint::Endpoint,
    scenario::{ByteLie, EventLie, Lie, Scenario, Verdict},
    simulation::Fabric,
};
use serde_json::{Value, json};

/// The endpoints in whose answers there are lies.
const ASKED: [Endpoint; 10] = [
    Endpoint::GetMissingEvents,
    Endpoint::Event,
    Endpoint::Backfill,
    Endpoint::StateIds,
    Endpoint::State,
    Endpoint::EventAuth,
    Endpoint::Send,
    Endpoint::MakeJoin,
    Endpoint::SendJoin,
    Endpoint::Key,
];

/// Lies that need ids that can be chosen, as room version 2 has them.
const CHOSEN_IDS: [Lie; 2] = [Lie::Events(EventLie::SelfParent), Lie::Events(EventLie::Cycle)];

/// Lies after which an event waits for ever, for one that never was: all else must hold.
const NEVER_WHOLE: [Lie; 3] = [CHOSEN_IDS[0], CHOSEN_IDS[1], Lie::Events(EventLie::FreshGap)];
const WAITING: [&str; 2] = ["recovered-in-time", "closed-history"];

#[test]
fn honest_servers_outlive_every_lie() {
    let mut wrong = Vec::new();
    let mut played = 0;
    for lie in Lie::ALL.iter().copied() {
        for endpoint in ASKED {
            if !is_told_on(lie, endpoint) {
                continue;
            }
            played += 1;
            let problem = problem_with(&[lie], endpoint);
            wrong.extend(problem.map(|problem| format!("{} in {endpoint}: {problem}", lie.name())));
        }
    }
    assert!(played > Lie::ALL.len(), "only {played} were played");
    assert!(wrong.is_empty(), "{} of {played}:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn lies_combine() {
    use EventLie::{FreshGap, OtherRoom, Shuffled, Twice, WrongHash};
    let mut together = [Shuffled, Twice, WrongHash, FreshGap, OtherRoom].map(Lie::Events).to_vec();
    together.push(Lie::Bytes(ByteLie::DuplicateKeys));
    assert_eq!(problem_with(&together, Endpoint::GetMissingEvents), None);
}

fn is_told_on(lie: Lie, endpoint: Endpoint) -> bool {
    match lie {
        // One event has no order.
        Lie::Events(EventLie::Shuffled | EventLie::Reversed) if endpoint == Endpoint::Event => false,
        _ => lie.is_in(endpoint),
    }
}

fn problem_with(lies: &[Lie], endpoint: Endpoint) -> Option<String> {
    let scenario = scenario(lies, endpoint);
    let played = match play(&scenario, 3, Fabric::Direct) {
        Ok(played) => played,
        Err(error) => return Some(error.to_string()),
    };
    let told = |what: &What| match what {
        What::Lied { lies: told, .. } => lies.iter().all(|lie| told.iter().any(|name| name == lie.name())),
        _ => false,
    };
    if !played.journal.records.iter().any(|record| told(&record.what)) {
        return Some("the lie was never told".to_owned());
    }
    let may_wait = lies.iter().any(|lie| NEVER_WHOLE.contains(lie));
    let waits = |violation: &Violation| WAITING.contains(&&*violation.invariant);
    if may_wait && played.judgement.violations.iter().all(waits) {
        return None;
    }
    (played.judgement.verdict != Verdict::Holds)
        .then(|| format!("{:?}: {:?}", played.judgement.verdict, played.judgement.violations.first()))
}

/// Server a lies. It is the first by name, so it is asked first where nobody is preferred.
fn scenario(lies: &[Lie], endpoint: Endpoint) -> Scenario {
    let version = if lies.iter().any(|lie| CHOSEN_IDS.contains(lie)) { "2" } else { "11" };
    let tell: Vec<&str> = lies.iter().map(|lie| lie.name()).collect();
    let mut steps = vec![
        json!({ "at": "0ms", "message": { "by": "b", "count": 30, "every": "10ms" } }),
        json!({ "at": "1s", "lie": { "server": "a", "endpoint": endpoint, "tell": tell, "times": 3 } }),
    ];
    steps.extend(way_to(endpoint));
    steps.extend([
        json!({ "at": "60s", "message": { "by": "b" } }),
        json!({ "at": "80s", "message": { "by": "c" } }),
    ]);
    let scenario = json!({
        "why": "A server lies.",
        "room_version": version,
        "servers": { "a": {}, "b": {}, "c": {}, "d": {} },
        "room": { "created_by": "b", "members": ["b", "a", "c"] },
        "timeline": steps,
        "expect": { "differ": ["a"] }
    });
    Scenario::parse(&scenario.to_string(), "lies.json").unwrap()
}

/// What makes an honest server ask the liar there.
fn way_to(endpoint: Endpoint) -> Vec<Value> {
    let cut_off = |who: &str, seconds: u64| {
        let cut = |from: &str, to: &str| json!({ "at": "2s", "cut": { "from": from, "to": to, "for": format!("{seconds}s") } });
        vec![cut(who, "c"), cut("c", who)]
    };
    let gap = json!({ "at": "3s", "message": { "by": "b", "count": 12, "every": "100ms" } });
    // Whoever tells of a gap is asked first.
    let told_by_liar = json!({ "at": "7s", "message": { "by": "a" } });
    let denied = |endpoint: Endpoint, who: &str, times: Option<u32>| {
        let how = json!({ "status": { "code": 403 } });
        let mut step = json!({ "from": "c", "to": who, "endpoint": endpoint, "how": how, "for": "30s" });
        if let Some(times) = times {
            step["times"] = times.into();
        }
        json!({ "at": "2s", "disturb": step })
    };
    let no_gap_filling = |who: &str| denied(Endpoint::GetMissingEvents, who, None);
    match endpoint {
        Endpoint::GetMissingEvents => [cut_off("a", 4), cut_off("b", 40), vec![gap, told_by_liar]].concat(),
        Endpoint::Event => {
            [cut_off("a", 4), cut_off("b", 40), vec![no_gap_filling("a"), gap, told_by_liar]].concat()
        }
        Endpoint::Backfill => vec![
            json!({ "at": "2s", "join": { "by": "d", "via": "b" } }),
            json!({ "at": "5s", "page_back": { "server": "d", "limit": 10, "pages": "all" } }),
        ],
        Endpoint::Send => vec![gap, told_by_liar],
        Endpoint::MakeJoin | Endpoint::SendJoin => {
            // Who could not come in knocks again.
            let join = |at: &str| json!({ "at": at, "join": { "by": "d", "via": "a" } });
            ["2s", "15s", "25s", "35s"].map(join).to_vec()
        }
        Endpoint::Key => {
            // The others have to ask for the new one.
            let speak = |at: &str| json!({ "at": at, "message": { "by": "a" } });
            let new_key = json!({ "at": "2s", "rotate_key": { "server": "a" } });
            [vec![new_key], ["3s", "12s", "22s", "32s"].map(speak).to_vec()].concat()
        }
        Endpoint::EventAuth => {
            let levels = |at: &str, ban: u32| {
                let change = json!({ "by": "b", "content": { "ban": ban } });
                json!({ "at": at, "power_levels": change })
            };
            let changes = vec![levels("3s", 51), levels("4s", 52), told_by_liar];
            [cut_off("a", 4), cut_off("b", 40), vec![no_gap_filling("a")], changes].concat()
        }
        _ => {
            // So much that is not known is fetched as a whole.
            let states = if endpoint == Endpoint::State { 12 } else { 0 };
            let state = |nth: u32| {
                let (kind, key) = ("org.example.test", nth.to_string());
                let of = json!({ "by": "b", "type": kind, "state_key": key, "content": {} });
                json!({ "at": format!("{}ms", 2_500 + nth), "state": of })
            };
            let unknown: Vec<Value> = (0..states).map(state).collect();
            let no_event = |who: &str| denied(Endpoint::Event, who, Some(2));
            let told_by_honest = json!({ "at": "7s", "message": { "by": "b" } });
            let denials = vec![no_gap_filling("a"), no_gap_filling("b"), no_event("a"), no_event("b")];
            [cut_off("a", 4), cut_off("b", 4), denials, unknown, vec![gap, told_by_honest]].concat()
        }
    }
}
