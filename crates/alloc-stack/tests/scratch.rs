//! `scratch` through its public interface.
#![cfg(all(feature = "std", not(loom)))]

use alloc_core::collections::{Box, Vec as ScratchVec};
use alloc_core::{Allocator, ErrorKind, Layout};
use alloc_stack::{Conflict, Scratch, scratch, scratch_stats, trim_scratch};
use core::cell::{Cell, RefCell};
use core::panic::AssertUnwindSafe;
use static_assertions::assert_not_impl_any;
use std::panic::{catch_unwind, resume_unwind};
use std::thread;

/// Runs a test on a thread of its own, which has a pair of its own.
fn alone(test: impl FnOnce() + Send) {
    thread::scope(|scope| scope.spawn(test).join().unwrap_or_else(|panic| resume_unwind(panic)));
}

/// Bytes in use on each stack, and strays so far.
fn used() -> ([usize; 2], u64) {
    let stats = scratch_stats();
    (stats.stacks.map(|stack| stack.used_bytes), stats.strays)
}

/// A sorted copy of `numbers` in `out`, made by halves: scratch at every level of the recursion.
fn sorted<'s>(numbers: &[u32], out: &Scratch<'s>) -> &'s mut [u32] {
    if numbers.len() <= 1 {
        return out.alloc_slice_copy(numbers);
    }
    scratch(out, |tmp| {
        let (low, high) = numbers.split_at(numbers.len() / 2);
        let (low, high) = (sorted(low, tmp), sorted(high, tmp));
        let (mut low, mut high) = (low.iter().peekable(), high.iter().peekable());
        out.alloc_slice_fill_with(numbers.len(), |_| {
            let from_low = match (low.peek(), high.peek()) {
                (Some(a), Some(b)) => a <= b,
                (a, _) => a.is_some(),
            };
            *if from_low { low.next() } else { high.next() }.expect("as many as were put in")
        })
    })
}

#[test]
fn results_and_temporaries_at_every_depth() {
    alone(|| {
        scratch(None, |out| {
            let mut random = 1u32;
            let numbers = out.alloc_slice_fill_with(1000, |_| {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                random >> 8
            });
            let result = sorted(numbers, out);
            numbers.sort_unstable();
            assert_eq!(result, numbers);
        });
        assert_eq!(used(), ([0, 0], 0), "nothing left, and no stray");
    });
}

#[test]
fn the_conflict_is_not_the_stack() {
    alone(|| {
        fn deep(out: &Scratch<'_>, depth: u32) {
            let kept = out.alloc([depth; 10]);
            if depth > 0 {
                let before = used().0;
                scratch(out, |tmp| {
                    let ours = tmp.alloc([depth + 1000; 10]);
                    let later = out.alloc([depth + 2000; 10]); // while the inner frame is open
                    deep(tmp, depth - 1);
                    assert_eq!((*ours, *later), ([depth + 1000; 10], [depth + 2000; 10]));
                });
                let after = used().0;
                let more = [after[0] - before[0], after[1] - before[1]];
                assert!(
                    more == [40, 0] || more == [0, 40],
                    "one stack kept what was taken: {more:?}"
                );
            }
            assert_eq!(*kept, [depth; 10]);
        }
        scratch(None, |out| deep(out, 50));
        assert_eq!(used(), ([0, 0], 0));
    });
}

