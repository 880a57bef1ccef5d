//! Mistakes in scenarios: what each is told, and where.

use std::path::{Path, PathBuf};

use backfire::scenario::{MAX_SERVERS, MAX_STEPS, Scenario, schema};

/// A small scenario whose timeline is `steps`.
fn with_steps(steps: &str) -> String {
    format!(
        "{{\n\"why\": \"w\",\n\"servers\": {{ \"a\": {{}}, \"b\": {{}} }},\n\"room\": {{ \"created_by\": \"a\" }},\n\
         \"timeline\": [\n{steps}\n]\n}}"
    )
}

/// A small scenario with `fields` in front of its empty timeline.
fn with_fields(fields: &str) -> String {
    format!("{{\n\"why\": \"w\",\n{fields},\n\"timeline\": []\n}}")
}

const SERVERS: &str = "\"servers\": { \"a\": {}, \"b\": {} }";
const ROOM: &str = "\"room\": { \"created_by\": \"a\" }";

/// Checks what is said of a mistake (path, what is wrong and what to do), and that the caret stands at `at`.
#[track_caller]
fn check(text: &str, at: &str, expected: &str) {
    let error = Scenario::parse(text, "s.json").expect_err("this scenario should be refused");
    let place = error.place.clone().expect("a mistake in a text has a place");
    let help = error.help.as_deref().unwrap_or("");
    assert_eq!(format!("{}: {}; {help}", error.path, error.what), expected, "\n{error}");
    let pointed: String = place.excerpt.chars().skip(place.caret).collect();
    assert!(pointed.starts_with(at), "the caret should be at {at}:\n{error}");
}

#[track_caller]
fn check_step(step: &str, at: &str, expected: &str) {
    check(&with_steps(step), at, expected);
}

#[track_caller]
fn check_fields(fields: &str, at: &str, expected: &str) {
    check(&with_fields(fields), at, expected);
}

