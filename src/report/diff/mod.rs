//! Two journals against each other: the first record in which they differ, and what ended differently.
//!
//! Two runs of one scenario, seed and fabric give the same journal, so the first difference is where
//! determinism was lost, or where one version of a server took another way than the next.

mod ended;
mod print;

use serde::Serialize;
use serde_json::Value;

pub use ended::{Ended, ServerEnded};

use crate::journal::{Journal, Record, What};

/// How many records are shown before the first difference, and from it on of each journal.
const CONTEXT: usize = 3;
/// How many differing fields of a record are listed.
const FIELDS_MAX: usize = 12;

/// How two journals differ.
#[derive(Clone, Debug, Serialize)]
pub struct Diff {
    /// Whether they are the same, record for record.
    pub equal: bool,
    /// How many records each has.
    pub records: [usize; 2],
    /// In what the runs themselves differ by their first records: seed, fabric, scenario.
    pub runs: Vec<Field>,
    /// Whether servers have other keys, as with another seed. Then all signatures differ, and none is
    /// compared.
    pub other_keys: bool,
    /// The first differing record after those.
    pub first: Option<First>,
    /// What ended differently.
    pub ended: Ended,
}

/// Where two journals differ for the first time.
#[derive(Clone, Debug, Serialize)]
pub struct First {
    /// The number of the record, and of its line in the file, from 1.
    pub record: usize,
    /// When it happened in each, in milliseconds of the timeline; nothing where the journal has ended.
    pub t: [Option<i64>; 2],
    /// In which fields the two records differ; nothing if they are of different kinds.
    pub fields: Vec<Field>,
    /// Records before it, the same in both.
    pub before: Vec<Record>,
    /// Records of the first journal from it on.
    pub a: Vec<Record>,
    /// Records of the second.
    pub b: Vec<Record>,
}

/// A field in which two records differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Its path, such as `events[0]`.
    pub field: String,
    /// What the first has there.
    pub a: Option<Value>,
    /// What the second has there.
    pub b: Option<Value>,
}

impl Diff {
    /// Compares two journals.
    pub fn of(a: &Journal, b: &Journal) -> Self {
        let runs = match (a.records.first(), b.records.first()) {
            (Some(one), Some(other)) => fields(&unsigned(one), &unsigned(other)),
            _ => Vec::new(),
        };
        let other_keys = keys(a) != keys(b);
        let compared = if other_keys { unsigned } else { value };
        let common = a.records.iter().zip(&b.records).skip(1);
        let same = 1 + common.take_while(|(one, other)| compared(one) == compared(other)).count();
        let longest = a.records.len().max(b.records.len());
        let first = (same < longest).then(|| First::at(same, a, b, compared));
        Self {
            equal: runs.is_empty() && !other_keys && first.is_none(),
            records: [a.records.len(), b.records.len()],
            runs,
            other_keys,
            first,
            ended: Ended::of(a, b),
        }
    }
}

impl First {
    fn at(index: usize, a: &Journal, b: &Journal, compared: fn(&Record) -> Value) -> Self {
        let from = |journal: &Journal| -> Vec<Record> {
            journal.records.iter().skip(index).take(CONTEXT).cloned().collect()
        };
        let before = &a.records[index.saturating_sub(CONTEXT)..index];
        let (one, other) = (a.records.get(index), b.records.get(index));
        let kind = |record: &Record| std::mem::discriminant(&record.what);
        let fields = match (one, other) {
            (Some(one), Some(other)) if kind(one) == kind(other) => fields(&compared(one), &compared(other)),
            _ => Vec::new(),
        };
        Self {
            record: index + 1,
            t: [one, other].map(|record| record.map(|record| record.t)),
            fields,
            // The first record has the whole scenario in it, and is no context.
            before: before
                .iter()
                .filter(|record| !matches!(record.what, What::Run { .. }))
                .cloned()
                .collect(),
            a: from(a),
            b: from(b),
        }
    }
}

fn value(record: &Record) -> Value {
    serde_json::to_value(record).expect("records are JSON")
}

/// A record without keys and without what they signed.
fn unsigned(record: &Record) -> Value {
    let mut value = value(record);
    match &record.what {
        What::Run { .. } => value["keys"] = Value::Null,
        What::KeyRotated { .. } => value["key"] = Value::Null,
        _ => {
            if let Some(pdu) = value.get_mut("pdu").and_then(Value::as_object_mut) {
                pdu.remove("signatures");
            }
        }
    }
    value
}

fn keys(journal: &Journal) -> Option<Value> {
    journal.records.first().map(|run| value(run)["keys"].clone())
}

fn fields(a: &Value, b: &Value) -> Vec<Field> {
    let mut found = Vec::new();
    compare("", Some(a), Some(b), &mut found);
    found.truncate(FIELDS_MAX);
    found
}

fn compare(path: &str, a: Option<&Value>, b: Option<&Value>, found: &mut Vec<Field>) {
    if a == b || found.len() >= FIELDS_MAX {
        return;
    }
    match (a, b) {
        (Some(Value::Object(one)), Some(Value::Object(other))) => {
            let keys: std::collections::BTreeSet<&String> = one.keys().chain(other.keys()).collect();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                compare(&path, one.get(key), other.get(key), found);
            }
        }
        (Some(Value::Array(one)), Some(Value::Array(other))) => {
            for index in 0..one.len().max(other.len()) {
                compare(&format!("{path}[{index}]"), one.get(index), other.get(index), found);
            }
        }
        (a, b) => found.push(Field { field: path.to_owned(), a: a.cloned(), b: b.cloned() }),
    }
}
