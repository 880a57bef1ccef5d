//! The judge against real servers: states, rejections, soft failures and extremities of recorded rooms.

use std::{collections::BTreeSet, sync::Arc};

use backfire::{
    matrix::pdu::Pdu,
    room::{
        Arrival, Room,
        dump::{Dump, StateFile},
        graph::Standing,
    },
};
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use ruma_common::OwnedEventId;

use crate::support::{Recorded, StateAt, ids, keys, listed, read};

/// Servers that never had a gap: the state at each of their events is a function of the graph.
const WHOLE: [&str; 4] = ["v2.a", "v6.a", "members60.a", "faulty.a"];

/// Those of them that never were behind. The server of `members60.a` once had a gap that it filled by
/// `/backfill`, with a peer's word for the state above it until then: that decided soft failures, and the
/// dump does not tell it.
const NEVER_BEHIND: [&str; 3] = ["v2.a", "v6.a", "faulty.a"];

/// Servers with a gap: what lies above it waits, since its state is not to be had from the dump alone.
const TORN: [&str; 2] = ["v10.a", "v11.a"];

/// Answers to `/state_ids` that leave out the slot of the event itself. Synapse does not store the state
/// before an event: it takes the state after it, and puts back what the event replaced, which it knows only
/// for events that replaced something in its own current state at the time. SS-API `/state_ids` wants the
/// state prior to the event.
const OWN_SLOT_LOST: [&str; 3] = [
    "$un-b3CG2iv6EMwd-MaTvt4xv2CRQUFd0HGd1RXZ6_ns",
    "$Ie8AxAo8fNnrmZkuptSMilOMVo8Xmx1KASTBEVqVQd8",
    "$7tv9KWR-VLGx3sg7BxbVqmStXzt5NHDo_twQ045dY3w",
];

const SHUFFLES: u64 = 20;

#[test]
fn the_state_before_each_sampled_event_is_the_servers() {
    for (name, gap) in WHOLE.map(|name| (name, false)).into_iter().chain(TORN.map(|name| (name, true))) {
        let recorded = Recorded::load(name);
        let room = recorded.fed(&recorded.pdus);
        let mut compared = 0;
        for sample in recorded.states().iter().filter(|sample| sample.status == 200) {
            compared += usize::from(state_is_the_servers(name, &room, sample, gap));
        }
        assert!(compared >= if gap { 10 } else { 50 }, "{name}: only {compared} samples");
    }
}

fn state_is_the_servers(name: &str, room: &Room, sample: &StateAt, gap: bool) -> bool {
    let id = &sample.event_id;
    let Some(state) = room.state_before(id) else {
        assert!(gap, "{name} {id}: has no state");
        return false;
    };
    let (mut ours, theirs) = (ids(room, state), &sample.state_ids);
    if OWN_SLOT_LOST.contains(&id.as_str()) {
        let (kind, key) = room.event(id).unwrap().state_slot().unwrap();
        let lost = room.state_event(state, &kind.to_string().into(), key).unwrap();
        assert!(ours.remove(lost.event_id()));
    }
    assert_eq!(&ours, theirs, "{name} {id}");
    true
}

/// What each server lacks another has: together they have no gap, and every event has a state.
#[test]
fn the_dumps_of_several_servers_make_a_whole_room() {
    for (name, others) in [("v10.a", vec!["v10.b"]), ("v11.a", vec!["v11.b", "v11.c"])] {
        let names = [vec![name], others].concat();
        let texts: Vec<String> = names.iter().map(|name| read(&format!("{name}.ndjson"))).collect();
        let files: Vec<(&str, &str)> = names.iter().copied().zip(texts.iter().map(|text| &**text)).collect();
        let dump = Dump::read(&files, &[]).unwrap().verify(Some(&keys()));
        assert_eq!((&dump.invalid[..], &dump.contradictions[..]), (&[][..], &[][..]), "{name}");
        let room = dump.judge();
        assert_eq!(room.waiting().count(), 0, "{name}");
        let states = Recorded::load(name).states();
        let told = states.iter().filter(|sample| sample.status == 200);
        assert_eq!(
            told.filter(|sample| state_is_the_servers(name, &room, sample, false)).count(),
            50,
            "{name}"
        );
    }
}

/// With what a server told of some states above its gap, most of what waited there is judged, and as told.
#[test]
fn told_states_stand_in_for_a_gap() {
    for (name, left) in [("v10.a", 16), ("v11.a", 33)] {
        let (text, states) = (read(&format!("{name}.ndjson")), read(&format!("{name}.stateat.json")));
        let told = StateFile { at: None, name: "states", text: &states };
        let dump = Dump::read(&[(name, &text)], &[told]).unwrap().verify(None);
        let room = dump.judge();
        assert_eq!(room.waiting().count(), left, "{name}");
        for sample in Recorded::load(name).states().iter().filter(|sample| sample.status == 200) {
            assert!(state_is_the_servers(name, &room, sample, false), "{name}");
        }
    }
}

