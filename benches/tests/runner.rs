//! The runner against engines that misbehave on purpose: an engine that answers wrongly, panics or
//! dies is an error row, and everybody else keeps a figure.

use std::path::PathBuf;
use std::process::{Command, Output};

use benches::report::schema::{CaseRow, Report};
use benches::report::summary;

fn bench(test: &str, arguments: &[&str]) -> Output {
    // Each test has its own folder for reports and scratch files.
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
    Command::new(env!("CARGO_BIN_EXE_bench"))
        .arg("--canaries")
        .args(arguments)
        .env("CARGO_TARGET_DIR", target)
        .output()
        .expect("the runner starts")
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn measured(test: &str, case: &str) -> CaseRow {
    let json = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{test}.json"));
    let path = json.to_string_lossy();
    let output = bench(test, &["--quick", "--case", case, "--json", &path]);
    assert!(output.status.success(), "{}", text(&output));
    let report: Report = serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(report.faults(), Vec::<String>::new());
    let page = json.with_file_name(test).join("bench/report.html");
    assert!(std::fs::read_to_string(page).unwrap().contains(case));
    report.cases.into_iter().next().unwrap()
}

#[test]
fn misbehaving_engines_are_error_rows_and_cost_nobody_else_a_figure() {
    let row = measured("misbehave", "canary/misbehave/every-way");
    let error = |name: &str| row.engine(name, "default").unwrap().error.clone().unwrap_or_default();
    for (name, says) in [
        ("wrong", "wrong answer: checksum"),
        ("drifts", "its checksum changed"),
        ("panics", "panicked: run 3 of canary"),
        ("panics-built", "panicked: cannot be built"),
        ("aborts", "SIGABRT"),
    ] {
        assert!(error(name).contains(says), "{name}: {:?}", error(name));
        assert_eq!(row.engine(name, "default").unwrap().median, None, "{name}");
        assert!(row.ratio(name, "default", "time").is_none(), "{name}");
    }
    for name in ["ours", "plain", "slower", "dies-counted", "faster", "null"] {
        let engine = row.engine(name, "default").unwrap();
        assert_eq!(engine.error, None, "{name}");
        assert!(
            engine.median.unwrap() > 0.0 && engine.samples >= 4 && engine.processes >= 2,
            "{name}"
        );
    }
    let ratio = |name| row.ratio(name, "default", "time").unwrap();
    assert!(ratio("slower").lo > 1.5, "a hundred times the work: {:?}", ratio("slower"));
    assert!(ratio("faster").hi < 0.9, "a hundredth of the work: {:?}", ratio("faster"));
    assert!(!summary::harness_bound(&row), "the loop costs a hundredth of ours");
    assert_eq!(row.engine("ours", "default").unwrap().allocs, Some(0.0));
    let counted = row.engine("slower", "default").unwrap().allocs.unwrap();
    assert!((counted - 0.002).abs() < 1e-5, "its counted form allocates twice a round: {counted}");
    // Calls are counted in one process, which one engine kills: only its own count is missing.
    assert_eq!(row.engine("dies-counted", "default").unwrap().allocs, None);
    for name in ["plain", "faster", "null"] {
        assert_eq!(row.engine(name, "default").unwrap().allocs, Some(0.0), "{name}");
    }
}

#[test]
fn rows_whose_loop_hides_ours_are_harness_bound() {
    assert!(summary::harness_bound(&measured("bound", "canary/harness/bound")));
}

#[test]
fn tails_are_reported_as_percentiles_that_occurred() {
    let row = measured("tail", "canary/tail/spikes");
    let ours = row.primary().unwrap();
    assert_eq!((ours.p50, ours.p99), (Some(40.0), Some(40.0)));
    assert_eq!((ours.p9999, ours.max), (Some(150_040.0), Some(150_040.0)));
    assert_eq!(ours.above_100us, Some(1_000.0));
    assert_eq!(row.ratio("plain", "default", "p50").unwrap().ratio, 1.5);
}

#[test]
fn verify_counts_and_fails_on_a_wrong_answer() {
    let output = bench("verify", &["--verify"]);
    assert!(!output.status.success());
    assert!(text(&output).contains("wrong/default: wrong answer"), "{}", text(&output));
    assert!(text(&output).contains("\n16 passed, 2 failed\n"), "{}", text(&output));
    let output = bench("verify", &["--verify", "--case", "tail"]);
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn what_does_not_exist_is_named() {
    for (arguments, says) in [
        (&["no-such-crate"][..], "\"no-such-crate\"; crates with cases: canary"),
        (&["--case", "no/such/case"], "canary/tail/spikes"),
        (&["--profile", "disk", "spikes"], "the kinds are cpu and heap"),
        (&["--compare", "no-such-revision"], "no such revision"),
    ] {
        let output = bench("errors", arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(text(&output).contains(says), "{arguments:?}: {}", text(&output));
    }
}

#[test]
fn profiles_are_written() {
    for kind in ["cpu", "heap"] {
        let output = bench("profile", &["--profile", kind, "canary/misbehave/every-way"]);
        if kind == "heap" {
            // This engine allocates nothing in its steady state, and that is what it says.
            assert!(text(&output).contains("nothing was sampled"), "{}", text(&output));
            continue;
        }
        assert!(output.status.success(), "{}", text(&output));
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("profile/bench");
        let svg = folder.join("profile-canary-misbehave-every-way-cpu.svg");
        assert!(std::fs::read_to_string(svg).unwrap().contains("<svg"));
        let pb = folder.join("profile-canary-misbehave-every-way-cpu.pb");
        assert!(std::fs::metadata(pb).unwrap().len() > 100);
    }
}
