//! How time passes in a run: up to a moment, or until nothing is under way.

use std::cell::Cell;

use ruma_common::ServerName;

use super::Player;
use crate::simulation::SimulationError;

/// How often the player looks whether all servers are idle, in simulated milliseconds.
const IDLE_CHECK_MS: u64 = 10;

impl Player<'_> {
    pub(super) fn now(&self) -> u64 {
        self.time.now()
    }

    /// Lets time pass, up to `until` at most.
    pub(super) fn advance(&mut self, until: u64) -> Result<(), SimulationError> {
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

    pub(super) fn step_until(&mut self, time: u64) -> Result<(), SimulationError> {
        while self.now() < time {
            self.advance(time)?;
        }
        Ok(())
    }

    pub(super) fn step_while(
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

    fn all_are_idle(&self) -> bool {
        self.nodes.keys().all(|host| self.is_idle(host))
    }

    /// Whether nothing is under way on a server, or it is down. Faults that hold now hold to the end: there is no waiting
    /// for what they keep from being delivered.
    pub(super) fn is_idle(&self, host: &str) -> bool {
        let out_of_reach = |to: &ServerName| {
            let to = self.scenario.servers.keys().find(|host| self.scenario.matrix_name(host) == to);
            to.is_some_and(|to| self.conditions.borrow().is_out_of_reach(host, to))
        };
        let running = self.nodes[host].running.borrow();
        running.as_ref().is_none_or(|server| server.is_idle(out_of_reach))
    }

    /// Waits until nothing is under way for as long as a message may take, there and back.
    pub(super) fn wait_until_idle(&mut self, limit_ms: u64) -> Result<(), SimulationError> {
        let quiet_ms = 2 * self.conditions.borrow().longest_latency() + IDLE_CHECK_MS;
        let quiet_since = Cell::new(None);
        self.step_while(limit_ms, |player| {
            let now = player.now();
            if !player.all_are_idle() {
                quiet_since.set(None);
                return true;
            }
            let since = quiet_since.get().unwrap_or(now);
            quiet_since.set(Some(since));
            now - since < quiet_ms
        })?;
        Ok(())
    }

    pub(super) fn settle(&mut self) -> Result<(), SimulationError> {
        self.wait_until_idle(self.scenario.settle.as_millis())
    }
}
