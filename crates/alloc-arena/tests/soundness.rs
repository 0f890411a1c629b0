//! What safe code can do to an arena, its frames, its checkpoints and the values it drops: forget,
//! swap, panic, re-enter, outlive a thread.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig, CheckpointError, CollectIn, FrameGuard, Scope};
use alloc_core::testing::Checked;
use alloc_core::{Allocator, Global, Layout};
use core::cell::{Cell, RefCell};
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

/// Notes its number when it is dropped, and panics if told to.
struct Noisy<'a> {
    number: u32,
    log: &'a RefCell<Vec<u32>>,
    panics: bool,
}

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        self.log.borrow_mut().push(self.number);
        if self.panics {
            resume_unwind(Box::new("planned"));
        }
    }
}

/// The same for an arena's own list, which asks for `Send + 'static`.
#[derive(Debug)]
struct SendNoisy(u32, Arc<Mutex<Vec<u32>>>, bool);

impl Drop for SendNoisy {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(self.0);
        if self.2 {
            resume_unwind(Box::new("planned"));
        }
    }
}

fn unwinds(work: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err(), "it was to unwind");
}

fn planned() -> ! {
    resume_unwind(Box::new("planned"))
}

// ---- Frames ----------------------------------------------------------------------------------

#[test]
fn a_frame_gives_back_all_it_took_chunks_included() {
    let mut arena = Arena::<1>::with_min_align();
    arena.alloc([7u8; 100]);
    let (used, remaining) = (arena.used_bytes(), arena.remaining_bytes());
    for round in 0..5 {
        let mut frame = arena.frame();
        let mut scope = frame.scope();
        for n in 0..100u64 {
            scope.alloc([n; 100]);
            let mut child = scope.frame();
            child.scope().alloc_slice_fill_copy(5000, 1u8);
        }
        scope.alloc_uninit_slice::<u8>(3 << 20);
        drop(frame);
        assert_eq!((arena.used_bytes(), arena.remaining_bytes()), (used, remaining), "{round}");
        let stats = arena.stats();
        assert_eq!((stats.chunks, stats.large_chunks), (1, 0));
    }
    let kept = arena.stats().spare_bytes;
    assert!(kept > 3 << 20, "kept for the next frame: {kept}");
    assert!(arena.reserved_bytes() < 8 << 20, "and not again and again");
}

#[test]
fn parents_references_stay_usable_while_a_child_is_open() {
    let mut arena = Arena::new();
    let mut frame = arena.frame();
    let mut scope = frame.scope();
    let list = scope.alloc_slice_fill_copy(100, 1u32);
    {
        let mut child = scope.frame();
        let child = child.scope();
        for (place, n) in list.iter_mut().zip(0..) {
            *place = *child.alloc(n);
        }
    }
    let more = scope.alloc(5u32);
    assert!(list.iter().copied().eq(0..100));
    assert_eq!(*more, 5);
}

#[test]
fn a_frame_on_an_arena_without_memory() {
    let mut arena = Arena::<64>::with_min_align();
    let mut frame = arena.frame();
    frame.scope().alloc(1u8);
    frame.scope().alloc_uninit_slice::<u8>(100_000);
    drop(frame);
    assert_eq!(arena.used_bytes(), 0);
    assert_eq!(*arena.alloc(3), 3);
}

#[test]
fn a_forgotten_guard_leaks_until_its_parent_ends_and_no_further() {
    let log = RefCell::new(Vec::new());
    let mut arena = Arena::new();
    {
        let mut frame = arena.frame();
        let mut scope = frame.scope();
        let ours = scope.alloc(1u64);
        let mut child = scope.frame();
        child.scope().alloc_drop(Noisy { number: 1, log: &log, panics: false });
        child.scope().alloc([9u64; 100]);
        let _ = ManuallyDrop::new(child);
        let more = scope.alloc(2u64);
        scope.alloc_drop(Noisy { number: 2, log: &log, panics: false });
        assert_eq!((*ours, *more), (1, 2));
    }
    assert_eq!(arena.used_bytes(), 0);
    assert_eq!(*log.borrow(), [2], "the forgotten frame's value is not dropped by anybody");
    let _ = ManuallyDrop::new(arena.frame());
    arena.alloc(1u8);
    arena.reset();
}

