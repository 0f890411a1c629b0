//! [`MpmcQueue`]: any thread pushes, any thread pops, and there is room for as much as memory holds.
//!
//! ```text
//!   root ─▶ [ ·······█ ] ─▶ [ ████████ ] ─▶ [ ███····· ]      blocks of 64 slots, in a chain
//!                    ▲                           ▲
//!                 head: next to pop           tail: next to push       positions, from 64 upwards
//!   free ─▶ [ ········ ] ─▶ [ ········ ]                      blocks that were emptied, for reuse
//! ```
//!
//! Position *p* is slot *p* mod 64 of block *p* / 64. A push claims the tail's position by one
//! compare-exchange, writes its value and stamps the slot with *p* + 1. A pop sees that stamp at the
//! head's position, claims it by one compare-exchange, reads the value, and marks the slot. Positions
//! are 64 bits and do not come back, so a stamp proves the block, its use and the value at once: what
//! a thread knows about blocks may be as old as it likes.
//!
//! | file | what is there |
//! |---|---|
//! | `block` | slots and blocks, stamps |
//! | `name` | the words that name a block and its use |
//! | `claim` | what each push and pop does: its compare-exchange, once, and again |
//! | `ends` | changing blocks: what pushes and pops do once in 64 times; invariants E1-E4 |
//! | `depot` | memory of blocks, and the free ones; invariants D1, D2 |
//! | `batch` | many values by one compare-exchange |
//! | `tidy` | with the queue alone: drop, trim; statistics |
//!
//! # Ordering edges
//!
//! | edge | from → to | what it carries |
//! |---|---|---|
//! | `value-publish` | `Slot::put` → `Slot::is_full` | the value, written before it is read |
//! | `value-taken` | `Slot::take` → `Block::is_read` | the value is out before its slot is used again |
//! | `block-free` | `Depot::put` → `Depot::pop` | one use of a block before the next |
//! | `block-linked` | `install` → `follow` | the block is prepared before it is found |
//! | `block-active` | `Block::prepare` → `Block::is_active` | all of the above, to who pushes |
//! | `end-moves`, `hint` | `move_on` → `name`; `hint_at` → `hint` | the block is made before it is used |
//! | `popped` | `claim_head`, `pass` → `len`, `nothing_at` | the tail is not seen before the head |
//! | `pushed` | `claim_tail` → `has_room_after_all` | the head is not seen before the tail |
//! | `segment` | `Depot::segment` → `Depot::found` | memory of blocks |
//! | `sleeper` | the fences of `nothing_at`, `has_room_after_all` and the caller | of two that look for each other one sees the other |
//!
//! # Cost
//!
//! A push and a pop are one compare-exchange and one plain store each; one in 64 of each changes
//! blocks, which is three more. 8 bytes beside each value. Compare-exchanges are strong: one that fails
//! has lost a race, and is worth the long pause after it.
//!
//! # Source
//!
//! The chain and its helping are M. M. Michael and M. L. Scott, *Simple, Fast, and Practical
//! Non-Blocking and Blocking Concurrent Queue Algorithms*, PODC 1996, with blocks for nodes; stamps
//! are D. Vyukov's bounded queue's, made absolute.

mod batch;
mod block;
mod claim;
mod depot;
mod ends;
mod name;
#[cfg(test)]
mod tests;
mod tidy;

use core::alloc::Layout;
use core::fmt;
use core::marker::PhantomData;

use ::alloc::alloc::handle_alloc_error;
use primitives::sync::MODELLED;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use primitives::sync::atomic::{AtomicU64, fence};
use primitives::{Backoff, CachePadded};

use self::depot::{Depot, NoMemory};
use self::ends::{End, NoPlace};
use self::tidy::Since;
use crate::error::{ConfigError, PopError, PushError, TryPopError};

pub use self::tidy::{QueueDrain, QueueStats};

/// In the tail's position: no push may claim it, nor any after it.
const CLOSED: u64 = 1 << 63;

