//! The events as they were given: by what name each is cited, whom it cites, and the order in which they can
//! be made.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    super::{Pages, Place, error::said_by, is_create, read, read::Found, room_version},
    ReidError,
};
use crate::matrix::{
    pdu::{Limits, UnverifiedPdu},
    version::RoomVersion,
};

/// An event that was given.
#[derive(Debug)]
pub(super) struct Given {
    pub(super) place: Place,
    /// By what others cite it.
    pub(super) name: Option<String>,
    pub(super) is_create: bool,
    pub(super) fields: Map<String, Value>,
    pub(super) prev_events: Vec<String>,
    /// Nothing if they are to be selected.
    pub(super) auth_events: Option<Vec<String>>,
    /// What it redacts.
    pub(super) redacts: Option<String>,
}

impl Given {
    pub(super) fn problem(&self, problem: impl Into<String>) -> ReidError {
        let kind = || self.fields.get("type").and_then(Value::as_str).unwrap_or("an event").to_owned();
        let event = self.name.clone().unwrap_or_else(kind);
        ReidError::Event { place: self.place.clone(), event, problem: problem.into() }
    }

    /// All that must be made before it: whom it cites by its edges, redacts, or names in its content.
    fn wants<'a>(&'a self, names: &BTreeMap<String, usize>) -> Result<BTreeSet<usize>, ReidError> {
        let auth = self.auth_events.iter().flatten().map(|name| ("auth_events", name));
        let prev = self.prev_events.iter().map(|name| ("prev_events", name));
        let redacts = self.redacts.iter().map(|name| ("redacts", name));
        let place_of = |(field, name): (&str, &'a String)| {
            let unknown = || self.problem(format!("field `{field}`: there is no event `{name}` in the file"));
            names.get(name).copied().ok_or_else(unknown)
        };
        let mut wants: BTreeSet<usize> =
            prev.chain(auth).chain(redacts).map(place_of).collect::<Result<_, _>>()?;
        let own = self.name.as_deref();
        if let Some(content) = self.fields.get("content") {
            named_in(content, &mut |name| {
                wants.extend(names.get(name).filter(|_| own != Some(name)));
            });
        }
        Ok(wants)
    }
}

/// The texts in a JSON value that look like event ids.
fn named_in(value: &Value, see: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) if text.starts_with('$') => see(text),
        Value::Array(items) => items.iter().for_each(|item| named_in(item, see)),
        Value::Object(fields) => fields.values().for_each(|field| named_in(field, see)),
        _ => {}
    }
}

/// The events of a file. One that says nothing of what precedes it follows the one before it in the file.
pub(super) fn read(pages: &Pages<'_>) -> Result<Vec<Given>, ReidError> {
    let found = read::events_in(pages)?;
    let create = found.iter().find(|found| is_create(found)).and_then(|create| object(create).ok());
    let version = create.and_then(|create| room_version(&create).ok());
    let mut all: Vec<Given> = Vec::new();
    for found in &found {
        let mut given = given(found, version)?;
        let nth = all.len();
        if !given.fields.contains_key("prev_events") {
            match all.last_mut() {
                Some(last) => {
                    // Nobody cites it by a name, so any will do.
                    let name = last.name.get_or_insert_with(|| format!("$event{nth}")).clone();
                    given.prev_events.push(name);
                }
                None if given.is_create => {}
                None => return Err(given.problem("nothing is before it, and it doesn't make the room")),
            }
        }
        all.push(given);
    }
    Ok(all)
}

fn object(found: &Found<'_>) -> Result<Map<String, Value>, String> {
    serde_json::from_str(&found.text).map_err(|error| said_by(&error))
}

