//! What is there before the timeline begins: the room, made or imported, and its first members.

use ruma_common::{OwnedRoomId, UserId};

use super::{Player, word};
use crate::{
    homeserver::user::NewRoom,
    room::Room as ServerRoom,
    scenario::Room,
    simulation::{SimulationError, import::Import},
};

/// How long set-up may take, in simulated milliseconds for each member.
const SET_UP_MS_A_MEMBER: u64 = 60_000;
/// How many events a page has with which first members complete the room.
const SET_UP_PAGE: usize = 100;

impl Player<'_> {
    pub(super) fn set_up(&mut self, import: Option<&Import<'_>>) -> Result<(), SimulationError> {
        self.step_until(1)?;
        match &self.scenario.room {
            Room::Imported(_) => {
                let import = import.expect("it was read before");
                self.room = Some(import.hand_out(&self.nodes, &self.recorder));
            }
            Room::Created(created) => {
                let host = self.host_of(&created.created_by);
                let creator = self.user(&created.created_by);
                let new = NewRoom {
                    version: self.version,
                    join_rule: word(&created.join_rule),
                    history_visibility: word(&created.history_visibility),
                    power_levels: created.power_levels.clone().unwrap_or_default(),
                };
                let server = self.running(&host).expect("all servers run at the start");
                let room = server.create_room(&creator, &new).map_err(SimulationError::SetUp)?;
                self.room = Some(room.clone());
                for member in self.scenario.first_members().into_iter().skip(1) {
                    let member = self.user(&member);
                    self.first_join(&host, &creator, &room, &member)?;
                }
                // First members know the room from its creation on: nothing is missing before the timeline
                // makes one.
                for node in self.nodes.values() {
                    let server = node.running.borrow().clone();
                    let server = server.filter(|server| server.store().read().rooms.contains_key(&room));
                    if let Some(server) = server {
                        server.page_back(room.clone(), SET_UP_PAGE, None);
                    }
                }
            }
        }
        self.wait_until_idle(SET_UP_MS_A_MEMBER)
    }

    fn first_join(
        &mut self,
        host: &str,
        creator: &UserId,
        room: &OwnedRoomId,
        member: &UserId,
    ) -> Result<(), SimulationError> {
        let resident = self.running(host).expect("all servers run at the start");
        let Room::Created(created) = &self.scenario.room else { return Ok(()) };
        if word(&created.join_rule) != "public" {
            resident.invite(room, creator, member);
            self.wait_until_idle(SET_UP_MS_A_MEMBER)?;
        }
        let own_host = self.host_by_name(member.server_name());
        let server = self.running(&own_host).expect("all servers run at the start");
        server.join(room, member, resident.name());
        let (room, member) = (room.clone(), member.to_owned());
        let joined = self.step_while(SET_UP_MS_A_MEMBER, |player| {
            player.nodes.values().any(|node| {
                let durable = node.store.read();
                let joined = |room: &ServerRoom| {
                    room.membership(room.current_state(), member.as_str()) == Some("join")
                };
                member.server_name() == durable.name && !durable.rooms.get(&room).is_some_and(joined)
            })
        })?;
        if !joined {
            return Err(SimulationError::SetUp(format!("{member} could not join")));
        }
        self.wait_until_idle(SET_UP_MS_A_MEMBER)
    }
}
