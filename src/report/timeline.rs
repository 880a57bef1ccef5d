//! The journal as lines that a person can follow: traffic that went as it should is left out, and what
//! repeats itself is folded into one line.

use std::collections::BTreeMap;

use super::step::{step_words, words};
use crate::{
    check::short,
    journal::{
        Expectation, Journal, Played, Record, Source, What,
        exchange::{Exchange, exchanges},
    },
    matrix::endpoint::Endpoint,
    room::graph::Standing,
    scenario::Family,
};

/// How a line is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tone {
    /// A user did something, or a server went on with its work.
    Plain,
    /// A fault of the scenario's.
    Fault,
    /// The end of one.
    Heal,
    /// Recovery at work.
    Work,
    /// Something was lost or refused.
    Bad,
}

/// One line: what happened, how often, until when.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) t: i64,
    /// When it happened for the last time.
    pub(super) until: i64,
    pub(super) who: String,
    pub(super) what: String,
    /// What stands at the end of the line.
    pub(super) detail: String,
    pub(super) times: usize,
    pub(super) tone: Tone,
    events: usize,
    /// The shortest and the longest that it took, in milliseconds.
    took: Option<(i64, i64)>,
}

/// How far apart two like lines may be to become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fold {
    /// Only neighbours: the order matters.
    Near,
    /// All up to the next fault or heal.
    Phase,
    /// Never, and nothing is folded across it.
    Barrier,
}

/// Up to so many lines back are neighbours: two servers that each find a gap and ask, again and again, make
/// four.
const NEAR: usize = 4;

/// The lines of a run from the start of its timeline.
pub(super) fn timeline(journal: &Journal) -> Vec<Line> {
    let mut teller = Teller { exchanges: exchanges(journal), lines: Vec::new(), open: BTreeMap::new() };
    for record in journal.records.iter().filter(|record| record.t >= 0) {
        teller.tell(record);
    }
    teller.lines
}

struct Teller<'a> {
    exchanges: BTreeMap<u64, Exchange<'a>>,
    lines: Vec<Line>,
    /// The line that a key was told in.
    open: BTreeMap<String, usize>,
}

impl Teller<'_> {
    fn tell(&mut self, record: &Record) {
        let who = record.server.as_deref().unwrap_or_default();
        match &record.what {
            What::Step { step, action, detail } => self.step(record, *step, action, detail),
            What::StepEnds { action, .. } => {
                self.put(record.t, "", format!("{} ends", words(action)), Tone::Heal, Fold::Barrier);
            }
            What::Healed => self.put(record.t, "", "all healed".into(), Tone::Heal, Fold::Barrier),
            What::Crashed => self.put(record.t, who, "is down".into(), Tone::Fault, Fold::Barrier),
            What::Started => self.put(record.t, who, "is up again".into(), Tone::Heal, Fold::Barrier),
            What::Request { .. } => self.request(record, who),
            _ => self.other(record, who),
        }
    }

    fn step(&mut self, record: &Record, step: usize, key: &str, played: &Played) {
        let who = record.server.as_deref().unwrap_or_default();
        let what = step_words(key, played);
        match played.family() {
            Some(Family::Fault | Family::Lie) => self.put(record.t, who, what, Tone::Fault, Fold::Barrier),
            Some(Family::Heal) => self.put(record.t, who, what, Tone::Heal, Fold::Barrier),
            Some(Family::Send | Family::User | Family::Script) | None => {
                let line = line(record.t, who, what, Tone::Plain);
                self.fold(format!("step {step}"), line, Fold::Phase);
            }
        }
    }

    fn request(&mut self, record: &Record, from: &str) {
        let What::Request { id, to, endpoint, .. } = &record.what else { return };
        // What is pushed and arrives is the ordinary course of things.
        let is_ordinary =
            matches!(endpoint.known(), Some(Endpoint::Send | Endpoint::Key | Endpoint::Version));
        let pair = format!("{from} → {to}");
        let mut told = line(record.t, &pair, endpoint.to_string(), Tone::Work);
        let exchange = self.exchanges.get(id);
        let answer = exchange.and_then(|exchange| exchange.answer.as_ref());
        let failed = exchange.and_then(|exchange| exchange.failed);
        let fold = match (answer, failed) {
            (Some(answer), _) if answer.status == 200 && is_ordinary => return,
            (Some(answer), _) if answer.status == 200 => {
                told.events = answer.events.len();
                told.took = Some((answer.t - record.t, answer.t - record.t));
                Fold::Near
            }
            (answer, failed) => {
                told.tone = Tone::Bad;
                told.detail = match (answer, failed) {
                    (Some(answer), _) => format!("{} {}", answer.status, answer.errcode),
                    (None, Some(failed)) => failed.why.replace('_', " "),
                    (None, None) => "no answer before the end".to_owned(),
                };
                Fold::Phase
            }
        };
        let outcome = if told.tone == Tone::Bad { told.detail.as_str() } else { "" };
        self.fold(format!("{pair} {endpoint} {outcome}"), told, fold);
    }

    fn other(&mut self, record: &Record, who: &str) {
        let Some(told) = trouble(&record.what).or_else(|| progress(&record.what)) else { return };
        let Said { what, detail, events, tone, fold } = told;
        // Details may differ from one to the next; the first stands for all.
        let key = format!("{who} {what}");
        self.fold(key, Line { detail, events, ..line(record.t, who, what, tone) }, fold);
    }

    fn put(&mut self, t: i64, who: &str, what: String, tone: Tone, fold: Fold) {
        self.fold(String::new(), line(t, who, what, tone), fold);
    }

    fn fold(&mut self, key: String, line: Line, fold: Fold) {
        let place = self.open.get(&key).copied().filter(|place| match fold {
            Fold::Near => *place + NEAR >= self.lines.len(),
            Fold::Phase => true,
            Fold::Barrier => false,
        });
        if let Some(place) = place {
            let told = &mut self.lines[place];
            told.times += 1;
            told.until = line.t;
            told.events += line.events;
            told.took = match (told.took, line.took) {
                (Some((least, most)), Some((ms, _))) => Some((least.min(ms), most.max(ms))),
                (took, other) => took.or(other),
            };
            return;
        }
        if fold == Fold::Barrier {
            self.open.clear();
        }
        self.open.insert(key, self.lines.len());
        self.lines.push(line);
    }
}

