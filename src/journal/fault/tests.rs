//! When faults are over, by hand-made journals.

use serde_json::{Value, json};

use super::*;
use crate::journal::exchange::exchanges;

fn step(t: i64, step: usize, action: &str, settings: Value) -> Value {
    let detail = json!({ "at": format!("{t}ms"), action: settings });
    json!({ "t": t, "what": "step", "step": step, "action": action, "detail": detail })
}

fn ends(t: i64, step: usize) -> Value {
    json!({ "t": t, "what": "step_ends", "step": step, "action": "" })
}

/// a asks b by `/event` for an event, and the question arrives.
fn asks(t: i64, id: u64, event: &str) -> [Value; 2] {
    let request = json!({
        "t": t, "server": "a", "what": "request", "id": id, "to": "b", "endpoint": "event", "line": "",
        "cause": "", "events": [event], "bytes": 0
    });
    [request, json!({ "t": t + 1, "server": "b", "what": "arrived", "id": id })]
}

fn disturbed(t: i64, id: u64, server: &str) -> Value {
    json!({ "t": t, "server": server, "what": "disturbed", "id": id, "how": "lose" })
}

/// The faults of these records on three servers: when each was over on what.
#[track_caller]
fn check(records: impl IntoIterator<Item = Value>, told: &[&str]) {
    let run = json!({
        "t": -1, "what": "run", "version": 1, "scenario": "", "seed": 0, "fabric": "", "room_version": 11,
        "servers": [["a", "a"], ["b", "b"], ["c", "c"]], "definition": {}
    });
    let lines: String = [run].into_iter().chain(records).map(|record| format!("{record}\n")).collect();
    let journal = Journal::read(lines.as_bytes()).unwrap();
    let faults = faults(&journal, &exchanges(&journal));
    let found: Vec<String> = faults.iter().map(spell_out).collect();
    assert_eq!(found, told);
}

fn spell_out(fault: &Fault<'_>) -> String {
    let step = fault.step.map_or("?".to_owned(), |cause| cause.step.to_string());
    let hits = fault.hits.iter().map(|hit| {
        let target = match hit.target {
            Target::Link(from, to) => format!("{from}{to}"),
            Target::Server(server) => server.to_owned(),
            Target::Unknown => "?".to_owned(),
        };
        format!(" {target}-{}", hit.until.map_or("end".to_owned(), |until| until.t.to_string()))
    });
    format!("{step} {:?} {}:{}", fault.kind, fault.since.t, hits.collect::<String>())
}

#[test]
fn the_end_of_one_fault_leaves_the_others() {
    let between = json!({ "from": "a", "to": "b" });
    let slow = json!({ "from": "a", "to": "b", "latency": "1s" });
    let records = [
        step(1, 0, "cut", between.clone()),
        step(2, 1, "latency", slow),
        step(3, 2, "silence", json!({ "from": "a", "to": "b", "both": true })),
        ends(4, 1),
        ends(5, 2),
        step(6, 3, "heal", json!({})),
    ];
    check(records, &["0 Breaks 1: ab-6", "1 Slows 2: ab-4", "2 Breaks 3: ab-5 ba-5"]);
}

#[test]
fn healing_two_servers_leaves_the_third_and_the_last_heal_leaves_what_is_slow() {
    let records = [
        step(1, 0, "partition", json!({ "groups": [["a"], ["b", "c"]] })),
        step(2, 1, "latency", json!({ "from": "a", "to": "b", "latency": "1s" })),
        step(3, 2, "heal", json!({ "between": ["a", "b"] })),
        step(4, 3, "disturb", json!({ "from": "a", "to": "b", "how": "lose" })),
        json!({ "t": 5, "what": "healed" }),
    ];
    let told = ["0 Breaks 1: ab-3 ac-5 ba-3 ca-5", "1 Slows 2: ab-end", "3 Disturbs 4: ba-5"];
    check(records, &told);
}

