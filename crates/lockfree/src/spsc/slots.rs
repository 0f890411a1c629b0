//! [`Slots`]: where the slots are, and the only code that touches what is in them.
//!
//! Positions are addresses, one stride apart (I1). A value of size zero has a stride too, its
//! alignment, so that positions still differ; its slots take no memory and are never read.
//!
//! Values lie side by side, because chunks lend them as slices, and so a model checker cannot have a
//! cell around each. A *watch* stands beside them: one empty cell a slot, touched with every access to
//! it, in which loom finds the races. Outside a model it has no size.

use alloc::boxed::Box;
use core::mem::MaybeUninit;
use core::ptr::{self, NonNull};
use core::slice;

use primitives::sync::MODELLED;
use primitives::sync::cell::UnsafeCell;

/// No more than this is asked for at once: who takes more at a time is far behind the first of it when
/// the last of it comes.
const MOST_FETCHED_BYTES: usize = 2048;

/// The slots of one ring; a copy is in each handle.
pub(super) struct Slots<T> {
    /// The first slot.
    first: NonNull<T>,
    /// One past the last slot.
    end: NonNull<T>,
    /// One cell per slot, in their order.
    watch: NonNull<UnsafeCell<()>>,
}

impl<T> Clone for Slots<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Slots<T> {}

impl<T> Slots<T> {
    /// Bytes from one position to the next.
    pub(super) const STRIDE: usize =
        if size_of::<T>() == 0 { align_of::<T>() } else { size_of::<T>() };

    /// The most slots that an array can have, spare included.
    pub(super) const MOST: usize = isize::MAX.cast_unsigned() / Self::STRIDE;

    /// Describes `count` slots, from `first` on; what a model watches them with is freed by
    /// [`unwatch`](Self::unwatch).
    ///
    /// # Safety
    ///
    /// 1. `first` is aligned, and leads to memory for `count` values of `T`, if these have a size.
    /// 2. `count` is in `2..=MOST`.
    pub(super) unsafe fn new(first: NonNull<T>, count: usize) -> Self {
        debug_assert!((2..=Self::MOST).contains(&count), "{count} slots");
        // Of no size, positions are mere numbers: count them from the lowest, that none wraps.
        let first = if size_of::<T>() == 0 { NonNull::dangling() } else { first };
        let end = first.as_ptr().wrapping_byte_add(count * Self::STRIDE);
        let watch = if MODELLED {
            let cells: Box<[_]> = (0..count).map(|_| UnsafeCell::new(())).collect();
            // SAFETY: a box is not null.
            unsafe { NonNull::new_unchecked(Box::into_raw(cells).cast()) }
        } else {
            NonNull::dangling()
        };
        // SAFETY: one past the end of an array, or of no size and at most `isize::MAX` above its
        // alignment (2.): not null.
        let end = unsafe { NonNull::new_unchecked(end) };
        Self { first, end, watch }
    }

    /// The three pointers that it is made of.
    #[inline]
    pub(super) fn into_parts(self) -> [NonNull<()>; 3] {
        [self.first.cast(), self.end.cast(), self.watch.cast()]
    }

    /// Slots of their parts.
    ///
    /// # Safety
    ///
    /// They are those of slots of `T`.
    #[inline]
    pub(super) unsafe fn from_parts([first, end, watch]: [NonNull<()>; 3]) -> Self {
        Self { first: first.cast(), end: end.cast(), watch: watch.cast() }
    }

    /// Frees what a model watched the slots with; nothing outside of one.
    ///
    /// # Safety
    ///
    /// No copy of these slots is used again.
    pub(super) unsafe fn unwatch(self) {
        if MODELLED {
            let cells = ptr::slice_from_raw_parts_mut(self.watch.as_ptr(), self.count());
            // SAFETY: made by `new` of a box of as many; the caller promises that it is the last use.
            drop(unsafe { Box::from_raw(cells) });
        }
    }

    /// The number of slots, spare included.
    #[inline]
    pub(super) fn count(self) -> usize {
        (self.end.addr().get() - self.first.addr().get()) / Self::STRIDE
    }

    /// The position of the first slot.
    #[inline]
    pub(super) fn first(self) -> *mut T {
        self.first.as_ptr()
    }

    /// The position after `at`, going round.
    #[inline]
    pub(super) fn after(self, at: *mut T) -> *mut T {
        self.check(at.addr());
        let next = at.wrapping_byte_add(Self::STRIDE);
        if next == self.end.as_ptr() { self.first.as_ptr() } else { next }
    }

    /// The position `count` slots after `at`, going round; `count` is at most all slots.
    #[inline]
    pub(super) fn advance(self, at: *mut T, count: usize) -> *mut T {
        let ahead = self.until_end(at);
        if count < ahead {
            at.wrapping_byte_add(count * Self::STRIDE)
        } else {
            self.first.as_ptr().wrapping_byte_add((count - ahead) * Self::STRIDE)
        }
    }

