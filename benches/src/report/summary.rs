//! What a report says, in the order in which a reader should meet it: losses first.
//!
//! The terminal, Markdown and HTML differ only in how they draw what is decided here.

use core::borrow::Borrow;
use std::collections::BTreeSet;

use crate::report::schema::{CaseRow, EngineRow, Report, RoleName};
use crate::runner::measure::AA_TOLERANCE;
use crate::stats::{Interval, Standing, median};

/// What a row is marked with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mark {
    /// It has no figure.
    Error,
    /// It beats ours.
    Loss,
    /// No winner can be named.
    Even,
    /// Ours beats it.
    Win,
    /// There is nothing of ours to compare it with, or it is the empty loop.
    Plain,
    /// Another configuration of ours, beside the primary one.
    Sibling,
    /// Ours itself.
    Ours,
}

impl Mark {
    /// Returns the word that a reader sees.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Mark::Error => "error",
            Mark::Loss => "LOSS",
            Mark::Even => "even",
            Mark::Win => "win",
            Mark::Plain => "",
            Mark::Sibling => "ours too",
            Mark::Ours => "ours",
        }
    }
}

/// One engine beside ours, by the case's headline metric.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// The engine.
    pub engine: &'a EngineRow,
    /// Ours against it.
    pub ratio: Option<&'a Interval>,
    /// What it is marked with.
    pub mark: Mark,
}

/// Returns the metric that a case is about.
#[must_use]
pub fn headline(case: &CaseRow) -> &'static str {
    let has = |metric: &str| case.engines.iter().any(|e| e.figure(metric).is_some());
    match case.model.as_str() {
        "footprint" if has("peak_bytes") => "peak_bytes",
        "tail" if has("p999") => "p999",
        _ => "time",
    }
}

/// Returns the rows of a case: ours, then whoever beats it, then the rest by ratio, errors last.
#[must_use]
pub fn lines(case: &CaseRow) -> Vec<Line<'_>> {
    let metric = headline(case);
    let mut lines: Vec<Line<'_>> = case
        .engines
        .iter()
        .map(|engine| {
            let ratio = case.ratio(&engine.name, &engine.config, metric);
            let mark = if engine.error.is_some() {
                Mark::Error
            } else if engine.primary == Some(true) {
                Mark::Ours
            } else if engine.ours && ratio.is_some() {
                Mark::Sibling
            } else {
                ratio.map_or(Mark::Plain, |ratio| match ratio.standing() {
                    Standing::Loss => Mark::Loss,
                    Standing::Even => Mark::Even,
                    Standing::Win => Mark::Win,
                })
            };
            Line { engine, ratio, mark }
        })
        .collect();
    lines.sort_by(|a, b| {
        let rank = |line: &Line<'_>| match line.mark {
            Mark::Ours => 0,
            Mark::Error => 3,
            Mark::Plain => 2,
            _ => 1,
        };
        let ratio = |line: &Line<'_>| line.ratio.map_or(f64::INFINITY, |r| r.ratio);
        rank(a).cmp(&rank(b)).then(ratio(a).total_cmp(&ratio(b)))
    });
    lines
}

/// Returns the lowest ratio of ours against a peer: what a case is sorted by.
#[must_use]
pub fn worst(case: &CaseRow) -> f64 {
    let peers = lines(case);
    peers
        .iter()
        .filter(|line| line.engine.role == RoleName::Peer)
        .filter_map(|line| line.ratio)
        .map(|ratio| ratio.ratio)
        .fold(f64::INFINITY, f64::min)
}

/// Returns the crates in order of appearance, each with its cases, losses first.
#[must_use]
pub fn by_crate(report: &Report) -> Vec<(&str, Vec<&CaseRow>)> {
    let mut crates: Vec<(&str, Vec<&CaseRow>)> = Vec::new();
    for case in &report.cases {
        match crates.iter_mut().find(|(name, _)| *name == case.krate) {
            Some((_, cases)) => cases.push(case),
            None => crates.push((&case.krate, vec![case])),
        }
    }
    for (_, cases) in &mut crates {
        cases.sort_by(|a, b| worst(a).total_cmp(&worst(b)));
    }
    crates
}

