//! The workspace as cargo sees it, and cargo commands that nothing outside can colour.
//!
//! Each kind of build has its own target directory, and its flags are set, never inherited:
//! a `RUSTFLAGS` of the caller's shell would turn one build into another.

use crate::child::{self, Stderr};
use crate::orderings;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The one target triple that the sanitizer and no_std builds name.
pub(crate) const HOST: &str = "x86_64-unknown-linux-gnu";

/// The flags of a build under loom: ours, and that by which crossbeam-epoch joins in.
pub(crate) const LOOM: &str = "--cfg loom --cfg crossbeam_loom";

/// What is tested beside the crates: the programs of the guide, and this one.
pub(crate) const TOOLS: [&str; 2] = ["guide", "xtask"];

/// The workspace: where it is and which packages it has.
pub(crate) struct Workspace {
    /// Root folder.
    pub(crate) root: PathBuf,
    /// `target/`.
    pub(crate) target: PathBuf,
    /// Member packages, by name.
    pub(crate) packages: Vec<Package>,
}

/// A workspace member.
#[derive(Deserialize, Clone)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) id: String,
    manifest_path: PathBuf,
    pub(crate) features: BTreeMap<String, Vec<String>>,
    pub(crate) dependencies: Vec<Dependency>,
    targets: Vec<Target>,
}

/// What cargo builds of a package.
#[derive(Deserialize, Clone)]
struct Target {
    name: String,
    kind: Vec<String>,
    #[serde(default)]
    src_path: PathBuf,
}

impl Target {
    fn is(&self, kind: &str) -> bool {
        self.kind.iter().any(|own| own == kind)
    }
}

/// A dependency as the manifest states it.
#[derive(Deserialize, Clone)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// `None` (normal), `dev` or `build`.
    pub(crate) kind: Option<String>,
}

impl Package {
    /// A package for unit tests, with nothing in it.
    #[cfg(test)]
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            id: name.to_owned(),
            manifest_path: format!("{name}/Cargo.toml").into(),
            features: BTreeMap::new(),
            dependencies: Vec::new(),
            targets: Vec::new(),
        }
    }

    /// The package's folder.
    pub(crate) fn dir(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(Path::new("."))
    }

    /// Its examples, by name.
    pub(crate) fn examples(&self) -> Vec<&str> {
        let examples = self.targets.iter().filter(|target| target.is("example"));
        examples.map(|target| target.name.as_str()).collect()
    }

    /// Its features that a stable compiler can build, without `default`.
    pub(crate) fn stable_features(&self) -> Vec<String> {
        let usable = |name: &&String| *name != "default" && *name != "nightly";
        self.features.keys().filter(usable).cloned().collect()
    }
}

impl Workspace {
    /// Asks cargo; fails outside the workspace.
    pub(crate) fn load() -> Result<Self> {
        #[derive(Deserialize)]
        struct Metadata {
            packages: Vec<Package>,
            workspace_root: PathBuf,
            target_directory: PathBuf,
        }
        let mut command = Command::new(cargo_program());
        clean(&mut command);
        command.args(["metadata", "--format-version", "1", "--no-deps"]);
        let done = child::run(&mut command, Stderr::Captured, None)?;
        if !done.ok() {
            bail!("`cargo metadata` failed: {}", done.stderr);
        }
        let meta: Metadata = serde_json::from_str(&done.stdout).context("cargo metadata's JSON")?;
        let mut packages = meta.packages;
        packages.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { root: meta.workspace_root, target: meta.target_directory, packages })
    }

    /// The packages `crates/NAME`.
    pub(crate) fn crates(&self) -> Vec<&Package> {
        let home = self.root.join("crates");
        let is_crate = |package: &&Package| package.dir().parent() == Some(&home);
        self.packages.iter().filter(is_crate).collect()
    }

    /// The packages in `crates/NAME/examples`: what a user's crate looks like. They are tested and
    /// modelled as the crates are, and held to none of the rules for what is published.
    fn downstream(&self) -> Vec<&Package> {
        self.packages.iter().filter(|package| self.is_downstream(package)).collect()
    }

    /// Whether it is a package in `crates/NAME/examples`.
    pub(crate) fn is_downstream(&self, package: &Package) -> bool {
        let home = self.root.join("crates");
        package.dir().starts_with(&home) && package.dir().parent() != Some(&home)
    }

    /// `names` among the crates and their downstream packages (and the tools, where `with_tools`);
    /// all of them when none is named.
    pub(crate) fn choose(&self, names: &[String], with_tools: bool) -> Result<Vec<&Package>> {
        let mut all = self.crates();
        all.extend(self.downstream());
        if with_tools {
            all.extend(self.packages.iter().filter(|package| TOOLS.contains(&&*package.name)));
        }
        if names.is_empty() {
            return Ok(all);
        }
        let known = all.iter().map(|p| p.name.as_str()).collect::<Vec<_>>().join(", ");
        names
            .iter()
            .map(|name| {
                let found = all.iter().find(|package| package.name == *name).copied();
                found.with_context(|| format!("no crate `{name}` here; there are: {known}"))
            })
            .collect()
    }

    /// `path` relative to the root, with `/`, for messages and for matching compiler locations.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().replace('\\', "/")
    }
}

