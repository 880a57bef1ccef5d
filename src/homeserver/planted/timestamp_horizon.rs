use super::Planted;
use crate::{
    matrix::pdu::Pdu,
    room::{Arrival, Room},
};

pub(super) const BUG: Planted = Planted {
    id: "timestamp-horizon",
    source: "Conduit 1d4656992",
    year: "2021",
    does: "drops events that say to be older than the first one that it has of the room",
    caught_by: "same-events",
    follows: &["same-extremities", "acknowledged"],
    plant: |habits| habits.keeps = is_younger_than_the_first,
};

fn is_younger_than_the_first(room: &Room, pdu: &Pdu, arrival: Arrival) -> bool {
    let graph = room.graph();
    let history = graph.iter().filter(|idx| graph.standing(*idx).is_history());
    let first = history.filter_map(|idx| room.event_at(idx)).map(|first| first.timestamp()).min();
    arrival == Arrival::Backfilled || first.is_none_or(|first| pdu.timestamp() >= first)
}
