//! Bad input and faults: each a clear error or a documented panic, nothing lost, the arena usable
//! afterwards.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig, CollectIn, ErrorKind, SliceBuilder};
use alloc_core::collections::{Box as ArenaBox, Vec as ArenaVec};
use alloc_core::testing::{Checked, FailAt};
use alloc_core::{AllocError, Allocator, Borrowed, Global, Layout};
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};

/// The largest object.
const MAX: usize = isize::MAX.unsigned_abs();

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

/// An arena that does not depend on what other tests left in the thread's cache.
fn uncached() -> ArenaConfig {
    ArenaConfig::new().thread_cache(false)
}

// ---- Sizes, alignments, limits -------------------------------------------------------------------

#[test]
fn values_without_size_take_no_room_even_at_the_limit() {
    #[repr(align(4096))]
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Marker;
    let arena = Arena::<1>::with_config(uncached().first_chunk_bytes(256).limit_bytes(256));
    for round in 0..3 {
        assert_eq!(*arena.alloc(()), ());
        let marker = arena.alloc(Marker);
        assert!(core::ptr::from_mut(marker).addr().is_multiple_of(4096));
        assert_eq!(arena.alloc_slice_fill_copy(1_000_000, ()).len(), 1_000_000);
        assert_eq!(arena.alloc_slice_copy(&[Marker; 3]), &[Marker; 3]);
        assert_eq!(arena.alloc_from_iter([Marker; 5]).len(), 5);
        assert_eq!(arena.alloc_slice_copy::<u64>(&[]), &[0u64; 0]);
        assert_eq!(arena.alloc_from_iter::<u64>([]), &[0u64; 0]);
        assert_eq!(arena.alloc_str(""), "");
        assert_eq!(arena.alloc_fmt(format_args!("")), "");
        let nothing = arena.alloc_layout(layout(0, 1 << 16));
        assert!(nothing.addr().get().is_multiple_of(1 << 16));
        match round {
            0 => assert_eq!(arena.reserved_bytes(), 0, "no chunk for nothing"),
            1 => drop(arena.alloc_layout(layout(192, 1))),
            _ => assert_eq!(arena.remaining_bytes(), 0),
        }
    }
}

#[test]
fn every_alignment_to_64_kib() {
    fn check<const MIN_ALIGN: usize>() {
        let mut arena = Arena::<MIN_ALIGN>::with_min_align();
        for align_log2 in 0..=16 {
            let align = 1 << align_log2;
            for size in [0, 1, 63, 64, 65, 20_000] {
                arena.alloc(0u8); // disturbs the cursor
                let block = arena.alloc_layout(layout(size, align));
                assert!(block.addr().get().is_multiple_of(align), "{block:p} for {align}");
                // SAFETY: a live block of `size` bytes.
                unsafe { block.write_bytes(1, size) };
            }
            arena.reset();
        }
    }
    check::<1>();
    check::<16>();
    check::<4096>();
}

#[test]
fn sizes_at_and_above_the_largest_are_errors_with_their_numbers() {
    let arena = Arena::new();
    arena.alloc(1u8);
    let used = arena.used_bytes();
    for (size, align) in [(MAX, 1), (MAX - 7, 8), (MAX - 65535, 65536), (MAX - 64, 1)] {
        let error = arena.try_alloc_layout(layout(size, align)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOverflow, "no room for a header");
        assert_eq!((error.size(), error.align()), (size, align));
        assert!(error.to_string().contains(&size.to_string()), "{error}");
        assert_eq!(arena.try_reserve(size).unwrap_err().size(), size);
    }
    for size in [MAX - 4096, MAX / 2 + 1] {
        let error = arena.try_alloc_layout(layout(size, 1)).unwrap_err();
        assert_eq!((error.kind(), error.size()), (ErrorKind::Backing, size));
    }
    for len in [MAX / 8 + 1, usize::MAX / 8, usize::MAX] {
        let error = arena.try_alloc_uninit_slice::<u64>(len).unwrap_err();
        assert_eq!(
            (error.kind(), error.size()),
            (ErrorKind::CapacityOverflow, len.saturating_mul(8))
        );
        let fill = arena.try_alloc_slice_fill_with(len, |_| -> u64 { unreachable!("called") });
        assert_eq!(fill.unwrap_err(), error);
    }
    assert_eq!(arena.used_bytes(), used);
    assert!(Arena::try_with_capacity(MAX).is_err());
    assert!(Arena::try_with_capacity(usize::MAX).is_err());
}

