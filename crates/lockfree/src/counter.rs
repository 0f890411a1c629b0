//! [`Counter`]: every thread writes a cell of its own, and the sum visits all cells.
//!
//! ```text
//!  Counter                         cells: one a thread, 128 bytes apart, never unlinked
//!  ┌────────────────────┐          ┌────┐  ┌────┐  ┌────┐
//!  │ cells (thread slots)├────────▶│ 17 │─▶│  4 │─▶│ 90 │     written by their owners only:
//!  ├────────────────────┤          └────┘  └────┘  └────┘     load, add, store, nothing atomic
//!  │ rest               │  what threads without a cell add     about the three together
//!  │ taken              │  what `take` has handed out
//!  └────────────────────┘          sum = cells + rest − taken, modulo 2⁶⁴
//! ```
//!
//! **Invariants.**
//! - C1: a cell is written by the thread that has it, and by no other until that one has given it back:
//!   so its load and its store need not be one operation.
//! - C2: a cell keeps its number when its thread exits; the next thread goes on counting from there. So
//!   adding never loses anything, and the sum needs no list of the dead.
//! - C3: `taken` is what all takes together returned. It is set to a sum of the cells, never added to.
//!
//! **Ordering edges.**
//! - `counter-take`: `take` → `take`, `sum`. Who reads `taken` then reads every cell no older than the
//!   take did that wrote it; so it never sees less in the cells than was taken from them.
//! - That a cell's next owner reads what the last one wrote is `ThreadSlots`' edge `slot-handover`.
//!
//! **Cost.** An add is seven instructions to find the cell, and an add to memory. A sum is a load for
//! each cell, of which there are never more than threads that counted at once. 128 bytes a cell.
//!
//! **Source.** LongAdder of java.util.concurrent shards by a hash and adds atomically; a cell with one
//! owner needs neither.

use core::convert::Infallible;
use core::fmt;
use core::marker::PhantomData;

use primitives::sync::atomic::AtomicU64;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::thread_slots::{ThreadSlots, hands_back};
use primitives::{Backoff, CachePadded};

/// A 64-bit counter for many threads: each adds in a cell of its own, and who reads visits all cells.
///
/// Counts modulo 2⁶⁴, also below zero: [`sum_signed`](Self::sum_signed) reads it so.
///
/// # Examples
///
/// ```
/// use lockfree::Counter;
///
/// static REQUESTS: Counter = Counter::new();
///
/// std::thread::scope(|scope| {
///     for _ in 0..4 {
///         scope.spawn(|| (0..1000).for_each(|_| REQUESTS.increment()));
///     }
/// });
/// assert_eq!(REQUESTS.sum(), 4000);
/// assert_eq!(REQUESTS.take(), 4000);
/// assert_eq!(REQUESTS.sum(), 0);
/// ```
///
/// # What a sum is
///
/// Exact for what is over: it counts each add that happens before it (by a join, a lock, a channel),
/// also of threads that exited, and none that happens after it. Of those that go on meanwhile it counts
/// some; it is *not* a snapshot, since cells are read one after another: of two adds, one after the
/// other, by two threads, it may count the second alone. So it is not linearizable where more than 1 is
/// added at a time, or less: it may return what the counter never was. If everybody only increments and
/// nobody takes, it is between the count when it began and the count when it returned, and sums that
/// follow each other do not go down.
///
/// # Concurrency
///
/// Adding is wait-free from a thread's second add on; the first one looks for a cell, which is
/// lock-free, or allocates one, and if there is no memory, or the thread is in the destructors of its
/// thread-locals, it adds to a shared word. Sums are wait-free; takes are lock-free. No method orders
/// anything else, as a relaxed `fetch_add` does not. Memory: 128 bytes for each thread that counted at
/// the same time, until the counter is dropped.
///
/// # When not to use it
///
/// Where it is read as often as it is written, where each of very many counters is touched by very many
/// threads (128 bytes each), in a global allocator (a thread's first add allocates), and in a signal
/// handler, where it is not only wrong but unsound, beside a thread that may be in any object built on
/// [`ThreadSlots`](primitives::ThreadSlots#signal-handlers): `fetch_add` is right there.
pub struct Counter {
    /// One a thread (C1).
    cells: ThreadSlots<AtomicU64>,
    /// Away from `cells`, which each add reads.
    shared: CachePadded<Shared>,
}

