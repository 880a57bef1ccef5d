//! One step of the timeline: a moment and an action.
//!
//! The actions are listed once, at the bottom; reading, writing, the schema and the suggestions all come from that list.

use std::{collections::BTreeSet, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::Error as ValueError;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::action::{self, Checked};
use super::check::{World, is_word};
use super::collect::{Object, Refuse};
use super::mistake::{Mistake, complaint, quote};
use super::suggest;
use super::time::SimTime;

/// A moment, and what happens at it.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// When: the time since the start of the timeline.
    pub at: SimTime,
    /// What happens.
    pub action: Action,
    /// A name for the event that the step makes, by which later steps speak of it. Written `as`.
    pub label: Option<String>,
    /// A remark for readers.
    pub note: Option<String>,
}

impl Step {
    /// A step without label and note.
    pub fn new(at: SimTime, action: Action) -> Self {
        Self { at, action, label: None, note: None }
    }
}

macro_rules! actions {
    ($($key:literal $variant:ident $events:literal $doc:literal,)*) => {
        /// What a step does.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
        pub enum Action {
            $(
                #[doc = $doc]
                #[serde(rename = $key)]
                $variant(action::$variant),
            )*
        }

        const STEP_KEYS: &[&str] = &[$($key,)* "at", "as", "note"];

        impl Action {
            /// The key of the action in a step.
            pub fn key(&self) -> &'static str {
                match self { $(Self::$variant(_) => $key,)* }
            }

            /// Whether the action makes an event, which a label can name.
            pub fn makes_event(&self) -> bool {
                match self { $(Self::$variant(_) => $events,)* }
            }

            fn check(&self, world: World<'_>) -> Result<(), Mistake> {
                match self { $(Self::$variant(action) => action.check(world),)* }
            }

            fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                match self { $(Self::$variant(action) => map.serialize_entry($key, action),)* }
            }

            /// Reads the value under an action's key; nothing if there is no such action, and the value is still there.
            fn read<'de, A: de::MapAccess<'de>>(key: &str, map: &mut A) -> Result<Option<Self>, A::Error> {
                match key {
                    $($key => map.next_value_seed(Object::new()).map(|action| Some(Self::$variant(action))),)*
                    _ => Ok(None),
                }
            }

            fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$(($key, generator.subschema_for::<action::$variant>()),)*]
            }
        }
    };
}

actions! {
    "message" Message true "A user sends messages.",
    "state" State true "A user sends a state event of any type.",
    "topic" Topic true "A user sets the room's topic.",
    "power_levels" PowerLevels true "A user changes power levels.",
    "join_rule" JoinRuleChange true "A user changes who may join.",
    "history_visibility" HistoryVisibilityChange true "A user changes who may see earlier events.",
    "server_acl" ServerAcl true "A user sets the list of servers that may take part.",
    "profile" Profile true "A member changes their name.",
    "redact" Redact true "A user redacts an event.",
    "join" Join false "A user joins the room.",
    "invite" Invite false "A user invites another.",
    "leave" Leave true "A user leaves the room.",
    "kick" Kick true "A user removes another from the room.",
    "ban" Ban true "A user bans another from the room.",
    "unban" Unban true "A user lifts the ban of another.",
    "page_back" PageBack false "A user of a server scrolls back.",
    "partition" Partition false "The network falls into groups.",
    "cut" Cut false "Connections break one way.",
    "silence" Silence false "Packets vanish without a sign.",
    "heal" Heal false "Partitions, cuts and silences end.",
    "latency" Latency false "Packets take another time, in one direction.",
    "disturb" Disturb false "Single messages go wrong on the way.",
    "crash" Crash false "A server stops at once.",
    "restart" Restart false "A crashed server starts again.",
    "clock" Clock false "A server's clock jumps.",
    "rotate_key" RotateKey false "A server signs with a new key.",
    "lie" Lies false "A server lies in its answers.",
    "craft" Craft true "An event is made to measure.",
    "push" Push false "A server sends a transaction with events of choice.",
    "ask" Ask false "A server asks another one question.",
    "answer" Answer false "A server gives a scripted answer instead of its own.",
}

