//! The restartable critical sections themselves (x86-64 Linux): add, push and pop on the shard of the current CPU,
//! with no atomic instruction and no lock.
//!
//! ```text
//!  Sections<T> (the header; its address is the one operand)        shard i = base + i · size_of::<T>()
//!  +0   offset   area minus thread pointer                         StackShard<N>            CountShard
//!  +8   count    shards in the table (0 in atomic mode)            +0  len                  +0  count
//!  +16  base     the table                                         +8  slots[N]
//!  +64  aborts   sections the kernel sent back (own cache line)
//! ```
//!
//! Each section has the same frame. `71` arms it by storing the address of its descriptor in the thread's area; from
//! `72` to `73` the kernel watches it: if the thread is preempted, migrated or given a signal while its instruction
//! pointer is in that range, it resumes at `74`, which counts the abort and goes back to `71`. The instruction before
//! `73` is the **commit**, the only store that others can notice.
//!
//! ```text
//!  71:  rseq_cs = &descriptor
//!  72:  i = cpu_id                  ┐ all in one visit to one CPU, or not at all
//!       i >= count → leave          │
//!       … work on shard i …         │
//!       commit: one store           ┘
//!  73:
//!  74:  aborts += 1; goto 71        (out of line, behind the signature 0x53053053)
//! ```
//!
//! **Invariants.** S1: `base` points to `count` shards of type `T`, all owned by this header, and no `&mut` to any of
//! them exists while a section can run. S2: within one visit to one CPU a section is the only code that touches that
//! CPU's shard: whoever else runs on this CPU meanwhile forces an abort first, and a thread on another CPU has another
//! id, hence another shard. S3: before the commit a section stores only to slots at or above `len`, which nobody
//! reads. S4: `len <= N`. S5: a section moves words and never follows them: what it read may be freed already, and then
//! it will not commit.
//!
//! **Ordering.** No barrier is needed (edge *cpu-order*): a push and the pop that takes its word ran on one CPU, in
//! program order there; a thread that moved to it or from it was switched by the scheduler, which orders all it did
//! before on the old CPU before all it does on the new one. The `asm!` blocks are compiler barriers (no `nomem`).
//!
//! **The descriptor stays armed** after the commit; the kernel clears it at the next interruption outside the range.
//! So the descriptor and this code must never be unmapped: see the caveats of [the module above](super).

use core::arch::asm;
use core::cell::UnsafeCell;
use core::fmt;
use core::mem::{MaybeUninit, offset_of};
use core::ptr::NonNull;
use core::slice;

use alloc::boxed::Box;

use super::area;
use super::shards::{BuildError, try_table};
use crate::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The header of a table of shards of type `T` that critical sections work on.
#[repr(C, align(128))]
pub(crate) struct Sections<T> {
    offset: isize,
    count: usize,
    base: NonNull<T>,
    reserved: [usize; 5],
    aborts: AtomicU64,
}

/// A bounded stack of words. Sections reach it by address only.
#[repr(C, align(128))]
pub(crate) struct StackShard<const N: usize> {
    len: AtomicUsize,
    slots: UnsafeCell<[MaybeUninit<NonNull<u8>>; N]>,
}

/// A counter alone on its cache lines (two, as CPUs fetch lines in pairs).
#[repr(C, align(128))]
pub(crate) struct CountShard {
    count: AtomicU64,
}

const _: () = {
    assert!(offset_of!(Sections<CountShard>, offset) == 0, "the sections load [header]");
    assert!(offset_of!(Sections<CountShard>, count) == 8, "the sections compare with [header + 8]");
    assert!(offset_of!(Sections<CountShard>, base) == 16, "the sections add [header + 16]");
    assert!(
        offset_of!(Sections<CountShard>, aborts) == 64,
        "the abort handler adds to [header + 64]"
    );
    assert!(offset_of!(StackShard<30>, len) == 0, "push and pop load [shard]");
    assert!(offset_of!(StackShard<30>, slots) == 8, "slot k is at [shard + 8 + 8k]");
    assert!(offset_of!(CountShard, count) == 0, "add adds to [shard]");
    assert!(
        size_of::<StackShard<15>>() == 128 && size_of::<StackShard<31>>() == 256,
        "16k - 1 slots waste no byte"
    );
    assert!(size_of::<CountShard>() == 128, "one counter to a pair of cache lines");
};

