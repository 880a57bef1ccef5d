//! A run as a trace in the JSON format of Chrome's `about:tracing`, which Perfetto
//! (<https://ui.perfetto.dev>) reads.
//!
//! Servers are processes; requests are spans, one where they are asked and one where they are answered;
//! faults are spans of the scenario's own process, except those of a server being down; verdicts and gaps are
//! instants. Spans are asynchronous ones, since requests of one server overlap without nesting. Time begins
//! with the set-up.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::{
    journal::{
        Journal, Record, What,
        exchange::exchanges,
        fault::{Target, faults},
    },
    report::step::fault_line,
};

/// The process of the scenario; servers come after it. Number 0 means the idle task to trace viewers.
const SCENARIO: usize = 1;

/// The rows of a server.
#[derive(Clone, Copy)]
enum Row {
    Asks = 1,
    Answers = 2,
    Events = 3,
}

/// The whole trace as one JSON object.
pub fn trace(journal: &Journal) -> Value {
    let mut trace = Trace::new(journal);
    journal.records.iter().for_each(|record| trace.take(record));
    trace.finish(journal)
}

struct Trace<'a> {
    start: i64,
    processes: BTreeMap<&'a str, usize>,
    events: Vec<Value>,
    /// Spans that have begun, by the number of their request, with the events that end them.
    open: BTreeMap<u64, Vec<Value>>,
    missing: BTreeMap<&'a str, i64>,
    title: Value,
}

impl<'a> Trace<'a> {
    fn new(journal: &'a Journal) -> Self {
        let start = journal.records.first().map_or(0, |record| record.t);
        let mut trace = Self {
            start,
            processes: BTreeMap::new(),
            events: Vec::new(),
            open: BTreeMap::new(),
            missing: BTreeMap::new(),
            title: Value::Null,
        };
        trace.name(SCENARIO, "scenario", &[(Row::Events, "steps and faults")]);
        let Some(What::Run { servers, scenario, seed, fabric, .. }) =
            journal.records.first().map(|record| &record.what)
        else {
            return trace;
        };
        trace.title = json!({
            "scenario": scenario, "seed": seed, "fabric": fabric, "timeline_begins_at_us": trace.us(0)
        });
        for (nth, (host, _)) in servers.iter().enumerate() {
            let process = SCENARIO + 1 + nth;
            let rows = [(Row::Asks, "asks"), (Row::Answers, "is asked"), (Row::Events, "events")];
            trace.name(process, host, &rows);
            trace.processes.insert(host, process);
        }
        trace
    }

    fn name(&mut self, process: usize, name: &str, rows: &[(Row, &str)]) {
        self.events.push(json!({
            "ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": { "name": name }
        }));
        self.events.push(json!({
            "ph": "M", "name": "process_sort_index", "pid": process, "tid": 0, "args": { "sort_index": process }
        }));
        for (row, name) in rows {
            self.events.push(json!({
                "ph": "M", "name": "thread_name", "pid": process, "tid": *row as u8, "args": { "name": name }
            }));
        }
    }

    /// Microseconds since the beginning of the run.
    fn us(&self, t: i64) -> i64 {
        (t - self.start) * 1_000
    }

    fn take(&mut self, record: &'a Record) {
        let server = record.server.as_deref().unwrap_or_default();
        let process = self.processes.get(server).copied().unwrap_or(SCENARIO);
        match &record.what {
            What::Request { .. } | What::Arrived { .. } | What::Answer { .. } | What::Failed { .. } => {
                self.traffic(record, process);
            }
            What::Step { step, action, detail } => {
                self.instant(record.t, SCENARIO, action, &json!({ "step": step, "detail": detail }));
            }
            What::Healed => self.instant(record.t, SCENARIO, "all healed", &json!({})),
            What::Judged { event, verdict, reason, .. } => {
                let name = serde_json::to_value(verdict).unwrap_or_default();
                let args = json!({ "event": event, "reason": reason });
                self.instant(record.t, process, name.as_str().unwrap_or_default(), &args);
            }
            What::GapOpened { missing, wanted_by } => {
                let args = json!({ "missing": missing, "wanted_by": wanted_by });
                self.instant(record.t, process, "gap opened", &args);
                self.count_missing(record.t, server, process, 1);
            }
            What::GapClosed { missing } => {
                self.instant(record.t, process, "gap closed", &json!({ "missing": missing }));
                self.count_missing(record.t, server, process, -1);
            }
            What::GapStuck { missing, failures, .. } => {
                let args = json!({ "missing": missing, "failures": failures });
                self.instant(record.t, process, "gap stuck", &args);
            }
            What::Dropped { event, reason, .. } => {
                let args = json!({ "event": event, "reason": reason });
                self.instant(record.t, process, "dropped", &args);
            }
            _ => {}
        }
    }

