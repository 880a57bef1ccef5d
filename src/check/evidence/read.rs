//! Reads a journal, record by record: what each says goes to where it is looked for. What follows from
//! several of them is for the other files.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    str::FromStr,
};

use indexmap::IndexMap;
use ruma_common::{EventId, UserId};

use super::{EventKey, Evidence, EvidenceError, Gap, Host, Judged, Panicked, Receipt, Seen, trust};
use crate::{
    journal::{Journal, Played, Record, Source, What, exchange::exchanges},
    matrix::{
        crypto::{Crypto, Scheme},
        memory::Memory,
        pdu::Limits,
        reader::EventReader,
        version::RoomVersion,
    },
    scenario::{Action, Family, PageBack, Pages, Scenario, UserAction},
};

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
            scripted: trust::scripted(scenario),
            scripted_events: trust::scripted_events(scenario),
            steps: Vec::new(),
            out_of_reach: BTreeSet::new(),
            budget_ms: scenario.expect.within.unwrap_or(scenario.settle).as_millis(),
            panics: Vec::new(),
            healed: None,
            ended: 0,
            last: journal.records.len() - 1,
            edges: OnceCell::new(),
            reference_room: OnceCell::new(),
            end: OnceCell::new(),
            recoveries: OnceCell::new(),
        };
        let mut open_gaps = BTreeMap::new();
        for (at, record) in journal.records.iter().enumerate() {
            evidence.ended = record.t;
            evidence.take_step(at, record);
            evidence.take_host(at, record);
            evidence.take_pages(at, record);
            evidence.take_event(at, record, &memory.reader);
            evidence.take_state(at, record);
            evidence.take_gap(record, &mut open_gaps);
            evidence.take_script(record);
        }
        Ok(evidence)
    }

    fn take_step(&mut self, at: usize, record: &'a Record) {
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
    }

    fn take_host(&mut self, at: usize, record: &'a Record) {
        let Some(host) = record.server.as_deref().and_then(|name| self.hosts.get_mut(name)) else { return };
        match &record.what {
            What::Started => {
                host.lives += 1;
                host.is_broken = false;
                host.scrolls = None;
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

    fn take_pages(&mut self, at: usize, record: &'a Record) {
        let Some(host) = record.server.as_deref().and_then(|name| self.hosts.get_mut(name)) else { return };
        match &record.what {
            What::Step { detail, .. } if scrolls_to_the_beginning(detail) => host.scrolls = Some(at),
            What::PagedBack { complete, events } => {
                let to_the_beginning = host.scrolls.is_some();
                host.vain_scrolls += usize::from(!complete && (*events == 0 || to_the_beginning));
                let began = host.scrolls.take().filter(|_| !complete);
                host.scrolled_in_vain = began.map(|began| (began, at));
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
            *host.looked_at.entry(*endpoint).or_default() += 1;
        }
        match &record.what {
            What::Received { .. } => self.take_receipt(at, record, reader),
            What::Dropped { event: Some(event), .. } => drop(host.dropped.insert(event)),
            What::Waits { event, .. } => {
                if let Some(place) = self.seen.get_index_of(&**event) {
                    host.trail(place).waits.get_or_insert(at);
                }
            }
            What::Judged { event, verdict, .. } => {
                host.last_change = Some(record.t);
                host.changes.push(at);
                if let Some(place) = self.seen.get_index_of(&**event) {
                    host.trail(place).verdicts.push((at, *verdict));
                }
                let life = host.lives;
                self.judged.push(Judged { t: record.t, at, server, life, event, verdict: *verdict });
            }
            _ => {}
        }
    }

    fn take_receipt(&mut self, at: usize, record: &'a Record, reader: &EventReader) {
        let What::Received { event, from, pdu } = &record.what else { return };
        let Some(server) = record.server.as_deref() else { return };
        let Some(host) = self.hosts.get_mut(server) else { return };
        host.last_change = Some(record.t);
        host.changes.push(at);
        host.received.entry(event).or_insert((record.t, from));
        host.received_at.entry(event).or_insert(at);
        if let Some(pdu) = pdu {
            let pdu = reader.read(pdu.get(), self.version, Limits::Waived);
            let parents = pdu.as_ref().map(|pdu| pdu.claims().prev_events().to_vec());
            let parents = parents.unwrap_or_default();
            self.seen.entry(event).or_insert(Seen { t: record.t, server, from, pdu, parents });
        }
        if let Some(place) = self.seen.get_index_of(&**event) {
            let trail = host.trail(place);
            trail.received.get_or_insert(Receipt { at, t: record.t, from });
            if let Source::Peer { endpoint, .. } = from
                && endpoint.tells_state()
            {
                trail.with_state.get_or_insert(at);
            }
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
}

/// For the other kind of signatures: the journal does not say which the run used, and imported events have
/// real ones.
fn other_kind(crypto: &Crypto) -> Rc<Crypto> {
    Rc::new(Crypto::new(match crypto.scheme() {
        Scheme::Ed25519 => Scheme::StandIn,
        Scheme::StandIn => Scheme::Ed25519,
    }))
}

fn scrolls_to_the_beginning(step: &Played) -> bool {
    let scrolls = |page: &PageBack| page.pages == Pages::All;
    matches!(step.action(), Some(Action::User(UserAction::PageBack(page))) if scrolls(page))
}
