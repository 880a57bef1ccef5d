//! Redactions that come into force or lose it.

use ruma_common::{EventId, OwnedEventId};
use ruma_events::TimelineEventType;

use crate::room::Room;

impl Room {
    /// A redaction takes effect when it is history, its target is not rejected, and the sender may (rooms v3,
    /// "Handling redactions"): in whichever order they come, and for as long as that is so.
    pub(super) fn apply_redactions(&mut self, id: &EventId) {
        let pdu = self.held_by_id(id).expect("it was just placed").pdu.clone();
        if *pdu.kind() == TimelineEventType::RoomRedaction
            && let Some(target) = pdu.redacts()
        {
            self.redactions.entry(target.to_owned()).or_default().insert(id.to_owned());
            self.redact(target);
            let is_held = self.graph.get(target).is_some_and(|idx| self.graph.standing(idx).is_history());
            if !is_held && !self.habits.remembers_early_redactions {
                self.redactions.remove(target);
            }
        }
        self.redact(id);
    }

    pub(super) fn redact(&mut self, target: &EventId) {
        let Some(redactions) = self.redactions.get(target) else { return };
        let Some(idx) = self.graph.get(target) else { return };
        let Some(held) = self.held(idx) else { return };
        // A newcomer is given the state as outliers: what is redacted of it later is so there too.
        let is_good = held.rejected.is_none();
        let applies = |redaction: &&OwnedEventId| {
            let by = self.graph.get(redaction).filter(|by| self.graph.standing(*by).is_history());
            let by = by.and_then(|by| self.held(by));
            is_good && by.is_some_and(|by| self.may_redact(&by.pdu, &held.pdu))
        };
        let mut redacted_by = held.redacted_by.iter().chain(redactions).find(applies).cloned();
        let had_outline = held.outline.is_some();
        if held.pdu.is_create() && redacted_by.is_some() {
            match (self.habits.redacted_create)(self.version) {
                Some(version) => self.version = version,
                None => redacted_by = None,
            }
        }
        let held = self.held[idx.index()].as_mut().expect("it was just seen");
        let takes = redacted_by.is_some() && held.pdu.state_key().is_some() && !held.pdu.is_create();
        let outline = match held.outline.take().filter(|_| takes) {
            None if takes => held.pdu.outline(),
            known => known,
        };
        if outline.is_some() != had_outline {
            self.reworded.insert(idx);
        }
        held.redacted_by = redacted_by;
        held.outline = outline;
    }
}
