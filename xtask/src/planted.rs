//! `cargo xtask test --planted`: are the tests able to fail?
//!
//! A crate lists faults in `bugs.toml`; the source carries each under `#[cfg(bug = "NAME")]`.
//!
//! ```toml
//! [[bug]]
//! name = "padding"                       # the value of the cfg
//! what = "alignment padding is left out of the capacity check"
//! caught_by = "props::layouts_match_model" # a test, by its whole name or its last parts
//! build = "plain"                        # or "loom"
//! ```
//!
//! Each fault is built alone, and its test must fail in a child process: a failed assertion, a
//! panic, a crash. A fault that does not compile, or a test that hangs, is not caught. The same
//! test must pass without the fault. Only the crate under test is compiled again for each fault:
//! this program stands in for the compiler and adds the `--cfg` to that crate alone.

use crate::cargo::{self, Build, Package, TestProgram, Workspace};
use crate::child::{self, Stderr};
use crate::steps::{Outcome, Steps, passed};
use crate::test::{Count, every_feature, results};
use anyhow::{Context, Result, bail};
use core::time::Duration;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::process::{Command, ExitCode};

/// Fewer faults than this say too little about a crate's tests.
const AT_LEAST: usize = 6;
/// A test that takes longer with a fault in it hangs.
const LIMIT: Duration = Duration::from_secs(120);
/// Set for the compiler stand-in: `CRATE=BUG`, the crate in compiler spelling.
const PLANT: &str = "QUARRY_BUG";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    bug: Vec<Bug>,
}

#[derive(Deserialize, Clone)]
#[serde(deny_unknown_fields)]
struct Bug {
    name: String,
    what: String,
    caught_by: String,
    build: Kind,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq, Debug)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Plain,
    Loom,
}

/// Stands in for the compiler when cargo calls this program as one: adds the fault's `--cfg` to
/// the crate it belongs to. `None` when this program was called as itself.
pub(crate) fn as_compiler() -> Option<ExitCode> {
    let plant = env::var(PLANT).ok()?;
    let (krate, bug) = plant.split_once('=')?;
    let mut args = env::args_os().skip(1);
    let mut command = Command::new(args.next()?);
    let args: Vec<_> = args.collect();
    let mut pairs = args.windows(2);
    if !bug.is_empty() && pairs.any(|pair| pair[0] == "--crate-name" && pair[1] == krate) {
        command.arg("--cfg").arg(format!("bug={bug:?}"));
    }
    let status = command.args(args).status().ok();
    let code = status.and_then(|status| status.code()).and_then(|code| u8::try_from(code).ok());
    Some(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// Runs the command.
pub(crate) fn main(workspace: &Workspace, names: &[String]) -> Result<ExitCode> {
    let mut steps = Steps::new("test --planted");
    let mut count = Count::default();
    for package in workspace.choose(names, false)? {
        let mut bugs = Vec::new();
        let listed = steps.step(format!("{} faults listed", package.name), || {
            bugs = read(package)?;
            complete(workspace, package, &bugs)
        });
        if !listed {
            count.failed += 1;
        }
        for kind in [Kind::Plain, Kind::Loom] {
            let of_kind: Vec<_> = bugs.iter().filter(|bug| bug.build == kind).cloned().collect();
            if of_kind.is_empty() {
                continue;
            }
            let mut programs = Vec::new();
            let built = steps.step(format!("{} without a fault ({kind:?})", package.name), || {
                programs = build(workspace, package, kind, "", &[])?;
                all_pass(package, kind, &programs, &of_kind)
            });
            if !built {
                count.failed += 1;
                continue;
            }
            for bug in of_kind {
                let caught = steps.step(format!("{}: {}", package.name, bug.name), || {
                    catch(workspace, package, &bug, &programs)
                });
                if caught {
                    count.passed += 1;
                } else {
                    count.failed += 1;
                }
            }
        }
    }
    let code = steps.finish();
    println!("{} passed, {} failed", count.passed, count.failed);
    Ok(code)
}

fn read(package: &Package) -> Result<Vec<Bug>> {
    let path = package.dir().join("bugs.toml");
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(toml::from_str::<File>(&text).with_context(|| path.display().to_string())?.bug)
}

/// The list and the source must speak of the same faults, and there must be enough of them.
fn complete(workspace: &Workspace, package: &Package, bugs: &[Bug]) -> Result<Outcome> {
    let mut planted = BTreeSet::new();
    for path in crate::orderings::sources(&package.dir().join("src"))? {
        planted.extend(names_in(&fs::read_to_string(path)?));
    }
    let listed: BTreeSet<String> = bugs.iter().map(|bug| bug.name.clone()).collect();
    if listed.len() != bugs.len() {
        bail!("a fault is listed twice");
    }
    if let Some(vague) = bugs.iter().find(|bug| bug.what.trim().is_empty()) {
        bail!("`{}` does not say what is wrong", vague.name);
    }
    if let Some(name) = listed.difference(&planted).next() {
        bail!("`{name}` is listed; no `cfg(bug = {name:?})` in the source");
    }
    if let Some(name) = planted.difference(&listed).next() {
        bail!("`{name}` is planted in the source and not listed in bugs.toml");
    }
    if bugs.len() < AT_LEAST {
        let place = workspace.relative(package.dir());
        bail!("{place}/bugs.toml lists {} faults; at least {AT_LEAST} are needed", bugs.len());
    }
    passed(format!("{} faults", bugs.len()))
}

/// The names in `bug = "NAME"` predicates.
fn names_in(text: &str) -> BTreeSet<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut names = BTreeSet::new();
    for line in code {
        let mut rest = line;
        while let Some((before, after)) = rest.split_once("bug = \"") {
            let Some((name, tail)) = after.split_once('"') else { break };
            let part_of_word = before.ends_with(|c: char| c.is_alphanumeric() || c == '_');
            if !part_of_word {
                names.insert(name.to_owned());
            }
            rest = tail;
        }
    }
    names
}

fn build(
    workspace: &Workspace,
    package: &Package,
    kind: Kind,
    bug: &str,
    only: &[String],
) -> Result<Vec<TestProgram>> {
    let mut build = match kind {
        Kind::Plain => Build { folder: Some("planted"), ..Build::plain() },
        Kind::Loom => Build { folder: Some("planted-loom"), ..Build::loom() },
    };
    let me = env::current_exe().context("where this program is")?;
    build.env = vec![
        ("RUSTC_WORKSPACE_WRAPPER".into(), me.to_string_lossy().into_owned()),
        (PLANT.into(), format!("{}={bug}", package.name.replace('-', "_"))),
    ];
    let mut args = every_feature(package);
    let mut clean = build.cargo(workspace, "clean");
    clean.args(["-p", &package.name]);
    if kind == Kind::Loom {
        args.push("--release".into());
        clean.arg("--release");
    }
    args.extend(only.iter().cloned());
    // Cargo does not know what the stand-in adds: throw away what an earlier fault left.
    let done = child::run(&mut clean, Stderr::Captured, None)?;
    if !done.ok() {
        bail!("`{}`: {}", child::show(&clean), done.stderr);
    }
    cargo::test_programs(workspace, package, &build, &args)
}

/// The one test that `name` means: its whole name, or its last parts.
fn find<'a>(programs: &'a [TestProgram], name: &str) -> Result<(&'a TestProgram, &'a str)> {
    let means = |test: &str| test == name || test.ends_with(&format!("::{name}"));
    let mut found = programs
        .iter()
        .flat_map(|program| program.tests.iter().map(move |test| (program, test.as_str())))
        .filter(|(_, test)| means(test));
    let first = found.next().with_context(|| format!("there is no test `{name}`"))?;
    match found.next() {
        None => Ok(first),
        Some((_, other)) => bail!("`{name}` means both `{}` and `{other}`", first.1),
    }
}

