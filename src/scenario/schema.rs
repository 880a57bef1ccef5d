//! The JSON Schema of the format, for editors and for generators in other languages.

use super::format::Scenario;

/// The JSON Schema of scenarios. It says less than the checks: not, for example, which servers steps may
/// name.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Scenario).to_value()
}
