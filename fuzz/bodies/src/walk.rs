//! A room of arbitrary shape and some requests: the graph and its walks must answer as their slow twins do.
//!
//! One byte decides one thing, and lengths come before what they count, so that a small change of the input
//! is a small change of the room. When the bytes run out, all that follows is honest: accepted events, one
//! parent each. New decisions go to the end, or the saved inputs would mean something else.

use std::{array, fmt};

use arbitrary::{Arbitrary, Result, Unstructured};
use ruma_common::{EventId, OwnedEventId};

use super::{
    Body, Reached, Seeds,
    tape::byte,
    twin::{Event, Pair, Query},
};
use backfire::room::graph::Standing;

/// The twins are cubic; rooms beyond this show nothing new.
const EVENTS_MAX: usize = 32;
const REVISIONS_MAX: usize = 8;
const REQUESTS_MAX: usize = 6;
const NAMED_MAX: usize = 4;

/// A room and what is asked of it.
pub struct Walk {
    /// All events of the room, oldest first, with whether the server gets them.
    events: Vec<(Event, bool)>,
    /// Multiplies places modulo a prime: 0 and 1 let events arrive oldest first, [`NEWEST_FIRST`] newest
    /// first.
    order: u8,
    /// Verdicts that change later on.
    revisions: Vec<(usize, Standing)>,
    requests: Vec<Request>,
}

/// What random inputs must reach.
pub(super) const WANTED: &[&str] =
    &["answer cut by its limit", "cycle", "deep", "fork", "gap", "outlier below a tip", "several tips"];

/// One more than the greatest multiplier that can be drawn.
const ORDERS: usize = 251;
/// The multiplier that turns the order round.
const NEWEST_FIRST: u8 = 250;

enum Request {
    Backfill { seeds: Vec<OwnedEventId>, limit: usize },
    MissingEvents(Query),
}

impl Body for Walk {
    fn check(&self) -> Reached {
        let mut pair = Pair::default();
        for place in self.arrivals() {
            pair.insert(&id(place), &self.events[place].0);
        }
        pair.check_events("after arrival");
        pair.check_extremities("after arrival");
        self.check_requests(&pair);
        for (place, standing) in &self.revisions {
            let id = id(*place);
            if pair.plain.standing(&id) != Standing::Missing {
                pair.set_standing(&id, *standing);
            }
        }
        // Not after each: shorter lists of revisions are inputs of their own, and the twin is slow here.
        if !self.revisions.is_empty() {
            pair.check_extremities("after revised verdicts");
            self.check_requests(&pair);
        }
        self.reached(&pair)
    }
}

impl Walk {
    /// The places of the events that the server gets, in the order in which it gets them.
    fn arrivals(&self) -> Vec<usize> {
        let mut places: Vec<usize> = (0..self.events.len()).filter(|place| self.events[*place].1).collect();
        places.sort_by_key(|place| place * usize::from(self.order) % ORDERS);
        places
    }

    fn reached(&self, pair: &Pair) -> Reached {
        let graph = &pair.graph;
        let cut = self.requests.iter().any(|request| match request {
            Request::Backfill { seeds, limit } => {
                pair.backfill(seeds, *limit).len() < pair.backfill(seeds, usize::MAX).len()
            }
            Request::MissingEvents(_) => false,
        });
        let cycle = |idx| graph.parents(idx).iter().any(|up| graph.parents(*up).contains(&idx));
        let gap = |standing| graph.backward_extremities().any(|idx| graph.standing(idx) == standing);
        let reached = [
            ("answer cut by its limit", cut),
            ("cycle", graph.iter().any(cycle)),
            ("deep", graph.iter().any(|idx| (10..32).contains(&graph.depth(idx)))),
            ("fork", graph.iter().any(|idx| graph.children(idx).len() > 1)),
            ("gap", gap(Standing::Missing)),
            ("outlier below a tip", gap(Standing::Outlier)),
            ("several tips", graph.forward_extremities().count() > 1),
        ];
        reached.into_iter().filter(|(_, is)| *is).map(|(mark, _)| mark.into()).collect()
    }

    fn check_requests(&self, pair: &Pair) {
        for request in &self.requests {
            match request {
                Request::Backfill { seeds, limit } => pair.check_backfill("", seeds, *limit),
                Request::MissingEvents(query) => pair.check_missing_events("", query),
            }
        }
    }
}

thread_local! {
    static IDS: [OwnedEventId; 64] =
        array::from_fn(|nth| EventId::parse(format!("$e{nth:02}:hs")).expect("fit for an id"));
}

/// Ids in no order that follows the room, since ties are broken by them.
fn id(place: usize) -> OwnedEventId {
    IDS.with(|ids| ids[place * 37 % ids.len()].clone())
}

impl<'a> Arbitrary<'a> for Walk {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let count = u.int_in_range(0..=EVENTS_MAX as u8)?.into();
        let mut events: Vec<(Event, bool)> = Vec::with_capacity(count);
        for place in 0..count {
            let event = draw_event(u, &events, place, count)?;
            events.push(event);
        }
        let order = u.int_in_range(0..=ORDERS as u8 - 1)?;
        let mut revisions = Vec::new();
        for _ in 0..u.int_in_range(0..=REVISIONS_MAX as u8)? {
            revisions.push((byte(u)?.into(), standing(byte(u)?)));
        }
        let mut requests = Vec::new();
        for _ in 0..u.int_in_range(0..=REQUESTS_MAX as u8)? {
            requests.push(draw_request(u, count)?);
        }
        Ok(Self { events, order, revisions, requests })
    }

    fn size_hint(_depth: usize) -> (usize, Option<usize>) {
        (1, None)
    }
}

