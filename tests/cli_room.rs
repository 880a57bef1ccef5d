//! `backfire room …` as a script sees it: exit codes, JSON, and messages that say what to do.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/rooms/");
const DUMPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/dumps/");

fn room(arguments: &str) -> Output {
    let arguments = arguments.replace("DIR/", DIR).replace("DUMPS/", DUMPS);
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
        ("check DIR/README.md", "README.md:1: not JSON: expected value, column 1; a dump is events"),
        ("check DIR/keys.json", "keys.json:1, [0]: the keys of a server"),
        ("check DIR/v2.a.stateat.json", "v2.a.stateat.json:1, [0]: ids of a state and no events"),
        ("check DUMPS/admin-state.json", "admin-state.json:1, state[0]: these are events in client format"),
        ("check", "no FILE with a dump was given"),
        ("check - -", "standard input (-) can be only one of the files"),
        ("check DIR/v10.a.ndjson --state-at DIR/keys.json", "neither `pdu_ids` nor `pdus` nor `event_id`"),
        ("check DIR/v10.a.ndjson --state-at DUMPS/answer-to-state.json", "give it as EVENT=FILE"),
        ("check DIR/v10.a.ndjson --state-at $x", "after the event, `=` and the file are missing"),
        ("backfill --v DIR/v6.a.ndjson --limit 1", "--v wants an event id, which begins with `$`"),
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

/// A file of this test run.
fn written(name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, bytes).unwrap();
    path
}

