//! What is given back leaves nothing behind: in order, in random order, over-alignment included.
#![cfg(not(loom))]

use alloc_core::Layout;
use alloc_stack::{Stack, StackConfig};
use core::ptr::NonNull;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 16).unwrap_or(usize::MAX) % limit
    }

    fn layout(&mut self, max_align_log2: usize) -> Layout {
        layout(16 + self.below(1009), 1 << self.below(max_align_log2 + 1))
    }
}

#[test]
fn balanced_pushes_and_pops_of_mixed_alignment_leave_nothing() {
    let stack = Stack::new();
    let mut numbers = Numbers(7);
    let mut marks = Vec::new();
    let (mut live, mut peak, mut true_peak) = (0, 0, 0);
    for _ in 0..20_000 {
        if marks.is_empty() || numbers.below(100) < 51 {
            let layout = numbers.layout(4);
            marks.push((stack.push(layout).1, layout.size()));
            live += layout.size();
            let stats = stack.stats();
            peak = peak.max(stats.used_bytes + stats.waste_tail_bytes);
            true_peak = true_peak.max(live);
        } else if let Some((mark, size)) = marks.pop() {
            // SAFETY: the newest block's mark.
            unsafe { stack.pop(mark) };
            live -= size;
        }
    }
    while let Some((mark, _)) = marks.pop() {
        // SAFETY: the newest block's mark.
        unsafe { stack.pop(mark) };
    }
    assert_eq!(stack.used_bytes(), 0);
    assert_eq!(stack.stats().waste_tail_bytes, 0, "one segment is left");
    assert!(true_peak > 100_000, "several segments were in use: {true_peak}");
    assert!(peak * 100 <= true_peak * 105, "{peak} bytes for {true_peak}");
}

#[test]
fn blocks_given_back_in_random_order_leave_nothing() {
    for (max_align_log2, rounds) in [(4, 40), (8, 40), (16, 4)] {
        let stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
        let mut numbers = Numbers(11 + max_align_log2 as u64);
        for round in 0..rounds {
            let mut blocks: Vec<(NonNull<u8>, Layout)> = (0..200)
                .map(|_| {
                    let layout = numbers.layout(max_align_log2);
                    (stack.alloc_layout(layout), layout)
                })
                .collect();
            while !blocks.is_empty() {
                let (block, layout) = blocks.swap_remove(numbers.below(blocks.len()));
                // SAFETY: alive, with this layout.
                unsafe { stack.dealloc_layout(block, layout) };
            }
            assert_eq!(stack.used_bytes(), 0, "round {round}");
        }
    }
}

#[test]
fn a_block_popped_by_its_mark_above_blocks_that_go_meanwhile() {
    let stack = Stack::<16>::with_min_align();
    let (a, b) = (stack.alloc_box([1u8; 100]), stack.alloc_box([2u8; 100]));
    let (block, mark) = stack.push_any(layout(5, 1));
    drop(a);
    drop(b);
    assert!(stack.used_bytes() > 200, "both wait for the block above");
    // SAFETY: its own mark.
    unsafe { stack.pop_any(block, mark) };
    assert_eq!(stack.used_bytes(), 0);
}

#[test]
fn boxes_above_a_block_that_ends_anywhere_leave_it_alone() {
    // A box's room is rounded to 16; what is below ends at every remainder.
    for below in 1..=48 {
        let stack = Stack::new();
        let (block, mark) = stack.push(layout(below, 1));
        // SAFETY: fresh memory of this size.
        unsafe { block.write_bytes(0x5A, below) };
        for size in [1, 7, 8, 9, 15, 16, 17] {
            let fresh = stack.alloc_layout(layout(size, 1));
            // SAFETY: fresh memory of this size.
            unsafe { fresh.write_bytes(0xFF, size) };
            // SAFETY: alive, with this layout.
            unsafe { stack.dealloc_layout(fresh, layout(size, 1)) };
            assert!(stack.used_bytes() < below + 16, "padding below a grain at most");
        }
        // SAFETY: written above.
        let bytes = unsafe { NonNull::slice_from_raw_parts(block, below).as_ref() };
        assert!(bytes.iter().all(|&byte| byte == 0x5A), "{below} bytes below: {bytes:x?}");
        // SAFETY: the newest block's mark.
        unsafe { stack.pop(mark) };
        assert_eq!(stack.used_bytes(), 0);
    }
}

#[test]
fn a_segment_that_empties_is_kept_once() {
    let stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
    let big = layout(12 * 1024, 16);
    let blocks: Vec<_> = (0..3).map(|_| stack.push(big).1).collect();
    let reserved = stack.reserved_bytes();
    for mark in blocks.into_iter().rev() {
        // SAFETY: the newest block's mark.
        unsafe { stack.pop(mark) };
    }
    assert_eq!(stack.used_bytes(), 0);
    assert!(stack.reserved_bytes() < reserved, "one of the three went back");
    let kept = stack.reserved_bytes();
    let slow = stack.stats().slow_calls;
    for _ in 0..10 {
        // Over the boundary and back, again and again: by the spare.
        let marks = [stack.push(big).1, stack.push(big).1];
        for mark in marks.into_iter().rev() {
            // SAFETY: the newest block's mark.
            unsafe { stack.pop(mark) };
        }
        assert_eq!(stack.reserved_bytes(), kept, "no call of the backing");
    }
    assert!(stack.stats().slow_calls > slow);
}

#[test]
fn vectors_and_maps_come_and_go() {
    let stack = Stack::new();
    {
        let mut numbers = alloc_core::collections::Vec::new_in(&stack);
        let mut words = alloc_core::collections::Vec::new_in(&stack);
        let mut map = hashbrown::HashMap::<u32, u64, _, _>::new_in(&stack);
        for n in 0..10_000_u32 {
            numbers.push(n);
            if n % 3 == 0 {
                words.push(u64::from(n));
                map.insert(n, u64::from(n) * 2);
            }
        }
        numbers.truncate(10);
        numbers.shrink_to_fit();
        assert!(numbers.iter().copied().eq(0..10));
        assert!((0..10_000).step_by(3).all(|n| map[&n] == u64::from(n) * 2));
        assert_eq!(words.len(), 3334);
    }
    assert_eq!(stack.used_bytes(), 0);
}
