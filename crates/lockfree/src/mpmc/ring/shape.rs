//! [`Shape`]: positions, which are lap and place in one word, and the stamps made of them.
//!
//! ```text
//! bits   63 … b        b-1 … 3                      2         1        0
//!        lap           offset of the slot, bytes    CLOSED    FORCED   0        tail (head: no flags)
//!        lap           offset of the slot, bytes    0         HOLE | FULL       stamp of a slot
//! ```
//!
//! The place is the slot's offset in bytes, so that finding the slot is one mask and one addition
//! whatever its size; a slot begins with its stamp, so offsets are multiples of 8 and leave three bits
//! free. `2^b` is at least the bytes of all slots. From the last slot the next position is the first of
//! the next lap.
//!
//! A slot is stamped with one of three words, which differ for every lap:
//!
//! | stamp | the slot |
//! |---|---|
//! | `p` | is free for the push at position `p` |
//! | `p \| FULL` | holds the value pushed at position `p` |
//! | `p \| HOLE` | was claimed at position `p` for a value that never came: pops pass over it |
//!
//! Full and free are told apart by a bit, not by distance: a ring whose stamps are `p + 1` for full and
//! `p + capacity` for free in the next lap takes the one for the other when its capacity is 1.
//!
//! # When positions wrap
//!
//! They are compared for equality alone, with each other and with stamps, and all arithmetic wraps, so
//! nothing happens at the end of the range. What could go wrong is a thread that reads a position,
//! sleeps until the ring has gone through all `2^64` bytes of positions and stands at the very same one,
//! and then claims it: its slot's stamp, too, is then what it saw, so even that claim is right. A thread
//! that is about to say Full or Empty would have to sleep as long between its two reads: with slots of
//! 16 bytes, 36 years at a push a nanosecond.

use core::marker::PhantomData;

use super::slot::Slot;

/// In the tail: no push will succeed.
pub(super) const CLOSED: u64 = 0b100;
/// In the tail: a push into the full ring is about to take the oldest value's place.
pub(super) const FORCED: u64 = 0b010;
/// The bits of a position that are no place.
const FLAGS: u64 = 0b111;
/// In a stamp: there is a value.
const FULL: u64 = 0b001;
/// In a stamp: no value will come.
const HOLE: u64 = 0b011;

/// The arithmetic of one capacity.
pub(super) struct Shape<T> {
    /// The offset bits of a position, `2^b - 8`.
    mask: u64,
    /// The last slot's offset.
    last: u64,
    _slots: PhantomData<fn() -> T>,
}

impl<T> Clone for Shape<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shape<T> {}

#[expect(clippy::cast_possible_truncation, reason = "offsets come from a usize")]
impl<T> Shape<T> {
    /// From one position to the next: the bytes of a slot.
    const STEP: u64 = {
        assert!(size_of::<Slot<T>>().is_multiple_of(8), "offsets leave three bits for flags");
        size_of::<Slot<T>>() as u64
    };

    /// The shape of a ring of `capacity` slots, at least 1, whose bytes a `Layout` holds.
    pub(super) const fn new(capacity: usize) -> Self {
        let bytes = capacity as u64 * Self::STEP;
        let mask = (bytes.next_power_of_two() - 1) & !FLAGS;
        Self { mask, last: bytes - Self::STEP, _slots: PhantomData }
    }

    #[inline(always)]
    pub(super) const fn capacity(&self) -> usize {
        (self.last / Self::STEP) as usize + 1
    }

    /// The offset of a position's slot, whatever its flags.
    #[inline(always)]
    pub(super) const fn offset(&self, position: u64) -> usize {
        (position & self.mask) as usize
    }

    /// The index of a position's slot, whatever its flags.
    #[inline(always)]
    pub(super) const fn index(&self, position: u64) -> usize {
        self.offset(position) / size_of::<Slot<T>>()
    }

    /// The position after `position`.
    #[inline(always)]
    pub(super) const fn next(&self, position: u64) -> u64 {
        if position & self.mask == self.last {
            // A branch, which is foreseen all but once a lap, costs less than to work out both.
            core::hint::cold_path();
            self.first_of_next_lap(position)
        } else {
            Self::further(position)
        }
    }

