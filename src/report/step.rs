//! A step of a scenario in words, as the timeline, the page and explanations tell of it. Who acts and how
//! often stands elsewhere. Most are told from their JSON alone, so that kinds without words of their own here
//! are told too.

use serde_json::{Map, Value};

use crate::{
    journal::{Played, fault::Fault},
    scenario::{Action, FaultAction, LieAction},
};

/// A step in words, such as `partition  a | b c`; parts are two spaces apart.
pub(super) fn step_words(key: &str, step: &Played) -> String {
    let json = step.json();
    let Some(settings) = json[key].as_object() else { return words(key) };
    let parts = match step.action() {
        Some(Action::Lie(LieAction::Lies(_))) => lie(settings),
        Some(Action::Lie(LieAction::Answer(_))) => answer(settings),
        Some(Action::Fault(FaultAction::Disturb(_))) => disturb(settings),
        _ => plain_step(key, settings),
    };
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("  ")
}

/// The same with single spaces, for running text.
pub(super) fn step_line(key: &str, step: &Played) -> String {
    step_words(key, step).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The step that brought a fault; some crashes are nobody's.
pub(super) fn fault_line(fault: &Fault<'_>) -> String {
    fault.step.map_or("crash".to_owned(), |cause| step_line(cause.key, cause.played))
}

/// A key of the format in words.
pub(super) fn words(key: &str) -> String {
    key.replace('_', " ")
}

/// `lies at event: other-event`
fn lie(settings: &Map<String, Value>) -> Vec<String> {
    let to = settings.get("to").map(|to| format!(" to {}", plain(to))).unwrap_or_default();
    let endpoint = settings.get("endpoint").map(|at| format!(" at {}", plain(at))).unwrap_or_default();
    let lies = settings.get("tell").map(|lies| listed(lies, ", ")).unwrap_or_default();
    [vec![format!("lies{to}{endpoint}: {lies}")], limits(settings)].concat()
}

/// `answers event about m3 with 404 M_NOT_FOUND`
fn answer(settings: &Map<String, Value>) -> Vec<String> {
    let text = |key: &str| settings.get(key).map(plain).unwrap_or_default();
    let part = |key: &str, word: &str| settings.get(key).map(|value| format!(" {word} {}", plain(value)));
    let asker = part("to", "of").unwrap_or_default();
    let about = part("about", "about").unwrap_or_default();
    let with = if settings.contains_key("hang") {
        "never".to_owned()
    } else if let Some(status) = settings.get("status") {
        let errcode = settings.get("body").and_then(|body| body["errcode"].as_str()).unwrap_or_default();
        format!("with {status} {errcode}").trim_end().to_owned()
    } else if let Some(events) = settings.get("events") {
        match listed(events, " ") {
            none if none.is_empty() => "with no events".to_owned(),
            events => format!("with {events}"),
        }
    } else {
        settings.get("body").map(|body| format!("with {}", plain(body))).unwrap_or_default()
    };
    let answers = format!("answers {}{asker}{about} {with}", text("endpoint"));
    [vec![answers], limits(settings)].concat()
}

/// `disturb  a → b  answers to send: delay 2s`
fn disturb(settings: &Map<String, Value>) -> Vec<String> {
    let side = match settings.get("side").and_then(Value::as_str) {
        Some("request") => "requests",
        _ => "answers",
    };
    let endpoint = settings.get("endpoint").map(|endpoint| format!(" of {}", plain(endpoint)));
    let how = settings.get("how").map(how).unwrap_or_default();
    let percent = settings.get("percent").map(|percent| format!("{percent} of 100"));
    let what = format!("{side}{}: {how}", endpoint.unwrap_or_default());
    let words = vec!["disturb".to_owned(), way(settings), what, percent.unwrap_or_default()];
    [words, limits(settings)].concat()
}

/// `delay 2s` for `{"delay": "2s"}`, `status 429` for `{"status": {"code": 429}}`
fn how(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let each = map.iter().map(|(key, value)| match value {
                Value::Object(inner) => {
                    let inner = inner.iter().map(|(key, value)| match key.as_str() {
                        "code" => plain(value),
                        _ => format!("{} {}", words(key), plain(value)),
                    });
                    format!("{} {}", words(key), inner.collect::<Vec<_>>().join(", "))
                }
                _ => format!("{} {}", words(key), plain(value)),
            });
            each.collect::<Vec<_>>().join(", ")
        }
        other => plain(other),
    }
}

/// After how many, how often and how long.
fn limits(settings: &Map<String, Value>) -> Vec<String> {
    let skip = settings.get("skip").map(|skip| format!("after {skip} others"));
    let times = settings.get("times").map(|times| match times.as_u64() {
        Some(1) => "once".to_owned(),
        _ => format!("{times} times"),
    });
    let lasting = settings.get("for").map(|lasting| format!("for {}", plain(lasting)));
    [skip, times, lasting].into_iter().flatten().collect()
}

fn way(settings: &Map<String, Value>) -> String {
    let way = settings.get("from").zip(settings.get("to"));
    way.map(|(from, to)| format!("{} → {}", plain(from), plain(to))).unwrap_or_default()
}

/// Every other step: its name, from whom to whom, and its settings. What is expected of an answer is told
/// with the answer.
fn plain_step(action: &str, settings: &Map<String, Value>) -> Vec<String> {
    let told = ["by", "count", "every", "server", "from", "to", "groups", "type", "content", "expect", "for"];
    let mut parts = vec![words(action), way(settings)];
    parts.extend(settings.get("groups").map(|groups| listed(groups, " | ")));
    parts.extend(settings.get("type").map(plain));
    for (key, value) in settings.iter().filter(|(key, _)| !told.contains(&key.as_str())) {
        parts.push(match (key.as_str(), value) {
            ("endpoint" | "events" | "path", value) => plain(value),
            ("text" | "reason", Value::String(text)) => format!("“{text}”"),
            (_, Value::Bool(true)) => words(key),
            _ => format!("{} {}", words(key), plain(value)),
        });
    }
    parts.extend(settings.get("content").map(plain));
    parts.extend(settings.get("for").map(|lasting| format!("for {}", plain(lasting))));
    parts
}

fn listed(value: &Value, between: &str) -> String {
    match value {
        Value::Array(list) => list.iter().map(plain).collect::<Vec<_>>().join(between),
        other => plain(other),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(_) => listed(value, " "),
        other => other.to_string(),
    }
}
