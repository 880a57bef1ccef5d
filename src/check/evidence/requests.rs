//! Questions between servers, with what came of them.

use crate::scenario::RECOVERY_ENDPOINTS;

/// A request with what came of it.
#[derive(Debug)]
pub struct Asked<'a> {
    /// When it left.
    pub t: i64,
    /// The number of the record.
    pub at: usize,
    /// Its number.
    pub id: u64,
    /// Who asked.
    pub from: &'a str,
    /// Who was asked.
    pub to: &'a str,
    /// The endpoint's name.
    pub endpoint: &'a str,
    /// Method and path with query.
    pub line: &'a str,
    /// Why it was made.
    pub cause: &'a str,
    /// The events that it names or carries.
    pub events: &'a [String],
    /// Its `limit`.
    pub limit: Option<u64>,
    /// Its `earliest_events`.
    pub earliest: &'a [String],
    /// Its `min_depth`.
    pub min_depth: Option<u64>,
    /// The number of the record that says that it arrived.
    pub arrived: Option<usize>,
    /// The answer, if one came.
    pub answer: Option<Answered<'a>>,
    /// When and why it came to nothing.
    pub failed: Option<(i64, &'a str)>,
    /// Whether what came is not what the server said: it was cut short, or something on the way answered.
    pub is_spoilt: bool,
}

impl Asked<'_> {
    /// Whether a step of the scenario made it; the server would not have.
    pub fn is_scripted(&self) -> bool {
        self.cause.starts_with("script")
    }

    /// Whether a server made it by itself to recover: what a step asks is the scenario's doing, not the server's.
    pub fn is_own_recovery(&self) -> bool {
        !self.is_scripted() && RECOVERY_ENDPOINTS.contains(&self.endpoint)
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answered<'a> {
    /// When it came.
    pub t: i64,
    /// The number of its record.
    pub at: usize,
    /// The HTTP status.
    pub status: u16,
    /// The events in it, in order.
    pub events: &'a [String],
    /// The events of the auth chain in it.
    pub auth_chain: &'a [String],
    /// Which of all these are redacted.
    pub redacted: &'a [String],
    /// Of an answer to `/send`: the events that were not taken.
    pub refused: &'a [String],
    /// Bytes of its body.
    pub bytes: usize,
}
