//! Models of `SyncSlab`: every access to a value is one to a cell that the model watches, so that a value
//! dropped while somebody looks at it, or a slot used again too early, fails; pages are freed through
//! the facade.
#![cfg(all(loom, feature = "std"))]

use alloc_core::{AllocError, Allocator, Layout};
use alloc_slab::{Key, Ref, SyncSlab};
use core::ptr::NonNull;
use primitives::model::Model;
use primitives::sync::alloc::{Track, alloc, dealloc};
use primitives::sync::atomic::AtomicU64;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::{Arc, thread};

/// Blocks whose frees a model sees.
struct Modelled;

// SAFETY: blocks of the facade's allocator, which live until they are freed.
unsafe impl Allocator for Modelled {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: pages have a head, so a size.
        let block = NonNull::new(unsafe { alloc(layout) }).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { dealloc(ptr.as_ptr(), layout) }
    }
}

/// A value whose leak a model reports.
type Value = Track<u32>;
type Shared = SyncSlab<Value, Modelled>;

fn shared() -> Arc<Shared> {
    Arc::new(SyncSlab::new_in(Modelled))
}

fn insert(slab: &Shared, number: u32) -> Key<Value> {
    slab.insert(Track::new(number))
}

fn look(slab: &Shared, key: Key<Value>) -> Option<u32> {
    slab.get(key).map(|guard| *guard.get_ref())
}

/// The owner removes from its private page while another thread comes for the first time: the other
/// sees the value, whole, or nothing.
#[test]
fn loom_reclaim_get_while_the_owner_removes() {
    let model = Model::new("reclaim_get_while_the_owner_removes");
    model.reaches(["seen", "refused"]).floor(100).check(|seen| {
        let slab = shared();
        let key = insert(&slab, 7);
        let theirs = Arc::clone(&slab);
        let t = thread::spawn(move || look(&theirs, key));
        assert!(slab.remove(key));
        assert!(!slab.contains(key), "refused at once");
        slab.flush();
        match t.join().unwrap() {
            Some(7) => seen.record("seen"),
            None => seen.record("refused"),
            other => panic!("{other:?}"),
        }
    });
}

/// Two removals of one key, by the owner and by another thread: one is told `true`.
#[test]
fn loom_reclaim_the_owner_and_another_remove() {
    let model = Model::new("reclaim_the_owner_and_another_remove");
    model.reaches(["owner", "other"]).floor(100).check(|seen| {
        let slab = shared();
        let key = insert(&slab, 7);
        let theirs = Arc::clone(&slab);
        let t = thread::spawn(move || {
            let removed = theirs.remove(key);
            assert!(!theirs.contains(key) && theirs.get(key).is_none(), "one of us removed it");
            removed
        });
        let ours = slab.remove(key);
        assert_ne!(ours, t.join().unwrap());
        seen.record(if ours { "owner" } else { "other" });
    });
}

/// The owner removes two values in turn from its private page: who sees the second one being removed
/// knows that the first is gone.
#[test]
fn loom_reclaim_two_removals_in_turn() {
    let model = Model::new("reclaim_two_removals_in_turn");
    model.reaches(["seen", "refused"]).floor(100).check(|seen| {
        let slab = shared();
        let (first, second) = (insert(&slab, 7), insert(&slab, 8));
        let theirs = Arc::clone(&slab);
        let t = thread::spawn(move || look(&theirs, first));
        assert!(slab.remove(first) && slab.remove(second));
        seen.record(if t.join().unwrap().is_some() { "seen" } else { "refused" });
    });
}

