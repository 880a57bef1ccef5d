//! What people and scripts look at after a run.