/// How often ours wins, loses, and neither, against peers (controls apart): a peer counts once a case,
/// by its best configuration, however many of them stand in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Ours is better.
    pub wins: usize,
    /// The peer is better.
    pub losses: usize,
    /// No winner.
    pub evens: usize,
    /// Rows without a figure.
    pub errors: usize,
}

impl Tally {
    /// Returns what a reader sees: `1 loss, 3 even, 2 wins`, and the errors, if there are any.
    #[must_use]
    pub fn sentence(&self) -> String {
        let Tally { wins, losses, evens, errors } = *self;
        let mut text = format!("{}, {evens} even, {}", losses_of(losses), counted(wins, "win"));
        if errors > 0 {
            text = format!("{text}, {} in error", counted(errors, "row"));
        }
        text
    }
}

/// Returns a number of things: `1 case`, `2 cases`.
#[must_use]
pub fn counted(count: usize, thing: &str) -> String {
    format!("{count} {thing}{}", if count == 1 { "" } else { "s" })
}

fn losses_of(count: usize) -> String {
    format!("{count} {}", if count == 1 { "loss" } else { "losses" })
}

/// Counts the peers of these cases.
#[must_use]
pub fn tally<C: Borrow<CaseRow>>(cases: impl IntoIterator<Item = C>) -> Tally {
    let mut tally = Tally::default();
    for case in cases {
        let lines = lines(case.borrow());
        tally.errors += lines.iter().filter(|line| line.mark == Mark::Error).count();
        let mut met = BTreeSet::new();
        // The best configuration first: lines come by their ratio.
        let compared = lines.iter().filter(|line| line.ratio.is_some());
        for line in compared.filter(|line| line.engine.role == RoleName::Peer) {
            if !met.insert(&line.engine.name) {
                continue;
            }
            match line.mark {
                Mark::Win => tally.wins += 1,
                Mark::Loss => tally.losses += 1,
                Mark::Even => tally.evens += 1,
                Mark::Error | Mark::Plain | Mark::Sibling | Mark::Ours => {}
            }
        }
    }
    tally
}

/// Whether a case is of a crate's own group. The groups that compare ours with each other, or with what
/// is said, run the crates' scenarios again: they have tables of their own, and count nowhere else.
#[must_use]
pub fn of_a_crate(case: &CaseRow) -> bool {
    !["cross", "origin"].contains(&case.krate.as_str())
}

/// Counts the peers of a whole report: the cases of crates.
#[must_use]
pub fn overall(report: &Report) -> Tally {
    tally(report.cases.iter().filter(|case| of_a_crate(case)))
}

/// Where a crate stands: what a newcomer wants to know before any table.
#[derive(Debug, Default)]
pub struct Standings<'a> {
    /// Cases in which ours is ahead of every peer.
    pub ahead: usize,
    /// Cases in which nobody can be called ahead.
    pub level: usize,
    /// Cases in which a peer is ahead, the worst first: the ratio, and who.
    pub behind: Vec<(&'a CaseRow, f64, String)>,
    /// The case in which ours is farthest ahead of the best peer.
    pub lead: Option<(&'a CaseRow, f64, String)>,
    /// The middle of how many times as fast as the system's malloc ours is.
    pub over_malloc: Option<f64>,
}

/// Returns where ours stands in these cases.
#[must_use]
pub fn standings<'a>(cases: &[&'a CaseRow]) -> Standings<'a> {
    let mut standings = Standings::default();
    let mut gains = Vec::new();
    for case in cases {
        let lines = lines(case);
        let rivals = || lines.iter().filter(|line| line.engine.role == RoleName::Peer);
        gains.extend(case.ratio("glibc", "default", "time").map(|ratio| ratio.ratio));
        let Some((best, ratio)) = rivals().find_map(|line| Some((line, line.ratio?))) else {
            continue;
        };
        let entry = (*case, ratio.ratio, best.engine.label());
        if rivals().any(|line| line.mark == Mark::Loss) {
            standings.behind.push(entry);
        } else if rivals().any(|line| line.mark == Mark::Even) {
            standings.level += 1;
        } else {
            standings.ahead += 1;
            if standings.lead.as_ref().is_none_or(|lead| lead.1 < ratio.ratio) {
                standings.lead = Some(entry);
            }
        }
    }
    standings.behind.sort_by(|a, b| a.1.total_cmp(&b.1));
    standings.over_malloc = median(&gains);
    standings
}

