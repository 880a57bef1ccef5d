//! Runs and what came of them: a run is played, judged, and its journal closed with the verdict.

pub mod play;
pub mod zoo;
