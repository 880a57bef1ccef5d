//! When each fault of a run held and what it hit: the one reading of that, which marks, explanations and the
//! page share.
//!
//! A fault is known by its step, as the network knows it, so that of two that overlap the end of one leaves
//! the other. What becomes of a message is decided in `network::conditions` and nowhere else; a test of the
//! player holds the two together.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Because, Journal, Played, Record, What,
    exchange::{Disturbed, Exchange},
};
use crate::scenario::{
    Action, Answer, Cut, Disturb, FaultAction, Heal, HealAction, Latency, LieAction, Lies, Servers, Side,
    Silence,
};

/// A fault, from when it began to when it was over.
#[derive(Clone, Debug)]
pub struct Fault<'a> {
    /// The step that brought it; nothing for a crash that no step explains.
    pub step: Option<Cause<'a>>,
    /// What it does.
    pub kind: Kind,
    /// When it began.
    pub since: Stamp,
    /// What it hits.
    pub hits: Vec<Hit<'a>>,
    /// Of a told answer: the event that it is about.
    about: Option<&'a str>,
    /// How many more times it happens, if not for ever.
    left: Option<u32>,
    /// The last message that it is known to have hit, by the number of its request and whether it is the
    /// answer.
    last_hit: Option<(u64, bool)>,
}

/// The step that brought a fault.
#[derive(Clone, Copy, Debug)]
pub struct Cause<'a> {
    /// Its place in the timeline.
    pub step: usize,
    /// Its key.
    pub key: &'a str,
    /// The step itself.
    pub played: &'a Played,
}

/// What faults do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing gets through a link until it is healed.
    Breaks,
    /// What goes by a link takes another time.
    Slows,
    /// Some of what goes by a link goes wrong.
    Disturbs,
    /// A server is down.
    Stops,
    /// What a server answers is not its own.
    Lies,
    /// It is of a later format.
    Unknown,
}

/// A place in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stamp {
    /// The number of a record.
    pub at: usize,
    /// Its time.
    pub t: i64,
}

/// One thing that a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit<'a> {
    /// What it is.
    pub target: Target<'a>,
    /// When the fault left it; nothing while it holds to the end of the run.
    pub until: Option<Stamp>,
}

/// What faults hit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target<'a> {
    /// What the first server sends to the second.
    Link(&'a str, &'a str),
    /// A server.
    Server(&'a str),
    /// What can't be told of a fault of a later format.
    Unknown,
}

/// All faults of a run, in the order in which they began.
pub fn faults<'a>(journal: &'a Journal, exchanges: &BTreeMap<u64, Exchange<'a>>) -> Vec<Fault<'a>> {
    let timed = journal.records.iter().filter_map(|record| match &record.what {
        What::StepEnds { step, .. } => Some(*step),
        _ => None,
    });
    let mut reader = Reader {
        exchanges,
        servers: journal.servers().collect(),
        timed: timed.collect(),
        labels: BTreeMap::new(),
        steps: BTreeMap::new(),
        faults: Vec::new(),
    };
    for (at, record) in journal.records.iter().enumerate() {
        reader.take(Stamp { at, t: record.t }, record);
    }
    reader.faults
}

impl<'a> Fault<'a> {
    fn new(since: Stamp, step: Option<Cause<'a>>, kind: Kind, targets: Vec<Target<'a>>) -> Self {
        let hits = targets.into_iter().map(|target| Hit { target, until: None }).collect();
        let left = step.and_then(|step| times(step.played.action()?));
        Self { step, kind, since, hits, about: None, left, last_hit: None }
    }