#[test]
fn a_server_is_down_from_its_crash_to_its_restart() {
    let records = [
        step(1, 0, "crash", json!({ "server": "a", "after_writes": 3 })),
        json!({ "t": 4, "server": "a", "what": "crashed", "because": { "step": 0 } }),
        json!({ "t": 5, "server": "b", "what": "crashed" }),
        step(6, 1, "restart", json!({ "server": "a" })),
        json!({ "t": 7, "server": "a", "what": "started" }),
        step(8, 2, "clock", json!({ "server": "a", "jump": "1s" })),
    ];
    check(records, &["0 Stops 4: a-6", "? Stops 5: b-end"]);
}

#[test]
fn a_message_is_disturbed_once_by_each_that_fits_it() {
    let lose = |times: u32, side: &str| json!({ "from": "a", "to": "b", "how": "lose", "times": times, "side": side });
    let mut records = vec![
        step(0, 0, "disturb", lose(2, "request")),
        step(0, 1, "disturb", lose(1, "request")),
        step(0, 2, "disturb", lose(1, "answer")),
    ];
    records.extend(asks(10, 1, "$1"));
    records.extend([disturbed(10, 1, "a"), disturbed(11, 1, "a"), disturbed(12, 1, "b")]);
    records.extend(asks(20, 2, "$1"));
    records.push(disturbed(20, 2, "a"));
    check(records, &["0 Disturbs 0: ab-20", "1 Disturbs 0: ab-11", "2 Disturbs 0: ba-12"]);
}

#[test]
fn the_latest_told_answer_counts_until_it_is_used_up() {
    let answer = |rest: Value| {
        let mut answer = json!({ "server": "b", "endpoint": "event" });
        answer.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        answer
    };
    let once = |mut rest: Value| {
        rest["times"] = 1.into();
        answer(rest)
    };
    let mut records = vec![
        step(0, 0, "answer", answer(json!({ "status": 404 }))),
        json!({ "t": 0, "what": "labelled", "label": "m", "event": "$1" }),
        step(1, 1, "answer", once(json!({ "status": 500, "about": "m", "skip": 1 }))),
        step(2, 2, "answer", once(json!({ "status": 500, "to": "c" }))),
    ];
    records.extend([asks(10, 1, "$2"), asks(20, 2, "$1"), asks(30, 3, "$1")].concat());
    records.push(step(40, 3, "answer", answer(json!({ "status": 403 }))));
    check(records, &["0 Lies 0: b-40", "1 Lies 1: b-31", "2 Lies 2: b-end", "3 Lies 40: b-end"]);

    // The journal doesn't say which these are, so it can't be told when they were asked for.
    let tips = [step(0, 0, "answer", once(json!({ "status": 500, "about": "tips" })))];
    check(tips.into_iter().chain(asks(10, 1, "$1")), &["0 Lies 0: b-end"]);
}

#[test]
fn a_liar_lies_as_many_times_as_it_is_told_to() {
    let lies = json!({ "server": "b", "tell": ["twice"], "times": 2 });
    let mut records = vec![step(0, 0, "lie", lies)];
    for (t, id) in [(10, 1), (20, 2)] {
        records.extend(asks(t, id, "$1"));
        let lies = if id == 1 { ["twice"] } else { ["reversed"] };
        records.push(json!({ "t": t, "server": "b", "what": "lied", "id": id, "lies": lies }));
    }
    check(records.clone(), &["0 Lies 0: b-end"]);
    records.push(json!({ "t": 30, "server": "b", "what": "lied", "id": 2, "lies": ["twice"] }));
    check(records, &["0 Lies 0: b-30"]);
}

#[test]
fn a_step_of_a_later_format_is_a_fault_if_it_ends() {
    let storm = json!({ "from": "a", "to": "b" });
    let records = [
        step(1, 0, "storm", storm.clone()),
        step(2, 1, "storm", storm),
        ends(3, 1),
        step(4, 2, "sun", json!(7)),
    ];
    check(records, &["1 Unknown 2: ?-3"]);
}
