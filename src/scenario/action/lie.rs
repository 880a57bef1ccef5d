//! Lies: how a server's answers differ from what it should have said. Each has a name and the clause that it
//! breaks; they combine, in the order in which they are listed.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::json;

use super::super::check::World;
use super::super::expect::is_default;
use super::super::mistake::{Mistake, complaint, quote};
use super::super::names::ServerName;
use super::super::suggest;
use super::super::time::SimDuration;
use super::{Checked, lasting};
use crate::matrix::endpoint::{Endpoint, List};

/// A server lies in its answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lies {
    /// The server that lies.
    pub server: ServerName,
    /// The endpoint, such as `backfill`; by default all that answer with events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// The server that it lies to; by default all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<ServerName>,
    /// What it does to its answers, one lie after the other.
    pub tell: Vec<Lie>,
    /// How many answers are true before.
    #[serde(default, skip_serializing_if = "is_default")]
    pub skip: u32,
    /// How many answers are lies; by default all from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// How long it lies; by default to the end.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    pub lasting: Option<SimDuration>,
}

macro_rules! lies {
    ($($about:literal $kind:ident $lies:ident { $($name:literal $lie:ident $breaks:literal,)* })*) => {
        /// One way to lie, by what it is told of.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Lie {
            $(
                #[doc = $about]
                $kind($lies),
            )*
        }

        $(
            #[doc = $about]
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
            pub enum $lies {
                $(
                    #[doc = $breaks]
                    $lie,
                )*
            }
        )*

        impl Lie {
            /// All lies.
            pub const ALL: &[Self] = &[$($(Self::$kind($lies::$lie),)*)*];

            /// Its name in a scenario.
            pub fn name(self) -> &'static str {
                match self { $($(Self::$kind($lies::$lie) => $name,)*)* }
            }

            /// What it does, and which clause that breaks.
            pub fn breaks(self) -> &'static str {
                match self { $($(Self::$kind($lies::$lie) => $breaks,)*)* }
            }
        }
    };
}

lies! {
    "A list of events." Events EventLie {
        "nothing" Nothing "No event at all, though some are known (SS-API /backfill, /get_missing_events: the events that precede).",
        "missing-event" MissingEvent "One event in the middle is left out (SS-API /get_missing_events: the walk skips no event).",
        "not-asked" NotAsked "An event that nobody asked for, from elsewhere in the room (SS-API /backfill: events before those named).",
        "other-event" OtherEvent "Another event in place of the one asked for (SS-API /event: the event of that id).",
        "other-room" OtherRoom "An event of another room (SS-API /backfill, /get_missing_events: events of the room in the path).",
        "over-limit" OverLimit "More events than were asked for (SS-API: `limit` is the most to return).",
        "far-too-many" FarTooMany "The same events over and over, thousands of them (SS-API: `limit`).",
        "twice" Twice "Every event twice (an answer is a set of events in an order).",
        "shuffled" Shuffled "The events in any order (SS-API /backfill: ordered as by a walk).",
        "reversed" Reversed "The events the other way round: parents before or after children as never else.",
        "forged-sender" ForgedSender "An event in the name of another server's user, signed by the liar alone (SS-API, receipt checks, step 2).",
        "wrong-key" WrongKey "An event signed by a key that is not the one named (SS-API, Signing Events).",
        "expired-key" ExpiredKey "A fresh event signed by a key that expired long ago (SS-API, Retrieving server keys; room version 5).",
        "wrong-hash" WrongHash "Contents changed after the hash was made (SS-API, receipt checks, step 3: such events are redacted).",
        "wrong-signature" WrongSignature "One byte of a signature changed (SS-API, receipt checks, step 2).",
        "unsigned" Unsigned "An event without signatures (SS-API, receipt checks, step 2).",
        "largest-event" LargestEvent "An event of exactly 65,536 bytes, which is allowed (CS-API, Size limits).",
        "too-large-event" TooLargeEvent "An event of 65,537 bytes (CS-API, Size limits).",
        "negative-depth" NegativeDepth "An event of negative depth (SS-API, PDU: depth is not negative).",
        "huge-depth" HugeDepth "An event of the largest depth there is (SS-API, PDU: one more than its parents).",
        "shallow-depth" ShallowDepth "An event of less depth than its parents (SS-API, PDU: one more than its parents).",
        "many-parents" ManyParents "An event of 21 parents (SS-API, PDU: prev_events, at most 20).",
        "self-parent" SelfParent "An event that is its own parent, where ids can be chosen (room version 2; the graph has no cycles).",
        "cycle" Cycle "Two events that are each other's parents, where ids can be chosen (room version 2; the graph has no cycles).",
        "fresh-gap" FreshGap "One more event whose parent does not exist, with every answer: gaps without end.",
        "two-stories" TwoStories "A message of its own that reads differently for each asker (in room version 2 under one id).",
    }
    "A state, by its events or their ids." State StateLie {
        "wrong-state" WrongState "A state without the power levels (SS-API /state_ids: the state at the event).",
        "old-state" OldState "A state of the create event alone (SS-API /state_ids: the state at the event).",
        "no-auth-chain" NoAuthChain "A state without what allows it (SS-API /state_ids: the auth chain is complete).",
    }
    "Any answer, whatever it is about: the lie is in its bytes." Bytes ByteLie {
        "truncated-json" TruncatedJson "JSON that ends in the middle (SS-API: JSON).",
        "no-json" NoJson "Something that is not JSON (SS-API: JSON).",
        "wrong-types" WrongTypes "Objects where lists should be (SS-API: the shape of the answer).",
        "floats" Floats "Numbers with a fraction in an event (canonical JSON: integers alone; from room version 6 on enforced).",
        "not-a-number" NotANumber "NaN among the values of an event (JSON has no such number).",
        "duplicate-keys" DuplicateKeys "The same key twice in an event (canonical JSON: no duplicates).",
        "lone-surrogate" LoneSurrogate "Half a surrogate pair in a string (JSON: Unicode strings).",
        "deep-nesting" DeepNesting "An event with 100,000 lists in each other (parsers have limits, and should answer with an error).",
    }
}

