//! Group `cross` as one table: workloads beside allocators, in multiples of malloc's speed.
//!
//! Each allocator has one row, in its fastest configuration for the workload at hand. A gain is the
//! quotient of two medians of one run, glibc's and the allocator's; the cards of the cases have the
//! intervals of ours against everybody.
//!
//! A star means that nobody can be called faster, which is more than one where a run does not tell the
//! first from the next. The intervals of a case are all against our primary engine, so two others are
//! told apart by theirs: only if these do not overlap. That is stricter than a pair of their own, and
//! stars an allocator rather than not.

use crate::report::schema::{CaseRow, EngineRow, Report, RoleName};
use crate::report::summary;
use crate::scenarios::cross::absent;
use crate::stats::Interval;

/// The allocator that gains are told against.
const MALLOC: &str = "glibc";

/// Whole allocators: below everybody else.
const MALLOCS: [&str; 3] = [MALLOC, "mimalloc", "jemalloc"];

/// What each allocator is, for somebody who has never met it.
const WHAT: [(&str, &str); 13] = [
    ("linear", "alloc-linear: one region of fixed capacity, reset as a whole"),
    ("stack", "alloc-stack: what came last goes first"),
    ("arena", "alloc-arena: chunks as they are needed, all given back together"),
    ("alloc-slab", "slots of one size, given back in any order"),
    ("bumpalo", "a crate: an arena"),
    ("bump-scope", "a crate: an arena with nested scopes"),
    ("typed-arena", "a crate: an arena of values of one type"),
    ("slab", "a crate: slots of one type, behind indices"),
    ("slotmap", "a crate: slots of one type, behind keys that notice reuse"),
    ("thunderdome", "a crate: as slotmap, in less memory"),
    (MALLOC, "the system's malloc"),
    ("mimalloc", "a malloc"),
    ("jemalloc", "a malloc"),
];

/// Returns what an allocator of the table is, in few words.
#[must_use]
pub fn what(name: &str) -> &'static str {
    WHAT.iter().find(|(known, _)| *known == name).map_or("", |(_, what)| what)
}

/// Who stands first among their like.
const ORDER: [&str; 4] = ["linear", "stack", "arena", MALLOC];

/// The table.
#[derive(Debug)]
pub struct Matrix<'r> {
    /// The workloads: the columns.
    pub cases: Vec<&'r CaseRow>,
    /// The allocators: ours, peers, mallocs.
    pub rows: Vec<Row<'r>>,
}

/// An allocator.
#[derive(Debug)]
pub struct Row<'r> {
    /// Its name.
    pub name: &'r str,
    /// Who it is.
    pub kind: Kind,
    /// By workload.
    pub cells: Vec<Cell<'r>>,
}

/// Who an allocator is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// One of this workspace.
    Ours,
    /// Somebody else's of the same kinds.
    Peer,
    /// A whole allocator.
    Malloc,
}

/// What an allocator did with a workload.
#[derive(Debug)]
pub enum Cell<'r> {
    /// It served it.
    Gain {
        /// In this configuration.
        engine: &'r EngineRow,
        /// How many times as fast as malloc.
        gain: f64,
        /// Nobody can be called faster.
        best: bool,
    },
    /// It does not serve it, and why; empty where nobody has said it.
    Absent(&'static str),
    /// It failed, or was not measured.
    Error,
}

impl Cell<'_> {
    /// Returns the cell as text: `12.3x`, with a star where nobody can be called faster.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Cell::Gain { gain, best, .. } => {
                format!("{}x{}", summary::digits(*gain), if *best { "*" } else { "" })
            }
            Cell::Absent("") => "-".to_owned(),
            Cell::Absent(_) => "no".to_owned(),
            Cell::Error => "error".to_owned(),
        }
    }
}

/// Returns a workload's name as a heading: `requests`, `trace json`.
#[must_use]
pub fn title(case: &CaseRow) -> String {
    let mut parts = case.id.split('/').skip(1);
    match (parts.next(), parts.next()) {
        (Some("trace"), Some(program)) => format!("trace {program}"),
        (name, _) => name.unwrap_or(&case.id).to_owned(),
    }
}

/// Returns the table of what a report has of the group, if it has more than one workload.
#[must_use]
pub fn matrix(report: &Report) -> Option<Matrix<'_>> {
    let cases: Vec<&CaseRow> =
        report.cases.iter().filter(|case| case.id.starts_with("cross/")).collect();
    if cases.len() < 2 {
        return None;
    }
    let mut names: Vec<(Kind, &str)> = Vec::new();
    for engine in cases.iter().flat_map(|case| &case.engines) {
        let kind = match engine.role {
            RoleName::Control => continue,
            RoleName::Ours => Kind::Ours,
            RoleName::Peer if MALLOCS.contains(&engine.name.as_str()) => Kind::Malloc,
            RoleName::Peer => Kind::Peer,
        };
        if !names.iter().any(|(_, name)| *name == engine.name) {
            names.push((kind, &engine.name));
        }
    }
    let place = |name: &str| ORDER.iter().position(|first| *first == name).unwrap_or(ORDER.len());
    names.sort_by_key(|(kind, name)| (*kind, place(name)));
    let rows = names.into_iter().map(|(kind, name)| Row {
        name,
        kind,
        cells: cases.iter().map(|case| cell(case, name)).collect(),
    });
    Some(Matrix { rows: rows.collect(), cases })
}

