//! Writes the journal while a run goes on: watches the traffic and the servers.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use bytes::Bytes;
use foldhash::fast::FixedState;
use http::{Request, Response};
use indexmap::IndexSet;
use ruma_common::OwnedEventId;
use serde_json::{Value, value::RawValue};

use crate::{
    homeserver::observation::{DropReason, Observation, Observer, Source, UserAction},
    journal::{self, Causes, DropKind, Record, What},
    matrix::{
        canonical::Carried,
        endpoint::{Endpoint, EndpointName, List},
        pdu::{Limits, Pdu, PduError},
        reader::EventReader,
        version::RoomVersion,
    },
    network::{
        time::RunTime,
        traffic::{Failure, RequestId, Traffic},
    },
    ports::{Cause, Panic},
    room::{Verdict, graph::Standing, state::Change},
};

/// Writes the journal of one run.
pub struct Recorder {
    records: RefCell<Vec<Record>>,
    causes: RefCell<Causes>,
    time: Rc<RunTime>,
    reader: Rc<EventReader>,
    version: Cell<RoomVersion>,
    /// Names in the scenario by Matrix names.
    names: BTreeMap<String, String>,
    seen_events: RefCell<IndexSet<OwnedEventId, FixedState>>,
    /// The current state of the room on each server, as recorded.
    states: RefCell<BTreeMap<String, State>>,
    requests: RefCell<BTreeMap<RequestId, OpenRequest>>,
    next_request: Cell<RequestId>,
}

type State = BTreeMap<(String, String), OwnedEventId>;

struct OpenRequest {
    from: String,
    to: String,
    /// The events that it pushes.
    pushed: Vec<String>,
    failed: bool,
}

impl Recorder {
    /// An empty journal of servers given as (name in the scenario, Matrix name).
    pub fn new(
        names: &[(String, String)],
        version: RoomVersion,
        time: Rc<RunTime>,
        reader: Rc<EventReader>,
    ) -> Self {
        Self {
            records: RefCell::default(),
            causes: RefCell::default(),
            time,
            reader,
            version: Cell::new(version),
            names: names.iter().map(|(host, name)| (name.clone(), host.clone())).collect(),
            seen_events: RefCell::default(),
            states: RefCell::default(),
            requests: RefCell::default(),
            next_request: Cell::new(1),
        }
    }

    /// Says of which version the room is, once an import has shown it.
    pub fn set_version(&self, version: RoomVersion) {
        self.version.set(version);
    }

    /// The version of the room.
    pub(super) fn version(&self) -> RoomVersion {
        self.version.get()
    }

    /// Adds a record.
    pub fn record(&self, server: Option<&str>, what: What) {
        let t = i64::try_from(self.time.now()).expect("runs are shorter than 292 million years");
        let because = self.causes.borrow_mut().take(server, &what);
        self.records.borrow_mut().push(Record { t, server: server.map(str::to_owned), because, what });
    }

    /// Says that a step was played, and what happens from here on does not happen in it.
    pub(super) fn step_is_over(&self) {
        self.causes.borrow_mut().step_is_over();
    }

    /// The records, with times counted from `zero`.
    pub fn finish(&self, zero: u64) -> Vec<Record> {
        let zero = i64::try_from(zero).expect("runs are short");
        let mut records = std::mem::take(&mut *self.records.borrow_mut());
        for record in &mut records {
            record.t -= zero;
        }
        records
    }

    /// The event itself, if this run has not seen it before.
    pub(super) fn first_sight(&self, pdu: &Pdu) -> Option<Box<RawValue>> {
        let is_known = self.seen_events.borrow().contains(pdu.event_id());
        if is_known {
            return None;
        }
        self.seen_events.borrow_mut().insert(pdu.event_id().clone());
        Some(pdu.json().to_owned())
    }

    /// A server's name in the scenario.
    fn name(&self, matrix_name: &str) -> String {
        self.names.get(matrix_name).cloned().unwrap_or_else(|| matrix_name.to_owned())
    }

    fn from(&self, source: &Source) -> journal::Source {
        match source {
            Source::OwnUser => journal::Source::User,
            Source::OwnStore => journal::Source::Store,
            Source::Import => journal::Source::Import,
            Source::Peer { server, endpoint } => {
                journal::Source::Peer { server: self.name(server.as_str()), endpoint: *endpoint }
            }
        }
    }

    /// The ids of the events that a request names in its path or query, or names or carries in its body.
    pub(super) fn events_named(&self, request: &Request<Bytes>) -> Vec<String> {
        Asked::read(request, |pdu| self.id_of(pdu)).events
    }

