//! What needs private access: generations that are used up, indices that run out, lists that stay whole.

#[cfg(loom)]
mod loom_page;

use std::collections::BTreeSet;
use std::vec::Vec;

use alloc_core::{Allocator, ErrorKind};
use primitives::sync::atomic::Ordering::Relaxed;

use super::page::Page;
use super::slot::{is_live, is_out_of_use};
use super::{Key, SyncSlab};

/// A slab whose slots have few generations left: `uses` of them.
fn worn<T>(uses: u32) -> SyncSlab<T> {
    let slab = SyncSlab::new();
    slab.growing(|growth| growth.first_generation = (2 * uses).wrapping_neg());
    slab
}

/// Every slot is live, free in its owner's list, or out of use: one of these.
fn check<T, A: Allocator>(slab: &mut SyncSlab<T, A>) {
    slab.drop_limbo();
    let mut free = BTreeSet::new();
    slab.parts.for_each_shared(|part| {
        // SAFETY: the slab is borrowed exclusively.
        unsafe { part.take_freed() };
        let mut own = Vec::new();
        // SAFETY: as above.
        while let Some(slot) = unsafe { part.pop() } {
            // SAFETY: a slot lives as long as the slab.
            // ORD Relaxed: borrowed exclusively, so nobody writes it.
            let state = unsafe { slot.as_ref() }.state.load(Relaxed);
            assert!(!is_live(state) && !is_out_of_use(state), "{state:#x} is in a list");
            assert!(free.insert(state & 0xFFFF_FFFF), "twice in a list");
            own.push(slot);
        }
        for slot in own.into_iter().rev() {
            // SAFETY: as above.
            let slot = unsafe { slot.as_ref() };
            // SAFETY: just taken out.
            unsafe { part.push(slot) };
        }
    });
    let mut live = 0;
    for page in slab.directory.pages() {
        for slot in (0..page.usable()).map(|slot| page.slot(slot)) {
            // ORD Relaxed: as above.
            let state = slot.state.load(Relaxed);
            live += usize::from(is_live(state));
            let in_list = free.remove(&(state & 0xFFFF_FFFF));
            assert_eq!(in_list, !is_live(state) && !is_out_of_use(state), "{state:#x}");
        }
    }
    assert!(free.is_empty(), "no slot of any page: {free:?}");
    assert_eq!(live, slab.len());
}

#[test]
fn a_slot_of_a_shared_slab_is_retired_before_its_generations_begin_again() {
    let mut slab = worn::<u32>(3);
    let mut stale = Vec::new();
    for round in 0..20 {
        let key = slab.insert(round);
        assert!(!stale.contains(&key), "in round {round}");
        assert!(slab.remove(key));
        stale.push(key);
    }
    assert_eq!((slab.stats().retired, slab.len()), (6, 0));
    // The same by way of limbo.
    for round in 0..20 {
        let key = slab.insert(round);
        assert!(!stale.contains(&key), "in round {round}");
        let guard = slab.get(key);
        assert!(slab.remove(key));
        drop(guard);
        slab.flush();
        stale.push(key);
    }
    assert_eq!(slab.stats().retired, 13);
    // And by exclusive access.
    let keys: Vec<Key<u32>> = (0..3)
        .map(|_| {
            let key = slab.insert(1);
            assert_eq!(slab.take(key), Some(1));
            key
        })
        .collect();
    assert!(keys.iter().all(|key| !stale.contains(key)));
    assert_eq!(slab.stats().retired, 14);
    assert!(stale.iter().all(|&key| !slab.contains(key)));
    check(&mut slab);
    assert_eq!(slab.trim(), 0, "what is retired must not be forgotten");
    check(&mut slab);
}

#[test]
fn indices_of_a_shared_slab_run_out_with_an_error() {
    let mut slab = SyncSlab::<u8>::new();
    let most = (super::grow::INDICES >> Page::<u8>::SHIFT) << Page::<u8>::SHIFT;
    assert!(most < 20_000, "few in tests");
    let first = slab.insert(0);
    (1..most).for_each(|_| assert!(slab.try_insert(1).is_ok()));
    let rejected = slab.try_insert(77).unwrap_err();
    assert_eq!(rejected.error().kind(), ErrorKind::IndicesExhausted);
    assert_eq!((rejected.into_value(), slab.len()), (77, most));
    assert!(slab.remove(first));
    assert_eq!(slab.insert(1).index(), first.index(), "usable afterwards");
    check(&mut slab);
}

#[test]
fn lists_of_free_slots_stay_whole() {
    let mut slab = SyncSlab::<[u64; 100]>::new();
    let elsewhere = |slab: &SyncSlab<_>, keys: &[Key<_>]| {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                slab.insert([7; 100]);
                assert!(keys.iter().all(|&key| slab.remove(key)));
            });
        });
    };
    for round in 0..4 {
        let keys: Vec<_> = (0..1_000).map(|n| slab.insert([n; 100])).collect();
        check(&mut slab);
        keys[..300].iter().for_each(|&key| assert!(slab.remove(key)));
        elsewhere(&slab, &keys[300..700]);
        check(&mut slab);
        elsewhere(&slab, &keys[700..900]);
        slab.flush();
        (0..50).for_each(|n| assert!(slab.contains(slab.insert([n; 100]))));
        check(&mut slab);
        slab.retain(|key, _| key.index() % 3 == 0);
        check(&mut slab);
        if round % 2 == 0 {
            slab.clear();
            check(&mut slab);
        }
        slab.trim();
        check(&mut slab);
    }
}
