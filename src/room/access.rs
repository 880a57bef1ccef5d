//! Who may see and do what: history visibility for servers, server ACLs, power to redact, what allows a new
//! event.

use std::borrow::Cow;

use ruma_common::{CanonicalJsonObject, CanonicalJsonValue, OwnedEventId, ServerName, UserId};
use ruma_events::{StateEventType, room::server_acl::RoomServerAclEventContent};
use ruma_state_res::{auth_types_for_event, events::RoomCreateEvent};
use serde_json::value::RawValue;

use super::{
    Room,
    graph::{EventIdx, Standing},
    state::StateMap,
};
use crate::matrix::pdu::{JudgedPdu, Pdu};

impl Room {
    /// Whether `server` may see an event unredacted: by the history visibility and memberships of the state
    /// after it. An event without state counts as `shared`, which every server in the room may see.
    ///
    /// The specification has this for users only; for servers it follows what Synapse does.
    pub fn may_see(&self, idx: EventIdx, server: &ServerName) -> bool {
        if self.graph.standing(idx) == Standing::Outlier {
            return true;
        }
        let Some(state) = self.state_after(idx) else { return true };
        let visibility = self
            .state_event(&state, &StateEventType::RoomHistoryVisibility, "")
            .and_then(|pdu| pdu.content_str("history_visibility"));
        let has = |membership| self.members(&state, membership).any(|user| user.server_name() == server);
        match visibility.as_deref() {
            Some("joined") => has("join"),
            Some("invited") => has("join") || has("invite"),
            _ => true,
        }
    }

    /// The event as `server` may have it: whole, or redacted so that the graph stays walkable.
    pub fn json_for(&self, idx: EventIdx, server: &ServerName) -> Option<Cow<'_, RawValue>> {
        if !self.may_see(idx, server) {
            return Some(Cow::Owned(self.held(idx)?.pdu.redacted_json()));
        }
        self.json_of_state(idx)
    }

    /// The event as a part of the current state, which all who are in the room may have, whoever was in it
    /// when the event was made: whole, unless it was redacted.
    pub fn json_of_state(&self, idx: EventIdx) -> Option<Cow<'_, RawValue>> {
        let held = self.held(idx)?;
        Some(match (self.habits.is_redacted)(self, self.graph.id(idx)) {
            true => Cow::Owned(held.pdu.redacted_json()),
            false => Cow::Borrowed(held.pdu.json()),
        })
    }

    /// Whether the room's server ACL lets a server in (SS-API, "Server Access Control Lists").
    pub fn acl_allows(&self, server: &ServerName) -> bool {
        let acl = self.state_event(&self.current, &StateEventType::RoomServerAcl, "");
        let Some(acl) = acl else { return true };
        // Of an ACL from before its time a server may be given the outline alone, which lists nobody: whoever
        // obeyed that would shut out everyone for good. One that was redacted does (the reason for MSC2870).
        if acl.is_redacted() && self.redacted_by(acl.event_id()).is_none() {
            return true;
        }
        match serde_json::from_str::<RoomServerAclEventContent>(acl.content().get()) {
            Ok(content) => content.is_allowed(server),
            // Without a list of whom to allow, nobody is.
            Err(_) => false,
        }
    }

    /// Whether a server has a joined user in the current state.
    pub fn is_joined(&self, server: &ServerName) -> bool {
        self.members(&self.current, "join").any(|user| user.server_name() == server)
    }

    /// The events of a state that a new event must cite (SS-API, "Auth events selection").
    pub fn auth_events_of(
        &self,
        state: &StateMap,
        kind: &str,
        sender: &UserId,
        state_key: Option<&str>,
        content: &RawValue,
    ) -> Vec<OwnedEventId> {
        let rules = &self.version.rules().authorization;
        let types = auth_types_for_event(&kind.into(), sender, state_key, content, rules).unwrap_or_default();
        types
            .iter()
            .filter_map(|(kind, key)| self.state_event(state, kind, key))
            .map(|pdu| pdu.event_id().clone())
            .collect()
    }

    /// Whether the rules let a new event be sent on top of the current state.
    ///
    /// # Errors
    ///
    /// The rule that it breaks.
    pub fn may_send(&self, event: &Pdu) -> Result<(), String> {
        let find = |kind: &StateEventType, key: &str| {
            self.state_event(&self.current, kind, key)
                .map(|pdu| JudgedPdu::good(pdu))
                .or_else(|| self.default_for(kind))
        };
        self.check_rules(event, find)
    }

    /// Whether a redaction may take effect: by the power of its sender, or since both come from one server
    /// (rooms v3, "Handling redactions").
    pub fn may_redact(&self, redaction: &Pdu, target: &Pdu) -> bool {
        if redaction.sender().server_name() == target.sender().server_name() {
            return true;
        }
        let Some(state) = self.state_before(redaction.event_id()) else { return false };
        self.power(state, redaction.sender()) >= self.power_to_redact(state)
    }

    /// The power level of a user in a state; creators of room version 12 stand above all numbers.
    pub fn power(&self, state: &StateMap, user: &UserId) -> i64 {
        let rules = &self.version.rules().authorization;
        let creators = self
            .state_event(state, &StateEventType::RoomCreate, "")
            .and_then(|pdu| RoomCreateEvent::new(JudgedPdu::good(pdu)).creators(rules).ok())
            .unwrap_or_default();
        let is_creator = creators.contains(user);
        if is_creator && rules.explicitly_privilege_room_creators {
            return i64::MAX;
        }
        let Some(levels) = self.power_levels(state) else { return if is_creator { 100 } else { 0 } };
        let own = levels.get("users").and_then(|users| level(users.as_object()?.get(user.as_str())?));
        own.or_else(|| level(levels.get("users_default")?)).unwrap_or(0)
    }

    fn power_to_redact(&self, state: &StateMap) -> i64 {
        self.power_levels(state).and_then(|levels| level(levels.get("redact")?)).unwrap_or(50)
    }

    /// The power that it takes to invite in a state.
    pub fn power_to_invite(&self, state: &StateMap) -> i64 {
        self.power_levels(state).and_then(|levels| level(levels.get("invite")?)).unwrap_or(0)
    }

    fn power_levels(&self, state: &StateMap) -> Option<CanonicalJsonObject> {
        let event = self.state_event(state, &StateEventType::RoomPowerLevels, "")?;
        serde_json::from_str(event.content().get()).ok()
    }
}

/// A power level: an integer, or before room version 10 a string that holds one.
fn level(value: &CanonicalJsonValue) -> Option<i64> {
    match value {
        CanonicalJsonValue::Integer(level) => Some((*level).into()),
        CanonicalJsonValue::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}
