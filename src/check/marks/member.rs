//! Marks of members: who came, left and was shut out.

use std::collections::BTreeMap;

use super::MarkContext;
use crate::journal::What;

impl MarkContext<'_> {
    pub(super) fn joined_late(self) -> bool {
        self.records.iter().any(|record| record.t >= 0 && matches!(record.what, What::Joined { .. }))
    }

    pub(super) fn joined_twice(self) -> bool {
        let mut joins: BTreeMap<&str, u32> = BTreeMap::new();
        for record in self.records.iter().filter(|record| matches!(record.what, What::Joined { .. })) {
            *joins.entry(record.server.as_deref().unwrap_or_default()).or_default() += 1;
        }
        joins.values().any(|times| *times >= 2)
    }

    /// An accepted membership event of the timeline, by its sender and the user whose membership it is.
    pub(super) fn membership(self, wanted: &str, fits: impl Fn(&str, &str) -> bool) -> bool {
        self.evidence.seen.iter().any(|(id, seen)| {
            let Some(pdu) = self.evidence.pdu(id) else { return false };
            let user = pdu.state_key().unwrap_or_default();
            seen.t >= 0
                && pdu.membership() == Some(wanted)
                && fits(pdu.sender().as_str(), user)
                && self.is_accepted(id)
        })
    }

    pub(super) fn user_refused(self) -> bool {
        self.records.iter().any(|record| matches!(record.what, What::UserFailed { .. }))
    }
}
