//! Every case as a criterion group: `cargo bench -p benches -- linear/typed-24`. Times are per round.
//!
//! For people's habits: criterion measures one engine after the other, and on a shared machine
//! its medians of the same code differ by a quarter between runs. Claims come from
//! `cargo xtask bench`, which times engines turn by turn.

use core::time::Duration;
use std::time::Instant;

use benches::case::Role;
use benches::scenarios;
use benches::threads;
use criterion::{BenchmarkId, Criterion};

fn main() {
    // Before any engine pins a thread.
    let cores = threads::cpus().len();
    let mut criterion = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .configure_from_args();
    for case in scenarios::all() {
        if case.threads > cores && cores < 2 {
            continue;
        }
        let mut group = criterion.benchmark_group(case.id);
        for spec in case.engines.iter().filter(|spec| spec.role != Role::Null) {
            let id = BenchmarkId::new(spec.name, spec.config);
            // Built on first use, so that a filter costs nobody else's memory.
            let mut engine = None;
            group.bench_function(id, |bencher| {
                let engine = engine.get_or_insert_with(|| (spec.build)());
                bencher.iter_custom(|rounds| {
                    let clock = Instant::now();
                    core::hint::black_box(engine.run(rounds));
                    clock.elapsed()
                });
            });
        }
        group.finish();
    }
    criterion.final_summary();
}
