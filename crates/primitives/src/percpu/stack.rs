//! A bounded stack of pointer-sized words per CPU.

use alloc::boxed::Box;
use core::fmt;
use core::ptr::NonNull;

use super::locked::LockedShard;
use super::sections::{Sections, StackShard};
use super::shards::{BuildError, try_table, unwrap_build};
use super::{Mode, current_cpu, possible_cpus};
use crate::CachePadded;
use crate::sync::atomic::{AtomicU64, Ordering};

/// A bounded LIFO of up to `N` non-null words for each CPU: the place of a per-CPU cache of blocks or objects.
///
/// The words are pointers by type, and only moved: what they mean, and that nothing leaks, is the owner's business.
/// `N` of 15, 31, 63, … fills a shard's cache lines without waste.
///
/// In [`Mode::Rseq`] push is 14 instructions and pop 13, none of them atomic. In [`Mode::Atomic`] each is one
/// compare-exchange and one store on a shard that a thread takes for itself without ever waiting for it.
///
/// # Answers are about a moment
/// `push` refuses and `pop` finds nothing when **this CPU's** shard is full or empty; the thread may be on another CPU
/// next time. In atomic mode they also do when all shards are taken by threads in the middle of an operation. A caller
/// has something behind this cache and goes there.
///
/// # Examples
///
/// ```
/// use core::ptr::NonNull;
/// use primitives::percpu::PerCpuStack;
///
/// let mut idle: PerCpuStack<31> = PerCpuStack::new();
/// let block = Box::leak(Box::new(7_u64));
/// idle.push(NonNull::from(block).cast()).unwrap();
/// for word in idle.drain() {
///     // SAFETY: the one word in there came from the box above.
///     assert_eq!(*unsafe { Box::from_raw(word.cast::<u64>().as_ptr()) }, 7);
/// }
/// ```
///
/// # Concurrency
/// What happened before a `push` happens before what follows the `pop` that returns its word. In rseq mode operations
/// restart only when the kernel runs something else on the CPU; in atomic mode they are wait-free. Neither waits for
/// another thread, and both are safe in a signal handler. Dropping the stack forgets the words in it.
pub struct PerCpuStack<const N: usize> {
    sections: Sections<StackShard<N>>,
    /// In atomic mode the stack; in rseq mode one shard for threads that no section covers.
    locked: Box<[CachePadded<LockedShard<N>>]>,
    contended: AtomicU64,
    mode: Mode,
}

/// The word was not taken in: no room was within reach. It is handed back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full(pub NonNull<u8>);

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stack of this cpu has no room for {:p}", self.0)
    }
}

impl core::error::Error for Full {}

/// What a [`PerCpuStack`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackStats {
    /// Sections that the kernel sent back to their start.
    pub aborts: u64,
    /// Shards found taken, in atomic mode.
    pub contended: u64,
}

impl<const N: usize> PerCpuStack<N> {
    /// Makes a stack with a shard per possible CPU, in the best mode this process offers.
    pub fn new() -> Self {
        Self::with_shards(possible_cpus(), Mode::Rseq)
    }

    /// [`new`](Self::new) that reports a failed allocation.
    ///
    /// # Errors
    /// [`BuildError::OutOfMemory`].
    pub fn try_new() -> Result<Self, BuildError> {
        Self::try_with_shards(possible_cpus(), Mode::Rseq)
    }

    /// Makes a stack of `count` shards in the mode asked for; where rseq is not to be had, in atomic mode.
    ///
    /// With fewer shards than CPUs, rseq mode sends the CPUs past the end to one extra shard that works as in atomic
    /// mode: two CPUs can never share a section's shard.
    ///
    /// # Panics
    /// If `count` is 0.
    pub fn with_shards(count: usize, mode: Mode) -> Self {
        unwrap_build(Self::try_with_shards(count, mode))
    }

    /// [`with_shards`](Self::with_shards) that reports what went wrong.
    ///
    /// # Errors
    /// [`BuildError::NoShards`] if `count` is 0, [`BuildError::OutOfMemory`].
    pub fn try_with_shards(count: usize, mode: Mode) -> Result<Self, BuildError> {
        let sections = match mode {
            Mode::Rseq => Sections::try_new(count, |_| StackShard::new())?,
            Mode::Atomic => None,
        };
        let (mode, sections, locked) = match sections {
            Some(sections) => (Mode::Rseq, sections, 1),
            None => (Mode::Atomic, Sections::none(), count),
        };
        let locked = try_table(locked, |_| CachePadded::new(LockedShard::new()))?;
        Ok(Self { sections, locked, contended: AtomicU64::new(0), mode })
    }

    /// Pushes a word for this CPU.
    ///
    /// # Errors
    /// [`Full`] hands the word back when no room is within reach.
    #[inline(always)]
    pub fn push(&self, word: NonNull<u8>) -> Result<(), Full> {
        if self.sections.push(word) { Ok(()) } else { self.push_slow(word) }
    }

    /// Pops the word this CPU pushed last, if its shard holds one.
    #[inline(always)]
    pub fn pop(&self) -> Option<NonNull<u8>> {
        match self.sections.pop() {
            Some(word) => Some(word),
            None => self.pop_slow(),
        }
    }

    #[cold]
    #[inline(never)]
    fn push_slow(&self, word: NonNull<u8>) -> Result<(), Full> {
        if self.sections.covers_this_cpu() {
            return Err(Full(word));
        }
        match self.with_locked(|shard| shard.try_with(|body| body.push(word)).ok()) {
            Some(true) => Ok(()),
            _ => Err(Full(word)),
        }
    }

    #[cold]
    #[inline(never)]
    fn pop_slow(&self) -> Option<NonNull<u8>> {
        if self.sections.covers_this_cpu() {
            return None;
        }
        self.with_locked(|shard| shard.try_with(|body| body.pop()).ok()).flatten()
    }

    /// Offers the shards to `f`, this CPU's first, until one is not busy.
    fn with_locked<R>(&self, f: impl Fn(&LockedShard<N>) -> Option<R>) -> Option<R> {
        let first = current_cpu().index(self.locked.len());
        let (before, from) = self.locked.split_at(first);
        for shard in from.iter().chain(before) {
            if let Some(answer) = f(shard) {
                return Some(answer);
            }
            // ORD Relaxed: a statistic.
            self.contended.fetch_add(1, Ordering::Relaxed);
        }
        None
    }

    /// Takes out all words, in no particular order.
    pub fn drain(&mut self) -> impl Iterator<Item = NonNull<u8>> {
        core::iter::from_fn(|| {
            self.sections
                .pop_any()
                .or_else(|| self.locked.iter_mut().find_map(|shard| shard.body_mut().pop()))
        })
    }

    /// The words one CPU can hold.
    pub const fn capacity_per_cpu(&self) -> usize {
        N
    }

    /// The words held by sections' shards and by the others, counted one shard after the other while all goes on: right
    /// when nobody else is at work. In atomic mode shards that are taken count as empty.
    pub fn len_hint(&self) -> usize {
        let locked = self.locked.iter().map(|shard| shard.try_with(|body| body.len()).unwrap_or(0));
        self.sections.len_hint() + locked.sum::<usize>()
    }

    /// How this stack works; fixed when it was made.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What happened so far.
    pub fn stats(&self) -> StackStats {
        // ORD Relaxed: a statistic.
        StackStats {
            aborts: self.sections.aborts(),
            contended: self.contended.load(Ordering::Relaxed),
        }
    }
}

impl<const N: usize> Default for PerCpuStack<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for PerCpuStack<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PerCpuStack")
            .field("mode", &self.mode)
            .field("capacity_per_cpu", &N)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
