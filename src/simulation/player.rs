//! The player: owns the world of one run and moves it from set-up to the end.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use ruma_common::{OwnedEventId, OwnedRoomId, OwnedServerName, ServerName};

use super::{
    Options, Simulated, SimulationError,
    agenda::{Deed, agenda},
    guest::{Guests, Seat},
    import::{Import, read_import},
    recorder::{Recorder, ServerObserver},
    script::Scripts,
};
use crate::{
    chance::Streams,
    homeserver::{
        Homeserver, Parts,
        habits::Habits,
        planted,
        store::{Durable, Store},
        user::NewRoom,
    },
    journal::{End, JOURNAL_VERSION, Journal, What},
    matrix::{crypto::SigningKey, keys::encode, memory::Memory, version::RoomVersion},
    network::{
        Boot, Fabric,
        conditions::Conditions,
        direct_fabric::DirectFabric,
        time::RunTime,
        turmoil_fabric::TurmoilFabric,
        world::{HostSpec, Rules, World},
    },
    ports::Service,
    room::Room as ServerRoom,
    scenario::{
        Action, FaultAction, Heal, HealAction, LieAction, Room, Scenario, ScriptAction, Server, Servers,
    },
};

/// How long set-up may take, in simulated milliseconds for each member.
const SET_UP_MS_A_MEMBER: u64 = 60_000;
/// How many events a page has with which first members complete the room.
const SET_UP_PAGE: usize = 100;
/// How often the player looks whether all servers are idle, in simulated milliseconds.
const IDLE_CHECK_MS: u64 = 10;

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

