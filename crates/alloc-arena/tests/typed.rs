//! `TypedArena`: contents, drops, indices, panics, reentrancy, running out of memory.
#![cfg(not(loom))]

use alloc_arena::{ErrorKind, Index32, TypedArena};
use alloc_core::testing::{Checked, FailAt};
use alloc_core::{AllocError, Allocator, Global, Layout};
use core::cell::{Cell, RefCell};
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;

/// Refuses two requests, and checks its user.
type Refusing = FailAt<FailAt<Checked<Global>>>;

fn refusing([first, second]: [usize; 2]) -> Refusing {
    // The inner one does not see the request that the outer one refuses.
    FailAt::new(FailAt::new(Checked::new(Global), second - 1), first)
}

/// Notes its number when it is dropped, and panics if that is asked.
struct Noisy<'a> {
    number: usize,
    dropped: &'a RefCell<Vec<usize>>,
    panics: bool,
}

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        self.dropped.borrow_mut().push(self.number);
        if self.panics {
            resume_unwind(Box::new(()));
        }
    }
}

fn noisy(number: usize, dropped: &RefCell<Vec<usize>>) -> Noisy<'_> {
    Noisy { number, dropped, panics: false }
}

fn unwinds(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

#[test]
fn values_stay_where_they_are_over_many_chunks() {
    let arena = TypedArena::new_in(Checked::new(Global));
    let values: Vec<&mut u64> = (0..10_000).map(|n| arena.alloc(n)).collect();
    assert!(values.iter().enumerate().all(|(n, value)| **value == n as u64));
    values.into_iter().for_each(|value| *value += 1);
    let mut arena = arena;
    assert_eq!(arena.len(), 10_000);
    assert_eq!(arena.iter_mut().len(), 10_000);
    assert!(arena.iter_mut().enumerate().all(|(n, value)| *value == n as u64 + 1));
    assert!(arena.into_iter().eq(1..=10_000));
}

#[test]
fn nothing_is_taken_before_the_first_value() {
    let arena = TypedArena::<u64, _>::new_in(FailAt::new(Global, 0));
    assert_eq!((arena.backing().calls(), arena.reserved_bytes(), arena.len()), (0, 0, 0));
    assert!(arena.is_empty());
    let arena = TypedArena::<u64>::with_capacity(0);
    assert_eq!(arena.reserved_bytes(), 0);
}

#[test]
fn capacities_are_honoured_to_the_last_value() {
    for capacity in [1, 2, 63, 64, 65, 127, 128, 129, 1000, 5000] {
        let mut arena = TypedArena::try_with_capacity_in(capacity, refusing([2, 3])).unwrap();
        assert!(arena.capacity() >= capacity);
        for n in 0..arena.capacity() {
            assert!(arena.try_alloc(n).is_ok(), "value {n} of {capacity}");
        }
        assert_eq!(arena.backing().calls(), 1, "room for {capacity} from the start");
        let rejected = arena.try_alloc_index(7).unwrap_err();
        assert_eq!(rejected.error().kind(), ErrorKind::Backing);
        assert_eq!(rejected.into_value(), 7);
        arena.alloc(8); // the fourth request is served
        assert_eq!(arena.iter_mut().last(), Some(&mut 8));
    }
}

#[test]
fn sizes_beyond_the_address_space_are_errors() {
    let error = TypedArena::<[u64; 4]>::try_with_capacity(usize::MAX / 16).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
    let arena = TypedArena::<u16>::new();
    for count in [usize::MAX, usize::MAX / 2, isize::MAX.unsigned_abs()] {
        assert_eq!(arena.try_reserve(count).unwrap_err().kind(), ErrorKind::CapacityOverflow);
    }
    let endless = core::iter::repeat_n(1u16, usize::MAX);
    assert_eq!(arena.try_alloc_from_iter(endless).unwrap_err().kind(), ErrorKind::CapacityOverflow);
    assert_eq!(*arena.alloc(3), 3, "and the arena is usable");
}

#[test]
fn a_refused_doubling_is_retried_with_what_is_needed() {
    // Calls: 1 the first chunk, 2 its double (refused), 3 one value alone.
    let arena = TypedArena::new_in(FailAt::new(Checked::new(Global), 2));
    for n in 0..129u64 {
        arena.alloc(n);
    }
    assert_eq!(arena.backing().calls(), 3);
    assert_eq!(arena.reserved_bytes(), 1024 + 8);
    arena.alloc(129);
    assert!(arena.into_iter().eq(0..130));
}

#[test]
fn drops_run_once_and_oldest_first() {
    let dropped = RefCell::new(Vec::new());
    {
        let arena = TypedArena::new_in(Checked::new(Global));
        for n in 0..100 {
            arena.alloc(noisy(n, &dropped));
        }
        assert!(dropped.borrow().is_empty());
    }
    assert!(dropped.borrow().iter().copied().eq(0..100));
}

#[test]
fn clear_drops_everything_and_keeps_the_largest_chunk() {
    let dropped = RefCell::new(Vec::new());
    let mut arena = TypedArena::new_in(FailAt::new(Checked::new(Global), 0));
    for round in 0..5 {
        let before = arena.backing().calls();
        (0..300).for_each(|n| _ = arena.alloc(noisy(n, &dropped)));
        if round > 1 {
            assert_eq!(arena.backing().calls(), before, "round {round} asked for memory");
        }
        arena.clear();
        assert!(dropped.take().into_iter().eq(0..300));
        assert!(arena.is_empty() && arena.reserved_bytes() > 0);
    }
    let stats = arena.stats();
    assert_eq!((stats.resets, stats.used_bytes, stats.peak_bytes), (5, 0, 300 * 24));
    assert_eq!((stats.allocs, stats.frees), (Some(1500), Some(1500)));
    let held = arena.reserved_bytes();
    assert_eq!(arena.trim(), held);
    assert_eq!((arena.trim(), arena.reserved_bytes(), arena.capacity()), (0, 0, 0));
    arena.alloc(noisy(1, &dropped));
}

#[test]
fn a_panicking_drop_keeps_no_other_from_its_own() {
    let dropped = RefCell::new(Vec::new());
    // In the first chunk, in a later one, and last.
    for panicking in [3, 50, 99] {
        let value = |n| Noisy { number: n, dropped: &dropped, panics: n == panicking };
        let fill = || {
            let arena = TypedArena::new_in(Checked::new(Global));
            (0..100).for_each(|n| _ = arena.alloc(value(n)));
            arena
        };
        let arena = fill();
        assert!(unwinds(|| drop(arena)));
        assert!(dropped.take().into_iter().eq(0..100));

        let mut arena = fill();
        assert!(unwinds(|| arena.clear()));
        assert!(dropped.take().into_iter().eq(0..100));
        assert!(arena.is_empty());
        arena.alloc(noisy(7, &dropped));
        drop(arena);
        assert_eq!(dropped.take(), [7]);

        let mut arena = fill();
        assert!(unwinds(|| drop(arena.drain())));
        assert!(dropped.take().into_iter().eq(0..100));
        assert!(arena.is_empty());

        let arena = fill();
        assert!(unwinds(|| drop(arena.into_iter().take(2))));
        assert!(dropped.take().into_iter().eq(0..100));
    }
}

#[test]
fn drained_values_are_the_callers_and_the_rest_is_dropped() {
    let dropped = RefCell::new(Vec::new());
    let mut arena = TypedArena::new_in(Checked::new(Global));
    (0..200).for_each(|n| _ = arena.alloc(noisy(n, &dropped)));
    let mut drain = arena.drain();
    let first: Vec<_> = drain.by_ref().take(120).collect();
    assert_eq!((drain.len(), dropped.borrow().len()), (80, 0));
    drop(drain);
    assert!(dropped.take().into_iter().eq(120..200));
    assert!(first.iter().enumerate().all(|(n, value)| value.number == n));
    drop(first);
    dropped.take();
    // A forgotten drain leaks what it had, and nothing is seen twice.
    (0..10).for_each(|n| _ = arena.alloc(noisy(n, &dropped)));
    let _ = ManuallyDrop::new(arena.drain());
    assert!(arena.is_empty());
    (20..200).for_each(|n| _ = arena.alloc(noisy(n, &dropped)));
    drop(arena);
    assert!(dropped.take().into_iter().eq(20..200));
}

#[test]
fn into_vec_hands_the_memory_over_where_it_is_one_piece() {
    let mut arena = TypedArena::new();
    for n in 0..1000u32 {
        arena.alloc_index(n);
    }
    let place = arena.as_slice().as_ptr();
    let vec = arena.into_vec();
    assert_eq!(vec.as_ptr(), place, "no copy");
    assert!(vec.iter().copied().eq(0..1000));

    let arena = TypedArena::new();
    (0..1000u32).for_each(|n| _ = arena.alloc(n));
    let mut vec = arena.into_vec();
    vec.push(1000);
    assert!(vec.into_iter().eq(0..=1000));
    assert!(TypedArena::<String>::new().into_vec().is_empty());
    let unit: Vec<()> = core::iter::repeat_n((), 5).collect::<TypedArena<_>>().into_vec();
    assert_eq!(unit.len(), 5);
    let strings: TypedArena<String> = (0..50).map(|n| n.to_string()).collect();
    assert_eq!(strings.into_vec()[49], "49");
}

#[test]
fn slices_are_in_one_piece_whatever_the_iterator_announces() {
    let mut arena = TypedArena::new_in(Checked::new(Global));
    arena.alloc(0usize);
    // Announced exactly, not at all, and too little.
    assert!(arena.alloc_from_iter(1..600).iter().copied().eq(1..600));
    assert!(arena.alloc_extend((600..2000).filter(|_| true)).iter().copied().eq(600..2000));
    let chained = (2000..2010).chain((2010..3000).filter(|_| true));
    assert!(arena.alloc_from_iter(chained).iter().copied().eq(2000..3000));
    assert_eq!(arena.alloc_from_iter([]), []);
    assert_eq!(arena.alloc_from_iter((0..10).filter(|_| false)), []);
    arena.alloc(3000);
    assert!(arena.iter_mut().map(|value| *value).eq(0..=3000));
    assert!(arena.make_contiguous().iter().copied().eq(0..=3000));
    assert_eq!(TypedArena::new().alloc_str("wörter"), "wörter");
}

#[test]
fn an_iterator_may_allocate_from_the_arena_it_feeds() {
    for (fits, elements) in [(true, 10), (false, 300)] {
        let arena = TypedArena::with_capacity(if fits { 100 } else { 4 });
        let outer = arena.alloc_from_iter((0..elements).map(|n| {
            let single = arena.alloc(10_000 + n);
            let inner = arena.alloc_from_iter((0..n % 7).filter(|_| true).map(|m| 20_000 + m));
            assert!(inner.iter().copied().eq((0..n % 7).map(|m| 20_000 + m)));
            *single - 10_000
        }));
        assert!(outer.iter().copied().eq(0..elements));
        let mut arena = arena;
        assert_eq!(arena.len(), arena.iter_mut().count());
        let mut all: Vec<usize> = arena.into_iter().collect();
        all.sort_unstable();
        assert!(all[..elements].iter().copied().eq(0..elements));
        assert!(all[elements..2 * elements].iter().copied().eq(10_000..10_000 + elements));
    }
}

/// A tree whose nodes make their children while a list of them is collected: the memory follows the
/// values, and what an iterator allocates is older than its slice.
#[test]
fn slices_whose_iterators_allocate_waste_nothing() {
    let mut arena = TypedArena::new_in(Checked::new(Global));
    let mut expected = Vec::new();
    for n in 0..1000u64 {
        let children = (0..3).filter(|_| true).map(|child| {
            let inner = arena.alloc_from_iter((0..2).map(|_| *arena.alloc(n) + child));
            inner[0] + inner[1]
        });
        assert_eq!(*arena.alloc_from_iter(children), [2 * n, 2 * n + 2, 2 * n + 4]);
        expected.extend((0..3).flat_map(|child| [n, n, n + child, n + child]));
        expected.extend((0..3).map(|child| 2 * n + 2 * child));
    }
    let stats = arena.stats();
    assert!(stats.reserved_bytes < 4 * stats.used_bytes, "{stats:?}");
    assert!(arena.iter_mut().map(|value| *value).eq(expected));
}

#[test]
fn an_iterator_that_allocates_the_first_chunk_of_the_arena_it_feeds() {
    for take in [0, 1, 300] {
        let arena = TypedArena::new_in(Checked::new(Global));
        let fed = arena.alloc_from_iter((0..take.max(1)).filter_map(|n| {
            arena.alloc((10_000 + n).to_string());
            (n < take).then(|| n.to_string())
        }));
        assert!(fed.iter().map(String::as_str).eq((0..take).map(|n| n.to_string())));
        let mut arena = arena;
        assert_eq!(arena.len(), (take + take.max(1)) as usize);
        let mut all: Vec<u32> = arena.iter_mut().map(|value| value.parse().unwrap()).collect();
        all.sort_unstable();
        assert!(all.into_iter().eq((0..take).chain((0..take.max(1)).map(|n| 10_000 + n))));
    }
}

#[test]
fn nested_slices_over_an_arena_without_size() {
    let arena = TypedArena::new();
    let outer = arena.alloc_from_iter((0..10).map(|_| {
        arena.alloc(());
        arena.alloc_from_iter([(), ()]);
    }));
    assert_eq!(outer.len(), 10);
    assert_eq!(arena.len(), 40);
}

#[test]
fn a_panicking_iterator_leaves_nothing_of_its_slice() {
    let dropped = RefCell::new(Vec::new());
    for nested in [false, true] {
        for end in [0, 5, 200] {
            let arena = TypedArena::new_in(Checked::new(Global));
            arena.alloc(noisy(1000, &dropped));
            assert!(unwinds(|| {
                arena.alloc_from_iter((0..).filter(|_| true).map(|n| {
                    if n == end {
                        resume_unwind(Box::new(()));
                    }
                    if nested && n % 50 == 0 {
                        arena.alloc(noisy(2000 + n, &dropped));
                    }
                    noisy(n, &dropped)
                }));
            }));
            assert!(dropped.take().into_iter().eq(0..end), "the slice's own, and no other");
            arena.alloc(noisy(1001, &dropped));
            let kept = arena.len();
            drop(arena);
            let dropped = dropped.take();
            assert_eq!(dropped.len(), kept);
            assert!(dropped.iter().all(|&n| n >= 1000));
        }
    }
}

#[test]
fn an_element_that_panics_while_its_slice_is_given_up() {
    let dropped = RefCell::new(Vec::new());
    let backing = UpTo(8 * size_of::<Noisy<'_>>());
    let arena = TypedArena::try_with_capacity_in(8, backing).unwrap();
    let room = arena.capacity();
    // No memory for a larger chunk: the elements are dropped, and one of those panics.
    let values =
        (0..).filter(|_| true).map(|n| Noisy { number: n, dropped: &dropped, panics: n == 2 });
    assert!(unwinds(|| drop(arena.try_alloc_from_iter(values))));
    let mut all = dropped.take();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..=room), "also the one that found no room");
    (0..room).for_each(|n| assert!(arena.try_alloc(noisy(n, &dropped)).is_ok()));
}

