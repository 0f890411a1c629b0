//! `Depot` under real threads. Tests named `tsan_…` also run under ThreadSanitizer.
#![cfg(all(feature = "std", not(loom)))]

use alloc_core::testing::Checked;
use alloc_core::{AllocError, Allocator, Borrowed, ErrorKind, Global, Layout};
use alloc_stack::{Depot, DepotConfig, DepotStats, Lease, Stack, StackConfig};
use core::cell::{Cell, RefCell};
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use static_assertions::{assert_impl_all, assert_not_impl_any};
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::thread;

fn small() -> DepotConfig {
    DepotConfig::new().stack(StackConfig::new().segment_bytes(16 * 1024))
}

/// `[hits, steals, misses, returns, evictions, idle]`
fn figures(stats: &DepotStats) -> [u64; 6] {
    [stats.hits, stats.steals, stats.misses, stats.returns, stats.evictions, stats.idle]
}

#[test]
fn a_thread_finds_its_own_stack_again_warm_and_empty() {
    let depot = Depot::new();
    let first = depot.with(|stack| {
        let (block, _) = stack.push(Layout::new::<[u64; 100]>());
        block.addr()
    });
    let again = depot.with(|stack| {
        assert!(stack.is_empty() && stack.reserved_bytes() > 0);
        let (block, _) = stack.push(Layout::new::<[u64; 100]>());
        block.addr()
    });
    assert_eq!(first, again, "the same memory");
    assert_eq!(figures(&depot.stats()), [1, 0, 1, 2, 0, 1]);
}

#[test]
fn leases_inside_leases_have_stacks_of_their_own() {
    let depot = Depot::<8>::with_config(small());
    for round in 0..3u64 {
        let mut outer = depot.lease();
        let mut frame = outer.frame();
        let kept = frame.scope().alloc(round);
        depot.with(|stack| {
            stack.scoped(|scope| scope.alloc_slice_fill_copy(100, 0xFFu8).len());
            let third = depot.lease();
            assert!(third.is_empty());
        });
        assert_eq!(*kept, round);
    }
    // Two are kept for the thread, the third is freed each time.
    assert_eq!(figures(&depot.stats()), [4, 0, 5, 6, 3, 2]);
}

#[test]
fn exited_threads_leave_their_stacks_to_all() {
    let depot = Depot::<1>::with_config(small());
    let own = depot.lease(); // for which this thread has places
    for n in 0..100 {
        // A join, unlike the end of a scope, waits for a thread's destructors.
        let work = || depot.with(|stack| stack.scoped(|scope| *scope.alloc(n)));
        let value = thread::scope(|scope| scope.spawn(work).join().unwrap());
        assert_eq!(value, n);
    }
    let stats = depot.stats();
    assert_eq!((stats.misses, stats.idle), (2, 1), "a hundred threads, one stack: {stats:?}");
    assert_eq!((stats.hits, stats.steals), (99, 0), "each took over the places of the last");
    assert_eq!(stats.hit_rate(), 99.0 / 101.0);
    depot.with(|_| ());
    assert_eq!(depot.stats().steals, 1, "a thread that was always there may have it, too");
    drop(own);
}

#[test]
fn never_more_stacks_than_leases_at_once() {
    let depot = Depot::<1>::with_config(small());
    let turn = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let lease = depot.lease();
                turn.wait(); // all four at once
                drop(lease);
                turn.wait();
                for _ in 0..50 {
                    depot.with(|stack| stack.scoped(|scope| scope.alloc([1u8; 500]).len()));
                }
            });
        }
    });
    let stats = depot.stats();
    assert_eq!((stats.misses, stats.evictions, stats.idle), (4, 0, 4), "{stats:?}");
    assert_eq!(stats.hits + stats.steals, 200);
    assert_eq!(stats.returns, 204);
}

#[test]
fn a_lease_may_cross_threads_and_end_anywhere() {
    let depot = Depot::new();
    thread::scope(|scope| {
        let mut lease = depot.lease();
        let value = *lease.frame().scope().alloc(7u64);
        scope.spawn(move || {
            let mut lease = lease;
            assert_eq!(*lease.frame().scope().alloc(value), 7);
        });
    });
    assert_eq!(figures(&depot.stats()), [0, 0, 1, 1, 0, 1]);
    let stack = Lease::into_stack(depot.lease());
    assert!(stack.is_empty(), "kept for good");
    assert_eq!(depot.stats().idle, 0);
}

