//! From the text of a file to the events in it, in whatever wrapping: events one a line or in an array, the
//! answers of servers, rows of a database.
//!
//! Nothing here looks into an event further than to know it for one, so that a bad one spoils no other.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;

use super::{
    DumpError,
    error::said_by,
    place::{Item, Pages, Place},
    rows,
};

/// The lists of events in the answers of servers: `/state`, `/backfill`, `/event` and `/send` (`pdus`),
/// `/get_missing_events` (`events`), `/event_auth` (`auth_chain`), `/send_join` (`state`, `auth_chain`).
/// `state` and `chunk` are also those of the client and the admin API, which are told by their events.
const LISTS: [&str; 5] = ["pdus", "events", "state", "auth_chain", "chunk"];

/// What only events in federation format have.
const FEDERATION_FIELDS: [&str; 3] = ["hashes", "prev_events", "auth_events"];

/// The fields of an object, unread.
pub(super) type Fields<'a> = BTreeMap<String, &'a RawValue>;

/// The text of an event.
#[derive(Clone, Debug)]
pub(super) struct Found<'a> {
    pub(super) place: Place,
    pub(super) text: Cow<'a, str>,
    /// The id that stands beside it.
    pub(super) row_id: Option<String>,
    /// Whether it has a field that events in client format don't have.
    pub(super) has_federation_fields: bool,
}

/// What an event says of itself, whether or not it is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Label {
    pub(super) event_id: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) sender: Option<String>,
}

impl Found<'_> {
    pub(super) fn label(&self) -> Label {
        let fields: Fields<'_> = serde_json::from_str(&self.text).unwrap_or_default();
        let text = |key: &str| serde_json::from_str(fields.get(key)?.get()).ok();
        Label {
            event_id: self.row_id.clone().or_else(|| text("event_id")),
            kind: text("type"),
            sender: text("sender"),
        }
    }
}

/// All events of a file, in its order.
pub(super) fn events_in<'a>(pages: &Pages<'a>) -> Result<Vec<Found<'a>>, DumpError> {
    let mut reader = Reader { pages, found: Vec::new() };
    match rows::rows_in(pages)? {
        Some(rows) => {
            for row in rows {
                reader.row(pages.at_line(row.line, None), row.event_id, Cow::Owned(row.json))?;
            }
        }
        None => {
            for value in values(pages) {
                reader.value(value?)?;
            }
        }
    }
    Ok(reader.found)
}

/// The events of one answer in a file.
pub(super) fn events_of<'a>(pages: &Pages<'a>, answer: &'a RawValue) -> Result<Vec<Found<'a>>, DumpError> {
    let mut reader = Reader { pages, found: Vec::new() };
    reader.event_or_answer(answer)?;
    Ok(reader.found)
}

/// The values of a file, one after the other.
pub(super) fn values<'a>(pages: &Pages<'a>) -> impl Iterator<Item = Result<&'a RawValue, DumpError>> {
    // What breaks off does so where it was written, and not on an empty line behind it.
    let values = serde_json::Deserializer::from_str(pages.text.trim_end()).into_iter::<&RawValue>();
    values.map(|value| {
        value.map_err(|error| DumpError::Json {
            place: pages.at_line(error.line().max(1), None),
            problem: format!("{}, column {}", said_by(&error), error.column()),
        })
    })
}

struct Reader<'p, 'a> {
    pages: &'p Pages<'a>,
    found: Vec<Found<'a>>,
}

