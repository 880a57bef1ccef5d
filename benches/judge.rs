//! What judging costs: a batch of linear messages against the verification of their signatures, merges with
//! and without conflict, and the memory of the state before every event.

use std::{hint::black_box, sync::Arc, time::Duration};

use backfire::{
    matrix::{
        ServerName, UserId,
        crypto::{Crypto, Scheme, SigningKey},
        draft::{Draft, Place, hash_and_sign},
        keys::{KeyRing, PublicKey},
        pdu::{Limits, Pdu, UnverifiedPdu},
        version::RoomVersion,
    },
    room::{Arrival, Room},
};
use serde_json::{json, value::RawValue};

const VERSION: RoomVersion = RoomVersion::V11;
const CREATOR: &str = "@creator:a";
const MESSAGES: usize = 1_000;
const ROUNDS: usize = 5;

/// Makes the events of one room, all signed by one server, and keeps the room as that server has it.
struct Author {
    room: Option<Room>,
    key: SigningKey,
    crypto: Crypto,
    clock: u64,
}

impl Author {
    fn new() -> Self {
        let key = SigningKey::from_seed([1; 32], "k");
        let mut author = Self { room: None, key, crypto: Crypto::new(Scheme::Ed25519), clock: 1_000 };
        author.send(Draft::state("m.room.create", CREATOR, json!({ "room_version": "11" })), &[]);
        author.join(CREATOR);
        author.state("m.room.power_levels", json!({ "users": { CREATOR: 100 } }));
        author.state("m.room.join_rules", json!({ "join_rule": "public" }));
        author
    }

    fn join(&mut self, user: &str) -> Arc<Pdu> {
        let tips = self.tips();
        self.send(Draft::member(user, user, json!({ "membership": "join" })), &tips)
    }

    fn state(&mut self, kind: &str, content: serde_json::Value) -> Arc<Pdu> {
        let tips = self.tips();
        self.send(Draft::state(kind, CREATOR, content), &tips)
    }

    fn message(&mut self, text: &str) -> Arc<Pdu> {
        let tips = self.tips();
        self.message_on(text, &tips)
    }

    fn message_on(&mut self, text: &str, prev: &[Arc<Pdu>]) -> Arc<Pdu> {
        self.send(Draft::message_like("m.room.message", CREATOR, json!({ "body": text })), prev)
    }

    fn tips(&self) -> Vec<Arc<Pdu>> {
        let room = self.room.as_ref().expect("the room was made");
        room.forward_extremities().iter().filter_map(|id| room.event(id).cloned()).collect()
    }

    /// Signs an event on top of `prev` and takes it.
    fn send(&mut self, draft: Draft, prev: &[Arc<Pdu>]) -> Arc<Pdu> {
        self.clock += 1;
        let sender = <&UserId>::try_from(draft.sender.as_str()).unwrap();
        let content = RawValue::from_string(draft.content.to_string()).unwrap();
        let auth = self.room.as_ref().map_or_else(Vec::new, |room| {
            let ids: Vec<_> = prev.iter().map(|pdu| pdu.event_id().clone()).collect();
            let state = room.state_after_all(&ids).expect("the events before are held");
            let ids = room.auth_events_of(&state, &draft.kind, sender, draft.state_key.as_deref(), &content);
            ids.iter().filter_map(|id| room.event(id)).map(|pdu| pdu.reference()).collect()
        });
        let place = Place {
            version: VERSION,
            room_id: Some("!room:a"),
            prev_events: prev.iter().map(|pdu| pdu.reference()).collect(),
            auth_events: auth,
            depth: prev.iter().map(|pdu| pdu.depth()).max().unwrap_or(0) + 1,
            timestamp: self.clock,
            chosen_id: None,
        };
        let object = draft.place(place).unwrap();
        let name = <&ServerName>::try_from("a").unwrap();
        let pdu = hash_and_sign(object, VERSION, name, &self.key, &self.crypto).unwrap();
        let room = self.room.get_or_insert_with(|| Room::new(pdu.room_id(), VERSION));
        room.receive(pdu.clone(), Arrival::Live);
        pdu
    }

    fn keys(&self) -> KeyRing {
        let mut keys = KeyRing::default();
        let own = PublicKey { bytes: self.key.public().to_vec(), valid_until: u64::MAX, expired: false };
        keys.insert(<&ServerName>::try_from("a").unwrap(), self.key.id().as_str(), own);
        keys
    }
}

#[allow(clippy::disallowed_types, reason = "a benchmark measures real time")]
fn least_time(mut run: impl FnMut()) -> Duration {
    let once = |run: &mut dyn FnMut()| {
        let start = std::time::Instant::now();
        run();
        start.elapsed()
    };
    (0..ROUNDS).map(|_| once(&mut run)).min().expect("there are rounds")
}