#[test]
fn scopes_and_guards_that_are_swapped_free_their_own() {
    let log = RefCell::new(Vec::new());
    let (mut a, mut b) = (Arena::<1>::with_min_align(), Arena::<1>::with_min_align());
    {
        let (mut one, mut two) = (a.frame(), b.frame());
        {
            let (mut left, mut right) = (one.scope(), two.scope());
            core::mem::swap(&mut left, &mut right);
            let (x, y) = (left.alloc([1u8; 10]), right.alloc([2u8; 20]));
            left.alloc_drop(Noisy { number: 1, log: &log, panics: false });
            right.alloc_drop(Noisy { number: 2, log: &log, panics: false });
            assert_eq!((*x, *y), ([1; 10], [2; 20]));
        }
        core::mem::swap(&mut one, &mut two);
        drop(one); // the frame of `b`: what went through `left`
        assert_eq!(*log.borrow(), [1]);
    }
    assert_eq!(*log.borrow(), [1, 2]);
    assert_eq!((a.used_bytes(), b.used_bytes()), (0, 0));
}

#[test]
fn arenas_that_are_swapped_keep_their_chunks() {
    let (mut a, mut b) = (Arena::<1>::with_min_align(), Arena::<1>::with_min_align());
    let before = a.checkpoint();
    a.alloc([1u8; 100]);
    core::mem::swap(&mut a, &mut b);
    assert_eq!(a.try_rewind(before), Err(CheckpointError::Foreign));
    b.rewind(before);
    assert!(b.used_bytes() < 100);
}

#[test]
fn a_frame_that_unwinds_is_closed() {
    let log = RefCell::new(Vec::new());
    let mut arena = Arena::new();
    arena.alloc(1u8);
    let used = arena.used_bytes();
    unwinds(|| {
        arena.scoped(|scope| {
            scope.alloc_drop(Noisy { number: 1, log: &log, panics: false });
            scope.alloc_uninit_slice::<u8>(100_000);
            scope.scoped(|inner| {
                inner.alloc_drop(Noisy { number: 2, log: &log, panics: false });
                planned()
            })
        })
    });
    assert_eq!(*log.borrow(), [2, 1]);
    assert_eq!(arena.used_bytes(), used);
}

#[test]
fn values_of_a_frame_may_borrow_what_outlives_its_guard() {
    let log = RefCell::new(Vec::new());
    let name = String::from("borrowed");
    struct Holder<'a>(&'a str, &'a RefCell<Vec<u32>>);
    impl Drop for Holder<'_> {
        fn drop(&mut self) {
            self.1.borrow_mut().push(u32::try_from(self.0.len()).unwrap());
        }
    }
    let mut arena = Arena::new();
    let mut frame = arena.frame();
    let mut scope = frame.scope();
    let parents = scope.alloc_str("parent's");
    {
        let mut child = scope.frame();
        // From the parent scope, and from outside.
        child.scope().alloc_drop(Holder(parents, &log));
        child.scope().alloc_drop(Holder(&name, &log));
        let not_send = child.scope().alloc_drop(Rc::new(5));
        assert_eq!(**not_send, 5);
    }
    assert_eq!(*log.borrow(), [8, 8]);
}

#[test]
fn a_frame_is_reset_and_goes_on() {
    let log = RefCell::new(Vec::new());
    let mut arena = Arena::new();
    let mut frame = arena.frame();
    for number in 0..100 {
        frame.scope().alloc_drop(Noisy { number, log: &log, panics: false });
        frame.scope().alloc([0u8; 1000]);
        frame.reset();
        assert_eq!(frame.scope().used_bytes(), 0);
    }
    drop(frame);
    assert!(log.borrow().iter().copied().eq(0..100));
}

#[test]
fn vectors_in_scopes_grow_and_free_within_their_frame() {
    let mut arena = Arena::<8>::with_min_align();
    let mut frame = arena.frame();
    let mut scope = frame.scope();
    let sum = scope.scoped(|inner| {
        let mut list = alloc_core::collections::Vec::new_in(&*inner);
        for n in 0..10_000u64 {
            list.push(n);
            inner.alloc(n);
        }
        list.iter().sum::<u64>()
    });
    assert_eq!((sum, scope.used_bytes()), (49_995_000, 0));
    let mut owned = alloc_core::collections::Vec::new_in(scope);
    owned.extend(0..1000u32);
    assert!(owned.iter().copied().eq(0..1000));
}

// ---- Values that the arena drops ---------------------------------------------------------------

