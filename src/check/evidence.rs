//! What a journal proves, read once: every event as it was first seen, who held what and since when, who asked whom
//! for what, and how each server stands at the end. Invariants read this and nothing else.
//!
//! It may not know how servers work inside: what is not in the journal did not happen.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    str::FromStr,
};

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use ruma_common::{EventId, OwnedEventId, RoomId, UserId};

use super::oracle::{self, Recovery};
use crate::{
    journal::{
        End, Expectation, Journal, Played, Record, Source, What,
        exchange::{Exchange, exchanges},
    },
    matrix::{
        crypto::{Crypto, Scheme},
        memory::Memory,
        pdu::{Pdu, PduError, Road, UnverifiedPdu},
        reader::EventReader,
        version::RoomVersion,
    },
    room::{Arrival, Room, answer_order::AnswerOrder, graph::Standing},
    scenario::{
        Action, Expect, Family, LieAction, PageBack, Pages, RECOVERY_ENDPOINTS, Scenario, UserAction,
    },
};

/// Why a journal is no evidence.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// It does not begin with the run.
    #[error("the first record does not say which run it is")]
    NoRun,
    /// Its room version is not played.
    #[error("the journal is of room version {0}")]
    RoomVersion(u8),
}

/// An event where the run saw it for the first time.
#[derive(Debug)]
pub struct Seen<'a> {
    /// When.
    pub t: i64,
    /// On which server.
    pub server: &'a str,
    /// How it came there.
    pub from: &'a Source,
    /// The event; an error where what the server stored is not even well-formed.
    pub pdu: Result<UnverifiedPdu, PduError>,
    parents: Vec<OwnedEventId>,
}

/// Whether an event came because the server asked for what it lacks.
pub(super) fn is_pulled(from: &Source) -> bool {
    matches!(from, Source::Peer { endpoint, .. } if RECOVERY_ENDPOINTS.contains(&endpoint.as_str()))
}

/// Endpoints that give history: each event by itself, as the asker may have it.
pub(super) const HISTORY_ENDPOINTS: [&str; 3] = ["backfill", "get_missing_events", "event"];

/// A verdict, when it was reached.
#[derive(Debug)]
pub struct Judged<'a> {
    /// When.
    pub t: i64,
    /// On which server.
    pub server: &'a str,
    /// The number of its record.
    pub at: usize,
    /// In which of its lives, counted by its starts.
    pub life: usize,
    /// On which event.
    pub event: &'a EventId,
    /// The verdict.
    pub verdict: Standing,
}

/// An event that a server made for an own user.
#[derive(Debug)]
pub struct OwnEvent<'e> {
    /// The number of the record.
    pub at: usize,
    /// When.
    pub t: i64,
    /// The server.
    pub server: &'e str,
    /// The server.
    pub host: &'e Host<'e>,
    /// The event.
    pub pdu: &'e Pdu,
}

/// Where servers tell states, and the events that they are made of.
const STATE_ENDPOINTS: [&str; 4] = ["send_join", "state_ids", "state", "event_auth"];

/// A key that a server signs with.
#[derive(Clone, Copy, Debug)]
pub struct EventKey<'a> {
    /// The Matrix name of the server.
    pub server: &'a str,
    /// Its id.
    pub id: &'a str,
    /// The key in unpadded base64.
    pub key: &'a str,
    /// The number of the record with which it went out of use, and the time after which nothing by it holds, in
    /// milliseconds since the epoch.
    pub expired: Option<(usize, u64)>,
}

/// A hole in a server's graph.
#[derive(Debug)]
pub struct Gap<'a> {
    /// Whose.
    pub server: &'a str,
    /// The event that is missing.
    pub missing: &'a EventId,
    /// An event that waits for it.
    pub wanted_by: &'a EventId,
    /// When it was noticed.
    pub opened: i64,
    /// When it was filled.
    pub closed: Option<i64>,
}

/// A panic of a server's software.
#[derive(Clone, Copy, Debug)]
pub struct Panicked<'a> {
    /// When.
    pub t: i64,
    /// On which server.
    pub server: &'a str,
    /// What it says.
    pub message: &'a str,
    /// File, line and column.
    pub place: &'a str,
}

/// What fills a slot of a state from a record of the journal on.
type Filled<'a> = (usize, Option<&'a EventId>);

/// How an event came to a server for the first time.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt<'a> {
    /// The number of the record.
    pub(super) at: usize,
    /// When.
    pub(super) t: i64,
    /// From where.
    pub(super) from: &'a Source,
}