#[test]
fn an_outer_frame_used_below_an_inner_one_is_served_elsewhere() {
    alone(|| {
        scratch(None, |outer| {
            let first = outer.alloc([1u64; 8]);
            let mut list = ScratchVec::new_in(outer);
            list.extend([10u64, 20, 30]);
            let mut doomed = Some(Box::new_in([9u8; 100], outer));
            let strays = scratch(outer, |middle| {
                scratch(middle, |inner| {
                    // `inner` lies on top of `outer` now.
                    let ours = inner.alloc([2u64; 8]);
                    let stray = outer.alloc([3u64; 8]);
                    let more = outer.alloc_slice_copy(&[4u64; 5]);
                    let collected = outer.alloc_from_iter((0..40u64).filter(|n| n % 4 == 0));
                    let text = outer.alloc_fmt(format_args!("{}-{}", 1, 2));
                    let aligned = outer.alloc_layout(Layout::from_size_align(10, 4096).unwrap());
                    assert!(aligned.addr().get().is_multiple_of(4096));
                    list.extend(40..60u64); // grows into a stray
                    doomed.take(); // given back while another frame is on top: at the end
                    let again = inner.alloc([5u64; 8]);
                    assert_eq!((*ours, *again, *stray), ([2; 8], [5; 8], [3; 8]));
                    assert_eq!((&*more, collected.len(), &*text), (&[4u64; 5][..], 10, "1-2"));
                });
                used().1
            });
            assert!(strays >= 6, "{strays}");
            assert_eq!(*first, [1; 8]);
            // On top again: back on the stack, whatever is a stray.
            let before = used().1;
            list.extend(60..200u64);
            list.shrink_to_fit();
            assert_eq!(list.iter().sum::<u64>(), 60 + (40..200u64).sum::<u64>());
            outer.alloc(6u8);
            assert_eq!(used().1, before);
        });
        assert_eq!(used().0, [0, 0]);
    });
}

#[test]
fn strays_of_every_kind_of_resizing() {
    alone(|| {
        let layout = |size, align| Layout::from_size_align(size, align).unwrap();
        scratch(None, |outer| {
            let on_stack = outer.allocate(layout(32, 8)).unwrap().cast::<u8>();
            // SAFETY: a fresh block of 32 bytes.
            unsafe { on_stack.write_bytes(7, 32) };
            let (shrunk, stray) = scratch(outer, |middle| {
                scratch(middle, |_| {
                    // SAFETY: alive with 32 bytes.
                    let shrunk = unsafe { outer.shrink(on_stack, layout(32, 8), layout(16, 8)) };
                    let stray = outer.allocate(layout(8, 8)).unwrap().cast::<u8>();
                    // SAFETY: a fresh block of 8 bytes.
                    unsafe { stray.write_bytes(9, 8) };
                    // SAFETY: alive with 8 bytes.
                    let stray = unsafe { outer.grow(stray, layout(8, 8), layout(24, 64)) };
                    (shrunk.unwrap().cast::<u8>(), stray.unwrap().cast::<u8>())
                })
            });
            // SAFETY: alive with 24 bytes, 8 of them written; now it fits the stack again.
            let back = unsafe { outer.grow(stray, layout(24, 64), layout(48, 8)) }.unwrap();
            // SAFETY: alive with 16 bytes, all written.
            assert_eq!(unsafe { shrunk.cast::<[u8; 16]>().read() }, [7; 16]);
            // SAFETY: alive with 48 bytes, of which 8 are written.
            assert_eq!(unsafe { back.cast::<[u8; 8]>().read() }, [9; 8]);
            for (block, layout) in [(shrunk, layout(16, 8)), (back.cast(), layout(48, 8))] {
                // SAFETY: alive with this layout, not used again.
                unsafe { outer.deallocate(block, layout) };
            }
        });
        assert_eq!(used().0, [0, 0]);
    });
}