/// One thread opens the page, another finds it open and removes, as does the owner: one of the two is
/// told `true`.
#[test]
fn loom_reclaim_one_opens_and_another_follows() {
    // Two preemptions show no more, and take minutes.
    let model = Model::new("reclaim_one_opens_and_another_follows").preemptions(1);
    model.reaches(["owner, seen", "owner, refused", "other, refused"]).floor(100).check(|seen| {
        let slab = shared();
        let key = insert(&slab, 7);
        let (first, second) = (Arc::clone(&slab), Arc::clone(&slab));
        let remover = thread::spawn(move || second.remove(key));
        // Waits, so that its part is not the remover's, who would learn by that that the page is open.
        let opener = thread::spawn(move || (look(&first, key), remover.join().unwrap()));
        let ours = slab.remove(key);
        let (saw, theirs) = opener.join().unwrap();
        assert_ne!(ours, theirs);
        let saw = if saw.is_some() { "seen" } else { "refused" };
        seen.record(format!("{}, {saw}", if ours { "owner" } else { "other" }));
    });
}

/// Two threads remove what a third inserted: one is told `true`, and drops it.
#[test]
fn loom_reclaim_two_others_remove() {
    let model = Model::new("reclaim_two_others_remove");
    model.reaches(["we", "they"]).floor(100).check(|seen| {
        let slab = shared();
        let theirs = Arc::clone(&slab);
        // Its part waits for a thread after it; main has its own.
        let other = insert(&slab, 8);
        let key = thread::spawn(move || insert(&theirs, 7)).join().unwrap();
        let theirs = Arc::clone(&slab);
        let t = thread::spawn(move || {
            assert_eq!(look(&theirs, other), Some(8));
            theirs.remove(key)
        });
        let ours = slab.remove(key);
        assert_ne!(ours, t.join().unwrap());
        seen.record(if ours { "we" } else { "they" });
    });
}

/// A key arrives without any ordering, of a value in a page that is just being added, for which the
/// directory grows: it finds the whole value, or nothing; removing it drops the whole value.
#[test]
fn loom_reclaim_a_key_that_arrives_unordered() {
    let model = Model::new("reclaim_a_key_that_arrives_unordered");
    model.reaches(["nothing came", "refused", "seen", "removed"]).floor(100).check(|seen| {
        let shared = Arc::new((SyncSlab::new_in(Modelled), AtomicU64::new(0)));
        // Two pages of two slots, for which the first directory has room.
        (0..4).for_each(|number| assert!(insert(&shared.0, number).index() < 4));
        let theirs = Arc::clone(&shared);
        let t = thread::spawn(move || {
            let (slab, slot): &(Shared, AtomicU64) = &theirs;
            // ORD Relaxed: the point of this model.
            let Some(key) = Key::from_bits(slot.load(Relaxed)) else { return "nothing came" };
            match (look(slab, key), slab.remove(key)) {
                (Some(7), true) => "seen",
                (None, true) => "removed",
                (None, false) => "refused",
                other => panic!("{other:?}"),
            }
        });
        let key = insert(&shared.0, 7);
        // ORD Relaxed: the point of this model.
        shared.1.store(key.to_bits(), Relaxed);
        seen.record(t.join().unwrap());
    });
}

/// Another thread removes, and sends the slot back while the owner looks for a free one.
#[test]
fn loom_remote_free_while_the_owner_inserts() {
    let model = Model::new("remote_free_while_the_owner_inserts");
    model.reaches(["in the freed slot", "in a new page"]).floor(100).check(|seen| {
        let slab = shared();
        let (first, second) = (insert(&slab, 7), insert(&slab, 8));
        let theirs = Arc::clone(&slab);
        let t = thread::spawn(move || assert!(theirs.remove(first)));
        let third = insert(&slab, 9);
        t.join().unwrap();
        assert_eq!(
            (look(&slab, first), look(&slab, second), look(&slab, third)),
            (None, Some(8), Some(9))
        );
        let freed = third.index() == first.index();
        seen.record(if freed { "in the freed slot" } else { "in a new page" });
    });
}

