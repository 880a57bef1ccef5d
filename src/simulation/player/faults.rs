//! How faults begin and end.

use super::Player;
use crate::{
    journal::What,
    matrix::{crypto::SigningKey, keys::encode},
    scenario::{FaultAction, Servers},
    simulation::SimulationError,
};

impl Player<'_> {
    pub(super) fn begin_fault(&mut self, step: usize, fault: &FaultAction) {
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
    pub(super) fn end_fault(&mut self, step: usize) {
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

    pub(super) fn heal(&mut self, from: &str, to: &str) {
        self.conditions.borrow_mut().heal(from, to);
        self.fabric.heal(from, to);
    }

    pub(super) fn heal_links(&mut self) {
        let broken = self.conditions.borrow().broken();
        for (from, to) in broken {
            self.heal(&from, &to);
        }
    }

    pub(super) fn heal_all(&mut self) -> Result<(), SimulationError> {
        self.heal_links();
        self.scripts.disturbances.end_all();
        let down = self.conditions.borrow().hosts_down();
        for host in down {
            self.restart(&host)?;
        }
        self.recorder.record(None, What::Healed);
        Ok(())
    }

    pub(super) fn crash(&mut self, host: &str) {
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

    pub(super) fn restart(&mut self, host: &str) -> Result<(), SimulationError> {
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
}
