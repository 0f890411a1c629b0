//! The machine and the build that a report speaks of, and where the project lies.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::report::schema::Machine;
use crate::threads;

/// Returns the project's folder.
#[must_use]
pub fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Returns the folder where reports go: `target/bench`.
#[must_use]
pub fn out_dir() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), PathBuf::from)
        .join("bench")
}

/// Whether this executable was compiled with the optimisation that is measured.
#[must_use]
pub fn optimised() -> bool {
    env!("BENCH_PROFILE") == "3"
}

/// Returns the one-minute load average.
#[must_use]
pub fn load() -> f64 {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(0.0)
}

/// Reads what this machine is.
#[must_use]
pub fn describe() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo.lines().find_map(|line| {
        line.strip_prefix("model name")?.split_once(':').map(|(_, name)| name.trim().to_owned())
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    Machine {
        cpu: cpu.unwrap_or_else(|| env::consts::ARCH.to_owned()),
        cores: threads::cpus().len(),
        kernel: kernel.trim().to_owned(),
        rustc: env!("BENCH_RUSTC").to_owned(),
        commit: commit(root()).unwrap_or_else(|| "unknown".to_owned()),
        features: env!("BENCH_TARGET_FEATURES").split(',').map(str::to_owned).collect(),
        load: load(),
    }
}

/// Returns the commit of a work tree, with `-dirty` when files differ from it.
#[must_use]
pub fn commit(tree: &Path) -> Option<String> {
    let git = |args: &[&str]| {
        let out = Command::new("git").arg("-C").arg(tree).args(args).output().ok()?;
        out.status.success().then(|| String::from_utf8_lossy(&out.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { commit } else { commit + "-dirty" })
}
