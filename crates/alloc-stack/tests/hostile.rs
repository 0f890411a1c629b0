//! Backings that panic and re-enter, iterators and initialisers that use the stack they work for, positions of
//! stacks that were swapped: nothing overlaps, nothing dangles, and what is left is freed once.
#![cfg(not(loom))]

use alloc_core::testing::Checked;
use alloc_core::{AllocError, Allocator, Global, Layout};
use alloc_stack::{CheckpointError, DynStack, Stack, StackBox, StackConfig, TwoEnded};
use core::cell::{Cell, RefCell};
use core::mem::{ManuallyDrop, replace, swap};
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

fn small() -> StackConfig {
    StackConfig::new().segment_bytes(16 * 1024)
}

/// A backing that calls somebody whenever it is called, before it does its work.
struct Calls<F: Fn(bool)> {
    inner: Checked<Global>,
    call: F,
}

// SAFETY: blocks come from `inner` and go back to it unchanged.
unsafe impl<F: Fn(bool)> Allocator for Calls<F> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        (self.call)(true);
        self.inner.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on: the block came from `inner`.
        unsafe { self.inner.deallocate(ptr, layout) };
        (self.call)(false);
    }
}

/// Panics in the backing, at every call in turn, leave a stack that can be used and dropped.
#[test]
fn a_backing_that_panics_at_any_call() {
    for panic_at in 0..40 {
        let calls = Cell::new(0);
        let armed = Cell::new(true);
        let backing = Calls {
            inner: Checked::new(Global),
            call: |_| {
                calls.set(calls.get() + 1);
                if armed.get() && calls.get() == panic_at {
                    resume_unwind(Box::new("planned"));
                }
            },
        };
        let mut stack = Stack::<1, _>::with_config_in(small(), &backing);
        let _ = catch_unwind(AssertUnwindSafe(|| {
            for round in 0..4u8 {
                let mut frame = stack.frame();
                let mut scope = frame.scope();
                let kept = scope.alloc([round; 5000]);
                scope.scoped(|inner| {
                    for n in 0..6 {
                        assert!(inner.alloc([n; 7000]).iter().all(|&byte| byte == n));
                    }
                    let boxes: Vec<_> = (0..8u8).map(|n| inner.alloc_box([n; 4000])).collect();
                    assert!(boxes.iter().zip(0..).all(|(boxed, n)| boxed[3999] == n));
                });
                {
                    let mut top = scope.top();
                    let mut text = top.push(String::from("text"));
                    let (text, mut above) = text.split();
                    let big = above.push([round; 30_000]);
                    assert_eq!((&**text, big[29_999]), ("text", round));
                }
                assert!(kept.iter().all(|&byte| byte == round));
                drop(frame);
                stack.reserve(40_000);
                stack.trim();
            }
        }));
        armed.set(false);
        // In order again, whatever happened.
        stack.reset();
        assert_eq!(stack.used_bytes(), 0, "after a panic in call {panic_at}");
        let (a, b) = (stack.alloc_box([1u8; 9000]), stack.alloc_box([2u8; 9000]));
        assert!(a.iter().all(|&byte| byte == 1) && b.iter().all(|&byte| byte == 2));
        drop(a);
        drop(b);
        assert_eq!(stack.used_bytes(), 0);
        drop(stack);
        assert_eq!(backing.inner.live_blocks(), 0, "after a panic in call {panic_at}");
    }
}

