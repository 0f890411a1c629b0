//! Bad input and faults: each a clear error or a documented panic, nothing lost, the arena usable
//! afterwards; and the bounds of what is kept.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig, CollectIn, ErrorKind, SliceBuilder, ThreadCache};
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
        assert_eq!(*payload.downcast_ref::<String>().unwrap(), format!("arena: {error}"));
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

// ---- What is kept --------------------------------------------------------------------------------

#[test]
fn what_stays_unused_is_released_and_what_is_needed_is_not() {
    let mut arena = Arena::<1>::with_config(uncached().decay_resets(4));
    for _ in 0..30 {
        arena.alloc_uninit_slice::<u8>(100_000);
    }
    arena.alloc_uninit_slice::<u8>(5 << 20);
    let high = arena.reserved_bytes();
    arena.reset();
    let mut releases = Vec::new();
    for reset in 1..12 {
        arena.alloc_uninit_slice::<u8>(20_000);
        arena.reset();
        if arena.reserved_bytes() < high && releases.is_empty() {
            releases.push(reset);
        }
    }
    assert!((4..8).contains(&releases[0]), "after {releases:?} resets");
    assert!(arena.reserved_bytes() <= 128 << 10, "{} of {high}", arena.reserved_bytes());
    let stats = arena.stats();
    assert!(stats.released_chunks > 2 && stats.spare_bytes < 128 << 10, "{stats:?}");
    assert!(stats.peak_bytes > 8_000_000);
}

#[test]
fn what_each_phase_needs_is_never_released() {
    let mut arena = Arena::<1>::with_config(uncached().decay_resets(2));
    let phase = |arena: &Arena| {
        for _ in 0..50 {
            arena.alloc_uninit_slice::<u8>(10_000);
        }
        arena.alloc_uninit_slice::<u8>(3 << 20);
    };
    phase(&arena);
    let reserved = arena.reserved_bytes();
    for _ in 0..20 {
        arena.reset();
        assert_eq!(arena.stats().released_chunks, 0);
        phase(&arena);
        assert_eq!(arena.reserved_bytes(), reserved, "the same chunks again");
    }
}

#[test]
fn zero_decay_keeps_all_and_trim_gives_it_back() {
    let mut arena = Arena::<1>::with_config(uncached().decay_resets(0));
    for _ in 0..30 {
        arena.alloc_uninit_slice::<u8>(100_000);
    }
    let reserved = arena.reserved_bytes();
    for _ in 0..50 {
        arena.reset();
    }
    assert_eq!(arena.reserved_bytes(), reserved);
    let released = arena.trim();
    assert_eq!(arena.reserved_bytes(), reserved - released);
    assert!(arena.reserved_bytes() <= 128 << 10, "the current chunk alone");
}

#[test]
fn a_frame_gives_back_what_grew_too() {
    let mut arena = Arena::<1>::with_min_align();
    arena.alloc_from_iter(0..10u8);
    let before = (arena.used_bytes(), arena.remaining_bytes());
    for _ in 0..10 {
        arena.scoped(|scope| {
            scope.alloc_from_iter(0..100u8);
            scope.alloc_fmt(format_args!("{:100}", 1));
        });
        assert_eq!((arena.used_bytes(), arena.remaining_bytes()), before);
    }
}

#[test]
fn frames_on_the_arena_decay_what_they_do_not_need() {
    let mut arena = Arena::<1>::with_config(uncached().decay_resets(4));
    arena.alloc(1u8);
    arena.scoped(|scope| {
        scope.alloc_uninit_slice::<u8>(10 << 20);
    });
    assert!(arena.reserved_bytes() > 10 << 20);
    for _ in 0..8 {
        arena.scoped(|scope| {
            scope.alloc(1u64);
        });
    }
    assert_eq!(arena.reserved_bytes(), 16 << 10);
}

#[test]
fn the_cache_stays_within_its_budget() {
    std::thread::spawn(|| {
        for budget in [0, 16 << 10, 100_000, 4 << 20] {
            ThreadCache::set_budget_bytes(budget);
            let arenas: Vec<Arena> = (0..100)
                .map(|_| {
                    let arena = Arena::new();
                    arena.alloc_uninit_slice::<u8>(60_000);
                    arena.alloc_uninit_slice::<u8>(60_000);
                    arena
                })
                .collect();
            drop(arenas);
            let stats = ThreadCache::stats();
            assert_eq!(stats.budget_bytes, budget);
            assert!(stats.cached_bytes <= budget, "{stats:?}");
            assert!(stats.refused > 0);
            let arena = Arena::new();
            assert_eq!(arena.stats().cached_bytes, stats.cached_bytes);
            let half = ThreadCache::trim_to(stats.cached_bytes / 2);
            assert!(ThreadCache::stats().cached_bytes <= stats.cached_bytes / 2);
            assert_eq!(ThreadCache::trim() + half, stats.cached_bytes);
        }
    })
    .join()
    .unwrap();
}

