//! Plays the `disturb` steps: which messages go wrong, and how.

use std::cell::{Cell, RefCell};

use http::{Response, StatusCode};
use rand::{RngExt, rngs::ChaCha8Rng};
use serde_json::json;

use crate::{
    chance::Streams,
    matrix::{endpoint::Endpoint, error::json_response},
    network::traffic::{Disturbance as Effect, Side as Way},
    scenario::{Disturb, Disturbance, ErrorStatus, Side},
};

/// How many times something is left alone, and how many times it happens then.
#[derive(Debug)]
pub(super) struct Turns {
    skip: Cell<u32>,
    /// Nothing: without end.
    left: Cell<Option<u32>>,
}

impl Turns {
    pub(super) fn new(skip: u32, times: Option<u32>) -> Self {
        Self { skip: Cell::new(skip), left: Cell::new(times) }
    }

    /// Whether no turn is left.
    pub(super) fn are_over(&self) -> bool {
        self.left.get() == Some(0)
    }

    /// One more occasion; gives whether it is a turn.
    pub(super) fn take(&self) -> bool {
        if self.skip.get() > 0 {
            self.skip.set(self.skip.get() - 1);
            return false;
        }
        if self.are_over() {
            return false;
        }
        self.left.set(self.left.get().map(|left| left - 1));
        true
    }
}

/// The disturbances that hold now.
#[derive(Default)]
pub(super) struct Disturbances(RefCell<Vec<Active>>);

struct Active {
    /// The step's place in the timeline.
    step: usize,
    what: Disturb,
    turns: Turns,
    chance: RefCell<ChaCha8Rng>,
}

impl Disturbances {
    /// Begins one, which a step of the timeline asks for. Its chance depends on what it is and not on its
    /// place, so that a step more or less elsewhere changes nothing of it.
    pub(super) fn begin(&self, step: usize, what: &Disturb, streams: Streams) {
        let name = format!("disturb {}", json!(what));
        let active = Active {
            step,
            what: what.clone(),
            turns: Turns::new(what.skip, what.times),
            chance: RefCell::new(streams.stream(&name)),
        };
        self.0.borrow_mut().push(active);
    }

    /// Ends the one that a step began.
    pub(super) fn end(&self, step: usize) {
        self.0.borrow_mut().retain(|active| active.step != step);
    }

    /// Ends all.
    pub(super) fn end_all(&self) {
        self.0.borrow_mut().clear();
    }

    /// Whether nothing is disturbed now.
    pub(super) fn are_over(&self) -> bool {
        self.0.borrow().is_empty()
    }

    /// What becomes of a message to or from an endpoint, with the word for each effect.
    pub(super) fn strike(
        &self,
        way: Way,
        (asker, server): (&str, &str),
        endpoint: Option<Endpoint>,
    ) -> Vec<(&'static str, Effect)> {
        let active = self.0.borrow();
        let hits = active.iter().filter(|active| active.fits(way, asker, server, endpoint) && active.hits());
        hits.map(|active| (active.what.how.name(), effect(&active.what.how))).collect()
    }
}

impl Active {
    fn fits(&self, way: Way, asker: &str, server: &str, endpoint: Option<Endpoint>) -> bool {
        let side = match way {
            Way::Request => Side::Request,
            Way::Answer => Side::Answer,
        };
        let Disturb { from, to, endpoint: only, .. } = &self.what;
        self.what.side == side
            && from.iter().any(|name| name == asker)
            && to.iter().any(|name| name == server)
            && only.is_none_or(|only| endpoint == Some(only))
    }

    fn hits(&self) -> bool {
        let drawn = self.chance.borrow_mut().random_range(1..=100_u8);
        drawn <= self.what.percent && self.turns.take()
    }
}

fn effect(how: &Disturbance) -> Effect {
    match how {
        Disturbance::Lose => Effect::Lose,
        Disturbance::Delay(time) => Effect::Delay(time.as_millis()),
        Disturbance::Duplicate(after) => Effect::Duplicate(after.as_millis()),
        Disturbance::Truncate(end) => Effect::Truncate(*end as usize),
        Disturbance::Break => Effect::Break,
        Disturbance::Status(status) => Effect::Replace(response(status)),
        Disturbance::Drip(a_second) => Effect::Drip(*a_second),
        Disturbance::Hang => Effect::Hang,
    }
}

/// What a proxy answers: of some statuses a Matrix error, of others a page that is no JSON.
fn response(status: &ErrorStatus) -> Response<bytes::Bytes> {
    let code = StatusCode::from_u16(status.code).unwrap_or(StatusCode::BAD_GATEWAY);
    let retry_after_ms = status.retry_after.map_or(0, |time| time.as_millis());
    match status.code {
        429 => json_response(
            code,
            &json!({
                "errcode": "M_LIMIT_EXCEEDED", "error": "told to answer so",
                "retry_after_ms": retry_after_ms
            }),
        ),
        502..=504 => {
            let mut response =
                Response::new(bytes::Bytes::from_static(b"<html>no server behind this</html>"));
            *response.status_mut() = code;
            response
        }
        403 => json_response(code, &json!({ "errcode": "M_FORBIDDEN", "error": "told to answer so" })),
        _ => json_response(code, &json!({ "errcode": "M_UNKNOWN", "error": "told to answer so" })),
    }
}
