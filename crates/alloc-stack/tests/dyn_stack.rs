//! `DynStack` through its public interface.
#![cfg(not(loom))]

use alloc_core::testing::{Checked, FailAt};
use alloc_core::{AllocError, Allocator, Borrowed, ErrorKind, Global, Layout};
use alloc_stack::{Coerce, DynIter, DynIterMut, DynStack};
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt::Debug;
use core::mem::MaybeUninit;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::panic::{catch_unwind, panic_any, resume_unwind};
use std::rc::Rc;

fn unwinds(work: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err(), "it was to unwind");
}

fn planned() -> ! {
    resume_unwind(Box::new("planned"))
}

/// Writes its number down when it is dropped, and panics then if it is told to.
struct Noted<'n> {
    number: u32,
    notes: &'n RefCell<Vec<u32>>,
    panics: bool,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.notes.borrow_mut().push(self.number);
        if self.panics {
            planned()
        }
    }
}

trait Number {
    fn number(&self) -> u32;
    fn set(&mut self, number: u32);
    fn address(&self) -> usize;
}

impl Number for Noted<'_> {
    fn number(&self) -> u32 {
        self.number
    }
    fn set(&mut self, number: u32) {
        self.number = number;
    }
    fn address(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }
}

/// A number in a type of its own size and alignment, filled to the last byte.
macro_rules! sized {
    ($($name:ident $align:literal $words:literal;)*) => {$(
        #[repr(align($align))]
        struct $name([u32; $words]);
        impl Number for $name {
            fn number(&self) -> u32 {
                assert!(self.0.iter().all(|word| *word == self.0[0]), "overwritten");
                self.0[0]
            }
            fn set(&mut self, number: u32) {
                self.0.fill(number);
            }
            fn address(&self) -> usize {
                let address = core::ptr::from_ref(self).addr();
                assert!(address.is_multiple_of($align), "{address:#x} aligned to {}", $align);
                address
            }
        }
    )*};
}
sized! {
    Small 4 1; Odd 4 7; Line 64 16; Page 4096 1024; Wide 16 5; Large 8 20_000; Huge 128 40_000;
}

/// Pushes a value of one of seven types.
fn push(stack: &mut DynStack<dyn Number + '_, impl Allocator>, kind: u32, number: u32) -> usize {
    let pushed: &mut dyn Number = match kind % 7 {
        0 => stack.push(Small([number; 1]), |value| value),
        1 => stack.push(Odd([number; 7]), |value| value),
        2 => stack.push(Line([number; 16]), |value| value),
        3 => stack.push(Page([number; 1024]), |value| value),
        4 => stack.push(Wide([number; 5]), |value| value),
        5 if kind.is_multiple_of(5) => stack.push(Large([number; 20_000]), |value| value),
        _ => stack.push(Odd([number; 7]), |value| value),
    };
    assert_eq!(pushed.number(), number);
    pushed.address()
}

#[test]
fn values_of_many_types_come_back_newest_first() {
    let mut stack = DynStack::<dyn Debug>::new();
    assert!(stack.is_empty() && stack.last().is_none() && stack.iter().next().is_none());
    stack.push(1u8, |value| value);
    stack.push("two", |value| value);
    stack.push([3u64; 2], |value| value);
    stack.push((), |value| value);
    let all: Vec<_> = stack.iter().map(|value| format!("{value:?}")).collect();
    assert_eq!(all, ["()", "[3, 3]", "\"two\"", "1"]);
    assert_eq!((stack.len(), stack.iter().len()), (4, 4));
    for expected in ["()", "[3, 3]", "\"two\"", "1"] {
        assert_eq!(format!("{:?}", stack.last().unwrap()), expected);
        assert!(stack.pop());
    }
    assert!(!stack.pop() && stack.last_mut().is_none());
    assert_eq!(stack.used_bytes(), 0);
}

