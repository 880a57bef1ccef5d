//! Ways of making the JSON of a scenario smaller. Each gives a new document, which may be no scenario any
//! more: then it is passed over.

use std::{collections::BTreeSet, time::Duration};

use serde::Deserialize;
use serde_json::Value;

use crate::scenario::{Action, FaultAction, HealAction, SimDuration, Step};

/// One step of the way to a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Key {
    Name(String),
    Index(usize),
}

/// Keys at the top that say what is judged and how the scenario is played; the rest is what happens in it.
const KEPT: [&str; 6] = ["$schema", "why", "seed", "settle", "heal_at_end", "expect"];

fn timeline(document: &Value) -> &[Value] {
    document["timeline"].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn steps(document: &Value) -> usize {
    timeline(document).len()
}

pub(super) fn servers(document: &Value) -> Vec<String> {
    document["servers"].as_object().map(|servers| servers.keys().cloned().collect()).unwrap_or_default()
}

fn with_timeline(document: &Value, timeline: Vec<Value>) -> Value {
    let mut document = document.clone();
    document["timeline"] = Value::Array(timeline);
    document
}

// --- Steps.

/// Without so many steps from one on, nor those that make no sense without them.
pub(super) fn without_steps(document: &Value, from: usize, count: usize) -> Value {
    let kept = timeline(document).iter().enumerate();
    let kept = kept.filter(|(nth, _)| !(from..from + count).contains(nth)).map(|(_, step)| step.clone());
    repaired(document, kept.collect())
}

/// Without steps that speak of labels that no step gives, and restarts of servers that run.
fn repaired(document: &Value, mut kept: Vec<Value>) -> Value {
    let labels = |steps: &[Value]| -> BTreeSet<String> {
        steps.iter().filter_map(|step| step["as"].as_str().map(str::to_owned)).collect()
    };
    let mut lost: BTreeSet<String> = labels(timeline(document)).difference(&labels(&kept)).cloned().collect();
    loop {
        let before = kept.len();
        kept.retain(|step| {
            let speaks = lost.iter().any(|label| mentions(step, label));
            if speaks {
                lost.extend(step["as"].as_str().map(str::to_owned));
            }
            !speaks
        });
        if kept.len() == before {
            break;
        }
    }
    let mut down = BTreeSet::new();
    kept.retain(|step| match Step::deserialize(step).map(|step| step.action) {
        Ok(Action::Fault(FaultAction::Crash(crash))) => down.insert(crash.server),
        Ok(Action::Heal(HealAction::Restart(restart))) => down.remove(&restart.server),
        _ => true,
    });
    with_timeline(document, kept)
}

/// Whether a word stands somewhere in a value.
fn mentions(value: &Value, word: &str) -> bool {
    match value {
        Value::String(text) => text == word,
        Value::Array(entries) => entries.iter().any(|entry| mentions(entry, word)),
        Value::Object(entries) => entries.values().any(|entry| mentions(entry, word)),
        _ => false,
    }
}

// --- Servers.

/// Without a server and what is said of it: it leaves lists, and takes with it what speaks of it alone.
pub(super) fn without_server(document: &Value, name: &str) -> Value {
    let mut smaller = document.clone();
    let is_link = |key: &str| {
        let mut ends = key.split("->").flat_map(|end| end.split('-'));
        ends.any(|end| end == name)
    };
    for (list, gone) in
        [("servers", &(|key: &str| key == name) as &dyn Fn(&str) -> bool), ("links", &is_link)]
    {
        // To look for what is not there with `[]` would put a null in its place.
        if let Some(entries) = smaller.get_mut(list).and_then(Value::as_object_mut) {
            entries.retain(|key, _| !gone(key));
        }
    }
    let first = servers(&smaller).first().cloned().unwrap_or_default();
    if let Some(room) = smaller.get_mut("room") {
        if is_of(room["created_by"].as_str().unwrap_or_default(), name) {
            room["created_by"] = first.into();
        }
        leave(room, name);
    }
    if let Some(expect) = smaller.get_mut("expect") {
        leave(expect, name);
    }
    let mut kept = Vec::new();
    for step in timeline(document) {
        let mut step = step.clone();
        if leave(&mut step, name) {
            kept.push(step);
        }
    }
    smaller["timeline"] = repaired(document, kept)["timeline"].take();
    smaller
}

/// Whether a name of a server or of a user is of this server.
fn is_of(word: &str, server: &str) -> bool {
    word == server || word.starts_with('@') && word.split_once(':').is_some_and(|(_, host)| host == server)
}

/// Takes a server out of all lists and maps in a value. Whether what is left speaks of others only.
fn leave(value: &mut Value, server: &str) -> bool {
    match value {
        Value::String(text) => !is_of(text, server),
        Value::Array(entries) => {
            let before = entries.len();
            entries.retain_mut(|entry| leave(entry, server));
            before == 0 || !entries.is_empty()
        }
        Value::Object(entries) => {
            entries.retain(|key, _| !is_of(key, server));
            entries.values_mut().all(|entry| leave(entry, server))
        }
        _ => true,
    }
}

// --- Values.

/// The ways to all values that may become smaller, outer ones before what is in them.
pub(super) fn paths(document: &Value) -> Vec<Vec<Key>> {
    let mut paths = Vec::new();
    for (key, value) in document.as_object().into_iter().flatten() {
        if !KEPT.contains(&key.as_str()) {
            collect(value, &mut vec![Key::Name(key.clone())], &mut paths);
        }
    }
    paths
}

fn collect(value: &Value, path: &mut Vec<Key>, paths: &mut Vec<Vec<Key>>) {
    paths.push(path.clone());
    let mut inner = |key: Key, value: &Value| {
        path.push(key);
        collect(value, path, paths);
        path.pop();
    };
    match value {
        // From the end, so that what was taken away does not move what is still to come.
        Value::Array(entries) => {
            entries.iter().enumerate().rev().for_each(|(index, entry)| inner(Key::Index(index), entry));
        }
        Value::Object(entries) => {
            entries.iter().for_each(|(key, entry)| inner(Key::Name(key.clone()), entry));
        }
        _ => {}
    }
}

fn at<'a>(document: &'a mut Value, path: &[Key]) -> Option<&'a mut Value> {
    path.iter().try_fold(document, |value, key| match key {
        Key::Name(name) => value.get_mut(name),
        Key::Index(index) => value.get_mut(index),
    })
}

