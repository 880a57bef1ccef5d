//! Same scenario, same seed: the same journal, byte for byte, in another process. What all else stands on.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Two, so that a run that ignores its seed is seen as well.
const SEEDS: [u64; 2] = [0, 7];
const FABRICS: [&str; 2] = ["turmoil", "direct"];
/// Exit codes of a run that was played to its end, well or not, or with another seed than the one that it was
/// kept for.
const PLAYED: [i32; 4] = [0, 1, 4, 5];

#[test]
fn every_scenario_gives_the_same_journal_in_two_processes() {
    let scenarios = scenarios(&in_repo("scenarios"));
    assert!(!scenarios.is_empty(), "no scenario was found: nothing is tested");
    let mut differ = Vec::new();
    for scenario in &scenarios {
        for (seed, fabric) in SEEDS.iter().flat_map(|seed| FABRICS.map(|fabric| (*seed, fabric))) {
            let [one, other] = ["one", "other"].map(|process| journal(scenario, seed, fabric, process));
            if one != other {
                let difference = difference(&one, &other);
                differ.push(format!("{}, seed {seed}, {fabric}: {difference}", scenario.display()));
            }
        }
    }
    assert!(differ.is_empty(), "journals differ:\n{}", differ.join("\n"));
}

#[test]
fn another_seed_gives_another_journal() {
    let scenario = in_repo("scenarios/partition-heal.json");
    let [one, other] = SEEDS.map(|seed| journal(&scenario, seed, "turmoil", "seed"));
    assert_ne!(one, other);
}

fn in_repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// All scenarios under a folder.
fn scenarios(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in entries {
        if path.is_dir() {
            found.extend(scenarios(&path));
        } else if path.extension().is_some_and(|kind| kind == "json") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The journal of a run in a process of its own.
fn journal(scenario: &Path, seed: u64, fabric: &str, process: &str) -> String {
    let name = scenario.file_stem().unwrap().to_str().unwrap();
    let file =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{seed}-{fabric}-{process}.ndjson"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"));
    command.arg("run").arg(scenario).args(["--seed", &seed.to_string(), "--fabric", fabric]);
    command.arg("--journal").arg(&file);
    let output = command.output().unwrap();
    assert!(
        output.status.code().is_some_and(|code| PLAYED.contains(&code)),
        "{}, seed {seed}: {}\n{}",
        scenario.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    fs::read_to_string(&file).unwrap()
}

/// The first record in which two journals differ.
fn difference(one: &str, other: &str) -> String {
    let record = |lines: &str, index: usize| lines.lines().nth(index).unwrap_or("(none)").to_owned();
    let longest = one.lines().count().max(other.lines().count());
    let first = (0..longest).find(|index| record(one, *index) != record(other, *index)).unwrap_or(longest);
    format!("record {}\n  one:   {}\n  other: {}", first + 1, record(one, first), record(other, first))
}
