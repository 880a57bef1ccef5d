//! A whole run from a tape of decisions: servers, what their users do, what fails and who lies.
//!
//! A tape is a head of six bytes, one decision each, and then steps of four: what, after how long, who, and
//! how much. A piece of a step at the end counts for nothing, so what is appended leaves the earlier
//! decisions as they were; an empty tape is a run without faults. Whatever it says becomes a scenario, and
//! nothing but that scenario is played: a failing tape is shown as its file.
//!
//! At the end all is healed and each honest server says a last word, so that every input demands convergence.
//! Whoever lies says nothing, or what it said would be its own to withhold.

use std::{borrow::Cow, fmt};

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::json;

use super::{
    Body, Reached, Seeds,
    decisions::{Draft, STEP},
    planted, script,
};
use backfire::{
    check::verdict::judge_run,
    journal::{Journal, What},
    matrix::crypto::Scheme,
    room::answer_order::AnswerOrder,
    scenario::{Scenario, SimDuration},
    simulation::{Fabric, Options, simulate},
};

/// What random inputs must reach.
pub(super) const WANTED: &[&str] = &[
    "answer",
    "crash",
    "gap closed",
    "gap stuck",
    "message",
    "page_back",
    "paged back to the beginning",
    "partition healed",
    "power_levels",
];

/// Something was missed: without that nothing is recovered.
const GAP_OPENED: &str = "gap opened";

/// A tape that begins with such a byte begins with a scenario of the repository, which its second byte names;
/// the rest of its head means nothing then, and its steps are laid over the scenario's.
const SCRIPTED: u8 = 192;
const HEAD: usize = 6;
/// Longer tapes are cut: what they show, shorter ones show.
const STEPS_MAX: usize = 64;
/// A few rounds of the longest pauses between attempts.
const SETTLE: SimDuration = SimDuration::from_millis(180_000);

/// A tape.
pub struct Tape(pub(super) Vec<u8>);

impl<'a> Arbitrary<'a> for Tape {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(u.bytes(u.len())?.to_vec()))
    }
}

impl Tape {
    /// The scenario that the tape says.
    ///
    /// # Panics
    ///
    /// If it is none: every tape is one.
    pub fn scenario(&self, planted: Option<&str>) -> Scenario {
        let script = self.0.first().filter(|first| **first >= SCRIPTED);
        let scenario = match script.and_then(|_| script::at(*self.0.get(1)?)) {
            Some(script) => self.laid_over(script, planted),
            None => self.own(planted),
        };
        let text = scenario.to_json();
        Scenario::parse(&text, "tape.json").unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    /// Without the steps of the tape a scenario of the repository is played as it is.
    fn laid_over(&self, mut script: Scenario, planted: Option<&str>) -> Scenario {
        script::plant(&mut script, planted);
        let mut draft = Draft::over(&script);
        self.write(&mut draft);
        if !draft.is_empty() {
            script.settle = script.settle.max(SETTLE);
            script::expect_less(&mut script);
        }
        draft.finish(&mut script);
        script
    }

    fn own(&self, planted: Option<&str>) -> Scenario {
        let head: [u8; HEAD] = std::array::from_fn(|at| self.0.get(at).copied().unwrap_or(0));
        let choose = |at: usize, from: &[&'static str]| from[usize::from(head[at]) % from.len()];
        let count = [3, 2, 4, 5][usize::from(head[0]) % 4];
        let names: Vec<String> = (0..count).map(|nth| char::from(b'a' + nth as u8).to_string()).collect();
        let liar = (head[1] % 4 == 3 && count > 2).then(|| names[count - 1].clone());
        let server = |(nth, name): (usize, &String)| {
            let planted: Vec<&str> = planted.into_iter().collect();
            (name.clone(), json!({ "planted": planted, "answer_order": order(head[1] / 4, nth) }))
        };
        let scenario = json!({
            "why": "A tape of the fuzzer.",
            "room_version": choose(2, &["11", "12", "10", "6", "2", "11", "9", "3"]),
            "servers": serde_json::Map::from_iter(names.iter().enumerate().map(server)),
            "links": { "default": { "latency": choose(3, &["50ms", "10ms", "200ms", "500ms"]), "jitter": choose(4, &["0ms", "20ms", "150ms"]) } },
            "room": { "created_by": "a", "history_visibility": choose(5, &["shared", "joined", "invited", "world_readable"]) },
            "timeline": [],
            "lenient": true,
            "settle": SETTLE,
        });
        let mut scenario: Scenario = serde_json::from_value(scenario).expect("a head is a scenario");
        let forges = head[5] / 4 % 2 == 1;
        let mut draft = Draft::new(names, liar, forges);
        self.write(&mut draft);
        draft.last_words();
        draft.finish(&mut scenario);
        scenario
    }

    fn write(&self, draft: &mut Draft) {
        for step in self.0.get(HEAD..).unwrap_or_default().chunks_exact(STEP).take(STEPS_MAX) {
            draft.step([step[0], step[1], step[2], step[3]]);
        }
    }
}

/// In which order a server answers: all in one, or each in another.
fn order(choice: u8, nth: usize) -> &'static str {
    let orders = AnswerOrder::ALL;
    let choice = usize::from(choice) % (orders.len() + 3);
    orders.get(choice).unwrap_or(&orders[(choice + nth) % orders.len()]).name()
}

impl Body for Tape {
    const USEFUL: &'static [&'static str] = &[GAP_OPENED];