/// Returns why a case counts as not done, if it does.
#[must_use]
pub fn not_done(case: &CaseRow) -> Option<String> {
    let aa = case.aa.filter(|aa| (aa.ratio - 1.0).abs() > AA_TOLERANCE)?;
    Some(format!("not done: A/A {:.3}", aa.ratio))
}

/// Returns whether the empty loop hides how cheap ours is.
#[must_use]
pub fn harness_bound(case: &CaseRow) -> bool {
    case.engines.iter().any(|engine| engine.harness_bound)
}

/// What a run can tell apart: half the width of the A/A control's interval, in percent, of the
/// middle case and of the worst.
#[must_use]
pub fn resolution(report: &Report) -> Option<(f64, f64)> {
    let widths: Vec<f64> = report
        .cases
        .iter()
        .filter_map(|case| case.aa)
        .map(|aa| 100.0 * (aa.hi - 1.0).max(1.0 - aa.lo))
        .collect();
    Some((median(&widths)?, widths.iter().copied().fold(0.0, f64::max)))
}

/// Writes a time with three digits and a unit.
#[must_use]
pub fn nanoseconds(ns: f64) -> String {
    match ns {
        ns if ns < 1e4 => format!("{} ns", digits(ns)),
        ns if ns < 1e7 => format!("{} us", digits(ns / 1e3)),
        ns => format!("{} ms", digits(ns / 1e6)),
    }
}

/// Writes a size with three digits and a unit.
#[must_use]
pub fn bytes(bytes: f64) -> String {
    match bytes {
        b if b < 1024.0 => format!("{b:.0} B"),
        b if b < 1024.0 * 1024.0 => format!("{} KiB", digits(b / 1024.0)),
        b => format!("{} MiB", digits(b / 1024.0 / 1024.0)),
    }
}

