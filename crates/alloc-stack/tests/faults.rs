//! Bad input and faults: each a clear error or a documented panic, nothing lost, the stack usable
//! afterwards. And what safe code can do to it: forget, swap, panic, re-enter.
#![cfg(not(loom))]

use alloc_core::testing::{Checked, FailAt};
use alloc_core::{Allocator, ErrorKind, Global, Layout};
use alloc_stack::{Stack, StackBox, StackConfig};
use core::cell::Cell;
use core::mem::{ManuallyDrop, swap};
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};

/// The largest object.
const MAX: usize = isize::MAX.unsigned_abs();

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// Runs `work`, which must unwind; the panic hook is not called for a planned panic.
fn unwinds(work: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err(), "it was to unwind");
}

fn planned() -> ! {
    resume_unwind(Box::new("planned"))
}

fn small() -> StackConfig {
    StackConfig::new().segment_bytes(16 * 1024)
}

/// Counts its drops, and panics in them if told to.
struct Counts<'c> {
    drops: &'c Cell<u32>,
    panics: bool,
}

impl<'c> Counts<'c> {
    fn new(drops: &'c Cell<u32>) -> Self {
        Self { drops, panics: false }
    }
}

impl Drop for Counts<'_> {
    fn drop(&mut self) {
        self.drops.set(self.drops.get() + 1);
        if self.panics {
            planned();
        }
    }
}

#[test]
fn values_without_size_take_no_room_even_on_a_full_stack() {
    #[repr(align(4096))]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Marker;
    let mut stack = Stack::with_config(small().limit_bytes(16 * 1024));
    let fill = |stack: &Stack| while stack.try_push(layout(1, 1)).is_ok() {};
    for round in 0..2 {
        let used = stack.used_bytes();
        let boxed = stack.alloc_box(Marker);
        assert!((&raw const *boxed).addr().is_multiple_of(4096));
        assert_eq!(stack.alloc_box_slice_copy(&[Marker; 3]).len(), 3);
        assert_eq!(&*stack.alloc_box_str(""), "");
        let block = stack.alloc_layout(layout(0, 4096));
        // SAFETY: just taken with this layout.
        unsafe { stack.dealloc_layout(block, layout(0, 4096)) };
        drop(boxed);
        let (_, mark) = stack.push(layout(0, 64));
        // SAFETY: the newest block's mark.
        unsafe { stack.pop(mark) };
        let (block, mark) = stack.push_any(layout(0, 64));
        // SAFETY: its own mark.
        unsafe { stack.pop_any(block, mark) };
        stack.scoped(|scope| {
            assert_eq!(*scope.alloc(Marker), Marker);
            assert_eq!(scope.alloc_slice_fill_copy(1_000_000, ()).len(), 1_000_000);
            assert_eq!(scope.alloc_from_iter([Marker; 5]).len(), 5);
            assert_eq!(scope.alloc_from_iter::<u64>([]), &[0u64; 0]);
            assert_eq!(scope.alloc_fmt(format_args!("")), "");
        });
        assert_eq!(*stack.top().push(Marker), Marker);
        assert_eq!(stack.used_bytes(), used, "round {round}");
        fill(&stack);
    }
}

#[test]
fn an_empty_raw_block_from_before_the_first_segment() {
    let stack = Stack::new();
    for _ in 0..2 {
        let (_, mark) = stack.push(layout(0, 1));
        let (block, any) = stack.push_any(layout(0, 16));
        drop(stack.alloc_box([1u8; 100]));
        // SAFETY: its own mark.
        unsafe { stack.pop_any(block, any) };
        // SAFETY: the newest block's mark: the one above went.
        unsafe { stack.pop(mark) };
        assert_eq!(stack.used_bytes(), 0);
        let boxed = stack.alloc_box([2u8; 100]);
        assert_eq!(*boxed, [2; 100]);
    }
}

