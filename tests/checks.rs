//! Every invariant holds on a good journal and speaks up on a bad one. The journals are made by hand: the
//! checks are on trial here, not the servers.

use std::{collections::BTreeSet, sync::Arc};

use backfire::{
    check::{ALL, Agreement, Invariant, evidence::Evidence, extremities_agree, verdict::judge},
    journal::{Cause, End, Expectation, Journal, Record, Source, Violation, What},
    matrix::{
        crypto::{Crypto, SigningKey},
        draft::{Draft, Place, hash_and_sign},
        endpoint::Endpoint,
        pdu::Pdu,
        version::RoomVersion,
    },
    room::graph::Standing,
    scenario::{Scenario, Verdict},
};
use ruma_common::{OwnedEventId, ServerName, serde::Base64};
use serde_json::{Value, json, value::RawValue};

const HOSTS: [&str; 3] = ["a", "b", "c"];
const HEALED: i64 = 100;

/// A small run that went well, to be spoilt.
///
/// First its room is made by a: 0 create, 6 join of a, 7 join rules, 8 join of b, 9 join of c. Then come
/// messages by a, b, a, c, a:
///
/// ```text
/// 0 ← 6 ← 7 ← 8 ← 9 ← 1 ← 2 ← 3 ← 5
///                           ↖ 4 ↙
/// ```
struct Run {
    timeline: Value,
    expect: Value,
    events: Vec<Arc<Pdu>>,
    records: Vec<Record>,
    ends: Vec<End>,
}

fn key(host: &str) -> SigningKey {
    SigningKey::from_seed([host.as_bytes()[0]; 32], "k1")
}

fn event(server: &str, parents: &[&Arc<Pdu>], auth: &[&Arc<Pdu>], draft: Draft) -> Arc<Pdu> {
    event_of("!room:a", server, parents, auth, draft)
}

fn event_of(room: &str, server: &str, parents: &[&Arc<Pdu>], auth: &[&Arc<Pdu>], draft: Draft) -> Arc<Pdu> {
    let depth = parents.iter().map(|pdu| pdu.depth()).max().unwrap_or(0) + 1;
    event_at(depth, room, server, parents, auth, draft)
}

fn event_at(
    depth: u64,
    room: &str,
    server: &str,
    parents: &[&Arc<Pdu>],
    auth: &[&Arc<Pdu>],
    draft: Draft,
) -> Arc<Pdu> {
    let references = |pdus: &[&Arc<Pdu>]| pdus.iter().map(|pdu| pdu.reference()).collect();
    let place = Place {
        version: RoomVersion::V11,
        room_id: Some(room),
        prev_events: references(parents),
        auth_events: references(auth),
        depth,
        timestamp: 1_000,
        chosen_id: None,
    };
    let name = <&ServerName>::try_from(server).unwrap();
    let object = draft.place(place).unwrap();
    hash_and_sign(object, RoomVersion::V11, name, &key(server), &Crypto::default()).unwrap()
}

fn message(server: &str, text: &str) -> Draft {
    Draft::message_like("m.room.message", &format!("@u:{server}"), json!({ "body": text }))
}

fn member(server: &str, membership: &str) -> Draft {
    let user = format!("@u:{server}");
    Draft::member(&user, &user, json!({ "membership": membership }))
}

fn step(action: &str, settings: &Value) -> What {
    let detail = serde_json::from_value(json!({ "at": "0ms", action: settings })).unwrap();
    What::Step { step: 0, action: action.to_owned(), detail }
}

fn state(kind: &str, content: Value) -> Draft {
    Draft::state(kind, "@u:a", content)
}

impl Run {
    fn good() -> Self {
        let create = event("a", &[], &[], state("m.room.create", json!({ "room_version": "11" })));
        let a = event("a", &[&create], &[&create], member("a", "join"));
        let rules = state("m.room.join_rules", json!({ "join_rule": "public" }));
        let rules = event("a", &[&a], &[&create, &a], rules);
        let b = event("b", &[&rules], &[&create, &rules], member("b", "join"));
        let c = event("c", &[&b], &[&create, &rules], member("c", "join"));
        let one = event("a", &[&c], &[&create, &a], message("a", "one"));
        let two = event("b", &[&one], &[&create, &b], message("b", "two"));
        let three = event("a", &[&two], &[&create, &a], message("a", "three"));
        let four = event("c", &[&two], &[&create, &c], message("c", "four"));
        let five = event("a", &[&three, &four], &[&create, &a], message("a", "five"));
        let end = End { joined: true, idle: true, ..End::default() };
        let mut run = Self {
            timeline: json!([]),
            expect: json!({}),
            events: vec![create, one, two, three, four, five, a, rules, b, c],
            records: Vec::new(),
            ends: vec![end; 3],
        };
        for (nth, t) in [(0, -60), (6, -50), (7, -40), (8, -30), (9, -20)] {
            run.happen(nth, t);
        }
        run.happen(1, 10);
        run.happen(2, 20);
        run.make(3, 30);
        run.make(4, 40);
        run.spread(3, 41);
        run.spread(4, 43);
        run.happen(5, 50);
        (0..3).for_each(|host| run.extremities(host, &[5]));
        run.tell_requests();
        run
    }

    /// An event is made, and reaches the others.
    fn happen(&mut self, nth: usize, t: i64) {
        self.make(nth, t);
        self.spread(nth, t + 1);
    }

    fn make(&mut self, nth: usize, t: i64) {
        let pdu = self.events[nth].clone();
        let author = pdu.sender().server_name().as_str().to_owned();
        if t >= 0 {
            self.tell(t, &author, step("message", &json!({ "by": author })));
        }
        self.take(nth, t, &author, Source::User);
        for end in &mut self.ends {
            end.events.push((pdu.event_id().clone(), Standing::Accepted));
            end.events.sort();
            if let Some((kind, key)) = pdu.state_slot() {
                let kind = kind.to_string();
                end.state.retain(|(other, of, _)| (other.as_str(), of.as_str()) != (&kind, key));
                end.state.push((kind, key.to_owned(), pdu.event_id().clone()));
                end.state.sort();
            }
        }
    }

    fn spread(&mut self, nth: usize, t: i64) {
        let author = self.events[nth].sender().server_name().as_str().to_owned();
        for (place, host) in HOSTS.into_iter().filter(|host| *host != author).enumerate() {
            let from = Source::Peer { server: author.clone(), endpoint: Endpoint::Send };
            self.take(nth, t + place as i64, host, from);
        }
    }

    fn take(&mut self, nth: usize, t: i64, host: &str, from: Source) {
        let pdu = self.events[nth].clone();
        let json = (from == Source::User).then(|| pdu.json().to_owned());
        self.tell(t, host, What::Received { event: pdu.event_id().clone(), from, pdu: json });
        self.tell(t, host, judged(&pdu, Standing::Accepted));
        if let Some((kind, key)) = pdu.state_slot() {
            let slot = (kind.to_string(), key.to_owned(), Some(pdu.event_id().clone()));
            self.tell(t, host, What::State { changed: vec![slot] });
        }
    }

    /// A branch beside the joins of b and c, made by a: the history visibility is set, then a message
    /// follows. They are events 10 and 11.
    fn branch(&mut self, visibility: &str) {
        let [create, a, rules] = [0, 6, 7].map(|nth| self.events[nth].clone());
        let content = json!({ "history_visibility": visibility });
        let setting = event("a", &[&rules], &[&create, &a], state("m.room.history_visibility", content));
        let secret = event("a", &[&setting], &[&create, &a], message("a", "for those who were there"));
        for pdu in [&setting, &secret] {
            // Only a script makes a server build on what is old.
            let (event, pdu) = (pdu.event_id().clone(), pdu.json().to_owned());
            self.tell(54, "a", What::Crafted { event, pdu });
        }
        self.events.extend([setting, secret]);
        self.happen(10, 55);
        self.happen(11, 56);
        (0..3).for_each(|host| self.extremities(host, &[5, 11]));
    }

