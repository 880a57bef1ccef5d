//! What the hunt for planted bugs came to, as a table in Markdown: it is kept in `scenarios/zoo/README.md`.

use std::{collections::BTreeSet, fmt::Write};

use crate::campaign::hunt::{Hunt, Hunted};

/// The table, and below it how many were noticed.
pub fn table(hunted: &[Hunted], hunt: &Hunt) -> String {
    let mut out = "| Bug | Seeds (median) | From each start | Noticed by |\n|---|---|---|---|\n".to_owned();
    for bug in hunted {
        let _ = writeln!(out, "{}", row(bug, hunt));
    }
    let noticed = hunted.iter().filter(|bug| bug.median.is_some()).count();
    let _ = writeln!(
        out,
        "\n{noticed} of {} noticed by the profile {} within {} seeds (median of {} starts)",
        hunted.len(),
        hunt.profile,
        hunt.most,
        hunt.starts
    );
    out
}

fn row(bug: &Hunted, hunt: &Hunt) -> String {
    let never = format!("over {}", hunt.most);
    let seeds = |seeds: Option<u64>| seeds.map_or_else(|| never.clone(), |seeds| seeds.to_string());
    let each = bug.notices.iter().map(|notice| seeds(notice.as_ref().map(|notice| notice.seeds)));
    let by: BTreeSet<&str> = bug.notices.iter().flatten().map(|notice| &*notice.invariant).collect();
    format!(
        "| {} | {} | {} | {} |",
        bug.bug,
        seeds(bug.median),
        each.collect::<Vec<_>>().join(", "),
        by.into_iter().collect::<Vec<_>>().join(", ")
    )
}
