//! [`SyncArena`]: one arena for many threads, who do not fight over it.
//!
//! ```text
//!   thread A    part: [chunk] <- [chunk, current]      each part is an `Arena` of its own,
//!   thread B    part: [chunk, current]                 found by `ThreadSlots`
//!   (gone) C    part: [chunk] <- [chunk, current]      waits for the next thread that asks
//!                         \         |        /
//!   shared            backing, limit, bytes held       met once per chunk
//! ```
//!
//! # Progress
//!
//! Allocating is wait-free within a chunk. Taking a chunk is lock-free, apart from the backing. A
//! thread's first allocation may allocate its slot.
//!
//! # Invariants
//!
//! * **S1** a part is used by one thread at a time (`ThreadSlots`), or by whoever has the arena
//!   exclusively.
//! * **S2** a part's [`Lent`] points to the `shared` of the arena that the part belongs to, at its
//!   present place, whenever the part may call its backing: every method that lends a part sets it
//!   first, under the borrow of the arena for which it is used.
//! * **S3** what a part hands out ends by `reset(&mut self)` and by drop alone, which need the arena
//!   unborrowed by every thread. So a reference may be as long as the borrow of the *arena*, and not
//!   only as the loan of the part.
//! * **S4** a block may be freed or grown by another thread than took it: that thread's part takes no
//!   block of another for its own newest one (A4 of `src/allocator.rs`: those of other chunks end and
//!   begin elsewhere, behind headers), so it copies, or does nothing.
//! * **S5** a value in a drop list is `Send + 'static`: it may be dropped by the thread that resets
//!   or drops the arena, which is not the one that made it.
//!
//! # Ordering edges
//!
//! None of its own: `shared` holds counters, and `Relaxed` is enough for a number that guards no
//! memory. A part passes to its next thread along the edges of `ThreadSlots`; `&mut self` happens
//! after every use of `&self` by whatever ended the sharing.
//!
//! # Cost
//!
//! A private arena's and the look-up of the slot: see `DESIGN.md`. Memory held but unused: at most
//! what each thread's part keeps.
//!
//! # Source
//!
//! Thread-local allocation buffers, as garbage-collected runtimes have used them since the 1990s; a
//! pool of arenas for threads, one checked out by each, is the `bumpalo-herd` crate's.

#![expect(clippy::mut_from_ref, reason = "each call returns memory that no other has (I3)")]

mod allocator;
mod local;
mod shared;

use core::convert::Infallible;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use alloc_core::place::{put, put_slice};
use alloc_core::{Allocator, ErrorKind, Global, Layout, Rejected, TryAllocError};
use primitives::sync::const_fn;
use primitives::{SlotError, ThreadSlots};

pub use self::local::Local;
use self::shared::{Lent, Shared};
use crate::arena::no_room;
use crate::no_drop::NoDrop;
use crate::{Arena, ArenaConfig, ArenaStats, ConfigError};

/// A thread's part of the arena.
type Part<const MIN_ALIGN: usize, A> = Arena<MIN_ALIGN, Lent<A>>;

/// An arena in which many threads build at once; everything lives as long as it is not reset.
///
/// Each thread allocates in chunks of its own, so threads meet once per chunk. References may be
/// passed between threads as the values' own types allow.
///
/// Values are dropped if they came by [`alloc_drop`](Self::alloc_drop): by the thread that resets or
/// drops the arena, part by part (the one made last first, where a part is what one thread used, and
/// after its exit perhaps another), and within a part the newest first.
///
/// # Examples
///
/// ```
/// use alloc_arena::SyncArena;
///
/// let mut arena = SyncArena::new();
/// let words: Vec<&str> = std::thread::scope(|scope| {
///     let arena = &arena;
///     let workers: Vec<_> = ["to be", "or not"]
///         .map(|line| scope.spawn(move || arena.alloc_from_iter(line.split(' '))))
///         .into_iter()
///         .collect();
///     workers.into_iter().flat_map(|worker| worker.join().unwrap().iter().copied()).collect()
/// });
/// assert_eq!(words, ["to", "be", "or", "not"]);
/// arena.reset(); // every thread's chunks are used again
/// ```
///
/// # Concurrency
///
/// `Send` and `Sync` (where `A` is). See the module for progress and memory held. Not for signal
/// handlers, beside a thread that may be in any object built on
/// [`ThreadSlots`](primitives::ThreadSlots#signal-handlers).
pub struct SyncArena<const MIN_ALIGN: usize = 1, A: Allocator = Global> {
    /// Dropped by hand: the parts need `shared`, in its place, to give their chunks back (S2).
    parts: ManuallyDrop<ThreadSlots<Part<MIN_ALIGN, A>>>,
    shared: Shared<A>,
    config: ArenaConfig,
    resets: u64,
    peak_bytes: usize,
}

