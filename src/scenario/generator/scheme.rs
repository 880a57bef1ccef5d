//! What a forger prepares in several steps: events that are built on each other, and the answers that go with
//! them. Each is the scheme of a bug that real homeservers had; honest servers see through it, and what they
//! take they can all get.

use serde_json::{Value, json};

use super::{Dice, Draft, Family, Kind, ask::ASKED_MS, lie, told_state};
use crate::{
    matrix::endpoint::Endpoint,
    scenario::{Answer, Ask, Content, Craft, Push, Servers, UserRef},
};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "allowed-twice",
        told: "events that name what allows them twice",
        family: Family::Lies,
        write: allowed_twice,
    },
    Kind {
        name: "allowed-elsewhere",
        told: "events that another room allows",
        family: Family::Lies,
        write: allowed_elsewhere,
    },
    Kind {
        name: "hole-in-chain",
        told: "auth chains with a hole",
        family: Family::Lies,
        write: hole_in_chain,
    },
    Kind {
        name: "joins-of-strangers",
        told: "joins in the name of others",
        family: Family::Lies,
        write: joins_of_strangers,
    },
    Kind { name: "numbers", told: "events with impossible numbers", family: Family::Lies, write: numbers },
    Kind { name: "circles", told: "redactions that name each other", family: Family::Lies, write: circles },
];

/// By then the last of the last words are said, and heard.
const AFTER_ALL_WORDS_MS: u64 = 80_000;

/// A forger and those whom it wants to deceive; nothing if there is none.
pub(super) fn cast(draft: &mut Draft, dice: &mut Dice) -> Option<(String, u64, Servers)> {
    if draft.forgers.is_empty() {
        return None;
    }
    let (liar, at) = (dice.pick(&draft.forgers), draft.moment(dice));
    draft.may_differ(&liar);
    Some((liar, at, Servers::Many(dice.some(&draft.speakers(), 1, draft.servers.len()))))
}

pub(super) fn push(draft: &mut Draft, at: u64, from: &str, to: Servers, event: &str) {
    let events = vec![event.to_owned()];
    draft.step(at, Push { from: from.to_owned(), to, events, id: None, expect: None });
}

/// What a server says to questions about one event.
pub(super) fn about(server: &str, endpoint: Endpoint, event: &str) -> Answer {
    Answer { about: Some(event.to_owned()), ..lie::answer(server, endpoint) }
}

pub(super) fn events(refs: &[&str]) -> Option<Vec<String>> {
    Some(refs.iter().map(|reference| (*reference).to_owned()).collect())
}

pub(super) fn object(value: &Value) -> Content {
    value.as_object().cloned().unwrap_or_default()
}

pub(super) fn member_of(user: &str) -> String {
    format!("state:m.room.member/@user:{user}")
}

/// What allows an event of a member's, as the rules select it, and more.
pub(super) fn allowed_by(draft: &Draft, user: &str, more: &[&str]) -> Option<Vec<String>> {
    let mut refs = vec!["state:m.room.power_levels".to_owned(), member_of(user)];
    if draft.cites_create() {
        refs.push("state:m.room.create".to_owned());
    }
    refs.extend(more.iter().map(|reference| (*reference).to_owned()));
    Some(refs)
}

/// An event may name one auth event for each slot.
fn allowed_twice(draft: &mut Draft, dice: &mut Dice) {
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let auth = allowed_by(draft, &liar, &[&member_of(&liar)]);
    let event = draft.labelled(at, Craft { auth, ..lie::crafted(&liar) }, "lie");
    push(draft, at, &liar, to, &event);
}

/// A message that is allowed by a membership in a room of the forger's own.
fn allowed_elsewhere(draft: &mut Draft, dice: &mut Dice) {
    // Where events have ids that their servers choose, nobody can tell that an event is of another room
    // before it has it; and from version 12 on the room's id is that of the create event.
    if !draft.cites_create() || draft.chooses_ids() {
        return;
    }
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let elsewhere = |depth: u64| object(&json!({ "room_id": format!("!other:{liar}"), "depth": depth }));
    let create = Craft {
        event_type: "m.room.create".to_owned(),
        state_key: Some(String::new()),
        content: object(&json!({ "room_version": draft.version_name() })),
        prev: Some(Vec::new()),
        auth: Some(Vec::new()),
        fields: elsewhere(1),
        ..lie::crafted(&liar)
    };
    let create = draft.labelled(at, create, "foreign");
    let member = Craft {
        event_type: "m.room.member".to_owned(),
        state_key: Some(format!("@user:{liar}")),
        content: object(&json!({ "membership": "join" })),
        prev: events(&[&create]),
        auth: events(&[&create]),
        fields: elsewhere(2),
        ..lie::crafted(&liar)
    };
    let member = draft.labelled(at, member, "foreign");
    let message = Craft { auth: events(&[&create, &member]), ..lie::crafted(&liar) };
    let message = draft.labelled(at, message, "lie");
    let chain = Answer { events: events(&[&create, &member]), ..about(&liar, Endpoint::EventAuth, &message) };
    draft.step(at, chain);
    push(draft, at, &liar, to, &message);
}

