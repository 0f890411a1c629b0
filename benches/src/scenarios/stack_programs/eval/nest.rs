//! Two memories whose frames nest: what the evaluation in frames runs on.
//!
//! ```text
//!   engine      a frame is                             what it took
//!   stack       a guard of ours and its scope          goes when the guard does
//!   bump-scope  a guard of its own and its scope       goes when the guard does
//!   bumpalo     nothing                                stays until the program ends
//! ```

use core::cell::RefCell;
use core::marker::PhantomData;

use alloc_stack::{FrameGuard, Scope, Stack};
use bump_scope::alloc::Global;
use bump_scope::settings::BumpSettings;
use bump_scope::{BumpScope, BumpScopeGuard};
use bumpalo::Bump;

use crate::case::Role;
use crate::engines::About;

/// Memory whose frames nest.
pub(super) trait Nest: 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What is kept from round to round.
    type Keep;

    /// A frame at work: what it hands out lives for `'s`.
    type Scope<'s>;

    /// A frame: its scope ends before it does.
    type Guard<'p>;

    fn start() -> Self::Keep;

    /// Lends a scope on each of two memories.
    fn lend<T>(
        keep: &mut Self::Keep,
        work: impl FnOnce(&mut Self::Scope<'_>, &mut Self::Scope<'_>) -> T,
    ) -> T;

    /// Opens a frame.
    fn frame<'p>(scope: &'p mut Self::Scope<'_>) -> Self::Guard<'p>;

    fn scope<'g>(guard: &'g mut Self::Guard<'_>) -> Self::Scope<'g>;

    /// Places a value.
    fn place<'s, T: Copy + 's>(scope: &Self::Scope<'s>, value: T) -> &'s T;

    /// Places a vector of `len` elements.
    fn filled<'s>(
        scope: &Self::Scope<'s>,
        len: usize,
        f: impl FnMut(usize) -> f64,
    ) -> &'s mut [f64];

    /// Places a copy of a vector.
    fn copied<'s>(scope: &Self::Scope<'s>, elements: &[f64]) -> &'s mut [f64];
}

/// Ours.
pub(super) struct Frames;

impl Nest for Frames {
    const ABOUT: About = About {
        name: "stack",
        config: "frames",
        package: "alloc-stack",
        why: "two stacks: operands in a frame of one, the result on the other, and in turn",
        role: Role::Ours,
    };

    type Keep = [Stack<8>; 2];

    type Scope<'s> = Scope<'s, 8>;

    type Guard<'p> = FrameGuard<'p, 8>;

    fn start() -> Self::Keep {
        [Stack::with_min_align(), Stack::with_min_align()]
    }

    fn lend<T>(
        [first, second]: &mut Self::Keep,
        work: impl FnOnce(&mut Scope<'_, 8>, &mut Scope<'_, 8>) -> T,
    ) -> T {
        work(&mut first.frame().scope(), &mut second.frame().scope())
    }

    #[inline]
    fn frame<'p>(scope: &'p mut Scope<'_, 8>) -> FrameGuard<'p, 8> {
        scope.frame()
    }

    #[inline]
    fn scope<'g>(guard: &'g mut FrameGuard<'_, 8>) -> Scope<'g, 8> {
        guard.scope()
    }

    #[inline]
    fn place<'s, T: Copy + 's>(scope: &Self::Scope<'s>, value: T) -> &'s T {
        scope.alloc(value)
    }

    #[inline]
    fn filled<'s>(
        scope: &Self::Scope<'s>,
        len: usize,
        f: impl FnMut(usize) -> f64,
    ) -> &'s mut [f64] {
        scope.alloc_slice_fill_with(len, f)
    }

    #[inline]
    fn copied<'s>(scope: &Self::Scope<'s>, elements: &[f64]) -> &'s mut [f64] {
        scope.alloc_slice_copy(elements)
    }
}

/// Minimum alignment 8, a first chunk from the start, and no `claim`, as its frames are fastest.
type Settings<const UP: bool> = BumpSettings<8, UP, true, false>;