#[test]
fn what_a_value_may_be_coerced_to() {
    // Slices, sized types, super-traits, borrowed data: whatever the compiler coerces.
    let mut slices = DynStack::<[u16]>::new();
    slices.push([1, 2, 3], |value| value);
    slices.push([4], |value| value);
    slices.last_mut().unwrap()[0] += 1;
    assert_eq!(slices.iter().map(<[u16]>::len).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(slices.last().unwrap(), [5]);

    let mut plain = DynStack::<String>::new();
    plain.push("plain".to_owned(), |value| value).push('!');
    assert_eq!(plain.last().unwrap(), "plain!");

    trait Lower: Debug {}
    impl Lower for u8 {}
    let mut upcast = DynStack::<dyn Debug>::new();
    upcast.push(7u8, |value| {
        let lower: &mut Coerce<dyn Lower> = value;
        lower
    });
    assert_eq!(format!("{:?}", upcast.last().unwrap()), "7");

    let text = String::from("borrowed");
    let mut borrowed = DynStack::<dyn Debug + '_>::new();
    borrowed.push(&text, |value| value);
    borrowed.push(&text[2..], |value| value);
    assert_eq!(format!("{:?}", borrowed.last().unwrap()), "\"rrowed\"");

    let mut any = DynStack::<dyn Any + Send>::new();
    any.push(vec![1, 2], |value| value);
    assert_eq!(any.last().unwrap().downcast_ref(), Some(&vec![1, 2]));
}

#[test]
fn drops_are_in_reverse_order_each_once() {
    let notes = RefCell::new(Vec::new());
    let noted = |number| Noted { number, notes: &notes, panics: false };
    let mut stack = DynStack::<dyn Number>::new();
    for number in 0..100 {
        stack.push(noted(number), |value| value);
        push(&mut stack, number, number);
    }
    assert!(stack.pop() && stack.pop());
    assert_eq!(*notes.borrow(), [99]);
    assert_eq!(stack.pop_with(|value| value.number()), Some(98));
    stack.clear();
    assert!(notes.borrow().iter().copied().eq((0..100).rev()), "{notes:?}");
    stack.push(noted(7), |value| value);
    drop(stack);
    assert_eq!(notes.borrow().len(), 101);
}

#[test]
fn values_never_move_and_stay_as_written() {
    let mut stack = DynStack::<dyn Number, _>::new_in(Checked::new(Global));
    let mut addresses = Vec::new();
    for number in 0..400 {
        addresses.push(push(&mut stack, number, number));
    }
    for (value, (number, address)) in stack.iter().zip(addresses.iter().enumerate().rev()) {
        assert_eq!((value.number() as usize, value.address()), (number, *address));
    }
    for value in &mut stack {
        value.set(value.number() + 1000);
    }
    for number in (0..400).rev() {
        assert_eq!(stack.last().unwrap().number(), number + 1000);
        assert!(stack.pop());
    }
    assert_eq!(stack.used_bytes(), 0);
}

/// Pushes and pops by a fixed pattern, against a vector of what should be there.
#[test]
fn a_long_sequence_agrees_with_a_vector() {
    let mut stack = DynStack::<dyn Number, _>::new_in(Checked::new(Global));
    let mut model = Vec::new();
    let mut random = 0x9E37_79B9_u32;
    for step in 0..20_000 {
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        // Long runs in one direction, so that segments come and go.
        let pushes = if step / 500 % 2 == 0 { 70 } else { 30 };
        if random % 100 < pushes && model.len() < 2_000 {
            let kind = random >> 8;
            model.push((step, push(&mut stack, kind, step)));
        } else {
            assert_eq!(stack.pop(), model.pop().is_some());
        }
        match (stack.last(), model.last()) {
            (Some(value), Some(top)) => assert_eq!((value.number(), value.address()), *top),
            (None, None) => assert_eq!(stack.used_bytes(), 0),
            other => panic!("{} against {:?}", other.0.is_some(), other.1),
        }
        assert_eq!(stack.len(), model.len());
        if step % 1000 == 0 {
            let all: Vec<_> = stack.iter().map(|value| (value.number(), value.address())).collect();
            assert!(all.iter().eq(model.iter().rev()), "step {step}");
            stack.trim();
        }
    }
}

#[test]
fn no_allocation_in_the_steady_state_not_even_at_a_boundary() {
    let backing = FailAt::new(Global, 0);
    let mut stack = DynStack::<dyn Number, _>::new_in(&backing);
    for number in 0..200 {
        push(&mut stack, 1, number);
    }
    let before = backing.calls();
    // At every depth around every boundary, there and back.
    while stack.len() > 1 {
        for _ in 0..3 {
            push(&mut stack, 1, 1);
            assert!(stack.pop());
        }
        assert!(stack.pop());
    }
    for number in 0..20 {
        push(&mut stack, 1, number);
    }
    assert_eq!(backing.calls(), before, "the spare serves every boundary");
}

#[test]
fn one_spare_is_kept_the_longest_and_trim_returns_everything() {
    let backing = Checked::new(Global);
    let mut stack = DynStack::<dyn Number, _>::new_in(&backing);
    for number in 0..300 {
        push(&mut stack, 2, number);
    }
    let blocks = backing.live_blocks();
    assert!(blocks > 3, "{blocks} segments");
    let longest = backing.live_bytes();
    stack.clear();
    assert_eq!(backing.live_blocks(), 2, "the lowest and a spare");
    assert!(backing.live_bytes() < longest);
    assert_eq!(stack.stats().reserved_bytes, backing.live_bytes());
    let held = backing.live_bytes();
    assert_eq!(stack.trim(), held);
    assert_eq!((backing.live_blocks(), stack.stats().reserved_bytes), (0, 0));
    push(&mut stack, 2, 1);
    stack.trim();
    assert_eq!((backing.live_blocks(), stack.last().unwrap().number()), (1, 1));
}

#[test]
fn trim_in_an_empty_upper_segment_keeps_what_lies_below() {
    let backing = Checked::new(Global);
    let mut stack = DynStack::<dyn Number, _>::new_in(&backing);
    push(&mut stack, 0, 1);
    stack.push(Huge([2; 40_000]), |value| value);
    assert!(stack.pop());
    assert_eq!(backing.live_blocks(), 2);
    assert_eq!(stack.last_mut().unwrap().number(), 1, "in the segment below");
    assert_eq!(stack.iter().count(), 1);
    stack.trim();
    assert_eq!((backing.live_blocks(), stack.last().unwrap().number()), (1, 1));
    // And with an empty one replaced by a longer one.
    stack.push(Large([3; 20_000]), |value| value);
    assert!(stack.pop());
    stack.push(Huge([4; 40_000]), |value| value);
    assert_eq!(stack.iter().map(|value| value.number()).collect::<Vec<_>>(), [4, 1]);
    assert!(stack.pop() && stack.pop() && !stack.pop());
}

#[test]
fn values_without_size_are_told_apart_and_dropped() {
    thread_local!(static DROPS: Cell<u32> = const { Cell::new(0) });
    struct Nothing;
    impl Drop for Nothing {
        fn drop(&mut self) {
            DROPS.set(DROPS.get() + 1);
        }
    }
    #[repr(align(256))]
    struct Aligned;
    let mut stack = DynStack::<dyn Any>::new();
    let mut addresses = std::collections::BTreeSet::new();
    for _ in 0..100 {
        addresses.insert(core::ptr::from_ref(stack.push(Nothing, |value| value)).addr());
        let aligned = core::ptr::from_ref(stack.push(Aligned, |value| value)).addr();
        assert!(aligned.is_multiple_of(256));
        addresses.insert(aligned);
    }
    assert_eq!(addresses.len(), 200, "each has an address of its own");
    drop(stack);
    assert_eq!(DROPS.get(), 100);
}

#[test]
fn a_panicking_closure_drops_the_value_and_leaves_the_stack_as_it_was() {
    let notes = RefCell::new(Vec::new());
    let mut stack = DynStack::<dyn Number, _>::new_in(Checked::new(Global));
    push(&mut stack, 0, 1);
    let used = stack.used_bytes();
    unwinds(|| {
        stack.push(Noted { number: 2, notes: &notes, panics: false }, |_| planned());
    });
    unwinds(|| {
        let _ = stack.try_push(Noted { number: 3, notes: &notes, panics: false }, |_| planned());
    });
    assert_eq!(*notes.borrow(), [2, 3]);
    assert_eq!((stack.len(), stack.used_bytes(), stack.last().unwrap().number()), (1, used, 1));
}

/// The one way to another object: an inner closure may return what an outer one was given, if the
/// inner value's lifetime says that it outlives it.
#[test]
fn a_closure_that_returns_another_object_is_refused() {
    #[derive(Debug)]
    struct Inner<'a>(#[expect(dead_code, reason = "a lifetime is wanted")] &'a ());
    #[derive(Debug)]
    struct Nothing<'a>(core::marker::PhantomData<&'a ()>);

    fn steal<'a>(stolen: &'a mut Coerce<dyn Debug + 'a>, with_size: bool) {
        let mut other = DynStack::<dyn Debug + 'a>::new();
        if with_size {
            let unit: &'a () = &();
            other.push(Inner(unit), move |_| stolen);
        } else {
            other.push(Nothing(core::marker::PhantomData), move |_| stolen);
        }
    }

    for with_size in [true, false] {
        let mut stack = DynStack::<dyn Debug>::new();
        let caught = catch_unwind(AssertUnwindSafe(|| {
            stack.push((), |value| {
                steal(value, with_size);
                planned()
            });
        }));
        let message = *caught.unwrap_err().downcast::<&'static str>().unwrap();
        assert!(message.contains("returned another object"), "{message}");
        assert_eq!(stack.len(), 0);
    }
}