#[test]
fn what_is_still_on_a_stack_goes_when_it_is_given_back() {
    let depot = Depot::new();
    depot.with(|stack| {
        let _ = core::mem::ManuallyDrop::new(stack.frame());
        let (_, mark) = stack.push(Layout::new::<u64>());
        let _ = mark;
        let _ = core::mem::ManuallyDrop::new(stack.alloc_box([1u8; 100]));
        assert!(stack.used_bytes() > 100);
    });
    depot.with(|stack| assert_eq!(stack.used_bytes(), 0));
    // Swapping the stacks of two leases, and one's own for that of a lease.
    let (mut one, mut two) = (depot.lease(), depot.lease());
    one.alloc_layout(Layout::new::<u64>());
    core::mem::swap(&mut *one, &mut *two);
    assert_eq!((one.used_bytes(), two.is_empty()), (0, false));
    let mut own = Stack::new();
    core::mem::swap(&mut *one, &mut own);
}

#[test]
fn a_panic_gives_the_stack_back() {
    let depot = Depot::new();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        depot.with(|stack| {
            stack.alloc_layout(Layout::new::<[u64; 50]>());
            resume_unwind(Box::new(()))
        })
    }));
    assert!(unwound.is_err());
    assert_eq!(depot.stats().idle, 1);
    depot.with(|stack| assert!(stack.is_empty()));
}

/// A backing that counts its blocks, and can be cloned.
#[derive(Clone)]
struct Shared(Arc<Checked<Global>>);

// SAFETY: passes everything on; clones share the inner allocator.
unsafe impl Allocator for Shared {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.0.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.0.deallocate(ptr, layout) }
    }
}

#[test]
fn idle_memory_is_bounded_seen_and_returned_when_asked() {
    let backing = Shared(Arc::new(Checked::new(Global)));
    let config = small().keep_bytes(40 * 1024);
    let depot = Depot::<1, _>::try_with_config_in(config, backing.clone()).unwrap();
    depot.with(|stack| stack.scoped(|scope| scope.alloc([0u8; 1000]).len()));
    assert_eq!(depot.stats().idle_bytes, backing.0.live_bytes());
    assert!(depot.stats().idle_bytes >= 16 * 1024, "warm");
    depot.with(|stack| {
        stack.scoped(|scope| (0..100).map(|_| scope.alloc([0u8; 4000]).len()).sum::<usize>())
    });
    let stats = depot.stats();
    assert!(stats.idle_bytes <= 40 * 1024, "trimmed: {stats:?}");
    assert_eq!((stats.idle, stats.idle_bytes), (1, backing.0.live_bytes()));
    let returned = depot.trim();
    assert_eq!((returned, backing.0.live_bytes()), (stats.idle_bytes, 0));
    assert_eq!((depot.stats().idle, depot.trim()), (0, 0));
    depot.with(|stack| stack.scoped(|scope| scope.alloc([0u8; 1000]).len()));
    assert!(backing.0.live_blocks() > 0);
    drop(depot);
    assert_eq!(backing.0.live_blocks(), 0);
}

#[test]
fn refusals_of_memory_come_as_errors() {
    #[derive(Clone)]
    struct Refusing(Arc<Mutex<bool>>);
    // SAFETY: passes everything on, or refuses.
    unsafe impl Allocator for Refusing {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            if *self.0.lock().unwrap() { Err(AllocError) } else { Global.allocate(layout) }
        }
        unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
            // SAFETY: the caller's promise, passed on.
            unsafe { Global.deallocate(ptr, layout) }
        }
    }
    let refuses = Arc::new(Mutex::new(true));
    let depot = Depot::<1, _>::new_in(Refusing(Arc::clone(&refuses)));
    depot.with(|stack| {
        let error = stack.try_alloc_layout(Layout::new::<u64>()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Backing);
        *refuses.lock().unwrap() = false;
        assert!(stack.try_alloc_layout(Layout::new::<u64>()).is_ok(), "usable afterwards");
    });
    assert_eq!(Arc::strong_count(&depot.backing().0), 3, "the depot's, the stack's, and ours");
}

