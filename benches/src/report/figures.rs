//! Group `origin`: what custom allocators are commonly said to gain, beside what they gained here.

use crate::claims::Target;
use crate::claims::verdict::{self, Verdict};
use crate::report::schema::Report;
use crate::report::summary;
use crate::scenarios::origin::{FIGURES, Figure};

/// A figure that was put to the test.
#[derive(Debug)]
pub struct Tested {
    /// What is stated.
    pub figure: Figure,
    /// The case that measured it.
    pub case: String,
    /// What came out.
    pub verdict: Verdict,
    /// The ratio, with its interval, and whose where it is not our default's, which then stands beside
    /// it; or why there is none.
    pub measured: String,
}

impl Tested {
    /// Returns `true`, `false` or `not resolved`.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.verdict {
            Verdict::Holds => "true",
            Verdict::FallsShort => "false",
            _ => "not resolved",
        }
    }
}

/// Returns the figures that a report can judge.
#[must_use]
pub fn tested(report: &Report) -> Vec<Tested> {
    FIGURES.iter().filter_map(|figure| test(*figure, report)).collect()
}

fn test(figure: Figure, report: &Report) -> Option<Tested> {
    let case = format!("origin/{}", figure.case);
    let row = report.cases.iter().find(|row| row.id == case)?;
    let target = Target {
        id: case.clone(),
        case: case.clone(),
        against: Some(figure.against.to_owned()),
        metric: figure.metric.to_owned(),
        at_least: Some(figure.at_least),
        at_most: None,
        only_where: None,
    };
    let finding = verdict::judge(&target, report, 1, true);
    let ratio = row
        .engines
        .iter()
        .filter(|engine| engine.name == figure.against)
        .find_map(|engine| row.ratio(&engine.name, &engine.config, figure.metric));
    // A share that is spared is what is stated of it.
    let say = |ratio: f64, in_full: String| match figure.stated.contains('%') {
        true => format!("{} ({in_full})", spared(ratio)),
        false => in_full,
    };
    let mut measured =
        ratio.map(|ratio| say(ratio.ratio, summary::interval(ratio))).unwrap_or_default();
    if let Some(ours) = row.primary().filter(|ours| ours.config != "default" && ratio.is_some()) {
        measured = format!("{measured} in configuration {}", ours.config);
        // Judged is what a target asks for; what a program has that configures nothing is said too.
        let by_default = row.engine(&ours.name, "default").and_then(|e| e.figure(figure.metric));
        let against = row.engines.iter().find(|engine| engine.name == figure.against);
        let against = against.and_then(|engine| engine.figure(figure.metric));
        if let Some((other, ours)) = against.zip(by_default).filter(|(_, ours)| *ours > 0.0) {
            let ratio = other / ours;
            let by_default = say(ratio, format!("{}x", summary::ratio(ratio)));
            measured = format!("{measured}; by default {by_default}");
        }
    }
    if !finding.why.is_empty() {
        let gap = if measured.is_empty() { "" } else { "; " };
        measured = format!("{measured}{gap}{}", finding.why);
    }
    Some(Tested { figure, case, verdict: finding.verdict, measured })
}

/// A ratio as a share: `62 % less`, `99.8 % less`, `3 % more`.
fn spared(ratio: f64) -> String {
    let percent = 100.0 * (1.0 / ratio - 1.0);
    let word = if percent > 0.0 { "more" } else { "less" };
    let decimals = usize::from(percent < -99.0);
    format!("{:.decimals$} % {word}", percent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::schema::tests::case;
    use crate::report::schema::{Machine, RoleName};

    #[test]
    fn shares_are_less_or_more() {
        assert_eq!([2.5, 553.0, 0.97].map(spared), ["60 % less", "99.8 % less", "3 % more"]);
    }

    #[test]
    fn a_configuration_is_named_and_the_default_stands_beside_it() {
        let (ours, control) = (RoleName::Ours, RoleName::Control);
        // Ratios to our primary engine, which holds 100 bytes.
        let others = [
            ("ours", "default", ours, 1.5, 1.5, 1.5),
            ("plain", "default", control, 1.25, 1.25, 1.25),
        ];
        let mut row = case("origin/programs/peak", &others);
        row.engines[0].config = "lean".into();
        row.engines[1].primary = None;
        for (engine, bytes) in row.engines.iter_mut().zip([100.0, 150.0, 125.0]) {
            engine.peak_bytes = Some(bytes);
        }
        row.ratios.iter_mut().for_each(|ratio| ratio.metric = "peak_bytes".into());
        let report = Report { schema: 1, machine: Machine::default(), cases: vec![row] };
        let [tested] = &tested(&report)[..] else { panic!("one figure") };
        assert_eq!(
            tested.measured,
            "20 % less (1.25x) in configuration lean; by default 20 % more (0.83x)"
        );
        assert_eq!(tested.word(), "true");
    }

    #[test]
    fn a_figure_is_true_false_or_open() {
        let of = |lo, ratio, hi| {
            let row =
                case("origin/stack/lifo", &[("glibc", "default", RoleName::Peer, lo, ratio, hi)]);
            let report = Report { schema: 1, machine: Machine::default(), cases: vec![row] };
            let [tested] = &tested(&report)[..] else { panic!("one figure") };
            (tested.word(), tested.measured.clone())
        };
        assert_eq!(of(5.0, 6.0, 7.0), ("true", "6.00x [5.00, 7.00]".to_owned()));
        assert_eq!(of(4.0, 4.5, 4.9).0, "false");
        assert_eq!(of(4.9, 5.5, 6.0).0, "not resolved");
    }
}