#[test]
fn every_alignment_to_64_kib() {
    let mut stack = Stack::new();
    for align_log2 in 0..=16 {
        let align = 1 << align_log2;
        for size in [0, 1, 63, 64, 65, 100_000] {
            let layout = layout(size, align);
            let _ = stack.push(Layout::new::<u8>()); // disturbs the cursor
            let used = stack.used_bytes();
            let any = stack.alloc_layout(layout);
            let (marked, mark) = stack.push_any(layout);
            let (raw, raw_mark) = stack.push(layout);
            for block in [any, marked, raw] {
                assert!(block.addr().get().is_multiple_of(align), "{block:p} for {align}");
            }
            // SAFETY: the newest block's mark.
            unsafe { stack.pop(raw_mark) };
            // SAFETY: alive, with this layout.
            unsafe { stack.dealloc_layout(any, layout) };
            // SAFETY: its own mark.
            unsafe { stack.pop_any(marked, mark) };
            let left = stack.used_bytes() - used;
            assert!(left < 16, "{left} bytes left of {layout:?}");
        }
        stack.reset();
        assert_eq!(stack.used_bytes(), 0);
    }
}

#[test]
fn sizes_at_and_above_the_largest_are_errors_with_their_numbers() {
    let mut stack = Stack::new();
    for (size, align) in [(MAX, 1), (MAX - 7, 8), (MAX - 65535, 65536)] {
        for error in [
            stack.try_push(layout(size, align)).unwrap_err(),
            stack.try_push_any(layout(size, align)).unwrap_err(),
            stack.try_alloc_layout(layout(size, align)).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::CapacityOverflow, "{error}");
            assert_eq!((error.size(), error.align()), (size, align));
            assert!(error.to_string().contains(&size.to_string()), "{error}");
        }
    }
    assert_eq!(stack.try_push(layout(MAX / 2, 1)).unwrap_err().kind(), ErrorKind::Backing);
    stack.scoped(|scope| {
        for len in [MAX / 8 + 1, usize::MAX / 8, usize::MAX] {
            let error = scope.try_alloc_uninit_slice::<u64>(len).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
            assert_eq!(error.size(), len.saturating_mul(8));
        }
    });
    for capacity_bytes in [MAX - 8, MAX, MAX + 1, usize::MAX] {
        let error = Stack::try_with_capacity(capacity_bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
        assert!(error.to_string().contains(&capacity_bytes.to_string()), "{error}");
    }
    assert_eq!(stack.reserved_bytes(), 0, "nothing was taken for what cannot be");
}

#[test]
fn capacities_hold_what_they_say() {
    for capacity_bytes in [0, 1, 63, 64, 65, 4096, 100_000] {
        let stack = Stack::with_capacity(capacity_bytes);
        let reserved = stack.reserved_bytes();
        for _ in 0..capacity_bytes {
            let _ = stack.push(layout(1, 1));
        }
        assert_eq!(stack.reserved_bytes(), reserved, "{capacity_bytes} bytes in the first segment");
    }
}

#[test]
fn bad_configurations_name_field_value_and_limit() {
    for (config, field) in [
        (StackConfig::new().segment_bytes(16 * 1024 - 1), "segment_bytes is 16383, not in 16384"),
        (StackConfig::new().segment_bytes(usize::MAX), "segment_bytes is 18446744073709551615"),
        (StackConfig::new().limit_bytes(100), "limit_bytes is 100, not in 65536"),
    ] {
        let error = Stack::try_with_config(config).unwrap_err();
        assert!(error.to_string().starts_with(field), "{error}");
    }
}

#[test]
fn the_limit_is_kept_and_reached() {
    let stack = Stack::with_config(small().limit_bytes(50 * 1024));
    let mut taken = 0;
    let error = loop {
        match stack.try_push(layout(1000, 8)) {
            Ok(_) => taken += 1000,
            Err(error) => break error,
        }
        assert!(stack.reserved_bytes() <= 50 * 1024, "{} bytes held", stack.reserved_bytes());
    };
    assert_eq!(error.kind(), ErrorKind::Full);
    assert!(taken > 45_000, "{taken} of 50 KiB were of use");
}

#[test]
fn a_backing_that_refuses_the_nth_request_loses_nothing() {
    for fail_at in 1.. {
        let backing = FailAt::new(Checked::new(Global), fail_at);
        let mut stack = Stack::<8, _>::with_config_in(small(), &backing);
        let mut refused = false;
        for size in [100, 20_000, 100, 40_000, 9000, 9000] {
            let used = stack.used_bytes();
            match stack.try_alloc_box_slice_fill_with(size, |n| n.to_le_bytes()[0]) {
                Ok(boxed) => {
                    let _ = StackBox::leak(boxed);
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Backing);
                    assert_eq!(stack.used_bytes(), used, "a refusal takes nothing");
                    refused = true;
                }
            }
        }
        stack.reset();
        assert_eq!(stack.used_bytes(), 0);
        // A growth that was refused was asked for again, smaller: that is no refusal.
        let calls = backing.calls();
        drop(stack);
        if calls < fail_at {
            assert!(!refused && fail_at > 3);
            break;
        }
    }
}

