//! `backfire room check`: what becomes of each event of a dump.

use std::fmt::Write;

use clap::Args;
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};
use ruma_common::{OwnedEventId, OwnedRoomId};
use serde::Serialize;

use super::{Failure, JudgedRoom, Source, StateEntry, output, state_entries};
use crate::{
    matrix::version::RoomVersion,
    room::{
        Refusal,
        dump::{Invalid, Verified},
        graph::Standing,
    },
};

/// Judge the events of a dump as a server would that receives them in this order.
///
/// Invalid events are dropped: malformed, of another room, not signed by whom they should be, or not of the id that
/// the dump gives. Events above a gap, whose `prev_events` or `auth_events` are not all in the dump, wait: their state
/// can't be known from the dump alone.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: Source,

    /// Receive the events in an order drawn with this seed instead of the order of the dump
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    room_id: OwnedRoomId,
    room_version: RoomVersion,
    events: usize,
    invalid: Vec<Invalid>,
    accepted: usize,
    rejected: Vec<OwnedEventId>,
    soft_failed: Vec<OwnedEventId>,
    waiting: Vec<OwnedEventId>,
    missing: Vec<OwnedEventId>,
    forward_extremities: Vec<OwnedEventId>,
    backward_extremities: Vec<OwnedEventId>,
    state: Vec<StateEntry>,
    #[serde(skip)]
    reasons: Vec<(OwnedEventId, String)>,
}

impl Check {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut dump = self.source.read()?;
        if let Some(seed) = self.shuffle {
            dump.pdus.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        }
        let report = Report::new(&dump.judge(), dump);
        if self.json {
            output::json(&report);
        } else {
            output::print(&report.lines());
        }
        Ok(())
    }
}

impl Report {
    fn new(room: &JudgedRoom, dump: Verified) -> Self {
        let standing = |wanted: Standing| {
            let graph = room.graph();
            let mut ids: Vec<OwnedEventId> = graph
                .iter()
                .filter(|idx| graph.standing(*idx) == wanted)
                .map(|idx| graph.id(idx).to_owned())
                .collect();
            ids.sort();
            ids
        };
        let (rejected, soft_failed) = (standing(Standing::Rejected), standing(Standing::SoftFailed));
        let reasons = rejected.iter().chain(&soft_failed);
        let missing: Vec<_> = dump.missing().into_iter().collect();
        Self {
            accepted: standing(Standing::Accepted).len(),
            reasons: reasons
                .map(|id| (id.clone(), room.refusal(id).map(Refusal::to_string).unwrap_or_default()))
                .collect(),
            rejected,
            soft_failed,
            waiting: room.waiting().map(|pdu| pdu.event_id().clone()).collect(),
            forward_extremities: room.forward_extremities(),
            // Nothing is judged above a gap, so the room itself has none: they are where those who wait look.
            backward_extremities: missing.clone(),
            missing,
            state: state_entries(room, room.current_state()),
            room_id: dump.room_id,
            room_version: dump.version,
            events: dump.lines,
            invalid: dump.invalid,
        }
    }

    fn lines(&self) -> String {
        let bold = anstyle::Style::new().bold();
        let mut text = format!(
            "{bold}{}{bold:#}  room version {}, {} events\n\n",
            self.room_id, self.room_version, self.events
        );
        let counts = [
            ("accepted", self.accepted),
            ("soft-failed", self.soft_failed.len()),
            ("rejected", self.rejected.len()),
            ("invalid", self.invalid.len()),
            ("waiting", self.waiting.len()),
            ("missing", self.missing.len()),
            ("state", self.state.len()),
        ];
        for (name, count) in counts {
            let _ = writeln!(text, "{count:>8} {name}");
        }
        self.write_details(&mut text);
        text
    }

    fn write_details(&self, text: &mut String) {
        for invalid in &self.invalid {
            let id = invalid.event_id.as_deref().unwrap_or("no event_id");
            let _ = writeln!(text, "\ninvalid, line {}: {id}\n    {}", invalid.line, invalid.reason);
        }
        for (id, reason) in &self.reasons {
            let what = if self.rejected.contains(id) { "rejected" } else { "soft-failed" };
            let _ = writeln!(text, "\n{what}: {id}\n    {reason}");
        }
        let lists = [("forward", &self.forward_extremities), ("backward", &self.backward_extremities)];
        for (name, ids) in lists.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let ids: String = ids.iter().map(|id| format!("    {id}\n")).collect();
            let _ = write!(text, "\n{name} extremities\n{ids}");
        }
    }
}
