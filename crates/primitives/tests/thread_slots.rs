//! `ThreadSlots` by its public interface: hand-over, drops, re-entrancy, late callers, bounds.
#![cfg(not(any(loom, shuttle)))]

use core::cell::{Cell, RefCell};
use core::panic::AssertUnwindSafe;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::panic::catch_unwind;
use std::sync::{Arc, Barrier};
use std::thread;

use primitives::{SlotError, ThreadSlots};
use static_assertions::{assert_impl_all, assert_not_impl_any};

assert_impl_all!(ThreadSlots<Cell<u8>>: Send, Sync);
assert_not_impl_any!(ThreadSlots<std::rc::Rc<u8>>: Send, Sync);
assert_not_impl_any!(ThreadSlots<std::sync::MutexGuard<'static, u8>>: Send, Sync);
assert_impl_all!(primitives::thread_slots::IterMut<'static, Cell<u8>>: Send);
assert_not_impl_any!(primitives::thread_slots::IterMut<'static, Cell<u8>>: Sync);
assert_not_impl_any!(primitives::thread_slots::IterMut<'static, std::rc::Rc<u8>>: Send, Sync);
assert_impl_all!(SlotError<u8>: Send, Sync);

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn each_thread_has_its_own_value() {
    let slots = ThreadSlots::new();
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for i in 0..4 {
            let (slots, barrier) = (&slots, &barrier);
            scope.spawn(move || {
                slots.with_or(|| Cell::new(i), |_| ());
                barrier.wait();
                for _ in 0..100 {
                    slots.with_or(|| unreachable!(), |v| v.set(v.get() + 10));
                }
                assert_eq!(slots.with(Cell::get), Some(i + 1000));
                barrier.wait();
            });
        }
    });
    assert_eq!(slots.len(), 4);
}

#[test]
fn one_value_for_many_calls() {
    let slots = ThreadSlots::new();
    let made = Cell::new(0);
    for _ in 0..10 {
        assert_eq!(*slots.get_or(|| made.replace(made.get() + 1)), 0);
    }
    assert_eq!(made.get(), 1);
    assert_eq!(slots.get(), Some(&0));
    assert_eq!(slots.len(), 1);
    assert!(!slots.is_empty());
}

#[test]
fn get_without_init_is_none() {
    let slots = ThreadSlots::<u8>::new();
    assert_eq!(slots.get(), None);
    assert_eq!(slots.with(|_| ()), None);
    assert!(slots.is_empty());
}

#[test]
fn exited_threads_value_is_adopted_as_left() {
    let slots = Arc::new(ThreadSlots::new());
    for i in 0..50 {
        let slots = Arc::clone(&slots);
        thread::spawn(move || {
            slots.with_or(|| Cell::new(0), |v| assert_eq!(v.replace(i + 1), i));
        })
        .join()
        .unwrap();
    }
    assert_eq!(slots.len(), 1, "50 threads, one at a time, need one value");
}

#[test]
fn slots_are_bounded_by_peak_concurrency() {
    let slots = ThreadSlots::new();
    for _ in 0..20 {
        let barrier = Barrier::new(3);
        thread::scope(|scope| {
            let handles: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        slots.with_or(|| Cell::new(0), |v| v.set(v.get() + 1));
                        barrier.wait();
                    })
                })
                .collect();
            // Joined one by one: a scope's end does not wait for thread-local destructors.
            for handle in handles {
                handle.join().unwrap();
            }
        });
    }
    assert_eq!(slots.len(), 3);
}

#[test]
fn drops_every_value_once_with_the_object() {
    let drops = Arc::new(AtomicUsize::new(0));
    let slots = ThreadSlots::new();
    let barrier = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                slots.with_or(|| Counted(Arc::clone(&drops)), |_| ());
                barrier.wait();
            });
        }
        barrier.wait();
    });
    slots.with_or(|| Counted(Arc::clone(&drops)), |_| ());
    assert_eq!(drops.load(Relaxed), 0, "values outlive their threads");
    let count = slots.len();
    drop(slots);
    assert_eq!(drops.load(Relaxed), count);
}

