//! `cargo xtask loom --weaken`: would a model notice if an ordering were weaker?
//!
//! 1. The static scan ([`crate::orderings`]) lists every ordering in the source.
//! 2. Every model runs once and records which of them it executes (`QUARRY_LOOM_RECORD=FILE`).
//! 3. Each ordering is weakened by one step at a time, by environment variable and without
//!    recompiling (`QUARRY_LOOM_WEAKEN=file:line:column:slot=Ordering`), and the models that
//!    touch it run, cheapest first, until one fails: *killed*.
//! 4. As a control each ordering is replaced by itself: the models that killed must then pass.
//! 5. What remains must stand in the crate's `loom-allow.toml` ([`crate::allow`]).
//!
//! A mutant whose only unusual end is a time limit or loom's branch limit is not killed: it is
//! counted apart, and fails, because nothing says that the model saw the weakness.

use crate::allow::{self, Finding};
use crate::cargo::{Package, Workspace};
use crate::loom::{self, End, Model};
use crate::orderings::{self, Site};
use crate::steps::{Outcome, Steps, findings, passed};
use anyhow::{Context, Result, bail};
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::thread;

/// The bound at which mutants are explored.
const BOUND: u32 = 2;
/// Model processes at once.
const WORKERS: usize = 2;

/// One line of `--json`'s `sites`.
#[derive(Serialize, Clone)]
pub(crate) struct SiteRow {
    #[serde(rename = "crate")]
    pub(crate) krate: String,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) op: &'static str,
    pub(crate) from: &'static str,
    /// Empty for a site that no model executes: nothing was tried.
    pub(crate) to: &'static str,
    pub(crate) verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) killed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

/// `file:line:column:slot`: what the facade knows a call by.
type Key = (String, usize, usize, String);

struct Toucher {
    model: usize,
    seconds: f64,
}

struct Mutant {
    site: usize,
    to: &'static str,
}

struct Verdict {
    word: &'static str,
    killed_by: Option<usize>,
}

/// Runs the mutants of `packages` against `models`; a row per mutant and per unexercised site.
pub(crate) fn run(
    steps: &mut Steps,
    workspace: &Workspace,
    packages: &[&Package],
    models: &[Model],
) -> Vec<SiteRow> {
    let mut sites = Vec::new();
    steps.step("orderings in the source", || {
        let mut faults = Vec::new();
        for package in packages {
            let scan = orderings::scan_crate(workspace, package)?;
            faults.extend(scan.faults);
            sites.extend(scan.sites.into_iter().map(|site| (package.name.clone(), site)));
        }
        findings(format!("{} orderings, all literals at their calls", sites.len()), faults)
    });

    let mut touched = BTreeMap::new();
    let recorded = steps.step("which model executes which ordering", || {
        touched = record(workspace, models)?;
        check_record(packages, workspace, &sites, &touched)
    });
    if !recorded {
        return Vec::new();
    }
    let touchers = |site: &Site| touched.get(&key(site)).map_or(&[][..], |t: &Vec<_>| t);

    let mut mutants = Vec::new();
    for (index, (_, site)) in sites.iter().enumerate() {
        if !touchers(site).is_empty() {
            let weaker = weaker(site.slot, site.ordering);
            mutants.extend(weaker.iter().map(|&to| Mutant { site: index, to }));
        }
    }
    let mut verdicts = Vec::new();
    steps.step("each ordering weakened by one step", || {
        verdicts = in_parallel(mutants.len(), |at| {
            let (_, site) = &sites[mutants[at].site];
            judge(site, mutants[at].to, touchers(site), models)
        })?;
        passed(tally(&verdicts))
    });
    if verdicts.len() != mutants.len() {
        return Vec::new();
    }
    steps.step("control: each ordering replaced by itself", || {
        control(&sites, &mutants, &verdicts, touchers, models)
    });

    let mut rows = Vec::new();
    let mut notes = Vec::new();
    for (mutant, verdict) in mutants.iter().zip(&verdicts) {
        let (krate, site) = &sites[mutant.site];
        rows.push(row(krate, site, mutant.to, verdict.word));
        if let Some(row) = rows.last_mut() {
            row.killed_by = verdict.killed_by.map(|model| models[model].name.clone());
        }
        notes.push(site.function.clone());
    }
    for (krate, site) in &sites {
        if touchers(site).is_empty() {
            rows.push(row(krate, site, "", "unexercised"));
            notes.push(site.function.clone());
        }
    }
    steps.step("what remains stands in loom-allow.toml with its proof", || {
        let findings = rows.iter_mut().zip(notes).map(|(row, function)| Finding { row, function });
        allow::explain(workspace, packages, findings.collect())
    });
    rows.sort_by(|a, b| (&a.file, a.line, a.column, a.op).cmp(&(&b.file, b.line, b.column, b.op)));
    rows
}