#[test]
fn a_growing_vector_survives_a_refusal() {
    let stack = Stack::<1, _>::with_config_in(small(), FailAt::new(Global, 2));
    let mut numbers = alloc_core::collections::Vec::new_in(&stack);
    let mut refusals = 0;
    for n in 0..10_000_u32 {
        while numbers.try_reserve(1).is_err() {
            refusals += 1;
        }
        numbers.push(n);
    }
    assert_eq!(refusals, 1, "and then it was served");
    assert!(numbers.iter().copied().eq(0..10_000));
}

#[test]
fn a_panicking_initialiser_gives_its_block_back() {
    let mut stack = Stack::new();
    let drops = Cell::new(0);
    unwinds(|| drop(stack.alloc_box_with(|| -> u64 { planned() })));
    unwinds(|| {
        drop(stack.alloc_box_slice_fill_with(10, |n| {
            if n == 7 {
                planned();
            }
            Counts::new(&drops)
        }));
    });
    assert_eq!((drops.take(), stack.used_bytes()), (7, 0));
    unwinds(|| drop(stack.top().push_with(|| -> u64 { planned() })));
    unwinds(|| {
        drop(stack.top().push_slice_fill_with(10, |n| {
            if n == 7 {
                planned();
            }
            Counts::new(&drops)
        }));
    });
    assert_eq!((drops.take(), stack.used_bytes()), (7, 0));
    let mut frame = stack.frame();
    let scope = frame.scope();
    let used = scope.used_bytes();
    unwinds(|| {
        scope.alloc_with(|| -> u64 { planned() });
    });
    unwinds(|| {
        scope.alloc_slice_fill_with(9, |n| if n == 5 { planned() } else { n });
    });
    unwinds(|| {
        scope.alloc_from_iter((0..9).inspect(|&n| {
            if n == 5 {
                planned()
            }
        }));
    });
    assert_eq!(scope.alloc_try_with(|| Err::<u64, _>("no")).unwrap_err(), "no");
    assert_eq!(scope.used_bytes(), used);
}

#[test]
fn a_panic_after_nested_allocations_frees_none_of_them() {
    let mut stack = Stack::new();
    let mut frame = stack.frame();
    let scope = frame.scope();
    let kept = Cell::new(None);
    unwinds(|| {
        scope.alloc_with(|| -> [u64; 8] {
            kept.set(Some(scope.alloc([7u64; 4])));
            planned()
        });
    });
    let kept = kept.take().unwrap();
    scope.alloc([9u64; 100]);
    assert_eq!(*kept, [7; 4]);
}

#[test]
fn a_panic_in_a_drop_gives_the_block_back() {
    let mut stack = Stack::new();
    let drops = Cell::new(0);
    let (a, b) = (
        stack.alloc_box(Counts { drops: &drops, panics: true }),
        stack.alloc_box(Counts { drops: &drops, panics: true }),
    );
    unwinds(|| drop(a));
    unwinds(|| drop(b));
    assert_eq!((drops.take(), stack.used_bytes()), (2, 0));
    {
        let mut top = stack.top();
        unwinds(|| drop(top.push(Counts { drops: &drops, panics: true })));
        assert_eq!((drops.take(), top.used_bytes()), (1, 0));
    }
    unwinds(|| {
        stack.scoped(|scope| {
            scope.alloc([1u8; 100]);
            planned();
        });
    });
    assert_eq!(stack.used_bytes(), 0, "the frame ended with the closure");
}

