//! Every invariant holds on a good journal and speaks up on a bad one. The journals are made by hand: the checks are
//! on trial here, not the servers.

use std::{collections::BTreeSet, sync::Arc};

use backfire::{
    check::{ALL, Agreement, evidence::Evidence, extremities_agree, verdict::judge},
    matrix::{
        crypto::{Crypto, SigningKey},
        draft::{Draft, Place, hash_and_sign},
        pdu::Pdu,
        version::RoomVersion,
    },
    room::graph::Standing,
    scenario::{Scenario, Verdict},
    simulation::journal::{End, Expectation, From, Journal, Record, What},
};
use ruma_common::{OwnedEventId, ServerName, serde::Base64};
use serde_json::{Value, json, value::RawValue};

const HOSTS: [&str; 3] = ["a", "b", "c"];
const HEALED: i64 = 100;

/// A small run that went well, to be spoilt.
///
/// First its room is made by a: 0 create, 6 join of a, 7 join rules, 8 join of b, 9 join of c. Then come messages by a,
/// b, a, c, a:
///
/// ```text
/// 0 ← 6 ← 7 ← 8 ← 9 ← 1 ← 2 ← 3 ← 5
///                           ↖ 4 ↙
/// ```
struct Run {
    expect: Value,
    events: Vec<Arc<Pdu>>,
    records: Vec<Record>,
    ends: Vec<End>,
}

fn key(host: &str) -> SigningKey {
    SigningKey::from_seed([host.as_bytes()[0]; 32], "k1")
}

