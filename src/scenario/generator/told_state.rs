//! States that a forger tells at the edge of a gap, though nobody could come by them: the schemes of bugs
//! that real homeservers had.

use serde_json::json;

use super::{
    Dice, Draft, Family, Kind, lie,
    scheme::{about, allowed_by, cast, events, member_of, object, push},
};
use crate::{
    matrix::endpoint::Endpoint,
    scenario::{Answer, Craft, Servers, UserRef},
};

pub(super) const KINDS: &[Kind] = &[
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
    Kind {
        name: "false-guest",
        told: "a state with a guest who was never let in",
        family: Family::Lies,
        write: false_guest,
    },
];

/// For so many questions of each server an event is not given out: so long honest servers look for another
/// way.
pub(super) const REFUSALS: u32 = 2;

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

/// The forger tells a state at the edge of a gap in which another member was kicked, by an event that all
/// must reject.
fn false_kick(draft: &mut Draft, dice: &mut Dice) {
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let Some(victim) = dice.some(&draft.other_speakers(), 1, 1).pop() else { return };
    let kick = Craft {
        event_type: "m.room.member".to_owned(),
        state_key: Some(format!("@user:{victim}")),
        content: object(&json!({ "membership": "leave" })),
        auth: allowed_by(draft, &liar, &[&member_of(&liar), &member_of(&victim)]),
        ..lie::crafted(&liar)
    };
    let kick = draft.labelled(at, kick, "lie");
    draft.step(at, Answer { events: events(&[&kick]), ..about(&liar, Endpoint::Event, &kick) });
    let mut state: Vec<String> = members(draft).filter(|member| *member != member_of(&victim)).collect();
    state.push("state:m.room.power_levels".to_owned());
    state.push(kick);
    let [edge, built] = [lie::crafted(&liar), lie::crafted(&liar)];
    told_state(draft, (&liar, at, to), [edge, built], state);
}

/// The forger tells a state at the edge of a gap in which there is a guest of its own, whose join all must
/// reject.
fn false_guest(draft: &mut Draft, dice: &mut Dice) {
    let Some((liar, at, to)) = cast(draft, dice) else { return };
    let guest = format!("@guest:{liar}");
    let rules = "state:m.room.join_rules".to_owned();
    let mut auth = vec!["state:m.room.power_levels".to_owned(), rules.clone(), rules];
    auth.extend(draft.cites_create().then(|| "state:m.room.create".to_owned()));
    let join = Craft {
        by: UserRef(guest.clone()),
        event_type: "m.room.member".to_owned(),
        state_key: Some(guest),
        content: object(&json!({ "membership": "join" })),
        auth: Some(auth),
        ..lie::crafted(&liar)
    };
    let join = draft.labelled(at, join, "lie");
    draft.step(at, Answer { events: events(&[&join]), ..about(&liar, Endpoint::Event, &join) });
    let mut state: Vec<String> = members(draft).collect();
    state.push("state:m.room.power_levels".to_owned());
    state.push(join);
    let [edge, built] = [lie::crafted(&liar), lie::crafted(&liar)];
    told_state(draft, (&liar, at, to), [edge, built], state);
}

fn members(draft: &Draft) -> impl Iterator<Item = String> + use<> {
    let speakers = draft.speakers().into_iter();
    speakers.chain(draft.forgers.clone()).chain(draft.deniers.clone()).map(|name| member_of(&name))
}

/// Four events: the last is pushed, the one before it is given to who asks for what is missing; the edge of
/// the gap is kept back until the state there has been asked for, which is the one that is told; and what is
/// below the edge, without which nobody can judge it, is given to those only who ask for it by its name.
fn told_state(
    draft: &mut Draft,
    (liar, at, to): (&str, u64, Servers),
    [edge, built]: [Craft; 2],
    state: Vec<String>,
) {
    let below = draft.labelled(at, lie::crafted(liar), "below");
    let edge = Craft { prev: events(&[&below]), ..edge };
    let edge = draft.labelled(at, edge, "edge");
    let built = Craft { prev: events(&[&edge]), ..built };
    let built = draft.labelled(at, built, "built");
    let tip = Craft { prev: events(&[&built]), ..lie::crafted(liar) };
    let tip = draft.labelled(at, tip, "told");
    let basis = ["state:m.room.create", "state:m.room.join_rules", "state:m.room.history_visibility"];
    let state = basis.into_iter().map(str::to_owned).chain(state).collect();
    let refusal = |to: &str| Answer {
        to: Some(to.to_owned()),
        status: Some(404),
        times: Some(REFUSALS),
        ..about(liar, Endpoint::Event, &edge)
    };
    let answers = [
        Answer { events: events(&[&built]), ..about(liar, Endpoint::GetMissingEvents, &tip) },
        Answer { events: events(&[]), ..about(liar, Endpoint::GetMissingEvents, &built) },
        Answer { events: events(&[&edge]), ..about(liar, Endpoint::Event, &edge) },
        Answer { events: events(&[&below]), ..about(liar, Endpoint::Event, &below) },
        Answer {
            events: Some(state),
            auth: events(&["state:m.room.create", "state:m.room.power_levels"]).unwrap_or_default(),
            ..about(liar, Endpoint::StateIds, &edge)
        },
    ];
    for answer in answers.into_iter().chain(to.iter().map(refusal).collect::<Vec<_>>()) {
        draft.step(at, answer);
    }
    push(draft, at, liar, to, &tip);
}