struct Shared {
    /// What threads without a cell added.
    rest: AtomicU64,
    /// What was taken (C3).
    taken: AtomicU64,
}

/// A thread's own cell of a [`Counter`]; lent by [`Counter::with_local`].
pub struct LocalCounter<'c> {
    /// None in a thread that gets no cell: it adds to `rest`, as the others of its kind.
    cell: Option<&'c AtomicU64>,
    rest: &'c AtomicU64,
    /// Neither sent nor shared: the cell is one thread's (C1).
    _here: PhantomData<*mut ()>,
}

impl Counter {
    primitives::sync::const_fn! {
        /// Returns a counter that reads 0; allocates nothing.
        #[must_use]
        pub const fn new() -> Self {
            Self {
                cells: ThreadSlots::new(),
                shared: CachePadded::new(Shared { rest: AtomicU64::new(0), taken: AtomicU64::new(0) }),
            }
        }
    }

    /// Adds 1.
    ///
    /// # Concurrency
    ///
    /// As [`add`](Self::add).
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`, modulo 2⁶⁴.
    ///
    /// # Complexity
    ///
    /// O(1); a thread's first add looks at each cell for one that nobody has any more.
    ///
    /// # Concurrency
    ///
    /// Wait-free from a thread's second add on, lock-free before, but for the allocator: it makes a cell
    /// of 128 bytes. Linearizes at its store to the cell, or where there is none at its atomic add.
    #[inline]
    pub fn add(&self, n: u64) {
        match self.cells.get() {
            Some(cell) => add_to(Some(cell), &self.shared.rest, n),
            None => self.add_first(n),
        }
    }

    /// Adds a signed `n`; [`sum_signed`](Self::sum_signed) reads what comes of it.
    ///
    /// # Concurrency
    ///
    /// As [`add`](Self::add).
    #[inline]
    pub fn add_signed(&self, n: i64) {
        self.add(n.cast_unsigned());
    }

    /// Runs `f` on this thread's cell: for loops, which need not find it anew each time.
    ///
    /// What `f` adds is counted as by [`add`](Self::add), at once. The cell is lent for the call only,
    /// since a thread's cell goes to another thread when it exits.
    ///
    /// # Examples
    ///
    /// ```
    /// let words = lockfree::Counter::new();
    /// words.with_local(|words| {
    ///     for line in ["a b c", "d e"] {
    ///         words.add(line.split(' ').count() as u64);
    ///     }
    /// });
    /// assert_eq!(words.sum(), 5);
    /// ```
    ///
    /// # Concurrency
    ///
    /// As [`add`](Self::add), once for finding the cell; and as `f` does.
    #[inline]
    pub fn with_local<R>(&self, f: impl FnOnce(&LocalCounter<'_>) -> R) -> R {
        let cell = self.cells.get().or_else(|| self.first_cell());
        f(&LocalCounter { cell, rest: &self.shared.rest, _here: PhantomData })
    }

    /// Returns the sum of what was added, less what was taken, modulo 2⁶⁴.
    ///
    /// [`Counter`] says what it is worth while others add.
    ///
    /// # Complexity
    ///
    /// A load for each cell.
    ///
    /// # Concurrency
    ///
    /// Wait-free: a load for each cell. Not linearizable beside adds, as [`Counter`] says; beside a
    /// [`take`](Self::take) it may also count both what is being taken and what was added after.
    #[must_use]
    pub fn sum(&self) -> u64 {
        // First: what is seen in the cells is then no older than what was taken.
        // ORD[counter-take] Acquire ← Release in `take`.
        let taken = self.shared.taken.load(Acquire);
        self.added().wrapping_sub(taken)
    }

    /// Returns the [`sum`](Self::sum) as a signed number.
    ///
    /// # Complexity
    ///
    /// A load for each cell.
    ///
    /// # Concurrency
    ///
    /// As [`sum`](Self::sum).
    #[must_use]
    pub fn sum_signed(&self) -> i64 {
        self.sum().cast_signed()
    }

    /// Sets the counter back to 0, and returns what it was.
    ///
    /// Nothing is lost and nothing counted twice: what all takes return, and the sum that remains, add
    /// up to what was added. Where nothing negative is added, no take returns more than there was.
    ///
    /// # Examples
    ///
    /// ```
    /// let counter = lockfree::Counter::new();
    /// counter.add(5);
    /// assert_eq!(counter.take(), 5);
    /// counter.add(2);
    /// assert_eq!((counter.take(), counter.take()), (2, 0));
    /// ```
    ///
    /// # Complexity
    ///
    /// A load for each cell.
    ///
    /// # Concurrency
    ///
    /// Lock-free: it tries again if another take was quicker. Linearizes, among takes, at its
    /// compare-exchange, where nothing negative is added: the sum of the cells that earlier takes reached
    /// does not come back then. Otherwise a take may miss that others were in between, if the last of them
    /// found the sum that the first began with; what all return still adds up. Of adds that go on meanwhile
    /// this one or a later one takes each.
    pub fn take(&self) -> u64 {
        let backoff = Backoff::new();
        loop {
            // ORD[counter-take] Acquire ← Release below, of the take before: our sum counts what it did.
            let taken = self.shared.taken.load(Acquire);
            let added = self.added();
            // ORD[counter-take] Release → Acquire in takes and sums: they see in each cell what we saw.
            // ORD Relaxed on failure: it is loaded anew.
            match self.shared.taken.compare_exchange_weak(taken, added, Release, Relaxed) {
                Ok(_) if cfg!(bug = "take-returns-all-that-ever-was") => return added,
                Ok(_) => return added.wrapping_sub(taken),
                Err(_) if cfg!(bug = "take-returns-what-another-took") => {
                    return added.wrapping_sub(taken);
                }
                Err(_) => backoff.spin(),
            }
        }
    }

    /// Counts the cells: the most threads that counted at the same time, so far.
    ///
    /// # Complexity
    ///
    /// A load for each cell.
    ///
    /// # Concurrency
    ///
    /// Wait-free. Never less than before.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.cells.len()
    }

