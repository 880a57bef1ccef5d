//! A comparison as a person reads it in a terminal: `-` is the first journal, `+` the second.

use std::fmt::Write;

use ruma_common::OwnedEventId;
use serde_json::Value;

use super::{Diff, Field, First, ServerEnded};
use crate::{
    check::short,
    journal::Record,
    report::{
        terminal::verbose_line,
        text::{BAD, BOLD, DIM, GOOD, WIDTH, cut, moment, paint, printable, shortened},
    },
};

/// How many ids are listed before the rest is counted.
const IDS_MAX: usize = 3;
/// How many differing places of a state are listed.
const STATE_MAX: usize = 8;

impl Diff {
    /// The comparison as text; `names` are those of the two files.
    pub fn lines(&self, names: [&str; 2]) -> String {
        let [a, b] = self.records;
        if self.equal {
            return format!("{}: {a} records, the same in both\n", paint(GOOD, "equal"));
        }
        let mut out = format!(
            "{} {} ({a} records)\n{} {} ({b} records)\n",
            paint(BAD, "-"),
            names[0],
            paint(GOOD, "+"),
            names[1]
        );
        if !self.runs.is_empty() {
            let _ = writeln!(out, "\n{}", paint(BOLD, "the runs are not the same"));
            self.runs.iter().for_each(|field| write_field(&mut out, field));
        }
        if self.other_keys {
            let _ = writeln!(
                out,
                "  {}",
                paint(DIM, "the servers have other keys, so signatures are not compared")
            );
        }
        match &self.first {
            Some(first) => first.write(&mut out),
            None => out.push_str("\nafter the first record no other differs\n"),
        }
        self.write_ended(&mut out);
        out
    }

    fn write_ended(&self, out: &mut String) {
        let ended = &self.ended;
        if *ended == super::Ended::default() {
            let _ = writeln!(out, "\n{}", paint(BOLD, "both ended alike"));
            return;
        }
        let _ = writeln!(out, "\n{}", paint(BOLD, "ended differently"));
        if let Some(verdicts) = &ended.verdict {
            let [a, b] = verdicts.each_ref().map(|verdict| verdict.as_deref().unwrap_or("none"));
            let _ = writeln!(out, "  verdict: {a} ≠ {b}");
        }
        let lists = [("-", BAD, &ended.violations_only_a), ("+", GOOD, &ended.violations_only_b)];
        for (sign, style, list) in lists {
            for violation in list {
                let line = cut(&printable(violation), WIDTH - 4);
                let _ = writeln!(out, "  {} {line}", paint(style, sign));
            }
        }
        for (name, server) in &ended.servers {
            write_server(out, name, server);
        }
        let requests = ended.requests.iter().map(|(endpoint, [a, b])| format!("{endpoint} {a} ≠ {b}"));
        let requests: Vec<String> = requests.collect();
        if !requests.is_empty() {
            let _ = writeln!(out, "  requests: {}", requests.join(", "));
        }
    }
}

impl First {
    fn write(&self, out: &mut String) {
        let when = self.t.iter().flatten().min().map(|t| format!(", {}", moment(*t))).unwrap_or_default();
        let title = format!("the first difference is in record {}{when}", self.record);
        let _ = writeln!(out, "\n{}", paint(BOLD, &title));
        let mut lines = |sign: &str, records: &[Record]| {
            for record in records {
                let _ = write!(out, "{sign} {}", verbose_line(record));
            }
        };
        lines(" ", &self.before);
        lines(&paint(BAD, "-"), &self.a);
        lines(&paint(GOOD, "+"), &self.b);
        let [a, b] = self.t;
        if a.is_none() || b.is_none() {
            let which = if a.is_none() { "first" } else { "second" };
            let _ = writeln!(out, "the {which} journal has ended before");
        }
        self.fields.iter().for_each(|field| write_field(out, field));
    }
}

fn write_field(out: &mut String, field: &Field) {
    let value = |value: &Option<Value>| match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let [a, b] = [value(&field.a), value(&field.b)].map(|text| printable(&text));
    let head = format!("  {}: ", field.field);
    let room = WIDTH.saturating_sub(head.chars().count());
    if a.chars().count() + b.chars().count() + 3 <= room {
        let _ = writeln!(out, "{}{a} ≠ {b}", paint(DIM, &head));
    } else {
        let _ = writeln!(out, "{}", paint(DIM, head.trim_end()));
        for (sign, style, text) in [("-", BAD, a), ("+", GOOD, b)] {
            let _ = writeln!(out, "    {} {}", paint(style, sign), cut(&text, WIDTH - 6));
        }
    }
}

fn write_server(out: &mut String, name: &str, server: &ServerEnded) {
    let lists = [&server.events_only_a, &server.events_only_b, &server.judged_differently];
    let same = lists.iter().all(|ids| ids.is_empty());
    let counts = server.counts.iter().map(|(what, [a, b])| format!("{what} {a} ≠ {b}"));
    let counts: Vec<String> = counts.collect();
    let _ = writeln!(
        out,
        "  server {name}: {}",
        if counts.is_empty() {
            if same { "the same events" } else { "other events" }.to_owned()
        } else {
            counts.join(", ")
        }
    );
    let lists = [
        ("only in the first", &server.events_only_a),
        ("only in the second", &server.events_only_b),
        ("judged differently", &server.judged_differently),
    ];
    for (what, ids) in lists.iter().filter(|(_, ids)| !ids.is_empty()) {
        let _ = writeln!(out, "    {what}: {}", listed(ids));
    }
    if let Some([a, b]) = &server.forward_extremities {
        let _ = writeln!(out, "    stands at {} ≠ {}", listed(a), listed(b));
    }
    for (kind, key, events) in server.state.iter().take(STATE_MAX) {
        let [a, b] =
            events.each_ref().map(|id| id.as_ref().map_or("nothing".to_owned(), |id| shortened(id.as_str())));
        let line = printable(&format!("state {kind} `{key}`: {a} ≠ {b}"));
        let _ = writeln!(out, "    {}", cut(&line, WIDTH - 4));
    }
    if server.state.len() > STATE_MAX {
        let _ = writeln!(out, "    state: {} more", server.state.len() - STATE_MAX);
    }
}

fn listed(ids: &[OwnedEventId]) -> String {
    let shown: Vec<String> = ids.iter().take(IDS_MAX).map(|id| short(id)).collect();
    match ids.len().saturating_sub(IDS_MAX) {
        0 if shown.is_empty() => "nothing".to_owned(),
        0 => shown.join(" "),
        more => format!("{} and {more} more", shown.join(" ")),
    }
}
