//! Servers that can't give one thing or another, and are honest otherwise. What each lacks, others have.

use super::{Dice, Draft, Family, Kind, draft::say, lie};
use crate::{
    matrix::endpoint::Endpoint,
    scenario::{Answer, Content, Join, PageBack, Pages, ServerName, State, UserRef},
};

pub(super) const KINDS: &[Kind] = &[
    Kind {
        name: "torn-states",
        told: "a state of which each server lacks another part",
        family: Family::Lies,
        write: torn_state,
    },
    Kind {
        name: "lost-branches",
        told: "a branch that nobody gives",
        family: Family::Lies,
        write: lost_branch,
    },
];

/// After the first last words all is quiet, and what is said at one moment stays the newest for a while.
const QUIET_MS: std::ops::RangeInclusive<u64> = 10_000..=20_000;
/// By then a server that joins has the room.
const JOINED_MS: u64 = 3_000;

/// A server from outside that joins, if there is one, and all others.
fn newcomer(draft: &Draft, dice: &mut Dice) -> Option<(ServerName, Vec<ServerName>)> {
    let late = dice.some(&draft.outsiders, 1, 1).pop()?;
    let others = draft.servers.iter().filter(|name| **name != late).cloned().collect();
    Some((late, others))
}

fn join(draft: &mut Draft, late: &str, at: u64) {
    let via = draft.creator();
    draft.step(at, Join { by: UserRef(late.to_owned()), via });
}

/// Settings change just before somebody joins and scrolls back a little. It needs the state there with the
/// old ones; each server has all of them but one, and two that stay and are honest not the same.
fn torn_state(draft: &mut Draft, dice: &mut Dice) {
    let Some((late, mut others)) = newcomer(draft, dice) else { return };
    let Some(second) = dice.some(&draft.steady(), 1, 1).pop() else { return };
    let honest = [draft.creator(), second];
    others.sort_by_key(|name| !honest.contains(name));
    let settings = dice.between(2, 4);
    let (at, changed) = (dice.between(0, draft.end / 2), draft.end - dice.between(0, draft.end / 4));
    let old: Vec<String> = (1..=settings)
        .map(|setting| draft.labelled(at + 20 * setting, set(draft, setting, "old"), "old"))
        .collect();
    draft.step(at + 200, say(&draft.creator(), settings, 20));
    for setting in 1..=settings {
        draft.step(changed + 20 * setting, set(draft, setting, "new"));
    }
    let joined = changed + dice.skewed(500, 5_000);
    join(draft, &late, joined);
    for (number, server) in others.into_iter().enumerate() {
        let about = Some(old[number % old.len()].clone());
        let (to, status) = (Some(late.clone()), Some(404));
        let refusal = Answer { to, about, status, ..lie::answer(&server, Endpoint::Event) };
        draft.step(joined, refusal);
    }
    let limit = u32::try_from(settings + dice.skewed(1, 16)).unwrap_or(1);
    let page = PageBack { server: late, limit, pages: Pages::Count(1) };
    draft.step(joined + JOINED_MS, page);
}

fn set(draft: &Draft, setting: u64, value: &str) -> State {
    State {
        by: UserRef(draft.creator()),
        event_type: "org.example.setting".to_owned(),
        state_key: setting.to_string(),
        content: Content::from_iter([("value".to_owned(), value.into())]),
    }
}

/// Two servers speak at the same moment, and then somebody joins and scrolls back: its history breaks off at
/// both messages. Nobody gives what is at the one, for a while or for ever.
fn lost_branch(draft: &mut Draft, dice: &mut Dice) {
    let Some((late, others)) = newcomer(draft, dice) else { return };
    let at = draft.end + dice.between(*QUIET_MS.start(), *QUIET_MS.end());
    let voices = dice.some(&draft.voices(), 2, 2);
    let said: Vec<String> =
        voices.iter().map(|voice| draft.labelled(at, say(voice, 1, 0), "branch")).collect();
    let (lost, joined) = (dice.pick(&said), at + dice.between(1_000, 2_000));
    join(draft, &late, joined);
    let times = if dice.percent(30) { u32::try_from(dice.between(1, 8)).ok() } else { None };
    for server in others {
        let (to, about) = (Some(late.clone()), Some(lost.clone()));
        let nothing = Answer { events: Some(Vec::new()), times, ..lie::answer(&server, Endpoint::Backfill) };
        draft.step(joined, Answer { to, about, ..nothing });
    }
    let limit = u32::try_from(dice.skewed(5, 100)).unwrap_or(100);
    let page = PageBack { server: late, limit, pages: Pages::All };
    draft.step(joined + JOINED_MS, page);
}