/// What happened to one event on one server, with the numbers of the records.
#[derive(Clone, Debug, Default)]
struct Fate<'a> {
    received: Option<Receipt<'a>>,
    /// The number of the record that says that it waits for others.
    waits: Option<usize>,
    /// The number of the record by which it came with a state or an auth chain, which gives it a place in the graph.
    with_state: Option<usize>,
    verdicts: Vec<(usize, Standing)>,
}

/// What became of one server.
#[derive(Debug, Default)]
pub struct Host<'a> {
    /// Its Matrix name.
    pub matrix_name: &'a str,
    /// The order in which the scenario has it answer.
    pub answer_order: AnswerOrder,
    /// How it stands at the end.
    pub end: Option<&'a End>,
    /// The standings of the events that it holds at the end.
    pub held: BTreeMap<&'a EventId, Standing>,
    /// When it took an event for the first time, and from where.
    pub received: BTreeMap<&'a EventId, (i64, &'a Source)>,
    /// The numbers of the records that say so.
    pub received_at: BTreeMap<&'a EventId, usize>,
    /// What happened here to each event, by its place in [`Evidence::seen`].
    fates: Vec<Fate<'a>>,
    /// What has filled each slot of the current state, with the numbers of the records.
    pub slots: BTreeMap<(&'a str, &'a str), Vec<Filled<'a>>>,
    /// The users of each server that have ever had a membership in it.
    pub users: BTreeMap<&'a str, Vec<&'a str>>,
    /// The numbers of the records at which it had other events, verdicts or another state than before.
    pub changes: Vec<usize>,
    /// Whether a panic took it down and nobody started it again.
    pub is_broken: bool,
    /// When it joined, the last time; nothing if it was there from the start.
    pub joined: Option<i64>,
    /// Who let it in.
    pub joined_via: Option<&'a str>,
    /// The events at which it took the state by the word of a peer, with the peer.
    pub states_taken: BTreeMap<&'a EventId, &'a str>,
    /// Events of which it dropped a copy, being unable to verify it.
    pub dropped: BTreeSet<&'a EventId>,
    /// How many events of answers it has taken or dropped, by the endpoint.
    pub looked_at: BTreeMap<&'a str, usize>,
    /// When an event last reached it or was judged.
    pub last_change: Option<i64>,
    /// The numbers of the records at which a user of it began to scroll back to the beginning of the room, and at which
    /// it gave up before it was there.
    pub scrolled_in_vain: Option<(usize, usize)>,
    /// How often a user scrolled back in vain, until it gave up.
    pub vain_scrolls: usize,
    /// The number of the record at which a user began to scroll back that far.
    scrolls: Option<usize>,
    deceived: OnceCell<bool>,
    lives: usize,
}

impl<'a> Host<'a> {
    /// The servers on whose word it took a state.
    fn words(&self) -> impl Iterator<Item = &'a str> {
        self.states_taken.values().copied().chain(self.joined_via)
    }

    /// The events that are part of its history at the end.
    pub fn history(&self) -> impl Iterator<Item = &'a EventId> + '_ {
        self.held.iter().filter(|(_, standing)| standing.is_history()).map(|(id, _)| *id)
    }

    /// Its forward extremities at the end.
    pub fn extremities(&self) -> BTreeSet<&'a EventId> {
        self.end.iter().flat_map(|end| &end.forward_extremities).map(|id| &**id).collect()
    }

    /// What filled a slot of the current state after a record of the journal.
    pub fn slot_at(&self, kind: &str, key: &str, at: usize) -> Option<&'a EventId> {
        last_at(self.slots.get(&(kind, key))?, at)?.1
    }

    /// The numbers of the records at which something became of an event, with its place; in order.
    pub(super) fn changes_of_events(&self) -> Vec<(usize, usize)> {
        let of = |(place, fate): (usize, &Fate<'a>)| {
            let received = fate.received.map(|received| received.at);
            let once = received.into_iter().chain(fate.waits).chain(fate.with_state);
            let at = once.chain(fate.verdicts.iter().map(|(at, _)| *at));
            at.map(|at| (at, place)).collect::<Vec<_>>()
        };
        let mut changes: Vec<_> = self.fates.iter().enumerate().flat_map(of).collect();
        changes.sort_unstable();
        changes
    }

    /// How an event came here, by its place in [`Evidence::seen`].
    pub(super) fn receipt(&self, place: usize) -> Option<Receipt<'a>> {
        self.fates.get(place)?.received
    }

    fn fate(&mut self, place: usize) -> &mut Fate<'a> {
        self.fates.resize_with(self.fates.len().max(place + 1), Fate::default);
        &mut self.fates[place]
    }

    /// Whether it is joined to the room at the end.
    pub fn is_joined(&self) -> bool {
        self.end.is_some_and(|end| end.joined)
    }
}