/// Without the value at a path.
pub(super) fn without(document: &Value, path: &[Key]) -> Option<Value> {
    let (last, outer) = path.split_last()?;
    let mut smaller = document.clone();
    match (at(&mut smaller, outer)?, last) {
        (Value::Object(entries), Key::Name(name)) => drop(entries.remove(name)?),
        (Value::Array(entries), Key::Index(index)) if *index < entries.len() => drop(entries.remove(*index)),
        _ => return None,
    }
    Some(smaller)
}

/// With a smaller value at a path: the smallest first.
pub(super) fn smaller(document: &Value, path: &[Key]) -> Vec<Value> {
    let mut document = document.clone();
    let Some(place) = at(&mut document, path) else { return Vec::new() };
    // The times of steps move together, see `earlier`.
    let is_time =
        matches!(path, [Key::Name(list), Key::Index(_), Key::Name(key)] if list == "timeline" && key == "at");
    let values = if is_time { Vec::new() } else { smaller_values(place) };
    let candidate = |value: Value| {
        let mut candidate = document.clone();
        *at(&mut candidate, path)? = value;
        Some(candidate)
    };
    values.into_iter().filter_map(candidate).collect()
}

fn smaller_values(value: &Value) -> Vec<Value> {
    match value {
        Value::Number(number) => {
            let steps = |number: u64| [0, 1, number / 2, number.saturating_sub(1)];
            let number = number.as_u64().unwrap_or(0);
            let smaller = steps(number).into_iter().filter(|other| *other < number);
            smaller.collect::<BTreeSet<_>>().into_iter().map(Value::from).collect()
        }
        Value::String(text) => {
            let Some(ms) = milliseconds(text) else { return Vec::new() };
            let rounded = if ms > 1_000 { ms / 1_000 * 1_000 } else { ms / 100 * 100 };
            let smaller = [0, 10, ms / 4, ms / 2, rounded].into_iter().filter(|other| *other < ms);
            let smaller: BTreeSet<u64> = smaller.collect();
            smaller.into_iter().map(|ms| SimDuration::from_millis(ms).to_string().into()).collect()
        }
        Value::Bool(true) => vec![Value::Bool(false)],
        _ => Vec::new(),
    }
}

/// The length of a duration; nothing for other texts.
fn milliseconds(text: &str) -> Option<u64> {
    let duration: Duration = humantime::parse_duration(text).ok()?;
    u64::try_from(duration.as_millis()).ok()
}

// --- Times.

fn time(step: &Value) -> u64 {
    step["at"].as_str().and_then(milliseconds).unwrap_or(0)
}

