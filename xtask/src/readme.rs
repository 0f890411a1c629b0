//! `cargo xtask readme`: the measured tables of the READMEs, from committed records.
//!
//! A table stands between `<!-- measured: NAME GLOB… -->` and `<!-- /measured -->`: the cases of
//! `benches/records/NAME.json` whose id matches one of the globs. A record is a `report.json` of
//! `cargo xtask bench`: the cases of crate NAME without what no table needs (`--record FILE NAME`). A case
//! that is not done, because ours differed from itself by more than the control allows, is not recorded:
//! the record and the tables say which. `--check` only compares: whoever writes a number into a table by
//! hand is found out.

use crate::cargo::Workspace;
use crate::history::Named;
use anyhow::{Context, Result, bail};
use core::fmt::Write as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// What `cargo xtask readme` accepts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Compare only: fail when a table is not what its record says.
    #[arg(long)]
    check: bool,
    /// Take crate NAME's cases of a report of `cargo xtask bench --json FILE` as
    /// `benches/records/NAME.json` first; without those that were not done.
    #[arg(long, num_args = 2, value_names = ["FILE", "NAME"])]
    record: Option<Vec<String>>,
}

/// What a comparison found.
pub(crate) struct Stale {
    pub(crate) tables: usize,
    pub(crate) findings: Vec<String>,
}

/// A `report.json`, as far as tables need it.
#[derive(Serialize, Deserialize)]
struct Report {
    schema: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<String>,
    machine: Machine,
    cases: Vec<Case>,
    /// Cases of the report that were not done, and so are not among `cases`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    not_done: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct Machine {
    cpu: String,
    rustc: String,
    commit: String,
}

#[derive(Serialize, Deserialize)]
struct Case {
    id: String,
    #[serde(default, rename = "crate", skip_serializing)]
    owner: String,
    unit: String,
    engines: Vec<Engine>,
    #[serde(default)]
    ratios: Vec<Ratio>,
    /// Ours against a second instance of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aa: Option<Control>,
}

impl Case {
    /// Whether ours agreed with itself, where that was measured.
    fn done(&self) -> bool {
        self.aa.as_ref().is_none_or(|aa| (number(&aa.ratio) - 1.0).abs() <= AA_TOLERANCE)
    }

    /// Whether the loop alone costs so much that time understates what ours gains.
    fn harness_bound(&self) -> bool {
        self.engines.iter().any(|engine| engine.harness_bound)
    }
}

#[derive(Serialize, Deserialize)]
struct Engine {
    name: String,
    #[serde(default)]
    config: String,
    role: String,
    #[serde(default)]
    primary: bool,
    median: Option<f64>,
    instructions: Option<f64>,
    #[serde(default, skip_serializing)]
    processes: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    p999: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    goodput: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    above_100us: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    allocs: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peak_bytes: Option<f64>,
    /// Figures of the engine's own: `busy_share`, `bytes_kept` ….
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    metrics: BTreeMap<String, f64>,
    #[serde(default, skip_serializing_if = "is_false")]
    harness_bound: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Value>,
}

#[derive(Serialize, Deserialize)]
struct Ratio {
    engine: String,
    #[serde(default)]
    config: String,
    metric: String,
    ratio: Value,
    lo: Value,
    hi: Value,
}