    fn check(&self) -> Reached {
        play(&self.scenario(planted::bug()))
    }
}

/// Plays a scenario on the fast fabric, with signatures that cost nothing, and demands that all holds.
pub(super) fn play(scenario: &Scenario) -> Reached {
    let options = Options { fabric: Fabric::Direct, signatures: Scheme::StandIn, ..Options::default() };
    let simulated =
        simulate(scenario, &options).unwrap_or_else(|error| panic!("{error}\n{}", scenario.to_json()));
    let judgement = judge_run(scenario, &simulated.journal, &simulated.memory);
    let judgement = judgement.expect("a run leaves evidence");
    let violations: Vec<String> = judgement
        .violations
        .iter()
        .map(|violation| format!("{}: {}", violation.invariant, violation.message))
        .collect();
    let file = || format!("save it and `backfire run --fabric direct` it:\n{}", scenario.to_json());
    assert!(violations.is_empty(), "{}\n{}", violations.join("\n"), file());
    reached(&simulated.journal)
}

/// What the run came to, as a model of it would say: which operations, which phases of recovery, which
/// outcomes, and how much of it.
fn reached(journal: &Journal) -> Reached {
    let mut reached: Reached = journal.records.iter().filter_map(|record| mark(&record.what)).collect();
    let gaps = journal.records.iter().filter(|record| matches!(record.what, What::GapOpened { .. })).count();
    reached.insert(format!("2^{} gaps", gaps.max(1).ilog2()).into());
    if reached.contains("partition") && reached.contains("gap closed") {
        reached.insert("partition healed".into());
    }
    if reached.iter().any(|mark| mark.starts_with("gap stuck")) {
        reached.insert("gap stuck".into());
    }
    reached
}

fn mark(what: &What) -> Option<Cow<'static, str>> {
    Some(match what {
        What::Step { action, .. } => action.clone().into(),
        What::GapOpened { .. } => GAP_OPENED.into(),
        What::GapClosed { .. } => "gap closed".into(),
        What::GapStuck { failures, .. } => format!("gap stuck 2^{} times", failures.max(&1).ilog2()).into(),
        What::StateTaken { .. } => "state taken".into(),
        What::Waits { prev_events, auth_events, .. } => {
            format!("waits for {} and {} that allow it", prev_events.len().min(4), auth_events.len().min(4))
                .into()
        }
        What::PagedBack { complete: true, .. } => "paged back to the beginning".into(),
        What::FellBehind { .. } => "fell behind".into(),
        What::Undeliverable { .. } => "undeliverable".into(),
        What::UserFailed { .. } => "user failed".into(),
        What::Dropped { .. } => "event dropped".into(),
        What::Judged { verdict, .. } => format!("{verdict:?}").into(),
        What::Answer { status, events, .. } => {
            format!("answer {status} of 2^{}", events.len().max(1).ilog2()).into()
        }
        What::Failed { why, .. } => format!("request {why}").into(),
        What::End(end) => format!("ends with {} tips", end.forward_extremities.len()).into(),
        _ => return None,
    })
}

