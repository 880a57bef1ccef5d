//! Bodies of own requests, canonical as they are written: what is signed is then the body as it is, and
//! nobody who knows that needs to read it once more to sign or verify it (SS-API, "Request Authentication";
//! appendices, "Canonical JSON").

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::Request;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use super::pdu::Pdu;

/// A JSON object in canonical form.
#[derive(Clone, Debug)]
pub struct CanonicalBody {
    text: Bytes,
    pdus: Option<Arc<[Arc<Pdu>]>>,
}

/// The fields of one.
#[derive(Debug, Default)]
pub struct CanonicalFields {
    fields: BTreeMap<&'static str, Box<RawValue>>,
    pdus: Option<Arc<[Arc<Pdu>]>>,
}

/// The events of a body's field `pdus`, for who would read it: travels with a request as an extension, where
/// nobody has to write it down and read it again.
#[derive(Clone, Debug)]
pub struct Carried {
    body: Bytes,
    pdus: Arc<[Arc<Pdu>]>,
}

impl CanonicalBody {
    /// An object without fields, to add some.
    pub fn fields() -> CanonicalFields {
        CanonicalFields::default()
    }

    /// An event.
    pub fn event(pdu: &Pdu) -> Self {
        Self { text: Bytes::copy_from_slice(pdu.json().get().as_bytes()), pdus: None }
    }

    /// Its text.
    pub fn text(&self) -> &Bytes {
        &self.text
    }

    /// The events in it.
    pub fn carried(self) -> Option<Carried> {
        Some(Carried { body: self.text, pdus: self.pdus? })
    }
}

impl Carried {
    /// The events that the body of a request carries; nothing if it came in another way, or not whole.
    pub fn by(request: &Request<Bytes>) -> Option<&Self> {
        let carried = request.extensions().get::<Self>()?;
        let body = request.body();
        (body.as_ptr() == carried.body.as_ptr() && body.len() == carried.body.len()).then_some(carried)
    }

    /// Each as it stands in the body.
    pub fn texts(&self) -> impl Iterator<Item = &RawValue> {
        self.pdus.iter().map(|pdu| pdu.json())
    }
}

impl CanonicalFields {
    /// The same with one field more, whose value is canonical already: texts, whole numbers, events, lists of
    /// these.
    #[must_use]
    pub fn with(mut self, key: &'static str, value: &impl Serialize) -> Self {
        let value = to_raw_value(value).expect("texts, numbers and events are JSON");
        self.fields.insert(key, value);
        self
    }

    /// The same with a field `pdus`.
    #[must_use]
    pub fn with_pdus(self, pdus: Arc<[Arc<Pdu>]>) -> Self {
        let texts: Vec<&RawValue> = pdus.iter().map(|pdu| pdu.json()).collect();
        Self { pdus: Some(pdus.clone()), ..self.with("pdus", &texts) }
    }

    /// The object that has them.
    pub fn body(self) -> CanonicalBody {
        CanonicalBody { text: serde_json::to_vec(&self.fields).expect("it was JSON").into(), pdus: self.pdus }
    }
}
