//! Numbers that canonical JSON doesn't have: fractions, and whole numbers beyond ±(2^53-1). Room versions 1
//! to 5 don't enforce canonical JSON (MSC2540), so their events may have some.
//!
//! The values that ruma hashes, redacts and signs can't hold them. In those versions such a number stands in
//! an event's object as a string, behind a mark, and becomes a number again, by the very digits that came,
//! wherever the event is written as text. A string that begins with that mark itself gets another one, so
//! that each is told from the other; the same holds for keys, and leaves their order as it was.

use std::{borrow::Cow, collections::BTreeMap};

use ruma_common::{CanonicalJsonObject, CanonicalJsonValue};
use serde_json::value::RawValue;

use super::version::RoomVersion;

/// What marks begin with: the last of all characters, which stands for nothing, so that no key comes behind
/// it.
const MARK: char = '\u{10ffff}';
/// Before the digits of a number.
const NUMBER: &str = "\u{10ffff}#";
/// Before a text that begins with [`MARK`].
const TEXT: &str = "\u{10ffff}=";

/// How deep values may be nested, as for those without such numbers.
const DEPTH_MAX: usize = 127;

/// The object of an event, by the rules of its room version.
///
/// # Errors
///
/// When it is no JSON object, or has numbers that the room version doesn't allow.
pub(crate) fn read(text: &str, version: RoomVersion) -> Result<CanonicalJsonObject, String> {
    let strict = serde_json::from_str::<CanonicalJsonObject>(text);
    if version.enforces_canonical_json() {
        return strict.map_err(|error| error.to_string());
    }
    match strict {
        Ok(object) if !has_mark(text) => Ok(object),
        _ => match value(serde_json::from_str(text).map_err(|error| error.to_string())?, DEPTH_MAX)? {
            CanonicalJsonValue::Object(object) => Ok(object),
            _ => Err("not an object".to_owned()),
        },
    }
}

/// The same of a value of any kind.
///
/// # Errors
///
/// When it has numbers that the room version doesn't allow.
pub(crate) fn read_value(raw: &RawValue, version: RoomVersion) -> Result<CanonicalJsonValue, String> {
    if !version.enforces_canonical_json() {
        return value(raw, DEPTH_MAX);
    }
    // Where in the value it is wrong, nobody can use who sees the whole.
    let problem = |error: serde_json::Error| {
        let text = error.to_string();
        text.split_once(" at line ").map_or(text.clone(), |(problem, _)| problem.to_owned())
    };
    serde_json::from_str(raw.get()).map_err(problem)
}

/// The text of what was [`read`], with its numbers.
pub(crate) fn written(canonical: String, version: RoomVersion) -> String {
    if version.enforces_canonical_json() || !canonical.contains(MARK) {
        return canonical;
    }
    let mut text = String::with_capacity(canonical.len());
    let mut rest = canonical.as_str();
    while let Some(at) = rest.find(MARK) {
        let (before, marked) = rest.split_at(at);
        // Only a string that begins with a mark has been given one; an escaped quote doesn't begin it.
        let begins = before.strip_suffix('"').is_some_and(|before| {
            let escapes = before.len() - before.trim_end_matches('\\').len();
            escapes % 2 == 0
        });
        if let Some(number) = marked.strip_prefix(NUMBER).filter(|_| begins) {
            let end = number.find('"').expect("a string ends with a quote");
            text.push_str(&before[..before.len() - 1]);
            text.push_str(&number[..end]);
            rest = &number[end + 1..];
        } else {
            text.push_str(before);
            text.push(MARK);
            let after = &marked[MARK.len_utf8()..];
            rest = if begins { after.strip_prefix('=').unwrap_or(after) } else { after };
        }
    }
    text.push_str(rest);
    text
}

/// The digits of a number that canonical JSON doesn't have, in what was [`read`].
pub(crate) fn digits(value: &CanonicalJsonValue, version: RoomVersion) -> Option<&str> {
    value.as_str()?.strip_prefix(NUMBER).filter(|_| !version.enforces_canonical_json())
}