    /// What a says on a branch from before the others' joins, and only a has: soft-failed, so that nobody
    /// builds on it. It is event 11.
    fn soft_failed_before_their_time(&mut self) {
        self.branch("shared");
        for (host, name) in [(1, "b"), (2, "c")] {
            self.forget(host, 11);
            self.never_received(name, 11);
        }
        let verdict = judged(&self.events[11], Standing::SoftFailed);
        self.tell(57, "a", verdict);
        self.stand(0, 11, Standing::SoftFailed);
        (0..3).for_each(|host| self.extremities(host, &[5, 10]));
    }

    /// a makes 10 and 11; on c, 10 still waits for what it can be judged by when 11 is accepted, the state
    /// there being told, and c builds 12 on all that its graph has then.
    fn builds_over_what_waits(&mut self) {
        let [create, five, a, c] = [0, 5, 6, 9].map(|nth| self.events[nth].clone());
        let ten = event("a", &[&five], &[&create, &a], message("a", "ten"));
        let eleven = event("a", &[&ten], &[&create, &a], message("a", "eleven"));
        let twelve = event("c", &[&five, &eleven], &[&create, &c], message("c", "twelve"));
        self.events.extend([ten, eleven, twelve]);
        for (nth, t) in [(10, 51), (11, 54), (12, 57)] {
            self.happen(nth, t);
        }
        let id = self.id(10);
        for record in self.records.iter_mut().filter(|record| record.server.as_deref() == Some("c")) {
            if matches!(&record.what, What::Judged { event, .. } if *event == id) {
                record.what = What::Waits {
                    event: id.clone(),
                    prev_events: vec![self.events[5].event_id().clone()],
                    auth_events: vec![],
                };
            }
        }
        let verdict = judged(&self.events[10], Standing::Accepted);
        self.tell(59, "c", verdict);
        (0..3).for_each(|host| self.extremities(host, &[12]));
    }

    /// b leaves the room, on top of all.
    fn b_leaves(&mut self) {
        let tips = self.ends[1].forward_extremities.clone();
        let parents = self.events.iter().filter(|pdu| tips.contains(pdu.event_id()));
        let parents: Vec<Arc<Pdu>> = parents.cloned().collect();
        let [create, b] = [0, 8].map(|nth| self.events[nth].clone());
        let parents: Vec<&Arc<Pdu>> = parents.iter().collect();
        self.events.push(event("b", &parents, &[&create, &b], member("b", "leave")));
        let nth = self.events.len() - 1;
        self.happen(nth, 57);
        (0..3).for_each(|host| self.extremities(host, &[nth]));
        self.ends[1].joined = false;
    }

    /// One more event, made by a on top of others: event 10.
    fn one_more(&mut self, parents: &[usize], draft: Draft) {
        let parents: Vec<Arc<Pdu>> = parents.iter().map(|nth| self.events[*nth].clone()).collect();
        let [create, a] = [0, 6].map(|nth| self.events[nth].clone());
        self.events.push(event("a", &parents.iter().collect::<Vec<_>>(), &[&create, &a], draft));
        self.happen(10, 55);
    }

    /// An event that c made and that only c has: event 10.
    fn one_for_c_alone(&mut self) {
        let [create, five, c] = [0, 5, 9].map(|nth| self.events[nth].clone());
        self.events.push(event("c", &[&five], &[&create, &c], message("c", "six")));
        self.happen(10, 55);
        let id = self.id(10);
        self.records.retain(|record| {
            let reaches_others = matches!(&record.what,
                What::Received { event, .. } | What::Judged { event, .. } if *event == id);
            record.server.as_deref() == Some("c") || !reaches_others
        });
        (0..2).for_each(|host| self.forget(host, 10));
        self.extremities(2, &[10]);
    }

    /// a puts b out of the room, and b does not hear of it: event 10.
    fn b_is_out_unawares(&mut self) {
        let [create, five, a, b] = [0, 5, 6, 8].map(|nth| self.events[nth].clone());
        let content = json!({ "membership": "leave" });
        let kick = event("a", &[&five], &[&create, &a, &b], Draft::member("@u:b", "@u:a", content));
        self.events.push(kick);
        let state = self.ends[1].state.clone();
        self.happen(10, 55);
        let id = self.id(10);
        self.records.retain(|record| {
            let is_it = match &record.what {
                What::Received { event, .. } | What::Judged { event, .. } => *event == id,
                What::State { changed } => changed.iter().any(|(_, _, event)| event.as_ref() == Some(&id)),
                _ => false,
            };
            record.server.as_deref() != Some("b") || !is_it
        });
        self.forget(1, 10);
        self.ends[1].state = state;
        [0, 2].into_iter().for_each(|host| self.extremities(host, &[10]));
    }

    /// Takes from the journal that an event reached a server.
    fn never_received(&mut self, host: &str, nth: usize) {
        let id = self.id(nth);
        self.records.retain(|record| {
            let is_it = matches!(&record.what, What::Received { event, .. } if *event == id);
            record.server.as_deref() != Some(host) || !is_it
        });
    }

    /// Takes from the journal that a server judged an event.
    fn never_judged(&mut self, host: &str, nth: usize) {
        let id = self.id(nth);
        self.records.retain(|record| {
            let is_it = matches!(&record.what, What::Judged { event, .. } if *event == id);
            record.server.as_deref() != Some(host) || !is_it
        });
    }

    /// Power levels, others in their place, and a message that stands on these: events 10, 11 and 12.
    fn power_levels_twice(&mut self) {
        let [create, five, a] = [0, 5, 6].map(|nth| self.events[nth].clone());
        let levels = |ban| state("m.room.power_levels", json!({ "users": { "@u:a": 100 }, "ban": ban }));
        let first = event("a", &[&five], &[&create, &a], levels(50));
        let second = event("a", &[&first], &[&create, &a, &first], levels(60));
        let on_top = event("a", &[&second], &[&create, &a, &second], message("a", "so be it"));
        self.events.extend([first, second, on_top]);
        (10..13).for_each(|nth| self.happen(nth, 45 + i64::try_from(nth).unwrap()));
        (0..3).for_each(|host| self.extremities(host, &[12]));
    }

    /// b sets the topic and has no right to, which nobody notices: events 10 and 11.
    fn topic_without_power(&mut self) {
        let [create, five, a, b] = [0, 5, 6, 8].map(|nth| self.events[nth].clone());
        let levels = state("m.room.power_levels", json!({ "users": { "@u:a": 100 } }));
        let levels = event("a", &[&five], &[&create, &a], levels);
        let topic = Draft::state("m.room.topic", "@u:b", json!({ "topic": "mine" }));
        let topic = event("b", &[&levels], &[&create, &b, &levels], topic);
        self.events.extend([levels, topic]);
        [10, 11].into_iter().for_each(|nth| self.happen(nth, 45 + i64::try_from(nth).unwrap()));
        (0..3).for_each(|host| self.extremities(host, &[11]));
    }

    /// A user of a server redacts event 1, which is by a: event 10.
    fn redact(&mut self, by: &str) {
        let [create, five] = [0, 5].map(|nth| self.events[nth].clone());
        let member = self.events[if by == "a" { 6 } else { 9 }].clone();
        let redacts = json!({ "redacts": self.id(1) });
        let draft = Draft::message_like("m.room.redaction", &format!("@u:{by}"), redacts);
        self.events.push(event(by, &[&five], &[&create, &member], draft));
        self.happen(10, 55);
        (0..3).for_each(|host| self.extremities(host, &[10]));
    }

