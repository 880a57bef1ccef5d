//! The HTML page of a run: one file that needs nothing else, in which no text of a journal becomes markup.
//! What it shows in a browser is tested in `tests/browser`.

use std::{fs, io::BufReader, path::Path, process::Command};

use backfire::{
    campaign::play::play,
    journal::{Journal, Record, Source, What},
    report::html,
    scenario::Scenario,
    simulation::Fabric,
};
use serde_json::{Value, json, value::RawValue};

const REPLAY: &str = "backfire run scenario.json --seed 0";

fn play_file(path: &str) -> Journal {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    play_scenario(&Scenario::read(&path).unwrap())
}

fn play_scenario(scenario: &Scenario) -> Journal {
    play(scenario, 0, Fabric::default()).unwrap().journal
}

fn journal(records: &[Value]) -> Journal {
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    Journal::read(BufReader::new(lines.as_bytes())).unwrap()
}

/// The data that is embedded in a page, as a browser finds it.
fn data(page: &str) -> Value {
    let (_, rest) = page.split_once(r#"<script type="application/json" id="journal">"#).unwrap();
    let (json, _) = rest.split_once("</script>").unwrap();
    serde_json::from_str(json).unwrap()
}

fn run_record(definition: &Value) -> Value {
    json!({
        "t": -1000, "what": "run", "version": 1, "scenario": "hand-made", "seed": u64::MAX, "fabric": "turmoil",
        "servers": [["a", "a"]], "room_version": 11, "definition": definition
    })
}

#[test]
fn a_page_loads_nothing() {
    let page = html::page(&play_file("scenarios/partition-heal.json"), REPLAY);
    let (_, head) = page.split_once("http-equiv=\"Content-Security-Policy\"").unwrap();
    assert!(head.trim_start().starts_with("content=\"default-src 'none';"));
    for loading in
        ["src=", "href=", "url(http", "@import", "import(", "fetch(", "XMLHttpRequest", "WebSocket"]
    {
        assert!(!page.contains(loading), "{loading}");
    }
    // The namespace of SVG is a name and is never loaded.
    let addresses = page.replace("http://www.w3.org/2000/svg", "");
    assert!(!addresses.contains("http://") && !addresses.contains("https://"));
}

#[test]
fn the_same_run_gives_the_same_page() {
    let [one, other] = [(); 2].map(|()| html::page(&play_file("scenarios/three-way-split.json"), REPLAY));
    assert!(one == other);
}

#[test]
fn a_page_of_five_hundred_events_stays_below_two_mebibytes() {
    let scenario = json!({
        "why": "A page has to stay small enough to be attached to a CI job.",
        "servers": { "a": {}, "b": {}, "c": {}, "d": {}, "e": {} },
        "room": { "created_by": "a" },
        "timeline": [
            { "at": "0ms", "message": { "by": "a", "count": 150, "every": "100ms" } },
            { "at": "1ms", "message": { "by": "b", "count": 150, "every": "101ms" } },
            { "at": "2s", "partition": { "groups": [["a", "b"], ["c", "d", "e"]], "for": "8s" } },
            { "at": "2001ms", "message": { "by": "d", "count": 200, "every": "90ms" } }
        ],
        "expect": { "verdict": "holds" }
    });
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("five-hundred.json");
    fs::write(&file, scenario.to_string()).unwrap();
    let journal = play_scenario(&Scenario::read(&file).unwrap());
    let page = html::page(&journal, REPLAY);
    let events =
        data(&page)["records"].as_array().unwrap().iter().filter(|record| record["pdu"].is_object()).count();
    assert!(events >= 500, "{events} events");
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
}

#[test]
fn no_text_of_a_journal_becomes_markup() {
    let evil = "</script><script>alert(1)</script><!--<img src=x onerror=alert(1)>{{script}}";
    let pdu = json!({
        "type": evil, "sender": evil, "content": { "body": evil, evil: evil }, "depth": 1,
        "prev_events": [format!("${evil}")], "auth_events": [], "room_id": evil, "origin_server_ts": 0
    });
    let mut journal = journal(&[
        run_record(&json!({ "why": evil })),
        json!({ "t": 0, "server": "a", "what": "judged", "event": "$one", "verdict": "rejected", "reason": evil }),
        json!({ "t": 1, "what": "verdict", "verdict": "violated",
                "violations": [{ "invariant": evil, "server": "a", "message": evil }] }),
    ]);
    let received = What::Received {
        event: "$one".try_into().unwrap(),
        from: Source::User,
        pdu: Some(RawValue::from_string(pdu.to_string()).unwrap()),
    };
    journal.records.insert(1, Record { t: 0, server: Some("a".to_owned()), because: None, what: received });
    let page = html::page(&journal, evil);
    assert_eq!(page.matches("</script>").count(), 2, "the data's own end and the program's");
    assert!(!page.contains("<img"));
    let data = data(&page);
    assert_eq!(data["replay"], evil);
    assert_eq!(data["records"][0]["definition"]["why"], evil);
    assert_eq!(data["records"][1]["pdu"]["content"]["body"], evil);
}

#[test]
fn numbers_and_ids_arrive_as_they_were() {
    let id = "$SauTbqhCYTzoY-3ensXzgKPYGMKy6atb7MJ4Ex1Uc88";
    let journal = journal(&[
        run_record(&Value::Null),
        json!({ "t": 0, "server": "a", "what": "gap_opened", "missing": id, "wanted_by": "$7" }),
        json!({ "t": 0, "server": "a", "what": "gap_opened", "missing": id, "wanted_by": "$0" }),
    ]);
    let data = data(&html::page(&journal, REPLAY));
    assert_eq!(data["records"][0]["seed"], u64::MAX.to_string());
    assert_eq!(data["ids"], json!([id, "$7", "$0"]));
    assert_eq!(data["records"][1]["missing"], "$0");
    assert_eq!(data["records"][2]["wanted_by"], "$2");
}

/// What heals two servers leaves the third cut off, and the end of one fault of a link leaves the others of
/// that link.
#[test]
fn a_page_shows_each_fault_on_each_server_for_as_long_as_it_holds_there() {
    let journal = play_file("scenarios/faults-overlap.json");
    let data = data(&html::page(&journal, REPLAY));
    let t = |record: &Value| data["records"][usize::try_from(record.as_u64().unwrap()).unwrap()]["t"].clone();
    let faults = data["faults"].as_array().unwrap().iter().map(|fault| {
        let servers = fault["servers"].as_array().unwrap().iter();
        let servers: Vec<Value> = servers.map(|pair| json!([pair[0], t(&pair[1])])).collect();
        json!([fault["kind"], t(&fault["first"]), t(&fault["last"]), servers])
    });
    let told = [
        json!(["break", 1000, 9000, [["a", 8000], ["b", 9000], ["c", 9000]]]),
        json!(["slow", 2000, 3000, [["a", 3000], ["b", 3000]]]),
        json!(["break", 2000, 3000, [["a", 3000], ["b", 3000]]]),
        json!(["break", 2000, 3000, [["a", 3000], ["b", 3000]]]),
    ];
    assert_eq!(faults.collect::<Vec<_>>(), told);
}

#[test]
fn steps_say_of_which_family_they_are_and_those_of_a_later_format_are_shown_as_they_are() {
    let step = |step: usize, action: &str, settings: Value| {
        let detail = json!({ "at": "0ms", action: settings });
        json!({ "t": 0, "what": "step", "step": step, "action": action, "detail": detail })
    };
    let journal = journal(&[
        run_record(&Value::Null),
        step(0, "cut", json!({ "from": "a", "to": "b" })),
        step(1, "heal", json!({})),
        step(2, "solar_storm", json!({ "from": "a", "to": "b", "strength": 7 })),
        json!({ "t": 5, "what": "step_ends", "step": 2, "action": "solar_storm" }),
    ]);
    let data = data(&html::page(&journal, REPLAY));
    let shown = |place: usize, field: &str| data["records"][place][field].clone();
    let told = [1, 2, 3].map(|place| [shown(place, "family"), shown(place, "words")]);
    let solar_storm = "solar storm a → b strength 7";
    assert_eq!(json!(told), json!([["fault", "cut a → b"], ["heal", "heal"], [null, solar_storm]]));
    let storm = json!({ "kind": "break", "first": 3, "last": 4, "servers": [["a", 4]] });
    assert_eq!(data["faults"][1], storm);
}

#[test]
fn the_command_writes_the_page_of_one_scenario() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_backfire"));
        command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("run").args(arguments).output().unwrap()
    };
    let file = format!("{}/page.html", env!("CARGO_TARGET_TMPDIR"));
    let scenario = "scenarios/peers/og-1-gap-filling.json";
    assert_eq!(run(&[scenario, "--seed", "7", "--report", &file]).status.code(), Some(0));
    let page = fs::read_to_string(&file).unwrap();
    assert_eq!(data(&page)["replay"], format!("backfire run {scenario} --seed 7"));

    let refused = run(&[scenario, scenario, "--report", &file]);
    assert_eq!(refused.status.code(), Some(2));
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("--report takes one scenario, and 2 are given"), "{message}");

    let nowhere = run(&[scenario, "--report", "no/such/folder/page.html"]);
    assert_eq!(nowhere.status.code(), Some(2));
    let message = String::from_utf8(nowhere.stderr).unwrap();
    assert!(message.contains("no/such/folder/page.html: "), "{message}");
}
