//! `backfire room backfill`: the answer to `GET /backfill`.

use clap::Args;
use ruma_common::OwnedEventId;

use super::{EventIds, Failure, Source, graph_to_walk, indexes};
use crate::room::walk;

/// What a server that holds this room answers to `/backfill`: the given events and what precedes them, newest first.
///
/// Rejected events are neither returned nor walked through. The limit is clamped to 1..=100. Events above a gap of
/// the dump count as accepted.
#[derive(Debug, Args)]
pub(super) struct Backfill {
    #[command(flatten)]
    source: Source,

    /// The events to start from, themselves part of the answer
    #[arg(long, required = true, num_args = 1.., value_name = "ID")]
    v: Vec<OwnedEventId>,

    /// The most events to answer with
    #[arg(long, value_name = "N")]
    limit: usize,

    /// Print {"event_ids": […]} in the order of the answer
    #[arg(long)]
    json: bool,
}

impl Backfill {
    pub(super) fn run(self) -> Result<(), Failure> {
        let graph = graph_to_walk(&self.source.read()?.judge());
        let seeds = indexes(&graph, "--v", &self.v)?;
        let answer = walk::backfill(&graph, &seeds, self.limit);
        EventIds { event_ids: answer.into_iter().map(|idx| graph.id(idx).to_owned()).collect() }
            .print(self.json);
        Ok(())
    }
}