fn fork() -> Vec<Value> {
    let text = fs::read_to_string(format!("{DUMPS}fork.ndjson")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn lines(events: &[Value]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

/// An event as Synapse's table `event_json` has it: its id, and its text without.
fn row(event: &Value) -> (String, String) {
    let mut event = event.clone();
    let id = event.as_object_mut().unwrap().remove("event_id").unwrap();
    (id.as_str().unwrap().to_owned(), event.to_string())
}

/// The rows of that table, each written by `cells`.
fn table(head: &str, cells: impl Fn(&str, &str, &str) -> String) -> String {
    let meta = r#"{"stream_ordering":7,"outlier":false}"#;
    let rows = fork().iter().map(row).map(|(id, json)| cells(&id, meta, &json) + "\n").collect::<String>();
    format!("{head}{rows}")
}

/// The ways in which people have the events of a room, each with the name of the file.
fn forms() -> Vec<(&'static str, Vec<u8>)> {
    let (events, half) = (fork(), fork().len() / 2);
    let (early, late) = events.split_at(half);
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let escaped = |text: &str| text.replace('\\', "\\\\");
    let csv = |id: &str, meta: &str, json: &str| format!("{id},!r,{},{},3", quoted(meta), quoted(json));
    let copy =
        |id: &str, meta: &str, json: &str| format!("{id}\t!r\t{}\t{}\t3", escaped(meta), escaped(json));
    let names = "event_id,room_id,internal_metadata,json,format_version";
    let pretty = events.iter().map(|event| format!("{event:#}\n")).collect::<String>();
    let rows = events.iter().map(row).map(|(event_id, text)| json!({ "event_id": event_id, "json": text }));
    let bare = events.iter().map(|event| row(event).1 + "\n").collect::<String>();
    vec![
        ("lines.ndjson", lines(&events).into()),
        ("crlf.ndjson", lines(&events).replace('\n', "\r\n").into()),
        ("bom.ndjson", format!("\u{feff}{}", lines(&events)).into()),
        ("blank-lines.ndjson", lines(&events).replace('\n', "\n\n").into()),
        ("no-ids.ndjson", bare.into()),
        ("pretty.json", pretty.into()),
        ("array.json", json!(events).to_string().into()),
        ("gzip.ndjson.gz", gzip(&lines(&events))),
        ("two-packed.ndjson.gz", [gzip(&lines(early)), gzip(&lines(late))].concat()),
        ("state.json", json!({ "pdus": early, "auth_chain": late }).to_string().into()),
        ("backfill.json", json!({ "origin": "a", "origin_server_ts": 1, "pdus": events }).to_string().into()),
        ("missing.json", json!({ "events": events }).to_string().into()),
        ("event_auth.json", json!({ "auth_chain": events }).to_string().into()),
        (
            "send_join.json",
            json!({ "state": early, "auth_chain": &late[1..], "event": late[0] }).to_string().into(),
        ),
        ("send_join_v1.json", json!([200, { "state": early, "auth_chain": late }]).to_string().into()),
        (
            "events.ndjson",
            lines(&events.iter().map(|event| json!({ "pdus": [event] })).collect::<Vec<_>>()).into(),
        ),
        ("rows.json", json!(rows.collect::<Vec<_>>()).to_string().into()),
        ("rows.csv", table(&format!("{names}\r\n"), csv).into()),
        ("rows-without-names.csv", table("", csv).into()),
        ("rows.tsv", table(&format!("{}\n", names.replace(',', "\t")), copy).into()),
        ("rows-without-names.tsv", table("", copy).into()),
        ("unescaped.tsv", table("", |id, meta, json| format!("{id}\t{meta}\t{json}")).into()),
        ("dump.sql", {
            let head = format!(
                "--\n-- a dump\n--\nCOPY public.event_json ({}) FROM stdin;\n",
                names.replace(',', ", ")
            );
            format!("{}\\.\nSELECT 1;\n", table(&head, copy)).into()
        }),
        ("list.txt", table("", |id, meta, json| format!("{id}|!r|{meta}|{json}|3")).into()),
    ]
}

#[test]
fn a_room_is_read_in_whatever_form_people_have_it() {
    let expected = answer("check DUMPS/fork.ndjson --json");
    assert_eq!(expected["accepted"], 11);
    for (name, bytes) in forms() {
        let path = written(name, bytes);
        let report = answer(&format!("check {} --json", path.display()));
        for field in
            ["accepted", "events", "invalid", "waiting", "state", "forward_extremities", "content_hash_fails"]
        {
            assert_eq!(report[field], expected[field], "{name}: {field}");
        }
    }
}

#[test]
fn standard_input_is_a_file_too() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"))
        .args(["room", "check", "-", "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    command.stdin.take().unwrap().write_all(&gzip(&lines(&fork()))).unwrap();
    let report: Value = serde_json::from_slice(&command.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(report, answer("check DUMPS/fork.ndjson --json"));
}

#[test]
fn what_is_no_dump_is_named_with_its_place() {
    let event = fork()[5].to_string();
    let deep = format!("{event}\n{{\"type\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let cases: [(&str, String, &str); 9] = [
        ("cut.ndjson", format!("{event}\n{}", &event[..100]), "cut.ndjson:2: not JSON: EOF while parsing"),
        ("number.json", "[{}, 7]".into(), "number.json:1, [0]: neither an event, which has a `type`, nor"),
        ("list.json", format!("[{event}, [1]]"), "list.json:1, [1]: a list is no event"),
        (
            "error.json",
            r#"{"errcode":"M_FORBIDDEN","error":"no"}"#.into(),
            "the error of a server (M_FORBIDDEN)",
        ),
        ("sync.json", r#"{"next_batch":"s1","rooms":{}}"#.into(), "an answer of the client API"),
        ("pdus.json", r#"{"pdus":{"a":1}}"#.into(), "pdus.json:1: `pdus` is no list of events"),
        ("open.csv", "event_id,json\n$a,\"{".into(), "open.csv:2: the quote that opens a value of this row"),
        (
            "narrow.csv",
            "event_id,room_id,json\n$a,{}".into(),
            "narrow.csv:2: 2 columns, but the first line names 3",
        ),
        ("deep.ndjson", deep, "no `m.room.create` event"),
    ];
    for (name, text, message) in cases {
        let output = room(&format!("check {}", written(name, text).display()));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
        assert!(stderr.contains(message), "{name}: {stderr}");
    }
}

#[test]
fn a_content_hash_that_does_not_hold_is_named() {
    let report = answer("check DUMPS/content-changed.ndjson --json");
    assert_eq!((&report["accepted"], count(&report, "invalid")), (&json!(11), 0));
    let altered = &report["content_hash_fails"];
    assert_eq!(altered.as_array().unwrap().len(), 1);
    assert_eq!(altered[0]["event_id"], "$7C0x6zPWjqY3vaxzPOKkxcCI_0ptAsn9ccaLs8dt-ys");
    assert_eq!((&altered[0]["type"], &altered[0]["line"]), (&json!("m.room.topic"), &json!(9)));
    let text = String::from_utf8(room("check DUMPS/content-changed.ndjson").stdout).unwrap();
    assert!(
        text.contains("content hash does not hold: $7C0x6zPWjqY3vaxzPOKkxcCI_0ptAsn9ccaLs8dt-ys"),
        "{text}"
    );
    // What a server holds in redacted form after a redaction was not changed by anybody.
    let pruned = answer("check DIR/v6.b.ndjson --json");
    assert_eq!((count(&pruned, "content_hash_fails"), count(&pruned, "redacted_copies")), (0, 18));
}

#[test]
fn room_versions_before_6_have_numbers_that_canonical_json_has_not() {
    let report = answer("check DUMPS/fraction-v5.ndjson --json --strict");
    assert_eq!(
        (&report["accepted"], &report["invalid"], &report["waiting"]),
        (&json!(11), &json!([]), &json!([]))
    );
    assert_eq!(count(&report, "content_hash_fails"), 0);
    // The digits are part of what was hashed, and later versions want whole numbers.
    let text = fs::read_to_string(format!("{DUMPS}fraction-v5.ndjson")).unwrap();
    let other = written("other-fraction.ndjson", text.replace("1.5}", "1.50}"));
    let other = answer(&format!("check {} --json", other.display()));
    assert_eq!(count(&other, "content_hash_fails"), 1);
    let events: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let source = written("fractions.ndjson", lines(&events));
    for (version, code) in [(2, 0), (5, 0), (6, 2), (11, 2)] {
        let out = source.with_extension("out.ndjson");
        let made =
            room(&format!("reid {} --room-version {version} --out {}", source.display(), out.display()));
        assert_eq!(made.status.code(), Some(code), "{version}: {}", String::from_utf8_lossy(&made.stderr));
        if code == 0 {
            let keys = out.with_extension("keys.json");
            let report =
                answer(&format!("check {} --keys {} --strict --json", out.display(), keys.display()));
            assert_eq!(
                (&report["accepted"], count(&report, "content_hash_fails")),
                (&json!(11), 0),
                "{version}"
            );
        }
    }
}

#[test]
fn strict_fails_for_what_is_wrong_with_an_event() {
    let cases = [
        ("DUMPS/fork.ndjson", 0),
        ("DUMPS/content-changed.ndjson", 1),
        ("DIR/faulty.a.ndjson", 1),
        ("DIR/v6.a.ndjson", 0),
        ("DIR/v10.a.ndjson", 0),
    ];
    for (file, code) in cases {
        assert_eq!(room(&format!("check --strict {file}")).status.code(), Some(code), "{file}");
        assert_eq!(room(&format!("check {file}")).status.code(), Some(0), "{file}");
    }
}

#[test]
fn verdicts_say_what_the_event_is() {
    let report = answer("check DIR/faulty.a.ndjson --json");
    let verdict = &report["verdicts"][0];
    assert_eq!(report["rejected"][0], verdict["event_id"]);
    assert_eq!(count(&report, "verdicts"), count(&report, "rejected") + count(&report, "soft_failed"));
    for key in ["type", "sender", "reason", "file", "line"] {
        assert!(verdict[key].is_string() || verdict[key].is_u64(), "{key}: {verdict}");
    }
    let text = String::from_utf8(room("check DIR/faulty.a.ndjson").stdout).unwrap();
    let (kind, sender) = (verdict["type"].as_str().unwrap(), verdict["sender"].as_str().unwrap());
    assert!(text.contains(&format!("\n    {kind} by {sender}, ")), "{text}");
}

/// A branch on which bob's level was lowered, and one on which he set the topic.
const BRANCHES: &str =
    "$4-4mUiQceK4dI0a_I1-DZH3dzIc_oSfwFuhsLzCkH9M $RNrGR3lQ0BTD7HcvZtu0-bcfpwgJVmfaz0Dxc0fDlWU";

#[test]
fn options_stand_before_the_file_or_after_it() {
    let after = answer(&format!("state --after {BRANCHES} DUMPS/fork.ndjson --json"));
    assert_eq!(count(&after, "state"), 8);
    let entry = |kind: &str| {
        let state = after["state"].as_array().unwrap();
        state.iter().find(|entry| entry["type"] == kind).unwrap()["event_id"].clone()
    };
    assert_eq!(entry("m.room.topic"), "$7C0x6zPWjqY3vaxzPOKkxcCI_0ptAsn9ccaLs8dt-ys");
    assert_eq!(entry("m.room.power_levels"), "$RNrGR3lQ0BTD7HcvZtu0-bcfpwgJVmfaz0Dxc0fDlWU");
    let (one, other) = BRANCHES.split_once(' ').unwrap();
    let same = [
        format!("state DUMPS/fork.ndjson --after {BRANCHES} --json"),
        format!("state --json --after {one} --after {other} DUMPS/fork.ndjson"),
    ];
    for arguments in same {
        assert_eq!(answer(&arguments), after, "{arguments}");
    }
    let before_and_after = [
        (format!("backfill --limit 3 --json --v {one}"), "DUMPS/fork.ndjson"),
        (format!("missing-events --json --latest {one}"), "DUMPS/fork.ndjson"),
        (format!("state --json --before {one}"), "DUMPS/fork.ndjson"),
    ];
    for (command, file) in before_and_after {
        let (name, options) = command.split_once(' ').unwrap();
        assert_eq!(
            answer(&format!("{command} {file}")),
            answer(&format!("{name} {file} {options}")),
            "{command}"
        );
    }
}

#[test]
fn the_states_before_several_events_are_asked_for_at_once() {
    let all = answer(&format!("state DUMPS/fork.ndjson --json --before {BRANCHES}"));
    for (nth, id) in BRANCHES.split(' ').enumerate() {
        let alone = answer(&format!("state DUMPS/fork.ndjson --json --before {id}"));
        assert_eq!(
            (&all["states"][nth]["event_id"], &all["states"][nth]["state"]),
            (&json!(id), &alone["state"])
        );
    }
}

#[test]
fn backfill_is_newest_first_where_depth_is_never_counted_up() {
    let seed = "$4LfppU045LFflSfiSzsmDuKvk97QxzpGc3XhEBg1cj0";
    let backfill = answer(&format!("backfill DUMPS/depth-zero-v9.ndjson --limit 5 --v {seed} --json"));
    let shorts: Vec<&str> =
        backfill["event_ids"].as_array().unwrap().iter().map(|id| &id.as_str().unwrap()[..5]).collect();
    assert_eq!(shorts, ["$4Lfp", "$fYzC", "$zyyH", "$6PLs", "$I-a6"]);
}

#[test]
fn dumps_of_one_room_make_up_for_each_others_gaps() {
    let part = |range: std::ops::Range<usize>, name: &str| {
        written(name, lines(&fork()[range])).display().to_string()
    };
    let (early, late) = (part(0..7, "early.ndjson"), part(5..11, "late.ndjson"));
    assert!(count(&answer(&format!("check {early} --json")), "waiting") == 0);
    let merged = answer(&format!("check {late} {early} --json"));
    let whole = answer("check DUMPS/fork.ndjson --json");
    for field in ["events", "accepted", "state", "waiting", "contradictions", "forward_extremities"] {
        assert_eq!(merged[field], whole[field], "{field}");
    }
}

#[test]
fn copies_that_contradict_each_other_are_named() {
    // The topic as it was made counts, whichever comes first.
    for files in
        ["DUMPS/fork.ndjson DUMPS/content-changed.ndjson", "DUMPS/content-changed.ndjson DUMPS/fork.ndjson"]
    {
        let report = answer(&format!("check {files} --json"));
        assert_eq!(
            (count(&report, "contradictions"), count(&report, "content_hash_fails")),
            (1, 0),
            "{files}"
        );
        let found = &report["contradictions"][0];
        assert_eq!((&found["fields"], &found["type"]), (&json!(["content"]), &json!("m.room.topic")));
        assert!(found["counts"]["file"].as_str().unwrap().ends_with("fork.ndjson"), "{found}");
        assert!(found["other"]["file"].as_str().unwrap().ends_with("content-changed.ndjson"), "{found}");
        assert_eq!(room(&format!("check --strict {files}")).status.code(), Some(1));
    }
}

#[test]
fn a_told_state_stands_in_for_what_is_missing() {
    let events = fork();
    let id_of = |nth: usize| events[nth]["event_id"].as_str().unwrap();
    let (gap, at) = (5, id_of(6));
    let torn: Vec<Value> = events.iter().filter(|event| event["event_id"] != id_of(gap)).cloned().collect();
    let dump = written("torn.ndjson", lines(&torn)).display().to_string();
    let waits = answer(&format!("check {dump} --json"));
    assert_eq!((count(&waits, "waiting"), count(&waits, "states_wanted")), (5, 1), "{waits}");
    assert_eq!(
        (&waits["states_wanted"][0]["event_id"], &waits["missing"][0]),
        (&json!(at), &json!(id_of(gap)))
    );

    let (whole, other) = (&events[..gap + 1], &events[..gap]);
    let ids = |state: &[Value]| state.iter().map(|event| event["event_id"].clone()).collect::<Vec<_>>();
    let nobodys = json!({ "event_id": id_of(0), "status": 404 });
    let cases = [
        ("ids.json", json!({ "pdu_ids": ids(other), "auth_chain_ids": [] }), "taken"),
        ("holes.json", json!({ "pdu_ids": ids(whole), "auth_chain_ids": [] }), "incomplete"),
        ("events.json", json!({ "pdus": whole, "auth_chain": &events[..1] }), "taken"),
        ("list.json", json!([nobodys, { "event_id": at, "status": 200, "state_ids": ids(other) }]), "taken"),
    ];
    for (name, told, became) in cases {
        let of = if name == "list.json" { String::new() } else { format!("{at}=") };
        let file = written(&format!("told-{name}"), told.to_string());
        let report = answer(&format!("check --state-at {of}{} {dump} --json", file.display()));
        assert_eq!(report["state_at"][0]["became"], became, "{name}: {report}");
        let waiting = if became == "taken" { 0 } else { 5 };
        assert_eq!(count(&report, "waiting"), waiting, "{name}");
        assert_eq!(report["accepted"].as_u64().unwrap() as usize + waiting, 10, "{name}");
    }
    // Where nothing is missing, a told state is compared with the one that the events give.
    let told = |state: &[Value]| {
        written("told.json", json!({ "event_id": at, "state_ids": ids(state) }).to_string())
    };
    let became = |file: PathBuf| {
        let report = answer(&format!("check DUMPS/fork.ndjson --json --state-at {}", file.display()));
        report["state_at"][0].clone()
    };
    assert_eq!(became(told(whole))["became"], "agrees");
    let differs = became(told(other));
    assert_eq!((&differs["became"], &differs["only_computed"]), (&json!("differs"), &json!([id_of(gap)])));
}

#[test]
fn a_room_from_a_textbook_becomes_a_proper_one() {
    for version in 2..=12 {
        let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("reid-{version}.ndjson"));
        let reid = format!(
            "reid DUMPS/state-resolution.json --room-version {version} --json --out {}",
            out.display()
        );
        let made = answer(&reid);
        let room = fs::read_to_string(&out).unwrap();
        assert_eq!(
            (answer(&reid), fs::read_to_string(&out).unwrap()),
            (made.clone(), room.clone()),
            "made twice"
        );
        let id = |old: &str| made["ids"][old].as_str().unwrap();

        let keys = out.with_extension("keys.json");
        let report = answer(&format!("check {} --keys {} --json --strict", out.display(), keys.display()));
        assert_eq!(report["room_version"], version.to_string());
        assert_eq!(
            (&report["accepted"], &report["soft_failed"]),
            (&json!(9), &json!([id("$TOPIC")])),
            "{version}: {report}"
        );
        // The ban takes the topic with it.
        let state = answer(&format!("state {} --before {} --json", out.display(), id("$MERGED")));
        let entries = state["state"].as_array().unwrap();
        let event = |kind: &str, key: &str| {
            let entry = entries.iter().find(|entry| entry["type"] == kind && entry["state_key"] == key);
            entry.map(|entry| entry["event_id"].as_str().unwrap())
        };
        assert_eq!(event("m.room.member", "@bob:b.example"), Some(id("$BAN")), "{version}");
        assert_eq!(event("m.room.topic", ""), None, "{version}");

        let merged: Value = (room.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()))
            .find(|event| event["event_id"] == id("$MERGED"))
            .unwrap();
        let reply = &merged["content"]["m.relates_to"]["m.in_reply_to"]["event_id"];
        assert_eq!((reply, &merged["depth"]), (&json!(id("$HELLO")), &json!(8)), "{version}");
        // Made anew, it is the same room under the same ids, but for those that servers choose.
        let again = out.with_extension("again.ndjson");
        answer(&format!("reid {} --room-version {version} --json --out {}", out.display(), again.display()));
        assert_eq!(fs::read_to_string(again).unwrap(), room, "{version}");
    }
}

#[test]
fn a_real_room_goes_to_another_version() {
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reid-real.ndjson");
    answer(&format!("reid DIR/v6.a.ndjson --room-version 11 --json --out {}", out.display()));
    let keys = out.with_extension("keys.json");
    let (made, real) = (
        answer(&format!("check {} --keys {} --json", out.display(), keys.display())),
        answer("check DIR/v6.a.ndjson --json"),
    );
    assert_eq!((count(&made, "invalid"), count(&made, "waiting")), (0, 0));
    assert_eq!((&made["events"], count(&made, "state")), (&real["events"], count(&real, "state")));
}

#[test]
fn what_makes_no_room_is_named() {
    let create = json!({ "event_id": "$C", "type": "m.room.create", "state_key": "", "sender": "@u:a", "content": {} });
    let message = |id: &str, prev: &[&str]| json!({ "event_id": id, "type": "m.room.message", "sender": "@u:a", "content": {}, "prev_events": prev });
    let deep = json!({ "event_id": "$D", "type": "m", "sender": "@u:a", "depth": 1.5 });
    let nobodys = json!({ "event_id": "$N", "type": "m", "sender": "nobody" });
    let cases = [
        (
            vec![create.clone(), message("$A", &["$B"]), message("$B", &["$A"])],
            "2: $A: it is its own ancestor: $A cites $B cites $A",
        ),
        (
            vec![create.clone(), message("$A", &["$X"])],
            "2: $A: field `prev_events`: there is no event `$X` in the file",
        ),
        (vec![create.clone(), message("$A", &["$C"]), message("$A", &["$C"])], "3: $A: the event at "),
        (vec![create.clone(), nobodys], "2: $N: field `sender`: `nobody`"),
        (vec![create, deep], "2: $D: field `depth`: must be a whole number"),
        (vec![message("$A", &[])], "no `m.room.create` event"),
    ];
    for (nth, (events, problem)) in cases.into_iter().enumerate() {
        let file = written(&format!("no-room-{nth}.ndjson"), lines(&events));
        let out = file.with_extension("out");
        let output = room(&format!("reid {} --room-version 11 --out {}", file.display(), out.display()));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{problem}: {stderr}");
        assert!(stderr.contains(problem), "{problem}: {stderr}");
    }
}
