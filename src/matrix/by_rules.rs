//! What the rules say of an event and of those that it cites, and of nothing else: worked out once in a run,
//! however many servers hold them.
//!
//! The memory hangs on the event that all servers share ([`EventReader`](super::reader::EventReader)), and
//! holds for the very auth events with which it was made: who holds another copy of one works it out anew.

use std::sync::{Arc, OnceLock};

use ruma_events::StateEventType;
use ruma_state_res::auth_types_for_event;

use super::pdu::Pdu;

/// What is remembered with an event.
#[derive(Debug, Default)]
pub(super) struct ByRules {
    needs: OnceLock<Vec<(StateEventType, String)>>,
    verdict: OnceLock<ByAuthEvents>,
}

#[derive(Debug)]
struct ByAuthEvents {
    auth: Box<[Arc<Pdu>]>,
    verdict: Result<(), BrokenRule>,
}

/// What the rules have against an event, by those that it cites.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokenRule {
    /// It may not list these.
    OfList(String),
    /// These don't allow it.
    OfEvents(String),
}

/// A memory is no part of the event.
impl PartialEq for ByRules {
    fn eq(&self, _other: &Self) -> bool {
        true
    }
}

impl Pdu {
    /// The slots of a state that the rules look at to judge the event (SS-API, "Auth events selection"); none
    /// if its content makes no sense to them.
    pub fn needs(&self) -> &[(StateEventType, String)] {
        self.by_rules().needs.get_or_init(|| {
            let rules = &self.version().rules().authorization;
            let types =
                auth_types_for_event(self.kind(), self.sender(), self.state_key(), self.content(), rules);
            types.unwrap_or_default()
        })
    }

    /// The verdict by these auth events, none of which is rejected, worked out if it is not known.
    ///
    /// # Errors
    ///
    /// The rule that the event breaks.
    pub fn judged_by<'a>(
        &self,
        auth: impl Iterator<Item = &'a Arc<Pdu>> + Clone,
        judge: impl FnOnce() -> Result<(), BrokenRule>,
    ) -> Result<(), BrokenRule> {
        let known = self.by_rules().verdict.get();
        if let Some(known) = known
            && known.auth.iter().map(Arc::as_ptr).eq(auth.clone().map(Arc::as_ptr))
        {
            return known.verdict.clone();
        }
        let verdict = judge();
        if known.is_none() {
            let made = ByAuthEvents { auth: auth.cloned().collect(), verdict: verdict.clone() };
            // Another copy of the event's citations may have been judged meanwhile; either memory is as good.
            let _ = self.by_rules().verdict.set(made);
        }
        verdict
    }
}
