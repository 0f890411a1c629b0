//! What a stack says it did.
#![cfg(not(loom))]

#[cfg(feature = "stats")]
use alloc_core::{Layout, collections::Vec};
#[cfg(feature = "stats")]
use alloc_stack::StackBox;
use alloc_stack::{Stack, StackConfig};

#[test]
fn figures_follow_from_cursors() {
    let mut stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
    let boxes = [stack.alloc_box([0u8; 10_000]), stack.alloc_box([0u8; 10_000])];
    let stats = stack.stats();
    assert_eq!(stats.used_bytes, 20_000);
    assert!((32 * 1024..33 * 1024).contains(&stats.reserved_bytes), "{stats:?}");
    assert!((6000..6384).contains(&stats.waste_tail_bytes), "{stats:?}");
    assert_eq!((stats.slow_calls, stats.resets), (2, 0));
    drop(boxes);
    let stats = stack.stats();
    assert_eq!((stats.used_bytes, stats.waste_tail_bytes), (0, 0));
    assert!(stats.peak_bytes >= 10_000, "looked at when the second segment was opened or closed");
    stack.reset();
    assert_eq!(stack.stats().resets, 1);
}

#[cfg(feature = "stats")]
#[test]
fn exact_figures() {
    let mut stack = Stack::new();
    let (_, mark) = stack.push(Layout::from_size_align(10, 1).unwrap());
    let (_, above) = stack.push(Layout::from_size_align(8, 8).unwrap());
    let stats = stack.stats();
    assert_eq!((stats.allocs, stats.frees), (Some(2), Some(0)));
    assert_eq!(stats.requested_bytes, Some(18));
    assert_eq!(stats.waste_align_bytes, Some(6));
    // SAFETY: the newest block's mark.
    unsafe { stack.pop(above) };
    // SAFETY: the newest block's mark now.
    unsafe { stack.pop(mark) };
    drop(stack.alloc_box([0u8; 100]));
    stack.scoped(|scope| {
        scope.alloc_with(|| 7u64);
    });
    drop(stack.top().push(String::new()));
    let stats = stack.stats();
    assert_eq!((stats.allocs, stats.frees), (Some(5), Some(4)), "frames end without counting");
    assert_eq!((stats.peak_bytes, stats.used_bytes), (112, 0), "100 bytes in whole grains");
}

/// Whatever way a block is taken, resized and given back: each is counted once, and given back once.
#[cfg(feature = "stats")]
#[test]
fn what_is_balanced_counts_as_balanced() {
    fn balanced(stack: &Stack, what: &str) {
        let stats = stack.stats();
        assert_eq!(stats.allocs, stats.frees, "{what}");
        assert_eq!(stats.used_bytes, 0, "{what}");
    }
    let mut stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
    for size in [0, 1, 16, 100, 20_000] {
        for align in [1, 8, 16, 64, 4096] {
            let layout = Layout::from_size_align(size, align).unwrap();
            let (_, mark) = stack.push(layout);
            // SAFETY: the newest block's mark.
            unsafe { stack.pop(mark) };
            balanced(&stack, "push");
            let (block, mark) = stack.push_any(layout);
            // SAFETY: its own mark.
            unsafe { stack.pop_any(block, mark) };
            balanced(&stack, "push_any");
            let block = stack.alloc_layout(layout);
            // SAFETY: alive, with this layout.
            unsafe { stack.dealloc_layout(block, layout) };
            balanced(&stack, "alloc_layout");
            drop(stack.top().push_layout(layout));
            balanced(&stack, "push_layout");
        }
    }
    drop(stack.alloc_box(()));
    drop(stack.alloc_box_slice_copy::<u64>(&[]));
    drop(stack.alloc_box_slice_fill_with(3, |n| stack.alloc_box(n)));
    let _ = StackBox::into_inner(stack.alloc_box([1u64; 9]));
    balanced(&stack, "boxes");
    let _ = stack.top().push(1).pop();
    drop(stack.top().push(()));
    drop(stack.top().push_slice_fill_with(5, |n| n));
    balanced(&stack, "handles");
    {
        let mut vector = Vec::new_in(&stack);
        vector.extend(0..1000u32);
        vector.truncate(10);
        vector.shrink_to_fit();
        let between = stack.alloc_box(1);
        vector.extend(0..100);
        drop(between);
    }
    balanced(&stack, "a vector");

    // In a frame nothing is given back by itself.
    let before = stack.stats();
    stack.scoped(|scope| {
        scope.alloc_from_iter((0..10u32).filter(|n| n % 2 == 0));
        scope.alloc_fmt(format_args!("{}", 12));
        scope.alloc_slice_fill_with(3, |n| n);
    });
    let after = stack.stats();
    assert_eq!(after.allocs.unwrap() - before.allocs.unwrap(), 3, "one block each");
    assert_eq!(after.frees, before.frees);
}

#[cfg(not(feature = "stats"))]
#[test]
fn what_is_not_counted_is_not_said() {
    let stack = Stack::new();
    drop(stack.alloc_box(1u8));
    let stats = stack.stats();
    assert_eq!((stats.allocs, stats.frees, stats.requested_bytes), (None, None, None));
}
