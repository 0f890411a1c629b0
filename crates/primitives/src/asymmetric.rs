//! Asymmetric fences: [`light`] costs no instruction, and its partner [`heavy`] pays for both.
//!
//! ```text
//!   often, on a fast path           seldom, once for a large batch
//!   mine.store(1, Relaxed)          theirs.store(1, Relaxed)
//!   light()                         heavy()      asks the kernel to run a fence on every thread
//!   theirs.load(Relaxed)            mine.load(Relaxed)
//!                  at least one of the two loads sees the other's store
//! ```
//!
//! | build | `light` | `heavy` |
//! |---|---|---|
//! | Linux with feature `std`, on a processor listed below, the kernel has `membarrier` | nothing for the processor: the compiler keeps the order | `membarrier(PRIVATE_EXPEDITED)`, 0.3 to 3 µs |
//! | elsewhere, and until the first `heavy` or [`is_expedited`] | `fence(SeqCst)` | `fence(SeqCst)` |
//! | under a model | `fence(SeqCst)` | `fence(SeqCst)` |
//!
//! # Invariants
//!
//! * **F1** once `MODE` is `EXPEDITED` or `FENCES` it stays so.
//! * **F2** `light` is less than a fence only if it reads `EXPEDITED`; `heavy` settles the mode first. So
//!   whenever some `light` was less than a fence, every `heavy`, also one that runs at the same time,
//!   asks the kernel.
//!
//! # Ordering edges
//!
//! None but what the fences themselves give. Why a `heavy` by the kernel equals two fences: it returns
//! after each running thread of the process executed a full barrier, at some point P of its program
//! (threads that do not run passed one when they were switched out). A `light` before P: the stores before
//! it are before P in program order, which the compiler keeps, so they are visible to the caller when
//! `heavy` returns. A `light` after P: the loads after it come after a full barrier which came after the
//! caller's stores. Every `light` is one or the other.
//!
//! # Cost
//!
//! `light`: a load and a branch that is predicted. `heavy`: a system call and an interrupt for each
//! processor that runs a thread of the process.
//!
//! # Source
//!
//! The kernel's `membarrier(2)`; P. McKenney's and M. Desnoyers' user-space RCU uses it so, and proposal
//! P1202 for C++ names the two.

use crate::sync::MODELLED;
use crate::sync::atomic::Ordering::{Relaxed, SeqCst};
use crate::sync::atomic::fence;
use crate::sync::unmodelled::AtomicU8;

/// Nobody has asked yet.
const UNKNOWN: u8 = 0;
/// `heavy` asks the kernel.
const EXPEDITED: u8 = 1;
/// Both are fences.
const FENCES: u8 = 2;

static MODE: AtomicU8 = AtomicU8::new(UNKNOWN);

/// Orders what this thread did before against what it does after, for a thread that calls [`heavy`].
///
/// Only together with that: two threads that both call `light` are not ordered.
///
/// # Concurrency
///
/// Wait-free.
#[inline(always)]
pub fn light() {
    // ORD Relaxed: F1: a stale `UNKNOWN` costs a fence more, and `EXPEDITED` is for ever.
    if !MODELLED && MODE.load(Relaxed) == EXPEDITED {
        // The processor's part is `heavy`'s (F2).
        kernel::keep_order();
    } else {
        full();
    }
}

#[cold]
fn full() {
    // ORD[asymmetric] SeqCst ↔ SeqCst in `heavy`: of two threads that each store, fence and load what the
    // other stored, at least one sees it.
    fence(SeqCst);
}

/// As [`light`], for callers who know that [`is_expedited`] returned `true`: no instruction at all.
///
/// # Concurrency
///
/// Wait-free.
#[inline(always)]
pub fn light_expedited() {
    if MODELLED {
        full();
    } else {
        // ORD Relaxed: F1.
        debug_assert!(MODE.load(Relaxed) == EXPEDITED, "`is_expedited` was not asked, or said no");
        // The processor's part is `heavy`'s (F2).
        kernel::keep_order();
    }
}

/// Orders what this thread did before against what it does after, for every thread that calls
/// [`light`] or `heavy`.
///
/// # Panics
///
/// If the kernel refuses what it granted before.
///
/// # Concurrency
///
/// Wait-free, but for the kernel.
#[inline(never)]
pub fn heavy() {
    // In each case: for a partner who runs fences (F2).
    // ORD[asymmetric] SeqCst ↔ SeqCst in `full`, and here in another thread.
    fence(SeqCst);
    if MODELLED {
        return;
    }
    // ORD Relaxed: F1: the mode guards no memory.
    if MODE.load(Relaxed) == UNKNOWN {
        settle();
    }
    // ORD Relaxed: F1, F2: settled, by this thread at the latest.
    if MODE.load(Relaxed) == EXPEDITED {
        // A full barrier for the caller as well.
        assert!(kernel::barrier(), "membarrier(2) refuses what it granted");
    }
}

/// Asks the kernel once.
#[cold]
fn settle() {
    let mode = if kernel::register() { EXPEDITED } else { FENCES };
    // ORD Relaxed Relaxed: F1: whoever is first decides; the mode guards no memory.
    let _ = MODE.compare_exchange(UNKNOWN, mode, Relaxed, Relaxed);
}

/// Returns whether [`light`] costs no fence, from now on and for ever; asks the kernel, unless somebody
/// did. Under a model it says so, too, for what depends on it to be modelled.
#[must_use]
pub fn is_expedited() -> bool {
    // ORD Relaxed: F1: asking twice does no harm.
    if !MODELLED && MODE.load(Relaxed) == UNKNOWN {
        settle();
    }
    // ORD Relaxed: F1.
    MODELLED || MODE.load(Relaxed) == EXPEDITED
}

#[cfg(all(
    feature = "std",
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "riscv64"
    )
))]
mod kernel {
    /// Asks for the right to call [`barrier`]; returns whether the kernel grants it.
    pub(super) fn register() -> bool {
        call(libc::MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED)
    }

    /// Runs a full barrier on every running thread of this process; returns whether that was done.
    pub(super) fn barrier() -> bool {
        // A child of a fork that the kernel does not take for registered registers itself.
        call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED)
            || (register() && call(libc::MEMBARRIER_CMD_PRIVATE_EXPEDITED))
    }

    /// Keeps the compiler from moving accesses to memory across.
    #[inline(always)]
    pub(super) fn keep_order() {
        // SAFETY: no instruction; the compiler takes it for one that may read and write any memory.
        unsafe { core::arch::asm!("", options(nostack, preserves_flags)) }
    }

    fn call(command: libc::c_int) -> bool {
        // SAFETY: takes integers, touches no memory, and answers an unknown command with an error.
        unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
    }
}

#[cfg(not(all(
    feature = "std",
    target_os = "linux",
    any(
        target_arch = "x86_64",
        target_arch = "x86",
        target_arch = "aarch64",
        target_arch = "arm",
        target_arch = "riscv64"
    )
)))]
mod kernel {
    /// No such kernel, so no such right.
    pub(super) fn register() -> bool {
        false
    }

    /// Never asked: [`register`] says no.
    pub(super) fn barrier() -> bool {
        false
    }

    /// Never asked: as above.
    pub(super) fn keep_order() {}
}