#[derive(Serialize, Deserialize)]
struct Control {
    ratio: Value,
    lo: Value,
    hi: Value,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// How far ours may be from itself before a case counts as not done; as in `benches`.
const AA_TOLERANCE: f64 = 0.02;

/// Behind the id of a case whose loop costs more than a third of ours.
const HARNESS_BOUND: &str = " †";

const OPEN: &str = "<!-- measured: ";
const OPEN_END: &str = " -->";
const CLOSE: &str = "<!-- /measured -->";

/// Runs the command.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    if let Some([file, name]) = args.record.as_deref() {
        let kept = workspace.root.join("benches/records").join(format!("{name}.json"));
        fs::create_dir_all(kept.parent().unwrap_or(Path::new(".")))?;
        let report = of_crate(load(Path::new(file))?, name)?;
        fs::write(&kept, serde_json::to_string_pretty(&report)? + "\n")?;
        println!("wrote {}", workspace.relative(&kept));
        report.not_done.iter().for_each(|id| {
            println!(
                "  not recorded, since not done: {id} (ours differed from itself by over 2 %)"
            );
        });
    }
    let mut tables = 0;
    let mut findings = Vec::new();
    for path in pages(&workspace) {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let name = workspace.relative(&path);
        let (rendered, count) =
            render(&text, |record| records(&workspace, record)).with_context(|| name.clone())?;
        tables += count;
        if rendered != text {
            if !args.check {
                fs::write(&path, rendered)?;
            }
            findings.push(name);
        }
    }
    let verb = if args.check { "not current" } else { "rewritten" };
    println!("{tables} tables; {verb}: {}", findings.len());
    findings.iter().for_each(|name| println!("  {name}"));
    Ok(if args.check && !findings.is_empty() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Processes of a case in every run but a quick one, at the least.
const PROCESSES: u32 = 5;

/// The cases of one crate, and the command that measured them: the report tells it by how often, and by
/// whether instructions were counted.
fn of_crate(mut report: Report, name: &str) -> Result<Report> {
    report.cases.retain(|case| case.owner == name);
    let most = report.cases.iter().flat_map(|case| &case.engines).map(|engine| engine.processes);
    let Some(most) = most.max() else { bail!("the report has no case of a crate `{name}`") };
    let undone: Vec<_> = report.cases.extract_if(.., |case| !case.done()).collect();
    report.not_done = undone.into_iter().map(|case| case.id).collect();
    let counted =
        report.cases.iter().flat_map(|case| &case.engines).any(|e| e.instructions.is_some());
    let quick = if most < PROCESSES && !counted { " --quick" } else { "" };
    report.command = Some(format!("cargo xtask bench {name}{quick}"));
    Ok(report)
}

/// Tables that are not what their records say.
pub(crate) fn stale(workspace: &Workspace) -> Result<Stale> {
    let mut stale = Stale { tables: 0, findings: Vec::new() };
    for path in pages(workspace) {
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let name = workspace.relative(&path);
        let (rendered, count) =
            render(&text, |record| records(workspace, record)).with_context(|| name.clone())?;
        stale.tables += count;
        if rendered != text {
            stale.findings.push(format!("{name}: run `cargo xtask readme`"));
        }
    }
    Ok(stale)
}

/// The READMEs and design pages of the workspace.
fn pages(workspace: &Workspace) -> Vec<PathBuf> {
    let mut pages = vec![workspace.root.join("README.md")];
    for package in &workspace.packages {
        pages.extend(["README.md", "DESIGN.md"].map(|name| package.dir().join(name)));
    }
    pages.retain(|page| page.exists());
    pages
}

/// A record, unless nothing was recorded yet.
fn records(workspace: &Workspace, name: &str) -> Result<Option<Report>> {
    let path = workspace.root.join("benches/records").join(format!("{name}.json"));
    if !path.exists() {
        return Ok(None);
    }
    let record = load(&path)?;
    if let Some(undone) = record.cases.iter().find(|case| !case.done()) {
        bail!("{}: {} is not done, and no record", path.display(), undone.id);
    }
    Ok(Some(record))
}

/// The commits that the records name.
pub(crate) fn commits(workspace: &Workspace) -> Result<Vec<Named>> {
    let folder = workspace.root.join("benches/records");
    let mut paths = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let named = paths.iter().map(|path| {
        Ok(Named { record: workspace.relative(path), commit: load(path)?.machine.commit })
    });
    named.collect()
}

fn load(path: &Path) -> Result<Report> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let report: Report = serde_json::from_str(&text).with_context(|| path.display().to_string())?;
    if report.schema != 1 {
        bail!("{}: schema {}, this reads schema 1", path.display(), report.schema);
    }
    Ok(report)
}

/// `text` with every table rendered anew, and how many there are. Without a record a table is empty.
fn render(text: &str, records: impl Fn(&str) -> Result<Option<Report>>) -> Result<(String, usize)> {
    let mut out = String::new();
    let mut count = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        let (marker, after) = after.split_once(OPEN_END).context("a marker is not closed")?;
        let (_, after) = after
            .split_once(CLOSE)
            .with_context(|| format!("`{OPEN}{marker}{OPEN_END}` has no `{CLOSE}`"))?;
        let mut words = marker.split_whitespace();
        let name = words.next().context("a marker names no record")?;
        let globs: Vec<_> = words.collect();
        let table = match records(name)? {
            Some(record) => table(&record, &globs).with_context(|| marker.to_owned())?,
            None => String::new(),
        };
        write!(out, "{before}{OPEN}{marker}{OPEN_END}\n{table}{CLOSE}")?;
        rest = after;
        count += 1;
    }
    out.push_str(rest);
    Ok((out, count))
}

