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
use std::sync::Mutex;

/// Panics when armed; the block that it is given back then, it takes all the same.
#[derive(Default)]
struct Panics {
    allocating: AtomicBool,
    giving_back: AtomicBool,
}

// SAFETY: blocks are those of `Global`.
unsafe impl Allocator for &Panics {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // ORD Relaxed: on the thread that armed it.
        if self.allocating.load(Relaxed) {
            resume_unwind(Box::new("planned"));
        }
        Global.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) };
        // ORD Relaxed: as above.
        if self.giving_back.swap(false, Relaxed) {
            resume_unwind(Box::new("planned"));
        }
    }
}

#[test]
fn a_backing_that_panics_when_a_page_goes_back_leaves_the_lists_of_a_shared_slab() {
    let backing = Panics::default();
    let mut slab = SyncSlab::new_in(&backing);
    let keys: Vec<_> = (0..4 * 64).map(|n| slab.insert([n; 125])).collect();
    // The second page and half of the third have no values, and the last one is another thread's, too.
    slab.retain(|_, value: &mut [u64; 125]| value[0] < 64 || value[0] >= 160);
    std::thread::scope(|scope| {
        scope.spawn(|| assert!(slab.get(keys[255]).is_some()));
    });
    // ORD Relaxed: on this thread.
    backing.giving_back.store(true, Relaxed);
    assert!(catch_unwind(AssertUnwindSafe(|| slab.trim())).is_err());
    let stats = slab.stats();
    assert_eq!((stats.pages, stats.shared_pages, stats.len), (3, 0, 64 + 96));
    // The free half of the third page can be had, without another.
    let slow = stats.slow_calls;
    let fresh: Vec<_> = (0..32).map(|n| slab.insert([1000 + n; 125])).collect();
    assert_eq!((slab.stats().pages, slab.stats().slow_calls), (3, slow));
    slab.insert([0; 125]);
    assert_eq!((slab.stats().pages, slab.stats().slow_calls), (4, slow + 1));
    assert!((1000..).zip(fresh).all(|(n, key)| *slab.get(key).unwrap() == [n; 125]));
    for (n, key) in (0..).zip(keys) {
        let value = slab.get(key).map(|value| *value);
        assert_eq!(value, (!(64..160).contains(&n)).then_some([n; 125]), "{n}");
    }
}

#[test]
fn a_backing_that_panics_leaves_the_limit_of_a_shared_slab_as_it_was() {
    let backing = Panics::default();
    // ORD Relaxed: on this thread.
    backing.allocating.store(true, Relaxed);
    let slab = SyncSlab::new_in(&backing).with_limit(64);
    assert!(catch_unwind(AssertUnwindSafe(|| slab.insert(1u64))).is_err());
    // ORD Relaxed: as above.
    backing.allocating.store(false, Relaxed);
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

/// Keeps what it is given back, overwritten, until it goes itself.
struct Keeps(Mutex<Vec<Kept>>);

struct Kept(NonNull<u8>, Layout);

// SAFETY: a block that nobody else has.
unsafe impl Send for Kept {}

const GIVEN_BACK: u8 = 0xA5;

// SAFETY: blocks are those of `Global`, which nobody else gets before the backing goes.
unsafe impl Allocator for &Keeps {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Global.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller gives up the block, which has this layout.
        unsafe { ptr.write_bytes(GIVEN_BACK, layout.size()) };
        self.0.lock().unwrap().push(Kept(ptr, layout));
    }
}

impl Keeps {
    /// Blocks that were given back, after a look that nobody wrote to them since.
    fn untouched(&self) -> usize {
        let kept = self.0.lock().unwrap();
        for &Kept(ptr, layout) in &*kept {
            // SAFETY: a kept block of this layout, every byte of which was written.
            let bytes = unsafe { NonNull::slice_from_raw_parts(ptr, layout.size()).as_ref() };
            let same = |part: &[u8]| part == &[GIVEN_BACK; 4096][..part.len()];
            assert!(bytes.chunks(4096).all(same), "somebody wrote to it");
        }
        kept.len()
    }
}

impl Drop for Keeps {
    fn drop(&mut self) {
        for Kept(ptr, layout) in self.0.get_mut().unwrap().drain(..) {
            // SAFETY: a block of `Global` with this layout, given back.
            unsafe { Global.deallocate(ptr, layout) };
        }
    }
}

