//! People who read.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::super::check::World;
use super::super::expect::is_default;
use super::super::mistake::{Mistake, complaint, quote};
use super::super::names::ServerName;
use super::super::suggest;
use super::Checked;

/// A user of a server scrolls back through the room, so that the server must fetch what it lacks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageBack {
    /// The server.
    pub server: ServerName,
    /// How many events a page has, 1 to 1000.
    #[serde(default = "hundred", skip_serializing_if = "is_hundred")]
    #[schemars(range(min = 1, max = 1000))]
    pub limit: u32,
    /// How many pages are read.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pages: Pages,
}

/// How far back a user scrolls: a number of pages, or `"all"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pages {
    /// This many pages, 1 or more.
    Count(u32),
    /// To the beginning of the room.
    All,
}

impl Default for Pages {
    fn default() -> Self {
        Self::Count(1)
    }
}

impl Serialize for Pages {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Count(pages) => pages.serialize(serializer),
            Self::All => "all".serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Pages {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrAll)
    }
}

struct NumberOrAll;

impl de::Visitor<'_> for NumberOrAll {
    type Value = Pages;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of pages, or \"all\"")
    }

    fn visit_u64<E: de::Error>(self, pages: u64) -> Result<Pages, E> {
        match u32::try_from(pages) {
            Ok(pages) if pages > 0 => Ok(Pages::Count(pages)),
            _ => Err(complaint(format_args!("{pages} pages cannot be read"), "write 1 or more, or \"all\"")),
        }
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Pages, E> {
        if text == "all" {
            return Ok(Pages::All);
        }
        let help = suggest::advice(text, ["all"]).unwrap_or_default();
        Err(complaint(format_args!("{} is no number of pages", quote(text)), help))
    }
}

impl JsonSchema for Pages {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Pages".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "How far back a user scrolls: a number of pages, or `all`, to the beginning of the room.",
            "anyOf": [{ "type": "integer", "minimum": 1, "maximum": u32::MAX }, { "const": "all" }]
        })
    }
}

fn hundred() -> u32 {
    100
}

fn is_hundred(limit: &u32) -> bool {
    *limit == 100
}

impl Checked for PageBack {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.server(&self.server).map_err(|mistake| mistake.under("server"))?;
        match self.limit {
            1..=1000 => Ok(()),
            limit => Err(Mistake::at("limit", format!("{limit} is out of range")).help("write 1 to 1000")),
        }
    }
}
