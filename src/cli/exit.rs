//! The exit codes of every command, in one place, since CI scripts branch on them.

/// All that was asked for holds, or was done.
pub const HOLDS: u8 = 0;
/// An invariant is violated, or an event fails a strict check.
pub const VIOLATED: u8 = 1;
/// The command line is wrong, or an input can't be read.
pub const USAGE: u8 = 2;
/// Two runs of one seed differ, or two journals that were compared.
pub const NOT_DETERMINISTIC: u8 = 3;
/// The servers did not recover in time, or went over budget.
pub const NOT_RECOVERED: u8 = 4;
/// A regression no longer reaches what it was saved for.
pub const STALE: u8 = 5;
/// Backfire's own fault: please report it.
pub const OWN_FAULT: u8 = 70;

/// Exit codes, the worst first: the first of them that any part of the work gives is the command's.
const WORST_FIRST: [u8; 7] = [OWN_FAULT, USAGE, NOT_DETERMINISTIC, VIOLATED, NOT_RECOVERED, STALE, HOLDS];

/// The worst of several codes; of none, that all is well.
pub fn worst(codes: impl IntoIterator<Item = u8>) -> u8 {
    let rank = |code: &u8| WORST_FIRST.iter().position(|other| other == code);
    codes.into_iter().min_by_key(rank).unwrap_or(HOLDS)
}

const MEANINGS: [(u8, &str); 7] = [
    (HOLDS, "holds, or done"),
    (VIOLATED, "an invariant is violated; or an event fails `room check --strict`"),
    (USAGE, "wrong usage, or an input that can't be read"),
    (NOT_DETERMINISTIC, "not deterministic: two runs of one seed differ; or two journals do"),
    (NOT_RECOVERED, "not recovered in time, or over budget"),
    (STALE, "a regression is stale: it no longer reaches what it was saved for"),
    (OWN_FAULT, "Backfire's own fault"),
];

/// The list of exit codes for `--help`.
pub fn help() -> String {
    let lines = MEANINGS.map(|(code, meaning)| format!("\n  {code:<3} {meaning}"));
    format!("Exit codes:{}", lines.concat())
}
