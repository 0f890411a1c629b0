//! The number at which a slab's generations start.
//!
//! Slabs of one process are numbered, and start at the fractional parts of multiples of the golden
//! ratio, from an origin that is random in each process. So for any key and any slab that did not
//! make it the probability that the generations agree is about 2⁻³⁰; and among the first `n` slabs of
//! a process no two starts are closer than about 2³⁰ / (2.24 n), so that a key of one is refused by
//! another *for certain* while no slot was used more often than that.
//!
//! # Source
//!
//! The spacing is the three-distance theorem (V. Sós, 1958); the use is D. Knuth's Fibonacci hashing
//! ("The Art of Computer Programming", volume 3, 6.4).

use primitives::sync::atomic::Ordering::Relaxed;
use primitives::sync::unmodelled::AtomicU32;

/// Slabs that have asked so far.
static SLABS: AtomicU32 = AtomicU32::new(0);

/// 2³⁰ divided by the golden ratio, made odd, so that its multiples visit every number below 2³⁰.
const GOLDEN: u32 = 0x278D_DE6F;

/// Starts that there are.
const STARTS: u32 = 1 << 30;

/// Returns the odd generation at which the next slab starts: in `3..2³¹`, so that a slot can be used
/// more than 2³⁰ times.
pub(crate) fn first_generation() -> u32 {
    // ORD Relaxed: only uniqueness matters; nothing is published through the counter.
    let number = SLABS.fetch_add(1, Relaxed);
    odd(origin().wrapping_add(number.wrapping_mul(GOLDEN)))
}

/// The odd number that stands for a start. A free slot has the even one below, and 0 is the state of a
/// slot out of use: so 3 stands in for 1.
fn odd(start: u32) -> u32 {
    (2 * (start % STARTS) + 1).max(3)
}

/// A number that stays the same while the process lives.
#[cfg(feature = "std")]
fn origin() -> u32 {
    use core::hash::BuildHasher;
    use std::sync::OnceLock;
    static ORIGIN: OnceLock<u32> = OnceLock::new();
    #[expect(clippy::cast_possible_truncation, reason = "any 32 bits of the hash will do")]
    *ORIGIN.get_or_init(|| std::hash::RandomState::new().hash_one(0u8) as u32)
}

/// As random as the addresses of the process are.
#[cfg(not(feature = "std"))]
fn origin() -> u32 {
    let address = core::ptr::from_ref(&SLABS).addr() as u64;
    (address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn starts_are_odd_small_and_far_apart() {
        let origin = origin();
        let mut starts: Vec<u32> =
            (0..1000).map(|n: u32| odd(origin.wrapping_add(n.wrapping_mul(GOLDEN)))).collect();
        assert!(starts.iter().all(|start| start % 2 == 1 && (3..1 << 31).contains(start)));
        starts.sort_unstable();
        let closest = starts.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
        // In generations of use: half the distance of the odd numbers.
        assert!(closest / 2 > STARTS / 2500, "{closest}");
    }

    #[test]
    fn each_slab_has_its_own() {
        assert_ne!(first_generation(), first_generation());
    }

    #[test]
    fn generation_one_is_never_a_start() {
        assert_eq!((odd(0), odd(1), odd(STARTS)), (3, 3, 3));
    }
}
