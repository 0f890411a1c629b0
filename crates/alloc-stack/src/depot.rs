//! [`Depot`]: stacks that threads lease, whole, and give back.
//!
//! ```text
//!   thread A   lease() ──▶ takes the stack that A left here, warm     ─┐
//!   thread B   lease() ──▶ has none: takes one that another left       ├─▶ Lease, a Stack for a while
//!   thread C   lease() ──▶ nobody has one: makes a new one            ─┘
//!                                                                      │ drop, on any thread
//!   places of that thread  ◀── emptied, trimmed, kept for next time ───┘
//! ```
//!
//! A stack is one thread's at a time; what threads share is the depot. Each thread has places of its
//! own for idle stacks (found by [`ThreadSlots`]), where only it puts them, and from which any thread
//! takes them that has none. So a thread finds its own stack again, in its own cache, with one
//! read-modify-write on a line that nobody else writes; and a stack is never out of reach: what an
//! exited thread left stays in its places, for new threads and old ones. There are never more stacks
//! than leases were alive at once, but for races.
//!
//! # Progress
//!
//! `lease` of an idle stack and its return are wait-free: one look at a place each, one swap that is
//! not retried. Finding none, a lease walks the places of all threads there ever were at once, and
//! then allocates. A thread's first use may allocate its slot. Nothing blocks, nothing spins.
//!
//! # Invariants
//!
//! * **L1** a node is owned by one lease, or is in one place (P1), or is being freed by who took it.
//! * **L2** the stack in a place is empty and lends nothing: what borrowed it borrowed the lease.
//!
//! # Ordering edges
//!
//! `stack-hand-over`, in `places.rs`. The places' own life is `ThreadSlots`' affair.
//!
//! # Cost
//!
//! A lease and its return: see `DESIGN.md`. Memory: at most two idle stacks a thread, each trimmed to
//! `keep_bytes`.

mod places;

use core::convert::Infallible;
use core::fmt;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use alloc_core::collections::Box;
use alloc_core::{Allocator, ErrorKind, Global, Layout, TryAllocError};
use primitives::sync::alloc::Track;
use primitives::sync::cell::UnsafeCell;
use primitives::sync::const_fn;
use primitives::{SlotError, ThreadSlots};

use self::places::Places;
use crate::{ConfigError, Stack, StackConfig};

/// Most bytes that an idle stack keeps, unless told otherwise: its oldest segment and a spare.
const KEEP_BYTES: usize = 256 * 1024;

/// Stacks for many threads: each leases one, whole, and gives it back.
///
/// # Examples
///
/// ```
/// use alloc_stack::Depot;
///
/// static DEPOT: Depot = Depot::new();
///
/// fn handle(request: &str) -> usize {
///     let mut stack = DEPOT.lease(); // warm, if this thread was here before
///     let mut frame = stack.frame();
///     let words = frame.scope().alloc_from_iter(request.split(' '));
///     words.sort_unstable();
///     words.len()
/// }
///
/// let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(|| handle("to be or not"))).collect();
/// for thread in threads {
///     assert_eq!(thread.join().unwrap(), 4);
/// }
/// let stats = DEPOT.stats();
/// assert_eq!(stats.hits + stats.steals + stats.misses, 4);
/// assert_eq!(stats.idle, stats.misses, "what was made is here, although the threads are gone");
/// ```
///
/// # Concurrency
///
/// `Send` and `Sync` (where `A` is both). See the module for progress and memory held. Not for signal
/// handlers, beside a thread that may be in any object built on
/// [`ThreadSlots`](primitives::ThreadSlots#signal-handlers).
pub struct Depot<const MIN_ALIGN: usize = 1, A: Allocator + Clone = Global> {
    slots: ThreadSlots<Places<Node<MIN_ALIGN, A>>>,
    config: DepotConfig,
    backing: A,
}

/// A stack and its tracks: under a model, an access without order, or a leak, is reported.
struct Node<const MIN_ALIGN: usize, A: Allocator>(Track<UnsafeCell<Stack<MIN_ALIGN, A>>>);

/// A [`Stack`] from a [`Depot`], given back when this is dropped, on whatever thread.
///
/// It is a stack like any other, empty at first. What is still on it at the end is given back with it.
/// Forgotten, it is lost to the depot, and nothing else happens.
pub struct Lease<'d, const MIN_ALIGN: usize = 1, A: Allocator + Clone = Global> {
    depot: &'d Depot<MIN_ALIGN, A>,
    /// This lease's alone (L1).
    node: NonNull<Node<MIN_ALIGN, A>>,
}

