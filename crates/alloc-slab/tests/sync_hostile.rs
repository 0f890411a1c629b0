//! What user code may do inside a shared slab: backings that panic or use it, figures asked for meanwhile,
//! drops that panic, guards that outlive their threads.
#![cfg(all(feature = "std", not(loom)))]

use alloc_core::{AllocError, Allocator, Global, Layout};
use alloc_slab::{ErrorKind, Key, Ref, SyncSlab};
use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::panic::{catch_unwind, resume_unwind};

/// Panics when armed.
struct Panics(AtomicBool);

// SAFETY: blocks are those of `Global`.
unsafe impl Allocator for &Panics {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if self.0.load(Relaxed) {
            resume_unwind(Box::new("planned"));
        }
        Global.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) }
    }
}

#[test]
fn a_backing_that_panics_leaves_the_limit_of_a_shared_slab_as_it_was() {
    let backing = Panics(AtomicBool::new(true));
    let slab = SyncSlab::new_in(&backing).with_limit(64);
    assert!(catch_unwind(AssertUnwindSafe(|| slab.insert(1u64))).is_err());
    backing.0.store(false, Relaxed);
    for n in 0..64 {
        assert!(slab.try_insert(n).is_ok(), "64 slots, of which {n} are taken");
    }
    assert_eq!(slab.try_insert(1).unwrap_err().error().kind(), ErrorKind::Full);
}

#[test]
fn a_shared_slab_says_what_it_holds_and_what_the_limit_is() {
    static SLAB: SyncSlab<u64> = SyncSlab::new().with_limit(2);
    SLAB.insert(1);
    SLAB.insert(2);
    let error = SLAB.try_insert(3).unwrap_err();
    let panic = catch_unwind(|| SLAB.insert(3)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    assert_eq!(*text, format!("slab of 2 values: {}", error.error()));
    assert!(text.ends_with("the limit is 2 values"), "{text}");
    let panic =
        catch_unwind(|| SLAB.insert_with(|_| unreachable!("there is no room"))).unwrap_err();
    assert_eq!(panic.downcast_ref::<String>(), Some(text));
}

/// Uses the slab that it backs, once, in the middle of an allocation.
struct Reenters {
    slab: Cell<Option<&'static SyncSlab<[u8; 1000], &'static Reenters>>>,
    calls: Cell<usize>,
}

// SAFETY: blocks are those of `Global`.
unsafe impl Allocator for &'static Reenters {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.calls.set(self.calls.get() + 1);
        if let Some(slab) = self.slab.take() {
            slab.insert([7; 1000]);
        }
        Global.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) }
    }
}

#[test]
fn a_backing_that_inserts_into_its_slab_loses_no_slots() {
    let place = Box::into_raw(Box::new(Reenters { slab: Cell::new(None), calls: Cell::new(0) }));
    // SAFETY: lives until the end of the test, where nothing refers to it any more.
    let backing: &'static Reenters = unsafe { &*place };
    let slab_place = Box::into_raw(Box::new(SyncSlab::new_in(backing)));
    // SAFETY: as above.
    let slab: &'static SyncSlab<_, _> = unsafe { &*slab_place };
    backing.slab.set(Some(slab));
    slab.insert([1; 1000]);
    assert_eq!(backing.calls.get(), 2, "two pages of 64");
    for _ in 2..128 {
        slab.insert([2; 1000]);
    }
    assert_eq!(backing.calls.get(), 2, "128 slots in two pages");
    slab.insert([3; 1000]);
    assert_eq!((backing.calls.get(), slab.len()), (3, 129));
    // SAFETY: made above, and not used any more.
    drop(unsafe { Box::from_raw(slab_place) });
    // SAFETY: as above, and the slab over it is gone.
    drop(unsafe { Box::from_raw(place) });
}

