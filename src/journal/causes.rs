//! What each record follows from: the request that brought an event, the step that a user's deed belongs to.
//!
//! Worked out from the records themselves as they are written, in order. Servers need not know that anybody wants to
//! know, and a journal of another server's making could be annotated alike.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use super::record::{Because, Source, What};
use crate::scenario::{Action, FaultAction, HealAction, UserAction};

/// What is remembered of the records so far.
#[derive(Default)]
pub(crate) struct Causes {
    /// The step that is being played.
    step: Option<usize>,
    servers: Servers,
    open: BTreeMap<u64, Open>,
}

/// By names, ids and other texts.
type Table<V> = IndexMap<String, V, FixedState>;

#[derive(Default)]
struct Servers(Table<Server>);

struct Open {
    endpoint: String,
    from: String,
    to: String,
    events: Vec<String>,
}

#[derive(Default)]
struct Server {
    /// The request that last brought or named an event here.
    brought: Table<u64>,
    /// Why each event was taken.
    taken: Table<Because>,
    /// Why the last event was taken, or the last request arrived: what verdicts and new gaps follow from.
    last: Option<Because>,
    /// The last request from or to a peer that was heard of, by the peer and the endpoint.
    exchanges: Table<Table<u64>>,
    /// The last transaction for each destination.
    pushed: Table<u64>,
    /// The last request that this server made for a reason, such as `gap at $…`.
    asked: Table<u64>,
    /// Why each event is missed.
    wanted: Table<Because>,
    /// The step that last told this server to do something that takes time, by the cause of its requests.
    doing: BTreeMap<&'static str, usize>,
}

impl Causes {
    pub(crate) fn step_is_over(&mut self) {
        self.step = None;
    }

    /// What a record follows from; remembers what later ones may follow from.
    pub(crate) fn take(&mut self, server: Option<&str>, what: &What) -> Option<Because> {
        let step = self.step.map(Because::Step);
        match what {
            What::Step { step, detail, .. } => {
                self.step = Some(*step);
                let doing = server.zip(detail.action().and_then(lasting_deed));
                if let Some((server, cause)) = doing {
                    self.servers.named(server).doing.insert(cause, *step);
                }
                None
            }
            What::StepEnds { step, .. } => Some(Because::Step(*step)),
            What::Expected(expectation) => Some(Because::Step(expectation.step)),
            What::Labelled { .. } | What::Crafted { .. } | What::KeyRotated { .. } => step,
            _ => {
                let server = server?;
                self.take_traffic(server, what).or_else(|| self.servers.named(server).take(step, what))
            }
        }
    }

    fn take_traffic(&mut self, server: &str, what: &What) -> Option<Because> {
        match what {
            What::Request { id, to, endpoint, cause, events, .. } => {
                let (endpoint, from) = (endpoint.clone(), server.to_owned());
                let open = Open { endpoint, from, to: to.clone(), events: events.clone() };
                self.open.insert(*id, open);
                let own = self.servers.named(server);
                let because = own.reason(cause, events);
                set(&mut own.asked, cause, *id);
                if cause == "push" {
                    set(&mut own.pushed, to, *id);
                }
                because
            }
            What::Arrived { id } => {
                let open = self.open.get(id)?;
                self.servers.named(server).hear(*id, &open.events, &open.from, &open.endpoint);
                None
            }
            What::Answer { id, events, auth_chain, .. } => {
                let Open { to, endpoint, .. } = self.open.remove(id)?;
                self.servers.named(server).hear(*id, events.iter().chain(auth_chain), &to, &endpoint);
                None
            }
            _ => None,
        }
    }
}

/// Most texts are known already, and then needn't be copied.
fn set<V>(table: &mut Table<V>, text: &str, value: V) {
    match table.get_mut(text) {
        Some(known) => *known = value,
        None => drop(table.insert(text.to_owned(), value)),
    }
}

impl Servers {
    fn named(&mut self, name: &str) -> &mut Server {
        let place = self.0.get_index_of(name);
        let place = place.unwrap_or_else(|| self.0.insert_full(name.to_owned(), Server::default()).0);
        &mut self.0[place]
    }
}

