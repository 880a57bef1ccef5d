//! A whole run from a tape of decisions: servers, what their users do, what fails and who lies.
//!
//! A tape is a head of six bytes, one decision each, and then steps of four: what, after how long, who, and how much. A
//! piece of a step at the end counts for nothing, so what is appended leaves the earlier decisions as they were; an empty
//! tape is a run without faults. Whatever it says becomes a scenario, and nothing but that scenario is played: a failing
//! tape is shown as its file.
//!
//! At the end all is healed and each honest server says a last word, so that every input demands convergence. Whoever
//! lies says nothing, or what it said would be its own to withhold.

use std::{borrow::Cow, fmt};

use arbitrary::{Arbitrary, Result, Unstructured};
use serde_json::{Value, json};

use super::{Body, Reached, planted};
use crate::{
    check::verdict::judge_run,
    matrix::crypto::Scheme,
    scenario::Scenario,
    simulation::{
        Fabric, Options,
        journal::{Journal, What},
        simulate,
    },
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

const HEAD: usize = 6;
const STEP: usize = 4;
/// Longer tapes are cut: what they show, shorter ones show.
const STEPS_MAX: usize = 64;
/// A step comes so many milliseconds after the one before, times its byte.
const PACE_MS: u64 = 25;
const LAST_WORDS_EVERY_MS: u64 = 700;

/// A tape.
pub struct Tape(pub(super) Vec<u8>);

impl<'a> Arbitrary<'a> for Tape {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(Self(u.bytes(u.len())?.to_vec()))
    }
}

/// What steps are written with.
struct Draft {
    servers: Vec<String>,
    liar: Option<String>,
    at: u64,
    /// When the last fault with a duration is over.
    until: u64,
    /// Until when each server is down.
    down: Vec<u64>,
    steps: Vec<(u64, Value)>,
}

impl Tape {
    /// The scenario that the tape says.
    ///
    /// # Panics
    ///
    /// If it is none: every tape is one.
    pub fn scenario(&self, planted: Option<&str>) -> Scenario {
        let text = self.json(planted).to_string();
        Scenario::parse(&text, "tape.json").unwrap_or_else(|error| panic!("{error}\n{text}"))
    }

    fn json(&self, planted: Option<&str>) -> Value {
        let head: [u8; HEAD] = std::array::from_fn(|at| self.0.get(at).copied().unwrap_or(0));
        let choose = |at: usize, from: &[&'static str]| from[usize::from(head[at]) % from.len()];
        let count = [3, 2, 4, 5][usize::from(head[0]) % 4];
        let servers: Vec<String> = (0..count).map(|nth| char::from(b'a' + nth as u8).to_string()).collect();
        let liar = (head[1] % 4 == 3 && count > 2).then(|| servers[count - 1].clone());
        let mut draft = Draft { down: vec![0; count], at: 0, until: 0, steps: Vec::new(), servers, liar };
        for step in self.0.get(HEAD..).unwrap_or_default().chunks_exact(STEP).take(STEPS_MAX) {
            draft.step([step[0], step[1], step[2], step[3]]);
        }
        draft.last_words();
        let entry =
            |name: &String| (name.clone(), planted.map_or(json!({}), |bug| json!({ "planted": [bug] })));
        let timeline = draft.timeline();
        json!({
            "why": "A tape of the fuzzer.",
            "room_version": choose(2, &["11", "12", "10", "6", "2", "11", "9", "3"]),
            "servers": serde_json::Map::from_iter(draft.servers.iter().map(entry)),
            "links": { "default": { "latency": choose(3, &["50ms", "10ms", "200ms", "500ms"]), "jitter": choose(4, &["0ms", "20ms", "150ms"]) } },
            "room": { "created_by": "a", "history_visibility": choose(5, &["shared", "joined", "invited", "world_readable"]) },
            "timeline": timeline,
            "settle": "3min",
        })
    }
}

impl Draft {
    fn step(&mut self, [what, wait, who, how]: [u8; STEP]) {
        self.at += u64::from(wait) * PACE_MS;
        let (n, how_much) = (self.servers.len(), u64::from(how));
        let server = usize::from(who) % n;
        let other = (server + 1 + usize::from(who) / n % (n - 1)) % n;
        let name = |nth: usize| self.servers[nth].clone();
        let (from, to, lasting) = (name(server), name(other), 500 + how_much * 60);
        let speaker = self.speaker(server);
        let ms = |ms: u64| format!("{ms}ms");
        match what % 32 {
            0..=9 => {
                let every = [50, 200, 10, 1_000][usize::from(how) / 64];
                self.add(json!({ "message": { "by": speaker, "count": 1 + how_much % 24, "every": ms(every) } }));
            }
            10 | 11 => self.add(json!({ "topic": { "by": "a", "text": format!("{how}") } })),
            12 => self.add(json!({ "profile": { "by": speaker, "displayname": format!("{how}") } })),
            13 => {
                let level = [50, 0, 100, 75][usize::from(how) % 4];
                let users = if from == "a" { json!({}) } else { json!({ from: level }) };
                self.add(json!({ "power_levels": { "by": "a", "users": users, "content": { "events_default": 0 } } }));
            }
            14 => {
                let to = ["shared", "joined", "invited", "world_readable"][usize::from(how) % 4];
                self.add(json!({ "history_visibility": { "by": "a", "to": to } }));
            }
            15 => self.add(json!({ "page_back": { "server": from, "limit": 1 + how_much % 100, "pages": 1 + how_much % 5 } })),
            16..=18 => {
                let side: Vec<String> = (0..n).filter(|nth| usize::from(who) >> nth & 1 == 1).map(name).collect();
                let side = if side.is_empty() || side.len() == n { vec![from] } else { side };
                self.fault(lasting, json!({ "partition": { "groups": [side], "for": ms(lasting) } }));
            }
            19 | 20 => self.fault(lasting, json!({ "cut": { "from": from, "to": to, "for": ms(lasting) } })),
            21 => self.fault(lasting, json!({ "silence": { "from": from, "to": to, "both": how % 2 == 1, "for": ms(lasting) } })),
            22 => {
                let latency = json!({ "from": from, "to": to, "latency": ms(10 + how_much * 8), "for": ms(lasting) });
                self.fault(lasting, json!({ "latency": latency }));
            }
            23 => {
                let jump = (i64::from(how) - 128) * 500;
                self.add(json!({ "clock": { "server": from, "jump": format!("{jump}ms") } }));
            }
            24..=26 => self.crash(server, lasting / 2, (what % 32 == 26).then_some(1 + how_much % 20)),
            _ => self.lie(who, how),
        }
    }

