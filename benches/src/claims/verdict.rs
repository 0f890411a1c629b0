//! What became of a target.
//!
//! ```text
//!   ratio against a peer       0 ───────── at_least ─────────▶        our own figure: mirrored
//!   falls short                 ├──┤          │
//!   not resolved                         ├────┼───┤                   (also a failure)
//!   holds                                     ├──────┤
//! ```
//!
//! Counts and instructions are exact but for start-up noise, so they have a tolerance of 0.2 % or
//! 0.05, whichever is larger, in the unit of the count: a ratio is held against peers' counts
//! that may be that much higher.

use core::fmt::Write;

use crate::claims::target::Target;
use crate::report::schema::{CaseRow, EngineRow, Report, RoleName};
use crate::report::summary;
use crate::stats::Interval;

/// Counted, not timed.
const COUNTED: [&str; 3] = ["instructions", "allocs", "page_faults"];
/// A harness-bound row may carry a time target of this and above; below it instructions decide.
const HARNESS_TIME: f64 = 1.4;

/// What became of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// The whole interval misses the requirement.
    FallsShort,
    /// The interval holds the requirement, the control failed, or there is no figure.
    NotResolved,
    /// No such case, or no such engine in it.
    Missing,
    /// The interval's worse end reaches the requirement.
    Holds,
    /// This machine cannot tell.
    NotApplicable,
}

impl Verdict {
    /// Returns the word that is printed.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Verdict::FallsShort => "falls short",
            Verdict::NotResolved => "not resolved",
            Verdict::Missing => "missing",
            Verdict::Holds => "holds",
            Verdict::NotApplicable => "not applicable",
        }
    }
}

/// A target with what became of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// The target's name.
    pub id: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Whether the command fails because of it.
    pub fails: bool,
    /// What was required.
    pub requirement: String,
    /// What was measured, with its interval.
    pub measured: String,
    /// Why, where the figures do not say it.
    pub why: String,
}

/// Judges one target by a report, on a machine with `cores` CPUs.
#[must_use]
pub fn judge(target: &Target, report: &Report, cores: usize, stands: bool) -> Finding {
    let mut finding = Finding {
        id: target.id.clone(),
        verdict: Verdict::Missing,
        fails: true,
        requirement: target.requirement(),
        measured: String::new(),
        why: String::new(),
    };
    let needed = target.needed_cores().unwrap_or(1);
    if cores < needed {
        finding.verdict = Verdict::NotApplicable;
        finding.why = format!("needs {needed} CPUs, this process may use {cores}");
    } else if let Some(case) = report.cases.iter().find(|case| case.id == target.case) {
        decide(target, case, &mut finding);
    } else {
        finding.why = format!("no case {}", target.case);
    }
    finding.fails = match finding.verdict {
        Verdict::Holds | Verdict::NotApplicable => false,
        Verdict::Missing => stands,
        Verdict::FallsShort | Verdict::NotResolved => true,
    };
    if finding.verdict == Verdict::Missing && !stands {
        let _ = write!(finding.why, "; due with {}", target.krate());
    }
    finding
}

fn decide(target: &Target, case: &CaseRow, finding: &mut Finding) {
    let Some(ours) = case.primary() else {
        finding.why = "the case has no engine of ours".to_owned();
        return;
    };
    let mut unresolved = |why: String| {
        finding.verdict = Verdict::NotResolved;
        finding.why = why;
    };
    if let Some(error) = &ours.error {
        return unresolved(format!("ours has no figure: {error}"));
    }
    let mut metric = target.metric.as_str();
    let timed = !COUNTED.contains(&metric)
        && metric != "peak_bytes"
        && ours.metrics.as_ref().is_none_or(|m| !m.contains_key(metric));
    if let Some(why) = summary::not_done(case).filter(|_| timed) {
        return unresolved(why);
    }
    let Some(against) = &target.against else {
        let bound = target.at_most.unwrap_or(f64::INFINITY);
        match ours.figure(metric) {
            None => unresolved(format!("no figure for {metric}")),
            Some(value) => {
                finding.measured = summary::figure(metric, value);
                let tolerance = if COUNTED.contains(&metric) { slack(bound) } else { 0.0 };
                let holds = value <= bound + tolerance;
                finding.verdict = if holds { Verdict::Holds } else { Verdict::FallsShort };
            }
        }
        return;
    };
    let bound = target.at_least.unwrap_or(0.0);
    if metric == "time" && bound < HARNESS_TIME && ours.harness_bound && ours.instructions.is_some()
    {
        metric = "instructions";
        finding.why = "harness-bound: judged by instructions".to_owned();
    }
    let rivals = rivals(case, against);
    if rivals.is_empty() {
        finding.why = format!("no engine {against} in {}", case.id);
        return;
    }
    let closest = rivals
        .iter()
        .filter_map(|rival| Some((*rival, *case.ratio(&rival.name, &rival.config, metric)?)))
        .min_by(|a, b| a.1.ratio.total_cmp(&b.1.ratio));
    let Some((rival, ratio)) = closest else {
        let errors: Vec<String> = rivals
            .iter()
            .filter_map(|r| Some(format!("{}: {}", r.label(), r.error.as_ref()?)))
            .collect();
        finding.verdict = Verdict::NotResolved;
        finding.why = format!("no ratio for {metric}");
        if !errors.is_empty() {
            let _ = write!(finding.why, " ({})", errors.join("; "));
        }
        return;
    };
    finding.measured = format!("{} ({})", summary::interval(&ratio), rival.label());
    let reached = match (COUNTED.contains(&metric), rival.figure(metric), ours.figure(metric)) {
        (true, Some(theirs), Some(mine)) => mine * bound <= theirs + slack(mine * bound),
        _ => ratio.lo >= bound,
    };
    finding.verdict = verdict(&ratio, bound, reached);
}

