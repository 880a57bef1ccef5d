//! A step of the scenario, as the journal has it where it was played.

use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::Error};
use serde_json::Value;

use crate::scenario::{Action, Family, Step};

/// A step that was played.
#[derive(Clone, Debug, PartialEq)]
pub enum Played {
    /// One of the steps that there are.
    Known(Box<Step>),
    /// One of a later format: it can be shown, and that is all.
    Unknown(Value),
}

impl Played {
    /// What it did, if that is known here.
    pub fn action(&self) -> Option<&Action> {
        match self {
            Self::Known(step) => Some(&step.action),
            Self::Unknown(_) => None,
        }
    }

    /// The family of what it did, if that is known here.
    pub fn family(&self) -> Option<Family> {
        self.action().map(Action::family)
    }

    /// The step as the scenario has it.
    pub fn json(&self) -> Value {
        serde_json::to_value(self).expect("steps are JSON")
    }
}

impl From<Step> for Played {
    fn from(step: Step) -> Self {
        Self::Known(Box::new(step))
    }
}

impl Serialize for Played {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            // By way of a value, which has its keys in order: so they stand in all journals.
            Self::Known(step) => serde_json::to_value(step).map_err(S::Error::custom)?.serialize(serializer),
            Self::Unknown(value) => value.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Played {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Ok(match Step::deserialize(&value) {
            Ok(step) => step.into(),
            Err(_) => Self::Unknown(value),
        })
    }
}
