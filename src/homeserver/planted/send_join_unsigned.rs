use super::Planted;
use crate::matrix::endpoint::Endpoint;

pub(super) const BUG: Planted = Planted {
    id: "send-join-unsigned",
    source: "CVE-2019-18835 (Synapse #6262)",
    year: "2019",
    does: "lets a server join users of another, without their server's signature",
    caught_by: "integrity",
    follows: &[],
    plant: |habits| {
        habits.checks_who_joins = false;
        habits.trusted_endpoints.push(Endpoint::SendJoin);
    },
};
