//! `SyncArena` under real threads. Tests named `tsan_…` also run under ThreadSanitizer.
#![cfg(all(feature = "std", not(loom)))]

use alloc_arena::{ArenaConfig, ErrorKind, SyncArena, ThreadCache};
use alloc_core::collections::{Box as ArenaBox, Vec as ArenaVec};
use alloc_core::testing::{Checked, FailAt};
use alloc_core::{AllocError, Allocator, Global, Layout};
use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

/// Notes its number when it is dropped, and by which thread; panics if that is asked.
struct Noisy(usize, Arc<Mutex<Vec<(usize, thread::ThreadId)>>>, bool);

impl Drop for Noisy {
    fn drop(&mut self) {
        self.1.lock().unwrap().push((self.0, thread::current().id()));
        if self.2 {
            resume_unwind(Box::new(()));
        }
    }
}

type Log = Arc<Mutex<Vec<(usize, thread::ThreadId)>>>;

fn numbers(log: &Log) -> Vec<usize> {
    log.lock().unwrap().drain(..).map(|(number, _)| number).collect()
}

/// `(address, length)` of every block; panics if two overlap.
fn assert_disjoint(mut ranges: Vec<(usize, usize)>) {
    ranges.sort_unstable();
    for two in ranges.windows(2) {
        assert!(two[0].0 + two[0].1 <= two[1].0, "{:x?} and {:x?} overlap", two[0], two[1]);
    }
}

fn range<T: ?Sized>(value: &T) -> (usize, usize) {
    (core::ptr::from_ref(value).addr(), size_of_val(value))
}

static SHARED: SyncArena<8> = SyncArena::with_min_align();

#[test]
fn an_arena_may_be_a_static() {
    let texts: Vec<&'static str> = (0..3)
        .map(|n| thread::spawn(move || &*SHARED.alloc_str(&format!("thread {n}"))))
        .collect::<Vec<_>>()
        .into_iter()
        .map(|worker| worker.join().unwrap())
        .collect();
    assert_eq!(texts, ["thread 0", "thread 1", "thread 2"]);
    assert!(SHARED.reserved_bytes() >= 16 << 10);
}