fn cell<'r>(case: &'r CaseRow, name: &str) -> Cell<'r> {
    let Some(engine) = fastest(case, name) else {
        let there = case.engines.iter().any(|engine| engine.name == name);
        return if there {
            Cell::Error
        } else {
            Cell::Absent(absent(name, &case.id).unwrap_or(""))
        };
    };
    let own = engine.median.unwrap_or(f64::INFINITY);
    let Some(malloc) = fastest(case, MALLOC).and_then(|engine| engine.median) else {
        return Cell::Error;
    };
    let rivals = case.engines.iter().filter(|rival| rival.role != RoleName::Control);
    let best = !rivals.into_iter().any(|rival| faster(case, rival, engine));
    Cell::Gain { engine, gain: malloc / own, best }
}

/// Whether the run tells that `a` is faster than `b`.
fn faster(case: &CaseRow, a: &EngineRow, b: &EngineRow) -> bool {
    let times = |of: &EngineRow| {
        if of.primary == Some(true) {
            return Some(Interval::exact(1.0));
        }
        case.ratio(&of.name, &of.config, "time").copied()
    };
    match (times(a), times(b)) {
        (Some(a), Some(b)) => a.hi < b.lo,
        // Without intervals there is only what was measured.
        _ => a.median.zip(b.median).is_some_and(|(a, b)| a < b),
    }
}

/// The fastest configuration of an allocator that has a time.
fn fastest<'r>(case: &'r CaseRow, name: &str) -> Option<&'r EngineRow> {
    let timed = |engine: &&EngineRow| engine.name == name && engine.median.is_some();
    let time = |engine: &EngineRow| engine.median.unwrap_or(f64::INFINITY);
    case.engines.iter().filter(timed).min_by(|a, b| time(a).total_cmp(&time(b)))
}

/// Returns who has no figure, for which workloads, and why: together who have one reason for the same.
#[must_use]
pub fn reasons<'r>(matrix: &Matrix<'r>) -> Vec<(Vec<&'r str>, Vec<String>, &'static str)> {
    let mut all: Vec<(Vec<&str>, Vec<String>, &'static str)> = Vec::new();
    for row in &matrix.rows {
        let mut own: Vec<(Vec<String>, &'static str)> = Vec::new();
        for (cell, case) in row.cells.iter().zip(&matrix.cases) {
            let Cell::Absent(why) = cell else { continue };
            match own.iter_mut().find(|(_, known)| known == why) {
                Some((cases, _)) => cases.push(title(case)),
                None if why.is_empty() => {}
                None => own.push((vec![title(case)], why)),
            }
        }
        for (cases, why) in own {
            match all.iter_mut().find(|(_, other, known)| *known == why && *other == cases) {
                Some((names, ..)) => names.push(row.name),
                None => all.push((vec![row.name], cases, why)),
            }
        }
    }
    all
}

/// Returns what the table means, in the words of every form of the report.
pub const LEGEND: &str = "How many times as fast as the system's malloc, each allocator in its best \
    configuration for the work; a star where nobody can be called faster, so several where the run does \
    not tell them apart; \"no\" where it does not serve the work, \"-\" where it was not measured.";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::Machine;
    use crate::report::schema::tests::case;

    #[test]
    fn every_allocator_has_a_cell_for_every_workload() {
        let (ours, peer, control) = (RoleName::Ours, RoleName::Peer, RoleName::Control);
        // The primary engine takes 10 ns; a ratio of 4 is a peer at 40.
        let mut trees = case(
            "cross/trees/build",
            &[
                ("arena", "min-align-8", ours, 0.5, 0.5, 0.5),
                ("arena", "default", ours, 0.8, 0.8, 0.8),
                ("close", "default", peer, 0.48, 0.52, 0.9),
                ("glibc", "default", peer, 4.0, 4.0, 4.0),
                ("null", "loop", control, 0.1, 0.1, 0.1),
            ],
        );
        trees.engines[0].name = "stack".into();
        trees.engines[1..3].iter_mut().for_each(|arena| arena.primary = None);
        let mut churn = case("cross/entities/churn", &[("glibc", "default", peer, 2.0, 2.0, 2.0)]);
        churn.engines[0].name = "alloc-slab".into();
        let mut report = Report { schema: 1, machine: Machine::default(), cases: vec![trees] };
        assert!(matrix(&report).is_none(), "one workload is no table");
        report.cases.push(churn);
        let matrix = matrix(&report).unwrap();
        let text: Vec<(&str, Vec<String>)> = matrix
            .rows
            .iter()
            .map(|row| (row.name, row.cells.iter().map(Cell::text).collect()))
            .collect();
        let cells = |a: &str, b: &str| vec![a.to_owned(), b.to_owned()];
        assert_eq!(
            text,
            [
                ("stack", cells("4.00x", "no")),
                ("arena", cells("8.00x*", "no")),
                ("alloc-slab", cells("-", "2.00x*")),
                // Its median is behind the arena's, and the run does not resolve it.
                ("close", cells("7.69x*", "-")),
                ("glibc", cells("1.00x", "1.00x")),
            ]
        );
        let reasons: Vec<_> =
            reasons(&matrix).into_iter().map(|(names, cases, _)| (names, cases)).collect();
        let churn = || vec!["entities".to_owned()];
        assert_eq!(reasons, [(vec!["stack"], churn()), (vec!["arena"], churn())]);
    }
}
