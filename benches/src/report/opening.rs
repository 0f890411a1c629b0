//! The first page of `report.html`: for somebody who has never seen one.
//!
//! What was measured and where, what the run can tell apart, where each crate stands, which allocator a
//! workload wants, and what is said of custom allocators: in this order, before any detail.

use core::fmt::Write;

use crate::report::cross::{self, Cell, Kind, Matrix};
use crate::report::figures;
use crate::report::html::escape;
use crate::report::schema::{CaseRow, Report, RoleName};
use crate::report::summary::{self, Standings};
use crate::report::svg::{self, Axis, Dot};
use crate::stats::Interval;

/// Losses of a crate that are named; the others are counted.
const NAMED_LOSSES: usize = 3;

/// Writes it.
pub fn write(html: &mut String, report: &Report, crates: &[(&str, Vec<&CaseRow>)]) {
    // Controls are told apart everywhere: the empty loop gives no answer.
    let engines = report.cases.iter().flat_map(|case| &case.engines);
    let engines = engines.filter(|engine| engine.role != RoleName::Control).count();
    let _ = writeln!(
        html,
        "<h1>Quarry beside its peers, measured</h1><p>Quarry is a set of crates for memory in Rust: \
         allocators, each for one way in which memory lives and dies (alloc-stack, alloc-linear, \
         alloc-arena, alloc-slab), and what threads share without locks (lockfree: queues, stacks, \
         counters). This page is one run on one machine: {}, {} of ours, of other crates and of whole \
         allocators, each doing the same work on the same data and giving the same answer.</p>",
        summary::counted(report.cases.len(), "case"),
        summary::counted(engines, "row")
    );
    reading(html);
    tally(html, report);
    resolution(html, report);
    machine(html, report);
    standings(html, crates);
    if let Some(matrix) = cross::matrix(report) {
        workloads(html, &matrix);
    }
    said(html, report);
}

/// The words of this page, before the first of them is used.
fn reading(html: &mut String) {
    html.push_str("<h2 id=reading>How to read this</h2><ul class=notes>");
    for (term, text) in [
        ("Case", "one piece of work, named group/name/variant. Each has a card below."),
        (
            "Row",
            "one way of doing it: an allocator, queue, \u{2026} in one configuration. Ours, or a peer: \
             what a program could use instead, somebody else's or written by hand.",
        ),
        (
            "Control",
            "plain code, an ideal loop, threads that share nothing: a yardstick that nobody could use \
             instead. Drawn hollow; never counted as a peer.",
        ),
        (
            "Ratio",
            "the other's figure divided by ours; above 1 ours is better. Beside it, or as a bar, its 95 % \
             bootstrap interval over processes. Where that holds 1, no winner is named.",
        ),
        (
            "A/A",
            "ours measured against a second instance of itself. More than 2 % apart, the case is not done.",
        ),
        (
            "Instructions",
            "without those of the case's empty loop, one thread, by callgrind. They see neither caches nor \
             page faults.",
        ),
        (
            "Harness-bound",
            "the empty loop takes more than a third of our time, so a win in time is understated.",
        ),
        (
            "NEAR, FAR",
            "how long a cache line takes between the two CPUs changes for seconds at a time. Samples of \
             two threads count when it was fast before and after (NEAR).",
        ),
    ] {
        let _ = write!(html, "<li><b>{term}</b>: {text}");
    }
    html.push_str("</ul>\n");
}

fn tally(html: &mut String, report: &Report) {
    let tally = summary::overall(report);
    html.push_str("<div class=tally>");
    for (class, count, word) in [
        ("loss", tally.losses, "times a peer is better"),
        ("even", tally.evens, "times too close to call"),
        ("win", tally.wins, "times ours is better"),
    ] {
        let _ = write!(
            html,
            "<div class={class}><b>{count}</b><span class='soft small'>{word}</span></div>"
        );
    }
    if let Some((middle, _)) = summary::resolution(report) {
        let _ = write!(
            html,
            "<div><b>{middle:.1} %</b><span class='soft small'>difference this run can tell apart</span></div>"
        );
    }
    html.push_str(
        "</div><p class=small>A peer counts once a case, by the best of its configurations. The table of \
         workloads and the figures that are commonly stated run some of the same work again, and count \
         only there.</p>\n",
    );
}

fn resolution(html: &mut String, report: &Report) {
    let _ = write!(
        html,
        "<p class=small>Engines of a case were timed turn by turn in the same processes, so ratios \
         between them hold here, and times say little elsewhere."
    );
    if let Some((middle, worst)) = summary::resolution(report) {
        let _ = write!(
            html,
            " What this run can tell apart is how far from 1 the interval of ours against itself (A/A) \
             reaches: {middle:.1} % in the middle case, {worst:.1} % in the worst."
        );
    }
    html.push_str("</p>\n");
    let undone: Vec<&str> = report
        .cases
        .iter()
        .filter(|c| summary::not_done(c).is_some())
        .map(|c| c.id.as_str())
        .collect();
    if !undone.is_empty() {
        let _ = writeln!(
            html,
            "<p class=small><b>Not done</b> (ours differed from itself by more than 2 %): {}.</p>",
            escape(&undone.join(", "))
        );
    }
}

