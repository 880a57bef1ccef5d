//! The charts of the study as one self-contained page: no script, no network, readable in light and dark.

use std::fmt::Write;

use super::Row;
use crate::{
    campaign::linearisation::{Plan, Shape, Way},
    room::answer_order::AnswerOrder,
};

const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c1e21; --dim: #676d76; --line: #d9dce1; --paper: #fff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8eb; --dim: #9aa1ab; --line: #3a3f46; --paper: #16181b; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 68rem;
  margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; } p, figcaption, li { max-width: 46rem; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(22rem, 1fr)); gap: 1.5rem; }
figure { margin: 0; } figcaption { color: var(--dim); } svg { width: 100%; height: auto; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .dim { fill: var(--dim); }
svg line { stroke: var(--line); } svg .whisker { stroke: var(--ink); }
.customary { fill: #5b6b7b; } .breadth_first { fill: #2f7fd1; } .depth_first { fill: #d1682f; }
.by_depth { fill: #3a9a5b; } .newest_arrival { fill: #9a5bb5; }
.legend span { display: inline-block; margin-right: 1.2rem; } .legend svg { width: .8em; height: .8em; margin-right: .4em; }
.table { overflow-x: auto; } table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid var(--line); }
th:nth-child(-n+3), td:nth-child(-n+3) { text-align: left; }
code { font-size: .9em; }
";

/// What a chart shows of a row.
struct Measure {
    title: &'static str,
    unit: &'static str,
    of: fn(&Row) -> (f64, f64),
}

const MEASURES: [Measure; 4] = [
    Measure { title: "Requests", unit: "until whole", of: |row| row.requests },
    Measure { title: "Bytes", unit: "kB of answers", of: |row| (row.bytes.0 / 1e3, row.bytes.1 / 1e3) },
    Measure { title: "Duplicates", unit: "events answered twice", of: |row| row.duplicates },
    Measure { title: "Time", unit: "ms until whole", of: |row| row.ms },
];

/// The page.
pub fn page(rows: &[Row], plan: &Plan, command: &str) -> String {
    let mut out = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <title>Linearisation of backfill answers</title>\n<style>{STYLE}</style>\n\
         <h1>What the order of answers costs who recovers</h1>\n\
         <p>A server recovers {} events from one that holds them and answers in one order or another: the same rooms \
         for every order, {} of each shape. Bars are means over the seeds, whiskers end at the greatest. \
         <code>/backfill</code> in pages of {}, <code>/get_missing_events</code> with limit 20.</p>\n\
         <p>Again: <code>{}</code></p>\n{}",
        plan.events,
        plan.seeds,
        plan.page,
        escaped(command),
        legend()
    );
    for way in Way::ALL {
        let _ = writeln!(out, "<h2><code>/{}</code></h2>\n<div class=\"charts\">", way.name());
        for measure in &MEASURES {
            out.push_str(&chart(rows, way, measure));
        }
        out.push_str("</div>\n");
    }
    out.push_str(&table(rows));
    out.push_str("</html>\n");
    out
}

fn legend() -> String {
    let entry = |order: AnswerOrder| {
        let name = order.name();
        format!(
            "<span><svg viewBox=\"0 0 1 1\" aria-hidden=\"true\"><rect class=\"{name}\" width=\"1\" height=\"1\"/></svg>{}</span>",
            name.replace('_', " ")
        )
    };
    format!("<p class=\"legend\">{}</p>\n", AnswerOrder::ALL.map(entry).concat())
}

/// Bars in groups of one shape each, one bar an order.
fn chart(rows: &[Row], way: Way, measure: &Measure) -> String {
    const WIDTH: f64 = 420.0;
    const HEIGHT: f64 = 180.0;
    const LEFT: f64 = 48.0;
    const TOP: f64 = 12.0;
    let own = || rows.iter().filter(|row| row.way == way);
    let most = own().map(|row| (measure.of)(row).1).fold(0.0, f64::max).max(1.0);
    let y = |value: f64| TOP + HEIGHT * (1.0 - value / most);
    let group = (WIDTH - LEFT) / Shape::ALL.len() as f64;
    let bar = group * 0.8 / AnswerOrder::ALL.len() as f64;
    let mut marks = String::new();
    for part in [0.0, 0.5, 1.0] {
        let (value, at) = (most * part, y(most * part));
        let _ = write!(
            marks,
            "<line x1=\"{LEFT}\" x2=\"{WIDTH}\" y1=\"{at:.1}\" y2=\"{at:.1}\"/>\
             <text class=\"dim\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.0}</text>",
            LEFT - 6.0,
            at + 4.0
        );
    }
    for (place, shape) in Shape::ALL.into_iter().enumerate() {
        let start = LEFT + group * place as f64;
        let _ = write!(
            marks,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
            start + group / 2.0,
            TOP + HEIGHT + 16.0,
            shape.name()
        );
        for (nth, order) in AnswerOrder::ALL.into_iter().enumerate() {
            let Some(row) = own().find(|row| (row.shape, row.order) == (shape, order)) else { continue };
            let (mean, greatest) = (measure.of)(row);
            let x = start + group * 0.1 + bar * nth as f64;
            let (middle, high, top) = (x + bar * 0.45, y(mean), y(greatest));
            let (wide, tall) = (bar * 0.9, TOP + HEIGHT - high);
            let _ = write!(
                marks,
                "<g><title>{}, {}: {mean:.1}, at most {greatest:.1}</title>\
                 <rect class=\"{}\" x=\"{x:.1}\" y=\"{high:.1}\" width=\"{wide:.1}\" height=\"{tall:.1}\"/>\
                 <line class=\"whisker\" x1=\"{middle:.1}\" x2=\"{middle:.1}\" y1=\"{high:.1}\" y2=\"{top:.1}\"/></g>",
                shape.name(),
                order.name().replace('_', " "),
                order.name(),
            );
        }
    }
    format!(
        "<figure><svg viewBox=\"0 0 {WIDTH} {:.0}\" role=\"img\" aria-label=\"{} by shape and order\">{marks}</svg>\
         <figcaption>{}: {}</figcaption></figure>\n",
        TOP + HEIGHT + 22.0,
        measure.title,
        measure.title,
        measure.unit
    )
}

fn table(rows: &[Row]) -> String {
    let mut out =
        "<h2>The figures</h2>\n<div class=\"table\"><table><thead><tr><th>shape<th>by<th>order<th>whole\
                   <th>requests<th>kB<th>duplicates<th>ms</thead><tbody>\n"
            .to_owned();
    for row in rows {
        let _ = writeln!(
            out,
            "<tr><td>{}<td>{}<td>{}<td>{}/{}<td>{:.1}<td>{:.1}<td>{:.1}<td>{:.0}",
            row.shape.name(),
            row.way.name(),
            row.order.name(),
            row.whole,
            row.seeds,
            row.requests.0,
            row.bytes.0 / 1e3,
            row.duplicates.0,
            row.ms.0
        );
    }
    out + "</tbody></table></div>\n"
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
