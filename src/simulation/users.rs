//! What the users of a scenario do, put into events of their servers.

use ruma_common::{OwnedUserId, UserId};
use ruma_events::StateEventType;
use serde_json::{Value, json};

use super::{
    player::{Player, word},
    script::record_expectation,
};
use crate::{
    homeserver::Homeserver,
    journal::What,
    matrix::draft::Draft,
    ports::panic::catch,
    scenario::{Action, Pages, UserRef},
};

/// The user who does something, if it is one.
pub(super) fn author(action: &Action) -> Option<&UserRef> {
    match action {
        Action::Message(what) => Some(&what.by),
        Action::State(what) => Some(&what.by),
        Action::Topic(what) => Some(&what.by),
        Action::PowerLevels(what) => Some(&what.by),
        Action::JoinRuleChange(what) => Some(&what.by),
        Action::HistoryVisibilityChange(what) => Some(&what.by),
        Action::ServerAcl(what) => Some(&what.by),
        Action::Profile(what) => Some(&what.by),
        Action::Redact(what) => Some(&what.by),
        Action::Join(what) => Some(&what.by),
        Action::Invite(what) => Some(&what.by),
        Action::Leave(what) => Some(&what.by),
        Action::Kick(what) => Some(&what.by),
        Action::Ban(what) => Some(&what.by),
        Action::Unban(what) => Some(&what.by),
        Action::Craft(what) => Some(&what.by),
        _ => None,
    }
}

