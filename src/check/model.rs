//! A slow, simple server: what an answer must be, given all that the server holds.
//!
//! Where the text of the specification is exact, so is the model; where it leaves a choice, every choice is
//! right: the order of `/backfill` and which branch it follows (matrix-spec#1512), which events of a level
//! `/get_missing_events` takes when `limit` cuts it. It knows no index and no cache, only events with their
//! standing.

use std::collections::BTreeSet;

use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};
use ruma_common::{EventId, OwnedEventId};

use super::{kinds, short};
use crate::{
    matrix::pdu::Pdu,
    room::{
        graph::Standing,
        walk::{BACKFILL_LIMIT_MAX, MISSING_EVENTS_LIMIT_DEFAULT, MISSING_EVENTS_LIMIT_MAX},
    },
};

/// What a server holds of a room.
pub(super) trait Holdings {
    /// How the server stands to an event.
    fn standing(&self, id: &EventId) -> Standing;
    /// An event that it holds.
    fn pdu(&self, id: &EventId) -> Option<&Pdu>;
}

kinds! {
    /// A 404 for what the server has.
    NotFound "not-found",
    /// Something in it is no event.
    NoEvent "no-event",
    OtherRoom "other-room",
    TooMany "too-many",
    Twice "twice",
    LeftOut "left-out",
    /// An event that no walk reaches over others of the answer.
    Unreached "unreached",
    /// With one seed, another event comes before it.
    SeedNotFirst "seed-not-first",
    /// One of those that the gap lies between.
    EndOfTheGap "end-of-the-gap",
    ParentLater "parent-later",
    OtherEvent "other-event",
    NotHeld "not-held",
    /// Not one event, where one was asked for.
    NotOne "not-one",
    AuthChainLacks "auth-chain-lacks",
    AuthChainSurplus "auth-chain-surplus",
    NoStateEvent "no-state-event",
    SlotTwice "slot-twice",
    /// The state at what is no history of the server.
    StateBeyondHistory "state-beyond-history",
    StateLacks "state-lacks",
    StateSurplus "state-surplus",
}

/// What is wrong with an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wrong {
    /// The kind of mistake.
    pub(super) kind: Kind,
    /// The event that is wrong, if it is one.
    pub(super) event: Option<OwnedEventId>,
    /// What is wrong, such as "is in it twice".
    pub(super) problem: String,
}

impl Wrong {
    /// That an event in the answer, or beside it, is wrong there.
    pub(super) fn event(kind: Kind, id: &EventId, problem: &str) -> Self {
        Self::about(kind, id, format!("{} {problem}", short(id)))
    }

    /// The same in other words.
    pub(super) fn about(kind: Kind, id: &EventId, problem: String) -> Self {
        Self { kind, event: Some(id.to_owned()), problem }
    }

    /// That the answer as a whole is wrong.
    pub(super) fn answer(kind: Kind, problem: String) -> Self {
        Self { kind, event: None, problem }
    }
}

/// A request to `/get_missing_events`.
#[derive(Clone, Copy, Debug)]
pub(super) struct MissingEvents<'a> {
    /// `latest_events`.
    pub(super) latest: &'a [&'a EventId],
    /// `earliest_events`.
    pub(super) earliest: &'a [&'a EventId],
    /// `limit`, if it names one.
    pub(super) limit: Option<u64>,
    /// `min_depth`, if it names one.
    pub(super) min_depth: Option<u64>,
    /// Whether whoever answers goes level by level; the text leaves the way open (matrix-spec#1512).
    pub(super) by_level: bool,
}

/// A server that holds something.
#[derive(Clone, Debug)]
pub(super) struct Model<H>(pub(super) H);

