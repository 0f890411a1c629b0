//! Hardly a gain: one short-lived block at a time, which malloc's own cache serves.
//!
//! A median filter gathers the 25 values around each point of a picture. The block of the last point
//! is the first in malloc's list, and still in the cache of the CPU; what takes time is the median.
//! Where the size is known, an array on the call stack costs nothing at all.

use alloc_linear::Linear;
use alloc_stack::Stack;

const SIDE: usize = 40;
const WINDOW: usize = 25;

/// The median of the values around a point; `window` is room for them.
fn median(picture: &[u8], point: usize, window: &mut [u8]) -> u64 {
    let (row, column) = (point / (SIDE - 4), point % (SIDE - 4));
    for (row, part) in (row..).zip(window.chunks_exact_mut(5)) {
        part.copy_from_slice(&picture[row * SIDE + column..][..5]);
    }
    let (_, median, _) = window.select_nth_unstable(WINDOW / 2);
    u64::from(*median)
}

#[expect(clippy::useless_vec, reason = "as it is often seen; the lint names the remedy")]
fn main() {
    let mut random = guide::Random::new(29);
    let picture: Vec<u8> = (0..SIDE * SIDE).map(|_| random.below(256).to_le_bytes()[0]).collect();
    let picture = &picture[..];
    let points = || 0..(SIDE - 4) * (SIDE - 4);
    let measured = guide::measure("point", points().len())
        .way("a Vec for each point", || {
            || points().map(|point| median(picture, point, &mut vec![1; WINDOW])).sum::<u64>()
        })
        .way("Linear, reset", || {
            let mut region = Linear::with_capacity(4 << 10);
            move || {
                let one = |point| {
                    region.reset();
                    median(picture, point, region.alloc_slice_fill_copy(WINDOW, 1))
                };
                points().map(one).sum()
            }
        })
        .way("Stack", || {
            let mut stack = Stack::new();
            move || {
                let one = |point| {
                    median(picture, point, &mut stack.top().push_slice_fill_with(WINDOW, |_| 1))
                };
                points().map(one).sum()
            }
        })
        .way("an array", || || points().map(|point| median(picture, point, &mut [1; WINDOW])).sum())
        .run();
    assert_eq!(measured[0].allocs, points().len() as u64);
    assert!(measured[1..].iter().all(|way| way.allocs == 0));
}
