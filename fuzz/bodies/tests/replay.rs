//! Every input that is kept of a fuzz target, replayed on stable and without a fuzzer: each is a test of its
//! own, and is decoded as libFuzzer does it.

use std::{
    cell::Cell,
    collections::BTreeSet,
    fs,
    panic::{self, AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
};

use backfire::homeserver::planted;
use backfire_fuzz_bodies::{TARGETS, Target};
use libtest_mimic::{Arguments, Failed, Trial};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// Where inputs are kept, each with a folder for every target: made by a program; found by a fuzzer to fail;
/// found by a fuzzer to lead where no other input does.
const KEPT: [&str; 3] = ["fuzz/seeds", "fuzz/regressions", "fuzz/found"];

/// A folder of a target has no more inputs than this.
const FILES_MAX: usize = 250;

/// All that is kept, dictionaries included, is no more than this.
const KEPT_BYTES_MAX: u64 = 2 * 1024 * 1024;

/// So many random inputs, of less than so many bytes, must reach everything that a target is about.
const RANDOM_INPUTS: usize = 3_000;
const LONGEST_RANDOM: usize = 240;

/// Which planted bugs the kept inputs of a target show. Those of `simulation` show all.
const SHOWN: &[(&str, &[&str])] = &[
    (
        "receive",
        &[
            "backfilled-event-marked-outlier",
            "create-event-redactable",
            "frontier-trusts-new-snapshot",
            "incomplete-auth-event-rules",
            "outlier-child-kills-extremity",
            "unknown-prev-uses-current-state",
        ],
    ),
    (
        "request_sequence",
        &[
            "gme-truncates-wrong-end",
            "outlier-child-kills-extremity",
            "send-join-unsigned",
            "state-served-for-outlier",
            "state-served-for-rejected",
        ],
    ),
    (
        "response",
        &[
            "backfilled-event-marked-outlier",
            "gme-skips-signature-check",
            "min-depth-zero-is-falsy",
            "state-ids-404-wedges-room",
            "unknown-prev-uses-current-state",
        ],
    ),
];

thread_local! {
    static EXPECTS_PANICS: Cell<bool> = const { Cell::new(false) };
}

fn main() -> ExitCode {
    keep_quiet_about_wanted_panics();
    let mut trials = vec![
        Trial::test("targets_files_and_folders_are_the_same", targets_files_and_folders_are_the_same),
        Trial::test("every_target_is_tried_by_ci", every_target_is_tried_by_ci),
        Trial::test("what_is_kept_is_small", what_is_kept_is_small),
        Trial::test("every_regression_has_its_line", every_regression_has_its_line),
    ];
    for target in TARGETS {
        let files = all_inputs(target);
        if files.is_empty() {
            let name = format!("{}/nothing_is_kept", target.name);
            trials
                .push(Trial::test(name, || Err("no input of this target is kept: nothing is tested".into())));
        }
        if !target.wanted.is_empty() {
            let name = format!("{}/random_bytes_reach_what_it_is_about", target.name);
            trials.push(Trial::test(name, || random_bytes_reach(target)));
        }
        for file in files {
            let name = file.strip_prefix(in_repo("fuzz")).expect("it is kept there").display().to_string();
            trials.push(Trial::test(name, move || replay(target, &file)));
        }
    }
    for (target, bugs) in SHOWN {
        trials.extend(bugs.iter().map(|bug| showing(target, bug)));
    }
    trials.extend(planted::ALL.iter().map(|bug| showing("simulation", bug.id)));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn replay(target: &Target, file: &Path) -> Result<(), Failed> {
    let bytes = fs::read(file)?;
    match catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes))) {
        Ok(Some(_)) => Ok(()),
        Ok(None) => Err("it can't be read as an input any more".into()),
        Err(_) => Err(format!("it panics, see above; it means\n{}", (target.show)(&bytes)).into()),
    }
}

fn showing(target: &str, bug: &'static str) -> Trial {
    let target = TARGETS.iter().find(|known| known.name == target).expect("a target");
    Trial::test(format!("{}/shows/{bug}", target.name), move || shows(target, bug))
}

/// With a planted bug in the servers under test, some kept input fails.
#[expect(clippy::disallowed_methods, reason = "the bug ends with the thread that it is planted in")]
fn shows(target: &'static Target, bug: &'static str) -> Result<(), Failed> {
    let mut files = all_inputs(target);
    // The one that was made for it, if any, needs the others not to be tried.
    files.sort_by_key(|file| !file.ends_with(bug));
    let inputs = files.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    let fails = thread::spawn(move || {
        backfire_fuzz_bodies::planted::plant(bug);
        EXPECTS_PANICS.set(true);
        inputs.iter().any(|bytes| catch_unwind(|| (target.run)(bytes)).is_err())
    });
    match fails.join() {
        Ok(true) => Ok(()),
        Ok(false) => Err(format!("no kept input of {} fails with `{bug}` planted", target.name).into()),
        Err(_) => Err("it can't be planted".into()),
    }
}

