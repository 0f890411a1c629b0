//! Real input: what programs of this kind read, found on the machine that runs the benchmarks.
//!
//! Everything is loaded once per process, before anything is timed, and is the same in every
//! process of a run: the sources are those of the packages in `Cargo.lock`, the document is what
//! `cargo metadata` says of this workspace, and the traces are recorded from programs here.

pub mod metadata;
pub mod registry;
pub mod traces;

use std::{env, fs, io, path::PathBuf, process};

/// The workspace that was built: its `Cargo.lock` names the input.
#[must_use]
pub fn workspace() -> PathBuf {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    package.parent().map_or(package.clone(), PathBuf::from)
}

/// Where prepared input is kept between processes.
fn cache(folder: &str) -> PathBuf {
    let target = env::var_os("CARGO_TARGET_DIR").map(|target| workspace().join(target));
    target.unwrap_or_else(|| workspace().join("target")).join("bench").join(folder)
}

/// Writes a file that other processes may be reading or writing: they see all of it or nothing.
fn write_whole(path: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_extension(format!("{}.tmp", process::id()));
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)
}

/// A name for what `parts` say: FNV-1a over all of them.
fn fingerprint(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().copied().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