#[test]
fn figures_may_be_asked_for_while_values_go() {
    let slab = SyncSlab::new();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..60 {
                let keys: Vec<_> = (0..300).map(|n| slab.insert(n)).collect();
                let guards: Vec<_> = keys.iter().map(|&key| slab.get(key)).collect();
                assert!(keys.iter().all(|&key| slab.remove(key)));
                drop(guards);
                slab.flush();
            }
            done.store(true, Relaxed);
        });
        while !done.load(Relaxed) {
            let stats = slab.stats();
            assert!(stats.limbo <= 556 && stats.frees <= stats.allocs, "{stats:?}");
        }
    });
}

static DROPPED: AtomicUsize = AtomicUsize::new(0);

/// A value that counts its drop, and notices a second one; panics then if the second field says so.
struct Told(u64, bool);

impl Drop for Told {
    fn drop(&mut self) {
        assert_eq!(self.0 & 0xFFFF_0000, 0xABCD_0000, "dropped twice, or never made");
        self.0 = 0;
        DROPPED.fetch_add(1, Relaxed);
        if self.1 {
            resume_unwind(Box::new("planned"));
        }
    }
}

/// Guards made by a thread that exits, sent, forgotten; removal by all sides; drops that panic.
#[test]
#[expect(
    clippy::mem_forget,
    reason = "a forgotten guard keeps its value until the slab is trimmed"
)]
fn guards_outlive_their_threads_and_values_their_guards() {
    for round in 0..15u64 {
        DROPPED.store(0, Relaxed);
        let mut slab = SyncSlab::new();
        let (mut made, per) = (0, 200);
        {
            let slab = &slab;
            let sent: Vec<Ref<'_, Told>> = std::thread::scope(|scope| {
                let makers: Vec<_> = (0..3)
                    .map(|t| {
                        scope.spawn(move || {
                            let keys: Vec<Key<Told>> = (0..per)
                                .map(|n| slab.insert(Told(0xABCD_0000 + n, n % 67 == 66 && t == 0)))
                                .collect();
                            let guards: Vec<_> =
                                keys.iter().step_by(3).map(|&key| slab.get(key).unwrap()).collect();
                            for &key in keys.iter().step_by(2) {
                                let removed = catch_unwind(AssertUnwindSafe(|| slab.remove(key)));
                                assert!(removed.unwrap_or(true));
                            }
                            guards
                        })
                    })
                    .collect();
                makers.into_iter().flat_map(|maker| maker.join().unwrap()).collect()
            });
            made += 3 * per;
            assert!(sent.iter().all(|guard| guard.0 & 0xFFFF_0000 == 0xABCD_0000));
            // New threads adopt the parts, and use up what is free.
            std::thread::scope(|scope| {
                for chunk in sent.chunks(67) {
                    scope.spawn(move || {
                        let more: Vec<_> =
                            (0..per).map(|n| slab.insert(Told(0xABCD_0000 + n, false))).collect();
                        assert!(chunk.iter().all(|guard| guard.0 & 0xFFFF_0000 == 0xABCD_0000));
                        for key in more {
                            assert!(slab.remove(key));
                        }
                        for guard in chunk {
                            let key = Ref::key(guard);
                            let _ = catch_unwind(AssertUnwindSafe(|| slab.remove(key)));
                            assert!(!slab.contains(key) && slab.get(key).is_none());
                        }
                        let _ = catch_unwind(AssertUnwindSafe(|| slab.flush()));
                        assert!(chunk.iter().all(|guard| guard.0 & 0xFFFF_0000 == 0xABCD_0000));
                    });
                }
            });
            made += sent.chunks(67).count() as u64 * per;
            for (n, guard) in sent.into_iter().enumerate() {
                if n as u64 % 5 == round % 5 {
                    core::mem::forget(guard);
                }
            }
        }
        let _ = catch_unwind(AssertUnwindSafe(|| slab.trim()));
        let _ = catch_unwind(AssertUnwindSafe(|| slab.clear()));
        assert_eq!((DROPPED.load(Relaxed) as u64, slab.len()), (made, 0));
        let mut kinds = slab.try_insert(Told(0xABCD_0000, false)).err();
        assert!(kinds.take().is_none_or(|error| error.error().kind() == ErrorKind::Full));
        drop(slab);
        assert_eq!(DROPPED.load(Relaxed) as u64, made + 1);
    }
}
