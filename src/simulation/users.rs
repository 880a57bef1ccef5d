//! What the users of a scenario do, put into events of their servers.

use std::rc::Rc;

use ruma_common::{OwnedRoomId, OwnedUserId, ServerName, UserId};
use ruma_events::StateEventType;
use serde_json::{Value, json};

use super::player::{Player, word};
use crate::{
    homeserver::Homeserver,
    journal::What,
    matrix::draft::Draft,
    ports::panic::catch,
    scenario::{Pages, PowerLevels, Profile, SendAction, ServerAcl, UserAction, UserRef},
};

impl Player<'_> {
    pub(super) fn user(&self, user: &UserRef) -> OwnedUserId {
        UserId::parse(self.scenario.user_id(user)).expect("checked with the scenario")
    }

    pub(super) fn host_of(&self, user: &UserRef) -> String {
        self.scenario.server_of(user).expect("checked with the scenario").to_owned()
    }

    /// Does for users what their server may refuse.
    pub(super) fn play_user(&mut self, step: usize, act: impl FnOnce(&mut Self) -> Result<(), String>) {
        if let Err(reason) = self.attempt(step, act) {
            self.record_refusal(step, reason);
        }
    }

    /// Does what may not be possible, with the reason, and what the software of the step's server may not
    /// survive.
    pub(super) fn attempt(
        &mut self,
        step: usize,
        act: impl FnOnce(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        catch(|| act(self)).unwrap_or_else(|panic| {
            let server = self.server_of_step(step);
            server.expect("only a running server panics").go_down(panic);
            Ok(())
        })
    }

    /// Writes down that what a step wants can't be done.
    pub(super) fn record_refusal(&self, step: usize, reason: String) {
        let action = &self.scenario.timeline[step].action;
        let failed = What::UserFailed { action: action.key().to_owned(), user: None, reason };
        self.recorder.record(self.scenario.server_acting(action), failed);
    }

    /// The server on which a step happens, if it runs.
    fn server_of_step(&self, step: usize) -> Result<Rc<Homeserver>, String> {
        let host = self.scenario.server_acting(&self.scenario.timeline[step].action);
        host.and_then(|host| self.running(host)).ok_or_else(|| "the server is down".to_owned())
    }

    fn room(&self) -> OwnedRoomId {
        self.room.clone().expect("set-up made the room")
    }

    /// Has a server do what it needs others for.
    pub(super) fn serve(&self, step: usize, action: &UserAction) -> Result<(), String> {
        let (server, room) = (self.server_of_step(step)?, self.room());
        match action {
            UserAction::Join(join) => {
                let via = self.scenario.matrix_name(&join.via);
                let via = ServerName::parse(via).expect("checked with the scenario");
                server.join(&room, &self.user(&join.by), &via);
            }
            UserAction::Invite(invite) => {
                server.invite(&room, &self.user(&invite.by), &self.user(&invite.user));
            }
            UserAction::PageBack(page) => {
                let pages = match page.pages {
                    Pages::Count(pages) => Some(pages),
                    Pages::All => None,
                };
                // A real server answers 403 as long as the join is not through (CS-API /messages).
                if !server.store().read().rooms.contains_key(&room) {
                    return Err("not in the room (yet)".to_owned());
                }
                server.page_back(room, page.limit as usize, pages);
            }
        }
        Ok(())
    }

    /// Sends an event for the n-th time.
    pub(super) fn send(&mut self, step: usize, time: u32, action: &SendAction) -> Result<(), String> {
        let (server, room) = (self.server_of_step(step)?, self.room());
        let draft = self.draft(&server, step, time, action)?;
        let pdu = server.send(&room, draft)?;
        if let Some(label) = &self.scenario.timeline[step].label {
            self.label(label, pdu.event_id().clone());
        }
        Ok(())
    }

    fn draft(
        &self,
        server: &Homeserver,
        step: usize,
        time: u32,
        action: &SendAction,
    ) -> Result<Draft, String> {
        let state =
            |by: &UserRef, kind: &str, content: Value| Draft::state(kind, self.user(by).as_str(), content);
        let member = |by: &UserRef, user: &UserRef, content: Value| {
            Draft::member(self.user(user).as_str(), self.user(by).as_str(), content)
        };
        let membership = |word: &str| json!({ "membership": word });
        Ok(match action {
            SendAction::Message(message) => {
                let number = time + 1;
                let text = message.text.clone().unwrap_or_else(|| format!("step {step}, message {number}"));
                let content = json!({ "msgtype": "m.text", "body": text });
                Draft::message_like("m.room.message", self.user(&message.by).as_str(), content)
            }
            SendAction::State(what) => Draft {
                state_key: Some(what.state_key.clone()),
                ..state(&what.by, &what.event_type, Value::Object(what.content.clone()))
            },
            SendAction::Topic(topic) => state(&topic.by, "m.room.topic", json!({ "topic": topic.text })),
            SendAction::PowerLevels(levels) => {
                state(&levels.by, "m.room.power_levels", self.power_levels(server, levels))
            }
            SendAction::JoinRuleChange(change) => {
                let mut content = json!({ "join_rule": word(&change.rule) });
                if let Some(allow) = &change.allow {
                    content["allow"] = json!(allow);
                }
                state(&change.by, "m.room.join_rules", content)
            }
            SendAction::HistoryVisibilityChange(change) => {
                let content = json!({ "history_visibility": word(&change.to) });
                state(&change.by, "m.room.history_visibility", content)
            }
            SendAction::ServerAcl(ServerAcl { by, allow, deny, allow_ip_literals }) => {
                let content = json!({ "allow": allow, "deny": deny, "allow_ip_literals": allow_ip_literals });
                state(by, "m.room.server_acl", content)
            }
            SendAction::Profile(Profile { by, displayname }) => {
                member(by, by, json!({ "membership": "join", "displayname": displayname }))
            }
            SendAction::Redact(redact) => {
                let target = self.ids_of(&self.host_of(&redact.by), &redact.event)?;
                Draft {
                    redacts: target.into_iter().next(),
                    ..Draft::message_like("m.room.redaction", self.user(&redact.by).as_str(), json!({}))
                }
            }
            SendAction::Leave(leave) => member(&leave.by, &leave.by, membership("leave")),
            SendAction::Kick(kick) => member(&kick.by, &kick.user, membership("leave")),
            SendAction::Ban(ban) => member(&ban.by, &ban.user, membership("ban")),
            SendAction::Unban(unban) => member(&unban.by, &unban.user, membership("leave")),
        })
    }

    /// The power levels as the server has them, with what changes.
    fn power_levels(&self, server: &Homeserver, levels: &PowerLevels) -> Value {
        let mut content = self.current_content(server, &StateEventType::RoomPowerLevels);
        for (user, level) in &levels.users {
            content["users"][self.user(user).as_str()] = (*level).into();
        }
        for (key, value) in &levels.content {
            content[key] = value.clone();
        }
        content
    }

    /// The content of a state event with an empty key, as the server has it now.
    fn current_content(&self, server: &Homeserver, kind: &StateEventType) -> Value {
        let durable = server.store().read();
        let room = self.room.as_ref().and_then(|room| durable.rooms.get(room));
        let event = room.and_then(|room| room.state_event(room.current_state(), kind, ""));
        event.and_then(|pdu| serde_json::from_str(pdu.content().get()).ok()).unwrap_or_else(|| json!({}))
    }
}
