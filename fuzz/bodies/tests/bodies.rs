//! The bodies of the fuzz targets (`fuzz/bodies`): their seeds, how they read and change bytes, and their
//! slow twin.

mod walk_twins;

use std::{fs, panic::catch_unwind, path::PathBuf};

use backfire_fuzz_bodies::{Body, TARGETS, Target, json_mutator, request::RawRequest, request_mutator};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::Value;

/// Seeds of these are files of the repository and runs of it, which may change without harm.
const FROM_FILES: [&str; 2] = ["journal_file", "scenario_file"];

fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("a target")
}

fn folder(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "../seeds", target].iter().collect()
}

/// Writes the committed seeds anew: `cargo test write_seeds -- --ignored`.
#[test]
#[ignore = "writes into fuzz/seeds"]
fn write_seeds() {
    for target in TARGETS {
        let folder = folder(target.name);
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        for (name, bytes) in (target.seeds)() {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
}

#[test]
fn committed_seeds_are_those_that_are_made() {
    const AGAIN: &str = "run `cargo test write_seeds -- --ignored`";
    for target in TARGETS.iter().filter(|target| !FROM_FILES.contains(&target.name)) {
        let (name, folder, seeds) = (target.name, folder(target.name), (target.seeds)());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), seeds.len(), "{name}: {AGAIN}");
        for (seed, bytes) in seeds {
            let kept = fs::read(folder.join(seed)).unwrap_or_default();
            assert!(kept == bytes, "{name}/{seed}: {AGAIN}");
        }
    }
}

#[test]
fn what_was_json_stays_json_and_seldom_stays_the_same() {
    let text = br#"{"pdus":[{"type":"m.room.message","depth":7,"content":{"body":"hi"}}],"limit":10}"#;
    let whole: Value = serde_json::from_slice(text).unwrap();
    let same = (0..500).filter(|seed| {
        let changed = json_mutator::mutate(text, *seed).unwrap();
        serde_json::from_slice::<Value>(&changed).unwrap() == whole
    });
    assert!(same.count() < 100);
}

#[test]
fn of_several_lines_one_changes_and_what_is_before_the_json_stays() {
    let text = b"PUT /x\nsigned-by: b\n\n{\"pdus\":[]}";
    for seed in 0..200 {
        let Some(changed) = json_mutator::mutate(text, seed) else { continue };
        let kept = changed
            .split(|byte| *byte == b'\n')
            .filter(|line| text.split(|byte| *byte == b'\n').any(|old| old == *line));
        assert!(kept.count() >= 2, "{}", String::from_utf8_lossy(&changed));
    }
}

#[test]
fn most_changed_requests_get_past_the_gate() {
    let request = target("request");
    let seeds = (request.seeds)();
    let useful = |seed: &u32| {
        let (_, text) = &seeds[*seed as usize % seeds.len()];
        let reached = (request.run)(&request_mutator::mutate(text, *seed).unwrap()).unwrap();
        RawRequest::USEFUL.iter().any(|mark| reached.contains(*mark))
    };
    let useful = (0..1_000).filter(useful).count();
    assert!(useful > 700, "{useful} of 1000");
}

#[test]
fn a_few_random_tapes_show_the_bug_of_the_canary() {
    let canary = target("canary");
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut tapes = (0..40).map(|_| (0..80).map(|_| random.random()).collect::<Vec<u8>>());
    assert!(tapes.any(|tape| catch_unwind(|| (canary.run)(&tape)).is_err()));
}

#[test]
fn an_empty_tape_is_a_run_without_faults() {
    let reached = (target("simulation").run)(&[]).unwrap();
    assert!(!reached.contains("gap stuck") && reached.contains("message"), "{reached:?}");
}

#[test]
fn what_is_appended_to_a_tape_leaves_the_earlier_steps_as_they_were() {
    let simulation = target("simulation");
    let tape: Vec<u8> = (0..70_u8).map(|n| n.wrapping_mul(37)).collect();
    // What the scenario ends with depends on all before it; a step of the tape says more than one message.
    let steps = |length: usize| {
        let scenario: Value = serde_json::from_str(&(simulation.show)(&tape[..length])).unwrap();
        let counts = |step: &&Value| step["message"]["count"].as_u64().is_some_and(|count| count > 1);
        let steps = scenario["timeline"].as_array().unwrap().iter().filter(counts).cloned();
        steps.collect::<Vec<_>>()
    };
    let whole = steps(tape.len());
    assert!(!whole.is_empty());
    // After the head.
    for length in 6..tape.len() {
        assert!(whole.starts_with(&steps(length)), "{length} bytes");
    }
}
