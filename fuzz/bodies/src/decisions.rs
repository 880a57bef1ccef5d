//! What the steps of a tape decide: users who do something, faults, lies. A step is four bytes: what, after
//! how long, who, and how much. What is decided is added to a scenario, and can be recovered from: faults
//! end, users who are away come back, and whatever is said has an honest holder.

use serde_json::{Value, json};

use backfire::scenario::{Action, FaultAction, LieAction, Scenario, ScriptAction, Step};

pub(super) const STEP: usize = 4;
/// Steps that begin with such a byte are of a second kind, which came later: tapes that were kept before keep
/// their meaning.
const LATER: u8 = 192;
/// A step comes so many milliseconds after the one before, times its byte.
const PACE_MS: u64 = 25;
const LAST_WORDS_EVERY_MS: u64 = 700;

/// Lies that leave nothing to wait for that never was.
const TOLD: [&str; 16] = [
    "missing-event",
    "not-asked",
    "other-event",
    "over-limit",
    "twice",
    "shuffled",
    "forged-sender",
    "wrong-hash",
    "wrong-signature",
    "unsigned",
    "many-parents",
    "old-state",
    "wrong-state",
    "no-auth-chain",
    "floats",
    "truncated-json",
];

/// What steps are written with.
pub(super) struct Draft {
    servers: Vec<String>,
    liar: Option<String>,
    /// Those whose users say nothing: what they said would be theirs to withhold.
    silent: Vec<String>,
    /// Whether the liar sends what it should not and answers honestly, rather than hide what it has.
    forges: bool,
    /// Whether the liar need not agree with the others in the end.
    may_differ: bool,
    at: u64,
    /// When the last fault with a duration is over.
    until: u64,
    /// Until when each server is down.
    down: Vec<u64>,
    steps: Vec<(u64, Value)>,
}

impl Draft {
    pub(super) fn new(servers: Vec<String>, liar: Option<String>, forges: bool) -> Self {
        let (down, silent) = (vec![0; servers.len()], liar.iter().cloned().collect());
        Self { servers, liar, silent, forges, may_differ: false, at: 0, until: 0, down, steps: Vec::new() }
    }

    /// Over a scenario's own steps: what crashes there doesn't crash once more, and who plays a part there
    /// says no more. Where steps build on each other nobody crashes: a step of a server that is down would
    /// not be taken.
    pub(super) fn over(scenario: &Scenario) -> Self {
        let mut draft = Self::new(scenario.servers.keys().cloned().collect(), None, false);
        draft.silent.clone_from(&scenario.expect.differ);
        let builds = |step: &Step| {
            step.label.is_some()
                || matches!(
                    step.action,
                    Action::Script(ScriptAction::Ask(_)) | Action::Script(ScriptAction::Push(_))
                )
        };
        if scenario.timeline.iter().any(builds) {
            draft.down.fill(u64::MAX);
        }
        for step in &scenario.timeline {
            match &step.action {
                Action::Fault(FaultAction::Crash(crash)) => {
                    let place = draft.servers.iter().position(|name| *name == crash.server);
                    place.into_iter().for_each(|place| draft.down[place] = u64::MAX);
                }
                Action::Lie(LieAction::Lies(lies)) => draft.silent.push(lies.server.clone()),
                Action::Lie(LieAction::Answer(answer)) => draft.silent.push(answer.server.clone()),
                Action::Script(ScriptAction::Push(push)) => draft.silent.push(push.from.clone()),
                _ => {}
            }
        }
        draft
    }