#[test]
fn indices_are_numbers_and_reach_values_of_both_kinds() {
    let mut arena = TypedArena::new();
    arena.alloc(String::from("lent"));
    assert_eq!((arena.len(), arena.indexed_len()), (1, 0), "a loan may still live");
    let first = Index32::from_usize(0).unwrap();
    assert_eq!(arena.get(first), None);
    let second = arena.alloc_index(String::from("indexed"));
    assert_eq!(second.to_usize(), 1);
    assert_eq!(arena[first], "lent", "loans ended with the exclusive call");
    let third = arena.alloc(String::from("third"));
    third.push('!');
    assert_eq!((arena.indexed_len(), arena.iter().len()), (2, 2));
    arena[second].push('?');
    assert_eq!(arena.make_contiguous().len(), 3);
    assert_eq!(arena.iter().collect::<Vec<_>>(), ["lent", "indexed?", "third!"]);
    let indices: Vec<_> = arena.indices().collect();
    assert_eq!(indices, [first, second, Index32::from_usize(2).unwrap()]);
    assert_eq!(arena.get_mut(indices[2]).map(|value| value.len()), Some(6));
    assert!(first < second && format!("{second:?}") == "Index32(1)");
}

#[test]
fn a_reference_and_an_index_access_live_side_by_side() {
    let mut arena = TypedArena::new();
    let old: Vec<_> = (0..100u64).map(|n| arena.alloc_index(n)).collect();
    let lent: Vec<&mut u64> = (100..5000).map(|n| arena.alloc(n)).collect();
    assert!(old.iter().all(|&index| arena[index] == index.to_usize() as u64));
    lent.into_iter().for_each(|value| *value *= 2);
    let last = arena.alloc_index(9);
    assert_eq!(last.to_usize(), 5000);
    for (number, index) in arena.indices().enumerate() {
        let expected = match number as u64 {
            5000 => 9,
            n if n < 100 => n,
            n => 2 * n,
        };
        assert_eq!(arena[index], expected);
    }
}