fn verdict(ratio: &Interval, bound: f64, reached: bool) -> Verdict {
    if reached {
        Verdict::Holds
    } else if ratio.hi < bound {
        Verdict::FallsShort
    } else {
        Verdict::NotResolved
    }
}

/// What a count may be off by: 0.2 % or 0.05, whichever is larger.
fn slack(count: f64) -> f64 {
    (0.002 * count).max(0.05)
}

/// The engines that `against` means.
fn rivals<'a>(case: &'a CaseRow, against: &str) -> Vec<&'a EngineRow> {
    let meant = |engine: &&EngineRow| match against.split_once('/') {
        None if against == "best" => engine.role == RoleName::Peer,
        None => engine.name == against,
        Some((name, config)) => engine.name == name && engine.config == config,
    };
    case.engines.iter().filter(meant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::tests::case;
    use crate::report::schema::{Machine, RatioRow, SCHEMA};
    use std::collections::BTreeMap;

    fn target(against: Option<&str>, metric: &str, bound: f64) -> Target {
        Target {
            id: "t".into(),
            case: "linear/a/b".into(),
            against: against.map(str::to_owned),
            metric: metric.into(),
            at_least: against.map(|_| bound),
            at_most: against.is_none().then_some(bound),
            only_where: None,
        }
    }

    fn report() -> Report {
        let (peer, control) = (RoleName::Peer, RoleName::Control);
        let case = case(
            "linear/a/b",
            &[
                ("bumpalo", "default", peer, 1.9, 2.0, 2.1),
                ("bumpalo", "min-align-8", peer, 1.4, 1.5, 1.6),
                ("blink", "default", peer, 2.9, 3.0, 3.1),
                ("ideal", "default", control, 0.89, 0.9, 0.91),
            ],
        );
        Report { schema: SCHEMA, machine: Machine::default(), cases: vec![case] }
    }

    fn of(target: &Target, report: &Report) -> Finding {
        judge(target, report, 2, true)
    }

    #[test]
    fn ratios_hold_fall_short_or_stay_open() {
        let report = report();
        let check = |against, bound| of(&target(Some(against), "time", bound), &report).verdict;
        assert_eq!(
            check("bumpalo", 1.4),
            Verdict::Holds,
            "by the lower end of the best configuration"
        );
        assert_eq!(check("bumpalo", 1.41), Verdict::NotResolved);
        assert_eq!(check("bumpalo", 1.7), Verdict::FallsShort);
        assert_eq!(check("bumpalo/default", 1.9), Verdict::Holds);
        assert_eq!(check("best", 1.4), Verdict::Holds, "a control is never best");
        assert_eq!(check("ideal", 0.99), Verdict::FallsShort);
        assert_eq!(check("oxc", 1.0), Verdict::Missing);
        let finding = of(&target(Some("best"), "time", 1.4), &report);
        assert_eq!(finding.measured, "1.50x [1.40, 1.60] (bumpalo/min-align-8)");
        assert!(!finding.fails);
    }

    #[test]
    fn missing_fails_only_once_the_crate_stands() {
        let mut absent = target(Some("best"), "time", 1.0);
        absent.case = "slab/x/y".into();
        assert!(judge(&absent, &report(), 2, true).fails);
        let finding = judge(&absent, &report(), 2, false);
        assert_eq!((finding.verdict, finding.fails), (Verdict::Missing, false));
        assert!(finding.why.contains("alloc-slab"), "{}", finding.why);
    }

    #[test]
    fn a_machine_that_cannot_tell_is_not_blamed() {
        let mut two = target(Some("best"), "time", 9.0);
        two.only_where = Some("cores >= 2".into());
        let finding = judge(&two, &report(), 1, true);
        assert_eq!((finding.verdict, finding.fails), (Verdict::NotApplicable, false));
        assert!(finding.why.contains("may use 1"));
    }

    #[test]
    fn own_figures_have_an_upper_bound_and_counts_a_tolerance() {
        let mut report = report();
        let ours = &mut report.cases[0].engines[0];
        ours.allocs = Some(0.049);
        ours.instructions = Some(11.06);
        ours.metrics = Some(BTreeMap::from([("bytes_left".to_owned(), 8.0)]));
        let check = |metric, bound| of(&target(None, metric, bound), &report).verdict;
        assert_eq!(check("allocs", 0.0), Verdict::Holds);
        assert_eq!(check("instructions", 11.0), Verdict::FallsShort);
        assert_eq!(check("instructions", 11.01), Verdict::Holds);
        assert_eq!(check("bytes_left", 7.99), Verdict::FallsShort);
        assert_eq!(check("bytes_left", 8.0), Verdict::Holds);
        assert_eq!(check("page_faults", 0.0), Verdict::NotResolved, "not measured is not held");
    }

    #[test]
    fn instruction_ratios_have_the_tolerance_of_their_counts() {
        let mut report = report();
        let case = &mut report.cases[0];
        case.engines[0].instructions = Some(3.04);
        case.engines[1].instructions = Some(3.00);
        let ratio = 3.00 / 3.04;
        case.ratios.push(RatioRow {
            engine: "bumpalo".into(),
            config: "default".into(),
            metric: "instructions".into(),
            interval: Interval::exact(ratio),
        });
        assert!(ratio < 0.99);
        assert_eq!(
            of(&target(Some("best"), "instructions", 0.99), &report).verdict,
            Verdict::Holds
        );
        assert_eq!(
            of(&target(Some("best"), "instructions", 1.01), &report).verdict,
            Verdict::FallsShort
        );
    }

    #[test]
    fn a_failed_control_leaves_times_open_and_counts_standing() {
        let mut report = report();
        report.cases[0].aa = Some(Interval { ratio: 0.97, lo: 0.96, hi: 0.98 });
        report.cases[0].engines[0].allocs = Some(0.0);
        let finding = of(&target(Some("best"), "time", 1.0), &report);
        assert_eq!(finding.verdict, Verdict::NotResolved);
        assert!(finding.why.contains("A/A 0.970"), "{}", finding.why);
        assert_eq!(of(&target(None, "allocs", 0.0), &report).verdict, Verdict::Holds);
    }

    #[test]
    fn errors_are_not_held() {
        let mut report = report();
        report.cases[0].engines[0].error = Some("no NEAR sample: 3 FAR, 9 dropped".into());
        let finding = of(&target(Some("best"), "time", 0.1), &report);
        assert_eq!(finding.verdict, Verdict::NotResolved);
        assert!(finding.why.contains("no NEAR sample"));
    }

    #[test]
    fn harness_bound_times_below_1_4_are_judged_by_instructions() {
        let mut report = report();
        let case = &mut report.cases[0];
        case.engines[0].harness_bound = true;
        for (engine, count) in case.engines.iter_mut().zip([2.0, 8.0, 8.0, 8.0, 2.0]) {
            engine.instructions = Some(count);
        }
        let instructions = case.ratios.iter().map(|r| RatioRow {
            metric: "instructions".into(),
            interval: Interval::exact(if r.engine == "ideal" { 1.0 } else { 4.0 }),
            ..r.clone()
        });
        let instructions: Vec<RatioRow> = instructions.collect();
        case.ratios.extend(instructions);
        let finding = of(&target(Some("ideal"), "time", 0.99), &report);
        assert_eq!((finding.verdict, finding.why.contains("instructions")), (Verdict::Holds, true));
        assert_eq!(of(&target(Some("best"), "time", 3.9), &report).verdict, Verdict::FallsShort);
    }
}
