//! When which fault of the scenario held, and whom it hit, worked out from the journal.
//!
//! A request that came to nothing says how (`refused`, `request_lost`) and not by whose doing; this finds the step.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::step::step_line;
use crate::journal::{Because, Journal, Record, What};

/// The steps that break links until a heal, or until their time is over.
const BREAKS: [&str; 3] = ["partition", "cut", "silence"];
/// Steps that have the shape of a fault and are none: they send one message.
const MESSAGES: [&str; 2] = ["push", "ask"];

/// One fault on one link or one server, from its beginning to its end.
#[derive(Clone, Debug)]
pub(super) struct Spell<'a> {
    /// The step that brought it; nothing for a crash that no step explains.
    pub(super) step: Option<usize>,
    /// The step in words, such as `partition a | b c`.
    pub(super) words: String,
    pub(super) hits: Hit<'a>,
    pub(super) since: i64,
    /// Nothing while it holds to the end of the run.
    pub(super) until: Option<i64>,
    /// Whether it breaks the link until a heal; of other faults it is not known what they do to which message.
    breaks: bool,
    /// The event that questions must name to get a told answer, if there is such a condition.
    about: Option<&'a str>,
    /// Whether every message is hit while it holds, or only some of them, by number or by chance.
    pub(super) always: bool,
}

/// What a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Hit<'a> {
    /// What one server sends to another.
    Link(&'a str, &'a str),
    /// A server, which is down.
    Down(&'a str),
    /// The answers of a server by an endpoint, or by any if it is empty, which are not its own.
    Answers(&'a str, &'a str),
}

impl Spell<'_> {
    /// Whether it holds at any moment from `first` to `last`.
    pub(super) fn holds(&self, first: i64, last: i64) -> bool {
        self.since <= last && self.until.is_none_or(|until| until >= first)
    }
}

/// All faults of a run, in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Faults<'a>(pub(super) Vec<Spell<'a>>);

impl<'a> Faults<'a> {
    pub(super) fn of(journal: &'a Journal) -> Self {
        let servers = match journal.records.first().map(|record| &record.what) {
            Some(What::Run { servers, .. }) => servers.iter().map(|(host, _)| host.as_str()).collect(),
            _ => Vec::new(),
        };
        let timed: BTreeSet<usize> = journal
            .records
            .iter()
            .filter_map(|record| match &record.what {
                What::StepEnds { step, .. } => Some(*step),
                _ => None,
            })
            .collect();
        let mut faults = Self::default();
        let mut steps = BTreeMap::new();
        for record in &journal.records {
            faults.take(record, &servers, &timed, &mut steps);
        }
        faults.name_events(journal);
        faults
    }