#[test]
fn foreign_and_stale_indices_are_refused_or_another_value() {
    let (mut small, mut large) = (TypedArena::new(), TypedArena::new());
    let zero = small.alloc_index(1u8);
    let nine = (0..10).map(|n| large.alloc_index(n)).last().unwrap();
    assert_eq!(small.get(nine), None);
    assert_eq!(small.get_mut(nine), None);
    assert_eq!(large[zero], 0, "another value of that number");
    large.clear();
    assert_eq!(large.get(nine), None);
    assert_eq!(TypedArena::<u8>::new().get(zero), None);
    assert_eq!(large.get(Index32::from_usize(u32::MAX as usize - 1).unwrap()), None);
    assert_eq!(Index32::<u8>::from_usize(u32::MAX as usize), None);
    assert_eq!(Index32::<u8>::from_usize(usize::MAX), None);
}

#[test]
#[should_panic(expected = "typed arena: no value has index 3, of 1 that have one")]
fn a_foreign_index_panics_by_name() {
    let mut arena = TypedArena::new();
    arena.alloc_index(1u8);
    let _ = arena[Index32::from_usize(3).unwrap()];
}

#[test]
fn values_without_size_are_counted_and_dropped() {
    thread_local!(static DROPS: Cell<usize> = const { Cell::new(0) });
    struct Unit;
    impl Drop for Unit {
        fn drop(&mut self) {
            DROPS.set(DROPS.get() + 1);
        }
    }
    let mut arena = TypedArena::new_in(FailAt::new(Global, 1));
    for _ in 0..10 {
        arena.alloc(Unit);
    }
    let index = arena.alloc_index(Unit);
    assert_eq!((index.to_usize(), arena.len(), arena.as_slice().len()), (10, 11, 11));
    assert!(arena.get(index).is_some());
    assert_eq!(arena.iter_mut().count(), 11);
    arena.clear();
    assert_eq!((DROPS.replace(0), arena.len()), (11, 0));
    arena.alloc_from_iter([Unit, Unit]);
    assert_eq!(arena.drain().take(1).count(), 1);
    assert_eq!(DROPS.replace(0), 2);
    arena.alloc(Unit);
    drop(arena);
    assert_eq!(DROPS.replace(0), 1);

    #[repr(align(4096))]
    struct Aligned;
    let arena = TypedArena::new();
    assert!((&raw const *arena.alloc(Aligned)).is_aligned());
    assert!(arena.alloc_from_iter([Aligned, Aligned]).as_ptr().is_aligned());
}

