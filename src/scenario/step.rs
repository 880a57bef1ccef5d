//! One step of the timeline: a moment and an action.
//!
//! The actions are listed once, at the bottom; reading, writing, the schema and the suggestions all come from
//! that list.

use std::{collections::BTreeSet, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::value::Error as ValueError;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::action::{self, Checked};
use super::check::{World, is_word};
use super::collect::{Object, Refuse};
use super::mistake::{Mistake, complaint, quote};
use super::names::UserRef;
use super::suggest;
use super::time::{SimDuration, SimTime};

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
    pub fn new(at: SimTime, action: impl Into<Action>) -> Self {
        Self { at, action: action.into(), label: None, note: None }
    }
}

/// Who does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor<'a> {
    /// A user, by a server.
    User(&'a UserRef),
    /// A server.
    Server(&'a str),
}

macro_rules! actions {
    ($($about:literal $family:ident $actions:ident {
        $($key:literal $action:ident $actor:tt $lasts:tt $doc:literal,)*
    })*) => {
        /// What a step does, by the family that it is of.
        #[derive(Debug, Clone, PartialEq)]
        #[expect(clippy::large_enum_variant, reason = "steps are few, and hardly ever moved")]
        pub enum Action {
            $(
                #[doc = $about]
                $family($actions),
            )*
        }

        /// Actions that readers of a run treat alike.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Family {
            $(
                #[doc = $about]
                $family,
            )*
        }

        $(
            #[doc = $about]
            #[derive(Debug, Clone, PartialEq)]
            pub enum $actions {
                $(
                    #[doc = $doc]
                    $action(action::$action),
                )*
            }

            $(
                impl From<action::$action> for Action {
                    fn from(action: action::$action) -> Self {
                        Self::$family($actions::$action(action))
                    }
                }
            )*
        )*

        const STEP_KEYS: &[&str] = &[$($($key,)*)* "at", "as", "note"];

        impl Family {
            /// The keys of its actions.
            pub fn keys(self) -> &'static [&'static str] {
                match self { $(Self::$family => &[$($key),*],)* }
            }
        }

        impl Action {
            /// Its family.
            pub fn family(&self) -> Family {
                match self { $(Self::$family(_) => Family::$family,)* }
            }

            /// The key of the action in a step.
            pub fn key(&self) -> &'static str {
                match self { $($(Self::$family($actions::$action(_)) => $key,)*)* }
            }

            /// Who does it; nobody where it befalls the network.
            pub fn actor(&self) -> Option<Actor<'_>> {
                match self { $($(Self::$family($actions::$action(_action)) => actor!(_action $actor),)*)* }
            }

            /// How long it lasts, if it ends by itself.
            pub fn lasting(&self) -> Option<SimDuration> {
                match self { $($(Self::$family($actions::$action(_action)) => lasting!(_action $lasts),)*)* }
            }

            fn check(&self, world: World<'_>) -> Result<(), Mistake> {
                match self { $($(Self::$family($actions::$action(action)) => action.check(world),)*)* }
            }

            fn write<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                match self {
                    $($(Self::$family($actions::$action(action)) => map.serialize_entry($key, action),)*)*
                }
            }

            /// Reads the value under an action's key; nothing if there is no such action, and the value is
            /// still there.
            fn read<'de, A: de::MapAccess<'de>>(key: &str, map: &mut A) -> Result<Option<Self>, A::Error> {
                match key {
                    $($($key => {
                        let action: action::$action = map.next_value_seed(Object::new())?;
                        Ok(Some(action.into()))
                    })*)*
                    _ => Ok(None),
                }
            }

            fn schemas(generator: &mut SchemaGenerator) -> Vec<(&'static str, Schema)> {
                vec![$($(($key, generator.subschema_for::<action::$action>()),)*)*]
            }
        }
    };
}

macro_rules! actor {
    ($action:ident by) => {
        Some(Actor::User(&$action.by))
    };
    ($action:ident -) => {
        None
    };
    ($action:ident $server:ident) => {
        Some(Actor::Server(&$action.$server))
    };
}

macro_rules! lasting {
    ($action:ident for) => {
        $action.lasting
    };
    ($action:ident -) => {
        None
    };
}

