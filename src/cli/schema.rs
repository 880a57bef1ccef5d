//! `backfire schema`: the scenario format, for editors and generators.

use super::output;
use crate::scenario;

/// Prints the JSON Schema of scenarios.
pub(super) fn run() {
    output::json(&scenario::schema());
}
