//! `cargo xtask sanitize`: the tests again, under tools that see what a test cannot.
//!
//! - AddressSanitizer with LeakSanitizer on every test of every crate.
//! - ThreadSanitizer on tests named `tsan_…`: it models no fences, and knows the standard
//!   library's own synchronisation only in part, so tests for it are chosen.
//! - loom with AddressSanitizer on models named `loom_reclaim_…`: a free without a grace period
//!   is a use after free in some interleaving.
//!
//! Before a tool is believed it must catch a planted fault of the kind it is there for, built
//! and run as the tests are. Tests named `…compile_fail…` and `codegen_…` are left out: they
//! compare what the pinned compiler says or emits.

use crate::cargo::{self, Build, HOST, NO_NIGHTLY, Package, Workspace};
use crate::child::{self, Stderr};
use crate::loom;
use crate::steps::{Outcome, Steps, not_run, passed};
use crate::test::{at_least_one, every_feature_of, results};
use anyhow::{Result, bail};
use core::time::Duration;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// What `cargo xtask sanitize` accepts.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Crates to test; all when none is named.
    crates: Vec<String>,
}

const ADDRESS: &[&str] = &["-Zsanitizer=address"];
const THREAD: &[&str] = &["-Zsanitizer=thread", "-Cunsafe-allow-abi-mismatch=sanitizer"];

/// What ThreadSanitizer does not understand: libtest's own hand-over of results, the end of a
/// thread's handle (counted with a fence), and the lists of waiting threads in std's channels. A lock
/// that is contended takes a path through the standard library's own code, which is not instrumented:
/// on a busy machine it looks like none, and so what `SyncSlab::growing` does under its lock like races.
const SUPPRESSIONS: &str = "race:CompletedTest\nrace:std::thread::lifecycle::Packet\n\
                            race:std::thread::current::drop_current\n\
                            race:std::sync::mpmc::waker\n\
                            race:SyncSlab<*>>::growing::<\n";

/// One planted fault and the words with which its tool reports it.
struct Canary {
    name: &'static str,
    flags: &'static [&'static str],
    source: &'static str,
    reported_as: &'static str,
}

const CANARIES: [Canary; 3] = [
    Canary {
        name: "use_after_free",
        flags: ADDRESS,
        source: "#[test] fn planted() {
            let block = Box::into_raw(Box::new(7_u64));
            // SAFETY: from `into_raw` above, once.
            unsafe { drop(Box::from_raw(block)) };
            // SAFETY: none: the fault, a read after the free.
            assert_ne!(unsafe { std::ptr::read_volatile(block) }, 8);
        }",
        reported_as: "heap-use-after-free",
    },
    Canary {
        name: "leak",
        flags: ADDRESS,
        source: "#[test] fn planted() {
            // The fault: nobody holds the block any more.
            let block = Box::into_raw(Box::new([7_u64; 100]));
            std::hint::black_box(block);
        }",
        reported_as: "LeakSanitizer: detected memory leaks",
    },
    Canary {
        name: "data_race",
        flags: THREAD,
        source: "use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
        static TURN: AtomicU32 = AtomicU32::new(0);
        static mut SHARED: u64 = 0;
        fn await_turn(turn: u32) {
            while TURN.load(Relaxed) != turn { std::thread::yield_now() }
        }
        #[test] fn planted() {
            // The fault: two threads write one word, one after the other, and `Relaxed` orders
            // nothing. Neither ends before both have written: on every machine, in every run.
            let other = std::thread::spawn(|| {
                // SAFETY: none: the fault; nothing orders this write and the other.
                unsafe { std::ptr::write_volatile(&raw mut SHARED, 1) };
                TURN.store(1, Relaxed);
                await_turn(2);
            });
            await_turn(1);
            // SAFETY: none: the fault; nothing orders this write and the first.
            unsafe { std::ptr::write_volatile(&raw mut SHARED, 2) };
            TURN.store(2, Relaxed);
            other.join().unwrap();
        }",
        reported_as: "ThreadSanitizer: data race",
    },
];

/// Runs the command.
pub(crate) fn main(args: &Args) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    let packages = workspace.choose(&args.crates, false)?;
    let mut steps = Steps::new("sanitize");
    let Some(nightly) = cargo::nightly() else {
        for step in ["AddressSanitizer", "ThreadSanitizer", "loom with AddressSanitizer"] {
            steps.step(step, || not_run(NO_NIGHTLY));
        }
        return Ok(steps.finish());
    };
    let mut believed = true;
    for canary in &CANARIES {
        believed &= steps
            .step(format!("canary: {}", canary.name), || catches(&workspace, &nightly, canary));
    }
    if !believed {
        steps.step("the tests", || not_run("a tool that misses its canary proves nothing"));
        return Ok(steps.finish());
    }
    steps.step("tests compiled for AddressSanitizer", || {
        let mut command = address(&workspace, &nightly, &packages);
        child::must(command.arg("--no-run"), Stderr::Terminal)?;
        passed(format!("{} crates", packages.len()))
    });
    for package in &packages {
        steps.step(format!("{} under AddressSanitizer and LeakSanitizer", package.name), || {
            let mut command = address(&workspace, &nightly, &[package]);
            options(&mut command, &suppressions(&workspace)?);
            command.arg("--no-fail-fast").arg("--").args(LEFT_OUT);
            println!("   $ {}", child::show(&command));
            let done = child::run(&mut command, Stderr::Terminal, None)?;
            let count = results(&done.stdout);
            if !done.ok() || count.failed > 0 {
                bail!("{} passed, {} failed\n{}", count.passed, count.failed, done.stdout);
            }
            at_least_one(count)
        });
    }
    steps.step("chosen tests (`tsan_…`) under ThreadSanitizer", || {
        thread(&workspace, &nightly, &packages)
    });
    steps.step("models of reclamation (`loom_reclaim_…`) with AddressSanitizer", || {
        reclamation(&workspace, &nightly, &packages)
    });
    Ok(steps.finish())
}

