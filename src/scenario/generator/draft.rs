//! A scenario while it is written: who is there, for how long, and what has been decided so far.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use super::{Dice, Profile};
use crate::{
    matrix::version::RoomVersion,
    scenario::{
        Action, Crash, CreatedRoom, Expect, LinkSettings, Message, Origin, Restart, Room, Scenario,
        ScriptAction, SendAction, Server, ServerName, SimDuration, SimTime, Step, UserRef,
    },
};

/// The shortest fault of links that is more than a hiccup, the shortest calm between two that lets anybody
/// recover, and how long a restarted server stays up at least.
pub(super) const STABLE_MS: u64 = 1_000;
/// How often a place for one more fault of links is looked for; where there is none, it comes together with
/// another.
const STORM_TRIES: u32 = 8;
/// How long recovery may take: a few rounds of the longest pauses between attempts.
const SETTLE_MS: u64 = 180_000;
/// After the last fault, so much time until the last words, and from one to the next.
const LAST_WORDS_AFTER_MS: u64 = 1_000;
/// By then the longest pauses between attempts are over.
const LAST_WORDS_AGAIN_AFTER_MS: u64 = 60_000;
const LAST_WORDS_EVERY_MS: u64 = 700;

pub(super) struct Draft {
    pub(super) servers: Vec<ServerName>,
    /// Servers that lie when they are asked. Their users say nothing, so that whatever is said has an honest
    /// holder.
    pub(super) deniers: Vec<ServerName>,
    /// Servers that send what they should not, and answer honestly: so what they made can be had from them.
    pub(super) forgers: Vec<ServerName>,
    /// Servers that are not in the room when the timeline begins.
    pub(super) outsiders: Vec<ServerName>,
    /// When things begin to come to an end, in milliseconds: no fault lasts longer.
    pub(super) end: u64,
    /// How many messages the plain talk has.
    pub(super) messages: u64,
    pub(super) room: CreatedRoom,
    pub(super) skews: BTreeMap<ServerName, i64>,
    room_version: RoomVersion,
    links: IndexMap<String, LinkSettings>,
    /// Servers that need not agree with the others in the end: they may never learn that they were shut out,
    /// or lie.
    differ: BTreeSet<ServerName>,
    steps: Vec<Step>,
    /// When links fail.
    storms: Vec<(u64, u64)>,
    down: BTreeMap<ServerName, Vec<(u64, u64)>>,
    labels: u32,
}

impl Draft {
    /// Who is there and for how long.
    pub(super) fn new(profile: Profile, dice: &mut Dice) -> Self {
        let mut number = |range: std::ops::RangeInclusive<u64>| dice.between(*range.start(), *range.end());
        let (servers, seconds, messages) =
            (number(profile.servers()), number(profile.seconds()), number(profile.messages()));
        let mut servers: Vec<ServerName> = (0..servers).map(name).collect();
        // Who is asked first goes by the name, and shall not always be the one that has everything.
        let creator = usize::try_from(dice.between(0, servers.len() as u64 - 1)).unwrap_or(0);
        servers[..=creator].rotate_right(1);
        let others = &servers[1..];
        let most_liars = if profile.has_liars() { others.len() * 2 / 3 } else { 0 };
        let mut deniers = dice.some(others, most_liars.min(1), most_liars);
        let honest: Vec<_> = others.iter().filter(|name| !deniers.contains(name)).cloned().collect();
        let forgers = deniers.split_off(deniers.len().div_ceil(2));
        let keep = honest.len() / 2;
        let outsiders = if dice.percent(40) { dice.some(&honest, 1, keep) } else { Vec::new() };
        let version = version(dice);
        let members = servers.iter().filter(|name| !outsiders.contains(name));
        let members = members.map(|name| UserRef(name.clone())).collect();
        Self {
            end: seconds * 1_000,
            messages,
            room: CreatedRoom {
                created_by: UserRef(servers[0].clone()),
                members: (!outsiders.is_empty()).then_some(members),
                join_rule: crate::scenario::JoinRule::default(),
                history_visibility: crate::scenario::HistoryVisibility::default(),
                power_levels: None,
            },
            skews: BTreeMap::new(),
            room_version: version,
            links: links(dice),
            differ: BTreeSet::new(),
            steps: Vec::new(),
            storms: Vec::new(),
            down: BTreeMap::new(),
            labels: 0,
            servers,
            deniers,
            forgers,
            outsiders,
        }
    }

    /// The server of the room's creator: always honest, and joined from beginning to end.
    pub(super) fn creator(&self) -> ServerName {
        self.servers[0].clone()
    }