/// What a [`Depot`] did so far, and what it holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct DepotStats {
    /// Leases of a stack that the thread itself had given back, or an exited one whose places it took
    /// over.
    pub hits: u64,
    /// Leases of a stack that another thread had given back.
    pub steals: u64,
    /// Leases for which a stack was made.
    pub misses: u64,
    /// Stacks given back and kept.
    pub returns: u64,
    /// Stacks given back and freed, because the thread's places were full.
    pub evictions: u64,
    /// Stacks kept now.
    pub idle: u64,
    /// Bytes that the stacks kept now hold.
    pub idle_bytes: usize,
}

impl DepotStats {
    /// Returns the share of leases that found a stack, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share is wanted to a few digits")]
    pub fn hit_rate(&self) -> f64 {
        let found = self.hits + self.steals;
        let all = found + self.misses;
        if all == 0 { 0.0 } else { found as f64 / all as f64 }
    }
}

/// How a [`Depot`]'s stacks grow, and what it keeps of them.
///
/// ```
/// use alloc_stack::{Depot, DepotConfig, StackConfig};
///
/// let stack = StackConfig::new().segment_bytes(16 * 1024);
/// let depot = Depot::<1>::with_config(DepotConfig::new().stack(stack).keep_bytes(32 * 1024));
/// depot.with(|stack| stack.scoped(|scope| scope.alloc([0u8; 100_000]).len()));
/// assert!(depot.stats().idle_bytes <= 32 * 1024, "what it had grown beyond that is freed");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DepotConfig {
    stack: StackConfig,
    keep_bytes: usize,
}

impl DepotConfig {
    /// Returns the defaults: those of [`StackConfig`], and 256 KiB kept of each idle stack.
    #[must_use]
    pub const fn new() -> Self {
        Self { stack: StackConfig::new(), keep_bytes: KEEP_BYTES }
    }

    /// Sets how the stacks grow.
    #[must_use]
    pub const fn stack(mut self, stack: StackConfig) -> Self {
        self.stack = stack;
        self
    }

    /// Sets how many bytes an idle stack may hold. One that holds more is trimmed when it is given
    /// back: of its spare, and of everything if that is not enough. At least one segment.
    #[must_use]
    pub const fn keep_bytes(mut self, bytes: usize) -> Self {
        self.keep_bytes = bytes;
        self
    }

    fn check(self) -> Result<Self, ConfigError> {
        let stack = self.stack.check()?;
        let least = stack.segment_bytes;
        if self.keep_bytes < least {
            return Err(ConfigError::new("keep_bytes", self.keep_bytes, least, usize::MAX));
        }
        Ok(self)
    }
}

impl Default for DepotConfig {
    fn default() -> Self {
        Self::new()
    }
}

// SAFETY: the depot owns its idle stacks, which may move with it where `A: Send`; each backing is a
// clone of `backing` and belongs to its stack.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Clone + Send> Send for Depot<MIN_ALIGN, A> {}
// SAFETY: `&Depot` takes stacks out and puts stacks in, so that a stack of one thread comes to
// another: `A: Send`, as for a `Stack`; and it clones the backing: `A: Sync`. Two threads never have
// one stack (L1), so that `Stack: Sync` is not needed.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Clone + Send + Sync> Sync
    for Depot<MIN_ALIGN, A>
{
}
// SAFETY: a lease is a `Stack`, which is `Send` where `A` is, and a `&Depot`, which is where `A` is
// `Sync` too; it is given back to the places of the thread that it is dropped on.
unsafe impl<const MIN_ALIGN: usize, A: Allocator + Clone + Send + Sync> Send
    for Lease<'_, MIN_ALIGN, A>
{
}

impl Depot {
    const_fn! {
        /// Returns a depot without stacks.
        #[must_use]
        pub const fn new() -> Self {
            Self::new_in(Global)
        }
    }
}

impl<const MIN_ALIGN: usize> Depot<MIN_ALIGN> {
    /// Returns a depot whose stacks grow, and are kept, as `config` says.
    ///
    /// # Panics
    ///
    /// If no depot can be so. See [`try_with_config`](Self::try_with_config).
    #[must_use]
    #[track_caller]
    pub fn with_config(config: DepotConfig) -> Self {
        Self::with_config_in(config, Global)
    }

    /// Returns a depot whose stacks grow, and are kept, as `config` says, or which field of it cannot
    /// be.
    ///
    /// # Errors
    ///
    /// As [`try_with_config_in`](Self::try_with_config_in).
    pub fn try_with_config(config: DepotConfig) -> Result<Self, ConfigError> {
        Self::try_with_config_in(config, Global)
    }
}

impl<const MIN_ALIGN: usize, A: Allocator + Clone> Depot<MIN_ALIGN, A> {
    const_fn! {
        /// Returns a depot without stacks, each of which will have a clone of `backing`.
        #[must_use]
        pub const fn new_in(backing: A) -> Self {
            Self { slots: ThreadSlots::new(), config: DepotConfig::new(), backing }
        }
    }