/// Behind other values without size, whose count is what stands in the cursor.
#[test]
fn values_without_size_are_aligned_when_they_are_dropped() {
    thread_local!(static PLACES: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });
    #[repr(align(64))]
    struct Aligned;
    impl Drop for Aligned {
        fn drop(&mut self) {
            PLACES.with_borrow_mut(|places| places.push(core::ptr::from_mut(self).addr()));
        }
    }
    let arena = TypedArena::new();
    arena.alloc(Aligned);
    let give_up = |n| if n == 3 { resume_unwind(Box::new(())) } else { Aligned };
    assert!(unwinds(|| _ = arena.alloc_from_iter((0..9).map(give_up))));
    assert_eq!(arena.alloc_from_iter((0..2).map(|_| Aligned)).len(), 2);
    drop(arena);
    let places = PLACES.take();
    assert_eq!(places.len(), 6);
    assert!(places.iter().all(|place| place.is_multiple_of(64)), "{places:x?}");
}

#[test]
fn over_aligned_values_are_aligned_in_every_chunk() {
    #[repr(align(256))]
    struct Aligned(u8);
    let mut arena = TypedArena::new_in(Checked::new(Global));
    let values: Vec<_> = (0..100).map(|n| arena.alloc(Aligned(n))).collect();
    assert!(values.iter().all(|value| (&raw const **value).is_aligned()));
    arena.alloc_index(Aligned(100));
    assert!(arena.as_slice().as_ptr().is_aligned());
    assert!(arena.iter().enumerate().all(|(n, value)| usize::from(value.0) == n));
    assert!(arena.trim() > 0);
    assert!(
        arena.as_slice().as_ptr().is_aligned() && arena[Index32::from_usize(100).unwrap()].0 == 100
    );
}

