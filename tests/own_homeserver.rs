//! `examples/own_homeserver.rs` does what it says, and is caught when it doesn't.

#[path = "../examples/own_homeserver.rs"]
mod example;

use backfire::scenario::Verdict;

#[test]
fn the_example_runs() {
    example::main();
}

#[test]
fn a_guest_that_does_not_recover_is_found_out() {
    let judgement = example::play(0, false).judgement;
    assert_eq!(judgement.verdict, Verdict::Violated, "{:?}", judgement.violations);
    assert!(judgement.violations.iter().all(|found| found.invariant == "expectations"));
}