/// One row per case, the ones we lose first.
fn table(report: &Report, globs: &[&str]) -> Result<String> {
    let chosen = |id: &str| globs.is_empty() || globs.iter().any(|glob| matches(glob, id));
    let mut rows = Vec::new();
    let mut bound = false;
    for case in report.cases.iter().filter(|case| chosen(&case.id)) {
        let ours = case
            .engines
            .iter()
            .find(|engine| engine.role == "ours" && engine.primary)
            .with_context(|| format!("{}: no primary engine of ours", case.id))?;
        let (worst, beside) = beside(case);
        let figures = figures(ours);
        bound |= case.harness_bound();
        let mark = if case.harness_bound() { HARNESS_BOUND } else { "" };
        let Case { id, unit, .. } = case;
        rows.push((worst, format!("| `{id}`{mark} | {unit} | {figures} | {beside} |\n")));
    }
    let undone: Vec<_> = report.not_done.iter().filter(|id| chosen(id)).collect();
    if rows.is_empty() && undone.is_empty() {
        bail!("no case of the record matches");
    }
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = String::from(
        "| case | per | ours | peer ÷ ours, time [95 % interval], instructions |\n\
         |---|---|---|---|\n",
    );
    out.extend(rows.into_iter().map(|(_, row)| row));
    let Machine { cpu, rustc, commit } = &report.machine;
    let command = report.command.as_deref().unwrap_or("cargo xtask bench");
    writeln!(
        out,
        "\nAbove 1 ours is faster; **bold** is a loss, *italic* is not resolved; best \
         configuration of each peer."
    )?;
    if bound {
        writeln!(
            out,
            "†: the benchmark's own loop takes over a third of our time there, so a ratio of times is \
             nearer to 1 than without it; instructions are without the loop."
        )?;
    }
    if !undone.is_empty() {
        let ids: Vec<_> = undone.into_iter().map(|id| format!("`{id}`")).collect();
        writeln!(
            out,
            "Not done, since ours differed from itself by more than 2 %: {}.",
            ids.join(", ")
        )?;
    }
    writeln!(out, "`{command}`, commit {commit}, {cpu}, {rustc}.")?;
    Ok(out)
}

/// The peers' ratios, the worst for us first, and the worst one.
fn beside(case: &Case) -> (f64, String) {
    let mut peers: Vec<(&str, f64, String)> = Vec::new();
    for engine in case.engines.iter().filter(|engine| engine.role == "peer") {
        let label = match engine.config.as_str() {
            "" | "default" => engine.name.clone(),
            config => format!("{}/{config}", engine.name),
        };
        let time = case.ratios.iter().find(|ratio| {
            ratio.engine == engine.name
                && ratio.config == engine.config
                && (ratio.metric == "time" || ratio.metric == "median")
        });
        let (order, mut shown) = match time {
            Some(ratio) => {
                let [ratio, lo, hi] = [&ratio.ratio, &ratio.lo, &ratio.hi].map(number);
                let plain = format!("{ratio:.2} [{lo:.2}, {hi:.2}]");
                let marked = if hi < 1.0 {
                    format!("**{plain}**")
                } else if lo <= 1.0 {
                    format!("*{plain}*")
                } else {
                    plain
                };
                (ratio, format!("{label} {marked}"))
            }
            None if engine.error.is_some() => (f64::INFINITY, format!("{label}: error")),
            None => (f64::INFINITY, label),
        };
        for figure in counted(engine.instructions).into_iter().chain(own(engine)) {
            let _ = write!(shown, ", {figure}");
        }
        match peers.iter_mut().find(|peer| peer.0 == engine.name) {
            Some(peer) if order < peer.1 => *peer = (&engine.name, order, shown),
            Some(_) => {}
            None => peers.push((&engine.name, order, shown)),
        }
    }
    peers.sort_by(|a, b| a.1.total_cmp(&b.1));
    let worst = peers.first().map_or(f64::INFINITY, |peer| peer.1);
    let shown: Vec<_> = peers.into_iter().map(|peer| peer.2).collect();
    (worst, shown.join("<br>"))
}

/// A count of instructions; none where it is no more than the empty loop's, or was another thread's.
fn counted(instructions: Option<f64>) -> Option<String> {
    instructions.filter(|count| *count >= 0.05).map(|count| format!("{} I", short(count)))
}

fn figures(engine: &Engine) -> String {
    let time = engine.median.map(|ns| format!("{} ns", short(ns)));
    let parts = [time, counted(engine.instructions)].into_iter().flatten().chain(own(engine));
    parts.collect::<Vec<_>>().join(", ")
}

