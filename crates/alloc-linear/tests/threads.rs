//! `SyncLinear` under real threads. Tests named `tsan_…` also run under ThreadSanitizer.
#![cfg(all(feature = "std", not(loom)))]

use alloc_core::collections::{Box, Vec as LinearVec};
use alloc_core::{Allocator, Layout};
use alloc_linear::{ErrorKind, SyncLinear};
use std::sync::Barrier;
use std::thread;

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

#[test]
fn blocks_of_threads_are_disjoint() {
    for block_bytes in [128, 1000, 16384] {
        let region = SyncLinear::<1>::with_min_align(1 << 20).with_block_bytes(block_bytes);
        let region = &region;
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
                            let Ok(block) = region.try_alloc_layout(layout) else { break };
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
    }
}

#[test]
fn threads_that_exit_leave_their_blocks_to_the_next() {
    let region = SyncLinear::<8>::with_min_align(1 << 16);
    for n in 0..1000u64 {
        // The end of a scope does not wait for a thread's destructors, a join does.
        let value = thread::scope(|scope| scope.spawn(|| *region.alloc(n)).join().unwrap());
        assert_eq!(value, n);
    }
    assert_eq!(region.used_bytes(), region.block_bytes(), "a thousand threads, one block");
}

#[test]
fn a_reset_between_phases_gives_every_thread_its_memory_again() {
    let mut region = SyncLinear::<8>::with_min_align(1 << 16).with_block_bytes(1024);
    for phase in 0..50u64 {
        thread::scope(|scope| {
            for worker in 0..3u64 {
                let region = &region;
                scope.spawn(move || {
                    let values: Vec<_> =
                        (0..100).map(|n| region.alloc([phase, worker, n])).collect();
                    for (n, value) in values.iter().enumerate() {
                        assert_eq!(**value, [phase, worker, n as u64]);
                    }
                });
            }
        });
        region.reset();
        assert_eq!(region.used_bytes(), 0);
    }
    assert_eq!(region.stats().resets, 50);
}

#[test]
fn a_full_region_serves_each_thread_from_its_own_block_to_the_last_byte() {
    let region = SyncLinear::<1>::with_min_align(4096).with_block_bytes(1024);
    let barrier = Barrier::new(4);
    let taken: usize = thread::scope(|scope| {
        let workers: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    region.alloc(0u8);
                    barrier.wait(); // everybody has a block
                    let mut taken = 1;
                    while region.try_alloc(1u8).is_ok() {
                        taken += 1;
                    }
                    taken
                })
            })
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    assert_eq!(taken, 4096, "nobody starves while its block has room, and nothing is lost");
    let error = region.try_alloc([0u8; 100]).unwrap_err().error();
    assert_eq!((error.kind(), error.size(), error.remaining_bytes()), (ErrorKind::Full, 100, 0));
}