#[test]
fn the_whole_message() {
    let text = with_steps("  { \"at\": \"2s\", \"mesage\": { \"by\": \"a\" } }");
    let error = Scenario::parse(&text, "scenarios/x.json").unwrap_err();
    insta::assert_snapshot!(error, @r#"
    error: scenarios/x.json:6:17: timeline[0].mesage: there is no such step
      |
    6 |   { "at": "2s", "mesage": { "by": "a" } }
      |                 ^
      = help: did you mean `message`?
    "#);
}

#[test]
fn texts_that_are_not_json() {
    check(
        "",
        "",
        ": this is not JSON: EOF while parsing a value; the file is empty; a scenario is a JSON object",
    );
    check("{ \"why\": \"w\", }", "}", ": this is not JSON: key must be a string; remove the comma before it");
    check(
        "{ \"why\": \"w\"\n\n",
        "",
        ": this is not JSON: EOF while parsing an object; a closing bracket, brace or quote is missing",
    );
    check("[]", "[", ": a list cannot stand here; write an object");
    let deep = format!("\"x\": {}{}", "[".repeat(500), "]".repeat(500));
    let deep = with_steps(&format!(
        "{{ \"at\": \"1s\", \"state\": {{ \"by\": \"a\", \"type\": \"t\", \"content\": {{ {deep} }} }} }}"
    ));
    let error = Scenario::parse(&deep, "s.json").unwrap_err();
    assert_eq!(error.what, "this is not JSON: recursion limit exceeded");
}

#[test]
fn keys() {
    check_fields(
        "\"sevrers\": {}",
        "\"sevrers\"",
        "sevrers: there is no such key here; did you mean `servers`?",
    );
    check_fields(SERVERS, "{", ": the key `room` is missing; add \"room\": { \"created_by\": \"a\" }");
    check_fields(
        &format!("{SERVERS}, {ROOM}, \"why\": \"again\""),
        "\"why\": \"again\"",
        "why: \"why\" stands here twice; remove one of them",
    );
    check_fields(
        "\"servers\": { \"a\": {}, \"a\": {} }",
        "\"a\": {} }",
        "servers.a: \"a\" stands here twice; remove one of them",
    );
    check_step("{ \"heal\": {} }", "{ \"heal\"", "timeline[0]: the key `at` is missing; add \"at\": \"2s\"");
    check_step(
        "{ \"at\": \"1s\", \"message\": {} }",
        "{} }",
        "timeline[0].message: the key `by` is missing; add \"by\": \"a\"",
    );
    check_step(
        "{ \"at\": \"1s\", \"message\": { \"by\": \"a\", \"conut\": 2 } }",
        "\"conut\"",
        "timeline[0].message.conut: there is no such key here; did you mean `count`?",
    );
    check_step(
        "{ \"at\": \"1s\" }",
        "{",
        "timeline[0]: nothing happens in this step; add an action, such as \"message\": { \"by\": \"a\" }",
    );
    check_step(
        "{ \"at\": \"1s\", \"heal\": {}, \"leave\": { \"by\": \"a\" } }",
        "{ \"by\"",
        "timeline[0].leave: this step does `heal` already; make it a step of its own, with the same `at`",
    );
    check_step(
        "{ \"at\": \"1s\", \"heal\": {}, \"at\": \"2s\" }",
        "\"at\": \"2s\"",
        "timeline[0].at: \"at\" stands here twice; remove one of them",
    );
}

#[test]
fn times() {
    check_step(
        "{ \"at\": \"500\", \"heal\": {} }",
        "\"500\"",
        "timeline[0].at: \"500\" needs a unit; for example \"500ms\" or \"500s\"",
    );
    check_step(
        "{ \"at\": 500, \"heal\": {} }",
        "500",
        "timeline[0].at: 500 needs a unit; write a string, for example \"500ms\" or \"500s\"",
    );
    check_step(
        "{ \"at\": \"-1s\", \"heal\": {} }",
        "\"-1s\"",
        "timeline[0].at: \"-1s\" is negative; durations here go forward only; drop the `-`",
    );
    check_step(
        "{ \"at\": \"1s\", \"clock\": { \"server\": \"a\", \"jump\": \"-31days\" } }",
        "\"-31days\"",
        "timeline[0].clock.jump: \"31days\" is too long; durations must be shorter than 30 days",
    );
    check_step(
        "{ \"at\": \"2s\", \"heal\": {} },\n{ \"at\": \"1s\", \"heal\": {} }",
        "\"1s\"",
        "timeline[1].at: timeline[1] at 1s stands after timeline[0] at 2s; write the steps in the order of `at`",
    );
    check_fields(
        &format!("{SERVERS}, {ROOM}, \"links\": {{ \"a->b\": {{ \"latency\": \"5ms\" }} }}"),
        "\"5ms\"",
        "links.a->b.latency: 5ms is too short; latencies start at 10ms: the fabric needs that long to carry bytes in time",
    );
}

#[test]
fn servers_and_users() {
    check_fields(
        &format!("\"servers\": {{ \"Alpha\": {{}} }}, {ROOM}"),
        "\"Alpha\"",
        "servers.Alpha: this cannot be the name of a server; names are a small letter and up to 30 small letters, \
         digits and `-`",
    );
    check_fields(&format!("\"servers\": {{}}, {ROOM}"), "{}", "servers: there are no servers; add \"a\": {}");
    check_fields(
        &format!("\"servers\": {{ \"a\": {{ \"name\": \"b\" }}, \"b\": {{}} }}, {ROOM}"),
        "{}",
        "servers.b.name: server `a` has the Matrix name b already; give each server a name of its own",
    );
    check_fields(
        &format!("\"servers\": {{ \"a\": {{ \"key_validity\": \"9s\" }} }}, {ROOM}"),
        "\"9s\"",
        "servers.a.key_validity: 9s is out of range; write 10s to 7days",
    );
    check_fields(
        &format!("{SERVERS}, {ROOM}, \"links\": {{ \"a-c\": {{}} }}"),
        "\"a-c\"",
        "links.a-c: there is no server `c`; it can be one of `a`, `b`",
    );
    check_fields(
        &format!("{SERVERS}, \"room\": {{ \"created_by\": \"a\", \"members\": [\"b\"] }}"),
        "[\"b\"]",
        "room.members: \"a\", who creates the room, is not among its members; add \"a\"",
    );
    check_step(
        "{ \"at\": \"1s\", \"message\": { \"by\": \"A\" } }",
        "\"A\"",
        "timeline[0].message.by: there is no server \"A\"; did you mean `a`?",
    );
    check_step(
        "{ \"at\": \"1s\", \"kick\": { \"by\": \"a\", \"user\": \"@eve:c\" } }",
        "\"@eve:c\"",
        "timeline[0].kick.user: there is no server with the Matrix name \"c\"; it can be one of `a`, `b`",
    );
    check_step(
        "{ \"at\": \"1s\", \"leave\": { \"by\": \"@eve\" } }",
        "\"@eve\"",
        "timeline[0].leave.by: \"@eve\" is not a user id; write the name of a server, or a user id such as \"@user:a\"",
    );
}

#[test]
fn values() {
    check_step(
        "{ \"at\": \"1s\", \"message\": { \"by\": 7 } }",
        "7",
        "timeline[0].message.by: the number 7 cannot stand here; write a string",
    );
    check_step(
        "{ \"at\": \"1s\", \"message\": { \"by\": \"a\", \"count\": 0 } }",
        "0",
        "timeline[0].message.count: 0 is out of range; write 1 to 10000",
    );
    check_step(
        "{ \"at\": \"1s\", \"message\": { \"by\": \"a\", \"count\": 1.5 } }",
        "1.5",
        "timeline[0].message.count: the number 1.5 cannot stand here; write a whole number, 0 or more",
    );
    check_step(
        "{ \"at\": \"1s\", \"page_back\": { \"server\": \"a\", \"pages\": \"al\" } }",
        "\"al\"",
        "timeline[0].page_back.pages: \"al\" is no number of pages; it can be `all`",
    );
    check_step(
        "{ \"at\": \"1s\", \"state\": { \"by\": \"a\", \"type\": \"t\", \"content\": { \"x\": [1, 0.5] } } }",
        "0.5",
        "timeline[0].state.content.x[1]: events cannot carry the number 0.5; Matrix events carry whole numbers \
         from -(2^53)+1 to (2^53)-1",
    );
    check_step(
        "{ \"at\": \"1s\", \"join_rule\": { \"by\": \"a\", \"rule\": \"pubic\" } }",
        "\"pubic\"",
        "timeline[0].join_rule.rule: \"pubic\" is not a word that can stand here; did you mean `public`?",
    );
    for (version, expected) in [
        (
            "\"1\"",
            "room_version: room version 1 needs state resolution v1, which is not built; write \"2\" to \"12\"",
        ),
        ("\"13\"", "room_version: there is no room version \"13\"; write \"2\" to \"12\""),
    ] {
        check_fields(&format!("{SERVERS}, {ROOM}, \"room_version\": {version}"), version, expected);
    }
    check_fields(
        &format!("{SERVERS}, \"room\": {{ \"created_by\": \"a\", \"import\": \"x\" }}"),
        "{ \"created_by\"",
        "room: a room is either created or imported; remove `created_by` or `import`",
    );
    check_fields(
        &format!("{SERVERS}, {ROOM}, \"expect\": {{ \"requests\": {{ \"backfil\": 3 }} }}"),
        "\"backfil\"",
        "expect.requests.backfil: there is no such key here; did you mean `backfill`?",
    );
    check_fields(
        &format!("{SERVERS}, {ROOM}, \"expect\": {{ \"marks\": [\"gap-opend\"] }}"),
        "\"gap-opend\"",
        "expect.marks[0]: \"gap-opend\" is not a word that can stand here; did you mean `gap-opened`?",
    );
}

#[test]
fn structs_are_not_lists() {
    let says = "a list cannot stand here; write an object";
    check_fields(&format!("{SERVERS}, \"room\": [\"a\"]"), "[", &format!("room: {says}"));
    check_fields(&format!("{SERVERS}, {ROOM}, \"expect\": []"), "[", &format!("expect: {says}"));
    check_fields(&format!("\"servers\": {{ \"a\": [] }}, {ROOM}"), "[", &format!("servers.a: {says}"));
    check_fields(
        &format!("{SERVERS}, {ROOM}, \"expect\": {{ \"requests\": [] }}"),
        "[",
        &format!("expect.requests: {says}"),
    );
    check_step("{ \"at\": \"1s\", \"leave\": [\"a\"] }", "[", &format!("timeline[0].leave: {says}"));
}

#[test]
fn steps_that_contradict_each_other() {
    check_step(
        "{ \"at\": \"1s\", \"message\": { \"by\": \"a\" }, \"as\": \"x\" },\n\
         { \"at\": \"1s\", \"message\": { \"by\": \"a\" }, \"as\": \"x\" }",
        "\"x\"",
        "timeline[1].as: an earlier step has the label `x` already; choose another label",
    );
    check_step(
        "{ \"at\": \"1s\", \"heal\": {}, \"as\": \"x\" }",
        "\"x\"",
        "timeline[0].as: a `heal` makes no event that a label could name; remove `as`",
    );
    check_step(
        "{ \"at\": \"1s\", \"message\": { \"by\": \"a\" }, \"as\": \"first\" },\n\
         { \"at\": \"1s\", \"redact\": { \"by\": \"a\", \"event\": \"frist\" } }",
        "\"frist\"",
        "timeline[1].redact.event: no earlier step has the label \"frist\"; did you mean `first`?",
    );
    check_step(
        "{ \"at\": \"1s\", \"restart\": { \"server\": \"a\" } }",
        "\"a\"",
        "timeline[0].restart.server: `a` is running; only a crashed server can restart",
    );
    check_step(
        "{ \"at\": \"1s\", \"crash\": { \"server\": \"a\" } },\n{ \"at\": \"1s\", \"crash\": { \"server\": \"a\" } }",
        "\"a\"",
        "timeline[1].crash.server: `a` has crashed already; restart it first",
    );
    check_step(
        "{ \"at\": \"1s\", \"partition\": { \"groups\": [[\"a\"], [\"b\", \"a\"]] } }",
        "[\"b\", \"a\"]",
        "timeline[0].partition.groups[1]: `a` is in an earlier group as well; name each server in one group",
    );
    check_step(
        "{ \"at\": \"1s\", \"partition\": { \"groups\": [[\"b\", \"a\"]] } }",
        "[[",
        "timeline[0].partition.groups: one group of all servers is no partition; write two groups",
    );
    check_step(
        "{ \"at\": \"1s\", \"cut\": { \"from\": \"a\", \"to\": [\"b\", \"a\"] } }",
        "[\"b\", \"a\"]",
        "timeline[0].cut.to: `a` is in `from` as well; a server always reaches itself; name each server on one side",
    );
    check_step(
        "{ \"at\": \"1s\", \"lie\": { \"server\": \"a\", \"endpoint\": \"state_ids\", \"tell\": [\"old-state\", \"twice\"] } }",
        "\"twice\"",
        "timeline[0].lie.tell[1]: `twice` is not told in answers to `state_ids`; there it can be one of wrong-state, \
         old-state, no-auth-chain, truncated-json, no-json, wrong-types, floats, not-a-number, duplicate-keys, \
         lone-surrogate, deep-nesting",
    );
    check_step(
        "{ \"at\": \"1s\", \"ask\": { \"from\": \"a\", \"to\": \"b\", \"endpoint\": \"backfil\" } }",
        "\"backfil\"",
        "timeline[0].ask.endpoint: \"backfil\" is not a word that can stand here; did you mean `backfill`?",
    );
    check_step(
        "{ \"at\": \"1s\", \"answer\": { \"server\": \"a\", \"endpoint\": \"extremities\" } }",
        "\"extremities\"",
        "timeline[0].answer.endpoint: \"extremities\" is not a word that can stand here; it can be one of `send`, \
         `backfill`, `get_missing_events`, `event`, `state_ids`, `state`, `event_auth`, `make_join`, `send_join`, \
         `invite`, `key`, `version`",
    );
    check_step(
        "{ \"at\": \"1s\", \"answer\": { \"server\": \"a\", \"endpoint\": 5 } }",
        "5",
        "timeline[0].answer.endpoint: the number 5 cannot stand here; write a string",
    );
    check_step(
        "{ \"at\": \"1s\", \"heal\": { \"between\": [\"a\"] } }",
        "[\"a\"]",
        "timeline[0].heal.between: a list of 1 stands here; write a list of 2",
    );
}

#[test]
fn limits() {
    let servers: Vec<String> = (0..=MAX_SERVERS).map(|n| format!("\"s{n}\": {{}}")).collect();
    check_fields(
        &format!("\"servers\": {{ {} }}", servers.join(", ")),
        "{}",
        "servers.s64: there are more than 64 entries; leave some out, or split the scenario",
    );
    let steps = vec!["{\"at\":\"1s\",\"heal\":{}}"; MAX_STEPS + 1].join(",\n");
    check_step(
        &steps,
        "{\"at\"",
        "timeline[20000]: there are more than 20000 entries; leave some out, or split the scenario",
    );
    let error = Scenario::parse(&" ".repeat(9 << 20), "s.json").unwrap_err();
    assert_eq!(
        error.to_string(),
        "error: s.json: the file is larger than 8 MiB\n  = help: split the scenario"
    );
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let error = Scenario::read(Path::new("scenarios/no-such-file.json")).unwrap_err();
    assert!(error.to_string().starts_with("error: scenarios/no-such-file.json: No such file"), "{error}");
}

#[test]
fn a_file_that_is_not_utf8_is_told_where() {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("latin1.json");
    std::fs::write(&file, b"{\n  \"why\": \"caf\xe9\"\n}").unwrap();
    let error = Scenario::read(&file).unwrap_err();
    let place = error.place.unwrap();
    assert_eq!((place.line, place.column, error.what.as_str()), (2, 14, "this is not UTF-8"));
}

#[test]
fn long_lines_are_cut_around_the_mistake() {
    let text = with_steps(&format!("{}{{ \"at\": 1 }}", "{\"at\":\"1s\",\"heal\":{}},".repeat(500)));
    let error = Scenario::parse(&text, "s.json").unwrap_err();
    let place = error.place.as_ref().unwrap();
    assert_eq!(place.excerpt.chars().nth(place.caret), Some('1'), "{error}");
    assert!(error.to_string().lines().all(|line| line.chars().count() < 140), "{error}");
}

#[test]
fn links_between_names_with_dashes_are_understood() {
    let text = with_fields(&format!(
        "\"servers\": {{ \"a\": {{}}, \"b-c\": {{}} }}, {ROOM}, \"links\": {{ \"default\": {{ \"jitter\": \"1ms\" }}, \
         \"a-b-c\": {{ \"latency\": \"30ms\" }}, \"b-c->a\": {{ \"latency\": \"40ms\" }} }}"
    ));
    let scenario = Scenario::parse(&text, "s.json").unwrap_or_else(|error| panic!("{error}"));
    let speed = |from, to| {
        let speed = scenario.link(from, to);
        (speed.latency.as_millis(), speed.jitter.as_millis())
    };
    assert_eq!(speed("a", "b-c"), (30, 1));
    assert_eq!(speed("b-c", "a"), (40, 1));
    assert_eq!(speed("a", "a"), (20, 1));
}

/// Every action with every field, so that nothing is lost in writing.
const EVERYTHING: &str = r#"{
  "why": "Everything at once.",
  "room_version": "6",
  "servers": { "z": { "name": "z.example:8448", "clock_skew": "-2h", "key_validity": "1m", "planted": ["timestamp-horizon"] }, "a": {}, "b": {} },
  "links": { "default": { "latency": "30ms" }, "z->a": { "jitter": "5ms" }, "a-b": { "latency": "1m", "jitter": "1m" } },
  "room": {
    "created_by": "@zoe:z.example:8448",
    "members": ["z", "@zoe:z.example:8448"],
    "join_rule": "knock_restricted",
    "history_visibility": "joined",
    "power_levels": { "ban": 7, "users": { "@zoe:z.example:8448": 100 } }
  },
  "timeline": [
    { "at": "0ms", "message": { "by": "z", "text": "hello" }, "as": "hello", "note": "a note" },
    { "at": "1ms", "state": { "by": "z", "type": "t", "state_key": "k", "content": { "x": [null, -1, {}] } } },
    { "at": "2ms", "state": { "by": "z", "type": "t", "content": {} } },
    { "at": "3ms", "power_levels": { "by": "z", "users": { "a": -5 }, "content": { "kick": 1 } } },
    { "at": "4ms", "join_rule": { "by": "z", "rule": "restricted", "allow": [{ "room_id": "!r:a" }] } },
    { "at": "5ms", "history_visibility": { "by": "z", "to": "world_readable" } },
    { "at": "6ms", "server_acl": { "by": "z", "allow": [], "deny": ["a"], "allow_ip_literals": false } },
    { "at": "7ms", "profile": { "by": "z", "displayname": "" } },
    { "at": "8ms", "redact": { "by": "z", "event": "hello" } },
    { "at": "9ms", "leave": { "by": "a" } },
    { "at": "1s", "kick": { "by": "z", "user": "a" } },
    { "at": "1s", "unban": { "by": "z", "user": "a" } },
    { "at": "1s", "topic": { "by": "z", "text": "t" } },
    { "at": "1500ms", "page_back": { "server": "a", "limit": 7, "pages": 3 } },
    { "at": "2s", "cut": { "from": ["a", "b"], "to": "z", "for": "1m 1s 1ms" } },
    { "at": "2s", "silence": { "from": ["a"], "to": ["z"], "both": true, "for": "1day" } },
    { "at": "3s", "partition": { "groups": [["a", "b"]], "for": "1ms" } },
    { "at": "3s", "heal": { "between": ["a", "b"] } },
    { "at": "3s", "latency": { "from": "a", "to": "b", "latency": "10ms", "jitter": "1ms", "for": "1s" } },
    { "at": "4s", "crash": { "server": "a", "after_writes": 0 } },
    { "at": "4s", "restart": { "server": "a" } },
    { "at": "4s", "clock": { "server": "a", "jump": "-1ms" } }
  ],
  "settle": "0ms",
  "heal_at_end": false,
  "expect": {
    "verdict": "not_recovered",
    "within": "1h",
    "requests": { "send": 0, "backfill": 3, "total": 9 },
    "marks": ["soft-failed"],
    "differ": ["b"]
  }
}"#;

