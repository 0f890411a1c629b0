//! `report.html`: one self-contained page, to be looked at before it is read.
//!
//! Losses come first everywhere. Every drawing stands beside the same figures as text, and the
//! full tables lie folded below each case. Nothing is requested from anywhere.

use core::fmt::Write;

use crate::case::Case;
use crate::report::opening;
use crate::report::schema::{CaseRow, Report, RoleName};
use crate::report::summary::{self, Line, Mark};
use crate::report::svg::{self, Axis};
use crate::stats::Interval;

/// Writes text so that it means itself in HTML.
#[must_use]
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Writes the page.
#[must_use]
pub fn page(report: &Report, notes: &[String], cases: &[Case]) -> String {
    let mut html = String::from("<!doctype html>\n<html lang=en><meta charset=utf-8>");
    html.push_str("<meta name=viewport content='width=device-width,initial-scale=1'>");
    html.push_str(
        "<meta name=color-scheme content='light dark'><title>Quarry: measured</title>\n<style>",
    );
    html.push_str(include_str!("style.css"));
    html.push_str("</style>\n<main>\n");
    let crates = summary::by_crate(report);
    opening::write(&mut html, report, &crates);
    overview(&mut html, &crates);
    for (krate, rows) in &crates {
        let _ = writeln!(html, "<h2 id='{0}'>{0}</h2>", escape(krate));
        let _ = writeln!(
            html,
            "<p class='soft small'>{}</p>",
            format_args!("Against peers: {}.", summary::tally(rows.iter().copied()).sentence())
        );
        for row in rows {
            card(&mut html, row, cases.iter().find(|case| case.id == row.id));
        }
    }
    closing(&mut html, notes);
    html.push_str("</main></html>\n");
    html
}