/// bump-scope's scope guards, upwards or downwards.
pub(super) struct Guards<const UP: bool>;

impl<const UP: bool> Nest for Guards<UP> {
    const ABOUT: About = About {
        name: "bump-scope",
        config: if UP { "frames-up" } else { "frames-down" },
        package: "bump-scope",
        why: "the same frames by its scope guards, minimum alignment 8, not CLAIMABLE",
        role: Role::Peer,
    };

    type Keep = [bump_scope::Bump<Global, Settings<UP>>; 2];

    type Scope<'s> = &'s mut BumpScope<'s, Global, Settings<UP>>;

    type Guard<'p> = BumpScopeGuard<'p, Global, Settings<UP>>;

    fn start() -> Self::Keep {
        [FIRST_CHUNK_BYTES; 2].map(bump_scope::Bump::with_size)
    }

    fn lend<T>(
        [first, second]: &mut Self::Keep,
        work: impl FnOnce(&mut Self::Scope<'_>, &mut Self::Scope<'_>) -> T,
    ) -> T {
        work(&mut first.scope_guard().scope(), &mut second.scope_guard().scope())
    }

    #[inline]
    fn frame<'p>(scope: &'p mut Self::Scope<'_>) -> Self::Guard<'p> {
        scope.scope_guard()
    }

    #[inline]
    fn scope<'g>(guard: &'g mut Self::Guard<'_>) -> Self::Scope<'g> {
        guard.scope()
    }

    #[inline]
    fn place<'s, T: Copy + 's>(scope: &Self::Scope<'s>, value: T) -> &'s T {
        scope.alloc(value).into_ref()
    }

    #[inline]
    fn filled<'s>(
        scope: &Self::Scope<'s>,
        len: usize,
        mut f: impl FnMut(usize) -> f64,
    ) -> &'s mut [f64] {
        let mut next = 0..;
        scope.alloc_slice_fill_with(len, || f(next.next().unwrap_or(0))).into_mut()
    }

    #[inline]
    fn copied<'s>(scope: &Self::Scope<'s>, elements: &[f64]) -> &'s mut [f64] {
        scope.alloc_slice_copy(elements).into_mut()
    }
}

/// What a stack begins with, as ours does.
const FIRST_CHUNK_BYTES: usize = 64 << 10;

/// bumpalo in a `thread_local!`, as scratch memory is often written: it has no frames.
pub(super) struct ThreadLocal(PhantomData<Bump>);

thread_local! {
    static OWN: RefCell<Bump> = RefCell::new(Bump::with_capacity(FIRST_CHUNK_BYTES));
}

impl Nest for ThreadLocal {
    const ABOUT: About = About {
        name: "bumpalo",
        config: "thread-local",
        package: "bumpalo",
        why: "slices in a thread_local Bump, which has no frames: all stay until the program ends",
        role: Role::Peer,
    };

    type Keep = ();

    type Scope<'s> = &'s Bump;

    type Guard<'p> = &'p Bump;

    fn start() {}

    fn lend<T>((): &mut (), work: impl FnOnce(&mut &Bump, &mut &Bump) -> T) -> T {
        OWN.with_borrow_mut(|bump| {
            let result = work(&mut &*bump, &mut &*bump);
            bump.reset();
            result
        })
    }

    #[inline]
    fn frame<'p>(scope: &'p mut &Bump) -> &'p Bump {
        scope
    }

    #[inline]
    fn scope<'g>(guard: &'g mut &Bump) -> &'g Bump {
        guard
    }

    #[inline]
    fn place<'s, T: Copy + 's>(scope: &Self::Scope<'s>, value: T) -> &'s T {
        scope.alloc(value)
    }

    #[inline]
    fn filled<'s>(
        scope: &Self::Scope<'s>,
        len: usize,
        f: impl FnMut(usize) -> f64,
    ) -> &'s mut [f64] {
        scope.alloc_slice_fill_with(len, f)
    }

    #[inline]
    fn copied<'s>(scope: &Self::Scope<'s>, elements: &[f64]) -> &'s mut [f64] {
        scope.alloc_slice_copy(elements)
    }
}
