//! Software of somebody else's in the place of a server of the scenario: a test author's own homeserver.
//!
//! A guest answers requests and may make some; its clock, its network and the faults on its links are those of the
//! run. It is no member of the room as far as the scenario goes: users of a scenario live on Backfire's own servers, and
//! what becomes of a guest is judged by what it answers.

use std::{cell::RefCell, collections::BTreeMap, fmt::Display, future::poll_fn, rc::Rc};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response, StatusCode};
use ruma_common::OwnedServerName;
use serde_json::json;
use tokio::sync::mpsc::UnboundedSender;

use crate::{
    homeserver::{
        Runner,
        ports::{Clock, Network},
    },
    matrix::error::json_response,
    network::Service,
};

/// What a guest gets of the world when it starts.
#[derive(Clone)]
pub struct Seat {
    /// Its Matrix name.
    pub name: OwnedServerName,
    /// To other servers: they are found by their Matrix names.
    pub network: Rc<dyn Network>,
    /// The time, which stands still while nothing happens.
    pub clock: Rc<dyn Clock>,
    tasks: UnboundedSender<LocalBoxFuture<'static, ()>>,
}

impl Seat {
    /// Runs a task beside the requests, until the server goes down.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        // Nobody listens only when the server is down, and then nobody misses the task.
        let _ = self.tasks.send(Box::pin(task));
    }
}

type Start = Rc<dyn Fn(Seat) -> Rc<dyn Service>>;

/// Guests by the names of the servers whose places they take.
#[derive(Clone, Default)]
pub struct Guests(BTreeMap<String, Start>);

impl Guests {
    /// Gives the place of a server to a service. `start` is called at the beginning and after every crash: what is to
    /// outlive a crash is kept outside of what it makes.
    ///
    /// An error of the service is a `500` with `M_UNKNOWN` to who asked.
    pub fn seat<S>(&mut self, server: &str, start: impl Fn(Seat) -> S + 'static)
    where
        S: tower_service::Service<Request<Bytes>, Response = Response<Bytes>> + 'static,
        S::Error: Display,
        S::Future: 'static,
    {
        let start = move |seat: Seat| -> Rc<dyn Service> {
            let tasks = seat.tasks.clone();
            Rc::new(Guest { service: RefCell::new(start(seat)), tasks })
        };
        self.0.insert(server.to_owned(), Rc::new(start));
    }

    /// Starts the guest in the place of a server, if there is one.
    pub(super) fn start(
        &self,
        server: &str,
        name: &OwnedServerName,
        network: &Rc<dyn Network>,
        clock: &Rc<dyn Clock>,
    ) -> Option<(Rc<dyn Service>, Runner)> {
        let start = self.0.get(server)?;
        let (tasks, runner) = Runner::channel();
        let seat = Seat { name: name.clone(), network: network.clone(), clock: clock.clone(), tasks };
        Some((start(seat), runner))
    }
}

struct Guest<S> {
    service: RefCell<S>,
    tasks: UnboundedSender<LocalBoxFuture<'static, ()>>,
}

impl<S> Service for Guest<S>
where
    S: tower_service::Service<Request<Bytes>, Response = Response<Bytes>> + 'static,
    S::Error: Display,
    S::Future: 'static,
{
    fn handle(self: Rc<Self>, request: Request<Bytes>) -> LocalBoxFuture<'static, Response<Bytes>> {
        Box::pin(async move {
            let answer = match poll_fn(|context| self.service.borrow_mut().poll_ready(context)).await {
                Ok(()) => {
                    let answer = self.service.borrow_mut().call(request);
                    answer.await
                }
                Err(error) => Err(error),
            };
            answer.unwrap_or_else(|error| {
                let error = json!({ "errcode": "M_UNKNOWN", "error": error.to_string() });
                json_response(StatusCode::INTERNAL_SERVER_ERROR, &error)
            })
        })
    }

    fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        let _ = self.tasks.send(task);
    }

    fn has_lost_power(&self) -> bool {
        false
    }
}