fn row(krate: &str, site: &Site, to: &'static str, verdict: &'static str) -> SiteRow {
    SiteRow {
        krate: krate.to_owned(),
        file: site.file.clone(),
        line: site.line,
        column: site.column,
        op: site.slot,
        from: site.ordering,
        to,
        verdict,
        killed_by: None,
        reason: None,
    }
}

/// The next weaker orderings of a slot; a fence weakened to `Relaxed` is no fence.
fn weaker(slot: &str, from: &str) -> &'static [&'static str] {
    match (slot, from) {
        ("load" | "cas-err", "SeqCst") => &["Acquire"],
        ("store", "SeqCst") => &["Release"],
        (_, "SeqCst") => &["AcqRel"],
        (_, "AcqRel") => &["Acquire", "Release"],
        (_, "Acquire" | "Release") => &["Relaxed"],
        _ => &[],
    }
}

fn key(site: &Site) -> Key {
    (site.file.clone(), site.line, site.column, site.slot.to_owned())
}

/// Runs every model once; who executes which ordering, cheapest model first.
fn record(workspace: &Workspace, models: &[Model]) -> Result<BTreeMap<Key, Vec<Toucher>>> {
    let folder = workspace.target.join("loom/record");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let records = in_parallel(models.len(), |at| {
        let path = folder.join(format!("{at}.txt"));
        // A record of an earlier run must not be read as this one's.
        if path.exists() {
            fs::remove_file(&path)?;
        }
        let text = path.to_string_lossy().into_owned();
        let run = loom::run(&models[at], BOUND, &[("QUARRY_LOOM_RECORD", &text)], limit(None))?;
        if let Some(fault) = run.fault() {
            bail!("{} on the source as it is: {fault}\n{}", models[at].name, run.text);
        }
        let lines = if path.exists() { fs::read_to_string(&path)? } else { String::new() };
        Ok((lines, run.seconds))
    })?;
    let mut touched: BTreeMap<Key, Vec<Toucher>> = BTreeMap::new();
    for (model, (lines, seconds)) in records.iter().enumerate() {
        let keys: BTreeSet<_> = lines.lines().filter_map(parse_record).collect();
        for key in keys {
            touched.entry(key).or_default().push(Toucher { model, seconds: *seconds });
        }
    }
    for touchers in touched.values_mut() {
        touchers.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    }
    Ok(touched)
}

/// Reads `file:line:column:slot` at the start of a record line.
fn parse_record(line: &str) -> Option<Key> {
    let site = line.split([' ', '=']).next()?;
    let mut parts = site.rsplitn(4, ':');
    let (slot, column, line) = (parts.next()?, parts.next()?, parts.next()?);
    Some((parts.next()?.to_owned(), line.parse().ok()?, column.parse().ok()?, slot.to_owned()))
}

/// What models executed in a scanned source file must be in the scan: else the scan has a hole.
fn check_record(
    packages: &[&Package],
    workspace: &Workspace,
    sites: &[(String, Site)],
    touched: &BTreeMap<Key, Vec<Toucher>>,
) -> Result<Outcome> {
    let known: BTreeSet<Key> = sites.iter().map(|(_, site)| key(site)).collect();
    let folders: Vec<_> = packages
        .iter()
        .map(|package| workspace.relative(&package.dir().join("src")) + "/")
        .collect();
    let mut holes = Vec::new();
    for (key, _) in touched.iter().filter(|(key, _)| !known.contains(key)) {
        let file = &key.0;
        // Examples have models, and mistakes for them to find, in their test modules.
        let scanned =
            folders.iter().any(|folder| file.starts_with(folder)) && !file.contains("/examples/");
        if scanned && !orderings::is_test_file(file) && !orderings::is_facade(file) {
            holes.push(format!("{file}:{}:{}: {} was executed, not scanned", key.1, key.2, key.3));
        }
    }
    let reached = known.iter().filter(|key| touched.contains_key(key)).count();
    if !known.is_empty() && reached == 0 {
        bail!("no model executed any of the {} orderings: is the facade recording?", known.len());
    }
    findings(format!("{reached} of {} orderings executed by a model", known.len()), holes)
}

/// Runs one mutant on the models that touch it, cheapest first, until one fails.
fn judge(site: &Site, to: &'static str, touchers: &[Toucher], models: &[Model]) -> Result<Verdict> {
    let mut word = "survived";
    for toucher in touchers {
        let run = mutated(site, to, toucher, models)?;
        match run.end {
            End::Failed => {
                return Ok(Verdict { word: "killed", killed_by: Some(toucher.model) });
            }
            End::TimedOut => word = "timeout",
            End::BranchLimit if word == "survived" => word = "aborted",
            End::BranchLimit | End::Passed => {}
        }
    }
    println!(
        "   {word}: {}:{}:{} {} {} -> {to}",
        site.file, site.line, site.column, site.slot, site.ordering
    );
    Ok(Verdict { word, killed_by: None })
}

