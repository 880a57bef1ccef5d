//! What `backfire room check` says of a dump, for scripts and for people.

use std::{collections::BTreeSet, fmt::Write};

use ruma_common::{OwnedEventId, OwnedRoomId, OwnedUserId};
use serde::Serialize;

use super::{JudgedRoom, StateEntry, state_entries};
use crate::{
    matrix::{pdu::Pdu, version::RoomVersion},
    room::{
        Refusal,
        dump::{Altered, Became, Contradiction, Invalid, Place, StateUse, Verified},
        graph::Standing,
    },
};

/// How many events of one kind are listed for people; scripts get all.
const LISTED_MAX: usize = 20;

#[derive(Serialize)]
pub(super) struct Report {
    room_id: OwnedRoomId,
    room_version: RoomVersion,
    events: usize,
    invalid: Vec<Invalid>,
    accepted: usize,
    rejected: Vec<OwnedEventId>,
    soft_failed: Vec<OwnedEventId>,
    waiting: Vec<OwnedEventId>,
    missing: Vec<OwnedEventId>,
    missing_auth: Vec<OwnedEventId>,
    forward_extremities: Vec<OwnedEventId>,
    backward_extremities: Vec<OwnedEventId>,
    state: Vec<StateEntry>,
    /// The rejected and the soft-failed events with what is known of them.
    verdicts: Vec<Verdict>,
    content_hash_fails: Vec<Altered>,
    redacted_copies: Vec<OwnedEventId>,
    contradictions: Vec<Contradiction>,
    state_at: Vec<StateUse>,
    /// The waiting events for which it would be enough to know the state before them.
    states_wanted: Vec<Wanted>,
}

/// An event that was not accepted.
#[derive(Serialize)]
struct Verdict {
    event_id: OwnedEventId,
    verdict: &'static str,
    #[serde(flatten)]
    event: Named,
    reason: String,
}

/// An event that waits for a state that is not to be had from the dump.
#[derive(Serialize)]
struct Wanted {
    event_id: OwnedEventId,
    #[serde(flatten)]
    event: Named,
}

/// By what people know an event.
#[derive(Serialize)]
struct Named {
    #[serde(rename = "type")]
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state_key: Option<String>,
    sender: OwnedUserId,
    #[serde(flatten)]
    place: Option<Place>,
}

impl Named {
    fn new(pdu: &Pdu, dump: &Verified) -> Self {
        Self {
            kind: pdu.kind().to_string(),
            state_key: pdu.state_key().map(str::to_owned),
            sender: pdu.sender().to_owned(),
            place: dump.place(pdu.event_id()).cloned(),
        }
    }

    fn line(&self) -> String {
        let place = self.place.as_ref().map(|place| format!(", {place}")).unwrap_or_default();
        format!("{}{place}", by(&self.kind, self.sender.as_str()))
    }
}

fn by(kind: &str, sender: &str) -> String {
    format!("{kind} by {sender}")
}

impl Report {
    pub(super) fn new(room: &JudgedRoom, dump: Verified) -> Self {
        let graph = room.graph();
        let standing = |wanted: Standing| {
            let those = graph.iter().filter(|idx| graph.standing(*idx) == wanted);
            let mut ids: Vec<OwnedEventId> = those.map(|idx| graph.id(idx).to_owned()).collect();
            ids.sort();
            ids
        };
        let (rejected, soft_failed) = (standing(Standing::Rejected), standing(Standing::SoftFailed));
        let verdicts = |ids: &[OwnedEventId], verdict| {
            let of = |id: &OwnedEventId| Verdict {
                event_id: id.clone(),
                verdict,
                event: Named::new(room.event(id).expect("it was judged"), &dump),
                reason: room.refusal(id).map(Refusal::to_string).unwrap_or_default(),
            };
            ids.iter().map(of).collect::<Vec<_>>()
        };
        let mut all = verdicts(&rejected, "rejected");
        all.extend(verdicts(&soft_failed, "soft_failed"));
        let missing = dump.missing();
        let waiting = room.waiting().filter(|pdu| pdu.prev_events().iter().any(|id| missing.contains(id)));
        let backward: BTreeSet<OwnedEventId> =
            missing.iter().cloned().chain(room.backward_extremities()).collect();
        Self {
            accepted: standing(Standing::Accepted).len(),
            rejected,
            soft_failed,
            waiting: room.waiting().map(|pdu| pdu.event_id().clone()).collect(),
            forward_extremities: room.forward_extremities(),
            // Those of the room, and where what waits looks.
            backward_extremities: backward.into_iter().collect(),
            state: state_entries(room, room.current_state()),
            verdicts: all,
            states_wanted: waiting
                .map(|pdu| Wanted { event_id: pdu.event_id().clone(), event: Named::new(pdu, &dump) })
                .collect(),
            state_at: dump.state_uses(room),
            missing: missing.into_iter().collect(),
            missing_auth: dump.missing_auth().into_iter().collect(),
            room_id: dump.room_id,
            room_version: dump.version,
            events: dump.events,
            invalid: dump.invalid,
            content_hash_fails: dump.altered,
            redacted_copies: dump.redacted,
            contradictions: dump.contradictions,
        }
    }