impl<'a> Reader<'_, 'a> {
    /// A value of the file itself: an event, a list of them, or an answer.
    fn value(&mut self, value: &'a RawValue) -> Result<(), DumpError> {
        if !value.get().starts_with('[') {
            return self.event_or_answer(value);
        }
        let items: Vec<&RawValue> =
            serde_json::from_str(value.get()).map_err(|error| self.broken(value, &error))?;
        match items[..] {
            // `/send_join` of version 1 answers with the status and the answer.
            [status, answer] if status.get() == "200" => self.event_or_answer(answer),
            _ => self.list("", value),
        }
    }

    fn event_or_answer(&mut self, value: &'a RawValue) -> Result<(), DumpError> {
        let place = self.pages.place(value.get(), None);
        let fields = self.fields(value, &place)?;
        let lists: Vec<&'static str> = LISTS.into_iter().filter(|key| fields.contains_key(*key)).collect();
        if fields.contains_key("type") || lists.is_empty() && !fields.contains_key("event") {
            return self.event(place, value, &fields);
        }
        for key in lists {
            self.list(key, fields[key])?;
        }
        match fields.get("event") {
            Some(event) => {
                let place = self.pages.place(event.get(), None);
                let fields = self.fields(event, &place)?;
                self.event(place, event, &fields)
            }
            None => Ok(()),
        }
    }

    fn list(&mut self, list: &'static str, value: &'a RawValue) -> Result<(), DumpError> {
        let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(|error| {
            let place = self.pages.place(value.get(), None);
            DumpError::NoEvent { place, what: format!("`{list}` is no list of events: {}", said_by(&error)) }
        })?;
        for (nth, item) in items.into_iter().enumerate() {
            let place = self.pages.place(item.get(), Some(Item { list, nth }));
            let fields = self.fields(item, &place)?;
            self.event(place, item, &fields)?;
        }
        Ok(())
    }

    fn event(&mut self, place: Place, value: &'a RawValue, fields: &Fields<'a>) -> Result<(), DumpError> {
        if fields.contains_key("type") {
            let has_federation_fields = FEDERATION_FIELDS.iter().any(|key| fields.contains_key(*key));
            let text = Cow::Borrowed(value.get());
            self.found.push(Found { place, text, row_id: None, has_federation_fields });
            return Ok(());
        }
        let Some(json) = fields.get("json") else {
            return Err(DumpError::NoEvent { place, what: what_it_is(fields) });
        };
        let id = fields.get("event_id").and_then(|id| serde_json::from_str(id.get()).ok());
        let json = match serde_json::from_str::<String>(json.get()) {
            Ok(text) => Cow::Owned(text),
            Err(_) => Cow::Borrowed(json.get()),
        };
        self.row(place, id, json)
    }

    /// A row of the table `event_json`.
    fn row(&mut self, place: Place, id: Option<String>, json: Cow<'a, str>) -> Result<(), DumpError> {
        let has_federation_fields = match serde_json::from_str::<Fields<'_>>(&json) {
            Ok(fields) if fields.contains_key("type") => {
                FEDERATION_FIELDS.iter().any(|key| fields.contains_key(*key))
            }
            Ok(_) => {
                let what = "the column `json` is no event, since it has no `type`".to_owned();
                return Err(DumpError::NoEvent { place, what });
            }
            Err(error) => {
                let what = format!("the column `json` is not a JSON object: {}", said_by(&error));
                return Err(DumpError::NoEvent { place, what });
            }
        };
        self.found.push(Found { place, text: json, row_id: id, has_federation_fields });
        Ok(())
    }

    fn fields(&self, value: &'a RawValue, place: &Place) -> Result<Fields<'a>, DumpError> {
        if !value.get().starts_with('{') {
            let what = format!("{} is no event; an event is an object with a `type`", kind_of(value.get()));
            return Err(DumpError::NoEvent { place: place.clone(), what });
        }
        serde_json::from_str(value.get()).map_err(|error| self.broken(value, &error))
    }

    fn broken(&self, value: &RawValue, error: &serde_json::Error) -> DumpError {
        DumpError::Json { place: self.pages.place(value.get(), None), problem: said_by(error) }
    }
}

fn kind_of(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "a list",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a truth value",
        Some(b'n') => "`null`",
        _ => "a number",
    }
}

/// What an object without a `type` is, and what to do with it.
fn what_it_is(fields: &Fields<'_>) -> String {
    let has = |key: &str| fields.contains_key(key);
    let text = |key: &str| fields.get(key).map_or("", |value| value.get().trim_matches('"'));
    match () {
        () if has("errcode") => format!(
            "the error of a server ({}), not an answer with events; ask a server that is in the room",
            text("errcode")
        ),
        () if has("pdu_ids") || has("state_ids") => {
            "ids of a state and no events; give it as the state at an event, beside a dump that has the events".to_owned()
        }
        () if has("verify_keys") => "the keys of a server; give them as the keys of a dump".to_owned(),
        () if has("next_batch") || has("rooms") => {
            "an answer of the client API, which has no events in federation format (docs/import.md)".to_owned()
        }
        () => format!(
            "neither an event, which has a `type`, nor the answer of a server with a list of events ({}), nor a row of \
             `event_json`",
            LISTS.map(|key| format!("`{key}`")).join(", ")
        ),
    }
}