impl<const N: usize> StackShard<N> {
    pub(crate) const fn new() -> Self {
        const {
            assert!(
                N < 1 << 27,
                "a shard's capacity and bytes must fit the sections' 32-bit immediates"
            )
        };
        Self { len: AtomicUsize::new(0), slots: UnsafeCell::new([MaybeUninit::uninit(); N]) }
    }

    fn len_hint(&self) -> usize {
        // ORD Relaxed: a hint about a word that other CPUs store plainly; nothing is read through it.
        self.len.load(Ordering::Relaxed)
    }

    fn pop_mut(&mut self) -> Option<NonNull<u8>> {
        let len = self.len.get_mut();
        debug_assert!(*len <= N, "len {len} over capacity {N}");
        let top = len.checked_sub(1)?;
        *len = top;
        // SAFETY: S4 and the commit order of `push`: every slot below `len` was written.
        Some(unsafe { self.slots.get_mut()[top].assume_init() })
    }
}

// SAFETY: a shard is a length and words that nobody dereferences; `&mut` methods reach them, and sections, which have
// them to themselves (S2).
unsafe impl<const N: usize> Send for StackShard<N> {}
// SAFETY: behind `&StackShard` only the atomic `len` can be read.
unsafe impl<const N: usize> Sync for StackShard<N> {}

impl CountShard {
    pub(crate) const fn new() -> Self {
        Self { count: AtomicU64::new(0) }
    }
}

// Planted faults: one instruction out of place each.
#[cfg(bug = "percpu_stale_cpu_id")]
macro_rules! id_before_arming {
    () => {
        "mov {shard:e}, dword ptr fs:[{area} + 4]"
    };
}
#[cfg(bug = "percpu_stale_cpu_id")]
macro_rules! id_inside {
    () => {
        ""
    };
}
#[cfg(not(bug = "percpu_stale_cpu_id"))]
macro_rules! id_before_arming {
    () => {
        ""
    };
}
#[cfg(not(bug = "percpu_stale_cpu_id"))]
macro_rules! id_inside {
    () => {
        "mov {shard:e}, dword ptr fs:[{area} + 4]"
    };
}
#[cfg(bug = "percpu_commit_before_store")]
macro_rules! fill_and_commit {
    () => {
        "inc {len}\n mov qword ptr [{shard}], {len}\n mov qword ptr [{shard} + 8*{len}], {word}"
    };
}
#[cfg(not(bug = "percpu_commit_before_store"))]
macro_rules! fill_and_commit {
    () => {
        "mov qword ptr [{shard} + 8*{len} + 8], {word}\n inc {len}\n mov qword ptr [{shard}], {len}"
    };
}
/// The descriptor, and the abort handler behind its signature: the same for every section. `ud1 edi, [rip + sig]` is
/// the form of the signature the kernel's x86 documentation asks for: it decodes as one invalid instruction.
macro_rules! frame {
    () => {
        concat!(
            // Relocated data, read-only afterwards; 32-byte aligned, as the ABI asks.
            ".pushsection .data.rel.ro.__rseq_cs,\"aw\",@progbits\n",
            ".balign 32\n",
            "70: .long 0, 0\n",            // version, flags
            ".quad 72f, 73f - 72f, 74f\n", // start, length, abort
            ".popsection\n",
            ".pushsection .text.__rseq_failure,\"ax\",@progbits\n",
            ".byte 0x0f, 0xb9, 0x3d\n",
            ".long 0x53053053\n",
            "74: lock inc qword ptr [{header} + 64]\n",
            "jmp 71f\n",
            ".popsection"
        )
    };
}