fn overview(html: &mut String, crates: &[(&str, Vec<&CaseRow>)]) {
    let all: Vec<(&CaseRow, Vec<Line<'_>>)> =
        crates.iter().flat_map(|(_, rows)| rows).map(|row| (*row, summary::lines(row))).collect();
    let axis = Axis::around(all.iter().flat_map(|(_, lines)| lines).filter_map(|line| line.ratio));
    html.push_str("<div class=card><h3>Everything at a glance</h3>");
    html.push_str(
        "<p>One line per case, one dot per engine: right of the line at 1x ours is better by that factor.</p>",
    );
    html.push_str("<div class=legend>");
    for (colour, word) in [
        ("loss", "beats ours"),
        ("even", "too close to call"),
        ("win", "ours is better"),
        ("accent", "ours, configured otherwise"),
    ] {
        let _ = write!(html, "<span><i style='background:var(--{colour})'></i>{word}</span>");
    }
    html.push_str("<span><i class=h></i>hollow: a control nobody could choose</span></div><div class=overview>");
    for (row, lines) in &all {
        let _ =
            write!(html, "<a href='#{0}'>{0}</a>{1}", escape(&row.id), svg::strip(&axis, lines));
    }
    let _ = writeln!(html, "<span class=gap></span>{}</div></div>", svg::scale(&axis));
}

fn card(html: &mut String, row: &CaseRow, case: Option<&Case>) {
    let lines = summary::lines(row);
    let metric = summary::headline(row);
    let axis = Axis::around(lines.iter().filter_map(|line| line.ratio));
    let _ = write!(html, "<section class=card id='{0}'><h3>{0}</h3>", escape(&row.id));
    html.push_str("<div class=chips>");
    for (chip, warn) in chips(row) {
        let _ = write!(
            html,
            "<span class='chip{}'>{}</span>",
            if warn { " warn" } else { "" },
            escape(&chip)
        );
    }
    html.push_str("</div>");
    if let Some(case) = case {
        let _ = write!(html, "<p>{}</p>", escape(case.what));
    }
    html.push_str("<div class=plot>");
    for line in &lines {
        plot_row(html, &axis, line, metric);
    }
    let (less, more) = match metric {
        "peak_bytes" => ("← needs less than ours", "needs more than ours →"),
        _ => ("← faster than ours", "slower than ours →"),
    };
    let _ = write!(
        html,
        "<span class=gap></span>{}<span class=gap></span><span class=gap></span>\
         <span class=way><span>{less}</span><span>{more}</span></span><span class=gap></span></div>",
        svg::scale(&axis)
    );
    table(html, row, &lines, case);
    html.push_str("</section>\n");
}

fn chips(row: &CaseRow) -> Vec<(String, bool)> {
    let mut chips: Vec<(String, bool)> =
        summary::not_done(row).map(|why| (why, true)).into_iter().collect();
    if summary::harness_bound(row) {
        chips.push(("harness-bound: time understates".to_owned(), true));
    }
    let threads = row.engines.first().map_or(1, |engine| engine.threads);
    if threads > crate::threads::cpus().len() {
        chips.push((format!("oversubscribed: {threads} threads"), true));
    } else if threads > 1 {
        chips.push((format!("{threads} threads"), false));
    }
    chips.push((format!("{} per {}", row.model, row.unit), false));
    let input = &row.input;
    if !input.kind.is_empty() {
        #[expect(clippy::cast_precision_loss, reason = "for the eye")]
        let bytes = summary::bytes(input.bytes as f64);
        let bytes = if input.bytes == 0 { String::new() } else { format!("{bytes}, ") };
        chips.push((format!("{} input: {bytes}{} items", input.kind, input.count), false));
    }
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let set = summary::bytes(row.working_set_bytes as f64);
    chips.push((format!("working set {set}"), false));
    if let Some(Interval { ratio, lo, hi }) = row.aa {
        chips.push((format!("A/A {ratio:.3} [{lo:.3}, {hi:.3}]"), false));
    }
    chips
}

fn plot_row(html: &mut String, axis: &Axis, line: &Line<'_>, metric: &str) {
    let engine = line.engine;
    let config = if engine.config == "default" {
        String::new()
    } else {
        format!(" <small>{}</small>", escape(&engine.config))
    };
    let name = escape(&engine.name);
    let name =
        if line.mark == Mark::Ours { format!("<b>{name}</b>{config}") } else { name + &config };
    let _ = write!(html, "<span class=name>{name}</span>");
    if let Some(error) = &engine.error {
        let _ = write!(html, "<span class='error small'>error: {}</span>", escape(error));
        return;
    }
    let figure =
        engine.figure(metric).map(|value| summary::figure(metric, value)).unwrap_or_default();
    let say = match line.ratio {
        Some(ratio) => format!("{}x <small>{figure}</small>", summary::ratio(ratio.ratio)),
        None if line.mark == Mark::Ours => format!("<b>{figure}</b>"),
        None => format!("<small>{figure}</small>"),
    };
    let class = svg::class(line.mark);
    let _ = write!(html, "{}<span class='say {class}'>{say}</span>", svg::row(axis, line));
}

/// Columns of the folded table that any engine of the case fills.
const COLUMNS: [(&str, &str); 14] = [
    ("time", "median"),
    ("p50", "p50"),
    ("p99", "p99"),
    ("p999", "p99.9"),
    ("p9999", "p99.99"),
    ("max", "max"),
    ("above_100us", "above 100 us per million"),
    ("goodput", "goodput /s"),
    ("cpu_ns", "CPU time"),
    ("instructions", "instructions"),
    ("allocs", "allocator calls"),
    ("page_faults", "page faults"),
    ("peak_bytes", "peak"),
    ("far", "FAR median"),
];

fn table(html: &mut String, row: &CaseRow, lines: &[Line<'_>], case: Option<&Case>) {
    let figure = |line: &Line<'_>, metric: &str| match metric {
        "far" => line.engine.far.map(|far| summary::nanoseconds(far.median)),
        _ => line.engine.figure(metric).map(|value| summary::figure(metric, value)),
    };
    let columns: Vec<&(&str, &str)> = COLUMNS
        .iter()
        .filter(|(metric, _)| lines.iter().any(|line| figure(line, metric).is_some()))
        .collect();
    let own: Vec<&String> = {
        let mut names: Vec<&String> =
            row.engines.iter().filter_map(|e| e.metrics.as_ref()).flat_map(|m| m.keys()).collect();
        names.sort();
        names.dedup();
        names
    };
    html.push_str("<details><summary>All figures</summary><div class=scroll><table><tr><th>engine<th>ours is better by");
    for (_, title) in &columns {
        let _ = write!(html, "<th>{title}");
    }
    for name in &own {
        let _ = write!(html, "<th>{}", escape(name));
    }
    html.push_str("<th>samples / processes<th>version<th>why this configuration");
    for line in lines {
        let engine = line.engine;
        let kind = if engine.role == RoleName::Control { " (control)" } else { "" };
        let ratio = match (&engine.error, line.ratio) {
            (Some(_), _) => "error".to_owned(),
            (None, Some(ratio)) => summary::interval(ratio),
            (None, None) => String::new(),
        };
        let _ = write!(html, "<tr><td>{}{kind}<td>{ratio}", escape(&engine.label()));
        for (metric, _) in &columns {
            let _ = write!(html, "<td>{}", figure(line, metric).unwrap_or_default());
        }
        for name in &own {
            let value = engine.metrics.as_ref().and_then(|m| m.get(*name));
            let _ = write!(html, "<td>{}", value.map(|v| summary::digits(*v)).unwrap_or_default());
        }
        let spec = case.and_then(|c| {
            c.engines.iter().find(|e| e.name == engine.name && e.config == engine.config)
        });
        let _ = write!(
            html,
            "<td>{} / {}<td>{}<td class=why>{}",
            engine.samples,
            engine.processes,
            escape(&engine.version),
            escape(spec.map_or("", |spec| spec.why))
        );
    }
    html.push_str("</table></div></details>");
}

fn closing(html: &mut String, notes: &[String]) {
    if notes.is_empty() {
        return;
    }
    html.push_str("<h2>Notes of this run</h2><ul class=notes>");
    for note in notes {
        let _ = write!(html, "<li>{}", escape(note));
    }
    html.push_str("</ul>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::tests::case;
    use crate::report::schema::{Machine, SCHEMA};

    fn sample() -> String {
        let peer = RoleName::Peer;
        let mut cases = vec![
            case("linear/a/won", &[("fast", "default", peer, 2.0, 2.1, 2.2)]),
            case(
                "linear/b/lost",
                &[
                    ("better", "x<y", peer, 0.5, 0.6, 0.7),
                    ("far-off", "default", peer, 9e9, 9e9, 9e9),
                ],
            ),
        ];
        cases[0].engines[1].error = Some("wrong answer: <script>".into());
        cases[0].ratios.clear();
        page(&Report { schema: SCHEMA, machine: Machine::default(), cases }, &["a & b".into()], &[])
    }

    #[test]
    fn losses_stand_before_wins_and_text_is_escaped() {
        let page = sample();
        assert!(
            page.find("<section class=card id='linear/b/lost'").unwrap()
                < page.find("<section class=card id='linear/a/won'").unwrap()
        );
        assert!(
            page.contains("x&lt;y")
                && page.contains("wrong answer: &lt;script&gt;")
                && page.contains("a &amp; b")
        );
        assert!(!page.contains("<script"));
    }

    #[test]
    fn the_page_asks_nobody_for_anything() {
        let page = sample();
        for word in ["http:", "https:", "src=", "@import", "url(", "<link", "<iframe"] {
            assert!(!page.contains(word), "{word} in the page");
        }
        assert!(page.contains("prefers-color-scheme:dark") && page.contains("name=viewport"));
        assert!(!page.contains("NaN"), "a position is not a number");
    }
}