#[test]
fn values_are_dropped_once_newest_first_by_reset_and_by_drop() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut arena = Arena::new();
    for round in 0..3 {
        for n in 0..100 {
            arena.alloc_drop(SendNoisy(n, log.clone(), false));
            arena.alloc([round; 100]);
        }
        arena.reset();
        assert!(log.lock().unwrap().drain(..).eq((0..100).rev()));
    }
    arena.alloc_drop(SendNoisy(1, log.clone(), false));
    drop(arena);
    assert_eq!(*log.lock().unwrap(), [1]);
    assert_eq!(Arc::strong_count(&log), 1);
}

#[test]
fn a_drop_that_panics_ends_neither_the_others_nor_the_arena() {
    for ends in [0, 1, 2] {
        let log = Arc::new(Mutex::new(Vec::new()));
        let backing = Checked::new(Global);
        let mut arena = Arena::<1, _>::new_in(&backing);
        let before = arena.checkpoint();
        for n in 0..10 {
            arena.alloc_drop(SendNoisy(n, log.clone(), n == 5));
        }
        match ends {
            0 => unwinds(|| arena.reset()),
            1 => unwinds(|| arena.rewind(before)),
            _ => unwinds(|| drop(arena)),
        }
        assert!(log.lock().unwrap().iter().copied().eq((0..10).rev()), "{ends}");
        assert_eq!(backing.live_blocks(), usize::from(ends != 2), "{ends}");
    }
}

#[test]
fn a_frames_drop_that_panics_ends_neither_the_others_nor_the_frame() {
    let log = RefCell::new(Vec::new());
    let mut arena = Arena::new();
    unwinds(|| {
        let mut frame = arena.frame();
        for number in 0..10 {
            frame.scope().alloc_drop(Noisy { number, log: &log, panics: number == 3 });
        }
    });
    assert!(log.borrow().iter().copied().eq((0..10).rev()));
    assert_eq!(arena.used_bytes(), 0);
    *arena.alloc(1u8) += 1;
}

#[test]
fn rewinding_drops_what_came_after_and_nothing_else() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let mut arena = Arena::new();
    arena.alloc_drop(SendNoisy(1, log.clone(), false));
    let first = arena.checkpoint();
    arena.alloc_drop(SendNoisy(2, log.clone(), false));
    let second = arena.checkpoint();
    arena.alloc_drop(SendNoisy(3, log.clone(), false));
    arena.rewind(second);
    assert_eq!(*log.lock().unwrap(), [3]);
    arena.rewind(second);
    arena.alloc_drop(SendNoisy(4, log.clone(), false));
    arena.rewind(first);
    assert_eq!(*log.lock().unwrap(), [3, 4, 2]);
    drop(arena);
    assert_eq!(*log.lock().unwrap(), [3, 4, 2, 1]);
}

#[test]
fn values_without_size_or_drop_and_over_aligned_ones_are_dropped_too() {
    #[repr(align(256))]
    struct Wide(SendNoisy);
    thread_local! {
        static DROPPED: Cell<u32> = const { Cell::new(0) };
    }
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPPED.set(DROPPED.get() + 1);
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let arena = Arena::new();
    for n in 0..200 {
        arena.alloc_drop(Nothing);
        arena.alloc_drop(n); // needs no drop, and no entry
        let wide = arena.alloc_drop(Wide(SendNoisy(n, log.clone(), false)));
        assert!(core::ptr::from_mut(wide).addr().is_multiple_of(256));
        assert_eq!(wide.0.0, n);
    }
    drop(arena);
    assert_eq!(DROPPED.get(), 200);
    assert_eq!(log.lock().unwrap().len(), 200);
}

#[test]
fn a_value_that_finds_no_room_comes_back_undropped() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let arena = Arena::<1>::with_config(ArenaConfig::new().first_chunk_bytes(256).limit_bytes(256));
    arena.alloc([0u8; 180]);
    let rejected = arena.try_alloc_drop(SendNoisy(1, log.clone(), false)).unwrap_err();
    assert!(log.lock().unwrap().is_empty());
    drop(arena);
    assert!(log.lock().unwrap().is_empty());
    drop(rejected.into_value());
    assert_eq!(*log.lock().unwrap(), [1]);
}

// ---- Checkpoints -------------------------------------------------------------------------------