impl<T> Sections<T> {
    /// Takes over a table of shards, for the area at `offset`.
    ///
    /// # Safety
    /// `offset` came from [`area::registered_offset`], or `shards` is empty and it came from
    /// [`area::unregistered_offset`].
    unsafe fn from_parts(offset: isize, shards: Box<[T]>) -> Self {
        let count = shards.len();
        // SAFETY: `into_raw` never returns null.
        let base = unsafe { NonNull::new_unchecked(Box::into_raw(shards).cast::<T>()) };
        Self { offset, count, base, reserved: [0; 5], aborts: AtomicU64::new(0) }
    }

    /// A table of `count` shards, or `None` where sections cannot run in this process.
    pub(crate) fn try_new(
        count: usize,
        make: impl FnMut(usize) -> T,
    ) -> Result<Option<Self>, BuildError> {
        let Some(offset) = area::registered_offset() else { return Ok(None) };
        let shards = try_table(count, make)?;
        // SAFETY: the first alternative.
        Ok(Some(unsafe { Self::from_parts(offset, shards) }))
    }

    /// A header without shards, for atomic mode: every section leaves at its bounds check.
    pub(crate) fn none() -> Self {
        // SAFETY: the second alternative.
        unsafe { Self::from_parts(area::unregistered_offset(), Box::new([])) }
    }

    fn shards(&self) -> &[T] {
        // SAFETY: S1; sections change the shards only where `T` allows a change behind `&T` (atomics, and slots that
        // are never read behind `&T`).
        unsafe { slice::from_raw_parts(self.base.as_ptr(), self.count) }
    }

    fn shards_mut(&mut self) -> &mut [T] {
        // SAFETY: S1, and `&mut self` keeps every section out.
        unsafe { slice::from_raw_parts_mut(self.base.as_ptr(), self.count) }
    }

    /// Whether this CPU has a shard in the table. It may stop being true at once.
    pub(crate) fn covers_this_cpu(&self) -> bool {
        // SAFETY: `offset` is of an area in every thread (see `from_parts`).
        let cpu = unsafe { area::thread_cpu(self.offset) };
        usize::try_from(cpu).is_ok_and(|cpu| cpu < self.count)
    }

    pub(crate) fn aborts(&self) -> u64 {
        // ORD Relaxed: a statistic.
        self.aborts.load(Ordering::Relaxed)
    }
}

impl<const N: usize> Sections<StackShard<N>> {
    /// The words held, as seen from outside.
    pub(crate) fn len_hint(&self) -> usize {
        self.shards().iter().map(StackShard::len_hint).sum()
    }

    /// Pops from any shard.
    pub(crate) fn pop_any(&mut self) -> Option<NonNull<u8>> {
        self.shards_mut().iter_mut().find_map(StackShard::pop_mut)
    }

    /// Pushes on this CPU's shard; false when that is full or this CPU has none.
    #[inline(always)]
    pub(crate) fn push(&self, word: NonNull<u8>) -> bool {
        // SAFETY: `area` is of an area in every thread (`from_parts`); the bounds check keeps `shard` in the table
        // (S1) and `len` below N (S4), so the store hits a slot that nobody reads (S3); the last store publishes it,
        // and the whole ran on one CPU in one visit (S2). Clobbers: three registers, the flags, memory. The stack is
        // not touched. A jump to `refused` leaves the range, which disarms the section.
        unsafe {
            asm!(
                frame!(),
                "mov {area}, qword ptr [{header}]",
                id_before_arming!(),
                "71:",
                "lea {len}, [rip + 70b]",
                "mov qword ptr fs:[{area} + 8], {len}",
                "72:",
                id_inside!(),
                "cmp {shard}, qword ptr [{header} + 8]",
                "jae {refused}",
                "imul {shard}, {shard}, {stride}",
                "add {shard}, qword ptr [{header} + 16]",
                "mov {len}, qword ptr [{shard}]",
                "cmp {len}, {capacity}",
                "jae {refused}",
                fill_and_commit!(),
                "73:",
                header = in(reg) self,
                word = in(reg) word.as_ptr(),
                area = out(reg) _,
                shard = out(reg) _,
                len = out(reg) _,
                stride = const size_of::<StackShard<N>>(),
                capacity = const N,
                refused = label { return false },
                options(nostack),
            );
        }
        true
    }

