//! What goes wrong in user code and in backings: panics in closures and drops, drops that use what they
//! came from, forgotten guards, memory that runs out at every point.
#![cfg(not(loom))]

use alloc_core::testing::{Checked, FailAt};
use alloc_core::{AllocError, Allocator, ErrorKind, Global, Layout};
use alloc_slab::{Cached, Key, ObjectCache, Pages, Slab, SlabAlloc};
use core::cell::{Cell, RefCell};
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;

fn planned() -> ! {
    resume_unwind(Box::new("planned"))
}

/// Runs what must panic.
fn unwinds(what: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(what)).is_err(), "it did not panic");
}

/// Counts its drops, and panics in the chosen one.
struct Drops<'a> {
    dropped: &'a Cell<u32>,
    panics: bool,
}

impl Drop for Drops<'_> {
    fn drop(&mut self) {
        self.dropped.set(self.dropped.get() + 1);
        if self.panics {
            planned();
        }
    }
}

fn hundred(dropped: &Cell<u32>, panics_at: usize) -> Slab<Drops<'_>> {
    (0..100).map(|n| Drops { dropped, panics: n == panics_at }).collect()
}

#[test]
fn a_drop_that_panics_ends_neither_the_others_nor_the_slab() {
    let dropped = Cell::new(0);
    let mut slab = hundred(&dropped, 17);
    unwinds(|| slab.clear());
    assert_eq!((dropped.take(), slab.len()), (100, 0));
    slab.insert(Drops { dropped: &dropped, panics: false });
    unwinds(|| drop(hundred(&dropped, 99)));
    assert_eq!(dropped.take(), 100);
    let mut slab = hundred(&dropped, 50);
    unwinds(|| drop(slab.drain()));
    assert_eq!((dropped.take(), slab.len()), (100, 0));
    let mut rest = hundred(&dropped, 50).into_iter();
    drop(rest.next());
    unwinds(|| drop(rest));
    assert_eq!(dropped.take(), 100);
}

#[test]
fn values_are_dropped_once_wherever_they_end() {
    let dropped = Cell::new(0);
    let mut slab = hundred(&dropped, usize::MAX);
    let first = slab.keys().next().unwrap();
    drop(slab.remove(first));
    assert_eq!(dropped.get(), 1);
    slab.retain(|key, _| key.index() % 2 == 0);
    assert_eq!(dropped.get(), 51);
    slab.drain().take(9).for_each(drop);
    assert_eq!(dropped.get(), 100);
    slab.insert(Drops { dropped: &dropped, panics: false });
    drop(slab);
    assert_eq!(dropped.get(), 101);
}

#[test]
fn a_closure_that_panics_in_retain_loses_no_value() {
    let dropped = Cell::new(0);
    let mut slab = hundred(&dropped, usize::MAX);
    let mut calls = 0;
    unwinds(|| {
        slab.retain(|_, _| {
            calls += 1;
            if calls == 50 { planned() } else { calls % 2 == 0 }
        });
    });
    assert_eq!((dropped.get(), slab.len(), slab.iter().count()), (25, 75, 75));
    // And one whose drop panics: its slot is vacant all the same.
    let mut slab = hundred(&dropped, 3);
    unwinds(|| slab.retain(|key, _| key.index() > 10));
    assert_eq!((slab.len(), slab.iter().count()), (96, 96));
    let first = slab.keys().next().unwrap();
    assert_eq!(first.index(), 4, "0 to 3 are gone, the one whose drop panicked included");
}

#[test]
fn a_closure_that_panics_in_compact_leaves_each_value_under_one_key() {
    for panics_at in [0, 1, 7] {
        let mut slab: Slab<[usize; 125]> = (0..640).map(|n| [n; 125]).collect();
        slab.retain(|_, value| value[0] % 10 == 0);
        let mut keys: Vec<(usize, Key<_>)> = slab.iter().map(|(key, v)| (v[0], key)).collect();
        let mut moved = Vec::new();
        unwinds(|| {
            slab.compact(|value, old, new| {
                if moved.len() == panics_at {
                    planned();
                }
                moved.push((value[0], old, new));
            });
        });
        assert_eq!(moved.len(), panics_at);
        for (number, old, new) in moved {
            assert!(!slab.contains(old));
            keys.iter_mut().filter(|(n, _)| *n == number).for_each(|(_, key)| *key = new);
        }
        assert!(keys.iter().all(|&(number, key)| slab[key] == [number; 125]));
        // The free list is whole: every slot can be had, and none twice.
        let free = slab.capacity() - slab.len();
        for n in 0..free {
            slab.insert([1000 + n; 125]);
        }
        assert_eq!((slab.iter().count(), slab.stats().slow_calls), (640, 10));
        assert!(keys.iter().all(|&(number, key)| slab[key] == [number; 125]), "overwritten");
    }
}