#[test]
fn a_box_drops_its_value_before_its_room_is_free() {
    /// Takes memory of the same stack in its drop, while its own bytes are still to be read.
    struct Nested<'s> {
        stack: &'s Stack,
        bytes: [u8; 64],
        seen: &'s Cell<bool>,
    }
    impl Drop for Nested<'_> {
        fn drop(&mut self) {
            let other = self.stack.alloc_box([0xEE_u8; 64]);
            self.seen.set(self.bytes == [7; 64] && *other == [0xEE; 64]);
            let _ = ManuallyDrop::new(self.stack.alloc_box(1u8)); // stays above
        }
    }
    let seen = Cell::new(false);
    let mut stack = Stack::new();
    drop(stack.alloc_box(Nested { stack: &stack, bytes: [7; 64], seen: &seen }));
    assert!(seen.get(), "the value was whole in its drop");
    assert!(stack.used_bytes() >= 16, "what the drop forgot is still there");
    stack.reset();
    assert_eq!(stack.used_bytes(), 0);
}

#[test]
fn values_move_out_of_boxes_and_handles() {
    let mut stack = Stack::new();
    let (a, b) = (stack.alloc_box(String::from("a")), stack.alloc_box(String::from("b")));
    assert_eq!(StackBox::into_inner(a) + &StackBox::into_inner(b), "ab");
    let leaked: &mut [u8; 4] = StackBox::leak(stack.alloc_box([4; 4]));
    leaked[0] = 5;
    assert_eq!(*leaked, [5, 4, 4, 4]);
    stack.reset();
    let mut top = stack.top();
    assert_eq!(top.push(String::from("c")).pop(), "c");
    assert_eq!(top.used_bytes(), 0);
}

#[test]
fn coercing_to_another_object_is_refused() {
    let stack = Stack::new();
    let drops = Cell::new(0);
    let boxed = stack.alloc_box((Counts::new(&drops), 7u8));
    let shown: StackBox<'_, dyn Send> =
        StackBox::coerce(stack.alloc_box([1u8; 3]), |value| value as _);
    drop(shown);
    drop(boxed);
    assert_eq!((drops.get(), stack.used_bytes()), (1, 0));
}

#[test]
fn what_is_forgotten_goes_with_the_frame_around_it() {
    let mut stack = Stack::with_config(small());
    let drops = Cell::new(0);
    {
        let mut outer = stack.frame();
        let mut scope = outer.scope();
        let number = scope.alloc(7u64);
        // A frame forgotten, with dead blocks and a segment of its own.
        let mut inner = scope.frame();
        {
            let scope = inner.scope();
            let (a, b) = (scope.alloc_box([1u8; 64]), scope.alloc_box(Counts::new(&drops)));
            drop(a);
            let _ = ManuallyDrop::new(b);
            scope.alloc_slice_fill_copy(40_000, 3u8);
        }
        let _ = ManuallyDrop::new(inner);
        assert!(scope.used_bytes() > 40_000);
        // Handles below and above forgotten ones.
        let mut top = scope.top();
        let mut first = top.push(Counts::new(&drops));
        let (_, mut above) = first.split();
        let _ = ManuallyDrop::new(above.push([0u8; 20_000]));
        let _ = ManuallyDrop::new(above.frame());
        let second = above.push(Counts::new(&drops));
        drop(second);
        drop(first);
        assert_eq!(*number, 7);
    }
    assert_eq!(stack.used_bytes(), 0);
    assert_eq!(drops.get(), 2, "handles drop; a forgotten box does not");
    // What the forgotten ones left is gone: the bytes can be used, and nothing is freed under us.
    let boxes: Vec<_> = (0..2000_u64).map(|n| stack.alloc_box([n; 3])).collect();
    assert!(boxes.iter().zip(0..).all(|(boxed, n)| **boxed == [n; 3]));
}

#[test]
fn a_handle_forgotten_in_a_new_segment_leaves_the_one_below_in_order() {
    let mut stack = Stack::with_config(small());
    for _ in 0..3 {
        let mut top = stack.top();
        let mut first = top.push([1u8; 10_000]);
        let (_, mut above) = first.split();
        let _ = ManuallyDrop::new(above.push([2u8; 10_000])); // opens a segment
        drop(first);
        let third = top.push([3u8; 10_000]);
        assert!(third.iter().all(|&byte| byte == 3));
        drop(third);
        assert_eq!(top.used_bytes(), 0);
    }
    assert_eq!(stack.stats().waste_tail_bytes, 0);
}