#[test]
fn blocks_of_threads_are_disjoint() {
    let config = ArenaConfig::new().first_chunk_bytes(1024);
    let mut arena = SyncArena::<1, _>::with_config_in(config, Checked::new(Global));
    let shared = &arena;
    let all = thread::scope(|scope| {
        let workers: Vec<_> = (0..4u8)
            .map(|worker| {
                scope.spawn(move || {
                    let mut values = Vec::new();
                    for n in 0..500 {
                        // Small, large, over-aligned in turn.
                        let (size, align) =
                            [(1, 1), (24, 8), (700, 16), (64, 256), (5000, 4096)][n % 5];
                        let layout = Layout::from_size_align(size, align).unwrap();
                        let block = shared.alloc_layout(layout);
                        assert!(block.addr().get().is_multiple_of(align));
                        // SAFETY: a fresh block of `size` bytes.
                        unsafe { block.write_bytes(worker, size) };
                        values.push((block.addr().get(), size));
                    }
                    values
                })
            })
            .collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    assert_disjoint(all);
    assert!(arena.used_bytes() >= 4 * 100 * (1 + 24 + 700 + 64 + 5000));
    assert!(arena.stats().reserved_bytes >= arena.used_bytes());
}

#[test]
fn threads_that_exit_leave_their_parts_to_the_next() {
    let mut arena = SyncArena::<8>::with_min_align();
    for n in 0..1000u64 {
        // The end of a scope does not wait for a thread's destructors, a join does.
        let value = thread::scope(|scope| scope.spawn(|| *arena.alloc(n)).join().unwrap());
        assert_eq!(value, n);
    }
    assert_eq!(arena.parts(), 1, "a thousand threads, one part");
    assert_eq!((arena.used_bytes(), arena.stats().chunks), (8000, 1));
}

#[test]
fn a_thread_outlives_the_arena_and_the_arena_a_thread() {
    // The thread goes on after the arena is dropped, and meets another at the same address.
    let place = Arc::new(Mutex::new(SyncArena::<1, _>::new_in(Checked::new(Global))));
    let (to_thread, from_main) = mpsc::channel();
    let (to_main, from_thread) = mpsc::channel();
    let theirs = Arc::clone(&place);
    let thread = thread::spawn(move || {
        for () in from_main {
            assert_eq!(*theirs.lock().unwrap().alloc(7u64), 7);
            to_main.send(()).unwrap();
        }
    });
    for _ in 0..50 {
        to_thread.send(()).unwrap();
        from_thread.recv().unwrap();
        let mut arena = place.lock().unwrap();
        assert_eq!(arena.parts(), 1, "of the thread; nothing is left of the arena before");
        arena.alloc(8u64);
        // Leaks nothing (the backing looks), and nothing of it is seen by the next one.
        *arena = SyncArena::new_in(Checked::new(Global));
    }
    drop(to_thread);
    thread.join().unwrap();
    // The arena outlives every thread that used it.
    let arena = SyncArena::<1, _>::new_in(Checked::new(Global));
    let text = thread::scope(|scope| scope.spawn(|| arena.alloc_str("left")).join().unwrap());
    assert_eq!(text, "left");
}

#[test]
fn an_arena_that_moved_gives_its_memory_back() {
    fn fill(arena: SyncArena<1, Checked<Global>>) -> SyncArena<1, Checked<Global>> {
        arena.alloc([1u8; 100]);
        arena
    }
    let mut moved = vec![fill(SyncArena::new_in(Checked::new(Global)))];
    moved.reserve(100); // elsewhere again
    moved[0].alloc([2u8; 100_000]);
    moved[0].reset();
    let mut arena = Box::new(moved.pop().unwrap());
    arena.alloc([3u8; 100_000]);
    arena.reset();
    assert!(arena.trim() > 0);
    thread::spawn(move || drop(arena)).join().unwrap();
}

#[test]
fn values_are_dropped_by_the_owner_the_newest_of_each_part_first() {
    let log = Log::default();
    let mut arena = SyncArena::new();
    for round in 0..2 {
        let turn = Barrier::new(2);
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                for n in 0..3 {
                    arena.alloc_drop(Noisy(n, Arc::clone(&log), false));
                }
                turn.wait(); // this part is made first
                turn.wait(); // and lives on beside the other
            });
            turn.wait();
            for n in 10..13 {
                arena.alloc_drop(Noisy(n, Arc::clone(&log), false));
            }
            turn.wait();
            worker.join().unwrap();
        });
        assert!(log.lock().unwrap().is_empty());
        let owner = thread::current().id();
        if round == 0 {
            arena.reset();
            assert_eq!((arena.used_bytes(), arena.stats().resets), (0, 1));
        } else {
            drop(core::mem::take(&mut arena));
        }
        assert!(log.lock().unwrap().iter().all(|&(_, by)| by == owner));
        let mut dropped = numbers(&log);
        if round == 1 {
            // Which thread took which part in the second round is the system's choice.
            dropped.sort_unstable_by_key(|&n| (n < 10, core::cmp::Reverse(n)));
        }
        assert_eq!(dropped, [12, 11, 10, 2, 1, 0]);
    }
}

#[test]
fn a_panicking_drop_keeps_no_part_from_its_own() {
    let log = Log::default();
    for ends in [false, true] {
        let mut arena = SyncArena::<1, _>::new_in(Checked::new(Global));
        let (next, all) = (Barrier::new(2), Barrier::new(3));
        thread::scope(|scope| {
            for worker in 0..3 {
                let (log, next, all, arena) = (&log, &next, &all, &arena);
                scope.spawn(move || {
                    for n in 0..4 {
                        // One panics, in the part made last: a reset visits it first.
                        let panics = worker == 2 && n == 2;
                        arena.alloc_drop(Noisy(4 * worker + n, Arc::clone(log), panics));
                    }
                    next.wait();
                    all.wait(); // a part each
                });
                next.wait();
            }
        });
        assert_eq!(arena.parts(), 3);
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            arena.reset();
            if ends {
                unreachable!("the drop panicked");
            }
        }));
        assert!(unwound.is_err());
        let mut dropped = numbers(&log);
        dropped.sort_unstable();
        assert!(dropped.into_iter().eq(0..12));
        assert_eq!(arena.used_bytes(), 0);
        arena.alloc_drop(Noisy(20, Arc::clone(&log), true));
        assert!(catch_unwind(AssertUnwindSafe(|| drop(arena))).is_err());
        assert_eq!(numbers(&log), [20]);
    }
}