#[test]
fn at_every_refused_request_nothing_is_lost() {
    for fail_at in 1.. {
        let dropped = RefCell::new(Vec::new());
        let mut lost = 0;
        let mut arena = TypedArena::new_in(FailAt::new(Checked::new(Global), fail_at));
        for n in 0..400 {
            let result = match n % 3 {
                0 => arena.try_alloc(noisy(n, &dropped)).map(drop),
                1 => arena.try_alloc_index(noisy(n, &dropped)).map(drop),
                _ => {
                    let one = core::iter::once(noisy(n, &dropped)).filter(|_| true);
                    match arena.try_alloc_from_iter(one) {
                        Ok(_) => Ok(()),
                        Err(error) => {
                            assert_eq!(dropped.take(), [n]);
                            assert_eq!(error.kind(), ErrorKind::Backing);
                            lost += 1;
                            continue;
                        }
                    }
                }
            };
            if let Err(rejected) = result {
                assert_eq!(rejected.into_value().number, n);
                dropped.take();
                lost += 1;
            }
        }
        if let Err(error) = arena.try_make_contiguous() {
            assert_eq!(error.kind(), ErrorKind::Backing);
        }
        let (len, calls) = (arena.len(), arena.backing().calls());
        assert_eq!(len, 400 - lost);
        drop(arena);
        assert_eq!(dropped.take().len(), len);
        if calls < fail_at {
            return;
        }
    }
}

