//! Progress: a thread is frozen at each call of an atomic in turn, and the others must finish.
//!
//! 1. A model says which methods it shows to be lock-free, or blocking and at which places
//!    (`Model::lock_free`, `Model::blocking`). Its ordinary run writes that down, with every call site
//!    that a thread meets while another is at work (`QUARRY_LOOM_PROGRESS=FILE`).
//! 2. The model runs again once for each of these sites, with the first thread frozen that arrives
//!    there (`QUARRY_LOOM_FREEZE=SITE`). It must really have frozen one, and the others must finish: in
//!    every interleaving at the bound. At the places where it says that it blocks it must *not* pass:
//!    the others spin into loom's branch limit, or loom finds a deadlock. So a run that could not tell
//!    the two apart fails.
//! 3. A canary, a spin lock, must be caught before any of this is believed.
//! 4. What the methods' documentation says must agree ([`docs`]): each that is called wait-free or
//!    lock-free is in a model that froze a thread, each that is called blocking in one that blocked.

mod docs;

use crate::cargo::{Package, Workspace};
use crate::loom::{self, End, Model};
use crate::orderings;
use crate::steps::{Steps, findings, passed};
use crate::weaken::in_parallel;
use anyhow::{Context, Result, bail};
use core::time::Duration;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

/// The bound at which frozen runs are explored.
const BOUND: u32 = 2;
/// Time limit of one frozen run: it takes about what the model takes.
const LIMIT: Duration = Duration::from_secs(120);

/// One line of `--json`'s `progress`: one model with a thread frozen at one site.
#[derive(Serialize)]
pub(crate) struct Row {
    #[serde(rename = "crate")]
    krate: String,
    model: String,
    file: String,
    line: usize,
    column: usize,
    op: String,
    function: String,
    /// `finishes` or `blocks`, as the model says.
    expected: &'static str,
    /// `finished`, `blocked`, `never frozen`, `failed` or `timed out`.
    verdict: &'static str,
    /// Executions in which a thread was frozen.
    frozen: u64,
}

/// What a model says about progress, and where a thread can be frozen in it.
#[derive(Default, Debug, PartialEq, Eq)]
struct Claims {
    lock_free: BTreeSet<String>,
    blocking: BTreeSet<String>,
    /// As [`place`] names them.
    blocks_at: BTreeSet<String>,
    sites: Vec<String>,
}

/// Where the ordinary run of the model `at` writes what it says; nothing of an earlier run is there.
pub(crate) fn told(workspace: &Workspace, at: usize) -> Result<PathBuf> {
    let folder = workspace.target.join("loom/progress");
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let path = folder.join(format!("{at}.txt"));
    if path.exists() {
        fs::remove_file(&path)?;
    }
    Ok(path)
}

impl Claims {
    fn read(text: &str) -> Result<Self> {
        let mut claims = Self::default();
        for line in text.lines() {
            let (what, rest) = line.split_once(' ').context("a line of two words")?;
            let rest = rest.to_owned();
            match what {
                "lock-free" => drop(claims.lock_free.insert(rest)),
                "blocking" => drop(claims.blocking.insert(rest)),
                "blocks-at" => drop(claims.blocks_at.insert(rest)),
                "site" => claims.sites.push(rest),
                _ => bail!("`{line}`: not what a model says about progress"),
            }
        }
        Ok(claims)
    }
}

/// One run to make: a model, and where a thread of it is frozen.
struct Job<'m> {
    model: &'m Model,
    site: String,
    function: String,
    place: String,
    blocks: bool,
}

