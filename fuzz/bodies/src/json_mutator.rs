//! Changes JSON and leaves it JSON: a fuzzer that flips bytes spends its life in the parser.
//!
//! For targets that read text. Each change is one of those that servers and people really make: a value of
//! another type, a key that is missing or there twice, a number at its limit, a piece copied from elsewhere.

use rand::{Rng, RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};

/// Changes one value of the JSON in `text`; of several lines, in one of them. Nothing where there is none.
pub fn mutate(text: &[u8], seed: u32) -> Option<Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed.into());
    if let Ok(mut value) = serde_json::from_slice::<Value>(text) {
        change(&mut value, &mut random);
        return serde_json::to_vec(&value).ok();
    }
    let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    let place = random.random_range(0..lines.len());
    if random.random_ratio(1, 8) {
        // A line that is lost, or comes again somewhere else.
        let line = lines.remove(place);
        if random.random() {
            lines.insert(random.random_range(0..=lines.len()), line);
            lines.insert(place.min(lines.len()), line);
        }
        return Some(lines.join(&b'\n'));
    }
    // What comes before the JSON, such as the head of a request, stays.
    let start = lines[place].iter().position(|byte| *byte == b'{')?;
    let (head, json) = lines[place].split_at(start);
    let mut value: Value = serde_json::from_slice(json).ok()?;
    change(&mut value, &mut random);
    let line = [head, &serde_json::to_vec(&value).ok()?].concat();
    lines[place] = &line;
    Some(lines.join(&b'\n'))
}

fn change(value: &mut Value, random: &mut ChaCha8Rng) {
    let mut paths = Vec::new();
    list_paths(value, &mut String::new(), &mut paths);
    let path = &paths[random.random_range(0..paths.len())];
    let other = &paths[random.random_range(0..paths.len())];
    let copy = value.pointer(other).cloned().unwrap_or_default();
    let Some(target) = value.pointer_mut(path) else { return };
    match random.random_range(0..8) {
        0 | 1 => *target = nasty(random),
        2 => *target = copy,
        3 => remove_one(target, random),
        4 => match target {
            Value::Array(list) => list.push(copy),
            Value::Object(object) => {
                object.insert(KEYS[random.random_range(0..KEYS.len())].to_owned(), copy);
            }
            other => *other = json!([other.take()]),
        },
        _ => nudge(target, random),
    }
}

/// JSON pointers to all values, the root first.
fn list_paths(value: &Value, path: &mut String, paths: &mut Vec<String>) {
    paths.push(path.clone());
    let mut into = |key: &str, child: &Value| {
        let length = path.len();
        path.push('/');
        path.push_str(&key.replace('~', "~0").replace('/', "~1"));
        list_paths(child, path, paths);
        path.truncate(length);
    };
    match value {
        Value::Array(list) => list.iter().enumerate().for_each(|(at, child)| into(&at.to_string(), child)),
        Value::Object(object) => object.iter().for_each(|(key, child)| into(key, child)),
        _ => {}
    }
}

fn remove_one(target: &mut Value, random: &mut ChaCha8Rng) {
    match target {
        Value::Array(list) if !list.is_empty() => drop(list.remove(random.random_range(0..list.len()))),
        Value::Object(object) if !object.is_empty() => {
            let key = object.keys().nth(random.random_range(0..object.len())).cloned();
            object.remove(&key.unwrap_or_default());
        }
        other => *other = Value::Null,
    }
}

/// A small change of the same type.
fn nudge(target: &mut Value, random: &mut ChaCha8Rng) {
    match target {
        Value::Null => *target = json!(false),
        Value::Bool(value) => *value = !*value,
        Value::Number(number) => {
            let by = [1, -1, 10, -10, 1_000][random.random_range(0..5)];
            *target = json!(number.as_i64().unwrap_or(0).saturating_add(by));
        }
        Value::String(text) => {
            let cut =
                text.char_indices().map(|(at, _)| at).nth(random.random_range(0..=text.chars().count()));
            let cut = cut.unwrap_or(text.len());
            match random.next_u32() % 3 {
                0 => text.truncate(cut),
                1 => text.insert(cut, char::from(random.random_range(0..128_u8))),
                _ => text.push_str(STRINGS[random.random_range(0..STRINGS.len())]),
            }
        }
        Value::Array(list) => list.reverse(),
        Value::Object(object) => {
            let values: Vec<Value> = object.values().rev().cloned().collect();
            object.values_mut().zip(values).for_each(|(value, other)| *value = other);
        }
    }
}

fn nasty(random: &mut ChaCha8Rng) -> Value {
    match random.random_range(0..8) {
        0 => Value::Null,
        1 => json!(random.random::<bool>()),
        2 => json!([]),
        3 => json!({}),
        4 | 5 => json!(INTEGERS[random.random_range(0..INTEGERS.len())]),
        6 => json!([0.5, -0.0, 1e20][random.random_range(0..3)]),
        _ => json!(STRINGS[random.random_range(0..STRINGS.len())]),
    }
}

const KEYS: [&str; 16] = [
    "pdus",
    "room_id",
    "event_id",
    "limit",
    "min_depth",
    "latest_events",
    "earliest_events",
    "content",
    "depth",
    "prev_events",
    "auth_events",
    "signatures",
    "hashes",
    "unsigned",
    "at",
    "for",
];
const INTEGERS: [i64; 13] = [
    0,
    1,
    -1,
    10,
    20,
    21,
    50,
    51,
    100,
    9_007_199_254_740_991,
    9_007_199_254_740_992,
    -9_007_199_254_740_992,
    i64::MIN,
];
const STRINGS: [&str; 12] = [
    "",
    "a",
    "b",
    "0s",
    "1s",
    "m.room.member",
    "$:",
    "!:",
    "@u:b",
    "\u{0}",
    "\u{10ffff}\u{202e}",
    "%2F..%00",
];
