//! Rooms of any size for the benchmarks, made by arithmetic: the same on every machine.

use backfire::room::graph::{EventGraph, EventIdx, Standing};
use ruma_common::{EventId, OwnedEventId};

/// Events of one depth in a forked room.
const LANES: usize = 20;

/// How the events of a room hang together.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Every event has one parent.
    Linear,
    /// Twenty events share each depth, and each has three of the depth before as parents.
    Forked,
}

impl Shape {
    /// Every shape there is.
    pub(crate) const ALL: [Self; 2] = [Self::Linear, Self::Forked];

    /// The shape's name in reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Linear => "linear",
            Self::Forked => "forked",
        }
    }

    /// The depth and the parents of the `n`th event, by number.
    fn place(self, n: usize) -> (usize, Vec<usize>) {
        match self {
            Self::Linear => (n + 1, n.checked_sub(1).into_iter().collect()),
            Self::Forked if n < LANES => (1, Vec::new()),
            Self::Forked => {
                let above = (n / LANES - 1) * LANES;
                (n / LANES + 1, [0, 1, 7].map(|shift| above + (n + shift) % LANES).to_vec())
            }
        }
    }
}

/// A room of `events` accepted events, inserted parents first.
pub(crate) fn room(shape: Shape, events: usize) -> EventGraph {
    let mut graph = EventGraph::new();
    for n in 0..events {
        let (depth, parents) = shape.place(n);
        let parents: Vec<OwnedEventId> = parents.into_iter().map(event_id).collect();
        graph.insert(&event_id(n), depth as u64, parents.iter().map(|id| &**id), Standing::Accepted);
    }
    graph
}

/// The tips of a room, as a request would name them.
pub(crate) fn tips(graph: &EventGraph) -> Vec<EventIdx> {
    graph.forward_extremities().collect()
}

/// As long as the ids of room version 4 and later, and as the real ones in no order that follows the graph.
fn event_id(n: usize) -> OwnedEventId {
    let scattered = (n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    EventId::parse(format!("${scattered:043x}")).expect("a hash-like id is an id")
}