#[test]
fn a_panicking_drop_takes_its_value_along_and_no_other() {
    let notes = RefCell::new(Vec::new());
    let noted = |number, panics| Noted { number, notes: &notes, panics };
    let mut stack = DynStack::<dyn Number, _>::new_in(Checked::new(Global));
    for number in 0..4 {
        stack.push(noted(number, number == 3), |value| value);
    }
    unwinds(|| {
        stack.pop();
    });
    assert_eq!((stack.len(), notes.take()), (3, vec![3]), "popped, although its drop panicked");

    stack.push(noted(4, true), |value| value);
    unwinds(|| {
        stack.pop_with(|_| ());
    });
    assert_eq!((stack.len(), notes.take()), (3, vec![4]));
    unwinds(|| {
        stack.pop_with(|_| planned());
    });
    assert_eq!((stack.len(), notes.take()), (2, vec![2]), "dropped by the panic of the closure");

    stack.push(noted(5, true), |value| value);
    stack.push(noted(6, false), |value| value);
    unwinds(|| stack.clear());
    assert_eq!((stack.len(), notes.take()), (0, vec![6, 5, 1, 0]), "the rest was dropped too");

    stack.push(noted(7, false), |value| value);
    stack.push(noted(8, true), |value| value);
    unwinds(|| drop(stack));
    assert_eq!(notes.take(), [8, 7], "and `Checked` saw every segment come back");
}

