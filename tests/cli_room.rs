//! `backfire room …` as a script sees it: exit codes, JSON, and messages that say what to do.

use std::process::{Command, Output};

use serde_json::Value;

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rooms/");

fn room(arguments: &str) -> Output {
    let arguments = arguments.replace("DIR/", DIR);
    let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"));
    command.arg("room").args(arguments.split_whitespace()).output().unwrap()
}

fn answer(arguments: &str) -> Value {
    let output = room(arguments);
    assert_eq!(output.status.code(), Some(0), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn count(answer: &Value, key: &str) -> usize {
    answer[key].as_array().unwrap_or_else(|| panic!("{key}: {answer}")).len()
}

#[test]
fn check_reports_every_event() {
    let report = answer("check DIR/faulty.a.ndjson --keys DIR/keys.json --json");
    assert_eq!(report["room_version"], "11");
    assert_eq!(report["events"], 141);
    assert_eq!(count(&report, "rejected"), 10);
    assert_eq!(count(&report, "invalid"), 0);
    assert_eq!(count(&report, "waiting"), 0);
    assert_eq!(count(&report, "missing"), 0);
    assert_eq!(report["accepted"].as_u64().unwrap() as usize + count(&report, "soft_failed") + 10, 141);
    assert_eq!(count(&report, "forward_extremities"), 1);
    assert!(report["state"][0]["state_key"].is_string(), "{report}");
}

#[test]
fn a_shuffle_is_repeatable_and_rejects_the_same() {
    let shuffled = |seed| answer(&format!("check DIR/faulty.a.ndjson --json --shuffle {seed}"));
    assert_eq!(shuffled(1), shuffled(1));
    assert_eq!(shuffled(1)["rejected"], shuffled(2)["rejected"]);
}

#[test]
fn above_a_gap_events_wait() {
    let report = answer("check DIR/v10.a.ndjson --json");
    assert_eq!(count(&report, "missing"), 1);
    assert_eq!(report["missing"], report["backward_extremities"]);
    assert_eq!(
        report["accepted"].as_u64().unwrap() as usize
            + count(&report, "soft_failed")
            + count(&report, "waiting"),
        302
    );
}

#[test]
fn walks_and_states_answer_as_a_server_would() {
    let report = answer("check DIR/v6.a.ndjson --json");
    let tip = report["forward_extremities"][0].as_str().unwrap();
    let backfill = answer(&format!("backfill DIR/v6.a.ndjson --v {tip} --limit 7 --json"));
    assert_eq!(backfill["event_ids"][0], tip);
    assert_eq!(count(&backfill, "event_ids"), 7);
    let missing = answer(&format!("missing-events DIR/v6.a.ndjson --latest {tip} --limit 3 --json"));
    assert_eq!(count(&missing, "event_ids"), 3);
    let after = answer(&format!("state DIR/v6.a.ndjson --after {tip} --json"));
    assert_eq!(after["state"], report["state"]);
    let before = answer(&format!("state DIR/v6.a.ndjson --before {tip} --json"));
    assert!(count(&before, "state") > 10);
}

#[test]
fn what_can_not_be_used_is_explained_with_exit_code_2() {
    let cases = [
        ("check nowhere.ndjson", "nowhere.ndjson"),
        ("check DIR/v2.a.ndjson --keys DIR/v2.a.state.json", "verify_keys"),
        ("check DIR/README.md", "README.md:1: not a JSON object"),
        ("check DIR/keys.json", "keys.json:1: not a JSON object"),
        ("backfill DIR/v6.a.ndjson --v $nobody --limit 1", "--v $nobody: the dump has no such event"),
        ("missing-events DIR/v6.a.ndjson --latest $nobody", "--latest $nobody"),
        ("state DIR/v6.a.ndjson --before $nobody", "--before $nobody"),
        ("state DIR/v6.a.ndjson", "--before"),
        ("state DIR/v10.a.ndjson --after $Y-HsPZ5XjqLJGTjUyffiuBSRgzYonsftnY1TFg1Wuc0", "not in the dump"),
        ("backfill DIR/v6.a.ndjson --limit 1", "--v"),
    ];
    for (arguments, message) in cases {
        let output = room(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {stderr}");
        assert!(stderr.contains(message), "{arguments}: {stderr}");
    }
}
