//! Runs and what came of them: a run is played, judged, and its journal closed with the verdict. Many runs
//! make a campaign; what fails in one is shrunk and kept.

pub mod explore;
pub mod hunt;
pub mod linearisation;
pub mod outcome;
pub mod play;
pub mod replay;
pub mod seeds;
pub mod shrink;
pub mod tally;
pub mod zoo;

mod stopwatch;
