//! What a forger prepares in several steps: events that are built on each other, and the answers that go with them. Each is
//! the scheme of a bug that real homeservers had; honest servers see through it, and what they take they can all get.

use serde_json::{Value, json};

use super::{Dice, Draft, Family, Kind, lie};
use crate::scenario::{Action, Answer, Ask, Content, Craft, Push, Servers, UserRef};

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
    Kind { name: "fractions", told: "events with fractions in them", family: Family::Lies, write: fractions },
    Kind {
        name: "power-grab",
        told: "a state without power levels",
        family: Family::Lies,
        write: power_grab,
    },
    Kind {
        name: "false-kick",
        told: "a state with a rejected kick",
        family: Family::Lies,
        write: false_kick,
    },
];

/// For so many questions of each server an event is not given out: so long honest servers look for another way.
const REFUSALS: u32 = 2;

/// A forger and those whom it wants to deceive; nothing if there is none.
fn cast(draft: &mut Draft, dice: &mut Dice) -> Option<(String, u64, Servers)> {
    if draft.forgers.is_empty() {
        return None;
    }
    let (liar, at) = (dice.pick(&draft.forgers), draft.moment(dice));
    draft.may_differ(&liar);
    Some((liar, at, Servers::Many(dice.some(&draft.speakers(), 1, draft.servers.len()))))
}

fn push(draft: &mut Draft, at: u64, from: &str, to: Servers, event: &str) {
    let events = vec![event.to_owned()];
    draft.step(at, Action::Push(Push { from: from.to_owned(), to, events, id: None, expect: None }));
}

/// What a server says to questions about one event.
fn about(server: &str, endpoint: &str, event: &str) -> Answer {
    let (server, endpoint, about) = (server.to_owned(), endpoint.to_owned(), Some(event.to_owned()));
    Answer { server, endpoint, about, ..lie::answer() }
}

fn events(refs: &[&str]) -> Option<Vec<String>> {
    Some(refs.iter().map(|reference| (*reference).to_owned()).collect())
}

fn object(value: &Value) -> Content {
    value.as_object().cloned().unwrap_or_default()
}

fn member_of(user: &str) -> String {
    format!("state:m.room.member/@user:{user}")
}

/// What allows an event of a member's, as the rules select it, and more.
fn allowed_by(draft: &Draft, user: &str, more: &[&str]) -> Option<Vec<String>> {
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
    let event = draft.labelled(at, Action::Craft(Craft { auth, ..lie::crafted(&liar) }), "lie");
    push(draft, at, &liar, to, &event);
}

/// A message that is allowed by a membership in a room of the forger's own.
fn allowed_elsewhere(draft: &mut Draft, dice: &mut Dice) {
    // Where events have ids that their servers choose, nobody can tell that an event is of another room before it has
    // it; and from version 12 on the room's id is that of the create event.
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
    let create = draft.labelled(at, Action::Craft(create), "foreign");
    let member = Craft {
        event_type: "m.room.member".to_owned(),
        state_key: Some(format!("@user:{liar}")),
        content: object(&json!({ "membership": "join" })),
        prev: events(&[&create]),
        auth: events(&[&create]),
        fields: elsewhere(2),
        ..lie::crafted(&liar)
    };
    let member = draft.labelled(at, Action::Craft(member), "foreign");
    let message = Craft { auth: events(&[&create, &member]), ..lie::crafted(&liar) };
    let message = draft.labelled(at, Action::Craft(message), "lie");
    let chain = Answer { events: events(&[&create, &member]), ..about(&liar, "event_auth", &message) };
    draft.step(at, Action::Answer(chain));
    push(draft, at, &liar, to, &message);
}

/// A message that stands on three memberships of its author, each allowed by the one before; for a while the first is
/// kept back.
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
        chain.push(draft.labelled(at, Action::Craft(member), "link"));
    }
    let [first, second, third] = &chain[..] else { return };
    let mut auth = vec!["state:m.room.power_levels", third.as_str()];
    auth.extend(draft.cites_create().then_some("state:m.room.create"));
    let message = Craft { auth: events(&auth), ..lie::crafted(&liar) };
    let message = draft.labelled(at, Action::Craft(message), "told");
    let whole = Answer { events: events(&[first, second, third]), ..about(&liar, "event_auth", &message) };
    draft.step(at, Action::Answer(whole));
    let holed = Answer {
        events: events(&[second, third]),
        times: Some(REFUSALS),
        ..about(&liar, "event_auth", &message)
    };
    draft.step(at, Action::Answer(holed));
    for link in &chain {
        let refusal = Answer { status: Some(404), ..about(&liar, "event", link) };
        draft.step(at, Action::Answer(refusal));
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
    let join = draft.labelled(at, Action::Craft(join), "lie");
    draft.step(at, Action::Ask(Ask { events: vec![join], ..lie::question(&liar, &to, "send_join") }));
}