    /// Pops from this CPU's shard; `None` when that is empty or this CPU has none.
    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<u8>> {
        let word: *mut u8;
        // SAFETY: as in `push`; the slot below `len` was written before `len` covered it, and lowering `len` is the
        // commit. Where nothing is popped `75` sets the result to null; an abort after the slot was read goes back to
        // `71`, so that no stale word gets out.
        unsafe {
            asm!(
                frame!(),
                ".pushsection .text.__rseq_failure,\"ax\",@progbits",
                "75: xor {word:e}, {word:e}",
                "jmp 73f",
                ".popsection",
                "mov {area}, qword ptr [{header}]",
                id_before_arming!(),
                "71:",
                "lea {word}, [rip + 70b]",
                "mov qword ptr fs:[{area} + 8], {word}",
                "72:",
                id_inside!(),
                "cmp {shard}, qword ptr [{header} + 8]",
                "jae 75b",
                "imul {shard}, {shard}, {stride}",
                "add {shard}, qword ptr [{header} + 16]",
                "mov {len}, qword ptr [{shard}]",
                "sub {len}, 1",
                "jb 75b",
                "mov {word}, qword ptr [{shard} + 8*{len} + 8]",
                "mov qword ptr [{shard}], {len}",
                "73:",
                header = in(reg) self,
                word = out(reg) word,
                area = out(reg) _,
                shard = out(reg) _,
                len = out(reg) _,
                stride = const size_of::<StackShard<N>>(),
                options(nostack),
            );
        }
        NonNull::new(word)
    }
}

impl Sections<CountShard> {
    /// The sum of the counters, modulo 2⁶⁴.
    pub(crate) fn sum(&self) -> u64 {
        // ORD Relaxed: each counter is read whole; the caller orders the adds it wants to see before this.
        self.shards()
            .iter()
            .map(|shard| shard.count.load(Ordering::Relaxed))
            .fold(0, u64::wrapping_add)
    }

    /// Adds to this CPU's counter; false when this CPU has none.
    #[inline(always)]
    pub(crate) fn add(&self, n: u64) -> bool {
        // SAFETY: as in `push`; the commit is the one instruction that changes the counter, and as this CPU alone
        // writes it, an add to memory loses nothing.
        unsafe {
            asm!(
                frame!(),
                "mov {area}, qword ptr [{header}]",
                id_before_arming!(),
                "71:",
                "lea {scratch}, [rip + 70b]",
                "mov qword ptr fs:[{area} + 8], {scratch}",
                "72:",
                id_inside!(),
                "cmp {shard}, qword ptr [{header} + 8]",
                "jae {refused}",
                "shl {shard}, 7",
                "add {shard}, qword ptr [{header} + 16]",
                "add qword ptr [{shard}], {n}",
                "73:",
                header = in(reg) self,
                n = in(reg) n,
                area = out(reg) _,
                shard = out(reg) _,
                scratch = out(reg) _,
                refused = label { return false },
                options(nostack),
            );
        }
        true
    }
}

impl<T> Drop for Sections<T> {
    fn drop(&mut self) {
        let shards = core::ptr::slice_from_raw_parts_mut(self.base.as_ptr(), self.count);
        // SAFETY: S1: the pointer and the count that `Box::into_raw` gave; no section runs any more. A descriptor
        // still armed in some thread names code and static data, never a shard.
        drop(unsafe { Box::from_raw(shards) });
    }
}

// SAFETY: the header owns its shards like a `Box<[T]>`, which asks for `T: Send`.
unsafe impl<T: Send> Send for Sections<T> {}
// SAFETY: shared use is the sections, exclusive per CPU (S2), and `&T`, which asks for `T: Sync`; no `T` moves, so
// `T: Send` is not needed.
unsafe impl<T: Sync> Sync for Sections<T> {}

impl<T> fmt::Debug for Sections<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sections")
            .field("shards", &self.count)
            .field("aborts", &self.aborts())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(any(loom, shuttle))))]
mod tests;