/// The text that a value is, in what was [`read`]; nothing if it is none.
pub(crate) fn text(value: &CanonicalJsonValue, version: RoomVersion) -> Option<Cow<'_, str>> {
    let text = value.as_str()?;
    if version.enforces_canonical_json() || !text.starts_with(MARK) {
        return Some(Cow::Borrowed(text));
    }
    text.strip_prefix(TEXT).map(|rest| Cow::Owned(format!("{MARK}{rest}")))
}

/// Whether a string in the text may begin with a mark, as it is or escaped.
fn has_mark(text: &str) -> bool {
    text.contains(MARK) || text.contains("\\udbff") || text.contains("\\uDBFF")
}

fn value(raw: &RawValue, depth: usize) -> Result<CanonicalJsonValue, String> {
    let text = raw.get();
    if depth == 0 {
        return Err("nested too deep".to_owned());
    }
    let parse = |error: serde_json::Error| error.to_string();
    Ok(match text.as_bytes().first() {
        Some(b'{') => {
            let fields: BTreeMap<String, &RawValue> = serde_json::from_str(text).map_err(parse)?;
            let field = |(key, raw)| Ok((marked(key), value(raw, depth - 1)?));
            CanonicalJsonValue::Object(fields.into_iter().map(field).collect::<Result<_, String>>()?)
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).map_err(parse)?;
            let items: Result<_, String> = items.into_iter().map(|raw| value(raw, depth - 1)).collect();
            CanonicalJsonValue::Array(items?)
        }
        Some(b'"') => CanonicalJsonValue::String(marked(serde_json::from_str(text).map_err(parse)?)),
        Some(b'-' | b'0'..=b'9') => match serde_json::from_str::<CanonicalJsonValue>(text) {
            Ok(number) => number,
            Err(_) => CanonicalJsonValue::String(format!("{NUMBER}{text}")),
        },
        _ => serde_json::from_str(text).map_err(parse)?,
    })
}

fn marked(text: String) -> String {
    match text.strip_prefix(MARK) {
        Some(rest) => format!("{TEXT}{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V5: &str = "5";

    fn again(text: &str, version: &str) -> Result<String, String> {
        let version = version.parse().unwrap();
        let object = read(text, version)?;
        Ok(written(serde_json::to_string(&object).unwrap(), version))
    }

    #[test]
    fn before_room_version_6_numbers_keep_their_digits() {
        let kept = [
            r#"{"a":0.5,"b":[1.50,{"c":-1E+400}],"d":9007199254740993,"e":-0.0,"f":1}"#,
            r#"{"depth":9223372036854775807}"#,
            r#"{"text":"0.5","quote":"\"0.5"}"#,
        ];
        for text in kept {
            let canonical = again(text, V5).unwrap();
            let sorted: BTreeMap<String, Box<RawValue>> = serde_json::from_str(text).unwrap();
            assert_eq!(canonical, serde_json::to_string(&sorted).unwrap());
            let has_odd = text != kept[2];
            assert_eq!(again(text, "6").is_err(), has_odd, "{text}");
        }
    }

    #[test]
    fn a_text_with_the_mark_stays_a_text() {
        let cases = [
            "{\"a\":\"\u{10ffff}#0.5\"}",
            "{\"a\":\"\u{10ffff}\"}",
            "{\"a\":\"\u{10ffff}=\u{10ffff}#1\",\"b\":0.5}",
            "{\"a\":\"\\\"\u{10ffff}#0.5\",\"b\":2.5}",
            "{\"a\":\"\\\\\u{10ffff}#0.5\",\"b\":2.5}",
            "{\"\u{10ffff}#1\":{\"\u{10ffff}\":1.5},\"\u{10ffff}=\":\"\\\\\"}",
        ];
        for text in cases {
            assert_eq!(again(text, V5).as_deref(), Ok(text));
        }
        let escaped = r#"{"a":"\udbff\udfff#0.5"}"#;
        assert_eq!(again(escaped, V5).as_deref(), Ok(cases[0]));
    }

    #[test]
    fn what_is_no_json_or_nested_too_deep_is_refused() {
        let deep = format!("{{\"a\":{}0.5{}}}", "[".repeat(200), "]".repeat(200));
        for text in ["[0.5]", "{\"a\":0.5", "{\"a\":.5}", "{\"a\":\"\\ud800\",\"b\":0.5}", &deep] {
            assert!(again(text, V5).is_err(), "{text}");
        }
    }
}