#[test]
fn two_conflicts_get_a_stack_of_their_own() {
    alone(|| {
        scratch(None, |one| {
            scratch(one, |two| {
                let (a, b) = (one.alloc(1u8), two.alloc(2u8));
                let sum = scratch([one, two], |third| {
                    let c = third.alloc(3u8);
                    one.alloc(10u8);
                    two.alloc(20u8);
                    let list: [&Scratch<'_>; 3] = [one, two, third];
                    scratch(&list[..], |fourth| u32::from(*fourth.alloc(4u8) + *c))
                });
                assert_eq!((*a, *b, sum, used().1), (1, 2, 7, 0));
            });
        });
        scratch(None::<&Scratch<'_>>, |tmp| *tmp.alloc(1u8));
        assert_eq!(used(), ([0, 0], 0));
    });
}

#[test]
fn without_a_conflict_the_stack_with_fewer_frames_is_taken() {
    alone(|| {
        scratch(None, |outer| {
            outer.alloc(1u64);
            scratch(None, |inner| {
                inner.alloc(2u64);
                assert_eq!(used().0, [8, 8]);
                outer.alloc(3u64);
            });
            assert_eq!(used(), ([16, 0], 0), "a forgotten conflict did no harm");
        });
    });
}

#[test]
fn a_conflict_counts_for_more_than_frames() {
    alone(|| {
        scratch(None, |a| {
            scratch(a, |b| {
                scratch(b, |c| {
                    // Two frames on the stack of `a` and `c`, one on that of `b`.
                    scratch(b, |d| {
                        let before = used().0;
                        let (results, ours) = (b.alloc([1u64; 8]), d.alloc([2u64; 8]));
                        let after = used().0;
                        assert!(after[0] > before[0] && after[1] > before[1], "one on each");
                        assert_eq!((*results, *ours), ([1; 8], [2; 8]));
                    });
                    scratch(c, |d| {
                        d.alloc(3u8);
                        c.alloc(4u8);
                    });
                });
            });
        });
        assert_eq!(used(), ([0, 0], 0), "no stray");
    });
}

#[test]
fn a_panic_ends_its_frames() {
    alone(|| {
        scratch(None, |outer| {
            let kept = outer.alloc([1u8; 16]);
            let before = used().0;
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                scratch(outer, |middle| {
                    middle.alloc([2u8; 1000]);
                    scratch(middle, |inner| {
                        inner.alloc([3u8; 1000]);
                        outer.alloc([4u8; 1000]); // a stray
                        resume_unwind(std::boxed::Box::new(()))
                    })
                })
            }));
            assert!(unwound.is_err());
            assert_eq!((used().0, *kept), (before, [1; 16]));
            outer.alloc(5u8);
        });
        assert_eq!(used().0, [0, 0]);
    });
}

#[test]
fn initialisers_iterators_and_drops_may_ask_for_scratch() {
    alone(|| {
        struct Nosy(u32);
        impl Drop for Nosy {
            fn drop(&mut self) {
                scratch(None, |tmp| assert_eq!(tmp.alloc_slice_fill_with(9, |n| n).len(), 9));
            }
        }
        scratch(None, |out| {
            let nested = out.alloc_from_iter((0..20usize).map(|n| {
                // On the same stack, on top of the vector that is growing.
                scratch(None, |other| {
                    scratch(other, |tmp| tmp.alloc_from_iter(0..n).iter().sum::<usize>())
                })
            }));
            assert_eq!(nested[19], 171);
            let mut owned = ScratchVec::new_in(out);
            owned.extend((0..10).map(Nosy));
            owned.truncate(5);
            assert_eq!(owned.iter().map(|nosy| nosy.0).sum::<u32>(), 10);
        });
        assert_eq!(used(), ([0, 0], 0));
    });
}

#[test]
fn memory_is_kept_for_the_next_call_and_returned_when_asked() {
    alone(|| {
        scratch(None, |tmp| tmp.alloc_slice_fill_with(100_000, |n| n).len());
        let kept: usize = scratch_stats().stacks.iter().map(|stack| stack.reserved_bytes).sum();
        assert!(kept >= 800_000);
        scratch(None, |tmp| {
            tmp.alloc(1u8);
            assert_eq!(trim_scratch(), 0, "a frame is open");
        });
        assert!(trim_scratch() >= 800_000);
        assert_eq!(scratch_stats().stacks.map(|stack| stack.reserved_bytes), [0, 0]);
        let stats = scratch_stats();
        assert!(stats.stacks[0].peak_bytes >= 800_000);
    });
}

