//! The state of glibc's heap under rows whose engines take and return chunks all the time.
//!
//! ```text
//!   free      [ in use ][ chunks ][ top ]          what is freed at the top goes back to the system,
//!                              break ▲             and the next chunk's pages fault anew
//!
//!   pinned    [ in use ][  hole  ][pin][ top ]     chunks come from the hole and return to it:
//!                                  break ▲         no system call, no fault
//! ```
//!
//! Both states are real: a program whose last block was taken early lives in the first, one that
//! took something late and kept it in the second; the same arena code differs several times over.
//!
//! **Thresholds.** glibc gives the top back once it exceeds `M_TRIM_THRESHOLD`, and maps blocks of
//! `M_MMAP_THRESHOLD` on their own; both begin at 128 KiB and rise when a mapped block is freed, so
//! that in a process of many engines each would run under what the greediest has caused.
//! `free` therefore holds both where they begin (as `MALLOC_TRIM_THRESHOLD_=131072` does, which is a
//! common setting), `pinned` holds trimming there and mapping at glibc's maximum: only the pin keeps
//! the heap from shrinking.
//!
//! `pinned` is also what rows of large trees have, whose chunks of megabytes glibc would map and unmap
//! or not according to what else the process has freed.
//!
//! [`verify`] proves the state after the last sample, by doing what the rows do and looking at the
//! program break; the row is an error where it does not hold. All this is about the main thread,
//! whose heap it is, in a process of one case: tests and criterion run whatever heap they have.

use core::ffi::c_int;
use core::hint::black_box;
use std::sync::OnceLock;

use crate::runner::instructions::under_valgrind;

/// Which state a process is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeapTop {
    /// Nothing lives above the chunks.
    Free,
    /// A block lives above them.
    Pinned,
}

/// Where both thresholds begin, which are held there.
const INITIAL_BYTES: c_int = 128 * 1024;

/// glibc's limit for its own adjustment of `M_MMAP_THRESHOLD`.
const MAX_MMAP_BYTES: c_int = 32 * 1024 * 1024;

/// The hole below the pin: above what all engines of a case of small arenas hold together.
const HOLE_BYTES: usize = 16 * 1024 * 1024;

/// The pieces that a large hole is made of: below glibc's maximum for blocks on its heap.
const PIECE_BYTES: usize = 16 * 1024 * 1024;

/// Blocks that the hole is made of, and that [`verify`] asks for: below every threshold, and large
/// enough that freeing them makes glibc consider the top (64 KiB and more).
const BLOCK_BYTES: usize = 96 * 1024;

/// The most that glibc takes from the system beyond what it was asked for, and keeps when it trims.
const TOP_BYTES: usize = 2 * 128 * 1024;

/// Blocks whose freeing must be seen at the break, if it can be.
const PROBES: usize = 6;

static ARRANGED: OnceLock<HeapTop> = OnceLock::new();

/// Puts the process's heap into a state, once and before its engines are built.
///
/// # Panics
///
/// Panics when the process is in the other state already, or cannot be put into this one.
pub fn arrange(state: HeapTop) {
    arrange_with(state, || pin(HOLE_BYTES / BLOCK_BYTES, || touched(BLOCK_BYTES)));
}

/// Pins the top above a hole for arenas of megabytes. Its pages are not touched before they are
/// used, so that resident memory still tells what an engine holds; once touched they stay. Under
/// valgrind, which gives the heap little room, the hole is a small one: counting needs none.
///
/// # Panics
///
/// As [`arrange`].
pub fn arrange_pinned_above(hole_bytes: usize) {
    if under_valgrind() {
        return arrange(HeapTop::Pinned);
    }
    let pieces = hole_bytes.div_ceil(PIECE_BYTES);
    arrange_with(HeapTop::Pinned, || pin(pieces, || block(PIECE_BYTES)));
}

fn arrange_with(state: HeapTop, pin: impl FnOnce()) {
    let arranged = *ARRANGED.get_or_init(|| {
        let mapped = if state == HeapTop::Free { INITIAL_BYTES } else { MAX_MMAP_BYTES };
        option(libc::M_MMAP_THRESHOLD, mapped);
        option(libc::M_TRIM_THRESHOLD, INITIAL_BYTES);
        match state {
            HeapTop::Free => plug(),
            HeapTop::Pinned => pin(),
        }
        state
    });
    assert_eq!(arranged, state, "one process, two states of the heap");
}

/// Fills the gaps that start-up has left, so that chunks come from the top.
fn plug() {
    for bytes in [BLOCK_BYTES, BLOCK_BYTES / 4, BLOCK_BYTES / 16, BLOCK_BYTES / 64] {
        let mut highest = 0;
        // A block above all before it, next to the break, is the first that came from the top.
        loop {
            let block = touched(bytes);
            if block.addr() > highest && program_break() - block.addr() < TOP_BYTES + bytes {
                free(block);
                break;
            }
            highest = highest.max(block.addr());
        }
    }
}

/// Makes the hole of so many blocks, and the pin above it, which is never freed.
fn pin(count: usize, block: fn() -> *mut u8) {
    let blocks: Vec<_> = (0..count).map(|_| block()).collect();
    let highest = blocks.iter().map(|block| block.addr()).max().unwrap_or(0);
    // A small block could come from a gap anywhere below, so it is as large as those.
    let pin = touched(BLOCK_BYTES);
    assert!(
        pin.addr() > highest,
        "the pin at {pin:p} lies below the hole, which ends at {highest:#x}"
    );
    blocks.into_iter().for_each(free);
}

/// Makes sure that freeing at the top still does what the state means; a process that was never
/// [`arrange`]d has none.
///
/// # Panics
///
/// Panics with the moves of the program break when it does not.
pub fn verify() {
    let Some(&state) = ARRANGED.get() else { return };
    let before = program_break();
    let blocks: [_; PROBES] = core::array::from_fn(|_| touched(BLOCK_BYTES));
    let taken = program_break();
    blocks.into_iter().for_each(free);
    let freed = program_break();
    let holds = match state {
        HeapTop::Free => taken > freed,
        HeapTop::Pinned => before == taken && taken == freed,
    };
    assert!(
        holds,
        "glibc's heap top is not {state:?}: the break went from {before:#x} to {taken:#x} and {freed:#x}"
    );
}

fn option(name: c_int, value: c_int) {
    // SAFETY: plain values; no other thread of this process allocates yet.
    let done = unsafe { libc::mallopt(name, value) };
    assert_eq!(done, 1, "mallopt({name}, {value}) was refused");
}

/// Returns a block of glibc's.
fn block(bytes: usize) -> *mut u8 {
    // SAFETY: any size will do. The compiler knows `malloc`, and would leave out a block that nobody
    // else sees.
    let block = black_box(unsafe { libc::malloc(bytes) }).cast::<u8>();
    assert!(!block.is_null(), "no memory for a block of {bytes} bytes");
    block
}

/// Returns a block of glibc's with every page touched.
fn touched(bytes: usize) -> *mut u8 {
    let block = block(bytes);
    // SAFETY: the block is that long, and ours.
    unsafe { block.write_bytes(1, bytes) };
    block
}

fn free(block: *mut u8) {
    // SAFETY: from `touched`, freed once.
    unsafe { libc::free(block.cast()) };
}

fn program_break() -> usize {
    // SAFETY: an increment of 0 changes nothing.
    unsafe { libc::sbrk(0) }.addr()
}