/// The owner exits, another thread starts and perhaps adopts its page, and a third removes.
#[test]
fn loom_reclaim_exit_adoption_and_removal() {
    let model = Model::new("reclaim_exit_adoption_and_removal").preemptions(1);
    model.reaches(["adopted, we", "adopted, they", "own, we", "own, they"]).floor(100).check(
        |seen| {
            let shared = Arc::new((SyncSlab::new_in(Modelled), AtomicU64::new(0)));
            let (first, second) = (Arc::clone(&shared), Arc::clone(&shared));
            let a = thread::spawn(move || {
                let key = insert(&first.0, 7);
                // ORD[model-key] Release → Acquire below.
                first.1.store(key.to_bits(), Release);
            });
            let b = thread::spawn(move || {
                let (slab, slot): &(Shared, AtomicU64) = &second;
                // ORD[model-key] Acquire ← Release above.
                Key::from_bits(slot.load(Acquire)).is_some_and(|key| slab.remove(key))
            });
            a.join().unwrap();
            let (slab, slot) = &*shared;
            // ORD[model-key] Acquire ← Release above.
            let key = Key::from_bits(slot.load(Acquire)).expect("a has inserted");
            let ours = slab.remove(key);
            assert_ne!(ours, b.join().unwrap());
            let adopted = if slab.stats().adopted > 0 { "adopted" } else { "own" };
            seen.record(format!("{adopted}, {}", if ours { "we" } else { "they" }));
        },
    );
}

/// A guard ends on another thread while the owner removes its value, or first protects another value by
/// the same entry.
#[test]
fn loom_reclaim_a_guard_ends_elsewhere() {
    let model = Model::new("reclaim_a_guard_ends_elsewhere");
    model.reaches(["dropped at once", "kept"]).floor(50).check(|seen| {
        let slab = shared();
        let (key, other) = (insert(&slab, 7), insert(&slab, 8));
        let borrowed: &'static Shared = {
            // SAFETY: the slab lives until the thread that has the guard was joined.
            unsafe { &*Arc::as_ptr(&slab) }
        };
        let guard: Ref<'static, Value> = borrowed.get(key).unwrap();
        let t = thread::spawn(move || *guard.get_ref());
        assert_eq!(look(&slab, other), Some(8));
        assert!(slab.remove(key));
        seen.record(if slab.stats().limbo == 0 { "dropped at once" } else { "kept" });
        assert_eq!(t.join().unwrap(), 7);
    });
}

/// The same with a guard that is not the thread's first.
#[test]
fn loom_reclaim_a_second_guard_ends_elsewhere() {
    let model = Model::new("reclaim_a_second_guard_ends_elsewhere");
    model.reaches(["dropped at once", "kept"]).floor(20).check(|seen| {
        let slab = shared();
        let (key, other) = (insert(&slab, 7), insert(&slab, 8));
        let first = slab.get(other).unwrap();
        let borrowed: &'static Shared = {
            // SAFETY: the slab lives until the thread that has the guard was joined.
            unsafe { &*Arc::as_ptr(&slab) }
        };
        // Its place is made before it is needed.
        let second: Ref<'static, Value> = borrowed.try_get(key).unwrap().unwrap();
        let t = thread::spawn(move || *second.get_ref());
        assert_eq!(slab.try_remove(key), Ok(true));
        seen.record(if slab.stats().limbo == 0 { "dropped at once" } else { "kept" });
        assert_eq!((t.join().unwrap(), *first.get_ref()), (7, 8));
    });
}

/// One thread looks at a value, then at another; a second removes the first one and looks for guards.
#[test]
fn loom_reclaim_an_entry_protects_one_after_another() {
    let model = Model::new("reclaim_an_entry_protects_one_after_another");
    model.reaches(["dropped", "kept"]).floor(100).check(|seen| {
        let slab = shared();
        let (key, other) = (insert(&slab, 7), insert(&slab, 8));
        let theirs = Arc::clone(&slab);
        let guard = slab.get(key).unwrap();
        let t = thread::spawn(move || {
            assert!(theirs.remove(key));
            theirs.stats().limbo
        });
        assert_eq!(*guard.get_ref(), 7);
        drop(guard);
        let guard = slab.get(other).unwrap();
        assert_eq!(*guard.get_ref(), 8);
        seen.record(if t.join().unwrap() == 0 { "dropped" } else { "kept" });
    });
}

