//! `report.json`, schema 1: the one record of a run that other tools read.
//!
//! Times are nanoseconds per operation; `allocs`, `page_faults` and `instructions` are per
//! operation after warm-up, instructions net of the null engine; `goodput` is successful
//! operations a second, `above_100us` operations a million. A ratio above 1 is a win for ours.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::stats::Interval;

/// The version written and read.
pub const SCHEMA: u32 = 1;

/// A run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// Where it ran.
    pub machine: Machine,
    /// What was measured.
    pub cases: Vec<CaseRow>,
}

/// The machine and the build.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    /// Model name of the CPU.
    pub cpu: String,
    /// CPUs that the process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// Compiler that built the executable.
    pub rustc: String,
    /// Commit, with `-dirty` when the work tree differs from it.
    pub commit: String,
    /// Instruction sets and vector widths the executable was compiled for.
    pub features: Vec<String>,
    /// One-minute load average when the run began.
    pub load: f64,
}

/// A case with everybody who ran it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaseRow {
    /// `group/name/variant`.
    pub id: String,
    /// The crate of ours it is about.
    #[serde(rename = "crate")]
    pub krate: String,
    /// `latency`, `throughput`, `churn`, `footprint` or `tail`.
    pub model: String,
    /// What one operation is.
    pub unit: String,
    /// What it reads.
    pub input: InputRow,
    /// Bytes touched by one round.
    pub working_set_bytes: u64,
    /// Everybody, ours first.
    pub engines: Vec<EngineRow>,
    /// Ours against everybody else.
    pub ratios: Vec<RatioRow>,
    /// Ours against a second instance of itself; none where ours did not run.
    pub aa: Option<Interval>,
}

/// The input of one round.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputRow {
    /// `synthetic`, `registry`, `metadata`, `trace` or `program`.
    pub kind: String,
    /// Bytes read.
    pub bytes: u64,
    /// Items read.
    pub count: u64,
}

/// What an engine is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RoleName {
    /// One of this workspace's crates.
    Ours,
    /// Somebody else's, or written by hand: what a program could use instead. Counts for `best`.
    Peer,
    /// A yardstick; never counts for `best`.
    Control,
}

/// Samples taken while the two CPUs were far apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FarRow {
    /// Their median, nanoseconds per operation.
    pub median: f64,
    /// How many.
    pub samples: usize,
}

/// One engine's figures.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EngineRow {
    /// The engine.
    pub name: String,
    /// Version of what is behind it.
    pub version: String,
    /// Which configuration of it.
    pub config: String,
    /// Whether it is one of ours.
    pub ours: bool,
    /// Median time, nanoseconds per operation (NEAR where probed); `null` in an error row.
    pub median: Option<f64>,
    /// Median of single operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p50: Option<f64>,
    /// 99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p99: Option<f64>,
    /// 99.9th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p999: Option<f64>,
    /// 99.99th percentile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p9999: Option<f64>,
    /// The slowest operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<f64>,
    /// Successful operations a second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodput: Option<f64>,
    /// Operations above 100 us, in a million.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub above_100us: Option<f64>,
    /// CPU time of all threads, nanoseconds per operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ns: Option<f64>,
    /// Instructions per operation, net of the null engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<f64>,
    /// Calls of the system allocator per operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocs: Option<f64>,
    /// Growth of resident memory over the row, in its own process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_bytes: Option<f64>,
    /// Minor page faults per operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page_faults: Option<f64>,
    /// Figures of the engine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<BTreeMap<String, f64>>,
    /// Samples taken while the CPUs were far apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub far: Option<FarRow>,
    /// What it is to the comparison.
    pub role: RoleName,
    /// The one engine of ours that targets use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<bool>,
    /// Threads it runs.
    pub threads: usize,
    /// Samples behind `median`.
    pub samples: usize,
    /// Processes they come from.
    pub processes: usize,
    /// The empty loop costs more than a third of ours: time understates a win.
    pub harness_bound: bool,
    /// Why there is no time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Ours against one other engine, by one metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RatioRow {
    /// The other engine.
    pub engine: String,
    /// Its configuration.
    pub config: String,
    /// `time`, `instructions`, `allocs` …
    pub metric: String,
    /// Above 1: ours is better.
    #[serde(flatten)]
    pub interval: Interval,
}