#[cfg(debug_assertions)]
#[test]
fn a_value_that_was_popped_is_overwritten() {
    let mut buffer = [MaybeUninit::new(0u8); 2048];
    let mut stack = DynStack::<dyn Any, _>::new_in(Borrowed::new(&mut buffer));
    stack.push([0x11u8; 64], |value| value);
    stack.push([0x22u8; 64], |value| value);
    stack.pop();
    let _ = core::mem::ManuallyDrop::new(stack); // as it stands
    // SAFETY: written with zeros at first.
    let bytes = buffer.map(|byte| unsafe { byte.assume_init() });
    // The longest run: single bytes of any value may be those of an address.
    let run = |wanted: u8| bytes.split(|byte| *byte != wanted).map(<[u8]>::len).max();
    assert!(run(0x11) >= Some(64) && run(0x22) < Some(8), "{:?}", (run(0x11), run(0x22)));
    assert!(run(0xA5) >= Some(64), "value and footer: {:?}", run(0xA5));
}

#[test]
fn a_value_may_own_a_stack_and_a_drop_may_use_others() {
    struct Nest(DynStack<dyn Any>);
    thread_local!(static SHARED: RefCell<DynStack<dyn Any>> = RefCell::default());
    impl Drop for Nest {
        fn drop(&mut self) {
            SHARED.with_borrow_mut(|shared| {
                shared.push(self.0.len(), |value| value);
            });
        }
    }
    let mut stack = DynStack::<dyn Any>::new();
    for depth in 0..10usize {
        let mut inner = DynStack::<dyn Any>::new();
        for number in 0..depth {
            inner.push(number, |value| value);
        }
        stack.push(Nest(inner), |value| value);
    }
    drop(stack);
    SHARED.with_borrow_mut(|shared| {
        let seen: Vec<usize> = shared.iter().filter_map(|n| n.downcast_ref()).copied().collect();
        assert!(seen.iter().copied().eq(0..10), "newest first is shallowest: {seen:?}");
    });
}