fn machine(html: &mut String, report: &Report) {
    let machine = &report.machine;
    html.push_str("<dl class=machine>");
    let threads =
        if machine.cores == 1 { "1 CPU".to_owned() } else { format!("{} CPUs", machine.cores) };
    for (term, value) in [
        ("machine", format!("{}, {threads}", machine.cpu)),
        ("kernel", machine.kernel.clone()),
        ("compiler", machine.rustc.clone()),
        ("commit", machine.commit.clone()),
        ("load at the start", format!("{:.1}", machine.load)),
    ] {
        let _ = write!(html, "<dt>{term}<dd>{}", escape(&value));
    }
    html.push_str("</dl>\n");
}

/// One paragraph a crate.
fn standings(html: &mut String, crates: &[(&str, Vec<&CaseRow>)]) {
    // The groups that compare ours with each other have tables of their own.
    let of_crates =
        crates.iter().filter(|(_, cases)| cases.iter().all(|case| summary::of_a_crate(case)));
    let mut rows = String::new();
    for (name, cases) in of_crates {
        let Standings { ahead, level, behind, lead, over_malloc } = summary::standings(cases);
        let _ = write!(
            rows,
            "<dt><a href='#{0}'>{0}</a><dd>Against the best peer of each case: <span class=win>ahead in \
             {ahead}</span>, <span class=loss>behind in {1}</span>, too close to call in {level}.",
            escape(name),
            behind.len()
        );
        if let Some(gain) = over_malloc {
            let _ = write!(
                rows,
                " In the middle case {}x as fast as the system's malloc.",
                summary::ratio(gain)
            );
        }
        let entry = |(case, ratio, peer): &(&CaseRow, f64, String)| {
            format!(
                "<a href='#{0}'>{0}</a> {1}x ({2})",
                escape(&case.id),
                summary::ratio(*ratio),
                escape(peer)
            )
        };
        if let Some(lead) = &lead {
            let _ = write!(rows, " Farthest ahead: {}.", entry(lead));
        }
        if !behind.is_empty() {
            let named: Vec<String> = behind.iter().take(NAMED_LOSSES).map(entry).collect();
            let more = behind.len().saturating_sub(NAMED_LOSSES);
            let more = if more > 0 { format!("; {more} more") } else { String::new() };
            let _ = write!(rows, " Farthest behind: {}{more}.", named.join(", "));
        }
    }
    if !rows.is_empty() {
        let _ = writeln!(html, "<h2>Where each wins and loses</h2><dl class=standings>{rows}</dl>");
    }
}

/// The table of workloads and allocators, and its plot.
fn workloads(html: &mut String, matrix: &Matrix<'_>) {
    let _ = write!(
        html,
        "<h2 id=which>Which one does your workload want?</h2><div class=card><p>{}</p>",
        escape(cross::LEGEND)
    );
    plot(html, matrix);
    html.push_str("<div class=scroll><table class=matrix><tr><th>");
    for case in &matrix.cases {
        let _ =
            write!(html, "<th><a href='#{}'>{}</a>", escape(&case.id), escape(&cross::title(case)));
    }
    for row in &matrix.rows {
        let (name, what) = (escape(row.name), escape(cross::what(row.name)));
        match row.kind {
            Kind::Ours => {
                let _ = write!(html, "<tr class=ours><th>{}{name}", swatch(row.name));
            }
            _ => {
                let _ = write!(html, "<tr><th>{name}");
            }
        }
        let _ = write!(html, "<small>{what}</small>");
        for cell in &row.cells {
            table_cell(html, cell);
        }
    }
    html.push_str(
        "</table></div><p class='soft small'>Below each gain: the most memory that its process held more \
         than before. A gain is a quotient of two medians; the intervals are with each case below.</p></div>\n",
    );
}

fn table_cell(html: &mut String, cell: &Cell<'_>) {
    match cell {
        Cell::Gain { engine, best, .. } => {
            let peak = engine.peak_bytes.map(summary::bytes).unwrap_or_default();
            let text = cell.text();
            let class = if *best { " class=best" } else { "" };
            let title = escape(&engine.label());
            let _ = write!(html, "<td{class} title='{title}'>{text}<small>{peak}</small>");
        }
        Cell::Absent("") => html.push_str("<td class=no>not measured"),
        Cell::Absent(why) => {
            let _ = write!(html, "<td class=no>no<small>{}</small>", escape(why));
        }
        Cell::Error => html.push_str("<td class=no>error"),
    }
}

