//! The same scenario ends the same on every fabric: graphs, states, extremities, what is missing. Where two
//! fabrics differ, one of them is wrong.

use std::{
    path::{Path, PathBuf},
    rc::Rc,
};

use backfire::{
    journal::{End, What},
    scenario::Scenario,
    simulation::{Fabric, Options, simulate},
};

const FOLDERS: [&str; 2] = ["scenarios", "scenarios/peers"];

#[test]
fn every_scenario_ends_the_same_in_memory_as_over_tcp() {
    let scenarios: Vec<Scenario> =
        FOLDERS.iter().flat_map(|folder| files(folder)).map(|file| Scenario::read(&file).unwrap()).collect();
    assert!(scenarios.len() > 100, "most scenarios were not found");
    let differing = scenarios.iter().filter(|scenario| {
        let [over_tcp, in_memory] = [Fabric::Turmoil, Fabric::Direct].map(|fabric| ends(scenario, fabric));
        assert!(!over_tcp.is_empty());
        over_tcp != in_memory
    });
    let differing: Vec<&str> = differing.map(Scenario::name).collect();
    assert!(differing.is_empty(), "these end otherwise: {differing:?}");
}

/// Campaigns and fuzzers play thousands of runs in one process.
#[test]
fn no_server_outlives_its_run() {
    let scenario = Scenario::read(&files("scenarios/peers")[0]).expect("what is kept can be read");
    for fabric in [Fabric::Turmoil, Fabric::Direct] {
        let simulated = simulate(&scenario, &Options { fabric, ..Options::default() }).unwrap();
        assert_eq!(Rc::strong_count(&simulated.memory.crypto), 1, "{fabric:?}: whoever signs still lives");
    }
}

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|kind| kind == "json")).collect();
    files.sort();
    files
}

/// How each server stands at the end.
fn ends(scenario: &Scenario, fabric: Fabric) -> Vec<(String, End)> {
    let options = Options { fabric, seed: 1, ..Options::default() };
    let journal = simulate(scenario, &options).unwrap().journal;
    let end = |what: What| match what {
        What::End(end) => Some(end),
        _ => None,
    };
    journal.records.into_iter().filter_map(|record| Some((record.server?, end(record.what)?))).collect()
}