/// The last entry that is not later than a record.
pub(super) fn last_at<T>(entries: &[(usize, T)], at: usize) -> Option<&(usize, T)> {
    entries[..entries.partition_point(|(then, _)| *then <= at)].last()
}

/// What a journal proves.
#[derive(Debug)]
pub struct Evidence<'a> {
    /// What the scenario expects.
    pub expect: &'a Expect,
    /// The version of the room.
    pub version: RoomVersion,
    /// The keys that servers sign with.
    pub keys: Vec<EventKey<'a>>,
    /// The kinds of signatures that the run may have used.
    pub cryptos: Vec<Rc<Crypto>>,
    /// The servers by name, in the scenario's order.
    pub hosts: IndexMap<&'a str, Host<'a>, FixedState>,
    /// Every event that any server stored, in the order in which the run saw them.
    pub seen: IndexMap<&'a EventId, Seen<'a>, FixedState>,
    /// The requests in the order of their numbers.
    pub requests: BTreeMap<u64, Exchange<'a>>,
    /// All verdicts in order.
    pub judged: Vec<Judged<'a>>,
    /// All holes, in the order in which they were noticed.
    pub gaps: Vec<Gap<'a>>,
    /// Events that a script made to measure, with the server that signed them.
    pub crafted: BTreeMap<&'a EventId, &'a str>,
    /// Events that steps have given a name.
    pub labels: BTreeMap<&'a str, &'a EventId>,
    /// What steps expect of answers, with the server that looked.
    pub expectations: Vec<(&'a str, &'a Expectation)>,
    /// Servers that are not Backfire's own: what they hold is not in the journal.
    guests: BTreeSet<&'a str>,
    /// Servers that a script tells what to answer, with the endpoint.
    pub scripted: BTreeSet<(&'a str, &'a str)>,
    /// Servers that a script tells what to answer to `/event`, with the event that it is about, if it is about one.
    told: Vec<(&'a str, Option<&'a str>)>,
    /// The steps that were played, with the number of the record and the server.
    pub steps: Vec<(usize, &'a str, &'a Played)>,
    /// Pairs of servers of which the first could not reach the second when the run ended.
    pub out_of_reach: BTreeSet<(&'a str, &'a str)>,
    /// How long servers may take to recover, in milliseconds.
    pub budget_ms: u64,
    /// The panics.
    pub panics: Vec<Panicked<'a>>,
    /// When the last fault was over: the final heal, or else the last step that ended one.
    pub healed: Option<i64>,
    /// The time of the last record.
    pub ended: i64,
    /// The number of the last record.
    pub last: usize,
    /// The parents of each event, by places in `seen`.
    edges: OnceCell<Vec<Vec<usize>>>,
    referee: OnceCell<Room>,
    end: OnceCell<RoomsEnd>,
    recoveries: OnceCell<Vec<Recovery>>,
}

/// How the room stands at the end, by all events of the run together.
#[derive(Debug, Default)]
struct RoomsEnd {
    /// Where any of the joined servers stands.
    tips: BTreeSet<OwnedEventId>,
    /// The Matrix names of the servers that are in it there; nothing where the events don't say.
    members: Option<BTreeSet<String>>,
}

impl<'a> Evidence<'a> {
    /// Reads a journal of a run of `scenario`.
    ///
    /// # Errors
    ///
    /// When it does not begin with a run that can be understood.
    pub fn read(scenario: &'a Scenario, journal: &'a Journal) -> Result<Self, EvidenceError> {
        Self::of_run(scenario, journal, &Memory::default())
    }

