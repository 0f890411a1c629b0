//! The little projects: written, compiled from nothing, and asked what they compiled.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use super::code;
use super::subjects::{BARE, PROGRAM, Subject};
use crate::engines::version_of;
use crate::machine;

/// One project, below `target/bench/adoption`.
#[derive(Debug)]
pub(super) struct Project {
    folder: PathBuf,
    package: &'static str,
}

/// How many packages cargo compiles.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Packages {
    pub(super) external: usize,
    pub(super) all: usize,
}

/// Code bytes of the program that adopts nothing.
///
/// # Errors
///
/// Returns an error when it does not build.
pub(super) fn bare(folder: &Path) -> Result<u64> {
    let project = Project { folder: folder.join("bare"), package: "bare" };
    project.create("", BARE)?;
    Ok(code::read(&fs::read(project.program()?)?)?.text_bytes)
}

impl Project {
    /// Writes the project of a subject, with an empty target directory.
    ///
    /// # Errors
    ///
    /// Returns an error that names the file that cannot be written.
    pub(super) fn write(subject: &Subject, folder: &Path) -> Result<Self> {
        let project = Self { folder: folder.join(subject.package), package: subject.package };
        let own = match subject.path {
            Some(path) => format!("{{ path = {:?} }}", machine::root().join(path)),
            None => format!("\"={}\"", version_of(subject.package)),
        };
        let mut dependencies = format!("{} = {own}\n", subject.package);
        for name in subject.beside {
            dependencies += &format!("{name} = \"={}\"\n", version_of(name));
        }
        project.create(&dependencies, subject.probe)?;
        Ok(project)
    }

    fn create(&self, dependencies: &str, probe: &str) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).context(self.folder.display().to_string());
            }
            _ => {}
        }
        let manifest = format!(
            "[package]\nname = \"adopt\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [dependencies]\n{dependencies}\n[workspace]\n\n\
             [profile.release]\nopt-level = 3\ncodegen-units = 1\n"
        );
        fs::create_dir_all(self.folder.join("src"))?;
        for (name, text) in [("Cargo.toml", manifest), ("src/main.rs", PROGRAM.to_owned() + probe)]
        {
            let path = self.folder.join(name);
            fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        }
        // The workspace's lock file: cargo keeps what this project uses of it.
        fs::copy(machine::root().join("Cargo.lock"), self.folder.join("Cargo.lock"))
            .context("copying Cargo.lock")?;
        Ok(())
    }

    /// Compiles the package and what it depends on, from nothing; returns the seconds.
    ///
    /// # Errors
    ///
    /// Returns an error with what cargo said when that fails.
    pub(super) fn compile_dependency(&self) -> Result<f64> {
        let start = Instant::now();
        self.cargo(&["build", "--release", "--package", self.package])?;
        Ok(start.elapsed().as_secs_f64())
    }

    /// Builds the program and returns its path.
    ///
    /// # Errors
    ///
    /// Returns an error with what cargo said when that fails.
    pub(super) fn program(&self) -> Result<PathBuf> {
        self.cargo(&["build", "--release"])?;
        Ok(self.folder.join("target/release/adopt"))
    }

    /// Counts what is compiled for the package, build scripts and macros included.
    ///
    /// # Errors
    ///
    /// Returns an error with what cargo said when that fails.
    pub(super) fn packages(&self) -> Result<Packages> {
        let tree = self.cargo(&[
            "tree",
            "--package",
            self.package,
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--no-dedupe",
        ])?;
        Ok(count(&tree, self.package))
    }

    fn cargo(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        command.args(arguments).arg("--offline").current_dir(&self.folder);
        for name in LEAKS {
            command.env_remove(name);
        }
        let done = command.output().context("cargo cannot be started")?;
        if !done.status.success() {
            let said = String::from_utf8_lossy(&done.stderr);
            bail!("cargo {}: {}\n{said}", arguments.join(" "), done.status);
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

/// What of the caller's environment would change these builds.
const LEAKS: [&str; 6] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_BUILD_JOBS",
];

/// Counts the lines of `cargo tree --prefix none`: `name v1.2.3`, and for packages of a workspace
/// `name v1.2.3 (/its/folder)`.
fn count(tree: &str, package: &str) -> Packages {
    let all: BTreeSet<(&str, &str)> = tree
        .lines()
        .filter_map(|line| {
            let (name, rest) = line.split_once(' ')?;
            Some((name, rest.trim_end_matches("(*)").trim_end()))
        })
        .collect();
    let ours = |rest: &str| rest.contains("(/");
    let external = all.iter().filter(|(name, rest)| *name != package && !ours(rest)).count();
    Packages { external, all: all.len() }
}

#[cfg(test)]
mod tests {
    use super::{Packages, count};

    #[test]
    fn packages_are_counted_once_and_ours_are_not_external() {
        let tree = "alloc-linear v0.1.0 (/q/crates/alloc-linear)\n\
                    alloc-core v0.1.0 (/q/crates/alloc-core)\nallocator-api2 v0.2.21\n\
                    allocator-api2 v0.2.21 (*)\nlibc v0.2.1\n\nquote v1.0.0 (proc-macro)\n";
        assert_eq!(count(tree, "alloc-linear"), Packages { external: 3, all: 5 });
        assert_eq!(count("bumpalo v3.20.3\n", "bumpalo"), Packages { external: 0, all: 1 });
    }
}