    /// Returns a depot over `backing` whose stacks grow, and are kept, as `config` says.
    ///
    /// # Panics
    ///
    /// If no depot can be so. See [`try_with_config_in`](Self::try_with_config_in).
    #[must_use]
    #[track_caller]
    pub fn with_config_in(config: DepotConfig, backing: A) -> Self {
        match Self::try_with_config_in(config, backing) {
            Ok(depot) => depot,
            Err(error) => panic!("cannot make a depot: {error}"),
        }
    }

    /// Returns a depot over `backing` whose stacks grow, and are kept, as `config` says, or which field
    /// of it cannot be.
    ///
    /// # Errors
    ///
    /// A segment below 16 KiB, a limit below a segment, less to keep than a segment; `backing` is
    /// dropped.
    pub fn try_with_config_in(config: DepotConfig, backing: A) -> Result<Self, ConfigError> {
        let config = config.check()?;
        Ok(Self { slots: ThreadSlots::new(), config, backing })
    }

    /// Leases a stack: this thread's own of last time, or one that another thread left, or a new one.
    /// It is empty.
    ///
    /// # Panics
    ///
    /// If a new one is needed and there is no memory for its head (a few words; its segments are
    /// taken when it is used).
    #[inline]
    #[track_caller]
    pub fn lease(&self) -> Lease<'_, MIN_ALIGN, A> {
        match self.try_lease() {
            Ok(lease) => lease,
            Err(error) => no_stack(error),
        }
    }

    /// Leases a stack, or says why there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Backing`] if a new one is needed and there is no memory for its head.
    #[inline]
    pub fn try_lease(&self) -> Result<Lease<'_, MIN_ALIGN, A>, TryAllocError> {
        let own = self.own()?;
        let node = match own.take() {
            Some(node) => {
                own.hits.bump();
                node
            }
            None => self.find_or_make(own)?,
        };
        Ok(Lease { depot: self, node })
    }

    /// Runs `work` on a leased stack.
    ///
    /// ```
    /// let depot = alloc_stack::Depot::new();
    /// let sum = depot.with(|stack| {
    ///     stack.scoped(|scope| scope.alloc_slice_fill_with(10, |i| i).iter().sum::<usize>())
    /// });
    /// assert_eq!(sum, 45);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`lease`](Self::lease).
    #[inline]
    #[track_caller]
    pub fn with<R>(&self, work: impl FnOnce(&mut Stack<MIN_ALIGN, A>) -> R) -> R {
        work(&mut self.lease())
    }

    /// This thread's places.
    #[inline]
    fn own(&self) -> Result<&Places<Node<MIN_ALIGN, A>>, TryAllocError> {
        self.slots.try_get_or(|| Ok::<_, Infallible>(Places::new())).map_err(|error| match error {
            SlotError::Alloc(layout) => TryAllocError::new(ErrorKind::Backing, layout, 0),
            SlotError::Init(never) => match never {},
        })
    }

    /// A stack for a thread that has none: another thread's, or a new one.
    #[cold]
    #[inline(never)]
    fn find_or_make(
        &self,
        own: &Places<Node<MIN_ALIGN, A>>,
    ) -> Result<NonNull<Node<MIN_ALIGN, A>>, TryAllocError> {
        let mut found = None;
        self.slots.for_each_shared(|places| {
            if found.is_none() {
                found = places.take();
            }
        });
        if let Some(node) = found {
            own.steals.bump();
            return Ok(node);
        }
        let Ok(stack) = Stack::try_with_config_in(self.config.stack, self.backing.clone()) else {
            unreachable!("the configuration was checked when the depot was made")
        };
        let node = Node(Track::new(UnsafeCell::new(stack)));
        let layout = Layout::new::<Node<MIN_ALIGN, A>>();
        let node = Box::try_new_in(node, Global)
            .map_err(|_| TryAllocError::new(ErrorKind::Backing, layout, 0))?;
        own.misses.bump();
        // SAFETY: the pointer of a box is not null.
        Ok(unsafe { NonNull::new_unchecked(Box::into_raw(node)) })
    }

    /// Takes back a stack, and keeps or frees it.
    #[inline]
    fn give_back(&self, node: NonNull<Node<MIN_ALIGN, A>>) {
        // Freed at the end of this call, however it ends, unless it is kept.
        let owned = Owned(node);
        let held = owned.stack_mut(|stack| {
            // Mostly it is empty: a reset costs more than the look.
            if !stack.is_empty() && !cfg!(bug = "depot-keeps-what-is-on-a-stack") {
                stack.reset();
            }
            if stack.reserved_bytes() > self.config.keep_bytes {
                stack.drop_spare();
            }
            if stack.reserved_bytes() > self.config.keep_bytes {
                stack.trim();
            }
            stack.reserved_bytes()
        });
        let Ok(own) = self.own() else { return };
        if own.put(node, held) {
            let _ = ManuallyDrop::new(owned);
            own.returns.bump();
        } else {
            own.evictions.bump();
        }
    }

    /// Frees every idle stack. Returns the bytes given back to the backings.
    pub fn trim(&self) -> usize {
        let mut bytes = 0;
        self.slots.for_each_shared(|places| {
            // Not until there are none: another thread may go on putting them there.
            for node in places.take_each() {
                bytes += Owned(node).stack_mut(|stack| stack.reserved_bytes());
            }
        });
        bytes
    }

    /// Returns what the depot did so far, and what it holds now. While other threads use it, each
    /// figure is of some moment during the call.
    #[must_use]
    pub fn stats(&self) -> DepotStats {
        let mut stats = DepotStats::default();
        self.slots.for_each_shared(|places| {
            stats.hits += places.hits.get();
            stats.steals += places.steals.get();
            stats.misses += places.misses.get();
            stats.returns += places.returns.get();
            stats.evictions += places.evictions.get();
            let (idle, bytes) = places.kept();
            stats.idle += idle as u64;
            stats.idle_bytes += bytes;
        });
        stats
    }

    /// Returns how the stacks grow, and what is kept of them.
    #[must_use]
    pub fn config(&self) -> DepotConfig {
        self.config
    }

    /// Returns the backing that stacks are given clones of.
    #[must_use]
    pub fn backing(&self) -> &A {
        &self.backing
    }
}

