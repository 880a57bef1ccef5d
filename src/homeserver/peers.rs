//! How other servers do, as far as this one has seen: who is asked, and who is left alone for a while.

use std::collections::BTreeSet;

use rand::RngExt;
use ruma_common::{OwnedServerName, ServerName};

use super::{Homeserver, client::AskError};

/// The first back-off from a server that failed, in milliseconds. Real servers wait minutes to days; what
/// matters here is that it grows, and that a scenario of a minute sees it grow.
const BACKOFF_FIRST_MS: u64 = 500;
/// The longest back-off, in milliseconds.
const BACKOFF_LAST_MS: u64 = 30_000;

/// What is known of a peer. It is forgotten in a crash.
#[derive(Clone, Debug, Default)]
pub(super) struct PeerHealth {
    failures: u32,
    retry_at: u64,
}

/// The n-th back-off: doubled each time up to a bound, and spread so that servers don't come back in step.
pub(super) fn backoff_ms(failures: u32, first: u64, last: u64, random: &mut impl rand::Rng) -> u64 {
    let base = first.saturating_mul(1 << failures.saturating_sub(1).min(16)).min(last);
    base * random.random_range(80..=140) / 100
}

impl Homeserver {
    pub(super) fn note_failure(&self, server: &ServerName, error: &AskError) {
        let mut peers = self.peers.borrow_mut();
        let peer = peers.entry(server.to_owned()).or_default();
        peer.failures += 1;
        let own =
            backoff_ms(peer.failures, BACKOFF_FIRST_MS, BACKOFF_LAST_MS, &mut *self.random.borrow_mut());
        let asked = match error {
            AskError::Denied { retry_after_ms: Some(ms), .. } => *ms,
            _ => 0,
        };
        peer.retry_at = self.clock.steady() + own.max(asked);
    }

    pub(super) fn note_success(&self, server: &ServerName) {
        self.peers.borrow_mut().remove(server);
    }

    /// A request from a server shows that it lives: what waits for it need not wait longer.
    pub(super) fn note_sign_of_life(&self, server: &ServerName) {
        if self.peers.borrow_mut().remove(server).is_some() {
            self.recovery_wanted.notify_one();
        }
        let waits =
            self.store.read().outboxes.get(server).is_some_and(|outbox| outbox.failing_since.is_some());
        if waits && let Some(queue) = self.queues.borrow().get(server) {
            queue.alive.notify_one();
        }
    }

    /// Milliseconds until a server may be asked again.
    pub(super) fn backoff_left(&self, server: &ServerName) -> u64 {
        let peers = self.peers.borrow();
        peers.get(server).map_or(0, |peer| peer.retry_at.saturating_sub(self.clock.steady()))
    }

    /// Whom to ask, in order: first those who told of it, then others; none that is being left
    /// alone, and never oneself.
    pub(super) fn candidates(
        &self,
        announced_by: &BTreeSet<OwnedServerName>,
        others: &BTreeSet<OwnedServerName>,
    ) -> Vec<OwnedServerName> {
        let others = others.difference(announced_by);
        announced_by
            .iter()
            .chain(others)
            .filter(|server| **server != self.name && self.backoff_left(server) == 0)
            .cloned()
            .collect()
    }
}
