use serde_json::Value;

use super::Planted;
use crate::matrix::{
    pdu::{PduError, Limits, UnverifiedPdu},
    reader::EventReader,
    version::RoomVersion,
};

pub(super) const BUG: Planted = Planted {
    id: "nan-infinity-and-floats",
    source: "CVE-2020-26890 (Synapse #8106)",
    year: "2020",
    does: "reads fractions in events as whole numbers",
    caught_by: "same-events",
    follows: &["same-extremities"],
    plant: |habits| habits.reads = leniently,
};

fn leniently(
    reader: &EventReader,
    text: &str,
    version: RoomVersion,
    limits: Limits,
) -> Result<UnverifiedPdu, PduError> {
    match serde_json::from_str(text) {
        Ok(value) => reader.read(&whole(value).to_string(), version, limits),
        Err(_) => reader.read(text, version, limits),
    }
}

fn whole(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => (number.as_f64().unwrap_or_default() as i64).into(),
        Value::Array(list) => list.into_iter().map(whole).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, whole(value))).collect(),
        other => other,
    }
}
