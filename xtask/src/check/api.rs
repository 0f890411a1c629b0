//! The public interface: every crate's is recorded in its `public-api.txt`, and each crate can be
//! packaged by itself.
//!
//! A change of the interface is then a change that a reviewer reads. rustdoc's JSON, from which
//! the list is made, is unstable; its version here is fixed by the pinned toolchain, so the
//! pinned compiler is asked for it instead of a nightly one.

use crate::cargo::{Build, Package, Workspace};
use crate::child::{self, Stderr};
use crate::steps::{Steps, findings, passed};
use crate::test::every_feature;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Runs these checks over the workspace; with `record`, writes the records anew instead.
pub(crate) fn check(steps: &mut Steps, workspace: &Workspace, record: bool) {
    let crates = workspace.crates();
    steps.step("public interfaces are the recorded ones", || {
        let mut found = Vec::new();
        let mut items = 0;
        for package in &crates {
            let now = interface(workspace, package)?;
            items += now.lines().count();
            if record {
                fs::write(recorded(package), now)?;
            } else {
                let before = fs::read_to_string(recorded(package)).unwrap_or_default();
                found.extend(differences(&package.name, &before, &now));
            }
        }
        if !found.is_empty() {
            found.push("wanted? record it: cargo xtask check --record-api".into());
        }
        findings(format!("{items} items of {} crates", crates.len()), found)
    });
    steps.step("packages: every crate builds from what would be published", || {
        let mut command = Build::plain().cargo(workspace, "package");
        command.args(crates.iter().flat_map(|package| ["-p", &package.name]));
        // What is not committed yet may be checked too; nothing is looked up, nothing uploaded.
        command.args(["--allow-dirty", "--offline", "--quiet"]);
        let place = Place::new(workspace)?;
        command.env("CARGO_TARGET_DIR", &place.target);
        child::must(&mut command, Stderr::Captured)?;
        passed(format!("{} crates", crates.len()))
    });
}

/// Where crates are packaged: a folder that never was before. Cargo keeps what it unpacked of a package
/// by folder and version, and would build the next one against it. Both go when this is dropped.
struct Place {
    target: PathBuf,
    unpacked: PathBuf,
    before: BTreeSet<OsString>,
}

impl Place {
    fn new(workspace: &Workspace) -> Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_nanos();
        let target = workspace.target.join(format!("packages-{now}"));
        let unpacked = home::cargo_home()?.join("registry/src");
        Ok(Self { before: names(&unpacked), target, unpacked })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What is left behind is only unused.
        let _ = fs::remove_dir_all(&self.target);
        for name in names(&self.unpacked).difference(&self.before) {
            // A registry without a name is one in a folder.
            if name.to_string_lossy().starts_with('-') {
                let _ = fs::remove_dir_all(self.unpacked.join(name));
            }
        }
    }
}

/// The names in a folder; none if it is not there.
fn names(folder: &Path) -> BTreeSet<OsString> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.filter_map(|entry| Some(entry.ok()?.file_name())).collect()
}

fn recorded(package: &Package) -> PathBuf {
    package.dir().join("public-api.txt")
}

/// One line per public item, every feature on; blanket, automatic and derived impls left out.
fn interface(workspace: &Workspace, package: &Package) -> Result<String> {
    let env = vec![("RUSTC_BOOTSTRAP".to_owned(), "1".to_owned())];
    let build = Build { folder: Some("api"), env, ..Build::plain() };
    let mut command = build.cargo(workspace, "rustdoc");
    command.args(["--lib", "--quiet", "-p", &package.name]).args(every_feature(package));
    command.args(["--", "-Zunstable-options", "--output-format=json", "--cap-lints=allow"]);
    child::must(&mut command, Stderr::Captured)?;
    let file = format!("api/doc/{}.json", package.name.replace('-', "_"));
    let api = public_api::Builder::from_rustdoc_json(workspace.target.join(file))
        .omit_blanket_impls(true)
        .omit_auto_trait_impls(true)
        .omit_auto_derived_impls(true)
        .build()
        .with_context(|| format!("the interface of {}", package.name))?;
    Ok(api.to_string())
}

/// What went and what came, by line.
fn differences(name: &str, before: &str, now: &str) -> Vec<String> {
    let (old, new): (BTreeSet<_>, BTreeSet<_>) = (before.lines().collect(), now.lines().collect());
    let gone = old.difference(&new).map(|line| format!("{name}: gone: {line}"));
    gone.chain(new.difference(&old).map(|line| format!("{name}: new: {line}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::differences;

    #[test]
    fn what_is_gone_and_what_is_new_is_told() {
        assert!(differences("x", "a\nb\n", "a\nb\n").is_empty());
        let found = differences("x", "fn a(&self)\nb\n", "fn a(self)\nb\n");
        assert_eq!(found, ["x: gone: fn a(&self)", "x: new: fn a(self)"]);
        assert_eq!(differences("x", "", "a\n"), ["x: new: a"], "a record that is missing");
    }
}