#[test]
fn a_reset_between_phases_gives_every_thread_its_chunks_again() {
    let mut arena = SyncArena::<8, _>::new_in(FailAt::new(Checked::new(Global), 0));
    let mut calls = 0;
    for phase in 0..20u64 {
        let barrier = Barrier::new(3);
        thread::scope(|scope| {
            let worker = |worker: u64| {
                let (arena, barrier) = (&arena, &barrier);
                scope.spawn(move || {
                    let values: Vec<_> =
                        (0..2000).map(|n| arena.alloc([phase, worker, n])).collect();
                    for (n, value) in values.iter().enumerate() {
                        assert_eq!(**value, [phase, worker, n as u64]);
                    }
                    barrier.wait(); // so that each has a part
                })
            };
            // Joined one by one: the end of a scope does not wait for a thread's destructors.
            for worker in [0, 1, 2].map(worker) {
                worker.join().unwrap();
            }
        });
        if phase > 0 {
            assert_eq!(arena.backing().calls(), calls, "phase {phase} asked for memory");
        }
        calls = arena.backing().calls();
        assert_eq!(arena.used_bytes(), 3 * 2000 * 24);
        arena.reset();
    }
    let stats = arena.stats();
    assert_eq!((stats.resets, stats.used_bytes, stats.peak_bytes), (20, 0, 3 * 2000 * 24));
    assert!(stats.slow_calls > 0 && stats.spare_bytes > 0);
    let before = arena.reserved_bytes();
    let freed = arena.trim();
    assert_eq!((freed, arena.reserved_bytes()), (before, 0), "an empty arena keeps nothing");
}

#[test]
fn the_limit_is_of_all_parts_together_and_counts_what_they_keep() {
    let config = ArenaConfig::new().first_chunk_bytes(1024).limit_bytes(64 << 10);
    let arena = SyncArena::<1, _>::with_config_in(config, Checked::new(Global));
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                arena.alloc(0u8);
                barrier.wait(); // everybody has a part
                let error = loop {
                    match arena.try_alloc([1u8; 100]) {
                        Ok(_) => assert!(arena.reserved_bytes() <= 64 << 10),
                        Err(rejected) => break rejected.error(),
                    }
                };
                assert_eq!((error.kind(), error.size()), (ErrorKind::Full, 100));
            });
        }
    });
    assert!(arena.reserved_bytes() > 60 << 10, "used to the last chunk");
    let error = arena.try_alloc_drop([0u64; 100]).unwrap_err().error();
    assert_eq!(error.kind(), ErrorKind::Full);
    let error = arena.with_local(|local| local.try_alloc_from_iter(0..10_000u64)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Full);
    assert_eq!(arena.try_alloc_str(&"x".repeat(5000)).unwrap_err().kind(), ErrorKind::Full);
    let layout = Layout::from_size_align(isize::MAX.unsigned_abs() & !7, 8).unwrap();
    let error = arena.try_alloc_layout(layout).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
}

/// A part at the limit gives back what it keeps before it refuses; what others keep stays theirs.
#[test]
fn a_part_at_the_limit_uses_what_it_keeps() {
    let config =
        ArenaConfig::new().first_chunk_bytes(1024).max_chunk_bytes(16 << 10).limit_bytes(80_000);
    let mut arena = SyncArena::<1, _>::with_config_in(config, Checked::new(Global));
    for _ in 0..60 {
        arena.alloc([0u8; 1000]);
    }
    arena.reset();
    assert!(arena.stats().spare_bytes > 40_000);
    assert!(arena.try_alloc([1u8; 50_000]).is_ok());
    let error = arena.try_alloc([1u8; 50_000]).unwrap_err().error();
    assert_eq!((error.kind(), error.size()), (ErrorKind::Full, 50_000));
    assert!(arena.reserved_bytes() <= 80_000);
}

