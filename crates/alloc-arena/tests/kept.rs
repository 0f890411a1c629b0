//! What an arena and its thread's cache keep: bounds, decay, what makes room for what.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig, ThreadCache};
use alloc_core::collections::Vec as ArenaVec;
use alloc_core::testing::{Checked, FailAt};
use alloc_core::{AllocError, Allocator, Global, Layout};
use core::cell::Cell;
use core::ptr::NonNull;

/// An arena that does not depend on what other tests left in the thread's cache.
fn uncached() -> ArenaConfig {
    ArenaConfig::new().thread_cache(false)
}

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
