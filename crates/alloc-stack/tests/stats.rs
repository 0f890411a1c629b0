//! What a stack says it did.
#![cfg(not(loom))]

#[cfg(feature = "stats")]
use alloc_core::Layout;
use alloc_stack::{Stack, StackConfig};

#[test]
fn figures_follow_from_cursors() {
    let mut stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
    let boxes = [stack.boxed([0u8; 10_000]), stack.boxed([0u8; 10_000])];
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
    drop(stack.boxed([0u8; 100]));
    stack.scoped(|scope| {
        scope.alloc_with(|| 7u64);
    });
    drop(stack.top().push(String::new()));
    let stats = stack.stats();
    assert_eq!((stats.allocs, stats.frees), (Some(5), Some(4)), "frames end without counting");
    assert_eq!((stats.peak_bytes, stats.used_bytes), (112, 0), "100 bytes in whole grains");
}

#[cfg(not(feature = "stats"))]
#[test]
fn what_is_not_counted_is_not_said() {
    let stack = Stack::new();
    drop(stack.boxed(1u8));
    let stats = stack.stats();
    assert_eq!((stats.allocs, stats.frees, stats.requested_bytes), (None, None, None));
}
