//! [`scratch`]: memory for the time of a call, from a pair of stacks that each thread has.
//!
//! ```text
//!   fn outer                    stack 0   [ frame of outer ................. |
//!     scratch(None, |tmp| …)
//!       fn inner(out = tmp)     stack 1   [ frame of inner .. |
//!         scratch(out, |tmp| …)              not the one that its results go to
//!           fn leaf(out = tmp)  stack 0   [ frame of outer ................. [ frame of leaf |
//!             scratch(out, …)                                                  on top of outer's
//! ```
//!
//! A function that returns memory takes it from what its caller gave it; what it needs on the way, it
//! takes from `scratch`, which must not be the same stack: its frame would end with the call, and the
//! results with it. So it names what it was given as the *conflict*, and gets the other stack. Two
//! stacks are enough, however deep the calls go.
//!
//! # What if an outer frame is used while an inner one is open on its stack
//!
//! `leaf` above could be given outer's `tmp` as well, and allocate from it: on top of its own frame,
//! whose end would take that along. The compiler cannot see this, so it is seen when it happens: one
//! comparison a call. Such a request is a *stray*: it is served by the global allocator, and freed when
//! its frame ends. Nothing dangles and nothing is refused; [`ScratchStats::strays`] counts them.
//!
//! # Invariants
//!
//! * **S1** frames on one stack of the pair are nested as calls are: a frame is opened and ended in one
//!   call of `scratch`, which holds its guard. `open` of the side is their number.
//! * **S2** a stack is used through the frame opened last alone (`depth == open`): nothing is taken or
//!   given back below an open frame. So each guard upholds what [`FrameGuard`] asks for (its F2).
//! * **S3** strays are a frame's own, in a list, and are freed when it ends.
//!
//! # Ordering edges
//!
//! None: one thread.
//!
//! # Cost
//!
//! A call: the thread-local pair, a choice, a frame. An allocation: that of a frame, and one
//! comparison.
//!
//! # Source
//!
//! The pair and its conflicts are R. Fleury's ("Untangling lifetimes: the arena allocator", 2022), in
//! C, where they are a convention.

mod values;

use core::cell::Cell;
use core::fmt;
use core::hint::cold_path;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use alloc_core::{AllocError, AllocStats, Allocator, ErrorKind, Global, Layout, TryAllocError};
use primitives::sync::thread_local;

use crate::{FrameGuard, Scope, Stack};

/// A frame on one of the thread's two scratch stacks: see [`scratch`].
///
/// References live as long as the frame, `'s`. Values are not dropped, and types that need it are
/// refused at compile time; collections over the scratch, which is an [`Allocator`], drop theirs.
pub struct Scratch<'s> {
    scope: Scope<'s>,
    side: &'s Side,
    /// Which frame of the side this is, from 1 (S2).
    depth: usize,
    /// Which side: 0 or 1, or [`ALONE`].
    index: usize,
    strays: Cell<Option<NonNull<Stray>>>,
}

/// One stack of a pair.
struct Side {
    stack: Stack,
    /// Frames that are open on it (S1): as long as there are any, the stack is not trimmed.
    open: Cell<usize>,
    strays: Cell<u64>,
}

impl Side {
    const fn new() -> Self {
        Self { stack: Stack::new(), open: Cell::new(0), strays: Cell::new(0) }
    }
}

/// The index of a stack outside the pair, which is in conflict with nothing.
const ALONE: usize = 2;

thread_local! {
    static PAIR: [Side; 2] = const { [Side::new(), Side::new()] };
}

/// What a [`Scratch`] must not be on the same stack as: `None`, one other, or several.
pub trait Conflict {
    /// Returns whether stack number `index` of the thread's pair, 0 or 1, is to be left alone.
    fn is_on(&self, index: usize) -> bool;
}

impl Conflict for &Scratch<'_> {
    fn is_on(&self, index: usize) -> bool {
        self.index == index && !cfg!(bug = "scratch-ignores-the-conflict")
    }
}

impl Conflict for Option<&Scratch<'_>> {
    fn is_on(&self, index: usize) -> bool {
        self.is_some_and(|scratch| scratch.is_on(index))
    }
}

impl<const N: usize> Conflict for [&Scratch<'_>; N] {
    fn is_on(&self, index: usize) -> bool {
        self.iter().any(|scratch| scratch.is_on(index))
    }
}

impl Conflict for &[&Scratch<'_>] {
    fn is_on(&self, index: usize) -> bool {
        self.iter().any(|scratch| scratch.is_on(index))
    }
}