#[test]
fn an_initialiser_that_panics_takes_no_slot() {
    let mut slab = Slab::new();
    slab.insert(String::from("a"));
    let next = slab.vacant_entry().key();
    unwinds(|| {
        slab.insert_with(|key| {
            assert_eq!(key, next);
            planned()
        });
    });
    unwinds(|| {
        let _ = slab.try_insert_with(|_| planned());
    });
    assert_eq!((slab.len(), slab.vacant_entry().key()), (1, next));
}

#[test]
#[expect(clippy::mem_forget, reason = "what is forgotten must do no harm")]
fn a_forgotten_drain_keeps_what_it_did_not_give() {
    let dropped = Cell::new(0);
    let mut slab = hundred(&dropped, usize::MAX);
    let mut drain = slab.drain();
    drop((drain.next(), drain.next()));
    core::mem::forget(drain);
    assert_eq!((slab.len(), dropped.get()), (98, 2));
    drop(slab);
    assert_eq!(dropped.get(), 100);
}

/// A value whose drop inserts into, and removes from, the slab it came from.
struct Reenters {
    slab: Rc<RefCell<Slab<Reenters>>>,
    inserts: bool,
    removes: Option<Key<Reenters>>,
}

impl Drop for Reenters {
    fn drop(&mut self) {
        // Not while the slab is borrowed, which safe code can see.
        let Ok(mut slab) = self.slab.try_borrow_mut() else { return };
        if self.inserts {
            let slab_again = Rc::clone(&self.slab);
            slab.insert(Self { slab: slab_again, inserts: false, removes: None });
        }
        let removed = self.removes.and_then(|key| slab.remove(key));
        drop(slab);
        drop(removed);
    }
}

#[test]
fn a_drop_may_insert_into_and_remove_from_its_slab() {
    let shared = Rc::new(RefCell::new(Slab::new()));
    let make = |inserts, removes| Reenters { slab: Rc::clone(&shared), inserts, removes };
    let plain = shared.borrow_mut().insert(make(false, None));
    let chain = shared.borrow_mut().insert(make(true, Some(plain)));
    let head = shared.borrow_mut().insert(make(true, Some(chain)));
    let removed = shared.borrow_mut().remove(head);
    drop(removed);
    assert!([plain, chain, head].iter().all(|&key| !shared.borrow().contains(key)));
    assert_eq!(shared.borrow().len(), 2, "two drops inserted");
    // Emptied from outside, the slab is borrowed: such drops see that, and do nothing.
    let all = core::mem::take(&mut *shared.borrow_mut());
    drop(all);
    shared.borrow_mut().clear();
}

#[test]
fn memory_that_runs_out_at_any_point_loses_nothing() {
    let scenario = |fail_at| {
        let backing = Checked::new(Global);
        let counting = FailAt::new(&backing, fail_at);
        let calls = {
            let mut slab = Slab::new_in(&counting);
            let mut keys = Vec::new();
            let mut refused = 0;
            for n in 0..64 * 12 {
                match slab.try_insert([n; 250]) {
                    Ok(key) => keys.push((n, key)),
                    Err(rejected) => {
                        assert_eq!(rejected.error().kind(), ErrorKind::Backing);
                        assert_eq!(rejected.into_value(), [n; 250], "the value comes back");
                        refused += 1;
                    }
                }
                if n == 400 {
                    keys.retain(|&(n, key)| n % 3 == 0 || slab.remove(key).is_none());
                    slab.compact(|value, old, new| {
                        let place = keys.iter_mut().find(|(_, key)| *key == old).unwrap();
                        assert_eq!(place.0, value[0]);
                        place.1 = new;
                    });
                }
            }
            assert!(refused <= 1, "{refused}");
            assert!(keys.iter().all(|&(n, key)| slab[key] == [n; 250]));
            assert_eq!(slab.len(), keys.len());
            counting.calls()
        };
        assert_eq!(backing.live_blocks(), 0);
        calls
    };
    let all = scenario(0);
    assert!(all > 12, "{all} calls");
    (1..=all).for_each(|fail_at| {
        scenario(fail_at);
    });
}

