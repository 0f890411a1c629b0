//! Values, closures and iterators of the user's that use the very arena they are made for, or panic
//! in the middle: nothing overlaps, nothing is lost, the arena goes on.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaBox, ArenaConfig, CollectIn, SliceBuilder, TypedArena};
use alloc_core::collections::Vec as ArenaVec;
use alloc_core::testing::Checked;
use alloc_core::{Allocator, Global};
use core::any::Any;
use core::cell::RefCell;
use core::fmt::{self, Display};
use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

fn unwinds(work: impl FnOnce()) -> bool {
    catch_unwind(AssertUnwindSafe(work)).is_err()
}

/// Chunks that are soon full.
fn small() -> Arena<1, Checked<Global>> {
    let config = ArenaConfig::new().first_chunk_bytes(256).max_chunk_bytes(4096);
    Arena::with_config_in(config, Checked::new(Global))
}

/// Formats itself by strings that it makes in the arena, `depth` times over.
struct Nested<'a, A: Allocator> {
    arena: &'a Arena<1, A>,
    depth: usize,
    made: &'a RefCell<Vec<&'a str>>,
    panics_at: usize,
}

impl<A: Allocator> Display for Nested<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.depth == self.panics_at {
            resume_unwind(Box::new(()));
        }
        self.arena.alloc([self.depth; 9]);
        if self.depth == 0 {
            return f.write_str("()");
        }
        let inner = Nested { depth: self.depth - 1, ..*self };
        let text = self.arena.alloc_fmt(format_args!("({inner}{inner})"));
        self.made.borrow_mut().push(text);
        for part in text.as_bytes().chunks(7) {
            f.write_str(core::str::from_utf8(part).expect("ASCII"))?;
        }
        Ok(())
    }
}

#[test]
fn texts_that_make_texts_in_the_same_arena() {
    fn expected(depth: usize) -> String {
        if depth == 0 { "()".into() } else { format!("({0}{0})", expected(depth - 1)) }
    }
    let mut arena = small();
    for panics_at in [usize::MAX, 3, 1] {
        {
            let made = RefCell::new(Vec::new());
            let outer = Nested { arena: &arena, depth: 6, made: &made, panics_at };
            let text = catch_unwind(AssertUnwindSafe(|| arena.alloc_fmt(format_args!("{outer}"))));
            assert_eq!(text.is_err(), panics_at != usize::MAX);
            if let Ok(text) = text {
                assert_eq!(*text, *expected(6));
            }
            for text in made.take() {
                let depth = text.bytes().take_while(|&byte| byte == b'(').count() - 1;
                assert_eq!(text, expected(depth));
            }
        }
        arena.reset();
    }
}

#[test]
fn builders_side_by_side_in_any_order() {
    // Each bit string is an order in which three builders grow and blocks are taken between them.
    for order in 0..729u32 {
        let mut arena = small();
        {
            let mut builders = [0, 1, 2].map(|_| Some(SliceBuilder::new(&arena)));
            let mut expected: [Vec<u32>; 3] = Default::default();
            let mut blocks = Vec::new();
            for round in 0..40u32 {
                let digit = order / 3u32.pow(round % 6) % 3;
                let index = digit as usize;
                if let Some(builder) = &mut builders[index] {
                    (0..=digit * 5).for_each(|_| builder.push(round));
                    expected[index].extend((0..=digit * 5).map(|_| round));
                }
                blocks.push((round, arena.alloc([round; 3])));
                let end = round == 20 + digit;
                if end && let Some(builder) = builders[index].take() {
                    assert_eq!(builder.as_slice(), expected[index]);
                    match (order + digit) % 3 {
                        0 => assert_eq!(*builder.finish(), *expected[index]),
                        1 => drop(builder),
                        _ => _ = ManuallyDrop::new(builder), // its room is lost until the reset
                    }
                }
            }
            for (builder, expected) in builders.into_iter().zip(&expected) {
                if let Some(builder) = builder {
                    assert_eq!(*builder.finish(), **expected);
                }
            }
            assert!(blocks.iter().all(|(round, block)| **block == [*round; 3]));
        }
        arena.reset();
        assert_eq!(arena.used_bytes(), 0);
    }
}