    fn id_of(&self, pdu: &RawValue) -> String {
        let pdu = self.reader.read(pdu.get(), self.version.get(), Limits::Waived);
        pdu.map_or_else(|_| "?".to_owned(), |pdu| pdu.event_id().to_string())
    }

    fn sight(&self, pdu: &RawValue) -> Sight {
        match self.reader.read(pdu.get(), self.version.get(), Limits::Waived) {
            Ok(pdu) => Sight { id: pdu.event_id().to_string(), redacted: !pdu.hash_holds() },
            Err(_) => Sight { id: "?".to_owned(), redacted: false },
        }
    }

    /// Records how the current state of the room changed, if that is news.
    pub(super) fn state_changed(&self, host: &str, changes: Vec<Change>) {
        let mut states = self.states.borrow_mut();
        let known = states.entry(host.to_owned()).or_default();
        let mut changed = Vec::new();
        for Change { kind, key, event } in changes {
            let slot = (kind.to_string(), key);
            let old = match event.clone() {
                Some(event) => known.insert(slot.clone(), event),
                None => known.remove(&slot),
            };
            if old != event {
                changed.push((slot.0, slot.1, event));
            }
        }
        drop(states);
        if !changed.is_empty() {
            self.record(Some(host), What::State { changed });
        }
    }
}

/// An event in an answer.
struct Sight {
    id: String,
    redacted: bool,
}

impl Traffic for Recorder {
    fn sent(&self, from: &str, to: &str, request: &Request<Bytes>) -> RequestId {
        let id = self.next_request.replace(self.next_request.get() + 1);
        let asked = Asked::read(request, |pdu| self.id_of(pdu));
        let cause = request.extensions().get::<Cause>().cloned();
        let endpoint = EndpointName::in_path(request.uri().path());
        let pushed = if endpoint == Endpoint::Send { asked.events.clone() } else { Vec::new() };
        let open = OpenRequest { from: from.into(), to: to.into(), pushed, failed: false };
        self.requests.borrow_mut().insert(id, open);
        self.record(
            Some(from),
            What::Request {
                id,
                to: to.to_owned(),
                endpoint,
                line: format!("{} {}", request.method(), request.uri()),
                cause: cause.unwrap_or_else(|| Cause::Other(String::new())),
                events: asked.events,
                limit: asked.limit,
                earliest: asked.earliest,
                min_depth: asked.min_depth,
                bytes: request.body().len(),
            },
        );
        id
    }

    fn arrived(&self, id: RequestId) {
        let to = self.requests.borrow().get(&id).map(|request| request.to.clone());
        if let Some(to) = to {
            self.record(Some(&to), What::Arrived { id });
        }
    }

    fn answered(&self, id: RequestId, response: &Response<Bytes>) {
        let Some(open) = self.requests.borrow_mut().remove(&id) else { return };
        let answer = AnswerRead::read(response.body(), open.pushed, |pdu| self.sight(pdu));
        self.record(
            Some(&open.from),
            What::Answer {
                id,
                status: response.status().as_u16(),
                errcode: answer.errcode,
                events: answer.events,
                auth_chain: answer.auth_chain,
                redacted: answer.redacted,
                refused: answer.refused,
                bytes: response.body().len(),
            },
        );
    }

    fn failed(&self, id: RequestId, why: Failure) {
        let mut requests = self.requests.borrow_mut();
        let Some(open) = requests.get_mut(&id) else { return };
        let from = open.from.clone();
        // What was lost is known at once; that the asker gave up adds nothing to it.
        let known = std::mem::replace(&mut open.failed, true);
        let over = matches!(why, Failure::Refused | Failure::Broken | Failure::Abandoned);
        if over {
            requests.remove(&id);
        }
        drop(requests);
        if known && why == Failure::Abandoned {
            return;
        }
        let why = match why {
            Failure::Refused => "refused",
            Failure::RequestLost => "request_lost",
            Failure::AnswerLost => "answer_lost",
            Failure::Broken => "broken",
            Failure::Abandoned => "abandoned",
        };
        self.record(Some(&from), What::Failed { id, why: why.to_owned() });
    }
}

/// What a request says of events.
struct Asked {
    events: Vec<String>,
    earliest: Vec<String>,
    limit: Option<u64>,
    min_depth: Option<u64>,
}