#[test]
fn swapped_guards_and_scopes_end_their_own_stacks() {
    let (mut one, mut two) = (Stack::new(), Stack::new());
    {
        let (mut a, mut b) = (one.frame(), two.frame());
        swap(&mut a, &mut b);
        {
            let (mut x, mut y) = (a.scope(), b.scope());
            swap(&mut x, &mut y);
            let (p, q) = (x.alloc([1u8; 100]), y.alloc([2u8; 200]));
            swap(&mut x, &mut y);
            x.alloc([3u8; 50]);
            assert_eq!((*p, *q), ([1; 100], [2; 200]));
        }
        drop(a);
    }
    assert_eq!((one.used_bytes(), two.used_bytes()), (0, 0));
    {
        let (mut a, mut b) = (one.top(), two.top());
        let (mut p, mut q) = (a.push(String::from("p")), b.push(String::from("q")));
        swap(&mut p, &mut q);
        {
            let ((_, mut x), (_, mut y)) = (p.split(), q.split());
            swap(&mut x, &mut y);
            let _ = ManuallyDrop::new(x.push([0u8; 300]));
            drop(y.push([0u8; 300]));
        }
        assert_eq!((&**p, &**q), ("q", "p"));
        drop(p);
    }
    assert_eq!((one.used_bytes(), two.used_bytes()), (0, 0));
}

#[test]
fn references_of_a_parent_stay_usable_while_a_child_is_open() {
    let mut stack = Stack::new();
    let mut frame = stack.frame();
    let mut scope = frame.scope();
    let outer = scope.alloc([1u32; 64]);
    {
        let mut child = scope.frame();
        let inner = child.scope().alloc([2u32; 64]);
        outer[0] = inner[0];
        inner[1] = outer[1];
    }
    let again = scope.alloc([3u32; 64]);
    assert_eq!((outer[0], outer[1], again[0]), (2, 1, 3));
}

#[test]
fn a_frame_can_be_reset_and_used_again() {
    let mut stack = Stack::with_config(small());
    let mut frame = stack.frame();
    for round in 0..5_u8 {
        let slice = frame.scope().alloc_slice_fill_copy(30_000, round);
        assert!(slice.iter().all(|&byte| byte == round));
        frame.reset();
        assert_eq!(frame.scope().used_bytes(), 0);
    }
}

#[test]
fn stale_and_foreign_marks_panic_in_debug_builds() {
    if cfg!(not(debug_assertions)) {
        return;
    }
    let (one, two) = (Stack::new(), Stack::new());
    let (_, a) = one.push(layout(64, 8));
    let (_, b) = one.push(layout(64, 8));
    for work in [
        // SAFETY: it panics before anything is done: out of order, and of another stack.
        &(|| unsafe { one.pop(a) }) as &dyn Fn(),
        // SAFETY: as above.
        &|| unsafe { two.pop(b) },
        // SAFETY: as above.
        &|| unsafe { two.pop_to(b) },
    ] {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        let result = catch_unwind(AssertUnwindSafe(work));
        std::panic::set_hook(hook);
        let message = *result.unwrap_err().downcast::<String>().unwrap();
        assert!(message.contains("order") || message.contains("another stack"), "{message}");
    }
    // SAFETY: the newest block's mark.
    unsafe { one.pop(b) };
    // SAFETY: the newest block's mark now.
    unsafe { one.pop(a) };
}

/// A raw block on top of blocks that go before it: the promise of `pop` is broken, which debug builds see.
#[test]
fn a_raw_pop_above_what_went_before_it_panics_in_debug_builds() {
    if cfg!(not(debug_assertions)) {
        return;
    }
    // In one segment, and with the segment below empty: nobody would look at either again.
    for between in [24, 16 * 1024] {
        let mut stack = Stack::with_config(small());
        stack.reserve(100);
        let oldest = stack.alloc_box([0u8; 4000]);
        let fill = stack.alloc_box([0u8; 11_000]);
        let below = stack.alloc_box([1u8; 400]);
        let again = stack.alloc_box(vec![0u8; between]);
        let (_, mark) = stack.push(layout(64, 8));
        drop(again);
        drop(below);
        // SAFETY: it panics before anything else is done.
        unwinds(|| unsafe { stack.pop(mark) });
        drop(fill);
        drop(oldest);
        stack.reset();
    }
}