    /// How many slots there are from `from` up to `to`, going round.
    #[inline]
    pub(super) fn between(self, from: usize, to: usize) -> usize {
        self.check(from);
        self.check(to);
        let bytes = to.wrapping_sub(from);
        let round = self.end.addr().get() - self.first.addr().get();
        (if to < from { bytes.wrapping_add(round) } else { bytes }) / Self::STRIDE
    }

    /// How many slots there are from `at` up to the end of the array.
    #[inline]
    fn until_end(self, at: *mut T) -> usize {
        self.check(at.addr());
        (self.end.addr().get() - at.addr()) / Self::STRIDE
    }

    /// Splits the `count` slots from `at` on, which may go round, into two straight runs.
    #[inline]
    pub(super) fn runs(self, at: *mut T, count: usize) -> [(*mut T, usize); 2] {
        let straight = self.until_end(at).min(count);
        [(at, straight), (self.first.as_ptr(), count - straight)]
    }

    /// What an end should ask its cache for when it hands out `len` of the `known` slots from `at` on that
    /// are its own: two straight runs of slots, as addresses and bytes.
    ///
    /// They begin `distance` bytes ahead, so that who hands out one run after the other asks for each line
    /// once; after a look `at` the other end (`anew`), what lies before that was not asked for either.
    #[inline]
    pub(super) fn ahead(
        self,
        at: *mut T,
        (len, known): (usize, usize),
        distance: usize,
        anew: bool,
    ) -> [(*mut T, usize); 2] {
        if size_of::<T>() == 0 {
            return [(at, 0); 2];
        }
        let ahead = distance.div_ceil(Self::STRIDE);
        let from = if anew { 0 } else { ahead.min(known) };
        let most = MOST_FETCHED_BYTES.div_ceil(Self::STRIDE);
        let reach = (len + ahead).min(from + most);
        let own = if cfg!(bug = "spsc-fetches-what-is-not-its-own") { reach } else { known };
        let to = own.min(reach);
        self.runs(self.advance(at, from), to - from)
            .map(|(start, count)| (start, count * Self::STRIDE))
    }

    /// I1: `at` is the position of a slot.
    #[inline]
    fn check(self, at: usize) {
        let (first, end) = (self.first.addr().get(), self.end.addr().get());
        debug_assert!(
            (first..end).contains(&at) && (at - first).is_multiple_of(Self::STRIDE),
            "{at:#x} is no position of {first:#x}..{end:#x} by {}",
            Self::STRIDE
        );
    }

    #[inline]
    fn watched(&self, at: *mut T) -> &UnsafeCell<()> {
        let index = (at.addr() - self.first.addr().get()) / Self::STRIDE;
        // SAFETY: I1: there are as many cells as slots, and `index` is that of a slot; cells of no size
        // may be anywhere.
        let cell = unsafe { self.watch.add(index) };
        // SAFETY: it lives until `unwatch`, or has no size; it is only ever shared.
        unsafe { cell.as_ref() }
    }

    /// Writes a value into a slot.
    ///
    /// # Safety
    ///
    /// 1. `at` is the position of a slot. 2. The slot is vacant, and the caller's alone.
    #[inline]
    pub(super) unsafe fn write(self, at: *mut T, value: T) {
        self.check(at.addr());
        // SAFETY: 1. a position is aligned and leads to memory for a value; 2. nobody else reads or
        // writes it, and no value is overwritten.
        self.watched(at).with_mut(|_| unsafe { at.write(value) });
    }

    /// Moves the value out of a slot, which is vacant afterwards.
    ///
    /// # Safety
    ///
    /// 1. `at` is the position of a slot. 2. It holds a value, which is the caller's alone.
    #[inline]
    pub(super) unsafe fn take(self, at: *mut T) -> T {
        self.check(at.addr());
        // SAFETY: 1. a position is aligned and leads to memory; 2. a value is there, and nobody will
        // take it a second time.
        self.watched(at).with_mut(|_| unsafe { at.read() })
    }

