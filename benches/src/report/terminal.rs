//! The tables that a run prints: one per crate, losses first.

use std::io::{self, Write};

use comfy_table::presets::NOTHING;
use comfy_table::{
    Attribute, Cell, CellAlignment, Color, ContentArrangement, Table, TableComponent,
};

use crate::report::schema::{CaseRow, Report, RoleName};
use crate::report::summary::{self, Line, Mark};
use crate::report::{cross, figures};

/// With this many cases every engine has its row; above it, whoever beats ours, whoever is even,
/// and the closest of the rest.
const DETAILED_CASES: usize = 3;

/// Prints the whole report.
///
/// # Errors
///
/// Returns the writer's error.
pub fn print(out: &mut dyn Write, report: &Report, notes: &[String]) -> io::Result<()> {
    let detailed = report.cases.len() <= DETAILED_CASES;
    let matrix = cross::matrix(report);
    let tested = figures::tested(report);
    for (krate, cases) in summary::by_crate(report) {
        // What has a table of its own below.
        let drawn =
            (krate == "cross" && matrix.is_some()) || (krate == "origin" && !tested.is_empty());
        if drawn && !detailed {
            continue;
        }
        let tally = summary::tally(cases.iter().copied());
        writeln!(out, "\n{krate}, against peers: {}", tally.sentence())?;
        writeln!(out, "{}", crate_table(&cases, detailed))?;
    }
    if let Some(matrix) = matrix {
        writeln!(out, "\nWhich one does a workload want?\n{}\n", cross::LEGEND)?;
        writeln!(out, "{}", matrix_table(&matrix))?;
        for row in &matrix.rows {
            writeln!(out, "  {}: {}", row.name, cross::what(row.name))?;
        }
        for (names, cases, why) in cross::reasons(&matrix) {
            writeln!(out, "  no {} for {}: {why}", names.join(", "), cases.join(", "))?;
        }
    }
    if !tested.is_empty() {
        writeln!(out, "\nWhat is said of custom allocators, and what was measured here")?;
        writeln!(out, "{}", figures_table(&tested))?;
    }
    if let Some((middle, worst)) = summary::resolution(report) {
        writeln!(
            out,
            "This run tells differences of {middle:.1} % apart in its middle case, {worst:.1} % in its worst (A/A control)."
        )?;
    }
    for note in notes {
        writeln!(out, "note: {note}")?;
    }
    Ok(())
}

fn matrix_table(matrix: &cross::Matrix<'_>) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_style(TableComponent::HeaderLines, '─');
    let titles = matrix.cases.iter().map(|case| cross::title(case));
    table.set_header([String::new()].into_iter().chain(titles));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    for row in &matrix.rows {
        let cells = row.cells.iter().map(|cell| match cell {
            cross::Cell::Gain { best: true, .. } => Cell::new(cell.text()).fg(Color::Green),
            cross::Cell::Error => Cell::new(cell.text()).fg(Color::Yellow),
            _ => Cell::new(cell.text()),
        });
        let name = match row.kind {
            cross::Kind::Ours => Cell::new(row.name).add_attribute(Attribute::Bold),
            _ => Cell::new(row.name),
        };
        table.add_row([name].into_iter().chain(cells));
    }
    table
}

fn figures_table(tested: &[figures::Tested]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_header(["figure", "stated", "measured here", ""]);
    for tested in tested {
        let colour = if tested.word() == "true" { Color::Green } else { Color::Red };
        table.add_row([
            Cell::new(tested.figure.who),
            Cell::new(tested.figure.stated),
            Cell::new(&tested.measured),
            Cell::new(tested.word()).fg(colour),
        ]);
    }
    table
}

fn crate_table(cases: &[&CaseRow], detailed: bool) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_style(TableComponent::HeaderLines, '─');
    table.set_header([
        "case",
        "engine",
        "figure",
        "ours is better by",
        "",
        "instr",
        "allocs",
        "peak",
        "samples",
    ]);
    for column in [2, 5, 6, 7, 8] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (index, case) in cases.iter().enumerate() {
        if index > 0 {
            table.add_row([""]);
        }
        let lines = summary::lines(case);
        let shown = if detailed { lines.len() } else { brief(&lines) };
        let kept: Vec<&Line<'_>> = pick(&lines, shown, detailed);
        let hidden = lines.len() - kept.len();
        for (index, line) in kept.into_iter().enumerate() {
            let title = match index {
                0 => case.id.clone(),
                1 => remarks(case, hidden),
                _ => String::new(),
            };
            table.add_row(cells(case, line, title));
        }
    }
    table
}

