//! What `backfire run` prints for a person: what happened, in order; whether it was good; and how to see it
//! again.
//!
//! Colours are always in the text; whoever prints it takes them out where they are of no use.

use std::{collections::BTreeMap, fmt::Write};

use anstyle::Style;

use super::{
    Run,
    text::{
        BAD, BOLD, DIM, FAULT, GOOD, HEAL, LOSS, WIDTH, WORK, cut, moment, paint, printable, seconds,
        shortened, wrap,
    },
    timeline::{Line, Tone, timeline},
};
use crate::{
    check::{
        Agreement,
        evidence::Evidence,
        extremities_agree, short,
        verdict::{Outcome, word},
    },
    journal::{End, Record, Violation, What},
    room::graph::Standing,
    scenario::Verdict,
};

/// The most lines of a timeline; of more, the middle is left out.
const TIMELINE_LINES: usize = 120;

/// The whole report of a run; with `verbose`, every record of its journal.
pub fn report(run: &Run<'_>, verbose: bool) -> String {
    let mut out = header(run);
    if verbose {
        out.extend(run.journal.records.iter().map(verbose_line));
    } else {
        out.push_str(&told(run));
    }
    out.push('\n');
    out.push_str(&invariants(run));
    out.push('\n');
    out.push_str(&servers(run));
    out.push_str(&recoveries(run));
    out.push_str(&agreement(run));
    out.push_str(&requests(run));
    out.push_str(&marks(run));
    out.push('\n');
    out.push_str(&violations(run));
    out.push_str(&verdict(run));
    out
}

/// One line of a run among many.
pub fn line(run: &Run<'_>) -> String {
    let mark = if run.failed() { paint(BAD, "✗") } else { paint(GOOD, "✓") };
    let name = format!("{:<32}", run.scenario.name());
    let verdict = format!("{:<14}", word(run.judgement.verdict).replace('_', " "));
    let time = format!("{} simulated in {}", seconds(run.simulated_ms), seconds(run.wall_ms));
    format!("{mark} {} {verdict} seed {:<6} {}\n", paint(BOLD, &name), run.seed, paint(DIM, &time))
}

/// One line of a regression.
pub fn standing(name: &str, standing: &str, is_fixed: bool, what: &str) -> String {
    let mark = if is_fixed { paint(GOOD, "✓") } else { paint(BAD, "✗") };
    let start = format!("{name:<44} {standing:<14}");
    let room = WIDTH.saturating_sub(3 + start.chars().count());
    format!("{mark} {start} {}\n", paint(DIM, &cut(&printable(what), room)))
}

fn header(run: &Run<'_>) -> String {
    let servers: Vec<&str> = run.scenario.servers.keys().map(String::as_str).collect();
    let rest =
        format!("seed {} · {} · room version {}", run.seed, run.fabric.name(), run.scenario.room_version);
    let mut out = format!("{}  {}\n", paint(BOLD, run.scenario.name()), paint(DIM, &rest));
    for line in wrap(&printable(&run.scenario.why), WIDTH) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(out, "\n{}", paint(DIM, &cut(&format!("servers  {}", servers.join(", ")), WIDTH)));
    out.push('\n');
    out
}

// --- What happened.

fn told(run: &Run<'_>) -> String {
    let set_up = run.journal.records.iter().filter(|record| record.t < 0);
    let requests = set_up.filter(|record| matches!(record.what, What::Request { .. })).count();
    let mut out =
        format!("{}\n", paint(DIM, &format!("{:>10}  the room is set up with {requests} requests", "")));
    let lines = timeline(run.journal);
    let who = lines.iter().map(|line| line.who.chars().count()).max().unwrap_or(0).min(30);
    let skipped = lines.len().saturating_sub(TIMELINE_LINES);
    for (nth, line) in lines.iter().enumerate() {
        if skipped > 0 && nth == TIMELINE_LINES / 2 {
            let more = format!("{:>10}  … {skipped} lines more, shown by --verbose", "");
            let _ = writeln!(out, "{}", paint(DIM, &more));
        }
        if skipped == 0 || nth < TIMELINE_LINES / 2 || nth >= TIMELINE_LINES / 2 + skipped {
            out.push_str(&timeline_line(line, who));
        }
    }
    out
}