/// A backing that panics when it is asked for a block, once armed.
struct Panics(Cell<bool>);

// SAFETY: blocks are those of `Global`.
unsafe impl Allocator for &Panics {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if self.0.get() {
            planned();
        }
        Global.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) }
    }
}

#[test]
fn a_backing_that_panics_leaves_everything_as_it_was() {
    let backing = Panics(Cell::new(false));
    let mut slab = Slab::new_in(&backing);
    let mut nodes = SlabAlloc::new_in(Layout::new::<[u64; 4]>(), &backing);
    let cache = ObjectCache::new_in(|| String::from("made"), &backing);
    slab.extend((0..64).map(|n| [n; 250]));
    backing.0.set(true);
    unwinds(|| {
        slab.insert([64; 250]);
    });
    unwinds(|| {
        let _ = nodes.allocate(Layout::new::<[u64; 4]>());
    });
    unwinds(|| drop(cache.take()));
    backing.0.set(false);
    assert_eq!(slab.len(), 64);
    slab.insert([64; 250]);
    assert!(slab.values().map(|value| value[0]).eq(0..65));
    assert_eq!(nodes.trim(), 0);
    assert_eq!(*cache.take(), "made");
}

/// A backing that panics when it is given back a block, which it takes all the same: the one before
/// which so many others came.
struct PanicsLater(Cell<Option<u32>>);

// SAFETY: blocks are those of `Global`.
unsafe impl Allocator for &PanicsLater {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        Global.allocate(layout)
    }
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) };
        match self.0.get() {
            None => {}
            Some(0) => {
                self.0.set(None);
                planned();
            }
            Some(before) => self.0.set(Some(before - 1)),
        }
    }
}

/// Pages 1, 3 and 4 of six have no value; the backing panics at one of them.
#[test]
fn a_backing_that_panics_when_a_page_goes_back_leaves_no_list_into_it() {
    type Trim = fn(&mut Slab<[usize; 125], Pages<&PanicsLater>>) -> usize;
    let ways: [Trim; 2] = [|slab| slab.trim(), |slab| slab.compact(|_, _, _| {})];
    for (trim, before) in ways.into_iter().flat_map(|trim| [(trim, 0), (trim, 1), (trim, 2)]) {
        let backing = PanicsLater(Cell::new(None));
        let mut slab = Slab::new_in(&backing);
        let keys: Vec<_> = (0..6 * 64).map(|n| slab.insert([n; 125])).collect();
        slab.retain(|key, _| ![1, 3, 4].contains(&(key.index() / 64)));
        // What is free within a page that stays comes between those of pages that go.
        slab.remove(keys[7]);
        backing.0.set(Some(before));
        let held = slab.reserved_bytes();
        unwinds(|| {
            trim(&mut slab);
        });
        let gone = before as usize + 1;
        assert_eq!((slab.len(), slab.stats().released_pages), (3 * 64 - 1, gone));
        assert!(slab.reserved_bytes() < held);
        // Every slot that is left can be had, without a page, and none twice.
        let (grown, free) = (slab.stats().slow_calls, slab.capacity() - slab.len());
        assert_eq!(free, (3 - gone) * 64 + 1);
        let fresh: Vec<_> = (0..free).map(|n| slab.insert([1000 + n; 125])).collect();
        assert_eq!(slab.stats().slow_calls, grown);
        let more: Vec<_> = (0..gone * 64).map(|n| slab.insert([2000 + n; 125])).collect();
        assert_eq!((slab.stats().slow_calls, slab.len()), (grown + gone as u64, 6 * 64));
        for (first, keys) in [(1000, fresh), (2000, more)] {
            assert!((first..).zip(keys).all(|(n, key)| slab[key] == [n; 125]));
        }
        for (n, key) in keys.into_iter().enumerate() {
            let stays = ![1, 3, 4].contains(&(n / 64)) && n != 7;
            assert_eq!(slab.get(key), stays.then_some(&[n; 125]), "{n}");
        }
    }
}