#[test]
fn panicking_drop_does_not_stop_the_others() {
    struct Bomb(Arc<AtomicUsize>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            if self.0.fetch_add(1, Relaxed) == 0 {
                panic!("the first drop panics");
            }
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let slots = ThreadSlots::new();
    let barrier = Barrier::new(3);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                slots.with_or(|| Bomb(Arc::clone(&drops)), |_| ());
                barrier.wait();
            });
        }
    });
    catch_unwind(AssertUnwindSafe(|| drop(slots))).unwrap_err();
    assert_eq!(drops.load(Relaxed), 3);
}

#[test]
fn new_object_at_the_same_address_starts_empty() {
    let mut place = ThreadSlots::new();
    for i in 0..100 {
        assert_eq!(place.get(), None, "object {i} sees its predecessor's value");
        assert_eq!(*place.get_or(|| i), i);
        place = ThreadSlots::new();
    }
}

#[test]
fn object_dropped_elsewhere_then_a_new_one_here() {
    let mut place = ThreadSlots::new();
    for i in 0..100 {
        assert_eq!(*place.get_or(|| i), i, "the value of object {i}, not of one before it");
        // Dropped by another thread, so that this one still holds a slot of it.
        thread::scope(|scope| {
            scope.spawn(|| place = ThreadSlots::new());
        });
        assert_eq!(place.get(), None);
    }
}

#[test]
fn objects_in_turn_keep_their_values() {
    // More objects than cache entries, so that they evict one another.
    let all: Vec<_> = (0..37).map(|_| ThreadSlots::new()).collect();
    for round in 0..3 {
        for (i, slots) in all.iter().enumerate() {
            let value = slots.get_or(|| i + 1000 * round);
            assert_eq!(*value, i);
        }
    }
    assert!(all.iter().all(|slots| slots.len() == 1));
}

#[test]
fn many_short_lived_objects_on_a_long_lived_thread() {
    // Dropped elsewhere, so that only the sweep can find them.
    let (send, receive) = std::sync::mpsc::channel::<ThreadSlots<[u64; 128]>>();
    let reaper = thread::spawn(move || receive.into_iter().map(drop).count());
    for _ in 0..10_000 {
        let slots = ThreadSlots::new();
        slots.get_or(|| [1; 128]);
        send.send(slots).unwrap();
    }
    drop(send);
    assert_eq!(reaper.join().unwrap(), 10_000);
}

#[test]
fn init_that_asks_the_same_object() {
    let drops = Arc::new(AtomicUsize::new(0));
    let slots = ThreadSlots::new();
    let outer = || {
        slots.with_or(|| (1, Counted(Arc::clone(&drops))), |(n, _)| assert_eq!(*n, 1));
        (2, Counted(Arc::clone(&drops)))
    };
    slots.with_or(outer, |(n, _)| assert_eq!(*n, 1, "the inner value stays"));
    assert_eq!(drops.load(Relaxed), 1, "the outer value is dropped");
    assert_eq!(slots.len(), 1);
    drop(slots);
    assert_eq!(drops.load(Relaxed), 2);
}

#[test]
fn init_that_panics_or_fails_leaves_nothing() {
    let slots = ThreadSlots::<u8>::new();
    catch_unwind(AssertUnwindSafe(|| slots.get_or(|| panic!("no")))).unwrap_err();
    assert!(slots.is_empty());
    assert_eq!(slots.try_get_or(|| Err("refused")), Err(SlotError::Init("refused")));
    assert!(slots.is_empty());
    assert_eq!(slots.try_with_or(|| Ok::<_, ()>(3), |v| *v), Ok(3));
    assert_eq!(slots.try_get_or(|| Err("not asked")), Ok(&3));
}

