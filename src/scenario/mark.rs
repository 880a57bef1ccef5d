//! Marks: the rare states that a run may reach. A scenario demands them by these names; what reaches them is
//! told from the journal by `check::marks`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

macro_rules! marks {
    ($($variant:ident $name:literal $sentence:literal,)*) => {
        /// A rare state that a run may reach.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        pub enum Mark {
            $(
                #[doc = $sentence]
                #[serde(rename = $name)]
                $variant,
            )*
        }

        impl Mark {
            /// All marks, in the order in which they are shown.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name: small letters, digits and `-`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What was reached, in a sentence.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence,)* }
            }
        }
    };
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

marks! {
    GapOpened "gap-opened" "A server noticed that it lacks an event.",
    GapDeeperThanOneAnswer "gap-deeper-than-one-answer" "An answer to `get_missing_events` was full, and events were still missing.",
    GapUnderAGap "gap-under-a-gap" "The event that filled a gap had parents that were missing as well.",
    GapsAtOnce "three-gaps-at-once" "A server had three gaps open at one moment.",
    GapForTenSeconds "gap-open-ten-seconds" "A gap stayed open for ten seconds and was closed then.",
    GapClosedByThird "gap-closed-by-a-third-server" "A gap was closed by a server that neither told of the event nor made it.",
    GapClosedByPush "gap-closed-by-a-push" "The missing event came by itself, in a transaction.",
    GapClosedByEvent "gap-closed-by-event" "The missing event was fetched by `/event`.",
    GapOverARestart "gap-over-a-restart" "A gap that was open in a crash was closed after the restart.",
    GapOverAPartition "gap-over-a-partition" "A gap was open when another partition began, and was closed later.",
    GapStuck "gap-stuck" "No server could fill a gap at the first attempt.",
    GapStuckThrice "gap-stuck-three-times" "Three attempts at one gap failed.",
    GapAtTheEnd "gap-at-the-end" "A gap was still open when the run ended.",
    NothingMissing "missing-events-empty" "An answer to `get_missing_events` had no events.",
    ManyWait "fifty-events-wait" "Fifty events of one server waited for others at one moment.",
    ChildBeforeParent "child-before-parent" "A child was pushed to a server before its parent.",
    LateByTen "late-by-ten" "An event arrived ten levels below what the server had already.",
    StateIdsAtABreak "state-ids-at-a-break" "A server asked for the ids of the state at a break in its history, and got them.",
    StateTaken "state-taken" "The state at the far side of a gap was taken from a peer.",
    StateWhole "state-fetched-whole" "A state was fetched as a whole, by `/state`.",
    AuthFetched "auth-chain-fetched" "Auth events were fetched by `/event_auth`.",
    AuthInPieces "auth-chain-in-pieces" "A server fetched two auth events one by one.",
    PagedBack "paged-back" "A user scrolled back and events came.",
    PagedToTheCreate "backfill-reached-the-create" "A user scrolled back to the creation of the room, through events that were not held.",
    PageIncomplete "page-incomplete" "A user scrolled back and did not get all that lies there.",
    BackfillFull "backfill-answer-full" "An answer to `backfill` had as many events as were asked for.",
    BackfillEmpty "backfill-answer-empty" "An answer to `backfill` had no events.",
    BackfillFromTwo "backfill-from-two-servers" "A server asked two others for one stretch of history.",
    CrashInBackfill "crash-in-backfill" "A server crashed while it waited for an answer to `backfill`.",
    CrashInRecovery "crash-in-recovery" "A server crashed while a gap was open.",
    CrashBetweenWrites "crash-between-writes" "A server lost its power after a number of writes.",
    CrashInPartition "crash-in-a-partition" "A server crashed while the network was partitioned.",
    AllDown "all-down" "All servers were down at one moment.",
    ThreeLives "three-lives" "A server started for the third time.",
    QueueOverARestart "queue-over-a-restart" "What a server made before a crash was delivered by it after the restart.",
    TwoPartitions "two-partitions-at-once" "Two partitions or cuts overlapped.",
    ForkInAPartition "fork-in-a-partition" "Two servers made events while they could not reach each other.",
    RequestLost "request-lost" "A request vanished on its way.",
    AnswerLost "answer-lost" "A request was carried out, and its answer vanished.",
    Broken "connection-broken" "A connection broke while a request was under way.",
    Abandoned "answer-too-late" "A server gave up waiting for an answer.",
    SlowAnswer "answer-after-five-seconds" "An answer came five seconds after its request.",
    TransactionRepeated "transaction-repeated" "One transaction reached a server twice.",
    FellBehind "fell-behind" "A destination was away so long that it gets only the newest events.",
    Undeliverable "undeliverable" "A destination refused an event for good.",
    TenExtremities "more-than-ten-extremities" "An event had more than ten parents, or a server more than ten extremities in the end.",
    FiveParents "five-parents" "An event joined five branches.",
    DepthHundred "depth-of-a-hundred" "The room grew a hundred levels deep.",
    StateFork "state-fork" "Two servers set one piece of state at one depth.",
    PowerFork "power-levels-fork" "Two servers changed power levels at one depth.",
    SoftFailed "soft-failed" "An event was soft-failed.",
    SoftFailedTip "soft-failed-extremity" "A soft-failed event had no children in the end.",
    OnSoftFailed "accepted-on-soft-failed" "An event was accepted although a parent of it was soft-failed.",
    Rejected "rejected" "An event was rejected.",
    JudgedDifferently "judged-differently" "One server soft-failed what another accepted.",
    JudgedAnew "judged-anew" "A server came to another verdict on an event than before.",
    RolledBack "state-rolled-back" "A piece of state fell back to an older event or to none, though no event says so: a state reset.",
    TimeBackwards "time-backwards" "An event claims to be older than a parent of it.",
    Redaction "redaction" "A redaction was accepted.",
    JoinedLate "joined-late" "A server joined while things happened.",
    JoinedTwice "joined-twice" "A server left the room and joined again.",
    Invited "invited" "A user was invited.",
    Kicked "kicked" "A user was removed by another.",
    Banned "banned" "A user was banned.",
    UserRefused "user-refused" "A user wanted what the rules or the moment did not allow.",
    EventDropped "event-dropped" "An event was refused before it was stored: a lie detected.",
    SignatureForged "signature-forged" "An event was refused for its signatures.",
    PastALie "recovered-past-a-lie" "A gap was closed although a server lied about it.",
    PeerInTrouble "peer-in-trouble" "A peer answered a question with an error of its own.",
    PeerRefuses "peer-refuses" "A peer would not give what it was asked for.",
    HistoryDiffers "history-differs" "A server that joined late ended with less history than others.",
}