#[test]
fn a_backing_that_panics_when_a_page_goes_back_loses_none_behind_it() {
    let block = Layout::new::<[u64; 125]>();
    for before in 0..4 {
        let backing = PanicsLater(Cell::new(None));
        let mut nodes = SlabAlloc::new_in(block, &backing);
        let mut blocks: Vec<_> = (0..160).map(|_| nodes.allocate(block).unwrap()).collect();
        let pages = nodes.stats().reserved_bytes / (16 << 10);
        assert_eq!(nodes.stats().slow_calls, pages as u64, "of 16 KiB each");
        let kept = blocks.remove(40);
        for block_of in blocks {
            // SAFETY: allocated above with this layout, not used again.
            unsafe { nodes.deallocate(block_of.cast(), block) };
        }
        backing.0.set(Some(before));
        unwinds(|| {
            nodes.trim();
        });
        // The pages that are left are known, and so are their blocks.
        let left = pages - before as usize - 1;
        let stats = nodes.stats();
        assert_eq!((stats.reserved_bytes, stats.used_bytes), (left << 14, 1000));
        let free = left * 16 - 1;
        let again: Vec<_> = (0..free).map(|_| nodes.allocate(block).unwrap()).collect();
        assert_eq!(nodes.stats().slow_calls, pages as u64, "no page was taken for them");
        let mut places: Vec<_> = again.iter().map(|block| block.cast::<u8>()).collect();
        places.push(kept.cast());
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), free + 1, "none is given out twice");
        for place in places {
            // SAFETY: allocated above with this layout, not used again.
            unsafe { nodes.deallocate(place, block) };
        }
        assert_eq!((nodes.trim(), nodes.stats().reserved_bytes), (left << 14, 0));

        let cache = ObjectCache::new_in(|| [7u64; 125], &backing);
        let mut all: Vec<_> = (0..160).map(|_| cache.take()).collect();
        let held = cache.stats().reserved_bytes;
        let page = held / 10;
        #[expect(clippy::mem_forget, reason = "a page that stays")]
        core::mem::forget(all.remove(40));
        drop(all);
        backing.0.set(Some(before));
        let mut cache = cache;
        unwinds(|| {
            cache.trim();
        });
        let left = held - page * (before as usize + 1);
        assert_eq!((cache.stats().reserved_bytes, cache.stats().lent), (left, 1));
        let all: Vec<_> = (0..left / page * 16 - 1).map(|_| cache.take()).collect();
        assert_eq!(cache.stats().reserved_bytes, left, "no page was taken for them");
        assert!(all.iter().all(|object| **object == [7; 125]));
        drop(all);
        assert_eq!((cache.trim(), cache.stats().reserved_bytes), (left - page, page));
    }
}

#[test]
fn an_object_that_panics_on_its_way_is_lent_no_more() {
    let (made, dropped) = (Cell::new(0), Cell::new(0));
    let cache = ObjectCache::new(|| {
        made.set(made.get() + 1);
        if made.get() == 2 {
            planned();
        }
        Drops { dropped: &dropped, panics: false }
    })
    .with_restore(|object| {
        if object.panics {
            planned();
        }
    });
    let first = cache.take();
    unwinds(|| drop(cache.take()));
    let mut third = cache.take();
    third.panics = true;
    unwinds(|| drop(third));
    drop(first);
    let stats = cache.stats();
    assert_eq!((stats.misses, stats.idle, stats.lent, dropped.get()), (2, 1, 1, 0));
    unwinds(|| drop(cache)); // drops the object that panics, and the other
    assert_eq!(dropped.get(), 2);
}

#[test]
fn making_an_object_may_take_one_from_the_same_cache() {
    fn make() -> u32 {
        let depth = DEPTH.replace(DEPTH.get() + 1);
        if depth < 800 { CACHE.with(|cache| *cache.take() + 1) } else { 0 }
    }
    thread_local! {
        static DEPTH: Cell<u32> = const { Cell::new(0) };
        static CACHE: ObjectCache<u32> = const { ObjectCache::new(make) };
    }
    CACHE.with(|cache| {
        let outer = cache.take();
        assert_eq!(*outer, 800);
        let other = cache.take();
        assert!(!core::ptr::eq(&raw const *outer, &raw const *other), "one object lent twice");
        drop(other);
        // Each inner object was given back before the outer one was there, and all are different.
        let stats = cache.stats();
        assert_eq!((stats.misses, stats.idle, stats.lent), (801, 800, 1));
        let mut all: Vec<u32> = (0..800)
            .map(|_| {
                let object = cache.take();
                let number = *object;
                #[expect(clippy::mem_forget, reason = "so that each is taken once")]
                core::mem::forget(object);
                number
            })
            .collect();
        all.sort_unstable();
        assert!(all.into_iter().eq(0..800));
    });
}