/// Which compiler, flags and target directory a cargo command uses.
#[derive(Clone, Default)]
pub(crate) struct Build {
    /// Full name of another toolchain than the pinned one.
    pub(crate) toolchain: Option<String>,
    /// The whole of `RUSTFLAGS`.
    pub(crate) flags: Vec<String>,
    /// Folder under `target/`; none is `target/` itself.
    pub(crate) folder: Option<&'static str>,
    /// Passed as `--target HOST`: keeps flags away from build scripts and macros.
    pub(crate) explicit_target: bool,
    /// More environment.
    pub(crate) env: Vec<(String, String)>,
}

impl Build {
    /// The ordinary build.
    pub(crate) fn plain() -> Self {
        Self::default()
    }

    /// The build under loom.
    pub(crate) fn loom() -> Self {
        Self { flags: vec![LOOM.into()], folder: Some("loom"), ..Self::default() }
    }

    /// The build under shuttle.
    pub(crate) fn shuttle() -> Self {
        Self { flags: vec!["--cfg shuttle".into()], folder: Some("shuttle"), ..Self::default() }
    }

    /// Adds flags.
    pub(crate) fn flags(mut self, flags: &[&str]) -> Self {
        self.flags.extend(flags.iter().map(|&flag| flag.to_owned()));
        self
    }

    /// `cargo SUBCOMMAND` for this build, run from the workspace root.
    pub(crate) fn cargo(&self, workspace: &Workspace, subcommand: &str) -> Command {
        let mut command = match &self.toolchain {
            None => Command::new(cargo_program()),
            Some(toolchain) => {
                let mut command = Command::new("rustup");
                command.args(["run", toolchain, "cargo"]);
                command
            }
        };
        clean(&mut command);
        let folder = self.folder.map_or(workspace.target.clone(), |f| workspace.target.join(f));
        command.env("CARGO_TARGET_DIR", folder).env("RUSTFLAGS", self.flags.join(" "));
        command.envs(self.env.iter().map(|(key, value)| (key, value)));
        command.current_dir(&workspace.root).arg(subcommand);
        if self.explicit_target {
            command.args(["--target", HOST]);
        }
        command
    }
}

/// A test program that cargo built.
#[derive(Clone)]
pub(crate) struct TestProgram {
    /// The package it belongs to.
    pub(crate) package: Package,
    /// Name of the cargo target (`alloc_linear`, `props`).
    pub(crate) target: String,
    /// Whether it is the library's own unit tests.
    pub(crate) is_lib: bool,
    /// The program.
    pub(crate) path: PathBuf,
    /// The names of its tests.
    pub(crate) tests: Vec<String>,
}

/// Builds the test programs of `packages` in one command and lists their tests.
pub(crate) fn test_programs(
    workspace: &Workspace,
    packages: &[&Package],
    build: &Build,
    args: &[String],
) -> Result<Vec<TestProgram>> {
    let mut command = build.cargo(workspace, "test");
    for package in packages {
        command.args(["-p", &package.name]);
    }
    command.args(args);
    let mut programs = Vec::new();
    for (id, target, path) in built(&mut command)? {
        let Some(&package) = packages.iter().find(|package| package.id == id) else { continue };
        let tests = list(&path, package)?;
        let (package, is_lib) = (package.clone(), target.is("lib"));
        programs.push(TestProgram { package, target: target.name, is_lib, path, tests });
    }
    Ok(programs)
}

/// Adds `--no-run` to a `cargo test`; what executables it built: package, target, path.
fn built(command: &mut Command) -> Result<Vec<(String, Target, PathBuf)>> {
    #[derive(Deserialize)]
    struct Message {
        reason: String,
        package_id: Option<String>,
        target: Option<Target>,
        executable: Option<PathBuf>,
    }
    command.args(["--no-run", "--message-format=json-render-diagnostics"]);
    let done = child::must(command, Stderr::Terminal)?;
    let messages = done.stdout.lines().filter_map(|line| serde_json::from_str(line).ok());
    let artifacts = messages.filter(|message: &Message| message.reason == "compiler-artifact");
    Ok(artifacts
        .filter_map(|message| Some((message.package_id?, message.target?, message.executable?)))
        .collect())
}

/// Builds what `command` (a `cargo test`) tests; the program of the binary target `name` among it.
pub(crate) fn binary(command: &mut Command, name: &str) -> Result<PathBuf> {
    let built = built(command)?;
    let mut found =
        built.into_iter().filter(|(_, target, _)| target.is("bin") && target.name == name);
    let (_, _, path) = found.next().with_context(|| format!("no program `{name}` was built"))?;
    Ok(path)
}