/// Runs `work` with memory for the time of the call, on another stack than `conflict`.
///
/// `conflict` is where the caller wants its results, if that is a scratch itself. If both stacks of
/// the thread are in conflict, `work` gets one of its own.
///
/// # Examples
///
/// ```
/// use alloc_stack::{Scratch, scratch};
///
/// /// The words of `text`, sorted, in `out`.
/// fn sorted<'s, 't>(text: &'t str, out: &Scratch<'s>) -> &'s [&'t str] {
///     scratch(out, |tmp| {
///         let words = tmp.alloc_from_iter(text.split(' ')); // gone at the end
///         words.sort_unstable();
///         &*out.alloc_slice_copy(words) // stays
///     })
/// }
///
/// let longest = scratch(None, |tmp| {
///     sorted("to be or not to be", tmp).iter().map(|word| word.len()).max()
/// });
/// assert_eq!(longest, Some(3));
/// ```
///
/// # Panics
///
/// If `work` does.
#[inline]
pub fn scratch<R>(conflict: impl Conflict, work: impl FnOnce(&Scratch<'_>) -> R) -> R {
    // A stack for this call alone, if it comes to that.
    let mut alone = MaybeUninit::uninit();
    let chosen = PAIR.try_with(|pair| {
        // Where fewer frames are open, an outer one is less likely to be in the way.
        let first = usize::from(pair[1].open.get() < pair[0].open.get());
        let free = [first, 1 - first].into_iter().find(|index| !conflict.is_on(*index))?;
        Some((free, NonNull::from_ref(&pair[free])))
    });
    let (index, side) = match chosen {
        Ok(Some(chosen)) => chosen,
        // Both are in conflict, or the thread is past the pair's destructor.
        Ok(None) | Err(_) => {
            cold_path();
            (ALONE, NonNull::from_mut(alone.write(Side::new())))
        }
    };
    // SAFETY: 1. one of the thread's pair, which lives until the thread has ended all its calls, this
    // one included; or `alone`, written just now. 2. `alone` is not used again.
    unsafe { on(index, side, work) }
}

/// Runs `work` in a new frame on `side`.
///
/// # Safety
///
/// 1. `side` is alive during this call;
/// 2. if `index` is [`ALONE`] it is the call's own: dropped here.
#[inline(always)]
unsafe fn on<R>(index: usize, side: NonNull<Side>, work: impl FnOnce(&Scratch<'_>) -> R) -> R {
    /// Counts the frame as ended, also when `work` panics, and drops a side that was for it alone.
    struct Opened {
        index: usize,
        side: NonNull<Side>,
    }
    impl Drop for Opened {
        #[inline]
        fn drop(&mut self) {
            // SAFETY: clause 1.
            let open = unsafe { &self.side.as_ref().open };
            open.set(open.get() - 1);
            if self.index == ALONE {
                cold_path();
                // SAFETY: clause 2; its frame, the only one, has ended.
                unsafe { self.side.drop_in_place() };
            }
        }
    }
    let opened = Opened { index, side };
    // SAFETY: clause 1.
    let side = unsafe { opened.side.as_ref() };
    let depth = side.open.get() + 1;
    side.open.set(depth);
    // S2: by the depths this frame is the only one that uses the stack until it ends.
    let mut guard = FrameGuard::on(&side.stack);
    let scratch = Scratch { scope: guard.scope(), side, depth, index, strays: Cell::new(None) };
    work(&scratch)
    // In reverse: the strays, the frame, the depth.
}

/// What this thread's scratch stacks did so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ScratchStats {
    /// Figures of the two stacks.
    pub stacks: [AllocStats; 2],
    /// Blocks taken through a frame while another was open on top of it, from the global allocator.
    pub strays: u64,
}

/// Returns what this thread's scratch stacks did so far.
///
/// ```
/// alloc_stack::scratch(None, |tmp| tmp.alloc([1u8; 100]).len());
/// let stats = alloc_stack::scratch_stats();
/// assert_eq!(stats.stacks[0].used_bytes, 0);
/// assert!(stats.stacks[0].reserved_bytes > 100, "kept for the next call");
/// ```
#[must_use]
pub fn scratch_stats() -> ScratchStats {
    PAIR.try_with(|pair| ScratchStats {
        stacks: [0, 1].map(|index: usize| pair[index].stack.stats()),
        strays: pair.iter().map(|side| side.strays.get()).sum(),
    })
    .unwrap_or_default()
}

/// Gives the memory of this thread's scratch stacks back, as far as no frame is open on them. Returns
/// how many bytes that was.
///
/// ```
/// alloc_stack::scratch(None, |tmp| tmp.alloc([1u8; 100]).len());
/// assert!(alloc_stack::trim_scratch() > 100);
/// assert_eq!(alloc_stack::trim_scratch(), 0);
/// ```
pub fn trim_scratch() -> usize {
    PAIR.try_with(|pair| {
        let idle = pair.iter().filter(|side| side.open.get() == 0);
        // Shared: the global allocator may be one that asks for scratch itself.
        idle.map(|side| side.stack.trim_shared()).sum()
    })
    .unwrap_or_default()
}

/// The head of a block from the global allocator (S3).
struct Stray {
    next: Option<NonNull<Stray>>,
    layout: Layout,
}

impl<'s> Scratch<'s> {
    /// Returns the scope if this frame is the one opened last on its stack (S2).
    #[inline(always)]
    fn innermost(&self) -> Option<&Scope<'s>> {
        let innermost = self.depth == self.side.open.get() || cfg!(bug = "scratch-serves-below");
        innermost.then_some(&self.scope)
    }

    /// Takes a block from the global allocator, for the time of the frame (S3).
    #[cold]
    #[inline(never)]
    fn stray(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        let overflow = TryAllocError::overflow::<u8>(layout.size());
        let (whole, offset) = Layout::new::<Stray>().extend(layout).map_err(|_| overflow)?;
        let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
        let block = Global.allocate(whole).map_err(|_| refused)?;
        let head = block.cast::<Stray>();
        // SAFETY: the block is fresh, begins with room for a head and is aligned for one.
        unsafe { head.write(Stray { next: self.strays.get(), layout: whole }) };
        self.strays.set(Some(head));
        self.side.strays.set(self.side.strays.get() + 1);
        // SAFETY: inside the block, which is `whole`.
        Ok(unsafe { head.byte_add(offset) }.cast())
    }

    /// Whether the block is on the stack, and not a stray.
    #[inline]
    fn is_on_stack(&self, block: NonNull<u8>) -> bool {
        self.strays.get().is_none() || self.scope.stack().contains(block.as_ptr())
    }

    /// The scope, to give back or resize `block` through.
    #[inline]
    fn innermost_with(&self, block: NonNull<u8>) -> Option<&Scope<'s>> {
        self.innermost().filter(|_| self.is_on_stack(block))
    }

    /// Copies the first `len` bytes of `block` to a new block of `layout`; the old one stays taken until
    /// the frame ends.
    ///
    /// # Safety
    ///
    /// 1. `block` is readable for `len` bytes, and `len <= layout.size()`.
    #[cold]
    unsafe fn copied(
        &self,
        block: NonNull<u8>,
        len: usize,
        layout: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let new = self.allocate(layout)?;
        // SAFETY: clause 1; the new block is fresh and at least as long.
        unsafe { new.cast::<u8>().copy_from_nonoverlapping(block, len) };
        Ok(new)
    }
}