#[test]
fn destructors_of_thread_locals_may_ask_for_scratch() {
    alone(|| {
        thread_local!(static SEEN: Cell<u32> = const { Cell::new(0) });
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                let sum = scratch(None, |out| {
                    let inner = scratch(out, |tmp| {
                        let text = out.alloc_str("late");
                        text.len() + tmp.alloc_slice_fill_with(10, |n| n).len()
                    });
                    inner + *out.alloc(1usize)
                });
                assert_eq!(sum, 15);
                let _ = (scratch_stats(), trim_scratch());
                SEEN.set(SEEN.get() + 1);
            }
        }
        thread_local! {
            static EARLY: RefCell<Option<Late>> = const { RefCell::new(None) };
            static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
        }
        for _ in 0..5 {
            thread::spawn(|| {
                // Both orders of registration: before and after the pair.
                EARLY.with_borrow_mut(|late| *late = Some(Late));
                scratch(None, |tmp| *tmp.alloc(1u8));
                LATE.with_borrow_mut(|late| *late = Some(Late));
            })
            .join()
            .unwrap();
        }
    });
}

#[test]
fn threads_have_pairs_of_their_own() {
    alone(|| {
        scratch(None, |ours| {
            let value = ours.alloc([1u64; 100]);
            thread::scope(|scope| {
                for n in 0..4u64 {
                    scope.spawn(move || {
                        scratch(None, |theirs| {
                            let values = theirs.alloc_slice_fill_with(100, |_| n);
                            assert!(values.iter().all(|value| *value == n));
                            assert_eq!(used().0[1], 0);
                        });
                    });
                }
            });
            assert_eq!(*value, [1; 100]);
        });
    });
}

/// What is a conflict can be said by others, and cannot do harm.
#[test]
fn a_conflict_that_lies_is_harmless() {
    alone(|| {
        struct Never;
        impl Conflict for Never {
            fn is_on(&self, _: usize) -> bool {
                false
            }
        }
        fn deep(depth: u32, all: &[&Scratch<'_>]) {
            scratch(Never, |tmp| {
                let mut all = all.to_vec();
                all.push(tmp);
                let values: Vec<_> = all.iter().map(|one| one.alloc([depth; 4])).collect();
                if depth > 0 {
                    deep(depth - 1, &all);
                }
                assert!(values.iter().all(|value| **value == [depth; 4]));
            });
        }
        deep(12, &[]);
        assert_eq!(used().0, [0, 0]);
        assert!(used().1 > 0);
    });
}

assert_not_impl_any!(Scratch<'static>: Send, Sync, Clone);

/// A refusal of memory is a panic, which says what was refused, and never an abort; a hint that is not true
/// refuses nothing.
#[test]
fn hints_of_iterators_need_not_be_true() {
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
    alone(|| {
        let most = isize::MAX.unsigned_abs();
        for claim in [0, 1, 7, most / 2, most - 100, most, usize::MAX] {
            scratch(None, |outer| {
                assert_eq!(outer.alloc_from_iter(Claims(1..4u8, claim)), [1, 2, 3]);
                scratch(outer, |middle| {
                    scratch(middle, |_| {
                        // A stray.
                        assert_eq!(outer.alloc_from_iter(Claims(1..4u64, claim)), [1, 2, 3]);
                    });
                });
            });
        }
        let caught = catch_unwind(AssertUnwindSafe(|| {
            scratch(None, |out| {
                let _: &mut [u64] = out.alloc_slice_fill_with(most / 16, |_| unreachable!());
            });
        }));
        let message = *caught.unwrap_err().downcast::<String>().unwrap();
        assert!(message.starts_with("scratch: ") && message.contains("bytes"), "{message}");
        assert_eq!(used().0, [0, 0]);
    });
}

#[test]
fn what_finds_no_memory_for_a_scratch_says_so() {
    scratch(None, |tmp| {
        assert_eq!(tmp.try_alloc_str("here").unwrap(), "here");
        assert_eq!(tmp.try_alloc_slice_fill_with(3, |n| n).unwrap(), [0, 1, 2]);
        assert_eq!(tmp.try_alloc_from_iter(1..4).unwrap(), [1, 2, 3]);
        let error = tmp.try_alloc_slice_fill_with(usize::MAX, |n| n).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
        let huge = isize::MAX.unsigned_abs() / 2;
        let error = tmp.try_alloc_slice_fill_with(huge, |_| 0u8).unwrap_err();
        assert_eq!((error.kind(), error.size()), (ErrorKind::Backing, huge));
    });
}