    /// Reads the journal of a run that this process has played, with the memory of that run.
    ///
    /// # Errors
    ///
    /// As [`read`](Self::read).
    pub fn of_run(
        scenario: &'a Scenario,
        journal: &'a Journal,
        memory: &Memory,
    ) -> Result<Self, EvidenceError> {
        let Some(What::Run { servers, room_version, keys, guests, .. }) =
            journal.records.first().map(|r| &r.what)
        else {
            return Err(EvidenceError::NoRun);
        };
        let version = RoomVersion::from_str(&room_version.to_string());
        let hosts = servers.iter().map(|(host, name)| {
            let answer_order =
                scenario.servers.get(host).map(|server| server.answer_order).unwrap_or_default();
            (host.as_str(), Host { matrix_name: name, answer_order, ..Host::default() })
        });
        let mut evidence = Self {
            expect: &scenario.expect,
            version: version.map_err(|_| EvidenceError::RoomVersion(*room_version))?,
            keys: keys.iter().map(|(server, id, key)| EventKey { server, id, key, expired: None }).collect(),
            cryptos: vec![memory.crypto.clone(), other_kind(&memory.crypto)],
            hosts: hosts.collect(),
            seen: IndexMap::default(),
            requests: exchanges(journal),
            judged: Vec::new(),
            gaps: Vec::new(),
            crafted: BTreeMap::new(),
            labels: BTreeMap::new(),
            expectations: Vec::new(),
            guests: guests.iter().map(String::as_str).collect(),
            scripted: scripted(scenario),
            told: told(scenario),
            steps: Vec::new(),
            out_of_reach: BTreeSet::new(),
            budget_ms: scenario.expect.within.unwrap_or(scenario.settle).as_millis(),
            panics: Vec::new(),
            healed: None,
            ended: 0,
            last: journal.records.len() - 1,
            edges: OnceCell::new(),
            referee: OnceCell::new(),
            end: OnceCell::new(),
            recoveries: OnceCell::new(),
        };
        let mut open_gaps = BTreeMap::new();
        for (at, record) in journal.records.iter().enumerate() {
            evidence.ended = record.t;
            evidence.take_world(at, record);
            evidence.take_event(at, record, &memory.reader);
            evidence.take_state(at, record);
            evidence.take_gap(record, &mut open_gaps);
            evidence.take_script(record);
        }
        Ok(evidence)
    }

    fn take_world(&mut self, at: usize, record: &'a Record) {
        if let What::Step { detail, .. } = &record.what {
            self.steps.push((at, record.server.as_deref().unwrap_or_default(), detail));
        }
        match &record.what {
            What::Unhealed { links } => {
                self.out_of_reach = links.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
            }
            What::Healed | What::StepEnds { .. } => self.healed = Some(record.t),
            What::Step { detail, .. } if detail.family() == Some(Family::Heal) => {
                self.healed = Some(record.t);
            }
            _ => {}
        }
        let Some(host) = record.server.as_deref().and_then(|name| self.hosts.get_mut(name)) else { return };
        match &record.what {
            What::Started => {
                host.lives += 1;
                host.is_broken = false;
                host.scrolls = None;
            }
            What::Step { detail, .. } if scrolls_to_the_beginning(detail) => host.scrolls = Some(at),
            What::PagedBack { complete, events } => {
                let to_the_beginning = host.scrolls.is_some();
                host.vain_scrolls += usize::from(!complete && (*events == 0 || to_the_beginning));
                let began = host.scrolls.take().filter(|_| !complete);
                host.scrolled_in_vain = began.map(|began| (began, at));
            }
            What::Panicked { message, place } => {
                host.is_broken = true;
                let server = record.server.as_deref().unwrap_or_default();
                self.panics.push(Panicked { t: record.t, server, message, place });
            }
            What::KeyRotated { key_id, key, old_key_id, expired_ts } => {
                let server = host.matrix_name;
                let is_old =
                    |key: &&mut EventKey<'_>| key.server == server && Some(key.id) == old_key_id.as_deref();
                if let (Some(old), Some(ts)) = (self.keys.iter_mut().find(is_old), expired_ts) {
                    old.expired = Some((at, *ts));
                }
                self.keys.push(EventKey { server, id: key_id, key, expired: None });
            }
            What::Joined { via, .. } => {
                host.joined = Some(record.t);
                host.joined_via = Some(via);
            }
            What::StateTaken { event, from, .. } => {
                host.states_taken.insert(event, from);
            }
            What::End(end) => {
                host.held = end.events.iter().map(|(id, standing)| (&**id, *standing)).collect();
                host.end = Some(end);
            }
            _ => {}
        }
    }

    fn take_state(&mut self, at: usize, record: &'a Record) {
        let What::State { changed } = &record.what else { return };
        let Some(host) = record.server.as_deref().and_then(|name| self.hosts.get_mut(name)) else { return };
        host.changes.push(at);
        for (kind, key, event) in changed {
            let filled = host.slots.entry((kind, key)).or_default();
            if filled.is_empty()
                && kind == "m.room.member"
                && let Ok(user) = <&UserId>::try_from(key.as_str())
            {
                host.users.entry(user.server_name().as_str()).or_default().push(key);
            }
            filled.push((at, event.as_deref()));
        }
    }

