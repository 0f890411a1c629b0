//! Bump arithmetic: where the next block goes, as integers and nothing else.
//!
//! ```text
//!   start                    cursor               end
//!     | free ............ |n| block | used ........ |      down: n = (cursor - size) & -align
//!     | used .... | block | free ................. |       up:   p = (cursor + align-1) & -align
//!              cursor                               end
//! ```
//!
//! Every bump allocator of the workspace calls these functions, so that the argument for their
//! soundness is made once, here, and tested over every size, alignment and address that a
//! `Layout` allows. There is no `unsafe` in this file and none can be added.
//!
//! # Invariants
//!
//! * **B1** a [`Layout`] obeys `size + (align - 1) <= isize::MAX` (its own contract).
//! * **B2** a region obeys `start <= cursor <= end` and `end - start <= isize::MAX` (no object in
//!   Rust is larger).
//! * **B3** where [`LOW_HALF`] is set, `end <= isize::MAX`: user space of every 64-bit system
//!   ends below it. [`region_is_usable`] checks it once, when a region is made.
//! * **B4** `start >= MIN_ALIGN`, and `cursor` is a multiple of `MIN_ALIGN`, or `start - 1` while
//!   the region is closed.
//!
//! # Why one branch is enough
//!
//! Let `n` be the integer `cursor - size` rounded down to a multiple of the alignment, computed
//! without wrapping. The alignment is the larger of `align` and `MIN_ALIGN`, so by B1 and B4
//! `n >= cursor - isize::MAX - (MIN_ALIGN - 1) >= -isize::MAX`.
//!
//! *Low half:* by B3 `n <= cursor <= isize::MAX`. So `n` fits an `isize`, the wrapped result of
//! the machine *is* `n`, and one signed comparison with `start` is exact. A request that passes
//! below `start`, or below address zero, or that is larger than the address space, fails the same
//! test, whatever its alignment.
//!
//! *Elsewhere* addresses may lie in the upper half; there the subtraction is checked by itself
//! and the comparison is unsigned: two branches.
//!
//! # Cost
//!
//! x86-64, run-time layout: load, sub, neg, and, cmp, branch, store. Constant layout: load, add,
//! cmp, branch, store.
//!
//! # Source
//!
//! Bumping down so that rounding is a mask: N. Fitzgerald, "Always Bump Downwards" (2019). The
//! signed test that covers overflow and lack of room at once is argued above and measured in
//! `DESIGN.md` of `alloc-linear`.
#![forbid(unsafe_code)]

use core::alloc::Layout;

/// Whether every address that a program can hold lies in the lower half of the address space.
///
/// True for 64-bit targets with an operating system: their user space ends far below 2^63. Bare
/// metal and kernels may live in the upper half, and 32-bit systems hand out both halves.
pub const LOW_HALF: bool = cfg!(all(target_pointer_width = "64", not(target_os = "none")));

const MAX_SIZE: usize = isize::MAX.unsigned_abs();

/// Says whether `[start, end)` can serve as a region (B2, B3 and B4 of this module).
///
/// ```
/// assert!(alloc_core::bump::region_is_usable::<8>(4096, 8192));
/// assert!(!alloc_core::bump::region_is_usable::<8>(8192, 4096));
/// ```
#[must_use]
pub const fn region_is_usable<const MIN_ALIGN: usize>(start: usize, end: usize) -> bool {
    start >= MIN_ALIGN
        && start <= end
        && end - start <= MAX_SIZE
        && (!LOW_HALF || end <= MAX_SIZE)
        && start.is_multiple_of(MIN_ALIGN)
        && end.is_multiple_of(MIN_ALIGN)
}

/// Returns where a block of `layout` goes: the highest suitable address whose block ends at or
/// below `cursor`, or `None` if that is below `start`.
///
/// The result is a multiple of `layout.align()` and of `MIN_ALIGN`, and it is the new cursor.
/// With `cursor == start - 1` every request fails, the empty one included: the region is closed.
///
/// # Examples
///
/// ```
/// use core::alloc::Layout;
/// let layout = Layout::from_size_align(10, 8)?;
/// assert_eq!(alloc_core::bump::down::<1>(0x1000, 0x1020, layout), Some(0x1010));
/// assert_eq!(alloc_core::bump::down::<1>(0x1000, 0x1008, layout), None);
/// # Ok::<(), core::alloc::LayoutError>(())
/// ```
#[inline(always)]
#[must_use]
pub const fn down<const MIN_ALIGN: usize>(
    start: usize,
    cursor: usize,
    layout: Layout,
) -> Option<usize> {
    let min_align = if cfg!(bug = "bump-down-forgets-min-align") { 1 } else { MIN_ALIGN };
    let mask = layout.align().wrapping_neg() & min_align.wrapping_neg();
    let block = candidate::<MIN_ALIGN>(cursor, layout.size(), mask);
    if fits(start, block) { Some(block) } else { None }
}

