//! What goes wrong with single messages on their way.

use super::{Dice, Draft, Family, Kind, fault};
use crate::{
    matrix::endpoint::Endpoint,
    scenario::{Disturb, Disturbance, ErrorStatus, Side, SimDuration},
};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "losses", told: "messages that vanish", family: Family::Links, write: losses },
    Kind { name: "delays", told: "messages that overtake others", family: Family::Links, write: delays },
    Kind { name: "repeats", told: "requests that arrive twice", family: Family::Links, write: repeats },
    Kind {
        name: "truncations",
        told: "messages that end too early",
        family: Family::Links,
        write: truncations,
    },
    Kind { name: "breaks", told: "connections that break", family: Family::Links, write: breaks },
    Kind {
        name: "error-pages",
        told: "errors of something in between",
        family: Family::Links,
        write: errors,
    },
    Kind { name: "drips", told: "messages that trickle", family: Family::Links, write: drips },
    Kind { name: "stalls", told: "connections that stall", family: Family::Links, write: stalls },
];

/// The shortest time for which messages are disturbed.
const LEAST_MS: u64 = 1_000;

/// One to three times of trouble, each with an endpoint or all, for some messages or all.
fn disturb(draft: &mut Draft, dice: &mut Dice, side: Option<Side>, how: impl Fn(&mut Dice) -> Disturbance) {
    for _ in 0..dice.between(1, 3) {
        let ((at, ms), (from, to)) = (draft.span(dice, LEAST_MS), fault::ends(draft, dice));
        let endpoint = if dice.percent(40) { Some(dice.pick(&Endpoint::recovery())) } else { None };
        let disturb = Disturb {
            from,
            to,
            endpoint,
            side: side.unwrap_or_else(|| dice.pick(&[Side::Request, Side::Answer])),
            how: how(dice),
            skip: u32::try_from(dice.skewed(1, 8) - 1).unwrap_or(0),
            times: if dice.percent(50) { u32::try_from(dice.skewed(1, 10)).ok() } else { None },
            percent: dice.pick(&[10, 30, 60, 100]),
            lasting: Some(SimDuration::from_millis(ms)),
        };
        draft.step(at, disturb);
    }
}

fn losses(draft: &mut Draft, dice: &mut Dice) {
    disturb(draft, dice, None, |_| Disturbance::Lose);
}

fn delays(draft: &mut Draft, dice: &mut Dice) {
    disturb(draft, dice, None, |dice| Disturbance::Delay(SimDuration::from_millis(dice.skewed(10, 8_000))));
}

fn repeats(draft: &mut Draft, dice: &mut Dice) {
    let later = |dice: &mut Dice| Disturbance::Duplicate(SimDuration::from_millis(dice.skewed(1, 5_000)));
    disturb(draft, dice, Some(Side::Request), later);
}

fn truncations(draft: &mut Draft, dice: &mut Dice) {
    disturb(draft, dice, None, |dice| {
        Disturbance::Truncate(u32::try_from(dice.skewed(1, 4_000)).unwrap_or(0))
    });
}

fn breaks(draft: &mut Draft, dice: &mut Dice) {
    disturb(draft, dice, None, |_| Disturbance::Break);
}

fn errors(draft: &mut Draft, dice: &mut Dice) {
    disturb(draft, dice, None, |dice| {
        let code = dice.pick(&[429, 500, 502, 503, 504]);
        let retry_after = (code == 429).then(|| SimDuration::from_millis(dice.skewed(100, 5_000)));
        Disturbance::Status(ErrorStatus { code, retry_after })
    });
}

fn drips(draft: &mut Draft, dice: &mut Dice) {
    disturb(draft, dice, None, |dice| {
        Disturbance::Drip(u32::try_from(dice.skewed(10, 20_000)).unwrap_or(1_000))
    });
}

fn stalls(draft: &mut Draft, dice: &mut Dice) {
    disturb(draft, dice, None, |_| Disturbance::Hang);
}