impl<H: Holdings> Model<H> {
    /// `/backfill`: the seeds and what precedes them, each reached over others that are in the answer, as
    /// many as the limit allows and there are.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer.
    pub(super) fn backfill(
        &self,
        seeds: &[&EventId],
        limit: Option<u64>,
        answer: &[&EventId],
    ) -> Result<(), Wrong> {
        let limit = at_most(limit, BACKFILL_LIMIT_MAX, BACKFILL_LIMIT_MAX).max(1);
        no_more_than(limit, answer)?;
        no_duplicate(answer)?;
        let given: BTreeSet<&EventId> = answer.iter().copied().collect();
        let known = || seeds.iter().copied().filter(|id| self.is_history(id));
        let reached = self.reach(known(), |id| given.contains(id));
        if let Some(id) = answer.iter().find(|id| !reached.contains(*id)) {
            return Err(Wrong::event(
                Kind::Unreached,
                id,
                "is neither asked for nor before what is in the answer",
            ));
        }
        if answer.len() < limit {
            let left_out = reached.into_iter().find(|id| !given.contains(id));
            if let Some(id) = left_out {
                let problem = "is left out, though the limit is not reached";
                return Err(Wrong::event(Kind::LeftOut, id, problem));
            }
        }
        self.seed_first(seeds, answer)
    }

    /// With one seed the answer begins with it, unless an ancestor claims a greater depth.
    fn seed_first(&self, seeds: &[&EventId], answer: &[&EventId]) -> Result<(), Wrong> {
        let ([seed], [first, rest @ ..]) = (seeds, answer) else { return Ok(()) };
        let honest = self.depth(first) <= self.depth(seed);
        if first != seed && rest.contains(seed) && honest {
            return Err(Wrong::event(Kind::SeedNotFirst, first, "comes before the event asked for"));
        }
        Ok(())
    }

    /// `/get_missing_events`: level by level what precedes `latest`, up to `earliest`; all of the upper
    /// levels, and of the last as many as the limit allows.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer.
    pub(super) fn missing_events(&self, gap: &MissingEvents<'_>, answer: &[&EventId]) -> Result<(), Wrong> {
        let limit = at_most(gap.limit, MISSING_EVENTS_LIMIT_DEFAULT, MISSING_EVENTS_LIMIT_MAX);
        no_more_than(limit, answer)?;
        no_duplicate(answer)?;
        for (list, name) in [(gap.latest, "latest_events"), (gap.earliest, "earliest_events")] {
            if let Some(id) = answer.iter().find(|id| list.contains(id)) {
                return Err(Wrong::event(Kind::EndOfTheGap, id, &format!("is one of `{name}` itself")));
            }
        }
        if !gap.by_level {
            return self.somehow_walked(gap, limit, answer);
        }
        let mut left: IndexSet<&EventId, FixedState> = answer.iter().copied().collect();
        let mut room = limit;
        for level in self.levels(gap) {
            let taken = level.iter().filter(|id| left.swap_remove(**id)).count();
            if taken < level.len().min(room) {
                let missed = level.iter().find(|id| !answer.contains(id)).expect("some were not taken");
                return Err(Wrong::event(
                    Kind::LeftOut,
                    missed,
                    "is left out, and is nearer than others or within the limit",
                ));
            }
            room -= taken;
            if room == 0 {
                break;
            }
        }
        match left.into_iter().min() {
            Some(id) => Err(Wrong::event(
                Kind::Unreached,
                id,
                "is not between `earliest_events` and `latest_events`, or deeper than others",
            )),
            None => self.parents_first(gap, answer),
        }
    }

    /// Each event of the gap reached over others that are in the answer, as many as the limit allows and
    /// there are.
    fn somehow_walked(
        &self,
        gap: &MissingEvents<'_>,
        limit: usize,
        answer: &[&EventId],
    ) -> Result<(), Wrong> {
        let given: BTreeSet<&EventId> = answer.iter().copied().collect();
        let mut seen: BTreeSet<&EventId> = gap.latest.iter().chain(gap.earliest).copied().collect();
        let mut open: Vec<&EventId> = self.roots(gap).collect();
        let mut left_out = None;
        let mut reached = 0;
        while let Some(child) = open.pop() {
            for parent in self.parents(child).iter().filter(|parent| self.is_in(gap, parent)) {
                match (seen.insert(parent), given.contains(&**parent)) {
                    (false, _) => {}
                    (true, true) => {
                        reached += 1;
                        open.push(parent);
                    }
                    (true, false) => left_out = Some(&**parent),
                }
            }
        }
        if reached < given.len() {
            let outside = answer.iter().find(|id| !seen.contains(**id)).expect("some were not reached");
            return Err(Wrong::event(
                Kind::Unreached,
                outside,
                "is not between `earliest_events` and `latest_events`",
            ));
        }
        match left_out.filter(|_| answer.len() < limit) {
            Some(id) => Err(Wrong::event(Kind::LeftOut, id, "is left out, though the limit is not reached")),
            None => Ok(()),
        }
    }

