//! The sentence of a shrunk scenario: what is in it, what goes wrong, where it comes from.

use indexmap::IndexMap;

use super::super::outcome::Failure;
use crate::scenario::Scenario;

pub(super) fn sentence(scenario: &Scenario, failure: &Failure, whole: &Scenario) -> String {
    let mut steps: IndexMap<&str, usize> = IndexMap::new();
    for step in &scenario.timeline {
        *steps.entry(step.action.key()).or_default() += 1;
    }
    let steps: Vec<String> = steps
        .into_iter()
        .map(|(key, count)| match (count, key.replace('_', " ")) {
            (1, key) => key,
            (count, key) => format!("{count} × {key}"),
        })
        .collect();
    let servers = match scenario.servers.len() {
        1 => "1 server".to_owned(),
        servers => format!("{servers} servers"),
    };
    let steps = if steps.is_empty() { "no step at all".to_owned() } else { steps.join(", ") };
    let message: String = failure.message.chars().take(300).collect();
    format!(
        "{servers}; {steps}. Then {} does not hold: {message}. Shrunk from {}.",
        failure.signature.invariant,
        whole.name()
    )
}
