//! Data per CPU: which CPU this thread is on, tables with a shard for each, and a counter and a stack that need no
//! atomic instruction where the kernel offers restartable sequences. Nothing here waits for another thread.
//!
//! ```text
//!              thread on CPU 1                                     PerCpuStack<31>, rseq mode
//!                    │ current_cpu()                     base ─►   ┌───────────────────────── 256 bytes ┐
//!  Shards<T>         ▼                                     CPU 0   │ +0 len  +8 slot 0 … +248 slot 30   │
//!  ┌───────┬───────┬───────┬───────┐                       CPU 1   │ +0 len  +8 slot 0 … +248 slot 30   │ ◄─ one visit
//!  │ T, 0  │ T, 1  │ T, 2  │ T, 3  │                       …       └────────────────────────────────────┘    of a thread
//!  └───────┴───────┴───────┴───────┘                       else ─► one shard that is taken and given back
//!   each alone on its cache lines                                   (CPUs past the table, unregistered threads)
//! ```
//!
//! # The three kinds
//! - [`Shards<T>`]: any `T: Sync`. The CPU is a **hint**: a thread may be moved between asking and using, so `T` brings
//!   its own synchronisation.
//! - [`PerCpuCounter`] and [`PerCpuStack`]: a closed set of operations (add, push, pop), each of which happens on one
//!   CPU as a whole or not at all.
//! - [`current_cpu`], [`possible_cpus`], [`source`]: the ground they stand on.
//!
//! # Two modes
//! A structure is made in one [`Mode`] and stays in it: the same data is never touched in both ways.
//!
//! | | [`Mode::Rseq`] | [`Mode::Atomic`] |
//! |---|---|---|
//! | where | x86-64 Linux whose C library registered rseq (glibc 2.35 or later, not switched off, not under valgrind) | everywhere |
//! | push, pop | 14 and 13 instructions, no atomic | take the shard (1 compare-exchange), give it back (1 store) |
//! | add | 9 instructions, no atomic | 1 `fetch_add` |
//! | shard | of the CPU, exactly | of the CPU, as a hint; a neighbour's where that is busy |
//! | progress | restarts when the kernel runs something else on the CPU | wait-free; "full" or "empty" where all shards are busy |
//!
//! # Invariants
//! P1: tables are sized by *possible* CPUs (the largest id the kernel can hand out, plus one), and every id is checked
//! against the size before it is used. P2: a CPU past the end of a section's table, or a thread that is not registered,
//! goes to the extra atomic shard; it never shares a section's shard with another CPU. P3: `mode` never changes. P4:
//! words are moved, never followed. The invariants of one file (A…, S…, L…) are stated there.
//!
//! # Ordering edges
//! *cpu-order* (rseq mode; no instruction, argued in `sections.rs`): a push happens before the pop that takes its word,
//! as both ran on one CPU and the scheduler orders what a thread does across a move. *shard-lock* (atomic mode): giving
//! a shard back → taking it. Counters order nothing.
//!
//! # Cost
//! `shards · (8 + 8·N)` bytes, rounded up to 128 per shard, for a stack; 128 bytes per CPU for a counter.
//!
//! # Caveats
//! - **Never unload.** After an operation the kernel may still hold the address of its descriptor, so the memory of the
//!   code must stay mapped: a `cdylib` with this crate in it must not be closed with `dlclose` while a thread that
//!   called it lives.
//! - Under `vfork` (a child that shares the parent's memory and thread pointer, without a registration) nothing here may
//!   be called before `exec`.
//! - A debugger that steps through a section one instruction at a time aborts it each time: step over it.
//! - Another allocator that registers rseq for itself (tcmalloc does) conflicts with the C library's registration; its
//!   users switch that off (`GLIBC_TUNABLES=glibc.pthread.rseq=0`), and we are in atomic mode then.
//! - Draining *other* CPUs' shards while they work is not offered (`membarrier` with its rseq variant could); the owner
//!   drains with `&mut`.
//!
//! # Source
//! Restartable sequences: the Linux rseq ABI (`include/uapi/linux/rseq.h`) and the GNU C Library manual; per-CPU stacks
//! by rseq: the design note `rseq.md` of Google's tcmalloc. We differ: the C library's registration is used and never
//! one of our own; the length is one 64-bit word per shard and no table of size classes; what no section covers has a
//! shard of its own instead of a slow path that stops other CPUs.

#[cfg(all(
    target_os = "linux",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64"),
    not(miri)
))]
#[cfg_attr(any(loom, shuttle), expect(dead_code, reason = "a model answers in its place"))]
mod area;
mod counter;
#[cfg_attr(any(loom, shuttle), expect(dead_code, reason = "a model answers in its place"))]
mod cpu;
mod locked;
#[cfg(any(loom, shuttle))]
pub mod model;
#[cfg_attr(
    not(all(
        target_os = "linux",
        target_pointer_width = "64",
        target_arch = "x86_64",
        not(any(loom, shuttle, miri))
    )),
    path = "percpu/no_sections.rs"
)]
mod sections;
mod shards;
mod stack;

pub use counter::PerCpuCounter;
pub use cpu::{CpuId, CpuListError, Source, parse_cpu_list};
pub use shards::{BuildError, Shards};
pub use stack::{Full, PerCpuStack, StackStats};

#[doc = include_str!("percpu/DESIGN.md")]
pub mod design {}

/// How a [`PerCpuCounter`] or a [`PerCpuStack`] works: fixed when it is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Restartable sequences.
    Rseq,
    /// Atomic instructions.
    Atomic,
}

/// The CPU this thread runs on: **a hint, stale at once**. The thread may have been moved before the call returns.
///
/// Asks the [`source`] that was chosen at the first call: a load where the C library registered restartable sequences.
#[inline(always)]
pub fn current_cpu() -> CpuId {
    #[cfg(not(any(loom, shuttle)))]
    return cpu::current();
    #[cfg(any(loom, shuttle))]
    return model::current();
}

/// Where [`current_cpu`] gets its answer; chosen once in the life of the process.
pub fn source() -> Source {
    if cfg!(any(loom, shuttle)) { Source::Model } else { cpu::source() }
}

/// The number of shards that gives each CPU its own: the largest CPU id the kernel can ever hand out, plus one.
///
/// From `/sys/devices/system/cpu/possible`; where that cannot be read, the number of configured CPUs.
pub fn possible_cpus() -> usize {
    #[cfg(not(any(loom, shuttle)))]
    return cpu::possible();
    #[cfg(any(loom, shuttle))]
    return model::CPUS;
}