fn run_test(
    package: &Package,
    kind: Kind,
    program: &TestProgram,
    test: &str,
) -> Result<child::Done> {
    let mut command = cargo::test_command(&program.path, package);
    command.args([test, "--exact", "--nocapture", "--test-threads", "1"]);
    if kind == Kind::Loom {
        command.env("LOOM_MAX_PREEMPTIONS", "2");
    }
    child::run(&mut command, Stderr::Captured, Some(LIMIT))
}

fn all_pass(
    package: &Package,
    kind: Kind,
    programs: &[TestProgram],
    bugs: &[Bug],
) -> Result<Outcome> {
    let names: BTreeSet<_> = bugs.iter().map(|bug| bug.caught_by.as_str()).collect();
    for name in &names {
        let (program, test) = find(programs, name)?;
        let done = run_test(package, kind, program, test)?;
        if !done.ok() || results(&done.stdout).passed != 1 {
            bail!("`{test}` does not pass: {}\n{}", done.end(), done.text());
        }
    }
    passed(format!("{} tests pass", names.len()))
}

fn catch(
    workspace: &Workspace,
    package: &Package,
    bug: &Bug,
    programs: &[TestProgram],
) -> Result<Outcome> {
    let (program, test) = find(programs, &bug.caught_by)?;
    let only = match program.is_lib {
        true => vec!["--lib".to_owned()],
        false => vec!["--test".to_owned(), program.target.clone()],
    };
    let rebuilt = build(workspace, package, bug.build, &bug.name, &only)?;
    let (program, test) = find(&rebuilt, test)?;
    let done = run_test(package, bug.build, program, test)?;
    if done.status.is_none() {
        bail!("`{test}` hangs: a hang is not a catch ({})", bug.what);
    }
    if done.ok() {
        bail!("`{test}` passes with the fault in place: {}", bug.what);
    }
    passed(format!("caught by `{test}` ({})", done.end()))
}

#[cfg(test)]
mod tests {
    use super::{find, names_in};
    use crate::cargo::TestProgram;

    #[test]
    fn planted_names_are_read_from_the_source() {
        let text = "#[cfg(bug = \"padding\")]\nlet x = 1;\n// cfg(bug = \"no\")\n\
                    if cfg!(all(bug = \"a\", not(bug = \"b\"))) {}\nlet debug = \"word\";";
        let names: Vec<_> = names_in(text).into_iter().collect();
        assert_eq!(names, ["a", "b", "padding"]);
    }

    #[test]
    fn a_test_is_found_by_its_last_parts_and_only_when_it_is_the_only_one() {
        let tests = ["tests::a::grows", "tests::b::grows", "resets"].map(str::to_owned).to_vec();
        let program = TestProgram { target: "x".into(), is_lib: true, path: "x".into(), tests };
        let programs = [program];
        assert_eq!(find(&programs, "resets").expect("one").1, "resets");
        assert_eq!(find(&programs, "b::grows").expect("one").1, "tests::b::grows");
        assert!(find(&programs, "grows").is_err(), "two tests have this name");
        assert!(find(&programs, "ets").is_err(), "only whole parts count");
    }
}