// SAFETY: the arena owns its parts, and nobody borrows from it while it is sent. Its backing goes
// with it: `A: Send`. Of the values, those that it will drop are `Send` (S5); the others it never
// touches again, and no reference to them exists then, so nothing is asked of them.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Send> Send for SyncArena<MIN_ALIGN, A> {}
// SAFETY: `&self` methods touch the calling thread's own part (S1), counters that are atomic, and
// the backing by `&A`: `A: Sync`. `A: Send` is not needed: the backing itself stays where it is. The
// values need be neither `Send` nor `Sync`: a reference is returned to the thread that passed the
// value in, and nothing else reaches it but its drop, for which S5 asks `Send`.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Sync> Sync for SyncArena<MIN_ALIGN, A> {}

impl SyncArena {
    const_fn! {
        /// Returns an empty arena over the global allocator, with the default configuration.
        ///
        /// No memory is taken until the first allocation: an arena may be a `static`.
        #[must_use]
        pub const fn new() -> Self {
            Self::with_min_align()
        }
    }
}

impl Default for SyncArena {
    fn default() -> Self {
        Self::new()
    }
}

impl<const MIN_ALIGN: usize> SyncArena<MIN_ALIGN> {
    const_fn! {
        /// Returns an empty arena whose blocks are all aligned to `MIN_ALIGN`.
        #[must_use]
        pub const fn with_min_align() -> Self {
            Self::build(ArenaConfig::new(), true, Global)
        }
    }

    /// Returns an empty arena with this configuration, which each thread's part has; the limit is
    /// of all of them together.
    ///
    /// # Panics
    ///
    /// If the configuration is one that no arena can have. See
    /// [`try_with_config`](Self::try_with_config).
    #[must_use]
    #[track_caller]
    pub fn with_config(config: ArenaConfig) -> Self {
        match Self::try_with_config(config) {
            Ok(arena) => arena,
            Err(error) => panic!("cannot make an arena: {error}"),
        }
    }

