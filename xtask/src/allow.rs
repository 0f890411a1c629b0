//! `loom-allow.toml` of a crate: the orderings that no model kills, each with its proof.
//!
//! ```toml
//! [[allow]]
//! file = "src/slots.rs"          # from the crate's folder
//! function = "ThreadSlots::claim" # as the scan names it: `Type::name` or `name`
//! slot = "cas-ok"                # load, store, rmw, cas-ok, cas-err, fence
//! from = "AcqRel"
//! to = "Release"                 # absent for `platform`
//! count = 1                      # orderings of this description in the function; 1 when absent
//! reason = "redundant-proof"     # loom-seqcst, platform, needs-test
//! proof = "…"
//! ```
//!
//! - `redundant-proof`: needed by the argument in the source, yet no execution of a small model
//!   can tell; `loom-seqcst`: loom treats the two alike. Both name the edge and argue it; together
//!   at most 5 % of the workspace's orderings, and never fewer than [`FLOOR`] of them (5 % of a
//!   small workspace would be none).
//! - `platform`: no model can compile it (a static of a global allocator, system calls).
//! - `needs-test`: always fails; it marks work to do.
//!
//! An entry that describes nothing that remains is stale, and fails.

use crate::cargo::{Package, Workspace};
use crate::orderings;
use crate::steps::{Outcome, findings};
use crate::weaken::SiteRow;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// How many exceptions are allowed however few orderings there are.
const FLOOR: usize = 2;

/// One row of the mutation run, with the function that the site is in.
pub(crate) struct Finding<'a> {
    pub(crate) row: &'a mut SiteRow,
    pub(crate) function: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    allow: Vec<Entry>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Entry {
    file: String,
    function: String,
    slot: String,
    from: String,
    to: Option<String>,
    #[serde(default = "one")]
    count: usize,
    reason: Reason,
    proof: String,
}

fn one() -> usize {
    1
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "kebab-case")]
enum Reason {
    RedundantProof,
    LoomSeqcst,
    Platform,
    NeedsTest,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::RedundantProof => "redundant-proof",
            Self::LoomSeqcst => "loom-seqcst",
            Self::Platform => "platform",
            Self::NeedsTest => "needs-test",
        }
    }
}

/// Holds what was not killed against the allow files.
pub(crate) fn explain(
    workspace: &Workspace,
    packages: &[&Package],
    mut rows: Vec<Finding<'_>>,
) -> Result<Outcome> {
    let mut sites = 0;
    for package in workspace.crates() {
        sites += orderings::scan_crate(workspace, package)?.sites.len();
    }
    let mut faults = Vec::new();
    let mut excused = BTreeSet::new();
    for package in packages {
        let path = package.dir().join("loom-allow.toml");
        let folder = workspace.relative(package.dir());
        for entry in read(&path)? {
            let shown = format!("{}: {}", workspace.relative(&path), entry.shown());
            entry.apply(&folder, &shown, &mut rows, &mut faults, &mut excused);
        }
    }
    let mut platform = 0;
    for Finding { row, function } in &rows {
        platform += usize::from(row.verdict == "platform");
        if row.reason.is_none() && row.verdict != "killed" && row.verdict != "platform" {
            faults.push(format!(
                "{}:{}:{} in {function}: {} {}{}{} {}",
                row.file,
                row.line,
                row.column,
                row.op,
                row.from,
                if row.to.is_empty() { "" } else { " -> " },
                row.to,
                row.verdict
            ));
        }
    }
    let budget = budget(sites);
    if excused.len() > budget {
        faults.push(format!(
            "{} orderings are excused as redundant-proof or loom-seqcst; of {sites} at most \
             {budget} may be",
            excused.len()
        ));
    }
    let excused = excused.len();
    findings(format!("{excused} of {budget} exceptions used, {platform} platform"), faults)
}

/// At most 5 % of `sites`, and never fewer than [`FLOOR`].
fn budget(sites: usize) -> usize {
    (sites / 20).max(FLOOR)
}

fn read(path: &Path) -> Result<Vec<Entry>> {
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text).with_context(|| path.display().to_string())
}

fn parse(text: &str) -> Result<Vec<Entry>> {
    Ok(toml::from_str::<File>(text)?.allow)
}

impl Entry {
    fn shown(&self) -> String {
        let to = self.to.as_deref().map(|to| format!(" -> {to}")).unwrap_or_default();
        format!("{} {} {} {}{to}", self.file, self.function, self.slot, self.from)
    }