/// [`down`] for a block of `size` bytes that holds values of `T`.
///
/// The alignment is known to the compiler, so the mask is a constant, and where `MIN_ALIGN`
/// already guarantees it (`align_of::<T>() <= MIN_ALIGN`, and the size of `T` a multiple of
/// `MIN_ALIGN`) there is none. `size` must be a multiple of `size_of::<T>()` and obey B1.
///
/// ```
/// assert_eq!(alloc_core::bump::down_for::<[u64; 3], 8>(0x1000, 0x1020, 24), Some(0x1008));
/// ```
#[inline(always)]
#[must_use]
pub const fn down_for<T, const MIN_ALIGN: usize>(
    start: usize,
    cursor: usize,
    size: usize,
) -> Option<usize> {
    let block = candidate_for::<T, MIN_ALIGN>(cursor, size);
    if fits(start, block) { Some(block) } else { None }
}

/// Returns where [`down_for`] would put the block, without asking whether it fits.
///
/// Together with [`fits`] it is `down_for` in two steps, for callers that keep the cursor in a
/// register and want to go on with the candidate.
#[inline(always)]
#[must_use]
pub const fn candidate_for<T, const MIN_ALIGN: usize>(cursor: usize, size: usize) -> usize {
    debug_assert!(size <= MAX_SIZE - (align_of::<T>() - 1), "B1: the size of a layout");
    let mask = const {
        if is_placed_by_size::<T, MIN_ALIGN>() {
            usize::MAX
        } else {
            align_of::<T>().wrapping_neg() & MIN_ALIGN.wrapping_neg()
        }
    };
    candidate::<MIN_ALIGN>(cursor, size, mask)
}

/// Whether subtracting the size alone places a block of `T`s: their size keeps the cursor a
/// multiple of `MIN_ALIGN`, and that is alignment enough.
#[must_use]
pub const fn is_placed_by_size<T, const MIN_ALIGN: usize>() -> bool {
    size_of::<T>().is_multiple_of(MIN_ALIGN) && align_of::<T>() <= MIN_ALIGN
}

/// Says whether a candidate lies in the region that begins at `start`.
#[inline(always)]
#[must_use]
pub const fn fits(start: usize, candidate: usize) -> bool {
    if LOW_HALF && !cfg!(bug = "bump-down-unsigned") {
        candidate.cast_signed() >= start.cast_signed()
    } else {
        candidate >= start
    }
}

/// The block's address modulo the word size ([`LOW_HALF`]), or 0 for one that would lie below
/// address zero: both fail [`fits`] exactly if the block does not fit.
#[inline(always)]
const fn candidate<const MIN_ALIGN: usize>(cursor: usize, size: usize, mask: usize) -> usize {
    const { assert!(MIN_ALIGN.is_power_of_two(), "MIN_ALIGN is a power of two") };
    if LOW_HALF { cursor.wrapping_sub(size) & mask } else { candidate_anywhere(cursor, size, mask) }
}

/// [`candidate`] where addresses may lie in the upper half.
#[inline(always)]
const fn candidate_anywhere(cursor: usize, size: usize, mask: usize) -> usize {
    match cursor.checked_sub(size) {
        Some(end) => end & mask,
        None => 0,
    }
}

/// Returns where a block of `layout` goes in a region that is filled upwards: the lowest suitable
/// address at or above `cursor`, if the block ends at or below `end`.
///
/// The caller's new cursor is the result plus `layout.size()`. For growing buffers, which are
/// cheap to extend only at their upper end.
///
/// ```
/// use core::alloc::Layout;
/// let layout = Layout::from_size_align(10, 8)?;
/// assert_eq!(alloc_core::bump::up(0x1001, 0x1020, layout), Some(0x1008));
/// assert_eq!(alloc_core::bump::up(0x1001, 0x1010, layout), None);
/// # Ok::<(), core::alloc::LayoutError>(())
/// ```
#[inline(always)]
#[must_use]
pub const fn up(cursor: usize, end: usize, layout: Layout) -> Option<usize> {
    let Some(block) = round_up(cursor, layout.align()) else { return None };
    let from = if cfg!(bug = "bump-up-ignores-padding") { cursor } else { block };
    match end.checked_sub(from) {
        Some(room) if room >= layout.size() => Some(block),
        _ => None,
    }
}

/// Rounds `value` up to a multiple of `align`, a power of two; `None` if that overflows.
///
/// ```
/// assert_eq!(alloc_core::bump::round_up(13, 8), Some(16));
/// assert_eq!(alloc_core::bump::round_up(usize::MAX, 8), None);
/// ```
#[inline(always)]
#[must_use]
pub const fn round_up(value: usize, align: usize) -> Option<usize> {
    debug_assert!(align.is_power_of_two(), "an alignment is a power of two");
    match value.checked_add(align - 1) {
        Some(sum) => Some(sum & align.wrapping_neg()),
        None => None,
    }
}

/// Rounds `value` down to a multiple of `align`, a power of two.
///
/// ```
/// assert_eq!(alloc_core::bump::round_down(13, 8), 8);
/// ```
#[inline(always)]
#[must_use]
pub const fn round_down(value: usize, align: usize) -> usize {
    debug_assert!(align.is_power_of_two(), "an alignment is a power of two");
    value & align.wrapping_neg()
}

#[cfg(test)]
mod tests;