impl Asked {
    fn read(request: &Request<Bytes>, id_of: impl Fn(&RawValue) -> String) -> Self {
        #[derive(Default, serde::Deserialize)]
        #[serde(default)]
        struct Body<'a> {
            latest_events: Vec<String>,
            earliest_events: Vec<String>,
            limit: Option<u64>,
            min_depth: u64,
            #[serde(borrow)]
            pdus: Vec<&'a RawValue>,
        }
        let carried = Carried::by(request);
        let body: Body<'_> = match carried {
            Some(carried) => Body { pdus: carried.texts().collect(), ..Body::default() },
            None => serde_json::from_slice(request.body()).unwrap_or_default(),
        };
        let query = request.uri().query().unwrap_or_default();
        let query: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let parameter = |name: &'static str| {
            query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.clone())
        };
        let last = request.uri().path().rsplit('/').next().unwrap_or_default();
        let in_path = percent_encoding::percent_decode_str(last).decode_utf8_lossy().into_owned();
        let mut events: Vec<String> = parameter("v").chain(parameter("event_id")).collect();
        events.extend(in_path.starts_with('$').then_some(in_path));
        events.extend(body.latest_events);
        events.extend(body.pdus.iter().map(|pdu| id_of(pdu)));
        let limit = parameter("limit").next().and_then(|limit| limit.parse().ok()).or(body.limit);
        let min_depth = (body.min_depth > 0).then_some(body.min_depth);
        Self { events, earliest: body.earliest_events, limit, min_depth }
    }
}

/// What an answer says of events.
#[derive(Default)]
struct AnswerRead {
    errcode: Option<String>,
    events: Vec<String>,
    auth_chain: Vec<String>,
    redacted: Vec<String>,
    refused: Vec<String>,
}

impl AnswerRead {
    fn read(body: &[u8], pushed: Vec<String>, sight: impl Fn(&RawValue) -> Sight) -> Self {
        let fields = Fields::read(body);
        let mut redacted = Vec::new();
        let mut ids = |of: fn(Endpoint) -> Option<List>| -> Option<Vec<String>> {
            let seen: Vec<Sight> = fields.events(of).into_iter().map(&sight).collect();
            redacted.extend(seen.iter().filter(|seen| seen.redacted).map(|seen| seen.id.clone()));
            Some(seen.into_iter().map(|seen| seen.id).chain(fields.ids(of)?).collect())
        };
        let lists = ids(Endpoint::events).zip(ids(Endpoint::auth_chain));
        let errcode = fields.text("errcode");
        match lists {
            Some((events, auth_chain)) => {
                let refused = refused(fields.get("pdus"), pushed);
                Self { errcode, events, auth_chain, redacted, refused }
            }
            // Of an answer with ids that are no texts nothing is taken.
            None => Self { errcode, refused: pushed, ..Self::default() },
        }
    }
}

/// The fields of an answer, unread. Who lies, or is told what to say, may put a list where another endpoint
/// has it, so the lists of all endpoints are looked for.
struct Fields<'a>(BTreeMap<String, &'a RawValue>);

impl<'a> Fields<'a> {
    fn read(body: &'a [u8]) -> Self {
        Self(serde_json::from_slice(body).unwrap_or_default())
    }

    fn get(&self, key: &str) -> Option<&'a RawValue> {
        self.0.get(key).copied().filter(|value| value.get() != "null")
    }

    fn text(&self, key: &str) -> Option<String> {
        serde_json::from_str(self.get(key)?.get()).ok()
    }

    /// The events of the first list that is there.
    fn events(&self, of: fn(Endpoint) -> Option<List>) -> Vec<&'a RawValue> {
        let mut lists = Endpoint::ALL.iter().filter_map(|endpoint| of(*endpoint));
        let list = lists.find_map(|list| match list {
            List::Events(key) => self.get(key),
            List::Ids(_) => None,
        });
        list.and_then(|list| serde_json::from_str(list.get()).ok()).unwrap_or_default()
    }

    /// The ids of the first list that is there; nothing if it is no such list.
    fn ids(&self, of: fn(Endpoint) -> Option<List>) -> Option<Vec<String>> {
        let mut lists = Endpoint::ALL.iter().filter_map(|endpoint| of(*endpoint));
        let list = lists.find_map(|list| match list {
            List::Ids(key) => self.0.get(key),
            List::Events(_) => None,
        });
        list.map_or(Some(Vec::new()), |list| serde_json::from_str(list.get()).ok())
    }
}

