//! One mistake in a scenario, before it is known where in the file it stands.
//!
//! A mistake is made deep inside with the innermost key, and every caller adds the key that it stands under,
//! so that a scenario without mistakes never pays for paths. `locate` turns the finished path into a line and
//! a column.

use std::fmt;

/// One step of the way from the top of the file to a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// Under this key of an object.
    Key(String),
    /// The entry at this position of a list.
    Index(usize),
}

/// Which part of the text a mistake is shown at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Target {
    /// The value that the path leads to.
    Value,
    /// The key that the path ends with.
    Key,
    /// The same, where the key stands twice: its last appearance.
    LastKey,
}

/// What is wrong, where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// The path from the top, innermost segment first while it is built.
    inside_out: Vec<Segment>,
    pub(super) target: Target,
    pub(super) what: String,
    pub(super) help: Option<String>,
}

impl Mistake {
    /// A mistake in the value that is being looked at.
    pub(super) fn here(what: impl Into<String>) -> Self {
        Self { inside_out: Vec::new(), target: Target::Value, what: what.into(), help: None }
    }

    /// A mistake in the value under `key`.
    pub(super) fn at(key: &str, what: impl Into<String>) -> Self {
        Self::here(what).under(key)
    }

    /// With advice on what to do.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Shown at another part of the text than the value.
    pub(super) fn shown_at(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// The same mistake, seen from the object that holds it under `key`.
    pub(super) fn under(mut self, key: &str) -> Self {
        self.inside_out.push(Segment::Key(key.to_owned()));
        self
    }

    /// The same mistake, seen from the list that holds it at `index`.
    pub(super) fn entry(mut self, index: usize) -> Self {
        self.inside_out.push(Segment::Index(index));
        self
    }

    /// The path from the top of the file.
    pub(super) fn path(&self) -> Vec<Segment> {
        self.inside_out.iter().rev().cloned().collect()
    }
}

/// Separates what is wrong from what to do inside a serde error, which can carry one string only. No text
/// that a scenario quotes can hold it: quoted text is escaped.
const HELP: char = '\u{1f}';

/// A deserialisation error with advice.
pub(super) fn complaint<E: serde::de::Error>(what: impl fmt::Display, help: impl fmt::Display) -> E {
    E::custom(format_args!("{what}{HELP}{help}"))
}

/// Splits what [`complaint`] joined.
pub(super) fn split_complaint(message: &str) -> (&str, Option<&str>) {
    match message.split_once(HELP) {
        Some((what, help)) => (what, Some(help)),
        None => (message, None),
    }
}

/// A path as people write it: `timeline[3].message.by`; the whole file is the empty string.
pub(super) fn print_path(path: &[Segment]) -> String {
    let mut printed = String::new();
    for segment in path {
        match segment {
            Segment::Index(index) => printed.push_str(&format!("[{index}]")),
            Segment::Key(key) if is_plain(key) => {
                if !printed.is_empty() {
                    printed.push('.');
                }
                printed.push_str(key);
            }
            Segment::Key(key) => printed.push_str(&format!("[{}]", quote(key))),
        }
    }
    printed
}

fn is_plain(key: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '$' | '>');
    !key.is_empty() && key.len() <= 64 && key.chars().all(letter)
}

/// Text from a scenario, quoted for a message: escaped, and cut where it would drown the message.
pub(super) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
