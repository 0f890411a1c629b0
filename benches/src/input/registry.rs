//! The sources of exactly the packages in `Cargo.lock`: every `.rs` file, some 100 MB.
//!
//! A round of a benchmark is one pass over its input, and a hundred megabytes would be a second
//! for every engine and sample, so the cases read a **sample: one file in `stride`** in the
//! order of package, version and path, with the largest stride (in sixteenths of a file) that
//! leaves [`SAMPLE_FLOOR_BYTES`]. So every larger package is in it, and the mix of hand-written
//! and generated files is that of the whole. Debug builds, which only check answers, read a
//! sixteenth of that.

use super::{cache, fingerprint, metadata, write_whole};
use anyhow::{Context, Result, ensure};
use core::fmt;
use serde::{Deserialize, Serialize};
use std::{ffi::OsStr, fs, path::PathBuf, sync::OnceLock};
use walkdir::WalkDir;

/// What the packages must hold in total, and so must a sample in builds that are timed.
pub const FLOOR_BYTES: u64 = 20 << 20;

/// What a sample holds at least, files counted that turn out not to be UTF-8.
pub const SAMPLE_FLOOR_BYTES: u64 =
    if cfg!(debug_assertions) { FLOOR_BYTES / 16 } else { FLOOR_BYTES + (1 << 20) };

/// One source file.
#[derive(Debug)]
pub struct Source {
    /// `package-version/path/in/package.rs`.
    pub name: String,
    /// What it holds.
    pub text: String,
}

/// A sample of the registry's sources, in memory.
#[derive(Debug)]
pub struct Sources {
    /// The files of the sample, in the order of their names.
    pub files: Vec<Source>,
    /// Bytes of the sample.
    pub bytes: u64,
    /// Bytes of the longest file of the sample.
    pub longest_bytes: usize,
    /// Of how many files one is in the sample.
    pub stride: f64,
    /// Files of all packages.
    pub all_files: usize,
    /// Bytes of these.
    pub all_bytes: u64,
    /// Packages.
    pub packages: usize,
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { files, bytes, stride, all_files, all_bytes, packages, .. } = self;
        let files = files.len();
        write!(
            f,
            "{bytes} bytes in {files} files: one in {stride:.1} of {all_files} files \
             ({all_bytes} bytes) of {packages} packages"
        )
    }
}

/// The sample, loaded when first asked for.
///
/// # Panics
/// Where [`load`] fails, with its message.
pub fn sources() -> &'static Sources {
    static SOURCES: OnceLock<Sources> = OnceLock::new();
    SOURCES
        .get_or_init(|| load().unwrap_or_else(|error| panic!("the registry's sources: {error:#}")))
}

/// Finds all sources and reads the sample.
///
/// # Errors
/// Where packages are missing (the message says what to run), files cannot be read, or all of
/// them hold less than [`FLOOR_BYTES`].
pub fn load() -> Result<Sources> {
    // A file that has gone since the choice was kept: what is missing, a fresh choice says.
    kept().and_then(|choice| read(&choice).ok()).map_or_else(|| read(&keep(choose()?)), Ok)
}

/// Which files are the sample, and of what.
///
/// Packages do not change under their versions, and finding all files takes longer than reading the
/// sample, so the choice is kept under `target/bench/input`, named after what it depends on.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Choice {
    files: Vec<Found>,
    /// In [`PARTS`].
    stride: usize,
    all_files: usize,
    all_bytes: u64,
    packages: usize,
}

fn choose() -> Result<Choice> {
    let packages = metadata::packages()?;
    let mut list = Vec::new();
    for (package, folder) in &packages {
        find(package, folder, &mut list)?;
    }
    list.sort();
    let all_bytes = list.iter().map(|found| found.bytes).sum();
    ensure!(
        all_bytes >= FLOOR_BYTES,
        "the {} packages in Cargo.lock hold {all_bytes} bytes of Rust in {} files, {FLOOR_BYTES} \
         are needed: run `cargo fetch --locked`",
        packages.len(),
        list.len()
    );
    let stride = stride(&list);
    let files = sample(&list, stride).cloned().collect();
    Ok(Choice { files, stride, all_files: list.len(), all_bytes, packages: packages.len() })
}

