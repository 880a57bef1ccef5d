//! The text of a scenario file: what is read can be written and is the same again; what can't be read is
//! refused with a place in the file.

use std::fmt;

use arbitrary::{Arbitrary, Result, Unstructured};

use super::{Body, Reached, Seeds};
use backfire::scenario::Scenario;

/// A file's bytes.
pub struct ScenarioFile(Vec<u8>);

impl<'a> Arbitrary<'a> for ScenarioFile {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(u.bytes(u.len())?.to_vec()))
    }
}

impl Body for ScenarioFile {
    fn check(&self) -> Reached {
        let text = String::from_utf8_lossy(&self.0);
        let scenario = match Scenario::parse(&text, "file.json") {
            Ok(scenario) => scenario,
            Err(error) => {
                let place = error.place.as_ref().expect("whatever is wrong with a text has a place in it");
                let lines = text.lines().count().max(1);
                assert!((1..=lines + 1).contains(&place.line), "line {} of {lines}: {error}", place.line);
                let line = text.lines().nth(place.line - 1).unwrap_or_default();
                let columns = line.chars().count() + 1;
                assert!(
                    (1..=columns).contains(&place.column),
                    "column {} of {columns}: {error}",
                    place.column
                );
                assert!(
                    place.caret <= place.excerpt.chars().count(),
                    "the caret is behind the excerpt: {error}"
                );
                assert!(!error.what.is_empty() && !error.to_string().is_empty());
                return Reached::new();
            }
        };
        let written = scenario.to_json();
        let again = Scenario::parse(&written, "file.json");
        let again =
            again.unwrap_or_else(|error| panic!("what was written can't be read:\n{error}\n{written}"));
        assert_eq!(again, scenario, "what was written reads as something else");
        assert_eq!(again.to_json(), written, "written twice, two texts");
        let keys = scenario.timeline.iter().map(|step| step.action.key());
        keys.map(|key| key.to_owned().into()).collect()
    }
}

impl fmt::Debug for ScenarioFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

pub(super) fn seeds() -> Seeds {
    const FILES: [&str; 9] = [
        "partition-heal",
        "silence",
        "membership",
        "crash-during-partition",
        "late-joiner-pages-back",
        "imported-room",
        "peers/ig-1-missing-events-invited",
        "regressions/missing-events-in-any-order",
        "peers/au-13-one-bad-link-in-the-auth-chain",
    ];
    let read = |name: &str| {
        std::fs::read(format!("{}/../../scenarios/{name}.json", env!("CARGO_MANIFEST_DIR"))).unwrap()
    };
    FILES.map(|name| (name.rsplit('/').next().unwrap_or(name), read(name))).to_vec()
}