/// The arguments that choose the test targets of `packages` whose sources hold `text`, so that
/// nothing else is compiled; empty where none does.
pub(crate) fn targets_with(packages: &[&Package], text: &str) -> Result<Vec<String>> {
    let mut args = BTreeSet::new();
    for package in packages {
        for path in orderings::sources(package.dir())? {
            let mut own = path.ancestors().skip(1).take_while(|folder| *folder != package.dir());
            // A package inside this one, such as an example that is one, chooses its own.
            let nested = own.any(|folder| folder.join("Cargo.toml").exists());
            if nested || !fs::read_to_string(&path)?.contains(text) {
                continue;
            }
            let root = package.targets.iter().find(|target| target.src_path == path);
            if path.starts_with(package.dir().join("src")) {
                args.insert("--lib".to_owned());
            } else if let Some(root) = root.filter(|root| root.is("test")) {
                args.insert(format!("--test={}", root.name));
            } else {
                // A module that several programs may share.
                args.insert("--tests".to_owned());
            }
        }
    }
    Ok(args.into_iter().collect())
}

/// A command that runs a test program the way `cargo test` would.
pub(crate) fn test_command(program: &Path, package: &Package) -> Command {
    let mut command = Command::new(program);
    clean(&mut command);
    command.current_dir(package.dir());
    command.env("CARGO_MANIFEST_DIR", package.dir()).env("CARGO_PKG_NAME", &package.name);
    command
}

fn list(program: &Path, package: &Package) -> Result<Vec<String>> {
    let mut command = test_command(program, package);
    command.args(["--list", "--format", "terse"]);
    let done = child::run(&mut command, Stderr::Captured, None)?;
    // A program without libtest (`harness = false`) lists nothing: it is run by `cargo test` alone.
    let tests = done.stdout.lines().filter_map(|line| line.strip_suffix(": test"));
    Ok(tests.map(str::to_owned).collect())
}

/// The installed nightly's full name, if there is one. Nothing is ever installed.
pub(crate) fn nightly() -> Option<String> {
    let done =
        child::run(Command::new("rustup").args(["toolchain", "list"]), Stderr::Captured, None)
            .ok()?;
    let names = done.stdout.lines().filter_map(|line| line.split_whitespace().next());
    names.filter(|name| name.starts_with("nightly")).map(str::to_owned).next()
}

/// What to say where a nightly compiler is missing.
pub(crate) const NO_NIGHTLY: &str =
    "needs a nightly compiler: rustup toolchain install nightly --profile minimal";

fn cargo_program() -> String {
    env::var("CARGO").unwrap_or_else(|_| "cargo".into())
}

/// Takes away what would change the build: flags, target directories, and what `cargo run` set
/// for this program itself.
pub(crate) fn clean(command: &mut Command) {
    for (key, _) in env::vars_os() {
        let Some(name) = key.to_str() else { continue };
        let leaks = name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_MANIFEST")
            || name.starts_with("CARGO_PROFILE_")
            || name.starts_with("LOOM_")
            || name.starts_with("QUARRY_")
            || (name.starts_with("CARGO_") && name.ends_with("RUSTFLAGS"))
            || LEAKS.contains(&name);
        if leaks {
            command.env_remove(name);
        }
    }
}

const LEAKS: [&str; 12] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "CARGO_ENCODED_RUSTDOCFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "CARGO_PRIMARY_PACKAGE",
    "LD_LIBRARY_PATH",
    "RUST_TEST_THREADS",
    "RUST_MIN_STACK",
];

#[cfg(test)]
mod tests {
    use super::{Build, LOOM, Package, Workspace};
    use std::collections::BTreeMap;

    #[test]
    fn features_are_those_that_stable_builds() {
        let features: BTreeMap<String, Vec<String>> = [
            ("default".to_owned(), vec!["std".to_owned()]),
            ("std".to_owned(), vec!["alloc".to_owned(), "dep:libc".to_owned()]),
            ("alloc".to_owned(), vec![]),
            ("stats".to_owned(), vec![]),
            ("nightly".to_owned(), vec![]),
        ]
        .into();
        let package = Package { features, ..Package::named("x") };
        assert_eq!(package.stable_features(), ["alloc", "stats", "std"]);
    }

    #[test]
    fn flags_from_outside_never_reach_a_build() {
        let workspace =
            Workspace { root: "/".into(), target: "/target".into(), packages: Vec::new() };
        let command = Build::loom().flags(&["--cfg x"]).cargo(&workspace, "test");
        let flags = command.get_envs().find(|(key, _)| *key == "RUSTFLAGS").expect("always set");
        assert_eq!(flags.1.and_then(|v| v.to_str()), Some(&*format!("{LOOM} --cfg x")));
        let plain = Build::plain().cargo(&workspace, "test");
        let flags = plain.get_envs().find(|(key, _)| *key == "RUSTFLAGS").expect("always set");
        assert_eq!(flags.1.and_then(|v| v.to_str()), Some(""), "empty overrides a config file too");
    }
}