/// With the event that was asked for comes another that has a fraction in it, which no event may have.
fn fractions(draft: &mut Draft, dice: &mut Dice) {
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let missing = Craft { keep: true, ..lie::crafted(&liar) };
    let missing = draft.labelled(at, Action::Craft(missing), "held");
    let content = json!({ "msgtype": "m.text", "body": "a half", "number": 1.5 });
    let tamper = Content::from_iter([("content".to_owned(), content)]);
    let half = draft.labelled(at, Action::Craft(Craft { tamper, ..lie::crafted(&liar) }), "lie");
    let pushed = Craft { prev: events(&[&missing]), keep: true, ..lie::crafted(&liar) };
    let pushed = draft.labelled(at, Action::Craft(pushed), "told");
    let given = Answer { events: events(&[&missing, &half]), ..about(&liar, "get_missing_events", &pushed) };
    draft.step(at, Action::Answer(given));
    push(draft, at, &liar, to, &pushed);
}

/// The forger tells a state without power levels at the edge of a gap, and sets its own on top of it.
fn power_grab(draft: &mut Draft, dice: &mut Dice) {
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let mut auth = vec![member_of(&liar)];
    auth.extend(draft.cites_create().then(|| "state:m.room.create".to_owned()));
    let grab = Craft {
        event_type: "m.room.power_levels".to_owned(),
        state_key: Some(String::new()),
        content: object(&json!({ "users": { format!("@user:{liar}"): 100 } })),
        auth: Some(auth.clone()),
        ..lie::crafted(&liar)
    };
    // A state must have what allows the event that it is told of; so that one cites no power levels.
    let edge = Craft { auth: Some(auth), ..lie::crafted(&liar) };
    let state = members(draft).collect();
    told_state(draft, (&liar, at, to), [edge, grab], state);
}

/// The forger tells a state at the edge of a gap in which another member was kicked, by an event that all must reject.
fn false_kick(draft: &mut Draft, dice: &mut Dice) {
    let speakers = draft.speakers();
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let victim = dice.pick(&speakers);
    let kick = Craft {
        event_type: "m.room.member".to_owned(),
        state_key: Some(format!("@user:{victim}")),
        content: object(&json!({ "membership": "leave" })),
        auth: allowed_by(draft, &liar, &[&member_of(&liar), &member_of(&victim)]),
        ..lie::crafted(&liar)
    };
    let kick = draft.labelled(at, Action::Craft(kick), "lie");
    draft.step(at, Action::Answer(Answer { events: events(&[&kick]), ..about(&liar, "event", &kick) }));
    let mut state: Vec<String> = members(draft).filter(|member| *member != member_of(&victim)).collect();
    state.push("state:m.room.power_levels".to_owned());
    state.push(kick);
    let [edge, built] = [lie::crafted(&liar), lie::crafted(&liar)];
    told_state(draft, (&liar, at, to), [edge, built], state);
}

fn members(draft: &Draft) -> impl Iterator<Item = String> + use<> {
    let speakers = draft.speakers().into_iter();
    speakers.chain(draft.forgers.clone()).chain(draft.deniers.clone()).map(|name| member_of(&name))
}

/// Three events: the last is pushed, the one before it is given to who asks for what is missing, and the first, the edge of
/// the gap, is kept back until the state there has been asked for, which is the one that is told.
fn told_state(
    draft: &mut Draft,
    (liar, at, to): (&str, u64, Servers),
    [edge, built]: [Craft; 2],
    state: Vec<String>,
) {
    let edge = draft.labelled(at, Action::Craft(edge), "edge");
    let built = Craft { prev: events(&[&edge]), ..built };
    let built = draft.labelled(at, Action::Craft(built), "built");
    let tip = Craft { prev: events(&[&built]), ..lie::crafted(liar) };
    let tip = draft.labelled(at, Action::Craft(tip), "told");
    let basis = ["state:m.room.create", "state:m.room.join_rules", "state:m.room.history_visibility"];
    let state = basis.into_iter().map(str::to_owned).chain(state).collect();
    let refusal = |to: &str| Answer {
        to: Some(to.to_owned()),
        status: Some(404),
        times: Some(REFUSALS),
        ..about(liar, "event", &edge)
    };
    let answers = [
        Answer { events: events(&[&built]), ..about(liar, "get_missing_events", &tip) },
        Answer { events: events(&[]), ..about(liar, "get_missing_events", &built) },
        Answer { events: events(&[&edge]), ..about(liar, "event", &edge) },
        Answer {
            events: Some(state),
            auth: events(&["state:m.room.create", "state:m.room.power_levels"]).unwrap_or_default(),
            ..about(liar, "state_ids", &edge)
        },
    ];
    for answer in answers.into_iter().chain(to.iter().map(refusal).collect::<Vec<_>>()) {
        draft.step(at, Action::Answer(answer));
    }
    push(draft, at, liar, to, &tip);
}