/// What an engine's row has beside time and instructions.
fn own(engine: &Engine) -> Vec<String> {
    let tail = engine.above_100us.map(|count| format!("{} above 100 us a million", short(count)));
    let metrics = engine.metrics.iter().map(|(name, &value)| match name.strip_prefix("bytes_") {
        Some(what) => format!("{} {what}", bytes(value)),
        None if name == "busy_share" => format!("{} % busy", short(100.0 * value)),
        None => format!("{} {}", short(value), name.replace('_', " ")),
    });
    tail.into_iter().chain(metrics).collect()
}

/// A size with its unit.
fn bytes(value: f64) -> String {
    match value {
        size if size < 1024.0 => format!("{size:.0} B"),
        size if size < 1024.0 * 1024.0 => format!("{} KiB", short(size / 1024.0)),
        size => format!("{} MiB", short(size / 1024.0 / 1024.0)),
    }
}

/// Three significant digits where they matter.
fn short(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// JSON has no infinity: a report spells it `"inf"`, or leaves it `null`.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::INFINITY)
}

/// Shell-like match in which `*` stands for anything.
fn matches(glob: &str, text: &str) -> bool {
    let Some((head, tail)) = glob.split_once('*') else { return glob == text };
    let Some(rest) = text.strip_prefix(head) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| matches(tail, &rest[at..]))
}

#[cfg(test)]
mod tests {
    use super::{Report, matches, of_crate, render};
    use serde_json::json;

