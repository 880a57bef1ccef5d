//! The servers of a scenario.

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::mistake::{Mistake, Target, quote};
use super::names::ServerName;
use super::planted::PLANTED;
use super::suggest;
use super::time::{SignedDuration, SimDuration};
use crate::{matrix::keys::KEY_TRUST_MS, room::answer_order::AnswerOrder};

/// The most servers that a scenario can have.
pub const MAX_SERVERS: usize = 64;

/// One simulated homeserver.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// The Matrix server name; by default the name under which the scenario knows the server. Needed where a
    /// room of real servers is imported: their events are signed by these names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// How far the server's clock is ahead of the true time, or behind it if negative.
    #[serde(skip_serializing_if = "SignedDuration::is_zero")]
    pub clock_skew: SignedDuration,
    /// For how long the server publishes its keys as valid, 10s to 7 days; a day by default. Who meets
    /// something that is newer asks for them again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_validity: Option<SimDuration>,
    /// In which order the server answers `/backfill` and `/get_missing_events`, where the specification
    /// leaves it open.
    #[serde(skip_serializing_if = "AnswerOrder::is_customary")]
    pub answer_order: AnswerOrder,
    /// The bugs that are planted in this server.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "planted_schema")]
    pub planted: Vec<String>,
}

fn planted_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "description": "The bugs that are planted in this server.",
        "type": "array",
        "items": { "type": "string", "enum": PLANTED }
    })
}

/// Checks every server for itself, and that no two of them have one Matrix name.
pub(super) fn check_servers(servers: &IndexMap<ServerName, Server>) -> Result<(), Mistake> {
    if servers.is_empty() {
        return Err(Mistake::here("there are no servers").help("add \"a\": {}"));
    }
    for (position, (key, server)) in servers.iter().enumerate() {
        if !is_server_name(key) {
            return Err(Mistake::at(key, "this cannot be the name of a server")
                .help("names are a small letter and up to 30 small letters, digits and `-`")
                .shown_at(Target::Key));
        }
        let matrix_name = server.name.as_deref().unwrap_or(key);
        if ruma_common::ServerName::parse(matrix_name).is_err() {
            return Err(Mistake::at("name", format!("{} is not a Matrix server name", quote(matrix_name)))
                .help("for example \"example.org\" or \"localhost:8448\"")
                .under(key));
        }
        let earlier = servers.iter().take(position);
        if let Some((other, _)) =
            earlier.into_iter().find(|(k, s)| s.name.as_ref().unwrap_or(k) == matrix_name)
        {
            return Err(Mistake::at(
                "name",
                format!("server `{other}` has the Matrix name {matrix_name} already"),
            )
            .help("give each server a name of its own")
            .under(key));
        }
        check_key_validity(server.key_validity).map_err(|mistake| mistake.under(key))?;
        check_planted(&server.planted).map_err(|mistake| mistake.under("planted").under(key))?;
    }
    Ok(())
}

/// A document that is no longer valid when it arrives teaches nobody anything, and nobody believes one for
/// longer than a week.
fn check_key_validity(validity: Option<SimDuration>) -> Result<(), Mistake> {
    const LEAST_MS: u64 = 10_000;
    match validity {
        Some(validity) if !(LEAST_MS..=KEY_TRUST_MS).contains(&validity.as_millis()) => {
            Err(Mistake::at("key_validity", format!("{validity} is out of range")).help("write 10s to 7days"))
        }
        _ => Ok(()),
    }
}

fn check_planted(ids: &[String]) -> Result<(), Mistake> {
    for (position, id) in ids.iter().enumerate() {
        if !PLANTED.contains(&id.as_str()) {
            let mistake = Mistake::here(format!("there is no planted bug {}", quote(id))).entry(position);
            let unlike_all = || "`backfire zoo` lists all bugs that can be planted".to_owned();
            let nearest = suggest::nearest(id, PLANTED.iter().copied());
            return Err(mistake.help(nearest.map_or_else(unlike_all, suggest::did_you_mean)));
        }
    }
    Ok(())
}

fn is_server_name(name: &str) -> bool {
    let mut letters = name.bytes();
    name.len() <= 31
        && letters.next().is_some_and(|b| b.is_ascii_lowercase())
        && letters.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}
