//! A run as one JSON object, for scripts. Fields may be added, never renamed.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use ruma_common::OwnedEventId;
use serde::Serialize;

use super::Run;
use crate::{
    check::{evidence::Recovery, verdict::word},
    journal::{End, Violation, What},
    room::graph::Standing,
    scenario::Mark,
};

/// What `run --json` prints of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    scenario: String,
    seed: u64,
    fabric: &'static str,
    verdict: &'static str,
    expected: &'static str,
    exit_code: u8,
    journal_sha256: String,
    simulated_ms: u64,
    wall_ms: u64,
    recovered_after_ms: Option<u64>,
    servers: IndexMap<String, Server>,
    recovery: IndexMap<String, Recovery>,
    requests: BTreeMap<String, usize>,
    violations: Vec<Violation>,
    marks: Vec<Mark>,
    replay: String,
}

/// How a server stands at the end.
#[derive(Clone, Debug, Serialize)]
struct Server {
    joined: bool,
    events: usize,
    accepted: usize,
    rejected: usize,
    soft_failed: usize,
    missing: usize,
    forward_extremities: Vec<OwnedEventId>,
}

impl Server {
    fn of(end: &End) -> Self {
        let count = |standing| end.events.iter().filter(|(_, own)| *own == standing).count();
        Self {
            joined: end.joined,
            events: end.events.len(),
            accepted: count(Standing::Accepted),
            rejected: count(Standing::Rejected),
            soft_failed: count(Standing::SoftFailed),
            missing: end.missing.len(),
            forward_extremities: end.forward_extremities.clone(),
        }
    }
}

impl Summary {
    /// Sums up a run.
    pub fn of(run: &Run<'_>) -> Self {
        let mut requests = BTreeMap::new();
        for record in &run.journal.records {
            if let What::Request { endpoint, .. } = &record.what {
                *requests.entry(endpoint.to_string()).or_default() += 1;
            }
        }
        let recoveries = run.judgement.recoveries.iter();
        Self {
            scenario: run.scenario.name().to_owned(),
            seed: run.seed,
            fabric: run.fabric.name(),
            verdict: word(run.judgement.verdict),
            expected: word(run.judgement.expected),
            exit_code: run.exit_code,
            journal_sha256: run.journal.sha256(),
            simulated_ms: run.simulated_ms,
            wall_ms: run.wall_ms,
            recovered_after_ms: run.judgement.recovered_after_ms,
            servers: run.ends().map(|(name, end)| (name.to_owned(), Server::of(end))).collect(),
            recovery: recoveries.map(|recovery| (recovery.server.clone(), recovery.clone())).collect(),
            requests,
            violations: run.judgement.violations.clone(),
            marks: run.judgement.marks.clone(),
            replay: run.replay(),
        }
    }
}
