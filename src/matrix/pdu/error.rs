//! Why an event was dropped.

use ruma_common::OwnedServerName;

use super::MAX_PDU_BYTES;

/// Why an event was dropped (SS-API, "Checks performed on receipt of a PDU", steps 1 and 2).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PduError {
    /// Not JSON, or JSON that has no canonical form in a room version that asks for it.
    #[error("not canonical JSON: {0}")]
    NotCanonical(String),
    /// Larger than [`MAX_PDU_BYTES`].
    #[error("{0} bytes, the limit is {MAX_PDU_BYTES}")]
    TooLarge(usize),
    /// A field is missing, of the wrong type, or outside its limits.
    #[error("field `{field}`: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
    /// A signature that is needed is missing or wrong.
    #[error("signature of {server}: {problem}")]
    Signature {
        /// The server that should have signed.
        server: OwnedServerName,
        /// What is wrong.
        problem: SignatureProblem,
    },
    /// No key is known that could tell; the event may be good.
    #[error("no key of {server} is known that is valid for this event")]
    UnknownKey {
        /// The server whose keys are missing.
        server: OwnedServerName,
    },
}

/// What is wrong with a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    /// The server did not sign.
    #[error("there is none")]
    Missing,
    /// It can't be read.
    #[error("it is not unpadded base64")]
    NotBase64,
    /// It is not of this event, or not by this key.
    #[error("it does not match the event")]
    Wrong,
}

pub(super) fn field(field: &'static str, problem: impl Into<String>) -> PduError {
    PduError::Field { field, problem: problem.into() }
}
