//! What is promised of every row without running it, and of some by running them. That engines agree on
//! what they left in memory, whatever the number of rounds, `cargo xtask bench --verify` sees.
//!
//! Beside the library, not in it: its own unit tests then reach no scenario, and every scenario on
//! every engine is compiled once instead of twice.

use std::collections::{HashMap, HashSet};

use benches::case::{EngineSpec, Role};
use benches::report::cross::what;
use benches::scenarios::{all, cross};

#[test]
fn ids_and_engines_are_unique_and_each_case_has_one_reference() {
    let mut ids = HashSet::new();
    for case in all() {
        assert!(ids.insert(case.id), "{} is listed twice", case.id);
        let mut engines = HashSet::new();
        for engine in &case.engines {
            let (name, config) = (engine.name, engine.config);
            assert!(engines.insert((name, config)), "{}: {name}/{config} is listed twice", case.id);
            assert!(
                !engine.primary || engine.role == Role::Ours,
                "{}: {name} is not ours",
                case.id
            );
        }
        let count = |what: fn(&&EngineSpec) -> bool| case.engines.iter().filter(what).count();
        assert_eq!(count(|e| e.reference), 1, "{}: references", case.id);
        assert_eq!(count(|e| e.primary), 1, "{}: primaries", case.id);
        assert_eq!(count(|e| e.role == Role::Null), 1, "{}: null engines", case.id);
    }
}

#[test]
fn every_malloc_has_a_counted_form_that_does_the_same_work() {
    let mallocs = [
        "glibc",
        "mimalloc",
        "jemalloc",
        "snmalloc",
        "box-mimalloc",
        "box-jemalloc",
        "box-snmalloc",
    ];
    for case in all() {
        let reference = case.engines.iter().find(|engine| engine.reference).unwrap();
        // All mallocs of a case are counted on one form: run it once.
        let mut counted = None;
        for engine in &case.engines {
            let (name, config) = (engine.name, engine.config);
            assert_eq!(
                mallocs.contains(&name),
                engine.counted.is_some(),
                "{}: {name}/{config}: calls of a malloc must be counted, of others are",
                case.id
            );
            counted = counted.or(engine.counted);
        }
        let Some(counted) = counted else { continue };
        assert_eq!(counted().run(1), (reference.build)().run(1), "{}", case.id);
    }
}

#[test]
fn everybody_in_the_table_of_workloads_is_introduced_and_nobody_is_absent_without_a_reason() {
    let cases = cross::cases();
    let engines = cases.iter().flat_map(|case| &case.engines);
    for engine in engines.filter(|e| !matches!(e.role, Role::Control | Role::Null)) {
        assert_ne!(what(engine.name), "", "{}: what is it?", engine.name);
        for case in &cases {
            let there = case.engines.iter().any(|other| other.name == engine.name);
            let why = cross::absent(engine.name, case.id);
            assert_ne!(there, why.is_some(), "{} in {}: {why:?}", engine.name, case.id);
        }
    }
}

#[test]
fn every_stack_of_ours_is_empty_after_a_walk_and_holds_little_more_than_lives() {
    for case in all().iter().filter(|case| case.id.starts_with("stack/mixed-align/")) {
        let ours = case.engines.iter().filter(|engine| engine.role == Role::Ours);
        assert!(ours.clone().count() >= 2, "{}", case.id);
        for spec in ours {
            let mut engine = (spec.build)();
            engine.run(3);
            let metrics: HashMap<_, _> = engine.metrics().into_iter().collect();
            assert_eq!(metrics["bytes_left"], 0.0, "{}: {}", case.id, spec.config);
            // What is given back out of order waits for what is newer; in order, padding is all.
            let most = if case.id.ends_with("/lifo") { 1.05 } else { 20.0 };
            let peak = metrics["peak_over_true_peak"];
            assert!((1.0..=most).contains(&peak), "{}: {}: {peak}", case.id, spec.config);
        }
    }
}