/// What a transaction of one event is most often answered with.
fn takes_the_only_one(results: Option<&RawValue>, pushed: &[String]) -> bool {
    let ([only], Some(results)) = (pushed, results) else { return false };
    let id = results.get().strip_prefix("{\"").and_then(|rest| rest.strip_suffix("\":{}}"));
    id == Some(only.as_str()) && !only.contains(['"', '\\'])
}

/// The events that were pushed and that the answer, an object of results, does not say were taken.
fn refused(results: Option<&RawValue>, mut pushed: Vec<String>) -> Vec<String> {
    if pushed.is_empty() || takes_the_only_one(results, &pushed) {
        return Vec::new();
    }
    let results: BTreeMap<String, Value> =
        results.and_then(|results| serde_json::from_str(results.get()).ok()).unwrap_or_default();
    pushed.retain(|id| results.get(id).is_none_or(|result| result.get("error").is_some()));
    pushed
}

fn kind_of(reason: &DropReason) -> DropKind {
    match reason {
        DropReason::Pdu(PduError::NotCanonical(_)) => DropKind::NotCanonical,
        DropReason::Pdu(PduError::TooLarge(_)) => DropKind::TooLarge,
        DropReason::Pdu(PduError::Field { .. }) => DropKind::Field,
        DropReason::Pdu(PduError::Signature { .. }) => DropKind::Signature,
        DropReason::Pdu(PduError::UnknownKey { .. }) => DropKind::UnknownKey,
        DropReason::NoRoom => DropKind::NoRoom,
        DropReason::UnknownRoom => DropKind::UnknownRoom,
        DropReason::ShutOut => DropKind::ShutOut,
        DropReason::Unasked { .. } => DropKind::Unasked,
    }
}

/// Watches one server.
pub struct ServerObserver {
    /// Its name in the scenario.
    pub host: String,
    /// Where to write.
    pub recorder: Rc<Recorder>,
}

impl Observer for ServerObserver {
    fn see(&self, observation: Observation) {
        let recorder = &self.recorder;
        let what = match observation {
            Observation::StateChanged(changes) => return recorder.state_changed(&self.host, changes),
            Observation::Received { pdu, source } => {
                let first = recorder.first_sight(&pdu);
                let event = pdu.event_id().clone();
                What::Received { event, from: recorder.from(&source), pdu: first }
            }
            Observation::Dropped { event_id, source, reason } => {
                let (from, kind) = (recorder.from(&source), Some(kind_of(&reason)));
                What::Dropped { event: event_id, from, reason: reason.to_string(), kind }
            }
            Observation::Judged { event_id, verdict } => {
                let (verdict, refusal) = match verdict {
                    Verdict::Accepted => (Standing::Accepted, None),
                    Verdict::SoftFailed(refusal) => (Standing::SoftFailed, Some(refusal)),
                    Verdict::Rejected(refusal) => (Standing::Rejected, Some(refusal)),
                };
                let (reason, kind) = refusal.map(|refusal| (refusal.to_string(), refusal.by)).unzip();
                What::Judged { event: event_id, verdict, reason, kind }
            }
            Observation::Waits { event_id, prev_events, auth_events } => {
                What::Waits { event: event_id, prev_events, auth_events }
            }
            Observation::GapOpened { missing, wanted_by } => What::GapOpened { missing, wanted_by },
            Observation::GapClosed { missing } => What::GapClosed { missing },
            Observation::GapStuck { missing, failures, retry_in_ms } => {
                What::GapStuck { missing, failures, retry_in_ms }
            }
            Observation::StateTaken { event_id, from, events } => {
                What::StateTaken { event: event_id, from: recorder.name(from.as_str()), events }
            }
            Observation::PagedBack { events, complete } => What::PagedBack { events, complete },
            Observation::FellBehind { destination, dropped } => {
                let to = recorder.name(destination.as_str());
                What::FellBehind { to, dropped: dropped.len(), events: dropped }
            }
            Observation::Undeliverable { destination, event_id, reason } => {
                What::Undeliverable { to: recorder.name(destination.as_str()), event: event_id, reason }
            }
            Observation::UserFailed { action, reason } => {
                let (action, user) = match action {
                    UserAction::Join(user) => ("join", user),
                    UserAction::Invite(user) => ("invite", user),
                };
                What::UserFailed { action: action.to_owned(), user: Some(user.to_string()), reason }
            }
            Observation::Joined { event_id, via } => {
                What::Joined { event: event_id, via: recorder.name(via.as_str()) }
            }
            Observation::Started => What::Started,
            Observation::Panicked(Panic { message, place }) => What::Panicked { message, place },
        };
        recorder.record(Some(&self.host), what);
    }
}