/// What a backing that panics did not give is not counted as held.
#[test]
fn a_backing_that_panics_leaves_the_limit_as_it_was() {
    /// Panics at each odd request.
    struct Odd(Cell<u32>);
    impl Odd {
        fn admit(&self) {
            if self.0.replace(self.0.get() + 1) % 2 == 1 {
                resume_unwind(Box::new(()));
            }
        }
    }
    // SAFETY: blocks come from the global allocator and go back to it unchanged.
    unsafe impl Allocator for Odd {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            self.admit();
            Global.allocate(layout)
        }
        unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
            // SAFETY: the caller's promise, passed on.
            unsafe { Global.deallocate(ptr, layout) };
        }
        unsafe fn grow(
            &self,
            ptr: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            self.admit();
            // SAFETY: the caller's promise, passed on.
            unsafe { Global.grow(ptr, old, new) }
        }
    }
    let config =
        ArenaConfig::new().first_chunk_bytes(1024).max_chunk_bytes(1024).limit_bytes(100_000);
    let mut arena = SyncArena::<1, _>::with_config_in(config, Odd(Cell::new(0)));
    let mut list = ArenaVec::new_in(&arena);
    list.resize(5000, 1u8); // a chunk of its own
    let held = arena.reserved_bytes();
    assert!(catch_unwind(AssertUnwindSafe(|| list.reserve_exact(20_000))).is_err(), "it grows");
    assert_eq!((arena.reserved_bytes(), list.capacity()), (held, 5000));
    list.reserve_exact(20_000);
    assert!(list.iter().all(|&byte| byte == 1));
    let held = arena.reserved_bytes();
    assert!(catch_unwind(AssertUnwindSafe(|| arena.alloc([0u8; 3000]))).is_err(), "a new chunk");
    assert_eq!(arena.reserved_bytes(), held);
    drop(list);
    arena.reset();
    arena.trim();
    assert_eq!(arena.reserved_bytes(), 0);
}

#[test]
fn at_every_refused_request_nothing_is_lost() {
    for fail_at in 1.. {
        let backing = FailAt::new(FailAt::new(Checked::new(Global), fail_at), fail_at);
        let mut arena = SyncArena::<1, _>::new_in(backing);
        let mut refused = 0;
        for n in 0..100u64 {
            match arena.try_alloc([n; 100]) {
                Ok(value) => assert_eq!(value[99], n),
                Err(rejected) => {
                    assert_eq!(rejected.error().kind(), ErrorKind::Backing);
                    assert_eq!(rejected.into_value(), [n; 100]);
                    refused += 1;
                }
            }
        }
        if refused == 0 && fail_at > 10 {
            return;
        }
        assert!(arena.used_bytes() >= (100 - refused) * 800);
        assert!(arena.reserved_bytes() < 1 << 20, "a refused request is not counted as held");
    }
}

#[test]
fn bad_configurations_are_refused_by_name() {
    let error = SyncArena::<1>::try_with_config(ArenaConfig::new().first_chunk_bytes(3));
    assert_eq!(error.unwrap_err().field(), "first_chunk_bytes");
}

#[test]
fn chunks_come_from_and_go_to_the_threads_cache() {
    thread::spawn(|| {
        let held = |arena: &SyncArena| arena.reserved_bytes();
        let arena = SyncArena::new();
        arena.alloc([0u8; 40_000]);
        let bytes = held(&arena);
        drop(arena);
        let cached = ThreadCache::stats();
        assert_eq!(cached.cached_bytes, bytes, "kept by the thread that dropped it");
        let mut arena = SyncArena::new();
        arena.alloc([0u8; 40_000]);
        assert_eq!((ThreadCache::stats().cached_bytes, held(&arena)), (0, bytes));
        arena.reset();
        // What is trimmed goes to the system, not to the cache.
        let freed = arena.trim();
        assert_eq!((ThreadCache::stats().cached_bytes, held(&arena)), (0, bytes - freed));
    })
    .join()
    .unwrap();
}