#[test]
fn values_can_be_listed() {
    let mut slots = ThreadSlots::new();
    thread::scope(|scope| {
        let barrier = Arc::new(Barrier::new(3));
        for i in 1..=3 {
            let (slots, barrier) = (&slots, Arc::clone(&barrier));
            scope.spawn(move || {
                slots.get_or(|| AtomicUsize::new(i));
                barrier.wait();
            });
        }
    });
    let mut sum = 0;
    slots.for_each_shared(|value| sum += value.load(Relaxed));
    assert_eq!(sum, 6);
    for value in slots.iter_mut() {
        *value.get_mut() += 1;
    }
    let mut all: Vec<_> = slots.iter_mut().map(|value| *value.get_mut()).collect();
    all.sort_unstable();
    assert_eq!(all, [2, 3, 4]);
}

/// A destructor of a thread-local that runs after ours must not reach the value, which may by then
/// be another thread's.
#[test]
fn destructors_after_ours_get_another_value() {
    static SLOTS: ThreadSlots<Cell<u32>> = ThreadSlots::new();
    static LATE: AtomicUsize = AtomicUsize::new(0);

    struct AsksWhenDropped;
    impl Drop for AsksWhenDropped {
        fn drop(&mut self) {
            // Another thread adopts what this one left, and holds it.
            let (done, wait) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
            let (their_done, their_wait) = (Arc::clone(&done), Arc::clone(&wait));
            let adopter = thread::spawn(move || {
                SLOTS.with_or(|| Cell::new(2), |v| v.set(v.get() + 100));
                their_done.wait();
                their_wait.wait();
                SLOTS.with(|v| v.get()).unwrap()
            });
            done.wait();
            SLOTS.with_or(|| Cell::new(3), |v| v.set(v.get() + 1000));
            LATE.store(SLOTS.with(|v| v.get()).unwrap_or(0) as usize, Relaxed);
            wait.wait();
            let theirs = adopter.join().unwrap();
            assert!(theirs < 1000, "the adopter's value was changed under it: {theirs}");
        }
    }
    thread_local! { static LAST: RefCell<Option<AsksWhenDropped>> = const { RefCell::new(None) } }

    thread::spawn(|| {
        // Registered first or second: one of the two threads below has it destroyed after ours.
        LAST.with_borrow_mut(|last| *last = Some(AsksWhenDropped));
        SLOTS.with_or(|| Cell::new(1), |_| ());
    })
    .join()
    .unwrap();
    assert!(LATE.load(Relaxed) >= 1000);
    thread::spawn(|| {
        SLOTS.with_or(|| Cell::new(1), |_| ());
        LAST.with_borrow_mut(|last| *last = Some(AsksWhenDropped));
    })
    .join()
    .unwrap();
    assert!(LATE.load(Relaxed) >= 1000);
}

#[test]
fn values_may_borrow() {
    let text = String::from("borrowed");
    let slots = ThreadSlots::new();
    assert_eq!(slots.get_or(|| text.as_str()), &"borrowed");
}

#[test]
fn forgotten_object_is_only_leaked() {
    let slots = ThreadSlots::new();
    slots.get_or(|| 1);
    thread::scope(|scope| {
        scope.spawn(|| slots.get_or(|| 2)).join().unwrap();
    });
    // Reachable for ever, so that a leak detector knows this leak for a wanted one.
    static FORGOTTEN: std::sync::Mutex<Vec<ThreadSlots<i32>>> = std::sync::Mutex::new(Vec::new());
    FORGOTTEN.lock().unwrap().push(slots);
}

#[test]
fn zero_sized_and_over_aligned_values() {
    #[repr(align(4096))]
    struct Page(u8);
    let slots = ThreadSlots::new();
    assert_eq!(core::ptr::from_ref(slots.get_or(|| Page(7))).addr() % 4096, 0);
    assert_eq!(slots.get().unwrap().0, 7);
    let units = ThreadSlots::new();
    units.get_or(|| ());
    assert_eq!(units.len(), 1);
}

#[test]
fn errors_say_what_and_how_much() {
    let layout = core::alloc::Layout::from_size_align(128, 64).unwrap();
    assert_eq!(
        SlotError::<String>::Alloc(layout).to_string(),
        "no memory for a thread's slot: 128 bytes aligned to 64"
    );
    assert_eq!(
        SlotError::Init("refused").to_string(),
        "a thread's value could not be made: refused"
    );
}