    /// What its step does, if there is one and that is known here.
    pub fn action(&self) -> Option<&'a Action> {
        self.step.and_then(|step| step.played.action())
    }

    /// When the last of it was over; nothing while it holds to the end of the run.
    pub fn until(&self) -> Option<Stamp> {
        let ends = self.hits.iter().map(|hit| hit.until);
        ends.reduce(|one, other| one.zip(other).map(|(one, other)| one.max(other))).flatten()
    }

    /// How it hits something at a moment between two places of the journal, if it does.
    pub fn hit(&self, target: Target<'_>, first: Stamp, last: Stamp) -> Option<&Hit<'a>> {
        // What a crash breaks off is written down before the crash itself, at the same time.
        let has_begun = self.since.t <= last.t;
        let ended_before = |hit: &Hit<'_>| hit.until.is_some_and(|until| until < first);
        self.hits.iter().find(|hit| has_begun && hit.target == target && !ended_before(hit))
    }

    /// Whether it may be what went wrong with a message.
    pub fn disturbs(&self, exchange: &Exchange<'_>, disturbed: Disturbed<'_>) -> bool {
        let Some(Action::Fault(FaultAction::Disturb(disturb))) = self.action() else { return false };
        let Disturb { from, to, endpoint, side, how, .. } = disturb;
        from.iter().any(|from| from == exchange.from)
            && to.iter().any(|to| to == exchange.to)
            && endpoint.is_none_or(|endpoint| *exchange.endpoint == endpoint)
            && (*side == Side::Answer) == disturbed.is_answer
            && how.name() == disturbed.how
    }

    /// Whether it tells a server what to answer to this question.
    pub fn answers(&self, exchange: &Exchange<'_>) -> bool {
        let Some(Action::Lie(LieAction::Answer(answer))) = self.action() else { return false };
        // References to the state, such as `state:m.room.create`, name what the journal does not say.
        let names = |about: &str| !about.starts_with('$') || exchange.events.iter().any(|id| id == about);
        answer.server == exchange.to
            && *exchange.endpoint == answer.endpoint
            && answer.to.as_deref().is_none_or(|to| to == exchange.from)
            && self.about.is_none_or(names)
    }

    /// Whether a told answer is given to each question that it is for; if not, the journal doesn't say to
    /// which.
    pub fn answers_all(&self) -> bool {
        let Some(Action::Lie(LieAction::Answer(answer))) = self.action() else { return false };
        answer.skip == 0 && answer.times.is_none() && self.knows_about()
    }

    /// Whether it is known which event a told answer is about, if it is about one.
    fn knows_about(&self) -> bool {
        self.about.is_none_or(|about| about.starts_with('$'))
    }

    fn is_open(&self) -> bool {
        self.hits.iter().any(|hit| hit.until.is_none())
    }

    fn end(&mut self, now: Stamp, is_over: impl Fn(Target<'a>) -> bool) {
        for hit in &mut self.hits {
            if hit.until.is_none() && is_over(hit.target) {
                hit.until = Some(now);
            }
        }
    }

    /// It happened once more.
    fn happen(&mut self, now: Stamp) {
        self.left = self.left.map(|left| left.saturating_sub(1));
        if self.left == Some(0) {
            self.end(now, |_| true);
        }
    }
}

struct Reader<'e, 'a> {
    exchanges: &'e BTreeMap<u64, Exchange<'a>>,
    servers: Vec<&'a str>,
    /// The steps that end by themselves.
    timed: BTreeSet<usize>,
    labels: BTreeMap<&'a str, &'a str>,
    /// The steps that were played.
    steps: BTreeMap<usize, Cause<'a>>,
    faults: Vec<Fault<'a>>,
}

impl<'a> Reader<'_, 'a> {
    fn take(&mut self, now: Stamp, record: &'a Record) {
        let server = record.server.as_deref().unwrap_or_default();
        match &record.what {
            What::Step { step, action, detail } => {
                let step = Cause { step: *step, key: action, played: detail };
                self.steps.insert(step.step, step);
                self.play(now, step);
            }
            What::StepEnds { step, .. } => {
                let is_it = |fault: &&mut Fault<'_>| fault.step.is_some_and(|own| own.step == *step);
                self.open().filter(is_it).for_each(|fault| fault.end(now, |_| true));
            }
            What::Healed => {
                let is_over = |fault: &&mut Fault<'_>| {
                    matches!(fault.kind, Kind::Breaks | Kind::Disturbs | Kind::Stops)
                };
                self.open().filter(is_over).for_each(|fault| fault.end(now, |_| true));
            }
            What::Crashed => {
                let step = match record.because {
                    Some(Because::Step(step)) => self.steps.get(&step).copied(),
                    _ => None,
                };
                self.begin(now, step, Kind::Stops, vec![Target::Server(server)]);
            }
            What::Started => self.start(now, server),
            What::Labelled { label, event } => drop(self.labels.insert(label, event.as_str())),
            What::Disturbed { id, how } => self.disturbed(now, *id, server, how),
            What::Lied { id, lies } => self.lied(now, *id, lies),
            What::Arrived { id } => self.asked(now, *id),
            _ => {}
        }
    }

    fn open(&mut self) -> impl DoubleEndedIterator<Item = &mut Fault<'a>> {
        self.faults.iter_mut().filter(|fault| fault.is_open())
    }

    /// What a step begins or ends.
    fn play(&mut self, now: Stamp, step: Cause<'a>) {
        match step.played.action() {
            Some(Action::Fault(fault)) => {
                if let Some((kind, targets)) = effect(fault, &self.servers) {
                    self.begin(now, Some(step), kind, targets);
                }
            }
            Some(Action::Lie(LieAction::Lies(lies))) => {
                self.begin(now, Some(step), Kind::Lies, vec![Target::Server(&lies.server)]);
            }
            Some(Action::Lie(LieAction::Answer(answer))) => self.tell_answer(now, step, answer),
            Some(Action::Heal(HealAction::Heal(heal))) => {
                let breaks = |fault: &&mut Fault<'_>| fault.kind == Kind::Breaks;
                self.open().filter(breaks).for_each(|fault| fault.end(now, |link| is_healed(link, heal)));
            }
            Some(Action::Heal(HealAction::Restart(restart))) => self.start(now, &restart.server),
            Some(Action::Send(_) | Action::User(_) | Action::Script(_)) => {}
            None if self.timed.contains(&step.step) => {
                self.begin(now, Some(step), Kind::Unknown, vec![Target::Unknown]);
            }
            None => {}
        }
    }

    fn begin(&mut self, since: Stamp, step: Option<Cause<'a>>, kind: Kind, targets: Vec<Target<'a>>) {
        self.faults.push(Fault::new(since, step, kind, targets));
    }

    /// A server can be reached again: its software may start a moment later, or a last crash be due before.
    fn start(&mut self, now: Stamp, server: &str) {
        let stops = |fault: &&mut Fault<'_>| fault.kind == Kind::Stops;
        self.open().filter(stops).for_each(|fault| fault.end(now, |down| down == Target::Server(server)));
    }

    fn tell_answer(&mut self, now: Stamp, step: Cause<'a>, answer: &'a Answer) {
        let question = |told: &'a Answer| (&told.server, &told.endpoint, &told.to, &told.about);
        let same = |fault: &&mut Fault<'a>| match fault.action() {
            Some(Action::Lie(LieAction::Answer(old))) => question(old) == question(answer),
            _ => false,
        };
        // The latest word counts, for as long as it is given.
        if answer.times.is_none() {
            self.open().filter(same).for_each(|fault| fault.end(now, |_| true));
        }
        let about = answer.about.as_deref().map(|about| self.labels.get(about).copied().unwrap_or(about));
        let fault = Fault::new(now, Some(step), Kind::Lies, vec![Target::Server(&answer.server)]);
        self.faults.push(Fault { about, ..fault });
    }

    /// Counts a turn of the first fault that may have disturbed a message, each of them once for each
    /// message.
    fn disturbed(&mut self, now: Stamp, id: u64, server: &str, how: &str) {
        let exchanges = self.exchanges;
        let Some(exchange) = exchanges.get(&id) else { return };
        let disturbed = Disturbed { how, is_answer: server == exchange.to };
        let message = Some((id, disturbed.is_answer));
        let may = |fault: &&mut Fault<'_>| fault.last_hit != message && fault.disturbs(exchange, disturbed);
        if let Some(fault) = self.open().find(may) {
            fault.last_hit = message;
            fault.happen(now);
        }
    }

    fn lied(&mut self, now: Stamp, id: u64, told: &[String]) {
        let exchanges = self.exchanges;
        let Some(exchange) = exchanges.get(&id) else { return };
        let tells = |lies: &Lies| {
            lies.server == exchange.to
                && lies.endpoint.is_none_or(|endpoint| *exchange.endpoint == endpoint)
                && lies.to.as_deref().is_none_or(|to| to == exchange.from)
                && lies.tell.iter().any(|lie| told.iter().any(|name| name == lie.name()))
        };
        for fault in self.open() {
            if let Some(Action::Lie(LieAction::Lies(lies))) = fault.action()
                && tells(lies)
            {
                fault.happen(now);
            }
        }
    }

    /// Told answers say nothing when they are given, so each question counts, also those that are answered
    /// truly before.
    fn asked(&mut self, now: Stamp, id: u64) {
        let exchanges = self.exchanges;
        let Some(exchange) = exchanges.get(&id) else { return };
        if let Some(fault) = self.open().rev().find(|fault| fault.answers(exchange))
            && fault.knows_about()
        {
            fault.happen(now);
        }
    }
}