#[test]
fn an_arena_in_an_arena_and_over_another_allocator() {
    let outer = TypedArena::new();
    let inner: &mut TypedArena<String> = outer.alloc(TypedArena::new());
    inner.alloc(String::from("dropped with both"));
    let (backing, mut list) = (Checked::new(Global), Vec::new());
    {
        let mut arena = TypedArena::new_in(&backing);
        list.extend((0..100).map(|n: u64| arena.alloc_index(n)));
        assert_eq!(arena[list[99]], 99);
        assert!(arena.contains(&raw const arena[list[5]]));
        assert!(!arena.contains(&7));
    }
}

/// A value may reach the arena when it is dropped if it does not borrow it: then it finds the arena
/// gone, or the compiler has no say and the arena is still whole.
#[test]
fn a_drop_that_allocates_in_the_arena_while_a_slice_is_given_up() {
    // Reachable when the thread is gone: a leak checker is to see only what is lost.
    static KEPT: std::sync::Mutex<Vec<usize>> = std::sync::Mutex::new(Vec::new());
    thread_local!(static ARENA: &'static TypedArena<Greedy> = {
        let arena: &'static mut TypedArena<Greedy> = Box::leak(Box::default());
        KEPT.lock().unwrap().push(core::ptr::from_mut(arena).expose_provenance());
        arena
    });
    struct Greedy(usize);
    impl Drop for Greedy {
        fn drop(&mut self) {
            if self.0 < 1000 {
                ARENA.with(|arena| assert_eq!(arena.alloc(Greedy(self.0 + 1000)).0, self.0 + 1000));
            }
        }
    }
    ARENA.with(|arena| {
        arena.reserve(100);
        assert!(unwinds(|| {
            arena.alloc_from_iter((0..).filter(|_| true).map(|n| {
                if n == 5 {
                    resume_unwind(Box::new(()));
                }
                Greedy(n)
            }));
        }));
        assert_eq!(arena.len(), 5, "what the drops allocated");
        arena.alloc(Greedy(2000));
        assert_eq!(arena.len(), 6);
    });
}

/// The same through a weak count: the arena is gone by the time its values are dropped.
#[test]
fn a_drop_that_asks_for_the_arena_finds_it_gone() {
    struct Asks(std::rc::Weak<TypedArena<Asks>>, Rc<Cell<u32>>);
    impl Drop for Asks {
        fn drop(&mut self) {
            assert!(self.0.upgrade().is_none());
            self.1.set(self.1.get() + 1);
        }
    }
    let asked = Rc::new(Cell::new(0));
    let arena = Rc::new(TypedArena::new());
    for _ in 0..3 {
        arena.alloc(Asks(Rc::downgrade(&arena), Rc::clone(&asked)));
    }
    drop(arena);
    assert_eq!(asked.get(), 3);
}