    const RECORD: &str = r#"{"schema":1,"machine":{"cpu":"CPU","rustc":"1.95.0","commit":"abc",
        "cores":2},"cases":[
        {"id":"g/win","unit":"allocation","engines":[
          {"name":"ours","config":"default","role":"ours","primary":true,"median":2.0,
           "instructions":4.0},
          {"name":"peer","config":"default","role":"peer","median":4.0,"instructions":9.0},
          {"name":"peer","config":"tuned","role":"peer","median":3.0,"instructions":8.0},
          {"name":"dead","role":"peer","median":null,"instructions":null,"error":"died"}],
         "ratios":[
          {"engine":"peer","config":"default","metric":"time","ratio":2.0,"lo":1.9,"hi":2.1},
          {"engine":"peer","config":"tuned","metric":"time","ratio":1.5,"lo":1.4,"hi":1.6}]},
        {"id":"g/loss","unit":"token","engines":[
          {"name":"ours","config":"default","role":"ours","primary":true,"median":300.0,
           "instructions":null},
          {"name":"peer","config":"default","role":"peer","median":150.0,"instructions":null}],
         "ratios":[
          {"engine":"peer","config":"default","metric":"time","ratio":0.5,"lo":0.4,"hi":0.6}]}]}"#;

    fn rendered(text: &str) -> String {
        let load = |_: &str| Ok(Some(serde_json::from_str::<Report>(RECORD)?));
        render(text, load).expect("renders").0
    }

    #[test]
    fn a_table_shows_losses_first_and_the_best_configuration() {
        let text =
            rendered("before\n<!-- measured: r g/* -->\noutdated\n<!-- /measured -->\nafter");
        let loss = text.find("g/loss").expect("in the table");
        let win = text.find("g/win").expect("in the table");
        assert!(loss < win, "{text}");
        assert!(text.contains("peer **0.50 [0.40, 0.60]**"), "{text}");
        assert!(text.contains("2.00 ns, 4.00 I | peer/tuned 1.50 [1.40, 1.60], 8.00 I"), "{text}");
        assert!(text.contains("<br>dead: error"), "{text}");
        assert!(text.contains("commit abc, CPU, 1.95.0"), "{text}");
        assert!(text.starts_with("before\n<!--") && text.ends_with("-->\nafter"), "{text}");
        assert!(!text.contains("outdated"), "{text}");
    }

    #[test]
    fn a_changed_number_makes_the_table_stale() {
        let current = rendered("<!-- measured: r -->\n<!-- /measured -->");
        assert_eq!(rendered(&current), current, "rendering is stable");
        let touched = current.replace("0.50", "0.90");
        assert_ne!(rendered(&touched), touched);
    }

    #[test]
    fn without_a_record_there_are_no_numbers() {
        let (empty, tables) =
            render("<!-- measured: r -->\n| 1.5 |\n<!-- /measured -->", |_| Ok(None))
                .expect("renders");
        assert_eq!((&*empty, tables), ("<!-- measured: r -->\n<!-- /measured -->", 1));
    }

    #[test]
    fn a_selector_without_cases_and_an_open_marker_are_errors() {
        let load = |_: &str| Ok(Some(serde_json::from_str::<Report>(RECORD)?));
        for text in ["<!-- measured: r h/* -->\n<!-- /measured -->", "<!-- measured: r g/* -->\n"] {
            assert!(render(text, load).is_err(), "{text}");
        }
    }

    #[test]
    fn a_record_is_of_one_crate_and_says_how_it_was_measured() {
        let report = |processes: u32| -> Report {
            let case = |owner| {
                let engine = json!({
                    "name": "e", "role": "ours", "median": 1.0, "instructions": null,
                    "processes": processes
                });
                json!({ "id": format!("{owner}/x"), "unit": "u", "crate": owner, "engines": [engine] })
            };
            let machine = json!({ "cpu": "C", "rustc": "R", "commit": "c" });
            let report =
                json!({ "schema": 1, "machine": machine, "cases": [case("a"), case("b")] });
            serde_json::from_value(report).expect("a report")
        };
        let kept = of_crate(report(4), "b").expect("a case of b");
        assert_eq!(kept.cases.iter().map(|case| &*case.id).collect::<Vec<_>>(), ["b/x"]);
        assert_eq!(kept.command.as_deref(), Some("cargo xtask bench b --quick"));
        let command = of_crate(report(5), "a").expect("a case of a").command;
        assert_eq!(command.as_deref(), Some("cargo xtask bench a"));
        assert!(of_crate(report(5), "c").is_err());
    }

    /// The record of the tests with more in it: what a run of today says.
    fn marked(edit: impl Fn(&mut serde_json::Value)) -> Report {
        let mut value: serde_json::Value = serde_json::from_str(RECORD).expect("json");
        edit(&mut value);
        serde_json::from_value(value).expect("a report")
    }

    #[test]
    fn a_harness_bound_case_is_marked_and_the_mark_explained() {
        let show = |record: &Report| {
            let kept: Report = serde_json::from_value(serde_json::to_value(record).expect("json"))
                .expect("a record is read as it was written");
            super::table(&kept, &[]).expect("renders")
        };
        let bound = marked(|record| {
            record["cases"][0]["engines"][0]["harness_bound"] = json!(true);
        });
        let text = show(&bound);
        assert!(text.contains("| `g/win` † | allocation"), "{text}");
        assert!(text.contains("| `g/loss` | token"), "{text}");
        assert!(text.contains("\n†: the benchmark's own loop"), "{text}");
        let plain = show(&marked(|_| {}));
        assert!(!plain.contains('†'), "{plain}");
    }

    #[test]
    fn what_an_engine_says_of_itself_is_recorded_and_shown() {
        let record = marked(|record| {
            let engines = &mut record["cases"][0]["engines"];
            engines[0]["metrics"] = json!({ "busy_share": 0.125, "bytes_kept": 2_097_152.0 });
            engines[0]["above_100us"] = json!(12.0);
            engines[2]["metrics"] = json!({ "bytes_kept": 512.0 });
        });
        let kept = serde_json::to_value(&record).expect("json");
        assert_eq!(kept["cases"][0]["engines"][0]["metrics"]["busy_share"], json!(0.125));
        let text = super::table(&record, &[]).expect("renders");
        let ours = "2.00 ns, 4.00 I, 12.0 above 100 us a million, 12.5 % busy, 2.00 MiB kept |";
        assert!(text.contains(ours), "{text}");
        assert!(text.contains("8.00 I, 512 B kept"), "{text}");
    }

    #[test]
    fn a_case_that_is_not_done_is_not_recorded_but_named() {
        let report = marked(|report| {
            for case in report["cases"].as_array_mut().expect("cases") {
                case["crate"] = json!("g");
                case["aa"] = json!({ "ratio": 0.99, "lo": 0.9, "hi": 1.1 });
            }
            report["cases"][1]["aa"]["ratio"] = json!(1.021);
        });
        let record = of_crate(report, "g").expect("cases of g");
        assert_eq!(record.cases.iter().map(|case| &*case.id).collect::<Vec<_>>(), ["g/win"]);
        assert_eq!(record.not_done, ["g/loss"]);
        assert!(record.cases[0].aa.is_some(), "the control is kept");
        let text = super::table(&record, &["g/*"]).expect("renders");
        assert!(text.contains("differed from itself by more than 2 %: `g/loss`."), "{text}");
        let text = super::table(&record, &["g/win"]).expect("renders");
        assert!(!text.contains("Not done"), "{text}");
    }

    #[test]
    fn globs_match_whole_ids() {
        assert!(matches("linear/*", "linear/a/b") && matches("*/warm", "a/b/warm"));
        assert!(matches("a", "a") && !matches("a", "ab") && !matches("b*", "ab"));
    }
}
