//! A scenario that cannot be read, shown the way compilers show mistakes.
//!
//! Knows texts and places; what counts as a mistake is decided elsewhere.

use std::fmt;

use super::locate::locate;
use super::mistake::{Mistake, print_path};

/// Where in a file a mistake stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The line's text, cut to a window around the column where it is very long.
    pub excerpt: String,
    /// Where in the excerpt the column is, in characters from 0.
    pub caret: usize,
}

/// Why a scenario could not be read: one mistake, its place, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScenarioError {
    /// The file, as it was named.
    pub file: String,
    /// Where in the file; nothing if the file could not be read at all.
    pub place: Option<Box<Place>>,
    /// The path of the value in the JSON, such as `timeline[3].message.by`; empty for the whole file.
    pub path: String,
    /// What is wrong.
    pub what: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl std::error::Error for ScenarioError {}

impl ScenarioError {
    /// A file that could not be read at all.
    pub(super) fn unreadable(file: &str, what: impl Into<String>, help: &str) -> Self {
        let (what, help) = (what.into(), Some(help.to_owned()));
        Self { file: file.to_owned(), place: None, path: String::new(), what, help }
    }

    /// A mistake at a byte of the text, where there is no JSON path yet.
    pub(super) fn at_byte(
        file: &str,
        text: &str,
        offset: usize,
        what: impl Into<String>,
        help: &str,
    ) -> Self {
        let place = Some(Box::new(Place::of(text, offset)));
        Self {
            file: file.to_owned(),
            place,
            path: String::new(),
            what: what.into(),
            help: Some(help.to_owned()),
        }
    }

    /// A mistake in JSON that is otherwise well-formed.
    pub(super) fn of_mistake(file: &str, text: &str, mistake: Mistake) -> Self {
        let path = mistake.path();
        let offset = locate(text, &path, mistake.target).unwrap_or(0);
        Self {
            file: file.to_owned(),
            place: Some(Box::new(Place::of(text, offset))),
            path: print_path(&path),
            what: mistake.what,
            help: mistake.help,
        }
    }

    /// Text that is not JSON, or nests deeper than the parser goes.
    pub(super) fn not_json(file: &str, text: &str, error: &serde_json::Error) -> Self {
        let offset = byte_of(text, error.line(), error.column());
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = format!("this is not JSON: {}", message.strip_suffix(&place).unwrap_or(&message));
        let help = if text.trim().is_empty() {
            "the file is empty; a scenario is a JSON object"
        } else if follows_comma(text, offset) {
            "remove the comma before it"
        } else if message.starts_with("EOF") {
            "a closing bracket, brace or quote is missing"
        } else {
            "look at the line before it too: a missing comma or quote shows late"
        };
        Self::at_byte(file, text, offset, what, help)
    }
}

/// The byte that serde_json means by a line and a column, which it counts in bytes, with 0 for the line's
/// beginning.
fn byte_of(text: &str, line: usize, column: usize) -> usize {
    let start = match line {
        0 | 1 => 0,
        _ => text.match_indices('\n').nth(line - 2).map_or(text.len(), |(at, _)| at + 1),
    };
    (start + column.saturating_sub(1)).min(text.len())
}

/// Whether a closing bracket at `offset` comes right after a comma, which JSON does not allow.
fn follows_comma(text: &str, offset: usize) -> bool {
    let around = text.get(..offset).zip(text.get(offset..));
    around.is_some_and(|(before, after)| before.trim_end().ends_with(',') && after.starts_with(['}', ']']))
}

impl Place {
    /// The place of a byte. The end of a file counts as the end of its last line that is not blank, so that
    /// the place is always inside.
    pub(super) fn of(text: &str, offset: usize) -> Self {
        let written = text.trim_end().len();
        let mut offset = offset.min(written);
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let end = text[offset..].find('\n').map_or(text.len(), |at| offset + at);
        let column = text[start..offset].chars().count();
        let line = text[..start].bytes().filter(|b| *b == b'\n').count() + 1;
        let (excerpt, caret) = window(text[start..end].trim_end(), column);
        Self { line, column: column + 1, excerpt, caret }
    }
}

/// Cuts a line to what fits a terminal, and makes what could command the terminal visible.
fn window(line: &str, column: usize) -> (String, usize) {
    const WIDTH: usize = 120;
    const BEFORE: usize = 60;
    let from = if column < WIDTH - 10 { 0 } else { column - BEFORE };
    let shown = line.chars().skip(from).take(WIDTH).map(|c| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    });
    (shown.collect(), column - from)
}

impl fmt::Display for ScenarioError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {}", self.file)?;
        if let Some(place) = &self.place {
            write!(f, ":{}:{}", place.line, place.column)?;
        }
        if !self.path.is_empty() {
            write!(f, ": {}", self.path)?;
        }
        write!(f, ": {}", self.what)?;
        let mut margin = 1;
        if let Some(place) = &self.place {
            margin = place.line.to_string().len();
            write!(f, "\n{:margin$} |\n{} | {}", "", place.line, place.excerpt)?;
            write!(f, "\n{:margin$} | {:caret$}^", "", "", caret = place.caret)?;
        }
        if let Some(help) = &self.help {
            write!(f, "\n{:margin$} = help: {help}", "")?;
        }
        Ok(())
    }
}
