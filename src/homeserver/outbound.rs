//! What a server sends: a queue for each destination, in transactions, retried until they are taken (SS-API
//! /send).
//!
//! A destination that was away too long gets only the newest own event of each room and pulls the rest
//! itself, as Synapse's catch-up does: this is what makes recovery necessary after a long partition.

use std::{collections::BTreeMap, rc::Rc, time::Duration};

use futures_util::future::select;
use ruma_common::{EventId, OwnedEventId, OwnedRoomId, OwnedServerName, ServerName};
use serde_json::Value;
use tokio::sync::Notify;

use super::{
    Homeserver,
    client::AskError,
    habits::NextPush,
    observation::Observation,
    peers::backoff_ms,
    store::{Outbox, Transaction},
};
use crate::{
    matrix::{canonical::CanonicalBody, endpoint::Endpoint},
    ports::Cause,
    room::{Room, graph::Standing},
};

/// The most events of a transaction (SS-API /send).
pub(super) const TRANSACTION_PDUS_MAX: usize = 50;
/// After how long an outage a destination gets only the newest events. Synapse waits an hour; a scenario is
/// shorter.
const CATCH_UP_AFTER_MS: u64 = 1_000;
/// The first and last back-off of a queue, in milliseconds.
const RETRY_MS: (u64, u64) = (400, 10_000);

/// What the task of one destination waits for.
#[derive(Debug, Default)]
pub(super) struct Queue {
    /// There is something to send.
    filled: Notify,
    /// The destination, thought dead, was heard from: no need to wait any longer.
    pub(super) alive: Notify,
}

impl Homeserver {
    pub(super) fn wake_queue(self: &Rc<Self>, destination: &ServerName) {
        let known = self.queues.borrow().get(destination).cloned();
        let queue = known.unwrap_or_else(|| {
            let queue = Rc::new(Queue::default());
            self.queues.borrow_mut().insert(destination.to_owned(), queue.clone());
            self.spawn(self.clone().send_forever(destination.to_owned(), queue.clone()));
            queue
        });
        queue.filled.notify_one();
    }

    async fn send_forever(self: Rc<Self>, destination: OwnedServerName, queue: Rc<Queue>) {
        let mut failures = 0;
        loop {
            queue.filled.notified().await;
            while let Some(transaction) = self.next_transaction(&destination) {
                match self.send_transaction(&destination, &transaction).await {
                    Ok(()) => {
                        failures = 0;
                        self.settle_transaction(&destination);
                    }
                    Err(error) => {
                        match (self.habits.after_failed_push)(&error) {
                            NextPush::TakeApart => {
                                self.split_or_drop(&destination, &transaction, &error);
                                continue;
                            }
                            NextPush::FallBehind => self.fall_behind(&destination),
                            NextPush::Repeat => {}
                        }
                        failures += 1;
                        let wait = self.retry_after(failures, &error);
                        select(Box::pin(queue.alive.notified()), self.clock.sleep(wait)).await;
                    }
                }
            }
        }
    }

    fn retry_after(&self, failures: u32, error: &AskError) -> Duration {
        let own = backoff_ms(failures, RETRY_MS.0, RETRY_MS.1, &mut *self.random.borrow_mut());
        let asked = match error {
            AskError::Denied { retry_after_ms: Some(ms), .. } => (*ms).min(RETRY_MS.1),
            _ => 0,
        };
        Duration::from_millis(own.max(asked))
    }

    /// The transaction to send: the one that was not taken yet, under its old id, or a new one.
    fn next_transaction(&self, destination: &ServerName) -> Option<Transaction> {
        let outbox_is_empty = |outbox: &Outbox| outbox.in_flight.is_none() && outbox.queue.is_empty();
        if self.store.read().outboxes.get(destination).is_none_or(outbox_is_empty) {
            return None;
        }
        self.store.write(|durable| {
            let id = durable.next_number();
            let outbox = durable.outboxes.get_mut(destination)?;
            if outbox.in_flight.is_none() {
                let count = outbox.queue.len().min(TRANSACTION_PDUS_MAX);
                let events = outbox.queue.drain(..count).collect();
                outbox.in_flight = Some(Transaction { id: format!("t{id}"), events });
            }
            outbox.in_flight.clone()
        })
    }

