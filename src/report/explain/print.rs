//! An explanation as a person reads it in a terminal.

use std::fmt::Write;

use super::Explanation;
use crate::{
    check::list,
    report::text::{BAD, BOLD, DIM, FAULT, GOOD, WIDTH, moment, paint, printable, shortened as short, wrap},
};

impl Explanation {
    /// The explanation as text: the answer first, the event's way below it, then what is behind it.
    pub fn lines(&self) -> String {
        let mut out = format!("{}\n", self.title(&self.event_id));
        if let Some(about) = &self.event {
            let key = about
                .state_key
                .as_ref()
                .filter(|key| !key.is_empty())
                .map(|key| format!(" for `{key}`"))
                .unwrap_or_default();
            let line =
                format!("{}{key} of {}, depth {}; {}", about.kind, about.sender, about.depth, about.origin);
            put(&mut out, "", &line);
        }
        if self.held_by.is_empty() {
            put(&mut out, "", "at the end no server holds it");
        } else {
            let held = list(self.held_by.iter().map(String::as_str));
            put(&mut out, "", &format!("held at the end by {held}"));
        }
        if let Some(in_state) = &self.in_state {
            put(&mut out, "", in_state);
        }
        let _ = writeln!(out);
        put(&mut out, "", &format!("{}.", self.answer));
        if !self.story.is_empty() {
            let _ = writeln!(out);
        }
        for step in &self.story {
            let times = match step.times {
                1 => String::new(),
                times => format!(" (×{times}, until {})", moment(step.until)),
            };
            put(&mut out, &format!("{:>10}  ", moment(step.t)), &format!("{}{times}", step.text));
        }
        for behind in &self.behind {
            let _ = writeln!(out);
            behind.write_short(&mut out, 0);
        }
        out
    }

    fn title(&self, id: &str) -> String {
        let style = match self.standing {
            "accepted" => GOOD,
            "rejected" | "missing" | "dropped" => BAD,
            _ => FAULT,
        };
        let label = self.label.as_ref().map(|label| format!(" ({label})")).unwrap_or_default();
        let standing = paint(style, &self.standing.replace('_', "-"));
        format!("{}{label} on {}: {standing}", paint(BOLD, id), self.server)
    }

    /// The title and the answer of an event behind another, and what is behind it in turn.
    fn write_short(&self, out: &mut String, level: usize) {
        let indent = "  ".repeat(level);
        let _ = writeln!(out, "{indent}{} {}", paint(DIM, "behind it:"), self.title(&short(&self.event_id)));
        put(out, &format!("{indent}  "), &format!("{}.", self.answer));
        if let Some(last) = self.story.last() {
            let line = format!("{} {}", moment(last.t), last.text);
            put(out, &format!("{indent}  "), &line);
        }
        for behind in &self.behind {
            behind.write_short(out, level + 1);
        }
    }
}

/// Writes a text after a margin, and what does not fit below it.
fn put(out: &mut String, margin: &str, text: &str) {
    let width = margin.chars().count();
    for (nth, line) in wrap(&printable(text), WIDTH - width).iter().enumerate() {
        let margin = if nth == 0 { paint(DIM, margin) } else { " ".repeat(width) };
        let _ = writeln!(out, "{margin}{line}");
    }
}