    fn traffic(&mut self, record: &Record, process: usize) {
        match &record.what {
            What::Request { id, to, endpoint, cause, events, bytes, .. } => {
                let args = json!({ "to": to, "cause": cause, "events": events, "bytes": bytes });
                self.begin(record.t, process, Row::Asks, *id, endpoint.as_str(), &args);
            }
            What::Arrived { id } => {
                let name = self.open.get(id).and_then(|open| open[0]["name"].as_str().map(str::to_owned));
                if let Some(name) = name {
                    self.begin(record.t, process, Row::Answers, *id, &name, &json!({}));
                }
            }
            What::Answer { id, status, errcode, events, bytes, .. } => {
                let args = json!({ "status": status, "errcode": errcode, "events": events, "bytes": bytes });
                self.end(record.t, *id, &args);
            }
            What::Failed { id, why } => self.end(record.t, *id, &json!({ "failed": why })),
            _ => {}
        }
    }

    fn begin(&mut self, t: i64, process: usize, row: Row, id: u64, name: &str, args: &Value) {
        let at = |ph: &str, t: i64| {
            let side = if matches!(row, Row::Asks) { "asked" } else { "answered" };
            json!({
                "ph": ph, "cat": side, "name": name, "id": format!("{side} {id}"), "pid": process,
                "tid": row as u8, "ts": self.us(t)
            })
        };
        let (mut begin, end) = (at("b", t), at("e", t));
        begin["args"] = args.clone();
        self.events.push(begin);
        self.open.entry(id).or_default().push(end);
    }

    fn end(&mut self, t: i64, id: u64, args: &Value) {
        for mut end in self.open.remove(&id).unwrap_or_default() {
            end["ts"] = self.us(t).into();
            end["args"] = args.clone();
            self.events.push(end);
        }
    }

    fn instant(&mut self, t: i64, process: usize, name: &str, args: &Value) {
        self.events.push(json!({
            "ph": "i", "s": "t", "cat": "event", "name": name, "pid": process, "tid": Row::Events as u8,
            "ts": self.us(t), "args": args
        }));
    }

    fn count_missing(&mut self, t: i64, server: &'a str, process: usize, by: i64) {
        let missing = self.missing.entry(server).or_default();
        *missing += by;
        let missing = *missing;
        self.events.push(json!({
            "ph": "C", "name": "missing events", "pid": process, "tid": 0, "ts": self.us(t),
            "args": { "missing": missing }
        }));
    }

    fn faults(&mut self, journal: &Journal, last: i64) {
        for (nth, fault) in faults(journal, &exchanges(journal)).iter().enumerate() {
            let server = fault.hits.iter().find_map(|hit| match hit.target {
                Target::Server(server) => Some(server),
                Target::Link(..) | Target::Unknown => None,
            });
            let process = server.and_then(|server| self.processes.get(server)).copied().unwrap_or(SCENARIO);
            let step = fault.step.map(|cause| cause.step);
            let until = fault.until().map_or(last, |until| until.t);
            for (ph, t) in [("b", fault.since.t), ("e", until)] {
                self.events.push(json!({
                    "ph": ph, "cat": "fault", "name": fault_line(fault), "id": format!("fault {nth}"),
                    "pid": process, "tid": Row::Events as u8, "ts": self.us(t), "args": { "step": step }
                }));
            }
        }
    }

    fn finish(mut self, journal: &Journal) -> Value {
        let last = journal.records.last().map_or(0, |record| record.t);
        let open: Vec<u64> = self.open.keys().copied().collect();
        open.into_iter().for_each(|id| self.end(last, id, &json!({ "failed": "the run ended before" })));
        self.faults(journal, last);
        // Viewers want what belongs together in order of time; the order of records breaks ties.
        self.events.sort_by_key(|event| event["ts"].as_i64().unwrap_or(i64::MIN));
        json!({ "traceEvents": self.events, "displayTimeUnit": "ms", "otherData": self.title })
    }
}