#[test]
fn the_limit_is_reached_and_not_exceeded() {
    for limit in [256, 1000, 16 << 10, (16 << 10) + 15, 100_000] {
        let arena = Arena::<1>::with_config(uncached().limit_bytes(limit));
        let mut blocks = 0;
        let error = loop {
            match arena.try_alloc([7u8; 48]) {
                Ok(_) => blocks += 1,
                Err(rejected) => break rejected.error(),
            }
            assert!(arena.reserved_bytes() <= limit);
        };
        assert_eq!((error.kind(), error.size()), (ErrorKind::Full, 48));
        assert!(error.to_string().contains("no room for 48 bytes"), "{error}");
        // All but headers, the ends of chunks, and a rest smaller than any chunk for the block.
        let chunks = arena.stats().chunks;
        assert!(blocks * 48 + chunks * (64 + 48) + 64 + 64 >= limit, "{blocks} of {limit}");
    }
    let config = uncached().limit_bytes(1 << 20);
    let mut arena = Arena::<1>::with_config(config);
    arena.alloc_uninit_slice::<u8>(600_000);
    assert!(arena.try_alloc_uninit_slice::<u8>(600_000).is_err());
    arena.reset();
    arena.alloc_uninit_slice::<u8>(900_000); // what is spare makes room for it
    assert!(arena.reserved_bytes() <= 1 << 20);
}

#[test]
fn bad_configurations_name_the_field_and_its_limits() {
    let defaults = ArenaConfig::new();
    for (config, field, value) in [
        (defaults.first_chunk_bytes(0), "first_chunk_bytes", 0),
        (defaults.first_chunk_bytes(255), "first_chunk_bytes", 255),
        (defaults.first_chunk_bytes((2 << 20) + 1), "first_chunk_bytes", (2 << 20) + 1),
        (defaults.max_chunk_bytes(255), "max_chunk_bytes", 255),
        (defaults.max_chunk_bytes(usize::MAX), "max_chunk_bytes", usize::MAX),
        (defaults.limit_bytes(255), "limit_bytes", 255),
    ] {
        let error = Arena::<1>::try_with_config(config).unwrap_err();
        assert_eq!((error.field(), error.value()), (field, value));
        let (least, most) = error.limits();
        let text = error.to_string();
        for part in [field, &value.to_string(), &least.to_string(), &most.to_string()] {
            assert!(text.contains(part), "{text}");
        }
        let backing = Checked::new(Global);
        assert_eq!(Arena::<1, _>::try_with_config_in(config, &backing).unwrap_err(), error);
        let payload = catch_unwind(|| Arena::<1>::with_config(config)).unwrap_err();
        assert_eq!(
            *payload.downcast_ref::<String>().unwrap(),
            format!("cannot make an arena: {error}")
        );
    }
    for config in [
        defaults.first_chunk_bytes(256).max_chunk_bytes(256).limit_bytes(256),
        defaults.first_chunk_bytes(1001).max_chunk_bytes(3333),
        defaults.max_chunk_bytes(MAX & !15),
    ] {
        let arena = Arena::<1>::try_with_config(config).unwrap();
        assert_eq!(*arena.alloc(5u8), 5);
        assert_eq!(arena.config(), config);
    }
}

#[test]
fn the_infallible_methods_name_size_alignment_and_what_remains() {
    let arena = Arena::<1>::with_config(uncached().first_chunk_bytes(256).limit_bytes(256));
    arena.alloc([0u8; 150]);
    let payload = catch_unwind(AssertUnwindSafe(|| {
        arena.alloc_layout(layout(110, 2));
    }))
    .unwrap_err();
    let text = payload.downcast_ref::<String>().expect("a formatted message");
    assert_eq!(text, "arena: no room for 110 bytes aligned to 2: 42 bytes remain");
    arena.alloc([1u8; 42]);
}

/// The largest configuration there is: the backing refuses what it is asked first, and the arena makes
/// do with what it needs.
#[test]
fn chunks_as_large_as_they_may_be() {
    let largest = MAX & !15;
    let config = uncached().first_chunk_bytes(largest).max_chunk_bytes(largest);
    for limit in [usize::MAX, MAX, largest, 100_000] {
        let mut arena = Arena::<4096>::with_config(config.limit_bytes(limit));
        let used = |arena: &Arena<4096>| arena.used_bytes();
        for size in [1, 4096, 5000] {
            let block = arena.alloc_layout(layout(size, 1));
            assert!(block.addr().get().is_multiple_of(4096));
        }
        assert_eq!(used(&arena), 4096 + 4096 + 8192);
        for size in [MAX - 4095, MAX - 5000, MAX / 2] {
            let error = arena.try_alloc_layout(layout(size, 1)).unwrap_err();
            assert_eq!((error.size(), error.kind() == ErrorKind::Closed), (size, false), "{error}");
            let error = arena.try_reserve(size).unwrap_err();
            assert_ne!(error.kind(), ErrorKind::Closed, "{error}");
        }
        assert_eq!(arena.try_reserve(MAX + 1).unwrap_err().kind(), ErrorKind::CapacityOverflow);
        assert!(arena.reserved_bytes() <= limit);
        arena.reset();
        assert!(arena.trim() > 0);
        assert_eq!(arena.reserved_bytes(), 0);
    }
}