impl Player<'_> {
    pub(super) fn user(&self, user: &UserRef) -> OwnedUserId {
        UserId::parse(self.scenario.user_id(user)).expect("checked with the scenario")
    }

    pub(super) fn host_of(&self, user: &UserRef) -> String {
        self.scenario.server_of(user).expect("checked with the scenario").to_owned()
    }

    /// Plays a step that a user does.
    pub(super) fn act_as_user(&mut self, step: usize, time: u32, action: &Action) {
        let result = match catch(|| self.try_as_user(step, time, action)) {
            Ok(result) => result,
            Err(panic) => {
                let server = self.actor(action).and_then(|host| self.running(&host));
                server.expect("only a running server panics").go_down(panic);
                return;
            }
        };
        if let Err(reason) = result {
            let scripted =
                matches!(action, Action::Craft(_) | Action::Push(_) | Action::Ask(_) | Action::Answer(_));
            if scripted && !self.scenario.lenient {
                record_expectation(&self.recorder, None, step, Err(reason));
                return;
            }
            let host = match action {
                Action::PageBack(page) => Some(page.server.clone()),
                Action::Push(push) => Some(push.from.clone()),
                Action::Ask(ask) => Some(ask.from.clone()),
                Action::Answer(answer) => Some(answer.server.clone()),
                _ => author(action).map(|user| self.host_of(user)),
            };
            let failed = What::UserFailed { action: action.key().to_owned(), user: None, reason };
            self.recorder.record(host.as_deref(), failed);
        }
    }

    fn try_as_user(&mut self, step: usize, time: u32, action: &Action) -> Result<(), String> {
        match action {
            Action::Craft(craft) => {
                let label = self.scenario.timeline[step].label.clone();
                return self.craft(label.as_deref(), craft);
            }
            Action::Push(push) => return self.push(step, push),
            Action::Ask(ask) => return self.ask(step, ask),
            Action::Answer(answer) => return self.tell_answer(answer),
            _ => {}
        }
        let host = match action {
            Action::PageBack(page) => page.server.clone(),
            _ => self.host_of(author(action).expect("all other steps are of users")),
        };
        let server = self.running(&host).ok_or("the server is down")?;
        let room = self.room.clone().expect("set-up made the room");
        match action {
            Action::PageBack(page) => {
                let pages = match page.pages {
                    Pages::Count(pages) => Some(pages),
                    Pages::All => None,
                };
                server.page_back(room, page.limit as usize, pages);
                return Ok(());
            }
            Action::Join(join) => {
                let via = self.scenario.matrix_name(&join.via);
                let via = ruma_common::ServerName::parse(via).expect("checked with the scenario");
                server.join(&room, &self.user(&join.by), &via);
                return Ok(());
            }
            Action::Invite(invite) => {
                server.invite(&room, &self.user(&invite.by), &self.user(&invite.user));
                return Ok(());
            }
            _ => {}
        }
        let draft = self.draft(&server, step, time, action)?;
        let pdu = server.send(&room, draft)?;
        if let Some(label) = &self.scenario.timeline[step].label {
            self.label(&label.clone(), pdu.event_id().clone());
        }
        Ok(())
    }

    fn draft(&self, server: &Homeserver, step: usize, time: u32, action: &Action) -> Result<Draft, String> {
        let sender = self.user(author(action).expect("only users' steps make events"));
        let sender = sender.as_str();
        let member = |user: &UserRef, membership: &str| {
            let user = self.user(user);
            Draft::member(user.as_str(), sender, json!({ "membership": membership }))
        };
        Ok(match action {
            Action::Message(message) => {
                let number = time + 1;
                let text = message.text.clone().unwrap_or_else(|| format!("step {step}, message {number}"));
                Draft::message_like("m.room.message", sender, json!({ "msgtype": "m.text", "body": text }))
            }
            Action::State(state) => Draft {
                state_key: Some(state.state_key.clone()),
                ..Draft::state(&state.event_type, sender, Value::Object(state.content.clone()))
            },
            Action::Topic(topic) => Draft::state("m.room.topic", sender, json!({ "topic": topic.text })),
            Action::PowerLevels(levels) => {
                let mut content = self.current_content(server, &StateEventType::RoomPowerLevels);
                for (user, level) in &levels.users {
                    content["users"][self.user(user).as_str()] = (*level).into();
                }
                for (key, value) in &levels.content {
                    content[key] = value.clone();
                }
                Draft::state("m.room.power_levels", sender, content)
            }
            Action::JoinRuleChange(change) => {
                let mut content = json!({ "join_rule": word(&change.rule) });
                if let Some(allow) = &change.allow {
                    content["allow"] = json!(allow);
                }
                Draft::state("m.room.join_rules", sender, content)
            }
            Action::HistoryVisibilityChange(change) => Draft::state(
                "m.room.history_visibility",
                sender,
                json!({ "history_visibility": word(&change.to) }),
            ),
            Action::ServerAcl(acl) => Draft::state(
                "m.room.server_acl",
                sender,
                json!({
                    "allow": acl.allow, "deny": acl.deny, "allow_ip_literals": acl.allow_ip_literals
                }),
            ),
            Action::Profile(profile) => {
                let content = json!({ "membership": "join", "displayname": profile.displayname });
                Draft::member(sender, sender, content)
            }
            Action::Redact(redact) => {
                let target = self.ids_of(&self.host_of(&redact.by), &redact.event)?;
                Draft {
                    redacts: target.into_iter().next(),
                    ..Draft::message_like("m.room.redaction", sender, json!({}))
                }
            }
            Action::Leave(leave) => member(&leave.by, "leave"),
            Action::Kick(kick) => member(&kick.user, "leave"),
            Action::Ban(ban) => member(&ban.user, "ban"),
            Action::Unban(unban) => member(&unban.user, "leave"),
            other => unreachable!("`{}` makes no event here", other.key()),
        })
    }

    /// The content of a state event with an empty key, as the server has it now.
    fn current_content(&self, server: &Homeserver, kind: &StateEventType) -> Value {
        let durable = server.store().read();
        let room = self.room.as_ref().and_then(|room| durable.rooms.get(room));
        let event = room.and_then(|room| room.state_event(room.current_state(), kind, ""));
        event.and_then(|pdu| serde_json::from_str(pdu.content().get()).ok()).unwrap_or_else(|| json!({}))
    }
}