#[test]
fn a_run_of_allocations_may_nest_and_panic() {
    let mut arena = SyncArena::<8>::with_min_align();
    let (outer, inner) = arena.with_local(|local| {
        let outer = local.alloc(1u64);
        let inner = arena.with_local(|again| again.alloc_slice_copy(&[2u64; 3]));
        arena.alloc(3u64);
        (outer, inner)
    });
    assert_eq!((*outer, &*inner), (1, &[2, 2, 2][..]));
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        arena.with_local(|local| {
            local.alloc(4u64);
            resume_unwind(Box::new(()))
        })
    }));
    assert!(unwound.is_err());
    // Iterators and initialisers that allocate from the arena themselves, by it and by the handle.
    let nested = arena.with_local(|local| {
        let outer = local.alloc_from_iter((0..50).map(|n| {
            arena.alloc([n; 20]);
            *local.alloc(n)
        }));
        let made = local.alloc_slice_fill_with(3, |i| *arena.alloc(i));
        let text = local.alloc_fmt(format_args!("{}-{}", made[2], arena.alloc_str("x")));
        assert_eq!(text, "2-x");
        outer
    });
    assert!(nested.iter().copied().eq(0..50));
    assert_eq!(arena.parts(), 1);
    arena.reset();
}

#[test]
fn a_block_freed_or_grown_by_another_thread_goes_to_nobody_twice() {
    let arena = SyncArena::<1>::with_config(ArenaConfig::new().first_chunk_bytes(256));
    let boxes = thread::scope(|scope| {
        let maker = scope
            .spawn(|| (0..100u64).map(|n| ArenaBox::new_in([n; 3], &arena)).collect::<Vec<_>>());
        maker.join().unwrap()
    });
    let lists: Vec<_> = (0..20u64)
        .map(|n| {
            let mut list = ArenaVec::new_in(&arena);
            list.extend([n; 3]);
            list
        })
        .collect();
    let mut live = Vec::new();
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut kept = Vec::new();
            for (n, value) in boxes.into_iter().enumerate().rev() {
                if n % 2 == 0 {
                    drop(value);
                } else {
                    kept.push(value);
                }
                kept.push(ArenaBox::new_in([n as u64; 3], &arena));
            }
            for (n, mut list) in lists.into_iter().enumerate() {
                list.extend((0..100).map(|_| n as u64)); // another thread's block, grown here
                list.shrink_to_fit();
                assert!(list.iter().all(|&value| value == n as u64) && list.len() == 103);
            }
            kept
        });
        live.extend((0..100u64).map(|n| ArenaBox::new_in([n + 1000; 3], &arena)));
        live.extend(other.join().unwrap());
    });
    assert_disjoint(live.iter().map(|value| range(&**value)).collect());
    assert!(live.iter().all(|value| value[0] == value[2]));
    let (old, new) = (Layout::new::<[u8; 3]>(), Layout::new::<[u8; 9]>());
    let block = arena.allocate(old).unwrap().cast::<u8>();
    // SAFETY: a fresh block of three bytes.
    unsafe { block.write_bytes(7, 3) };
    // SAFETY: alive with `old`; `new` is larger.
    let grown = unsafe { arena.grow_zeroed(block, old, new) }.unwrap();
    // SAFETY: nine bytes, three kept and six zeroed.
    assert_eq!(unsafe { grown.as_ref() }, [7, 7, 7, 0, 0, 0, 0, 0, 0]);
}

/// References handed over by a join, chunks from one backing, parts by exits, all by a reset.
#[test]
fn tsan_build_hand_over_and_reset() {
    let mut arena = SyncArena::<8>::with_config(ArenaConfig::new().first_chunk_bytes(512));
    for phase in 0..10u64 {
        let shared = &arena;
        let values: Vec<&mut u64> = thread::scope(|scope| {
            let workers: Vec<_> = (0..3u64)
                .map(|n| {
                    scope.spawn(move || {
                        shared.alloc_drop(vec![n; 3]);
                        (0..200).map(|i| shared.alloc(n * i + phase)).collect()
                    })
                })
                .collect();
            workers.into_iter().flat_map(|w| -> Vec<&mut u64> { w.join().unwrap() }).collect()
        });
        assert_eq!(values.len(), 600);
        values.into_iter().for_each(|value| *value += 1);
        arena.reset();
    }
}

/// Blocks taken by one thread and freed by another, while both allocate.
#[test]
fn tsan_boxes_freed_by_others() {
    let arena = SyncArena::<8>::with_config(ArenaConfig::new().first_chunk_bytes(512));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        let arena = &arena;
        scope.spawn(move || {
            for n in 0..500u64 {
                sender.send(ArenaBox::new_in(n, arena)).unwrap();
            }
        });
        for (n, value) in receiver.iter().enumerate() {
            assert_eq!(*value, n as u64);
            drop(value);
            arena.alloc(n);
        }
    });
}
