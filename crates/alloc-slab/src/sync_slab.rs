//! [`SyncSlab`]: values that any thread inserts, looks at and removes, under keys that notice.
//!
//! ```text
//!   thread A    part ── owns ──▶ page 0, page 2     private: plain loads and stores, no fence
//!   thread B    part ── owns ──▶ page 1             shared: another thread has come
//!   (gone) C    part ── owns ──▶ page 3             waits for the next thread that asks
//!
//!   insert      into a page of the own part, from a list that nobody else touches
//!   get         writes the key into an entry of the own part (a hazard), and looks again
//!   remove      unlinks at once; the value goes
//!                 at once            own private page, no guard of this thread
//!                 into limbo         else; every 2,048 removals: one heavy fence, all hazards, what
//!                                    no hazard names is dropped, its slot sent to its owner
//! ```
//!
//! # Invariants
//!
//! L1 to L3 of slots (`slot.rs`), G1 to G4 of pages (`page.rs`), H1 to H3 of hazards (`hazards.rs`), O1 to O3
//! of parts (`part.rs`), D1 to D3 of the directory (`directory.rs`). And:
//!
//! * **Y1** a value is dropped in one of three ways: by its remover, at once, if the page was private and
//!   none of the part's hazards names the key; by who has it in limbo, after the state was changed, then
//!   a heavy fence, then no hazard of any part named the key; under `&mut`.
//! * **Y2** a guard is made only if the key was found in the slot after the hazard was stored and a light
//!   fence run; on another's page also only by G2.
//!
//! Y1 and Y2 exclude each other. Private page: only its owner has made guards (G2), and its own
//! hazards it sees. Limbo: either the guard's light fence comes before the heavy one, and the hazard is
//! seen; or after, and then the changed state is seen, and there is no guard. A part that was added
//! meanwhile is the same case: it was added before the light fence.
//!
//! # Ordering edges
//!
//! * `value`: insertion → who finds the key, or drops the value. The value is written before.
//!
//! Those of pages, hazards and the directory in their files; the fences are `primitives::asymmetric`.
//!
//! # Cost
//!
//! See `DESIGN.md`.
//!
//! # Source
//!
//! Hazard pointers: M. Michael, "Hazard Pointers: Safe Memory Reclamation for Lock-Free Objects" (2004),
//! with the asymmetric fences of the C++ proposal P1202. Pages that belong to a thread, and a stack
//! for what others free: mimalloc (D. Leijen and others, 2019), and before it the `sharded-slab` crate's
//! shape. What is ours: pages private until another thread comes, so that removal needs no atomic
//! read-modify-write there; keys instead of addresses as hazards.

mod directory;
mod exclusive;
mod grow;
mod guard;
mod hazards;
mod look;
mod page;
mod part;
mod reclaim;
mod remove;
mod slot;
mod stats;
#[cfg(test)]
mod tests;

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use alloc_core::{Allocator, ErrorKind, Global, Rejected, TryAllocError};
use primitives::sync::atomic::Ordering::{Relaxed, Release};
use primitives::sync::{Mutex, const_fn};
use primitives::{SlotError, ThreadSlots};

pub use self::exclusive::{SyncDrain, SyncIterMut};
pub use self::guard::Ref;
pub use self::stats::SyncSlabStats;

use self::directory::Directory;
use self::grow::Growth;
use self::page::{Page, PageRef};
use self::part::Part;
use self::slot::Slot;
use crate::key::{GENERATION, Key};

