//! What liars answer and send. Those who hide events hold none that no
//! honest server holds; those who forge events answer honestly.

use serde_json::{Value, json};

use super::{Dice, Draft, Family, Kind, draft::say};
use crate::{
    matrix::endpoint::Endpoint,
    scenario::{Answer, Ask, Content, Craft, EventLie, Lie, Lies, Push, Servers, SimDuration, UserRef},
};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "empty-answers", told: "answers that hide events", family: Family::Lies, write: empty },
    Kind { name: "refusals", told: "refusals without reason", family: Family::Lies, write: refusals },
    Kind { name: "garbage", told: "answers that are no JSON", family: Family::Lies, write: garbage },
    Kind {
        name: "wrong-shapes",
        told: "answers of the wrong shape",
        family: Family::Lies,
        write: wrong_shapes,
    },
    Kind { name: "hangs", told: "answers that never come", family: Family::Lies, write: hangs },
    Kind {
        name: "newest-only",
        told: "answers with the newest events only",
        family: Family::Lies,
        write: newest,
    },
    Kind { name: "told-lies", told: "lies in answers", family: Family::Lies, write: told_lies },
    Kind { name: "damaged", told: "events with damaged hashes", family: Family::Lies, write: damaged },
    Kind { name: "strangers", told: "events in the name of others", family: Family::Lies, write: strangers },
    Kind {
        name: "without-rights",
        told: "events that no right covers",
        family: Family::Lies,
        write: without_rights,
    },
    Kind {
        name: "too-large",
        told: "a message that a server refuses",
        family: Family::Lies,
        write: too_large,
    },
    Kind {
        name: "held-back",
        told: "events whose parents were held back",
        family: Family::Lies,
        write: held_back,
    },
];

/// One lie about some endpoints, for a number of questions or for ever.
fn lie(draft: &mut Draft, dice: &mut Dice, told: impl Fn(&mut Dice, Answer) -> Option<Answer>) {
    for server in dice.some(&draft.deniers, 1, 3) {
        let at = dice.between(0, draft.end / 2);
        for endpoint in dice.some(&Endpoint::recovery(), 1, 4) {
            let Some(answer) = told(dice, answer(&server, endpoint)) else { continue };
            let times = if dice.percent(50) { None } else { u32::try_from(dice.skewed(1, 20)).ok() };
            let skip = if dice.percent(70) { 0 } else { u32::try_from(dice.between(1, 5)).unwrap_or(0) };
            draft.step(at, Answer { times, skip, ..answer });
        }
    }
}

/// An answer that says nothing yet.
pub(super) fn answer(server: &str, endpoint: Endpoint) -> Answer {
    Answer {
        server: server.to_owned(),
        endpoint,
        to: None,
        about: None,
        times: None,
        skip: 0,
        events: None,
        auth: Vec::new(),
        status: None,
        body: None,
        hang: false,
    }
}

fn empty(draft: &mut Draft, dice: &mut Dice) {
    // Who is asked for one event has it or has not.
    let is_list = |answer: &Answer| answer.endpoint != Endpoint::Event;
    lie(draft, dice, |_, answer| {
        Some(answer).filter(is_list).map(|answer| Answer { events: Some(Vec::new()), ..answer })
    });
}

fn refusals(draft: &mut Draft, dice: &mut Dice) {
    lie(draft, dice, |dice, answer| {
        let status = dice.pick(&[400, 401, 403, 404, 429, 500, 502, 503]);
        Some(Answer { status: Some(status), ..answer })
    });
}

fn garbage(draft: &mut Draft, dice: &mut Dice) {
    lie(draft, dice, |dice, answer| {
        let body = dice.pick(&["", "{", "<html>bad gateway</html>", "null", "[[[[[[", "\u{0}\u{1}"]);
        Some(Answer { body: Some(Value::String(body.to_owned())), ..answer })
    });
}

fn wrong_shapes(draft: &mut Draft, dice: &mut Dice) {
    lie(draft, dice, |dice, answer| {
        let body = dice.pick(&[
            json!({}),
            json!([]),
            json!({ "pdus": {}, "events": {} }),
            json!({ "pdus": [null, 1, "x", {}], "events": [null, 1, "x", {}], "auth_chain": [{}] }),
            json!({ "pdu_ids": ["", "$", 7], "auth_chain_ids": "none" }),
        ]);
        Some(Answer { body: Some(body), ..answer })
    });
}

fn hangs(draft: &mut Draft, dice: &mut Dice) {
    lie(draft, dice, |_, answer| Some(Answer { hang: true, ..answer }));
}

fn newest(draft: &mut Draft, dice: &mut Dice) {
    let is_history = |answer: &Answer| answer.endpoint.gives_history();
    lie(draft, dice, |_, answer| {
        let tips = Some(vec!["tips".to_owned()]);
        Some(answer).filter(is_history).map(|answer| Answer { events: tips, ..answer })
    });
}

/// Lies that leave something to wait for that never was.
const NEVER_WHOLE: [EventLie; 3] = [EventLie::SelfParent, EventLie::Cycle, EventLie::FreshGap];