/// Panics that are wanted are not printed.
fn keep_quiet_about_wanted_panics() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !EXPECTS_PANICS.get() {
            print(info);
        }
    }));
}

/// A fuzzer that never draws the hard cases finds nothing in them.
fn random_bytes_reach(target: &Target) -> Result<(), Failed> {
    let mut random = ChaCha8Rng::seed_from_u64(0);
    let mut left: BTreeSet<&str> = target.wanted.iter().copied().collect();
    for _ in 0..RANDOM_INPUTS {
        let length = random.random_range(0..LONGEST_RANDOM);
        let bytes: Vec<u8> = (0..length).map(|_| random.random()).collect();
        for reached in (target.run)(&bytes).unwrap_or_default() {
            left.remove(&*reached);
        }
        if left.is_empty() {
            return Ok(());
        }
    }
    Err(format!("{RANDOM_INPUTS} random inputs never reach {left:?}").into())
}

fn in_repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = in_repo(folder).join(target);
    if !folder.is_dir() {
        return Vec::new();
    }
    let kept = names(&folder).into_iter().filter(|name| !name.starts_with('.'));
    kept.map(|name| folder.join(name)).collect()
}

fn all_inputs(target: &Target) -> Vec<PathBuf> {
    KEPT.iter().flat_map(|kept| inputs(kept, target.name)).collect()
}

fn same(what: &str, found: &BTreeSet<String>) -> Result<(), Failed> {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    if *found == targets {
        return Ok(());
    }
    Err(format!("{what} has {found:?}, the targets are {targets:?}").into())
}

fn targets_files_and_folders_are_the_same() -> Result<(), Failed> {
    let files = names(&in_repo("fuzz/fuzz_targets"));
    same("fuzz/fuzz_targets", &files.iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect())?;
    for kept in KEPT {
        let folders = names(&in_repo(kept)).into_iter().filter(|name| in_repo(kept).join(name).is_dir());
        same(kept, &folders.collect())?;
    }
    let manifest = fs::read_to_string(in_repo("fuzz/Cargo.toml"))?;
    let bins = manifest
        .lines()
        .filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")?.strip_suffix(".rs\""));
    same("fuzz/Cargo.toml", &bins.map(str::to_owned).collect())
}

fn every_target_is_tried_by_ci() -> Result<(), Failed> {
    let table = fs::read_to_string(in_repo("fuzz/smoke"))?;
    let rows = table.lines().filter(|line| !line.starts_with('#'));
    let words: Vec<Vec<&str>> = rows.map(|row| row.split_whitespace().collect()).collect();
    for row in &words {
        let [_, executions, longest, dictionary] = row[..] else {
            return Err(format!("fuzz/smoke: {row:?} has not four columns").into());
        };
        let counts = executions.parse::<u64>().and(longest.parse::<u64>());
        counts.map_err(|error| format!("fuzz/smoke: {row:?}: {error}"))?;
        if dictionary != "-" && !in_repo("fuzz/dictionaries").join(format!("{dictionary}.dict")).is_file() {
            return Err(format!("fuzz/smoke: there is no fuzz/dictionaries/{dictionary}.dict").into());
        }
    }
    same("fuzz/smoke", &words.iter().map(|row| row[0].to_owned()).collect())
}

fn bytes_in(folder: &Path) -> u64 {
    let of = |name: String| {
        let path = folder.join(name);
        if path.is_dir() { bytes_in(&path) } else { path.metadata().map_or(0, |data| data.len()) }
    };
    names(folder).into_iter().map(of).sum()
}

fn what_is_kept_is_small() -> Result<(), Failed> {
    for target in TARGETS {
        if let Some(folder) = KEPT.into_iter().find(|kept| inputs(kept, target.name).len() > FILES_MAX) {
            return Err(format!("{folder}/{} has more than {FILES_MAX} inputs", target.name).into());
        }
    }
    let folders = ["fuzz/seeds", "fuzz/regressions", "fuzz/found", "fuzz/dictionaries"];
    let bytes: u64 = folders.iter().map(|folder| bytes_in(&in_repo(folder))).sum();
    if bytes > KEPT_BYTES_MAX {
        return Err(format!("{folders:?} have {bytes} bytes, the limit is {KEPT_BYTES_MAX}").into());
    }
    Ok(())
}

fn every_regression_has_its_line() -> Result<(), Failed> {
    let readme = fs::read_to_string(in_repo("fuzz/regressions/README.md"))?;
    for target in TARGETS {
        for file in inputs("fuzz/regressions", target.name) {
            let name = format!("{}/{}", target.name, file.file_name().unwrap_or_default().display());
            if !readme.contains(&format!("`{name}`")) {
                return Err(format!("fuzz/regressions/README.md says nothing of `{name}`").into());
            }
        }
    }
    Ok(())
}
