//! A bounded stack that one thread at a time has to itself, and that nobody waits for: the shard of atomic mode.
//!
//! ```text
//!  +0  busy   u32: 0 free, 1 taken
//!  +8  body   len, slots[N]         touched only between take and give back
//! ```
//!
//! **Invariants.** L1: whoever changed `busy` from 0 to 1 has the body until it stores 0. L2: slots below `len` are
//! written, and `len <= N`.
//!
//! **Ordering edges.** *shard-lock*: the Release that gives the shard back → the Acquire that takes it.
//!
//! **Progress.** One attempt, then an answer: done, or [`Busy`]. Wait-free; a thread stopped while it has a shard makes
//! that shard busy and stops nobody.
//!
//! **Cost.** One compare-exchange and one store per operation.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use crate::sync::atomic::{AtomicU32, Exclusive as _, Ordering};
use crate::sync::cell::UnsafeCell;

/// Another thread has the shard.
#[derive(Debug)]
pub(super) struct Busy;

pub(super) struct LockedShard<const N: usize> {
    busy: AtomicU32,
    body: UnsafeCell<Body<N>>,
}

pub(super) struct Body<const N: usize> {
    len: usize,
    slots: [MaybeUninit<NonNull<u8>>; N],
}

impl<const N: usize> Body<N> {
    /// Pushes; false when full.
    pub(super) fn push(&mut self, word: NonNull<u8>) -> bool {
        let Some(slot) = self.slots.get_mut(self.len) else { return false };
        slot.write(word);
        self.len += 1;
        true
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn pop(&mut self) -> Option<NonNull<u8>> {
        debug_assert!(self.len <= N, "len {} over capacity {N}", self.len);
        self.len = self.len.checked_sub(1)?;
        // SAFETY: L2: the slot was below `len`.
        Some(unsafe { self.slots[self.len].assume_init() })
    }
}

impl<const N: usize> LockedShard<N> {
    pub(super) fn new() -> Self {
        Self {
            busy: AtomicU32::new(0),
            body: UnsafeCell::new(Body { len: 0, slots: [MaybeUninit::uninit(); N] }),
        }
    }

    /// Runs `f` with the shard, unless somebody else has it. `f` must not panic.
    pub(super) fn try_with<R>(&self, f: impl FnOnce(&mut Body<N>) -> R) -> Result<R, Busy> {
        // Planted: the question and the answer apart.
        #[cfg(bug = "percpu_torn_take")]
        // ORD Relaxed: a fault.
        if self.busy.load(Ordering::Relaxed) == 1 {
            return Err(Busy);
        } else {
            self.busy.store(1, Ordering::Relaxed);
        }
        // ORD[shard-lock] Acquire ← Release below: sees the body as its last user left it.
        // ORD Relaxed on failure: nothing is read.
        #[cfg(not(bug = "percpu_torn_take"))]
        if self.busy.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
            return Err(Busy);
        }
        let result = self.body.with_mut(|body| {
            // SAFETY: L1: the exchange above gave us the body until the store below.
            let body = unsafe { &mut *body };
            f(body)
        });
        // ORD[shard-lock] Release → Acquire above: the body's new state must be seen by whoever takes it next.
        self.busy.store(0, Ordering::Release);
        Ok(result)
    }

    pub(super) fn body_mut(&mut self) -> &mut Body<N> {
        debug_assert_eq!(self.busy.get(), 0, "a shard given up by a thread that never came back");
        self.body.get_mut()
    }
}

// SAFETY: L1 gives the body to one thread at a time; it holds words that nobody dereferences here.
unsafe impl<const N: usize> Send for LockedShard<N> {}
// SAFETY: as above; `&LockedShard` reaches the body only through the exchange.
unsafe impl<const N: usize> Sync for LockedShard<N> {}