#[test]
fn foreign_and_stale_checkpoints_are_refused_and_change_nothing() {
    let mut arena = Arena::new();
    let mut other = Arena::new();
    let foreign = other.checkpoint();
    arena.alloc(1u8);
    assert_eq!(
        arena.try_rewind(foreign),
        Err(CheckpointError::Foreign),
        "before the first of ours"
    );
    let first = arena.checkpoint();
    arena.alloc([1u8; 5000]);
    let second = arena.checkpoint();
    arena.alloc([2u8; 50_000]);
    let used = arena.used_bytes();
    assert_eq!(arena.try_rewind(foreign), Err(CheckpointError::Foreign));
    assert_eq!(arena.used_bytes(), used);
    arena.rewind(first);
    assert_eq!(arena.try_rewind(second), Err(CheckpointError::Stale), "rewound over");
    // Grown beyond it again, by other checkpoints.
    arena.alloc([3u8; 60_000]);
    let third = arena.checkpoint();
    assert_eq!(arena.try_rewind(second), Err(CheckpointError::Stale));
    arena.rewind(third);
    arena.rewind(first);
    arena.reset();
    for old in [first, second, third] {
        assert_eq!(arena.try_rewind(old), Err(CheckpointError::Stale), "reset away");
    }
    other.rewind(foreign);
    let payload = catch_unwind(AssertUnwindSafe(|| arena.rewind(foreign))).unwrap_err();
    let text = payload.downcast_ref::<String>().expect("a formatted message");
    assert_eq!(text, "cannot rewind: the checkpoint is another arena's");
}

#[test]
fn an_arena_at_the_address_of_another_is_not_it() {
    let mut arena = Arena::new();
    let first = arena.checkpoint();
    arena = Arena::new(); // in the same place
    assert_eq!(arena.try_rewind(first), Err(CheckpointError::Foreign));
    let second = arena.checkpoint(); // the same chunk, if the cache has one; the same serial number
    assert_eq!(arena.try_rewind(first), Err(CheckpointError::Foreign));
    arena.rewind(second);
}

#[test]
fn freeing_after_a_checkpoint_does_not_disturb_it() {
    let mut arena = Arena::<8>::with_min_align();
    let layout = |size| Layout::from_size_align(size, 8).unwrap();
    let newest = arena.alloc_layout(layout(64));
    let large = arena.alloc_layout(layout(4 << 20));
    let before = arena.checkpoint();
    let used = arena.used_bytes();
    // SAFETY: alive with these layouts, not used again.
    unsafe { arena.deallocate(newest, layout(64)) };
    // SAFETY: as above.
    unsafe { arena.deallocate(large, layout(4 << 20)) };
    for n in 0..100u64 {
        arena.alloc([n; 100]);
    }
    arena.rewind(before);
    assert!(arena.used_bytes() <= used);
    assert_eq!(arena.stats().large_chunks, 0);
    arena.alloc([1u8; 64]);
}

// ---- Initialisers, iterators, formatting ---------------------------------------------------------

#[test]
fn an_initialiser_that_panics_gives_its_block_back_whatever_chunk_it_is_in() {
    let arena = Arena::<8>::with_min_align();
    arena.alloc(1u8);
    let used = arena.used_bytes();
    unwinds(|| {
        arena.alloc_with(|| -> [u64; 4] { planned() });
    });
    assert_eq!(arena.used_bytes(), used);
    let left = arena.remaining_bytes();
    arena.alloc_layout(Layout::from_size_align(left - 16, 8).unwrap());
    unwinds(|| {
        arena.alloc_with(|| -> [u64; 4] { planned() }); // needs the next chunk
    });
    let used = arena.used_bytes();
    assert_eq!(used, 8 + left - 16);
    unwinds(|| {
        arena.alloc_slice_fill_with(10 << 20, |n| if n == 5 { planned() } else { 0u8 });
    });
    assert_eq!((arena.used_bytes(), arena.stats().large_chunks), (used, 0));
    let result: Result<&mut [u64; 4], &str> = arena.alloc_try_with(|| Err("no"));
    assert_eq!((result, arena.used_bytes()), (Err("no"), used));
}

#[test]
fn a_panicking_initialiser_frees_nothing_that_was_taken_after_it() {
    let arena = Arena::new();
    let mut inner = None;
    unwinds(|| {
        arena.alloc_with(|| -> [u64; 8] {
            inner = Some(arena.alloc(0x5A5A_5A5A_u32));
            arena.alloc_uninit_slice::<u8>(20_000); // and another chunk
            planned()
        });
    });
    arena.alloc([0u64; 8]);
    assert_eq!(*inner.expect("it ran"), 0x5A5A_5A5A);
}

