//! Which rare states a run reached, told from its journal alone.
//!
//! Marks say how much a campaign has seen, and whether a scenario still gets to where it was kept for. Their
//! names and sentences are words of the scenario format (`scenario::Mark`); here is what each of them means.

mod fetch;
mod gap;
mod graph;
mod member;
mod world;

use super::evidence::Evidence;
use crate::{
    journal::{
        DropKind, Journal, Record,
        fault::{Fault, faults},
    },
    matrix::endpoint::Endpoint,
    scenario::Mark,
};

/// What marks are read from: the evidence, the faults, and the records where their order matters.
#[derive(Clone, Copy)]
struct MarkContext<'a> {
    evidence: &'a Evidence<'a>,
    records: &'a [Record],
    faults: &'a [Fault<'a>],
}

/// The marks that a run reached, in the order of [`Mark::ALL`].
pub fn reached(evidence: &Evidence<'_>, journal: &Journal) -> Vec<Mark> {
    let faults = faults(journal, &evidence.requests);
    let context = MarkContext { evidence, records: &journal.records, faults: &faults };
    Mark::ALL.iter().copied().filter(|mark| context.reached(*mark)).collect()
}

impl MarkContext<'_> {
    fn reached(self, mark: Mark) -> bool {
        match mark {
            Mark::GapOpened => !self.evidence.gaps.is_empty(),
            Mark::GapDeeperThanOneAnswer => self.gap_deeper_than_one_answer(),
            Mark::GapUnderAGap => self.gap_under_a_gap(),
            Mark::GapsAtOnce => self.gaps_at_once(3),
            Mark::GapForTenSeconds => self.gap_closed_after(10_000),
            Mark::GapClosedByThird => self.gap_closed_by_third(),
            Mark::GapClosedByPush => self.gap_closed_by(Endpoint::Send),
            Mark::GapClosedByEvent => self.gap_closed_by(Endpoint::Event),
            Mark::GapOverARestart => self.gap_over_a_restart(),
            Mark::GapOverAPartition => self.gap_over_a_partition(),
            Mark::GapStuck => self.gap_stuck(1),
            Mark::GapStuckThrice => self.gap_stuck(3),
            Mark::GapAtTheEnd => self.ends().any(|(_, end)| !end.waiting.is_empty()),
            Mark::NothingMissing => self.empty_answer(Endpoint::GetMissingEvents),
            Mark::ManyWait => self.events_wait_at_once(50),
            Mark::ChildBeforeParent => self.child_before_parent(),
            Mark::LateByTen => self.late_by(10),
            Mark::StateIdsAtABreak => self.answered(Endpoint::StateIds),
            Mark::StateTaken => self.evidence.hosts.values().any(|host| !host.states_taken.is_empty()),
            Mark::StateWhole => self.answered(Endpoint::State),
            Mark::AuthFetched => self.answered(Endpoint::EventAuth),
            Mark::AuthInPieces => self.auth_in_pieces(),
            Mark::PagedBack => self.paged_back(|events, _| events > 0),
            Mark::PagedToTheCreate => self.paged_back(|events, complete| events > 0 && complete),
            Mark::PageIncomplete => self.paged_back(|_, complete| !complete),
            Mark::BackfillFull => self.full_answer(Endpoint::Backfill),
            Mark::BackfillEmpty => self.empty_answer(Endpoint::Backfill),
            Mark::BackfillFromTwo => self.backfill_from_two(),
            Mark::CrashInBackfill => self.crash_in_backfill(),
            Mark::CrashInRecovery => self.crash_in_recovery(),
            Mark::CrashBetweenWrites => self.crash_between_writes(),
            Mark::CrashInPartition => self.crash_in_partition(),
            Mark::AllDown => self.all_down(),
            Mark::ThreeLives => self.lives(3),
            Mark::QueueOverARestart => self.queue_over_a_restart(),
            Mark::TwoPartitions => self.partitions_overlap(),
            Mark::ForkInAPartition => self.fork_in_a_partition(),
            Mark::RequestLost => self.failed("request_lost"),
            Mark::AnswerLost => self.failed("answer_lost"),
            Mark::Broken => self.failed("broken"),
            Mark::Abandoned => self.failed("abandoned"),
            Mark::SlowAnswer => self.answer_after(5_000),
            Mark::TransactionRepeated => self.transaction_repeated(),
            Mark::FellBehind => self.fell_behind(),
            Mark::Undeliverable => self.undeliverable(),
            Mark::TenExtremities => self.branches(11),
            Mark::FiveParents => self.parents(5),
            Mark::DepthHundred => self.depth(100),
            Mark::StateFork => self.state_fork(|_| true),
            Mark::PowerFork => self.state_fork(|kind| kind == "m.room.power_levels"),
            Mark::SoftFailed => self.judged(crate::room::graph::Standing::SoftFailed),
            Mark::SoftFailedTip => self.soft_failed_tip(),
            Mark::OnSoftFailed => self.on_soft_failed(),
            Mark::Rejected => self.judged(crate::room::graph::Standing::Rejected),
            Mark::JudgedDifferently => self.judged_differently(),
            Mark::JudgedAnew => self.judged_anew(),
            Mark::RolledBack => self.rolled_back(),
            Mark::TimeBackwards => self.time_backwards(),
            Mark::Redaction => self.accepted_of_type("m.room.redaction"),
            Mark::JoinedLate => self.joined_late(),
            Mark::JoinedTwice => self.joined_twice(),
            Mark::Invited => self.membership("invite", |_, _| true),
            Mark::Kicked => self.membership("leave", |sender, user| sender != user),
            Mark::Banned => self.membership("ban", |_, _| true),
            Mark::UserRefused => self.user_refused(),
            Mark::EventDropped => self.dropped(|_| true),
            Mark::SignatureForged => self.dropped(|kind| kind == Some(DropKind::Signature)),
            Mark::PastALie => self.past_a_lie(),
            Mark::PeerInTrouble => self.answered_with(|status| status >= 500),
            Mark::PeerRefuses => self.answered_with(|status| matches!(status, 403 | 404)),
            Mark::HistoryDiffers => self.history_differs(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{journal::What, scenario::Scenario};

    #[test]
    fn an_empty_run_reaches_nothing() {
        let text = r#"{ "why": "w", "servers": { "a": {} }, "room": { "created_by": "a" }, "timeline": [] }"#;
        let scenario = Scenario::parse(text, "empty.json").unwrap();
        let run = What::Run {
            version: crate::journal::JOURNAL_VERSION,
            scenario: String::new(),
            seed: 0,
            fabric: String::new(),
            servers: vec![("a".to_owned(), "a".to_owned())],
            room_version: 11,
            keys: Vec::new(),
            guests: Vec::new(),
            definition: serde_json::Value::Null,
        };
        let journal = Journal { records: vec![Record { t: 0, server: None, because: None, what: run }] };
        let evidence = Evidence::read(&scenario, &journal).unwrap();
        assert_eq!(reached(&evidence, &journal), []);
    }

    #[test]
    fn every_mark_has_a_name_of_its_own_and_a_sentence() {
        let names: std::collections::BTreeSet<&str> = Mark::ALL.iter().map(|mark| mark.name()).collect();
        assert_eq!(names.len(), Mark::ALL.len());
        for mark in Mark::ALL {
            let letter = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(mark.name().chars().all(letter), "{mark}");
            assert!(mark.sentence().ends_with('.'), "{mark}");
        }
    }
}