/// A vector does not say why it found no room; collecting does.
#[test]
fn collecting_names_what_stood_in_the_way() {
    let full = Arena::<1>::with_config(uncached().first_chunk_bytes(256).limit_bytes(4096));
    let refused = Arena::<1, _>::new_in(Borrowed::new(&mut []));
    let kinds = |values: [Result<(), alloc_arena::TryAllocError>; 4]| {
        values.map(|collected| {
            let error = collected.unwrap_err();
            assert!(error.size() > 0 && error.align() == 8, "{error}");
            error.kind()
        })
    };
    assert_eq!(
        kinds([
            (0..1000u64).try_collect_in::<ArenaVec<_, _>, 1, _>(&full).map(drop),
            (0..1000u64).try_collect_in::<ArenaBox<[_], _>, 1, _>(&full).map(drop),
            (0..1000u64).try_collect_in::<&mut [_], 1, _>(&full).map(drop),
            full.try_alloc_box_from_iter(0..1000u64).map(drop),
        ]),
        [ErrorKind::Full; 4]
    );
    assert_eq!(
        kinds([
            (0..1u64).try_collect_in::<ArenaVec<_, _>, 1, _>(&refused).map(drop),
            (0..1u64).try_collect_in::<ArenaBox<[_], _>, 1, _>(&refused).map(drop),
            (0..1u64).try_collect_in::<&mut [_], 1, _>(&refused).map(drop),
            refused.try_alloc_box_from_iter(0..1u64).map(drop),
        ]),
        [ErrorKind::Backing; 4]
    );
}

/// At the limit a collection that is doubled no more still grows by what it needs; and a hint of more
/// than there is refuses nothing.
#[test]
fn collecting_goes_on_to_the_limit_whatever_is_announced() {
    struct Promises<I>(I);
    impl<I: Iterator> Iterator for Promises<I> {
        type Item = I::Item;
        fn next(&mut self) -> Option<I::Item> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (usize::MAX, None)
        }
    }
    let arena = || Arena::<1>::with_config(uncached().first_chunk_bytes(4096).limit_bytes(4096));
    let values = || Promises(0..300u64);
    let sum = 300 * 299 / 2;
    let full = arena();
    assert_eq!(
        values().try_collect_in::<ArenaVec<_, _>, 1, _>(&full).unwrap().iter().sum::<u64>(),
        sum
    );
    let full = arena();
    assert_eq!(full.try_alloc_box_from_iter(values()).unwrap().iter().sum::<u64>(), sum);
    let full = arena();
    assert_eq!(full.try_alloc_from_iter(values()).unwrap().iter().sum::<u64>(), sum);
}

// ---- Backings ------------------------------------------------------------------------------------

#[test]
fn a_backing_that_fails_at_any_call_leaves_a_usable_arena() {
    for fail_at in 1.. {
        let backing = Checked::new(FailAt::new(Global, fail_at));
        let calls;
        {
            let mut arena = Arena::<8, _>::new_in(Counting(&backing, Cell::new(0)));
            for round in 0..2 {
                let mut values = Vec::new();
                let mut list = ArenaVec::new_in(&arena);
                let mut refused = 0;
                for n in 0..3000u64 {
                    match arena.try_alloc([n; 16]) {
                        Ok(value) => values.push((n, value)),
                        Err(rejected) => {
                            assert_eq!(rejected.error().kind(), ErrorKind::Backing);
                            assert_eq!(rejected.into_value(), [n; 16]);
                            refused += 1;
                        }
                    }
                    if list.len() < list.capacity() || list.try_reserve(1).is_ok() {
                        list.push(n);
                    }
                }
                assert!(values.iter().all(|(n, value)| value.iter().all(|word| word == n)));
                assert!(list.windows(2).all(|two| two[0] < two[1]));
                // What is wanted is refused once and tried again with the least that serves.
                assert_eq!((refused, values.len()), (0, 3000), "{round}: {fail_at}");
                drop(list);
                arena.reset();
            }
            calls = arena.backing().1.get();
        }
        assert_eq!(backing.live_blocks(), 0);
        if calls < fail_at {
            break;
        }
    }
}

/// Counts the requests that reach a backing.
struct Counting<A>(A, Cell<usize>);

// SAFETY: passes everything on.
unsafe impl<A: Allocator> Allocator for Counting<A> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.1.set(self.1.get() + 1);
        self.0.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.0.deallocate(ptr, layout) }
    }
}