    fn take_event(&mut self, at: usize, record: &'a Record, reader: &EventReader) {
        let Some(server) = record.server.as_deref() else { return };
        let Some(host) = self.hosts.get_mut(server) else { return };
        if let What::Received { from: Source::Peer { endpoint, .. }, .. }
        | What::Dropped { from: Source::Peer { endpoint, .. }, .. } = &record.what
        {
            *host.looked_at.entry(endpoint).or_default() += 1;
        }
        match &record.what {
            What::Received { event, from, pdu } => {
                host.last_change = Some(record.t);
                host.changes.push(at);
                host.received.entry(event).or_insert((record.t, from));
                host.received_at.entry(event).or_insert(at);
                if let Some(pdu) = pdu {
                    let pdu = reader.read(pdu.get(), self.version, Road::Backfill);
                    let parents = pdu.as_ref().map(|pdu| pdu.claims().prev_events().to_vec());
                    let parents = parents.unwrap_or_default();
                    self.seen.entry(event).or_insert(Seen { t: record.t, server, from, pdu, parents });
                }
                if let Some(place) = self.seen.get_index_of(&**event) {
                    let fate = host.fate(place);
                    fate.received.get_or_insert(Receipt { at, t: record.t, from });
                    if let Source::Peer { endpoint, .. } = from
                        && ["send_join", "state", "event_auth"].contains(&&**endpoint)
                    {
                        fate.with_state.get_or_insert(at);
                    }
                }
            }
            What::Dropped { event: Some(event), .. } => drop(host.dropped.insert(event)),
            What::Waits { event, .. } => {
                if let Some(place) = self.seen.get_index_of(&**event) {
                    host.fate(place).waits.get_or_insert(at);
                }
            }
            What::Judged { event, verdict, .. } => {
                host.last_change = Some(record.t);
                host.changes.push(at);
                if let Some(place) = self.seen.get_index_of(&**event) {
                    host.fate(place).verdicts.push((at, *verdict));
                }
                let life = host.lives;
                self.judged.push(Judged { t: record.t, at, server, life, event, verdict: *verdict });
            }
            _ => {}
        }
    }

    fn take_gap(&mut self, record: &'a Record, open: &mut BTreeMap<(&'a str, &'a EventId), usize>) {
        let Some(server) = record.server.as_deref() else { return };
        match &record.what {
            What::GapOpened { missing, wanted_by } => {
                open.insert((server, missing), self.gaps.len());
                self.gaps.push(Gap { server, missing, wanted_by, opened: record.t, closed: None });
            }
            What::GapClosed { missing } => {
                if let Some(gap) = open.remove(&(server, &**missing)) {
                    self.gaps[gap].closed = Some(record.t);
                }
            }
            _ => {}
        }
    }

    fn take_script(&mut self, record: &'a Record) {
        let server = record.server.as_deref().unwrap_or_default();
        match &record.what {
            What::Crafted { event, .. } => {
                self.crafted.insert(event, server);
            }
            What::Labelled { label, event } => {
                self.labels.insert(label, event);
            }
            What::Expected(expectation) => self.expectations.push((server, expectation)),
            _ => {}
        }
    }

    // --- Servers.

    /// The servers that must agree at the end: joined, not put out without knowing it, not taken down by a panic, and not
    /// expected to differ.
    pub fn agreeing(&self) -> impl Iterator<Item = (&'a str, &Host<'a>)> {
        let differ = &self.expect.differ;
        let joined = self.joined().filter(|(_, host)| !self.is_out_unawares(host));
        joined.filter(|(name, _)| !differ.iter().any(|other| other == name))
    }

    fn joined(&self) -> impl Iterator<Item = (&'a str, &Host<'a>)> {
        let joined = self.hosts.iter().filter(|(_, host)| host.is_joined() && !host.is_broken);
        joined.map(|(name, host)| (*name, host))
    }

    /// Whether the events of the run put a server out of the room, and it lacks some of them: nobody tells it any more.
    fn is_out_unawares(&self, host: &Host<'_>) -> bool {
        let RoomsEnd { tips, members } = self.end.get_or_init(|| self.rooms_end());
        let is_out = members.as_ref().is_some_and(|members| !members.contains(host.matrix_name));
        is_out && tips.iter().any(|tip| !host.held.contains_key(&**tip))
    }