impl EngineRow {
    /// Returns the figure called `metric`: `time`, a field of this row, or one of the engine's own.
    #[must_use]
    pub fn figure(&self, metric: &str) -> Option<f64> {
        if self.error.is_some() && metric == "time" {
            return None;
        }
        match metric {
            "time" => self.median,
            "p50" => self.p50,
            "p99" => self.p99,
            "p999" => self.p999,
            "p9999" => self.p9999,
            "max" => self.max,
            "goodput" => self.goodput,
            "above_100us" => self.above_100us,
            "cpu_ns" => self.cpu_ns,
            "instructions" => self.instructions,
            "allocs" => self.allocs,
            "peak_bytes" => self.peak_bytes,
            "page_faults" => self.page_faults,
            other => self.metrics.as_ref()?.get(other).copied(),
        }
    }

    /// Returns `name` or `name/config`.
    #[must_use]
    pub fn label(&self) -> String {
        label(&self.name, &self.config)
    }
}

/// Returns `name`, or `name/config` where the configuration is not the default.
#[must_use]
pub fn label(name: &str, config: &str) -> String {
    if config == "default" { name.to_owned() } else { format!("{name}/{config}") }
}

impl CaseRow {
    /// Returns our primary engine's row.
    #[must_use]
    pub fn primary(&self) -> Option<&EngineRow> {
        self.engines.iter().find(|engine| engine.primary == Some(true))
    }

    /// Returns one engine's row.
    #[must_use]
    pub fn engine(&self, name: &str, config: &str) -> Option<&EngineRow> {
        self.engines.iter().find(|e| e.name == name && e.config == config)
    }

    /// Returns ours against one engine by one metric.
    #[must_use]
    pub fn ratio(&self, name: &str, config: &str, metric: &str) -> Option<&Interval> {
        self.ratios
            .iter()
            .find(|r| r.engine == name && r.config == config && r.metric == metric)
            .map(|r| &r.interval)
    }
}

