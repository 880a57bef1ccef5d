//! The state of every link and host at every moment: cut, silent, slow, down. The one place that decides what
//! becomes of a message.
//!
//! It knows hosts by their names in the scenario and time in milliseconds of the run, nothing of HTTP or
//! Matrix. Each fault of a link is known by a number, so that of two that overlap the end of one leaves the
//! other.

use std::collections::{BTreeMap, BTreeSet};

use rand::{RngExt, rngs::ChaCha8Rng};

use crate::chance::Streams;

/// One direction between two hosts.
#[derive(Debug)]
struct Link {
    usual: Speed,
    random: ChaCha8Rng,
    /// The faults that cut it, that make it silent, and that change its speed, of which the newest counts.
    cut: BTreeSet<usize>,
    silent: BTreeSet<usize>,
    changed: Vec<(usize, Speed)>,
    /// When it last broke: what was on its way then is lost.
    broke_at: Option<u64>,
}

/// How long messages take, in milliseconds: at least, and how much longer at most.
#[derive(Clone, Copy, Debug)]
struct Speed {
    latency: u64,
    jitter: u64,
}

/// What becomes of a message that leaves now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// It arrives then, if nothing happens on the way.
    ArrivesAt(u64),
    /// The sender is told at once that there is no way.
    Refused,
    /// It vanishes; nobody is told.
    Vanishes,
}

/// The links and hosts of a run.
#[derive(Debug)]
pub struct Conditions {
    /// From whom, to whom.
    links: BTreeMap<String, BTreeMap<String, Link>>,
    down: BTreeSet<String>,
    /// When each host last went down.
    went_down_at: BTreeMap<String, u64>,
}

impl Conditions {
    /// Links between all of `hosts`, with `latency` giving latency and jitter of each direction in
    /// milliseconds.
    pub fn new(hosts: &[String], streams: &Streams, latency: impl Fn(&str, &str) -> (u64, u64)) -> Self {
        let link = |from: &String, to: &String| {
            let (latency, jitter) = latency(from, to);
            Link {
                usual: Speed { latency, jitter },
                random: streams.stream(&format!("link {from}→{to}")),
                cut: BTreeSet::new(),
                silent: BTreeSet::new(),
                changed: Vec::new(),
                broke_at: None,
            }
        };
        let others = |from| hosts.iter().filter(move |to| *to != from);
        let links = |from| others(from).map(|to| (to.clone(), link(from, to))).collect();
        Self {
            links: hosts.iter().map(|from| (from.clone(), links(from))).collect(),
            down: BTreeSet::new(),
            went_down_at: BTreeMap::new(),
        }
    }

    fn link(&mut self, from: &str, to: &str) -> &mut Link {
        let link = self.links.get_mut(from).and_then(|links| links.get_mut(to));
        link.expect("links between all hosts are made first")
    }

    /// Cuts one direction: connections are refused, what is on its way is lost.
    pub fn cut(&mut self, from: &str, to: &str, fault: usize, now: u64) {
        let link = self.link(from, to);
        link.cut.insert(fault);
        link.broke_at = Some(now);
    }

    /// Makes one direction silent: all vanishes, nobody is told.
    pub fn silence(&mut self, from: &str, to: &str, fault: usize, now: u64) {
        let link = self.link(from, to);
        link.silent.insert(fault);
        link.broke_at = Some(now);
    }

    /// Opens one direction again, whatever broke it.
    pub fn heal(&mut self, from: &str, to: &str) {
        let link = self.link(from, to);
        link.cut.clear();
        link.silent.clear();
    }

    /// Ends what one fault did to links. Gives the directions that are cut no more.
    pub fn end(&mut self, fault: usize) -> Vec<(String, String)> {
        let mut open = Vec::new();
        for (from, links) in &mut self.links {
            for (to, link) in links {
                link.silent.remove(&fault);
                link.changed.retain(|(by, _)| *by != fault);
                if link.cut.remove(&fault) && link.cut.is_empty() {
                    open.push((from.clone(), to.clone()));
                }
            }
        }
        open
    }

    /// The directions that are cut or silent.
    pub fn broken(&self) -> Vec<(String, String)> {
        let links = self.links.iter().flat_map(|(from, links)| links.iter().map(move |to| (from, to)));
        let broken = links.filter(|(_, (_, link))| link.is_broken());
        broken.map(|(from, (to, _))| (from.clone(), to.clone())).collect()
    }

    /// Whether nothing gets from one host to another as things are.
    pub fn is_out_of_reach(&self, from: &str, to: &str) -> bool {
        self.is_down(to) || self.links.get(from).and_then(|links| links.get(to)).is_some_and(Link::is_broken)
    }

    /// Changes latency and jitter of one direction, in milliseconds.
    pub fn set_latency(&mut self, from: &str, to: &str, fault: usize, (latency, jitter): (u64, u64)) {
        self.link(from, to).changed.push((fault, Speed { latency, jitter }));
    }

    /// A host goes down: its connections break.
    pub fn take_down(&mut self, host: &str, now: u64) {
        self.down.insert(host.to_owned());
        self.went_down_at.insert(host.to_owned(), now);
    }

