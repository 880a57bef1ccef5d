//! The command `backfire run` as scripts see it: exit codes, streams, the shape of its JSON.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::{Value, json};

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").args(arguments).output().unwrap()
}

const SCENARIO: &str = "scenarios/peers/og-1-gap-filling.json";

#[test]
fn the_summary_has_the_fields_that_scripts_rely_on() {
    let output = run(&[SCENARIO, "--seed", "7", "--json"]);
    assert_eq!(output.status.code(), Some(0));
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["scenario"], "og-1-gap-filling");
    assert_eq!(summary["seed"], 7);
    assert_eq!(summary["fabric"], "turmoil");
    assert_eq!(summary["verdict"], "holds");
    assert_eq!(summary["exit_code"], 0);
    assert_eq!(summary["journal_sha256"].as_str().map(str::len), Some(64));
    assert_eq!(summary["violations"], Value::Array(Vec::new()));
    assert_eq!(summary["replay"], format!("backfire run {SCENARIO} --seed 7"));
    for field in ["simulated_ms", "wall_ms"] {
        assert!(summary[field].is_u64(), "{field}");
    }
    for (name, server) in summary["servers"].as_object().unwrap() {
        for field in ["events", "accepted", "rejected", "soft_failed", "missing"] {
            assert!(server[field].is_u64(), "{name}: {field}");
        }
        assert_eq!(server["forward_extremities"].as_array().map(Vec::len), Some(1), "{name}");
    }
    assert!(summary["requests"]["get_missing_events"].is_u64());
    assert!(summary["marks"].is_array());
}

#[test]
fn a_violation_has_its_kind() {
    let output = run(&["scenarios/zoo/gme-truncates-wrong-end.json", "--json"]);
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    let violation = &summary["violations"][0];
    assert_eq!(
        (&violation["invariant"], &violation["kind"]),
        (&"answers".into(), &"left-out:get_missing_events".into())
    );
}

#[test]
fn several_scenarios_give_an_array_and_a_line_each() {
    let output = run(&[SCENARIO, SCENARIO, "--json"]);
    let summaries: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summaries.as_array().map(Vec::len), Some(2));
    assert_eq!(summaries[0]["journal_sha256"], summaries[1]["journal_sha256"]);

    let lines = String::from_utf8(run(&[SCENARIO, SCENARIO]).stdout).unwrap();
    assert_eq!(lines.lines().count(), 2, "{lines}");
}

#[test]
fn what_cannot_be_read_is_usage_and_leaves_stdout_alone() {
    for arguments in
        [&["no-such-file.json"][..], &["README.nothing", SCENARIO], &[SCENARIO, "--fabric", "rope"]]
    {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn the_report_is_plain_text_where_nobody_sees_colours() {
    let report = String::from_utf8(run(&[SCENARIO]).stdout).unwrap();
    assert!(!report.contains('\u{1b}'), "{report}");
    for line in report.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    for part in ["✓ same-events", "all stand at $", "HOLDS", "again: backfire run"] {
        assert!(report.contains(part), "{part} in\n{report}");
    }
}

/// Nobody is let in, and c can't be reached: two joins and an invite fail when their steps are over.
const REFUSED: &str = r#"{
    "why": "What users want fails later.",
    "servers": { "a": {}, "b": { "name": "b.example" }, "c": {} },
    "room": { "created_by": "a", "members": ["a"], "join_rule": "invite" },
    "timeline": [
        { "at": "1s", "silence": { "from": "c", "to": "a", "for": "5s" } },
        { "at": "2s", "join": { "by": "b", "via": "a" } },
        { "at": "2010ms", "join": { "by": "@second:b.example", "via": "a" } },
        { "at": "3s", "invite": { "by": "a", "user": "c" } },
        { "at": "20s", "message": { "by": "a" } }
    ]
}"#;

#[test]
fn what_fails_after_its_step_is_told_of_that_step() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (scenario, journal) = (folder.join("refused.json"), folder.join("refused.ndjson"));
    fs::write(&scenario, REFUSED).unwrap();
    let output = run(&[scenario.to_str().unwrap(), "--journal", journal.to_str().unwrap()]);
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(report.contains("a user can't join "), "{report}");
    assert!(report.contains("a user can't invite "), "{report}");

    let journal = fs::read_to_string(journal).unwrap();
    let records = journal.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let failed = records.filter(|record| record["what"] == "user_failed");
    let told: Vec<Value> =
        failed.map(|it| json!([it["because"]["step"], it["action"], it["user"]])).collect();
    let expected = [
        json!([1, "join", "@user:b.example"]),
        json!([2, "join", "@second:b.example"]),
        json!([3, "invite", "@user:c"]),
    ];
    assert_eq!(told, expected);
}