/// A backing that takes memory of the very stack that asks it, by every method that needs no more than a
/// shared reference.
#[test]
fn a_backing_that_uses_the_stack_it_backs() {
    type Call = Box<dyn Fn(bool)>;
    type Own = Rc<Stack<1, Calls<Call>>>;
    let stack = Rc::new(RefCell::new(None::<Own>));
    let (inside, round) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0u8)));
    let call: Call = Box::new({
        let (stack, inside, round) = (stack.clone(), inside.clone(), round.clone());
        move |_| {
            if inside.replace(inside.get() + 1) < 3 {
                let stack = stack.borrow().clone();
                if let Some(stack) = stack {
                    round.set(round.get().wrapping_add(1));
                    let boxed = stack.alloc_box([round.get(); 6000]);
                    let (block, mark) = stack.push(layout(3000, 64));
                    let (any, any_mark) = stack.push_any(layout(10, 1));
                    let over = stack.alloc_layout(layout(100, 4096));
                    let again = stack.alloc_box_slice_fill_with(9, |n| stack.alloc_box(n));
                    // SAFETY: fresh, of 3,000 bytes.
                    unsafe { block.write_bytes(7, 3000) };
                    // SAFETY: alive, its own mark.
                    unsafe { stack.pop_any(any, any_mark) };
                    drop(again);
                    // SAFETY: alive, with this layout.
                    unsafe { stack.dealloc_layout(over, layout(100, 4096)) };
                    // SAFETY: the newest block's mark: what came later went.
                    unsafe { stack.pop(mark) };
                    assert!(boxed.iter().all(|&byte| byte == boxed[0]));
                    stack.reserve(2000);
                }
            }
            inside.set(inside.get() - 1);
        }
    });
    let backing = Calls { inner: Checked::new(Global), call };
    let mut own = Rc::new(Stack::<1, _>::with_config_in(small(), backing));
    for _ in 0..20 {
        *stack.borrow_mut() = Some(own.clone());
        let boxes: Vec<_> = (0..12u8).map(|n| own.alloc_box([n; 5000])).collect();
        for (n, boxed) in boxes.iter().enumerate() {
            assert!(boxed.iter().all(|&byte| usize::from(byte) == n), "box {n}");
        }
        drop(boxes);
        assert_eq!(own.used_bytes(), 0);
        *stack.borrow_mut() = None;
        Rc::get_mut(&mut own).expect("the only one").trim();
    }
    assert_eq!(own.backing().inner.live_blocks(), 0);
}

/// Initialisers and iterators that take, keep and give back memory of the stack they fill.
#[test]
fn initialisers_that_use_the_stack_they_fill() {
    let mut stack = Stack::with_config(small());
    {
        let kept = RefCell::new(Vec::new());
        let outer = stack.alloc_box([9u8; 33]);
        let doomed = Cell::new(Some(outer));
        let boxed = stack.alloc_box_slice_fill_with(60, |n| {
            if n == 7 {
                doomed.take(); // older than what is being filled
            }
            if n % 3 == 0 {
                kept.borrow_mut().push(stack.alloc_box([n; 40]));
            }
            if n % 5 == 0 {
                kept.borrow_mut().pop();
            }
            stack.alloc_box(vec![n; 2])
        });
        assert!(boxed.iter().enumerate().all(|(n, inner)| inner[..] == [n, n]));
        assert!(kept.borrow().iter().all(|boxed| boxed.iter().all(|n| *n == boxed[0])));
        drop(boxed);
    }
    assert_eq!(stack.used_bytes(), 0);
    stack.scoped(|scope| {
        let inner = RefCell::new(Vec::new());
        let list = scope.alloc_from_iter((0..3000u32).inspect(|&n| {
            if n % 100 == 0 {
                inner.borrow_mut().push(scope.alloc_slice_fill_copy(100, n));
            }
        }));
        assert!(list.iter().copied().eq(0..3000));
        let slices = inner.into_inner();
        assert!(slices.iter().all(|slice| slice.iter().all(|n| *n == slice[0])));
        // One in the other, three deep, the outer one unwound.
        let used = scope.used_bytes();
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            scope.alloc_with(|| {
                *scope.alloc_with(|| {
                    let boxed = scope.alloc_box([1u8; 5000]);
                    let more = scope.alloc_box([2u8; 15_000]);
                    drop(boxed);
                    drop(more);
                    if list[5] == 5 {
                        resume_unwind(Box::new(()));
                    }
                    7
                })
            });
        }));
        assert!(unwound.is_err());
        let left = scope.used_bytes() - used;
        assert!(
            left < 2 * 16,
            "{left} bytes: of what was not the newest any more, until the frame ends"
        );
        let failed: Result<&mut [u64; 100], u8> = scope.alloc_try_with(|| {
            scope.alloc([1u8; 10]);
            Err(3)
        });
        assert_eq!(failed.unwrap_err(), 3);
    });
    assert_eq!(stack.used_bytes(), 0);
}