/// Drop check: values that refer to each other in one arena, as in a `Vec`. With a `Drop` of their
/// own this does not compile: `tests/ui/typed_value_with_drop_refers_to_its_neighbour.rs`.
#[test]
fn values_without_drop_may_refer_to_each_other() {
    struct Node<'a> {
        name: String, // needs a drop, which reaches no other node
        next: Cell<Option<&'a Node<'a>>>,
    }
    let arena = TypedArena::new_in(Checked::new(Global));
    let first = arena.alloc(Node { name: "a".into(), next: Cell::new(None) });
    let second = arena.alloc(Node { name: "b".into(), next: Cell::new(Some(first)) });
    first.next.set(Some(second));
    assert_eq!(first.next.get().unwrap().next.get().unwrap().name, "a");
}

#[test]
fn statistics_follow_from_the_lengths() {
    let arena = TypedArena::<u64>::new();
    arena.alloc(1);
    arena.alloc_from_iter(0..1000); // does not fit the first chunk of 128
    let stats = arena.stats();
    assert_eq!((stats.allocs, stats.requested_bytes), (Some(1001), Some(8008)));
    assert_eq!((stats.used_bytes, stats.peak_bytes), (8008, 8008));
    assert_eq!((stats.waste_tail_bytes, stats.slow_calls), (127 * 8, 2));
    assert_eq!(stats.reserved_bytes, 1024 + 8000);
    assert_eq!(arena.used_bytes(), 8008);
    let shown = format!("{arena:?}");
    assert!(shown.starts_with("TypedArena { len: 1001, indexed_len: 0"), "{shown}");
}

/// A backing that has no block above so many bytes.
struct UpTo(usize);

// SAFETY: the global allocator, which refuses more.
unsafe impl Allocator for UpTo {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() > self.0 { Err(AllocError) } else { Global.allocate(layout) }
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) };
    }
}

#[test]
fn slices_that_grow_use_what_the_backing_has() {
    let arena = TypedArena::<u64, _>::new_in(UpTo(1600));
    let values = arena.try_alloc_from_iter((0..200).filter(|_| true)).expect("1600 bytes");
    assert!(values.iter().copied().eq(0..200));
    assert!(arena.reserved_bytes() < 10 * 1600, "{} in few chunks", arena.reserved_bytes());
    assert!(arena.try_alloc_from_iter((0..201).filter(|_| true)).is_err(), "1608 bytes");
}

#[test]
fn hints_of_iterators_need_not_be_true() {
    struct Claims<I>(I, usize);
    impl<I: Iterator> Iterator for Claims<I> {
        type Item = I::Item;
        fn next(&mut self) -> Option<I::Item> {
            self.0.next()
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.1, None)
        }
    }
    for claim in [0, 201, 1 << 20, isize::MAX.unsigned_abs() / 8] {
        let arena = TypedArena::<u64, _>::new_in(UpTo(1600));
        let values = arena.try_alloc_from_iter(Claims(1..4, claim)).expect("three values");
        assert_eq!(values, [1, 2, 3]);
    }
    // What no memory could hold is refused, that an iterator without end does not take all there is.
    let arena = TypedArena::<u64>::new();
    let error = arena.try_alloc_from_iter(Claims(1..4, isize::MAX.unsigned_abs())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CapacityOverflow);
}

#[test]
fn an_empty_arena_gives_every_chunk_back() {
    let mut arena = TypedArena::<u64, _>::new_in(Checked::new(Global));
    arena.reserve(1);
    arena.reserve(10_000);
    let held = arena.reserved_bytes();
    assert!(held > 80_000);
    assert_eq!((arena.trim(), arena.reserved_bytes(), arena.trim()), (held, 0, 0));
    assert_eq!(arena.backing().live_blocks(), 0);
    for n in 0..1000 {
        arena.alloc(n);
    }
    assert!(arena.iter_mut().map(|value| *value).eq(0..1000));
    // The values of a drain that was forgotten are forgotten with it.
    #[expect(clippy::mem_forget, reason = "what is tested")]
    core::mem::forget(arena.drain());
    let held = arena.reserved_bytes();
    assert_eq!((arena.len(), arena.trim(), arena.reserved_bytes()), (0, held, 0));
    arena.alloc(7);
    assert_eq!((arena.len(), arena.iter_mut().next().copied()), (1, Some(7)));
}