    /// a signs with another key; the old one was used until then. Others are told if they ask for it.
    fn rotate_key_of_a(&mut self, expired_ts: u64) {
        let (key_id, key) = ("ed25519:k2".to_owned(), String::new());
        let (old_key_id, expired_ts) = (Some("ed25519:k1".to_owned()), Some(expired_ts));
        self.tell(52, "a", What::KeyRotated { key_id, key, old_key_id, expired_ts });
    }

    /// b joined late, and what was before has not come.
    fn b_joins_late(&mut self) {
        for nth in [0, 6, 7] {
            self.stand(1, nth, Standing::Outlier);
        }
        let (edge, join) = (self.id(7), self.id(8));
        self.ends[1].backward_extremities = vec![edge];
        self.tell(-30, "b", What::Joined { event: join, via: "a".to_owned() });
    }

    /// A user of b scrolls back to the beginning, and b gives up.
    fn b_gives_up(&mut self) {
        self.tell(58, "b", step("page_back", &json!({ "server": "b", "pages": "all" })));
    }

    /// On `host`, `server` is not in the room any more.
    fn leave_state(&mut self, host: &str, server: &str) {
        let slot = ("m.room.member".to_owned(), format!("@u:{server}"), None);
        self.tell(58, host, What::State { changed: vec![slot] });
    }

    /// A server ACL is set on top of all: event 10.
    fn shut_out(&mut self, deny: &[&str]) {
        self.one_more(&[5], state("m.room.server_acl", json!({ "allow": ["*"], "deny": deny })));
        (0..3).for_each(|host| self.extremities(host, &[10]));
    }

    fn tell_requests(&mut self) {
        self.ask(1, "c", "a", "backfill", &[3], &[], &[3, 2, 1, 9, 8, 7, 6, 0]);
        self.ask(2, "b", "a", "get_missing_events", &[5], &[2], &[3, 4]);
        self.ask(3, "b", "c", "event", &[4], &[], &[4]);
        self.ask(4, "b", "c", "state_ids", &[4], &[], &[0, 6, 7, 8, 9]);
        self.answer_with(4, "auth_chain", &[0, 6, 7]);
    }

    #[allow(clippy::too_many_arguments, reason = "a line of the table above")]
    fn ask(
        &mut self,
        id: u64,
        from: &str,
        to: &str,
        endpoint: &str,
        named: &[usize],
        earliest: &[usize],
        given: &[usize],
    ) {
        self.ask_by_itself(id, from, to, endpoint, named, earliest, given);
        self.by_script(id);
    }

    /// A request that no step asks for.
    #[allow(clippy::too_many_arguments, reason = "a line of the table above")]
    fn ask_by_itself(
        &mut self,
        id: u64,
        from: &str,
        to: &str,
        endpoint: &str,
        named: &[usize],
        earliest: &[usize],
        given: &[usize],
    ) {
        let ids = |list: &[usize]| list.iter().map(|nth| self.id(*nth).to_string()).collect::<Vec<_>>();
        let request = What::Request {
            id,
            to: to.to_owned(),
            endpoint: endpoint.into(),
            line: format!("GET /_matrix/federation/v1/{endpoint}/%21room%3Aa"),
            cause: Cause::Other("test".to_owned()),
            events: ids(named),
            limit: Some(10),
            earliest: ids(earliest),
            min_depth: None,
            bytes: 0,
        };
        let answer = What::Answer {
            id,
            status: 200,
            errcode: None,
            events: ids(given),
            auth_chain: Vec::new(),
            redacted: Vec::new(),
            refused: Vec::new(),
            bytes: 0,
        };
        self.tell(60, from, request);
        self.tell(61, to, What::Arrived { id });
        self.tell(62, from, answer);
    }

    fn by_script(&mut self, request: u64) {
        for record in &mut self.records {
            if let What::Request { id, cause, .. } = &mut record.what
                && *id == request
            {
                *cause = Cause::Script { step: 0 };
            }
        }
    }

    /// b asks c for 20 events before the newest, which makes 30 in all, and drops so many of the answers.
    fn drops(&mut self, id: u64, events: usize) {
        self.ask(id, "b", "c", "get_missing_events", &[5], &[2], &[3, 4]);
        for record in &mut self.records {
            if let What::Request { id: of, limit, .. } = &mut record.what
                && *of == id
            {
                *limit = Some(20);
            }
        }
        for _ in 0..events {
            let from = Source::Peer { server: "c".to_owned(), endpoint: Endpoint::GetMissingEvents };
            let reason = "no signature".to_owned();
            self.tell(63, "b", What::Dropped { event: None, from, reason, kind: None });
        }
    }

    /// Changes how many bytes an answer has.
    fn answer_bytes(&mut self, request: u64, body: usize) {
        for record in &mut self.records {
            if let What::Answer { id, bytes, .. } = &mut record.what
                && *id == request
            {
                *bytes = body;
            }
        }
    }

    /// b asks c for an event that nobody has.
    fn ask_in_vain(&mut self, id: u64) {
        let request = What::Request {
            id,
            to: "c".to_owned(),
            endpoint: Endpoint::Event.into(),
            line: "GET /_matrix/federation/v1/event/%24nobody%3Aa".to_owned(),
            cause: Cause::Other("test".to_owned()),
            events: vec!["$nobody:a".to_owned()],
            limit: None,
            earliest: Vec::new(),
            min_depth: None,
            bytes: 0,
        };
        self.tell(60, "b", request);
        self.tell(61, "b", What::Failed { id, why: "refused".to_owned() });
    }

    /// Changes the status of an answer, which then has no events.
    fn refuse(&mut self, request: u64, with: u16) {
        self.answer(request, &[]);
        for record in &mut self.records {
            if let What::Answer { id, status, .. } = &mut record.what
                && *id == request
            {
                *status = with;
            }
        }
    }

    fn id(&self, nth: usize) -> OwnedEventId {
        self.events[nth].event_id().clone()
    }

    /// Who got an event from another server had to ask for it.
    fn fetched(&mut self, nth: usize) {
        let wanted = self.id(nth);
        for record in &mut self.records {
            if let What::Received { event, from: Source::Peer { endpoint, .. }, .. } = &mut record.what
                && *event == wanted
            {
                *endpoint = Endpoint::Event;
            }
        }
    }

    fn tell(&mut self, t: i64, host: &str, what: What) {
        self.records.push(Record { t, server: Some(host.to_owned()), because: None, what });
    }

    /// Changes which events were answered to a request.
    fn answer(&mut self, request: u64, given: &[usize]) {
        self.answer_with(request, "events", given);
    }

    /// Changes a list of events in the answer to a request.
    fn answer_with(&mut self, request: u64, list: &str, given: &[usize]) {
        let given: Vec<String> = given.iter().map(|nth| self.id(*nth).to_string()).collect();
        for record in &mut self.records {
            if let What::Answer { id, events, auth_chain, redacted, refused, .. } = &mut record.what
                && *id == request
            {
                let lists = [
                    ("events", events),
                    ("auth_chain", auth_chain),
                    ("redacted", redacted),
                    ("refused", refused),
                ];
                let (_, old) = lists.into_iter().find(|(name, _)| *name == list).unwrap();
                old.clone_from(&given);
            }
        }
    }

