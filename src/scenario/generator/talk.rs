//! What people say.

use super::{Dice, Draft, Family, Kind, draft::say};
use crate::scenario::{Content, Profile, Redact, State, Topic, UserRef};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "chatter", told: "talk", family: Family::Always, write: chatter },
    Kind { name: "burst", told: "bursts of messages", family: Family::Talk, write: burst },
    Kind { name: "forks", told: "words at the same moment", family: Family::Talk, write: forks },
    Kind { name: "topics", told: "topics", family: Family::Talk, write: topics },
    Kind { name: "names", told: "room names", family: Family::Talk, write: names },
    Kind { name: "profiles", told: "new display names", family: Family::Talk, write: profiles },
    Kind { name: "redactions", told: "redactions", family: Family::Talk, write: redactions },
];

/// Each speaker a few messages, now and then.
fn chatter(draft: &mut Draft, dice: &mut Dice) {
    let speakers = draft.speakers();
    let mut left = draft.messages;
    while left > 0 {
        let count = dice.skewed(1, 20).min(left);
        let (server, at) = (dice.pick(&speakers), draft.moment(dice));
        let every = dice.skewed(1, 1_000);
        let every = every.min((draft.end - at) / count);
        draft.step(at, say(&server, count, every));
        left -= count;
    }
}

/// Much in a short time, so that a gap is deeper than one answer.
fn burst(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(1, 3) {
        let (server, at) = (dice.pick(&draft.speakers()), draft.moment(dice));
        draft.step(at, say(&server, dice.skewed(20, 120), dice.between(1, 40)));
    }
}

/// Several servers speak before they have heard each other.
fn forks(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.skewed(1, 12) {
        let at = draft.moment(dice);
        for server in dice.some(&draft.speakers(), 2, 20) {
            let later = if dice.percent(50) { 0 } else { dice.between(0, 15) };
            draft.step(at + later, say(&server, dice.skewed(1, 3), dice.between(0, 20)));
        }
    }
}

fn topics(draft: &mut Draft, dice: &mut Dice) {
    for number in 0..dice.skewed(1, 6) {
        let by = user(draft, dice);
        draft.step(draft.moment(dice), Topic { by, text: format!("topic {number}") });
    }
}

fn names(draft: &mut Draft, dice: &mut Dice) {
    for number in 0..dice.skewed(1, 6) {
        let content = Content::from_iter([("name".to_owned(), format!("room {number}").into())]);
        let (by, event_type) = (user(draft, dice), "m.room.name".to_owned());
        let name = State { by, event_type, state_key: String::new(), content };
        draft.step(draft.moment(dice), name);
    }
}

fn profiles(draft: &mut Draft, dice: &mut Dice) {
    for number in 0..dice.skewed(1, 6) {
        let by = user(draft, dice);
        let displayname = format!("name {number}");
        draft.step(draft.moment(dice), Profile { by, displayname });
    }
}

fn redactions(draft: &mut Draft, dice: &mut Dice) {
    if dice.percent(20) {
        // No server may do it where it takes the version away, before room version 11.
        let (by, event) = (UserRef(draft.creator()), "state:m.room.create".to_owned());
        draft.step(draft.moment(dice), Redact { by, event });
    }
    for _ in 0..dice.between(1, 4) {
        let (server, at) = (dice.pick(&draft.speakers()), draft.moment(dice));
        let event = draft.labelled(at, say(&server, 1, 0), "said");
        // Its author, or the creator, who may redact what others said.
        let by = UserRef(if dice.percent(50) { server } else { draft.creator() });
        let later = dice.skewed(1, 5_000);
        draft.step((at + later).min(draft.end), Redact { by, event });
    }
}

fn user(draft: &Draft, dice: &mut Dice) -> UserRef {
    let speaker = if dice.percent(40) { draft.creator() } else { dice.pick(&draft.speakers()) };
    UserRef(speaker)
}