    pub(super) fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// What four bytes say: what happens, after how long, to whom, and how much.
    pub(super) fn step(&mut self, [what, wait, who, how]: [u8; STEP]) {
        self.at += u64::from(wait) * PACE_MS;
        let (n, how_much) = (self.servers.len(), u64::from(how));
        let server = usize::from(who) % n;
        let other = (server + 1 + usize::from(who) / n % (n - 1).max(1)) % n;
        let name = |nth: usize| self.servers[nth].clone();
        let (from, to, lasting) = (name(server), name(other), 500 + how_much * 60);
        let speaker = self.speaker(server);
        let (first, ms) = (self.first(), |ms: u64| format!("{ms}ms"));
        if what >= LATER {
            return self.later_step([what, wait, who, how]);
        }
        match what % 32 {
            0..=9 => {
                let every = [50, 200, 10, 1_000][usize::from(how) / 64];
                self.add(json!({ "message": { "by": speaker, "count": 1 + how_much % 24, "every": ms(every) } }));
            }
            10 | 11 => self.add(json!({ "topic": { "by": first, "text": format!("{how}") } })),
            12 => self.add(json!({ "profile": { "by": speaker, "displayname": format!("{how}") } })),
            13 => {
                let level = [50, 0, 100, 75][usize::from(how) % 4];
                let users = if from == first { json!({}) } else { json!({ from: level }) };
                self.add(json!({ "power_levels": { "by": first, "users": users, "content": { "events_default": 0 } } }));
            }
            14 => {
                let to = ["shared", "joined", "invited", "world_readable"][usize::from(how) % 4];
                self.add(json!({ "history_visibility": { "by": first, "to": to } }));
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

    /// Decisions of a second kind, about those who come and go.
    fn later_step(&mut self, [what, wait, who, how]: [u8; STEP]) {
        let n = self.servers.len();
        let server = usize::from(who) % n;
        let from = self.servers[server].clone();
        let to = self.servers[(server + 1 + usize::from(who) / n % (n - 1).max(1)) % n].clone();
        let (first, speaker) = (self.first(), self.speaker(server));
        let second = format!("@second:{from}");
        let silent = self.silent.contains(&from);
        match what % 16 {
            0 => self.add(json!({ "invite": { "by": speaker, "user": format!("@second:{to}") } })),
            1..=4 if silent => {}
            1 | 2 => self.add(json!({ "join": { "by": second, "via": to } })),
            3 => self.add(json!({ "message": { "by": second, "count": 1 + how % 8, "every": "100ms" } })),
            4 => self.add(json!({ "leave": { "by": second } })),
            5 => self.add(json!({ "kick": { "by": first, "user": second } })),
            6 => self.add(json!({ "ban": { "by": first, "user": second } })),
            7 => self.add(json!({ "unban": { "by": first, "user": second } })),
            8 | 9 if speaker != first => self.away_for_a_while(&speaker, &first, 100 + u64::from(how) * 40),
            10 => {
                let rule = ["public", "invite"][usize::from(how) % 2];
                self.add(json!({ "join_rule": { "by": first, "rule": rule } }));
            }
            11 => self.add(json!({ "server_acl": { "by": first, "deny": ["evil.example"] } })),
            12 => self.say_and_redact(&speaker, &to, 100 + u64::from(how) * 20),
            13 => self.add(json!({ "rotate_key": { "server": from } })),
            14 => self.disturb(&from, &to, how, 1_000 + u64::from(wait) * 40),
            _ => self.tell_lies(who, how),
        }
    }

    /// A server's only user leaves, and comes back in time for the last words.
    fn away_for_a_while(&mut self, user: &str, via: &str, lasting: u64) {
        self.add(json!({ "leave": { "by": user } }));
        let back = self.at + lasting;
        self.steps.push((back, json!({ "join": { "by": user, "via": via } })));
        self.until = self.until.max(back);
    }

    fn say_and_redact(&mut self, by: &str, other: &str, lasting: u64) {
        let label = format!("tape-{}", self.steps.len());
        self.add(json!({ "message": { "by": by }, "as": label }));
        let other_redacts = lasting.is_multiple_of(3) && !self.silent.iter().any(|name| name == other);
        let by = if other_redacts { other } else { by };
        let at = self.at + lasting;
        self.steps.push((at, json!({ "redact": { "by": by, "event": label } })));
        self.until = self.until.max(at);
    }

    /// Single messages go wrong.
    fn disturb(&mut self, from: &str, to: &str, how: u8, lasting: u64) {
        let kinds = [
            json!("lose"),
            json!("break"),
            json!({ "delay": format!("{}ms", 10 + u64::from(how) * 30) }),
            json!({ "duplicate": format!("{}ms", 1 + u64::from(how) * 10) }),
            json!({ "truncate": u32::from(how) * 8 }),
            json!({ "status": { "code": 502 } }),
            json!({ "status": { "code": 429, "retry_after": "1s" } }),
            json!("hang"),
        ];
        let kind = usize::from(how) % kinds.len();
        // An answer can't come twice.
        let side = if how < 128 || kind == 3 { "request" } else { "answer" };
        let (how, percent) = (&kinds[kind], [100, 30][usize::from(how) / 8 % 2]);
        let disturb = json!({ "from": from, "to": to, "side": side, "how": how, "percent": percent, "for": format!("{lasting}ms") });
        self.fault(lasting, json!({ "disturb": disturb }));
    }

    /// The liar changes what it answers, for a while.
    fn tell_lies(&mut self, which: u8, how: u8) {
        let Some(liar) = self.liar.clone().filter(|_| !self.forges) else { return };
        self.may_differ = true;
        let tell = TOLD[usize::from(which) % TOLD.len()];
        self.add(json!({ "lie": { "server": liar, "tell": [tell], "times": 1 + how / 8 } }));
    }

    /// The liar makes an event that is not as it should be, and sends it to all or to one.
    fn forge(&mut self, which: u8, how: u8) {
        let Some(liar) = self.liar.clone() else { return };
        let first = self.first();
        let label = format!("tape-{}", self.steps.len());
        let grab = json!({ "users": { format!("@user:{liar}"): 100 } });
        let mut craft =
            json!({ "by": liar, "type": "m.room.message", "content": { "body": "a liar speaks" } });
        let change = match which % 8 {
            0 => json!({ "type": "m.room.power_levels", "state_key": "", "content": grab }),
            1 => json!({ "type": "m.room.topic", "state_key": "", "content": { "topic": "mine" } }),
            2 => {
                json!({ "type": "m.room.member", "state_key": format!("@user:{first}"), "content": { "membership": "ban" } })
            }
            3 => json!({ "by": first, "signed_by": liar, "fields": { "origin": liar } }),
            4 => json!({ "tamper": { "content": { "body": "another text" } } }),
            5 => json!({ "tamper": { "signatures": {} } }),
            6 => json!({ "fields": { "origin_server_ts": 1 }, "keep": true }),
            _ => json!({ "keep": true }),
        };
        for (key, value) in change.as_object().into_iter().flatten() {
            craft[key] = value.clone();
        }
        self.add(json!({ "craft": craft, "as": label }));
        let others: Vec<&String> = self.servers.iter().filter(|name| **name != liar).collect();
        let to = if how < 64 { others } else { vec![others[usize::from(how) % others.len()]] };
        self.add(json!({ "push": { "from": liar, "to": to, "events": [label] } }));
    }

    /// Who speaks for a server: itself, unless it lies.
    fn speaker(&self, server: usize) -> String {
        let name = &self.servers[server];
        if self.silent.contains(name) { self.first() } else { name.clone() }
    }

    /// The first server that doesn't lie; if all do, the first of them.
    fn first(&self) -> String {
        let honest = self.servers.iter().find(|name| !self.silent.contains(name));
        honest.unwrap_or(&self.servers[0]).clone()
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

    /// The liar hides what it has, or sends what nobody should take; without a liar, nothing.
    fn lie(&mut self, which: u8, how: u8) {
        if self.forges { self.forge(which, how) } else { self.deny(which, how) }
    }

    fn deny(&mut self, which: u8, how: u8) {
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

    /// At the end each honest server says something from which the others see what they lack.
    pub(super) fn last_words(&mut self) {
        let last = self.steps.iter().map(|(at, _)| *at).max().unwrap_or(0);
        self.at = last.max(self.until) + 1_000;
        let hides = |name: &String| !self.forges && self.liar.as_ref() == Some(name);
        let speakers: Vec<String> = self.servers.iter().filter(|name| !hides(name)).cloned().collect();
        for server in speakers {
            self.add(json!({ "message": { "by": server } }));
            self.at += LAST_WORDS_EVERY_MS;
        }
    }

    /// Puts the steps among those of a scenario.
    pub(super) fn finish(self, scenario: &mut Scenario) {
        for (at, mut action) in self.steps {
            action["at"] = format!("{at}ms").into();
            scenario.timeline.push(serde_json::from_value(action).expect("decisions become steps"));
        }
        scenario.timeline.sort_by_key(|step| step.at);
        if self.may_differ {
            scenario.expect.differ.extend(self.liar);
        }
    }
}