#[test]
fn a_budget_is_filled_to_the_last_byte() {
    for (budget, kept) in [
        ((16 << 10) - 1, 0),
        (16 << 10, 16 << 10),
        ((48 << 10) - 1, 32 << 10), // an arena's newest chunk goes first
        (48 << 10, 48 << 10),
        ((4 << 20) - (16 << 10), (4 << 20) - (16 << 10)),
    ] {
        std::thread::spawn(move || {
            ThreadCache::set_budget_bytes(budget);
            let arena = Arena::new();
            // A budget below the first three sizes is met by one arena of one or two chunks.
            let sizes: &[usize] = match budget {
                0..=20_000 => &[10_000],
                20_001..=60_000 => &[10_000, 20_000],
                _ => &[10_000, 20_000, 40_000, 80_000, 170_000, 340_000, 700_000, 1_400_000],
            };
            sizes.iter().for_each(|&bytes| _ = arena.alloc_uninit_slice::<u8>(bytes));
            assert_eq!(arena.stats().chunks, sizes.len());
            let held = arena.reserved_bytes();
            drop(arena);
            let stats = ThreadCache::stats();
            assert_eq!(stats.cached_bytes, kept, "{stats:?} of {held}");
            assert_eq!(stats.refused == 0, kept == held, "{stats:?} of {held}");
        })
        .join()
        .unwrap();
    }
}

#[test]
fn arenas_with_a_backing_or_without_the_cache_leave_it_alone() {
    std::thread::spawn(|| {
        let before = ThreadCache::stats();
        for _ in 0..3 {
            Arena::<1, _>::new_in(Global).alloc_uninit_slice::<u8>(100_000);
            Arena::<1>::with_config(uncached()).alloc_uninit_slice::<u8>(100_000);
        }
        assert_eq!(ThreadCache::stats(), before);
    })
    .join()
    .unwrap();
}

/// A large block that grows is extended by the backing, where the backing can: here it keeps its
/// contents at every step, and leaves nothing behind.
#[test]
fn a_large_block_grows_by_its_backing() {
    let backing = Checked::new(FailAt::new(Global, 0));
    let arena = Arena::<8, _>::new_in(&backing);
    let mut list = ArenaVec::new_in(&arena);
    for n in 0..1_000_000u64 {
        list.push(n);
        if n % 1000 == 0 {
            arena.alloc(n);
        }
    }
    assert!(list.iter().copied().eq(0..1_000_000));
    let stats = arena.stats();
    assert_eq!(stats.large_chunks, 1, "{stats:?}");
    assert!(stats.reserved_bytes < list.capacity() * 8 + (6 << 20), "{stats:?}");
}

/// What is kept for later is given back before a request is refused: by the limit, and by a backing
/// with a limit of its own.
#[test]
fn spare_chunks_make_room_at_the_limit() {
    fn check<A: Allocator>(mut arena: Arena<1, A>, calls: impl Fn(&A) -> usize) {
        for _ in 0..60 {
            arena.alloc([0u8; 1000]);
        }
        arena.reset();
        assert!(arena.stats().spare_bytes > 40_000, "{:?}", arena.stats());
        let block = arena.try_alloc_uninit_slice::<u8>(50_000).map(|block| block.len());
        assert_eq!(block, Ok(50_000));
        let (before, error) = (calls(arena.backing()), arena.try_alloc([0u8; 50_000]).unwrap_err());
        assert_eq!(error.error().size(), 50_000);
        assert!(calls(arena.backing()) <= before + 1, "with nothing spare it is asked once");
    }
    /// Refuses what exceeds 80,000 bytes together.
    struct Budget(Cell<usize>, Cell<usize>);
    // SAFETY: blocks come from the global allocator and go back to it unchanged.
    unsafe impl Allocator for Budget {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            self.1.set(self.1.get() + 1);
            let left = self.0.get().checked_sub(layout.size()).ok_or(AllocError)?;
            self.0.set(left);
            Global.allocate(layout)
        }
        unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
            self.0.set(self.0.get() + layout.size());
            // SAFETY: the caller's promise, passed on.
            unsafe { Global.deallocate(ptr, layout) };
        }
    }
    let config = uncached().first_chunk_bytes(1024).max_chunk_bytes(16 << 10);
    check(Arena::<1>::with_config(config.limit_bytes(80_000)), |_| 0);
    let budget = Budget(Cell::new(80_000), Cell::new(0));
    check(Arena::with_config_in(config, budget), |budget| budget.1.get());
}

