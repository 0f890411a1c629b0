//! [`Shape`]: how many slots a page has and where their parts stand; [`live_mask`]: which of 64
//! slots hold a value.
//!
//! ```text
//!   page      [ states: u64 x SLOTS | live: u8 x SLOTS | values: T x SLOTS ]      one block (Pages)
//!   range     [ states .. ][ states .. ]   [ live .. ][ live .. ]   [ values .. ][ values .. ]
//!               page 0       page 1          page 0     page 1        page 0       page 1
//! ```
//!
//! States, liveness and values are arrays of their own: the test of a key touches 8 bytes and no
//! value, values keep their alignment, and 64 slots are asked for life by four loads.

use core::alloc::Layout;
use core::marker::PhantomData;

use alloc_core::TryAllocError;

/// Slots that are looked at together by iteration.
pub(crate) const GROUP: usize = 64;

/// Bytes that a page has about, unless its values are large.
const PAGE_BYTES: usize = 64 << 10;

/// Most slots of a page.
pub(crate) const MAX_PAGE_SLOTS: usize = 4096;

/// The liveness byte of a slot with a value; without one it is 0. The upper bit is what counts.
pub(crate) const LIVE: u8 = 0xFF;

/// Bytes of a slot's state and liveness.
pub(crate) const OVERHEAD_BYTES: usize = size_of::<u64>() + size_of::<u8>();

/// The largest number of slots that all indices could name; few in the tests of this crate.
const INDICES: usize = if cfg!(test) { 1 << 14 } else { u32::MAX as usize };

/// The layout of pages of `T`.
pub(crate) struct Shape<T>(PhantomData<T>);

impl<T> Shape<T> {
    /// Slots of a page: a power of two, whole groups.
    pub(crate) const SLOTS: usize = {
        let fit = PAGE_BYTES / size_of::<T>().saturating_add(OVERHEAD_BYTES);
        if fit < 2 * GROUP {
            GROUP
        } else if fit >= MAX_PAGE_SLOTS {
            MAX_PAGE_SLOTS
        } else {
            1 << fit.ilog2()
        }
    };

    /// `index >> SHIFT` is the page of a slot.
    pub(crate) const SHIFT: u32 = Self::SLOTS.ilog2();

    /// The number of a slot in its page.
    #[inline(always)]
    pub(crate) const fn in_page(index: u32) -> usize {
        index as usize & (Self::SLOTS - 1)
    }

    /// Most pages that a slab can have: every slot has an index, and none is [`u32::MAX`].
    pub(crate) const MAX_PAGES: usize = INDICES >> Self::SHIFT;

    /// Where the liveness bytes begin in a page.
    pub(crate) const LIVE_OFFSET: usize = Self::SLOTS * size_of::<u64>();

    /// Alignment of a page: values of 64 bytes do not straddle cache lines.
    const ALIGN: usize = if align_of::<T>() > 64 { align_of::<T>() } else { 64 };

    /// Where the values begin in a page.
    pub(crate) const VALUES_OFFSET: usize =
        (Self::LIVE_OFFSET + Self::SLOTS).next_multiple_of(Self::ALIGN);

    /// The layout of a page, or the error that names the size of its values.
    pub(crate) const fn layout() -> Result<Layout, TryAllocError> {
        let overflow = TryAllocError::overflow::<T>(Self::SLOTS);
        let Some(values) = size_of::<T>().checked_mul(Self::SLOTS) else { return Err(overflow) };
        let Some(bytes) = values.checked_add(Self::VALUES_OFFSET) else { return Err(overflow) };
        match Layout::from_size_align(bytes, Self::ALIGN) {
            Ok(layout) => Ok(layout),
            Err(_) => Err(overflow),
        }
    }
}

/// Returns which of 64 slots hold a value, the first in the lowest bit.
///
/// # Safety
///
/// 1. `live` is the first of 64 liveness bytes that may be read.
#[inline(always)]
pub(crate) unsafe fn live_mask(live: *const u8) -> u64 {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    // SAFETY: clause 1.
    return unsafe { vector_mask(live) };
    #[cfg(not(all(target_arch = "x86_64", target_feature = "sse2")))]
    // SAFETY: clause 1.
    return unsafe { portable_mask(live) };
}

