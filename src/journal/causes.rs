//! What each record follows from: the request that brought an event, the step that a user's deed belongs to.
//!
//! Worked out from the records themselves as they are written, in order. Servers need not know that anybody
//! wants to know, and a journal of another server's making could be annotated alike.

use std::collections::BTreeMap;

use foldhash::fast::FixedState;
use indexmap::IndexMap;

use super::record::{Because, Source, What};
use crate::{
    matrix::endpoint::Endpoint,
    ports::Cause,
    scenario::{Action, FaultAction, HealAction, UserAction, UserRef},
};

/// What is remembered of the records so far.
#[derive(Default)]
pub(crate) struct Causes {
    /// The step that is being played.
    step: Option<usize>,
    /// Matrix names of the servers, by their names in the scenario.
    names: Table<String>,
    servers: Servers,
    open: BTreeMap<u64, Open>,
}

/// By names, ids and other texts.
type Table<V> = IndexMap<String, V, FixedState>;

#[derive(Default)]
struct Servers(Table<Server>);

struct Open {
    /// Nothing for what no event comes by.
    endpoint: Option<Endpoint>,
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
    exchanges: Table<BTreeMap<Endpoint, u64>>,
    /// The last transaction for each destination.
    pushed: Table<u64>,
    /// The last request that this server made to get at an event that it lacks.
    asked: Table<u64>,
    /// The last request for a page of history.
    paged: Option<u64>,
    /// Why each event is missed.
    wanted: Table<Because>,
    /// The step that last told this server to do something that takes time: for whomever, and for each user
    /// by itself.
    doing: BTreeMap<(Deed, Option<String>), usize>,
}

/// What a step can set a server to that goes on beyond the moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Join,
    Invite,
    PageBack,
    Crash,
    Restart,
}

impl Deed {
    /// What could not be done, by the key of its step.
    fn failed(action: &str) -> Option<Self> {
        match action {
            "join" => Some(Self::Join),
            "invite" => Some(Self::Invite),
            _ => None,
        }
    }
}

impl Causes {
    pub(crate) fn step_is_over(&mut self) {
        self.step = None;
    }

    /// What a record follows from; remembers what later ones may follow from.
    pub(crate) fn take(&mut self, server: Option<&str>, what: &What) -> Option<Because> {
        let step = self.step.map(Because::Step);
        match what {
            What::Run { servers, .. } => {
                self.names.extend(servers.iter().cloned());
                None
            }
            What::Step { step, detail, .. } => {
                self.step = Some(*step);
                let deed = detail.action().and_then(|action| self.deed(action));
                if let Some((server, (deed, user))) = server.zip(deed) {
                    let doing = &mut self.servers.named(server).doing;
                    doing.insert((deed, None), *step);
                    doing.insert((deed, user), *step);
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

    /// What a step sets its server to beyond the moment, and for which user.
    fn deed(&self, action: &Action) -> Option<(Deed, Option<String>)> {
        match action {
            Action::User(UserAction::Join(join)) => Some((Deed::Join, Some(self.user(&join.by)))),
            Action::User(UserAction::Invite(invite)) => Some((Deed::Invite, Some(self.user(&invite.user)))),
            Action::User(UserAction::PageBack(_)) => Some((Deed::PageBack, None)),
            Action::Fault(FaultAction::Crash(_)) => Some((Deed::Crash, None)),
            Action::Heal(HealAction::Restart(_)) => Some((Deed::Restart, None)),
            _ => None,
        }
    }

    /// By the name of a server its default user is meant.
    fn user(&self, user: &UserRef) -> String {
        let default = self.names.get(user.0.as_str()).map(|name| format!("@user:{name}"));
        default.unwrap_or_else(|| user.0.clone())
    }

    fn take_traffic(&mut self, server: &str, what: &What) -> Option<Because> {
        match what {
            What::Request { id, to, endpoint, cause, events, .. } => {
                let (endpoint, from) = (endpoint.known(), server.to_owned());
                let open = Open { endpoint, from, to: to.clone(), events: events.clone() };
                self.open.insert(*id, open);
                let own = self.servers.named(server);
                let because = own.reason(cause, events);
                match cause {
                    Cause::Push => set(&mut own.pushed, to, *id),
                    Cause::PageBack => own.paged = Some(*id),
                    _ => {}
                }
                if let Some(event) = cause.event() {
                    set(&mut own.asked, event.as_str(), *id);
                }
                because
            }
            What::Arrived { id } => {
                let open = self.open.get(id)?;
                self.servers.named(server).hear(*id, &open.events, &open.from, open.endpoint);
                None
            }
            What::Answer { id, events, auth_chain, .. } => {
                let Open { to, endpoint, .. } = self.open.remove(id)?;
                self.servers.named(server).hear(*id, events.iter().chain(auth_chain), &to, endpoint);
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

impl Server {
    /// A request or an answer reached this server.
    fn hear<'a>(
        &mut self,
        id: u64,
        events: impl IntoIterator<Item = &'a String>,
        peer: &str,
        endpoint: Option<Endpoint>,
    ) {
        for event in events {
            set(&mut self.brought, event, id);
        }
        if !self.exchanges.contains_key(peer) {
            self.exchanges.insert(peer.to_owned(), BTreeMap::new());
        }
        self.exchanges[peer].extend(endpoint.map(|endpoint| (endpoint, id)));
        self.last = Some(Because::Request(id));
    }

    /// Why a request is made that gives this cause and names these events.
    fn reason(&self, cause: &Cause, events: &[String]) -> Option<Because> {
        match cause {
            Cause::Push => events.first().and_then(|event| self.taken.get(event)).copied(),
            Cause::Keys => self.last,
            Cause::Join => self.told_to(Deed::Join, None),
            Cause::Invite => self.told_to(Deed::Invite, None),
            Cause::PageBack => self.told_to(Deed::PageBack, None),
            Cause::MissingEvent(id) | Cause::AuthEvent(id) | Cause::StateAt(id) => {
                self.wanted.get(id.as_str()).or_else(|| self.taken.get(id.as_str())).copied()
            }
            Cause::Script { step } => Some(Because::Step(*step)),
            Cause::Other(_) => None,
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
            What::GapStuck { missing: event, .. } | What::StateTaken { event, .. } => {
                self.asked.get(event.as_str()).copied().map(Because::Request)
            }
            What::PagedBack { .. } => self.paged.map(Because::Request),
            What::FellBehind { to, .. } | What::Undeliverable { to, .. } => {
                self.pushed.get(to).copied().map(Because::Request)
            }
            What::UserFailed { action, user, .. } => {
                step.or_else(|| self.told_to(Deed::failed(action)?, user.clone()))
            }
            What::Crashed => step.or_else(|| self.told_to(Deed::Crash, None)),
            What::Started => self.doing.remove(&(Deed::Restart, None)).map(Because::Step),
            _ => None,
        }
    }

    fn told_to(&self, deed: Deed, user: Option<String>) -> Option<Because> {
        self.doing.get(&(deed, user)).copied().map(Because::Step)
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
}