fn given(found: &Found<'_>, version: Option<RoomVersion>) -> Result<Given, ReidError> {
    let event = || found.row_id.clone().unwrap_or_else(|| "an event".to_owned());
    let fields = object(found).map_err(|problem| ReidError::Event {
        place: found.place.clone(),
        event: event(),
        problem,
    })?;
    let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
    let in_content = fields.get("content").and_then(|content| content.get("redacts")).and_then(Value::as_str);
    let is_redaction = fields.get("type").is_some_and(|kind| kind == "m.room.redaction");
    let redacts = text("redacts").or(in_content.map(str::to_owned)).filter(|_| is_redaction);
    let name = found.row_id.clone().or_else(|| text("event_id")).or_else(|| hash_of(found, version?));
    let mut given = Given {
        place: found.place.clone(),
        name,
        is_create: is_create(found),
        prev_events: Vec::new(),
        auth_events: None,
        redacts,
        fields,
    };
    given.prev_events = references(&given, "prev_events")?.unwrap_or_default();
    given.auth_events = references(&given, "auth_events")?;
    Ok(given)
}

/// The id of an event of a real room, from which nobody has taken it down.
fn hash_of(found: &Found<'_>, version: RoomVersion) -> Option<String> {
    let pdu = UnverifiedPdu::parse(&found.text, version, Limits::Waived).ok()?;
    Some(pdu.event_id().to_string())
}

/// A list of events, as ids or as pairs of id and hashes.
fn references(given: &Given, field: &str) -> Result<Option<Vec<String>>, ReidError> {
    let Some(list) = given.fields.get(field) else { return Ok(None) };
    let bad = || given.problem(format!("field `{field}`: must be a list of event ids"));
    let name = |entry: &Value| match entry {
        Value::Array(pair) => pair.first().and_then(Value::as_str).map(str::to_owned),
        entry => entry.as_str().map(str::to_owned),
    };
    list.as_array()
        .ok_or_else(bad)?
        .iter()
        .map(|entry| name(entry).ok_or_else(bad))
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The events with all that each wants before it, and else in the order of the file.
pub(super) fn in_order(given: Vec<Given>) -> Result<Vec<Given>, ReidError> {
    let mut names = BTreeMap::new();
    for (nth, event) in given.iter().enumerate() {
        let Some(name) = &event.name else { continue };
        if let Some(other) = names.insert(name.clone(), nth) {
            let other: &Given = &given[other];
            return Err(event.problem(format!("the event at {} has the same id", other.place)));
        }
    }
    let mut wants: Vec<BTreeSet<usize>> = Vec::new();
    for event in &given {
        wants.push(event.wants(&names)?);
    }
    let mut wanted_by: Vec<Vec<usize>> = vec![Vec::new(); given.len()];
    for (nth, wanted) in wants.iter().enumerate() {
        wanted.iter().for_each(|other| wanted_by[*other].push(nth));
    }
    let mut free: BTreeSet<usize> = (0..given.len()).filter(|nth| wants[*nth].is_empty()).collect();
    let mut order = Vec::with_capacity(given.len());
    while let Some(next) = free.pop_first() {
        order.push(next);
        for waiting in &wanted_by[next] {
            wants[*waiting].remove(&next);
            if wants[*waiting].is_empty() {
                free.insert(*waiting);
            }
        }
    }
    if let Some(stuck) = (0..given.len()).find(|nth| !wants[*nth].is_empty()) {
        return Err(cycle(&given, &wants, stuck));
    }
    let mut given: Vec<Option<Given>> = given.into_iter().map(Some).collect();
    Ok(order.into_iter().filter_map(|nth| given[nth].take()).collect())
}

/// Names a way from an event back to itself.
fn cycle(given: &[Given], wants: &[BTreeSet<usize>], stuck: usize) -> ReidError {
    let mut way = vec![stuck];
    let first = loop {
        let at = *way.last().expect("it has a first");
        let next = *wants[at].first().expect("what is left wants something that is left");
        if let Some(first) = way.iter().position(|other| *other == next) {
            break first;
        }
        way.push(next);
    };
    let name = |nth: &usize| given[*nth].name.as_deref().unwrap_or("an event without an id");
    let mut names: Vec<&str> = way[first..].iter().map(name).collect();
    names.push(names[0]);
    given[way[first]].problem(format!("it is its own ancestor: {}", names.join(" cites ")))
}
