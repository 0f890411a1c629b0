//! [`Frames`]: a ring of regions for work that comes frame by frame.
//!
//! ```text
//!   frame number   5          6          7 (current)
//!               ┌────────┐ ┌────────┐ ┌────────┐
//!   N = 3       │region 2│ │region 0│ │region 1│     advance(): region 2 is emptied and becomes
//!               └────────┘ └────────┘ └────────┘     frame 8; handles to frame 5 no longer resolve
//! ```
//!
//! A value of this frame may be read during the next `N - 1` frames, and then its memory is used
//! again. The borrow checker cannot follow a value through that, so a value kept beyond one frame
//! is named by a [`FrameRef`], which is checked when it is used.
//!
//! # Invariants
//!
//! * **F1** frame `f` lives in region `f % N`; frames `current - (N - 1) ..= current` are alive.
//! * **F2** a [`FrameRef`] resolves only in the `Frames` that made it (ids are never used twice),
//!   and only while its frame is alive; its value was written by then and no `&mut` to it exists
//!   but through `&mut Frames`.
//!
//! # Cost
//!
//! `advance` is a reset. Resolving a reference is two comparisons.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use alloc_core::{AllocStats, Allocator, Global, TryAllocError};
use primitives::sync::atomic::Ordering::Relaxed;
use primitives::sync::unmodelled::AtomicU64;

use crate::Linear;

/// A ring of `N` regions: what is allocated in a frame lives for `N` frames.
///
/// # Examples
///
/// ```
/// use alloc_linear::Frames;
///
/// // Double buffering: this frame's contacts are compared with the last one's.
/// let mut frames = Frames::<2>::with_capacity(64 * 1024);
/// let mut last = frames.keep_slice(&[1u32, 2, 3]);
/// for tick in 0..10u32 {
///     frames.advance();
///     let scratch = frames.current().alloc_slice_fill_with(3, |i| tick + i as u32);
///     let moved = scratch.iter().zip(frames.get(last).expect("one frame old"));
///     assert_eq!(moved.count(), 3);
///     last = frames.keep_slice(&[tick, tick + 1, tick + 2]);
/// }
/// ```
///
/// # Concurrency
///
/// One thread at a time: `Send` (where `A` is), not `Sync`.
pub struct Frames<const N: usize, const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    regions: [Linear<MIN_ALIGN, A>; N],
    current: u64,
    /// `current % N`.
    index: usize,
    id: u64,
}

/// The name of a value in a [`Frames`], good for `N` frames.
///
/// It may outlive its value: [`Frames::get`] then returns `None`.
pub struct FrameRef<T: ?Sized> {
    value: NonNull<T>,
    frame: u64,
    frames_id: u64,
    /// Invariant in `T`: what `get_mut` writes must be what every copy of the name reads.
    invariant: PhantomData<*mut T>,
}

// SAFETY: a `FrameRef` gives access to a `T` only together with the `Frames` that holds it, which
// one thread at a time can use. Used on another thread than the one that made it, it moves the
// access to the `T` there: `T: Send`. Two threads cannot use it at once, so `T: Sync` is not needed.
unsafe impl<T: ?Sized + Send> Send for FrameRef<T> {}
// SAFETY: as above; a shared `FrameRef` is no more than a copied one.
unsafe impl<T: ?Sized + Send> Sync for FrameRef<T> {}

impl<T: ?Sized> Clone for FrameRef<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for FrameRef<T> {}

/// Ids for [`FrameRef`]s to be checked against; 64 bits are never used up.
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

impl<const N: usize> Frames<N> {
    /// Returns a ring of `N` regions of at least `frame_bytes` each.
    ///
    /// # Panics
    ///
    /// If the memory cannot be had.
    #[must_use]
    pub fn with_capacity(frame_bytes: usize) -> Self {
        Self::from_regions(core::array::from_fn(|_| Linear::with_capacity(frame_bytes)))
    }

    /// Returns a ring of `N` regions of at least `frame_bytes` each, or the reason why it cannot
    /// be had.
    ///
    /// # Errors
    ///
    /// As [`Linear::try_with_capacity`]; what was allocated by then is given back.
    pub fn try_with_capacity(frame_bytes: usize) -> Result<Self, TryAllocError> {
        let mut regions = [const { None }; N];
        for region in &mut regions {
            *region = Some(Linear::try_with_capacity(frame_bytes)?);
        }
        Ok(Self::from_regions(regions.map(|region| match region {
            Some(region) => region,
            None => unreachable!("the loop filled every place"),
        })))
    }
}

