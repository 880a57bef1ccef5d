//! Questions that no server needed to ask: what is answered to them must be right all the same. They are
//! asked when all faults are over, so that there is somebody to answer.

use super::{Dice, Draft, Family, Kind, lie};
use crate::{
    matrix::endpoint::Endpoint,
    scenario::{Ask, ServerAcl, UserRef},
};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "questions", told: "questions of peers", family: Family::Readers, write: questions },
    Kind {
        name: "shut-out",
        told: "a member whose server is shut out",
        family: Family::Rights,
        write: shut_out,
    },
];

/// When questions are asked, after the end: between the two rounds of last words.
pub(super) const ASKED_MS: std::ops::RangeInclusive<u64> = 20_000..=50_000;

fn questions(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(3, 20) {
        let from = dice.pick(&draft.speakers());
        question(draft, dice, &from);
    }
}

/// One question of one server to another, about something that all of them have heard of, or that a liar
/// made.
fn question(draft: &mut Draft, dice: &mut Dice, from: &str) {
    let others: Vec<String> = draft.servers.iter().filter(|name| *name != from).cloned().collect();
    let late: Vec<String> = draft.outsiders.iter().filter(|name| *name != from).cloned().collect();
    // Who joined late holds much that it does not know the state at.
    let (to, endpoint) = if !late.is_empty() && dice.percent(50) {
        (dice.pick(&late), dice.pick(&[Endpoint::StateIds, Endpoint::State]))
    } else {
        (dice.pick(&others), dice.pick(&Endpoint::recovery()))
    };
    let member = format!("state:m.room.member/@user:{}", draft.creator());
    let known =
        ["tips", "state:m.room.create", "state:m.room.power_levels", "state:m.room.join_rules", &member];
    let lies = draft.crafted();
    let about =
        if !lies.is_empty() && dice.percent(40) { dice.pick(&lies) } else { dice.pick(&known).to_owned() };
    let ask = Ask {
        events: vec![about],
        earliest: if endpoint == Endpoint::GetMissingEvents && dice.percent(40) {
            vec!["state:m.room.power_levels".to_owned()]
        } else {
            Vec::new()
        },
        limit: endpoint.has_limit().then(|| dice.skewed(1, 30).into()),
        ..lie::question(from, &to, endpoint)
    };
    draft.step(draft.end + dice.between(*ASKED_MS.start(), *ASKED_MS.end()), ask);
}

/// The room's ACL comes to name a server that is in it and asks on. Its users say nothing, so whoever heard
/// of the ACL first has missed nothing.
fn shut_out(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.deniers, 1, 1) {
        draft.may_differ(&server);
        let acl = ServerAcl {
            by: UserRef(draft.creator()),
            allow: vec!["*".to_owned()],
            deny: vec![server.clone()],
            allow_ip_literals: true,
        };
        draft.step(draft.moment(dice), acl);
        for _ in 0..dice.between(1, 6) {
            question(draft, dice, &server);
        }
    }
}