    /// Changes what a server stored when the run saw an event first.
    fn stored(&mut self, nth: usize, change: impl Fn(&mut Value)) {
        let wanted = self.id(nth);
        for record in &mut self.records {
            if let What::Received { event, pdu: Some(pdu), .. } = &mut record.what
                && *event == wanted
            {
                let mut value: Value = serde_json::from_str(pdu.get()).unwrap();
                change(&mut value);
                *pdu = RawValue::from_string(value.to_string()).unwrap();
            }
        }
    }

    fn stand(&mut self, host: usize, nth: usize, standing: Standing) {
        let wanted = self.id(nth);
        for (id, old) in &mut self.ends[host].events {
            if *id == wanted {
                *old = standing;
            }
        }
    }

    /// Makes a server's end as if an event had never reached it.
    fn forget(&mut self, host: usize, nth: usize) {
        let wanted = self.id(nth);
        self.ends[host].events.retain(|(id, _)| *id != wanted);
    }

    fn extremities(&mut self, host: usize, events: &[usize]) {
        let mut ids: Vec<_> = events.iter().map(|nth| self.id(*nth)).collect();
        ids.sort();
        self.ends[host].forward_extremities = ids;
    }

    fn finish(self) -> (Scenario, Journal) {
        let definition = json!({
            "why": "a journal made by hand",
            "servers": { "a": {}, "b": {}, "c": {} },
            "room": { "created_by": "a" },
            "timeline": self.timeline,
            "expect": self.expect,
        });
        let scenario = Scenario::parse(&definition.to_string(), "by-hand.json").unwrap();
        let names = HOSTS.map(|host| (host.to_owned(), host.to_owned())).to_vec();
        let public = |host: &str| Base64::<ruma_common::serde::base64::Standard, _>::new(key(host).public());
        let keys = HOSTS.map(|host| (host.to_owned(), "ed25519:k1".to_owned(), public(host).encode()));
        let run = What::Run {
            version: 1,
            scenario: "by-hand".to_owned(),
            seed: 0,
            fabric: "turmoil".to_owned(),
            servers: names,
            room_version: 11,
            keys: keys.to_vec(),
            guests: Vec::new(),
            definition,
        };
        let mut records = vec![Record { t: -10, server: None, because: None, what: run }];
        let (before, after): (Vec<_>, Vec<_>) = self.records.into_iter().partition(|r| r.t <= HEALED);
        records.extend(before);
        records.push(Record { t: HEALED, server: None, because: None, what: What::Healed });
        records.extend(after);
        for (host, end) in HOSTS.into_iter().zip(self.ends) {
            records.push(Record {
                t: 1_000,
                server: Some(host.to_owned()),
                because: None,
                what: What::End(end),
            });
        }
        (scenario, Journal { records })
    }
}

fn judged(pdu: &Arc<Pdu>, verdict: Standing) -> What {
    What::Judged { event: pdu.event_id().clone(), verdict, reason: None, kind: None }
}

/// A timeline in which a server is told to answer falsely.
fn lies_of(server: &str) -> Value {
    json!([{ "at": "0ms", "answer": { "server": server, "endpoint": "event", "status": 404 } }])
}

type Change = fn(&mut Run);

