//! `bench --adoption`: what a crate costs the program that adopts it, beside its peers.
//!
//! ```text
//!   subjects      one small program per crate: allocate a value, and a run-time layout
//!      └─ build   cold, by itself, in a folder of its own: seconds
//!      └─ tree    what cargo compiles for it: packages
//!      └─ code    the finished program's symbols: bytes
//! ```
//!
//! Everyone gets the version in `Cargo.lock`, its default features, and the same profile. Figures
//! are kept in `target/bench/adoption.json` until the lock file, the compiler or our code changes.

use core::hash::{Hash, Hasher};
use std::fs;
use std::hash::DefaultHasher;
use std::io::Write;
use std::path::Path;
use std::thread;

use anyhow::{Context, Result, bail};
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::{Deserialize, Serialize};

mod build;
mod code;
mod subjects;

use subjects::{SUBJECTS, Subject};

use crate::engines::version_of;
use crate::machine;

/// The figures, as `adoption.json` keeps them.
#[derive(Debug, Serialize, Deserialize)]
struct Kept {
    schema: u32,
    /// What must be the same for the figures to stand.
    key: String,
    rustc: String,
    cpus: usize,
    rows: Vec<Row>,
}

/// What adopting one crate costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    /// The crate of ours whose table this is.
    table: String,
    package: String,
    version: String,
    ours: bool,
    /// Packages from elsewhere that come with it.
    external_packages: usize,
    /// All packages compiled, itself included.
    packages: usize,
    /// From an empty target directory to the compiled crate.
    cold_seconds: f64,
    /// The one function that allocates.
    function_bytes: u64,
    /// What the program's code grows by against the same program without an allocator.
    program_bytes: u64,
}

/// Measures, or reads what was measured, and prints a table per crate of ours.
///
/// # Errors
///
/// Returns an error when no crate named has a table, or a program does not build.
pub fn run(out: &mut dyn Write, crates: &[String]) -> Result<()> {
    let chosen = choose(crates)?;
    let path = machine::out_dir().join("adoption.json");
    let key = key()?;
    let mut kept = read(&path).filter(|kept| kept.key == key).unwrap_or_else(|| Kept {
        schema: 1,
        key,
        rustc: machine::describe().rustc,
        cpus: thread::available_parallelism().map_or(1, usize::from),
        rows: Vec::new(),
    });
    let missing: Vec<&Subject> =
        chosen.iter().copied().filter(|subject| find(&kept.rows, subject).is_none()).collect();
    if !missing.is_empty() {
        let folder = machine::out_dir().join("adoption");
        let bare = build::bare(&folder)?;
        for (index, subject) in missing.iter().enumerate() {
            writeln!(out, "[{}/{}] {}", index + 1, missing.len(), subject.package)?;
            out.flush()?;
            let row = measure(subject, &folder, bare)
                .with_context(|| format!("the program that adopts {}", subject.package))?;
            kept.rows.push(row);
        }
        fs::write(&path, serde_json::to_string_pretty(&kept)? + "\n")
            .with_context(|| format!("writing {}", path.display()))?;
    }
    let mut tables: Vec<&str> = chosen.iter().map(|subject| subject.table).collect();
    tables.dedup();
    for name in tables {
        let rows: Vec<&Row> = chosen
            .iter()
            .filter(|subject| subject.table == name)
            .filter_map(|subject| find(&kept.rows, subject))
            .collect();
        writeln!(out, "\nAdopting {name} or a peer ({}, {} CPUs)\n", kept.rustc, kept.cpus)?;
        writeln!(out, "{}", table(&rows))?;
    }
    writeln!(out, "\nfigures kept in {}", path.display())?;
    Ok(())
}