fn event(server: &str, parents: &[&Arc<Pdu>], auth: &[&Arc<Pdu>], draft: Draft) -> Arc<Pdu> {
    let references = |pdus: &[&Arc<Pdu>]| pdus.iter().map(|pdu| pdu.reference()).collect();
    let place = Place {
        version: RoomVersion::V11,
        room_id: Some("!room:a"),
        prev_events: references(parents),
        auth_events: references(auth),
        depth: parents.iter().map(|pdu| pdu.depth()).max().unwrap_or(0) + 1,
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
            expect: json!({}),
            events: vec![create, one, two, three, four, five, a, rules, b, c],
            records: Vec::new(),
            ends: vec![end; 3],
        };
        for (nth, t) in [(0, -60), (6, -50), (7, -40), (8, -30), (9, -20)] {
            run.happen(nth, t);
        }
        for nth in 1..=5 {
            run.happen(nth, 10 * nth as i64);
        }
        (0..3).for_each(|host| run.extremities(host, &[5]));
        run.tell_requests();
        run
    }

    /// An event is made, and reaches the others.
    fn happen(&mut self, nth: usize, t: i64) {
        let pdu = self.events[nth].clone();
        let author = pdu.sender().server_name().as_str().to_owned();
        let others = HOSTS.into_iter().filter(|host| *host != author);
        for (place, host) in std::iter::once(author.as_str()).chain(others).enumerate() {
            let t = t + place as i64;
            let from = match place {
                0 => From::User,
                _ => From::Peer { server: author.clone(), endpoint: "send".to_owned() },
            };
            let json = (place == 0).then(|| pdu.json().to_owned());
            self.tell(t, host, What::Received { event: pdu.event_id().clone(), from, pdu: json });
            self.tell(t, host, judged(&pdu, Standing::Accepted));
            if let Some((kind, key)) = pdu.state_slot() {
                let slot = (kind.to_string(), key.to_owned(), Some(pdu.event_id().clone()));
                self.tell(t, host, What::State { changed: vec![slot] });
            }
        }
        for end in &mut self.ends {
            end.events.push((pdu.event_id().clone(), Standing::Accepted));
            end.events.sort();
            if let Some((kind, key)) = pdu.state_slot() {
                end.state.push((kind.to_string(), key.to_owned(), pdu.event_id().clone()));
                end.state.sort();
            }
        }
    }

    /// A branch beside the joins of b and c, made by a: the history visibility is set, then a message follows.
    /// They are events 10 and 11.
    fn branch(&mut self, visibility: &str) {
        let [create, a, rules] = [0, 6, 7].map(|nth| self.events[nth].clone());
        let content = json!({ "history_visibility": visibility });
        let setting = event("a", &[&rules], &[&create, &a], state("m.room.history_visibility", content));
        let secret = event("a", &[&setting], &[&create, &a], message("a", "for those who were there"));
        self.events.extend([setting, secret]);
        self.happen(10, 55);
        self.happen(11, 56);
        (0..3).for_each(|host| self.extremities(host, &[5, 11]));
    }

    /// On `host`, `server` is not in the room any more.
    fn leave_state(&mut self, host: &str, server: &str) {
        let slot = ("m.room.member".to_owned(), format!("@u:{server}"), None);
        self.tell(58, host, What::State { changed: vec![slot] });
    }

    /// A server ACL is set on top of all: event 10.
    fn shut_out(&mut self, deny: &[&str]) {
        let [create, five, a] = [0, 5, 6].map(|nth| self.events[nth].clone());
        let acl = state("m.room.server_acl", json!({ "allow": ["*"], "deny": deny }));
        self.events.push(event("a", &[&five], &[&create, &a], acl));
        self.happen(10, 55);
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
        let ids = |list: &[usize]| list.iter().map(|nth| self.id(*nth).to_string()).collect::<Vec<_>>();
        let request = What::Request {
            id,
            to: to.to_owned(),
            endpoint: endpoint.to_owned(),
            line: format!("GET /_matrix/federation/v1/{endpoint}/%21room%3Aa"),
            cause: "test".to_owned(),
            events: ids(named),
            limit: Some(10),
            earliest: ids(earliest),
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

    fn id(&self, nth: usize) -> OwnedEventId {
        self.events[nth].event_id().clone()
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
            "timeline": [],
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
    What::Judged { event: pdu.event_id().clone(), verdict, reason: None }
}

type Change = fn(&mut Run);

/// What spoils a good run, by the invariant that must notice.
const BAD: &[(&str, &str, Change)] = &[
    ("expectations", "an answer is not what a step expects", |run| {
        let unmet = Expectation { step: 0, met: false, message: "status 200, not 404".to_owned() };
        run.tell(70, "b", What::Expected(unmet));
    }),
    ("expectations", "an event stands otherwise", |run| {
        run.expect = json!({ "events": { "b": { "four": "not_history" } } });
        let event = run.id(4);
        run.tell(40, "c", What::Labelled { label: "four".to_owned(), event });
    }),
    ("expectations", "an event was never made", |run| {
        run.expect = json!({ "events": { "b": { "four": "absent" } } });
    }),
    ("integrity", "changed content", |run| run.stored(1, |pdu| pdu["content"]["body"] = "lie".into())),
    ("integrity", "changed depth", |run| run.stored(1, |pdu| pdu["depth"] = 7.into())),
    ("integrity", "not an event", |run| run.stored(1, |pdu| pdu["sender"] = 7.into())),
    ("integrity", "no signature", |run| run.stored(2, |pdu| pdu["signatures"] = json!({}))),
    ("integrity", "signature of another event", |run| {
        let other: Value = serde_json::from_str(run.events[3].json().get()).unwrap();
        run.stored(1, |pdu| pdu["signatures"] = other["signatures"].clone());
    }),
    ("signs-own-only", "b speaks for a", |run| {
        run.records.iter_mut().find(|record| record.t == 30).unwrap().server = Some("b".to_owned());
    }),
    ("answers", "backfill over the limit", |run| {
        for record in &mut run.records {
            if let What::Request { id: 1, limit, .. } = &mut record.what {
                *limit = Some(3);
            }
        }
    }),
    ("answers", "backfill with a duplicate", |run| run.answer(1, &[3, 2, 2])),
    ("answers", "backfill with what comes later", |run| run.answer(1, &[3, 5])),
    ("answers", "backfill with a sibling", |run| run.answer(1, &[3, 2, 4])),
    ("answers", "backfill of another room", |run| {
        for record in &mut run.records {
            if let What::Request { id: 1, line, .. } = &mut record.what {
                *line = "GET /_matrix/federation/v1/backfill/%21other%3Aa".to_owned();
            }
        }
    }),
    ("answers", "backfill with the seed last", |run| run.answer(1, &[2, 3])),
    ("answers", "missing events with a latest", |run| run.answer(2, &[3, 5])),
    ("answers", "missing events with an earliest", |run| run.answer(2, &[2, 3])),
    ("answers", "missing events behind an earliest", |run| run.answer(2, &[1, 3, 4])),
    ("answers", "missing events twice", |run| run.answer(2, &[3, 3])),
    ("answers", "missing events upside down", |run| {
        run.ask(5, "b", "a", "get_missing_events", &[5], &[9], &[3, 2]);
    }),
    ("answers", "another event", |run| run.answer(3, &[3])),
    ("answers", "no event", |run| run.answer(3, &[])),
    ("answers", "state ids twice", |run| run.answer(4, &[0, 0])),
    ("verdicts-agree", "b rejects what others accept", |run| run.stand(1, 4, Standing::Rejected)),
    ("verdicts-agree", "b rejects what others soft-fail", |run| {
        run.stand(0, 4, Standing::SoftFailed);
        run.stand(1, 4, Standing::Rejected);
        run.stand(2, 4, Standing::SoftFailed);
    }),
    ("no-crash", "b panics", |run| {
        let (message, place) = ("index out of bounds".to_owned(), "src/room/mod.rs:1:1".to_owned());
        run.tell(70, "b", What::Panicked { message, place });
    }),
    ("no-crash", "b panics and is started again", |run| {
        let (message, place) = ("index out of bounds".to_owned(), "src/room/mod.rs:1:1".to_owned());
        run.tell(70, "b", What::Panicked { message, place });
        run.tell(71, "b", What::Started);
    }),
    ("confidentiality", "an event before b's join", |run| {
        run.branch("joined");
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
    }),
    ("confidentiality", "an event before b's invite, among others", |run| {
        run.branch("invited");
        run.ask(5, "b", "a", "backfill", &[11, 3], &[], &[11, 3]);
    }),
    ("confidentiality", "an event before b's join, pushed", |run| {
        run.branch("joined");
        run.ask(5, "a", "b", "send", &[11], &[], &[]);
    }),
    ("confidentiality", "shared history to a server that is not in the room", |run| {
        run.branch("shared");
        run.leave_state("a", "b");
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
    }),
    ("confidentiality", "the state to a server that is not in the room", |run| {
        run.leave_state("c", "b");
        run.ask(5, "b", "c", "state_ids", &[4], &[], &[0, 6, 7, 8, 9]);
        run.answer_with(5, "auth_chain", &[0, 6, 7]);
    }),
    ("confidentiality", "history to a server that is shut out", |run| {
        run.shut_out(&["b*"]);
        run.ask(5, "b", "a", "backfill", &[1], &[], &[1, 9, 8, 7, 6, 0]);
    }),
    ("idempotence", "accepted twice", |run| {
        let record = judged(&run.events[3], Standing::Accepted);
        run.tell(70, "b", record);
    }),
    ("frontier", "none", |run| run.extremities(0, &[])),
    ("frontier", "an ancestor of another", |run| run.extremities(0, &[3, 5])),
    ("frontier", "a covered event alone", |run| run.extremities(0, &[3])),
    ("frontier", "a soft-failed one", |run| run.stand(0, 5, Standing::SoftFailed)),
    ("frontier", "one is forgotten", |run| {
        run.forget(0, 5);
        run.extremities(0, &[3]);
    }),
    ("frontier", "covered through a soft-failed event", |run| {
        run.stand(0, 3, Standing::SoftFailed);
        run.extremities(0, &[2, 5]);
    }),
    ("same-events", "b lacks the newest", |run| {
        run.forget(1, 5);
        run.extremities(1, &[3, 4]);
    }),
    ("same-events", "b lacks one, and knows it without reason", |run| {
        let id = run.id(4);
        run.forget(1, 4);
        run.ends[1].backward_extremities = vec![id];
    }),
    ("same-events", "b lacks one that others soft-failed", |run| {
        run.branch("shared");
        run.stand(0, 11, Standing::SoftFailed);
        run.stand(2, 11, Standing::SoftFailed);
        run.forget(1, 11);
        (0..3).for_each(|host| run.extremities(host, &[5, 10]));
    }),
    ("closed-history", "b waits", |run| {
        let id = run.id(5);
        run.ends[1].waiting = vec![id];
    }),
    ("closed-history", "b has a hole", |run| run.forget(1, 4)),
    ("closed-history", "b has an outlier in its history", |run| run.stand(1, 4, Standing::Outlier)),
    ("same-extremities", "b stands lower", |run| {
        run.forget(1, 5);
        run.extremities(1, &[3, 4]);
    }),
    ("same-extremities", "b stands lower without any soft failure to explain it", |run| {
        run.stand(2, 4, Standing::SoftFailed);
        run.extremities(1, &[3, 4]);
        run.forget(1, 5);
    }),
    ("same-state", "b has another create event", |run| {
        let id = run.id(1);
        run.ends[1].state[0].2 = id;
    }),
    ("same-state", "b has no state", |run| run.ends[1].state.clear()),
    ("recovered-in-time", "late", |run| {
        run.expect = json!({ "within": "20ms" });
        let record = judged(&run.events[5], Standing::SoftFailed);
        run.tell(HEALED + 21, "b", record);
    }),
    ("recovered-in-time", "never at rest", |run| run.ends[1].idle = false),
    ("request-budget", "over the scenario's", |run| run.expect = json!({ "requests": { "event": 0 } })),
    ("request-budget", "over the scenario's total", |run| run.expect = json!({ "requests": { "total": 3 } })),
    ("request-budget", "over what was missing", |run| {
        for id in 10..40 {
            run.ask(id, "b", "c", "event", &[4], &[], &[4]);
        }
    }),
];

/// What looks bad and is not.
const GOOD: &[(&str, Change)] = &[
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
        run.leave_state("a", "b");
        run.ask(5, "b", "a", "event", &[11], &[], &[11]);
    }),
    ("b has left, and asks for what it has seen", |run| {
        run.leave_state("a", "b");
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
    ("b joined late and lacks what was before", |run| {
        for nth in [0, 6, 7] {
            run.stand(1, nth, Standing::Outlier);
        }
        let (edge, join) = (run.id(7), run.id(8));
        run.ends[1].backward_extremities = vec![edge];
        run.tell(-30, "b", What::Joined { event: join, via: "a".to_owned() });
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
        run.extremities(1, &[3, 4]);
        run.stand(1, 0, Standing::Rejected);
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
    ("missing events skips one on the way", |run| run.answer(2, &[4])),
    ("missing events may order siblings as it likes", |run| run.answer(2, &[4, 3])),
    ("missing events puts a parent of two children behind one of them", |run| {
        run.ask(5, "b", "a", "get_missing_events", &[5, 4], &[], &[3, 2]);
    }),
    ("backfill leaves out the seed and its parent", |run| run.answer(1, &[1, 0])),
    ("just in time", |run| {
        run.expect = json!({ "within": "20ms" });
        let record = judged(&run.events[5], Standing::SoftFailed);
        run.tell(HEALED + 20, "b", record);
    }),
    ("just within budget", |run| run.expect = json!({ "requests": { "event": 1, "total": 4 } })),
    ("a long gap explains many requests", |run| {
        let missing = run.id(4);
        run.tell(50, "b", What::GapOpened { missing, wanted_by: run.id(5) });
        for id in 10..40 {
            run.ask(id, "b", "c", "event", &[4], &[], &[4]);
        }
    }),
];

fn names(violations: &[backfire::simulation::journal::Violation]) -> BTreeSet<&str> {
    violations.iter().map(|violation| violation.invariant.as_str()).collect()
}

#[test]
fn what_is_bad_is_noticed() {
    for (invariant, what, spoil) in BAD {
        let mut run = Run::good();
        spoil(&mut run);
        let (scenario, journal) = run.finish();
        let judgement = judge(&scenario, &journal).unwrap();
        let found = names(&judgement.violations);
        assert!(found.contains(invariant), "{invariant}: {what}: only {found:?}");
        let recovery = ["recovered-in-time", "request-budget"].contains(invariant);
        let expected = if recovery { Verdict::NotRecovered } else { Verdict::Violated };
        assert_eq!(judgement.verdict, expected, "{invariant}: {what}");
        assert!(!judgement.is_as_expected());
    }
}

#[test]
fn every_invariant_has_a_journal_that_violates_it_alone() {
    let alone = |invariant: &str, spoil: &Change| {
        let mut run = Run::good();
        spoil(&mut run);
        let (scenario, journal) = run.finish();
        names(&judge(&scenario, &journal).unwrap().violations) == BTreeSet::from([invariant])
    };
    let bad = BAD.iter().filter(|(invariant, _, spoil)| alone(invariant, spoil));
    let mut tried: BTreeSet<&str> = bad.map(|(invariant, ..)| *invariant).collect();
    // Servers with the same events and verdicts have the same extremities, or one of them has wrong ones: who stands
    // elsewhere has broken another rule too, and this one says what came of it.
    tried.insert("same-extremities");
    let all: BTreeSet<&str> = ALL.iter().map(|invariant| invariant.name).collect();
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
