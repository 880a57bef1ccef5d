//! How texts for a terminal look: colours, moments, lengths, ids cut short.
//!
//! Colours are always in the text; whoever prints it takes them out where they are of no use.

use anstyle::{AnsiColor, Style};

use crate::check::short;

/// No line is longer.
pub(super) const WIDTH: usize = 110;

pub(super) const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const FAULT: Style = AnsiColor::Yellow.on_default();
pub(super) const HEAL: Style = AnsiColor::Green.on_default();
pub(super) const WORK: Style = AnsiColor::Cyan.on_default();
pub(super) const LOSS: Style = AnsiColor::Red.on_default();

pub(super) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A moment of the run, such as `+2.000s`.
pub(super) fn moment(t: i64) -> String {
    let sign = if t < 0 { '-' } else { '+' };
    let t = t.unsigned_abs();
    format!("{sign}{}.{:03}s", t / 1000, t % 1000)
}

pub(super) fn seconds(ms: u64) -> String {
    if ms < 1000 { format!("{ms} ms") } else { format!("{}.{} s", ms / 1000, ms % 1000 / 100) }
}

/// An event id shortened, anything else as it is.
pub(super) fn shortened(text: &str) -> String {
    match <&ruma_common::EventId>::try_from(text) {
        Ok(id) => short(id),
        Err(_) => text.to_owned(),
    }
}

/// Texts of peers and scenarios may not command the terminal.
pub(super) fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

pub(super) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().expect("there is always one");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(cut(word, width));
            continue;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&cut(word, width));
    }
    lines
}
