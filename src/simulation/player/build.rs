//! The world of a run, put together: hosts, fabric, recorder, scripts, and what boots on each host.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc};

use ruma_common::{OwnedServerName, ServerName};

use super::{Node, Player};
use crate::{
    chance::Streams,
    homeserver::{
        Homeserver, Parts,
        habits::Habits,
        planted,
        store::{Durable, Store},
    },
    matrix::{crypto::SigningKey, memory::Memory},
    network::{
        self, Boot,
        conditions::Conditions,
        direct_fabric::DirectFabric,
        time::RunTime,
        turmoil_fabric::TurmoilFabric,
        world::{HostSpec, Rules, World},
    },
    ports::Service,
    scenario::{Scenario, Server},
    simulation::{
        Fabric, Options, SimulationError,
        guest::{GuestContext, Guests},
        recorder::{Recorder, ServerObserver},
        script::Scripts,
    },
};

impl<'a> Player<'a> {
    pub(in crate::simulation) fn new(
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
        let vouches = options.fabric == Fabric::Direct && guests.servers().next().is_none();
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
        let (fabric, world) = build_fabric(options, &specs, rules, boot);
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
}

/// The fabric that the options name.
fn build_fabric(
    options: &Options,
    hosts: &[HostSpec],
    rules: Rules,
    boot: Boot,
) -> (Box<dyn network::Fabric>, Rc<World>) {
    match options.fabric {
        Fabric::Turmoil => {
            let (fabric, world) = TurmoilFabric::new(hosts, rules, boot, options.tick);
            (Box::new(fabric), world)
        }
        Fabric::Direct => {
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
        let context = |tasks| GuestContext {
            name: name.clone(),
            key,
            network: network.clone(),
            clock: clock.clone(),
            tasks,
        };
        if let Some(guest) = guests.start(host, context) {
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
