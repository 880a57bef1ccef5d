//! A run as one HTML page that needs nothing else: no network, no other file. It is what a red CI job
//! attaches.
//!
//! Everything on the page comes from the journal that is embedded in it; the scripts replay it and know
//! nothing of how servers work inside. Texts of peers and scenarios never become markup: the data is inert
//! JSON, the scripts write it as text, and the page's own policy lets no other script run and nothing be
//! loaded.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{Run, step::step_line};
use crate::{
    journal::{
        Journal, Record, What,
        exchange::exchanges,
        fault::{Fault, Kind, Target, faults},
    },
    matrix::keys::encode,
};

const PAGE: &str = include_str!("page.html");
const STYLE: &str = include_str!("style.css");
/// In the order in which they need each other.
const SCRIPTS: [&str; 16] = [
    include_str!("dom.js"),
    include_str!("ruler.js"),
    include_str!("words.js"),
    include_str!("journal.js"),
    include_str!("world.js"),
    include_str!("faults.js"),
    include_str!("rows.js"),
    include_str!("layout.js"),
    include_str!("window.js"),
    include_str!("verdict.js"),
    include_str!("filters.js"),
    include_str!("sequence.js"),
    include_str!("graph.js"),
    include_str!("details.js"),
    include_str!("charts.js"),
    include_str!("page.js"),
];

/// What the page shows of an event; the rest, such as hashes and signatures, stays in the journal.
const SHOWN_OF_EVENTS: [&str; 10] = [
    "type",
    "sender",
    "state_key",
    "content",
    "depth",
    "prev_events",
    "auth_events",
    "room_id",
    "origin_server_ts",
    "redacts",
];
/// Longer contents are left out, in bytes: a page has to stay small enough to be attached and sent.
const CONTENT_BYTES_MAX: usize = 600;

/// The page of a run.
pub fn report(run: &Run<'_>) -> String {
    page(run.journal, &run.replay())
}

/// The page of a journal, which may have been cut short. `replay` is the command that plays the run again.
pub fn page(journal: &Journal, replay: &str) -> String {
    let script = format!("(() => {{\n\"use strict\";\n{}}})();\n", SCRIPTS.concat());
    let policy = format!(
        "default-src 'none'; style-src {}; script-src {}; base-uri 'none'; form-action 'none'",
        source(STYLE),
        source(&script)
    );
    fill(PAGE, |name| match name {
        "policy" => policy.clone(),
        "style" => STYLE.to_owned(),
        "journal" => data(journal, replay),
        "script" => script.clone(),
        _ => unreachable!("the page has no place named {name}"),
    })
}

/// Fills the places of a template, written `{{name}}`. What is put in is not looked at again.
fn fill(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("every place of the page is closed");
        out.push_str(before);
        out.push_str(&value(name));
        rest = after;
    }
    out.push_str(rest);
    out
}

/// How a policy names the one inline text that it lets through.
fn source(text: &str) -> String {
    // Policies want padding, Matrix wants none; 32 bytes lack one character.
    format!("'sha256-{}='", encode(&Sha256::digest(text)))
}

/// The journal as JSON that can't end the element that it stands in.
fn data(journal: &Journal, replay: &str) -> String {
    let mut ids = Ids::default();
    let records: Vec<Value> = journal.records.iter().map(|record| ids.replace(trimmed(record))).collect();
    let faults = faults(journal, &exchanges(journal));
    let faults: Vec<Value> = faults.iter().map(|fault| shown(fault, journal)).collect();
    let data = json!({ "replay": replay, "ids": ids.texts, "records": records, "faults": faults });
    data.to_string().replace('<', "\\u003c")
}

/// A record without what the page doesn't show.
fn trimmed(record: &Record) -> Value {
    let mut value = serde_json::to_value(record).expect("records are JSON");
    if let Some(pdu) = value.get_mut("pdu").and_then(Value::as_object_mut) {
        trim_event(pdu);
    }
    if let What::Step { action, detail, .. } = &record.what {
        value["words"] = step_line(action, detail).into();
        value["family"] = json!(detail.family());
    }
    if value["what"] == "run" {
        let definition = &value["definition"];
        let shown = json!({ "why": definition["why"], "expect": definition["expect"] });
        value["definition"] = shown;
        value["keys"] = Value::Null;
        // Numbers of scripts are exact up to 2^53 only.
        value["seed"] = value["seed"].to_string().into();
    }
    value
}

/// A fault as the page draws it: what it is like, from which record it holds, and to which on each server.
fn shown(fault: &Fault<'_>, journal: &Journal) -> Value {
    let last = journal.records.len() - 1;
    let mut servers: BTreeMap<&str, usize> = BTreeMap::new();
    for hit in &fault.hits {
        let until = hit.until.map_or(last, |until| until.at);
        let hit = match hit.target {
            Target::Link(from, to) => vec![from, to],
            Target::Server(server) => vec![server],
            Target::Unknown => journal.servers().collect(),
        };
        for server in hit {
            servers.entry(server).and_modify(|end| *end = until.max(*end)).or_insert(until);
        }
    }
    let kind = match fault.kind {
        Kind::Breaks | Kind::Unknown => "break",
        Kind::Slows | Kind::Disturbs => "slow",
        Kind::Stops => "crash",
        Kind::Lies => "lie",
    };
    let until = fault.until().map_or(last, |until| until.at);
    let servers: Vec<_> = servers.into_iter().collect();
    json!({ "kind": kind, "first": fault.since.at, "last": until, "servers": servers })
}

fn trim_event(pdu: &mut Map<String, Value>) {
    pdu.retain(|key, _| SHOWN_OF_EVENTS.contains(&key.as_str()));
    let bytes = pdu.get("content").map_or(0, |content| content.to_string().len());
    if bytes > CONTENT_BYTES_MAX {
        pdu.remove("content");
        pdu.insert("content_bytes".to_owned(), bytes.into());
    }
}

/// Event ids stand in a journal many times; in the page each stands once, and its number elsewhere.
#[derive(Default)]
struct Ids {
    numbers: BTreeMap<String, usize>,
    texts: Vec<String>,
}

impl Ids {
    /// Puts `$` and a number in place of every text that begins with `$`.
    fn replace(&mut self, value: Value) -> Value {
        match value {
            Value::String(text) if text.starts_with('$') => Value::String(format!("${}", self.number(text))),
            Value::Array(list) => list.into_iter().map(|value| self.replace(value)).collect(),
            Value::Object(map) => map.into_iter().map(|(key, value)| (key, self.replace(value))).collect(),
            other => other,
        }
    }

    fn number(&mut self, text: String) -> usize {
        let texts = &mut self.texts;
        *self.numbers.entry(text).or_insert_with_key(|text| {
            texts.push(text.clone());
            texts.len() - 1
        })
    }
}
