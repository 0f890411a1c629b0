//! Where this thread's restartable-sequence area is, if the C library registered one.
//!
//! The kernel keeps one 32-byte area per thread up to date. Since glibc 2.35 the C library owns its registration and
//! exports where it lies, relative to the thread pointer:
//!
//! ```text
//!  thread pointer (fs on x86-64, tpidr_el0 on AArch64)
//!        │  + *__rseq_offset
//!        ▼
//!  +0  cpu_id_start  u32   a possible CPU, 0 while unregistered: not used here
//!  +4  cpu_id        u32   the CPU the thread runs on; negative: not registered
//!  +8  rseq_cs       u64   descriptor of the critical section entered last, or null
//!  +16 flags         u32   unused
//! ```
//!
//! Other C libraries, and older versions of glibc, have no such symbols, and the crate must still link there. They are
//! therefore *weak* references whose address is read through the global offset table: null when nothing defines them,
//! right in static, static-PIE and dynamic links. (`extern "C" { static … }` will not do: the compiler takes such an
//! address to be non-null and deletes the test.)
//!
//! **Invariants.** A1: an offset that [`registered_offset`] returns is the same for every thread of the process, and
//! at it every thread that the C library started has an area of at least 20 bytes for as long as the thread runs.
//! A2: `cpu_id` is negative in a thread that is not registered.
//!
//! **Source.** Linux `include/uapi/linux/rseq.h`; the GNU C Library manual, "Restartable Sequences".

use core::arch::asm;

/// Bytes of the first version of the area: up to and including `flags`. A registered area has at least these.
const AREA_BYTES_V1: u32 = 20;

/// Reads the address of a symbol that may not exist: null then.
macro_rules! weak_symbol {
    ($name:literal) => {{
        let address: *const ();
        #[cfg(target_arch = "x86_64")]
        // SAFETY: loads one word of this module's global offset table, which the linker made for the reference, and
        // touches neither the stack nor the flags.
        unsafe {
            asm!(
                concat!(".weak ", $name),
                concat!("mov {}, qword ptr [rip + ", $name, "@GOTPCREL]"),
                out(reg) address,
                options(nostack, preserves_flags, pure, readonly)
            );
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above; the first instruction forms the page of the table's entry, the second loads the entry.
        unsafe {
            asm!(
                concat!(".weak ", $name),
                concat!("adrp {0}, :got:", $name),
                concat!("ldr {0}, [{0}, :got_lo12:", $name, "]"),
                out(reg) address,
                options(nostack, preserves_flags, pure, readonly)
            );
        }
        address
    }};
}

/// What the C library says about its registration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exported {
    /// Area minus thread pointer, in bytes.
    pub(crate) offset: isize,
    /// Bytes of the area that the kernel keeps; 0 when registration failed or was switched off.
    pub(crate) bytes: u32,
    /// The flags it registered with. They add features and change nothing that is used here.
    pub(crate) flags: u32,
}

/// Reads the three exported variables through the addresses given: `None` where one of them is missing.
///
/// # Safety
/// Each pointer is null or points to an initialised variable of its type that nothing writes any more.
unsafe fn exported_at(
    offset: *const isize,
    bytes: *const u32,
    flags: *const u32,
) -> Option<Exported> {
    if offset.is_null() || bytes.is_null() || flags.is_null() {
        return None;
    }
    Some(Exported {
        // SAFETY: not null, so by the caller's promise an initialised variable without writers.
        offset: unsafe { offset.read() },
        // SAFETY: as above.
        bytes: unsafe { bytes.read() },
        // SAFETY: as above.
        flags: unsafe { flags.read() },
    })
}