/// Freezes threads in the models that say something about progress; `files` has what each wrote.
pub(crate) fn run(
    steps: &mut Steps,
    workspace: &Workspace,
    packages: &[&Package],
    models: &[Model],
    files: &[PathBuf],
) -> Vec<Row> {
    let mut claims = Vec::new();
    let mut jobs = Vec::new();
    let mut rows = Vec::new();
    let read = steps.step("what models say about progress", || {
        for (model, file) in models.iter().zip(files) {
            if !file.exists() {
                continue;
            }
            let said = Claims::read(&fs::read_to_string(file)?)?;
            let (own, fault) = jobs_of(workspace, model, &said)?;
            if let Some(fault) = fault {
                bail!("{fault}");
            }
            jobs.extend(own);
            claims.push((model, said));
        }
        passed(format!("{} models, {} sites to freeze a thread at", claims.len(), jobs.len()))
    });
    if !read || jobs.is_empty() {
        return rows;
    }
    let mut faults = Vec::new();
    for part in [true, false] {
        // The canaries, in tests, first: what is wrong on purpose must be found.
        let jobs: Vec<_> = jobs.iter().filter(|job| is_canary(job.model) == part).collect();
        let name = if part {
            "canary: a spin lock blocks"
        } else {
            "a thread frozen at each call of an atomic"
        };
        steps.step(name, || {
            let runs = in_parallel(jobs.len(), |at| frozen(jobs[at]))?;
            faults = runs.iter().filter_map(|(_, fault)| fault.clone()).collect();
            let own: Vec<Row> = runs.into_iter().map(|(row, _)| row).collect();
            let what = tally(&own);
            if part && !own.iter().any(|row| row.verdict == "blocked") {
                bail!("no canary was run: what follows proves nothing");
            }
            if !part {
                table(&own);
            }
            rows.extend(own);
            findings(what, faults.clone())
        });
    }
    steps.step("methods say of their progress what the models show", || {
        let mut found = Vec::new();
        let mut count = 0;
        for package in packages {
            // Canaries are in tests, without documentation.
            let own = claims.iter().filter(|(model, _)| !is_canary(model));
            let said: Vec<_> =
                own.filter(|(model, _)| model.package.name == package.name).collect();
            let lock_free =
                said.iter().flat_map(|(_, said)| said.lock_free.iter().cloned()).collect();
            let blocking: BTreeSet<_> =
                said.iter().flat_map(|(_, said)| said.blocking.iter().cloned()).collect();
            let (methods, silent) = docs::methods(package)?;
            if methods.is_empty() || said.is_empty() {
                continue;
            }
            count += methods.len();
            let silent = silent.into_iter();
            found.extend(silent.map(|name| format!("{name}: without a `# Concurrency`")));
            found.extend(docs::disagreements(&methods, &lock_free, &blocking));
        }
        findings(format!("{count} methods"), found)
    });
    rows
}

/// A model of a structure that exists to be caught.
fn is_canary(model: &Model) -> bool {
    model.name.rsplit("::").next().is_some_and(|name| name.starts_with("loom_canary_"))
}

/// The frozen runs of one model, and what is wrong with what it says.
fn jobs_of<'m>(
    workspace: &Workspace,
    model: &'m Model,
    said: &Claims,
) -> Result<(Vec<Job<'m>>, Option<String>)> {
    let mut scans: BTreeMap<String, Vec<orderings::Site>> = BTreeMap::new();
    let (mut jobs, mut met) = (Vec::new(), BTreeSet::new());
    for site in &said.sites {
        let (file, line, column, slot) = parts(site).with_context(|| site.clone())?;
        if !scans.contains_key(file) {
            scans.insert(file.to_owned(), orderings::scan_any(&workspace.root.join(file))?);
        }
        let (function, place) = place(&scans[file], line, column, slot);
        let blocks = said.blocks_at.contains(&place);
        met.insert(place.clone());
        jobs.push(Job { model, site: site.clone(), function, place, blocks });
    }
    let name = &model.name;
    let fault = if jobs.is_empty() {
        Some(format!("{name}: speaks of progress, and no two of its threads are at work at once"))
    } else if let Some(place) = said.blocks_at.difference(&met).next() {
        Some(format!(
            "{name}: never comes to `{place}`, where it says that it blocks; it meets {met:?}"
        ))
    } else if said.blocking.is_empty() != said.blocks_at.is_empty() {
        Some(format!("{name}: methods that block and places where they do go together"))
    } else {
        None
    };
    Ok((jobs, fault))
}

/// The function that a call is in, and the place's name: `function slot`, and the number among its like
/// where the function has several (`Ring::force rmw 2`).
fn place(scan: &[orderings::Site], line: usize, column: usize, slot: &str) -> (String, String) {
    let is = |site: &&orderings::Site| site.line == line && site.column == column;
    let Some(function) = scan.iter().find(is).map(|site| site.function.clone()) else {
        return ("?".to_owned(), format!("? {slot}"));
    };
    let like: Vec<_> =
        scan.iter().filter(|site| site.function == function && site.slot == slot).collect();
    let number = like.iter().position(is).map_or(0, |at| at + 1);
    let place = match like.len() {
        0 | 1 => format!("{function} {slot}"),
        _ => format!("{function} {slot} {number}"),
    };
    (function, place)
}

/// `file:line:column:slot`.
fn parts(site: &str) -> Option<(&str, usize, usize, &str)> {
    let mut parts = site.rsplitn(4, ':');
    let (slot, column, line) = (parts.next()?, parts.next()?, parts.next()?);
    Some((parts.next()?, line.parse().ok()?, column.parse().ok()?, slot))
}

