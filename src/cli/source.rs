//! Where scenarios come from: a file, or the generator.

use std::path::Path;

use crate::{
    campaign::outcome::Case,
    scenario::{Scenario, ScenarioError},
};

/// The scenario of a file; or, where no file is of that name, of `PROFILE:SEED`, as campaigns speak of them.
pub(super) fn scenario(name: &Path) -> Result<Scenario, ScenarioError> {
    let case = name.to_str().filter(|_| !name.exists()).and_then(Case::parse);
    let Some(case) = case else { return Scenario::read(name) };
    // Read back as if from a file: so that a planted bug that does not exist is a mistake like in any other scenario.
    Scenario::parse(&case.scenario().to_json(), &case.to_string())
}