/// What a fault does to whom; nothing for what is over at once, and for a crash, which is a record of its
/// own.
fn effect<'a>(fault: &'a FaultAction, servers: &[&'a str]) -> Option<(Kind, Vec<Target<'a>>)> {
    Some(match fault {
        FaultAction::Partition(partition) => (Kind::Breaks, across(&partition.groups, servers)),
        FaultAction::Cut(Cut { from, to, .. }) => (Kind::Breaks, links(from, to).collect()),
        FaultAction::Silence(Silence { from, to, both, .. }) => {
            let back = links(to, from).filter(|_| *both);
            (Kind::Breaks, links(from, to).chain(back).collect())
        }
        FaultAction::Latency(Latency { from, to, .. }) => (Kind::Slows, links(from, to).collect()),
        FaultAction::Disturb(Disturb { from, to, side, .. }) => match side {
            Side::Request => (Kind::Disturbs, links(from, to).collect()),
            Side::Answer => (Kind::Disturbs, links(to, from).collect()),
        },
        FaultAction::Crash(_) | FaultAction::Clock(_) | FaultAction::RotateKey(_) => return None,
    })
}

fn links<'a>(from: &'a Servers, to: &'a Servers) -> impl Iterator<Item = Target<'a>> {
    from.iter().flat_map(|from| to.iter().map(move |to| Target::Link(from, to)))
}

/// The links between servers of different groups; servers that no group names are one more group.
fn across<'a>(groups: &[Vec<String>], servers: &[&'a str]) -> Vec<Target<'a>> {
    let group = |server: &str| groups.iter().position(|group| group.iter().any(|own| own == server));
    let pairs = servers.iter().flat_map(|from| servers.iter().map(move |to| (*from, *to)));
    let apart = pairs.filter(|(from, to)| group(from) != group(to));
    apart.map(|(from, to)| Target::Link(from, to)).collect()
}

/// Whether a `heal` opens a link.
fn is_healed(link: Target<'_>, heal: &Heal) -> bool {
    let Some(pair) = &heal.between else { return true };
    matches!(link, Target::Link(from, to) if [from, to].iter().all(|end| pair.iter().any(|one| one == end)))
}

/// How many times something happens at most, those included that it is left alone where that can be seen.
fn times(action: &Action) -> Option<u32> {
    match action {
        Action::Fault(FaultAction::Disturb(disturb)) => disturb.times,
        Action::Lie(LieAction::Lies(lies)) => lies.times,
        Action::Lie(LieAction::Answer(answer)) => answer.times.map(|times| times + answer.skip),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