#[test]
fn the_state_after_the_extremities_is_the_servers() {
    for name in WHOLE {
        let recorded = Recorded::load(name);
        let room = recorded.fed(&recorded.pdus);
        let state = room.state_after_all(&recorded.end.forward_extremities).unwrap();
        assert_eq!(listed(&room, &state), recorded.end.state, "{name}");
    }
}

#[test]
fn as_they_came_the_same_events_soft_fail_and_the_same_tips_remain() {
    for name in NEVER_BEHIND {
        let recorded = Recorded::load(name);
        let room = recorded.fed_as_they_came();
        assert_eq!(standing(&room, Standing::Rejected), recorded.meta.rejected, "{name}");
        assert_eq!(standing(&room, Standing::SoftFailed), recorded.meta.soft_failed, "{name}");
        assert_eq!(room.forward_extremities(), recorded.end.forward_extremities, "{name}");
        assert_eq!(listed(&room, room.current_state()), recorded.end.state, "{name}");
    }
}

/// A room that takes many events at once doesn't look at its current state after each.
#[test]
fn events_are_judged_alike_whether_they_come_at_once_or_one_by_one() {
    for name in WHOLE {
        let recorded = Recorded::load(name);
        for seed in 0..5 {
            let mut pdus: Vec<Arc<Pdu>> = recorded.pdus.clone();
            pdus.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
            let one_by_one = recorded.fed(&pdus);
            let mut at_once = recorded.fed([]);
            at_once.receive_all(pdus.iter().cloned(), Arrival::Live);
            for pdu in &pdus {
                let id = pdu.event_id();
                assert_eq!(at_once.standing(id), one_by_one.standing(id), "{name}, shuffle {seed}: {id}");
                assert_eq!(at_once.refusal(id), one_by_one.refusal(id), "{name}, shuffle {seed}: {id}");
            }
            let current = |room: &Room| listed(room, room.current_state());
            assert_eq!(current(&at_once), current(&one_by_one), "{name}, shuffle {seed}");
        }
    }
}

fn standing(room: &Room, wanted: Standing) -> BTreeSet<OwnedEventId> {
    let graph = room.graph();
    let those = graph.iter().filter(|idx| graph.standing(*idx) == wanted);
    those.map(|idx| graph.id(idx).to_owned()).collect()
}

macro_rules! the_order_of_arrival_changes_neither_rejections_nor_states {
    ($($test:ident: $name:literal;)*) => {
        $(#[test] fn $test() { check_orders($name); })*
    };
}

// A test a room, to use all cores.
the_order_of_arrival_changes_neither_rejections_nor_states! {
    orders_of_v2: "v2.a";
    orders_of_v6: "v6.a";
    orders_of_members60: "members60.a";
    orders_of_faulty: "faulty.a";
}

fn check_orders(name: &'static str) {
    let recorded = Recorded::load(name);
    let reference = Outcome::of(&recorded, &recorded.fed(&recorded.pdus));
    let reversed = recorded.fed(recorded.pdus.iter().rev());
    reference.check(&Outcome::of(&recorded, &reversed), &format!("{name} in reverse"));
    for seed in 0..SHUFFLES {
        let mut shuffled: Vec<Arc<Pdu>> = recorded.pdus.clone();
        shuffled.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let outcome = Outcome::of(&recorded, &recorded.fed(&shuffled));
        reference.check(&outcome, &format!("{name}, shuffle {seed}"));
    }
}

/// What must not depend on the order of arrival. Soft failure rightly does, and with it which events are
/// tips.
struct Outcome {
    rejected: BTreeSet<OwnedEventId>,
    history: BTreeSet<OwnedEventId>,
    /// The state before each event, as positions in the dump.
    before: Vec<BTreeSet<usize>>,
    after: BTreeSet<OwnedEventId>,
}

impl Outcome {
    fn of(recorded: &Recorded, room: &Room) -> Self {
        let state = room.state_after_all(&recorded.end.forward_extremities).unwrap();
        let mut positions = vec![usize::MAX; room.graph().len()];
        for (position, pdu) in recorded.pdus.iter().enumerate() {
            positions[room.graph().get(pdu.event_id()).unwrap().index()] = position;
        }
        let before = recorded.pdus.iter().map(|pdu| {
            let state = room.state_before(pdu.event_id()).unwrap();
            state.values().map(|idx| positions[idx.index()]).collect()
        });
        let mut history = standing(room, Standing::Accepted);
        history.extend(standing(room, Standing::SoftFailed));
        Self {
            rejected: standing(room, Standing::Rejected),
            history,
            before: before.collect(),
            after: ids(room, &state),
        }
    }

    fn check(&self, other: &Self, what: &str) {
        assert_eq!(self.rejected, other.rejected, "{what}");
        assert_eq!(self.history, other.history, "{what}");
        assert!(self.before == other.before, "{what}: another state before an event");
        assert_eq!(self.after, other.after, "{what}");
    }
}