fn mutated(site: &Site, to: &str, toucher: &Toucher, models: &[Model]) -> Result<loom::Run> {
    let value = format!("{}:{}:{}:{}={to}", site.file, site.line, site.column, site.slot);
    let env = [("QUARRY_LOOM_WEAKEN", value.as_str())];
    loom::run(&models[toucher.model], BOUND, &env, limit(Some(toucher.seconds)))
}

/// Twenty times what the model takes on the source as it is, and at least a minute.
fn limit(seconds: Option<f64>) -> Duration {
    match seconds {
        None => loom::limit(BOUND),
        Some(seconds) => Duration::from_secs_f64((seconds * 20.0).max(60.0)),
    }
}

/// Each executed ordering, replaced by itself, must pass the models that killed its mutants (and
/// the cheapest one that executes it): the kill is due to the weakness, not to the replacing.
fn control<'a>(
    sites: &[(String, Site)],
    mutants: &[Mutant],
    verdicts: &[Verdict],
    touchers: impl Fn(&Site) -> &'a [Toucher] + Sync,
    models: &[Model],
) -> Result<Outcome> {
    let mut runs: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (index, (_, site)) in sites.iter().enumerate() {
        runs.extend(touchers(site).first().map(|toucher| (index, toucher.model)));
    }
    for (mutant, verdict) in mutants.iter().zip(verdicts) {
        runs.extend(verdict.killed_by.map(|model| (mutant.site, model)));
    }
    let runs: Vec<_> = runs.into_iter().collect();
    let failures = in_parallel(runs.len(), |at| {
        let (index, model) = runs[at];
        let site = &sites[index].1;
        let Some(toucher) = touchers(site).iter().find(|t| t.model == model) else {
            bail!("{}: a model killed what it does not execute", site.file);
        };
        let run = mutated(site, site.ordering, toucher, models)?;
        let place = format!("{}:{}:{} {}", site.file, site.line, site.column, site.slot);
        Ok((run.end != End::Passed).then(|| {
            format!("{place} with its own ordering: {} fails\n{}", models[model].name, run.text)
        }))
    })?;
    findings(format!("{} runs passed", runs.len()), failures.into_iter().flatten().collect())
}

fn tally(verdicts: &[Verdict]) -> String {
    let count = |word| verdicts.iter().filter(|verdict| verdict.word == word).count();
    format!(
        "{} mutants: {} killed, {} survived, {} timed out, {} aborted at the branch limit",
        verdicts.len(),
        count("killed"),
        count("survived"),
        count("timeout"),
        count("aborted")
    )
}

/// Runs `job(0..count)` on [`WORKERS`] threads; results in order, or the first error.
pub(crate) fn in_parallel<T: Send>(
    count: usize,
    job: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= count {
                        break;
                    }
                    let result = job(at);
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((at, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(at, _)| *at);
    results.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::{in_parallel, parse_record, weaker};
    use anyhow::bail;

    #[test]
    fn each_ordering_is_weakened_by_one_step_only() {
        assert_eq!(weaker("load", "SeqCst"), ["Acquire"]);
        assert_eq!(weaker("cas-err", "SeqCst"), ["Acquire"]);
        assert_eq!(weaker("store", "SeqCst"), ["Release"]);
        assert_eq!(weaker("rmw", "SeqCst"), ["AcqRel"]);
        assert_eq!(weaker("fence", "SeqCst"), ["AcqRel"]);
        assert_eq!(weaker("cas-ok", "AcqRel"), ["Acquire", "Release"]);
        assert_eq!(weaker("fence", "Release"), ["Relaxed"]);
        assert_eq!(weaker("load", "Acquire"), ["Relaxed"]);
        assert!(weaker("store", "Relaxed").is_empty());
    }

    #[test]
    fn record_lines_are_read() {
        let key = parse_record("crates/x/src/a.rs:12:34:cas-ok AcqRel").expect("well formed");
        assert_eq!(key, ("crates/x/src/a.rs".into(), 12, 34, "cas-ok".into()));
        assert!(parse_record("nonsense").is_none());
    }

    #[test]
    fn parallel_jobs_keep_their_order_and_their_errors() {
        assert_eq!(in_parallel(5, |at| Ok(at * at)).expect("no error"), [0, 1, 4, 9, 16]);
        let failed = in_parallel(3, |at| if at == 1 { bail!("planted") } else { Ok(at) });
        assert!(failed.is_err());
    }
}
