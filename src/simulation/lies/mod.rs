//! Plays the `lie` steps: what a server answers in place of the truth. The homeserver knows nothing of it:
//! its true answer is taken apart, changed, and put together again, with no keys but the liar's own.
//!
//! A new lie is a line in the scenario format's list, and a function in the file of its kind.

mod answer;
mod bytes;
mod events;
mod forge;
mod state;

use std::{cell::RefCell, rc::Rc};

use ::bytes::Bytes;
use http::{Response, StatusCode};
use rand::rngs::ChaCha8Rng;
use ruma_common::OwnedRoomId;
use serde_json::{json, value::RawValue};

use super::disturbances::Turns;
use crate::{
    chance::Streams,
    homeserver::Homeserver,
    matrix::endpoint::{Endpoint, EndpointName},
    scenario::{Lie, Lies},
};
use answer::Answer;
use forge::Forge;

/// The lies that are told now.
#[derive(Default)]
pub(super) struct Liars(RefCell<Vec<Active>>);

struct Active {
    /// The step's place in the timeline.
    step: usize,
    what: Lies,
    turns: Turns,
    random: RefCell<ChaCha8Rng>,
}

/// What came of a lie.
pub(super) struct Twisted {
    /// What is said in place of the truth.
    pub(super) response: Response<Bytes>,
    /// The lies that changed something.
    pub(super) lies: Vec<Lie>,
    /// Events that the liar made for it.
    pub(super) forged: Vec<Box<RawValue>>,
}

impl Liars {
    /// A server begins to lie as a step of the timeline says.
    pub(super) fn begin(&self, step: usize, what: &Lies, streams: Streams) {
        let random = RefCell::new(streams.stream(&format!("lie {}", json!(what))));
        let turns = Turns::new(what.skip, what.times);
        self.0.borrow_mut().push(Active { step, what: what.clone(), turns, random });
    }

    /// It ends.
    pub(super) fn end(&self, step: usize) {
        self.0.borrow_mut().retain(|active| active.step != step);
    }

    /// Whether nobody lies now.
    pub(super) fn are_silent(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// What a server says in place of the truth; nothing if it says the truth.
    pub(super) fn twist(
        &self,
        (host, server): (&str, &Rc<Homeserver>),
        asker: &str,
        room: &OwnedRoomId,
        path: &str,
        truth: &Response<Bytes>,
    ) -> Option<Twisted> {
        if truth.status() != StatusCode::OK {
            return None;
        }
        let endpoint = EndpointName::in_path(path).known()?;
        let active = self.0.borrow();
        let fits = |active: &&Active| active.fits(host, asker, endpoint) && active.turns.take();
        let (mut lies, mut forged, mut body) = (Vec::new(), Vec::new(), None);
        for active in active.iter().filter(fits) {
            let mut random = active.random.borrow_mut();
            let mut forge = Forge::new(server, room, asker, &mut random);
            let before = body.as_ref().unwrap_or_else(|| truth.body());
            if let Some((told, new)) = tell(&active.what.tell, (endpoint, path), before, &mut forge) {
                lies.extend(told);
                body = Some(new);
            }
            forged.extend(forge.made());
        }
        let body = body?;
        let mut response = Response::new(body);
        *response.headers_mut() = truth.headers().clone();
        Some(Twisted { response, lies, forged })
    }
}

impl Active {
    fn fits(&self, host: &str, asker: &str, endpoint: Endpoint) -> bool {
        let Lies { server, endpoint: only, to, tell, .. } = &self.what;
        server == host
            && only.map_or(endpoint.is_recovery(), |only| only == endpoint)
            && to.as_deref().is_none_or(|to| to == asker)
            && tell.iter().any(|lie| lie.is_in(endpoint))
            && !self.turns.are_over()
    }
}

/// Tells lies one after the other; gives those that changed something, and what is said then.
fn tell(
    lies: &[Lie],
    (endpoint, path): (Endpoint, &str),
    truth: &Bytes,
    forge: &mut Forge<'_>,
) -> Option<(Vec<Lie>, Bytes)> {
    let mut answer = Answer::read(endpoint, truth)?;
    let mut text = None;
    let mut told = Vec::new();
    for lie in lies {
        let changed = lie.is_in(endpoint)
            && match lie {
                Lie::Events(lie) => events::tell(*lie, &mut answer, path, forge),
                Lie::State(lie) => state::tell(*lie, &mut answer, forge),
                Lie::Bytes(lie) => {
                    let before = text.take().unwrap_or_else(|| answer.write());
                    text = Some(bytes::tell(*lie, before));
                    true
                }
            };
        told.extend(changed.then_some(*lie));
    }
    let text = text.unwrap_or_else(|| answer.write());
    (!told.is_empty()).then(|| (told, Bytes::from(text)))
}
