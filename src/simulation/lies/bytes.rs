//! Lies in the bytes of an answer, whatever it says.

use crate::scenario::ByteLie;

/// How many lists "deep nesting" is.
const DEEP: usize = 100_000;

/// What is said in place of `text`.
pub(super) fn tell(lie: ByteLie, text: String) -> String {
    match lie {
        ByteLie::TruncatedJson => text.chars().take(text.chars().count() / 2).collect(),
        ByteLie::NoJson => format!("<html>{text}</html>"),
        ByteLie::WrongTypes => text.replacen('[', "{\"0\":", 1).replacen(']', "}", 1),
        ByteLie::Floats => in_first_event(&text, "\"depth\":1.5,"),
        ByteLie::NotANumber => in_first_event(&text, "\"depth\":NaN,"),
        ByteLie::DuplicateKeys => in_first_event(&text, "\"depth\":1,\"depth\":2,"),
        ByteLie::LoneSurrogate => in_first_event(&text, "\"content\":\"\\ud800\","),
        ByteLie::DeepNesting => {
            in_first_event(&text, &format!("\"nested\":{}{},", "[".repeat(DEEP), "]".repeat(DEEP)))
        }
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
