//! What a slab promises, feature by feature.
#![cfg(not(loom))]

use alloc_core::ErrorKind;
use alloc_slab::{DisjointError, Key, Slab, Store};
use core::cell::Cell;
use std::collections::HashMap;

#[test]
fn keys_name_their_values_until_they_are_removed() {
    let mut slab = Slab::new();
    let a = slab.insert("a");
    let b = slab.insert("b");
    assert_eq!((slab[a], slab[b], slab.len()), ("a", "b", 2));
    assert_eq!(slab.remove(a), Some("a"));
    assert_eq!((slab.remove(a), slab.get(a), slab.contains(a)), (None, None, false));
    let c = slab.insert("c");
    assert_eq!(c.index(), a.index(), "the slot is used again");
    assert_ne!(c, a, "under another key");
    assert_eq!((slab.remove(a), slab.get(a), slab[c]), (None, None, "c"));
    // SAFETY: the slab contains `c`.
    *unsafe { slab.get_unchecked_mut(c) } = "d";
    // SAFETY: as above.
    assert_eq!((*unsafe { slab.get_unchecked(c) }, slab[b]), ("d", "b"));
}

#[test]
fn keys_are_small_ordered_and_numbers() {
    assert_eq!(size_of::<Key<String>>(), 8);
    assert_eq!(size_of::<Option<Key<String>>>(), 8);
    let mut slab = Slab::new();
    let keys: Vec<_> = (0..100).map(|n| slab.insert(n)).collect();
    let by_key: HashMap<_, _> = keys.iter().map(|&key| (key, slab[key])).collect();
    for &key in &keys {
        assert_eq!(Key::from_bits(key.to_bits()), Some(key));
        assert_eq!(by_key[&key], slab[key]);
        assert!(key.generation() % 2 == 1);
    }
    assert!(keys.is_sorted());
    let key: Key<u8> = Key::from_bits(3 << 32 | 7).unwrap();
    assert_eq!(format!("{key:?}"), "Key(7, generation 3)");
    assert_eq!(Key::<u8>::from_bits(0), None);
    assert_eq!(Key::<u8>::from_bits(2 << 32 | 7), None, "no value has an even generation");
}

#[test]
fn forged_keys_are_refused() {
    let mut slab = Slab::new();
    let key = slab.insert(1);
    slab.insert(2);
    let gone = slab.insert(3);
    slab.remove(gone);
    for bits in [1 << 32, u64::MAX, key.to_bits() ^ 1 << 63, key.to_bits() | u64::from(u32::MAX)] {
        let forged = Key::from_bits(bits).unwrap();
        assert!(!slab.contains(forged) && slab.remove(forged).is_none(), "{forged:?}");
    }
    // The state that the vacant slot has now, made odd.
    let next = Key::from_bits(gone.to_bits() + (2 << 32)).unwrap();
    assert!(!slab.contains(next));
    assert_eq!(slab.insert(4), next);
}

#[test]
fn keys_of_another_slab_are_refused() {
    let (mut a, mut b) = (Slab::new(), Slab::new());
    let keys: Vec<_> = (0..1000).map(|n| a.insert(n)).collect();
    b.extend(0..1000);
    assert!(keys.iter().all(|&key| !b.contains(key)));
    // As long as slots are used a few times, that is certain.
    for _ in 0..20 {
        b.clear();
        b.extend(0..1000);
        assert!(keys.iter().all(|&key| !b.contains(key)));
    }
}

#[test]
fn values_stay_where_they_are() {
    let mut slab = Slab::new();
    let keys: Vec<_> = (0..100).map(|n| slab.insert([n; 10])).collect();
    let places: Vec<_> = keys.iter().map(|&key| &raw const slab[key]).collect();
    slab.extend((0..100_000).map(|n| [n; 10]));
    slab.retain(|_, value| value[0] % 100 < 2);
    slab.trim();
    let mut moved = slab;
    moved.insert([7; 10]);
    for n in [0, 1] {
        assert_eq!(&raw const moved[keys[n]], places[n]);
        assert_eq!(moved[keys[n]], [n; 10]);
    }
}