/// With a part of the pause before a step taken away: this step and all after it come earlier.
pub(super) fn earlier(document: &Value, step: usize, part: u64) -> Option<Value> {
    let steps = timeline(document);
    let before = step.checked_sub(1).map_or(0, |before| time(&steps[before]));
    let pause = time(steps.get(step)?).saturating_sub(before) / part;
    if pause == 0 {
        return None;
    }
    Some(moved(document, |nth, ms| if nth >= step { ms - pause } else { ms }))
}

/// With all times rounded down to a multiple of `grain` milliseconds.
pub(super) fn rounded(document: &Value, grain: u64) -> Value {
    moved(document, |_, ms| ms / grain * grain)
}

fn moved(document: &Value, to: impl Fn(usize, u64) -> u64) -> Value {
    let mut steps = timeline(document).to_vec();
    for (nth, step) in steps.iter_mut().enumerate() {
        step["at"] = SimDuration::from_millis(to(nth, time(step))).to_string().into();
    }
    with_timeline(document, steps)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn document() -> Value {
        json!({
            "why": "w",
            "servers": { "a": {}, "b": {}, "c": {} },
            "links": { "a->b": { "latency": "20ms" }, "c-b": {}, "default": {} },
            "room": { "created_by": "a", "members": ["a", "@x:c"] },
            "timeline": [
                { "at": "1s", "message": { "by": "a" }, "as": "first" },
                { "at": "2s", "redact": { "by": "b", "event": "first" }, "as": "second" },
                { "at": "3s", "partition": { "groups": [["a"], ["b", "c"]] } },
                { "at": "4s", "crash": { "server": "b" } },
                { "at": "5s", "restart": { "server": "b" } },
                { "at": "6s", "craft": { "by": "c", "prev": ["second"] } },
            ],
            "expect": { "differ": ["c"] }
        })
    }

    fn actions(document: &Value) -> Vec<String> {
        let key = |step: &Value| {
            let mut keys = step.as_object().unwrap().keys();
            keys.find(|key| !matches!(key.as_str(), "at" | "as" | "note")).unwrap().clone()
        };
        timeline(document).iter().map(key).collect()
    }

    #[test]
    fn steps_take_those_with_them_that_need_them() {
        assert_eq!(actions(&without_steps(&document(), 0, 1)), ["partition", "crash", "restart"]);
        assert_eq!(actions(&without_steps(&document(), 3, 1)), ["message", "redact", "partition", "craft"]);
        assert_eq!(
            actions(&without_steps(&document(), 4, 1)),
            ["message", "redact", "partition", "crash", "craft"]
        );
    }

    #[test]
    fn servers_take_with_them_what_is_about_them() {
        let smaller = without_server(&document(), "c");
        assert_eq!(servers(&smaller), ["a", "b"]);
        assert_eq!(smaller["links"], json!({ "a->b": { "latency": "20ms" }, "default": {} }));
        assert_eq!(smaller["room"]["members"], json!(["a"]));
        assert_eq!(smaller["expect"]["differ"], json!([]));
        assert_eq!(actions(&smaller), ["message", "redact", "partition", "crash", "restart"]);
        assert_eq!(smaller["timeline"][2]["partition"]["groups"], json!([["a"], ["b"]]));
        let mut bare = document();
        for key in ["links", "room", "expect"] {
            bare.as_object_mut().unwrap().remove(key);
        }
        let keys = |document: &Value| document.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(keys(&without_server(&bare, "c")), keys(&bare));
        let smaller = without_server(&document(), "a");
        assert_eq!(smaller["room"]["created_by"], "b");
        assert_eq!(actions(&smaller), ["partition", "crash", "restart"]);
    }

    #[test]
    fn pauses_shrink_and_order_stays() {
        let times = |document: &Value| timeline(document).iter().map(time).collect::<Vec<_>>();
        assert_eq!(times(&earlier(&document(), 2, 1).unwrap()), [1000, 2000, 2000, 3000, 4000, 5000]);
        assert_eq!(times(&earlier(&document(), 0, 2).unwrap()), [500, 1500, 2500, 3500, 4500, 5500]);
        assert_eq!(times(&rounded(&document(), 4_000)), [0, 0, 0, 4000, 4000, 4000]);
    }

    #[test]
    fn values_become_smaller() {
        assert_eq!(smaller_values(&json!(7)), [json!(0), json!(1), json!(3), json!(6)]);
        assert_eq!(
            smaller_values(&json!("1500ms")),
            ["0ms", "10ms", "375ms", "750ms", "1s"].map(Value::from)
        );
        assert!(smaller_values(&json!("a")).is_empty() && smaller_values(&json!(0)).is_empty());
    }
}