    /// Whether an event is not what it should be, by no choice of whoever judges it.
    pub(super) fn has_bad_events(&self) -> bool {
        !(self.invalid.is_empty()
            && self.rejected.is_empty()
            && self.content_hash_fails.is_empty()
            && self.contradictions.is_empty())
    }

    pub(super) fn lines(&self) -> String {
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
        // What most dumps have none of is only named where there is some.
        let rare = [
            ("missing auth events", self.missing_auth.len()),
            ("content hashes that do not hold", self.content_hash_fails.len()),
            ("redacted copies", self.redacted_copies.len()),
            ("contradictions between copies", self.contradictions.len()),
        ];
        for (name, count) in counts.into_iter().chain(rare.into_iter().filter(|(_, count)| *count > 0)) {
            let _ = writeln!(text, "{count:>8} {name}");
        }
        self.write_details(&mut text);
        text
    }

    fn write_details(&self, text: &mut String) {
        let invalid = self.invalid.iter().map(|Invalid { event_id, kind, sender, place, reason }| {
            let id = event_id.as_deref().unwrap_or("no event_id");
            let (kind, sender) =
                (kind.as_deref().unwrap_or("no type"), sender.as_deref().unwrap_or("nobody"));
            format!("\ninvalid: {id}\n    {}, {place}\n    {reason}\n", by(kind, sender))
        });
        write_list(text, invalid);
        let altered = self.content_hash_fails.iter().map(|Altered { event_id, kind, sender, place }| {
            let by = by(kind, sender.as_str());
            format!(
                "\ncontent hash does not hold: {event_id}\n    {by}, {place}\n    changed after it was hashed; \
                 judged in its redacted form, in which a server would take it (checks on receipt, step 3)\n"
            )
        });
        write_list(text, altered);
        let contradictions = self.contradictions.iter().map(|found| {
            let Contradiction { event_id, kind, sender, fields, counts, other } = found;
            let (by, fields) = (by(kind, sender.as_str()), fields.join(", "));
            format!(
                "\ncopies contradict each other: {event_id}\n    {by}, in {fields}\n    \
                 {counts} counts, {other} does not\n"
            )
        });
        write_list(text, contradictions);
        for kind in ["rejected", "soft_failed"] {
            let verdicts = self.verdicts.iter().filter(|verdict| verdict.verdict == kind);
            write_list(
                text,
                verdicts.map(|Verdict { event_id, event, reason, .. }| {
                    format!("\n{}: {event_id}\n    {}\n    {reason}\n", kind.replace('_', "-"), event.line())
                }),
            );
        }
        self.write_states(text);
        let lists = [("forward", &self.forward_extremities), ("backward", &self.backward_extremities)];
        for (name, ids) in lists.into_iter().filter(|(_, ids)| !ids.is_empty()) {
            let ids: String = ids.iter().map(|id| format!("    {id}\n")).collect();
            let _ = write!(text, "\n{name} extremities\n{ids}");
        }
    }

    fn write_states(&self, text: &mut String) {
        let count =
            |wanted: fn(&Became) -> bool| self.state_at.iter().filter(|told| wanted(&told.became)).count();
        if !self.state_at.is_empty() {
            let (taken, agree) =
                (count(|became| *became == Became::Taken), count(|became| *became == Became::Agrees));
            let _ = writeln!(
                text,
                "\ntold states: {}, {taken} taken, {agree} agree with the events",
                self.state_at.len()
            );
        }
        let odd = self.state_at.iter().filter_map(|StateUse { event_id, place, became }| {
            let what = match became {
                Became::Taken | Became::Agrees => return None,
                Became::Differs { only_told, only_computed } => format!(
                    "the events give another state: {} of the told one are not in it, {} others are",
                    only_told.len(),
                    only_computed.len()
                ),
                Became::Incomplete { missing } => {
                    format!(
                        "{} of its events are not in the dump; an answer to /state has them",
                        missing.len()
                    )
                }
                Became::Unused => "the event is not in the dump, or waits for auth events".to_owned(),
            };
            Some(format!("\ntold state before {event_id}\n    {place}\n    {what}\n"))
        });
        write_list(text, odd);
        if self.states_wanted.is_empty() {
            return;
        }
        let _ = writeln!(
            text,
            "\nstates wanted: what waits could be judged with another dump that has what is missing, or\n\
             with the states before these events (--state-at 'EVENT=FILE', the answer to /state_ids)"
        );
        let wanted = self.states_wanted.iter();
        write_list(text, wanted.map(|wanted| format!("    {}  {}\n", wanted.event_id, wanted.event.line())));
    }
}

/// Writes the first of them, and how many are left.
fn write_list(text: &mut String, items: impl Iterator<Item = String>) {
    let mut left = 0;
    for (nth, item) in items.enumerate() {
        if nth < LISTED_MAX {
            text.push_str(&item);
        } else {
            left += 1;
        }
    }
    if left > 0 {
        let _ = writeln!(text, "\nand {left} more of them; --json has all");
    }
}