/// Values of one type that many threads share, each under a [`Key`] of its own.
///
/// Each thread inserts into pages of its own. Looking at a value, or removing it, works from any thread;
/// a thread that keeps to the keys it made itself runs no atomic read-modify-write and no fence. Values
/// stay at their addresses. A removed value's key is refused from then on, and the value is dropped
/// when no guard is left: see [`remove`](Self::remove) for when and where.
///
/// A thread that exits leaves its pages to the next new one. Room cannot be reserved ahead: a page belongs
/// to the thread that asks for it first. Pages are kept while threads share the slab, whatever is removed:
/// [`trim`](Self::trim) gives them back, by exclusive access.
///
/// # Examples
///
/// ```
/// use alloc_slab::SyncSlab;
///
/// let sessions = SyncSlab::new();
/// let keys: Vec<_> = std::thread::scope(|scope| {
///     let workers: Vec<_> = (0..2)
///         .map(|n| scope.spawn({ let sessions = &sessions; move || sessions.insert(format!("session {n}")) }))
///         .collect();
///     workers.into_iter().map(|worker| worker.join().unwrap()).collect()
/// });
/// let guard = sessions.get(keys[1]).unwrap();
/// assert!(sessions.remove(keys[1]), "unlinked at once");
/// assert!(sessions.get(keys[1]).is_none() && !sessions.remove(keys[1]));
/// assert_eq!(*guard, "session 1", "and not dropped before the guard");
/// ```
///
/// # Concurrency
///
/// `Send` where `T` and `A` are, `Sync` where `T` is `Send` and `Sync` and `A` is `Sync`. See each
/// method for its progress. Not for signal handlers, beside a thread
/// that may be in any object built on [`ThreadSlots`](primitives::ThreadSlots#signal-handlers).
pub struct SyncSlab<T, A: Allocator = Global> {
    directory: Directory<T>,
    parts: ThreadSlots<Part<T>>,
    growth: Mutex<Growth>,
    limit: usize,
    /// Most values at any reset so far.
    peak_len: usize,
    resets: u64,
    backing: A,
    _owns: PhantomData<T>,
}

// SAFETY: the values go with the slab: `T: Send`; nobody borrows from it then, so no `T: Sync`. Its backing
// too: `A: Send`.
unsafe impl<T: Send, A: Allocator + Send> Send for SyncSlab<T, A> {}
// SAFETY: through `&SyncSlab` a value comes on one thread and is dropped on another: `T: Send`; several
// threads have guards of it: `T: Sync`. The backing is used as `&A`: `A: Sync`; it stays where it is.
unsafe impl<T: Send + Sync, A: Allocator + Sync> Sync for SyncSlab<T, A> {}

impl<T> SyncSlab<T> {
    const_fn! {
        /// Returns an empty slab, which takes no memory before its first value: it may be a `static`.
        #[must_use]
        pub const fn new() -> Self {
            Self::new_in(Global)
        }
    }
}

impl<T, A: Allocator> SyncSlab<T, A> {
    const_fn! {
        /// Returns an empty slab over `backing`, which it asks for nothing before its first value.
        #[must_use]
        pub const fn new_in(backing: A) -> Self {
            Self {
                directory: Directory::new(),
                parts: ThreadSlots::new(),
                growth: Mutex::new(Growth::new()),
                limit: usize::MAX,
                peak_len: 0,
                resets: 0,
                backing,
                _owns: PhantomData,
            }
        }
    }

    /// Limits the slots of all threads together.
    ///
    /// Slots come by pages, and a page belongs to one thread: one may be refused while another has free
    /// slots. Removed values in limbo have theirs until they are dropped. A limit of 0 refuses every value.
    ///
    /// # Examples
    ///
    /// ```
    /// use alloc_slab::{ErrorKind, SyncSlab};
    ///
    /// let slab = SyncSlab::new().with_limit(2);
    /// let key = slab.insert('a');
    /// slab.insert('b');
    /// let rejected = slab.try_insert('c').unwrap_err();
    /// assert_eq!((rejected.error().kind(), rejected.into_value()), (ErrorKind::Full, 'c'));
    /// slab.remove(key);
    /// slab.insert('c');
    /// ```
    #[must_use]
    pub const fn with_limit(mut self, slots: usize) -> Self {
        self.limit = slots;
        self
    }

    /// Removed values that a thread collects before it looks through them: fewer in a slab with a limit.
    fn batch(&self) -> usize {
        (self.limit / 16).clamp(1, Part::<T>::BATCH)
    }