#[test]
fn an_entry_knows_its_key() {
    struct Node(Key<Node>);
    let mut slab = Slab::new();
    let entry = slab.vacant_entry();
    let key = entry.key();
    assert_eq!(entry.insert(Node(key)).0, key);
    assert_eq!(slab[key].0, key);
    let unused = slab.vacant_entry().key();
    assert!(!slab.contains(unused));
    let with = slab.insert_with(Node);
    assert_eq!((with, slab[with].0), (unused, with), "the entry took nothing");
}

#[test]
fn several_values_can_be_changed_at_once() {
    let mut slab = Slab::new();
    let [a, b, c] = [1, 2, 3].map(|n| slab.insert(n));
    let [x, y] = slab.get_disjoint_mut([c, a]).unwrap();
    core::mem::swap(x, y);
    assert_eq!([a, b, c].map(|key| slab[key]), [3, 2, 1]);
    let error = slab.get_disjoint_mut([a, b, a]).unwrap_err();
    assert_eq!(error, DisjointError::Equal { first: 0, second: 2 });
    slab.remove(b);
    let error = slab.get_disjoint_mut([a, c, b, b]).unwrap_err();
    assert_eq!(error, DisjointError::Stale { position: 2 });
    assert_eq!(error.to_string(), "key 2 names no value of this slab");
    assert_eq!(slab.get_disjoint_mut([]), Ok([]));
}

#[test]
fn iteration_visits_every_value_once_at_any_share_of_holes() {
    for kept in [1, 2, 7, 63, 64, 65, 1000, 4999] {
        let mut slab = Slab::new();
        let keys: Vec<_> = (0..5000u64).map(|n| slab.insert(n)).collect();
        for (n, &key) in keys.iter().enumerate() {
            if n % kept != 0 {
                slab.remove(key);
            }
        }
        let expected: Vec<_> = (0..5000).step_by(kept).collect();
        assert!(slab.values().copied().eq(expected.iter().copied()), "next");
        let mut folded = Vec::new();
        slab.values().for_each(|&n| folded.push(n));
        assert_eq!(folded, expected, "fold");
        let mut rest = slab.iter();
        rest.next();
        let copy = rest.clone();
        assert_eq!(rest.len(), expected.len() - 1);
        assert_eq!(copy.fold(0, |sum, (_, n)| sum + n), expected.iter().sum(), "from the middle");
        slab.values_mut().for_each(|n| *n += 1);
        for (key, n) in &mut slab {
            assert_eq!(keys[usize::try_from(*n).unwrap() - 1], key);
        }
        assert!(slab.keys().all(|key| slab.contains(key)));
    }
    let empty: Slab<u8> = Slab::new();
    assert_eq!((empty.iter().next(), empty.values().count()), (None, 0));
}

#[test]
fn values_without_size_and_of_any_alignment() {
    let mut slab = Slab::new();
    let keys: Vec<_> = (0..10_000).map(|_| slab.insert(())).collect();
    assert_eq!((slab.len(), slab.used_bytes(), slab.iter().count()), (10_000, 0, 10_000));
    assert!(keys.into_iter().all(|key| slab.remove(key) == Some(())));

    #[repr(align(4096))]
    struct Page(u8);
    let mut pages = Slab::new();
    let keys: Vec<_> = (0..100).map(|n| pages.insert(Page(n))).collect();
    assert!(keys.iter().all(|&key| (&raw const pages[key]).addr().is_multiple_of(4096)));
    assert!(pages.values().map(|page| page.0).eq(0..100));

    #[repr(align(64))]
    struct None;
    let mut none = Slab::new();
    let key = none.insert(None);
    assert!((&raw const none[key]).addr().is_multiple_of(64));
}

#[test]
fn into_iter_and_drain_give_every_value_with_its_key() {
    let mut slab: Slab<_> = (0..1000).map(|n| n.to_string()).collect();
    let keys: Vec<_> = slab.keys().collect();
    let drained: Vec<_> = slab.drain().collect();
    assert!(drained.iter().zip(&keys).all(|((key, _), other)| key == other));
    assert!(drained.iter().map(|(_, value)| value).cloned().eq((0..1000).map(|n| n.to_string())));
    assert!(slab.is_empty() && keys.iter().all(|&key| !slab.contains(key)));
    slab.extend(["x".to_owned(), "y".to_owned()]);
    let mut rest = slab.into_iter();
    assert_eq!(rest.len(), 2);
    rest.next().unwrap();
}