/// Two guards at once, the second in a block that is just being added, while another thread removes
/// that value and looks for guards.
#[test]
fn loom_reclaim_the_second_guard_in_a_new_block() {
    let model = Model::new("reclaim_the_second_guard_in_a_new_block");
    model
        .reaches(["seen, kept", "seen, dropped", "refused, kept", "refused, dropped"])
        .floor(100)
        .check(|seen| {
            let slab = shared();
            let (key, other) = (insert(&slab, 7), insert(&slab, 8));
            let theirs = Arc::clone(&slab);
            let first = slab.get(other).unwrap();
            let t = thread::spawn(move || {
                assert!(theirs.remove(key));
                theirs.stats().limbo
            });
            let second = slab.get(key).map(|guard| *guard.get_ref());
            assert_eq!(*first.get_ref(), 8);
            drop(first);
            let kept = if t.join().unwrap() == 0 { "dropped" } else { "kept" };
            seen.record(format!("{}, {kept}", if second.is_some() { "seen" } else { "refused" }));
        });
}

/// What needs the slab alone comes after what two threads did, and before what the next one does: a page
/// that was open is private again, one that is empty is given back and taken again.
#[test]
fn loom_reclaim_by_exclusive_access() {
    // The borrow orders it, which one preemption shows as well.
    let model = Model::new("reclaim_by_exclusive_access").preemptions(1);
    model.reaches(["seen", "refused"]).floor(100).check(|seen| {
        let mut slab = shared();
        let (key, other) = (insert(&slab, 7), insert(&slab, 8));
        let theirs = Arc::clone(&slab);
        let t = thread::spawn(move || {
            assert_eq!(look(&theirs, other), Some(8));
            let key = theirs.try_insert_with(|_| Track::new(9)).unwrap();
            let guard = theirs.get(key).unwrap();
            assert_eq!((Ref::key(&guard), *guard.get_ref()), (key, 9));
            key
        });
        let theirs = t.join().unwrap();
        let alone = Arc::get_mut(&mut slab).expect("the thread has ended");
        assert_eq!(alone.get_mut(key).map(|value| *value.get_ref()), Some(7));
        assert_eq!(alone.take(theirs).map(|value| *value.get_ref()), Some(9));
        assert_eq!(alone.stats().shared_pages, 1);
        assert!(alone.trim() > 0, "the other's page");
        assert_eq!((alone.stats().pages, alone.stats().shared_pages), (1, 0));
        let again = insert(&slab, 10);
        assert_eq!(again.index(), theirs.index(), "the page that was given back");
        assert!(!slab.contains(theirs), "at a later generation");
        let next = Arc::clone(&slab);
        let t = thread::spawn(move || look(&next, key));
        assert!(slab.remove(key));
        seen.record(if t.join().unwrap().is_some() { "seen" } else { "refused" });
        assert_eq!((look(&slab, other), look(&slab, again)), (Some(8), Some(10)));
    });
}

/// The slab is dropped, with a value that waits for nobody any more, while a thread exits.
#[test]
#[expect(clippy::mem_forget, reason = "a forgotten guard keeps its value until the slab goes")]
fn loom_reclaim_the_slab_while_a_thread_exits() {
    let model = Model::new("reclaim_the_slab_while_a_thread_exits");
    model.reaches(["dropped"]).floor(10).check(|seen| {
        let slab = shared();
        let theirs = Arc::clone(&slab);
        let t = thread::spawn(move || {
            let key = insert(&theirs, 7);
            core::mem::forget(theirs.get(key));
            assert!(theirs.remove(key));
            drop(theirs); // then the thread's destructors run, beside the drop of the slab
        });
        drop(slab);
        seen.record("dropped");
        t.join().unwrap();
    });
}