    /// Marks the rows that this entry explains.
    fn apply(
        &self,
        folder: &str,
        shown: &str,
        rows: &mut [Finding<'_>],
        faults: &mut Vec<String>,
        excused: &mut BTreeSet<(String, usize, usize, &'static str)>,
    ) {
        let file = format!("{folder}/{}", self.file);
        let verdict = if self.reason == Reason::Platform { "unexercised" } else { "survived" };
        let mut matched = 0;
        for Finding { row, function } in rows {
            let same = row.file == file
                && *function == self.function
                && row.op == self.slot
                && row.from == self.from
                && row.verdict == verdict
                && self
                    .to
                    .as_deref()
                    .is_none_or(|to| self.reason == Reason::Platform || to == row.to);
            if !same {
                continue;
            }
            matched += 1;
            row.reason = Some(self.reason.word().to_owned());
            match self.reason {
                Reason::Platform => row.verdict = "platform",
                Reason::NeedsTest => faults.push(format!("{shown}: needs a test")),
                Reason::RedundantProof | Reason::LoomSeqcst => {
                    excused.insert((row.file.clone(), row.line, row.column, row.op));
                }
            }
        }
        if matched == 0 {
            faults.push(format!("{shown}: stale, nothing like it remains"));
        } else if matched != self.count {
            faults.push(format!("{shown}: describes {matched} orderings, says {}", self.count));
        }
        if self.proof.trim().len() < SHORTEST_PROOF {
            faults.push(format!("{shown}: the proof is missing"));
        }
        if self.to.is_none() && self.reason != Reason::Platform {
            faults.push(format!("{shown}: `to` is missing"));
        }
    }
}

/// Shorter than this is no argument.
const SHORTEST_PROOF: usize = 40;

#[cfg(test)]
mod tests {
    use super::{Entry, Finding, budget, parse};
    use crate::weaken::SiteRow;
    use std::collections::BTreeSet;

    fn row(verdict: &'static str, to: &'static str) -> SiteRow {
        SiteRow {
            krate: "x".into(),
            file: "crates/x/src/a.rs".into(),
            line: 1,
            column: 2,
            op: "load",
            from: "Acquire",
            to,
            verdict,
            killed_by: None,
            reason: None,
        }
    }

    fn entry(reason: &str, extra: &str) -> Entry {
        let text = format!(
            "[[allow]]\nfile = \"src/a.rs\"\nfunction = \"A::f\"\nslot = \"load\"\n\
             from = \"Acquire\"\nreason = \"{reason}\"\n\
             proof = \"edge [a]: the value read is re-validated by the exchange\"\n{extra}"
        );
        parse(&text).expect("well formed").remove(0)
    }

    fn applied(entry: &Entry, row: &mut SiteRow) -> (Vec<String>, usize) {
        let (mut faults, mut excused) = (Vec::new(), BTreeSet::new());
        let mut rows = [Finding { row, function: "A::f".into() }];
        entry.apply("crates/x", "entry", &mut rows, &mut faults, &mut excused);
        (faults, excused.len())
    }

    #[test]
    fn a_survivor_is_excused_by_its_entry() {
        let mut row = row("survived", "Relaxed");
        let (faults, excused) = applied(&entry("redundant-proof", "to = \"Relaxed\""), &mut row);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!((excused, row.reason.as_deref()), (1, Some("redundant-proof")));
    }

    #[test]
    fn an_entry_that_matches_nothing_is_stale() {
        let (faults, _) =
            applied(&entry("loom-seqcst", "to = \"Relaxed\""), &mut row("killed", "Relaxed"));
        assert!(faults.iter().any(|fault| fault.contains("stale")), "{faults:?}");
        let (faults, _) = applied(&entry("platform", ""), &mut row("survived", "Relaxed"));
        assert!(faults.iter().any(|fault| fault.contains("stale")), "platform is for unexercised");
    }

    #[test]
    fn platform_explains_what_no_model_executes() {
        let mut row = row("unexercised", "");
        let (faults, excused) = applied(&entry("platform", ""), &mut row);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!((excused, row.verdict), (0, "platform"));
    }

    #[test]
    fn needs_test_wrong_counts_and_empty_proofs_fail() {
        for (reason, extra) in [("needs-test", "to = \"Relaxed\""), ("redundant-proof", "")] {
            let (faults, _) = applied(&entry(reason, extra), &mut row("survived", "Relaxed"));
            assert!(!faults.is_empty(), "{reason}");
        }
        let two = entry("redundant-proof", "to = \"Relaxed\"\ncount = 2");
        let (faults, _) = applied(&two, &mut row("survived", "Relaxed"));
        assert!(faults[0].contains("describes 1"), "{faults:?}");
        let mut bare = entry("redundant-proof", "to = \"Relaxed\"");
        bare.proof = "because".into();
        assert!(!applied(&bare, &mut row("survived", "Relaxed")).0.is_empty());
    }

    #[test]
    fn the_budget_is_five_percent_with_a_floor() {
        assert_eq!((budget(0), budget(39), budget(60), budget(400)), (2, 2, 3, 20));
    }
}
