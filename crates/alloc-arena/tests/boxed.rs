//! `ArenaBox`: drops, slices, unsized types, panics, traits.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaBox, ArenaConfig, ErrorKind, TypedArena};
use alloc_core::testing::FailAt;
use alloc_core::{Borrowed, Global};
use core::any::Any;
use core::cell::{Cell, RefCell};
use core::fmt::{Debug, Display};
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::pin::{Pin, pin};
use core::task::{Context, Poll, Waker};
use std::collections::{BTreeMap, HashSet};
use std::panic::{catch_unwind, resume_unwind};
use std::thread;

struct Noisy<'a>(usize, &'a RefCell<Vec<usize>>);

impl Drop for Noisy<'_> {
    fn drop(&mut self) {
        self.1.borrow_mut().push(self.0);
    }
}

fn unwinds(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

#[test]
fn a_value_is_dropped_with_its_box_and_its_memory_stays() {
    let dropped = RefCell::new(Vec::new());
    let mut arena = Arena::<8>::with_min_align();
    let first = arena.alloc_box(Noisy(1, &dropped));
    let second = arena.alloc_box(Noisy(2, &dropped));
    assert_eq!(size_of_val(&first), size_of::<usize>());
    assert_eq!(size_of::<Option<ArenaBox<'_, u8>>>(), size_of::<usize>());
    drop(first);
    assert_eq!(dropped.take(), [1]);
    let used = arena.used_bytes();
    drop(second);
    assert_eq!((dropped.take(), arena.used_bytes()), (vec![2], used));
    arena.reset();
    assert_eq!(arena.used_bytes(), 0);
}

#[test]
fn what_leaves_its_box_is_not_dropped_by_it() {
    let dropped = RefCell::new(Vec::new());
    let arena = Arena::new();
    let value = ArenaBox::into_inner(arena.alloc_box(Noisy(1, &dropped)));
    assert!(dropped.borrow().is_empty());
    drop(value);
    assert_eq!(dropped.take(), [1]);
    let leaked: &mut Noisy<'_> = ArenaBox::leak(arena.alloc_box(Noisy(2, &dropped)));
    leaked.0 = 3;
    let _ = ManuallyDrop::new(arena.alloc_box(Noisy(4, &dropped)));
    drop(arena);
    assert!(dropped.take().is_empty());
}

#[test]
fn borrowed_data_is_dropped_while_it_lives() {
    // `alloc_drop` asks for `'static`, since the arena outlives what it holds; a box does not.
    let arena = Arena::new();
    let text = Cell::new(String::from("seen"));
    struct Takes<'a>(&'a Cell<String>);
    impl Drop for Takes<'_> {
        fn drop(&mut self) {
            self.0.take();
        }
    }
    drop(arena.alloc_box(Takes(&text)));
    assert_eq!(text.take(), "");
}

#[test]
fn a_list_of_boxes_owns_its_tail() {
    struct Node<'a>(
        Noisy<'a>,
        #[expect(dead_code, reason = "owned")] Option<ArenaBox<'a, Node<'a>>>,
    );
    let dropped = RefCell::new(Vec::new());
    let arena = Arena::new();
    let mut list = None;
    for n in 0..100 {
        list = Some(arena.alloc_box(Node(Noisy(n, &dropped), list)));
    }
    assert_eq!(list.as_ref().map(|node| node.0.0), Some(99));
    drop(list);
    assert!(dropped.take().into_iter().eq((0..100).rev()));
}

#[test]
fn slices_are_owned_whatever_the_iterator_announces_and_allocates() {
    let dropped = RefCell::new(Vec::new());
    let arena = Arena::new();
    for announced in [true, false] {
        let values = (0..100).map(|n| {
            assert_eq!(*arena.alloc(n), n);
            Noisy(n, &dropped)
        });
        let mut slice = if announced {
            arena.alloc_box_from_iter(values)
        } else {
            arena.alloc_box_from_iter(values.filter(|_| true))
        };
        assert!(slice.iter().map(|value| value.0).eq(0..100));
        slice.reverse();
        drop(slice);
        assert!(dropped.take().into_iter().eq((0..100).rev()));
    }
    assert!(arena.alloc_box_from_iter([] as [String; 0]).is_empty());
    assert_eq!(arena.alloc_box_from_iter([(), ()]).len(), 2);
    let mut text = arena.alloc_box_str("word");
    text.make_ascii_uppercase();
    assert_eq!(&*text, "WORD");
}