    /// Sums what was ever added.
    fn added(&self) -> u64 {
        // ORD Relaxed: a number that publishes nothing; each cell is read whole, and the caller orders
        // the adds that it wants to see.
        let rest = self.shared.rest.load(Relaxed);
        let mut sum = if cfg!(bug = "sum-forgets-threads-without-a-cell") { 0 } else { rest };
        self.cells.for_each_shared(|cell| {
            // ORD Relaxed: as above.
            sum = sum.wrapping_add(cell.load(Relaxed));
        });
        sum
    }

    /// A thread's first add, and those of threads that get no cell.
    #[cold]
    #[inline(never)]
    fn add_first(&self, n: u64) {
        add_to(self.first_cell(), &self.shared.rest, n);
    }

    /// Finds or makes this thread's cell, unless it could not be given back, or there is no memory.
    #[cold]
    #[inline(never)]
    fn first_cell(&self) -> Option<&AtomicU64> {
        if !hands_back() && !cfg!(bug = "counter-cells-for-the-dying") {
            return None;
        }
        self.cells.try_get_or(|| Ok::<_, Infallible>(AtomicU64::new(0))).ok()
    }
}

/// Adds to the thread's own cell, if it has one.
#[inline]
fn add_to(cell: Option<&AtomicU64>, rest: &AtomicU64, n: u64) {
    match cell {
        Some(cell) => {
            // ORD Relaxed: the cell is this thread's (C1), so nobody writes between the two, and it
            // publishes nothing.
            let sum = cell.load(Relaxed).wrapping_add(n);
            // ORD Relaxed: as above.
            cell.store(sum, Relaxed);
        }
        None => {
            // ORD Relaxed: it publishes nothing; the read-modify-write loses no other thread's add.
            rest.fetch_add(n, Relaxed);
        }
    }
}

impl LocalCounter<'_> {
    /// Adds 1.
    ///
    /// # Concurrency
    ///
    /// As [`add`](Self::add).
    #[inline]
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `n`, modulo 2⁶⁴.
    ///
    /// # Concurrency
    ///
    /// Wait-free: an add to memory that no other thread writes. Linearizes at its store there.
    #[inline]
    pub fn add(&self, n: u64) {
        add_to(self.cell, self.rest, n);
    }

    /// Adds a signed `n`; [`Counter::sum_signed`] reads what comes of it.
    ///
    /// # Concurrency
    ///
    /// As [`add`](Self::add).
    #[inline]
    pub fn add_signed(&self, n: i64) {
        self.add(n.cast_unsigned());
    }
}

impl Default for Counter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counter").field("sum", &self.sum()).finish_non_exhaustive()
    }
}

impl fmt::Debug for LocalCounter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalCounter").finish_non_exhaustive()
    }
}
