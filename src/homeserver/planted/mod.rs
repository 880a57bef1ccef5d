//! Bugs that real homeservers had, to be put back into a simulated one: what they can be caught by shows what
//! the test bed is worth.
//!
//! One bug a file. Each changes one or two of the [`Habits`] and nothing else, so several can be planted in
//! one server, and the rest of the homeserver doesn't know them. A new bug is a file, its line at the bottom,
//! its id in `scenario/planted.rs`, and a scenario in `scenarios/zoo/` with its id as name.

use super::habits::Habits;

/// A bug that can be planted.
#[derive(Clone, Copy, Debug)]
pub struct Planted {
    /// Its name in scenarios: small letters and `-`.
    pub id: &'static str,
    /// Where it was found: an advisory, an issue, a commit.
    pub source: &'static str,
    /// The years in which it was found.
    pub year: &'static str,
    /// What a server with it does.
    pub does: &'static str,
    /// The name of the invariant that reports it: the property that it breaks.
    pub caught_by: &'static str,
    /// The names of those that follow from that, whatever a scenario does; in the order in which they are
    /// checked.
    pub follows: &'static [&'static str],
    plant: fn(&mut Habits),
}

/// The bug with this id.
pub fn find(id: &str) -> Option<&'static Planted> {
    ALL.iter().find(|planted| planted.id == id)
}

/// The habits of a server with these bugs. Ids that are not of the list plant nothing.
pub fn habits(ids: &[String]) -> Habits {
    let mut habits = Habits::default();
    for planted in ALL.iter().filter(|planted| ids.iter().any(|id| id == planted.id)) {
        (planted.plant)(&mut habits);
    }
    habits
}

macro_rules! planted {
    ($($file:ident,)*) => {
        $(mod $file;)*

        /// All bugs that can be planted, by id.
        pub const ALL: &[Planted] = &[$($file::BUG,)*];
    };
}

planted! {
    acl_checks_only_transport_origin,
    backfill_past_create,
    backfill_stuck_on_bad_extremity,
    backfilled_event_marked_outlier,
    batch_fetch_one_failure_spoils_all,
    create_event_redactable,
    cross_room_auth_events,
    dropped_auth_event_left_in_map,
    earliest_skipped_not_barrier,
    empty_backfill_answer_crash,
    event_fetch_storm,
    frontier_trusts_new_snapshot,
    gme_skips_signature_check,
    gme_truncates_wrong_end,
    incomplete_auth_event_rules,
    min_depth_zero_is_falsy,
    missing_auth_means_rejected,
    missing_event_livelock,
    nan_infinity_and_floats,
    no_power_levels_takeover,
    outlier_child_kills_extremity,
    poison_transaction_blocks_queue,
    redaction_arrives_before_target,
    redaction_cycle,
    rejected_event_re_enters_state,
    send_join_unsigned,
    signer_is_origin_not_sender,
    soft_fail_empties_frontier,
    state_before_instead_of_after,
    state_ids_404_wedges_room,
    state_served_for_outlier,
    state_served_for_rejected,
    timestamp_horizon,
    unknown_prev_uses_current_state,
}
