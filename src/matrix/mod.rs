//! Matrix itself: events, identifiers, keys, signatures, endpoints, request authentication, error codes.
//!
//! Thin on purpose: ruma does the work, this room gives it the types that make wrong use hard (an
//! [`pdu::UnverifiedPdu`] is another type than a verified [`pdu::Pdu`]). It knows nothing of rooms as graphs,
//! of servers, or of networks.

mod auth_header;
pub mod by_rules;
pub mod canonical;
mod canonical_text;
pub mod crypto;
pub mod draft;
pub mod endpoint;
pub mod error;
pub mod keys;
pub mod memory;
pub(crate) mod numbers;
pub mod pdu;
pub mod reader;
pub mod request_auth;
pub mod unfit;
pub mod version;

pub use ruma_common::{
    CanonicalJsonObject, CanonicalJsonValue, EventId, OwnedEventId, OwnedRoomId, OwnedServerName,
    OwnedUserId, RoomId, ServerName, UserId,
};
