//! What only the inside can see: generations that are used up, indices that run out, pages that
//! forget nothing.

use alloc_core::testing::{Checked, FailAt};
use alloc_core::{ErrorKind, Global};
use std::boxed::Box;
use std::string::ToString;
use std::vec::Vec;

use crate::shape::Shape;
use crate::slots::Table;
use crate::store::Store;
use crate::{Key, Pages, Slab};

/// A value of which a page has 64.
type Large = [u8; 1000];

fn byte(n: usize) -> u8 {
    n.to_le_bytes()[0]
}

/// Odd and so near the end that a slot can be used four times.
const NEARLY_THE_LAST: u32 = u32::MAX - 6;

fn nearly_used_up<T>() -> Slab<T> {
    let mut slab = Slab::new();
    slab.table_mut().set_first_generation(NEARLY_THE_LAST);
    slab
}

/// Every slot is in one of three states, and the free list has each free one once (S1, S2, S4).
pub(crate) fn check<T, S: Store>(slab: &Slab<T, S>) {
    let table: &Table<S> = slab.table();
    let (mut live, mut free, mut out) = (0, Vec::new(), 0);
    for page in 0..table.store.pages() {
        let Some((first, place)) = table.first_of::<T>(page) else { continue };
        for slot in 0..table.store.info(page).usable {
            // SAFETY: a slot of a page that was not released.
            let state = unsafe { *place.state.wrapping_add(slot as usize) };
            // SAFETY: as above.
            let byte = unsafe { *place.live.wrapping_add(slot as usize) };
            if state >> 32 & 1 == 1 {
                assert_eq!((byte, state & 0xFFFF_FFFF), (0xFF, u64::from(first + slot)), "S1");
                live += 1;
            } else {
                assert_eq!(byte, 0, "S1");
                if state == 0 { out += 1 } else { free.push(first + slot) }
            }
        }
    }
    assert_eq!((live, out), (slab.len(), table.retired()), "S4, S3");
    let mut linked = Vec::new();
    let mut look = table.first_or_none();
    while look != u32::MAX {
        linked.push(look);
        assert!(linked.len() <= free.len(), "S2: the free list has {} and more", linked.len());
        // SAFETY: a slot of the free list.
        let place = unsafe { table.store.place::<T>(look) };
        // SAFETY: as above.
        look = u32::try_from(unsafe { *place.state } & 0xFFFF_FFFF).unwrap();
    }
    linked.sort_unstable();
    assert_eq!(linked, free, "S2");
}

#[test]
fn a_slot_is_retired_before_its_generations_begin_again() {
    let mut slab = nearly_used_up::<Large>();
    let mut keys = Vec::new();
    for n in 0..4 {
        let key = slab.insert([n; 1000]);
        assert_eq!((key.index(), key.generation()), (0, NEARLY_THE_LAST + 2 * u32::from(n)));
        assert_eq!(slab.remove(key), Some([n; 1000]));
        keys.push(key);
        check(&slab);
    }
    assert_eq!(slab.insert([9; 1000]).index(), 1, "slot 0 is out of use");
    assert_eq!((slab.stats().retired, slab.capacity()), (1, 63));
    assert!(keys.iter().all(|&key| !slab.contains(key)));
    check(&slab);
}

#[test]
fn a_slab_whose_slots_are_all_retired_takes_another_page() {
    let mut slab = nearly_used_up::<Large>();
    for n in 0..4 * 64 {
        let key = slab.insert([byte(n); 1000]);
        slab.remove(key);
    }
    assert_eq!((slab.capacity(), slab.stats().retired, slab.stats().pages), (0, 64, 1));
    assert_eq!(slab.insert([1; 1000]).index(), 64);
    check(&slab);
}

#[test]
fn a_page_with_a_retired_slot_is_kept() {
    let mut slab = nearly_used_up::<Large>();
    for _ in 0..4 {
        let key = slab.insert([0; 1000]);
        slab.remove(key);
    }
    assert_eq!(slab.trim(), 0, "its generations would be forgotten");
    assert_eq!(slab.stats().pages, 1);
    check(&slab);
}

#[test]
fn compacting_over_retired_slots_counts_them_out() {
    let mut slab = nearly_used_up::<Large>();
    // Slots 0..32 of the first page are out of use.
    for _ in 0..4 {
        let keys: Vec<_> = (0..32).map(|n| slab.insert([n; 1000])).collect();
        for key in keys {
            slab.remove(key);
        }
    }
    let keys: Vec<_> = (0..96).map(|n| slab.insert([n; 1000])).collect();
    assert_eq!((slab.stats().retired, slab.stats().pages), (32, 2));
    for &key in keys.iter().filter(|key| key.index() >= 64).step_by(2) {
        slab.remove(key);
    }
    let before = slab.len();
    let bytes = slab.compact(|_, _, _| {});
    assert_eq!((slab.len(), bytes), (before, 0), "32 and 32 do not fit the first page");
    check(&slab);
}

