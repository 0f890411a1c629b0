//! From samples to a row: medians, ratios, intervals.

use std::collections::{BTreeMap, BTreeSet};

use crate::case::{Case, Model, Role};
use crate::report::schema::{CaseRow, EngineRow, FarRow, InputRow, RatioRow, RoleName};
use crate::runner::job::{Sample, Tail};
use crate::runner::measure::{Data, Gathered};
use crate::runner::probe::Class;
use crate::stats::{Interval, Sweeps, median, over_processes, paired, ratio_of};

/// The empty loop may cost this share of ours before time says too little.
const HARNESS_SHARE: f64 = 1.0 / 3.0;

/// Returns the NEAR samples, by process.
#[must_use]
pub fn near(data: &Data, samples: &[Vec<Sample>]) -> Vec<Sweeps> {
    filed(data, samples, Class::Near)
}

fn filed(data: &Data, samples: &[Vec<Sample>], wanted: Class) -> Vec<Sweeps> {
    let class = |s: &Sample| data.limits.map_or(Class::Near, |limits| limits.class(s.handoff));
    samples
        .iter()
        .map(|process| {
            process.iter().filter(|s| class(s) == wanted).map(|s| (s.sweep, s.ns)).collect()
        })
        .collect()
}

/// Returns our primary engine against its second instance.
#[must_use]
pub fn control(case: &Case, data: &Data) -> Option<Interval> {
    let primary = case.engines.iter().position(|e| e.primary)?;
    let ours = &data.engines[primary];
    if ours.error.is_some() {
        return None;
    }
    paired(&near(data, &data.twin), &near(data, &ours.samples), false, 0)
}

/// Makes the row of a case.
#[must_use]
pub fn row(case: &Case, data: &Data) -> CaseRow {
    let null = case.engines.iter().position(|e| e.role == Role::Null).map(|i| &data.engines[i]);
    let primary = case.engines.iter().position(|e| e.primary);
    let time = |engine: &Gathered| middle(&near(data, &engine.samples));
    let harness_bound = match (null.and_then(time), primary.and_then(|i| time(&data.engines[i]))) {
        (Some(null), Some(ours)) => null > ours * HARNESS_SHARE,
        _ => false,
    };
    let net = |engine: &Gathered, role: Role| {
        let gross = engine.gross_instructions?;
        let loop_alone = match role {
            Role::Null => 0.0,
            _ => null.and_then(|n| n.gross_instructions).unwrap_or(0.0),
        };
        Some((gross - loop_alone).max(0.0))
    };
    let mut engines: Vec<(usize, EngineRow)> = case
        .engines
        .iter()
        .zip(&data.engines)
        .enumerate()
        .map(|(index, (spec, got))| {
            let mut row = figures(case, data, got);
            row.name = spec.name.to_owned();
            row.version = spec.version.to_owned();
            row.config = spec.config.to_owned();
            row.role = match spec.role {
                Role::Ours => RoleName::Ours,
                Role::Peer => RoleName::Peer,
                Role::Control | Role::Null => RoleName::Control,
            };
            row.ours = spec.role == Role::Ours;
            row.primary = spec.primary.then_some(true);
            row.instructions = net(got, spec.role);
            row.harness_bound = harness_bound;
            if row.error.is_some() {
                row.median = None;
            }
            (index, row)
        })
        .collect();
    let mut ratios = Vec::new();
    if let Some(ours) = primary {
        for (index, row) in &engines {
            let skip = *index == ours || case.engines[*index].role == Role::Null;
            if !skip && row.error.is_none() && engines[ours].1.error.is_none() {
                ratios.extend(against(data, ours, *index, &engines[ours].1, row));
            }
        }
    }
    engines.sort_by_key(|(index, row)| {
        let rank = match (row.primary, row.role) {
            (Some(true), _) => 0,
            (_, RoleName::Ours) => 1,
            (_, RoleName::Peer) => 2,
            (_, RoleName::Control) => 3,
        };
        (rank, *index)
    });
    let input = data.input.clone().unwrap_or_default();
    CaseRow {
        id: case.id.to_owned(),
        krate: case.krate.to_owned(),
        model: model_name(case.model).to_owned(),
        unit: case.unit.to_owned(),
        input: InputRow { kind: input.0, bytes: input.1, count: input.2 },
        working_set_bytes: case.working_set_bytes,
        engines: engines.into_iter().map(|(_, row)| row).collect(),
        ratios,
        aa: control(case, data),
    }
}

/// Returns a model's name as the report writes it.
#[must_use]
pub fn model_name(model: Model) -> &'static str {
    match model {
        Model::Latency => "latency",
        Model::Throughput => "throughput",
        Model::Churn => "churn",
        Model::Footprint => "footprint",
        Model::Tail => "tail",
    }
}

fn values(sweeps: &[Sweeps]) -> Vec<Vec<f64>> {
    sweeps.iter().map(|process| process.iter().map(|s| s.1).collect()).collect()
}

fn middle(sweeps: &[Sweeps]) -> Option<f64> {
    over_processes(&values(sweeps), 0).map(|interval| interval.ratio)
}

/// One figure of the tail, by process and pass.
fn tail_sweeps(engine: &Gathered, of: impl Fn(&Tail) -> f64) -> Vec<Sweeps> {
    engine.tails.iter().map(|process| process.iter().map(|t| (t.sweep, of(t))).collect()).collect()
}

/// One of the engine's own figures, by process.
fn own_sweeps(engine: &Gathered, name: &str) -> Vec<Sweeps> {
    engine.metrics.iter().map(|m| m.get(name).map(|&v| (0, v)).into_iter().collect()).collect()
}