impl fmt::Debug for Tape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scenario(planted::bug()).to_json())
    }
}

pub(super) fn seeds() -> Seeds {
    let scripted = script::names().zip(0..).map(|(name, place)| (name, vec![SCRIPTED, place, 0, 0, 0, 0]));
    written().into_iter().chain(scripted).collect()
}

/// Tapes that were written by hand.
pub(super) fn written() -> Seeds {
    // Servers, whether one lies, version, latency, jitter, visibility; then what, after how long, who, how
    // much.
    let tape = |head: [u8; HEAD], steps: &[[u8; STEP]]| [&head[..], &steps.concat()].concat();
    vec![
        ("nothing", Vec::new()),
        ("talk", tape([0; HEAD], &[[0, 4, 0, 3], [0, 10, 1, 5], [10, 2, 0, 1], [0, 0, 2, 70]])),
        ("partition-heal", tape([0; HEAD], &[[0, 4, 0, 2], [16, 40, 1, 90], [0, 20, 0, 69], [0, 4, 1, 69]])),
        // Four servers, a hundred events, two faults: what the rate of the target is measured with.
        ("a-minute", {
            let talk = |server: u8| [0, 255, server, 10];
            let faults = [[16, 20, 1, 200], [24, 20, 2, 100]];
            let minute = [0, 1, 2, 3, 0, 1, 2, 3, 0].map(talk);
            tape(
                [2, 0, 0, 0, 0, 0],
                &[&minute[..3], &faults[..1], &minute[3..6], &faults[1..], &minute[6..]].concat(),
            )
        }),
        ("wide-gap", tape([1, 0, 0, 0, 0, 0], &[[16, 10, 1, 120], [0, 4, 0, 23], [0, 80, 0, 23]])),
        ("crash-between-writes", tape([2, 0, 0, 1, 1, 0], &[[0, 4, 1, 12], [26, 8, 2, 7], [0, 30, 3, 5]])),
        (
            "hiding-liar",
            tape([2, 3, 0, 0, 0, 0], &[[16, 10, 2, 60], [27, 1, 0, 64], [27, 0, 2, 101], [0, 4, 0, 12]]),
        ),
        (
            "paging-back-over-a-bad-link",
            tape([0, 0, 1, 2, 2, 1], &[[0, 4, 0, 20], [22, 0, 4, 200], [15, 90, 1, 14]]),
        ),
        (
            "clocks-and-rights",
            tape([3, 0, 4, 0, 0, 2], &[[23, 9, 1, 255], [13, 5, 2, 0], [12, 9, 3, 1], [14, 9, 0, 1]]),
        ),
        (
            "second-users-come-and-go",
            tape(
                [0; HEAD],
                &[
                    [202, 4, 0, 1],
                    [192, 9, 0, 0],
                    [193, 20, 1, 0],
                    [195, 20, 1, 3],
                    [198, 9, 1, 0],
                    [200, 40, 2, 60],
                ],
            ),
        ),
        (
            "every-order",
            tape([3, 20, 0, 0, 1, 0], &[[16, 10, 6, 120], [0, 4, 0, 23], [0, 4, 1, 23], [15, 200, 2, 9]]),
        ),
        ("one-by-one-deeper", tape([2, 8, 0, 0, 0, 0], &[[16, 10, 2, 120], [0, 4, 0, 23], [0, 80, 3, 23]])),
        (
            "forger",
            tape(
                [0, 3, 0, 0, 0, 4],
                &[[27, 9, 0, 0], [27, 9, 3, 0], [28, 9, 4, 64], [29, 9, 6, 65], [0, 9, 0, 5]],
            ),
        ),
        (
            "said-and-redacted",
            tape([0, 0, 3, 0, 0, 0], &[[204, 9, 1, 40], [205, 9, 2, 0], [206, 9, 4, 27], [0, 4, 0, 9]]),
        ),
    ]
}