#[test]
fn compacting_makes_as_few_pages_do_as_can() {
    let mut slab = Slab::new();
    let mut keys: Vec<_> = (0..6400u64).map(|n| (n, slab.insert([n; 125]))).collect();
    assert_eq!(slab.stats().pages, 100);
    // One page almost full, the others with one or two values each.
    keys.retain(|&(n, key)| {
        let stays = (640..700).contains(&n) || n % 64 == 3 || n % 128 == 70;
        stays || slab.remove(key).is_none()
    });
    let mut moved = HashMap::new();
    let held = slab.reserved_bytes();
    let bytes = slab.compact(|value, old, new| {
        assert!(!(640..700).contains(&value[0]), "the fullest page stays");
        moved.insert(old, new);
    });
    assert_eq!(slab.stats().pages, keys.len().div_ceil(64));
    assert_eq!(slab.reserved_bytes(), held - bytes);
    for (n, key) in keys {
        let now = *moved.get(&key).unwrap_or(&key);
        assert_eq!(slab[now], [n; 125]);
        assert_eq!(now == key, slab.contains(key), "the old key is stale");
    }
    assert_eq!(slab.compact(|_, _, _| panic!("nothing to move")), 0);
    slab.clear();
    slab.compact(|_, _, _| panic!("nothing to move"));
    assert_eq!(slab.stats().pages, 0);
}

#[test]
fn reserving_is_kept_and_refused_in_time() {
    let mut slab = Slab::<[u64; 8]>::with_capacity(1000);
    let held = slab.reserved_bytes();
    assert!(slab.capacity() >= 1000);
    slab.extend((0..1000).map(|n| [n; 8]));
    assert_eq!((slab.reserved_bytes(), slab.stats().slow_calls), (held, 2), "2 pages of 512");
    assert!(slab.values().map(|value| value[0]).eq(0..1000), "filled from the lowest slot on");
    let error = slab.try_reserve(usize::MAX).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::IndicesExhausted);
    assert_eq!(
        error.to_string(),
        format!("more values than the {} indices that there are", error.remaining_bytes())
    );
}

#[test]
fn brands_and_plain_keys_convert() {
    let mut slab = Slab::new();
    let outside = slab.insert(1);
    let inside = slab.branded(|mut slab| {
        let outside = slab.adopt(outside).unwrap();
        let inside = slab.insert_with(|_| 2);
        slab[outside] += 10;
        assert_eq!((slab[outside], slab.get(inside), slab.slab().len()), (11, Some(&2), 2));
        assert_eq!(slab.keys().count(), 2);
        assert!(slab.contains(outside) && slab.try_insert(3).is_ok());
        *slab.get_mut(inside).unwrap() = 5;
        slab.slab_mut().remove(outside.key());
        assert_eq!(slab.get(outside), None, "stale, and no more");
        assert_eq!(slab.remove(outside), None);
        assert!(slab.adopt(outside.key()).is_none());
        inside.key()
    });
    assert_eq!(slab[inside], 5);
}

#[test]
#[should_panic(expected = "slab of 1 values: none has the key of slot 0, generation")]
fn indexing_with_a_stale_key_panics_and_names_it() {
    let mut slab = Slab::new();
    let key = slab.insert(1);
    slab.remove(key);
    slab.insert(2);
    let _ = slab[key];
}

/// Values may be larger than the stack has room for.
#[test]
fn values_are_dropped_where_they_stand() {
    struct Tells<'a>(&'a Cell<usize>);
    impl Drop for Tells<'_> {
        fn drop(&mut self) {
            self.0.set((&raw const *self).addr());
        }
    }
    let dropped_at = Cell::new(0);
    let empty: [fn(&mut Slab<Tells<'_>>); 4] = [
        |slab| slab.clear(),
        |slab| slab.retain(|_, _| false),
        |slab| drop(slab.drain()),
        |slab| drop(core::mem::take(slab)),
    ];
    for empty in empty {
        let mut slab = Slab::new();
        let key = slab.insert(Tells(&dropped_at));
        let place = (&raw const slab[key]).addr();
        empty(&mut slab);
        assert_eq!(dropped_at.get(), place);
    }
}