impl Serialize for Step {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("at", &self.at)?;
        self.action.write(&mut map)?;
        if let Some(label) = &self.label {
            map.serialize_entry("as", label)?;
        }
        if let Some(note) = &self.note {
            map.serialize_entry("note", note)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(StepVisitor)
    }
}

/// Not serde's flatten: that reads everything into a buffer first, and mistakes lose their place in the file.
struct StepVisitor;

impl<'de> de::Visitor<'de> for StepVisitor {
    type Value = Step;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object such as { \"at\": \"2s\", \"heal\": {} }")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Step, A::Error> {
        let (mut at, mut label, mut note, mut action) = (None, None, None, None::<Action>);
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "at" => once("at", &mut at, &mut map)?,
                "as" => once("as", &mut label, &mut map)?,
                "note" => once("note", &mut note, &mut map)?,
                _ if action.is_some() && STEP_KEYS.contains(&key.as_str()) => {
                    let first = action.as_ref().map_or("", Action::key);
                    return map.next_value_seed(Refuse::new(second_action(first, &key)));
                }
                _ => match Action::read(&key, &mut map)? {
                    Some(read) => action = Some(read),
                    None => {
                        return map.next_value_seed(Refuse::new(de::Error::unknown_field(&key, STEP_KEYS)));
                    }
                },
            }
        }
        let at = at.ok_or_else(|| de::Error::missing_field("at"))?;
        let action = action.ok_or_else(|| {
            complaint("nothing happens in this step", "add an action, such as \"message\": { \"by\": \"a\" }")
        })?;
        Ok(Step { at, action, label, note })
    }
}

fn once<'de, T: Deserialize<'de>, A: de::MapAccess<'de>>(
    key: &'static str,
    place: &mut Option<T>,
    map: &mut A,
) -> Result<(), A::Error> {
    if place.is_some() {
        return map.next_value_seed(Refuse::new(de::Error::duplicate_field(key)));
    }
    *place = Some(map.next_value()?);
    Ok(())
}

fn second_action(first: &str, second: &str) -> ValueError {
    if first == second {
        return de::Error::custom(format_args!("duplicate field `{first}`"));
    }
    complaint(
        format_args!("this step does `{first}` already"),
        "make it a step of its own, with the same `at`",
    )
}

impl JsonSchema for Step {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Step".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let actions = Action::schemas(generator);
        let one_of: Vec<_> =
            actions.iter().map(|(key, _)| serde_json::json!({ "required": [key] })).collect();
        let mut properties: serde_json::Map<_, _> =
            actions.into_iter().map(|(key, schema)| (key.to_owned(), schema.to_value())).collect();
        properties.insert("at".to_owned(), generator.subschema_for::<SimTime>().to_value());
        let label = serde_json::json!({
            "description": "A name for the event that the step makes, by which later steps speak of it.",
            "type": "string",
            "pattern": "^[a-z0-9_-]{1,64}$"
        });
        properties.insert("as".to_owned(), label);
        let note = serde_json::json!({ "description": "A remark for readers.", "type": "string" });
        properties.insert("note".to_owned(), note);
        schemars::json_schema!({
            "description": "A moment, and the one thing that happens at it.",
            "type": "object",
            "properties": properties,
            "required": ["at"],
            "oneOf": one_of,
            "additionalProperties": false
        })
    }
}

/// Checks every step for itself, and what only their order shows: times, labels, and which servers are down.
pub(super) fn check_timeline(timeline: &[Step], world: World<'_>) -> Result<(), Mistake> {
    let mut so_far = SoFar::default();
    for (index, step) in timeline.iter().enumerate() {
        so_far.check(index, step, timeline, world).map_err(|mistake| mistake.entry(index))?;
    }
    Ok(())
}