#[test]
fn a_mark_gives_back_what_came_after_it() {
    let stack = Stack::with_config(small());
    let kept = stack.alloc_layout(layout(100, 8));
    let mark = stack.mark();
    let used = stack.used_bytes();
    let blocks: Vec<_> = (0..100).map(|_| stack.alloc_layout(layout(1000, 8))).collect();
    for &block in blocks.iter().step_by(2) {
        // SAFETY: alive, with this layout.
        unsafe { stack.dealloc_layout(block, layout(1000, 8)) };
    }
    // SAFETY: nothing taken since is used again.
    unsafe { stack.pop_to(mark) };
    assert_eq!(stack.used_bytes(), used);
    // SAFETY: alive, with this layout.
    unsafe { stack.dealloc_layout(kept, layout(100, 8)) };
    assert_eq!(stack.used_bytes(), 0);
}

#[test]
fn what_died_above_a_mark_is_forgotten_with_it() {
    let mut stack = Stack::with_config(small());
    let below = stack.alloc_layout(layout(48, 8));
    let mark = stack.mark();
    let (a, b) = (stack.alloc_box([1u64; 4]), stack.alloc_box([2u64; 4]));
    drop(a);
    let _ = ManuallyDrop::new(b);
    // SAFETY: nothing taken since is used again.
    unsafe { stack.pop_to(mark) };
    assert_eq!(stack.used_bytes(), 48);
    // Where `a` was; what is given back above it must not take it along.
    let (c, d) = (stack.alloc_box([3u64; 4]), stack.alloc_box([4u64; 4]));
    drop(d);
    assert_eq!((*c, stack.used_bytes()), ([3; 4], 48 + 32));
    drop(c);
    // SAFETY: alive, with this layout.
    unsafe { stack.dealloc_layout(below, layout(48, 8)) };
    assert_eq!(stack.used_bytes(), 0);

    // From before the first segment, and of one that is gone.
    stack.trim();
    let nowhere = stack.mark();
    let _ = stack.push(layout(100, 1));
    let old = stack.mark();
    // SAFETY: nothing taken since is used again.
    unsafe { stack.pop_to(nowhere) };
    assert_eq!(stack.used_bytes(), 0);
    stack.trim();
    // SAFETY: as above: there is nothing.
    unsafe { stack.pop_to(old) };
    // SAFETY: as above.
    unsafe { stack.pop_to(nowhere) };
    assert_eq!((stack.used_bytes(), stack.reserved_bytes()), (0, 0));
}

#[test]
fn memory_goes_back_when_asked() {
    let backing = Checked::new(Global);
    let mut stack = Stack::<1, _>::with_config_in(small(), &backing);
    let boxes: Vec<_> = (0..100).map(|n| stack.alloc_box([n; 1000])).collect();
    drop(boxes);
    assert_eq!(backing.live_blocks(), 2, "the oldest segment, and one spare");
    let reserved = stack.reserved_bytes();
    assert_eq!(stack.trim(), reserved);
    assert_eq!((backing.live_blocks(), stack.reserved_bytes()), (0, 0));
    stack.reserve(100_000);
    let calls = stack.stats().slow_calls;
    let boxed = stack.alloc_box([1u8; 100_000]);
    assert_eq!(stack.stats().slow_calls, calls, "the room was there");
    drop(boxed);
    let boxed = ManuallyDrop::new(stack.alloc_box(1u8));
    assert_eq!(**boxed, 1);
    assert_eq!(stack.trim(), 0, "in use, and no spare");
}

#[test]
fn maps_and_vectors_give_all_back_when_they_unwind() {
    let stack = Stack::new();
    unwinds(|| {
        let mut words = alloc_core::collections::Vec::new_in(&stack);
        let mut inner = alloc_core::collections::Vec::new_in(&stack);
        for n in 0..1000 {
            words.push(n);
            inner.push(n);
        }
        planned();
    });
    assert_eq!(stack.used_bytes(), 0);
}

#[test]
fn moving_a_stack_moves_no_block() {
    let stack = Stack::new();
    let block = stack.alloc_layout(layout(64, 8));
    // SAFETY: fresh memory of this size.
    unsafe { block.write_bytes(7, 64) };
    let moved = Box::new(stack);
    // SAFETY: written above.
    assert_eq!(unsafe { block.read() }, 7);
    // SAFETY: of the same stack, with this layout.
    unsafe { moved.deallocate(block, layout(64, 8)) };
    assert_eq!(moved.used_bytes(), 0);
}