/// What spoils a good run, by the invariant that must notice, and the kind of failure that it must take it
/// for.
const BAD: &[(&str, &str, &str, Change)] = &[
    ("expectations", "other-answer", "an answer is not what a step expects", |run| {
        let unmet = Expectation { step: 0, met: false, message: "status 200, not 404".to_owned() };
        run.tell(70, "b", What::Expected(unmet));
    }),
    ("expectations", "not-played", "a step could not be played", |run| {
        let unmet = Expectation { step: 0, met: false, message: "the server is down".to_owned() };
        run.records.push(Record { t: 70, server: None, because: None, what: What::Expected(unmet) });
    }),
    ("expectations", "other-standing", "an event stands otherwise", |run| {
        run.expect = json!({ "events": { "b": { "four": "not_history" } } });
        let event = run.id(4);
        run.tell(40, "c", What::Labelled { label: "four".to_owned(), event });
    }),
    ("expectations", "never-made", "an event was never made", |run| {
        run.expect = json!({ "events": { "b": { "four": "absent" } } });
    }),
    ("integrity", "changed-content", "changed content", |run| {
        run.stored(1, |pdu| pdu["content"]["body"] = "lie".into());
    }),
    ("integrity", "other-id", "changed depth", |run| run.stored(1, |pdu| pdu["depth"] = 7.into())),
    ("integrity", "malformed", "not an event", |run| run.stored(1, |pdu| pdu["sender"] = 7.into())),
    ("integrity", "wrong-signature", "no signature", |run| {
        run.stored(2, |pdu| pdu["signatures"] = json!({}));
    }),
    ("integrity", "wrong-signature", "signature of another event", |run| {
        let other: Value = serde_json::from_str(run.events[3].json().get()).unwrap();
        run.stored(1, |pdu| pdu["signatures"] = other["signatures"].clone());
    }),
    ("integrity", "unknown-key", "signed with a key that nobody has", |run| {
        run.stored(1, |pdu| {
            let signature = pdu["signatures"]["a"]["ed25519:k1"].take();
            pdu["signatures"] = json!({ "a": { "ed25519:k9": signature } });
        });
    }),
    ("integrity", "expired-key", "by a key that had expired, as b was told", |run| {
        run.rotate_key_of_a(999);
        run.ask_by_itself(5, "b", "a", "key", &[], &[], &[]);
        run.one_more(&[5], message("a", "by the old key"));
        (0..3).for_each(|host| run.extremities(host, &[10]));
    }),
    ("signs-own-only", "in-anothers-name", "b speaks for a", |run| {
        let is_made = |record: &&mut Record| record.t == 30 && matches!(record.what, What::Received { .. });
        run.records.iter_mut().find(is_made).unwrap().server = Some("b".to_owned());
    }),
    ("signs-own-only", "not-asked-for", "nobody asked b", |run| {
        run.records.retain(|record| !(matches!(record.what, What::Step { .. }) && record.t == 20));
    }),
    ("integrity", "other-room", "another room", |run| {
        let [create, five, a] = [0, 5, 6].map(|nth| run.events[nth].clone());
        let elsewhere = event_of("!other:a", "a", &[&five], &[&create, &a], message("a", "here?"));
        run.events.push(elsewhere);
        run.happen(10, 55);
        (0..3).for_each(|host| run.extremities(host, &[10]));
    }),
    ("answers", "left-out", "backfill stops early", |run| run.answer(1, &[3, 2, 1])),
    ("answers", "unreached", "backfill leaves out one on the way", |run| {
        run.answer(1, &[3, 2, 1, 9, 8, 6, 0]);
    }),
    ("answers", "unreached", "backfill leaves out the seed", |run| run.answer(1, &[2, 1, 9, 8, 7, 6, 0])),
    ("answers", "no-event", "backfill with what is no event", |run| {
        for record in &mut run.records {
            if let What::Answer { id: 1, events, .. } = &mut record.what {
                events.push("?".to_owned());
            }
        }
    }),
    ("answers", "too-many", "backfill over the limit", |run| {
        for record in &mut run.records {
            if let What::Request { id: 1, limit, .. } = &mut record.what {
                *limit = Some(3);
            }
        }
    }),
    ("answers", "twice", "backfill with a duplicate", |run| run.answer(1, &[3, 2, 2])),
    ("answers", "unreached", "backfill with what comes later", |run| run.answer(1, &[3, 5])),
    ("answers", "unreached", "backfill with a sibling", |run| run.answer(1, &[3, 2, 4])),
    ("answers", "other-room", "backfill of another room", |run| {
        for record in &mut run.records {
            if let What::Request { id: 1, line, .. } = &mut record.what {
                *line = "GET /_matrix/federation/v1/backfill/%21other%3Aa".to_owned();
            }
        }
    }),
    ("answers", "seed-not-first", "backfill with the seed last", |run| {
        run.answer(1, &[2, 1, 9, 8, 7, 6, 0, 3]);
    }),
    ("answers", "end-of-the-gap", "missing events with a latest", |run| run.answer(2, &[3, 5])),
    ("answers", "end-of-the-gap", "missing events with an earliest", |run| run.answer(2, &[2, 3])),
    ("answers", "unreached", "missing events behind an earliest", |run| run.answer(2, &[1, 3, 4])),
    ("answers", "twice", "missing events twice", |run| run.answer(2, &[3, 3])),
    ("answers", "parent-later", "missing events upside down", |run| {
        run.ask(5, "b", "a", "get_missing_events", &[3], &[9], &[2, 1]);
    }),
    ("answers", "left-out", "missing events skips one", |run| run.answer(2, &[4])),
    ("answers", "left-out", "missing events from afar first", |run| {
        run.ask(5, "b", "a", "get_missing_events", &[3], &[], &[7, 8, 9, 1]);
    }),
    ("answers", "other-event", "another event than the one asked for", |run| run.answer(3, &[3])),
    ("answers", "not-one", "two events where one was asked for", |run| run.answer(3, &[4, 3])),
    ("answers", "not-held", "an event that it does not have", |run| {
        run.one_for_c_alone();
        run.ask(5, "c", "a", "event", &[10], &[], &[10]);
    }),
    ("answers", "not-found", "not found, though it has it", |run| {
        run.ask_by_itself(5, "b", "c", "state_ids", &[4], &[], &[]);
        run.refuse(5, 404);
    }),
    ("answers", "left-out", "nothing, to a request that was cut short", |run| {
        run.answer(1, &[]);
        run.tell(61, "c", What::Disturbed { id: 1, how: "truncate".to_owned() });
    }),
    ("answers", "state-beyond-history", "the state at what it does not have", |run| {
        run.one_for_c_alone();
        run.ask(5, "c", "a", "state_ids", &[10], &[], &[0, 6, 7, 8, 9]);
    }),
    ("answers", "slot-twice", "a state with what was before it", |run| {
        run.power_levels_twice();
        run.ask(5, "b", "a", "state_ids", &[12], &[], &[0, 6, 7, 8, 9, 10, 11]);
    }),
    ("answers", "state-surplus", "state ids with what came later", |run| {
        run.one_more(&[5], state("m.room.topic", json!({ "topic": "new" })));
        (0..3).for_each(|host| run.extremities(host, &[10]));
        run.answer(4, &[0, 6, 7, 8, 9, 10]);
    }),
    ("answers", "state-lacks", "state ids without one", |run| run.answer(4, &[0, 6, 7, 8])),
    ("answers", "no-state-event", "state ids with a message", |run| run.answer(4, &[0, 1, 6, 7, 8, 9])),
    ("answers", "auth-chain-lacks", "state ids with a hole in the auth chain", |run| {
        run.answer_with(4, "auth_chain", &[0, 7]);
    }),
    ("answers", "auth-chain-surplus", "state ids with more than the auth chain", |run| {
        run.answer_with(4, "auth_chain", &[0, 1, 6, 7]);
    }),
    ("answers", "auth-chain-lacks", "event auth with a hole", |run| {
        run.ask(5, "b", "a", "event_auth", &[9], &[], &[]);
        run.answer_with(5, "auth_chain", &[0, 7]);
    }),
    ("auth-rules", "lacks-auth-event", "b did not have an auth event", |run| run.never_received("b", 9)),
    ("auth-rules", "rejected-auth-event", "b had rejected an auth event", |run| {
        let rejected = judged(&run.events[9], Standing::Rejected);
        run.tell(-10, "b", rejected);
        // Before anything is built upon it.
        let record = run.records.pop().unwrap();
        let place = run.records.iter().position(|record| record.t >= 0).unwrap();
        run.records.insert(place, record);
    }),
    ("auth-rules", "unfit-auth-events", "the rules forbid it", |run| {
        let [five, a] = [5, 6].map(|nth| run.events[nth].clone());
        run.events.push(event("a", &[&five], &[&a], message("a", "without a create event")));
        run.happen(10, 55);
        (0..3).for_each(|host| run.extremities(host, &[10]));
    }),
    ("auth-rules", "not-allowed", "b has no right to", Run::topic_without_power),
    ("auth-rules", "broken-auth-chain", "b did not have what allows an auth event", |run| {
        run.power_levels_twice();
        run.never_received("b", 10);
        [10, 11].into_iter().for_each(|nth| run.never_judged("b", nth));
    }),
    ("redactions", "whole", "whole, though it is redacted", |run| {
        run.redact("a");
        run.ask(5, "b", "c", "event", &[1], &[], &[1]);
    }),
    ("redactions", "without-right", "redacted by who may not", |run| {
        run.redact("c");
        run.ask(5, "b", "c", "event", &[1], &[], &[1]);
        run.answer_with(5, "redacted", &[1]);
    }),
    ("explained-state", "rejected", "b has rejected what its state holds", |run| {
        run.stand(1, 7, Standing::Rejected);
    }),
    ("explained-state", "surplus", "what b rejects was part of its state for a moment", |run| {
        run.one_more(&[5], state("m.room.topic", json!({ "topic": "told" })));
        run.stand(1, 10, Standing::Rejected);
        let id = run.id(10);
        run.records.retain(|record| {
            let is_verdict = matches!(&record.what, What::Judged { event, .. } if *event == id);
            record.server.as_deref() != Some("b") || !is_verdict
        });
        run.tell(57, "b", What::State { changed: vec![("m.room.topic".to_owned(), String::new(), None)] });
        run.ends[1].state.retain(|(kind, _, _)| kind != "m.room.topic");
        (0..3).for_each(|host| run.extremities(host, &[10]));
        run.extremities(1, &[5]);
    }),
    ("explained-state", "lacking", "b is gone from a's state", |run| run.leave_state("a", "b")),
    ("explained-state", "surplus", "a topic that no event sets", |run| {
        let slot = ("m.room.topic".to_owned(), String::new(), Some(run.id(1)));
        run.tell(58, "b", What::State { changed: vec![slot] });
    }),
    ("explained-state", "other-event", "b goes back to old power levels", |run| {
        run.power_levels_twice();
        let slot = ("m.room.power_levels".to_owned(), String::new(), Some(run.id(10)));
        run.tell(59, "b", What::State { changed: vec![slot] });
    }),
    ("explained-state", "lacking", "a change is never made", |run| {
        run.branch("shared");
        run.records.retain(|record| !(record.t == 56 && matches!(record.what, What::State { .. })));
        let is_setting = |record: &Record| record.t == 55 && matches!(record.what, What::State { .. });
        run.records.retain(|record| !is_setting(record));
    }),
    ("acknowledged", "lost", "b has lost what it took", |run| {
        let [create, five, a] = [0, 5, 6].map(|nth| run.events[nth].clone());
        run.events.push(event("a", &[&five], &[&create, &a], message("a", "gone")));
        run.ask(5, "a", "b", "send", &[10], &[], &[]);
    }),
    ("needless-requests", "itself", "b asks itself", |run| {
        run.ask_by_itself(5, "b", "b", "event", &[4], &[], &[4]);
    }),
    ("needless-requests", "held", "b asks for what it has", |run| {
        run.ask_by_itself(5, "b", "a", "backfill", &[1], &[], &[1, 9, 8, 7, 6, 0]);
    }),
    ("verdicts-agree", "not-rejected", "all accept what is not allowed", Run::topic_without_power),
    ("verdicts-agree", "divided", "b rejects what others accept", |run| run.stand(1, 4, Standing::Rejected)),
    ("verdicts-agree", "divided", "b rejects what others soft-fail", |run| {
        run.stand(0, 4, Standing::SoftFailed);
        run.stand(1, 4, Standing::Rejected);
        run.stand(2, 4, Standing::SoftFailed);
    }),
    ("no-crash", "panicked", "b panics", |run| {
        let (message, place) = ("index out of bounds".to_owned(), "src/room/mod.rs:1:1".to_owned());
        run.tell(70, "b", What::Panicked { message, place });
    }),
    ("no-crash", "panicked", "b panics and is started again", |run| {
        let (message, place) = ("index out of bounds".to_owned(), "src/room/mod.rs:1:1".to_owned());
        run.tell(70, "b", What::Panicked { message, place });
        run.tell(71, "b", What::Started);
    }),
    ("confidentiality", "invisible", "an event before b's join", |run| {
        run.branch("joined");
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
    }),
    ("confidentiality", "invisible", "an event before b's invite, among others", |run| {
        run.branch("invited");
        run.ask(5, "b", "a", "backfill", &[11, 3], &[], &[11, 3]);
    }),
    ("confidentiality", "pushed", "an event before b's join, pushed", |run| {
        run.branch("joined");
        run.ask_by_itself(5, "a", "b", "send", &[11], &[], &[]);
    }),
    ("confidentiality", "invisible", "shared history to a server that is not in the room", |run| {
        run.branch("shared");
        run.leave_state("a", "b");
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
    }),
    ("confidentiality", "not-in-the-room", "the state to a server that is not in the room", |run| {
        run.leave_state("c", "b");
        run.ask(5, "b", "c", "state_ids", &[4], &[], &[0, 6, 7, 8, 9]);
        run.answer_with(5, "auth_chain", &[0, 6, 7]);
    }),
    ("confidentiality", "shut-out", "history to a server that is shut out", |run| {
        run.shut_out(&["b*"]);
        run.ask(5, "b", "a", "backfill", &[1], &[], &[1, 9, 8, 7, 6, 0]);
    }),
    ("verdicts-agree", "wrongly-rejected", "all reject what is allowed", |run| {
        (0..3).for_each(|host| run.stand(host, 4, Standing::Rejected));
    }),
    ("idempotence", "accepted-again", "accepted twice", |run| {
        let record = judged(&run.events[3], Standing::Accepted);
        run.tell(70, "b", record);
    }),
    ("frontier", "cites-another", "a new event on an old one", |run| {
        run.one_more(&[3], message("a", "late"));
        (0..3).for_each(|host| run.extremities(host, &[5, 10]));
    }),
    ("frontier", "cites-too-few", "a new event leaves out an extremity", |run| {
        run.branch("shared");
        let [create, secret, a] = [0, 11, 6].map(|nth| run.events[nth].clone());
        run.events.push(event("a", &[&secret], &[&create, &a], message("a", "one of two")));
        run.happen(12, 57);
        (0..3).for_each(|host| run.extremities(host, &[5, 12]));
    }),
    ("frontier", "wrong-depth", "a new event is deeper than it should be", |run| {
        let [create, five, a] = [0, 5, 6].map(|nth| run.events[nth].clone());
        run.events.push(event_at(99, "!room:a", "a", &[&five], &[&create, &a], message("a", "deep")));
        run.happen(10, 55);
        (0..3).for_each(|host| run.extremities(host, &[10]));
    }),
    ("frontier", "empty", "none", |run| run.extremities(0, &[])),
    ("frontier", "covered", "an ancestor of another", |run| run.extremities(0, &[3, 5])),
    ("frontier", "covered", "a covered event alone", |run| run.extremities(0, &[3])),
    ("frontier", "soft-failed", "a soft-failed one", |run| run.stand(0, 5, Standing::SoftFailed)),
    ("frontier", "rejected", "a rejected one", |run| run.stand(0, 5, Standing::Rejected)),
    ("frontier", "outlier", "an outlier", |run| run.stand(0, 5, Standing::Outlier)),
    ("frontier", "not-held", "one that is not held", |run| run.forget(0, 5)),
    ("frontier", "forgotten", "one is forgotten", |run| {
        run.forget(0, 5);
        run.extremities(0, &[3]);
    }),
    ("frontier", "covered", "covered through a soft-failed event", |run| {
        run.stand(0, 3, Standing::SoftFailed);
        run.extremities(0, &[2, 5]);
    }),
    ("same-events", "lacks-history", "b lacks the newest", |run| {
        run.forget(1, 5);
        run.extremities(1, &[3, 4]);
    }),
    ("same-events", "lacks-history", "b lacks one, and knows it without reason", |run| {
        let id = run.id(4);
        run.forget(1, 4);
        run.ends[1].backward_extremities = vec![id];
    }),
    ("same-events", "lacks-history", "b lacks one that others soft-failed", |run| {
        run.one_more(&[5], message("a", "six"));
        run.stand(0, 10, Standing::SoftFailed);
        run.stand(2, 10, Standing::SoftFailed);
        run.forget(1, 10);
    }),
    ("closed-history", "waits", "b waits", |run| {
        let id = run.id(5);
        run.ends[1].waiting = vec![id];
    }),
    ("closed-history", "lacks-unawares", "b has a hole", |run| run.forget(1, 4)),
    ("closed-history", "breaks-off", "b has a hole, and knows it without reason", |run| {
        let id = run.id(4);
        run.forget(1, 4);
        run.ends[1].backward_extremities = vec![id];
    }),
    ("closed-history", "never-asked", "b gives up without a question", |run| {
        run.b_joins_late();
        run.b_gives_up();
        run.tell(70, "b", What::PagedBack { events: 0, complete: false });
    }),
    ("closed-history", "lacks-unawares", "b has an outlier in its history", |run| {
        run.stand(1, 4, Standing::Outlier);
    }),
    ("same-extremities", "other-extremities", "b stands lower", |run| {
        run.forget(1, 5);
        run.extremities(1, &[3, 4]);
    }),
    (
        "same-extremities",
        "other-extremities",
        "b stands lower without any soft failure to explain it",
        |run| {
            run.stand(2, 4, Standing::SoftFailed);
            run.extremities(1, &[3, 4]);
            run.forget(1, 5);
        },
    ),
    ("same-state", "other-event", "b has another create event", |run| {
        let id = run.id(1);
        run.ends[1].state[0].2 = id;
    }),
    ("same-state", "nothing", "b has no state", |run| run.ends[1].state.clear()),
    ("recovered-in-time", "late", "late", |run| {
        run.expect = json!({ "within": "20ms" });
        let record = judged(&run.events[5], Standing::SoftFailed);
        run.tell(HEALED + 21, "b", record);
    }),
    ("recovered-in-time", "still-waits", "never at rest, for an event that waits", |run| {
        let id = run.id(5);
        run.ends[1].waiting = vec![id];
        run.ends[1].idle = false;
    }),
    ("recovered-in-time", "still-busy", "never at rest", |run| run.ends[1].idle = false),
    ("bounded-work", "given-too-much", "given far more than it lacked", |run| {
        // Each answer by itself is one that could be given.
        for id in 10..70 {
            run.ask_by_itself(id, "b", "c", "event_auth", &[9], &[], &[]);
            run.answer_with(id, "auth_chain", &[0, 6, 7, 9]);
        }
    }),
    ("bounded-work", "looked-at-too-much", "looks at more than it asked for", |run| run.drops(5, 31)),
    ("bounded-work", "too-many-bytes", "more bytes than events", |run| {
        run.ask_by_itself(5, "b", "c", "event_auth", &[9], &[], &[]);
        run.answer_with(5, "auth_chain", &[0, 6, 7]);
        run.answer_bytes(5, 10_000);
    }),
    ("request-budget", "over-limit", "over the scenario's", |run| {
        run.expect = json!({ "requests": { "event": 0 } });
    }),
    ("request-budget", "over-limit", "over the scenario's total", |run| {
        run.expect = json!({ "requests": { "total": 3 } });
    }),
    ("request-budget", "unexplained", "over what was missing", |run| {
        (10..40).for_each(|id| run.ask_in_vain(id));
    }),
];