/// What earlier steps left behind.
#[derive(Default)]
struct SoFar<'a> {
    labels: BTreeSet<&'a str>,
    down: BTreeSet<&'a str>,
}

impl<'a> SoFar<'a> {
    fn check(
        &mut self,
        index: usize,
        step: &'a Step,
        timeline: &[Step],
        world: World<'_>,
    ) -> Result<(), Mistake> {
        if let Some(before) = index.checked_sub(1).filter(|before| timeline[*before].at > step.at) {
            let earlier = timeline[before].at;
            let what =
                format!("timeline[{index}] at {} stands after timeline[{before}] at {earlier}", step.at);
            return Err(Mistake::at("at", what).help("write the steps in the order of `at`"));
        }
        step.action.check(world).map_err(|mistake| mistake.under(step.action.key()))?;
        self.follow(step)?;
        self.label(step)
    }

    fn label(&mut self, step: &'a Step) -> Result<(), Mistake> {
        let Some(label) = step.label.as_deref() else { return Ok(()) };
        let wrong = |what: String, help: &str| Err(Mistake::at("as", what).help(help));
        if !is_word(label) {
            return wrong(
                format!("{} cannot be a label", quote(label)),
                "labels are small letters, digits, `_` and `-`",
            );
        }
        if !step.action.makes_event() {
            return wrong(
                format!("a `{}` makes no event that a label could name", step.action.key()),
                "remove `as`",
            );
        }
        if matches!(&step.action, Action::Message(message) if message.count > 1) {
            return wrong(
                "this step makes more than one event".to_owned(),
                "send the labelled message in its own step",
            );
        }
        if !self.labels.insert(label) {
            return wrong(format!("an earlier step has the label `{label}` already"), "choose another label");
        }
        Ok(())
    }

    fn follow(&mut self, step: &'a Step) -> Result<(), Mistake> {
        match &step.action {
            Action::Crash(crash) if !self.down.insert(&crash.server) => {
                Err(Mistake::at("server", format!("`{}` has crashed already", crash.server))
                    .help("restart it first")
                    .under("crash"))
            }
            Action::Restart(restart) if !self.down.remove(restart.server.as_str()) => {
                Err(Mistake::at("server", format!("`{}` is running", restart.server))
                    .help("only a crashed server can restart")
                    .under("restart"))
            }
            Action::Redact(redact)
                if action::is_label(&redact.event) && !self.labels.contains(redact.event.as_str()) =>
            {
                let what = format!("no earlier step has the label {}", quote(&redact.event));
                let known = suggest::advice(&redact.event, self.labels.iter().copied());
                let help = known.unwrap_or_else(|| "give the event's step a label with `as`".to_owned());
                Err(Mistake::at("event", what).help(help).under("redact"))
            }
            Action::Craft(craft) => {
                let (prev, auth) = (craft.prev.as_deref(), craft.auth.as_deref());
                self.known("craft", &[("prev", prev.unwrap_or(&[])), ("auth", auth.unwrap_or(&[]))])
            }
            Action::Push(push) => self.known("push", &[("events", &push.events)]),
            Action::Ask(ask) => self.known("ask", &[("events", &ask.events), ("earliest", &ask.earliest)]),
            Action::Answer(answer) => {
                let events = answer.events.as_deref().unwrap_or(&[]);
                self.known("answer", &[("events", events), ("auth", &answer.auth)])
            }
            _ => Ok(()),
        }
    }

    /// Refuses references to labels that no earlier step has given.
    fn known(&self, key: &str, lists: &[(&'static str, &[action::EventRef])]) -> Result<(), Mistake> {
        for (list, index, label) in action::labels(lists) {
            if !self.labels.contains(label) {
                let known = suggest::advice(label, self.labels.iter().copied());
                let help = known.unwrap_or_else(|| "give the event's step a label with `as`".to_owned());
                return Err(Mistake::here(format!("no earlier step has the label {}", quote(label)))
                    .help(help)
                    .entry(index)
                    .under(list)
                    .under(key));
            }
        }
        Ok(())
    }
}