#[test]
fn a_forgotten_stack_leaks_and_nothing_else() {
    let notes = RefCell::new(Vec::new());
    let mut stack = DynStack::<dyn Number>::with_capacity(64);
    stack.push(Noted { number: 1, notes: &notes, panics: false }, |value| value);
    // Kept reachable, so that leak checkers agree that the leak is wanted.
    thread_local!(static KEPT: Cell<usize> = const { Cell::new(0) });
    let kept = core::mem::ManuallyDrop::new(stack);
    KEPT.set(kept.last().unwrap().address());
    assert!(notes.borrow().is_empty());
    drop(core::mem::ManuallyDrop::into_inner(kept));
    assert_eq!(*notes.borrow(), [1]);
}

#[test]
fn memory_that_runs_out_hands_the_value_back_at_every_call() {
    for fail_at in 1.. {
        let backing = FailAt::new(Checked::new(Global), fail_at);
        let mut stack = DynStack::<dyn Number, _>::new_in(&backing);
        let mut refused = 0;
        for number in 0..100 {
            let before = (stack.len(), stack.used_bytes());
            match stack.try_push(Odd([number; 7]), |value| value) {
                Ok(value) => assert_eq!(value.number(), number),
                Err(rejected) => {
                    assert_eq!(rejected.error().kind(), ErrorKind::Backing);
                    assert_eq!(rejected.into_value().number(), number, "handed back");
                    assert_eq!((stack.len(), stack.used_bytes()), before);
                    refused += 1;
                }
            }
        }
        assert!(stack.iter().map(|value| value.number()).is_sorted_by(|a, b| a > b));
        assert_eq!(stack.len(), 100 - refused);
        if backing.calls() < fail_at {
            assert_eq!(refused, 0);
            assert!(fail_at > 3, "several segments were asked for");
            break;
        }
        assert_eq!(refused, 1, "call {fail_at}");
    }
}

#[test]
fn the_infallible_push_names_what_was_refused() {
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut stack = DynStack::<dyn Number, _>::new_in(Borrowed::new(&mut buffer));
    push(&mut stack, 0, 1);
    let caught = catch_unwind(AssertUnwindSafe(|| {
        stack.push(Page([2; 1024]), |value| value);
    }));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("the backing allocator refused"), "{message}");
    assert_eq!(stack.last().unwrap().number(), 1, "usable afterwards");
    push(&mut stack, 0, 3);
    assert_eq!(stack.len(), 2);
}

#[test]
fn capacities_at_their_limits() {
    const MAX: usize = isize::MAX.unsigned_abs();
    for capacity_bytes in [MAX - 40, MAX, MAX + 1, usize::MAX - 47, usize::MAX] {
        let error = DynStack::<dyn Any>::try_with_capacity(capacity_bytes).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CapacityOverflow, "{capacity_bytes}");
    }
    let refused = FailAt::new(Global, 1);
    let error = DynStack::<dyn Any, _>::try_with_capacity_in(1, &refused).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Backing);
    for capacity_bytes in [0, 1, 1023, 1024, 1025, 40_000] {
        let backing = FailAt::new(Global, 0);
        let mut stack =
            DynStack::<dyn Any, _>::try_with_capacity_in(capacity_bytes, &backing).unwrap();
        while stack.used_bytes() + 32 <= capacity_bytes {
            stack.push(0u64, |value| value);
        }
        assert_eq!(backing.calls(), 1, "{capacity_bytes} bytes were there from the beginning");
    }
    // Larger than any object with its footer, and as a constant.
    assert_eq!(size_of::<DynStack<dyn Any>>(), size_of::<DynStack<[u8]>>());
    const _: DynStack<dyn Any> = DynStack::new();
}

