//! `Send` and `Sync` of every public type, sizes, and what the small types do.
#![cfg(not(any(loom, shuttle)))]

use core::cell::Cell;
use std::rc::Rc;

use primitives::sync::alloc::{Layout, Track, access, alloc, alloc_zeroed, dealloc, realloc};
use primitives::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Exclusive};
use primitives::sync::cell::UnsafeCell;
use primitives::sync::{Arc, Condvar, Mutex, const_fn, thread};
use primitives::{Backoff, CachePadded, FIRST_PAUSE, LONGEST_PAUSE};
use static_assertions::{assert_eq_align, assert_eq_size, assert_impl_all, assert_not_impl_any};

assert_impl_all!(AtomicUsize: Send, Sync);
assert_impl_all!(AtomicPtr<Rc<u8>>: Send, Sync);
// As `core`'s cell: who shares it says why it may.
assert_impl_all!(UnsafeCell<u8>: Send);
assert_not_impl_any!(UnsafeCell<u8>: Sync);
assert_not_impl_any!(UnsafeCell<Rc<u8>>: Send);
assert_impl_all!(Track<u8>: Send, Sync);
assert_not_impl_any!(Track<Rc<u8>>: Send, Sync);
assert_not_impl_any!(Track<Cell<u8>>: Sync);
assert_impl_all!(CachePadded<u8>: Send, Sync);
assert_not_impl_any!(CachePadded<Rc<u8>>: Send, Sync);
assert_not_impl_any!(CachePadded<Cell<u8>>: Sync);
// Each waiter backs off by itself.
assert_impl_all!(Backoff: Send);
assert_not_impl_any!(Backoff: Sync);

assert_eq_size!(UnsafeCell<u64>, u64);
assert_eq_size!(Track<u64>, u64);
assert_eq_align!(CachePadded<u8>, CachePadded<[u64; 16]>);
#[test]
fn neighbours_are_a_pair_of_lines_apart() {
    let pair = [CachePadded::new(0_u8), CachePadded::new(1)];
    let distance = (&raw const *pair[1]).addr() - (&raw const *pair[0]).addr();
    assert_eq!(distance, align_of::<CachePadded<u8>>());
    assert!(
        distance
            >= if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) { 128 } else { 64 }
    );
}

#[test]
fn padded_value_is_reached_and_returned() {
    let mut padded = CachePadded::from(3);
    *padded += 1;
    assert_eq!(*padded, 4);
    assert_eq!(format!("{padded:?}"), "CachePadded(4)");
    assert_eq!(padded.into_inner(), 4);
}

#[test]
fn backoff_gives_up_and_starts_again() {
    let backoff = Backoff::new();
    let snoozes =
        || (0..1000).take_while(|_| !backoff.is_completed()).inspect(|_| backoff.snooze()).count();
    let first = snoozes();
    assert!((1..100).contains(&first), "patience of {first} snoozes");
    backoff.reset();
    assert!(!backoff.is_completed());
    assert_eq!(snoozes(), first);
    // Spinning is for races that someone has won: it never asks to block.
    backoff.reset();
    (0..1000).for_each(|_| backoff.spin());
    assert!(!backoff.is_completed());
}

#[test]
fn backoff_pauses_double_up_to_the_cap() {
    let backoff = Backoff::new();
    let mut pauses = Vec::new();
    for _ in 0..4 {
        pauses.push(backoff.next_pause());
        backoff.spin();
    }
    assert_eq!(pauses, [FIRST_PAUSE, 2 * FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]);
    assert_eq!((FIRST_PAUSE, LONGEST_PAUSE), (64, 256));
    let own = Backoff::<3, 7>::with_pauses();
    own.spin();
    own.spin();
    assert_eq!(own.next_pause(), 7);
}

struct Bounded<'a, T>(UnsafeCell<Option<&'a T>>);
impl<'a, T> Bounded<'a, T> {
    const_fn! {
        /// Takes attributes, documentation, bounds and a `where` clause.
        #[must_use]
        pub(crate) const fn new(value: &'a T) -> Self where T: Sized {
            Self(UnsafeCell::new(Some(value)))
        }
    }
    const_fn! {
        /// Also `unsafe`.
        const unsafe fn copied<U: Copy>(value: U) -> U { value }
    }
}

#[test]
fn const_fn_is_const_here() {
    static NUMBER: u32 = 7;
    const BOUNDED: usize = size_of_val(&Bounded::new(&NUMBER));
    assert_eq!(BOUNDED, size_of::<usize>());
    assert_eq!(Bounded::new(&NUMBER).0.into_inner(), Some(&7));
    // SAFETY: it asks for nothing.
    assert_eq!(unsafe { Bounded::<u8>::copied(3) }, 3);
}

#[test]
fn exclusive_access_to_every_atomic() {
    let mut word = AtomicU64::new(5);
    assert_eq!(word.with_mut(|word| core::mem::replace(word, 6)), 5);
    assert_eq!(Exclusive::get(&mut word), 6);
    let mut flag = AtomicBool::new(false);
    flag.with_mut(|flag| *flag = true);
    assert!(flag.into_inner());
    let mut pointer = AtomicPtr::new(core::ptr::null_mut::<u8>());
    assert!(pointer.with_mut(|pointer| pointer.is_null()));
}

#[test]
fn raw_memory_and_threads_are_the_platforms() {
    let layout = Layout::new::<[u64; 4]>();
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc_zeroed(layout) };
    access(block);
    // SAFETY: allocated with this layout; the new size is not 0 and small.
    let block = unsafe { realloc(block, layout, 64) };
    // SAFETY: 64 bytes, of which the first 32 were zeroed.
    assert_eq!(unsafe { block.read() }, 0);
    // SAFETY: of 64 bytes since `realloc`.
    unsafe { dealloc(block, Layout::from_size_align(64, layout.align()).unwrap()) };
    // SAFETY: the layout is not empty.
    let block = unsafe { alloc(layout) };
    // SAFETY: allocated above.
    unsafe { dealloc(block, layout) };

    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let theirs = Arc::clone(&pair);
    let waiter = thread::Builder::new()
        .name("waiter".into())
        .spawn(move || {
            let mut ready = theirs.0.lock().unwrap();
            while !*ready {
                ready = theirs.1.wait(ready).unwrap();
            }
            thread::current().name().map(String::from)
        })
        .unwrap();
    *pair.0.lock().unwrap() = true;
    pair.1.notify_all();
    assert_eq!(waiter.join().unwrap().as_deref(), Some("waiter"));
}