    /// The servers that don't lie and are in the room when the timeline begins, the creator's first.
    pub(super) fn speakers(&self) -> Vec<ServerName> {
        let is_speaker = |name: &&ServerName| !self.is_liar(name) && !self.outsiders.contains(name);
        self.servers.iter().filter(is_speaker).cloned().collect()
    }

    fn is_liar(&self, name: &ServerName) -> bool {
        self.deniers.contains(name) || self.forgers.contains(name)
    }

    /// How much is written: more after a kind that found something to do.
    pub(super) fn size(&self) -> usize {
        self.steps.len() + self.skews.len()
    }

    /// The same without the creator's.
    pub(super) fn other_speakers(&self) -> Vec<ServerName> {
        self.speakers().split_off(1)
    }

    /// Speakers that are in the room to the end, as far as it is written; without the creator's.
    pub(super) fn steady(&self) -> Vec<ServerName> {
        let gone: BTreeSet<&str> = self.steps.iter().filter_map(|step| goes(&step.action)).collect();
        self.other_speakers().into_iter().filter(|name| !gone.contains(name.as_str())).collect()
    }

    /// The servers whose users say something, and that are in the room when the timeline begins.
    pub(super) fn voices(&self) -> Vec<ServerName> {
        self.forgers.iter().cloned().chain(self.speakers()).collect()
    }

    /// The names of the events that liars make before things come to an end.
    pub(super) fn crafted(&self) -> Vec<String> {
        let crafted = self.steps.iter().filter(|step| {
            step.at.as_millis() <= self.end && matches!(step.action, Action::Script(ScriptAction::Craft(_)))
        });
        crafted.filter_map(|step| step.label.clone()).collect()
    }

    /// Whether events name the create event among what allows them (until room version 12).
    pub(super) fn cites_create(&self) -> bool {
        !self.room_version.has_hash_room_ids()
    }

    /// Whether servers choose the ids of their events (until room version 3).
    pub(super) fn chooses_ids(&self) -> bool {
        self.room_version.has_event_ids_on_the_wire()
    }

    /// The room's version as a create event names it.
    pub(super) fn version_name(&self) -> String {
        self.room_version.to_string()
    }

    /// A moment at which things happen.
    pub(super) fn moment(&self, dice: &mut Dice) -> u64 {
        dice.between(0, self.end)
    }

    /// A span of time for a fault: long enough to matter, over before the end.
    pub(super) fn span(&self, dice: &mut Dice, least_ms: u64) -> (u64, u64) {
        let from = dice.between(0, self.end.saturating_sub(least_ms) * 3 / 4);
        let lasting = dice.between(least_ms, (self.end - from).max(least_ms));
        (from, lasting)
    }

    /// A span of time for a fault of links. Where two faults meet at a link, the first end heals it; so they
    /// fail together for as long as matters, or there is as much calm between them.
    pub(super) fn storm(&mut self, dice: &mut Dice) -> (u64, u64) {
        let lasts = |(from, lasting): (u64, u64), (other_from, other_lasting): (u64, u64)| {
            let both_end = (from + lasting).min(other_from + other_lasting);
            both_end.abs_diff(from.max(other_from)) >= STABLE_MS
        };
        let fits = |storm: &(u64, u64)| self.storms.iter().all(|other| lasts(*storm, *other));
        let drawn = (0..STORM_TRIES).map(|_| self.span(dice, STABLE_MS)).find(fits);
        let storm = drawn.or_else(|| self.storms.last().copied()).unwrap_or((0, STABLE_MS));
        self.storms.push(storm);
        storm
    }

    pub(super) fn step(&mut self, at: u64, action: impl Into<Action>) {
        self.steps.push(Step::new(SimTime::from_millis(at), action));
    }

    /// A step whose event gets a name, which is the result.
    pub(super) fn labelled(&mut self, at: u64, action: impl Into<Action>, noun: &str) -> String {
        self.labels += 1;
        let label = format!("{noun}-{}", self.labels);
        self.steps.push(Step { label: Some(label.clone()), ..Step::new(SimTime::from_millis(at), action) });
        label
    }

    /// A crash and a restart, unless the server is down at about that time already, or is one that must stay
    /// up to lie.
    pub(super) fn crash(&mut self, server: ServerName, from: u64, lasting: u64, after_writes: Option<u32>) {
        self.crash_again(server, from, lasting, after_writes, STABLE_MS);
    }