/// One to three of the named lies together. Whoever tells them need not agree with the others in the end.
fn told_lies(draft: &mut Draft, dice: &mut Dice) {
    let heals = |lie: &Lie| !matches!(lie, Lie::Events(lie) if NEVER_WHOLE.contains(lie));
    let lies: Vec<Lie> = Lie::ALL.iter().copied().filter(heals).collect();
    for server in dice.some(&draft.deniers, 1, 3) {
        draft.may_differ(&server);
        let (at, ms) = draft.span(dice, 1_000);
        let endpoint = if dice.percent(50) { Some(dice.pick(&Endpoint::recovery())) } else { None };
        let mut tell = dice.some(&lies, 1, 3);
        if let Some(endpoint) = endpoint {
            tell.retain(|lie| lie.is_in(endpoint));
        }
        let told = Lies {
            server,
            endpoint: endpoint.filter(|_| !tell.is_empty()),
            to: None,
            tell: if tell.is_empty() { vec![Lie::Events(EventLie::Nothing)] } else { tell },
            skip: 0,
            times: if dice.percent(30) { u32::try_from(dice.skewed(1, 10)).ok() } else { None },
            lasting: if dice.percent(50) { Some(SimDuration::from_millis(ms)) } else { None },
        };
        draft.step(at, told);
    }
}

/// A question without events.
pub(super) fn question(from: &str, to: &str, endpoint: Endpoint) -> Ask {
    Ask {
        from: from.to_owned(),
        to: to.to_owned(),
        endpoint: Some(endpoint),
        events: Vec::new(),
        earliest: Vec::new(),
        limit: None,
        min_depth: None,
        room: None,
        method: None,
        path: None,
        body: None,
        signed: true,
        expect: None,
    }
}

/// An event of a liar's user, made to measure.
pub(super) fn crafted(by: &str) -> Craft {
    Craft {
        by: by.into(),
        event_type: "m.room.message".to_owned(),
        state_key: None,
        content: text("a liar speaks"),
        prev: None,
        auth: None,
        signed_by: None,
        fields: Content::new(),
        tamper: Content::new(),
        keep: false,
    }
}

fn text(body: &str) -> Content {
    Content::from_iter([("msgtype".to_owned(), "m.text".into()), ("body".to_owned(), body.into())])
}

/// An event of a drawn liar goes to some of the others.
fn push(draft: &mut Draft, dice: &mut Dice, make: impl Fn(&mut Dice, &Draft, &str) -> Craft) {
    if draft.forgers.is_empty() {
        return;
    }
    for _ in 0..dice.skewed(1, 5) {
        let (liar, at) = (dice.pick(&draft.forgers), draft.moment(dice));
        let craft = make(dice, draft, &liar);
        let event = draft.labelled(at, craft, "lie");
        let to = Servers::Many(dice.some(&draft.speakers(), 1, draft.servers.len()));
        draft.step(at, Push { from: liar, to, events: vec![event], id: None, expect: None });
    }
}

fn damaged(draft: &mut Draft, dice: &mut Dice) {
    push(draft, dice, |dice, _, liar| {
        let (field, value) = if dice.percent(50) {
            ("content", Value::Object(text("another text")))
        } else {
            ("signatures", json!({}))
        };
        let tamper = Content::from_iter([(field.to_owned(), value)]);
        Craft { tamper, ..crafted(liar) }
    });
}

fn strangers(draft: &mut Draft, dice: &mut Dice) {
    push(draft, dice, |dice, draft, liar| {
        let by = UserRef(dice.pick(&draft.speakers()));
        // Some call themselves where it comes from, which once was what servers looked at.
        let origin = dice.percent(50).then(|| ("origin".to_owned(), liar.into()));
        let fields = origin.into_iter().collect();
        Craft { by, signed_by: Some(liar.to_owned()), fields, ..crafted(liar) }
    });
}

fn without_rights(draft: &mut Draft, dice: &mut Dice) {
    push(draft, dice, |dice, draft, liar| {
        let power = json!({ "users": { format!("@user:{liar}"): 100 } });
        let (event_type, state_key, content) = match dice.between(0, 2) {
            0 => ("m.room.power_levels", String::new(), power),
            1 => ("m.room.topic", String::new(), json!({ "topic": "mine" })),
            _ => {
                let victim = format!("@user:{}", draft.creator());
                ("m.room.member", victim, json!({ "membership": "ban" }))
            }
        };
        let content = content.as_object().cloned().unwrap_or_default();
        Craft { event_type: event_type.to_owned(), state_key: Some(state_key), content, ..crafted(liar) }
    });
}

/// A server refuses the transactions that have a certain message in them: it must get all others.
fn too_large(draft: &mut Draft, dice: &mut Dice) {
    if draft.forgers.is_empty() {
        return;
    }
    let (speaker, at) = (dice.pick(&draft.forgers), draft.moment(dice));
    for server in dice.some(&draft.deniers, 1, 1) {
        let event = draft.labelled(at, say(&speaker, 1, 0), "refused");
        let status = dice.pick(&[400, 403, 413]);
        // Who is forbidden something tries again, and would for ever.
        let times = (status == 403).then(|| dice.between(1, 4) as u32);
        let (about, status) = (Some(event), Some(status));
        let refusal = Answer { about, status, times, ..answer(&server, Endpoint::Send) };
        // Nothing arrives in the millisecond in which it leaves.
        draft.step(at, refusal);
    }
}

/// A good event that nobody is given, and one that builds on it. Only the liar holds the first, and gives it
/// to those who ask.
fn held_back(draft: &mut Draft, dice: &mut Dice) {
    if draft.forgers.is_empty() {
        return;
    }
    let (liar, at) = (dice.pick(&draft.forgers), draft.moment(dice));
    let first = Craft { keep: true, ..crafted(&liar) };
    draft.labelled(at, first, "held");
    let second = Craft { keep: true, ..crafted(&liar) };
    let event = draft.labelled(at + 1, second, "told");
    let to = Servers::Many(dice.some(&draft.speakers(), 1, draft.servers.len()));
    draft.step(at + 1, Push { from: liar, to, events: vec![event], id: None, expect: None });
}
