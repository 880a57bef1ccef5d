//! Rows of Synapse's table `event_json` as databases print them: CSV, `COPY` and `pg_dump` of PostgreSQL, and
//! the lists of SQLite's shell.
//!
//! Which column is which is told by their names, or by what is in them: people export with and without a
//! first line.

use std::str::Lines;

use serde_json::value::RawValue;

use super::{DumpError, place::Pages, read::Fields};

/// An event of a table.
pub(super) struct Row {
    pub(super) line: usize,
    pub(super) event_id: Option<String>,
    pub(super) json: String,
}

/// A line of a table that was taken apart.
struct Cells {
    line: usize,
    cells: Vec<String>,
}

/// The rows of a file, if it is a table.
pub(super) fn rows_in(pages: &Pages<'_>) -> Result<Option<Vec<Row>>, DumpError> {
    let Some(first) = pages.text.lines().find(|line| !line.trim().is_empty()) else { return Ok(None) };
    if first.trim_start().starts_with(['{', '[']) {
        return Ok(None);
    }
    if let Some(copied) = copied(pages.text) {
        return named(pages, copied).map(Some);
    }
    let Some(separator) = first.chars().find(|char| ['\t', ',', '|'].contains(char)) else { return Ok(None) };
    let is_header = first.split(separator).any(|cell| cell.trim_matches('"') == "json");
    if !is_header && !first.trim_start_matches('"').starts_with('$') {
        return Ok(None);
    }
    let filled = || numbered(pages.text.lines()).filter(|(_, line)| !line.trim().is_empty());
    let cells = match separator {
        ',' => csv(pages)?,
        '\t' => filled().map(|(line, text)| Cells { line, cells: copy_cells(text) }).collect(),
        _ => filled().map(|(line, text)| Cells { line, cells: listed_cells(text) }).collect(),
    };
    if is_header { named(pages, cells).map(Some) } else { unnamed(pages, cells).map(Some) }
}

fn numbered(lines: Lines<'_>) -> impl Iterator<Item = (usize, &str)> {
    lines.enumerate().map(|(nth, line)| (nth + 1, line))
}

/// The lines between `COPY … event_json (…) FROM stdin;` and `\.`, with the names of the columns first.
fn copied(text: &str) -> Option<Vec<Cells>> {
    let is_start = |line: &str| line.starts_with("COPY ") && line.contains("event_json");
    let mut lines = numbered(text.lines()).skip_while(|(_, line)| !is_start(line));
    let (line, start) = lines.next()?;
    let (_, names) = start.split_once('(')?;
    let (names, _) = names.split_once(')')?;
    let names = names.split(',').map(|name| name.trim().trim_matches('"').to_owned()).collect();
    let rows = lines.take_while(|(_, line)| *line != "\\.");
    let rows = rows.map(|(line, text)| Cells { line, cells: copy_cells(text) });
    Some([Cells { line, cells: names }].into_iter().chain(rows).collect())
}

/// Rows after a first line with the names of the columns.
fn named(pages: &Pages<'_>, cells: Vec<Cells>) -> Result<Vec<Row>, DumpError> {
    let mut cells = cells.into_iter();
    let header = cells.next().map(|header| header.cells).unwrap_or_default();
    let column = |name: &str| header.iter().position(|cell| cell == name);
    let (json, id) = (column("json"), column("event_id"));
    let row = |Cells { line, mut cells }: Cells| {
        let found = json.filter(|_| cells.len() == header.len());
        let json = found.map(|nth| std::mem::take(&mut cells[nth])).ok_or_else(|| DumpError::NoEvent {
            place: pages.at_line(line, None),
            what: format!("{} columns, but the first line names {}", cells.len(), header.len()),
        })?;
        Ok(Row { line, event_id: id.map(|nth| std::mem::take(&mut cells[nth])), json })
    };
    cells.map(row).collect()
}

