//! People who scroll back.

use super::{Dice, Draft, Family, Kind};
use crate::scenario::{PageBack, Pages};

pub(super) const KINDS: &[Kind] = &[
    Kind { name: "scrolls", told: "people who scroll back", family: Family::Readers, write: scrolls },
    Kind {
        name: "deep-scrolls",
        told: "readers of all history",
        family: Family::Readers,
        write: deep_scrolls,
    },
];

fn scrolls(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.skewed(1, 6) {
        let pages = Pages::Count(u32::try_from(dice.between(1, 4)).unwrap_or(1));
        scroll(draft, dice, pages);
    }
}

fn deep_scrolls(draft: &mut Draft, dice: &mut Dice) {
    for _ in 0..dice.between(1, 3) {
        scroll(draft, dice, Pages::All);
    }
}

fn scroll(draft: &mut Draft, dice: &mut Dice, pages: Pages) {
    // Who was there from the beginning has read it all.
    let late = !draft.outsiders.is_empty() && dice.percent(70);
    let server = dice.pick(if late { &draft.outsiders } else { &draft.servers });
    let limit = u32::try_from(dice.skewed(1, 200)).unwrap_or(100);
    draft.step(draft.moment(dice), PageBack { server, limit, pages });
}
