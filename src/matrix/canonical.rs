//! Bodies of own requests, canonical as they are written: what is signed is then the body as it is, and nobody who
//! knows that needs to read it once more to sign or verify it (SS-API, "Request Authentication"; appendices,
//! "Canonical JSON").

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::pdu::Pdu;

/// A JSON object in canonical form.
#[derive(Clone, Debug)]
pub struct CanonicalBody(Bytes);

/// The fields of one.
#[derive(Debug, Default)]
pub struct CanonicalFields(BTreeMap<&'static str, Box<RawValue>>);

impl CanonicalBody {
    /// An object without fields, to add some.
    pub fn fields() -> CanonicalFields {
        CanonicalFields::default()
    }

    /// An event.
    pub fn event(pdu: &Pdu) -> Self {
        Self(Bytes::copy_from_slice(pdu.json().get().as_bytes()))
    }

    /// Its text.
    pub fn into_bytes(self) -> Bytes {
        self.0
    }
}

impl CanonicalFields {
    /// The same with one field more, whose value is canonical already: texts, whole numbers, events, lists of these.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: &impl Serialize) -> Self {
        let value = to_raw_value(value).expect("texts, numbers and events are JSON");
        self.0.insert(key, value);
        self
    }

    /// The object that has them.
    pub fn body(&self) -> CanonicalBody {
        CanonicalBody(serde_json::to_vec(&self.0).expect("it was JSON").into())
    }
}