    /// This thread's part.
    #[inline(always)]
    fn part(&self) -> &Part<T> {
        self.parts.get_or(|| self.new_part())
    }

    /// This thread's part, or the reason why it has none.
    #[inline(always)]
    fn try_part(&self) -> Result<&Part<T>, TryAllocError> {
        self.parts.try_get_or(|| Ok(self.new_part())).map_err(no_part)
    }

    #[cold]
    fn new_part(&self) -> Part<T> {
        Part::new(self.batch())
    }

    /// Moves `value` into the slab, and returns its key.
    ///
    /// # Complexity
    ///
    /// O(1), but for a page in 64 to 4,096 insertions.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_insert`](Self::try_insert).
    ///
    /// # Concurrency
    ///
    /// Wait-free where the thread has a free slot; taking back those that others freed is too. Taking a
    /// page waits for other threads that do; where it is refused, looking through limbo is lock-free. A
    /// thread's first call is lock-free, and takes memory for its part; it aborts if there is none (`handle_alloc_error`); `try_insert` returns an error instead. Linearizes when the
    /// key is stored: nobody can know it before.
    #[inline]
    #[track_caller]
    pub fn insert(&self, value: T) -> Key<T> {
        let part = self.part();
        // SAFETY: this thread's part.
        let slot = match unsafe { part.pop() } {
            Some(slot) => slot,
            None => self.refill_or_panic(part),
        };
        // SAFETY: a slot lives as long as the slab.
        let slot = unsafe { slot.as_ref() };
        // SAFETY: 1. and 2. just taken from this thread's part.
        unsafe { self.fill(part, slot, value) }
    }

    /// Moves `value` into the slab, or hands it back with the reason.
    ///
    /// # Errors
    ///
    /// If the limit is reached, the backing refuses, or there is no memory for what a thread needs that
    /// inserts for the first time.
    ///
    /// # Concurrency
    ///
    /// As [`insert`](Self::insert).
    #[inline]
    pub fn try_insert(&self, value: T) -> Result<Key<T>, Rejected<T>> {
        match self.try_slot() {
            // SAFETY: 1. and 2. just taken from this thread's part.
            Ok((part, slot)) => Ok(unsafe { self.fill(part, slot, value) }),
            Err(error) => Err(Rejected::new(value, error)),
        }
    }

    /// Moves the value that `make` returns into the slab. `make` is told the key, under which nothing is
    /// found before it returns; it may use the slab.
    ///
    /// # Panics
    ///
    /// If there is no room, or `make` panics: the slab is as it was.
    ///
    /// # Concurrency
    ///
    /// As [`insert`](Self::insert).
    ///
    /// # Examples
    ///
    /// ```
    /// use alloc_slab::{Key, SyncSlab};
    ///
    /// struct Node { me: Key<Node> }
    /// let slab = SyncSlab::new();
    /// let key = slab.insert_with(|me| Node { me });
    /// assert_eq!(slab.get(key).unwrap().me, key);
    /// ```
    #[inline]
    #[track_caller]
    pub fn insert_with(&self, make: impl FnOnce(Key<T>) -> T) -> Key<T> {
        match self.try_insert_with(make) {
            Ok(key) => key,
            Err(error) => self.no_room(error),
        }
    }

    /// Moves the value that `make` returns into the slab, or returns the reason why there is no room;
    /// then `make` is not called.
    ///
    /// # Errors
    ///
    /// As [`try_insert`](Self::try_insert).
    ///
    /// # Panics
    ///
    /// If `make` panics: the slab is as it was.
    ///
    /// # Concurrency
    ///
    /// As [`insert`](Self::insert).
    pub fn try_insert_with(&self, make: impl FnOnce(Key<T>) -> T) -> Result<Key<T>, TryAllocError> {
        let (part, slot) = self.try_slot()?;
        let back = PutBack { part, slot };
        // ORD Relaxed: a free slot of ours: nobody else writes its state.
        let bits = slot.state.load(Relaxed) + GENERATION;
        // SAFETY: the state of a free slot is even, and not out of use, so the next one is odd.
        let value = make(unsafe { Key::of(bits) });
        let _ = ManuallyDrop::new(back);
        // SAFETY: 1. and 2. taken from this thread's part, and `make` cannot have reached the slot.
        Ok(unsafe { self.fill(part, slot, value) })
    }