fn frozen(job: &Job<'_>) -> Result<(Row, Option<String>)> {
    let env = [("QUARRY_LOOM_FREEZE", job.site.as_str()), ("QUARRY_LOOM_SPURIOUS", "0")];
    let run = loom::run(job.model, BOUND, &env, LIMIT)?;
    let frozen = number(&run.text, "frozen=");
    let verdict = verdict(run.end, &run.text, frozen);
    let (file, line, column, op) = parts(&job.site).with_context(|| job.site.clone())?;
    let expected = if job.blocks { "blocks" } else { "finishes" };
    let row = Row {
        krate: job.model.package.name.clone(),
        model: job.model.name.clone(),
        file: file.to_owned(),
        line,
        column,
        op: op.to_owned(),
        function: job.function.clone(),
        expected,
        verdict,
        frozen: frozen.unwrap_or(0),
    };
    let right = if job.blocks { "blocked" } else { "finished" };
    let fault = (verdict != right).then(|| {
        format!(
            "{}, a thread frozen at `{}` ({}): {verdict}, and should have {right}\n{}\n{}",
            row.model, job.place, job.site, run.shown, run.text
        )
    });
    Ok((row, fault))
}

fn verdict(end: End, text: &str, frozen: Option<u64>) -> &'static str {
    match end {
        End::Passed if frozen.unwrap_or(0) == 0 => "never frozen",
        End::Passed => "finished",
        End::BranchLimit => "blocked",
        End::Failed if text.contains("deadlock; threads") => "blocked",
        End::Failed => "failed",
        End::TimedOut => "timed out",
    }
}

/// The number after `key`, last mentioned.
fn number(text: &str, key: &str) -> Option<u64> {
    let rest = text.rsplit_once(key)?.1;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn tally(rows: &[Row]) -> String {
    let count = |verdict| rows.iter().filter(|row| row.verdict == verdict).count();
    let executions: u64 = rows.iter().map(|row| row.frozen).sum();
    format!(
        "{} runs: {} finished, {} blocked; a thread stood frozen in {executions} executions",
        rows.len(),
        count("finished"),
        count("blocked")
    )
}

/// Prints a line per structure and place.
fn table(rows: &[Row]) {
    let mut places: BTreeMap<(&str, String), (usize, u64, BTreeSet<&str>)> = BTreeMap::new();
    for row in rows {
        let place = format!("{} {}", row.function, row.op);
        let entry = places.entry((&row.krate, place)).or_default();
        entry.0 += 1;
        entry.1 += row.frozen;
        entry.2.insert(row.verdict);
    }
    for ((krate, place), (runs, frozen, verdicts)) in places {
        let verdicts: Vec<_> = verdicts.into_iter().collect();
        println!(
            "   {krate} {place:<48} {runs:>3} runs {frozen:>7} frozen  {}",
            verdicts.join(", ")
        );
    }
}

#[cfg(test)]
mod tests {
    use super::{Claims, number, parts, place, verdict};
    use crate::loom::End;
    use crate::orderings::Site;

    #[test]
    fn what_a_model_says_is_read() {
        let text =
            "blocking A::pop\nblocks-at A::claim cas-ok\nlock-free A::push\nsite a/b.rs:1:2:load\n";
        let claims = Claims::read(text).expect("well formed");
        assert!(claims.blocking.contains("A::pop") && claims.lock_free.contains("A::push"));
        assert!(claims.blocks_at.contains("A::claim cas-ok"));
        assert_eq!(claims.sites, ["a/b.rs:1:2:load"]);
        assert!(Claims::read("nonsense here").is_err());
        assert_eq!(parts("a/b.rs:1:2:load"), Some(("a/b.rs", 1, 2, "load")));
    }

    #[test]
    fn places_of_a_kind_in_one_function_are_numbered() {
        let site = |line, slot, function: &str| Site {
            file: "a.rs".into(),
            line,
            column: 5,
            slot,
            ordering: "Relaxed",
            function: function.into(),
        };
        let scan = [site(1, "rmw", "A::f"), site(2, "rmw", "A::f"), site(3, "load", "A::f")];
        assert_eq!(place(&scan, 2, 5, "rmw").1, "A::f rmw 2");
        assert_eq!(place(&scan, 3, 5, "load").1, "A::f load");
        assert_eq!(place(&scan, 9, 5, "load").1, "? load");
    }

    #[test]
    fn a_run_that_froze_nobody_shows_nothing() {
        assert_eq!(verdict(End::Passed, "", Some(0)), "never frozen");
        assert_eq!(verdict(End::Passed, "", None), "never frozen");
        assert_eq!(verdict(End::Passed, "", Some(3)), "finished");
        assert_eq!(number("model x frozen=12\nok", "frozen="), Some(12));
    }

    #[test]
    fn waiting_for_the_frozen_thread_is_told_from_a_failure() {
        assert_eq!(verdict(End::BranchLimit, "", None), "blocked");
        assert_eq!(verdict(End::Failed, "panicked: deadlock; threads = [..]", None), "blocked");
        assert_eq!(verdict(End::Failed, "assertion failed", None), "failed");
        assert_eq!(verdict(End::TimedOut, "", None), "timed out");
    }
}
