//! Every input that is kept of a fuzz target, replayed on stable and without a fuzzer, decoded as libFuzzer does.

use std::{
    collections::BTreeSet,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use backfire::fuzz::TARGETS;

/// Where inputs are kept, each with a folder for every target: made by hand or program, and found by a fuzzer.
const KEPT: [&str; 2] = ["fuzz/seeds", "fuzz/regressions"];

fn in_repo(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn inputs(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = in_repo(folder).join(target);
    let kept = names(&folder).into_iter().filter(|name| !name.starts_with('.'));
    kept.map(|name| folder.join(name)).collect()
}

#[test]
fn every_kept_input_passes() {
    let mut failed = Vec::new();
    for target in TARGETS {
        let files: Vec<PathBuf> = KEPT.iter().flat_map(|kept| inputs(kept, target.name)).collect();
        assert!(!files.is_empty(), "no input of {} is kept: nothing is tested", target.name);
        for file in files {
            let bytes = fs::read(&file).unwrap();
            let name = file.display();
            match catch_unwind(AssertUnwindSafe(|| (target.run)(&bytes))) {
                Ok(true) => {}
                Ok(false) => failed.push(format!("{name}: can't be read as an input any more")),
                Err(_) => failed.push(format!("{name}: panics, see above")),
            }
        }
    }
    assert!(failed.is_empty(), "{} inputs fail:\n{}", failed.len(), failed.join("\n"));
}

#[test]
fn targets_files_and_folders_are_the_same() {
    let targets: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let files = names(&in_repo("fuzz/fuzz_targets"));
    let files: BTreeSet<String> =
        files.into_iter().map(|name| name.trim_end_matches(".rs").to_owned()).collect();
    assert_eq!(files, targets, "fuzz/fuzz_targets");
    for kept in KEPT {
        let folders: BTreeSet<String> =
            names(&in_repo(kept)).into_iter().filter(|name| in_repo(kept).join(name).is_dir()).collect();
        assert_eq!(folders, targets, "{kept}");
    }
    let manifest = fs::read_to_string(in_repo("fuzz/Cargo.toml")).unwrap();
    for target in targets {
        assert!(manifest.contains(&format!("name = \"{target}\"")), "fuzz/Cargo.toml lacks {target}");
    }
}
