//! The linearisation study for people: a table, a CSV with a line for each recovery, a page with charts.

mod page;

use std::fmt::Write;

use serde::Serialize;

pub use page::page;

use super::text::{BOLD, DIM, paint};
use crate::{
    campaign::linearisation::{Recovery, Shape, Way},
    room::answer_order::AnswerOrder,
};

/// Recoveries of one shape by one way under one order, over all seeds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Row {
    /// The shape of the room.
    pub shape: Shape,
    /// How it was recovered.
    #[serde(rename = "road")]
    pub way: Way,
    /// In which order it was answered.
    pub order: AnswerOrder,
    /// How many recoveries.
    pub seeds: usize,
    /// How many of them became whole.
    pub whole: usize,
    /// The mean and the greatest number of requests.
    pub requests: (f64, f64),
    /// Bytes of the answers, likewise.
    pub bytes: (f64, f64),
    /// Events that were answered though they were there already, likewise.
    pub duplicates: (f64, f64),
    /// Simulated milliseconds until it was whole, likewise.
    pub ms: (f64, f64),
}

/// Sums recoveries up, in the order of shapes, roads and orders.
pub fn rows(recoveries: &[Recovery]) -> Vec<Row> {
    let mut rows = Vec::new();
    for shape in Shape::ALL {
        for way in Way::ALL {
            for order in AnswerOrder::ALL {
                let own = |found: &&Recovery| (found.shape, found.way, found.order) == (shape, way, order);
                let own: Vec<&Recovery> = recoveries.iter().filter(own).collect();
                if !own.is_empty() {
                    rows.push(Row::of(shape, way, order, &own));
                }
            }
        }
    }
    rows
}

impl Row {
    fn of(shape: Shape, way: Way, order: AnswerOrder, own: &[&Recovery]) -> Self {
        let over = |value: fn(&Recovery) -> f64| {
            let values = own.iter().map(|recovery| value(recovery));
            let mean = values.clone().sum::<f64>() / own.len() as f64;
            (mean, values.fold(0.0, f64::max))
        };
        Self {
            shape,
            way,
            order,
            seeds: own.len(),
            whole: own.iter().filter(|recovery| recovery.whole).count(),
            requests: over(|recovery| recovery.requests as f64),
            bytes: over(|recovery| recovery.bytes as f64),
            duplicates: over(|recovery| recovery.duplicates as f64),
            ms: over(|recovery| recovery.ms as f64),
        }
    }
}

/// The table for a terminal: means over the seeds, the greatest in brackets.
pub fn table(rows: &[Row]) -> String {
    let head = format!(
        "{:<9} {:<19} {:<15} {:>6} {:>13} {:>15} {:>15} {:>16}",
        "shape", "by", "order", "whole", "requests", "kB", "duplicates", "ms until whole"
    );
    let mut out = format!("{}\n", paint(BOLD, &head));
    let mut group = None;
    for row in rows {
        let is_new = group.replace((row.shape, row.way)).is_some_and(|old| old != (row.shape, row.way));
        if is_new {
            out.push('\n');
        }
        let spread = |(mean, most): (f64, f64), digits: usize| format!("{mean:.digits$} ({most:.digits$})");
        let _ = writeln!(
            out,
            "{:<9} {:<19} {:<15} {:>6} {:>13} {:>15} {:>15} {:>16}",
            row.shape.name(),
            row.way.name(),
            row.order.name(),
            format!("{}/{}", row.whole, row.seeds),
            spread(row.requests, 1),
            spread((row.bytes.0 / 1000.0, row.bytes.1 / 1000.0), 0),
            spread(row.duplicates, 1),
            spread(row.ms, 0),
        );
    }
    let _ = writeln!(out, "{}", paint(DIM, "means over the seeds, the greatest in brackets"));
    out
}

/// One line for each recovery.
pub fn csv(recoveries: &[Recovery]) -> String {
    let mut out = "shape,road,order,seed,whole,requests,bytes,answered,duplicates,ms\n".to_owned();
    for recovery in recoveries {
        let Recovery { shape, way, order, seed, whole, requests, bytes, answered, duplicates, ms } = recovery;
        let _ = writeln!(
            out,
            "{},{},{},{seed},{whole},{requests},{bytes},{answered},{duplicates},{ms}",
            shape.name(),
            way.name(),
            order.name()
        );
    }
    out
}
