//! Software of somebody else's in the place of a server of the scenario: a test author's own homeserver.
//!
//! A guest answers requests and makes some; its clock, its network and the faults on its links are those of
//! the run. It comes into the room as a server of the world does: a step invites a user of it, and it makes
//! the join itself; from then on the others send it their events. What it holds can't be read from its store,
//! so it is judged by what it answers: steps that ask it say what must come (`expect`). Its users do nothing
//! that it doesn't do by itself, and no step may speak for them.

use std::{cell::RefCell, collections::BTreeMap, fmt::Display, future::poll_fn, rc::Rc};

use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use http::{Request, Response, StatusCode};
use ruma_common::OwnedServerName;
use serde_json::json;

use crate::{
    matrix::{crypto::SigningKey, error::json_response},
    ports::{Clock, Network, Runner, Service, Tasks},
};

/// What a guest gets of the world when it starts.
#[derive(Clone)]
pub struct GuestContext {
    /// Its Matrix name.
    pub name: OwnedServerName,
    /// Its signing key: the one that the journal says it has. A homeserver that wants a key file can make one
    /// of [its seed](SigningKey::seed).
    pub key: Rc<SigningKey>,
    /// To other servers: they are found by their Matrix names.
    pub network: Rc<dyn Network>,
    /// The time, which stands still while nothing happens.
    pub clock: Rc<dyn Clock>,
    pub(super) tasks: Tasks,
}

impl GuestContext {
    /// Runs a task beside the requests, until the server goes down.
    pub fn spawn(&self, task: impl Future<Output = ()> + 'static) {
        // Nobody listens only when the server is down, and then nobody misses the task.
        let _ = self.tasks.send(Box::pin(task));
    }
}

type Start = Rc<dyn Fn(GuestContext) -> Rc<dyn Service>>;

/// Guests by the names of the servers whose places they take.
#[derive(Clone, Default)]
pub struct Guests(BTreeMap<String, Start>);

impl Guests {
    /// Gives the place of a server to a service. `start` is called at the beginning and after every crash:
    /// what is to outlive a crash is kept outside of what it makes.
    ///
    /// An error of the service is a `500` with `M_UNKNOWN` to who asked.
    pub fn seat<S>(&mut self, server: &str, start: impl Fn(GuestContext) -> S + 'static)
    where
        S: tower_service::Service<Request<Bytes>, Response = Response<Bytes>> + 'static,
        S::Error: Display,
        S::Future: 'static,
    {
        let start = move |context: GuestContext| -> Rc<dyn Service> {
            let tasks = context.tasks.clone();
            Rc::new(Guest { service: RefCell::new(start(context)), tasks })
        };
        self.0.insert(server.to_owned(), Rc::new(start));
    }

    /// The servers whose places are taken.
    pub(super) fn servers(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Starts the guest in the place of a server, if there is one.
    pub(super) fn start(
        &self,
        server: &str,
        seat: impl FnOnce(Tasks) -> GuestContext,
    ) -> Option<(Rc<dyn Service>, Runner)> {
        let start = self.0.get(server)?;
        let (tasks, runner) = Runner::channel();
        Some((start(seat(tasks)), runner))
    }
}

struct Guest<S> {
    service: RefCell<S>,
    tasks: Tasks,
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
