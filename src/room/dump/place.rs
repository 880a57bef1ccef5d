//! Where something stands in the files that people bring: every message names it, so that it can be found
//! again.

use std::{fmt, sync::Arc};

use serde::{Serialize, Serializer};

/// Where an event stands: its file, its line, and in a list also its place there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The name of the file.
    pub file: Arc<str>,
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// Its place in a list, such as `pdus[3]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub item: Option<Item>,
}

/// An element of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Item {
    /// The key of the list; empty for one that has none.
    pub list: &'static str,
    /// Its position, counted from 0.
    pub nth: usize,
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.list, self.nth)
    }
}

impl Serialize for Item {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        self.item.map_or(Ok(()), |item| write!(f, ", {item}"))
    }
}

/// A file that is being read, with where its lines begin.
#[derive(Debug)]
pub(super) struct Pages<'a> {
    pub(super) file: Arc<str>,
    pub(super) text: &'a str,
    breaks: Vec<usize>,
}

impl<'a> Pages<'a> {
    /// `text` may begin with a byte order mark, which is not part of it.
    pub(super) fn new(file: &str, text: &'a str) -> Self {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at).collect();
        Self { file: file.into(), text, breaks }
    }

    /// Where a part of the text stands.
    pub(super) fn place(&self, part: &str, item: Option<Item>) -> Place {
        let offset = (part.as_ptr() as usize).saturating_sub(self.text.as_ptr() as usize);
        self.at_line(1 + self.breaks.partition_point(|at| *at < offset), item)
    }

    pub(super) fn at_line(&self, line: usize, item: Option<Item>) -> Place {
        Place { file: self.file.clone(), line, item }
    }
}
