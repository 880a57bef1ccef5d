//! Requests handed over in memory, without TCP and without ticks: time jumps from one event to the next.
//!
//! Each host has a set of tasks of its own, which is dropped whole when the host goes down, and all of them
//! run on one runtime whose clock is paused.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    FutureExt, StreamExt,
    future::{Either, LocalBoxFuture, select},
    stream::FuturesUnordered,
};
use http::{Request, Response};
use tokio::{runtime::Runtime, task::LocalSet};

use super::{
    Boot, Fabric, HostFailed,
    traffic::RequestId,
    world::{HostSpec, Rules, Wire, World, start},
};
use crate::ports::{Cause, NetworkError, Service, panic};

/// A run in memory.
pub struct DirectFabric {
    // Dropped before the runtime: tasks hold its timers.
    hosts: FuturesUnordered<Running>,
    slots: Rc<BTreeMap<String, Slot>>,
    boot: Boot,
    world: Rc<World>,
    runtime: Runtime,
}

/// One host.
#[derive(Default)]
struct Slot {
    /// Its tasks; nothing while it is down.
    tasks: RefCell<Option<LocalBoxFuture<'static, HostFailed>>>,
    /// Wakes who runs them.
    waker: RefCell<Option<Waker>>,
    service: RefCell<Option<Rc<dyn Service>>>,
}

/// Runs what is in a slot, whenever something is.
struct Running {
    slots: Rc<BTreeMap<String, Slot>>,
    host: String,
}

impl Future for Running {
    type Output = HostFailed;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<HostFailed> {
        let slot = &self.slots[&self.host];
        *slot.waker.borrow_mut() = Some(context.waker().clone());
        match slot.tasks.borrow_mut().as_mut() {
            Some(tasks) => tasks.poll_unpin(context),
            None => Poll::Pending,
        }
    }
}

impl DirectFabric {
    /// A network of `hosts`.
    pub fn new(hosts: &[HostSpec], rules: Rules, boot: Boot) -> (Self, Rc<World>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime without I/O needs nothing of the system");
        rules.time.follow(runtime.handle().clone());
        let world = Rc::new(World::new(hosts, rules));
        let slots: Rc<BTreeMap<String, Slot>> =
            Rc::new(hosts.iter().map(|spec| (spec.host.clone(), Slot::default())).collect());
        let running = |spec: &HostSpec| Running { slots: slots.clone(), host: spec.host.clone() };
        let running: FuturesUnordered<Running> = hosts.iter().map(running).collect();
        let mut fabric = Self { hosts: running, slots: slots.clone(), boot, world: world.clone(), runtime };
        for spec in hosts {
            fabric.restart(&spec.host);
        }
        (fabric, world)
    }
}

impl Fabric for DirectFabric {
    fn advance(&mut self, until: u64) -> Result<(), HostFailed> {
        let wait = until.saturating_sub(self.world.time().now());
        let hosts = &mut self.hosts;
        self.world.time().set_inside(true);
        let result = self.runtime.block_on(async {
            let time = std::pin::pin!(tokio::time::sleep(Duration::from_millis(wait)));
            match select(time, hosts.next()).await {
                Either::Left(_) | Either::Right((None, _)) => Ok(()),
                Either::Right((Some(failed), _)) => Err(failed),
            }
        });
        self.world.time().set_inside(false);
        result
    }

    fn crash(&mut self, host: &str) {
        let _inside = self.runtime.enter();
        let slot = &self.slots[host];
        let tasks = slot.tasks.borrow_mut().take();
        drop(tasks);
        slot.service.borrow_mut().take();
    }

    fn restart(&mut self, host: &str) {
        let slot = &self.slots[host];
        let software = run_host(self.world.clone(), self.slots.clone(), self.boot.clone(), host.to_owned());
        *slot.tasks.borrow_mut() = Some(Box::pin(async move {
            let tasks = LocalSet::new();
            let ended = tasks.run_until(AssertUnwindSafe(software).catch_unwind()).await;
            let why =
                ended.err().map_or_else(|| "it ended".to_owned(), |panic| panic::words(&*panic).to_owned());
            HostFailed(why)
        }));
        if let Some(waker) = &*slot.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

impl Drop for DirectFabric {
    /// The tasks of a host hold the slots that hold them: without this nothing of a run would ever be freed.
    fn drop(&mut self) {
        for host in self.slots.clone().keys() {
            self.crash(host);
        }
    }
}

async fn run_host(world: Rc<World>, slots: Rc<BTreeMap<String, Slot>>, boot: Boot, host: String) {
    let wire = Rc::new(Memory { world: world.clone(), slots: Rc::downgrade(&slots) });
    let (service, runner) = start(&world, wire, &boot, &host);
    *slots[&host].service.borrow_mut() = Some(service);
    tokio::select! {
        biased;
        () = runner.run() => {}
        () = world.let_in(&host) => {}
    }
}

/// Hands requests over in memory.
struct Memory {
    world: Rc<World>,
    slots: Weak<BTreeMap<String, Slot>>,
}

impl Wire for Memory {
    fn exchange(
        &self,
        id: RequestId,
        to: Rc<str>,
        mut request: Request<Bytes>,
    ) -> LocalBoxFuture<'static, Result<Response<Bytes>, NetworkError>> {
        // Why a server asks stays at home, as on a real wire.
        request.extensions_mut().remove::<Cause>();
        let slots = self.slots.upgrade();
        let service = slots.and_then(|slots| slots[&*to].service.borrow().clone());
        let answer = service.map(|service| self.world.accept(id, request, &service));
        Box::pin(async move {
            match answer {
                Some(answer) => answer.await.map_err(|_| NetworkError::Lost),
                None => Err(NetworkError::Lost),
            }
        })
    }
}