/// The steps that set a server to work beyond the moment, as the cause that its requests then have.
fn lasting_deed(action: &Action) -> Option<&'static str> {
    match action {
        Action::User(UserAction::Join(_)) => Some("join"),
        Action::User(UserAction::Invite(_)) => Some("invite"),
        Action::User(UserAction::PageBack(_)) => Some("page back"),
        Action::Fault(FaultAction::Crash(_)) => Some("crash"),
        Action::Heal(HealAction::Restart(_)) => Some("restart"),
        _ => None,
    }
}

impl Server {
    /// A request or an answer reached this server.
    fn hear<'a>(
        &mut self,
        id: u64,
        events: impl IntoIterator<Item = &'a String>,
        peer: &str,
        endpoint: &str,
    ) {
        for event in events {
            set(&mut self.brought, event, id);
        }
        if !self.exchanges.contains_key(peer) {
            self.exchanges.insert(peer.to_owned(), Table::default());
        }
        set(&mut self.exchanges[peer], endpoint, id);
        self.last = Some(Because::Request(id));
    }

    /// Why a request is made that gives this cause and names these events.
    fn reason(&self, cause: &str, events: &[String]) -> Option<Because> {
        if let Some(step) = cause.strip_prefix("script, step ") {
            return step.parse().ok().map(Because::Step);
        }
        if let Some(step) = self.doing.get(cause) {
            return Some(Because::Step(*step));
        }
        if let Some(at) = cause.find('$') {
            let event = &cause[at..];
            return self.wanted.get(event).or_else(|| self.taken.get(event)).copied();
        }
        match cause {
            "push" => events.first().and_then(|event| self.taken.get(event)).copied(),
            "keys" => self.last,
            _ => None,
        }
    }

    fn take(&mut self, step: Option<Because>, what: &What) -> Option<Because> {
        match what {
            What::Received { event, from, .. } => {
                let because = self.source(Some(event.as_str()), from, step);
                if let Some(because) = because {
                    set(&mut self.taken, event.as_str(), because);
                }
                self.last = because;
                because
            }
            What::Dropped { event, from, .. } => {
                self.source(event.as_ref().map(|event| event.as_str()), from, step)
            }
            What::Judged { .. }
            | What::Waits { .. }
            | What::Joined { .. }
            | What::State { .. }
            | What::Panicked { .. } => step.or(self.last),
            What::GapOpened { missing, wanted_by } => {
                let because = self.taken.get(wanted_by.as_str()).copied().or(self.last);
                if let Some(because) = because {
                    set(&mut self.wanted, missing.as_str(), because);
                }
                because
            }
            What::GapClosed { missing } => self.taken.get(missing.as_str()).copied().or(self.last),
            What::GapStuck { missing, .. } => self.asked_for(missing.as_str()),
            What::StateTaken { event, .. } => self.asked_for(event.as_str()),
            What::PagedBack { .. } => self.asked.get("page back").copied().map(Because::Request),
            What::FellBehind { to, .. } | What::Undeliverable { to, .. } => {
                self.pushed.get(to).copied().map(Because::Request)
            }
            What::UserFailed { action, .. } => step.or_else(|| self.deed(action)),
            What::Crashed => step.or_else(|| self.deed("crash")),
            What::Started => self.doing.remove("restart").map(Because::Step),
            _ => None,
        }
    }

    fn deed(&self, action: &str) -> Option<Because> {
        self.doing.get(action).copied().map(Because::Step)
    }

    /// How an event came here.
    fn source(&self, event: Option<&str>, from: &Source, step: Option<Because>) -> Option<Because> {
        match from {
            Source::User => step,
            Source::Store => self.last,
            Source::Import => None,
            Source::Peer { server, endpoint } => {
                let brought = event.and_then(|event| self.brought.get(event));
                let exchange = || self.exchanges.get(server)?.get(endpoint);
                brought.or_else(exchange).copied().map(Because::Request)
            }
        }
    }

    /// The last request that was made for an event.
    fn asked_for(&self, event: &str) -> Option<Because> {
        let reasons = ["gap at", "auth event", "state at"].map(|reason| format!("{reason} {event}"));
        let last = reasons.iter().filter_map(|reason| self.asked.get(reason)).max();
        last.copied().map(Because::Request)
    }
}