/// What looks bad and is not.
const GOOD: &[(&str, Change)] = &[
    ("what waits covers nothing yet", |run| run.builds_over_what_waits()),
    ("an answer is cut short on its way", |run| {
        run.answer(1, &[]);
        run.tell(61, "a", What::Disturbed { id: 1, how: "truncate".to_owned() });
    }),
    ("nobody tells b and c of what is soft-failed and from before their time", |run| {
        run.soft_failed_before_their_time();
    }),
    ("b was put out of the room and not told", |run| run.b_is_out_unawares()),
    ("nothing is changed", |_| {}),
    ("what b may not see is redacted", |run| {
        run.branch("joined");
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
        run.answer_with(5, "redacted", &[11]);
    }),
    ("b may see what was before its join: it is shared", |run| {
        run.branch("shared");
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
    }),
    ("everybody may see it", |run| {
        run.branch("world_readable");
        run.b_leaves();
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
    }),
    ("b has left, and asks for what it has seen", |run| {
        run.b_leaves();
        run.ask(5, "b", "a", "event", &[3], &[], &[3]);
    }),
    ("an event that nothing could be taken from", |run| {
        run.branch("joined");
        run.ask(5, "b", "a", "event", &[10], &[], &[10]);
    }),
    ("another server is shut out", |run| {
        run.shut_out(&["c*", "?b"]);
        run.ask(5, "b", "a", "backfill", &[1], &[], &[1, 9, 8, 7, 6, 0]);
    }),
    ("b joined late and lacks what was before", Run::b_joins_late),
    ("b gives up after it has asked", |run| {
        run.b_joins_late();
        run.b_gives_up();
        run.ask(5, "b", "c", "backfill", &[7], &[], &[]);
        run.refuse(5, 502);
        run.tell(70, "b", What::PagedBack { events: 0, complete: false });
    }),
    ("b reads a page and no more", |run| {
        run.b_joins_late();
        run.tell(70, "b", What::PagedBack { events: 0, complete: false });
    }),
    ("by a key that had expired, which nobody told b", |run| {
        run.rotate_key_of_a(999);
        run.one_more(&[5], message("a", "by the old key"));
        (0..3).for_each(|host| run.extremities(host, &[10]));
    }),
    ("by a key that went out of use right then", |run| {
        run.rotate_key_of_a(1_000);
        run.ask_by_itself(5, "b", "a", "key", &[], &[], &[]);
        run.one_more(&[5], message("a", "by the old key"));
        (0..3).for_each(|host| run.extremities(host, &[10]));
    }),
    ("an auth chain of several", Run::power_levels_twice),
    ("what is redacted is given so", |run| {
        run.redact("a");
        run.ask(5, "b", "c", "event", &[1], &[], &[1]);
        run.answer_with(5, "redacted", &[1]);
    }),
    ("a redaction by who may not has no effect", |run| {
        run.redact("c");
        run.ask(5, "b", "c", "event", &[1], &[], &[1]);
    }),
    ("b took the state below a gap", |run| {
        let gap = run.id(3);
        run.stand(1, 3, Standing::Outlier);
        run.ends[1].backward_extremities = vec![gap.clone()];
        run.tell(70, "b", What::StateTaken { event: gap, from: "a".to_owned(), events: 1 });
    }),
    ("b soft-failed an event below the tip", |run| run.stand(1, 4, Standing::SoftFailed)),
    ("b soft-failed the newest", |run| {
        run.stand(1, 5, Standing::SoftFailed);
        run.extremities(1, &[3, 4]);
        run.ends[1].state.clear();
    }),
    ("b has left", |run| {
        run.ends[1] = End { events: run.ends[1].events[..2].to_vec(), ..End::default() };
    }),
    ("b may differ", |run| {
        run.expect = json!({ "differ": ["b"] });
        run.forget(1, 5);
        run.extremities(1, &[3]);
        run.stand(1, 4, Standing::Rejected);
        run.ends[1].idle = false;
    }),
    ("an event is judged anew after another verdict", |run| {
        for verdict in [Standing::Rejected, Standing::Accepted] {
            let record = judged(&run.events[3], verdict);
            run.tell(70, "b", record);
        }
    }),
    ("an event is judged again in another life", |run| {
        run.tell(70, "b", What::Started);
        let record = judged(&run.events[3], Standing::Accepted);
        run.tell(71, "b", record);
    }),
    ("expectations are met", |run| {
        run.expect = json!({ "events": { "b": { "four": "history" }, "c": { "four": "accepted" } } });
        let event = run.id(4);
        run.tell(40, "c", What::Labelled { label: "four".to_owned(), event });
        run.tell(70, "b", What::Expected(Expectation { step: 0, met: true, message: String::new() }));
    }),
    ("an event is stored redacted", |run| {
        let redacted: Value = serde_json::from_str(run.events[1].redacted_json().get()).unwrap();
        run.stored(1, |pdu| *pdu = redacted.clone());
    }),
    ("missing events cut by the limit", |run| {
        for record in &mut run.records {
            if let What::Request { id: 2, limit, .. } = &mut record.what {
                *limit = Some(1);
            }
        }
        run.answer(2, &[4]);
    }),
    ("backfill cut by the limit follows any branch", |run| {
        run.ask(5, "b", "a", "backfill", &[5], &[], &[5, 4, 2, 1, 9, 8, 7, 6, 0, 3]);
    }),
    ("state ids with the state in its auth chain", |run| {
        run.answer_with(4, "auth_chain", &[0, 6, 7, 8, 9]);
    }),
    ("not found, and it does not have it", |run| {
        run.one_for_c_alone();
        run.ask_by_itself(5, "c", "a", "event", &[10], &[], &[]);
        run.refuse(5, 404);
        run.by_script(5);
        run.timeline = lies_of("c");
    }),
    ("what only a liar has can't be had", |run| {
        run.one_for_c_alone();
        run.timeline = lies_of("c");
    }),
    ("missing events may order siblings as it likes", |run| run.answer(2, &[4, 3])),
    ("missing events puts a parent of two children behind one of them", |run| {
        run.ask(5, "b", "a", "get_missing_events", &[5, 4], &[1], &[3, 2]);
    }),
    ("just in time", |run| {
        run.expect = json!({ "within": "20ms" });
        let record = judged(&run.events[5], Standing::SoftFailed);
        run.tell(HEALED + 20, "b", record);
    }),
    ("looks at all that it asked for", |run| run.drops(5, 30)),
    ("bytes that events explain", |run| {
        run.ask_by_itself(5, "b", "c", "event_auth", &[9], &[], &[]);
        run.answer_with(5, "auth_chain", &[0, 6, 7]);
        run.answer_bytes(5, 2_000);
    }),
    ("just within budget", |run| run.expect = json!({ "requests": { "event": 1, "total": 4 } })),
    ("a long gap explains many requests", |run| {
        let missing = run.id(4);
        run.tell(50, "b", What::GapOpened { missing, wanted_by: run.id(5) });
        (10..40).for_each(|id| run.ask_in_vain(id));
    }),
];