#[test]
fn values_larger_than_a_block_and_the_empty_region() {
    let region = SyncLinear::<1>::with_min_align(1 << 16).with_block_bytes(256);
    let large = region.alloc_slice_copy(&[7u8; 10_000]);
    let small = region.alloc(1u8);
    assert_disjoint(vec![range(large), range(small)]);
    assert_eq!(region.try_alloc([3u8; 1 << 16]).unwrap_err().into_value(), [3; 1 << 16]);
    let empty = SyncLinear::with_capacity(0);
    assert_eq!(*empty.alloc(()), ());
    assert_eq!(empty.alloc_str(""), "");
    assert_eq!(empty.try_alloc(1u8).unwrap_err().error().kind(), ErrorKind::Full);
    let error = SyncLinear::try_with_capacity(usize::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
}

#[test]
#[should_panic(expected = "block_bytes is 0")]
fn a_block_of_nothing_is_refused_by_name() {
    let _ = SyncLinear::with_capacity(64).with_block_bytes(0);
}

#[test]
fn a_run_of_allocations_may_nest_and_panic() {
    let region = SyncLinear::<8>::with_min_align(4096);
    let (outer, inner) = region.with_local(|local| {
        let outer = local.alloc(1u64);
        let inner = region.with_local(|again| again.alloc_slice_copy(&[2u64; 3]));
        region.alloc(3u64);
        (outer, inner)
    });
    let unwound = std::panic::catch_unwind(core::panic::AssertUnwindSafe(|| {
        region.with_local(|local| {
            local.alloc(4u64);
            std::panic::resume_unwind(std::boxed::Box::new(()))
        })
    }));
    assert!(unwound.is_err());
    region.alloc([9u64; 8]);
    assert_eq!((*outer, &*inner), (1, &[2, 2, 2][..]));
}

#[test]
fn a_block_freed_by_another_thread_goes_to_nobody_twice() {
    let region = SyncLinear::<1>::with_min_align(1 << 16).with_block_bytes(128);
    let boxes = thread::scope(|scope| {
        let maker =
            scope.spawn(|| (0..100u64).map(|n| Box::new_in([n; 3], &region)).collect::<Vec<_>>());
        maker.join().unwrap()
    });
    let mut live = Vec::new();
    thread::scope(|scope| {
        let freer = scope.spawn(|| {
            let mut kept = Vec::new();
            for (n, value) in boxes.into_iter().enumerate().rev() {
                if n % 2 == 0 {
                    drop(value)
                } else {
                    kept.push(value)
                }
                kept.push(Box::new_in([n as u64; 3], &region));
            }
            kept
        });
        live.extend((0..100u64).map(|n| Box::new_in([n + 1000; 3], &region)));
        live.extend(freer.join().unwrap());
    });
    assert_disjoint(live.iter().map(|value| range(&**value)).collect());
    assert!(live.iter().all(|value| value[0] == value[2]));
}

#[test]
fn the_trait_keeps_contents_over_growth_and_shrinkage() {
    let region = SyncLinear::<8>::with_min_align(1 << 20);
    thread::scope(|scope| {
        for worker in 0..4u32 {
            let region = &region;
            scope.spawn(move || {
                let mut list = LinearVec::new_in(region);
                list.extend((0..1000).map(|n| n * worker));
                list.truncate(10);
                list.shrink_to_fit();
                list.extend((10..200).map(|n| n * worker));
                assert!(list.iter().copied().eq((0..200).map(|n| n * worker)));
            });
        }
    });
    let (old, new) = (Layout::new::<[u8; 3]>(), Layout::new::<[u8; 9]>());
    let block = region.allocate(old).unwrap().cast::<u8>();
    // SAFETY: a fresh block of three bytes.
    unsafe { block.write_bytes(7, 3) };
    // SAFETY: alive with `old`; `new` is larger.
    let grown = unsafe { region.grow_zeroed(block, old, new) }.unwrap();
    // SAFETY: nine bytes, three kept and six zeroed.
    assert_eq!(unsafe { grown.as_ref() }, [7, 7, 7, 0, 0, 0, 0, 0, 0]);
    // SAFETY: alive with `new`, not used again.
    unsafe { region.deallocate(grown.cast(), new) };
    let next = region.alloc_layout(old);
    assert!(next.addr().get().is_multiple_of(8), "the minimum alignment survives a free");
}

/// References handed over by a join, memory by the shared cursor, blocks by exits, all by a reset.
#[test]
fn tsan_allocate_hand_over_and_reset() {
    let mut region = SyncLinear::<8>::with_min_align(1 << 16).with_block_bytes(256);
    for phase in 0..10u64 {
        let shared = &region;
        let values: Vec<&mut u64> = thread::scope(|scope| {
            let workers: Vec<_> = (0..3u64)
                .map(|n| {
                    scope.spawn(move || (0..200).map(|i| shared.alloc(n * i + phase)).collect())
                })
                .collect();
            workers.into_iter().flat_map(|w| -> Vec<&mut u64> { w.join().unwrap() }).collect()
        });
        assert_eq!(values.len(), 600);
        values.into_iter().for_each(|value| *value += 1);
        region.reset();
    }
}

#[test]
fn tsan_boxes_freed_by_others() {
    let region = SyncLinear::<8>::with_min_align(1 << 16).with_block_bytes(128);
    let (sender, receiver) = std::sync::mpsc::channel();
    thread::scope(|scope| {
        let region = &region;
        scope.spawn(move || {
            for n in 0..500u64 {
                sender.send(Box::new_in(n, region)).unwrap();
            }
        });
        for (n, value) in receiver.iter().enumerate() {
            assert_eq!(*value, n as u64);
            drop(value);
            region.alloc(n);
        }
    });
}
