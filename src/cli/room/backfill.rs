//! `backfire room backfill`: the answer to `GET /backfill`.

use clap::Args;

use super::{EventIds, Failure, Operand, Source, graph_to_walk, indexes};
use crate::room::walk;

/// What a server that holds this room answers to `/backfill`: the given events and what precedes them, newest
/// first.
///
/// The specification names no order. This one is by falling depth, as servers have it; of equal depths a
/// child comes before its parents, and else the least id. A depth is a claim, so a parent that claims more
/// than its child precedes it.
///
/// Rejected events are neither returned nor walked through. The limit is clamped to 1..=100. Events above a
/// gap of the dump count as accepted.
#[derive(Debug, Args)]
pub(super) struct Backfill {
    #[command(flatten)]
    source: Source,

    /// The events to start from, themselves part of the answer
    #[arg(long, required = true, num_args = 1.., value_name = "ID")]
    v: Vec<Operand>,

    /// The most events to answer with
    #[arg(long, value_name = "N")]
    limit: usize,

    /// Print {"event_ids": […]} in the order of the answer
    #[arg(long)]
    json: bool,
}

impl Backfill {
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let v = self.source.events_of("--v", self.v)?;
        let graph = graph_to_walk(&self.source.read()?.judge());
        let seeds = indexes(&graph, "--v", &v)?;
        let answer = walk::backfill(&graph, &seeds, self.limit);
        EventIds { event_ids: answer.into_iter().map(|idx| graph.id(idx).to_owned()).collect() }
            .print(self.json);
        Ok(())
    }
}
