//! The player: owns the world of one run and moves it from set-up to the end.

mod build;
mod ends;
mod faults;
mod set_up;
#[cfg(test)]
mod tests;
mod time;
mod timeline;

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use ruma_common::{OwnedEventId, OwnedRoomId, ServerName};

use super::{
    Options, Simulated, SimulationError,
    import::{Import, read_import},
    recorder::Recorder,
    schedule::schedule,
    script::Scripts,
};
use crate::{
    chance::Streams,
    homeserver::{Homeserver, store::Store},
    journal::{JOURNAL_VERSION, Journal, What},
    matrix::{keys::encode, memory::Memory, version::RoomVersion},
    network::{Fabric, conditions::Conditions, time::RunTime, world::World},
    scenario::{Room, Scenario},
};

/// One server of the run: its store outlives its crashes.
pub(super) struct Node {
    pub(super) store: Rc<Store>,
    /// The running server; nothing while it is down.
    pub(super) running: Rc<RefCell<Option<Rc<Homeserver>>>>,
}

pub(super) struct Player<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) recorder: Rc<Recorder>,
    pub(super) nodes: BTreeMap<String, Node>,
    pub(super) room: Option<OwnedRoomId>,
    pub(super) version: RoomVersion,
    /// Events that steps have given a name.
    pub(super) labels: BTreeMap<String, OwnedEventId>,
    pub(super) scripts: Rc<Scripts>,
    fabric: Box<dyn Fabric>,
    world: Rc<World>,
    time: Rc<RunTime>,
    conditions: Rc<RefCell<Conditions>>,
    options: Options,
    streams: Streams,
    pub(super) memory: Memory,
    /// The servers that are not Backfire's own.
    guests: Vec<String>,
}

impl Player<'_> {
    pub(super) fn play(mut self) -> Result<Simulated, SimulationError> {
        let scenario = self.scenario;
        let import = match &scenario.room {
            Room::Imported(imported) => {
                Some(read_import(scenario, imported).map_err(SimulationError::Import)?)
            }
            Room::Created(_) => None,
        };
        if let Some(import) = &import {
            self.version = import.version();
            self.recorder.set_version(self.version);
        }
        self.record_run(import.as_ref());
        self.set_up(import.as_ref())?;
        *self.scripts.room.borrow_mut() = self.room.clone();
        let zero = self.now().next_multiple_of(1_000);
        for (at, due) in schedule(self.scenario) {
            self.step_until(zero + at)?;
            for due in due {
                self.perform(due)?;
            }
        }
        if self.scenario.heal_at_end {
            self.heal_all()?;
        }
        self.settle()?;
        self.record_ends();
        let simulated_ms = self.now();
        let journal = Journal { records: self.recorder.finish(zero) };
        Ok(Simulated { journal, simulated_ms, memory: self.memory })
    }

    fn record_run(&self, import: Option<&Import<'_>>) {
        let servers = self.scenario.servers.keys();
        let definition = serde_json::from_str(&self.scenario.to_json()).expect("scenarios are JSON");
        self.recorder.record(
            None,
            What::Run {
                version: JOURNAL_VERSION,
                scenario: self.scenario.name().to_owned(),
                seed: self.options.seed,
                fabric: self.options.fabric.name().to_owned(),
                servers: servers
                    .map(|host| (host.clone(), self.scenario.matrix_name(host).to_owned()))
                    .collect(),
                room_version: self.version.number(),
                keys: self.public_keys(import),
                guests: self.guests.clone(),
                definition,
            },
        );
    }

    /// The keys that events are signed with: those of the servers, and of those whose room is imported.
    fn public_keys(&self, import: Option<&Import<'_>>) -> Vec<(String, String, String)> {
        let imported = import.into_iter().flat_map(|import| import.keys.iter());
        let imported =
            imported.map(|(server, id, key)| (server.to_string(), id.to_owned(), encode(&key.bytes)));
        let key = |node: &Node| {
            let durable = node.store.read();
            let public = encode(&durable.signing_key.public());
            (durable.name.to_string(), durable.signing_key.id().to_string(), public)
        };
        self.nodes.values().map(key).chain(imported).collect()
    }

    pub(super) fn running(&self, host: &str) -> Option<Rc<Homeserver>> {
        self.nodes.get(host)?.running.borrow().clone()
    }

    pub(super) fn host_by_name(&self, name: &ServerName) -> String {
        let host = self.scenario.servers.keys().find(|host| self.scenario.matrix_name(host) == name);
        host.expect("users are of servers of the scenario").clone()
    }
}

/// The snake-case word of a choice in the scenario.
pub(super) fn word(choice: &impl serde::Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(word)) => word,
        _ => unreachable!("the choices are words"),
    }
}
