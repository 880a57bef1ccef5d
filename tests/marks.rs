//! The kept scenarios reach what they used to reach: a mark that goes dark means that something is no longer
//! tried.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use backfire::{
    campaign::play::play_with,
    scenario::{Mark, Scenario},
    simulation::{Fabric, Options},
};

/// One mark a line, with the first of the kept scenarios that reaches it.
const LIST: &str = "scenarios/marks.txt";

fn in_repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn scenarios(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            scenarios(&path, found);
        } else if path.extension().is_some_and(|kind| kind == "json") {
            found.push(path);
        }
    }
    found.sort();
}

/// The marks that the kept scenarios reach, each with the first that does.
fn reached() -> BTreeMap<Mark, String> {
    let mut files = Vec::new();
    scenarios(&in_repo("scenarios"), &mut files);
    let mut reached = BTreeMap::new();
    for file in files {
        let scenario = Scenario::read(&file).unwrap();
        let options = Options { seed: scenario.seed, fabric: Fabric::Direct, ..Options::default() };
        let played = play_with(&scenario, &options).unwrap();
        let name = file.strip_prefix(in_repo("scenarios")).unwrap().display().to_string();
        for mark in played.judgement.marks {
            reached.entry(mark).or_insert_with(|| name.clone());
        }
    }
    reached
}

#[test]
fn the_kept_scenarios_reach_the_marks_that_they_used_to() {
    let reached = reached();
    let list = fs::read_to_string(in_repo(LIST)).unwrap_or_default();
    let listed: BTreeSet<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let names: BTreeSet<&str> = reached.keys().map(|mark| mark.name()).collect();
    let dark: Vec<_> = listed.difference(&names).collect();
    let lines: String =
        reached.iter().map(|(mark, scenario)| format!("{:<29} {scenario}\n", mark.name())).collect();
    assert!(dark.is_empty(), "marks that no kept scenario reaches any more: {dark:?}");
    assert_eq!(listed, names, "marks are reached that {LIST} does not list; it should be:\n{lines}");
}

#[test]
fn every_mark_is_reached_by_a_kept_scenario() {
    let list = fs::read_to_string(in_repo(LIST)).unwrap_or_default();
    let listed: BTreeSet<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let dark: Vec<&str> =
        Mark::ALL.iter().map(|mark| mark.name()).filter(|name| !listed.contains(name)).collect();
    assert!(dark.is_empty(), "no scenario reaches {dark:?}");
}