    fn rooms_end(&self) -> RoomsEnd {
        let tips = self.joined().flat_map(|(_, host)| host.extremities());
        let tips: BTreeSet<OwnedEventId> = tips.map(ToOwned::to_owned).collect();
        let room = self.referee();
        let state = room.state_after_all(&tips.iter().cloned().collect::<Vec<_>>());
        let members = state.map(|state| {
            let members = room.members(&state, "join");
            members.map(|user| user.server_name().as_str().to_owned()).collect()
        });
        RoomsEnd { tips, members }
    }

    /// The joined servers that still had something under way when the run ended, other than waiting for what they
    /// can't get.
    pub fn restless(&self) -> impl Iterator<Item = (&'a str, &End)> {
        let ends = self.agreeing().filter_map(|(name, host)| Some((name, host, host.end?)));
        ends.filter(move |(name, host, end)| !end.idle && !oracle::waits_in_vain(self, name, host))
            .map(|(name, _, end)| (name, end))
    }

    /// Whether what a server answers by an endpoint is its own, and can be held against what it holds.
    pub fn answers_for_itself(&self, server: &str, endpoint: &str) -> bool {
        !self.is_guest(server) && !self.scripted.contains(&(server, endpoint))
    }

    /// Whether a server is not Backfire's own.
    pub fn is_guest(&self, server: &str) -> bool {
        self.guests.contains(server)
    }

    /// Whether a server gives an event out under its own name as it would by itself: where all else fails, `/event` is
    /// how it is to be had.
    pub fn is_honest_about(&self, server: &str, id: &EventId) -> bool {
        let means =
            |about: &str| about == id || self.labels.get(about).is_some_and(|labelled| *labelled == id);
        !self.told.iter().any(|(told, about)| *told == server && about.is_none_or(means))
    }

    /// Whether what a server knows of the state may be the word of one that somebody tells what to say of states. One with a
    /// bug is honest: its failures are failures.
    pub fn may_be_deceived(&self, host: &Host<'_>) -> bool {
        *host.deceived.get_or_init(|| self.was_told_by_a_liar(host))
    }

    /// Whether what a server makes of an event may be a lie that it was told: it can't know better before it has all that
    /// is before the event.
    pub fn may_be_misled_about(&self, host: &Host<'_>, id: &EventId, at: usize) -> bool {
        self.may_be_deceived(host) && !self.knows_all_before(host, id, at)
    }

    fn was_told_by_a_liar(&self, host: &Host<'_>) -> bool {
        let mut asked = BTreeSet::new();
        let mut open: Vec<&str> = host.words().collect();
        while let Some(server) = open.pop() {
            if STATE_ENDPOINTS.iter().any(|endpoint| self.scripted.contains(&(server, *endpoint))) {
                return true;
            }
            // Who was deceived deceives others and is honest.
            if asked.insert(server) {
                open.extend(self.hosts.get(server).into_iter().flat_map(Host::words));
            }
        }
        false
    }

    /// What each server got of what it lacked.
    pub fn recoveries(&self) -> &[Recovery] {
        self.recoveries.get_or_init(|| oracle::recoveries(self))
    }

    /// Whether a break in a server's history is one that it may have: what lies below happened before it joined,
    /// was never imported, or was too deep to fetch, so that the state there was taken instead.
    pub fn is_edge(&self, host: &Host<'_>, missing: &EventId) -> bool {
        let Some(seen) = self.seen.get(missing) else { return true };
        let before_join = host.joined.is_some_and(|joined| seen.t <= joined);
        before_join || *seen.from == Source::Import || host.states_taken.contains_key(missing)
    }

    /// The events that a server may lack: those at and below the edges of its history.
    pub fn beyond_edges(&self, host: &'a Host<'_>) -> BTreeSet<&EventId> {
        let breaks = host.end.iter().flat_map(|end| &end.backward_extremities);
        let edges = breaks.map(|id| &**id).filter(|id| self.is_edge(host, id));
        // What only a rejected event cites is no break in the history above, and the state was taken there all the same.
        let is_history = |id: &EventId| host.held.get(id).is_some_and(|standing| standing.is_history());
        let taken = host.states_taken.keys().copied().filter(|id| !is_history(id));
        self.reach(edges.chain(taken), |_| true)
    }

    /// The numbers of the records after which an answer may have been made: that of its arrival, and those at which
    /// the server changed until the answer came. None if it is not told that the request arrived.
    pub fn moments(&self, asked: &Exchange<'_>) -> Vec<usize> {
        let (Some(arrived), Some(answer)) = (asked.arrived, &asked.answer) else { return Vec::new() };
        let changes = self.hosts.get(asked.to).map_or(&[][..], |host| &host.changes);
        let since = &changes[changes.partition_point(|at| *at <= arrived)..];
        let until = since.partition_point(|at| *at < answer.at);
        std::iter::once(arrived).chain(since[..until].iter().copied()).collect()
    }

