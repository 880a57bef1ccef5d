//! Runs per second of the standard campaign scenario: on turmoil, in memory, with stand-in signatures, on two
//! threads. All in one process and in turn, so that the ratios hold on a busy machine.

use std::{path::Path, thread};

use backfire::{
    check::verdict::judge_run,
    journal::What,
    matrix::crypto::Scheme,
    scenario::{Scenario, Verdict},
    simulation::{Fabric, Options, simulate},
};
use criterion::measurement::{Measurement, WallTime};

/// As in the command.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Rounds of the comparison; of each side the least disturbed one counts.
const ROUNDS: u64 = 5;
/// Runs of one measurement in memory; on turmoil it is one.
const RUNS: u64 = 20;

fn main() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/campaign-standard.json");
    let scenario = Scenario::read(&path).expect("it is there");
    let turmoil = Options::default();
    let direct = Options { fabric: Fabric::Direct, ..turmoil };
    let stand_in = Options { signatures: Scheme::StandIn, ..direct };
    describe(&scenario, &direct);

    let mut least = [f64::MAX; 5];
    for round in 0..ROUNDS {
        let measured = [
            seconds_a_run(1, || play(&scenario, &Options { seed: round, ..turmoil })),
            seconds_a_run(RUNS, || play(&scenario, &Options { seed: round, ..direct })),
            seconds_a_run(RUNS, || play(&scenario, &Options { seed: round, ..stand_in })),
            seconds_a_run(RUNS, || drop(simulate(&scenario, &Options { seed: round, ..stand_in }))),
            on_two_threads(&scenario, &Options { seed: round, ..stand_in }),
        ];
        for (least, measured) in least.iter_mut().zip(measured) {
            *least = least.min(measured);
        }
    }
    let [turmoil, direct, stand_in, unjudged, two_threads] = least;
    println!("turmoil: {:.1} runs a second", 1.0 / turmoil);
    println!("direct: {:.1} runs a second, {:.1} times turmoil", 1.0 / direct, turmoil / direct);
    println!(
        "direct, stand-in signatures: {:.1} runs a second, {:.1} times turmoil",
        1.0 / stand_in,
        turmoil / stand_in
    );
    println!("of such a run, judging: {:.2} ms of {:.2} ms", (stand_in - unjudged) * 1e3, stand_in * 1e3);
    println!("two threads: {:.1} runs a second, {:.2} times one", 1.0 / two_threads, stand_in / two_threads);
}

fn describe(scenario: &Scenario, options: &Options) {
    let played = simulate(scenario, options).expect("it can be played");
    let count =
        |is: fn(&What) -> bool| played.journal.records.iter().filter(|record| is(&record.what)).count();
    println!(
        "{} servers, {:.1} simulated s, {} events received, {} requests, {} records",
        scenario.servers.len(),
        played.simulated_ms as f64 / 1e3,
        count(|what| matches!(what, What::Received { .. })),
        count(|what| matches!(what, What::Request { .. })),
        played.journal.records.len()
    );
}

fn play(scenario: &Scenario, options: &Options) {
    let played = simulate(scenario, options).expect("it can be played");
    let judgement = judge_run(scenario, &played.journal, &played.memory).expect("it can be judged");
    assert_eq!(judgement.verdict, Verdict::Holds, "{:?}", judgement.violations.first());
}

fn seconds_a_run(runs: u64, run: impl Fn()) -> f64 {
    let start = WallTime.start();
    for _ in 0..runs {
        run();
    }
    WallTime.end(start).as_secs_f64() / runs as f64
}

/// Seconds a run when two threads share the work.
fn on_two_threads(scenario: &Scenario, options: &Options) -> f64 {
    let start = WallTime.start();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| seconds_a_run(RUNS, || play(scenario, options)));
        }
    });
    WallTime.end(start).as_secs_f64() / (2 * RUNS) as f64
}