impl Line {
    /// The end of the line: how many events, how long, what else.
    pub(super) fn ending(&self) -> String {
        let events = match self.events {
            0 => None,
            1 => Some("1 event".to_owned()),
            events => Some(format!("{events} events")),
        };
        let took = self.took.map(|(least, most)| match most - least {
            0 => format!("{least} ms"),
            _ => format!("{least} to {most} ms"),
        });
        let detail = (!self.detail.is_empty()).then(|| self.detail.clone());
        events.into_iter().chain(took).chain(detail).collect::<Vec<_>>().join(", ")
    }
}

fn line(t: i64, who: &str, what: String, tone: Tone) -> Line {
    Line {
        t,
        until: t,
        who: who.to_owned(),
        what,
        detail: String::new(),
        times: 1,
        tone,
        events: 0,
        took: None,
    }
}

fn source(from: &Source) -> String {
    match from {
        Source::User | Source::Store | Source::Import => String::new(),
        Source::Peer { server, endpoint } => format!(" that {server} sent by {endpoint}"),
    }
}

/// What a server tells of itself.
struct Said {
    what: String,
    detail: String,
    events: usize,
    tone: Tone,
    fold: Fold,
}

impl Said {
    fn bad(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { what: what.into(), detail: detail.into(), events: 0, tone: Tone::Bad, fold: Fold::Phase }
    }

    fn work(what: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { tone: Tone::Work, fold: Fold::Near, ..Self::bad(what, detail) }
    }

    fn with(self, events: usize) -> Self {
        Self { events, ..self }
    }
}

/// What went wrong.
fn trouble(what: &What) -> Option<Said> {
    Some(match what {
        What::Dropped { event, from, reason, .. } => {
            let event = event.as_deref().map_or("an event".to_owned(), short);
            Said::bad(format!("drops {event}{}", source(from)), reason)
        }
        What::Judged { verdict: Standing::SoftFailed, reason, .. } => {
            Said::bad("soft-fails an event", reason.as_deref().unwrap_or_default())
        }
        What::Judged { verdict: Standing::Rejected, reason, .. } => {
            Said::bad("rejects an event", reason.as_deref().unwrap_or_default())
        }
        What::GapStuck { missing, failures, .. } => {
            let tries = if *failures == 1 { "1 try".to_owned() } else { format!("{failures} tries") };
            Said::bad(format!("still lacks {}", short(missing)), tries)
        }
        What::Panicked { message, place } => Said::bad(format!("panics at {place}"), message),
        What::FellBehind { to, dropped, .. } => {
            Said::bad(format!("keeps only the newest in its queue for {to}"), "dropped").with(*dropped)
        }
        What::Undeliverable { to, event, reason } => {
            Said::bad(format!("can't deliver {} to {to}", short(event)), reason)
        }
        What::UserFailed { action, reason, .. } => {
            Said::bad(format!("a user can't {}", words(action)), reason)
        }
        What::Expected(Expectation { step, met: false, message }) => {
            Said::bad(format!("gets another answer than step {step} expects"), message)
        }
        _ => return None,
    })
}

/// What went on.
fn progress(what: &What) -> Option<Said> {
    Some(match what {
        What::GapOpened { missing, .. } => Said::work("finds an event missing", short(missing)),
        What::StateTaken { event, from, events } => {
            Said::work(format!("takes the state at {} from {from}", short(event)), "").with(*events)
        }
        What::PagedBack { events, complete } => {
            let end = if *complete { "to the beginning of the room" } else { "and more is to come" };
            Said::work(format!("has paged back {end}"), "").with(*events)
        }
        What::Joined { via, .. } => Said { tone: Tone::Plain, ..Said::work(format!("joins via {via}"), "") },
        _ => return None,
    })
}