#[test]
fn everything_survives_being_written_and_read() {
    let scenario = Scenario::parse(EVERYTHING, "everything.json").unwrap_or_else(|error| panic!("{error}"));
    let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(value(EVERYTHING), value(&scenario.to_json()));
    assert_eq!(Scenario::parse(&scenario.to_json(), "").as_ref(), Ok(&scenario));
    assert_eq!(scenario.name(), "everything");
    assert_eq!(scenario.servers.keys().collect::<Vec<_>>(), ["z", "a", "b"]);
    let members: Vec<_> = scenario.first_members().iter().map(|user| scenario.user_id(user)).collect();
    assert_eq!(members, ["@zoe:z.example:8448", "@user:z.example:8448"]);
}

fn scenario_files() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let entries = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        entries.filter(|path| path.extension().is_some_and(|ending| ending == "json")).collect();
    files.sort();
    files
}

#[test]
fn every_scenario_survives_being_written_and_read() {
    let files = scenario_files();
    assert!(files.len() >= 11, "{files:?}");
    for file in files {
        let scenario = Scenario::read(&file).unwrap_or_else(|error| panic!("{error}"));
        let written = scenario.to_json();
        let again = Scenario::parse(&written, "again.json").unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario, again);
        assert_eq!(written, again.to_json());
        let (shown, kept) = (std::fs::read_to_string(&file).unwrap(), written);
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&shown), value(&kept), "{} spells out a default or loses something", file.display());
    }
}