fn standing(byte: u8) -> Standing {
    match byte % 8 {
        0..=4 => Standing::Accepted,
        5 => Standing::SoftFailed,
        6 => Standing::Rejected,
        _ => Standing::Outlier,
    }
}

/// An event in two bytes and one for each parent: what becomes of it, then how many parents and whether it
/// lies.
fn draw_event(
    u: &mut Unstructured<'_>,
    older: &[(Event, bool)],
    place: usize,
    count: usize,
) -> Result<(Event, bool)> {
    let (fate, shape) = (byte(u)?, byte(u)?);
    let (held, lies, anywhere) = (fate & 0x38 != 0x38, shape & 0x30 == 0x30, shape & 0xc0 == 0xc0);
    let parents = match shape % 8 {
        0..=3 => 1,
        4 | 5 => 2,
        6 => 4,
        _ => 0,
    };
    let mut places: Vec<usize> = Vec::new();
    for _ in 0..parents {
        let byte = usize::from(byte(u)?);
        let parent = if anywhere { Some(byte % count) } else { place.checked_sub(1 + byte % place.max(1)) };
        places.extend(parent.filter(|parent| !places.contains(parent)));
    }
    let known = places.iter().filter_map(|parent| older.get(*parent));
    let honest = 1 + known.map(|(event, _)| event.depth).max().unwrap_or(0);
    let depth = if lies { byte(u)?.into() } else { honest };
    let parents = places.into_iter().map(id).collect();
    Ok((Event { depth, parents, standing: standing(fate) }, held))
}

fn draw_request(u: &mut Unstructured<'_>, events: usize) -> Result<Request> {
    let (backfill, limit) = (byte(u)?.is_multiple_of(2), limit(byte(u)?));
    let named = draw_ids(u, events)?;
    if backfill {
        return Ok(Request::Backfill { seeds: named, limit });
    }
    let earliest = draw_ids(u, events)?;
    Ok(Request::MissingEvents(Query { latest: named, earliest, limit, min_depth: byte(u)?.into() }))
}

/// Mostly one that matters in rooms of this size.
fn limit(byte: u8) -> usize {
    match byte {
        0..240 => (byte % 40).into(),
        _ => byte.into(),
    }
}

/// Newest first, and now and then an event that nobody has heard of.
fn draw_ids(u: &mut Unstructured<'_>, events: usize) -> Result<Vec<OwnedEventId>> {
    let count = u.int_in_range(0..=NAMED_MAX as u8)?;
    (0..count).map(|_| Ok(id(events - usize::from(byte(u)?) % (events + 1)))).collect()
}

impl fmt::Debug for Walk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Walk {{")?;
        for (place, (event, held)) in self.events.iter().enumerate() {
            let Event { depth, parents, standing } = event;
            let held = if *held { "" } else { ", not held" };
            let parents: Vec<&str> = parents.iter().map(|id| id.as_str()).collect();
            writeln!(f, "  {} depth {depth} {standing:?}{held} <- {}", id(place), parents.join(" "))?;
        }
        let arrivals: Vec<_> = self.arrivals().into_iter().map(|place| id(place).to_string()).collect();
        writeln!(f, "  arrive: {}", arrivals.join(" "))?;
        for (place, standing) in &self.revisions {
            writeln!(f, "  later: {} {standing:?}", id(*place))?;
        }
        for request in &self.requests {
            match request {
                Request::Backfill { seeds, limit } => writeln!(f, "  backfill {seeds:?} limit {limit}")?,
                Request::MissingEvents(query) => writeln!(f, "  {query:?}")?,
            }
        }
        write!(f, "}}")
    }
}

pub(super) fn seeds() -> Seeds {
    let line = |events: usize| -> Vec<u8> {
        let mut bytes = vec![events as u8];
        bytes.extend(std::iter::repeat_n([0, 0, 0], events).flatten());
        bytes
    };
    let asked = [2, /* backfill */ 0, 255, 1, 1, /* missing events */ 1, 10, 1, 1, 0, 0];
    let seed = |name, room: Vec<u8>, order: u8| (name, [room, vec![order, 0], asked.to_vec()].concat());
    let diamond = vec![4, 0, 7, 0, 0, 0, 0, 0, 1, 0, 4, 0, 1];
    let gap = [vec![8], [0, 0, 0].repeat(4), vec![0x38, 0, 0], [0, 0, 0].repeat(3)].concat();
    let outlier = [vec![6], [0, 0, 0].repeat(3), vec![7, 0, 0], [0, 0, 0].repeat(2)].concat();
    let liar = [vec![5], [0, 0, 0].repeat(2), vec![0, 0x30, 0, 200], [0, 0, 1].repeat(2)].concat();
    let cycle = vec![3, 0, 0xc0, 1, 0, 0xc0, 0, 0, 0, 0];
    vec![
        seed("line", line(12), 0),
        seed("line-newest-first", line(12), NEWEST_FIRST),
        seed("diamond", diamond, 0),
        seed("gap", gap, 0),
        seed("outlier-in-a-line", outlier, 0),
        seed("lying-depth", liar, 0),
        seed("cycle", cycle, 0),
    ]
}