fn linear_batch() {
    let mut author = Author::new();
    let before = author.room.clone().expect("the room was made");
    let messages: Vec<_> = (0..MESSAGES).map(|n| author.message(&format!("message {n}"))).collect();
    let keys = author.keys();
    let parse = |pdu: &Arc<Pdu>| UnverifiedPdu::parse(pdu.json().get(), VERSION, Limits::Hold).unwrap();
    let unverified: Vec<_> = messages.iter().map(parse).collect();

    let parsing = least_time(|| {
        for pdu in &messages {
            black_box(parse(pdu));
        }
    });
    let verifying = least_time(|| {
        // Fresh each time: nothing is remembered.
        let crypto = Crypto::new(Scheme::Ed25519);
        for pdu in &unverified {
            black_box(pdu.verify(&keys, &crypto).unwrap());
        }
    });
    let mut rooms: Vec<Room> = (0..ROUNDS).map(|_| before.clone()).collect();
    let judging = least_time(|| {
        let mut room = rooms.pop().expect("one room a round");
        for pdu in &messages {
            black_box(room.receive(pdu.clone(), Arrival::Live));
        }
    });
    println!("{MESSAGES} linear messages: parse {parsing:.1?}, verify {verifying:.1?}, judge {judging:.1?}");
    let ratio = |time: Duration| time.as_secs_f64() / verifying.as_secs_f64();
    println!("  judging / verifying: {:.2}", ratio(judging));
    println!("  all three / verifying: {:.2} (aim: at most 3)", ratio(parsing + verifying + judging));
}

/// Two branches of one message each, merged, again and again; with conflict, each branch sets the topic.
fn merges(conflict: bool) -> Duration {
    let mut author = Author::new();
    for n in 0..60 {
        author.join(&format!("@user{n}:a"));
    }
    let before = author.room.clone().expect("the room was made");
    let mut events = Vec::new();
    let mut tips = author.tips();
    for n in 0..100 {
        let branch = |author: &mut Author, tips: &[Arc<Pdu>], side: &str| match conflict {
            true => {
                let topic = json!({ "topic": format!("{side} {n}") });
                author.send(Draft::state("m.room.topic", CREATOR, topic), tips)
            }
            false => author.message_on(&format!("{side} {n}"), tips),
        };
        let sides = [branch(&mut author, &tips, "left"), branch(&mut author, &tips, "right")];
        tips = vec![author.message_on("merge", &sides)];
        events.extend(sides);
        events.extend(tips.clone());
    }
    let mut rooms: Vec<Room> = (0..ROUNDS).map(|_| before.clone()).collect();
    least_time(|| {
        let mut room = rooms.pop().expect("one room a round");
        for pdu in &events {
            black_box(room.receive(pdu.clone(), Arrival::Live));
        }
    })
}

/// 60 members who change their names again and again among messages.
fn state_memory() {
    let before = resident_bytes();
    let mut author = Author::new();
    let users: Vec<String> = (0..60).map(|n| format!("@user{n}:a")).collect();
    for user in &users {
        author.join(user);
    }
    for n in author.room.as_ref().expect("made").graph().len()..3_000 {
        let user = &users[n % users.len()];
        let tips = author.tips();
        let content = json!({ "membership": "join", "displayname": format!("name {n}") });
        match n % 3 {
            0 => author.send(Draft::member(user, user, content), &tips),
            _ => author.message(&format!("message {n}")),
        };
    }
    let used = resident_bytes().saturating_sub(before);
    let room = author.room.expect("made");
    let events = room.graph().iter().filter_map(|idx| room.event_at(idx));
    let json: usize = events.map(|pdu| pdu.json().get().len()).sum();
    println!(
        "{} events, 60 members, a third of them state: {:.1} MiB in all, of it {:.1} MiB JSON (aim: 64)",
        room.graph().len(),
        used as f64 / 1_048_576.0,
        json as f64 / 1_048_576.0
    );
    black_box(room);
}

fn resident_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells a process its memory");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("VmRSS is always there");
    let kib = line.trim().trim_end_matches("kB").trim();
    kib.parse::<usize>().expect("VmRSS is a number") * 1024
}

/// What an event costs in memory besides the text that was received.
fn event_memory() {
    const COPIES: usize = 20_000;
    let mut author = Author::new();
    let messages: Vec<_> = (0..100).map(|n| author.message(&format!("message {n}"))).collect();
    let texts = messages.iter().cycle().take(COPIES).map(|pdu| pdu.json().get());
    let before = resident_bytes();
    let read = |text| UnverifiedPdu::parse(text, VERSION, Limits::Hold).unwrap().trust().unwrap();
    let verified: Vec<Arc<Pdu>> = texts.clone().map(read).collect();
    let used = resident_bytes().saturating_sub(before) / COPIES;
    let json = texts.map(str::len).sum::<usize>() / COPIES;
    println!("an event of {json} bytes of JSON takes {used} bytes: {} besides", used.saturating_sub(json));
    black_box(verified);
}

fn main() {
    // First, while no freed memory is there to be used again unseen.
    state_memory();
    event_memory();
    linear_batch();
    let (agreed, conflicting) = (merges(false), merges(true));
    println!(
        "100 merges of two branches, 60 members: {agreed:.1?} without conflict, {conflicting:.1?} with one"
    );
}
