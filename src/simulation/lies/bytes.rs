//! Lies in the bytes of an answer, whatever it says.

use crate::scenario::Lie;

/// How many lists "deep nesting" is.
const DEEP: usize = 100_000;

/// What is said in place of `text`.
pub(super) fn tell(lie: Lie, text: String) -> String {
    match lie {
        Lie::TruncatedJson => text.chars().take(text.chars().count() / 2).collect(),
        Lie::NoJson => format!("<html>{text}</html>"),
        Lie::WrongTypes => text.replacen('[', "{\"0\":", 1).replacen(']', "}", 1),
        Lie::Floats => in_first_event(&text, "\"depth\":1.5,"),
        Lie::NotANumber => in_first_event(&text, "\"depth\":NaN,"),
        Lie::DuplicateKeys => in_first_event(&text, "\"depth\":1,\"depth\":2,"),
        Lie::LoneSurrogate => in_first_event(&text, "\"content\":\"\\ud800\","),
        Lie::DeepNesting => {
            in_first_event(&text, &format!("\"nested\":{}{},", "[".repeat(DEEP), "]".repeat(DEEP)))
        }
        other => unreachable!("`{}` is not told in bytes", other.name()),
    }
}

/// Puts something into the first object of the first list; into the answer itself if there is none.
fn in_first_event(text: &str, what: &str) -> String {
    let place = text.find("[{").map_or(1, |place| place + 2);
    let (before, after) = text.split_at(place.min(text.len()));
    // Nothing may follow in an empty object.
    let what = if after.starts_with('}') { what.trim_end_matches(',') } else { what };
    format!("{before}{what}{after}")
}