#[test]
fn iterators_and_values_that_allocate_from_the_same_arena() {
    let arena = Arena::new();
    let list = arena.alloc_from_iter((0..1000u32).map(|n| {
        let inner = arena.alloc_from_iter((0..n % 50).map(|i| &*arena.alloc(i)));
        arena.alloc_slice_fill_copy(n as usize, 1u8);
        (n, &*inner)
    }));
    for (n, (number, inner)) in list.iter().enumerate() {
        assert_eq!(*number as usize, n);
        assert!(inner.iter().map(|i| **i).eq(0..*number % 50));
    }
    unwinds(|| {
        let _: &mut [u32] = (0..10_000)
            .inspect(|&n| {
                arena.alloc(n);
                if n == 5000 {
                    planned();
                }
            })
            .collect_in(&arena);
    });
    assert_eq!(list[999].0, 999);
}

#[test]
fn an_iterator_may_lie_about_its_length() {
    struct Liar(u32, (usize, Option<usize>));
    impl Iterator for Liar {
        type Item = u32;
        fn next(&mut self) -> Option<u32> {
            self.0 = self.0.checked_sub(1)?;
            Some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            self.1
        }
    }
    for hint in [(0, Some(0)), (usize::MAX, None), (3, Some(3)), (1000, Some(1000))] {
        let arena = Arena::<1>::with_config(ArenaConfig::new().limit_bytes(64 << 10));
        assert!(arena.alloc_from_iter(Liar(100, hint)).iter().copied().eq((0..100).rev()));
        assert_eq!(arena.used_bytes(), 400, "{hint:?}");
    }
}

// ---- Threads -------------------------------------------------------------------------------------

#[test]
fn an_arena_outlives_the_thread_that_filled_it() {
    let log = Arc::new(Mutex::new(Vec::new()));
    let (ours, theirs) = (log.clone(), std::thread::current().id());
    let mut arena = std::thread::spawn(move || {
        let arena = Arena::new();
        for n in 0..1000u64 {
            arena.alloc([n; 20]);
        }
        arena.alloc_drop(SendNoisy(1, ours, false));
        assert_ne!(std::thread::current().id(), theirs);
        arena
    })
    .join()
    .unwrap();
    assert!(arena.used_bytes() >= 160_000);
    arena.alloc([1u8; 100]);
    arena.reset();
    assert_eq!(*log.lock().unwrap(), [1]);
}

/// The thread-local with the arena is made before the cache's destructor is registered, so it is
/// dropped after it: its chunks must go to the system, and its allocations still be served.
#[test]
fn an_arena_dropped_by_a_thread_locals_destructor_still_frees() {
    thread_local! {
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }
    struct Late(Arena, Arc<Mutex<Vec<usize>>>);
    impl Drop for Late {
        fn drop(&mut self) {
            let fresh = Arena::new(); // after the cache is gone
            fresh.alloc([1u64; 100]);
            self.0.alloc_uninit_slice::<u8>(50_000);
            drop(fresh);
            let cached = alloc_arena::ThreadCache::stats().cached_chunks;
            self.1.lock().unwrap().push(cached);
        }
    }
    let log = Arc::new(Mutex::new(Vec::new()));
    let ours = log.clone();
    std::thread::spawn(move || {
        LATE.with(|late| *late.borrow_mut() = Some(Late(Arena::new(), ours)));
        drop(Arena::with_capacity(1)); // opens the cache, later than `LATE`
        assert_eq!(alloc_arena::ThreadCache::stats().cached_chunks, 1);
    })
    .join()
    .unwrap();
    assert_eq!(log.lock().unwrap().len(), 1, "it ran");
}

/// What a child scope hands out has its own lifetime, and functions can be written over scopes.
#[test]
fn functions_over_scopes() {
    fn build<'g>(scope: &Scope<'g, '_>, depth: u32) -> &'g [&'g str] {
        let names: Vec<&'g str> =
            (0..depth).map(|n| &*scope.alloc_fmt(format_args!("{n}"))).collect();
        scope.alloc_slice_copy(&names)
    }
    fn inner(frame: &mut FrameGuard<'_>) -> usize {
        let scope = frame.scope();
        build(&scope, 5).len() + build(&scope, 6).len()
    }
    let mut arena = Arena::new();
    assert_eq!(inner(&mut arena.frame()), 11);
}
