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
//! test must pass without the fault.
//!
//! Cargo builds the tests once, with this program standing in for the compiler and writing down
//! each command ([`as_compiler`]). For a fault the two commands that it takes, the crate and the
//! one test program, are run again with the fault's `--cfg` and a folder of their own: nothing
//! else is compiled, and two faults are built at once.

use crate::cargo::{self, Build, Package, TestProgram, Workspace};
use crate::child::{self, Stderr};
use crate::loom;
use crate::steps::{Outcome, Steps, passed};
use crate::test::{Count, every_feature, results};
use anyhow::{Context, Result, bail};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Fewer faults than this say too little about a crate's tests.
const AT_LEAST: usize = 6;
/// A test that takes longer with a fault in it hangs.
const LIMIT: Duration = Duration::from_secs(120);
/// Set where this program stands in for the compiler.
const NOTES: &str = "QUARRY_NOTES";
/// How files end that the stand-in writes.
const NOTE: &str = "compile.json";

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

/// One call of the compiler, as cargo made it.
#[derive(Serialize, Deserialize)]
struct Compile {
    program: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    folder: PathBuf,
}

/// Stands in for the compiler when cargo calls this program as one: runs the command, and writes it
/// down beside what it makes. `None` when this program was called as itself.
pub(crate) fn as_compiler() -> Option<ExitCode> {
    env::var_os(NOTES)?;
    let mut args = env::args_os().skip(1);
    let program = args.next()?;
    let args: Vec<_> = args.collect();
    let status = Command::new(&program).args(&args).status().ok()?;
    let word = |word: OsString| word.into_string().ok();
    let compile = Compile {
        program: word(program)?,
        args: args.into_iter().map(word).collect::<Option<_>>()?,
        env: env::vars().filter(|(key, _)| is_cargos(key)).collect(),
        folder: env::current_dir().ok()?,
    };
    if let Some(note) = compile.note() {
        let text = serde_json::to_string(&compile).ok()?;
        fs::write(compile.folder.join(note), text).ok()?;
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Some(code.map_or(ExitCode::FAILURE, ExitCode::from))
}

/// What cargo tells a crate that is compiled, and macros that run meanwhile.
fn is_cargos(key: &str) -> bool {
    let own = key.starts_with("CARGO") && key != "CARGO_MAKEFLAGS";
    own || key == "OUT_DIR" || key == "LD_LIBRARY_PATH"
}

impl Compile {
    /// Where the call is written down: in the folder of what it makes, under the name of the crate
    /// with cargo's hash. `None` for calls that ask the compiler for facts.
    fn note(&self) -> Option<PathBuf> {
        let after = |key: &str| {
            let at = self.args.iter().position(|arg| arg == key)?;
            self.args.get(at + 1)
        };
        let hash = self.args.iter().find_map(|arg| arg.strip_prefix("extra-filename="))?;
        let name = format!("{}{hash}.{NOTE}", after("--crate-name")?);
        Some(Path::new(after("--out-dir")?).join(name))
    }

    /// The library `krate` that this links.
    fn links(&self, krate: &str) -> Option<&Path> {
        let prefix = format!("{krate}=");
        self.args.iter().find_map(|arg| arg.strip_prefix(&prefix)).map(Path::new)
    }

    /// What was written down about the making of `program` or `lib….rlib`.
    fn read(made: &Path) -> Result<Self> {
        let name = made.file_stem().and_then(|name| name.to_str()).context("a nameless program")?;
        let is_library = made.extension().is_some();
        let name = if is_library { name.trim_start_matches("lib") } else { name };
        let note = made.with_file_name(format!("{name}.{NOTE}"));
        let text = fs::read_to_string(&note);
        let text =
            text.with_context(|| format!("{}: remove {}", note.display(), made.display()))?;
        Ok(serde_json::from_str(&text)?)
    }

    /// The same call with `bug` planted, its results in `home`, and where they replace those of
    /// the fault-free build.
    fn planted(&self, bug: Option<&str>, home: &Path, krate: &str) -> Command {
        let mut command = Command::new(&self.program);
        cargo::clean(&mut command);
        command.envs(&self.env).current_dir(&self.folder);
        let mut args = self.args.iter().map(String::as_str);
        while let Some(arg) = args.next() {
            match arg {
                "--out-dir" => drop(args.next()),
                "-C" => match args.next() {
                    Some(option) if option.starts_with("incremental=") => {}
                    option => drop(command.arg("-C").args(option)),
                },
                "--extern" => {
                    command.arg("--extern");
                    let library = args.next().unwrap_or_default();
                    let ours = self.links(krate).and_then(Path::file_name);
                    match ours.filter(|_| library.starts_with(&format!("{krate}="))) {
                        Some(name) if bug.is_none() => {
                            command.arg(format!("{krate}={}", home.join(name).display()));
                        }
                        _ => drop(command.arg(library)),
                    }
                }
                _ if ["--error-format", "--json", "--emit", "--diagnostic-width"]
                    .iter()
                    .any(|dropped| arg.starts_with(dropped)) => {}
                _ => drop(command.arg(arg)),
            }
        }
        if let Some(bug) = bug {
            command.arg("--cfg").arg(format!("bug={bug:?}"));
        }
        // Quick to make: nobody debugs it.
        command.args(["--emit=link", "-Cdebuginfo=0", "-Awarnings", "--out-dir"]).arg(home);
        command
    }
}

/// Runs the command.
pub(crate) fn main(workspace: &Workspace, names: &[String], times: u32) -> Result<ExitCode> {
    let mut steps = Steps::new("test --planted");
    let mut count = Count::default();
    let mut packages = workspace.choose(names, false)?;
    // An example plants its mistakes in its tests, where its readers look for them.
    packages.retain(|package| !workspace.is_downstream(package));
    for package in packages {
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
            let mut tests = Vec::new();
            let built = steps.step(format!("{} without a fault ({kind:?})", package.name), || {
                tests = without_fault(workspace, package, kind, &of_kind)?;
                passed(format!("{} tests pass", tests.len()))
            });
            if !built {
                count.failed += 1;
                continue;
            }
            let caught = steps.side_by_side(
                of_kind.len(),
                |at| format!("{}: {}", package.name, of_kind[at].name),
                |at| {
                    let bug = &of_kind[at];
                    let test = tests.iter().find(|test| test.called == bug.caught_by);
                    catch(workspace, package, bug, test.context("its test was not built")?, times)
                },
            );
            count.passed += caught;
            count.failed += of_kind.len() - caught;
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

/// A test that catches faults, and the calls of the compiler that make it.
struct Catcher {
    /// What `bugs.toml` calls it.
    called: String,
    /// Its whole name.
    test: String,
    program: TestProgram,
    /// The call for the crate itself; none where its unit tests are the program.
    krate: Option<Compile>,
    compile: Compile,
}

/// Builds the tests that catch `bugs`, requires that they pass, and reads how they were built.
fn without_fault(
    workspace: &Workspace,
    package: &Package,
    kind: Kind,
    bugs: &[Bug],
) -> Result<Vec<Catcher>> {
    let names: BTreeSet<_> = bugs.iter().map(|bug| bug.caught_by.as_str()).collect();
    let (build, mut args) = match kind {
        Kind::Plain => (Build::plain(), vec!["--lib".to_owned(), "--tests".to_owned()]),
        Kind::Loom => (Build::loom(), cargo::targets_with(&[package], "fn loom_")?),
    };
    args.extend(kind.args(package));
    // The ordinary build, which `cargo xtask test` has left: which test is meant, and it passes.
    let programs = cargo::test_programs(workspace, &[package], &build, &args)?;
    let mut targets = BTreeSet::new();
    for name in &names {
        let (program, test) = find(&programs, name)?;
        let (done, shown) = run_test(kind, &program.path, package, test)?;
        if !done.ok() || results(&done.stdout).passed != 1 {
            bail!("`{shown}` does not pass: {}\n{}", done.end(), done.text());
        }
        targets.insert(selects(program));
    }
    let me = env::current_exe().context("where this program is")?;
    let noting = Build {
        env: vec![
            ("RUSTC_WORKSPACE_WRAPPER".into(), me.to_string_lossy().into_owned()),
            (NOTES.into(), "1".into()),
        ],
        ..build
    };
    let args: Vec<_> = targets.into_iter().chain(kind.args(package)).collect();
    let programs = cargo::test_programs(workspace, &[package], &noting, &args)?;
    let mut catchers = Vec::new();
    for name in names {
        let (program, test) = find(&programs, name)?;
        let compile = Compile::read(&program.path)?;
        let krate = match compile.links(&in_code(package)) {
            Some(library) if !program.is_lib => Some(Compile::read(library)?),
            _ => None,
        };
        catchers.push(Catcher {
            called: name.to_owned(),
            test: test.to_owned(),
            program: program.clone(),
            krate,
            compile,
        });
    }
    Ok(catchers)
}

impl Kind {
    /// How cargo builds tests of this kind.
    fn args(self, package: &Package) -> Vec<String> {
        let mut args = every_feature(package);
        args.extend((self == Kind::Loom).then(|| loom::PROFILE.to_owned()));
        args
    }
}

/// The argument that chooses `program` alone.
fn selects(program: &TestProgram) -> String {
    if program.is_lib { "--lib".to_owned() } else { format!("--test={}", program.target) }
}

/// The package's name as the compiler spells it.
fn in_code(package: &Package) -> String {
    package.name.replace('-', "_")
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

/// Runs one test; also the command as one would type it.
fn run_test(
    kind: Kind,
    program: &Path,
    package: &Package,
    test: &str,
) -> Result<(child::Done, String)> {
    let mut command = cargo::test_command(program, package);
    command.args([test, "--exact", "--nocapture", "--test-threads", "1"]);
    // Where it panicked is not asked; finding out takes longer than most tests.
    command.env("RUST_BACKTRACE", "0");
    if kind == Kind::Loom {
        command.env("LOOM_MAX_PREEMPTIONS", "2");
    }
    Ok((child::run(&mut command, Stderr::Captured, Some(LIMIT))?, child::show(&command)))
}

fn catch(
    workspace: &Workspace,
    package: &Package,
    bug: &Bug,
    by: &Catcher,
    times: u32,
) -> Result<Outcome> {
    let home = workspace.target.join("planted").join(&package.name).join(&bug.name);
    fs::create_dir_all(&home)?;
    let krate = in_code(package);
    let compiled = |compile: &Compile, bug: Option<&str>| -> Result<()> {
        let done = child::run(&mut compile.planted(bug, &home, &krate), Stderr::Captured, None)?;
        if !done.ok() {
            bail!("does not compile with the fault in place: {}\n{}", done.end(), done.text());
        }
        Ok(())
    };
    match &by.krate {
        Some(krate) => {
            compiled(krate, Some(&bug.name))?;
            compiled(&by.compile, None)?;
        }
        None => compiled(&by.compile, Some(&bug.name))?,
    }
    let program = home.join(by.program.path.file_name().context("a program without a name")?);
    let again = again(package, bug, by);
    let mut ends = BTreeSet::new();
    for time in 1..=times {
        let (done, _) = run_test(bug.build, &program, package, &by.test)?;
        let which = if times > 1 { format!(", run {time} of {times}") } else { String::new() };
        if done.status.is_none() {
            bail!("`{}` hangs{which}: a hang is not a catch ({})\n   {again}", by.test, bug.what);
        }
        if done.ok() {
            bail!("`{}` passes with the fault in place{which}: {}\n   {again}", by.test, bug.what);
        }
        ends.insert(done.end());
    }
    fs::remove_dir_all(&home)?;
    let runs = if times > 1 { format!("{times} of {times} runs: ") } else { String::new() };
    let ends: Vec<_> = ends.into_iter().collect();
    passed(format!("caught by `{}` ({runs}{})", by.test, ends.join(", ")))
}

/// The same by cargo alone, which compiles everything anew.
fn again(package: &Package, bug: &Bug, by: &Catcher) -> String {
    let loom = if bug.build == Kind::Loom { format!("{} ", cargo::LOOM) } else { String::new() };
    let mut words = vec![
        format!("RUSTFLAGS='{loom}--cfg bug=\"{}\"'", bug.name),
        format!("cargo test -p {}", package.name),
        selects(&by.program),
    ];
    words.extend(bug.build.args(package));
    words.push(format!("-- {} --exact", by.test));
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::{Compile, find, names_in};
    use crate::cargo::{Package, TestProgram};
    use std::collections::BTreeMap;
    use std::path::Path;

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
        let package = Package::named("x");
        let program =
            TestProgram { package, target: "x".into(), is_lib: true, path: "x".into(), tests };
        let programs = [program];
        assert_eq!(find(&programs, "resets").expect("one").1, "resets");
        assert_eq!(find(&programs, "b::grows").expect("one").1, "tests::b::grows");
        assert!(find(&programs, "grows").is_err(), "two tests have this name");
        assert!(find(&programs, "ets").is_err(), "only whole parts count");
    }
    #[test]
    fn a_fault_goes_into_its_crate_and_the_test_links_that() {
        let compile = |words: &str| Compile {
            program: "rustc".into(),
            args: words.split(' ').map(str::to_owned).collect(),
            env: BTreeMap::new(),
            folder: "/".into(),
        };
        let home = Path::new("/home");
        let args = |compile: &Compile, bug| {
            let command = compile.planted(bug, home, "x");
            let args: Vec<_> = command.get_args().map(|arg| arg.display().to_string()).collect();
            args.join(" ")
        };
        let krate = compile(
            "--crate-name x x.rs --error-format=json --emit=dep-info,link -C metadata=1 \
             -C extra-filename=-12 --out-dir /a -C incremental=/b --extern core=/c/libcore-3.rmeta",
        );
        assert_eq!(krate.note().expect("it makes something"), Path::new("/a/x-12.compile.json"));
        assert_eq!(
            args(&krate, Some("leak")),
            "--crate-name x x.rs -C metadata=1 -C extra-filename=-12 --extern \
             core=/c/libcore-3.rmeta --cfg bug=\"leak\" --emit=link -Cdebuginfo=0 -Awarnings \
             --out-dir /home"
        );
        let test = compile("--crate-name t t.rs --test --extern x=/a/libx-12.rlib --out-dir /a");
        assert_eq!(test.links("x"), Some(Path::new("/a/libx-12.rlib")));
        assert_eq!(
            args(&test, None),
            "--crate-name t t.rs --test --extern x=/home/libx-12.rlib --emit=link -Cdebuginfo=0 \
             -Awarnings --out-dir /home"
        );
        assert_eq!(compile("-vV").note(), None);
    }
}