impl<const N: usize, const MIN_ALIGN: usize, A: Allocator> Frames<N, MIN_ALIGN, A> {
    /// Returns a ring of the given regions, emptied.
    #[must_use]
    pub fn from_regions(mut regions: [Linear<MIN_ALIGN, A>; N]) -> Self {
        const { assert!(N > 0, "a ring has at least one region") };
        for region in &mut regions {
            region.reset();
        }
        // ORD Relaxed: only that ids differ matters, which atomicity gives.
        let id = NEXT_ID.fetch_add(1, Relaxed);
        Self { regions, current: 0, index: 0, id }
    }

    /// Begins the next frame: the oldest region is emptied and becomes the current one.
    pub fn advance(&mut self) {
        self.current += 1;
        self.index = if self.index + 1 == N { 0 } else { self.index + 1 };
        self.regions[self.index].reset();
    }

    /// Returns the current frame's region, for values that live until the next
    /// [`advance`](Self::advance).
    #[must_use]
    #[inline]
    pub fn current(&self) -> &Linear<MIN_ALIGN, A> {
        &self.regions[self.index]
    }

    /// Returns the number of the current frame, counted from 0.
    #[must_use]
    pub fn frame_number(&self) -> u64 {
        self.current
    }

    /// Moves `value` into the current frame and names it, to be read in the next `N - 1` frames.
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn keep<T: 'static>(&self, value: T) -> FrameRef<T> {
        self.name(NonNull::from_mut(self.current().alloc(value)))
    }

    /// Copies `values` into the current frame and names the slice.
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn keep_slice<T: Copy + 'static>(&self, values: &[T]) -> FrameRef<[T]> {
        self.name(NonNull::from_mut(self.current().alloc_slice_copy(values)))
    }

    /// Copies `text` into the current frame and names it.
    ///
    /// # Panics
    ///
    /// If there is no room.
    #[inline]
    #[track_caller]
    pub fn keep_str(&self, text: &str) -> FrameRef<str> {
        self.name(NonNull::from_mut(self.current().alloc_str(text)))
    }

    #[inline]
    fn name<T: ?Sized>(&self, value: NonNull<T>) -> FrameRef<T> {
        FrameRef { value, frame: self.current, frames_id: self.id, invariant: PhantomData }
    }

    /// Returns the value, unless its frame is over, or it is another ring's.
    #[must_use]
    #[inline]
    pub fn get<T: ?Sized + 'static>(&self, name: FrameRef<T>) -> Option<&T> {
        if !self.is_alive(name) {
            return None;
        }
        // SAFETY: F2: written, alive until the next `advance(&mut self)`, and unshared with any
        // `&mut`, which `get_mut(&mut self)` alone gives.
        Some(unsafe { name.value.as_ref() })
    }

    /// Returns the value for writing, unless its frame is over, or it is another ring's.
    #[must_use]
    #[inline]
    pub fn get_mut<T: ?Sized + 'static>(&mut self, mut name: FrameRef<T>) -> Option<&mut T> {
        if !self.is_alive(name) {
            return None;
        }
        // SAFETY: F2; `&mut self` excludes every other reference into the ring.
        Some(unsafe { name.value.as_mut() })
    }

    /// Returns whether `name` still resolves here.
    #[must_use]
    #[inline]
    pub fn is_alive<T: ?Sized>(&self, name: FrameRef<T>) -> bool {
        let age = self.current.wrapping_sub(name.frame);
        let frames = if cfg!(bug = "frames-live-too-long") { N as u64 + 1 } else { N as u64 };
        name.frames_id == self.id && age < frames
    }

    /// Returns what the region of the current frame did so far.
    #[must_use]
    pub fn stats(&self) -> AllocStats {
        self.current().stats()
    }
}

impl<const N: usize, const MIN_ALIGN: usize, A: Allocator> fmt::Debug for Frames<N, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frames")
            .field("current", &self.current)
            .field("regions", &self.regions)
            .finish_non_exhaustive()
    }
}

impl<T: ?Sized> fmt::Debug for FrameRef<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameRef").field("frame", &self.frame).finish_non_exhaustive()
    }
}
