//! One test per class of fault that allocators of this kind were found to have.
#![cfg(not(loom))]

use alloc_core::{Allocator, Layout};
use alloc_stack::{Stack, StackConfig};
use core::ptr::NonNull;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn fill(block: NonNull<u8>, len: usize, value: u8) {
    // SAFETY: callers pass a live block of `len` bytes.
    unsafe { block.write_bytes(value, len) };
}

fn bytes(block: NonNull<u8>, len: usize) -> Vec<u8> {
    // SAFETY: callers pass a live block of `len` bytes, all of which were written at some time.
    unsafe { NonNull::slice_from_raw_parts(block, len).as_ref() }.to_vec()
}

/// What was read beyond the old block would show in the new block's tail.
#[test]
fn rustsec_2020_0006_realloc_copies_only_the_old_bytes() {
    let stack = Stack::new();
    let neighbour = stack.alloc_layout(layout(64, 1));
    fill(neighbour, 64, 0xAB);
    let block = stack.alloc_layout(layout(16, 1));
    fill(block, 16, 0x11);
    // SAFETY: `block` is alive with this layout; the new one is larger.
    let grown = unsafe { stack.grow(block, layout(16, 1), layout(32, 1)) }.unwrap();
    let contents = bytes(grown.cast(), 32);
    assert_eq!(contents[..16], [0x11; 16]);
    assert!(!contents.contains(&0xAB), "bytes of the neighbour were copied: {contents:x?}");
    assert_eq!(bytes(neighbour, 64), [0xAB; 64]);
}

#[test]
fn bumpalo_321_grow_zeroed_zeroes_the_new_bytes_alone() {
    for newest in [true, false] {
        let mut stack = Stack::with_capacity(1024);
        fill(stack.alloc_layout(layout(1024, 1)), 1024, 0xEE); // stale bytes everywhere
        stack.reset();
        let block = stack.alloc_layout(layout(24, 8));
        fill(block, 24, 0x77);
        if !newest {
            let _ = stack.alloc_layout(layout(1, 1));
        }
        // SAFETY: `block` is alive with this layout; the new one is larger.
        let grown = unsafe { stack.grow_zeroed(block, layout(24, 8), layout(100, 8)) }.unwrap();
        let contents = bytes(grown.cast(), 100);
        assert_eq!(contents[..24], [0x77; 24], "newest: {newest}");
        assert_eq!(contents[24..], [0; 76], "newest: {newest}");
    }
}

/// GHSA-xhx6-q96x-pf9c: growth of a block that is not the newest one, over live ones.
#[test]
fn ghsa_xhx6_growing_an_older_block_moves_it() {
    let stack = Stack::new();
    let old = stack.alloc_layout(layout(8, 8));
    fill(old, 8, 1);
    let newest = stack.alloc_layout(layout(8, 8));
    fill(newest, 8, 2);
    // SAFETY: `old` is alive with this layout; the new one is larger.
    let grown = unsafe { stack.grow(old, layout(8, 8), layout(64, 8)) }.unwrap();
    fill(grown.cast(), 64, 3);
    assert_eq!(bytes(newest, 8), [2; 8]);
    // SAFETY: both alive with these layouts.
    unsafe { stack.deallocate(newest, layout(8, 8)) };
    // SAFETY: as above.
    unsafe { stack.deallocate(grown.cast(), layout(64, 8)) };
    assert_eq!(stack.used_bytes(), 0, "the old room went with the newest");
}

#[test]
fn bump_scope_92_dealloc_keeps_the_minimum_alignment() {
    fn check<const MIN_ALIGN: usize>() {
        for size in [1, 3, 7, 8, 9, 15, 16, 17, 63, 65] {
            let stack = Stack::<MIN_ALIGN>::with_min_align();
            let kept = stack.alloc_layout(layout(1, 1));
            let before = stack.used_bytes();
            let block = stack.allocate(layout(size, 1)).unwrap();
            // SAFETY: just allocated with this layout.
            unsafe { stack.deallocate(block.cast(), layout(size, 1)) };
            assert_eq!(stack.used_bytes(), before, "{size} bytes came back whole");
            let (next, _) = stack.push(layout(size, 1));
            assert!(next.addr().get().is_multiple_of(MIN_ALIGN), "{next:p} after {size} bytes");
            assert!(next < kept);
        }
    }
    check::<1>();
    check::<8>();
    check::<16>();
    check::<64>();
}

