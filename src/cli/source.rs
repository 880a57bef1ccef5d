//! Where scenarios come from: a file, or the generator.

use std::path::Path;

use crate::{
    campaign::outcome::Case,
    scenario::{Scenario, ScenarioError, generator::Profile},
};

/// The scenario of a file; or, where no file is of that name, of `PROFILE:SEED`, as campaigns speak of them.
pub(super) fn scenario(name: &Path) -> Result<Scenario, ScenarioError> {
    let case = name.to_str().filter(|_| !name.exists()).and_then(Case::parse);
    let Some(case) = case else { return Scenario::read(name).map_err(|error| or_case(error, name)) };
    // Read back as if from a file: so that a planted bug that does not exist is a mistake like in any other
    // scenario.
    Scenario::parse(&case.scenario().to_json(), &case.to_string())
}

/// Who names what is no file may have meant a generated scenario.
fn or_case(error: ScenarioError, name: &Path) -> ScenarioError {
    if error.place.is_some() || !name.to_string_lossy().contains(':') {
        return error;
    }
    let profiles = Profile::ALL.map(Profile::name).join(", ");
    let help = format!(
        "check the path; a generated scenario is named PROFILE:SEED, such as everything:17; profiles are {profiles}"
    );
    ScenarioError { help: Some(help), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_file_nor_seed_is_told_of_both() {
        let help = |name: &str| scenario(Path::new(name)).unwrap_err().help.unwrap();
        assert!(help("everything:x").contains("PROFILE:SEED"));
        assert_eq!(help("nowhere.json"), "check the path");
    }
}