/// [`live_mask`] by the instruction that gathers the upper bits of 16 bytes.
///
/// # Safety
///
/// As [`live_mask`].
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline(always)]
#[expect(clippy::cast_ptr_alignment, reason = "the load asks for none")]
unsafe fn vector_mask(live: *const u8) -> u64 {
    use core::arch::x86_64::{__m128i, _mm_loadu_si128, _mm_movemask_epi8};
    let bits = |quarter: usize| {
        let from = live.wrapping_add(16 * quarter).cast::<__m128i>();
        // SAFETY: clause 1: 16 of the 64 bytes; no alignment is asked for.
        let bytes = unsafe { _mm_loadu_si128(from) };
        // SAFETY: the instruction is there, by the `cfg` of this function.
        let bits = unsafe { _mm_movemask_epi8(bytes) };
        u64::from(bits.cast_unsigned()) << (16 * quarter)
    };
    bits(0) | bits(1) | bits(2) | bits(3)
}

/// [`live_mask`] by a multiplication that gathers the upper bits of 8 bytes.
///
/// # Safety
///
/// As [`live_mask`].
#[cfg(any(test, not(all(target_arch = "x86_64", target_feature = "sse2"))))]
unsafe fn portable_mask(live: *const u8) -> u64 {
    /// Moves the bit of byte `n` to bit `56 + n`; no two products meet in one bit.
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut mask = 0;
    for eighth in 0..8 {
        let from = live.wrapping_add(8 * eighth).cast::<[u8; 8]>();
        // SAFETY: clause 1: 8 of the 64 bytes; an array of bytes is aligned everywhere.
        let bytes = u64::from_le_bytes(unsafe { from.read() });
        let ones = (bytes >> 7) & 0x0101_0101_0101_0101;
        mask |= (ones.wrapping_mul(GATHER) >> 56) << (8 * eighth);
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_have_whole_groups_and_aligned_values() {
        fn check<T>() {
            assert!(Shape::<T>::SLOTS.is_power_of_two());
            assert!((GROUP..=MAX_PAGE_SLOTS).contains(&Shape::<T>::SLOTS));
            assert_eq!(1 << Shape::<T>::SHIFT, Shape::<T>::SLOTS);
            assert!(Shape::<T>::VALUES_OFFSET.is_multiple_of(align_of::<T>()));
            let layout = Shape::<T>::layout().unwrap();
            let needed = Shape::<T>::SLOTS * (size_of::<T>() + OVERHEAD_BYTES);
            assert!(layout.size() >= needed && layout.align() >= align_of::<T>());
        }
        #[repr(align(256))]
        struct Wide(#[expect(dead_code, reason = "has a size")] u8);
        check::<()>();
        check::<u8>();
        check::<u64>();
        check::<[u64; 8]>();
        check::<[u8; 100_000]>();
        check::<Wide>();
        assert_eq!(Shape::<[u64; 8]>::SLOTS, 512);
        assert_eq!(Shape::<[u8; 2000]>::SLOTS, 64);
    }

    #[test]
    fn values_that_no_page_can_hold_are_an_error() {
        let error = Shape::<[u8; isize::MAX as usize / 8]>::layout().unwrap_err();
        assert_eq!(error.kind(), alloc_core::ErrorKind::CapacityOverflow);
    }

    #[test]
    fn both_masks_agree_with_the_bytes() {
        let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
        for round in 0..200 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(round);
            let pattern = match round {
                0 => 0,
                1 => u64::MAX,
                round if round < 66 => 1 << (round - 2),
                _ => seed,
            };
            let bytes: [u8; 64] =
                core::array::from_fn(|slot| if pattern >> slot & 1 == 1 { LIVE } else { 0 });
            // SAFETY: 64 bytes.
            assert_eq!(unsafe { portable_mask(bytes.as_ptr()) }, pattern);
            // SAFETY: 64 bytes.
            assert_eq!(unsafe { live_mask(bytes.as_ptr()) }, pattern);
        }
    }
}