#[test]
fn the_schema_is_up_to_date() {
    let kept =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scenario.schema.json"))
            .unwrap();
    let fresh = format!("{}\n", serde_json::to_string_pretty(&schema()).unwrap());
    assert!(kept == fresh, "regenerate it: cargo run -- schema > docs/scenario.schema.json");
}

/// Small and fixed, so that a failure is the same on every machine.
fn next(seed: &mut u64) -> usize {
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    (*seed >> 16) as usize
}

#[test]
fn damaged_files_never_panic_and_are_told_a_place_inside() {
    let mut seed = 0x5eed;
    let files = scenario_files().into_iter().map(|file| std::fs::read_to_string(file).unwrap());
    for text in files.chain([EVERYTHING.to_owned()]) {
        for _ in 0..500 {
            let mut bytes = text.clone().into_bytes();
            for _ in 0..=next(&mut seed) % 3 {
                if bytes.is_empty() {
                    break;
                }
                let at = next(&mut seed) % bytes.len();
                match next(&mut seed) % 3 {
                    0 => drop(bytes.remove(at)),
                    1 => bytes[at] = (next(&mut seed) % 128) as u8,
                    _ => bytes.truncate(at + 1),
                }
            }
            let damaged = String::from_utf8_lossy(&bytes);
            let Err(error) = Scenario::parse(&damaged, "damaged.json") else { continue };
            let place = error.place.as_ref().expect("a mistake in a text has a place");
            let line =
                damaged.split('\n').nth(place.line - 1).unwrap_or_else(|| panic!("no such line: {error}"));
            assert!((1..=line.chars().count() + 1).contains(&place.column), "{error}");
        }
    }
}