impl<const MIN_ALIGN: usize, A: Allocator + Clone> Drop for Depot<MIN_ALIGN, A> {
    fn drop(&mut self) {
        for places in self.slots.iter_mut() {
            for node in places.drain() {
                drop(Owned(node));
            }
        }
    }
}

/// A node outside the places (L1): its drop frees it.
struct Owned<const MIN_ALIGN: usize, A: Allocator>(NonNull<Node<MIN_ALIGN, A>>);

impl<const MIN_ALIGN: usize, A: Allocator> Owned<MIN_ALIGN, A> {
    fn stack_mut<R>(&self, work: impl FnOnce(&mut Stack<MIN_ALIGN, A>) -> R) -> R {
        // SAFETY: L1: alive, and nobody else's.
        let cell = unsafe { self.0.as_ref() }.0.get_ref();
        // SAFETY: L1: no other reference to the stack lives.
        cell.with_mut(|stack| work(unsafe { &mut *stack }))
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Drop for Owned<MIN_ALIGN, A> {
    fn drop(&mut self) {
        // SAFETY: made from a box by `find_or_make`, and nobody else's (L1).
        drop(unsafe { Box::from_raw(self.0.as_ptr()) });
    }
}

impl<const MIN_ALIGN: usize, A: Allocator + Clone> Lease<'_, MIN_ALIGN, A> {
    /// Keeps the stack for good: the depot does not get it back.
    #[must_use]
    pub fn into_stack(lease: Self) -> Stack<MIN_ALIGN, A> {
        let lease = ManuallyDrop::new(lease);
        // SAFETY: made from a box by `find_or_make`, and this lease's alone (L1), which is not dropped.
        let node = unsafe { Box::from_raw(lease.node.as_ptr()) };
        Box::into_inner(node).0.into_inner().into_inner()
    }
}

impl<const MIN_ALIGN: usize, A: Allocator + Clone> Deref for Lease<'_, MIN_ALIGN, A> {
    type Target = Stack<MIN_ALIGN, A>;

    #[inline]
    fn deref(&self) -> &Self::Target {
        // SAFETY: L1: alive, and this lease's alone.
        let cell = unsafe { self.node.as_ref() }.0.get_ref();
        let stack = cell.with(|stack| stack);
        // SAFETY: borrowed shared as the lease is.
        unsafe { &*stack }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator + Clone> DerefMut for Lease<'_, MIN_ALIGN, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Self::Target {
        // SAFETY: L1: alive, and this lease's alone.
        let cell = unsafe { self.node.as_ref() }.0.get_ref();
        let stack = cell.with_mut(|stack| stack);
        // SAFETY: borrowed exclusively as the lease is.
        unsafe { &mut *stack }
    }
}

impl<const MIN_ALIGN: usize, A: Allocator + Clone> Drop for Lease<'_, MIN_ALIGN, A> {
    #[inline]
    fn drop(&mut self) {
        self.depot.give_back(self.node);
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn no_stack(error: TryAllocError) -> ! {
    panic!("cannot lease a stack: {error}")
}

impl<const MIN_ALIGN: usize, A: Allocator + Clone> fmt::Debug for Depot<MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Depot")
            .field("config", &self.config)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl<const MIN_ALIGN: usize, A: Allocator + Clone> fmt::Debug for Lease<'_, MIN_ALIGN, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("stack", &**self).finish()
    }
}
