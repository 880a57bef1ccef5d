//! The judge against real servers: states, rejections, soft failures and extremities of recorded rooms.

use std::{collections::BTreeSet, sync::Arc};

use backfire::{
    matrix::pdu::Pdu,
    room::{Room, graph::Standing},
};
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use ruma_common::OwnedEventId;

use crate::support::{Recorded, StateAt, ids, listed};

/// Servers that never had a gap: the state at each of their events is a function of the graph.
const WHOLE: [&str; 4] = ["v2.a", "v6.a", "members60.a", "faulty.a"];

/// Those of them that never were behind. The server of `members60.a` once had a gap that it filled by `/backfill`, with
/// a peer's word for the state above it until then: that decided soft failures, and the dump does not tell it.
const NEVER_BEHIND: [&str; 3] = ["v2.a", "v6.a", "faulty.a"];

/// Servers with a gap: what lies above it waits, since its state is not to be had from the dump alone.
const TORN: [&str; 2] = ["v10.a", "v11.a"];

/// Answers to `/state_ids` that leave out the slot of the event itself. Synapse does not store the state before an
/// event: it takes the state after it, and puts back what the event replaced, which it knows only for events that
/// replaced something in its own current state at the time. SS-API `/state_ids` wants the state prior to the event.
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

/// What must not depend on the order of arrival. Soft failure rightly does, and with it which events are tips.
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