#[test]
fn configurations_that_cannot_be_are_named() {
    let error = Depot::<1>::try_with_config(small().keep_bytes(100)).unwrap_err();
    assert_eq!((error.field(), error.value()), ("keep_bytes", 100));
    assert!(error.to_string().starts_with("keep_bytes is 100, not in 16384..="), "{error}");
    let stack = StackConfig::new().segment_bytes(1);
    let error = Depot::<1, _>::try_with_config_in(DepotConfig::new().stack(stack), Global);
    assert_eq!(error.unwrap_err().field(), "segment_bytes");
    let caught = catch_unwind(|| Depot::<1>::with_config(small().keep_bytes(0)));
    let message = *caught.unwrap_err().downcast::<String>().unwrap();
    assert!(message.starts_with("cannot make a depot: keep_bytes is 0"), "{message}");
    assert_eq!(Depot::<1>::with_config(small()).config(), small());
}

/// The address of a depot tells nothing: each has stacks of its own.
#[test]
fn a_depot_at_the_address_of_a_dropped_one_starts_anew() {
    let backings: Vec<_> = (0..3).map(|_| Shared(Arc::new(Checked::new(Global)))).collect();
    let mut place = None::<Depot<1, Shared>>;
    let mut addresses = Vec::new();
    for backing in &backings {
        drop(place.take());
        let depot = place.insert(Depot::new_in(backing.clone()));
        addresses.push(core::ptr::from_ref(depot).addr());
        for round in 0..2 {
            depot.with(|stack| {
                stack.alloc_layout(Layout::new::<u64>());
                assert!(Arc::ptr_eq(&stack.backing().0, &backing.0), "of this depot");
            });
            assert_eq!(figures(&depot.stats())[..3], [round, 0, 1]);
        }
    }
    assert!(addresses.iter().all(|address| *address == addresses[0]));
    drop(place);
    assert!(backings.iter().all(|backing| backing.0.live_blocks() == 0));
}

#[test]
fn threads_outlive_depots_and_depots_threads() {
    let backing = Shared(Arc::new(Checked::new(Global)));
    // The thread goes on after the depot is gone.
    let depot = Arc::new(Depot::<1, _>::new_in(backing.clone()));
    let (go, gone) = mpsc::channel::<()>();
    let theirs = Arc::clone(&depot);
    let (used, is_used) = mpsc::channel();
    let t = thread::spawn(move || {
        theirs.with(|stack| stack.scoped(|scope| *scope.alloc(1u8)));
        drop(theirs);
        used.send(()).unwrap();
        gone.recv().unwrap();
    });
    is_used.recv().unwrap();
    assert_eq!(depot.stats().idle, 1);
    drop(depot);
    assert_eq!(backing.0.live_blocks(), 0, "although its thread lives");
    go.send(()).unwrap();
    t.join().unwrap();
    // The depot goes on after the thread is gone, and is dropped last.
    let depot = Arc::new(Depot::<1, _>::new_in(backing.clone()));
    let theirs = Arc::clone(&depot);
    thread::spawn(move || theirs.with(|stack| stack.push(Layout::new::<u8>()).0.addr()))
        .join()
        .unwrap();
    assert_eq!((depot.stats().idle, backing.0.live_blocks()), (1, 1));
    drop(depot);
    assert_eq!(backing.0.live_blocks(), 0);
}

#[test]
fn destructors_of_thread_locals_may_lease() {
    static DEPOT: Depot = Depot::new();
    struct Late;
    impl Drop for Late {
        fn drop(&mut self) {
            for n in 0..10u64 {
                let value = DEPOT.with(|stack| stack.scoped(|scope| *scope.alloc(n)));
                assert_eq!(value, n);
            }
        }
    }
    thread_local! {
        static EARLY: RefCell<Option<Late>> = const { RefCell::new(None) };
        static KEPT: Cell<Option<Lease<'static>>> = const { Cell::new(None) };
        static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
    }
    for _ in 0..5 {
        thread::spawn(|| {
            // Both orders of registration: before and after the depot's own thread-local.
            EARLY.with_borrow_mut(|late| *late = Some(Late));
            KEPT.set(Some(DEPOT.lease()));
            LATE.with_borrow_mut(|late| *late = Some(Late));
        })
        .join()
        .unwrap();
    }
    let stats = DEPOT.stats();
    let leases = stats.hits + stats.steals + stats.misses;
    assert_eq!(leases, 5 * 21);
    assert_eq!(stats.returns + stats.evictions, leases, "kept leases were given back at exit");
    assert!(stats.misses <= 10, "{stats:?}");
}