    fn take(
        &mut self,
        record: &'a Record,
        servers: &[&'a str],
        timed: &BTreeSet<usize>,
        steps: &mut BTreeMap<usize, String>,
    ) {
        let t = record.t;
        match &record.what {
            What::Step { step, action, detail } => {
                let settings = &detail[action];
                let words = step_line(action, settings);
                steps.insert(*step, words.clone());
                if action == "heal" {
                    self.heal(t, settings);
                    return;
                }
                let breaks = BREAKS.contains(&action.as_str());
                let is_fault = breaks || (timed.contains(step) || !MESSAGES.contains(&action.as_str()));
                let about = settings["about"].as_str();
                let always = ["times", "skip", "percent", "to"].iter().all(|key| settings[*key].is_null());
                for hits in hit(action, settings, servers).into_iter().filter(|_| is_fault) {
                    let (step, words) = (Some(*step), words.clone());
                    self.0.push(Spell { step, words, hits, since: t, until: None, breaks, about, always });
                }
            }
            What::StepEnds { step, .. } => {
                let ended = self.end(t, |spell| spell.step == Some(*step));
                // A link that one fault leaves is open, whatever else held it.
                self.end(t, |spell| spell.breaks && ended.contains(&spell.hits));
            }
            What::Healed => {
                self.end(t, |spell| matches!(spell.hits, Hit::Link(..)));
            }
            What::Crashed => {
                let Some(server) = record.server.as_deref() else { return };
                let step = match record.because {
                    Some(Because::Step(step)) => Some(step),
                    _ => None,
                };
                let words = step.and_then(|step| steps.get(&step)).cloned().unwrap_or_else(|| "crash".into());
                let hits = Hit::Down(server);
                let (breaks, about, always) = (true, None, true);
                self.0.push(Spell { step, words, hits, since: t, until: None, breaks, about, always });
            }
            What::Started => {
                let server = record.server.as_deref();
                self.end(t, |spell| matches!(spell.hits, Hit::Down(down) if Some(down) == server));
            }
            _ => {}
        }
    }

    /// Puts the ids of events in place of their labels.
    fn name_events(&mut self, journal: &'a Journal) {
        let labels: BTreeMap<&str, &str> = journal
            .records
            .iter()
            .filter_map(|record| match &record.what {
                What::Labelled { label, event } => Some((label.as_str(), event.as_str())),
                _ => None,
            })
            .collect();
        for spell in &mut self.0 {
            spell.about = spell.about.map(|about| labels.get(about).copied().unwrap_or(about));
            spell.always &= spell.about.is_none_or(|about| about.starts_with('$'));
        }
    }

    fn heal(&mut self, t: i64, settings: &Value) {
        let between = names(&settings["between"]);
        self.end(t, |spell| match spell.hits {
            Hit::Link(from, to) => {
                spell.breaks && (between.is_empty() || between.contains(&from) && between.contains(&to))
            }
            _ => false,
        });
    }

    fn end(&mut self, t: i64, which: impl Fn(&Spell<'a>) -> bool) -> Vec<Hit<'a>> {
        let open = self.0.iter_mut().filter(|spell| spell.until.is_none());
        open.filter(|spell| which(spell))
            .map(|spell| {
                spell.until = Some(t);
                spell.hits
            })
            .collect()
    }

    /// The fault that explains a loss on the way from one server to another between two moments: what breaks the
    /// link or the server before what may do so, and of several the last.
    pub(super) fn on_the_way(&self, from: &str, to: &str, first: i64, last: i64) -> Option<&Spell<'a>> {
        let hits = |spell: &&Spell<'_>| [Hit::Link(from, to), Hit::Down(to)].contains(&spell.hits);
        let holding = || self.0.iter().rev().filter(|spell| spell.holds(first, last)).filter(hits);
        holding().find(|spell| spell.breaks).or_else(|| holding().next())
    }

    /// The time in which a server was down between two moments.
    pub(super) fn down(&self, server: &str, first: i64, last: i64) -> Option<&Spell<'a>> {
        self.last(first, last, Hit::Down(server))
    }

    /// The step that tells a server what to answer by an endpoint to a question that names these events.
    pub(super) fn told(&self, server: &str, endpoint: &str, events: &[String], t: i64) -> Option<&Spell<'a>> {
        let hits = Hit::Answers(server, endpoint);
        // References to the state, such as `state:m.room.create`, name what the journal does not say.
        let named = |about: &str| !about.starts_with('$') || events.iter().any(|id| id == about);
        let fits =
            |spell: &&Spell<'_>| spell.hits == hits && spell.holds(t, t) && spell.about.is_none_or(named);
        self.0.iter().rev().find(fits)
    }

    fn last(&self, first: i64, last: i64, hits: Hit<'_>) -> Option<&Spell<'a>> {
        self.0.iter().rev().find(|spell| spell.hits == hits && spell.holds(first, last))
    }
}

/// The links and servers that a step hits; none for what is no fault.
fn hit<'a>(action: &str, settings: &'a Value, servers: &[&'a str]) -> Vec<Hit<'a>> {
    let pairs = |from: &[&'a str], to: &[&'a str]| -> Vec<Hit<'a>> {
        let pairs = from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to)));
        pairs.filter(|(from, to)| from != to).map(|(from, to)| Hit::Link(from, to)).collect()
    };
    if let Some(groups) = settings["groups"].as_array() {
        let group = |server: &str| groups.iter().position(|group| names(group).contains(&server));
        let across = |hit: &Hit<'_>| matches!(hit, Hit::Link(from, to) if group(from) != group(to));
        return pairs(servers, servers).into_iter().filter(across).collect();
    }
    let (from, to) = (names(&settings["from"]), names(&settings["to"]));
    let both = settings["both"].as_bool().unwrap_or(false);
    match action {
        // Lies have records of their own where they are told.
        "answer" | "lie" => {
            let endpoint = settings["endpoint"].as_str().filter(|_| action == "answer").unwrap_or_default();
            names(&settings["server"]).into_iter().map(|server| Hit::Answers(server, endpoint)).collect()
        }
        _ if both => [pairs(&from, &to), pairs(&to, &from)].concat(),
        _ => pairs(&from, &to),
    }
}

/// One name, or a list of them.
fn names(value: &Value) -> Vec<&str> {
    match value {
        Value::String(name) => vec![name],
        Value::Array(list) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