/// What the C library exports, or `None` where it knows nothing of restartable sequences.
#[cold]
pub(crate) fn exported() -> Option<Exported> {
    let offset = weak_symbol!("__rseq_offset").cast();
    let bytes = weak_symbol!("__rseq_size").cast();
    let flags = weak_symbol!("__rseq_flags").cast();
    // SAFETY: the C library's ABI gives the three symbols these types; it writes them before `main` and the
    // initialisers of any library run, then maps them read-only.
    unsafe { exported_at(offset, bytes, flags) }
}

/// [`exported`] for symbols that no library defines: what a build against another C library does.
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "shows in tests that an absent symbol links and reads as null")
)]
pub(crate) fn exported_by_nobody() -> Option<Exported> {
    let offset = weak_symbol!("__quarry_absent_rseq_offset").cast();
    let bytes = weak_symbol!("__quarry_absent_rseq_size").cast();
    let flags = weak_symbol!("__quarry_absent_rseq_flags").cast();
    // SAFETY: nothing defines these names, so all three are null.
    unsafe { exported_at(offset, bytes, flags) }
}

/// The offset of the area, if the C library registered one and this thread's is live.
#[cold]
pub(crate) fn registered_offset() -> Option<isize> {
    let exported = exported()?;
    if exported.bytes < AREA_BYTES_V1 || exported.offset == 0 {
        return None;
    }
    // SAFETY: the C library registered (bytes > 0), so every thread has an area at this offset (A1).
    let cpu = unsafe { thread_cpu(exported.offset) };
    (cpu >= 0).then_some(exported.offset)
}

/// The `cpu_id` of this thread's area; negative when it is not registered (A2).
///
/// # Safety
/// `offset` is the offset of an area of at least 8 bytes in every thread: A1, or that of `unregistered_offset`.
#[inline(always)]
pub(crate) unsafe fn thread_cpu(offset: isize) -> i32 {
    let cpu: i32;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads four bytes of this thread's area (the caller's promise). `readonly` without `pure`: the kernel
    // changes the field, so two calls may not be merged.
    unsafe {
        asm!(
            "mov {cpu:e}, dword ptr fs:[{offset} + 4]",
            cpu = out(reg) cpu,
            offset = in(reg) offset,
            options(nostack, preserves_flags, readonly)
        );
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: as above; the thread pointer is in tpidr_el0.
    unsafe {
        asm!(
            "mrs {area}, tpidr_el0",
            "add {area}, {area}, {offset}",
            "ldr {cpu:w}, [{area}, #4]",
            area = out(reg) _,
            cpu = lateout(reg) cpu,
            offset = in(reg) offset,
            options(nostack, preserves_flags, readonly)
        );
    }
    cpu
}

// An area of our own that no kernel knows: 32 zero bytes in each thread. A structure in atomic mode points its
// critical sections here, so that they need no test for "is there an area at all"; its table of sections has no
// entries, so they leave at the bounds check. Weak and hidden: two versions of this crate in one program share it.
#[cfg(target_arch = "x86_64")]
core::arch::global_asm!(
    ".pushsection .tbss.__quarry_unregistered_rseq,\"awT\",@nobits",
    ".balign 32",
    ".weak __quarry_unregistered_rseq",
    ".hidden __quarry_unregistered_rseq",
    ".type __quarry_unregistered_rseq,@object",
    ".size __quarry_unregistered_rseq,32",
    "__quarry_unregistered_rseq:",
    ".zero 32",
    ".popsection",
);

/// The offset of an area that exists in every thread and is never registered with the kernel.
#[cfg(target_arch = "x86_64")]
#[cold]
pub(crate) fn unregistered_offset() -> isize {
    let offset: isize;
    // SAFETY: loads one word of this module's global offset table: the place of a thread-local variable relative to
    // the thread pointer (initial-exec model: 32 bytes of static thread-local storage).
    unsafe {
        asm!(
            "mov {}, qword ptr [rip + __quarry_unregistered_rseq@GOTTPOFF]",
            out(reg) offset,
            options(nostack, preserves_flags, pure, readonly)
        );
    }
    offset
}