#[test]
fn a_released_page_forgets_no_generation() {
    let mut slab = Slab::<Large>::new();
    let mut stale = Vec::new();
    for n in 0..10 {
        let keys: Vec<_> = (0..100).map(|_| slab.insert([n; 1000])).collect();
        assert!(stale.iter().all(|&key| !slab.contains(key)), "in round {n}");
        stale.extend(keys);
        slab.clear();
        assert!(slab.trim() > 2 * 64 * 1000);
        assert_eq!((slab.stats().pages, slab.stats().released_pages), (0, 2));
        assert!(stale.iter().all(|&key| !slab.contains(key) && slab.remove(key).is_none()));
        check(&slab);
    }
}

#[test]
fn indices_run_out_with_an_error() {
    let mut slab = Slab::<Large>::new();
    let most = Shape::<Large>::MAX_PAGES * Shape::<Large>::SLOTS;
    assert!(most < 20_000, "few in tests");
    slab.try_reserve(most + 1).unwrap_err();
    let mut slab = Slab::<u8>::new();
    let most = Shape::<u8>::MAX_PAGES * Shape::<u8>::SLOTS;
    slab.extend((0..most).map(byte));
    let rejected = slab.try_insert(77).unwrap_err();
    assert_eq!(rejected.error().kind(), ErrorKind::IndicesExhausted);
    assert!(rejected.to_string().contains(&most.to_string()), "{rejected}");
    assert_eq!((rejected.into_value(), slab.len()), (77, most));
    let first = slab.keys().next().unwrap();
    slab.remove(first);
    assert_eq!(slab.insert(1).index(), first.index(), "usable afterwards");
    check(&slab);
}

#[test]
fn more_than_there_are_indices_is_refused_before_memory_is_taken() {
    let mut slab = Slab::new_in(FailAt::new(Checked::new(Global), 0));
    slab.insert([0u64; 8]);
    let calls = slab.backing().calls();
    for count in [usize::MAX, 1 << 40, Shape::<[u64; 8]>::MAX_PAGES << Shape::<[u64; 8]>::SHIFT] {
        let error = slab.try_reserve(count).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::IndicesExhausted, "{count}");
    }
    assert_eq!(slab.backing().calls(), calls);
    let mut limited = Slab::new().with_limit(100);
    limited.insert(1u8);
    assert_eq!(limited.try_reserve(100).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(limited.try_reserve(99), Ok(()));
}

#[test]
fn the_free_list_stays_whole_through_everything() {
    let mut slab = Slab::<Large>::new();
    let mut keys: Vec<Key<Large>> = (0..1000).map(|n| slab.insert([byte(n); 1000])).collect();
    check(&slab);
    let mut number = 0;
    keys.retain(|&key| {
        number += 1;
        number % 7 == 0 || slab.remove(key).is_none()
    });
    check(&slab);
    let mut moved = Vec::new();
    assert!(slab.compact(|value, old, new| moved.push((value[0], old, new))) > 0);
    check(&slab);
    for (first, old, new) in moved {
        assert!(!slab.contains(old));
        assert_eq!(slab[new][0], first);
    }
    slab.reserve(500);
    check(&slab);
    slab.retain(|key, _| key.index() % 2 == 0);
    check(&slab);
    slab.drain().take(3).for_each(drop);
    check(&slab);
    slab.clear();
    check(&slab);
    slab.trim();
    check(&slab);
    slab.reserve(200);
    check(&slab);
}

#[test]
fn a_reserve_that_ends_half_way_keeps_what_it_got() {
    for fail_at in 1..12 {
        let mut slab = Slab::<Large, _>::new_in(FailAt::new(Checked::new(Global), fail_at));
        let done = slab.try_reserve(64 * 8);
        if slab.backing().calls() < fail_at {
            assert_eq!(done, Ok(()));
            continue;
        }
        assert_eq!(done.unwrap_err().kind(), ErrorKind::Backing);
        check(&slab);
        slab.try_reserve(64 * 8).unwrap();
        check(&slab);
        slab.extend((0..64 * 8).map(|n| [byte(n); 1000]));
        check(&slab);
    }
}

