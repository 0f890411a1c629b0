//! Targets and what became of them: `bench --claims`.
//!
//! `targets.toml` holds the numbers to reach, `claims.toml` what our READMEs state; both are
//! checked the same way.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result, bail};

pub mod target;
pub mod verdict;

pub use target::Target;
pub use verdict::{Finding, Verdict};

use crate::machine;

/// Reads both files.
///
/// # Errors
///
/// Returns an error that names the file and what is wrong in it.
pub fn load() -> Result<Vec<Target>> {
    let folder = machine::root().join("benches");
    let mut targets = Vec::new();
    for name in ["targets.toml", "claims.toml"] {
        let path = folder.join(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        targets.extend(target::parse(&text).with_context(|| format!("in {}", path.display()))?);
    }
    for (index, target) in targets.iter().enumerate() {
        if targets[..index].iter().any(|t| t.id == target.id) {
            bail!("target {:?} is stated twice", target.id);
        }
    }
    Ok(targets)
}

/// Keeps the targets of the named crates.
///
/// # Errors
///
/// Returns an error that names the crates that have targets when one has none.
pub fn of_crates(targets: Vec<Target>, crates: &[String]) -> Result<Vec<Target>> {
    let mut known: Vec<String> = targets.iter().map(Target::krate).collect();
    known.sort();
    known.dedup();
    for name in crates {
        if !known.contains(name) {
            bail!(
                "no target of a crate called {name:?}; crates with targets: {}",
                known.join(", ")
            );
        }
    }
    Ok(targets.into_iter().filter(|t| crates.is_empty() || crates.contains(&t.krate())).collect())
}

/// Whether a crate stands: it has a row in the root README's table of crates.
#[must_use]
pub fn stands(krate: &str) -> bool {
    let path: &Path = &machine::root().join("README.md");
    fs::read_to_string(path).is_ok_and(|readme| listed(&readme, krate))
}

fn listed(readme: &str, krate: &str) -> bool {
    readme.lines().filter_map(|line| line.trim().strip_prefix('|')).any(|row| {
        let first = row.split('|').next().unwrap_or("");
        first
            .split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'))
            .any(|word| word == krate)
    })
}

/// Prints one line for each finding, failures first, and a count; returns whether all is well.
///
/// # Errors
///
/// Returns the writer's error.
pub fn print(out: &mut dyn Write, findings: &[Finding]) -> io::Result<bool> {
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| (!finding.fails, finding.verdict));
    writeln!(out)?;
    for finding in sorted {
        let mark = if finding.fails { "✗" } else { "·" };
        writeln!(
            out,
            "{mark} {:<15} {:<30} {}{}{}",
            finding.verdict.word(),
            finding.id,
            finding.requirement,
            if finding.measured.is_empty() { "" } else { "; measured " },
            finding.measured
        )?;
        if !finding.why.is_empty() {
            writeln!(out, "{:18}{}", "", finding.why)?;
        }
    }
    let count = |verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    writeln!(
        out,
        "\n{} targets: {} hold, {} fall short, {} not resolved, {} missing, {} not applicable",
        findings.len(),
        count(Verdict::Holds),
        count(Verdict::FallsShort),
        count(Verdict::NotResolved),
        count(Verdict::Missing),
        count(Verdict::NotApplicable)
    )?;
    Ok(findings.iter().all(|finding| !finding.fails))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_project_are_well_formed() {
        let targets = load().unwrap();
        assert!(targets.len() > 50, "{} targets", targets.len());
        let error =
            of_crates(load().unwrap(), &["alloc-liner".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("alloc-linear") && error.contains("lockfree"), "{error}");
        let linear = of_crates(load().unwrap(), &["alloc-linear".to_owned()]).unwrap();
        assert!(linear.len() >= 10 && linear.iter().all(|t| t.case.starts_with("linear/")));
    }

    #[test]
    fn a_crate_stands_when_the_table_of_crates_lists_it() {
        let readme = "# Q\nalloc-slab is not here\n| crate | what |\n|---|---|\n| [`alloc-linear`](crates/alloc-linear) | bump; see alloc-arena |\n";
        assert!(listed(readme, "alloc-linear"));
        for absent in ["alloc-slab", "alloc-arena", "alloc", "linear"] {
            assert!(!listed(readme, absent), "{absent}");
        }
    }
}