fn timeline_line(line: &Line, who_width: usize) -> String {
    let style = match line.tone {
        Tone::Plain => Style::new(),
        Tone::Fault => FAULT,
        Tone::Heal => HEAL,
        Tone::Work => WORK,
        Tone::Bad => LOSS,
    };
    let sign = match line.tone {
        Tone::Plain | Tone::Work => ' ',
        Tone::Fault => '!',
        Tone::Heal => '+',
        Tone::Bad => '×',
    };
    let times = match line.times {
        1 => String::new(),
        times => format!(" ×{times} until {}", moment(line.until)),
    };
    let who = format!("{:who_width$}", line.who);
    let room = WIDTH.saturating_sub(10 + 2 + who_width + 2 + 2);
    let what = cut(&printable(&format!("{}{times}", line.what)), room);
    let ending = printable(&line.ending());
    let gap = 46_usize.saturating_sub(what.chars().count()).max(2);
    let left = room.saturating_sub(what.chars().count() + gap);
    let ending = if ending.is_empty() || left < 8 {
        String::new()
    } else {
        format!("{:gap$}{}", "", paint(DIM, &cut(&ending, left)))
    };
    let time = paint(DIM, &format!("{:>10}", moment(line.t)));
    format!("{time}  {who} {} {}{ending}\n", paint(style, &sign.to_string()), paint(style, &what))
}

/// A record with its fields, the events themselves and the scenario left out.
pub(super) fn verbose_line(record: &Record) -> String {
    let value = serde_json::to_value(record).unwrap_or_default();
    let mut fields = String::new();
    let mut name = "";
    for (key, value) in value.as_object().into_iter().flatten() {
        match key.as_str() {
            "t" | "server" | "pdu" | "definition" | "keys" | "bytes" => {}
            "what" => name = value.as_str().unwrap_or_default(),
            _ => {
                let _ = write!(fields, "  {key} {}", brief(value));
            }
        }
    }
    let start =
        format!("{:>10}  {:<8} {name:<14}", moment(record.t), record.server.as_deref().unwrap_or("·"));
    let room = WIDTH.saturating_sub(start.chars().count());
    format!("{start}{}\n", paint(DIM, &cut(&printable(&fields), room)))
}

fn brief(value: &serde_json::Value) -> String {
    use serde_json::Value;
    match value {
        Value::String(text) => shortened(text),
        Value::Array(list) if list.len() > 3 => format!("[{} entries]", list.len()),
        Value::Array(list) => format!("[{}]", list.iter().map(brief).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| format!("{key} {}", brief(value)));
            format!("({})", entries.collect::<Vec<_>>().join(" "))
        }
        other => other.to_string(),
    }
}

// --- Whether it was good.

/// The table of invariants: so many columns, so wide.
const COLUMNS: usize = 5;
const COLUMN: usize = 21;

fn invariants(run: &Run<'_>) -> String {
    let mut out = String::new();
    let (mut column, mut width) = (0, 0);
    for (invariant, outcome) in &run.judgement.outcomes {
        let (sign, style) = match outcome {
            Outcome::Holds => ("✓", GOOD),
            Outcome::Violated => ("✗", BAD),
            Outcome::Unknown => ("?", DIM),
        };
        match column {
            0 => {}
            COLUMNS => {
                out.push('\n');
                column = 0;
            }
            _ => out.push_str(&" ".repeat(COLUMN - width)),
        }
        let _ = write!(out, "{} {}", paint(style, sign), invariant.name);
        width = 2 + invariant.name.len();
        column += 1;
    }
    out.push('\n');
    if run.judgement.outcomes.iter().any(|(_, outcome)| *outcome == Outcome::Unknown) {
        let _ = writeln!(out, "{}", paint(DIM, "? can be told only of servers that have come to rest"));
    }
    out
}

