//! Memory whose newest block dies first: what the group `stack` compares.
//!
//! ```text
//!   Lifo       push a block, take it back; the caller keeps pointer, layout and a mark in a table
//!   Recurse    a block for the length of a closure, which may ask for more: recursion
//!   Framed     a frame of blocks that die together
//!   Owner      boxes that give their block back when they drop
//!   DynLifo    values of different types behind one trait, called and dropped from the top
//! ```
//!
//! Any allocator can serve them all, a malloc with one `free` a block. What differs is what is left
//! when everything was given back: see [`Lifo::held_bytes`].

use core::alloc::Layout;
use core::ops::Deref;
use core::ptr::NonNull;

use super::{About, Backing, Bump};

/// Memory that takes blocks back one by one.
pub trait Lifo: Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What it needs to take a block back, beside its pointer and layout.
    type Mark: Copy + 'static;

    /// Makes one that can serve `bytes` between two calls of [`Lifo::settle`], whatever of them is
    /// given back meanwhile.
    ///
    /// A configuration that is about *not* stating a capacity ignores it.
    fn with_capacity(bytes: usize) -> Self;

    /// Returns a block; its bytes are uninitialised.
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, Self::Mark);

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// 1. `block` and `mark` came from one call of [`Lifo::push`] with this layout, and the block
    ///    was not taken back since.
    /// 2. It is not used again.
    /// 3. Unless the engine is one for any order: every block pushed after it was taken back.
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, mark: Self::Mark);

    /// Returns the bytes that no other block can have now: those of blocks alive, padding, what was
    /// given back and not reclaimed, what was skipped at the end of a chunk. `live` is what is alive.
    ///
    /// A malloc counts the usable bytes of each block alive, and not its own headers.
    fn held_bytes(&mut self, live: &[(NonNull<u8>, Layout)]) -> usize;

    /// Makes room after everything was given back: what could not be reclaimed block by block goes.
    fn settle(&mut self);
}

/// Memory for the length of a closure.
pub trait Recurse: Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What a level of the recursion allocates from.
    type Top<'s>;

    /// Makes one, as [`Lifo::with_capacity`].
    fn with_capacity(bytes: usize) -> Self;

    /// Lends what the outermost call allocates from, runs it, and makes room after it.
    fn enter<T>(&mut self, work: impl FnOnce(Self::Top<'_>) -> T) -> T;

    /// Lends it again, for one call of several.
    fn again<'t>(top: &'t mut Self::Top<'_>) -> Self::Top<'t>;

    /// Calls `work` with a block that lives as long as the call, and with what to take further
    /// blocks from meanwhile.
    fn with_block<T>(
        top: &mut Self::Top<'_>,
        layout: Layout,
        work: impl FnOnce(NonNull<u8>, Self::Top<'_>) -> T,
    ) -> T;
}

/// Memory by the frame.
pub trait Framed: Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What a frame allocates from.
    type Frame<'f>;

    /// Makes one, with room for `bytes` in a frame.
    fn with_capacity(bytes: usize) -> Self;

    /// Opens a frame, lets `fill` allocate `blocks` of these layouts from it, and ends it: the
    /// blocks die.
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut Self::Frame<'_>, &[Layout], &mut [NonNull<u8>]),
    );

    /// Returns a block of the frame.
    fn alloc_layout(frame: &mut Self::Frame<'_>, layout: Layout) -> NonNull<u8>;
}

/// Memory under boxes.
pub trait Owner: Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// A box; it gives its block back when it drops, in whatever order.
    type Boxed<'s>: Deref<Target = Value>
    where
        Self: 's;

    /// Makes one, as [`Lifo::with_capacity`].
    fn with_capacity(bytes: usize) -> Self;

    /// Boxes a value.
    fn boxed(&self, value: Value) -> Self::Boxed<'_>;

    /// Makes room after every box was dropped.
    fn settle(&mut self);
}

/// What is boxed: three words, the size of a `Vec` or a small syntax node.
pub type Value = [u64; 3];

/// A region under `allocator_api2`'s `Box`.
#[derive(Debug)]
pub struct BoxIn<R>(R);

impl<R: Backing> Owner for BoxIn<R> {
    const ABOUT: About = R::ABOUT;

    type Boxed<'s> = allocator_api2::boxed::Box<Value, R::Handle<'s>>;

    fn with_capacity(bytes: usize) -> Self {
        Self(R::with_capacity(bytes))
    }

    #[inline]
    fn boxed(&self, value: Value) -> Self::Boxed<'_> {
        allocator_api2::boxed::Box::new_in(value, self.0.handle())
    }

    #[inline]
    fn settle(&mut self) {
        self.0.end_collections();
    }
}

/// What the values of a [`DynLifo`] can do.
pub trait Step: 'static {
    /// Takes a step and returns a number that depends on the value and on `input`.
    fn step(&mut self, input: u64) -> u64;
}

/// A stack of values of different types.
pub trait DynLifo: Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// Makes one with room for `count` values of `bytes` in all.
    ///
    /// A configuration that is about *not* stating a capacity ignores it.
    fn with_capacity(count: usize, bytes: usize) -> Self;

    /// Moves a value to the top.
    fn push<T: Step>(&mut self, value: T);

    /// Lets the value at the top of a stack that is not empty take a step, and drops it.
    fn step_and_pop(&mut self, input: u64) -> u64;

    /// Makes room after everything was dropped.
    fn settle(&mut self) {}
}

/// A [`Lifo`] whose blocks are taken back when a recursive call returns.
#[derive(Debug)]
pub struct ByPop<S>(S);

impl<S: Lifo> Recurse for ByPop<S> {
    const ABOUT: About = S::ABOUT;

    type Top<'s> = &'s mut S;

    fn with_capacity(bytes: usize) -> Self {
        Self(S::with_capacity(bytes))
    }

    #[inline]
    fn enter<T>(&mut self, work: impl FnOnce(&mut S) -> T) -> T {
        let result = work(&mut self.0);
        self.0.settle();
        result
    }

    #[inline]
    fn again<'t>(top: &'t mut &mut S) -> &'t mut S {
        top
    }

    #[inline]
    fn with_block<T>(
        top: &mut &mut S,
        layout: Layout,
        work: impl FnOnce(NonNull<u8>, &mut S) -> T,
    ) -> T {
        let (block, mark) = top.push(layout);
        let result = work(block, top);
        // SAFETY: 1. this call's block; 2. `work` is over; 3. so are the calls it made, and each took
        // its block back.
        unsafe { top.pop(block, layout, mark) };
        result
    }
}

/// A bump region that is reset at the end of each frame; its frames do not nest.
#[derive(Debug)]
pub struct ByReset<R>(R);

impl<R: Bump> Framed for ByReset<R> {
    const ABOUT: About = R::ABOUT;

    type Frame<'f> = &'f R;

    fn with_capacity(bytes: usize) -> Self {
        Self(R::with_capacity(bytes))
    }

    #[inline]
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut &R, &[Layout], &mut [NonNull<u8>]),
    ) {
        fill(&mut &self.0, layouts, blocks);
        self.0.reset();
    }

    #[inline]
    fn alloc_layout(frame: &mut &R, layout: Layout) -> NonNull<u8> {
        frame.alloc_layout(layout)
    }
}