impl Report {
    /// Returns what is wrong with this report, in the order found: nothing in one of ours.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.schema != SCHEMA {
            faults.push(format!("schema is {}, this program knows {SCHEMA}", self.schema));
        }
        let mut ids = BTreeSet::new();
        for case in &self.cases {
            let id = &case.id;
            if !ids.insert(id) {
                faults.push(format!("{id}: listed twice"));
            }
            if id.split('/').count() < 3 || id.split('/').any(str::is_empty) {
                faults.push(format!("{id}: not group/name/variant"));
            }
            if case.engines.iter().filter(|e| e.primary == Some(true)).count() > 1 {
                faults.push(format!("{id}: more than one primary engine"));
            }
            let mut names = BTreeSet::new();
            for engine in &case.engines {
                let label = engine.label();
                if !names.insert((&engine.name, &engine.config)) {
                    faults.push(format!("{id}: {label} listed twice"));
                }
                if engine.ours != (engine.role == RoleName::Ours) {
                    faults.push(format!("{id}: {label}: `ours` contradicts `role`"));
                }
                if engine.error.is_some() && engine.median.is_some() {
                    faults.push(format!("{id}: {label}: a time in an error row"));
                }
            }
            for ratio in &case.ratios {
                let Interval { ratio: r, lo, hi } = ratio.interval;
                if case.engine(&ratio.engine, &ratio.config).is_none() {
                    faults
                        .push(format!("{id}: a ratio against {}, which did not run", ratio.engine));
                }
                if !(lo <= r && r <= hi && lo >= 0.0) {
                    faults.push(format!(
                        "{id}: {} {}: {lo} <= {r} <= {hi} is false",
                        ratio.engine, ratio.metric
                    ));
                }
            }
        }
        faults
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A row for tests of what reads reports.
    pub(crate) fn engine(name: &str, config: &str, role: RoleName, median: f64) -> EngineRow {
        EngineRow {
            name: name.into(),
            version: "1".into(),
            config: config.into(),
            ours: role == RoleName::Ours,
            median: Some(median),
            p50: None,
            p99: None,
            p999: None,
            p9999: None,
            max: None,
            goodput: None,
            above_100us: None,
            cpu_ns: None,
            instructions: None,
            allocs: None,
            peak_bytes: None,
            page_faults: None,
            metrics: None,
            far: None,
            role,
            primary: (role == RoleName::Ours).then_some(true),
            threads: 1,
            samples: 100,
            processes: 5,
            harness_bound: false,
            error: None,
        }
    }

    /// A case for tests: ours at 10 ns, and the time ratios given.
    pub(crate) fn case(id: &str, others: &[(&str, &str, RoleName, f64, f64, f64)]) -> CaseRow {
        let mut engines = vec![engine("ours", "default", RoleName::Ours, 10.0)];
        let mut ratios = Vec::new();
        for &(name, config, role, lo, ratio, hi) in others {
            engines.push(engine(name, config, role, 10.0 * ratio));
            ratios.push(RatioRow {
                engine: name.into(),
                config: config.into(),
                metric: "time".into(),
                interval: Interval { ratio, lo, hi },
            });
        }
        CaseRow {
            id: id.into(),
            krate: "alloc-linear".into(),
            model: "latency".into(),
            unit: "allocation".into(),
            input: InputRow { kind: "synthetic".into(), bytes: 1, count: 1 },
            working_set_bytes: 64,
            engines,
            ratios,
            aa: Some(Interval { ratio: 1.0, lo: 0.99, hi: 1.01 }),
        }
    }

    fn report() -> Report {
        let mut case = case(
            "linear/typed-24/warm",
            &[("bumpalo", "min-align-8", RoleName::Peer, 1.4, 1.5, 1.6)],
        );
        case.engines[0].allocs = Some(0.0);
        case.engines[1].metrics = Some(BTreeMap::from([("bytes_left".to_owned(), 3.0)]));
        case.engines[1].far = Some(FarRow { median: 60.5, samples: 7 });
        case.ratios.push(RatioRow {
            engine: "bumpalo".into(),
            config: "min-align-8".into(),
            metric: "allocs".into(),
            interval: Interval::exact(f64::INFINITY),
        });
        Report {
            schema: SCHEMA,
            machine: Machine { cpu: "x".into(), ..Machine::default() },
            cases: vec![case],
        }
    }

    #[test]
    fn report_survives_a_round_trip() {
        let report = report();
        let text = serde_json::to_string_pretty(&report).unwrap();
        assert!(text.contains("\"ratio\": \"inf\""), "{text}");
        assert!(text.contains("\"crate\": \"alloc-linear\""), "{text}");
        assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
        assert_eq!(report.faults(), Vec::<String>::new());
    }

    #[test]
    fn the_text_has_exactly_the_fields_of_schema_1() {
        let value = serde_json::to_value(report()).unwrap();
        let keys =
            |v: &serde_json::Value| v.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let set = |words: &str| words.split(' ').map(str::to_owned).collect::<BTreeSet<_>>();
        assert_eq!(keys(&value), set("schema machine cases"));
        assert_eq!(keys(&value["machine"]), set("cpu cores kernel rustc commit features load"));
        let case = &value["cases"][0];
        assert_eq!(
            keys(case),
            set("id crate model unit input working_set_bytes engines ratios aa")
        );
        assert_eq!(keys(&case["input"]), set("kind bytes count"));
        assert_eq!(keys(&case["ratios"][0]), set("engine config metric ratio lo hi"));
        assert_eq!(keys(&case["aa"]), set("ratio lo hi"));
        let engine = keys(&case["engines"][1]);
        let required =
            set("name version config ours median role threads samples processes harness_bound");
        let optional = set(
            "p50 p99 p999 p9999 max goodput above_100us cpu_ns instructions allocs peak_bytes \
                            page_faults metrics far primary error",
        );
        assert!(required.is_subset(&engine), "{engine:?}");
        assert!(engine.iter().all(|k| required.contains(k) || optional.contains(k)), "{engine:?}");
    }

    #[test]
    fn faults_are_named() {
        let mut report = report();
        report.schema = 2;
        report.cases[0].engines[1].error = Some("checksum".into());
        report.cases[0].ratios[0].interval.lo = 9.0;
        report.cases.push(report.cases[0].clone());
        let faults = report.faults().join("\n");
        for word in ["schema is 2", "a time in an error row", "is false", "listed twice"] {
            assert!(faults.contains(word), "{word} not in:\n{faults}");
        }
        assert!(serde_json::from_str::<Report>("{\"schema\":1,\"extra\":0}").is_err());
    }
}