#[test]
fn limits_that_end_within_a_page_are_kept() {
    let mut slab = Slab::<Large>::new().with_limit(70);
    slab.extend((0..70).map(|n| [n; 1000]));
    let rejected = slab.try_insert([0; 1000]).unwrap_err();
    assert_eq!(rejected.error().kind(), ErrorKind::Full);
    assert_eq!((slab.capacity(), slab.limit()), (70, 70));
    check(&slab);
    slab.retain(|key, _| key.index() < 64);
    assert!(slab.trim() > 0);
    check(&slab);
    slab.extend((0..6).map(|n| [n; 1000]));
    assert!(slab.try_insert([0; 1000]).is_err());
    check(&slab);
}

#[cfg(all(feature = "reserve", unix))]
#[test]
fn reserved_pages_stay_whole_too() {
    let mut slab = Slab::<Large, _>::try_reserved(1000).unwrap();
    slab.extend((0..1000).map(|n| [byte(n); 1000]));
    assert_eq!(slab.try_insert([0; 1000]).unwrap_err().error().kind(), ErrorKind::Full);
    check(&slab);
    let keys: Vec<_> = slab.keys().collect();
    slab.retain(|key, _| !(64..640).contains(&key.index()));
    let held = slab.reserved_bytes();
    let bytes = slab.trim();
    assert!(bytes >= 9 * 60_000, "{bytes}");
    assert_eq!(slab.reserved_bytes(), held - bytes);
    check(&slab);
    assert!(keys.iter().filter(|key| slab.contains(**key)).count() == slab.len());
    slab.extend((0..576).map(|n| [byte(n); 1000]));
    assert_eq!((slab.len(), slab.reserved_bytes()), (1000, held));
    check(&slab);
    for key in keys {
        assert_eq!(slab.contains(key), !(64..640).contains(&key.index()), "{key:?}");
    }
}

/// The system refuses to take back memory that is locked. The page is released all the same, and its
/// slots must leave the free list though no byte was had.
#[cfg(all(feature = "reserve", target_os = "linux"))]
#[test]
fn a_page_that_the_system_does_not_take_back_leaves_the_free_list() {
    let mut slab = Slab::<Large, _>::try_reserved(1000).unwrap();
    slab.extend((0..128).map(|n| [n; 1000]));
    let keys: Vec<_> = slab.keys().collect();
    let middle = (&raw const slab[keys[32]]).cast::<u8>();
    // Asked directly: sanitizers put a `mlock` that does nothing before the C library's.
    // SAFETY: an address of the slab's; locking memory changes nothing of it.
    let refused = unsafe { libc::syscall(libc::SYS_mlock, middle, 1_usize) };
    if refused != 0 {
        let error = std::io::Error::last_os_error();
        assert!(matches!(error.raw_os_error(), Some(libc::EPERM | libc::ENOMEM)), "{error}");
        std::eprintln!("not run: this process may not lock a page of memory ({error})");
        return;
    }
    slab.retain(|key, _| key.index() >= 64);
    assert_eq!((slab.trim(), slab.stats().released_pages), (0, 1));
    check(&slab);
    let again: Vec<_> = (0..64).map(|n| slab.insert([n; 1000])).collect();
    check(&slab);
    assert_eq!(slab.len(), 128);
    for (n, &key) in again.iter().enumerate() {
        assert_eq!(slab[key], [byte(n); 1000]);
    }
    assert!(keys.iter().enumerate().all(|(n, &key)| slab.contains(key) == (n >= 64)));
}

#[cfg(all(feature = "reserve", unix))]
#[test]
fn alignments_above_that_of_system_pages_are_refused_when_built() {
    #[repr(align(1048576))]
    struct Wide(#[expect(dead_code, reason = "has a size")] u8);
    let error = Slab::<Wide, _>::try_reserved(10).map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.align()), (ErrorKind::Backing, 1 << 20));
}

#[test]
fn a_slab_knows_its_keys_from_those_of_another() {
    let mut slabs: Vec<Slab<u32>> = (0..100).map(|_| Slab::new()).collect();
    let keys: Vec<Vec<_>> =
        slabs.iter_mut().map(|slab| (0..10).map(|n| slab.insert(n)).collect()).collect();
    for (number, slab) in slabs.iter().enumerate() {
        for (other, keys) in keys.iter().enumerate() {
            assert!(keys.iter().all(|&key| slab.contains(key) == (number == other)));
        }
    }
}

#[test]
fn the_default_store_is_pages_of_the_global_allocator() {
    let slab: Slab<Box<u8>, Pages> = Slab::default();
    assert_eq!((slab.reserved_bytes(), slab.capacity()), (0, 0), "nothing is taken yet");
}
