//! Backings that do what the trait does not forbid: allocate from the very arena that asks them, and
//! panic after a free.
#![cfg(not(loom))]

use alloc_arena::{Arena, TypedArena};
use alloc_core::collections::Vec;
use alloc_core::{AllocError, Allocator, Global, Layout};
use core::cell::Cell;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Mutex;

type Hook = Cell<Option<fn()>>;

thread_local! {
    /// What the next calls of a [`Hooked`] backing do: after serving a request, after a free.
    static ON_ALLOCATE: Hook = const { Cell::new(None) };
    static ON_FREE: Hook = const { Cell::new(None) };
}

/// The global allocator, which does something else first.
struct Hooked;

fn run(hook: &'static std::thread::LocalKey<Hook>) {
    if let Some(hook) = hook.take() {
        hook();
    }
}

// SAFETY: blocks come from the global allocator and go back to it unchanged.
unsafe impl Allocator for Hooked {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let block = Global.allocate(layout);
        run(&ON_ALLOCATE);
        block
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { Global.deallocate(ptr, layout) };
        run(&ON_FREE);
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { Global.grow(ptr, old, new) };
        run(&ON_ALLOCATE);
        block
    }
}

thread_local! {
    static ARENA: &'static Arena<1, Hooked> = leaked(Arena::new_in(Hooked));
    static TYPED: &'static TypedArena<String, Hooked> = leaked(TypedArena::new_in(Hooked));
}

/// Leaks a value so that it stays reachable when its thread ends: a leak checker is to see only what
/// is lost.
fn leaked<T>(value: T) -> &'static T {
    static KEPT: Mutex<std::vec::Vec<usize>> = Mutex::new(std::vec::Vec::new());
    let value = Box::leak(Box::new(value));
    KEPT.lock().unwrap().push(core::ptr::from_mut(value).expose_provenance());
    value
}

#[test]
fn a_backing_that_allocates_from_the_arena_that_asks_it() {
    let arena = ARENA.with(|arena| *arena);
    let inner: [fn(); 3] = [
        || ARENA.with(|arena| *arena.alloc(1u8) = 0xAA),
        || ARENA.with(|arena| arena.alloc_slice_fill_copy(20_000, 0xAAu8).fill(0xAA)),
        || ARENA.with(|arena| arena.alloc_slice_fill_copy(3 << 20, 0xAAu8).fill(0xAA)),
    ];
    for inner in inner {
        for size in [1, 20_000, 3 << 20] {
            ON_ALLOCATE.set(Some(inner));
            let outer = arena.alloc_slice_fill_copy(size, 0x11u8);
            arena.alloc_slice_fill_copy(arena.remaining_bytes(), 0xBBu8);
            assert!(outer.iter().all(|&byte| byte == 0x11));
        }
    }
}

/// The chunk of the block that grows is freed by then, or another one.
#[test]
fn a_backing_that_allocates_from_the_arena_while_it_extends_a_large_block() {
    let arena = ARENA.with(|arena| *arena);
    arena.alloc(1u8);
    let mut list = Vec::new_in(arena);
    list.resize(3 << 20, 5u8);
    ON_ALLOCATE.set(Some(|| {
        ARENA.with(|arena| arena.alloc_slice_fill_copy(4 << 20, 6u8).fill(6));
    }));
    list.reserve_exact(20 << 20);
    assert!(list.iter().all(|&byte| byte == 5));
    let stats = arena.stats();
    assert_eq!((stats.large_chunks, stats.chunks), (2, 1), "none was lost");
    let at_least = list.capacity() + (4 << 20);
    assert!(stats.used_bytes > at_least && stats.reserved_bytes > at_least, "{stats:?}");
}

#[test]
fn a_backing_that_allocates_from_the_typed_arena_that_asks_it() {
    let arena = TYPED.with(|arena| *arena);
    let reenter =
        || ON_ALLOCATE.set(Some(|| TYPED.with(|arena| arena.alloc("in".into()).push('!'))));
    reenter();
    assert_eq!(arena.alloc("out".into()), "out", "the first chunk");
    let mut len = 2;
    for n in 0..1000 {
        if n % 100 == 0 {
            reenter();
        }
        arena.alloc(n.to_string());
        len += 1;
    }
    let hooks = arena.len() - len;
    assert!(hooks > 1, "chunks were asked for");
    reenter();
    arena.alloc_from_iter((0..1000).filter(|_| true).map(|n| n.to_string()));
    assert_eq!(arena.len(), len + hooks + 1 + 1000);
}

/// Whether the block is freed before a backing panics is its own business: the arena never touches
/// it again.
#[test]
fn a_backing_that_panics_after_a_free() {
    let panics = || ON_FREE.set(Some(|| resume_unwind(Box::new("planned"))));
    for round in 0..3 {
        let counted = Rc::new(());
        let mut arena = TypedArena::new_in(Hooked);
        for _ in 0..1000 {
            arena.alloc(counted.clone());
        }
        let unwound = catch_unwind(AssertUnwindSafe(|| {
            panics();
            match round {
                0 => arena.clear(),
                1 => drop(arena.drain()),
                _ => drop(arena.try_make_contiguous()),
            }
        }));
        assert!(unwound.is_err(), "{round}: nothing was freed");
        assert_eq!(arena.len(), if round == 2 { 1000 } else { 0 });
        for _ in 0..100 {
            arena.alloc(counted.clone());
        }
        assert!(arena.iter_mut().all(|value| Rc::ptr_eq(value, &counted)));
        arena.clear();
        panics();
        assert!(catch_unwind(AssertUnwindSafe(|| arena.trim())).is_err());
        arena.alloc(counted.clone());
        drop(arena);
        assert_eq!(Rc::strong_count(&counted), 1, "{round}");
    }
}