/// An unbounded queue: any thread pushes, any thread pops.
///
/// Values are kept in blocks of 64, which are used again when they are empty: once there are as many
/// as the queue ever needed at a time, nothing is allocated. Nothing is before the first push, so a
/// queue can be a `static`.
///
/// # Examples
///
/// ```
/// use lockfree::{MpmcQueue, PopError};
///
/// static JOBS: MpmcQueue<String> = MpmcQueue::new();
///
/// std::thread::scope(|scope| {
///     for worker in 0..2 {
///         scope.spawn(move || JOBS.push(format!("job of {worker}")).unwrap());
///     }
/// });
/// JOBS.close();
/// assert_eq!(JOBS.drain().count(), 2);
/// assert_eq!(JOBS.pop(), Err(PopError::Closed));
/// ```
///
/// # Concurrency
///
/// First in, first out, and linearizable: values come out in the order in which their pushes claimed
/// a place, on whichever threads.
///
/// | method | progress | waits for |
/// |---|---|---|
/// | [`push`](Self::push), [`try_push`](Self::try_push) | lock-free | nobody; the allocator, where the queue grows beyond its largest size so far |
/// | [`try_pop`](Self::try_pop) | lock-free | nobody: says [`Busy`](TryPopError::Busy) if the push of the oldest value is not done |
/// | [`push_batch`](Self::push_batch) | lock-free, if its iterator is | nobody else |
/// | [`try_pop_batch`](Self::try_pop_batch) | lock-free | nobody; the allocator, where a vector grows |
/// | [`pop`](Self::pop), [`pop_batch`](Self::pop_batch), [`drain`](Self::drain) | blocking | the push of the oldest value, if it stands between claiming its place and writing there |
/// | [`close`](Self::close), [`is_closed`](Self::is_closed), [`len`](Self::len), [`is_empty`](Self::is_empty), [`stats`](Self::stats) | wait-free | nobody |
///
/// Memory retained: the blocks of the longest that the queue ever was, and one or two a thread; since
/// memory for blocks is had in pieces of which each is twice the one before, up to twice that. It is given
/// back by [`trim`](Self::trim) and when the queue drops. A thread that stands still in the middle of a
/// pop keeps one block from being used again, and no more.
///
/// There are never more than 2²⁵ − 2 blocks, for 2³¹ − 128 values; at that limit a push ends as one that is
/// refused memory does.
pub struct MpmcQueue<T> {
    head: CachePadded<End<T>>,
    tail: CachePadded<End<T>>,
    /// The link to block 1, as if from a block 0.
    root: AtomicU64,
    depot: Depot<T>,
    soft_capacity: u64,
    /// Where the statistics begin to count: at the last `trim`.
    since: Since,
    _owned: PhantomData<T>,
}

// SAFETY: values go in on one thread and come out on another, hence `T: Send`; no two threads ever have
// the same value, nor a reference to one that is inside, so they need not be `Sync`.
unsafe impl<T: Send> Send for MpmcQueue<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for MpmcQueue<T> {}

// A panic leaves no value half inside: between claiming a place and filling it nothing is called.
impl<T> core::panic::UnwindSafe for MpmcQueue<T> {}
impl<T> core::panic::RefUnwindSafe for MpmcQueue<T> {}

/// Why [`MpmcQueue::try_push`] did not take a value; the value is handed back.
///
/// # Examples
///
/// ```
/// use lockfree::MpmcQueue;
/// use lockfree::mpmc::GrowError;
///
/// let queue = MpmcQueue::with_soft_capacity(1);
/// queue.try_push("first").unwrap();
/// assert_eq!(queue.try_push("second"), Err(GrowError::Full("second")));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum GrowError<T> {
    /// There were as many values as the soft capacity, at some moment during the call.
    Full(T),
    /// The queue is closed: no push will succeed.
    Closed(T),
    /// The allocator refused memory of this layout for blocks, or there are 2²⁵ − 2 of them.
    NoMemory(T, Layout),
}

impl<T> GrowError<T> {
    /// Returns the value that was not pushed.
    #[inline]
    #[must_use]
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(value) | Self::Closed(value) | Self::NoMemory(value, _) => value,
        }
    }
}

impl<T> fmt::Debug for GrowError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("Full(..)"),
            Self::Closed(_) => f.write_str("Closed(..)"),
            Self::NoMemory(_, layout) => write!(f, "NoMemory(.., {layout:?})"),
        }
    }
}

impl<T> fmt::Display for GrowError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full(_) => f.write_str("push into a queue at its soft capacity"),
            Self::Closed(_) => f.write_str("push into a closed structure"),
            Self::NoMemory(_, layout) => {
                let (size, align) = (layout.size(), layout.align());
                write!(f, "push into a queue that was refused {size} bytes aligned to {align}")
            }
        }
    }
}

impl<T> core::error::Error for GrowError<T> {}

impl<T> MpmcQueue<T> {
    primitives::sync::const_fn! {
        /// Returns an empty queue; allocates nothing.
        #[must_use]
        pub const fn new() -> Self {
            Self::with_soft_capacity(usize::MAX)
        }
    }

    primitives::sync::const_fn! {
        /// Returns an empty queue with a soft capacity; allocates nothing.
        ///
        /// [`try_push`](Self::try_push) refuses to make it longer than `soft_capacity` values.
        ///
        /// # Panics
        ///
        /// Panics if `soft_capacity` is 0.
        #[must_use]
        pub const fn with_soft_capacity(soft_capacity: usize) -> Self {
            assert!(soft_capacity != 0, "soft_capacity is 0, not in 1..=usize::MAX");
            Self {
                head: CachePadded::new(End::new()),
                tail: CachePadded::new(End::new()),
                root: AtomicU64::new(name::active(0)),
                depot: Depot::new(),
                soft_capacity: soft_capacity as u64,
                since: Since::new(),
                _owned: PhantomData,
            }
        }
    }