// By family: key, struct, the field that says who acts, whether it can have a `for`.
actions! {
    "A user sends an event." Send SendAction {
        "message" Message by - "A user sends messages.",
        "state" State by - "A user sends a state event of any type.",
        "topic" Topic by - "A user sets the room's topic.",
        "power_levels" PowerLevels by - "A user changes power levels.",
        "join_rule" JoinRuleChange by - "A user changes who may join.",
        "history_visibility" HistoryVisibilityChange by - "A user changes who may see earlier events.",
        "server_acl" ServerAcl by - "A user sets the list of servers that may take part.",
        "profile" Profile by - "A member changes their name.",
        "redact" Redact by - "A user redacts an event.",
        "leave" Leave by - "A user leaves the room.",
        "kick" Kick by - "A user removes another from the room.",
        "ban" Ban by - "A user bans another from the room.",
        "unban" Unban by - "A user lifts the ban of another.",
    }
    "A user asks for what a server needs others for." User UserAction {
        "join" Join by - "A user joins the room.",
        "invite" Invite by - "A user invites another.",
        "page_back" PageBack server - "A user of a server scrolls back.",
    }
    "Something befalls servers, or the network between them." Fault FaultAction {
        "partition" Partition - for "The network falls into groups.",
        "cut" Cut - for "Connections break one way.",
        "silence" Silence - for "Packets vanish without a sign.",
        "latency" Latency - for "Packets take another time, in one direction.",
        "disturb" Disturb - for "Single messages go wrong on the way.",
        "crash" Crash server - "A server stops at once.",
        "clock" Clock server - "A server's clock jumps.",
        "rotate_key" RotateKey server - "A server signs with a new key.",
    }
    "A fault is over." Heal HealAction {
        "heal" Heal - - "Partitions, cuts and silences end.",
        "restart" Restart server - "A crashed server starts again.",
    }
    "A server is told what to say to others." Script ScriptAction {
        "craft" Craft by - "An event is made to measure.",
        "push" Push from - "A server sends a transaction with events of choice.",
        "ask" Ask from - "A server asks another one question.",
    }
    "A server is told what to answer." Lie LieAction {
        "lie" Lies server for "A server lies in its answers.",
        "answer" Answer server - "A server gives a scripted answer instead of its own.",
    }
}

impl Action {
    /// Whether the action makes an event, which a label can name.
    pub fn makes_event(&self) -> bool {
        matches!(self, Self::Send(_) | Self::Script(ScriptAction::Craft(_)))
    }
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
        if matches!(&step.action, Action::Send(SendAction::Message(message)) if message.count > 1) {
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
            Action::Fault(FaultAction::Crash(crash)) if !self.down.insert(&crash.server) => {
                Err(Mistake::at("server", format!("`{}` has crashed already", crash.server))
                    .help("restart it first")
                    .under("crash"))
            }
            Action::Heal(HealAction::Restart(restart)) if !self.down.remove(restart.server.as_str()) => {
                Err(Mistake::at("server", format!("`{}` is running", restart.server))
                    .help("only a crashed server can restart")
                    .under("restart"))
            }
            Action::Send(SendAction::Redact(redact))
                if action::is_label(&redact.event) && !self.labels.contains(redact.event.as_str()) =>
            {
                let what = format!("no earlier step has the label {}", quote(&redact.event));
                let known = suggest::advice(&redact.event, self.labels.iter().copied());
                let help = known.unwrap_or_else(|| "give the event's step a label with `as`".to_owned());
                Err(Mistake::at("event", what).help(help).under("redact"))
            }
            Action::Script(ScriptAction::Craft(craft)) => {
                let (prev, auth) = (craft.prev.as_deref(), craft.auth.as_deref());
                self.known("craft", &[("prev", prev.unwrap_or(&[])), ("auth", auth.unwrap_or(&[]))])
            }
            Action::Script(ScriptAction::Push(push)) => self.known("push", &[("events", &push.events)]),
            Action::Script(ScriptAction::Ask(ask)) => {
                self.known("ask", &[("events", &ask.events), ("earliest", &ask.earliest)])
            }
            Action::Lie(LieAction::Answer(answer)) => {
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
