//! What is on its way to one host: each message is let in at its time, and messages of one moment in an order
//! that no fabric decides.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, time::Duration};

use futures_util::future::select;
use tokio::sync::{Notify, oneshot};

use super::time::RunTime;

/// The place of a message among those that a host gets: its time, who sent it, and its number on that link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// When it arrives, in milliseconds of the run.
    pub(super) at: u64,
    /// The host that sent it.
    pub(super) from: Rc<str>,
    /// Counts the messages from that host to this one.
    pub(super) number: u64,
}

/// The messages on their way to one host.
#[derive(Default)]
pub(super) struct Inbox {
    due: RefCell<BTreeMap<Place, oneshot::Sender<()>>>,
    changed: Notify,
}

impl Inbox {
    /// Waits until a message is let in.
    pub(super) async fn wait_for(&self, place: Place) {
        let (open, opened) = oneshot::channel();
        self.due.borrow_mut().insert(place, open);
        self.changed.notify_one();
        // The sender goes only with the host, and then nobody waits any more.
        let _ = opened.await;
    }

    /// Lets messages in, each at its time. Runs on the host, as long as it does.
    pub(super) async fn let_in(&self, time: &RunTime) {
        loop {
            let next = self.due.borrow().keys().next().map(|place| place.at);
            let Some(next) = next else {
                self.changed.notified().await;
                continue;
            };
            let wait = next.saturating_sub(time.now());
            if wait == 0 {
                let first = self.due.borrow_mut().pop_first();
                if let Some((_, open)) = first {
                    // Who waited may have given up.
                    let _ = open.send(());
                }
                continue;
            }
            let changed = std::pin::pin!(self.changed.notified());
            let due = std::pin::pin!(tokio::time::sleep(Duration::from_millis(wait)));
            select(changed, due).await;
        }
    }

    /// Forgets everything: the host went down.
    pub(super) fn clear(&self) {
        self.due.borrow_mut().clear();
    }
}