    /// The events that servers made themselves, but for those that a script made, in order.
    pub fn own_events(&self) -> impl Iterator<Item = OwnEvent<'_>> {
        let made = self.seen.iter().filter(|(_, seen)| *seen.from == Source::User);
        made.filter_map(move |(id, seen)| {
            if self.crafted.contains_key(id) {
                return None;
            }
            let host = self.hosts.get(seen.server)?;
            let at = *host.received_at.get(id)?;
            Some(OwnEvent { at, t: seen.t, server: seen.server, host, pdu: self.pdu(id)? })
        })
    }

    // --- A server at a moment of the run.

    /// How an event stood after a record of the journal; nothing if the server did not have it. One that was taken and
    /// not judged counts as an outlier, though it may have been waiting.
    pub fn standing_at(&self, host: &Host<'_>, id: &EventId, at: usize) -> Option<Standing> {
        self.standing_of(host, self.seen.get_index_of(id)?, at)
    }

    pub(super) fn standing_of(&self, host: &Host<'_>, place: usize, at: usize) -> Option<Standing> {
        let fate = host.fates.get(place)?;
        if let Some((_, standing)) = last_at(&fate.verdicts, at) {
            return Some(*standing);
        }
        match fate.received.filter(|received| received.at <= at)?.from {
            // Of imported events only the end says how they stand.
            Source::Import if fate.verdicts.is_empty() => {
                host.held.get(self.seen.get_index(place)?.0).copied()
            }
            _ => Some(Standing::Outlier),
        }
    }

    /// Whether a server of a Matrix name has a joined user in the current state of a host after a record of the journal.
    pub fn takes_for_joined(&self, host: &Host<'_>, name: &str, at: usize) -> bool {
        let mut own = host.users.get(name).into_iter().flatten();
        own.any(|user| {
            let event = host.slot_at("m.room.member", user, at).and_then(|id| self.pdu(id));
            event.and_then(|pdu| pdu.membership()) == Some("join")
        })
    }

    /// Whether an event waits to be judged after a record of the journal: it is held, and has no place in the graph yet.
    pub(super) fn waits_at(host: &Host<'_>, place: usize, at: usize) -> bool {
        let is_waiting = |fate: &Fate<'_>| {
            fate.waits.is_some_and(|since| since <= at)
                && fate.with_state.is_none_or(|since| since > at)
                && last_at(&fate.verdicts, at).is_none()
        };
        host.fates.get(place).is_some_and(is_waiting)
    }

    /// The parents of each event, by places in [`seen`](Self::seen).
    pub(super) fn edges(&self) -> &[Vec<usize>] {
        self.edges.get_or_init(|| {
            let place = |id: &OwnedEventId| self.seen.get_index_of(&**id);
            self.seen.values().map(|seen| seen.parents.iter().filter_map(place).collect()).collect()
        })
    }

    // --- The room.

    /// Whether a server has judged an event and all that is before it, up to a record of the journal.
    pub fn knows_all_before(&self, host: &Host<'_>, id: &EventId, at: usize) -> bool {
        let Some(place) = self.seen.get_index_of(id) else { return false };
        let edges = self.edges();
        let mut reached = vec![false; edges.len()];
        let mut open = vec![place];
        while let Some(place) = open.pop() {
            if std::mem::replace(&mut reached[place], true) {
                continue;
            }
            let is_whole = edges[place].len() == self.seen[place].parents.len();
            if !is_whole || !self.standing_of(host, place, at).is_some_and(Standing::is_judged) {
                return false;
            }
            open.extend(&edges[place]);
        }
        true
    }

    /// The room as one would have it who got every event of the run in a good order: what the events alone say.
    ///
    /// Nothing in it is soft-failed, since that depends on what a server knew when.
    pub fn referee(&self) -> &Room {
        self.referee.get_or_init(|| {
            let trusted = self.seen.values().filter_map(|seen| seen.pdu.as_ref().ok()?.trust().ok());
            let pdus: Vec<_> = trusted.collect();
            let create = pdus.iter().find(|pdu| pdu.is_create()).or(pdus.first());
            let nowhere = || RoomId::parse("!nowhere").expect("a room id");
            let room_id = create.map_or_else(nowhere, |pdu| pdu.room_id().to_owned());
            let mut room = Room::new(&room_id, self.version);
            for pdu in pdus {
                if pdu.room_id() == room_id {
                    room.receive(pdu, Arrival::Backfilled);
                }
            }
            room
        })
    }

    // --- The graph of all events that the run saw.

    /// An event that the run saw, if what was stored is well-formed.
    pub fn pdu(&self, id: &EventId) -> Option<&Pdu> {
        Some(self.seen.get(id)?.pdu.as_ref().ok()?.claims())
    }

    /// The `prev_events` of an event; none if the run never saw it.
    pub fn parents(&self, id: &EventId) -> &[OwnedEventId] {
        self.seen.get(id).map_or(&[], |seen| &seen.parents)
    }

    /// The depth that an event claims.
    pub fn depth(&self, id: &EventId) -> u64 {
        self.pdu(id).map_or(0, Pdu::depth)
    }

    /// The events reached from some by `prev_events`, themselves included, walking through those that `passes`
    /// lets through.
    pub fn reach<'b>(
        &'b self,
        from: impl Iterator<Item = &'b EventId>,
        passes: impl Fn(&EventId) -> bool,
    ) -> BTreeSet<&'b EventId> {
        let mut reached: BTreeSet<&EventId> = BTreeSet::new();
        let mut open: Vec<&EventId> = from.collect();
        while let Some(id) = open.pop() {
            if reached.insert(id) && passes(id) {
                open.extend(self.parents(id).iter().map(|id| &**id));
            }
        }
        reached
    }

    /// The tips of a server's graph: accepted events that no other accepted event descends from, over whatever held
    /// events. Worked out from the events alone, whatever the server says of itself.
    pub fn tips(
        &self,
        host: &Host<'a>,
        accepted: impl Fn(&EventId, Standing) -> bool,
    ) -> BTreeSet<&'a EventId> {
        let held = host.held.iter().map(|(id, standing)| (*id, accepted(id, *standing)));
        let held: IndexMap<&'a EventId, bool, FixedState> = held.collect();
        let mut covered = vec![false; held.len()];
        let mut open: Vec<&EventId> = held.iter().filter(|(_, top)| **top).map(|(id, _)| *id).collect();
        while let Some(child) = open.pop() {
            for parent in self.parents(child) {
                let Some((place, id, top)) = held.get_full(&**parent) else { continue };
                // Below an accepted event the walk starts anew by itself, so it may stop there.
                if !std::mem::replace(&mut covered[place], true) && !top {
                    open.push(id);
                }
            }
        }
        held.into_iter()
            .zip(covered)
            .filter(|((_, top), covered)| *top && !covered)
            .map(|((id, _), _)| id)
            .collect()
    }
}