fn servers(run: &Run<'_>) -> String {
    let width = run.ends().map(|(name, _)| name.len()).max().unwrap_or(0).max(6);
    let head = format!(
        "{:width$}  {:>8}  {:>11}  {:>8}  {:>8}  {:>7}",
        "server", "accepted", "soft-failed", "rejected", "waiting", "missing"
    );
    let mut out = format!("{}\n", paint(DIM, &head));
    for (name, end) in run.ends() {
        let count = |standing| end.events.iter().filter(|(_, own)| *own == standing).count();
        let (accepted, soft_failed) = (count(Standing::Accepted), count(Standing::SoftFailed));
        let rejected = count(Standing::Rejected);
        let left = if end.joined { "" } else { "  not joined" };
        let _ = writeln!(
            out,
            "{name:width$}  {accepted:>8}  {soft_failed:>11}  {rejected:>8}  {:>8}  {:>7}{left}",
            end.waiting.len(),
            end.missing.len(),
        );
    }
    out
}

/// What became of what the servers lacked.
fn recoveries(run: &Run<'_>) -> String {
    let mut out = String::new();
    for recovery in run.judgement.recoveries.iter().filter(|recovery| !recovery.is_empty()) {
        let fates = [
            (recovery.recovered, "recovered"),
            (recovery.withheld.len(), "withheld by visibility, of these it has the outline"),
            (recovery.not_recovered.len(), "not recovered, though others would have given them"),
            (recovery.not_yet.len(), "not recovered yet, with time left"),
            (recovery.lost.len(), "lost: no honest server in reach holds them"),
            (recovery.unheard.len(), "unheard of: nobody had to tell of them, and nothing builds on them"),
        ];
        let told = fates.into_iter().filter(|(count, _)| *count > 0);
        let told: Vec<String> = told.map(|(count, fate)| format!("{count} {fate}")).collect();
        let line = format!("{} lacked events: {}", recovery.server, told.join(" · "));
        let _ = writeln!(out, "{}", cut(&line, WIDTH));
    }
    out
}

/// Where the joined servers stand in the room, and whether they see the same there.
fn agreement(run: &Run<'_>) -> String {
    let Ok(evidence) = Evidence::read(run.scenario, run.journal) else { return String::new() };
    let ends: Vec<(&str, &End)> =
        evidence.agreeing().filter_map(|(name, host)| Some((name, host.end?))).collect();
    let Some((_, first)) = ends.first() else { return "no server is joined\n".to_owned() };
    let mut out = String::new();
    match extremities_agree(&evidence) {
        Agreement::Equal => {
            let _ = writeln!(out, "all stand at {}", places(first));
        }
        agreement => {
            for (name, end) in &ends {
                let _ = writeln!(out, "{name} stands at {}", places(end));
            }
            if agreement == Agreement::SoftFailures {
                out.push_str(
                    "these differ only by events that are soft-failed or not to be had, which is allowed\n",
                );
            }
        }
    }
    if ends.iter().all(|(_, end)| end.state == first.state) {
        let _ = writeln!(out, "all agree on the state: {} events", first.state.len());
    } else {
        let sizes: Vec<String> =
            ends.iter().map(|(name, end)| format!("{name} {} events", end.state.len())).collect();
        let _ = writeln!(out, "{}", cut(&format!("the states differ: {}", sizes.join(", ")), WIDTH));
    }
    out
}

fn places(end: &End) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = end.forward_extremities.iter().take(SHOWN).map(|id| short(id)).collect();
    match end.forward_extremities.len() {
        0 => "nothing".to_owned(),
        all if all > SHOWN => format!("{} and {} more", shown.join(", "), all - SHOWN),
        _ => shown.join(", "),
    }
}

fn requests(run: &Run<'_>) -> String {
    let mut made: BTreeMap<&str, usize> = BTreeMap::new();
    let mut lost = 0;
    for record in &run.journal.records {
        match &record.what {
            What::Request { endpoint, .. } => *made.entry(endpoint.as_str()).or_default() += 1,
            What::Failed { .. } => lost += 1,
            _ => {}
        }
    }
    let all: usize = made.values().sum();
    let each: Vec<String> = made.iter().map(|(endpoint, count)| format!("{endpoint} {count}")).collect();
    let lost = if lost == 0 { String::new() } else { format!(" ({lost} without an answer)") };
    let text = format!("{all} requests{lost}: {}", each.join(", "));
    wrap(&text, WIDTH).into_iter().map(|line| format!("{line}\n")).collect()
}

