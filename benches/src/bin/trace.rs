//! `trace`: runs a program of this package under the recorder and prints what it did.
//!
//! ```text
//! cargo run --profile bench -p benches --bin trace -- tokens
//! cargo run --profile bench -p benches --bin trace -- json --output json.trace
//! ```

use anyhow::{Context, Result};
use benches::{
    input::{metadata, registry, traces},
    scenarios::linear_programs::plain,
    trace::{Recorder, Recording, Trace, summary::Summary},
};
use clap::{Parser, ValueEnum};
use core::{hint::black_box, time::Duration};
use std::{
    alloc::System,
    fs::{self, File},
    path::{Path, PathBuf},
    process,
    time::Instant,
};

#[global_allocator]
static ALLOC: Recorder<System> = Recorder::new(System);

/// Runs a program of this package under the allocation recorder and prints what it did.
#[derive(Parser)]
struct Args {
    /// What to run.
    program: Program,
    /// Where to write the trace; below `target/bench/traces` unless given.
    #[arg(long)]
    output: Option<PathBuf>,
    /// Record only: no summary, and no figures of what recording costs.
    #[arg(long)]
    quiet: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Program {
    /// The plain tokeniser on every 16th file of the registry's sample (debug builds: on all).
    Tokens,
    /// `serde_json` reading what cargo metadata says of this workspace.
    Json,
}

impl Program {
    fn name(self) -> &'static str {
        match self {
            Self::Tokens => traces::PROGRAMS[0],
            Self::Json => traces::PROGRAMS[1],
        }
    }

    /// Loads the input, which is no part of the trace.
    fn load(self) {
        match self {
            Self::Tokens => drop(black_box(registry::sources())),
            Self::Json => drop(black_box(metadata::text())),
        }
    }

    fn run(self) {
        black_box(match self {
            Self::Tokens => plain::tokens(if cfg!(debug_assertions) { 1 } else { 16 }),
            Self::Json => plain::json(),
        });
    }
}

fn main() -> Result<()> {
    let args = Args::parse();
    let path = match args.output {
        Some(path) => path,
        None => traces::path(args.program.name())?,
    };
    args.program.load();
    record(args.program, &path).with_context(|| path.display().to_string())?;
    if args.quiet {
        return Ok(());
    }
    let trace = Trace::read(File::open(&path)?)?;
    print(&format!("{} -> {}\n\n{}", args.program.name(), path.display(), Summary::of(&trace)));
    overhead(args.program, trace.events.len())
}

/// Records one run; other processes see the whole file or none.
fn record(program: Program, path: &Path) -> Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let unfinished = path.with_extension(format!("{}.tmp", process::id()));
    let recording = Recording::start(File::create(&unfinished)?)?;
    program.run();
    recording.stop()?;
    Ok(fs::rename(&unfinished, path)?)
}

/// Prints what recording costs: plain and recorded runs in turn, the medians compared.
fn overhead(program: Program, events: usize) -> Result<()> {
    const ROUNDS: usize = 11;
    let (mut plain, mut recorded) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        plain.push(time(program));
        let recording = Recording::start(std::io::sink())?;
        recorded.push(time(program));
        recording.stop()?;
    }
    let (plain, recorded) = (median(plain), median(recorded));
    let per_event = recorded.saturating_sub(plain).as_nanos() as f64 / events.max(1) as f64;
    print(&format!(
        "\nrecording costs {per_event:.1} ns an event ({plain:.2?} without, {recorded:.2?} with, \
         medians of {ROUNDS} runs in turn, written to nowhere)\n"
    ));
    Ok(())
}

fn time(program: Program) -> Duration {
    let start = Instant::now();
    program.run();
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[expect(clippy::print_stdout, reason = "what this program is for")]
fn print(text: &str) {
    print!("{text}");
}