    /// The same for a server that stays up for `calm_ms` at least.
    pub(super) fn crash_again(
        &mut self,
        server: ServerName,
        from: u64,
        lasting: u64,
        after_writes: Option<u32>,
        calm_ms: u64,
    ) {
        if self.is_liar(&server) {
            return;
        }
        let until = from + lasting;
        let down = self.down.entry(server.clone()).or_default();
        if down.iter().any(|(start, end)| from < *end + calm_ms && *start < until + calm_ms) {
            return;
        }
        down.push((from, until));
        self.step(from, Crash { server: server.clone(), after_writes });
        self.step(until, Restart { server });
    }

    /// Says that a server may end as it likes.
    pub(super) fn may_differ(&mut self, server: &ServerName) {
        self.differ.insert(server.clone());
    }

    /// When all else is over, each member that does not hide events says a word, one after the other; those
    /// first that hold what they have given to few. And once more later, since what they say can only name
    /// what they have recovered by then.
    pub(super) fn last_words(&mut self) {
        let speakers = self.voices();
        for round in [LAST_WORDS_AFTER_MS, LAST_WORDS_AGAIN_AFTER_MS] {
            let mut at = self.end + round;
            for server in &speakers {
                self.step(at, say(server, 1, 0));
                at += LAST_WORDS_EVERY_MS;
            }
        }
    }

    /// The scenario, its steps in order.
    pub(super) fn finish(mut self, profile: Profile, seed: u64, told: &[&str]) -> Scenario {
        self.steps.sort_by_key(|step| step.at);
        self.servers.sort_by_key(|name| (name.len(), name.clone()));
        let servers = self.servers.iter().map(|name| {
            let skew = self.skews.get(name).copied().unwrap_or(0);
            let clock_skew = crate::scenario::SignedDuration::from_millis(skew);
            (name.clone(), Server { clock_skew, ..Server::default() })
        });
        Scenario {
            schema: None,
            why: why(&self, profile, seed, told),
            room_version: self.room_version,
            servers: servers.collect(),
            links: self.links,
            room: Room::Created(self.room),
            timeline: self.steps,
            settle: SimDuration::from_millis(SETTLE_MS),
            heal_at_end: true,
            lenient: true,
            seed,
            expect: Expect { differ: self.differ.into_iter().collect(), ..Expect::default() },
            origin: Origin(format!("{profile}:{seed}").into()),
        }
    }
}

/// One or several messages.
pub(super) fn say(server: &str, count: u64, every_ms: u64) -> Message {
    Message {
        by: UserRef(server.to_owned()),
        count: u32::try_from(count).unwrap_or(u32::MAX).clamp(1, 10_000),
        every: SimDuration::from_millis(every_ms),
        text: None,
    }
}

/// The user that a step takes out of the room.
fn goes(action: &Action) -> Option<&str> {
    match action {
        Action::Send(SendAction::Leave(leave)) => Some(leave.by.as_str()),
        Action::Send(SendAction::Kick(kick)) => Some(kick.user.as_str()),
        Action::Send(SendAction::Ban(ban)) => Some(ban.user.as_str()),
        _ => None,
    }
}

fn why(draft: &Draft, profile: Profile, seed: u64, told: &[&str]) -> String {
    let list = match told {
        [] => "plain talk".to_owned(),
        [one] => (*one).to_owned(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    };
    let (servers, seconds) = (draft.servers.len(), draft.end / 1_000);
    format!("{servers} servers, {seconds} seconds: {list}. Generated: profile {profile}, seed {seed}.")
}

/// Letters first, since most scenarios are small.
fn name(nth: u64) -> ServerName {
    match u8::try_from(nth) {
        Ok(nth @ 0..26) => char::from(b'a' + nth).to_string(),
        _ => format!("s{nth}"),
    }
}

/// Mostly the one of today; often the oldest, in which servers choose the ids of their events; and any of the
/// others.
fn version(dice: &mut Dice) -> RoomVersion {
    let versions: Vec<RoomVersion> = RoomVersion::all().collect();
    match dice.between(0, 99) {
        0..65 => RoomVersion::V11,
        65..80 => versions[0],
        _ => dice.pick(&versions),
    }
}

fn links(dice: &mut Dice) -> IndexMap<String, LinkSettings> {
    let mut links = IndexMap::new();
    if dice.percent(50) {
        let latency = SimDuration::from_millis(dice.skewed(10, 400));
        let jitter = SimDuration::from_millis(dice.skewed(1, 200));
        links.insert("default".to_owned(), LinkSettings { latency: Some(latency), jitter: Some(jitter) });
    }
    links
}
