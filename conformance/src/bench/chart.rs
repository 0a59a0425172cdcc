//! The report as a picture: for each row the server's CPU, ours to the better Samba.

use std::fmt::Write;

use super::report::{Ratio, Report};
use super::rows::Bar;

/// Draws the chart as SVG: one line for each row that has a ratio, on a logarithmic scale.
pub fn draw(report: &Report) -> String {
    let rows: Vec<(String, Ratio, Option<Bar>)> = report
        .rows()
        .iter()
        .filter_map(|row| Some((row.name(), report.ratio(row)?, row.bar)))
        .collect();
    let height = TOP + rows.len() * LINE + LINE;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{LEFT}\" y=\"16\" font-weight=\"bold\">Server CPU for the same work, ours to the \
         better Samba (shorter is better; the mark is the bar)</text>\n"
    );
    for ratio in [0.05, 0.1, 0.2, 0.5, 1.0, 2.0] {
        let x = position(ratio);
        let colour = if ratio == 1.0 { "#333" } else { "#ddd" };
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.0}\" x2=\"{x:.0}\" y1=\"{TOP}\" y2=\"{}\" stroke=\"{colour}\"/>\
             <text x=\"{x:.0}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666\">{ratio}</text>",
            height - LINE,
            TOP - 6
        );
    }
    for (index, (name, ratio, bar)) in rows.iter().enumerate() {
        let y = TOP + index * LINE;
        bar_of(&mut svg, y, name, *ratio, *bar);
    }
    svg.push_str("</svg>\n");
    svg
}

fn bar_of(svg: &mut String, y: usize, name: &str, ratio: Ratio, bar: Option<Bar>) {
    let start = position(LEAST);
    let end = position(ratio.cpu);
    let reached = bar.is_none_or(|bar| ratio.cpu <= bar.cpu);
    let colour = if reached { "#4a8" } else { "#c65" };
    let (middle, text) = (y + LINE / 2, y + LINE / 2 + 4);
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{name}</text>\
         <rect x=\"{start:.0}\" y=\"{}\" width=\"{:.0}\" height=\"{}\" fill=\"{colour}\"/>\
         <text x=\"{:.0}\" y=\"{text}\" fill=\"#333\">{:.2}</text>",
        LEFT - 8,
        y + 3,
        (end - start).max(1.0),
        LINE - 6,
        end + 6.0,
        ratio.cpu
    );
    if let Some(bar) = bar {
        let x = position(bar.cpu);
        let _ = writeln!(
            svg,
            "<line x1=\"{x:.0}\" x2=\"{x:.0}\" y1=\"{}\" y2=\"{}\" stroke=\"black\" \
             stroke-width=\"2\"/>",
            middle - 8,
            middle + 8
        );
    }
}

/// Where a ratio stands on the scale.
fn position(ratio: f64) -> f64 {
    let span = (MOST / LEAST).ln();
    let share = (ratio.clamp(LEAST, MOST) / LEAST).ln() / span;
    LEFT as f64 + share * (WIDTH - LEFT - RIGHT) as f64
}

const LEAST: f64 = 0.02;
const MOST: f64 = 4.0;
const WIDTH: usize = 900;
const LEFT: usize = 290;
const RIGHT: usize = 60;
const TOP: usize = 48;
const LINE: usize = 20;