#[test]
#[expect(clippy::mem_forget, reason = "what is forgotten must do no harm")]
fn a_forgotten_object_is_dropped_with_its_cache() {
    let dropped = Cell::new(0);
    let mut cache = ObjectCache::new(|| Drops { dropped: &dropped, panics: false });
    core::mem::forget(cache.take());
    drop(cache.take());
    let held = cache.stats().reserved_bytes;
    assert_eq!((cache.trim(), cache.stats().lent, dropped.get()), (0, 1, 1));
    drop(cache.take());
    Cached::discard(cache.take());
    let stats = cache.stats();
    assert_eq!((stats.reserved_bytes, stats.evictions, dropped.get()), (held, 2, 2));
    drop(cache);
    assert_eq!(dropped.get(), 3);
}

/// An object whose restoring and whose drop take others from the cache it is lent by.
struct Greedy {
    takes: Cell<bool>,
    number: u32,
}

thread_local! {
    static MADE: Cell<u32> = const { Cell::new(0) };
    static GREEDY: ObjectCache<Greedy> =
        const { ObjectCache::new(make_greedy as fn() -> Greedy).with_restore(restore_greedy) };
}

fn make_greedy() -> Greedy {
    MADE.set(MADE.get() + 1);
    Greedy { takes: Cell::new(false), number: MADE.get() }
}

fn restore_greedy(object: &mut Greedy) {
    if object.takes.get() {
        // It goes back before the one that is being restored does.
        GREEDY.with(|cache| assert_ne!(cache.take().number, object.number, "lent twice"));
    }
}

impl Drop for Greedy {
    fn drop(&mut self) {
        if self.takes.get() {
            GREEDY.with(|cache| {
                let (one, two) = (cache.take(), cache.take());
                assert!(one.number != two.number, "lent twice");
                assert!(one.number != self.number && two.number != self.number, "it is gone");
            });
        }
    }
}

#[test]
fn restoring_and_dropping_an_object_may_take_others_from_its_cache() {
    GREEDY.with(|cache| {
        for round in 0..300 {
            let object = cache.take();
            object.takes.set(true);
            if round % 3 == 0 {
                Cached::discard(object);
            } else {
                drop(object);
                cache.take().takes.set(false);
            }
        }
        let stats = cache.stats();
        assert_eq!((stats.lent, stats.evictions), (0, 100));
        assert_eq!(stats.misses, stats.idle as u64 + 100);
        let all: Vec<_> = (0..stats.idle).map(|_| cache.take()).collect();
        all.iter().for_each(|object| object.takes.set(false));
        let mut numbers: Vec<u32> = all.iter().map(|object| object.number).collect();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!((numbers.len(), cache.stats().idle), (stats.idle, 0), "each once");
    });
}

#[test]
fn values_larger_than_any_page_are_refused_and_nothing_is_taken() {
    type Huge = [u8; isize::MAX as usize / 8];
    let backing = Checked::new(Global);
    let mut slab = Slab::<Huge, _>::new_in(&backing);
    for count in [1, 64, usize::MAX] {
        let error = slab.try_reserve(count).unwrap_err();
        assert_eq!(error.kind() == ErrorKind::CapacityOverflow, count != usize::MAX, "{error}");
    }
    assert!(slab.try_vacant_entry().is_err());
    assert_eq!((slab.trim(), slab.compact(|_, _, _| {}), slab.stats().capacity), (0, 0, 0));
    assert!(slab.iter().next().is_none());
    drop(slab);
    assert_eq!(backing.live_blocks(), 0);
    let error = Slab::<Huge>::try_with_capacity(1).map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.size()), (ErrorKind::CapacityOverflow, usize::MAX), "a page");
}
