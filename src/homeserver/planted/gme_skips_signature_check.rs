use super::Planted;
use crate::matrix::endpoint::Endpoint;

pub(super) const BUG: Planted = Planted {
    id: "gme-skips-signature-check",
    source: "CVE-2022-39200 (Dendrite 0.9.8)",
    year: "2022",
    does: "takes events from answers to `/get_missing_events` without a look at their signatures",
    caught_by: "integrity",
    follows: &[],
    plant: |habits| habits.trusted_endpoints.push(Endpoint::GetMissingEvents),
};
