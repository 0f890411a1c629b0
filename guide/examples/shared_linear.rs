//! Threads that fill one region with values that die together, within a bound: a phase of a parallel
//! program.
//!
//! Two threads split the lines of a log and keep a record for each. Plain: each record has a `Box`
//! and its text a `String`. In a `SyncLinear` each thread takes from blocks of its own.

use alloc_linear::SyncLinear;
use std::thread;

const LINES: usize = 20_000;
const THREADS: usize = 2;

struct Plain {
    code: usize,
    text: String,
}

struct Record<'r> {
    code: usize,
    text: &'r str,
}

fn line(number: usize, text: &mut String) -> usize {
    use core::fmt::Write as _;
    text.clear();
    let code = number % 7;
    write!(text, "event {number} of kind {code}").map_or(0, |()| code)
}

/// The lines of one of the threads.
fn share(thread: usize) -> impl Iterator<Item = usize> {
    (0..LINES).skip(thread).step_by(THREADS)
}

/// Both threads' results; `one` is what a thread does.
fn on_threads<T: Send>(one: impl Fn(usize) -> Vec<T> + Sync) -> Vec<Vec<T>> {
    thread::scope(|scope| {
        let one = &one;
        let threads: Vec<_> = (0..THREADS).map(|at| scope.spawn(move || one(at))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

fn sum(records: impl Iterator<Item = (usize, usize)>) -> usize {
    records.map(|(code, len)| code * len).sum()
}

fn plain() -> usize {
    let all = on_threads(|thread| {
        let mut text = String::new();
        let keep = |number| {
            let code = line(number, &mut text);
            Box::new(Plain { code, text: text.clone() })
        };
        share(thread).map(keep).collect()
    });
    sum(all.iter().flatten().map(|record| (record.code, record.text.len())))
}

fn in_region(region: &SyncLinear) -> usize {
    let all = on_threads(|thread| {
        let mut text = String::new();
        region.with_local(|local| {
            let keep = |number| {
                let code = line(number, &mut text);
                &*local.alloc(Record { code, text: local.alloc_str(&text) })
            };
            share(thread).map(keep).collect()
        })
    });
    sum(all.iter().flatten().map(|record| (record.code, record.text.len())))
}

fn main() {
    let measured = guide::measure("record", LINES)
        .way("Box and String", || plain)
        .way("SyncLinear, reset", || {
            let mut region = SyncLinear::with_capacity(LINES * 80);
            move || {
                let sum = in_region(&region);
                region.reset();
                sum
            }
        })
        .run();
    assert!(measured[0].allocs > 2 * LINES as u64 && measured[1].allocs < 100, "{measured:?}");
}
