//! Every command of the tutorial, run as a reader would who types it: the files that it tells to save, the
//! output that it shows, the exit codes that it names.
//!
//! A block of `console` has commands after `$ `, each with lines of its output below it, in order: `…` stands
//! for any text, alone for any number of lines. `(exit code N)` ends a command that does not end with 0. What
//! `--help` and the README show is held to it as well.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

struct Typed<'a> {
    command: &'a str,
    output: Vec<&'a str>,
    code: i32,
}

/// A folder with a copy of the scenarios, so that commands that name them find them.
fn fresh_folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios"), &folder.join("scenarios"));
    folder
}

#[test]
fn the_examples_of_the_help_work() {
    let folder = fresh_folder("help");
    let help = Command::new(env!("CARGO_BIN_EXE_backfire")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let (_, examples) = help.split_once("Examples:\n").unwrap();
    let examples: Vec<&str> = examples.lines().map_while(|line| line.strip_prefix("  ")).collect();
    assert!(examples.len() >= 5, "{help}");
    for command in examples {
        // Two seeds give two journals.
        let code = if command.starts_with("backfire diff") { 3 } else { 0 };
        run(&Typed { command, output: Vec::new(), code }, &folder);
    }
}

/// The picture of a run in the README is what the command prints, but for how long it took.
#[test]
fn the_readme_shows_a_run_as_it_is() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, picture) = readme.split_once("```text\npartition-heal").unwrap();
    let (picture, _) = picture.split_once("```").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_backfire"))
        .args(["run", "scenarios/partition-heal.json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let timeless = |text: &str| -> Vec<String> {
        let line = |line: &str| line.split(" simulated in ").next().unwrap_or_default().trim_end().to_owned();
        text.lines().map(line).collect()
    };
    let shown = timeless(&format!("partition-heal{picture}"));
    assert_eq!(shown, timeless(&printed), "put this into README.md:\n{printed}");
}

#[test]
fn every_command_of_the_tutorial_does_what_it_says() {
    let docs = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/tutorial.md")).unwrap();
    let folder = fresh_folder("tutorial");
    let mut commands = 0;
    for (kind, text) in blocks(&docs) {
        match kind.split_once(' ') {
            Some(("json", file)) => fs::write(folder.join(file), text).unwrap(),
            None if kind == "console" => {
                for typed in typed(text) {
                    commands += 1;
                    run(&typed, &folder);
                }
            }
            _ => assert_eq!(kind, "text", "a block that is neither shown nor run"),
        }
    }
    assert!(commands >= 10, "only {commands} commands were found");
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let target: PathBuf = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}

/// Fenced blocks, each with what stands after the fence.
fn blocks(docs: &str) -> Vec<(&str, &str)> {
    let mut parts = docs.split("\n```");
    parts.next();
    let mut found = Vec::new();
    while let Some(block) = parts.next() {
        found.push(block.split_once('\n').expect("a block has lines"));
        parts.next();
    }
    found
}

fn typed(block: &str) -> Vec<Typed<'_>> {
    let mut all: Vec<Typed<'_>> = Vec::new();
    for line in block.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            all.push(Typed { command, output: Vec::new(), code: 0 });
            continue;
        }
        let last = all.last_mut().expect("a block begins with a command");
        match line.strip_prefix("(exit code ").and_then(|rest| rest.strip_suffix(')')) {
            Some(code) => last.code = code.parse().unwrap(),
            None => last.output.push(line),
        }
    }
    all
}

fn run(typed: &Typed<'_>, folder: &Path) {
    let mut words = typed.command.split_whitespace();
    assert_eq!(words.next(), Some("backfire"), "{}: only `backfire` is run", typed.command);
    let output =
        Command::new(env!("CARGO_BIN_EXE_backfire")).args(words).current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(typed.code), "{}\n{text}", typed.command);
    let mut lines = text.lines();
    for shown in typed.output.iter().filter(|shown| **shown != "…") {
        assert!(lines.any(|line| fits(line, shown)), "{}: no line `{shown}` in\n{text}", typed.command);
    }
}

/// Whether a line is what is shown, with `…` for any text.
fn fits(line: &str, shown: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    let mut open_end = false;
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
        open_end = part.is_empty();
    }
    rest.is_empty() || open_end
}