    /// Returns an empty queue with a soft capacity, or says what is wrong with that.
    ///
    /// See [`with_soft_capacity`](Self::with_soft_capacity).
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if `soft_capacity` is 0.
    pub fn try_with_soft_capacity(soft_capacity: usize) -> Result<Self, ConfigError> {
        if soft_capacity == 0 {
            return Err(ConfigError::out_of_range("soft_capacity", 0, 1, usize::MAX));
        }
        Ok(Self::with_soft_capacity(soft_capacity))
    }

    /// Puts a value in, behind all others; at the soft capacity too.
    ///
    /// # Complexity
    ///
    /// O(1), one compare-exchange; once in 64 times a block is linked, and made if none is free.
    ///
    /// # Errors
    ///
    /// [`PushError::Closed`] after [`close`](Self::close), with the value; never `Full`.
    ///
    /// # Panics
    ///
    /// Without memory for a block, or at the limit of 2³¹ − 128 values, it ends as every failed allocation
    /// does; [`try_push`](Self::try_push) hands the value back.
    ///
    /// # Concurrency
    ///
    /// Lock-free: a thread tries again only when another thread got on. Where a block is made the
    /// allocator is called, which may wait. Linearizes at its compare-exchange of the tail. Retains
    /// the block of its value.
    #[inline]
    pub fn push(&self, value: T) -> Result<(), PushError<T>> {
        match self.push_claim(|_| 1) {
            Ok((block, position, _)) => {
                // SAFETY: 1: claimed with that block.
                unsafe { block.slot(position).put(position, value) };
                Ok(())
            }
            Err(NoPlace::Memory(NoMemory(layout))) => handle_alloc_error(layout),
            Err(NoPlace::Closed | NoPlace::Full) => Err(PushError::Closed(value)),
        }
    }

    /// Puts a value in behind all others, unless that takes more values or memory than there may be.
    ///
    /// # Complexity
    ///
    /// As [`push`](Self::push), and a look at the other end.
    ///
    /// # Errors
    ///
    /// [`GrowError`], with the value: `Full` at the soft capacity, `NoMemory` where the allocator
    /// refused a block, `Closed` after [`close`](Self::close).
    ///
    /// # Concurrency
    ///
    /// As [`push`](Self::push). The queue is never longer than its soft capacity right after a
    /// `try_push`; `Full` and `Closed` linearize at the load of the tail. A `Full` is ordered by a `SeqCst`
    /// fence: of a producer that says it sleeps and then is refused, and a consumer that pops, makes such a
    /// fence and then looks for sleepers, one sees the other.
    pub fn try_push(&self, value: T) -> Result<(), GrowError<T>> {
        let admits = |position| {
            // ORD Relaxed: the head is not before what this reads, so there is room if this says so.
            let len = position - self.head.position.load(Relaxed).min(position);
            let room = len < self.soft_capacity || self.has_room_after_all(position);
            u64::from(room || cfg!(bug = "queue-exceeds-its-soft-capacity"))
        };
        match self.push_claim(admits) {
            Ok((block, position, _)) => {
                // SAFETY: 1: claimed with that block.
                unsafe { block.slot(position).put(position, value) };
                Ok(())
            }
            Err(NoPlace::Full) => Err(GrowError::Full(value)),
            Err(NoPlace::Closed) => Err(GrowError::Closed(value)),
            Err(NoPlace::Memory(NoMemory(layout))) => Err(GrowError::NoMemory(value, layout)),
        }
    }

    /// Says whether a push at position `tail` is within the soft capacity, by a head that is not older
    /// than what this thread did before.
    ///
    /// If not, the queue was as long when the tail was read: the head then was at most what it is now,
    /// which is no older than who pushed up to there saw it.
    #[cold]
    #[inline(never)]
    fn has_room_after_all(&self, tail: u64) -> bool {
        // ORD[sleeper] SeqCst with the fence of `nothing_at`, or that of who pops and then looks for
        // sleepers: of two that each got on and then found no room, or no value, one sees the other.
        // ORD[pushed] And Acquire, for the tail read before it ← Release in `claim_tail`: the head is seen as
        // far as who pushed up to that tail saw it.
        if !cfg!(bug = "queue-full-without-its-fence") {
            fence(SeqCst);
        }
        // ORD Relaxed: the fence orders it; a compare-exchange of the tail confirms that there is room.
        let head = self.head.position.load(Relaxed);
        tail - head.min(tail) < self.soft_capacity
    }