fn names(violations: &[Violation]) -> BTreeSet<&str> {
    violations.iter().map(|violation| violation.invariant.as_str()).collect()
}

/// Invariants with the kinds of their violations, without what narrows them.
fn kinds(violations: &[Violation]) -> BTreeSet<(&str, &str)> {
    let kind = |violation: &Violation| violation.kind.find(':').unwrap_or(violation.kind.len());
    violations.iter().map(|found| (found.invariant.as_str(), &found.kind[..kind(found)])).collect()
}

#[test]
fn what_is_bad_is_noticed() {
    let mut unnoticed = Vec::new();
    for (invariant, kind, what, spoil) in BAD {
        let mut run = Run::good();
        spoil(&mut run);
        let (scenario, journal) = run.finish();
        let judgement = judge(&scenario, &journal).unwrap();
        let found = kinds(&judgement.violations);
        if !found.contains(&(*invariant, *kind)) {
            unnoticed.push(format!("{invariant}: {kind}: {what}: only {found:?}"));
            continue;
        }
        let recovery =
            ["recovered-in-time", "needless-requests", "request-budget", "bounded-work"].contains(invariant);
        let expected = if recovery { Verdict::NotRecovered } else { Verdict::Violated };
        assert_eq!(judgement.verdict, expected, "{invariant}: {what}");
        assert!(!judgement.is_as_expected());
    }
    assert!(unnoticed.is_empty(), "{}", unnoticed.join("\n"));
}

