//! `backfire explore`: many generated scenarios, and what they came to.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, BufWriter, Write},
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Failure, exit, how::How, output, shard};
use crate::{
    campaign::{
        explore::Campaign,
        outcome::{End, Outcome, Signature},
        seeds::{Seeds, Shard, parse_range},
        tally::{Header, Tally, write_header, write_outcome},
    },
    report::campaign::{CampaignSummary, report},
    scenario::{Mark, generator::Profile},
    simulation::Options,
};

/// Play many generated scenarios.
#[derive(Debug, Args)]
pub(super) struct Explore {
    /// What they are about: calm, partitions, crashes, liars, membership, large, everything.
    #[arg(long, value_name = "NAME", default_value_t = Profile::default())]
    profile: Profile,
    /// The seeds: A, A+1, and so on, B left out; or a single one. By default 0..1000, or all seeds where
    /// --time or
    /// --until-marks says when to end.
    #[arg(long, value_name = "A..B", value_parser = parse_range)]
    seeds: Option<Range<u64>>,
    /// How many threads play; by default as many as there are processors.
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    /// Play one of N parts of the seeds, K from 1 to N; `auto` or `auto/N` take K from a Slurm job array or
    /// from a Kubernetes Indexed Job.
    #[arg(long, value_name = "K/N", value_parser = shard::parse)]
    shard: Option<Shard>,
    /// Begin no run after so much time, such as 10m.
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    time: Option<Duration>,
    /// End as soon as every mark was reached.
    #[arg(long)]
    until_marks: bool,
    /// Plant this bug in each scenario; `backfire zoo` lists them.
    #[arg(long, value_name = "BUG")]
    planted: Option<String>,
    /// Write results into this folder, a JSON line each, and the scenario of the first failure of each kind.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    how: How,
    /// Print the summary as JSON.
    #[arg(long)]
    json: bool,
}

impl Explore {
    /// Plays the campaign. Gives the exit code.
    pub(super) fn run(&self) -> Result<u8, Failure> {
        let options = self.how.options(0);
        let campaign = self.campaign(options)?;
        let mut results = self.results(&campaign)?;
        let stop = stop_on_ctrl_c();
        let progress = Progress::of(&campaign);
        let mut broken = None;
        let see = |so_far: &Tally, outcome: &Outcome| {
            progress.show(so_far, outcome);
            if let Err(error) = results.as_mut().map_or(Ok(()), |results| results.take(outcome)) {
                broken.get_or_insert(error);
                stop.store(true, Ordering::Relaxed);
            }
        };
        let tally = campaign.play(&stop, see);
        progress.bar.finish_and_clear();
        if let Some(error) = broken.or_else(|| results.and_then(|results| results.finish().err())) {
            return Err(Failure::usage(format!("--out: {error}")));
        }
        Ok(conclude(&tally, &options, self.json))
    }

    fn campaign(&self, options: Options) -> Result<Campaign, Failure> {
        let processors = || std::thread::available_parallelism().map_or(1, usize::from);
        let campaign = Campaign {
            profile: self.profile,
            planted: self.planted.clone(),
            seeds: Seeds { range: self.range(), shard: self.shard.unwrap_or_default() },
            options,
            jobs: self.jobs.unwrap_or_else(processors),
            time: self.time,
            until_marks: self.until_marks,
        };
        if let Some(bug) = &self.planted {
            let name = format!("{}:{}:{bug}", self.profile, self.range().start);
            super::source::scenario(Path::new(&name)).map_err(Failure::usage)?;
        }
        Ok(campaign)
    }

    fn range(&self) -> Range<u64> {
        let ends_by_itself = self.time.is_some() || self.until_marks;
        let usual = if ends_by_itself { 0..u64::MAX } else { 0..1_000 };
        self.seeds.clone().unwrap_or(usual)
    }

    fn results(&self, campaign: &Campaign) -> Result<Option<Results>, Failure> {
        let Some(folder) = &self.out else { return Ok(None) };
        let header = Header {
            backfire: env!("CARGO_PKG_VERSION").to_owned(),
            fabric: campaign.options.fabric.name().to_owned(),
            signatures: campaign.options.signatures.name().to_owned(),
            seeds: format!("{}..{}", campaign.seeds.range.start, campaign.seeds.range.end),
            shard: campaign.seeds.shard.to_string(),
        };
        let results = Results::create(folder, campaign.seeds.shard, header);
        results.map(Some).map_err(|error| Failure::usage(format!("{}: {error}", folder.display())))
    }
}