fn scrolls_to_the_beginning(step: &Played) -> bool {
    let scrolls = |page: &PageBack| page.pages == Pages::All;
    matches!(step.action(), Some(Action::User(UserAction::PageBack(page))) if scrolls(page))
}

/// For the other kind of signatures: the journal does not say which the run used, and imported events have real ones.
fn other_kind(crypto: &Crypto) -> Rc<Crypto> {
    Rc::new(Crypto::new(match crypto.scheme() {
        Scheme::Ed25519 => Scheme::StandIn,
        Scheme::StandIn => Scheme::Ed25519,
    }))
}

fn scripted(scenario: &Scenario) -> BTreeSet<(&str, &str)> {
    scenario.timeline.iter().flat_map(|step| told_by(&step.action)).collect()
}

fn told(scenario: &Scenario) -> Vec<(&str, Option<&str>)> {
    let actions = scenario.timeline.iter().map(|step| &step.action);
    let told = actions.filter_map(|action| match action {
        Action::Lie(LieAction::Answer(answer)) if answer.endpoint == "event" => {
            Some((answer.server.as_str(), answer.about.as_deref()))
        }
        Action::Lie(LieAction::Lies(lies))
            if lies.endpoint.as_deref().is_none_or(|endpoint| endpoint == "event") =>
        {
            Some((lies.server.as_str(), None))
        }
        _ => None,
    });
    told.collect()
}

fn told_by(action: &Action) -> Vec<(&str, &str)> {
    match action {
        Action::Lie(LieAction::Answer(answer)) => vec![(answer.server.as_str(), answer.endpoint.as_str())],
        Action::Lie(LieAction::Lies(lies)) => match &lies.endpoint {
            Some(endpoint) => vec![(lies.server.as_str(), endpoint.as_str())],
            None => RECOVERY_ENDPOINTS.iter().map(|endpoint| (lies.server.as_str(), *endpoint)).collect(),
        },
        _ => Vec::new(),
    }
}
