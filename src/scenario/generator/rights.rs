//! Who may do what.

use std::collections::BTreeMap;

use super::{Dice, Draft, Family, Kind};
use crate::scenario::{
    Content, HistoryVisibility, HistoryVisibilityChange, JoinRule, JoinRuleChange, PowerLevels, ServerAcl,
    UserRef,
};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "levels", told: "changes of power levels", family: Family::Rights, write: levels },
    Kind { name: "levels-race", told: "power given and taken", family: Family::Rights, write: levels_race },
    Kind { name: "visibility", told: "changes of visibility", family: Family::Rights, write: visibility },
    Kind { name: "join-rules", told: "changes of the join rule", family: Family::Rights, write: join_rules },
    Kind { name: "acl", told: "server lists", family: Family::Rights, write: acl },
];

/// Members get levels between none and the creator's.
fn levels(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.skewed(1, 5) {
        let mut users = BTreeMap::new();
        for server in dice.some(&draft.other_speakers(), 1, 3) {
            users.insert(UserRef(server), dice.pick(&[0, 25, 50, 99]));
        }
        if users.is_empty() {
            return;
        }
        let by = UserRef(draft.creator());
        draft.step(draft.moment(dice), PowerLevels { by, users, content: Content::new() });
    }
}

/// A member is made a moderator, changes what all may do, and loses the right about then.
fn levels_race(draft: &mut Draft, dice: &mut Dice) {
    let others = draft.other_speakers();
    if others.is_empty() {
        return;
    }
    let (moderator, creator) = (UserRef(dice.pick(&others)), UserRef(draft.creator()));
    let at = dice.between(0, draft.end / 2);
    let level = |level: i64| BTreeMap::from([(moderator.clone(), level)]);
    let rule = |key: &str, level: i64| Content::from_iter([(key.to_owned(), level.into())]);
    draft.step(at, PowerLevels { by: creator.clone(), users: level(50), content: Content::new() });
    let change = at + dice.skewed(100, 5_000);
    let content = rule(dice.pick(&["events_default", "invite", "kick", "redact"]), 25);
    draft.step(change, PowerLevels { by: moderator.clone(), users: BTreeMap::new(), content });
    let taken = at + dice.skewed(100, 5_000);
    draft.step(taken, PowerLevels { by: creator, users: level(0), content: Content::new() });
}

fn visibility(draft: &mut Draft, dice: &mut Dice) {
    use HistoryVisibility::{Invited, Joined, Shared, WorldReadable};
    let choices = [WorldReadable, Shared, Invited, Joined];
    if dice.percent(50) {
        draft.room.history_visibility = dice.pick(&choices);
    }
    for _ in 0..dice.between(1, 3) {
        let (by, to) = (UserRef(draft.creator()), dice.pick(&choices));
        let change = HistoryVisibilityChange { by, to };
        draft.step(draft.moment(dice), change);
    }
}

fn join_rules(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(1, 3) {
        let (by, rule) = (UserRef(draft.creator()), dice.pick(&[JoinRule::Public, JoinRule::Invite]));
        let change = JoinRuleChange { by, rule, allow: None };
        draft.step(draft.moment(dice), change);
    }
}

/// Lists that shut out nobody who is here.
fn acl(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(1, 2) {
        let acl = ServerAcl {
            by: UserRef(draft.creator()),
            allow: vec!["*".to_owned()],
            deny: vec![dice.pick(&["evil.example", "*.evil.example", "evil?.example"]).to_owned()],
            allow_ip_literals: dice.percent(50),
        };
        draft.step(draft.moment(dice), acl);
    }
}