/// A backing whose clone, or whose `deallocate`, uses the depot itself.
#[test]
fn a_backing_may_use_the_depot() {
    thread_local!(static NESTED: Cell<bool> = const { Cell::new(false) });
    static DEPOT: Depot<1, Nosy> = Depot::new_in(Nosy);
    struct Nosy;
    fn visit() {
        if !NESTED.replace(true) {
            DEPOT.with(|stack| stack.scoped(|scope| *scope.alloc(1u8)));
            NESTED.set(false);
        }
    }
    impl Clone for Nosy {
        fn clone(&self) -> Self {
            visit();
            Nosy
        }
    }
    // SAFETY: passes everything on.
    unsafe impl Allocator for Nosy {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            visit();
            Global.allocate(layout)
        }
        unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
            visit();
            // SAFETY: the caller's promise, passed on.
            unsafe { Global.deallocate(ptr, layout) }
        }
    }
    for _ in 0..3 {
        DEPOT.with(|stack| stack.scoped(|scope| scope.alloc([1u8; 100_000]).len()));
        DEPOT.trim();
    }
    let stats = DEPOT.stats();
    assert!(stats.misses > 3, "{stats:?}");
    DEPOT.trim();
}

/// Stacks pass between threads by being given back and leased, and by leases that move along.
///
/// Threads are joined one by one, and no channel is used: how a scope waits for its threads, and what
/// the standard library's channels do inside, ThreadSanitizer does not see.
#[test]
fn tsan_stacks_pass_from_thread_to_thread() {
    let depot = Depot::<8>::with_config(small());
    let fill = |stack: &mut Stack<8>, value: u64| {
        let mut frame = stack.frame();
        let values = frame.scope().alloc_slice_fill_copy(200, value);
        assert!(values.iter().all(|one| *one == value));
    };
    for round in 0..20 {
        thread::scope(|scope| {
            let workers = [1, 2].map(|worker| {
                let depot = &depot;
                let mut lease = depot.lease(); // this thread's, or stolen
                fill(&mut lease, round);
                scope.spawn(move || {
                    drop(lease); // to the worker's places
                    for n in 0..10 {
                        depot.with(|stack| fill(stack, round * worker + n));
                    }
                })
            });
            for n in 0..10 {
                depot.with(|stack| fill(stack, n));
            }
            workers.into_iter().for_each(|worker| worker.join().unwrap());
        });
    }
    let stats = depot.stats();
    assert_eq!(stats.hits + stats.steals + stats.misses, 20 * (2 + 20 + 10));
}

/// Threads exit one after another, and each finds what the last one left.
#[test]
fn tsan_exits_hand_stacks_on() {
    let depot = Arc::new(Depot::<1>::with_config(small()));
    for n in 0..20u64 {
        let theirs = Arc::clone(&depot);
        let worker = thread::spawn(move || {
            theirs.with(|stack| stack.scoped(|scope| scope.alloc_slice_fill_copy(100, n)[99]))
        });
        assert_eq!(worker.join().unwrap(), n);
    }
    assert_eq!(depot.stats().misses, 1);
}

assert_impl_all!(Depot: Send, Sync);
assert_not_impl_any!(Depot: Clone);
/// May move and may not be shared.
#[derive(Clone)]
struct Movable(Cell<u8>);
/// Bound to its thread.
#[derive(Clone)]
struct Bound(Rc<u8>);
macro_rules! passes_on {
    ($($backing:ty)*) => {$(
        // SAFETY: passes everything on.
        unsafe impl Allocator for $backing {
            fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                let _ = &self.0;
                Global.allocate(layout)
            }
            unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
                // SAFETY: the caller's promise, passed on.
                unsafe { Global.deallocate(ptr, layout) }
            }
        }
    )*};
}
passes_on!(Movable Bound);
assert_impl_all!(Depot<1, Movable>: Send);
assert_not_impl_any!(Depot<1, Movable>: Sync);
assert_not_impl_any!(Depot<1, Bound>: Send, Sync);
assert_not_impl_any!(Depot<1, &'static Borrowed<'static>>: Send, Sync);
assert_impl_all!(Lease<'static>: Send);
assert_not_impl_any!(Lease<'static>: Sync, Clone);
assert_not_impl_any!(Lease<'static, 1, Movable>: Send, Sync);
assert_not_impl_any!(Lease<'static, 1, Bound>: Send, Sync);
