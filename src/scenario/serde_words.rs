//! Puts serde's messages into the words of the scenario format.
//!
//! serde speaks of structs, sequences and fields, and mixes what is wrong with what was expected. The shapes
//! of its messages are part of its trait `serde::de::Error`; a message of any other shape is passed on as it
//! is.

use serde_path_to_error::Segment as SerdeSegment;

use super::mistake::{Mistake, Target, quote, split_complaint};
use super::suggest;

/// The mistake behind an error of the parser.
pub(super) fn explain(error: &serde_path_to_error::Error<serde_json::Error>) -> Mistake {
    let mut keys: Vec<&SerdeSegment> = error.path().iter().collect();
    let message = without_place(error.inner());
    let mut mistake = if let Some(wrong) = message.strip_prefix("unknown field `") {
        unknown_key(wrong, &mut keys)
    } else if let Some(key) = quoted(&message, "duplicate field `") {
        if !ends_with(&keys, key) {
            return wrap(duplicate(key).under(key), &keys);
        }
        duplicate(key)
    } else if let Some(key) = quoted(&message, "missing field `") {
        if ends_with(&keys, key) {
            keys.pop();
        }
        missing(key)
    } else if let Some(rest) = message.strip_prefix("unknown variant `") {
        let (wrong, known) = split_unknown(rest);
        unknown_word(wrong, &known)
    } else {
        wrong_type(&message).unwrap_or_else(|| {
            let (what, help) = split_complaint(&message);
            let mistake = Mistake::here(what);
            help.map_or(mistake.clone(), |help| mistake.help(help))
        })
    };
    mistake.what = visible(&mistake.what);
    wrap(mistake, &keys)
}

/// The message without the place that serde_json adds: the path gives a better one.
fn without_place(error: &serde_json::Error) -> String {
    let message = error.to_string();
    let place = format!(" at line {} column {}", error.line(), error.column());
    message.strip_suffix(&place).unwrap_or(&message).to_owned()
}

fn wrap(mistake: Mistake, keys: &[&SerdeSegment]) -> Mistake {
    keys.iter().rev().fold(mistake, |mistake, segment| match segment {
        SerdeSegment::Seq { index } => mistake.entry(*index),
        SerdeSegment::Map { key } => mistake.under(key),
        SerdeSegment::Enum { variant } => mistake.under(variant),
        SerdeSegment::Unknown => mistake,
    })
}

fn ends_with(keys: &[&SerdeSegment], wanted: &str) -> bool {
    matches!(keys.last(), Some(SerdeSegment::Map { key }) if key == wanted)
}

fn quoted<'a>(message: &'a str, prefix: &str) -> Option<&'a str> {
    message.strip_prefix(prefix)?.strip_suffix('`')
}

/// Splits "wrong`, expected one of `a`, `b`" into the wrong word and the known ones.
fn split_unknown(rest: &str) -> (&str, Vec<&str>) {
    match rest.rsplit_once("`, expected ") {
        Some((wrong, known)) => (wrong, known.split('`').skip(1).step_by(2).collect()),
        None => (rest.split_once("`, there are no ").map_or(rest, |(wrong, _)| wrong), Vec::new()),
    }
}

fn unknown_key(rest: &str, keys: &mut Vec<&SerdeSegment>) -> Mistake {
    let (wrong, known) = split_unknown(rest);
    if ends_with(keys, wrong) {
        keys.pop();
    }
    let is_step =
        matches!(keys[..], [SerdeSegment::Map { key }, SerdeSegment::Seq { .. }] if key == "timeline");
    let what = if is_step { "there is no such step" } else { "there is no such key here" };
    let mistake = Mistake::at(wrong, what).shown_at(Target::Key);
    match suggest::advice(wrong, known.iter().copied()) {
        Some(advice) => mistake.help(advice),
        None => mistake.help("remove it"),
    }
}

fn unknown_word(wrong: &str, known: &[&str]) -> Mistake {
    let mistake = Mistake::here(format!("{} is not a word that can stand here", quote(wrong)));
    match suggest::advice(wrong, known.iter().copied()) {
        Some(advice) => mistake.help(advice),
        None => mistake,
    }
}

fn duplicate(key: &str) -> Mistake {
    Mistake::here(format!("{} stands here twice", quote(key)))
        .help("remove one of them")
        .shown_at(Target::LastKey)
}

fn missing(key: &str) -> Mistake {
    let example = match key {
        "at" => "\"2s\"",
        "by" | "server" | "via" | "user" | "from" | "created_by" => "\"a\"",
        "to" => "\"b\"",
        "why" => "\"what this scenario shows\"",
        "servers" => "{ \"a\": {}, \"b\": {} }",
        "room" => "{ \"created_by\": \"a\" }",
        "groups" => "[[\"a\"], [\"b\"]]",
        "latency" | "jump" => "\"100ms\"",
        "timeline" => "[]",
        "content" => "{}",
        _ => "…",
    };
    Mistake::here(format!("the key `{key}` is missing")).help(format!("add \"{key}\": {example}"))
}

/// "invalid type: integer `5`, expected a string" and its sisters.
fn wrong_type(message: &str) -> Option<Mistake> {
    let rest = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))?;
    let (found, expected) = rest.rsplit_once(", expected ")?;
    if message.starts_with("invalid length") {
        return Some(
            Mistake::here(format!("a list of {found} stands here"))
                .help(format!("write {}", expected_words(expected))),
        );
    }
    let found = found_words(found);
    Some(
        Mistake::here(format!("{found} cannot stand here"))
            .help(format!("write {}", expected_words(expected))),
    )
}

fn found_words(found: &str) -> String {
    match found {
        "map" => return "an object".to_owned(),
        "sequence" => return "a list".to_owned(),
        "null" => return "null".to_owned(),
        _ => {}
    }
    if let Some(number) = quoted(found, "integer `").or_else(|| quoted(found, "floating point `")) {
        return format!("the number {number}");
    }
    if let Some(boolean) = quoted(found, "boolean `") {
        return boolean.to_owned();
    }
    match found.strip_prefix("string \"").and_then(|text| text.strip_suffix('"')) {
        Some(text) => format!("the text {}", quote(&text.replace('\\', ""))),
        None => found.to_owned(),
    }
}

fn expected_words(expected: &str) -> &str {
    match expected {
        "u8" | "u16" | "u32" => "a whole number, 0 or more",
        "u64" | "usize" => "a whole number, 0 or more",
        "i64" | "i32" => "a whole number",
        "an array of length 2" => "a list of 2",
        "a boolean" => "true or false",
        "a sequence" => "a list",
        "a map" => "an object",
        "string or map" => "a word or an object",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}

/// Text of a scenario must not reach a terminal as commands.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