    /// Takes the oldest value, or says at once why there is none to be had.
    ///
    /// # Complexity
    ///
    /// O(1), one compare-exchange; once in 64 times the block before is checked and put by.
    ///
    /// # Errors
    ///
    /// [`TryPopError::Empty`] if the queue was empty, [`TryPopError::Closed`] if it also is closed,
    /// [`TryPopError::Busy`] if the push of the oldest value has claimed its place and not yet written
    /// it there.
    ///
    /// # Concurrency
    ///
    /// Lock-free: a thread tries again only when another thread got on. Linearizes at its
    /// compare-exchange of the head, `Empty` and `Closed` at the load of the tail. An `Empty` is
    /// ordered by a `SeqCst` fence: of a consumer that says it sleeps and then finds nothing, and a
    /// producer that pushes, makes such a fence and then looks for sleepers, one sees the other.
    /// Retains the block until all of its values are out.
    #[inline]
    pub fn try_pop(&self) -> Result<T, TryPopError> {
        let (block, position, _) = self.pop_claim(|_, _| 1)?;
        // SAFETY: 1: claimed with that block, whose slot was full.
        Ok(unsafe { block.slot(position).take(position) })
    }

    /// Takes the oldest value; waits for its push, if that is not done.
    ///
    /// # Complexity
    ///
    /// As [`try_pop`](Self::try_pop).
    ///
    /// # Errors
    ///
    /// [`PopError::Empty`] if the queue was empty, [`PopError::Closed`] if it also is closed.
    ///
    /// # Concurrency
    ///
    /// **Blocking** while [`try_pop`](Self::try_pop) is busy: it pauses, and after a while yields the
    /// processor (with feature `std`). All else as [`try_pop`](Self::try_pop).
    #[inline]
    pub fn pop(&self) -> Result<T, PopError> {
        match self.try_pop() {
            Ok(value) => Ok(value),
            Err(TryPopError::Empty) => Err(PopError::Empty),
            Err(TryPopError::Closed) => Err(PopError::Closed),
            Err(TryPopError::Busy) => self.pop_busy(),
        }
    }

    #[cold]
    #[inline(never)]
    fn pop_busy(&self) -> Result<T, PopError> {
        let backoff = Backoff::new();
        loop {
            backoff.snooze();
            match self.try_pop() {
                Ok(value) => return Ok(value),
                Err(TryPopError::Empty) => return Err(PopError::Empty),
                Err(TryPopError::Closed) => return Err(PopError::Closed),
                Err(TryPopError::Busy) => {}
            }
        }
    }

    /// Refuses all further pushes, and returns whether it was this call that closed the queue. What is
    /// inside can still be popped.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Linearizes at its one read-modify-write of the tail: a push that claimed its place
    /// before is in, any other is refused.
    pub fn close(&self) -> bool {
        // ORD Relaxed: the tail's position and this flag are one word, so there is nothing to order.
        self.tail.position.fetch_or(CLOSED, Relaxed) & CLOSED == 0
    }

    /// Returns whether the queue is closed.
    ///
    /// # Concurrency
    ///
    /// Wait-free; orders nothing.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // ORD Relaxed: never taken back, and nothing is read by it.
        self.tail.position.load(Relaxed) & CLOSED != 0
    }

    /// Returns the number of values in the queue: those whose pushes have claimed their place.
    ///
    /// Never negative, and exact while nobody pushes or pops. Otherwise too high, by at most the
    /// number of pops that took place during the call: it reads the head, and the tail after that.
    ///
    /// # Concurrency
    ///
    /// Wait-free; orders nothing.
    #[must_use]
    #[expect(clippy::missing_panics_doc, reason = "a model's assertion, and a debug build's")]
    pub fn len(&self) -> usize {
        // ORD[popped] Acquire ← Release in `claim_head`: the tail read next is not before this head.
        let head = self.head.position.load(Acquire);
        // ORD Relaxed: the edge orders.
        let tail = self.tail.position.load(Relaxed) & !CLOSED;
        assert!(
            !(MODELLED || cfg!(debug_assertions)) || head <= tail,
            "head {head} beyond tail {tail}"
        );
        tail.saturating_sub(head) as usize
    }

    /// Returns whether there was no value at some moment during the call.
    ///
    /// # Concurrency
    ///
    /// Wait-free; orders nothing.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many values [`try_push`](Self::try_push) admits; `usize::MAX` if there is no bound.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that changes.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "it was a usize")]
    pub const fn soft_capacity(&self) -> usize {
        self.soft_capacity as usize
    }
}

impl<T> Default for MpmcQueue<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for MpmcQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MpmcQueue")
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}
