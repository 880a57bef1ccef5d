use ruma_common::{OwnedServerName, ServerName};

use super::Planted;
use crate::matrix::pdu::UnverifiedPdu;

pub(super) const BUG: Planted = Planted {
    id: "signer-is-origin-not-sender",
    source: "CVE-2018-16515 (Synapse #3796)",
    year: "2018",
    does: "wants the signature of the server that an event names as its origin, not of its sender's",
    caught_by: "integrity",
    follows: &[],
    plant: |habits| habits.signer = origin,
};

fn origin(event: &UnverifiedPdu) -> Option<OwnedServerName> {
    ServerName::parse(event.object().get("origin")?.as_str()?).ok()
}
