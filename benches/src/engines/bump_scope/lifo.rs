//! bump-scope as a stack: its newest block given back, checkpoints, and nested scopes.

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use bump_scope::BumpScope;
use bump_scope::alloc::Global;
use bump_scope::settings::{BumpSettings, MinimumAlignment, SupportedMinimumAlignment};
use bump_scope::traits::BumpAllocatorTyped;

use super::Scope;
use crate::case::Role;
use crate::engines::lifo::{Framed, Lifo, Recurse};
use crate::engines::{About, Region};

impl<const MIN_ALIGN: usize, const UP: bool> Lifo for Scope<MIN_ALIGN, UP>
where
    MinimumAlignment<MIN_ALIGN>: SupportedMinimumAlignment,
{
    const ABOUT: About = <Self as Region>::ABOUT;

    type Mark = ();

    fn with_capacity(bytes: usize) -> Self {
        Region::with_capacity(bytes)
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
        (self.0.allocate_layout(layout), ())
    }

    /// Gives back the newest block; any other stays until the reset.
    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
        // SAFETY: clauses 1 and 2 of `pop`.
        unsafe { Allocator::deallocate(&&self.0, block, layout) };
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        self.0.stats().allocated()
    }

    fn settle(&mut self) {
        self.0.reset();
    }
}

/// Minimum alignment 1, a first chunk from the start, and no `claim`: a checkpoint is two words and
/// going back to it two stores.
type Settings<const UP: bool> = BumpSettings<1, UP, true, false>;

type Inner<const UP: bool> = bump_scope::Bump<Global, Settings<UP>>;

/// A checkpoint before each block, and back to it.
#[derive(Debug)]
pub struct Checkpoints<const UP: bool>(Inner<UP>);

/// Two words.
type Checkpoint = bump_scope::Checkpoint;

impl<const UP: bool> Lifo for Checkpoints<UP> {
    const ABOUT: About = About {
        name: "bump-scope",
        config: if UP { "checkpoints-up" } else { "checkpoints-down" },
        package: "bump-scope",
        why: "a checkpoint kept with each block and an unsafe reset_to it: exact; not CLAIMABLE",
        role: Role::Peer,
    };

    type Mark = Checkpoint;

    fn with_capacity(bytes: usize) -> Self {
        Self(Inner::with_size(bytes + 256))
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, Checkpoint) {
        let mark = self.0.checkpoint();
        (self.0.allocate_layout(layout), mark)
    }

    #[inline]
    unsafe fn pop(&mut self, _: NonNull<u8>, _: Layout, mark: Checkpoint) {
        // SAFETY: taken from this bump before the block, which and all after it are dead (clauses 1
        // to 3 of `pop`); `settle` is not called with blocks alive.
        unsafe { self.0.reset_to(mark) };
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        self.0.stats().allocated()
    }

    fn settle(&mut self) {}
}

impl<const UP: bool> Framed for Checkpoints<UP> {
    const ABOUT: About = <Self as Lifo>::ABOUT;

    type Frame<'f> = &'f Inner<UP>;

    fn with_capacity(bytes: usize) -> Self {
        Lifo::with_capacity(bytes)
    }

    #[inline]
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut &Inner<UP>, &[Layout], &mut [NonNull<u8>]),
    ) {
        let mark = self.0.checkpoint();
        fill(&mut &self.0, layouts, blocks);
        // SAFETY: taken above, and the blocks since then die with the frame.
        unsafe { self.0.reset_to(mark) };
    }

    #[inline]
    fn alloc_layout(frame: &mut &Inner<UP>, layout: Layout) -> NonNull<u8> {
        frame.allocate_layout(layout)
    }
}

/// A nested scope: its safe way of a frame.
#[derive(Debug)]
pub struct Scoped<const UP: bool>(Inner<UP>);

const fn scoped_about(up: bool) -> About {
    About {
        name: "bump-scope",
        config: if up { "scoped-up" } else { "scoped-down" },
        package: "bump-scope",
        why: "its safe nested scopes, not CLAIMABLE; downwards takes fewer instructions",
        role: Role::Peer,
    }
}

impl<const UP: bool> Framed for Scoped<UP> {
    const ABOUT: About = scoped_about(UP);

    type Frame<'f> = BumpScope<'f, Global, Settings<UP>>;

    fn with_capacity(bytes: usize) -> Self {
        Self(Inner::with_size(bytes + 256))
    }

    #[inline]
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut Self::Frame<'_>, &[Layout], &mut [NonNull<u8>]),
    ) {
        self.0.scoped(|scope| fill(scope, layouts, blocks));
    }

    #[inline]
    fn alloc_layout(frame: &mut Self::Frame<'_>, layout: Layout) -> NonNull<u8> {
        frame.allocate_layout(layout)
    }
}

impl<const UP: bool> Recurse for Scoped<UP> {
    const ABOUT: About = scoped_about(UP);

    type Top<'s> = BumpScope<'s, Global, Settings<UP>>;

    fn with_capacity(bytes: usize) -> Self {
        Framed::with_capacity(bytes)
    }

    #[inline]
    fn enter<T>(&mut self, work: impl FnOnce(Self::Top<'_>) -> T) -> T {
        work(self.0.as_mut_scope().by_value())
    }

    #[inline]
    fn again<'t>(top: &'t mut Self::Top<'_>) -> Self::Top<'t> {
        top.by_value()
    }

    #[inline]
    fn with_block<T>(
        top: &mut Self::Top<'_>,
        layout: Layout,
        work: impl FnOnce(NonNull<u8>, Self::Top<'_>) -> T,
    ) -> T {
        top.scoped(|scope| {
            let block = scope.allocate_layout(layout);
            work(block, scope.by_value())
        })
    }
}