/// Padding in front of a block stayed behind when the block was freed: 13 to 27 times the true peak
/// after a balanced program.
#[test]
fn padding_goes_with_its_block() {
    let stack = Stack::new();
    for align_log2 in 0..=12 {
        let low = stack.alloc_layout(layout(1, 1));
        let used = stack.used_bytes();
        let block = stack.alloc_layout(layout(40, 1 << align_log2));
        // SAFETY: alive, with this layout.
        unsafe { stack.dealloc_layout(block, layout(40, 1 << align_log2)) };
        assert_eq!(stack.used_bytes(), used, "alignment {}", 1 << align_log2);
        // SAFETY: as above.
        unsafe { stack.dealloc_layout(low, layout(1, 1)) };
    }
    assert_eq!(stack.used_bytes(), 0);
}

/// What a block loses by shrinking was lost until the region was reset.
#[test]
fn what_shrinking_frees_is_free_when_the_block_is() {
    for newest in [true, false] {
        for (size, to) in [(1000, 900), (1000, 100), (1000, 17), (1000, 0), (33, 32), (32, 31)] {
            let stack = Stack::new();
            let block = stack.alloc_layout(layout(size, 8));
            fill(block, size, 5);
            let above = (!newest).then(|| stack.alloc_box([0u8; 50]));
            // SAFETY: alive with this layout; the new one is not larger.
            let shrunk = unsafe { stack.shrink(block, layout(size, 8), layout(to, 8)) }.unwrap();
            assert_eq!(bytes(shrunk.cast(), to), vec![5; to]);
            drop(above);
            // SAFETY: alive with this layout.
            unsafe { stack.deallocate(shrunk.cast(), layout(to, 8)) };
            assert_eq!(stack.used_bytes(), 0, "{size} to {to} bytes, newest: {newest}");
        }
    }
}

/// A reset that drops what it should keep, or keeps what it should drop: unbounded growth.
#[test]
fn memory_held_does_not_grow_from_round_to_round() {
    let mut stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
    let mut held = Vec::new();
    for round in 0..20 {
        let boxes: Vec<_> = (0..500).map(|n| stack.alloc_box([n; 30])).collect();
        let most = stack.reserved_bytes();
        if round % 2 == 0 {
            drop(boxes);
        } else {
            boxes.into_iter().for_each(|boxed| {
                let _ = core::mem::ManuallyDrop::new(boxed);
            });
        }
        stack.reset();
        held.push((most, stack.reserved_bytes()));
    }
    assert!(held[1..].iter().all(|round| *round == held[1]), "{held:?}");
}

/// A frame that ends in another segment than it began in, with dead blocks in both.
#[test]
fn dead_blocks_of_an_ended_frame_are_forgotten() {
    let mut stack = Stack::with_config(StackConfig::new().segment_bytes(16 * 1024));
    for _ in 0..3 {
        stack.scoped(|scope| {
            let boxes: Vec<_> = (0..600_u64).map(|n| scope.alloc_box([n; 8])).collect();
            for (n, boxed) in boxes.into_iter().enumerate() {
                if n % 3 == 0 {
                    drop(boxed);
                } else {
                    let _ = core::mem::ManuallyDrop::new(boxed);
                }
            }
        });
        assert_eq!(stack.used_bytes(), 0);
        // At the same addresses: were a dead one remembered, these would be freed with a neighbour.
        let mut boxes: Vec<_> = (0..600_u64).map(|n| stack.alloc_box([n; 8])).collect();
        while let Some(last) = boxes.pop() {
            assert_eq!(*last, [boxes.len() as u64; 8]);
            drop(last);
            assert_eq!(stack.used_bytes() == 0, boxes.is_empty());
        }
    }
}

