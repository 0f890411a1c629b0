//! What giving memory back costs, in steps: of twice as much, twice as many.

use core::cell::Cell;
use std::vec::Vec;

use alloc_core::Layout;

use crate::{Stack, StackBox};

std::thread_local! {
    /// Steps that this thread took (`segment::step`).
    pub(crate) static STEPS: Cell<u64> = const { Cell::new(0) };
}

fn steps(work: impl FnOnce()) -> u64 {
    let before = STEPS.get();
    work();
    STEPS.get() - before
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

/// Every second block is freed first, the oldest first: a sorted list would take a step for each
/// block below. In one segment: to find a block's takes a step for each, which are few.
fn scrambled_frees(count: usize) -> u64 {
    let stack = Stack::with_capacity(32 * count);
    let blocks: Vec<_> = (0..count).map(|_| stack.alloc_layout(layout(24, 8))).collect();
    let steps = steps(|| {
        for start in [0, 1] {
            for &block in blocks.iter().skip(start).step_by(2) {
                // SAFETY: alive, with this layout.
                unsafe { stack.dealloc_layout(block, layout(24, 8)) };
            }
        }
    });
    assert_eq!(stack.used_bytes(), 0);
    steps
}

#[test]
fn scrambled_frees_cost_a_constant_each() {
    for count in [1000, 4000, 16_000] {
        let (once, twice) = (scrambled_frees(count), scrambled_frees(2 * count));
        assert!(once >= count as u64 / 2, "{once} steps for {count} blocks: some were not counted");
        assert!(twice <= 3 * once, "{once} steps for {count} blocks, {twice} for twice as many");
    }
}

/// A segment in which a block once died at the bottom, and one waits at the top; then as many frames
/// with dead blocks. To look through the whole map at the end of each would take a step for each word
/// of it.
fn frames_with_dead_blocks(segment_bytes: usize, count: usize) -> u64 {
    let mut stack = Stack::with_capacity(segment_bytes);
    let mut frame = stack.frame();
    let mut scope = frame.scope();
    scope.scoped(|inner| {
        inner.alloc_layout(layout(segment_bytes / 16 * 15, 8));
        let (below, above) = (inner.alloc_box([1u64; 3]), inner.alloc_box([2u64; 3]));
        drop(below);
        drop(above);
    });
    let used = scope.used_bytes();
    let waiting = scope.alloc_box([3u64; 3]);
    let above = scope.alloc_box([4u64; 3]);
    drop(waiting);
    let _ = StackBox::leak(above);
    let steps = steps(|| {
        for _ in 0..count {
            scope.scoped(|inner| {
                let (below, _above) =
                    (inner.alloc_box([1u64; 3]), inner.alloc_layout(layout(24, 8)));
                drop(below);
            });
        }
    });
    assert_eq!(scope.used_bytes(), used + 64);
    drop(frame);
    assert_eq!(stack.used_bytes(), 0);
    steps
}

#[test]
fn a_frame_with_dead_blocks_costs_what_it_holds_not_what_its_segment_does() {
    let small = frames_with_dead_blocks(1 << 20, 1000);
    assert!((1000..20_000).contains(&small), "{small} steps for 1000 frames");
    let large = frames_with_dead_blocks(16 << 20, 1000);
    assert!(large <= small + small / 2, "{small} steps in 1 MiB, {large} in 16");
}