/// Positions know their stack by its number, which goes where the stack goes.
#[test]
fn checkpoints_of_stacks_that_were_swapped_moved_and_replaced() {
    let (mut one, mut two) = (Stack::with_config(small()), Stack::with_config(small()));
    let _ = one.push(layout(100, 1));
    let of_one = one.checkpoint();
    let _ = two.push(layout(200, 1));
    let of_two = two.checkpoint();
    let _ = one.push(layout(20_000, 1));
    let _ = two.push(layout(20_000, 1));
    swap(&mut one, &mut two);
    assert_eq!(one.try_rewind(of_one), Err(CheckpointError::Foreign));
    assert_eq!(two.try_rewind(of_two), Err(CheckpointError::Foreign));
    one.rewind(of_two);
    two.rewind(of_one);
    assert_eq!((one.used_bytes(), two.used_bytes()), (200, 100));
    // Dropped, and another in its place: the same address, the same segments from the heap's cache.
    for _ in 0..100 {
        let checkpoint = one.checkpoint();
        drop(replace(&mut one, Stack::with_config(small())));
        let _ = one.push(layout(200, 1));
        assert_eq!(one.try_rewind(checkpoint), Err(CheckpointError::Foreign));
        assert_eq!(one.used_bytes(), 200);
    }
    // Of an empty stack that never took anything, and of one that gave all of it back.
    let mut three = Stack::with_config(small());
    let nowhere = three.checkpoint();
    let _ = three.push(layout(50_000, 1));
    three.rewind(nowhere);
    assert_eq!(three.used_bytes(), 0);
    three.trim();
    three.rewind(nowhere);
    assert_eq!(three.reserved_bytes(), 0);
}

/// What safe code can do to a guard: forget it, swap it, drop it late, and all of it at once.
#[test]
fn guards_forgotten_and_swapped_at_every_depth() {
    let (mut one, mut two) = (Stack::with_config(small()), Stack::with_config(small()));
    for round in 0..64u32 {
        {
            let (mut a, mut b) = (one.frame(), two.frame());
            let (mut a, mut b) = (a.scope(), b.scope());
            let (x, y) = (a.alloc([1u8; 9000]), b.alloc([2u8; 9000]));
            {
                let (mut inner_a, mut inner_b) = (a.frame(), b.frame());
                if round & 1 != 0 {
                    swap(&mut inner_a, &mut inner_b);
                }
                {
                    let (mut p, mut q) = (inner_a.scope(), inner_b.scope());
                    let (u, v) = (p.alloc([3u8; 12_000]), q.alloc([4u8; 12_000]));
                    if round & 2 != 0 {
                        swap(&mut p, &mut q);
                    }
                    let boxed = p.alloc_box([5u8; 3000]);
                    let again = p.alloc_box([6u8; 3000]);
                    if round & 4 != 0 {
                        StackBox::leak(boxed)[0] = 7;
                    } else {
                        drop(boxed);
                    }
                    if round & 8 != 0 {
                        let _ = ManuallyDrop::new(again);
                    }
                    let mut top = q.top();
                    let handle = top.push([8u8; 20_000]);
                    if round & 16 != 0 {
                        let _ = ManuallyDrop::new(handle);
                    }
                    assert!(u.iter().all(|&byte| byte == 3) && v.iter().all(|&byte| byte == 4));
                }
                if round & 32 != 0 {
                    let _ = ManuallyDrop::new(inner_a);
                }
                inner_b.reset();
            }
            let (p, q) = (a.alloc([9u8; 500]), b.alloc([10u8; 500]));
            assert!(p.iter().all(|&byte| byte == 9) && q.iter().all(|&byte| byte == 10));
            assert!(x.iter().all(|&byte| byte == 1) && y.iter().all(|&byte| byte == 2));
        }
        assert_eq!((one.used_bytes(), two.used_bytes()), (0, 0), "round {round}");
    }
}