#[test]
fn an_arena_over_nothing_refuses_and_stays_usable() {
    let mut buffer = [MaybeUninit::uninit(); 60];
    let mut arena = Arena::<1, _>::new_in(Borrowed::new(&mut buffer));
    assert_eq!(arena.try_alloc(1u8).unwrap_err().error().kind(), ErrorKind::Backing);
    assert!(arena.try_checkpoint().is_err());
    assert!(arena.try_alloc_from_iter(0..10u8).is_err());
    let mut builder = SliceBuilder::new(&arena);
    assert_eq!(builder.try_push(5u64).unwrap_err().into_value(), 5);
    assert!(builder.finish().is_empty());
    arena.frame().scope().alloc(());
    arena.reset();
    assert_eq!((arena.used_bytes(), arena.reserved_bytes(), arena.trim()), (0, 0, 0));
}

#[test]
fn an_arena_on_a_buffer_of_any_alignment() {
    for skip in 0..64 {
        let mut buffer = [MaybeUninit::uninit(); 1024];
        let inside = buffer.as_ptr_range();
        let (low, high) = (inside.start.addr(), inside.end.addr());
        let config = ArenaConfig::new().first_chunk_bytes(512).max_chunk_bytes(512);
        let mut arena = Arena::<64, _>::with_config_in(config, Borrowed::new(&mut buffer[skip..]));
        for _ in 0..3 {
            let mut last = high;
            while let Ok(value) = arena.try_alloc([1u8; 10]) {
                let address = core::ptr::from_mut(value).addr();
                assert!(low <= address && address + 10 <= last, "{address:#x}");
                last = address;
            }
            assert!(last < high, "some were served");
            arena.reset();
        }
    }
}

/// A backing that allocates from the arena that asks it.
struct Reentrant(Cell<Option<&'static Arena<1, Reentrant>>>, Cell<u32>);

// SAFETY: blocks come from `Global` and go back to it.
unsafe impl Allocator for Reentrant {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if let Some(arena) = self.0.take() {
            let value = arena.alloc([self.1.get(); 100]);
            assert_eq!(*value, [self.1.get(); 100]);
            self.1.set(self.1.get() + 1);
            self.0.set(Some(arena));
        }
        Global.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) }
    }
}

#[test]
fn a_backing_may_allocate_from_its_own_arena() {
    let config = ArenaConfig::new().first_chunk_bytes(512).max_chunk_bytes(1024);
    let backing = Reentrant(Cell::new(None), Cell::new(0));
    let arena: &'static _ = Box::leak(Box::new(Arena::<1, _>::with_config_in(config, backing)));
    arena.backing().0.set(Some(arena));
    let values: Vec<&mut [u8; 90]> = (0..200u8).map(|n| arena.alloc_with(|| [n; 90])).collect();
    for (n, value) in (0..200u8).zip(values) {
        assert_eq!(*value, [n; 90]);
    }
    arena.backing().0.set(None);
    // SAFETY: leaked above, and not used again.
    drop(unsafe { Box::from_raw(core::ptr::from_ref(arena).cast_mut()) });
}

#[test]
fn a_backing_that_panics_leaves_the_arena_as_it_was() {
    struct Panics(Cell<bool>);
    // SAFETY: blocks come from `Global` and go back to it.
    unsafe impl Allocator for Panics {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            if self.0.get() {
                resume_unwind(Box::new("planned"));
            }
            Global.allocate(layout)
        }
        unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
            // SAFETY: the caller's promise, passed on.
            unsafe { Global.deallocate(ptr, layout) }
        }
    }
    let arena = Arena::<1, _>::new_in(Panics(Cell::new(false)));
    let kept = arena.alloc([5u8; 100]);
    let (used, reserved) = (arena.used_bytes(), arena.reserved_bytes());
    arena.backing().0.set(true);
    for size in [17_000, 4 << 20] {
        let panics = catch_unwind(AssertUnwindSafe(|| {
            arena.alloc_layout(layout(size, 8));
        }));
        assert!(panics.is_err());
        assert_eq!((arena.used_bytes(), arena.reserved_bytes()), (used, reserved));
    }
    arena.backing().0.set(false);
    arena.alloc_uninit_slice::<u8>(50_000);
    assert_eq!(*kept, [5; 100]);
    // A large block that grows: its chunk is the backing's to extend.
    let large = arena.alloc_layout(layout(4 << 20, 8));
    let before = (arena.used_bytes(), arena.reserved_bytes(), arena.stats().large_chunks);
    arena.backing().0.set(true);
    let panics = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: alive with this layout; the new one is larger.
        let _ = unsafe { arena.grow(large, layout(4 << 20, 8), layout(8 << 20, 8)) };
    }));
    assert!(panics.is_err());
    let after = (arena.used_bytes(), arena.reserved_bytes(), arena.stats().large_chunks);
    assert_eq!(after, before);
    arena.backing().0.set(false);
}