    /// Returns an empty arena with this configuration, or says what is wrong with it.
    ///
    /// # Errors
    ///
    /// The field whose value is out of its limits.
    pub fn try_with_config(config: ArenaConfig) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self::build(config, config.thread_cache, Global))
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> SyncArena<MIN_ALIGN, A> {
    const_fn! {
        /// Returns an empty arena over `backing`, with the default configuration.
        #[must_use]
        pub const fn new_in(backing: A) -> Self {
            Self::build(ArenaConfig::new(), false, backing)
        }
    }

    /// Returns an empty arena over `backing` with this configuration.
    ///
    /// # Panics
    ///
    /// If the configuration is one that no arena can have.
    #[must_use]
    #[track_caller]
    pub fn with_config_in(config: ArenaConfig, backing: A) -> Self {
        match Self::try_with_config_in(config, backing) {
            Ok(arena) => arena,
            Err(error) => panic!("cannot make an arena: {error}"),
        }
    }

    /// Returns an empty arena over `backing` with this configuration, or says what is wrong with it;
    /// `backing` is dropped then.
    ///
    /// # Errors
    ///
    /// The field whose value is out of its limits.
    pub fn try_with_config_in(config: ArenaConfig, backing: A) -> Result<Self, ConfigError> {
        config.check()?;
        Ok(Self::build(config, false, backing))
    }

    const_fn! {
        /// `is_cached` only if `A` is the global allocator.
        const fn build(config: ArenaConfig, is_cached: bool, backing: A) -> Self {
            Self {
                parts: ManuallyDrop::new(ThreadSlots::new()),
                shared: Shared::new(config.limit_bytes, is_cached, backing),
                // The limit is the shared part's, and so is the thread's cache.
                config: config.limit_bytes(usize::MAX).thread_cache(false),
                resets: 0,
                peak_bytes: 0,
            }
        }
    }

    /// Moves `value` into the arena.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc`](Self::try_alloc). Aborts if there is no memory for
    /// the slot of a thread that allocates for the first time (`handle_alloc_error`).
    #[inline]
    #[track_caller]
    pub fn alloc<T>(&self, value: T) -> &mut T {
        const { NoDrop::<T>::CHECK };
        let place = self.parts.with_or(
            || self.part(),
            |part| match part.bump_for::<T>(size_of::<T>()) {
                Some(place) => place,
                None => self.refill_or_panic(part, Layout::new::<T>()),
            },
        );
        // SAFETY: 1. and 2. a fresh block of this layout (I3 of the part), valid while `self` is
        // borrowed (S3).
        unsafe { put(place, value) }
    }

    /// Moves `value` into the arena, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, the backing refuses, or there is no memory for the slot of a
    /// thread that allocates for the first time.
    #[inline]
    pub fn try_alloc<T>(&self, value: T) -> Result<&mut T, Rejected<T>> {
        const { NoDrop::<T>::CHECK };
        match self.try_alloc_layout(Layout::new::<T>()) {
            // SAFETY: as in `alloc`.
            Ok(place) => Ok(unsafe { put(place, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Moves `value` into the arena, which will drop it: when it is reset or dropped, on the thread
    /// that does so, the newest of this thread's part first.
    ///
    /// `'static`, since the arena may be dropped after what the value borrows, and `Send`, since
    /// another thread may drop it.
    ///
    /// # Panics
    ///
    /// As [`alloc`](Self::alloc).
    #[inline]
    #[track_caller]
    pub fn alloc_drop<T: Send + 'static>(&self, value: T) -> &mut T {
        self.with_local(|local| local.alloc_drop(value))
    }

    /// Moves `value` into the arena, which will drop it, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_alloc_drop<T: Send + 'static>(&self, value: T) -> Result<&mut T, Rejected<T>> {
        let mut value = Some(value);
        let layout = Layout::new::<T>();
        let work = |local: &Local<'_, '_, MIN_ALIGN, A>| {
            let Some(value) = value.take() else { unreachable!("called once") };
            // The lifetime of the loan ends here, that of the borrow does not (S3).
            local.try_alloc_drop(value).map(NonNull::from_mut)
        };
        match self.try_with_local(layout, work) {
            // SAFETY: a value in a block of this thread's part, valid while `self` is borrowed (S3),
            // lent to nobody else.
            Ok(Ok(mut place)) => Ok(unsafe { place.as_mut() }),
            Ok(Err(rejected)) => Err(rejected),
            Err(error) => match value {
                Some(value) => Err(Rejected::new(value, error)),
                None => unreachable!("there was no slot, so nothing took the value"),
            },
        }
    }

    /// Returns a block of `layout`, its contents undefined.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_alloc_layout`](Self::try_alloc_layout).
    #[inline]
    #[track_caller]
    pub fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        match self.try_alloc_layout(layout) {
            Ok(block) => block,
            Err(error) => no_room(error),
        }
    }

    /// Returns a block of `layout`, its contents undefined, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_alloc_layout(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
        let work = |part: &Part<MIN_ALIGN, A>| match part.bump(layout) {
            Some(block) => Ok(block),
            None => self.refill(part, layout),
        };
        match self.parts.try_with_or(|| Ok::<_, Infallible>(self.part()), work) {
            Ok(result) => result,
            Err(error) => Err(no_slot(error, layout)),
        }
    }

    /// Copies a slice into the arena.
    ///
    /// # Panics
    ///
    /// As [`alloc`](Self::alloc).
    #[inline]
    #[track_caller]
    pub fn alloc_slice_copy<T: Copy>(&self, source: &[T]) -> &mut [T] {
        self.with_local(|local| local.alloc_slice_copy(source))
    }

    /// Copies a slice into the arena, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_alloc_slice_copy<T: Copy>(&self, source: &[T]) -> Result<&mut [T], TryAllocError> {
        let place = self.try_alloc_layout(Layout::for_value(source))?;
        // SAFETY: 1. and 2. a fresh block for `source.len()` values, valid while `self` is borrowed
        // (S3).
        Ok(unsafe { put_slice(place, source) })
    }

    /// Copies a string into the arena.
    ///
    /// # Panics
    ///
    /// As [`alloc`](Self::alloc).
    #[inline]
    #[track_caller]
    pub fn alloc_str(&self, source: &str) -> &mut str {
        self.with_local(|local| local.alloc_str(source))
    }

    /// Copies a string into the arena, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// As [`try_alloc`](Self::try_alloc).
    #[inline]
    pub fn try_alloc_str(&self, source: &str) -> Result<&mut str, TryAllocError> {
        let copy = self.try_alloc_slice_copy(source.as_bytes())?;
        // SAFETY: 1. a copy of a string.
        Ok(unsafe { alloc_core::place::as_str(copy) })
    }

    /// Collects an iterator of any length into a slice. The iterator may allocate from the arena.
    ///
    /// # Panics
    ///
    /// As [`alloc`](Self::alloc), or if the iterator panics.
    #[inline]
    #[track_caller]
    pub fn alloc_from_iter<T>(&self, values: impl IntoIterator<Item = T>) -> &mut [T] {
        self.with_local(|local| local.alloc_from_iter(values))
    }

    /// Runs `work` with this thread's part of the arena, looked up once.
    ///
    /// For a run of allocations. The values live as long as the arena is borrowed, not only as long
    /// as `work` runs.
    ///
    /// ```
    /// let arena = alloc_arena::SyncArena::new();
    /// let squares = arena.with_local(|local| {
    ///     core::array::from_fn::<_, 4, _>(|n| local.alloc(n * n))
    /// });
    /// assert_eq!(*squares[3], 9);
    /// ```
    ///
    /// # Panics
    ///
    /// Aborts if there is no memory for a thread's slot (`handle_alloc_error`).
    #[inline]
    pub fn with_local<'a, R>(&'a self, work: impl FnOnce(&Local<'a, '_, MIN_ALIGN, A>) -> R) -> R {
        self.parts.with_or(
            || self.part(),
            |part| {
                part.backing().point_to(&self.shared); // S2
                work(&Local { arena: self, part })
            },
        )
    }

    /// [`Self::with_local`], or the reason why this thread has no part.
    fn try_with_local<'a, R>(
        &'a self,
        layout: Layout,
        work: impl FnOnce(&Local<'a, '_, MIN_ALIGN, A>) -> R,
    ) -> Result<R, TryAllocError> {
        let parts = &self.parts;
        let work = |part: &Part<MIN_ALIGN, A>| {
            part.backing().point_to(&self.shared); // S2
            work(&Local { arena: self, part })
        };
        parts
            .try_with_or(|| Ok::<_, Infallible>(self.part()), work)
            .map_err(|error| no_slot(error, layout))
    }

    /// A part for a thread that has none.
    fn part(&self) -> Part<MIN_ALIGN, A> {
        Arena::with_config_in(self.config, Lent::new())
    }

    /// Serves a request that the thread's chunk refused.
    #[cold]
    #[inline(never)]
    fn refill(
        &self,
        part: &Part<MIN_ALIGN, A>,
        layout: Layout,
    ) -> Result<NonNull<u8>, TryAllocError> {
        part.backing().point_to(&self.shared); // S2
        part.bump_slow(layout).map_err(|error| self.explain(part, error))
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refill_or_panic(&self, part: &Part<MIN_ALIGN, A>, layout: Layout) -> NonNull<u8> {
        match self.refill(part, layout) {
            Ok(place) => place,
            Err(error) => no_room(error),
        }
    }

    /// A part knows no limit; where it was the limit that refused a chunk, the error says so.
    fn explain(&self, part: &Part<MIN_ALIGN, A>, error: TryAllocError) -> TryAllocError {
        if error.kind() != ErrorKind::Backing || !part.backing().was_at_limit() {
            return error;
        }
        let layout = Layout::from_size_align(error.size(), error.align());
        let left = self.shared.allowed_bytes().max(part.remaining_bytes());
        TryAllocError::new(ErrorKind::Full, layout.unwrap_or(Layout::new::<u8>()), left)
    }

    /// Empties the arena: values from [`alloc_drop`](Self::alloc_drop) are dropped, all memory is
    /// free again, and each part keeps its chunks for its thread (those that stay unused decay, as
    /// in [`Arena::reset`]).
    ///
    /// That no thread borrows from it any more is checked by the compiler.
    ///
    /// # Complexity
    ///
    /// O(threads that ever allocated at the same time), and O(values to drop).
    ///
    /// # Panics
    ///
    /// If a value's drop panics. The others are dropped all the same, and the arena is empty.
    pub fn reset(&mut self) {
        self.peak_bytes = self.peak_bytes.max(self.used_bytes());
        self.resets += 1;
        self.each_part(Arena::reset);
    }

    /// Gives all chunks back that are kept but not in use, all of them if the arena is empty, and
    /// returns how many bytes they had.
    pub fn trim(&mut self) -> usize {
        let mut freed = 0;
        self.each_part(|part| {
            part.backing().set_bypass(true);
            freed += part.trim();
            part.backing().set_bypass(false);
        });
        freed
    }

    /// Runs `work` on each part, the one made last first; on the others too when it panics.
    fn each_part(&mut self, work: impl FnMut(&mut Part<MIN_ALIGN, A>)) {
        struct GoOn<I: Iterator<Item = P>, P, F: FnMut(P)>(I, F);
        impl<I: Iterator<Item = P>, P, F: FnMut(P)> GoOn<I, P, F> {
            fn go_on(&mut self) {
                for part in self.0.by_ref() {
                    (self.1)(part);
                }
            }
        }
        impl<I: Iterator<Item = P>, P, F: FnMut(P)> Drop for GoOn<I, P, F> {
            fn drop(&mut self) {
                if !cfg!(bug = "sync-reset-stops-at-a-panic") {
                    self.go_on(); // nothing is left unless `work` panicked
                }
            }
        }
        let shared = &self.shared;
        let parts = self.parts.iter_mut().inspect(|part| part.backing().point_to(shared)); // S2
        GoOn(parts, work).go_on();
    }

    /// Returns the bytes handed out since the last reset, padding included.
    ///
    /// # Complexity
    ///
    /// O(parts).
    #[must_use]
    pub fn used_bytes(&mut self) -> usize {
        self.parts.iter_mut().map(|part| part.used_bytes()).sum()
    }

    /// Returns the bytes that all threads' parts hold from the backing, used or kept.
    ///
    /// While other threads allocate, a figure of a moment ago.
    #[must_use]
    pub fn reserved_bytes(&self) -> usize {
        self.shared.reserved_bytes()
    }

    /// Returns how many parts there are: as many as threads allocated at the same time.
    #[must_use]
    pub fn parts(&self) -> usize {
        self.parts.len()
    }

    /// Returns the backing.
    #[must_use]
    pub fn backing(&self) -> &A {
        &self.shared.backing
    }

    /// Returns what the arena holds and did so far, all parts together.
    ///
    /// Exclusively, since a part's figures are its thread's own; for a look while threads work there
    /// is [`reserved_bytes`](Self::reserved_bytes).
    #[must_use]
    pub fn stats(&mut self) -> ArenaStats {
        let mut all = ArenaStats::default();
        for part in self.parts.iter_mut() {
            all.add(&part.stats());
        }
        all.common.reserved_bytes = self.shared.reserved_bytes();
        all.common.peak_bytes = self.peak_bytes.max(all.common.used_bytes);
        all.common.resets = self.resets;
        all.common.contended = self.shared.contended();
        all
    }
}

#[cold]
fn no_slot(error: SlotError<Infallible>, layout: Layout) -> TryAllocError {
    match error {
        SlotError::Alloc(_) => TryAllocError::new(ErrorKind::Backing, layout, 0),
        SlotError::Init(never) => match never {},
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for SyncArena<MIN_ALIGN, A> {
    fn drop(&mut self) {
        self.each_part(|_| ()); // each points to `shared` where it is now (S2)
        // SAFETY: dropped here, once. A value's panic leaves no part behind (`ThreadSlots`), and
        // `shared` is dropped after it in any case.
        unsafe { ManuallyDrop::drop(&mut self.parts) };
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> fmt::Debug for SyncArena<MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SyncArena")
            .field("min_align", &MIN_ALIGN)
            .field("reserved_bytes", &self.reserved_bytes())
            .field("parts", &self.parts())
            .finish_non_exhaustive()
    }
}
