//! Allocation traces of programs that are part of this package, recorded when first needed.
//!
//! The recorder must be the global allocator, and a benchmark's must not, so recording is the
//! work of the executable `trace` beside the running one; its files are kept under
//! `target/bench/traces`, named after the input they depend on.

use super::{cache, fingerprint, metadata};
use crate::trace::Trace;
use anyhow::{Context, Result, ensure};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// The programs that `trace` can record.
pub const PROGRAMS: [&str; 2] = ["tokens", "json"];

/// Where the trace of `program` is kept.
///
/// # Errors
/// Where the input that it depends on is missing.
pub fn path(program: &str) -> Result<PathBuf> {
    let kind: &[u8] = if cfg!(debug_assertions) { b"debug" } else { b"release" };
    let key = fingerprint(&[metadata::raw()?.as_bytes(), kind]);
    Ok(cache("traces").join(format!("{program}-{key:016x}.trace")))
}

/// The trace of one of [`PROGRAMS`], recorded if there is none yet or the programs have changed.
///
/// # Errors
/// Where there is no trace and the recorder cannot be found or fails, or the trace is damaged.
pub fn load(program: &str) -> Result<Trace> {
    let path = path(program)?;
    let recorder = recorder();
    let written = |path: &Path| fs::metadata(path).and_then(|file| file.modified()).ok();
    let stale = recorder.as_deref().is_ok_and(|recorder| written(recorder) > written(&path));
    if stale || !path.exists() {
        record(&recorder?, program, &path)?;
    }
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    let trace = Trace::read(&bytes[..]);
    trace.with_context(|| format!("{}: delete it to have it recorded again", path.display()))
}

/// The executable that records, beside the running one.
fn recorder() -> Result<PathBuf> {
    let this = env::current_exe().context("the path of this executable")?;
    let name = format!("trace{}", env::consts::EXE_SUFFIX);
    let folders = this.ancestors().skip(1).take(2); // tests run one folder deeper
    let recorder = folders.map(|folder| folder.join(&name)).find(|path| path.exists());
    recorder.with_context(|| {
        format!(
            "there is no recorder of allocation traces beside {}: build it with the same profile, \
             `cargo build -p benches --bin trace`",
            this.display()
        )
    })
}

fn record(recorder: &Path, program: &str, path: &Path) -> Result<()> {
    let mut command = Command::new(recorder);
    command.args([program, "--quiet", "--output"]).arg(path);
    let output = command.output().with_context(|| format!("{command:?} could not be run"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}