impl Lie {
    /// Whether it can be told in the answers of an endpoint.
    pub fn is_in(self, endpoint: Endpoint) -> bool {
        match self {
            Self::Events(_) => endpoint.is_recovery() && matches!(endpoint.list(), Some(List::Events(_))),
            Self::State(_) => matches!(endpoint, Endpoint::State | Endpoint::StateIds),
            Self::Bytes(_) => true,
        }
    }
}

impl Serialize for Lie {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Lie {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(LieName)
    }
}

struct LieName;

impl de::Visitor<'_> for LieName {
    type Value = Lie;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a lie, such as \"wrong-hash\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Lie, E> {
        Lie::ALL.iter().copied().find(|lie| lie.name() == text).ok_or_else(|| {
            let names = Lie::ALL.iter().map(|lie| lie.name());
            let help = suggest::advice(text, names.clone())
                .unwrap_or_else(|| format!("write one of {}", names.collect::<Vec<_>>().join(", ")));
            complaint(format_args!("there is no lie {}", quote(text)), help)
        })
    }
}

impl JsonSchema for Lie {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Lie".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let one = |lie: &Lie| json!({ "const": lie.name(), "description": lie.breaks() });
        let all: Vec<_> = Lie::ALL.iter().map(one).collect();
        schemars::json_schema!({ "description": "One way to lie.", "oneOf": all })
    }
}

impl Checked for Lies {
    fn check(&self, world: World<'_>) -> Result<(), Mistake> {
        world.server(&self.server).map_err(|mistake| mistake.under("server"))?;
        if let Some(to) = &self.to {
            world.server(to).map_err(|mistake| mistake.under("to"))?;
        }
        if self.tell.is_empty() {
            return Err(Mistake::at("tell", "no lie is named").help("for example [\"wrong-hash\"]"));
        }
        if let Some(endpoint) = self.endpoint
            && let Some(index) = self.tell.iter().position(|lie| !lie.is_in(endpoint))
        {
            let lie = self.tell[index].name();
            let mistake = Mistake::here(format!("`{lie}` is not told in answers to `{endpoint}`"));
            let fitting = Lie::ALL.iter().filter(|lie| lie.is_in(endpoint)).map(|lie| lie.name());
            let help = format!("there it can be one of {}", fitting.collect::<Vec<_>>().join(", "));
            return Err(mistake.help(help).entry(index).under("tell"));
        }
        lasting(self.lasting)
    }
}