/// Where no other segment can be had, a slice grows to the last byte of the one there is; and what a
/// hint claims beyond that refuses nothing.
#[test]
fn slices_that_grow_use_what_room_there_is() {
    struct Claims<I>(I, usize);
    impl<I: Iterator> Iterator for Claims<I> {
        type Item = I::Item;
        fn next(&mut self) -> Option<I::Item> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.1, None)
        }
    }
    let mut memory = [core::mem::MaybeUninit::uninit(); 1200];
    let backing = alloc_core::Borrowed::new(&mut memory);
    let mut stack = Stack::<1, _>::with_capacity_in(1000, &backing);
    stack.scoped(|scope| {
        let room = scope.try_alloc_layout(layout(1 << 20, 1)).unwrap_err().remaining_bytes();
        assert!((1000..1200).contains(&room), "{room}");
        for len in [600, 900, room / 16 * 16] {
            scope.scoped(|inner| {
                let numbers = || (0..len).map(|n| n.to_le_bytes()[0]);
                let values = inner.alloc_from_iter(numbers().filter(|_| true));
                assert!(values.iter().copied().eq(numbers()), "{len}");
            });
            scope.scoped(|inner| {
                let text =
                    inner.alloc_fmt(format_args!("{:a$}{:b$}", "", "", a = 400, b = len - 400));
                assert_eq!(text.len(), len);
            });
        }
        scope.scoped(|inner| {
            inner.alloc(1u8);
            assert!(inner.try_alloc_from_iter((0..=room).filter(|_| true).map(|_| 1u8)).is_err());
        });
        for claim in [1001, 1 << 20, usize::MAX / 2, usize::MAX] {
            assert_eq!(scope.alloc_from_iter(Claims(1..4u64, claim)), [1, 2, 3]);
        }
    });
    assert_eq!(stack.used_bytes(), 0);
}

/// A backing that gives whole pages gives more than was asked for.
#[test]
#[cfg(unix)]
fn a_backing_that_gives_more_does_not_lift_the_limit() {
    use alloc_core::{End, Reserved};

    let backing = Reserved::new(1 << 20, End::High).unwrap();
    let config = StackConfig::new().segment_bytes(18_000).limit_bytes(20_000);
    let mut stack = Stack::<1, _>::with_config_in(config, backing);
    stack.scoped(|scope| {
        assert!(scope.alloc([7u8; 17_000]).iter().all(|&byte| byte == 7));
    });
    assert_eq!(stack.reserved_bytes(), 20_000);
    stack.scoped(|scope| assert!(scope.try_alloc([7u8; 20_000]).is_err()));
}

/// Their alignment made them cost up to 4095 bytes where a closure made them.
#[test]
fn values_without_size_take_no_room_however_they_are_aligned() {
    #[derive(Clone, Copy, Default)]
    #[repr(align(4096))]
    struct Aligned;

    let mut stack = Stack::with_capacity(10_000);
    stack.scoped(|scope| {
        scope.alloc(1u8);
        scope.alloc(Aligned);
        scope.alloc_with(|| Aligned);
        scope.alloc_try_with(|| Ok::<_, ()>(Aligned)).unwrap();
        scope.alloc_slice_fill_with(7, |_| Aligned);
        scope.alloc_slice_clone(&[Aligned; 7]);
        scope.alloc_from_iter([Aligned; 7]);
        assert_eq!(scope.used_bytes(), 1);
        let mut top = scope.top();
        let mut first = top.push_with(|| Aligned);
        let (_, mut above) = first.split();
        let second = above.push_slice_copy(&[Aligned; 7]);
        assert!(second.as_ptr().addr().is_multiple_of(4096));
        drop(second);
        drop(above.push_slice_fill_with(7, |_| Aligned));
        drop(first);
        assert_eq!(scope.used_bytes(), 1);
    });
    let mut region = alloc_stack::TwoEnded::with_capacity(100);
    let (mut low, mut high) = region.ends();
    let (mut low, mut high) = (low.frame(), high.frame());
    let (low, high) = (low.scope(), high.scope());
    low.alloc(1u8);
    high.alloc(1u8);
    low.alloc(Aligned);
    low.alloc_slice_copy(&[Aligned; 7]);
    high.alloc_slice_fill_with(7, |_| Aligned);
    high.alloc_from_iter([Aligned; 7]);
    assert_eq!(low.region().used_bytes(), 2);
}