/// Rows of which nobody says what the columns are: the event is the one that looks like an event.
fn unnamed(pages: &Pages<'_>, cells: Vec<Cells>) -> Result<Vec<Row>, DumpError> {
    let is_event = |cell: &String| {
        cell.starts_with('{')
            && serde_json::from_str::<Fields<'_>>(cell).is_ok_and(|fields| fields.contains_key("type"))
    };
    let row = |Cells { line, cells }: Cells| {
        let json = cells.iter().find(|cell| is_event(cell)).cloned().ok_or_else(|| DumpError::NoEvent {
            place: pages.at_line(line, None),
            what: "no column of this row is an event; export the column `json` of the table `event_json` (docs/import.md)"
                .to_owned(),
        })?;
        Ok(Row { line, event_id: cells.into_iter().find(|cell| cell.starts_with('$')), json })
    };
    cells.into_iter().map(row).collect()
}

/// Comma-separated values (RFC 4180).
fn csv(pages: &Pages<'_>) -> Result<Vec<Cells>, DumpError> {
    let mut rows = Vec::new();
    let (mut line, mut rest) = (1, pages.text);
    while !rest.is_empty() {
        let mut row = Cells { line, cells: Vec::new() };
        loop {
            let (cell, after) = csv_cell(rest).ok_or_else(|| DumpError::NoEvent {
                place: pages.at_line(row.line, None),
                what: "the quote that opens a value of this row is not closed".to_owned(),
            })?;
            line += rest[..rest.len() - after.len()].matches('\n').count();
            row.cells.push(cell);
            rest = after;
            let Some(next) = rest.strip_prefix(',') else { break };
            rest = next;
        }
        rest = rest.strip_prefix('\r').unwrap_or(rest);
        if let Some(next) = rest.strip_prefix('\n') {
            (rest, line) = (next, line + 1);
        }
        if row.cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(row);
        }
    }
    Ok(rows)
}

/// One value, and what follows it.
fn csv_cell(text: &str) -> Option<(String, &str)> {
    let Some(mut rest) = text.strip_prefix('"') else {
        let end = text.find([',', '\r', '\n']).unwrap_or(text.len());
        return Some((text[..end].to_owned(), &text[end..]));
    };
    let mut cell = String::new();
    loop {
        let end = rest.find('"')?;
        cell.push_str(&rest[..end]);
        rest = &rest[end + 1..];
        match rest.strip_prefix('"') {
            Some(after) => {
                cell.push('"');
                rest = after;
            }
            // Something between the quote and the next comma belongs to no format, and is left out.
            None => return Some((cell, &rest[rest.find([',', '\r', '\n']).unwrap_or(rest.len())..])),
        }
    }
}

/// A line of PostgreSQL's `COPY`, or one with tabs in which nothing is escaped.
fn copy_cells(line: &str) -> Vec<String> {
    line.split('\t').map(|cell| unescaped(cell).unwrap_or_else(|| cell.to_owned())).collect()
}

/// Nothing if it has an escape that `COPY` doesn't write: then the backslashes are those of JSON.
fn unescaped(cell: &str) -> Option<String> {
    let mut text = String::with_capacity(cell.len());
    let mut chars = cell.chars();
    while let Some(char) = chars.next() {
        text.push(match char {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'b' => '\u{8}',
                'f' => '\u{c}',
                'n' => '\n',
                'r' => '\r',
                't' => '\t',
                'v' => '\u{b}',
                _ => return None,
            },
            other => other,
        });
    }
    Some(text)
}

/// A line of SQLite's shell: values between bars, of which JSON may have some of its own.
fn listed_cells(line: &str) -> Vec<String> {
    let mut cells = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let json = text.starts_with('{').then(|| {
            let mut values = serde_json::Deserializer::from_str(text).into_iter::<&RawValue>();
            values.next().and_then(Result::ok).map(|value| value.get().len())
        });
        let end = json.flatten().or_else(|| text.find('|')).unwrap_or(text.len());
        cells.push(text[..end].to_owned());
        rest = text[end..].strip_prefix('|');
    }
    cells
}