#[test]
fn a_backing_that_panics_changes_nothing() {
    struct Panics(Cell<bool>);
    // SAFETY: passes everything on to `Global`, unless it panics before.
    unsafe impl Allocator for Panics {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            if self.0.get() {
                panic_any("planned");
            }
            Global.allocate(layout)
        }
        unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
            // SAFETY: the caller's promise, passed on.
            unsafe { Global.deallocate(ptr, layout) }
        }
    }
    let notes = RefCell::new(Vec::new());
    let mut stack = DynStack::<dyn Number, _>::new_in(Panics(Cell::new(false)));
    for number in 0..10 {
        push(&mut stack, 0, number);
    }
    stack.backing().0.set(true);
    unwinds(|| {
        while stack.push(Noted { number: 99, notes: &notes, panics: false }, |v| v).number() == 99 {
        }
    });
    let pushed = stack.len() - 10;
    assert_eq!(notes.borrow().len(), 1, "the one that found no room was dropped");
    stack.backing().0.set(false);
    stack.clear();
    assert_eq!(notes.borrow().len(), 1 + pushed);
}

#[test]
fn stats_follow_what_happens() {
    let mut stack = DynStack::<dyn Number>::new();
    assert_eq!(stack.stats(), alloc_core::AllocStats::default().tap(&stack));
    for number in 0..50 {
        push(&mut stack, 1, number);
    }
    let full = stack.stats();
    // 28 bytes of value, padded to 32, and three words of footer.
    assert_eq!(full.used_bytes, 50 * (32 + 3 * size_of::<usize>()));
    assert!(full.reserved_bytes >= full.used_bytes + full.waste_tail_bytes);
    assert!(full.slow_calls >= 2 && full.waste_tail_bytes > 0, "{full:?}");
    stack.clear();
    let empty = stack.stats();
    assert_eq!((empty.used_bytes, empty.resets, empty.waste_tail_bytes), (0, 1, 0));
    assert_eq!(empty.peak_bytes, full.used_bytes);
    #[cfg(feature = "stats")]
    assert_eq!(
        (empty.allocs, empty.frees, empty.requested_bytes, empty.waste_align_bytes),
        (Some(50), Some(50), Some(50 * 28), Some(50 * 4))
    );
    assert!(format!("{stack:?}").contains("len: 0"));
}

/// The figures that a build with exact counts has from the beginning.
trait Tap {
    fn tap(self, stack: &DynStack<dyn Number>) -> Self;
}

impl Tap for alloc_core::AllocStats {
    fn tap(mut self, stack: &DynStack<dyn Number>) -> Self {
        if stack.stats().allocs.is_some() {
            (self.allocs, self.frees) = (Some(0), Some(0));
            (self.requested_bytes, self.waste_align_bytes) = (Some(0), Some(0));
        }
        self
    }
}

#[test]
fn a_stack_that_was_sent_is_whole() {
    let mut stack = DynStack::<dyn Fn(u32) -> u32 + Send>::new();
    for step in 0..100 {
        stack.push(move |n| n + step, |value| value);
    }
    let sum = std::thread::spawn(move || {
        let mut sum = 0;
        while let Some(n) = stack.pop_with(|add| add(1)) {
            sum += n;
        }
        sum
    });
    assert_eq!(sum.join().unwrap(), 100 + 99 * 100 / 2);
}

// A stack is what its values and its backing are; values are what `D` says, see `Coerce`.
type NotSync = DynStack<dyn Any + Send>;
type Both = DynStack<dyn Any + Send + Sync>;
assert_impl_all!(NotSync: Send, Unpin);
assert_not_impl_any!(NotSync: Sync, Clone);
assert_impl_all!(Both: Send, Sync);
assert_not_impl_any!(DynStack<dyn Any>: Send, Sync);
assert_not_impl_any!(DynStack<[Rc<u8>]>: Send, Sync);
assert_impl_all!(DynStack<[Cell<u8>]>: Send);
assert_not_impl_any!(DynStack<[Cell<u8>]>: Sync);
assert_impl_all!(DynStack<dyn Any + Send, Borrowed<'static>>: Send);
assert_not_impl_any!(DynStack<dyn Any + Send + Sync, Borrowed<'static>>: Sync);
assert_not_impl_any!(DynStack<dyn Any + Send + Sync, &'static Borrowed<'static>>: Send, Sync);
assert_impl_all!(DynIter<'static, [u8]>: Send, Sync, Clone);
assert_not_impl_any!(DynIter<'static, [Cell<u8>]>: Send, Sync);
assert_impl_all!(DynIterMut<'static, [Cell<u8>]>: Send);
assert_not_impl_any!(DynIterMut<'static, [Cell<u8>]>: Sync, Clone);
assert_not_impl_any!(DynIterMut<'static, [Rc<u8>]>: Send, Sync);
