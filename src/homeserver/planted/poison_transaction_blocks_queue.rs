use super::Planted;
use crate::homeserver::{client::AskError, habits::NextPush};

pub(super) const BUG: Planted = Planted {
    id: "poison-transaction-blocks-queue",
    source: "CVE-2023-32323 (Synapse 1.74)",
    year: "2022",
    does: "sends a transaction that is refused for what is in it again and again",
    caught_by: "recovered-in-time",
    follows: &[],
    plant: |habits| {
        habits.after_failed_push = |error| match error {
            AskError::Denied { status: 400..=499, .. } => NextPush::Repeat,
            _ => NextPush::FallBehind,
        };
    },
};