/// A large block is extended within the limit although spare chunks hold what is left of it.
#[test]
fn spare_chunks_make_room_for_a_large_block_that_grows() {
    let config = uncached().first_chunk_bytes(1024).max_chunk_bytes(16 << 10);
    let mut arena = Arena::<1>::with_config(config.limit_bytes(100_000));
    for _ in 0..60 {
        arena.alloc([0u8; 1000]);
    }
    arena.reset();
    let mut list = ArenaVec::new_in(&arena);
    list.resize(30_000, 7u8);
    assert!(arena.stats().spare_bytes > 40_000, "{:?}", arena.stats());
    assert!(list.try_reserve_exact(40_000).is_ok(), "{:?}", arena.stats());
    assert!(list.iter().all(|&byte| byte == 7));
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

// ---- The seat of the thread's cache --------------------------------------------------------------

/// A first chunk that is out with its arena keeps its place in the cache, and is not counted as held.
#[test]
fn a_first_chunk_keeps_its_place_in_the_cache_while_it_is_out() {
    const CHUNK: usize = 16 << 10;
    std::thread::spawn(|| {
        // Room for one chunk of each class, and for two of 16 KiB in all.
        ThreadCache::set_budget_bytes(2 * CHUNK);
        let held = || (ThreadCache::stats().cached_chunks, ThreadCache::stats().cached_bytes);
        let used = || {
            let arena = Arena::new();
            arena.alloc(1u64);
            arena
        };
        drop(used());
        assert_eq!(held(), (1, CHUNK));
        let first = used();
        assert_eq!((held(), first.stats().cached_bytes), ((0, 0), 0));
        assert_eq!(first.reserved_bytes(), CHUNK);
        assert_eq!(first.stats().slow_calls, 1);
        let second = used(); // finds nothing
        drop(second);
        assert_eq!(held(), (1, CHUNK), "the place is taken by whoever comes first");
        drop(first);
        assert_eq!(held(), (1, CHUNK), "one place");
        // Reset, or with values to drop, or with a second chunk, it goes the long way to the same place.
        for round in 0..6 {
            let mut arena = used();
            assert_eq!(held(), (0, 0), "round {round}");
            match round % 3 {
                0 => arena.reset(),
                1 => drop(arena.alloc_drop(vec![1, 2, 3]).pop()),
                _ => drop(arena.checkpoint()),
            }
            drop(arena);
            assert_eq!(held(), (1, CHUNK), "round {round}");
        }
        let hits = ThreadCache::stats().hits;
        // A large first request takes it, too, and so does a capacity.
        Arena::new().alloc_uninit_slice::<u8>(10_000);
        drop(Arena::with_capacity(10_000));
        assert_eq!((ThreadCache::stats().hits, held()), (hits + 2, (1, CHUNK)));
        // Out while the cache is emptied, closed, opened again: never more than it may hold.
        let out = used();
        assert_eq!((ThreadCache::trim(), held()), (0, (0, 0)));
        ThreadCache::set_budget_bytes(0);
        drop(out);
        assert_eq!(held(), (0, 0));
        ThreadCache::set_budget_bytes(CHUNK);
        for _ in 0..3 {
            drop([used(), used(), used()]);
            assert_eq!(held(), (1, CHUNK));
        }
        // First chunks of another class take the place over.
        let large = ArenaConfig::new().first_chunk_bytes(64 << 10);
        ThreadCache::set_budget_bytes(80 << 10);
        for _ in 0..3 {
            let arena = Arena::<1>::with_config(large);
            arena.alloc(2u64);
            drop((arena, used()));
            assert_eq!(held(), (2, 80 << 10));
        }
        assert_eq!(ThreadCache::trim(), 80 << 10);
        assert_eq!(held(), (0, 0));
    })
    .join()
    .unwrap();
}

/// An arena that took its chunk from one thread's cache leaves it to that of the thread that drops it.
#[test]
fn first_chunks_go_where_their_arena_ends() {
    let used = || {
        let arena = Arena::new();
        arena.alloc(7u64);
        arena
    };
    std::thread::spawn(move || {
        drop(used());
        let moved = used(); // from the seat
        std::thread::spawn(move || {
            drop(used());
            drop(used());
            drop(moved);
            assert_eq!(ThreadCache::stats().cached_chunks, 2);
        })
        .join()
        .unwrap();
        assert_eq!(ThreadCache::stats().cached_chunks, 0);
        drop(used());
        assert_eq!(ThreadCache::stats().cached_chunks, 1);
    })
    .join()
    .unwrap();
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