fn violations(run: &Run<'_>) -> String {
    let mut out = String::new();
    let mut shown: BTreeMap<&str, usize> = BTreeMap::new();
    const EACH: usize = 3;
    for violation in &run.judgement.violations {
        let nth = shown.entry(&violation.invariant).or_default();
        *nth += 1;
        if *nth <= EACH {
            out.push_str(&one_violation(run, violation));
        }
    }
    for (invariant, count) in shown.into_iter().filter(|(_, count)| *count > EACH) {
        let _ = writeln!(out, "  {} more of {invariant}, in --json and --journal\n", count - EACH);
    }
    out
}

fn one_violation(run: &Run<'_>, violation: &Violation) -> String {
    let mut out = String::new();
    let start = format!("✗ {}  ", violation.invariant);
    let room = WIDTH - start.chars().count();
    for (nth, line) in wrap(&printable(&violation.message), room).into_iter().enumerate() {
        let start = if nth == 0 { paint(BAD, &start) } else { " ".repeat(start.chars().count()) };
        let _ = writeln!(out, "{start}{line}");
    }
    if let Some(event) = &violation.event_id {
        let _ = writeln!(out, "    event  {event}");
        if let Some(about) = about_event(run, event) {
            let _ = writeln!(out, "           {}", paint(DIM, &cut(&printable(&about), WIDTH - 11)));
        }
    }
    let rule = run.judgement.outcomes.iter().find(|(invariant, _)| invariant.name == violation.invariant);
    if let Some((invariant, _)) = rule {
        let rule = format!("{} ({}; {})", invariant.holds, invariant.code, invariant.clause);
        for (nth, line) in wrap(&rule, WIDTH - 11).into_iter().enumerate() {
            let start = if nth == 0 { "    rule   " } else { "           " };
            let _ = writeln!(out, "{start}{}", paint(DIM, &line));
        }
    }
    out.push('\n');
    out
}

/// The rare states that were reached.
fn marks(run: &Run<'_>) -> String {
    let names: Vec<&str> = run.judgement.marks.iter().map(|mark| mark.name()).collect();
    if names.is_empty() {
        return String::new();
    }
    let lines = wrap(&format!("marks: {}", names.join(", ")), WIDTH);
    lines.into_iter().map(|line| format!("{}\n", paint(DIM, &line))).collect()
}

/// Type, author and birth of an event.
fn about_event(run: &Run<'_>, wanted: &ruma_common::EventId) -> Option<String> {
    let evidence = Evidence::read(run.scenario, run.journal).ok()?;
    let seen = evidence.seen.get(wanted)?;
    let pdu = evidence.pdu(wanted)?;
    let key = pdu.state_key().filter(|key| !key.is_empty()).map(|key| format!(" of {key}"));
    Some(format!(
        "{}{} by {}, depth {}, first seen on {} at {}",
        pdu.kind(),
        key.unwrap_or_default(),
        pdu.sender(),
        pdu.depth(),
        seen.server,
        moment(seen.t)
    ))
}

fn verdict(run: &Run<'_>) -> String {
    let judgement = run.judgement;
    let style = if run.failed() { BAD } else { GOOD };
    let title = match judgement.verdict {
        Verdict::Holds => "HOLDS",
        Verdict::Violated => "VIOLATED",
        Verdict::NotRecovered => "NOT RECOVERED",
    };
    let recovered = judgement.recovered_after_ms.filter(|_| run.holds());
    let recovered = recovered.map(|ms| format!("whole {} after the last heal · ", seconds(ms)));
    let time = format!("{} simulated in {}", seconds(run.simulated_ms), seconds(run.wall_ms));
    let mut out = format!("{}  {}{time}\n", paint(style, title), recovered.unwrap_or_default());
    if judgement.expected != Verdict::Holds {
        let expected = word(judgement.expected).replace('_', " ");
        let met = if run.failed() { "and this run did not" } else { "as it should" };
        let _ = writeln!(out, "the scenario expects the run to end as {expected}, {met}");
    }
    for mark in &judgement.dark {
        let _ = writeln!(out, "the mark {} was not reached: {}", paint(BOLD, mark.name()), mark.sentence());
    }
    let _ = writeln!(out, "{} {}", paint(DIM, "again:"), run.replay());
    if let Some(why) = run.why() {
        let _ = writeln!(out, "{} {why}", paint(DIM, "why:  "));
    }
    out
}
