//! What commands print: JSON for scripts, lines for people.

use std::io::Write;

use serde::Serialize;

/// Prints to stdout, colours only on a terminal. A reader that hangs up early, such as `head`, is no error.
pub(super) fn print(text: &str) {
    let _ = anstream::stdout().write_all(text.as_bytes());
}

/// Prints one JSON document.
pub(super) fn json(value: &impl Serialize) {
    let text = serde_json::to_string_pretty(value).expect("what commands print is serialisable");
    print(&format!("{text}\n"));
}