#[test]
fn collections_of_collections_in_the_same_arena() {
    let arena = small();
    let nested: ArenaVec<&mut [usize], _> = (0..50usize)
        .map(|n| (0..n).inspect(|_| _ = arena.alloc(n)).collect_in::<&mut [_], 1, _>(&arena))
        .collect_in(&arena);
    assert!(nested.iter().enumerate().all(|(n, list)| list.iter().copied().eq(0..n)));
    let boxes = arena.alloc_box_from_iter((0..50).map(|n| arena.alloc_box(vec![n; 3])));
    assert!(boxes.iter().enumerate().all(|(n, list)| **list == [n; 3]));
    // Half way through, a panic: what was made is dropped, once.
    let counted = Rc::new(());
    assert!(unwinds(|| {
        drop(arena.alloc_box_from_iter((0..50).map(|n| {
            if n == 30 {
                resume_unwind(Box::new(()));
            }
            arena.alloc_box(Rc::clone(&counted))
        })));
    }));
    assert_eq!(Rc::strong_count(&counted), 1);
    let text: &mut str =
        (0..20).map(|n| &*arena.alloc_fmt(format_args!("{n},"))).collect_in(&arena);
    assert_eq!(text.len(), 10 * 2 + 10 * 3);
}

#[test]
fn initialisers_within_initialisers() {
    let arena = small();
    let outer = arena.alloc_with(|| {
        let inner = arena.alloc_with(|| {
            let list = arena.alloc_slice_fill_with(100, |i| *arena.alloc(i));
            list.iter().sum::<usize>()
        });
        assert!(unwinds(|| {
            arena.alloc_slice_fill_with(1000, |i| {
                arena.alloc(i);
                if i == 500 { resume_unwind(Box::new(())) } else { i }
            });
        }));
        let failed: Result<&mut u8, &str> = arena.alloc_try_with(|| {
            arena.alloc_str("taken after the block of what fails");
            Err("no")
        });
        assert_eq!(failed, Err("no"));
        *inner * 2
    });
    assert_eq!(*outer, 9900);
}

/// A closure that is given a value to coerce allocates from the arena, panics, coerces another box.
#[test]
fn coercions_that_use_the_arena() {
    let arena = small();
    let counted = Rc::new(());
    let shown = ArenaBox::coerce::<dyn Any>(arena.alloc_box(Rc::clone(&counted)), |value| {
        let other = arena.alloc_box([7u8; 500]);
        let other = ArenaBox::coerce::<dyn Any>(other, |value| value);
        assert!(
            ArenaBox::<dyn Any>::downcast::<[u8; 500]>(other).is_ok_and(|bytes| bytes[499] == 7)
        );
        value
    });
    let Err(shown) = ArenaBox::<dyn Any>::downcast::<String>(shown) else {
        panic!("it is no string")
    };
    let Ok(back) = ArenaBox::<dyn Any>::downcast::<Rc<()>>(shown) else {
        panic!("it is what it was")
    };
    assert_eq!(Rc::strong_count(&back), 2);
    assert!(unwinds(|| {
        drop(ArenaBox::coerce::<dyn Any>(back, |_| resume_unwind(Box::new(()))));
    }));
    assert_eq!(Rc::strong_count(&counted), 1, "dropped once by the unwinding");
}