#[test]
fn a_panicking_iterator_drops_what_it_made() {
    let dropped = RefCell::new(Vec::new());
    let arena = Arena::new();
    assert!(unwinds(|| {
        let values = (0..10).map(|n| {
            if n == 7 {
                resume_unwind(Box::new(()));
            }
            Noisy(n, &dropped)
        });
        drop(arena.alloc_box_from_iter(values));
    }));
    assert!(dropped.take().into_iter().eq(0..7));
    assert_eq!(*arena.alloc_box(5), 5);
}

#[test]
fn at_every_refused_request_the_value_comes_back_or_is_dropped() {
    for fail_at in 1..4 {
        let dropped = RefCell::new(Vec::new());
        let backing = FailAt::new(FailAt::new(Global, fail_at), fail_at);
        let arena = Arena::<1, _>::new_in(backing);
        let mut boxes = Vec::new();
        let rejected = loop {
            match arena.try_alloc_box((Noisy(boxes.len(), &dropped), [0u8; 5000])) {
                Ok(one) => boxes.push(one),
                Err(rejected) => break rejected,
            }
        };
        assert_eq!(rejected.error().kind(), ErrorKind::Backing);
        assert_eq!(rejected.into_value().0.0, boxes.len());
        assert_eq!(dropped.take(), [boxes.len()]);
        let count = boxes.len();
        drop(boxes);
        assert_eq!(dropped.take().len(), count);
    }
    let dropped = RefCell::new(Vec::new());
    let arena = Arena::<1, _>::new_in(Borrowed::new(&mut []));
    let values = (0..10).map(|n| Noisy(n, &dropped));
    let error = arena.try_alloc_box_from_iter(values).map(drop).unwrap_err();
    assert_eq!((error.kind(), error.size()), (ErrorKind::Backing, size_of::<Noisy<'_>>()));
    assert_eq!(dropped.take(), [0], "the element that found no room; the rest was never made");
}

#[test]
fn a_box_becomes_one_of_an_unsized_type() {
    let dropped = RefCell::new(Vec::new());
    let arena = Arena::new();
    let debug = ArenaBox::coerce::<dyn Debug>(arena.alloc_box("seven"), |v| v);
    assert_eq!(format!("{debug:?}"), "\"seven\"");
    let slice = ArenaBox::coerce::<[u8]>(arena.alloc_box([1u8, 2, 3]), |v| v);
    assert_eq!(&*slice, [1, 2, 3]);
    let mut count = 0;
    let mut call = ArenaBox::coerce::<dyn FnMut() + '_>(arena.alloc_box(|| count += 1), |v| v);
    call();
    call();
    drop(call);
    assert_eq!(count, 2);
    trait Anything {}
    impl<T> Anything for T {}
    let owned = ArenaBox::coerce::<dyn Anything + '_>(arena.alloc_box(Noisy(1, &dropped)), |v| v);
    drop(owned);
    assert_eq!(dropped.take(), [1]);
    let empty = ArenaBox::coerce::<dyn Fn() -> u8>(arena.alloc_box(|| 9), |v| v);
    assert_eq!(empty(), 9);
}

#[test]
fn a_coercion_that_panics_drops_the_value_once() {
    let dropped = RefCell::new(Vec::new());
    let arena = Arena::new();
    assert!(unwinds(|| {
        let value = arena.alloc_box(Noisy(1, &dropped));
        let _ = ArenaBox::coerce::<Noisy<'_>>(value, |_| resume_unwind(Box::new(())));
    }));
    assert_eq!(dropped.take(), [1]);
}

#[test]
fn downcasts_find_the_type_or_hand_the_box_back() {
    let arena = Arena::new();
    let any = ArenaBox::coerce::<dyn Any>(arena.alloc_box(String::from("a")), |v| v);
    let any = ArenaBox::<dyn Any>::downcast::<u8>(any).unwrap_err();
    assert_eq!(*ArenaBox::<dyn Any>::downcast::<String>(any).unwrap(), "a");
    let any = ArenaBox::coerce::<dyn Any + Send>(arena.alloc_box(5u8), |v| v);
    let any = ArenaBox::<dyn Any + Send>::downcast::<String>(any).unwrap_err();
    assert_eq!(*ArenaBox::<dyn Any + Send>::downcast::<u8>(any).unwrap(), 5);
}

#[test]
fn a_box_behaves_as_its_value() {
    let arena = Arena::new();
    let (a, b) = (arena.alloc_box(1), arena.alloc_box(2));
    assert!(a < b && a != b && a == arena.alloc_box(1) && a.max(b) == arena.alloc_box(2));
    let set: HashSet<_> = [arena.alloc_box_str("a"), arena.alloc_box_str("b")].into();
    assert!(set.contains("a") && !set.contains("c"), "found by a borrowed key");
    let map: BTreeMap<_, _> = [(arena.alloc_box_str("k"), 1)].into();
    assert_eq!(map.get("k"), Some(&1));
    assert_eq!(format!("{:>3}", arena.alloc_box(7)), "  7");
    assert_eq!(AsRef::<str>::as_ref(&arena.alloc_box_str("r")), "r");

    let mut numbers =
        ArenaBox::coerce::<dyn DoubleEndedIterator<Item = i32>>(arena.alloc_box(0..5), |v| v);
    assert_eq!((numbers.next(), numbers.next_back(), numbers.nth(1)), (Some(0), Some(4), Some(2)));
    assert_eq!(arena.alloc_box(0..9).len(), 9);
    let error =
        ArenaBox::coerce::<dyn core::error::Error>(arena.alloc_box(core::fmt::Error), |v| v);
    let shown: &dyn Display = &error;
    assert_eq!(shown.to_string(), core::fmt::Error.to_string());

    let mut context = Context::from_waker(Waker::noop());
    let ready = pin!(arena.alloc_box(core::future::ready(3)));
    assert_eq!(Future::poll(ready, &mut context), Poll::Ready(3));
    let mut unpin = arena.alloc_box(4);
    *Pin::new(&mut *unpin) += 1;
    assert_eq!(*unpin, 5);
}

#[test]
fn boxes_in_a_frame_end_before_it() {
    let dropped = RefCell::new(Vec::new());
    let mut arena = Arena::new();
    let kept = arena.scoped(|scope| {
        let one = scope.alloc_box(Noisy(1, &dropped));
        let many = scope.alloc_box_from_iter((2..5).map(|n| Noisy(n, &dropped)));
        drop(one);
        many.len()
    });
    assert_eq!((kept, dropped.take()), (3, vec![1, 2, 3, 4]));
}

#[test]
fn a_box_goes_to_another_thread_while_its_arena_goes_on() {
    let arena = Arena::new();
    let sent = arena.alloc_box(vec![String::from("a")]);
    thread::scope(|scope| {
        let other = scope.spawn(move || {
            let mut list = sent;
            list.push(String::from("b"));
            ArenaBox::into_inner(list)
        });
        arena.alloc_str("meanwhile");
        assert_eq!(other.join().unwrap(), ["a", "b"]);
    });
}

#[test]
fn fallible_twins_refuse_without_a_panic_and_with_room_succeed() {
    let small = ArenaConfig::new().first_chunk_bytes(1024).max_chunk_bytes(1024).limit_bytes(1024);
    let mut arena = Arena::<1>::with_config(small);
    let long = "x".repeat(2000);
    assert_eq!(*arena.try_alloc_box_str("here").unwrap(), *"here");
    assert_eq!(arena.try_alloc_box_str(&long).unwrap_err().kind(), ErrorKind::Full);
    assert_eq!(*arena.try_alloc_uninit::<u8>().unwrap().write(9), 9);
    assert_eq!(arena.try_alloc_uninit::<[u8; 2000]>().unwrap_err().size(), 2000);
    arena.scoped(|scope| {
        assert_eq!(*scope.try_alloc_box(7).unwrap(), 7);
        assert_eq!(scope.try_alloc_box([1u8; 2000]).unwrap_err().into_value(), [1; 2000]);
        assert_eq!(*scope.try_alloc_box_from_iter([1, 2]).unwrap(), [1, 2]);
        assert_eq!(scope.try_alloc_box_from_iter(0..2000).unwrap_err().kind(), ErrorKind::Full);
        assert_eq!(*scope.alloc_box_str("here"), *"here");
        assert_eq!(scope.try_alloc_box_str(&long).unwrap_err().size(), 2000);
        assert_eq!(scope.try_alloc_slice_fill_copy(3, 7u8).unwrap(), [7; 3]);
        assert_eq!(scope.try_alloc_slice_fill_default::<u8>(2).unwrap(), [0; 2]);
        assert!(scope.try_alloc_slice_fill_copy(2000, 7u8).is_err());
        assert!(scope.try_alloc_slice_fill_default::<u8>(2000).is_err());
        assert!(scope.try_alloc_uninit::<[u8; 2000]>().is_err());
    });
    let typed = TypedArena::<u8, _>::new_in(FailAt::new(Global, 1));
    assert_eq!(typed.try_alloc_str(&long).unwrap_err().kind(), ErrorKind::Backing);
    assert_eq!(typed.try_alloc_str("here").unwrap(), "here", "the second call is granted");
    assert_eq!(*typed.try_alloc_with(|| 7).unwrap(), 7);
}
