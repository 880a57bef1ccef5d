//! `backfire room missing-events`: the answer to `POST /get_missing_events`.

use clap::Args;

use super::{EventIds, Failure, Operand, Source, graph_to_walk, indexes};
use crate::room::walk::{self, MISSING_EVENTS_LIMIT_DEFAULT};

/// What a server that holds this room answers to `/get_missing_events`: what lies between, oldest first.
///
/// Rejected events are neither returned nor walked through. The limit is clamped to 20. Events above a gap of
/// the dump count as accepted.
#[derive(Debug, Args)]
pub(super) struct MissingEvents {
    #[command(flatten)]
    source: Source,

    /// The events to walk back from, not part of the answer
    #[arg(long, required = true, num_args = 1.., value_name = "ID")]
    latest: Vec<Operand>,

    /// The events to stop at, not part of the answer
    #[arg(long, num_args = 1.., value_name = "ID")]
    earliest: Vec<Operand>,

    /// The most events to answer with
    #[arg(long, value_name = "N", default_value_t = MISSING_EVENTS_LIMIT_DEFAULT)]
    limit: usize,

    /// The least depth of events to answer with
    #[arg(long, value_name = "N", default_value_t = 0)]
    min_depth: u64,

    /// Print {"event_ids": […]} in the order of the answer
    #[arg(long)]
    json: bool,
}

impl MissingEvents {
    pub(super) fn run(mut self) -> Result<(), Failure> {
        let latest = self.source.events_of("--latest", self.latest)?;
        let earliest = self.source.events_of("--earliest", self.earliest)?;
        let graph = graph_to_walk(&self.source.read()?.judge());
        let latest = indexes(&graph, "--latest", &latest)?;
        let earliest = indexes(&graph, "--earliest", &earliest)?;
        let answer = walk::missing_events(&graph, &latest, &earliest, self.limit, self.min_depth);
        EventIds { event_ids: answer.into_iter().map(|idx| graph.id(idx).to_owned()).collect() }
            .print(self.json);
        Ok(())
    }
}