    /// Lends `count` slots from `at` on, whose content may be uninitialised.
    ///
    /// # Safety
    ///
    /// 1. `at` is the position of a slot, and `count` at most all slots. 2. For `'a` these slots are
    ///    the caller's alone.
    #[inline]
    pub(super) unsafe fn lend_mut<'a>(
        self,
        at: *mut T,
        count: usize,
    ) -> (&'a mut [MaybeUninit<T>], &'a mut [MaybeUninit<T>]) {
        let [(at, straight), (first, round)] = self.runs(at, count);
        for (start, count) in [(at, straight), (first, round)] {
            self.watch_all(start, count, |cell| cell.with_mut(|_| ()));
        }
        // SAFETY: 1. a run lies in the array, whose every byte may be uninitialised; 2. the caller's
        // alone, and the runs do not overlap.
        let straight = unsafe { slice::from_raw_parts_mut(at.cast(), straight) };
        // SAFETY: as above.
        let round = unsafe { slice::from_raw_parts_mut(first.cast(), round) };
        (straight, round)
    }

    /// Lends `count` values from `at` on.
    ///
    /// # Safety
    ///
    /// 1. `at` is the position of a slot, and `count` at most all slots. 2. For `'a` these slots hold
    ///    values, which nobody changes.
    #[inline]
    pub(super) unsafe fn lend<'a>(self, at: *mut T, count: usize) -> (&'a [T], &'a [T]) {
        let [(at, straight), (first, round)] = self.runs(at, count);
        for (start, count) in [(at, straight), (first, round)] {
            self.watch_all(start, count, |cell| cell.with(|_| ()));
        }
        // SAFETY: 1. a run lies in the array; 2. full of values, and nobody changes them.
        let straight = unsafe { slice::from_raw_parts(at, straight) };
        // SAFETY: as above.
        let round = unsafe { slice::from_raw_parts(first, round) };
        (straight, round)
    }

    /// Drops `count` values from `at` on; also when a drop panics.
    ///
    /// # Safety
    ///
    /// 1. `at` is the position of a slot, and `count` at most all slots. 2. These slots hold values,
    ///    which are the caller's alone, and are vacant afterwards.
    pub(super) unsafe fn drop_values(self, at: *mut T, count: usize) {
        /// Values that are dropped when it is.
        struct Run<T>(*mut [T]);
        impl<T> Drop for Run<T> {
            fn drop(&mut self) {
                // SAFETY: the caller of `drop_values` promises values that are nobody else's.
                unsafe { self.0.drop_in_place() }
            }
        }
        let [straight, round] = self.runs(at, count).map(|(start, count)| {
            self.watch_all(start, count, |cell| cell.with_mut(|_| ()));
            let all = !cfg!(bug = "spsc-drops-no-further-than-the-end") || start == at;
            Run(ptr::slice_from_raw_parts_mut(start, if all { count } else { 0 }))
        });
        // In order, and each although the other panics.
        let _round = round;
        drop(straight);
    }

    /// Shows a model the cells of `count` slots from `at` on, none of which goes round.
    #[inline]
    fn watch_all(self, at: *mut T, count: usize, mut touch: impl FnMut(&UnsafeCell<()>)) {
        if MODELLED {
            for index in 0..count {
                touch(self.watched(at.wrapping_byte_add(index * Self::STRIDE)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST_FETCHED_BYTES, NonNull, Slots};
    use alloc::vec;
    use alloc::vec::Vec;

    const COUNT: usize = 100;

    fn with_slots(test: impl FnOnce(Slots<u64>)) {
        let mut memory = vec![0_u64; COUNT];
        let first = NonNull::from(&mut memory[0]);
        // SAFETY: 1. memory for so many values; 2. of at least two and at most `MOST`.
        test(unsafe { Slots::new(first, COUNT) });
    }

    /// The indices of the slots that `Slots::ahead` names.
    fn ahead(slots: Slots<u64>, at: usize, taken: (usize, usize), anew: bool) -> Vec<usize> {
        let index = |at: *mut u64| (at.addr() - slots.first().addr()) / 8;
        slots
            .ahead(slots.advance(slots.first(), at), taken, 10 * 8, anew)
            .into_iter()
            .flat_map(|(start, bytes)| index(start)..index(start) + bytes / 8)
            .collect()
    }

    #[test]
    fn what_an_end_does_not_know_to_be_its_own_is_not_fetched() {
        with_slots(|slots| {
            for (at, known) in [(0, 0), (0, 1), (95, 4), (95, 30), (99, 99), (0, 99)] {
                let own: Vec<_> = (at..at + known).map(|index| index % COUNT).collect();
                for (len, anew) in [(0, true), (known / 2, false), (known, true), (known, false)] {
                    let fetched = ahead(slots, at, (len, known), anew);
                    assert!(
                        fetched.iter().all(|index| own.contains(index)),
                        "{fetched:?} of {known} from {at}"
                    );
                }
            }
        });
    }

    #[test]
    fn runs_one_after_the_other_fetch_each_slot_once() {
        with_slots(|slots| {
            let (at, known) = (70, 90);
            let mut fetched = ahead(slots, at, (8, known), true);
            for taken in (8..64).step_by(8) {
                fetched.extend(ahead(slots, (at + taken) % COUNT, (8, known - taken), false));
            }
            assert_eq!(fetched, (at..at + 64 + 10).map(|index| index % COUNT).collect::<Vec<_>>());
        });
    }

    #[test]
    fn large_runs_fetch_their_beginning_only() {
        let mut memory = vec![[0_u8; 256]; COUNT];
        let first = NonNull::from(&mut memory[0]);
        // SAFETY: as in `with_slots`.
        let slots = unsafe { Slots::new(first, COUNT) };
        let [(start, bytes), (_, round)] = slots.ahead(slots.first(), (90, 90), 768, true);
        assert_eq!((start, bytes, round), (slots.first(), MOST_FETCHED_BYTES, 0));
    }

    #[test]
    fn values_of_no_size_have_nothing_to_fetch() {
        // SAFETY: 1. values of no size need no memory; 2. of at least two and at most `MOST`.
        let slots = unsafe { Slots::<()>::new(NonNull::dangling(), COUNT) };
        let [(_, bytes), (_, round)] = slots.ahead(slots.first(), (10, 50), 8, true);
        assert_eq!((bytes, round), (0, 0));
    }
}
