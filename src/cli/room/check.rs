//! `backfire room check`: what becomes of each event of a dump.

use clap::Args;
use rand::{SeedableRng, rngs::ChaCha8Rng, seq::SliceRandom};

use super::{Failure, Source, exit, output, report::Report};

/// Judge the events of a dump as a server would that receives them in this order.
///
/// Invalid events are dropped: malformed, of another room, not signed by whom they should be, or not of the
/// id that the dump gives. Events above a gap, whose prev_events or auth_events are not all in the dump,
/// wait: their state can't be known from the dump alone. More dumps of the room, or states told by servers
/// (--state-at), fill it.
#[derive(Debug, Args)]
pub(super) struct Check {
    #[command(flatten)]
    source: Source,

    /// Receive the events in an order drawn with this seed instead of the order of the dump
    #[arg(long, value_name = "SEED")]
    shuffle: Option<u64>,

    /// Exit with 1 if an event is invalid, rejected, or not the one that was hashed, or copies contradict
    /// each other
    #[arg(long)]
    strict: bool,

    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Result<u8, Failure> {
        let mut dump = self.source.read()?;
        if let Some(seed) = self.shuffle {
            dump.pdus.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        }
        let report = Report::new(&dump.judge(), dump);
        if self.json {
            output::json(&report);
        } else {
            output::print(&report.lines());
        }
        Ok(if self.strict && report.has_bad_events() { exit::VIOLATED } else { exit::HOLDS })
    }
}
