//! Jobs on several threads, each of which needs room for its temporaries for a short time, and keeps
//! nothing: leases.
//!
//! Plain, each job allocates its buffers. From a `Depot` it leases a whole stack that an earlier job
//! left warm, whichever thread it ran on.

use alloc_stack::{Depot, Top};
use std::thread;

const THREADS: usize = 2;

/// What a job sorts, by a merge sort that takes a copy of its left half.
fn input(job: usize) -> [usize; 64] {
    let mut random = guide::Random::new(job as u64);
    core::array::from_fn(|_| random.below(1 << 20))
}

/// Merges `left` and what follows it in `values`.
fn merge(left: &[usize], values: &mut [usize]) {
    let (mut from_left, mut right) = (left.iter().copied().peekable(), left.len());
    for at in 0..values.len() {
        match (from_left.peek(), values.get(right)) {
            (Some(left), Some(other)) if other < left => {
                values[at] = *other;
                right += 1;
            }
            (Some(_), _) => values[at] = from_left.next().unwrap_or_default(),
            (None, _) => return,
        }
    }
}

fn plain(values: &mut [usize]) {
    if values.len() > 1 {
        let half = values.len() / 2;
        plain(&mut values[..half]);
        plain(&mut values[half..]);
        let left = values[..half].to_vec();
        merge(&left, values);
    }
}

fn stacked(values: &mut [usize], mut top: Top<'_>) {
    if values.len() > 1 {
        let half = values.len() / 2;
        stacked(&mut values[..half], top.reborrow());
        stacked(&mut values[half..], top.reborrow());
        let left = top.push_slice_copy(&values[..half]);
        merge(&left, values);
    }
}

/// All jobs, shared out.
fn on_threads(jobs: usize, job: impl Fn(usize) -> usize + Sync) -> usize {
    let share = |thread| (0..jobs).skip(thread).step_by(THREADS).map(&job).sum::<usize>();
    thread::scope(|scope| {
        let other = scope.spawn(|| share(1));
        share(0) + other.join().expect("no panic")
    })
}

/// The third of what is sorted.
fn third(job: usize, sort: impl FnOnce(&mut [usize])) -> usize {
    let mut values = input(job);
    sort(&mut values);
    assert!(values.is_sorted());
    values[2]
}

fn main() {
    let jobs = if guide::quick() { 50 } else { 2000 };
    let measured = guide::measure("job", jobs)
        .way("a Vec for each copy", || || on_threads(jobs, |job| third(job, plain)))
        .way("Depot", || {
            let depot: Depot = Depot::new();
            move || {
                on_threads(jobs, |job| third(job, |values| stacked(values, depot.lease().top())))
            }
        })
        .run();
    assert!(measured[0].allocs >= 63 * jobs as u64 && measured[1].allocs < 50, "{measured:?}");
}