/// The colour of an allocator of ours; one without a colour of its own looks like a stranger.
fn class(name: &str) -> &'static str {
    match name {
        "linear" => "a-linear",
        "stack" => "a-stack",
        "arena" => "a-arena",
        "alloc-slab" => "a-slab",
        _ => "a-peer",
    }
}

fn swatch(name: &str) -> String {
    format!("<i class={}></i>", class(name))
}

/// A strip for each workload, a dot for each allocator.
fn plot(html: &mut String, matrix: &Matrix<'_>) {
    let gains = matrix.rows.iter().flat_map(|row| &row.cells).filter_map(|cell| match cell {
        Cell::Gain { gain, .. } => Some(Interval::exact(*gain)),
        _ => None,
    });
    let axis = Axis::around(gains);
    html.push_str("<div class=legend>");
    for row in matrix.rows.iter().filter(|row| row.kind == Kind::Ours) {
        let _ = write!(html, "<span>{}{}</span>", swatch(row.name), escape(row.name));
    }
    html.push_str("<span><i class=a-peer></i>another crate</span><span><i class=h></i>a malloc; the system's is the line at 1x</span></div><div class=overview>");
    for (index, case) in matrix.cases.iter().enumerate() {
        let dot = |row: &cross::Row<'_>| match row.cells[index] {
            Cell::Gain { engine, gain, .. } => Some(Dot {
                class: match row.kind {
                    Kind::Ours => class(row.name),
                    Kind::Peer => "a-peer",
                    Kind::Malloc => "hollow plain",
                }
                .to_owned(),
                ratio: gain,
                title: format!("{} {}x", engine.label(), summary::digits(gain)),
            }),
            _ => None,
        };
        let dots: Vec<Dot> = matrix.rows.iter().filter_map(dot).collect();
        let _ = write!(
            html,
            "<a href='#{}'>{}</a>{}",
            escape(&case.id),
            escape(&cross::title(case)),
            svg::dots(&axis, &dots)
        );
    }
    let _ = writeln!(html, "<span class=gap></span>{}</div>", svg::scale(&axis));
}

/// What is said of custom allocators.
fn said(html: &mut String, report: &Report) {
    let tested = figures::tested(report);
    if tested.is_empty() {
        return;
    }
    html.push_str(
        "<h2 id=said>What is said of custom allocators</h2><div class=card><p>Figures with which they are \
         commonly recommended, put to the test on this machine. True: the lower end of what is stated is \
         reached by the lower end of the measured interval.</p><div class=scroll><table class=said>\
         <tr><th>figure<th>stated<th>measured here<th>",
    );
    for tested in tested {
        let word = tested.word();
        let class = match word {
            "true" => "win",
            "false" => "loss",
            _ => "even",
        };
        let _ = write!(
            html,
            "<tr><td><a href='#{}'>{}</a><td>{}<td>{}<td class={class}>{word}",
            escape(&tested.case),
            tested.figure.who,
            tested.figure.stated,
            escape(&tested.measured)
        );
    }
    html.push_str("</table></div></div>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::tests::case;
    use crate::report::schema::{Machine, SCHEMA};

    #[test]
    fn a_newcomer_is_told_what_wins_what_serves_and_what_is_true() {
        let peer = RoleName::Peer;
        let glibc = |ratio| ("glibc", "default", peer, ratio, ratio, ratio);
        let mut cases = vec![
            case("linear/a/b", &[("bumpalo", "default", peer, 0.5, 0.6, 0.7), glibc(9.0)]),
            case("cross/trees/build", &[glibc(8.0)]),
            case("cross/entities/churn", &[glibc(2.0)]),
            case("origin/arena/related", &[glibc(1.5)]),
        ];
        for (case, krate) in cases.iter_mut().zip(["alloc-linear", "cross", "cross", "origin"]) {
            case.krate = krate.to_owned();
        }
        cases[1].engines[0].name = "arena".into();
        cases[2].engines[0].name = "alloc-slab".into();
        let report = Report { schema: SCHEMA, machine: Machine::default(), cases };
        let mut html = String::new();
        write(&mut html, &report, &summary::by_crate(&report));
        let at = |text: &str| html.find(text).unwrap_or_else(|| panic!("no {text:?} in {html}"));
        let order = [
            "<li><b>Case</b>",
            "<li><b>Control</b>",
            "difference this run can tell apart",
            "behind in 1</span>",
            "In the middle case 9.00x as fast",
            "0.60x (bumpalo)",
            "<table class=matrix>",
            "alloc-arena: ",
            "8.00x*<small>",
            "no<small>frees all at once",
            "<td class=loss>false",
        ];
        assert!(order.iter().map(|text| at(text)).is_sorted(), "{html}");
        assert!(!html.contains("id='cross'"), "the groups have tables, not paragraphs");
    }
}