/// One folder for every tool: build scripts and macros, which no flag reaches, are built once.
fn sanitized(nightly: &str, flags: &[&str]) -> Build {
    Build {
        toolchain: Some(nightly.to_owned()),
        folder: Some("sanitize"),
        explicit_target: true,
        ..Build::plain()
    }
    .flags(flags)
}

/// Builds and runs one planted fault; its tool must report it in its own words.
fn catches(workspace: &Workspace, nightly: &str, canary: &Canary) -> Result<Outcome> {
    let folder = workspace.target.join("canary");
    fs::create_dir_all(&folder)?;
    let source = folder.join(format!("{}.rs", canary.name));
    let program = folder.join(canary.name);
    fs::write(&source, canary.source)?;
    let mut compile = Command::new("rustup");
    cargo::clean(&mut compile);
    compile.args(["run", nightly, "rustc", "--test", "--edition", "2021", "--target", HOST]);
    compile.args(["-Cdebuginfo=1", "-Awarnings"]).args(canary.flags);
    compile.arg("-o").arg(&program).arg(&source);
    child::must(&mut compile, Stderr::Captured)?;
    let mut command = Command::new(&program);
    options(&mut command, &suppressions(workspace)?);
    let done = child::run(&mut command, Stderr::Captured, Some(Duration::from_secs(60)))?;
    if done.ok() || !done.text().contains(canary.reported_as) {
        bail!("not caught: {}, no `{}`\n{}", done.end(), canary.reported_as, done.text());
    }
    passed(format!("caught: {}", canary.reported_as))
}

fn options(command: &mut Command, suppressions: &str) {
    // Tests ask for more memory than there is, to see the refusal: null, as malloc says it.
    let asan = "detect_leaks=1:detect_stack_use_after_return=1:allocator_may_return_null=1";
    command.env("ASAN_OPTIONS", asan);
    // A race whose older access has left the history is not reported: the longest history.
    let tsan = format!("suppressions={suppressions} exitcode=66 history_size=7");
    command.env("TSAN_OPTIONS", tsan);
}

fn suppressions(workspace: &Workspace) -> Result<String> {
    let path: PathBuf = workspace.target.join("canary/tsan.supp");
    fs::create_dir_all(workspace.target.join("canary"))?;
    fs::write(&path, SUPPRESSIONS)?;
    Ok(path.to_string_lossy().into_owned())
}

/// The tests of `packages`, by one command.
fn address(workspace: &Workspace, nightly: &str, packages: &[&Package]) -> Command {
    let mut command = sanitized(nightly, ADDRESS).cargo(workspace, "test");
    for package in packages {
        command.args(["-p", &package.name]);
    }
    command.args(["--lib", "--tests"]).args(every_feature_of(packages));
    command
}

/// Tests of the compiler's output: they hold for the pinned compiler and its plain builds.
const LEFT_OUT: [&str; 4] = ["--skip", "compile_fail", "--skip", "codegen_"];

fn thread(workspace: &Workspace, nightly: &str, packages: &[&Package]) -> Result<Outcome> {
    let mut args = cargo::targets_with(packages, "fn tsan_")?;
    if args.is_empty() {
        return not_run("no test is named `tsan_…` yet");
    }
    args.extend(every_feature_of(packages));
    let programs = cargo::test_programs(workspace, packages, &sanitized(nightly, THREAD), &args)?;
    let mut ran = 0;
    for program in &programs {
        for test in program.tests.iter().filter(|test| last_part(test).starts_with("tsan_")) {
            let mut command = cargo::test_command(&program.path, &program.package);
            options(&mut command, &suppressions(workspace)?);
            command.args([test, "--exact", "--nocapture", "--test-threads", "1"]);
            let limit = Some(Duration::from_secs(300));
            let done = child::run(&mut command, Stderr::Captured, limit)?;
            println!("   {test} ({:.1} s) {}", done.seconds, done.end());
            if !done.ok() || results(&done.stdout).passed != 1 {
                bail!("`{}`: {}\n{}", child::show(&command), done.end(), done.text());
            }
            ran += 1;
        }
    }
    match ran {
        0 => bail!("tests named `tsan_…` are in the source, and none was built"),
        _ => passed(format!("{ran} tests")),
    }
}

fn reclamation(workspace: &Workspace, nightly: &str, packages: &[&Package]) -> Result<Outcome> {
    let build = sanitized(nightly, ADDRESS).flags(&[cargo::LOOM]);
    let models = loom::find(workspace, packages, &build, "fn loom_reclaim_")?;
    let mut ran = 0;
    for model in models.iter().filter(|m| last_part(&m.name).starts_with("loom_reclaim_")) {
        // loom's executions run on stacks of its own, which leak checks do not know.
        let env = [("ASAN_OPTIONS", "detect_leaks=0:detect_stack_use_after_return=0")];
        let run = loom::run(model, 2, &env, Duration::from_secs(600))?;
        println!("   {} {} executions ({:.1} s)", model.name, run.executions, run.seconds);
        if let Some(fault) = run.fault() {
            bail!("{}: {fault}\n{}", run.shown, run.text);
        }
        ran += 1;
    }
    match ran {
        0 => not_run("no model is named `loom_reclaim_…` yet"),
        _ => passed(format!("{ran} models")),
    }
}

fn last_part(name: &str) -> &str {
    name.rsplit("::").next().unwrap_or(name)
}