#[test]
fn no_list_leads_into_a_page_that_was_given_back() {
    let backing = Keeps(Mutex::default());
    let mut slab = SyncSlab::new_in(&backing);
    let fill = |slab: &SyncSlab<[u64; 100], &Keeps>| -> Vec<_> {
        (0..200).map(|n| slab.insert([n; 100])).collect()
    };
    for round in 0..3 {
        let keys = fill(&slab);
        let stays = keys[round];
        let (ours, theirs) = keys.split_at(100);
        for &key in ours.iter().filter(|&&key| key != stays) {
            assert!(slab.remove(key));
        }
        std::thread::scope(|scope| {
            scope.spawn(|| {
                theirs.iter().for_each(|&key| assert!(slab.remove(key)));
                slab.flush(); // on their way home
            });
        });
        assert!(slab.trim() > 0);
        let given_back = backing.untouched();
        assert!(given_back > 0);
        let again = fill(&slab);
        for (key, n) in again.iter().zip(0u64..) {
            assert_eq!(slab.get(*key).map(|value| *value), Some([n; 100]), "round {round}");
        }
        assert_eq!(backing.untouched(), given_back);
        assert!(again.iter().all(|&key| slab.remove(key)) && slab.remove(stays));
        slab.trim();
    }
    drop(slab);
    backing.untouched();
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
        // Whatever unwound, the slab is whole: nothing waits, and it goes on.
        assert_eq!(slab.stats().limbo, 0);
        let key = slab.insert(Told(0xABCD_0000, false));
        assert_eq!(slab.get(key).map(|value| value.0), Some(0xABCD_0000));
        drop(slab);
        assert_eq!(DROPPED.load(Relaxed) as u64, made + 1);
    }
}

/// Looks for keys that were made up, of pages that are there and of pages that are not, on the owner's
/// thread and on another: `live` and no other is found, and all is as it was.
fn probe<T: Send + Sync>(slab: &mut SyncSlab<T>, like: Key<T>, live: Option<Key<T>>) {
    let before = slab.stats();
    // What the slab may take for numbers of pages, whatever the size of its values: 2 to the 6th to the
    // 12th slots.
    let indices =
        (0..40_000).step_by(61).chain((5..32).map(|bit| (1 << bit) - 1)).chain([u32::MAX]);
    let keys: Vec<_> = indices
        .flat_map(|index| {
            [like.generation(), like.generation().wrapping_add(2), 1, u32::MAX]
                .map(|generation| u64::from(generation) << 32 | u64::from(index))
        })
        .map(|bits| Key::<T>::from_bits(bits).expect("odd"))
        .filter(|&key| Some(key) != live)
        .collect();
    let absent = |slab: &SyncSlab<T>| {
        for &key in &keys {
            assert!(!slab.contains(key) && slab.get(key).is_none() && !slab.remove(key), "{key:?}");
        }
    };
    absent(slab);
    std::thread::scope(|scope| scope.spawn(|| absent(slab)).join().unwrap());
    for &key in &keys {
        assert!(slab.get_mut(key).is_none() && slab.take(key).is_none(), "{key:?}");
    }
    if let Some(key) = live {
        assert!(slab.contains(key) && slab.get(key).is_some() && slab.get_mut(key).is_some());
    }
    let after = slab.stats();
    assert_eq!((after.len, after.limbo, after.pages), (before.len, before.limbo, before.pages));
    assert_eq!(after.shared_pages, before.shared_pages, "a stale key opens no page");
}

/// A directory without pages, with one, with holes, and one that has grown, for values of `make`.
fn probe_all<T: Send + Sync>(make: impl Fn() -> T) {
    let mut slab = SyncSlab::new();
    let elsewhere = SyncSlab::new();
    let foreign = elsewhere.insert(make());
    probe(&mut slab, foreign, None);
    assert_eq!(slab.stats().pages, 0);
    let key = slab.insert(make());
    assert_eq!(slab.stats().pages, 1, "and seven places without");
    probe(&mut slab, key, Some(key));
    assert!(slab.remove(key));
    probe(&mut slab, key, None);
    assert!(slab.trim() > 0);
    assert_eq!(slab.stats().pages, 0);
    probe(&mut slab, key, None);
    // Nine pages, for which the directory grows; then only the last one has a value.
    let mut keys = vec![slab.insert(make())];
    while slab.stats().pages < 9 {
        keys.push(slab.insert(make()));
    }
    let last = *keys.last().unwrap();
    slab.retain(|key, _| key == last);
    assert!(slab.trim() > 0);
    assert_eq!((slab.stats().pages, slab.len()), (1, 1));
    probe(&mut slab, last, Some(last));
    assert_eq!(slab.drain().count(), 1);
}

#[test]
fn keys_of_pages_that_are_not_there_find_nothing() {
    #[derive(Clone, Copy)]
    #[repr(align(64))]
    struct Line;
    #[derive(Clone, Copy)]
    #[repr(align(128))]
    struct Lines;
    // Those whose missing pages are a page of zeros.
    probe_all(|| [0u64; 8]);
    probe_all(|| [0u8; 1_000]);
    probe_all(|| Line);
    // Too large, and aligned too much for that.
    probe_all(|| [0u8; 2_000]);
    probe_all(|| Lines);
}
