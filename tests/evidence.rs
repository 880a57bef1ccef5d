//! What is told of a run from its journal alone, as people and scripts see it: `explain`, `diff`, `export`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::{Value, json};

fn backfire(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().unwrap()
}

/// What a command that must end with this code prints.
#[track_caller]
fn printed(code: i32, arguments: &[&str]) -> String {
    let output = backfire(arguments);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {stderr}");
    String::from_utf8(output.stdout).unwrap()
}

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The journal of a run, in a file of its own for each test.
fn journal(test: &str, scenario: &str, seed: u64) -> String {
    let name = Path::new(scenario).file_stem().unwrap().to_str().unwrap();
    let path = file(&format!("{test}-{name}-{seed}.ndjson")).display().to_string();
    let scenario = format!("scenarios/{scenario}.json");
    let seed = seed.to_string();
    printed(0, &["run", &scenario, "--seed", &seed, "--fabric", "direct", "--journal", &path]);
    path
}

fn records(path: &str) -> Vec<Value> {
    fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

// --- explain

#[track_caller]
fn check_explained(scenario: &str, event: &str, server: &str, standing: &str, parts: &[&str]) {
    let journal = journal("explain", scenario, 0);
    let text = printed(0, &["explain", &journal, event, server]);
    // Lines are wrapped anywhere.
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [standing].iter().chain(parts) {
        assert!(flat.contains(part), "{scenario}, {event} on {server}: no `{part}` in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    let json: Value =
        serde_json::from_str(&printed(0, &["explain", &journal, event, server, "--json"])).unwrap();
    assert_eq!(json["standing"], standing.replace('-', "_"), "{scenario}, {event} on {server}");
    assert_eq!(json["server"], server);
    assert!(json["event_id"].as_str().is_some_and(|id| id.starts_with('$')));
}

#[test]
fn a_soft_failure_is_explained_by_its_rule() {
    let parts = ["not allowed by the current state", "m.room.message of @user:", "by step"];
    check_explained("peers/sf-1-soft-failed-message", "late", "a", "soft-failed", &parts);
}

/// On the link were also a short latency and a short cut, long over by then; and others have been healed.
#[test]
fn a_loss_is_blamed_on_the_fault_that_held() {
    let parts = [
        "refused: b could not be reached, by step 1 (partition a | b | c) in force from +1.000s to +8.000s",
        "b takes it from a, by send",
    ];
    check_explained("faults-overlap", "behind-the-cut", "b", "accepted", &parts);
}

#[test]
fn a_rejection_is_followed_to_where_it_comes_from() {
    let journal = journal("rejection", "peers/au-3-rejected-auth-events", 0);
    let judged = |record: &&Value| {
        let reason = record["reason"].as_str().unwrap_or_default();
        record["what"] == "judged" && reason.contains("rejected auth event")
    };
    let all = records(&journal);
    let record = all.iter().find(judged).expect("the scenario is about that");
    let (event, server) = (record["event"].as_str().unwrap(), record["server"].as_str().unwrap());
    let told: Value =
        serde_json::from_str(&printed(0, &["explain", &journal, event, server, "--json"])).unwrap();
    assert_eq!(told["standing"], "rejected");
    assert_eq!(told["behind"][0]["standing"], "rejected", "{told}");
    assert!(told["behind"][0]["answer"].as_str().unwrap().contains("rejected it: "), "{told}");
}

#[test]
fn what_waits_is_followed_to_what_is_missing() {
    let journal = journal("waiting", "peers/og-7-withheld-below-two-pushes", 0);
    let all = records(&journal);
    let end = all.iter().find(|record| record["what"] == "end" && record["waiting"] != json!([]));
    let end = end.expect("the scenario leaves a gap");
    let server = end["server"].as_str().unwrap();
    for waiting in end["waiting"].as_array().unwrap() {
        let event = waiting.as_str().unwrap();
        let told = printed(0, &["explain", &journal, event, server, "--json"]);
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["standing"], "waiting");
        let mut deepest = &told;
        while deepest["behind"][0].is_object() {
            deepest = &deepest["behind"][0];
        }
        assert!(["waiting", "missing"].contains(&deepest["standing"].as_str().unwrap()), "{deepest}");
    }
}

#[test]
fn a_lost_request_is_traced_to_the_step_that_lost_it() {
    let journal = journal("lost", "partition-heal", 0);
    let all = records(&journal);
    let refused: BTreeSet<u64> = all
        .iter()
        .filter(|record| record["why"] == "refused")
        .filter_map(|record| record["id"].as_u64())
        .collect();
    let send = all.iter().find(|record| {
        record["endpoint"] == "send" && record["id"].as_u64().is_some_and(|id| refused.contains(&id))
    });
    let send = send.expect("the partition refuses transactions");
    let (event, to) = (send["events"][0].as_str().unwrap(), send["to"].as_str().unwrap());
    let flat = printed(0, &["explain", &journal, event, to]).split_whitespace().collect::<Vec<_>>().join(" ");
    let parts = [
        &format!(
            "refused: {to} could not be reached, by step 1 (partition a | b c) in force from +2.000s to +8.000s"
        ),
        "takes it out of its queue",
        "get_missing_events: answered with",
        "it among them",
    ];
    for part in parts {
        assert!(flat.contains(part), "no `{part}` in {flat}");
    }
}

#[test]
fn what_the_current_state_refuses_is_told_with_what_it_said() {
    let parts = [
        "not allowed by the current state: sender's membership is not `join`",
        "the current state of d then: @user:c has the membership `ban` by $",
    ];
    let journal = journal("banned", "membership", 0);
    let all = records(&journal);
    let refused = all.iter().find(|record| {
        record["server"] == "d" && record["reason"].as_str().is_some_and(|reason| parts[0] == reason)
    });
    let event = refused.expect("d soft-fails what the banned user wrote")["event"].as_str().unwrap();
    check_explained("membership", event, "d", "soft-failed", &parts);
}

#[test]
fn a_state_event_tells_when_it_fell_out_of_the_state() {
    let journal = journal("state", "zoo/frontier-trusts-new-snapshot", 0);
    let all = records(&journal);
    let name = all.iter().find(|record| record["pdu"]["type"] == "m.room.name").unwrap();
    let parts = [
        "in the state of a and c at the end; that of b has nothing in its place",
        "it is in the current state of b now",
        "the current state of b has nothing in its place now",
    ];
    let scenario = "zoo/frontier-trusts-new-snapshot";
    check_explained(scenario, name["event"].as_str().unwrap(), "b", "accepted", &parts);
}

#[test]
fn told_answers_lies_and_redacted_copies_are_named() {
    let told =
        "by event: denied with 404 M_NOT_FOUND; told so by step 4 (answers event with 404 M_NOT_FOUND) (×";
    check_explained("zoo/missing-event-livelock", "kept-back", "b", "accepted", &[told]);

    let journal = journal("lies", "liar-fills-a-gap", 0);
    let all = records(&journal);
    let redacted = all.iter().find(|record| record["what"] == "answer" && record["redacted"] != Value::Null);
    let redacted = redacted.expect("the liar changes an event");
    let parts =
        ["it among them, redacted: its content is not what was hashed; liar lied: missing-event, wrong-hash"];
    let (event, server) = (redacted["redacted"][0].as_str().unwrap(), redacted["server"].as_str().unwrap());
    check_explained("liar-fills-a-gap", event, server, "accepted", &parts);
}

#[test]
fn names_that_fit_nothing_or_too_much_are_explained() {
    let journal = journal("names", "peers/sf-1-soft-failed-message", 0);
    let cases = [
        (["lat", "a"], "did you mean `late`?"),
        (["late", "z"], "no server `z`"),
        (["$", "a"], "is no event of this run"),
        (["$nothing-begins-so", "a"], "`$nothing-begins-so` is no event of this run"),
    ];
    for ([event, server], message) in cases {
        let output = backfire(&["explain", &journal, event, server]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(message), "no `{message}` in {stderr}");
    }
    let output = backfire(&["explain", "README.md", "late", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("README.md: line 1"));
}

/// Every event on every server of every kind of run can be explained, and the standing is that of the end.
#[test]
fn explanations_agree_with_the_end() {
    for scenario in ["membership", "peers/og-1-gap-filling", "peers/tx-14-passes-or-fails-the-rules"] {
        let path = journal("agree", scenario, 0);
        let input = std::io::BufReader::new(fs::File::open(&path).unwrap());
        let journal = backfire::journal::Journal::read(input).unwrap();
        for record in records(&path).iter().filter(|record| record["what"] == "end") {
            let server = record["server"].as_str().unwrap();
            for pair in record["events"].as_array().unwrap() {
                let told = backfire::report::explain::explain(&journal, pair[0].as_str().unwrap(), server);
                assert_eq!(told.unwrap().standing, pair[1], "{scenario}: {pair} on {server}");
            }
        }
    }
}

// --- diff

#[test]
fn equal_journals_are_equal_and_others_exit_with_3() {
    let one = journal("diff", "partition-heal", 0);
    let other = journal("diff", "partition-heal", 7);
    assert!(printed(0, &["diff", &one, &one]).starts_with("equal: "));
    let same: Value = serde_json::from_str(&printed(0, &["diff", &one, &one, "--json"])).unwrap();
    assert_eq!((&same["equal"], &same["first"]), (&json!(true), &Value::Null));

    // Another seed gives other keys; the first difference is in what happened and not in a signature.
    let seeds: Value = serde_json::from_str(&printed(3, &["diff", &one, &other, "--json"])).unwrap();
    assert_eq!(seeds["other_keys"], true);
    let fields = seeds["first"]["fields"].as_array().unwrap();
    assert!(
        fields.iter().all(|field| !field["field"].as_str().unwrap().contains("signatures")),
        "{fields:?}"
    );
    assert!(seeds["first"]["t"][0].as_i64().unwrap() > 0, "{}", seeds["first"]);
    let text = printed(3, &["diff", &one, &other]);
    for part in
        ["the runs are not the same", "seed: 0 ≠ 7", "the first difference is in record", "ended differently"]
    {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 112, "{line}");
    }
}

#[test]
fn the_first_difference_and_the_different_end_are_named() {
    let one = journal("changed", "partition-heal", 0);
    let mut changed = records(&one);
    let answer =
        changed.iter().position(|record| record["what"] == "answer" && record["t"].as_i64() > Some(0));
    let answer = answer.unwrap();
    changed[answer]["status"] = json!(502);
    let end = changed.iter_mut().find(|record| record["what"] == "end").unwrap();
    let lost = end["events"].as_array_mut().unwrap().pop().unwrap();
    changed.last_mut().unwrap()["verdict"] = json!("violated");
    let other = file("changed-other.ndjson");
    fs::write(&other, changed.iter().map(|record| format!("{record}\n")).collect::<String>()).unwrap();

    let diff = printed(3, &["diff", &one, &other.display().to_string(), "--json"]);
    let diff: Value = serde_json::from_str(&diff).unwrap();
    assert_eq!(diff["first"]["record"], answer + 1);
    assert_eq!(diff["first"]["fields"], json!([{ "field": "status", "a": 200, "b": 502 }]));
    assert_eq!(diff["first"]["before"].as_array().map(Vec::len), Some(3));
    assert_eq!(diff["ended"]["verdict"], json!(["holds", "violated"]));
    assert_eq!(diff["ended"]["servers"]["a"]["events_only_a"], json!([lost[0]]));
    assert_eq!(diff["ended"]["requests"], json!({}));
}

// --- export

/// The dump of a server is judged as the server judged, with signatures checked.
#[test]
fn an_exported_room_is_judged_as_its_server_judged_it() {
    let scenarios = [
        "partition-heal",
        "membership",
        "key-rotation",
        "late-joiner-pages-back",
        "imported-room",
        "peers/au-3-rejected-auth-events",
        "peers/ib-4-page-back-in-room-version-2",
        "peers/ib-4-page-back-in-room-version-12",
        "peers/og-13-a-gap-stays-open-below-ten-of-fifty",
        "peers/sf-1-soft-failed-message",
    ];
    for scenario in scenarios {
        let journal = journal("export", scenario, 0);
        let keys = file("export-keys.json").display().to_string();
        printed(0, &["export", "keys", &journal, "--out", &keys]);
        for end in records(&journal).iter().filter(|record| record["what"] == "end") {
            let server = end["server"].as_str().unwrap();
            let mut standings: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
            for pair in end["events"].as_array().unwrap() {
                standings.entry(pair[1].as_str().unwrap()).or_default().insert(pair[0].as_str().unwrap());
            }
            if standings.is_empty() {
                continue;
            }
            let dump = file("export.ndjson").display().to_string();
            printed(0, &["export", "room", &journal, "--server", server, "--out", &dump]);
            let check = printed(0, &["room", "check", &dump, "--keys", &keys, "--json"]);
            let check: Value = serde_json::from_str(&check).unwrap();
            let case = format!("{scenario}, {server}: {check}");
            let held: usize = standings.values().map(BTreeSet::len).sum();
            let waiting = end["waiting"].as_array().unwrap().len();
            assert_eq!(check["events"], held + waiting, "{case}");
            assert_eq!(check["invalid"], json!([]), "{case}");
            let rejected = standings.remove("rejected").unwrap_or_default();
            assert_eq!(check["rejected"], json!(rejected), "{case}");
            // What is held for a state alone is no history, and has none below it in the dump either.
            if !standings.contains_key("outlier") {
                let accepted = standings.remove("accepted").unwrap_or_default().len();
                let soft_failed = standings.remove("soft_failed").unwrap_or_default().len();
                let judged = check["accepted"].as_u64().unwrap() as usize;
                let all = judged + check["soft_failed"].as_array().unwrap().len();
                assert_eq!(all, accepted + soft_failed, "{case}");
                assert_eq!(check["waiting"].as_array().unwrap().len(), waiting, "{case}");
            }
        }
    }
}

#[test]
fn an_exported_room_is_where_another_scenario_begins() {
    let journal = journal("import", "partition-heal", 0);
    let folder = file("import");
    fs::create_dir_all(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    printed(0, &["export", "room", &journal, "--server", "a", "--out", &path("room.ndjson")]);
    printed(0, &["export", "keys", &journal, "--out", &path("keys.json")]);
    let scenario = json!({
        "why": "A room of an earlier run goes on.",
        "servers": { "a": {}, "b": {}, "c": {} },
        "room": { "import": "room.ndjson", "keys": "keys.json", "holdings": { "c": { "last": 5 } } },
        "timeline": [
            { "at": "1s", "message": { "by": "a", "count": 3, "every": "100ms" } },
            { "at": "2s", "page_back": { "server": "c", "limit": 10, "pages": "all" } }
        ],
    });
    fs::write(path("goes-on.json"), scenario.to_string()).unwrap();
    let summary = printed(0, &["run", &path("goes-on.json"), "--json"]);
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(summary["verdict"], "holds");
    let lines = fs::read_to_string(path("room.ndjson")).unwrap().lines().count();
    for server in ["a", "b", "c"] {
        assert_eq!(summary["servers"][server]["accepted"], lines + 3, "{server}");
    }
}

/// The structure that trace viewers ask for (the "Trace Event Format"), and the counts of the journal.
#[test]
fn a_trace_is_well_formed_and_complete() {
    for scenario in ["partition-heal", "crash-during-partition", "silence"] {
        let journal = journal("trace", scenario, 0);
        let records = records(&journal);
        let trace: Value = serde_json::from_str(&printed(0, &["export", "trace", &journal])).unwrap();
        let events = trace["traceEvents"].as_array().unwrap();
        let servers = records[0]["servers"].as_array().unwrap().len();
        let named = |event: &&Value| event["name"] == "process_name";
        assert_eq!(events.iter().filter(named).count(), 1 + servers);

        let mut open: BTreeMap<(String, String), &Value> = BTreeMap::new();
        let mut last = 0;
        for event in events {
            assert!(event["pid"].as_u64().is_some_and(|pid| pid > 0) && event["tid"].is_u64(), "{event}");
            let phase = event["ph"].as_str().unwrap();
            if phase == "M" {
                continue;
            }
            let ts = event["ts"].as_i64().unwrap_or_else(|| panic!("no time: {event}"));
            assert!(ts >= last, "out of order: {event}");
            last = ts;
            let key = || (event["cat"].to_string(), event["id"].to_string());
            match phase {
                "b" => assert!(open.insert(key(), event).is_none(), "begins twice: {event}"),
                "e" => {
                    let begin = open.remove(&key()).unwrap_or_else(|| panic!("never began: {event}"));
                    assert_eq!((&begin["name"], &begin["pid"]), (&event["name"], &event["pid"]));
                }
                "i" => assert_eq!(event["s"], "t", "{event}"),
                "C" => assert!(event["args"]["missing"].as_i64().is_some_and(|count| count >= 0), "{event}"),
                other => panic!("unknown phase {other}: {event}"),
            }
        }
        assert!(open.is_empty(), "spans that never end: {open:?}");

        let spans =
            |cat: &str| events.iter().filter(|event| event["ph"] == "b" && event["cat"] == cat).count();
        let count = |what: &str| records.iter().filter(|record| record["what"] == what).count();
        assert_eq!(spans("asked"), count("request"), "{scenario}");
        assert_eq!(spans("answered"), count("arrived"), "{scenario}");
        assert!(spans("fault") > 0, "{scenario}");
        let accepted = events.iter().filter(|event| event["name"] == "accepted").count();
        let judged = records.iter().filter(|record| record["verdict"] == "accepted").count();
        assert_eq!(accepted, judged, "{scenario}");
    }
}

#[test]
fn what_a_server_does_not_hold_is_not_exported() {
    let journal = journal("nothing", "partition-heal", 0);
    let output = backfire(&["export", "room", &journal, "--server", "d"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("no server `d`"));
    let all = printed(0, &["export", "room", &journal]).lines().count();
    let own = printed(0, &["export", "room", &journal, "--server", "a"]).lines().count();
    assert!(own > 0 && own <= all, "{own} of {all}");
}
