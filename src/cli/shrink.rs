//! `backfire shrink`: the smallest scenario that still breaks the same invariant.

use std::{fs, path::PathBuf, time::Duration};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, exit, how::How, output, run::written, source};
use crate::{
    campaign::shrink::{Shrunk, Size, shrink},
    report::replay_command,
};

/// Make a failing scenario smaller, as long as it fails in the same way.
#[derive(Debug, Args)]
pub(super) struct Shrink {
    /// A scenario file; or PROFILE:SEED, for one that `explore` generates.
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// The seed with which it fails; by default the scenario's own.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Where to write the result; by default it is printed.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// End after so much time, such as 2m, with the smallest that was found.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    #[command(flatten)]
    how: How,
}

impl Shrink {
    /// Shrinks the scenario. Gives the exit code.
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let scenario = source::scenario(&self.scenario).map_err(Failure::usage)?;
        let options = self.how.options(self.seed.unwrap_or(scenario.seed));
        let bar = ProgressBar::new_spinner();
        let style = ProgressStyle::with_template("{spinner} {elapsed} {msg}");
        bar.set_style(style.expect("the template is constant"));
        let whole = Size::of(&scenario);
        let shrunk = shrink(&scenario, &options, self.time, |size, runs| {
            bar.set_message(format!("{} · {runs} runs", told(size)));
            bar.tick();
        });
        bar.finish_and_clear();
        let shrunk =
            shrunk.map_err(|error| Failure::usage(format!("{}: {error}", self.scenario.display())))?;
        self.write(&shrunk, whole)?;
        Ok(exit::HOLDS)
    }

    fn write(&self, shrunk: &Shrunk, whole: Size) -> Result<(), Failure> {
        let text = shrunk.scenario.to_json();
        let mut scenario = shrunk.scenario.clone();
        match &self.out {
            Some(path) => {
                written(path, fs::write(path, text))?;
                scenario.origin.0.clone_from(path);
            }
            None => {
                output::print(&text);
                scenario.origin.0 = "FILE".into();
            }
        }
        let Size { servers, steps, messages } = whole;
        anstream::eprintln!(
            "{} {}\nfrom {servers} servers, {steps} steps, {messages} messages to {} in {} runs\nagain: {}",
            shrunk.failure.signature.invariant,
            shrunk.failure.message,
            told(shrunk.size),
            shrunk.runs,
            replay_command(&scenario, &self.how.options(scenario.seed))
        );
        Ok(())
    }
}

fn told(Size { servers, steps, messages }: Size) -> String {
    format!("{servers} servers, {steps} steps, {messages} messages")
}