fn choose(crates: &[String]) -> Result<Vec<&'static Subject>> {
    for name in crates {
        if !SUBJECTS.iter().any(|subject| subject.table == name) {
            let mut known: Vec<&str> = SUBJECTS.iter().map(|subject| subject.table).collect();
            known.dedup();
            bail!("no adoption table of a crate called {name:?}; there are: {}", known.join(", "));
        }
    }
    let wanted = |s: &&Subject| crates.is_empty() || crates.iter().any(|name| name == s.table);
    Ok(SUBJECTS.iter().filter(wanted).collect())
}

fn find<'r>(rows: &'r [Row], subject: &Subject) -> Option<&'r Row> {
    rows.iter().find(|row| row.table == subject.table && row.package == subject.package)
}

fn read(path: &Path) -> Option<Kept> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Lock file, compiler, our own code (its commit; a changed work tree never matches), programs.
fn key() -> Result<String> {
    let lock = machine::root().join("Cargo.lock");
    let lock = fs::read(&lock).with_context(|| format!("reading {}", lock.display()))?;
    let mut hasher = DefaultHasher::new();
    lock.hash(&mut hasher);
    SUBJECTS.iter().for_each(|subject| subject.probe.hash(&mut hasher));
    let about = machine::describe();
    let tree = if about.commit.ends_with("-dirty") || about.commit == "unknown" {
        format!("{} at {:?}", about.commit, std::time::SystemTime::now())
    } else {
        about.commit
    };
    Ok(format!("{:016x}, {}, {tree}", hasher.finish(), about.rustc))
}

fn measure(subject: &Subject, folder: &Path, bare: u64) -> Result<Row> {
    let project = build::Project::write(subject, folder)?;
    let cold_seconds = project.compile_dependency()?;
    let packages = project.packages()?;
    let code = code::read(&fs::read(project.program()?)?)?;
    Ok(Row {
        table: subject.table.to_owned(),
        package: subject.package.to_owned(),
        version: version_of(subject.package).to_owned(),
        ours: subject.path.is_some(),
        external_packages: packages.external,
        packages: packages.all,
        cold_seconds,
        function_bytes: code.function_bytes,
        program_bytes: code.text_bytes.saturating_sub(bare),
    })
}

fn table(rows: &[&Row]) -> Table {
    let mut table = Table::new();
    table.load_preset(ASCII_MARKDOWN).set_header([
        "crate",
        "external packages",
        "packages",
        "cold compile s",
        "function bytes",
        "program bytes",
    ]);
    for row in rows {
        let name = format!("{} {}", row.package, row.version);
        table.add_row([
            if row.ours { format!("**{name}**") } else { name },
            row.external_packages.to_string(),
            row.packages.to_string(),
            format!("{:.1}", row.cold_seconds),
            row.function_bytes.to_string(),
            row.program_bytes.to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_table_has_ours_first_and_peers_after_it() {
        for subject in choose(&[]).unwrap() {
            let first = SUBJECTS.iter().find(|s| s.table == subject.table).unwrap();
            assert_eq!(first.package, subject.table);
            assert_eq!(subject.path.is_some(), subject.package == subject.table);
            assert!(!version_of(subject.package).is_empty());
            let peers = SUBJECTS.iter().filter(|s| s.table == subject.table && s.path.is_none());
            assert!(peers.count() > 0, "{}: no peer", subject.table);
        }
        assert!(choose(&["linear".into()]).unwrap_err().to_string().contains("alloc-linear"));
    }

    #[test]
    fn figures_stand_in_a_table_that_readmes_can_hold() {
        let row = Row {
            table: "alloc-linear".into(),
            package: "alloc-linear".into(),
            version: "0.1.0".into(),
            ours: true,
            external_packages: 2,
            packages: 5,
            cold_seconds: 1.26,
            function_bytes: 77,
            program_bytes: 1234,
        };
        let text = table(&[&row]).to_string();
        let cells: Vec<&str> = text.lines().last().unwrap().split('|').map(str::trim).collect();
        assert_eq!(cells[1..7], ["**alloc-linear 0.1.0**", "2", "5", "1.3", "77", "1234"]);
        assert_eq!(text.lines().count(), 3, "a Markdown table: {text}");
    }
}