/// Arenas in arenas, whose values hold boxes of arenas: each is dropped once, the newest first.
#[test]
fn drops_that_drop_arenas() {
    struct Inner(Arena, TypedArena<Noisy>, Arc<Mutex<Vec<u32>>>, u32);
    struct Noisy(Arc<Mutex<Vec<u32>>>, u32);
    impl Drop for Noisy {
        fn drop(&mut self) {
            self.0.lock().unwrap().push(self.1);
        }
    }
    impl Drop for Inner {
        fn drop(&mut self) {
            self.2.lock().unwrap().push(self.3);
            self.0.alloc_drop(Noisy(self.2.clone(), self.3 + 1)); // in an arena that is about to go
            self.0.reset();
            self.1.alloc(Noisy(self.2.clone(), self.3 + 2));
        }
    }
    let log = Arc::<Mutex<Vec<u32>>>::default();
    let mut arena = small();
    for end in 0..3 {
        for n in [100, 200] {
            let log = Arc::clone(&log);
            arena.alloc_drop(Inner(Arena::new(), TypedArena::new(), log, n));
        }
        match end {
            0 => arena.reset(),
            1 => {
                // Where nothing was taken before, a rewind ends everything but the record.
                let checkpoint = arena.checkpoint();
                arena.rewind(checkpoint);
                assert!(log.lock().unwrap().is_empty(), "nothing came after");
                arena.reset();
            }
            _ => drop(core::mem::replace(&mut arena, small())),
        }
        assert_eq!(*log.lock().unwrap(), [200, 201, 202, 100, 101, 102]);
        log.lock().unwrap().clear();
    }
}

/// A value that is dropped while the first panic unwinds may not panic; one whose drop panics first
/// keeps none of the others, in frames within frames.
#[test]
fn panicking_drops_in_frames_within_frames() {
    struct Noisy<'a>(u32, &'a RefCell<Vec<u32>>, bool);
    impl Drop for Noisy<'_> {
        fn drop(&mut self) {
            self.1.borrow_mut().push(self.0);
            if self.2 {
                resume_unwind(Box::new(()));
            }
        }
    }
    let log = RefCell::new(Vec::new());
    let mut arena = small();
    for panicking in 0..9 {
        let unwound = unwinds(|| {
            let value = |n| Noisy(n, &log, n == panicking);
            let mut outer = arena.frame();
            let mut scope = outer.scope();
            (0..3).for_each(|n| _ = scope.alloc_drop(value(n)));
            {
                let mut middle = scope.frame();
                let mut scope = middle.scope();
                (3..6).for_each(|n| _ = scope.alloc_drop(value(n)));
                scope.scoped(|inner| {
                    inner.alloc_uninit_slice::<u8>(10_000);
                    (6..9).for_each(|n| _ = inner.alloc_drop(value(n)));
                });
            }
        });
        assert!(unwound);
        assert!(log.take().into_iter().eq((0..9).rev()), "{panicking}");
        assert_eq!(arena.used_bytes(), 0);
    }
}

/// Values that own arenas of values that own arenas: taken out, replaced, and dropped half way.
#[test]
fn typed_values_that_own_other_arenas() {
    struct Tree(#[expect(dead_code, reason = "counts")] Rc<()>, TypedArena<Tree>);
    fn grow(counted: &Rc<()>, depth: u32) -> TypedArena<Tree> {
        let tree = TypedArena::new();
        for _ in 0..if depth == 0 { 0 } else { 3 } {
            tree.alloc(Tree(Rc::clone(counted), grow(counted, depth - 1)));
        }
        tree
    }
    let counted = Rc::new(());
    let mut tree = grow(&counted, 6);
    assert_eq!(Rc::strong_count(&counted) - 1, 3 + 9 + 27 + 81 + 243 + 729);
    let mut drain = tree.drain();
    let Some(Tree(_, mut first)) = drain.next() else { panic!("three values") };
    drop(drain);
    assert!(tree.is_empty());
    assert_eq!(Rc::strong_count(&counted) - 1, 3 + 9 + 27 + 81 + 243, "the first one's own");
    first.make_contiguous()[1] = Tree(Rc::clone(&counted), TypedArena::new());
    assert_eq!(Rc::strong_count(&counted) - 1, 3 + 2 * (3 + 9 + 27 + 81));
    core::mem::swap(&mut tree, &mut first);
    first.clear();
    let mut values = tree.into_iter();
    drop(values.next());
    let _ = values.next().map(|Tree(_, inner)| first = inner); // the replaced one, which is empty
    drop(values);
    assert_eq!((Rc::strong_count(&counted), first.len()), (1, 0));
}