    /// A free slot of this thread's part, taken out of its list.
    #[inline]
    fn try_slot(&self) -> Result<(&Part<T>, &Slot<T>), TryAllocError> {
        let part = self.try_part()?;
        // SAFETY: this thread's part.
        let slot = match unsafe { part.pop() } {
            Some(slot) => slot,
            None => self.refill(part)?,
        };
        // SAFETY: a slot lives as long as the slab.
        Ok((part, unsafe { slot.as_ref() }))
    }

    /// Puts a value into a free slot, and publishes its key.
    ///
    /// # Safety
    ///
    /// 1. `part` is this thread's;
    /// 2. the slot was taken from its list, and nobody else has it.
    #[inline(always)]
    unsafe fn fill(&self, part: &Part<T>, slot: &Slot<T>, value: T) -> Key<T> {
        // ORD Relaxed: a free slot of ours: nobody else writes its state.
        let bits = slot.state.load(Relaxed).wrapping_add(GENERATION);
        debug_assert!(bits & GENERATION != 0 && bits >= GENERATION, "L3: {bits:#x} is not free");
        // SAFETY: clause 2: memory for a value, which nobody looks at before the key is stored.
        unsafe { slot.value_mut().write(value) };
        // ORD[value] Release → Acquire in `get_shared`, and the fence of `collect`: the value is written
        // before the key is found.
        slot.state.store(bits, Release);
        part.counters.inserted.count();
        // SAFETY: the state of a free slot is even, and not out of use, so this is odd.
        unsafe { Key::of(bits) }
    }

    /// The page of a key's slot, if there is one; else perhaps one in which no slot has the key.
    #[inline(always)]
    fn page_of(&self, key: Key<T>) -> Option<PageRef<'_, T>> {
        self.directory.look_for((key.slot() >> Page::<T>::SHIFT) as usize)
    }

    /// Returns the most slots that all threads may have together.
    #[must_use]
    pub const fn limit(&self) -> usize {
        self.limit
    }

    /// Returns the backing.
    #[must_use]
    pub const fn backing(&self) -> &A {
        &self.backing
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn refill_or_panic(&self, part: &Part<T>) -> NonNull<Slot<T>> {
        match self.refill(part) {
            Ok(slot) => slot,
            Err(error) => self.no_room(error),
        }
    }

    #[cold]
    #[inline(never)]
    #[track_caller]
    fn no_room(&self, error: TryAllocError) -> ! {
        panic!("slab of {} values: {error}", self.len())
    }
}

/// Puts a slot back whose value could not be made.
struct PutBack<'a, T> {
    part: &'a Part<T>,
    slot: &'a Slot<T>,
}

impl<T> Drop for PutBack<'_, T> {
    fn drop(&mut self) {
        // SAFETY: 1. made on the part's thread, and dropped by it; 2. the slot was taken from its list.
        unsafe { self.part.push(self.slot) };
    }
}

#[cold]
fn no_part(error: SlotError<core::convert::Infallible>) -> TryAllocError {
    match error {
        SlotError::Alloc(layout) => TryAllocError::new(ErrorKind::Backing, layout, 0),
        SlotError::Init(never) => match never {},
    }
}

impl<T> Default for SyncSlab<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, A: Allocator> fmt::Debug for SyncSlab<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are other threads', too: not shown.
        f.debug_struct("SyncSlab")
            .field("len", &self.len())
            .field("reserved_bytes", &self.reserved_bytes())
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}