impl<'a> Player<'a> {
    pub(super) fn new(
        scenario: &'a Scenario,
        options: &Options,
        guests: &Guests,
    ) -> Result<Self, SimulationError> {
        let streams = Streams::new(options.seed);
        let hosts: Vec<String> = scenario.servers.keys().cloned().collect();
        let names: Vec<(String, String)> =
            hosts.iter().map(|host| (host.clone(), scenario.matrix_name(host).to_owned())).collect();
        let version = scenario.room_version;
        let time = Rc::new(RunTime::default());
        // Guests are told who asks as all the world is.
        let vouches = options.fabric == super::Fabric::Direct && guests.servers().next().is_none();
        let memory = if vouches { Memory::vouching } else { Memory::new }(options.signatures);
        let recorder = Rc::new(Recorder::new(&names, version, time.clone(), memory.reader.clone()));
        let conditions = Conditions::new(&hosts, &streams, |from, to| {
            let speed = scenario.link(from, to);
            (speed.latency.as_millis(), speed.jitter.as_millis())
        });
        let conditions = Rc::new(RefCell::new(conditions));
        let nodes: BTreeMap<String, Node> = names
            .iter()
            .map(|(host, name)| {
                let key = SigningKey::from_seed(streams.bytes(&format!("keys/{host}")), "k1");
                let name: OwnedServerName = ServerName::parse(name).expect("checked with the scenario");
                let store = Rc::new(Store::new(Durable::new(&name, key)));
                (host.clone(), Node { store, running: Rc::default() })
            })
            .collect();
        let habits = |(host, server): (&String, &Server)| {
            let mut habits = planted::habits(&server.planted);
            habits.answer_order = server.answer_order;
            if let Some(validity) = server.key_validity {
                habits.key_validity_ms = validity.as_millis();
            }
            (host.clone(), habits)
        };
        let habits = scenario.servers.iter().map(habits).collect();
        let boot = boot(&nodes, guests, &names, &memory, &recorder, streams, habits);
        let specs: Vec<HostSpec> = names
            .iter()
            .map(|(host, name)| HostSpec {
                host: host.clone(),
                matrix_name: name.clone(),
                clock_skew_ms: scenario.servers[host].clock_skew.as_millis(),
            })
            .collect();
        let running = nodes.iter().map(|(host, node)| (host.clone(), Rc::downgrade(&node.running))).collect();
        let scripts = Rc::new(Scripts::new(running, recorder.clone()));
        let rules = Rules {
            conditions: conditions.clone(),
            traffic: recorder.clone(),
            script: scripts.clone(),
            time: time.clone(),
        };
        let (fabric, world) = weave(options, &specs, rules, boot);
        Ok(Self {
            scenario,
            recorder,
            nodes,
            room: None,
            version,
            labels: BTreeMap::new(),
            scripts,
            fabric,
            world,
            time,
            conditions,
            options: *options,
            streams,
            memory,
            guests: guests.servers().map(str::to_owned).collect(),
        })
    }

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
        let agenda = agenda(self.scenario);
        for (at, deeds) in agenda {
            self.step_until(zero + at)?;
            for deed in deeds {
                self.perform(deed)?;
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

    // --- Time.

    fn now(&self) -> u64 {
        self.time.now()
    }

    /// Lets time pass, up to `until` at most.
    fn advance(&mut self, until: u64) -> Result<(), SimulationError> {
        // A fuse burns down between two moments, and the crash belongs to the next of them.
        let fuse_burns = self.nodes.values().any(|node| node.store.has_fuse());
        self.fabric.advance(if fuse_burns { self.now() + 1 } else { until })?;
        let powerless: Vec<String> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.store.has_lost_power() && node.running.borrow().is_some())
            .map(|(host, _)| host.clone())
            .collect();
        for host in powerless {
            self.crash(&host);
        }
        Ok(())
    }

    fn step_until(&mut self, time: u64) -> Result<(), SimulationError> {
        while self.now() < time {
            self.advance(time)?;
        }
        Ok(())
    }

    fn step_while(
        &mut self,
        limit_ms: u64,
        mut unfinished: impl FnMut(&Self) -> bool,
    ) -> Result<bool, SimulationError> {
        let deadline = self.now() + limit_ms;
        while self.now() < deadline {
            self.advance((self.now() + 1).next_multiple_of(IDLE_CHECK_MS))?;
            if self.now().is_multiple_of(IDLE_CHECK_MS) && !unfinished(self) {
                return Ok(true);
            }
        }
        Ok(!unfinished(self))
    }

    fn is_idle(&self) -> bool {
        self.nodes.values().all(|node| node.running.borrow().as_ref().is_none_or(|server| server.is_idle()))
    }

    /// Waits until nothing is under way for as long as a message may take, there and back.
    fn wait_until_idle(&mut self, limit_ms: u64) -> Result<(), SimulationError> {
        let quiet_ms = 2 * self.conditions.borrow().longest_latency() + IDLE_CHECK_MS;
        let quiet_since = Cell::new(None);
        self.step_while(limit_ms, |player| {
            let now = player.now();
            if !player.is_idle() {
                quiet_since.set(None);
                return true;
            }
            let since = quiet_since.get().unwrap_or(now);
            quiet_since.set(Some(since));
            now - since < quiet_ms
        })?;
        Ok(())
    }

    // --- Set-up.

    fn set_up(&mut self, import: Option<&Import<'_>>) -> Result<(), SimulationError> {
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
                // First members know the room from its creation on: no hole is there before the timeline makes one.
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
        creator: &ruma_common::UserId,
        room: &OwnedRoomId,
        member: &ruma_common::UserId,
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

    // --- The timeline.

    fn perform(&mut self, deed: Deed) -> Result<(), SimulationError> {
        match deed {
            Deed::Play { step, time } => {
                let what = &self.scenario.timeline[step];
                self.recorder.record(
                    self.scenario.server_acting(&what.action),
                    What::Step { step, action: what.action.key().to_owned(), detail: what.clone().into() },
                );
                let played = self.act(step, time);
                self.recorder.step_is_over();
                played
            }
            Deed::End { step } => {
                let action = &self.scenario.timeline[step].action;
                let key = action.key().to_owned();
                self.end_fault(step);
                self.recorder.record(None, What::StepEnds { step, action: key });
                Ok(())
            }
        }
    }

    fn act(&mut self, step: usize, time: u32) -> Result<(), SimulationError> {
        let scenario = self.scenario;
        match &scenario.timeline[step].action {
            Action::Fault(fault) => self.begin_fault(step, fault),
            Action::Heal(HealAction::Heal(Heal { between: None })) => self.heal_links(),
            Action::Heal(HealAction::Heal(Heal { between: Some([one, other]) })) => {
                self.heal(one, other);
                self.heal(other, one);
            }
            Action::Heal(HealAction::Restart(restart)) => self.restart(&restart.server)?,
            Action::Lie(LieAction::Lies(lies)) => self.scripts.liars.begin(step, lies, self.streams),
            Action::Lie(LieAction::Answer(answer)) => {
                self.play_script(step, |player| player.tell_answer(answer));
            }
            Action::Script(script) => self.play_script(step, |player| match script {
                ScriptAction::Craft(craft) => player.craft(step, craft),
                ScriptAction::Push(push) => player.push(step, push),
                ScriptAction::Ask(ask) => player.ask(step, ask),
            }),
            Action::Send(send) => self.play_user(step, |player| player.send(step, time, send)),
            Action::User(user) => self.play_user(step, |player| player.serve(step, user)),
        }
        Ok(())
    }

    // --- Faults.

    fn begin_fault(&mut self, step: usize, fault: &FaultAction) {
        match fault {
            FaultAction::Partition(fault) => self.partition(step, &fault.groups),
            FaultAction::Cut(fault) => {
                self.each_pair(&fault.from, &fault.to, |player, from, to| player.cut(step, from, to));
            }
            FaultAction::Silence(fault) => {
                self.each_pair(&fault.from, &fault.to, |player, from, to| {
                    player.silence(step, from, to);
                    if fault.both {
                        player.silence(step, to, from);
                    }
                });
            }
            FaultAction::Latency(fault) => {
                let speed = (fault.latency.as_millis(), fault.jitter.as_millis());
                self.each_pair(&fault.from, &fault.to, |player, from, to| {
                    player.conditions.borrow_mut().set_latency(from, to, step, speed);
                });
            }
            FaultAction::Disturb(disturb) => self.scripts.disturbances.begin(step, disturb, self.streams),
            FaultAction::Crash(crash) => match crash.after_writes {
                None | Some(0) => self.crash(&crash.server),
                Some(writes) => self.nodes[&crash.server].store.set_fuse(writes),
            },
            FaultAction::RotateKey(rotate) => self.rotate_key(&rotate.server),
            FaultAction::Clock(clock) => self.world.jump_clock(&clock.server, clock.jump.as_millis()),
        }
    }

    /// Whoever plays faults knows them by their step, and ends that one if it is theirs.
    fn end_fault(&mut self, step: usize) {
        let open = self.conditions.borrow_mut().end(step);
        for (from, to) in open {
            self.fabric.heal(&from, &to);
        }
        self.scripts.disturbances.end(step);
        self.scripts.liars.end(step);
    }

    fn each_pair(&mut self, from: &Servers, to: &Servers, mut act: impl FnMut(&mut Self, &str, &str)) {
        for from in from.iter() {
            for to in to.iter() {
                act(self, from, to);
            }
        }
    }

    /// The directions between servers of different groups; servers that no group names are one more group.
    fn across(&self, groups: &[Vec<String>]) -> Vec<(String, String)> {
        let group = |host: &String| groups.iter().position(|group| group.contains(host));
        let hosts: Vec<&String> = self.nodes.keys().collect();
        let pairs = hosts.iter().flat_map(|from| hosts.iter().map(move |to| (*from, *to)));
        pairs
            .filter(|(from, to)| from != to && group(from) != group(to))
            .map(|(from, to)| (from.clone(), to.clone()))
            .collect()
    }

    fn partition(&mut self, step: usize, groups: &[Vec<String>]) {
        for (from, to) in self.across(groups) {
            self.cut(step, &from, &to);
        }
    }

    fn cut(&mut self, step: usize, from: &str, to: &str) {
        self.conditions.borrow_mut().cut(from, to, step, self.now());
        self.fabric.cut(from, to);
    }

    fn silence(&mut self, step: usize, from: &str, to: &str) {
        self.conditions.borrow_mut().silence(from, to, step, self.now());
    }

    fn heal(&mut self, from: &str, to: &str) {
        self.conditions.borrow_mut().heal(from, to);
        self.fabric.heal(from, to);
    }

    fn heal_links(&mut self) {
        let broken = self.conditions.borrow().broken();
        for (from, to) in broken {
            self.heal(&from, &to);
        }
    }

    fn heal_all(&mut self) -> Result<(), SimulationError> {
        self.heal_links();
        self.scripts.disturbances.end_all();
        let down = self.conditions.borrow().hosts_down();
        for host in down {
            self.restart(&host)?;
        }
        self.recorder.record(None, What::Healed);
        Ok(())
    }

    fn crash(&mut self, host: &str) {
        if self.conditions.borrow().is_down(host) {
            return;
        }
        self.conditions.borrow_mut().take_down(host, self.now());
        self.fabric.crash(host);
        let node = &self.nodes[host];
        node.running.borrow_mut().take();
        node.store.recover();
        self.recorder.record(Some(host), What::Crashed);
    }

    fn restart(&mut self, host: &str) -> Result<(), SimulationError> {
        if !self.conditions.borrow().is_down(host) {
            // A fuse that has not burnt down yet: the crash that the scenario wants comes now at the latest.
            self.crash(host);
        }
        self.conditions.borrow_mut().bring_up(host);
        self.fabric.restart(host);
        Ok(())
    }

    fn rotate_key(&self, host: &str) {
        let store = &self.nodes[host].store;
        let number = store.read().retired_keys.len() + 2;
        let key = SigningKey::from_seed(
            self.streams.bytes(&format!("keys/{host}/{number}")),
            &format!("k{number}"),
        );
        let (key_id, public) = (key.id().to_string(), encode(&key.public()));
        let old_key_id = Some(store.read().signing_key.id().to_string());
        let now = self.world.clock_of(host);
        let expired_ts = Some(store.write(|durable| durable.rotate_key(key, now)));
        let rotated = What::KeyRotated { key_id, key: public, old_key_id, expired_ts };
        self.recorder.record(Some(host), rotated);
    }

    // --- The end.

    fn settle(&mut self) -> Result<(), SimulationError> {
        self.wait_until_idle(self.scenario.settle.as_millis())
    }

    fn record_ends(&self) {
        let links = self.out_of_reach();
        if !links.is_empty() {
            self.recorder.record(None, What::Unhealed { links });
        }
        for (host, node) in &self.nodes {
            let idle = node.running.borrow().as_ref().is_none_or(|server| server.is_idle());
            let durable = node.store.read();
            let room = self.room.as_ref().and_then(|id| durable.rooms.get(id));
            let end = room.map(|room| end(room, &durable.name, idle)).unwrap_or_default();
            self.recorder.record(Some(host), What::End(end));
        }
    }

    /// From whom to whom no request gets through as things are.
    fn out_of_reach(&self) -> Vec<(String, String)> {
        let conditions = self.conditions.borrow();
        let mut links = conditions.broken();
        for down in conditions.hosts_down() {
            let others = self.nodes.keys().filter(|host| **host != down);
            links.extend(others.map(|host| (host.clone(), down.clone())));
        }
        links.sort();
        links.dedup();
        links
    }

    pub(super) fn running(&self, host: &str) -> Option<Rc<Homeserver>> {
        self.nodes.get(host)?.running.borrow().clone()
    }

    pub(super) fn host_by_name(&self, name: &ServerName) -> String {
        let host = self.scenario.servers.keys().find(|host| self.scenario.matrix_name(host) == name);
        host.expect("users are of servers of the scenario").clone()
    }
}

/// The fabric that the options name.
fn weave(options: &Options, hosts: &[HostSpec], rules: Rules, boot: Boot) -> (Box<dyn Fabric>, Rc<World>) {
    match options.fabric {
        super::Fabric::Turmoil => {
            let (fabric, world) = TurmoilFabric::new(hosts, rules, boot, options.tick);
            (Box::new(fabric), world)
        }
        super::Fabric::Direct => {
            let (fabric, world) = DirectFabric::new(hosts, rules, boot);
            (Box::new(fabric), world)
        }
    }
}

fn boot(
    nodes: &BTreeMap<String, Node>,
    guests: &Guests,
    names: &[(String, String)],
    memory: &Memory,
    recorder: &Rc<Recorder>,
    streams: Streams,
    habits: BTreeMap<String, Habits>,
) -> Boot {
    type Slot = Rc<RefCell<Option<Rc<Homeserver>>>>;
    let slots: BTreeMap<String, (Rc<Store>, Slot)> =
        nodes.iter().map(|(host, node)| (host.clone(), (node.store.clone(), node.running.clone()))).collect();
    let names: BTreeMap<String, String> = names.iter().cloned().collect();
    let (memory, recorder) = (memory.clone(), recorder.clone());
    let (guests, lives) = (guests.clone(), RefCell::new(BTreeMap::<String, u32>::new()));
    Rc::new(move |host, network, clock| {
        let name = ServerName::parse(names[host].as_str()).expect("checked with the scenario");
        let key = slots[host].0.read().signing_key.clone();
        let seat =
            |tasks| Seat { name: name.clone(), key, network: network.clone(), clock: clock.clone(), tasks };
        if let Some(guest) = guests.start(host, seat) {
            return guest;
        }
        let life = {
            let mut lives = lives.borrow_mut();
            let life = lives.entry(host.to_owned()).or_default();
            *life += 1;
            *life
        };
        let (store, slot) = &slots[host];
        let parts = Parts {
            name,
            store: store.clone(),
            crypto: memory.crypto.clone(),
            reader: memory.reader.clone(),
            network,
            clock,
            observer: Rc::new(ServerObserver { host: host.to_owned(), recorder: recorder.clone() }),
            random: streams.stream(&format!("server {host}, life {life}")),
            habits: habits[host].clone(),
        };
        let (server, runner) = Homeserver::start(parts);
        *slot.borrow_mut() = Some(server.clone());
        let service: Rc<dyn Service> = server;
        (service, runner)
    })
}

/// The snake-case word of a choice in the scenario.
pub(super) fn word(choice: &impl serde::Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(serde_json::Value::String(word)) => word,
        _ => unreachable!("the choices are words"),
    }
}

fn end(room: &ServerRoom, own_name: &ServerName, idle: bool) -> End {
    let graph = room.graph();
    let mut events: Vec<_> = graph
        .iter()
        .filter(|idx| room.event_at(*idx).is_some())
        .map(|idx| (graph.id(idx).to_owned(), graph.standing(idx)))
        .collect();
    events.sort();
    let mut missing: Vec<OwnedEventId> = room.missing_events().map(|(id, _)| id.clone()).collect();
    missing.extend(room.backward_extremities());
    missing.sort();
    missing.dedup();
    End {
        joined: room.is_joined(own_name),
        events,
        waiting: room.waiting().map(|pdu| pdu.event_id().clone()).collect(),
        missing,
        forward_extremities: room.forward_extremities(),
        backward_extremities: room.backward_extremities(),
        state: room
            .list_state(room.current_state())
            .into_iter()
            .map(|(kind, key, id)| (kind.to_string(), key.to_owned(), id.to_owned()))
            .collect(),
        idle,
    }
}

#[cfg(test)]
mod tests;
