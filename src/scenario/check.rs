//! What the checks of single values need to know about the whole scenario: its servers.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value;

use super::mistake::{Mistake, quote};
use super::names::{ServerName, Servers, UserRef};
use super::server::Server;
use super::suggest;

/// The servers that steps may speak of.
#[derive(Clone, Copy)]
pub(super) struct World<'a>(pub(super) &'a IndexMap<ServerName, Server>);

impl<'a> World<'a> {
    /// The server with this Matrix name.
    pub(super) fn by_matrix_name(self, matrix_name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(key, server)| server.name.as_ref().unwrap_or(key) == matrix_name)
            .map(|(key, _)| key.as_str())
    }

    /// The server that a user belongs to.
    pub(super) fn server_of(self, user: &UserRef) -> Option<&'a str> {
        match user.as_str().strip_prefix('@') {
            Some(rest) => self.by_matrix_name(rest.split_once(':')?.1),
            None => self.0.get_key_value(user.as_str()).map(|(key, _)| key.as_str()),
        }
    }

    /// The full user id of a user.
    pub(super) fn user_id(self, user: &UserRef) -> String {
        match user.as_str() {
            full if full.starts_with('@') => full.to_owned(),
            server => format!("@user:{}", self.matrix_name(server)),
        }
    }

    /// The Matrix name of a server; of a server that the scenario does not have, the name itself.
    pub(super) fn matrix_name<'n>(self, server: &'n str) -> &'n str
    where
        'a: 'n,
    {
        self.0.get(server).and_then(|settings| settings.name.as_deref()).unwrap_or(server)
    }

    /// Refuses a server that the scenario doesn't have; the mistake is in the value itself.
    pub(super) fn server(self, name: &str) -> Result<(), Mistake> {
        if self.0.contains_key(name) {
            return Ok(());
        }
        Err(self.advise(name, Mistake::here(format!("there is no server {}", quote(name)))))
    }

    fn advise(self, name: &str, mistake: Mistake) -> Mistake {
        match suggest::advice(name, self.0.keys().map(String::as_str)) {
            Some(advice) => mistake.help(advice),
            None => mistake.help("name a server that `servers` has"),
        }
    }

    /// Refuses a user that is on no server of the scenario; the mistake is in the value itself.
    pub(super) fn user(self, user: &UserRef) -> Result<(), Mistake> {
        let text = user.as_str();
        if !text.starts_with('@') {
            return self.server(text);
        }
        let Ok(id) = ruma_common::UserId::parse(text) else {
            return Err(Mistake::here(format!("{} is not a user id", quote(text)))
                .help("write the name of a server, or a user id such as \"@user:a\""));
        };
        if self.server_of(user).is_some() {
            return Ok(());
        }
        let server = id.server_name().as_str();
        let mistake = Mistake::here(format!("there is no server with the Matrix name {}", quote(server)));
        let names = self.0.iter().map(|(key, server)| server.name.as_deref().unwrap_or(key));
        Err(match suggest::advice(server, names) {
            Some(advice) => mistake.help(advice),
            None => mistake.help("give a server this `name`"),
        })
    }

    /// Refuses an empty list, an unknown server, and a server that is named twice.
    pub(super) fn list(self, servers: &[ServerName]) -> Result<(), Mistake> {
        if servers.is_empty() {
            return Err(Mistake::here("no server is named").help("name at least one server"));
        }
        let mut seen = BTreeSet::new();
        for (index, server) in servers.iter().enumerate() {
            self.server(server).map_err(|mistake| mistake.entry(index))?;
            if !seen.insert(server) {
                return Err(Mistake::here(format!("`{server}` is named twice"))
                    .help("remove one")
                    .entry(index));
            }
        }
        Ok(())
    }

    /// Refuses two ends of a fault that are not two disjoint sets of servers.
    pub(super) fn ends(self, from: &Servers, to: &Servers) -> Result<(), Mistake> {
        for (key, servers) in [("from", from), ("to", to)] {
            match servers {
                Servers::One(server) => self.server(server),
                Servers::Many(servers) => self.list(servers),
            }
            .map_err(|mistake| mistake.under(key))?;
        }
        match to.iter().find(|server| from.iter().any(|other| other == *server)) {
            Some(both) => Err(Mistake::at("to", format!("`{both}` is in `from` as well"))
                .help("a server always reaches itself; name each server on one side")),
            None => Ok(()),
        }
    }
}

/// The largest whole number that events may carry: Matrix allows what a double holds exactly.
const LARGEST: i64 = (1 << 53) - 1;

/// Refuses numbers that canonical JSON cannot carry.
pub(super) fn event_json(value: &Value) -> Result<(), Mistake> {
    match value {
        Value::Number(number) => match number.as_i64() {
            Some(whole) if (-LARGEST..=LARGEST).contains(&whole) => Ok(()),
            _ => Err(Mistake::here(format!("events cannot carry the number {number}"))
                .help("Matrix events carry whole numbers from -(2^53)+1 to (2^53)-1")),
        },
        Value::Array(entries) => entries
            .iter()
            .enumerate()
            .try_for_each(|(index, entry)| event_json(entry).map_err(|mistake| mistake.entry(index))),
        Value::Object(entries) => event_object(entries),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

/// The same for an object.
pub(super) fn event_object(entries: &serde_json::Map<String, Value>) -> Result<(), Mistake> {
    entries.iter().try_for_each(|(key, entry)| event_json(entry).map_err(|mistake| mistake.under(key)))
}

/// Whether a word can be a label: `[a-z0-9_-]+`, at most 64 letters.
pub(super) fn is_word(word: &str) -> bool {
    let letter = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'_' | b'-');
    !word.is_empty() && word.len() <= 64 && word.bytes().all(letter)
}