    async fn send_transaction(
        &self,
        destination: &ServerName,
        transaction: &Transaction,
    ) -> Result<(), AskError> {
        let body = {
            let durable = self.store.read();
            let event =
                |(room, id): &(OwnedRoomId, OwnedEventId)| durable.rooms.get(room)?.event(id).cloned();
            let pdus = transaction.events.iter().filter_map(event).collect();
            let fields = CanonicalBody::fields().with("origin", &self.name);
            fields.with("origin_server_ts", &self.now()).with_pdus(pdus).body()
        };
        let line = Endpoint::Send.line(&[&transaction.id]);
        self.ask::<Value>(destination, line, Some(body), &Cause::Push).await.map(|_| ())
    }

    fn settle_transaction(&self, destination: &ServerName) {
        self.store.write(|durable| {
            if let Some(outbox) = durable.outboxes.get_mut(destination) {
                outbox.in_flight = None;
                outbox.failing_since = None;
            }
        });
    }

    /// A destination that can't be reached for long gets only the events that lead to all others.
    fn fall_behind(&self, destination: &ServerName) {
        let now = self.now();
        let dropped = self.store.write(|durable| {
            let outbox = durable.outboxes.get_mut(destination)?;
            let since = *outbox.failing_since.get_or_insert(now);
            if now.saturating_sub(since) < CATCH_UP_AFTER_MS {
                return None;
            }
            let unsent = outbox.in_flight.take().map(|transaction| transaction.events).unwrap_or_default();
            let waiting: Vec<_> = unsent.into_iter().chain(outbox.queue.drain(..)).collect();
            let (kept, dropped) = leading(waiting, &durable.rooms);
            outbox.queue.extend(kept);
            Some(dropped).filter(|dropped| !dropped.is_empty())
        });
        if let Some(dropped) = dropped {
            self.see(Observation::FellBehind { destination: destination.to_owned(), dropped });
        }
    }

    /// The destination will never take this transaction: try each half by itself, and drop an event that is
    /// refused alone, so that one bad event does not stop all others.
    fn split_or_drop(&self, destination: &ServerName, transaction: &Transaction, error: &AskError) {
        let (first, second) = transaction.events.split_at(transaction.events.len() / 2);
        self.store.write(|durable| {
            let id = format!("t{}", durable.next_number());
            let Some(outbox) = durable.outboxes.get_mut(destination) else { return };
            let half = Transaction { id, events: first.to_vec() };
            outbox.in_flight = (!first.is_empty()).then_some(half);
            if !first.is_empty() {
                for event in second.iter().rev() {
                    outbox.queue.push_front(event.clone());
                }
            }
        });
        if let [(_, event_id)] = &transaction.events[..] {
            self.see(Observation::Undeliverable {
                destination: destination.to_owned(),
                event_id: event_id.clone(),
                reason: error.to_string(),
            });
        }
    }
}

/// Of events that wait to be sent, those that lead to all others of their rooms, and the others' ids: the
/// tips, or else the newest; and those that were soft-failed here, since nothing will lead there.
fn leading(
    waiting: Vec<(OwnedRoomId, OwnedEventId)>,
    rooms: &BTreeMap<OwnedRoomId, Room>,
) -> (Vec<(OwnedRoomId, OwnedEventId)>, Vec<OwnedEventId>) {
    let leads_nowhere = |room: &Room, event: &EventId| room.standing(event) == Some(Standing::SoftFailed);
    let is_tip = |room: &Room, event: &EventId| {
        let graph = room.graph();
        graph.forward_extremities().any(|tip| graph.id(tip) == event)
    };
    let leads = |(id, event): &(OwnedRoomId, OwnedEventId)| {
        let Some(room) = rooms.get(id) else { return true };
        let mut siblings = waiting.iter().filter(|(other, _)| other == id).map(|(_, event)| event);
        leads_nowhere(room, event)
            || is_tip(room, event)
            || (!siblings.clone().any(|event| is_tip(room, event))
                && siblings.rfind(|event| !leads_nowhere(room, event)) == Some(event))
    };
    let leading: Vec<bool> = waiting.iter().map(leads).collect();
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for (entry, leads) in waiting.into_iter().zip(leading) {
        if leads { kept.push(entry) } else { dropped.push(entry.1) }
    }
    (kept, dropped)
}