#[test]
fn every_invariant_has_a_journal_that_violates_it_alone() {
    let alone = |invariant: &str, spoil: &Change| {
        let mut run = Run::good();
        spoil(&mut run);
        let (scenario, journal) = run.finish();
        names(&judge(&scenario, &journal).unwrap().violations) == BTreeSet::from([invariant])
    };
    let bad = BAD.iter().filter(|(invariant, _, _, spoil)| alone(invariant, spoil));
    let mut tried: BTreeSet<&str> = bad.map(|(invariant, ..)| *invariant).collect();
    // Servers with the same events and verdicts have the same extremities, or one of them has wrong ones: who
    // stands elsewhere has broken another rule too, and this one says what came of it.
    tried.insert("same-extremities");
    let all: BTreeSet<&str> = ALL.iter().map(|invariant| invariant.name).collect();
    assert_eq!(tried, all);
}

#[test]
fn every_file_with_an_invariant_is_in_the_list() {
    let files = std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/check")).unwrap();
    let files = files.map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let with_one =
        files.filter(|path| std::fs::read_to_string(path).unwrap().contains("const INVARIANT: Invariant"));
    let stem = |path: std::path::PathBuf| path.file_stem().unwrap().to_str().unwrap().replace('_', "-");
    let listed: BTreeSet<String> = ALL.iter().map(|invariant| invariant.name.to_owned()).collect();
    assert_eq!(with_one.map(stem).collect::<BTreeSet<_>>(), listed);
}

#[test]
fn every_kind_of_failure_has_a_journal_that_shows_it() {
    let tried: BTreeSet<(&str, &str)> = BAD.iter().map(|(invariant, kind, ..)| (*invariant, *kind)).collect();
    let of = |invariant: &'static Invariant| invariant.kinds.iter().map(|kind| (invariant.name, *kind));
    let all: BTreeSet<(&str, &str)> = ALL.iter().flat_map(of).collect();
    assert_eq!(tried, all);
}

#[test]
fn what_looks_bad_and_is_not_is_let_be() {
    for (what, change) in GOOD {
        let mut run = Run::good();
        change(&mut run);
        let (scenario, journal) = run.finish();
        let judgement = judge(&scenario, &journal).unwrap();
        assert_eq!(judgement.violations, [], "{what}");
        assert_eq!(judgement.verdict, Verdict::Holds, "{what}");
    }
}

#[test]
fn a_scenario_can_expect_to_be_violated() {
    let mut run = Run::good();
    run.expect = json!({ "verdict": "violated" });
    run.extremities(0, &[]);
    let (scenario, journal) = run.finish();
    let judgement = judge(&scenario, &journal).unwrap();
    assert_eq!(judgement.verdict, Verdict::Violated);
    assert!(judgement.is_as_expected());
}

#[test]
fn what_a_server_lacks_is_told_by_what_it_could_have() {
    let told = |change: Change| {
        let mut run = Run::good();
        change(&mut run);
        let (scenario, journal) = run.finish();
        let judgement = judge(&scenario, &journal).unwrap();
        let b = judgement.recoveries.into_iter().find(|recovery| recovery.server == "b").unwrap();
        [b.recovered, b.withheld.len(), b.not_recovered.len(), b.not_yet.len(), b.lost.len(), b.unheard.len()]
    };
    assert_eq!(told(|_| {}), [0; 6]);
    assert_eq!(told(|run| run.forget(1, 4)), [0, 0, 1, 0, 0, 0], "others have it");
    let lost: Change = |run| {
        run.one_for_c_alone();
        run.timeline = lies_of("c");
    };
    assert_eq!(told(lost), [0, 0, 0, 0, 1, 0], "only a liar has it");
    let not_yet: Change = |run| {
        run.forget(1, 4);
        run.ends[1].idle = false;
        run.expect = json!({ "within": "10s" });
    };
    assert_eq!(told(not_yet), [0, 0, 0, 1, 0, 0], "there is time left");
    let too_late: Change = |run| {
        run.forget(1, 4);
        run.ends[1].idle = false;
        run.expect = json!({ "within": "10ms" });
    };
    assert_eq!(told(too_late), [0, 0, 1, 0, 0, 0], "time is over");
    let out_of_reach: Change = |run| {
        run.forget(1, 4);
        let links = [("b", "a"), ("b", "c")].map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec();
        run.tell(900, "a", What::Unhealed { links });
    };
    assert_eq!(told(out_of_reach), [0, 0, 0, 0, 1, 0], "nobody is in reach");
    let withheld: Change = |run| {
        run.branch("joined");
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
        run.answer_with(5, "redacted", &[11]);
        run.fetched(11);
    };
    assert_eq!(told(withheld), [1, 1, 0, 0, 0, 0], "it may not see it");
    let recovered: Change = |run| run.fetched(4);
    assert_eq!(told(recovered), [1, 0, 0, 0, 0, 0], "it asked and got it");
    assert_eq!(told(Run::soft_failed_before_their_time), [0, 0, 0, 0, 0, 1], "nobody told it");
    let by_script: Change = |run| {
        run.one_for_c_alone();
        let (event, pdu) = (run.id(10), run.events[10].json().to_owned());
        run.tell(54, "c", What::Crafted { event, pdu });
    };
    assert_eq!(told(by_script), [0, 0, 0, 0, 0, 1], "a script made it and told nobody");
}

#[test]
fn recovery_is_timed_from_the_heal_to_the_last_change() {
    for (late_by, expected) in [(None, 0), (Some(33), 33)] {
        let mut run = Run::good();
        if let Some(late_by) = late_by {
            let record = judged(&run.events[5], Standing::SoftFailed);
            run.tell(HEALED + late_by, "b", record);
        }
        let (scenario, journal) = run.finish();
        assert_eq!(judge(&scenario, &journal).unwrap().recovered_after_ms, Some(expected));
    }
}

#[test]
fn extremities_may_differ_by_soft_failures() {
    let mut run = Run::good();
    run.stand(1, 5, Standing::SoftFailed);
    run.extremities(1, &[3, 4]);
    let (scenario, journal) = run.finish();
    let evidence = Evidence::read(&scenario, &journal).unwrap();
    assert_eq!(extremities_agree(&evidence), Agreement::SoftFailures);
}
