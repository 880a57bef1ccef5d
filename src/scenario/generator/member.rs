//! Members who come and go. The creator stays.

use super::{Dice, Draft, Family, Kind, draft::say};
use crate::scenario::{Ban, Invite, Join, Kick, Leave, ServerName, Unban, UserRef};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "late-joins", told: "late joins", family: Family::Members, write: late_joins },
    Kind { name: "rejoins", told: "members who leave and return", family: Family::Members, write: rejoins },
    Kind { name: "kicks", told: "kicks", family: Family::Members, write: kicks },
    Kind { name: "bans", told: "bans", family: Family::Members, write: bans },
    Kind { name: "second-users", told: "second users", family: Family::Members, write: second_users },
];

/// From one change to the next: sometimes at once, sometimes when all have heard.
fn soon(dice: &mut Dice, at: u64) -> u64 {
    at + dice.skewed(10, 6_000)
}

fn join(draft: &mut Draft, dice: &mut Dice, user: &str, at: u64) {
    let via = if dice.percent(70) { draft.creator() } else { dice.pick(&draft.speakers()) };
    draft.step(at, Join { by: user.into(), via });
}

/// Servers that were not there join, some invited before, and speak.
fn late_joins(draft: &mut Draft, dice: &mut Dice) {
    for server in draft.outsiders.clone() {
        let mut at = draft.moment(dice);
        if dice.percent(50) {
            invite(draft, &server, at);
            at = soon(dice, at);
        }
        join(draft, dice, &server, at);
        draft.step(soon(dice, at) + 2_000, say(&server, dice.skewed(1, 5), 200));
    }
}

fn invite(draft: &mut Draft, user: &str, at: u64) {
    let by = UserRef(draft.creator());
    draft.step(at, Invite { by, user: user.into() });
}

fn rejoins(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.other_speakers(), 1, 3) {
        let at = draft.moment(dice);
        draft.step(at, Leave { by: UserRef(server.clone()) });
        returns(draft, dice, &server, at);
    }
}

/// The way back, for most: invited if the creator is kind, and a word once inside.
fn returns(draft: &mut Draft, dice: &mut Dice, server: &ServerName, at: u64) {
    if dice.percent(25) {
        return;
    }
    let mut at = soon(dice, at);
    if dice.percent(40) {
        invite(draft, server, at);
        at = soon(dice, at);
    }
    join(draft, dice, server, at);
    draft.step(soon(dice, at) + 1_000, say(server, dice.skewed(1, 4), 100));
}

fn kicks(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.other_speakers(), 1, 2) {
        draft.may_differ(&server);
        let at = draft.moment(dice);
        let by = UserRef(draft.creator());
        draft.step(at, Kick { by, user: UserRef(server.clone()) });
        // What it says before it has heard of it.
        draft.step(at, say(&server, dice.skewed(1, 5), dice.between(1, 100)));
        returns(draft, dice, &server, at);
    }
}

fn bans(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.other_speakers(), 1, 2) {
        draft.may_differ(&server);
        let (by, user) = (UserRef(draft.creator()), UserRef(server.clone()));
        let at = draft.moment(dice);
        draft.step(at, Ban { by: by.clone(), user: user.clone() });
        draft.step(at, say(&server, dice.skewed(1, 5), dice.between(1, 100)));
        if dice.percent(60) {
            let lifted = soon(dice, at);
            draft.step(lifted, Unban { by, user });
            returns(draft, dice, &server, lifted);
        }
    }
}

/// More users on servers that are in the room already.
fn second_users(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.speakers(), 1, 3) {
        let user = format!("@second:{server}");
        let at = draft.moment(dice);
        join(draft, dice, &user, at);
        let spoken = soon(dice, at);
        draft.step(spoken, say(&user, dice.skewed(1, 5), dice.between(1, 300)));
        if dice.percent(50) {
            draft.step(soon(dice, spoken), Leave { by: user.as_str().into() });
        }
    }
}