/// Prints what a campaign came to. Gives the exit code, that of its worst failure.
pub(super) fn conclude(tally: &Tally, options: &Options, json: bool) -> u8 {
    if json {
        output::json(&CampaignSummary::of(tally, options));
    } else {
        output::print(&report(tally, options));
    }
    let code = |end: End| match end {
        End::Violated => exit::VIOLATED,
        End::NotRecovered => exit::NOT_RECOVERED,
        End::Stale => exit::STALE,
        End::BrokeOff => exit::OWN_FAULT,
    };
    exit::worst(tally.failures.values().map(|failed| code(failed.end)))
}

/// The first Ctrl-C asks the campaign to end with what it has; the second ends the process.
fn stop_on_ctrl_c() -> Arc<AtomicBool> {
    const INTERRUPTED: i32 = 130;
    let stop = Arc::new(AtomicBool::new(false));
    let asked = stop.clone();
    let handler = ctrlc::set_handler(move || {
        if asked.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED);
        }
    });
    // Without a handler Ctrl-C ends the process at once, as it does anywhere else.
    drop(handler);
    stop
}

/// Of how many parts the bar of a campaign is.
const THOUSANDTHS: f64 = 1_000.0;

/// Shows how far the campaign is, by its seeds or by its time, whichever ends first; on a terminal only.
struct Progress {
    bar: ProgressBar,
    seeds: u64,
    time: Option<Duration>,
}

impl Progress {
    fn of(campaign: &Campaign) -> Self {
        let style = ProgressStyle::with_template("{bar:20} {msg}");
        let bar = ProgressBar::new(THOUSANDTHS as u64);
        bar.set_style(style.expect("the template is constant"));
        Self { bar, seeds: campaign.seeds.count(), time: campaign.time }
    }

    fn show(&self, so_far: &Tally, outcome: &Outcome) {
        const EVERY: u64 = 16;
        if so_far.runs == 0 || outcome.failure.is_none() && !so_far.runs.is_multiple_of(EVERY) {
            return;
        }
        let by_invariant = so_far.by_invariant().into_iter().map(|(name, runs)| format!("{name} {runs}"));
        let failures = by_invariant.collect::<Vec<_>>().join(", ");
        let failures = if failures.is_empty() { "no failure".to_owned() } else { failures };
        let (runs, elapsed) = (so_far.runs, self.bar.elapsed().as_secs_f64());
        let done_by_seeds = runs as f64 / self.seeds as f64;
        let done = match self.time {
            Some(time) => done_by_seeds.max(elapsed / time.as_secs_f64()).min(1.0),
            None => done_by_seeds,
        };
        let left = (elapsed / done - elapsed) as u64;
        self.bar.set_message(format!(
            "{runs} runs, {:.0} a second · {failures} · {} of {} marks · {}m {:02}s left",
            runs as f64 / elapsed,
            so_far.marks.len(),
            Mark::ALL.len(),
            left / 60,
            left % 60
        ));
        self.bar.set_position((done * THOUSANDTHS) as u64);
    }
}

/// The folder that a campaign writes into. Shards can share one.
struct Results {
    lines: BufWriter<File>,
    failures: PathBuf,
    seen: BTreeSet<Signature>,
}

impl Results {
    fn create(folder: &Path, shard: Shard, header: Header) -> io::Result<Self> {
        let failures = folder.join("failures");
        fs::create_dir_all(&failures)?;
        let file = folder.join(format!("results-{}-of-{}.ndjson", shard.number, shard.of));
        let mut lines = BufWriter::new(File::create(file)?);
        write_header(&mut lines, header)?;
        lines.flush()?;
        Ok(Self { lines, failures, seen: BTreeSet::new() })
    }

    fn take(&mut self, outcome: &Outcome) -> io::Result<()> {
        write_outcome(&mut self.lines, outcome.clone())?;
        let Some(failure) = &outcome.failure else { return Ok(()) };
        if !self.seen.insert(failure.signature.clone()) {
            return Ok(());
        }
        // Somebody who stops the machine now shall find what was found.
        self.lines.flush()?;
        let name = format!("{}-{}", failure.signature.invariant, outcome.case).replace(':', "-");
        fs::write(self.failures.join(format!("{name}.json")), outcome.case.scenario().to_json())
    }

    fn finish(mut self) -> io::Result<()> {
        self.lines.flush()
    }
}