/// Where a choice is kept: its name has the packages, the size of the sample, and how it is chosen.
fn place() -> Result<PathBuf> {
    let parts = [metadata::raw()?.as_bytes(), &SAMPLE_FLOOR_BYTES.to_le_bytes(), b"1"];
    Ok(cache("input").join(format!("sources-{:016x}.json", fingerprint(&parts))))
}

fn kept() -> Option<Choice> {
    serde_json::from_str(&fs::read_to_string(place().ok()?).ok()?).ok()
}

/// A choice that cannot be kept costs the next process the search, no more.
fn keep(choice: Choice) -> Choice {
    if let (Ok(place), Ok(text)) = (place(), serde_json::to_string(&choice)) {
        drop(write_whole(&place, text.as_bytes()));
    }
    choice
}

fn read(choice: &Choice) -> Result<Sources> {
    let mut files = Vec::new();
    for found in &choice.files {
        let bytes = fs::read(&found.path).with_context(|| found.path.display().to_string())?;
        // Some packages carry files that are wrong on purpose; they are left out of the sample.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(Source { name: found.name.clone(), text });
        }
    }
    let bytes = files.iter().map(|source| source.text.len() as u64).sum();
    let longest_bytes = files.iter().map(|source| source.text.len()).max().unwrap_or(0);
    let &Choice { stride, all_files, all_bytes, packages, .. } = choice;
    let stride = stride as f64 / PARTS as f64;
    Ok(Sources { files, bytes, longest_bytes, stride, all_files, all_bytes, packages })
}

/// A source file that was found but not read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Found {
    name: String,
    path: PathBuf,
    bytes: u64,
}

fn find(package: &str, folder: &std::path::Path, list: &mut Vec<Found>) -> Result<()> {
    for entry in WalkDir::new(folder) {
        let entry = entry.context("run `cargo fetch --locked`")?;
        let path = entry.path();
        if !entry.file_type().is_file() || path.extension() != Some(OsStr::new("rs")) {
            continue;
        }
        let inside = path.strip_prefix(folder).unwrap_or(path);
        let name = format!("{package}/{}", inside.to_string_lossy());
        let bytes = entry.metadata().with_context(|| name.clone())?.len();
        list.push(Found { name, path: entry.into_path(), bytes });
    }
    Ok(())
}

/// A stride is a whole number of such parts of a file.
const PARTS: usize = 16;

/// One file in `stride / PARTS`, beginning with the first.
fn sample(list: &[Found], stride: usize) -> impl Iterator<Item = &Found> {
    (0..).map_while(move |at| list.get(at * stride / PARTS))
}

/// The largest stride whose sample is long enough.
fn stride(list: &[Found]) -> usize {
    let bytes = |stride| sample(list, stride).map(|found| found.bytes).sum::<u64>();
    let strides = PARTS..=PARTS * list.len().max(1);
    strides.rev().find(|&stride| bytes(stride) >= SAMPLE_FLOOR_BYTES).unwrap_or(PARTS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strides_of_parts_take_files_evenly() {
        let file = |at: u64| Found {
            name: format!("{at}"),
            path: PathBuf::new(),
            bytes: SAMPLE_FLOOR_BYTES.div_ceil(4),
        };
        let list: Vec<_> = (0..6).map(file).collect();
        let taken = |stride| sample(&list, stride).map(|found| &*found.name).collect::<String>();
        assert_eq!(taken(PARTS), "012345");
        assert_eq!(taken(PARTS * 3 / 2), "0134");
        assert_eq!(taken(6 * PARTS), "0");
        // Four files are needed.
        let stride = stride(&list);
        assert_eq!(taken(stride).len(), 4);
        assert!(taken(stride + 1).len() < 4, "stride {stride}");
    }

    #[test]
    fn the_sample_is_long_enough_sorted_and_stable() {
        let sources = load().unwrap();
        assert!(sources.bytes >= SAMPLE_FLOOR_BYTES * 9 / 10, "{sources}");
        assert!(sources.all_bytes >= FLOOR_BYTES, "{sources}");
        assert!(sources.files.is_sorted_by(|a, b| a.name < b.name));
        // What was kept is what is found, and a second look finds the same.
        let found = choose().unwrap();
        assert!(kept().is_none_or(|kept| kept == found));
        let fresh = read(&found).unwrap();
        assert!(sources.files.iter().map(|f| &f.name).eq(fresh.files.iter().map(|f| &f.name)));
        assert_eq!((sources.bytes, sources.longest_bytes), (fresh.bytes, fresh.longest_bytes));
    }
}
