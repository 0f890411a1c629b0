//! Rules about the dependency graph: floors, budget, peers, licences, and every combination of
//! features. The rules themselves are data, in `xtask/policy.toml`.

use crate::cargo::{Build, Package, Workspace};
use crate::child::{self, Stderr};
use crate::steps::{Steps, findings, passed};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// With more features than this, single ones and pairs are built instead of every combination.
const MOST_FEATURES: usize = 5;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    floors: BTreeMap<String, u32>,
    peers: Peers,
    budget: BTreeMap<String, usize>,
    licences: Licences,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Peers {
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Licences {
    allowed: Vec<String>,
    #[serde(default)]
    exceptions: BTreeMap<String, String>,
}

fn policy() -> Result<Policy> {
    toml::from_str(include_str!("../../policy.toml")).context("xtask/policy.toml")
}

/// Runs these checks over the workspace.
pub(crate) fn check(steps: &mut Steps, workspace: &Workspace) {
    steps.step("crates depend only on lower floors, and never on peers", || {
        let policy = policy()?;
        let crates = workspace.crates();
        let found = crates.iter().flat_map(|package| {
            let names: Vec<_> = package.dependencies.iter().map(|d| d.name.as_str()).collect();
            let shipped: Vec<_> = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind.as_deref() != Some("dev"))
                .map(|dependency| dependency.name.as_str())
                .collect();
            let mut found = floors(&policy, &package.name, &shipped);
            found.extend(peers(&policy, &package.name, &names));
            found
        });
        findings(format!("{} crates", crates.len()), found.collect())
    });
    steps.step("dependency budget", || {
        let policy = policy()?;
        let (mut found, mut told) = (Vec::new(), Vec::new());
        for package in workspace.crates() {
            let external = external(workspace, package)?;
            told.push(format!("{} {}", package.name, external.len()));
            found.extend(over_budget(&policy, &package.name, &external));
        }
        findings(format!("external packages: {}", told.join(", ")), found)
    });
    steps.step("licences", || {
        let policy = policy()?;
        let packages = locked(workspace)?;
        let found = packages
            .iter()
            .filter_map(|(name, licence)| refused(&policy.licences, name, licence.as_deref()));
        let exceptions = policy.licences.exceptions.len();
        findings(format!("{} packages, {exceptions} exceptions", packages.len()), found.collect())
    });
    for package in workspace.crates() {
        let sets = combinations(&package.stable_features());
        steps.step(format!("{}: every combination of its features", package.name), || {
            let build = Build { folder: Some("powerset"), ..Build::plain() };
            let build = build.flags(&["-D warnings"]);
            for set in &sets {
                let mut command = build.cargo(workspace, "check");
                command.args(["--quiet", "-p", &package.name, "--no-default-features"]);
                if !set.is_empty() {
                    command.args(["--features", &set.join(",")]);
                }
                let done = child::run(&mut command, Stderr::Captured, None)?;
                if !done.ok() {
                    bail!("`{}`\n{}", child::show(&command), done.stderr);
                }
            }
            passed(format!("{} combinations", sets.len()))
        });
    }
}

/// Dependencies of `name` that are not on a lower floor.
fn floors(policy: &Policy, name: &str, dependencies: &[&str]) -> Vec<String> {
    let Some(own) = policy.floors.get(name) else {
        return vec![format!("{name}: no floor; add it to xtask/policy.toml")];
    };
    let mut found = Vec::new();
    for dependency in dependencies {
        match policy.floors.get(*dependency) {
            Some(floor) if floor >= own => found.push(format!(
                "{name} (floor {own}) depends on {dependency} (floor {floor}): only lower floors"
            )),
            _ => {}
        }
    }
    found
}

fn peers(policy: &Policy, name: &str, dependencies: &[&str]) -> Vec<String> {
    let is_peer = |dependency: &&&str| policy.peers.names.iter().any(|peer| peer == **dependency);
    let named = dependencies.iter().filter(is_peer);
    named.map(|peer| format!("{name} depends on {peer}: only `benches` may name a peer")).collect()
}

/// The external packages in the default graph of normal dependencies on this host.
fn external(workspace: &Workspace, package: &Package) -> Result<BTreeSet<String>> {
    let mut command = Build::plain().cargo(workspace, "tree");
    command.args(["--locked", "-p", &package.name, "-e", "normal", "--prefix", "none"]);
    command.args(["--format", "{p}"]);
    let done = child::run(&mut command, Stderr::Captured, None)?;
    if !done.ok() {
        bail!("`{}`: {}", child::show(&command), done.stderr);
    }
    let ours: BTreeSet<_> = workspace.packages.iter().map(|package| &*package.name).collect();
    let names = done.stdout.lines().filter_map(|line| line.split_whitespace().next());
    Ok(names.filter(|name| !ours.contains(name)).map(str::to_owned).collect())
}

fn over_budget(policy: &Policy, name: &str, external: &BTreeSet<String>) -> Option<String> {
    let (_, &most) = policy.budget.iter().find(|(prefix, _)| name.starts_with(prefix.as_str()))?;
    (external.len() > most).then(|| {
        let names: Vec<_> = external.iter().map(String::as_str).collect();
        format!("{name}: {} external packages ({}); at most {most}", names.len(), names.join(", "))
    })
}