    /// Who speaks for a server: itself, unless it lies.
    fn speaker(&self, server: usize) -> String {
        let name = &self.servers[server];
        if self.liar.as_ref() == Some(name) { self.servers[0].clone() } else { name.clone() }
    }

    fn add(&mut self, action: Value) {
        self.steps.push((self.at, action));
    }

    fn fault(&mut self, lasting: u64, action: Value) {
        self.until = self.until.max(self.at + lasting);
        self.add(action);
    }

    fn crash(&mut self, server: usize, lasting: u64, after_writes: Option<u64>) {
        if self.down[server] >= self.at && self.down[server] > 0 {
            return;
        }
        let up = self.at + lasting;
        self.down[server] = up;
        self.until = self.until.max(up);
        let mut crash = json!({ "server": self.servers[server] });
        if let Some(writes) = after_writes {
            crash["after_writes"] = writes.into();
        }
        self.add(json!({ "crash": crash }));
        self.steps.push((up, json!({ "restart": { "server": self.servers[server] } })));
    }

    /// The liar gives told answers for a while; without a liar, nothing.
    fn lie(&mut self, which: u8, how: u8) {
        const ENDPOINTS: [&str; 6] =
            ["get_missing_events", "backfill", "event", "state_ids", "state", "event_auth"];
        let Some(liar) = self.liar.clone() else { return };
        let endpoint = ENDPOINTS[usize::from(which) % ENDPOINTS.len()];
        let mut answer = json!({ "server": liar, "endpoint": endpoint, "times": 1 + how / 8 });
        match how % 8 {
            0 | 1 if endpoint != "event" => answer["events"] = json!([]),
            2 => answer["hang"] = true.into(),
            3 => answer["body"] = json!("no object"),
            4 => answer["body"] = json!({ "events": 7, "pdus": {}, "auth_chain": null }),
            other => answer["status"] = [500, 404, 403, 429][usize::from(other) % 4].into(),
        }
        self.add(json!({ "answer": answer }));
    }

    fn last_words(&mut self) {
        let last = self.steps.iter().map(|(at, _)| *at).max().unwrap_or(0);
        self.at = last.max(self.until) + 1_000;
        for server in 0..self.servers.len() {
            if self.liar.as_ref() != Some(&self.servers[server]) {
                self.add(json!({ "message": { "by": self.servers[server] } }));
                self.at += LAST_WORDS_EVERY_MS;
            }
        }
    }

    fn timeline(&mut self) -> Vec<Value> {
        self.steps.sort_by_key(|(at, _)| *at);
        let step = |(at, mut action): (u64, Value)| {
            action["at"] = format!("{at}ms").into();
            action
        };
        std::mem::take(&mut self.steps).into_iter().map(step).collect()
    }
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
    let judgement = judge_run(scenario, &simulated).expect("a run leaves evidence");
    let violations: Vec<String> = judgement
        .violations
        .iter()
        .map(|violation| format!("{}: {}", violation.invariant, violation.message))
        .collect();
    let file = || format!("save it and `backfire run --fabric direct` it:\n{}", scenario.to_json());
    assert!(violations.is_empty(), "{}\n{}", violations.join("\n"), file());
    reached(&simulated.journal)
}

/// What the run came to, as a model of it would say: which operations, which phases of recovery, which outcomes, and
/// how much of it.
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

#[cfg(test)]
pub(super) fn seeds() -> Vec<(&'static str, Vec<u8>)> {
    // Servers, whether one lies, version, latency, jitter, visibility; then what, after how long, who, how much.
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
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_tape_is_a_run_without_faults() {
        let reached = Tape(Vec::new()).check();
        assert!(!reached.contains("gap stuck") && reached.contains("message"), "{reached:?}");
    }

    #[test]
    fn what_is_appended_leaves_the_earlier_steps_as_they_were() {
        let tape: Vec<u8> = (0..70_u8).map(|n| n.wrapping_mul(37)).collect();
        let steps = |length: usize| {
            let timeline =
                Tape(tape[..length].to_vec()).json(None)["timeline"].as_array().cloned().unwrap_or_default();
            timeline.into_iter().filter(|step| step["message"]["count"].is_u64()).collect::<Vec<_>>()
        };
        let whole = steps(tape.len());
        for length in HEAD..tape.len() {
            assert!(whole.starts_with(&steps(length)), "{length} bytes");
        }
    }
}
