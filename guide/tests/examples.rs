//! Every program of the guide runs: its ways agree, and what it claims without a clock is so.

use core::time::Duration;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{env, fs, thread};

/// A program that takes so long hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Programs at a time.
const SIDE_BY_SIDE: usize = 2;

#[test]
fn every_program_runs() {
    let programs = programs();
    assert!(programs.len() > 1, "no programs in examples/");
    let mut running: Vec<(String, Child)> = Vec::new();
    for (name, path) in programs {
        if running.len() == SIDE_BY_SIDE {
            let (name, child) = running.remove(0);
            ended(&name, child);
        }
        let child = Command::new(&path)
            .arg("--quick")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}; `cargo test` builds it", path.display()));
        running.push((name, child));
    }
    running.into_iter().for_each(|(name, child)| ended(&name, child));
}

/// Waits for the end, which must be a good one.
fn ended(name: &str, mut child: Child) {
    let started = Instant::now();
    while child.try_wait().expect("a child of ours").is_none() {
        if started.elapsed() > LIMIT {
            child.kill().expect("it runs");
            panic!("{name} hangs");
        }
        thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{name}: {}\n{said}", output.status);
}

/// What stands in `examples/`, and where it was built: beside the folder of this test.
fn programs() -> Vec<(String, PathBuf)> {
    let sources = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples"));
    let built = env::current_exe().expect("this test's path");
    let built = built.parent().and_then(Path::parent).expect("target/PROFILE").join("examples");
    let names = sources.expect("examples/").filter_map(|entry| {
        let path = entry.expect("an entry").path();
        (path.extension()? == "rs").then(|| path.file_stem()?.to_str().map(str::to_owned))?
    });
    let mut programs: Vec<_> = names
        .map(|name| {
            let path = built.join(&name).with_extension(env::consts::EXE_EXTENSION);
            (name, path)
        })
        .collect();
    programs.sort();
    programs
}