/// Every package that `Cargo.lock` names, with its licence expression.
fn locked(workspace: &Workspace) -> Result<Vec<(String, Option<String>)>> {
    #[derive(Deserialize)]
    struct Metadata {
        packages: Vec<Locked>,
    }
    #[derive(Deserialize)]
    struct Locked {
        name: String,
        license: Option<String>,
    }
    let mut command = Build::plain().cargo(workspace, "metadata");
    command.args(["--locked", "--format-version", "1"]);
    let done = child::run(&mut command, Stderr::Captured, None)?;
    if !done.ok() {
        bail!("`{}`: {}", child::show(&command), done.stderr);
    }
    let metadata: Metadata = serde_json::from_str(&done.stdout)?;
    Ok(metadata.packages.into_iter().map(|p| (p.name, p.license)).collect())
}

fn refused(rules: &Licences, name: &str, licence: Option<&str>) -> Option<String> {
    if rules.exceptions.contains_key(name) {
        return None;
    }
    let Some(licence) = licence else {
        return Some(format!("{name}: states no licence"));
    };
    // `A/B` is the old spelling of `A OR B`.
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<_> = spaced.split_whitespace().collect();
    let mut at = 0;
    let allowed = expression(rules, &words, &mut at) && at == words.len();
    (!allowed).then(|| format!("{name}: `{licence}` is not allowed"))
}

/// A position that no expression ends at.
const MALFORMED: usize = usize::MAX;

/// `term (OR term)*`
fn expression(rules: &Licences, words: &[&str], at: &mut usize) -> bool {
    let mut value = term(rules, words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        let right = term(rules, words, at);
        value = value || right;
    }
    value
}

/// `factor (AND factor)*`
fn term(rules: &Licences, words: &[&str], at: &mut usize) -> bool {
    let mut value = factor(rules, words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        let right = factor(rules, words, at);
        value = value && right;
    }
    value
}

/// `( expression )`, `NAME` or `NAME WITH EXCEPTION`
fn factor(rules: &Licences, words: &[&str], at: &mut usize) -> bool {
    let Some(&word) = words.get(*at) else {
        *at = MALFORMED;
        return false;
    };
    *at += 1;
    if word == "(" {
        let value = expression(rules, words, at);
        *at = if words.get(*at) == Some(&")") { *at + 1 } else { MALFORMED };
        return value;
    }
    let mut name = word.to_owned();
    if words.get(*at) == Some(&"WITH") {
        name = format!("{word} WITH {}", words.get(*at + 1).copied().unwrap_or_default());
        *at += 2;
    }
    rules.allowed.contains(&name)
}

/// Every subset; or, of many features, none, each, each pair and all.
fn combinations(features: &[String]) -> Vec<Vec<String>> {
    let pick = |mask: u64| -> Vec<String> {
        let chosen = features.iter().enumerate().filter(|(bit, _)| mask >> bit & 1 == 1);
        chosen.map(|(_, name)| name.clone()).collect()
    };
    let all = (1_u64 << features.len()) - 1;
    let few = features.len() <= MOST_FEATURES;
    (0..=all).filter(|mask| few || mask.count_ones() <= 2 || *mask == all).map(pick).collect()
}

#[cfg(test)]
mod tests {
    use super::{Policy, combinations, floors, over_budget, peers, policy, refused};
    use std::collections::BTreeSet;

    fn rules() -> Policy {
        policy().expect("policy.toml is well formed")
    }

    #[test]
    fn a_crate_that_depends_upwards_or_sideways_is_found() {
        let policy = rules();
        assert!(floors(&policy, "alloc-linear", &["alloc-core", "primitives", "libc"]).is_empty());
        assert_eq!(floors(&policy, "alloc-linear", &["alloc-arena"]).len(), 1);
        assert_eq!(floors(&policy, "primitives", &["pool"]).len(), 1);
        assert_eq!(floors(&policy, "newcomer", &[]).len(), 1, "a crate needs a floor");
    }

    #[test]
    fn a_peer_in_a_crate_is_found() {
        assert_eq!(peers(&rules(), "alloc-linear", &["bumpalo", "libc"]).len(), 1);
    }

    #[test]
    fn a_crate_over_its_budget_is_found() {
        let names = |n: usize| (0..n).map(|i| format!("p{i}")).collect::<BTreeSet<_>>();
        assert!(over_budget(&rules(), "alloc-linear", &names(3)).is_none());
        assert!(over_budget(&rules(), "alloc-linear", &names(4)).is_some());
        assert!(over_budget(&rules(), "batch", &names(4)).is_none(), "no budget stated");
    }

    #[test]
    fn a_licence_outside_the_list_is_found() {
        let licences = rules().licences;
        for good in [
            "MIT",
            "MIT/Apache-2.0",
            "GPL-3.0 OR MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(refused(&licences, "p", Some(good)).is_none(), "{good}");
        }
        for bad in ["GPL-3.0", "MIT AND GPL-3.0", "MIT OR", "(MIT", "MIT GPL-3.0", ""] {
            assert!(refused(&licences, "p", Some(bad)).is_some(), "{bad}");
        }
        assert!(refused(&licences, "p", None).is_some());
    }

    #[test]
    fn feature_combinations_are_complete() {
        let names = |n: usize| (0..n).map(|i| format!("f{i}")).collect::<Vec<_>>();
        assert_eq!(combinations(&[]), [Vec::<String>::new()]);
        assert_eq!(combinations(&names(3)).len(), 8);
        assert_eq!(combinations(&names(8)).len(), 1 + 8 + 28 + 1);
    }
}
