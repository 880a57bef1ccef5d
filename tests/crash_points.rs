//! A crash may fall between any two writes: whatever was stored last, the restarted server ends whole.

use backfire::{
    journal::{End, What},
    scenario::{Action, FaultAction, Scenario},
    simulation::{Options, simulate},
};

const SCENARIO: &str = include_str!("../scenarios/restart-in-recovery.json");

/// The scenario with a crash of b after so many writes from the given time on.
fn crashing(after_writes: u32) -> Scenario {
    let mut scenario = Scenario::parse(SCENARIO, "restart-in-recovery.json").unwrap();
    let crash = scenario.timeline.iter_mut().find_map(|step| match &mut step.action {
        Action::Fault(FaultAction::Crash(crash)) => Some(crash),
        _ => None,
    });
    crash.expect("the scenario has a crash").after_writes = Some(after_writes);
    scenario
}

fn check(after_writes: u32) {
    let scenario = crashing(after_writes);
    let run = simulate(&scenario, &Options::default()).unwrap();
    let ends: Vec<(&str, &End)> = run
        .journal
        .records
        .iter()
        .filter_map(|record| match &record.what {
            What::End(end) => Some((record.server.as_deref().unwrap(), end)),
            _ => None,
        })
        .collect();
    let crashed = run.journal.records.iter().any(|record| matches!(record.what, What::Crashed));
    assert!(crashed, "after {after_writes} writes: the fuse never burnt down");
    for (server, end) in &ends {
        assert!(end.waiting.is_empty(), "after {after_writes} writes: {server} still waits");
        assert!(end.missing.is_empty(), "after {after_writes} writes: {server} misses {:?}", end.missing);
        assert_eq!(end.events, ends[0].1.events, "after {after_writes} writes: {server} holds other events");
        assert_eq!(end.state, ends[0].1.state, "after {after_writes} writes: {server} has another state");
    }
}

#[test]
fn a_crash_after_any_write_of_a_recovery_loses_nothing() {
    for after_writes in 1..=60 {
        check(after_writes);
    }
}