fn figures(case: &Case, data: &Data, got: &Gathered) -> EngineRow {
    let near = near(data, &got.samples);
    let far: Vec<f64> =
        filed(data, &got.samples, Class::Far).iter().flatten().map(|s| s.1).collect();
    let samples: usize = near.iter().map(Vec::len).sum();
    let mut error = got.error.clone();
    if error.is_none() && samples == 0 {
        let all: usize = got.samples.iter().map(Vec::len).sum();
        error = Some(format!("no NEAR sample: {} FAR, {} dropped", far.len(), all - far.len()));
    }
    let percentile = |i: usize| middle(&tail_sweeps(got, |t| t.percentiles[i]));
    let own = |name: &str| middle(&own_sweeps(got, name));
    let median_ns = middle(&near);
    let names: BTreeSet<&String> = got.metrics.iter().flat_map(BTreeMap::keys).collect();
    let metrics: BTreeMap<String, f64> = names
        .into_iter()
        .filter(|name| !["goodput", "above_100us", "allocs"].contains(&name.as_str()))
        .filter_map(|name| Some((name.clone(), own(name)?)))
        .collect();
    let cpu: Vec<f64> = got.samples.iter().flatten().map(|s| s.cpu_ns).collect();
    EngineRow {
        name: String::new(),
        version: String::new(),
        config: String::new(),
        ours: false,
        median: median_ns,
        p50: percentile(0),
        p99: percentile(1),
        p999: percentile(2),
        p9999: percentile(3),
        max: percentile(4),
        goodput: own("goodput").or_else(|| {
            let throughput = case.model == Model::Throughput || case.threads > 1;
            median_ns.filter(|_| throughput && error.is_none()).map(|ns| 1e9 / ns)
        }),
        above_100us: own("above_100us").or_else(|| middle(&tail_sweeps(got, |t| t.above_100us))),
        cpu_ns: median(&cpu),
        instructions: None,
        allocs: got.allocs,
        peak_bytes: median(&got.peaks),
        page_faults: median(&got.faults),
        metrics: (!metrics.is_empty()).then_some(metrics),
        far: median(&far).map(|median| FarRow { median, samples: far.len() }),
        role: RoleName::Control,
        primary: None,
        threads: case.threads,
        samples,
        processes: near.iter().filter(|process| !process.is_empty()).count(),
        harness_bound: false,
        error,
    }
}

/// Every ratio of ours against one engine.
fn against(
    data: &Data,
    ours: usize,
    other: usize,
    our_row: &EngineRow,
    row: &EngineRow,
) -> Vec<RatioRow> {
    let (mine, theirs) = (&data.engines[ours], &data.engines[other]);
    let seed = other as u64;
    let mut out = Vec::new();
    let mut push = |metric: &str, interval: Option<Interval>| {
        if let Some(interval) = interval {
            let (engine, config) = (row.name.clone(), row.config.clone());
            out.push(RatioRow { engine, config, metric: metric.to_owned(), interval });
        }
    };
    let time = paired(&near(data, &theirs.samples), &near(data, &mine.samples), false, seed);
    push("time", time);
    // Where goodput is the inverse of time, its ratio is time's.
    let goodput = paired(&own_sweeps(theirs, "goodput"), &own_sweeps(mine, "goodput"), true, seed);
    let derived = time.filter(|_| our_row.goodput.is_some() && row.goodput.is_some());
    push("goodput", goodput.or(derived));
    for (i, metric) in ["p50", "p99", "p999", "p9999", "max"].into_iter().enumerate() {
        let of = |t: &Tail| t.percentiles[i];
        push(metric, paired(&tail_sweeps(theirs, of), &tail_sweeps(mine, of), false, seed));
    }
    let own =
        paired(&own_sweeps(theirs, "above_100us"), &own_sweeps(mine, "above_100us"), false, seed);
    let timed = || {
        let of = |t: &Tail| t.above_100us;
        paired(&tail_sweeps(theirs, of), &tail_sweeps(mine, of), false, seed)
    };
    push("above_100us", own.or_else(timed));
    // Page faults and memory: every process is a replicate, and they are not paired.
    let replicates = |mine: &[f64], theirs: &[f64]| {
        let pairs: Vec<Vec<f64>> = theirs
            .iter()
            .zip(mine)
            .map(|(&peer, &ours)| vec![ratio_of(peer, ours, false)])
            .collect();
        over_processes(&pairs, seed)
    };
    push("peak_bytes", replicates(&mine.peaks, &theirs.peaks));
    push("page_faults", replicates(&mine.faults, &theirs.faults));
    let exact = |mine: Option<f64>, theirs: Option<f64>| {
        Some(Interval::exact(ratio_of(theirs?, mine?, false)))
    };
    push("allocs", exact(our_row.allocs, row.allocs));
    push("instructions", exact(our_row.instructions, row.instructions));
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::EngineSpec;
    use crate::report::summary::harness_bound;
    use crate::runner::canary::canaries;

    #[test]
    fn a_loop_of_more_than_a_third_of_ours_makes_a_row_harness_bound() {
        let case = canaries().into_iter().find(|case| case.id == "canary/harness/bound").unwrap();
        let bound = |null_ns| {
            let gathered = |spec: &EngineSpec| {
                let ns = if spec.role == Role::Null { null_ns } else { 9.0 };
                let sample = Sample { sweep: 0, ns, cpu_ns: ns, handoff: [0.0; 2] };
                Gathered { samples: vec![vec![sample]], ..Gathered::default() }
            };
            let engines = case.engines.iter().map(gathered).collect();
            harness_bound(&row(&case, &Data { engines, ..Data::default() }))
        };
        assert!(bound(9.0) && bound(3.1) && !bound(2.9));
    }
}