#[test]
fn a_branded_slab_without_room_says_so() {
    Slab::new().with_limit(1).branded(|mut slab| {
        let key = slab.try_insert_with(|key| key.key().index()).unwrap();
        assert_eq!(slab[key], 0);
        let error = slab.try_insert_with(|_| unreachable!("no room")).unwrap_err();
        assert_eq!(
            (error.kind(), slab.try_insert(7).unwrap_err().into_value()),
            (ErrorKind::Full, 7)
        );
    });
}

#[test]
fn a_branded_slab_can_be_gone_through() {
    let mut slab: Slab<u32> = (0..100).collect();
    slab.branded(|mut slab| {
        assert_eq!(slab.iter().len(), 100);
        assert!(slab.iter().all(|(key, value)| slab[key] == *value));
        for (key, value) in slab.iter_mut() {
            assert_eq!(key.key().index(), *value as usize);
            *value += 1;
        }
        slab.retain(|key, value| key.key().index() + 1 == *value as usize && *value % 2 == 0);
        assert!(slab.iter().map(|(_, value)| *value).eq((2..=100).step_by(2)));
        let first = slab.keys().next().unwrap();
        let mut drained = slab.drain();
        assert!(drained.next().is_some_and(|(key, value)| key == first && value == 2));
        drop(drained);
        assert!(!slab.contains(first) && slab.slab().is_empty());
    });
}

#[test]
fn a_limit_is_never_above_what_was_reserved() {
    fn full(mut slab: Slab<usize, impl Store>, most: usize) {
        assert_eq!(slab.limit(), most);
        slab.extend(0..most);
        let rejected = slab.try_insert(0).unwrap_err();
        assert_eq!(rejected.error().kind(), ErrorKind::Full);
        assert!(rejected.to_string().ends_with(&format!("the limit is {most} values")));
    }
    #[cfg(unix)]
    for (limit, most) in [(usize::MAX, 100), (101, 100), (100, 100), (99, 99), (0, 0)] {
        let slab = Slab::reserved(100).with_limit(limit);
        full(slab, most);
        // It may be raised again, up to there.
        full(Slab::reserved(100).with_limit(1).with_limit(limit), most);
    }
    assert_eq!(Slab::<u8>::new().limit(), usize::MAX);
    full(Slab::new().with_limit(0), 0);
    full(Slab::new().with_limit(700), 700);
}

#[test]
fn errors_name_the_value_and_the_limit() {
    let mut slab = Slab::new().with_limit(2);
    slab.extend([1u64, 2]);
    let rejected = slab.try_insert(3).unwrap_err();
    assert_eq!(rejected.to_string(), "no room for a value of 8 bytes: the limit is 2 values");
    #[cfg(all(feature = "reserve", unix))]
    {
        let error = Slab::<u64, _>::try_reserved(0).unwrap_err();
        let most = error.remaining_bytes();
        let text = format!("a capacity of 0 values is not in 1..={most} values");
        assert_eq!(error.to_string(), text);
        assert!(u32::try_from(most).is_ok_and(|most| most > u32::MAX / 2), "{most}");
    }
}

#[test]
#[should_panic(
    expected = "slab of 2 values: no room for a value of 8 bytes: the limit is 2 values"
)]
fn a_panic_names_the_limit() {
    let mut slab = Slab::new().with_limit(2);
    slab.extend([1u64, 2, 3]);
}

#[test]
fn debug_shows_keys_and_values() {
    let mut slab = Slab::new();
    let key = slab.insert("a");
    assert_eq!(format!("{slab:?}"), format!("{{{key:?}: \"a\"}}"));
    assert_eq!(format!("{:?}", slab.iter()), "Iter { left: 1, .. }");
}

#[test]
fn values_may_refer_to_what_dies_with_the_slab() {
    // As with `Vec`: the slab itself does not look at its values when it is dropped.
    let (slab, text);
    text = String::from("text");
    slab = Slab::from_iter([text.as_str()]);
    assert_eq!(slab.values().next(), Some(&"text"));
}