    /// A host is up again.
    pub fn bring_up(&mut self, host: &str) {
        self.down.remove(host);
    }

    /// Whether a host is down.
    pub fn is_down(&self, host: &str) -> bool {
        self.down.contains(host)
    }

    /// The hosts that are down.
    pub fn hosts_down(&self) -> Vec<String> {
        self.down.iter().cloned().collect()
    }

    /// A request leaves `from` for `to`. A host that is down refuses, as its kernel would.
    pub fn send_request(&mut self, from: &str, to: &str, now: u64) -> Departure {
        let down = self.is_down(to);
        let link = self.link(from, to);
        if !link.silent.is_empty() {
            return Departure::Vanishes;
        }
        if link.is_broken() || down {
            return Departure::Refused;
        }
        Departure::ArrivesAt(link.arrival(now))
    }

    /// An answer leaves `from` for `to`, on a connection that stands already: nobody is told if it is lost.
    pub fn send_answer(&mut self, from: &str, to: &str, now: u64) -> Departure {
        let link = self.link(from, to);
        if link.is_broken() {
            return Departure::Vanishes;
        }
        Departure::ArrivesAt(link.arrival(now))
    }

    /// Whether a message that left at `sent` and should arrive now was lost on the way.
    pub fn was_lost(&self, from: &str, to: &str, sent: u64) -> bool {
        let link = &self.links[from][to];
        link.is_broken() || link.broke_at.is_some_and(|broke| broke >= sent)
    }

    /// Whether a host went down after a message left for it.
    pub fn went_down_since(&self, host: &str, sent: u64) -> bool {
        self.is_down(host) || self.went_down_at.get(host).is_some_and(|at| *at >= sent)
    }

    /// The longest that a message may take now, in milliseconds.
    pub fn longest_latency(&self) -> u64 {
        self.links
            .values()
            .flat_map(BTreeMap::values)
            .map(|link| link.speed().latency + link.speed().jitter)
            .max()
            .unwrap_or(0)
    }
}

impl Link {
    fn arrival(&mut self, now: u64) -> u64 {
        let Speed { latency, jitter } = self.speed();
        let jitter = if jitter > 0 { self.random.random_range(0..=jitter) } else { 0 };
        now + latency + jitter
    }

    fn speed(&self) -> Speed {
        self.changed.last().map_or(self.usual, |(_, speed)| *speed)
    }

    fn is_broken(&self) -> bool {
        !self.cut.is_empty() || !self.silent.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn two() -> Conditions {
        let hosts = ["a".to_owned(), "b".to_owned()];
        Conditions::new(&hosts, &Streams::new(0), |_, _| (20, 0))
    }

    #[test]
    fn a_cut_is_told_at_once_and_a_silence_never() {
        let mut conditions = two();
        assert_eq!(conditions.send_request("a", "b", 5), Departure::ArrivesAt(25));
        conditions.cut("a", "b", 0, 6);
        assert_eq!(conditions.send_request("a", "b", 7), Departure::Refused);
        assert_eq!(conditions.send_request("b", "a", 7), Departure::ArrivesAt(27));
        conditions.silence("b", "a", 1, 8);
        assert_eq!(conditions.send_request("b", "a", 9), Departure::Vanishes);
    }

    #[test]
    fn what_is_on_its_way_when_a_link_breaks_is_lost_even_if_it_heals_before_it_arrives() {
        let mut conditions = two();
        conditions.cut("a", "b", 0, 10);
        conditions.heal("a", "b");
        assert!(conditions.was_lost("a", "b", 5), "sent before");
        assert!(!conditions.was_lost("a", "b", 11), "sent after");
        assert!(!conditions.was_lost("b", "a", 5), "the other way");
    }

    #[test]
    fn of_faults_that_overlap_the_end_of_one_leaves_the_others() {
        let mut conditions = two();
        conditions.cut("a", "b", 0, 10);
        conditions.cut("a", "b", 1, 20);
        assert_eq!(conditions.end(0), []);
        assert_eq!(conditions.send_request("a", "b", 30), Departure::Refused);
        conditions.silence("a", "b", 2, 40);
        assert_eq!(conditions.end(1), [("a".to_owned(), "b".to_owned())]);
        assert_eq!(conditions.send_request("a", "b", 50), Departure::Vanishes);
        conditions.set_latency("b", "a", 3, (100, 0));
        conditions.set_latency("b", "a", 4, (200, 0));
        conditions.end(3);
        assert_eq!(conditions.send_request("b", "a", 0), Departure::ArrivesAt(200));
        conditions.end(4);
        assert_eq!(conditions.send_request("b", "a", 0), Departure::ArrivesAt(20));
    }

    #[test]
    fn jitter_of_one_link_does_not_depend_on_the_others() {
        let times = |hosts: &[&str]| {
            let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
            let mut conditions = Conditions::new(&hosts, &Streams::new(7), |_, _| (20, 50));
            (0..10).map(|_| conditions.send_request("a", "b", 0)).collect::<Vec<_>>()
        };
        assert_eq!(times(&["a", "b"]), times(&["0", "a", "b", "c"]));
    }
}