// SAFETY: a block is the scope's, valid until the frame ends and untouched while another frame is open
// on top (S2), or a stray, valid until the frame ends (S3). A scratch is no `Clone` and moves no block.
// `deallocate` and the others pass on to the scope what came from it, and only while it may be used.
unsafe impl Allocator for Scratch<'_> {
    #[inline]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        match self.innermost() {
            Some(scope) => scope.allocate(layout),
            None => {
                let block = self.stray(layout).map_err(|_| AllocError)?;
                Ok(NonNull::slice_from_raw_parts(block, layout.size()))
            }
        }
    }

    #[inline]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        if let Some(scope) = self.innermost_with(ptr) {
            // SAFETY: the caller's promise; the block came from this scope.
            unsafe { scope.deallocate(ptr, layout) }
        }
        // Else it goes when the frame ends.
    }

    #[inline]
    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        match self.innermost_with(ptr) {
            // SAFETY: the caller's promise; the block came from this scope.
            Some(scope) => unsafe { scope.grow(ptr, old, new) },
            // SAFETY: 1. the caller's promise: alive with `old`, which is no longer than `new`.
            None => unsafe { self.copied(ptr, old.size(), new) },
        }
    }

    #[inline]
    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        match self.innermost_with(ptr) {
            // SAFETY: the caller's promise; the block came from this scope.
            Some(scope) => unsafe { scope.shrink(ptr, old, new) },
            // SAFETY: 1. the caller's promise: alive with `old`, which is no shorter than `new`.
            None => unsafe { self.copied(ptr, new.size(), new) },
        }
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        let mut next = self.strays.take();
        while let Some(stray) = next {
            // SAFETY: S3: a head that `stray` wrote, alive until here.
            let Stray { next: rest, layout } = unsafe { stray.read() };
            next = rest;
            // SAFETY: S3: the global allocator's block, with its layout; the frame ends.
            unsafe { Global.deallocate(stray.cast(), layout) };
        }
    }
}

impl fmt::Debug for Scratch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scratch")
            .field("index", &self.index)
            .field("depth", &self.depth)
            .field("innermost", &self.innermost().is_some())
            .finish_non_exhaustive()
    }
}