/// A stack on a stack, a region on a stack, values on a region on a stack: each gives back to the one below.
#[test]
fn stacks_on_stacks() {
    let backing = Checked::new(Global);
    let mut ground = Stack::<64, _>::with_config_in(small(), &backing);
    for _ in 0..3 {
        {
            let mut frame = ground.frame();
            let scope = frame.scope();
            let mut upper = Stack::<1, _>::with_config_in(small(), &scope);
            let other = Stack::<16, _>::with_config_in(small(), &scope);
            let mut region = TwoEnded::try_with_capacity_in(3000, &scope).unwrap();
            let mut values = DynStack::<dyn AsRef<[u8]>, _>::new_in(&scope);
            for n in 0..30u8 {
                let _ = upper.push(layout(3000, 8));
                let boxed = other.alloc_box([n; 900]);
                values.push(vec![n; 10], |value| value);
                let (mut low, _) = region.ends();
                low.frame().scope().alloc([n; 100]);
                assert!(boxed.iter().all(|&byte| byte == n));
            }
            upper.reset();
            upper.trim();
            assert!(values.iter().zip((0..30u8).rev()).all(|(value, n)| value.as_ref() == [n; 10]));
        }
        assert_eq!(ground.used_bytes(), 0);
    }
    drop(ground);
    assert_eq!(backing.live_blocks(), 0);
}

/// Alignments that no allocator serves are errors, at every entry.
#[test]
fn the_largest_layouts_at_every_alignment() {
    fn refuses<const MIN_ALIGN: usize>() {
        let mut stack = Stack::<MIN_ALIGN>::with_min_align();
        for log in 0..usize::BITS - 1 {
            let align = 1_usize << log;
            let most = isize::MAX.unsigned_abs() - (align - 1);
            for size in [most, most - most % align, most / 2 + 1] {
                let Ok(wanted) = Layout::from_size_align(size, align) else { continue };
                for _ in 0..2 {
                    assert!(stack.try_push(wanted).is_err());
                    assert!(stack.try_push_any(wanted).is_err());
                    assert!(stack.try_alloc_layout(wanted).is_err());
                    assert!(stack.allocate_zeroed(wanted).is_err());
                    let mut frame = stack.frame();
                    let mut scope = frame.scope();
                    assert!(scope.try_alloc_layout(wanted).is_err());
                    assert!(scope.top().try_push_layout(wanted).is_err());
                    let word = scope.allocate(layout(8, 8)).unwrap().cast::<u8>();
                    // SAFETY: fresh, of 8 bytes.
                    unsafe { word.cast::<u64>().write(77) };
                    // SAFETY: alive with 8 bytes.
                    assert!(unsafe { scope.grow(word, layout(8, 8), wanted) }.is_err());
                    // SAFETY: alive with 8 bytes.
                    assert!(unsafe { scope.grow_zeroed(word, layout(8, 8), wanted) }.is_err());
                    // SAFETY: as it was.
                    assert_eq!(unsafe { word.cast::<u64>().read() }, 77);
                }
            }
            // Without a size every alignment is served.
            let empty = layout(0, align);
            assert!(stack.alloc_layout(empty).addr().get().is_multiple_of(align));
            assert!(stack.push(empty).0.addr().get().is_multiple_of(align));
            stack.reset();
        }
        assert_eq!(stack.used_bytes(), 0);
    }
    refuses::<1>();
    refuses::<8>();
    refuses::<16>();
    refuses::<64>();
    refuses::<4096>();
}