/// Writes a number with three significant digits, as far as that needs decimals.
#[must_use]
pub fn digits(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v < 0.01 => format!("{value:.1e}"),
        v if v < 10.0 => format!("{value:.2}"),
        v if v < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

/// Writes a ratio.
#[must_use]
pub fn ratio(value: f64) -> String {
    if value.is_infinite() { "inf".to_owned() } else { digits(value) }
}

/// Writes a ratio with its interval: `1.52x [1.50, 1.54]`.
#[must_use]
pub fn interval(interval: &Interval) -> String {
    let Interval { ratio: r, lo, hi } = *interval;
    if lo == r && r == hi {
        format!("{}x", ratio(r))
    } else {
        format!("{}x [{}, {}]", ratio(r), ratio(lo), ratio(hi))
    }
}

/// Writes a figure in its metric's unit.
#[must_use]
pub fn figure(metric: &str, value: f64) -> String {
    match metric {
        "time" | "p50" | "p99" | "p999" | "p9999" | "max" | "cpu_ns" => nanoseconds(value),
        "peak_bytes" => bytes(value),
        _ => digits(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::tests::case;
    use crate::report::schema::{Machine, SCHEMA};

    fn sample() -> Report {
        let peer = RoleName::Peer;
        let mut cases = vec![
            case(
                "linear/a/won",
                &[
                    ("fast", "default", peer, 2.0, 2.1, 2.2),
                    ("near", "default", peer, 0.9, 1.0, 1.1),
                ],
            ),
            case(
                "linear/b/lost",
                &[
                    ("slow", "default", peer, 3.0, 3.1, 3.2),
                    ("better", "default", peer, 0.5, 0.6, 0.7),
                    ("ideal", "default", RoleName::Control, 0.1, 0.2, 0.3),
                ],
            ),
        ];
        cases[0].engines[1].error = Some("wrong answer".into());
        cases[0].ratios.remove(0);
        cases[1].aa = Some(Interval { ratio: 1.03, lo: 1.01, hi: 1.04 });
        Report { schema: SCHEMA, machine: Machine::default(), cases }
    }

    #[test]
    fn losses_come_first_among_cases_and_within_a_case() {
        let report = sample();
        let crates = by_crate(&report);
        assert_eq!(crates.len(), 1);
        let ids: Vec<&str> = crates[0].1.iter().map(|case| case.id.as_str()).collect();
        assert_eq!(ids, ["linear/b/lost", "linear/a/won"]);
        let names: Vec<&str> =
            lines(crates[0].1[0]).iter().map(|l| l.engine.name.as_str()).collect();
        assert_eq!(names, ["ours", "ideal", "better", "slow"]);
        let marks: Vec<Mark> = lines(crates[0].1[1]).iter().map(|l| l.mark).collect();
        assert_eq!(marks, [Mark::Ours, Mark::Even, Mark::Error]);
    }

    #[test]
    fn another_configuration_of_ours_is_neither_loss_nor_win() {
        let mut case =
            case("linear/a/b", &[("ours", "min-align-8", RoleName::Ours, 0.5, 0.6, 0.7)]);
        case.engines[1].primary = None;
        assert_eq!(lines(&case)[1].mark, Mark::Sibling);
        assert_eq!(tally([&case]), Tally::default());
        assert_eq!(worst(&case), f64::INFINITY);
    }

    #[test]
    fn tally_counts_peers_only() {
        let report = sample();
        assert_eq!(tally(&report.cases), Tally { wins: 1, losses: 1, evens: 1, errors: 1 });
        assert!((worst(&report.cases[1]) - 0.6).abs() < 1e-9, "a control is no loss");
    }

    #[test]
    fn a_peer_counts_once_a_case_by_its_best_configuration() {
        let peer = RoleName::Peer;
        let mut case = case(
            "linear/a/b",
            &[
                ("slow", "default", peer, 3.0, 3.1, 3.2),
                ("slow", "tuned", peer, 2.0, 2.1, 2.2),
                ("good", "default", peer, 4.0, 4.1, 4.2),
                ("good", "tuned", peer, 0.5, 0.6, 0.7),
                ("broken", "default", peer, 1.0, 1.0, 1.0),
                ("broken", "tuned", peer, 0.9, 1.0, 1.1),
            ],
        );
        case.engines[5].error = Some("wrong answer".into());
        case.ratios.remove(4);
        assert_eq!(tally([&case]), Tally { wins: 1, losses: 1, evens: 1, errors: 1 });
    }

    #[test]
    fn groups_that_run_scenarios_again_count_nowhere_else() {
        let mut report = sample();
        let counted = overall(&report);
        for krate in ["cross", "origin"] {
            let mut again = report.cases[1].clone();
            again.krate = krate.to_owned();
            report.cases.push(again);
        }
        assert_eq!(overall(&report), counted);
        assert_ne!(tally(&report.cases), counted, "their own tables have theirs");
    }

    #[test]
    fn a_crate_is_ahead_level_or_behind_by_its_best_peer() {
        let report = sample();
        let cases: Vec<&CaseRow> = report.cases.iter().collect();
        let standings = standings(&cases);
        assert_eq!((standings.ahead, standings.level, standings.behind.len()), (0, 1, 1));
        assert_eq!((standings.behind[0].1, &*standings.behind[0].2), (0.6, "better"));
        assert!(standings.lead.is_none() && standings.over_malloc.is_none());
    }

    #[test]
    fn one_is_not_many() {
        let tally = Tally { wins: 1, losses: 1, evens: 1, errors: 1 };
        assert_eq!(tally.sentence(), "1 loss, 1 even, 1 win, 1 row in error");
        let tally = Tally { wins: 2, losses: 0, evens: 0, errors: 0 };
        assert_eq!(tally.sentence(), "0 losses, 0 even, 2 wins");
        assert_eq!(counted(3, "case"), "3 cases");
    }

    #[test]
    fn a_control_beyond_two_percent_is_not_done() {
        let report = sample();
        assert_eq!(not_done(&report.cases[0]), None);
        assert_eq!(not_done(&report.cases[1]).unwrap(), "not done: A/A 1.030");
        let (middle, worst) = resolution(&report).unwrap();
        assert!(middle < worst && (worst - 4.0).abs() < 1e-9);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(nanoseconds(1.234), "1.23 ns");
        assert_eq!(nanoseconds(123_456.0), "123 us");
        assert_eq!(nanoseconds(12_345_678.0), "12.3 ms");
        assert_eq!(bytes(10.0 * 1024.0 * 1024.0), "10.0 MiB");
        assert_eq!(interval(&Interval::exact(f64::INFINITY)), "infx");
        assert_eq!(interval(&Interval { ratio: 1.5, lo: 1.25, hi: 12.0 }), "1.50x [1.25, 12.0]");
    }
}
