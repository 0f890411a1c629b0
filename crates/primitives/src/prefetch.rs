//! Cache lines asked for before they are needed: [`to_read`] and [`to_write`].
//!
//! A line that another processor wrote comes from its cache in some 50 to 200 ns. A loop over values of
//! many lines waits for as many of them at once as the processor looks ahead, which is a few; asked for
//! early, a dozen are on their way together. Lines that the other processor is still writing must not be
//! asked for: they would be taken from it, and it would take them back.
//!
//! Nothing is read or written: an address may be any address, and the answer is no part of the memory
//! model. Models, and processors other than x86-64 and aarch64, ignore the request.

use crate::sync::MODELLED;

/// Bytes from one line to the next. Where lines are longer, each is asked for twice.
const LINE_BYTES: usize = 64;

/// Asks for the lines that begin in the `bytes` bytes from `start` on, to be read.
///
/// # Complexity
///
/// An instruction and a few to count with for each line.
#[inline]
pub fn to_read<T>(start: *const T, bytes: usize) {
    each_line(start.cast(), bytes, |line| {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint: no memory is accessed, whatever the address; registers and flags stay.
        unsafe {
            core::arch::asm!("prefetcht0 [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            core::arch::asm!("prfm pldl1keep, [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = line;
    });
}

/// Asks for the lines that begin in the `bytes` bytes from `start` on, to be written: no other processor
/// keeps a copy.
///
/// # Complexity
///
/// As [`to_read`].
#[inline]
pub fn to_write<T>(start: *mut T, bytes: usize) {
    each_line(start.cast_const().cast(), bytes, |line| {
        // By its name: the compiler makes a `prefetcht0` of its own intrinsic where it is not told that
        // the processor knows `prefetchw`. Those that do not know it do nothing.
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a hint: no memory is accessed, whatever the address; registers and flags stay.
        unsafe {
            core::arch::asm!("prefetchw [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: as above.
        unsafe {
            core::arch::asm!("prfm pstl1keep, [{}]", in(reg) line, options(nostack, preserves_flags, readonly));
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        let _ = line;
    });
}

#[inline(always)]
fn each_line(start: *const u8, bytes: usize, mut ask: impl FnMut(*const u8)) {
    if MODELLED || cfg!(miri) {
        return;
    }
    let mut offset = start.addr().wrapping_neg() % LINE_BYTES;
    while offset < bytes {
        ask(start.wrapping_add(offset));
        offset += LINE_BYTES;
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE_BYTES, each_line};
    use core::ptr::without_provenance;

    fn lines(start: usize, bytes: usize) -> alloc::vec::Vec<usize> {
        let mut lines = alloc::vec::Vec::new();
        each_line(without_provenance(start), bytes, |line| lines.push(line.addr() / LINE_BYTES));
        lines
    }

    #[test]
    fn each_line_that_begins_in_a_range_is_asked_for_once() {
        assert!(lines(128, 0).is_empty());
        assert_eq!(lines(128, 1), [2]);
        assert_eq!(lines(128, 64), [2]);
        assert_eq!(lines(128, 65), [2, 3]);
        assert!(lines(129, 63).is_empty());
        assert_eq!(lines(129, 64), [3]);
        assert_eq!(lines(191, 66), [3, 4]);
    }

    #[test]
    fn ranges_side_by_side_ask_for_no_line_twice() {
        let parts: alloc::vec::Vec<usize> =
            (0..40).flat_map(|part| lines(1000 + part * 24, 24)).collect();
        assert_eq!(parts, lines(1000, 40 * 24));
    }

    #[test]
    fn any_address_will_do() {
        super::to_read(without_provenance::<u64>(usize::MAX - 100), 100);
        super::to_write(core::ptr::null_mut::<u64>(), 256);
    }
}