/// A message that stands on three memberships of its author, each allowed by the one before; for a while the
/// first is kept back.
fn hole_in_chain(draft: &mut Draft, dice: &mut Dice) {
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let mut chain: Vec<String> = Vec::new();
    for number in 1..=3 {
        let before = chain.last().cloned().unwrap_or_else(|| member_of(&liar));
        let mut auth = vec!["state:m.room.power_levels", "state:m.room.join_rules", &before];
        auth.extend(draft.cites_create().then_some("state:m.room.create"));
        let member = Craft {
            event_type: "m.room.member".to_owned(),
            state_key: Some(format!("@user:{liar}")),
            content: object(&json!({ "membership": "join", "displayname": format!("link {number}") })),
            auth: events(&auth),
            ..lie::crafted(&liar)
        };
        chain.push(draft.labelled(at, member, "link"));
    }
    let [first, second, third] = &chain[..] else { return };
    let mut auth = vec!["state:m.room.power_levels", third.as_str()];
    auth.extend(draft.cites_create().then_some("state:m.room.create"));
    let message = Craft { auth: events(&auth), ..lie::crafted(&liar) };
    let message = draft.labelled(at, message, "told");
    let whole =
        Answer { events: events(&[first, second, third]), ..about(&liar, Endpoint::EventAuth, &message) };
    draft.step(at, whole);
    let holed = Answer {
        events: events(&[second, third]),
        times: Some(told_state::REFUSALS),
        ..about(&liar, Endpoint::EventAuth, &message)
    };
    draft.step(at, holed);
    for link in &chain {
        let refusal = Answer { status: Some(404), ..about(&liar, Endpoint::Event, link) };
        draft.step(at, refusal);
    }
    push(draft, at, &liar, to, &message);
}

/// A forger asks to let in a user of another server, with a join that it signed itself.
fn joins_of_strangers(draft: &mut Draft, dice: &mut Dice) {
    let speakers = draft.speakers();
    let Some((liar, at, _)) = cast(draft, dice) else { return };
    let (to, victim) = (dice.pick(&speakers), format!("@victim:{}", dice.pick(&speakers)));
    let join = Craft {
        by: UserRef(victim.clone()),
        event_type: "m.room.member".to_owned(),
        state_key: Some(victim),
        content: object(&json!({ "membership": "join" })),
        signed_by: Some(liar.clone()),
        ..lie::crafted(&liar)
    };
    let join = draft.labelled(at, join, "lie");
    draft.step(at, Ask { events: vec![join], ..lie::question(&liar, &to, Endpoint::SendJoin) });
}

/// With the event that was asked for comes another that has a number in it which no event may have; at some
/// time, or when all words are said, so that nobody leads others to it.
fn numbers(draft: &mut Draft, dice: &mut Dice) {
    let Some((liar, some_time, to)) = cast(draft, dice) else { return };
    let at = if dice.percent(30) { some_time } else { draft.end + AFTER_ALL_WORDS_MS };
    let number = dice.pick(&[json!(1.5), json!(-0.25), json!(1_234.5), json!(1e20), json!(1_u64 << 60)]);
    let missing = Craft { keep: true, ..lie::crafted(&liar) };
    let missing = draft.labelled(at, missing, "held");
    let content = json!({ "msgtype": "m.text", "body": "a number", "number": number });
    let tamper = Content::from_iter([("content".to_owned(), content)]);
    let half = draft.labelled(at, Craft { tamper, ..lie::crafted(&liar) }, "lie");
    let pushed = Craft { prev: events(&[&missing]), keep: true, ..lie::crafted(&liar) };
    let pushed = draft.labelled(at, pushed, "told");
    let given =
        Answer { events: events(&[&missing, &half]), ..about(&liar, Endpoint::GetMissingEvents, &pushed) };
    draft.step(at, given);
    push(draft, at, &liar, to, &pushed);
}

/// Two redactions that name each other, which takes ids that servers choose. Somebody asks for one of them.
fn circles(draft: &mut Draft, dice: &mut Dice) {
    let speakers = draft.speakers();
    if !draft.chooses_ids() || speakers.len() < 2 {
        return;
    }
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let ids = ["one", "other"].map(|which| format!("${which}-{at}:{liar}"));
    let redaction = |own: usize, prev: Option<Vec<String>>| Craft {
        event_type: "m.room.redaction".to_owned(),
        content: Content::new(),
        prev,
        fields: object(&json!({ "event_id": ids[own], "redacts": ids[1 - own] })),
        keep: true,
        ..lie::crafted(&liar)
    };
    let one = draft.labelled(at, redaction(0, None), "circle");
    let other = draft.labelled(at, redaction(1, events(&[&one])), "circle");
    let events = vec![one.clone(), other];
    for asked in to.iter() {
        let others: Vec<String> = speakers.iter().filter(|name| *name != asked).cloned().collect();
        let ask =
            Ask { events: vec![one.clone()], ..lie::question(&dice.pick(&others), asked, Endpoint::Event) };
        draft.step(draft.end + dice.between(*ASKED_MS.start(), *ASKED_MS.end()), ask);
    }
    draft.step(at, Push { from: liar, to, events, id: None, expect: None });
}
