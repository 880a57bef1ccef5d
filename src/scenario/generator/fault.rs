//! What fails. Each fault lasts long enough to matter and is over before the end.

use super::{
    Dice, Draft, Family, Kind,
    draft::{STABLE_MS, say},
};
use crate::scenario::{
    Clock, Cut, Latency, Partition, RotateKey, ServerName, Servers, SignedDuration, Silence, SimDuration,
};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "partitions", told: "partitions", family: Family::Links, write: partitions },
    Kind { name: "lonely", told: "a server cut off while it talks", family: Family::Links, write: lonely },
    Kind { name: "cuts", told: "one-way cuts", family: Family::Links, write: cuts },
    Kind { name: "silences", told: "silences", family: Family::Links, write: silences },
    Kind { name: "flapping", told: "a link that comes and goes", family: Family::Links, write: flapping },
    Kind { name: "slow", told: "slow links", family: Family::Links, write: slow },
    Kind { name: "crashes", told: "crashes", family: Family::Crashes, write: crashes },
    Kind { name: "fuses", told: "crashes between two writes", family: Family::Crashes, write: fuses },
    Kind {
        name: "crash-loops",
        told: "servers that crash again and again",
        family: Family::Crashes,
        write: crash_loops,
    },
    Kind { name: "blackout", told: "a moment when all are down", family: Family::Crashes, write: blackout },
    Kind { name: "new-keys", told: "new signing keys", family: Family::Crashes, write: new_keys },
    Kind { name: "skews", told: "clocks that differ", family: Family::Clocks, write: skews },
    Kind { name: "clock-jumps", told: "clocks that jump", family: Family::Clocks, write: clock_jumps },
];

fn lasting(ms: u64) -> Option<SimDuration> {
    Some(SimDuration::from_millis(ms))
}

/// The servers in two or three groups.
fn partitions(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(1, 3) {
        let (at, ms) = draft.storm(dice);
        let all = draft.servers.len();
        let mut groups = vec![dice.some(&draft.servers, 1, all - 1)];
        let rest: Vec<_> = draft.servers.iter().filter(|name| !groups[0].contains(name)).cloned().collect();
        if rest.len() > 1 && dice.percent(30) {
            groups.push(dice.some(&rest, 1, rest.len() - 1));
        }
        draft.step(at, Partition { groups, lasting: lasting(ms) });
    }
}

/// One server alone, and both sides go on talking: the classic gap.
fn lonely(draft: &mut Draft, dice: &mut Dice) {
    let (at, ms) = draft.storm(dice);
    let alone = dice.pick(&draft.speakers());
    draft.step(at, Partition { groups: vec![vec![alone.clone()]], lasting: lasting(ms) });
    let other = dice.pick(&draft.speakers());
    for server in [alone, other] {
        let count = dice.skewed(3, 60);
        draft.step(at + dice.between(0, 200), say(&server, count, ms / (count + 1)));
    }
}

pub(super) fn ends(draft: &Draft, dice: &mut Dice) -> (Servers, Servers) {
    let all: Vec<ServerName> = dice.some(&draft.servers, draft.servers.len(), draft.servers.len());
    let from = usize::try_from(dice.between(1, all.len() as u64 - 1)).unwrap_or(1);
    let to = usize::try_from(dice.between(1, (all.len() - from) as u64)).unwrap_or(1);
    let side = |names: &[ServerName]| match names {
        [one] => Servers::One(one.clone()),
        several => Servers::Many(several.to_vec()),
    };
    (side(&all[..from]), side(&all[from..from + to]))
}

fn cuts(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(1, 3) {
        let ((at, ms), (from, to)) = (draft.storm(dice), ends(draft, dice));
        draft.step(at, Cut { from, to, lasting: lasting(ms) });
    }
}

fn silences(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(1, 3) {
        let ((at, ms), (from, to)) = (draft.storm(dice), ends(draft, dice));
        let both = dice.percent(50);
        draft.step(at, Silence { from, to, both, lasting: lasting(ms) });
    }
}

fn flapping(draft: &mut Draft, dice: &mut Dice) {
    let (from, to) = ends(draft, dice);
    let period = dice.between(300, 3_000);
    let mut at = dice.between(0, draft.end / 2);
    for _ in 0..dice.between(2, 8) {
        let ms = dice.between(period / 4, period);
        if at + ms > draft.end {
            return;
        }
        draft.step(at, Cut { from: from.clone(), to: to.clone(), lasting: lasting(ms) });
        at += ms + dice.between(period / 4, period);
    }
}

fn slow(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(1, 3) {
        let ((at, ms), (from, to)) = (draft.span(dice, STABLE_MS), ends(draft, dice));
        let latency = SimDuration::from_millis(dice.skewed(100, 6_000));
        let jitter = SimDuration::from_millis(dice.skewed(1, 2_000));
        draft.step(at, Latency { from, to, latency, jitter, lasting: lasting(ms) });
    }
}

fn crashes(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.servers, 1, 3) {
        let (at, ms) = draft.span(dice, 200);
        draft.crash(server, at, ms, None);
    }
}

fn fuses(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.servers, 1, 3) {
        let (at, ms) = draft.span(dice, STABLE_MS);
        let writes = u32::try_from(dice.skewed(1, 40)).unwrap_or(1);
        draft.crash(server, at, ms, Some(writes));
    }
}

fn crash_loops(draft: &mut Draft, dice: &mut Dice) {
    let server = dice.pick(&draft.servers);
    let mut at = draft.moment(dice);
    for _ in 0..dice.between(2, 5) {
        let ms = dice.skewed(10, 1_000);
        if at + ms > draft.end {
            return;
        }
        draft.crash_again(server.clone(), at, ms, None, 1);
        at += ms + dice.skewed(10, 2_000);
    }
}

fn blackout(draft: &mut Draft, dice: &mut Dice) {
    let (at, ms) = draft.span(dice, 500);
    for server in draft.servers.clone() {
        let ms = dice.between(ms / 2, ms).max(1);
        draft.crash(server, at + dice.between(0, 100), ms, None);
    }
}

fn new_keys(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.servers, 1, 3) {
        draft.step(draft.moment(dice), RotateKey { server });
    }
}

/// From a second to five hours. Keys are published as good for a day: where two clocks, each of which is
/// wrong and may jump once, are further apart, no key ever is, and nobody is to blame.
fn wrong_time(dice: &mut Dice) -> i64 {
    let ms = dice.skewed(1_000, 5 * 3_600_000).cast_signed();
    if dice.percent(50) { -ms } else { ms }
}

fn skews(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.servers, 1, 3) {
        draft.skews.insert(server, wrong_time(dice));
    }
}

fn clock_jumps(draft: &mut Draft, dice: &mut Dice) {
    for server in dice.some(&draft.servers, 1, 3) {
        let jump = SignedDuration::from_millis(wrong_time(dice));
        draft.step(draft.moment(dice), Clock { server, jump });
    }
}
