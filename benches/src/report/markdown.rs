//! `report.md`: the same report as plain tables, for a pull request or a README.

use core::fmt::Write;

use crate::case::Case;
use crate::report::schema::{CaseRow, Report, RoleName};
use crate::report::summary::{self, Line};
use crate::report::{cross, figures};

/// Writes the report.
#[must_use]
pub fn page(report: &Report, notes: &[String], cases: &[Case]) -> String {
    let machine = &report.machine;
    let mut text = String::from("# Measured\n\n");
    let _ = writeln!(
        text,
        "{}, {} CPUs, Linux {}; {}; commit {}; load {:.1}.",
        machine.cpu, machine.cores, machine.kernel, machine.rustc, machine.commit, machine.load
    );
    let _ = writeln!(
        text,
        "{}; against peers, each once a case by its best configuration: {}.",
        summary::counted(report.cases.len(), "case"),
        summary::overall(report).sentence()
    );
    if let Some((middle, worst)) = summary::resolution(report) {
        let _ = writeln!(
            text,
            "The A/A control resolves {middle:.1} % in the middle case, {worst:.1} % in the worst."
        );
    }
    cross_table(&mut text, report);
    figures_table(&mut text, report);
    text.push_str("\n\"Ours is better by\" is the other engine's figure divided by ours, with a 95 % interval over processes.\n");
    for (krate, rows) in summary::by_crate(report) {
        let _ = writeln!(text, "\n## {krate}");
        for row in rows {
            case_table(&mut text, row, cases.iter().find(|case| case.id == row.id));
        }
    }
    if !notes.is_empty() {
        text.push_str("\n## Notes\n\n");
    }
    for note in notes {
        let _ = writeln!(text, "- {note}");
    }
    text
}

/// Workloads beside allocators.
fn cross_table(text: &mut String, report: &Report) {
    let Some(matrix) = cross::matrix(report) else { return };
    let _ = writeln!(text, "\n## Which one does a workload want?\n\n{}\n", cross::LEGEND);
    let titles: Vec<String> = matrix.cases.iter().map(|case| cross::title(case)).collect();
    let _ = writeln!(text, "| allocator | {} |", titles.join(" | "));
    let _ = writeln!(text, "|---|{}", "--:|".repeat(titles.len()));
    for row in &matrix.rows {
        let name = if row.kind == cross::Kind::Ours {
            format!("**{}**", row.name)
        } else {
            row.name.to_owned()
        };
        let cells: Vec<String> = row.cells.iter().map(cross::Cell::text).collect();
        let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
    }
    text.push('\n');
    for row in &matrix.rows {
        let _ = writeln!(text, "- {}: {}", row.name, cross::what(row.name));
    }
    for (names, cases, why) in cross::reasons(&matrix) {
        let _ = writeln!(text, "- no {} for {}: {why}", names.join(", "), cases.join(", "));
    }
}

/// What is said of custom allocators, and what was measured.
fn figures_table(text: &mut String, report: &Report) {
    let tested = figures::tested(report);
    if tested.is_empty() {
        return;
    }
    text.push_str("\n## What is said of custom allocators\n\n| figure | stated | measured here | |\n|---|--:|--:|---|\n");
    for tested in tested {
        let figure = tested.figure;
        let measured = tested.measured.replace('|', " ");
        let _ = writeln!(
            text,
            "| {} | {} | {measured} | **{}** |",
            figure.who,
            figure.stated,
            tested.word()
        );
    }
}

fn case_table(text: &mut String, row: &CaseRow, case: Option<&Case>) {
    let _ = writeln!(text, "\n### {}\n", row.id);
    if let Some(case) = case {
        let _ = writeln!(text, "{}\n", case.what);
    }
    let mut remarks: Vec<String> = summary::not_done(row).into_iter().collect();
    if summary::harness_bound(row) {
        remarks.push("harness-bound".to_owned());
    }
    if !remarks.is_empty() {
        let _ = writeln!(text, "**{}**\n", remarks.join("; "));
    }
    let metric = summary::headline(row);
    let _ = writeln!(
        text,
        "| engine | {metric} per {} | ours is better by | | instructions | allocator calls | page faults | peak | samples |",
        row.unit
    );
    text.push_str("|---|--:|--:|---|--:|--:|--:|--:|--:|\n");
    for line in summary::lines(row) {
        let _ = writeln!(text, "{}", table_row(&line, metric));
    }
}

fn table_row(line: &Line<'_>, metric: &str) -> String {
    let engine = line.engine;
    let show = |metric: &str| {
        engine.figure(metric).map(|v| summary::figure(metric, v)).unwrap_or_default()
    };
    let name = match engine.role {
        RoleName::Ours => format!("**{}**", engine.label()),
        RoleName::Peer => engine.label(),
        RoleName::Control => format!("_{}_", engine.label()),
    };
    let verdict = match (&engine.error, line.ratio) {
        (Some(error), _) => error.replace(['|', '\n'], " "),
        (None, Some(ratio)) => summary::interval(ratio),
        (None, None) => String::new(),
    };
    format!(
        "| {name} | {} | {verdict} | {} | {} | {} | {} | {} | {}/{} |",
        show(metric),
        line.mark.word(),
        show("instructions"),
        show("allocs"),
        show("page_faults"),
        show("peak_bytes"),
        engine.samples,
        engine.processes
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::tests::case;
    use crate::report::schema::{Machine, SCHEMA};

    #[test]
    fn tables_have_as_many_cells_as_headings() {
        let peer = RoleName::Peer;
        let mut row = case(
            "linear/b/lost",
            &[("better", "x", peer, 0.5, 0.6, 0.7), ("broken", "default", peer, 1.0, 1.0, 1.0)],
        );
        row.engines[2].error = Some("a | b".into());
        let text = page(
            &Report { schema: SCHEMA, machine: Machine::default(), cases: vec![row] },
            &["n".into()],
            &[],
        );
        let cells: Vec<usize> =
            text.lines().filter(|l| l.starts_with('|')).map(|l| l.matches('|').count()).collect();
        assert_eq!(cells, [10; 5], "{text}");
        assert!(text.contains("| better/x | 6.00 ns | 0.60x [0.50, 0.70] | LOSS |"), "{text}");
    }
}