/// How many compared engines a brief table shows: those not beaten, and one more.
fn brief(lines: &[Line<'_>]) -> usize {
    lines.iter().filter(|l| matches!(l.mark, Mark::Loss | Mark::Even)).count() + 1
}

/// Ours, then the first `shown` of the compared engines, then every error.
fn pick<'a, 'r>(lines: &'a [Line<'r>], shown: usize, detailed: bool) -> Vec<&'a Line<'r>> {
    let mut left = shown;
    lines
        .iter()
        .filter(|line| match line.mark {
            Mark::Ours | Mark::Error => true,
            Mark::Plain => detailed,
            _ => {
                let keep = left > 0;
                left = left.saturating_sub(1);
                keep
            }
        })
        .collect()
}

fn remarks(case: &CaseRow, hidden: usize) -> String {
    let mut remarks = Vec::new();
    remarks.extend(summary::not_done(case));
    if summary::harness_bound(case) {
        remarks.push("harness-bound".to_owned());
    }
    let threads = case.engines.first().map_or(1, |engine| engine.threads);
    if threads > crate::threads::cpus().len() {
        remarks.push("oversubscribed".to_owned());
    }
    if hidden > 0 {
        remarks.push(format!("{hidden} more in the report"));
    }
    if remarks.is_empty() { String::new() } else { format!("  ({})", remarks.join(", ")) }
}

fn cells(case: &CaseRow, line: &Line<'_>, title: String) -> Vec<Cell> {
    let engine = line.engine;
    let metric = summary::headline(case);
    let optional = |text: Option<String>| Cell::new(text.unwrap_or_default());
    let name = match engine.role {
        RoleName::Control => format!("({})", engine.label()),
        _ => engine.label(),
    };
    let mark = match line.mark {
        Mark::Loss => Cell::new("LOSS").fg(Color::Red).add_attribute(Attribute::Bold),
        Mark::Error => Cell::new("error").fg(Color::Yellow),
        Mark::Win => Cell::new("win").fg(Color::Green),
        other => Cell::new(other.word()),
    };
    let verdict = match (&engine.error, line.ratio) {
        (Some(error), _) => brief_error(error),
        (None, Some(ratio)) => summary::interval(ratio),
        (None, None) => String::new(),
    };
    let far = engine
        .far
        .map(|far| format!(" (FAR {})", summary::nanoseconds(far.median)))
        .unwrap_or_default();
    vec![
        Cell::new(title),
        Cell::new(name),
        optional(engine.figure(metric).map(|v| summary::figure(metric, v) + &far)),
        Cell::new(verdict),
        mark,
        optional(engine.instructions.map(summary::digits)),
        optional(engine.allocs.map(summary::digits)),
        optional(engine.peak_bytes.map(summary::bytes)),
        Cell::new(format!("{}/{}", engine.samples, engine.processes)),
    ]
}

fn brief_error(error: &str) -> String {
    let line = error.lines().next().unwrap_or("");
    if line.chars().count() <= 60 {
        line.to_owned()
    } else {
        line.chars().take(59).chain(['…']).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::tests::case;
    use crate::report::schema::{Machine, SCHEMA};

    #[test]
    fn brief_tables_show_every_loss_and_the_closest_win() {
        let peer = RoleName::Peer;
        let others = [
            ("slow", "default", peer, 3.0, 3.1, 3.2),
            ("slower", "default", peer, 4.0, 4.1, 4.2),
            ("better", "x", peer, 0.5, 0.6, 0.7),
            ("same", "default", peer, 0.9, 1.0, 1.1),
        ];
        let cases = (0..4).map(|i| case(&format!("linear/{i}/x"), &others)).collect();
        let mut report = Report { schema: SCHEMA, machine: Machine::default(), cases };
        let text = |report: &Report| {
            let mut out = Vec::new();
            print(&mut out, report, &["a note".to_owned()]).unwrap();
            String::from_utf8(out).unwrap()
        };
        let brief = text(&report);
        assert!(
            brief.contains("better/x") && brief.contains("LOSS") && brief.contains("even"),
            "{brief}"
        );
        assert!(brief.contains("slow ") && !brief.contains("slower"), "{brief}");
        assert!(
            brief.contains("1 more in the report") && brief.contains("note: a note"),
            "{brief}"
        );
        assert!(brief.find("better/x") < brief.find("slow "), "{brief}");
        report.cases.truncate(1);
        assert!(text(&report).contains("slower"));
    }
}
