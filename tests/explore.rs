//! The commands around campaigns as scripts see them: explore, merge, generate, shrink, replay.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

fn backfire(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap()
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// An empty folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A summary without what differs from machine to machine.
fn timeless(mut summary: Value) -> Value {
    summary.as_object_mut().unwrap().remove("wall_ms").unwrap();
    summary
}

const CALM: [&str; 5] = ["explore", "--profile", "calm", "--signatures", "stand-in"];

#[test]
fn parts_of_a_campaign_join_to_the_whole() {
    let (parts, whole) = (folder("parts"), folder("whole"));
    let run = |more: &[&str]| {
        let output = backfire(&[&CALM[..], &["--seeds", "0..6"], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        output
    };
    let single = timeless(json(&run(&["--json", "--jobs", "2", "--out", text(&whole)])));
    assert_eq!(single["runs"], 6);
    run(&["--shard", "1/2", "--out", text(&parts)]);
    run(&["--shard", "2/2", "--out", text(&parts)]);
    for folders in [&[text(&parts)][..], &[text(&whole)]] {
        let merged = backfire(&[&["merge", "--json"], folders].concat());
        assert_eq!(timeless(json(&merged)), single);
    }
}

#[test]
fn a_generated_scenario_plays_from_its_file_as_from_its_name() {
    let file = folder("generated").join("scenario.json");
    fs::write(&file, backfire(&["generate", "--profile", "partitions", "--seed", "3"]).stdout).unwrap();
    let run = |name: &str| json(&backfire(&["run", name, "--fabric", "direct", "--json"]));
    let (from_file, from_name) = (run(text(&file)), run("partitions:3"));
    assert_eq!(from_file["seed"], 3);
    assert_eq!(from_file["servers"], from_name["servers"]);
    assert_eq!(from_file["marks"], from_name["marks"]);
}

/// Fails whatever happens, as soon as one server sends something to another.
const FAILING: &str = r#"{
    "why": "There is no need to send anything, says this scenario.",
    "servers": { "a": {}, "b": {}, "c": {}, "d": {} },
    "room": { "created_by": "a" },
    "timeline": [
        { "at": "1s", "message": { "by": "a", "count": 20, "every": "100ms" } },
        { "at": "2s", "partition": { "groups": [["a", "b"], ["c"]], "for": "5s" } },
        { "at": "3s", "message": { "by": "c" }, "as": "said" },
        { "at": "4s", "redact": { "by": "c", "event": "said" } },
        { "at": "5s", "crash": { "server": "d" } },
        { "at": "9s", "restart": { "server": "d" } }
    ],
    "expect": { "requests": { "send": 0 } }
}"#;

#[test]
fn a_failure_shrinks_to_what_it_needs_and_replays() {
    let folder = folder("shrunk");
    let (whole, small) = (folder.join("whole.json"), folder.join("small.json"));
    fs::write(&whole, FAILING).unwrap();
    let output = backfire(&["shrink", text(&whole), "--seed", "5", "--out", text(&small)]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let shrunk: Value = serde_json::from_str(&fs::read_to_string(&small).unwrap()).unwrap();
    // With two servers set-up alone sends nothing, and with three it does: no step is needed then.
    assert_eq!(shrunk["servers"].as_object().unwrap().len(), 3, "{shrunk:#}");
    assert_eq!(shrunk["timeline"].as_array().unwrap().len(), 0, "{shrunk:#}");
    let why = shrunk["why"].as_str().unwrap();
    assert!(why.starts_with("3 servers; ") && why.contains("request-budget"), "{why}");
    let said = String::from_utf8(output.stderr).unwrap();
    let again = format!("again: backfire run {} --seed 0 --fabric direct", text(&small));
    assert!(said.trim_end().ends_with(&again), "{said}");

    let replayed = backfire(&["replay", text(&small), "--json"]);
    assert_eq!(replayed.status.code(), Some(1));
    assert_eq!(json(&replayed)[0]["standing"], "failing again");

    let good = backfire(&["shrink", "scenarios/partition-heal.json"]);
    assert_eq!(good.status.code(), Some(2));
}

/// In both, less would do for another failure of the same invariant: any request at all, and a question that
/// is none.
const LESS_WOULD_DO_FOR_ANOTHER: [&str; 2] = [
    r#"{
        "why": "A gap is filled, which needs a question; that anything is asked or sent at all is told after it.",
        "servers": { "a": {}, "b": {}, "c": {} },
        "room": { "created_by": "a" },
        "timeline": [
            { "at": "1s", "partition": { "groups": [["a", "c"], ["b"]], "for": "5s" } },
            { "at": "2s", "message": { "by": "a", "count": 3, "every": "100ms" } },
            { "at": "8s", "message": { "by": "a" } }
        ],
        "expect": { "requests": { "get_missing_events": 0, "total": 0 } }
    }"#,
    r#"{
        "why": "b has not got what c asks it for, and c may ask it.",
        "servers": { "a": {}, "b": {}, "c": {} },
        "room": { "created_by": "a" },
        "timeline": [
            { "at": "1s", "cut": { "from": "a", "to": "b", "for": "9s" } },
            { "at": "1s", "cut": { "from": "c", "to": "b", "for": "1s" } },
            { "at": "3s", "message": { "by": "a" }, "as": "said" },
            { "at": "4s", "ask": { "from": "c", "to": "b", "endpoint": "event", "events": ["said"],
                                   "expect": { "events": ["said"] } } }
        ]
    }"#,
];

#[test]
fn what_is_shrunk_shows_no_other_failure() {
    let folder = folder("same");
    let (whole, small) = (folder.join("whole.json"), folder.join("small.json"));
    let kind = |path: &Path| {
        let summary = json(&backfire(&["run", text(path), "--fabric", "direct", "--json"]));
        summary["violations"][0]["kind"].as_str().expect("it fails").to_owned()
    };
    let mut kinds = Vec::new();
    for scenario in LESS_WOULD_DO_FOR_ANOTHER {
        fs::write(&whole, scenario).unwrap();
        let output = backfire(&["shrink", text(&whole), "--out", text(&small)]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(kind(&whole), kind(&small), "{}", fs::read_to_string(&small).unwrap());
        kinds.push(kind(&whole));
    }
    assert_eq!(kinds, ["over-limit:get_missing_events", "other-answer:404"]);
}

/// Each run of a command has its own panics, and the first is no exception.
#[test]
fn a_panic_is_told_with_its_place_in_every_run() {
    let folder = folder("panics");
    let zoo = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/zoo/empty-backfill-answer-crash.json");
    let mut scenario: Value = serde_json::from_str(&fs::read_to_string(zoo).unwrap()).unwrap();
    scenario["expect"] = Value::Object(serde_json::Map::new());
    for name in ["first.json", "second.json"] {
        fs::write(folder.join(name), scenario.to_string()).unwrap();
    }
    let output = backfire(&["replay", text(&folder), "--json"]);
    assert_eq!(output.stderr, b"", "{}", String::from_utf8_lossy(&output.stderr));
    let replayed = json(&output);
    for nth in 0..2 {
        let message = replayed[nth]["message"].as_str().unwrap();
        assert!(message.contains("empty_backfill_answer_crash.rs:"), "{message}");
    }
}

#[test]
fn regressions_are_fixed_failing_or_stale() {
    let folder = folder("replayed");
    let calm = r#"{ "why": "w", "servers": { "a": {} }, "room": { "created_by": "a" }, "timeline": []"#;
    fs::write(folder.join("fixed.json"), format!("{calm} }}")).unwrap();
    fs::write(folder.join("stale.json"), format!(r#"{calm}, "expect": {{ "marks": ["gap-opened"] }} }}"#))
        .unwrap();
    let junit = folder.join("junit.xml");
    let output = backfire(&["replay", text(&folder), "--junit", text(&junit)]);
    assert_eq!(output.status.code(), Some(5));
    let lines = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].starts_with("✓ fixed") && lines[0].contains("still fixed"), "{lines:?}");
    assert!(lines[1].starts_with("✗ stale") && lines[1].contains("gap-opened"), "{lines:?}");
    assert!(lines[2].starts_with("again: backfire run ") && lines.len() == 3, "{lines:?}");
    let junit = fs::read_to_string(junit).unwrap();
    assert!(junit.contains("tests=\"2\" failures=\"1\""), "{junit}");

    fs::write(folder.join("failing.json"), FAILING).unwrap();
    assert_eq!(backfire(&["replay", text(&folder)]).status.code(), Some(1));
}

#[test]
fn wrong_usage_says_what_is_wrong() {
    #[track_caller]
    fn check(arguments: &[&str], expected: &str) {
        let output = backfire(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    check(&["explore", "--profile", "partitionz"], "did you mean `partitions`?");
    check(&["explore", "--seeds", "9..2"], "there is no seed in `9..2`");
    check(&["explore", "--shard", "3/2"], "write for example 1/4");
    check(&["merge", "src"], "there are no results in this folder");
    check(&["replay", "src"], "there are no scenarios here");
    check(&["run", "everything"], "everything");
}