    /// The position after `position`, which is not the last of its lap.
    #[inline(always)]
    pub(super) const fn further(position: u64) -> u64 {
        position.wrapping_add(Self::STEP)
    }

    /// The position `count` after `position` in the same lap.
    #[inline(always)]
    pub(super) const fn further_by(position: u64, count: u64) -> u64 {
        position.wrapping_add(count * Self::STEP)
    }

    /// The first position of the lap after `position`'s.
    #[inline(always)]
    pub(super) const fn first_of_next_lap(&self, position: u64) -> u64 {
        (position | self.mask).wrapping_add(FLAGS + 1)
    }

    /// The position `count` after `position`; at most the capacity.
    #[inline(always)]
    pub(super) const fn advance(&self, position: u64, count: usize) -> u64 {
        debug_assert!(count <= self.capacity());
        let (bytes, offset) = (count as u64 * Self::STEP, position & self.mask);
        let straight = self.last + Self::STEP - offset;
        if bytes < straight {
            position.wrapping_add(bytes)
        } else {
            self.first_of_next_lap(position).wrapping_add(bytes - straight)
        }
    }

    /// The same place, a lap later.
    #[inline(always)]
    pub(super) const fn lap_later(&self, position: u64) -> u64 {
        position.wrapping_add(self.mask + FLAGS + 1)
    }

    /// The same place, a lap earlier.
    #[inline(always)]
    pub(super) const fn lap_earlier(&self, position: u64) -> u64 {
        position.wrapping_sub(self.mask + FLAGS + 1)
    }

    /// How many positions there are from `head` to `tail`, whose flags do not matter: at least 0 and at
    /// most the capacity, whatever the two are.
    pub(super) fn distance(&self, head: u64, tail: u64) -> usize {
        let lap = self.mask + FLAGS + 1;
        let laps = (tail & !(lap - 1)).wrapping_sub(head & !(lap - 1)).cast_signed();
        let (from, to) = (self.index(head), self.index(tail));
        if laps < 0 {
            0
        } else if laps == 0 {
            to.saturating_sub(from)
        } else if laps.cast_unsigned() == lap && to < from {
            self.capacity() - (from - to)
        } else {
            self.capacity()
        }
    }
}

/// The stamp of a slot that holds the value pushed at `position`.
#[inline(always)]
pub(super) const fn full(position: u64) -> u64 {
    position.wrapping_add(FULL) // An addition, which leaves `position` as it is, in one instruction.
}

/// The stamp of a slot that was claimed at `position` for a value that never came.
#[inline(always)]
pub(super) const fn hole(position: u64) -> u64 {
    position | HOLE
}

#[cfg(test)]
mod tests {
    use super::{CLOSED, FLAGS, FORCED, Shape, full, hole};

    fn goes_round<T>(capacity: usize) {
        let shape = Shape::<T>::new(capacity);
        let lap = shape.mask + FLAGS + 1;
        assert!(lap.is_power_of_two());
        // The first laps, and those across the end of the range.
        for start in [0, lap, 0_u64.wrapping_sub(lap), 0_u64.wrapping_sub(2 * lap)] {
            let mut position = start;
            for step in 0..3 * capacity {
                assert_eq!(shape.index(position | CLOSED | FORCED), step % capacity);
                if step <= capacity {
                    assert_eq!(shape.advance(start, step), position);
                }
                assert_eq!(shape.distance(start, position | CLOSED), step.min(capacity));
                assert_eq!(shape.distance(position, start), 0);
                let later = shape.lap_later(position);
                assert_eq!(later, shape.advance(position, capacity));
                assert_eq!(shape.lap_earlier(later), position);
                let words =
                    [position, later].map(|p| [p, full(p), hole(p), p | FORCED, p | CLOSED]);
                let mut words = words.concat();
                words.sort_unstable();
                assert!(words.is_sorted_by(|one, other| one < other), "no two are the same");
                position = shape.next(position);
            }
        }
    }

    #[test]
    fn positions_go_round_and_their_stamps_are_never_those_of_another_lap() {
        for capacity in [1, 2, 3, 4, 5, 7, 8, 63, 64, 65] {
            goes_round::<()>(capacity);
            goes_round::<u64>(capacity);
            goes_round::<[u64; 2]>(capacity);
            goes_round::<[u8; 1000]>(capacity);
        }
    }
}