    /// From where the walk goes back: not from what the asker has.
    fn roots<'a>(&self, gap: &MissingEvents<'a>) -> impl Iterator<Item = &'a EventId> {
        let (latest, earliest) = (gap.latest, gap.earliest);
        latest.iter().copied().filter(move |id| self.is_history(id) && !earliest.contains(id))
    }

    fn is_in(&self, gap: &MissingEvents<'_>, id: &EventId) -> bool {
        self.is_history(id) && self.depth(id) >= gap.min_depth.unwrap_or(0)
    }

    /// The events in the gap by their distance from `latest`.
    fn levels<'a>(&'a self, gap: &'a MissingEvents<'a>) -> impl Iterator<Item = Vec<&'a EventId>> {
        let mut seen: IndexSet<&EventId, FixedState> =
            gap.latest.iter().chain(gap.earliest).copied().collect();
        let mut last: Vec<&EventId> = self.roots(gap).collect();
        std::iter::from_fn(move || {
            let parents = last.iter().flat_map(|child| self.parents(child)).map(|id| &**id);
            last =
                parents.filter(|id| !seen.contains(id) && self.is_in(gap, id) && seen.insert(id)).collect();
            (!last.is_empty()).then(|| last.clone())
        })
    }

    /// A parent with one child only is found through that child, by every walk, and so comes before it. Where
    /// the graph forks, the order is open.
    fn parents_first(&self, gap: &MissingEvents<'_>, answer: &[&EventId]) -> Result<(), Wrong> {
        // Its only child, or nothing if there are several.
        let mut children: IndexMap<&EventId, Option<&EventId>, FixedState> = IndexMap::default();
        for child in answer.iter().chain(gap.latest).copied() {
            for parent in self.parents(child) {
                let only = children.entry(parent).or_insert(Some(child));
                *only = only.filter(|other| *other == child);
            }
        }
        let places: IndexSet<&EventId, FixedState> = answer.iter().copied().collect();
        for (place, id) in answer.iter().enumerate() {
            let bound = self.parents(id).iter().filter(|parent| children[&***parent].is_some());
            if bound.filter_map(|parent| places.get_index_of(&**parent)).any(|parent| parent > place) {
                return Err(Wrong::event(Kind::ParentLater, id, "comes before its own parent"));
            }
        }
        Ok(())
    }

    /// `/event`: the event, if the server has it, and nothing else.
    ///
    /// # Errors
    ///
    /// What is wrong with the answer.
    pub(super) fn event(&self, wanted: &EventId, answer: &[&EventId]) -> Result<(), Wrong> {
        match answer {
            [given] if *given != wanted => {
                Err(Wrong::event(Kind::OtherEvent, given, &format!("is not {}", short(wanted))))
            }
            [_] if self.standing(wanted) == Standing::Missing => {
                Err(Wrong::event(Kind::NotHeld, wanted, "is not held"))
            }
            [_] => Ok(()),
            several => Err(Wrong::answer(Kind::NotOne, format!("{} events instead of one", several.len()))),
        }
    }

    /// The auth chain in an answer about some events: all that allows them, directly or not. Whether the
    /// events themselves belong to it is open.
    ///
    /// # Errors
    ///
    /// What is wrong with the chain.
    pub(super) fn auth_chain(&self, of: &[&EventId], chain: &[&EventId]) -> Result<(), Wrong> {
        no_duplicate(chain)?;
        let mut whole: BTreeSet<&EventId> = BTreeSet::new();
        let mut open: Vec<&EventId> = of.to_vec();
        while let Some(id) = open.pop() {
            let auth = self.0.pdu(id).map_or(&[][..], Pdu::auth_events);
            open.extend(auth.iter().map(|id| &**id).filter(|id| whole.insert(id)));
        }
        let given: BTreeSet<&EventId> = chain.iter().copied().collect();
        // A rejected event may cite what the server never gets, such as an event of another room.
        let held = whole.iter().filter(|id| self.standing(id) != Standing::Missing);
        if let Some(id) = held.into_iter().find(|id| !given.contains(*id)) {
            return Err(Wrong::event(Kind::AuthChainLacks, id, "is missing in the auth chain"));
        }
        // From room version 12 on the create event allows all others without being cited.
        let is_create = |id: &EventId| self.0.pdu(id).is_some_and(Pdu::is_create);
        match chain.iter().find(|id| !whole.contains(**id) && !of.contains(id) && !is_create(id)) {
            Some(id) => {
                Err(Wrong::event(Kind::AuthChainSurplus, id, "is in the auth chain and allows nothing"))
            }
            None => Ok(()),
        }
    }

    /// `/state_ids` and `/state`: a state has one event for each slot, and only state events.
    ///
    /// # Errors
    ///
    /// What is wrong with the state.
    pub(super) fn state(&self, answer: &[&EventId]) -> Result<(), Wrong> {
        no_duplicate(answer)?;
        let mut slots = BTreeSet::new();
        for id in answer {
            let Some(pdu) = self.0.pdu(id) else { continue };
            match pdu.state_slot() {
                None => return Err(Wrong::event(Kind::NoStateEvent, id, "is no state event")),
                Some((kind, key)) => {
                    if !slots.insert((kind.to_string(), key.to_owned())) {
                        return Err(Wrong::event(Kind::SlotTwice, id, "fills a slot that another fills too"));
                    }
                }
            }
        }
        Ok(())
    }

    // --- What the server holds.

    fn standing(&self, id: &EventId) -> Standing {
        self.0.standing(id)
    }

    fn is_history(&self, id: &EventId) -> bool {
        self.standing(id).is_history()
    }

    fn parents(&self, id: &EventId) -> &[OwnedEventId] {
        self.0.pdu(id).map_or(&[], Pdu::prev_events)
    }

    fn depth(&self, id: &EventId) -> u64 {
        self.0.pdu(id).map_or(0, Pdu::depth)
    }

    /// The history reached from some events, themselves included, walking on from those that `passes` lets
    /// through.
    fn reach<'a>(
        &'a self,
        from: impl Iterator<Item = &'a EventId>,
        passes: impl Fn(&EventId) -> bool,
    ) -> BTreeSet<&'a EventId> {
        let mut reached = BTreeSet::new();
        let mut open: Vec<&EventId> = from.collect();
        while let Some(id) = open.pop() {
            if self.is_history(id) && reached.insert(id) && passes(id) {
                open.extend(self.parents(id).iter().map(|id| &**id));
            }
        }
        reached
    }
}

fn at_most(limit: Option<u64>, default: usize, most: usize) -> usize {
    limit.map_or(default, |limit| usize::try_from(limit).unwrap_or(most)).min(most)
}

fn no_more_than(limit: usize, answer: &[&EventId]) -> Result<(), Wrong> {
    if answer.len() > limit {
        return Err(Wrong::answer(Kind::TooMany, format!("{} events, the limit is {limit}", answer.len())));
    }
    Ok(())
}

fn no_duplicate(answer: &[&EventId]) -> Result<(), Wrong> {
    let mut seen = IndexSet::<_, FixedState>::default();
    match answer.iter().find(|id| !seen.insert(**id)) {
        Some(id) => Err(Wrong::event(Kind::Twice, id, "is in it twice")),
        None => Ok(()),
    }
}
