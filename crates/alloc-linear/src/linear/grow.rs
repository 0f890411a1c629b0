//! Regions that grow in place, at their low end, up to a maximum.

use core::ptr::NonNull;

use alloc_core::{Allocator, End, GrowInPlace, Layout, TryAllocError, bump};

use super::{Linear, at, closed_cursor};

/// Extends the block of a growing region; stored as a function so that `Linear` itself asks no
/// more of its backing than `Allocator`.
pub(super) type GrowFn<A> = unsafe fn(&A, NonNull<u8>, Layout, Layout) -> Option<NonNull<[u8]>>;

impl<const MIN_ALIGN: usize, A: GrowInPlace> Linear<MIN_ALIGN, A> {
    /// Returns a region of `capacity_bytes` that grows in place up to `max_bytes`.
    ///
    /// # Panics
    ///
    /// If it cannot be had. See [`try_growing_in`](Self::try_growing_in).
    #[must_use]
    #[track_caller]
    pub fn growing_in(capacity_bytes: usize, max_bytes: usize, backing: A) -> Self {
        match Self::try_growing_in(capacity_bytes, max_bytes, backing) {
            Ok(region) => region,
            Err(error) => panic!("cannot make a region of {capacity_bytes} bytes: {error}"),
        }
    }

    /// Returns a region of `capacity_bytes` that grows in place up to `max_bytes`, or the reason why
    /// it cannot be had.
    ///
    /// Blocks never move: the region is extended downwards, at least doubling, when a request
    /// finds no room. What the backing gives beyond `max_bytes`, rounded to `MIN_ALIGN`, is not
    /// used.
    ///
    /// # Errors
    ///
    /// As [`try_with_capacity_in`](Self::try_with_capacity_in), and
    /// [`CapacityOutOfRange`](alloc_core::ErrorKind::CapacityOutOfRange) if `capacity_bytes` is 0
    /// (there is no block to extend) or exceeds `max_bytes`.
    pub fn try_growing_in(
        capacity_bytes: usize,
        max_bytes: usize,
        backing: A,
    ) -> Result<Self, TryAllocError> {
        if capacity_bytes == 0 || capacity_bytes > max_bytes {
            return Err(TryAllocError::out_of_range(capacity_bytes, max_bytes));
        }
        let mut region = Self::try_with_capacity_in(capacity_bytes, backing)?;
        // The ends of a region are multiples of `MIN_ALIGN`: so is the maximum, which is not below
        // what `capacity_bytes` was rounded to.
        let least = bump::round_up(capacity_bytes, MIN_ALIGN).unwrap_or(max_bytes);
        region.max_bytes = bump::round_down(max_bytes, MIN_ALIGN).max(least);
        if region.capacity_bytes() > region.max_bytes {
            // The backing gave more than the region may ever have.
            let base = region.base.get();
            region.end = at(base, base.addr().get() + region.max_bytes);
            region.cursor.set(region.end);
        }
        region.grow = Some(|backing: &A, block, old, new| {
            // SAFETY: the promise of `GrowFn`'s caller (`extend_to`), passed on.
            unsafe { backing.grow_in_place(block, old, new, End::Low) }.ok()
        });
        Ok(region)
    }
}

#[cfg(all(feature = "reserve", unix))]
impl<const MIN_ALIGN: usize> Linear<MIN_ALIGN, alloc_core::Reserved> {
    /// Returns a region that grows in place over `max_bytes` of reserved address space.
    ///
    /// # Panics
    ///
    /// If it cannot be had. See [`try_reserved`](Self::try_reserved).
    #[must_use]
    #[track_caller]
    pub fn reserved(max_bytes: usize) -> Self {
        match Self::try_reserved(max_bytes) {
            Ok(region) => region,
            Err(error) => panic!("cannot reserve a region of {max_bytes} bytes: {error}"),
        }
    }

    /// Returns a region that grows in place over `max_bytes` of reserved address space, or the reason
    /// why it cannot be had.
    ///
    /// 64 KiB are committed at first; more follows as it is needed, at least doubling.
    ///
    /// ```
    /// let region = alloc_linear::Linear::<8, _>::try_reserved(1 << 30)?;
    /// let big = region.alloc_slice_fill_copy(10_000_000, 1u8); // no block moved for this
    /// assert_eq!(big.len(), 10_000_000);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`CapacityOutOfRange`](alloc_core::ErrorKind::CapacityOutOfRange) if `max_bytes` is 0,
    /// [`CapacityOverflow`](alloc_core::ErrorKind::CapacityOverflow) if it is above `isize::MAX`,
    /// [`Backing`](alloc_core::ErrorKind::Backing) if the system refuses the address space.
    pub fn try_reserved(max_bytes: usize) -> Result<Self, TryAllocError> {
        const FIRST_BYTES: usize = 64 * 1024;
        if max_bytes == 0 {
            return Err(TryAllocError::out_of_range(0, isize::MAX.unsigned_abs()));
        }
        let layout = Layout::from_size_align(max_bytes, 1)
            .map_err(|_| TryAllocError::overflow::<u8>(max_bytes))?;
        let refused = |_| TryAllocError::new(alloc_core::ErrorKind::Backing, layout, 0);
        let backing = alloc_core::Reserved::new(max_bytes, End::Low).map_err(refused)?;
        Self::try_growing_in(FIRST_BYTES.min(max_bytes), max_bytes, backing)
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Linear<MIN_ALIGN, A> {
    /// Extends a growing region downwards until a block of `layout` fits below `cursor`. Says
    /// whether it did.
    ///
    /// Nothing can be won while a builder stands between the new memory and the free part.
    pub(crate) fn extend(&self, cursor: NonNull<u8>, layout: Layout) -> bool {
        self.start.get() == self.base.get() && self.extend_below(cursor, layout)
    }

    /// [`Self::extend`] for the builder whose elements lie between the new memory and the free
    /// part: `base` falls, `start` stays where it is.
    ///
    /// Nothing of the region changes before the backing has answered, so a backing that panics
    /// leaves it as it was.
    pub(crate) fn extend_below(&self, cursor: NonNull<u8>, layout: Layout) -> bool {
        let Some(grow) = self.grow else { return false };
        // `MIN_ALIGN` is the lowest address that any region has (B4).
        let Some(lowest) = bump::down::<MIN_ALIGN>(MIN_ALIGN, cursor.addr().get(), layout) else {
            return false;
        };
        let needed = self.end.addr().get().saturating_sub(lowest);
        if needed > self.max_bytes && !cfg!(bug = "growth-ignores-the-maximum") {
            return false;
        }
        let old = self.block.get();
        let old_first = old.cast::<u8>().addr().get();
        let Some(least) = old.len().checked_add(old_first.saturating_sub(lowest)) else {
            return false;
        };
        let doubled = old.len().saturating_mul(2).min(self.max_bytes);
        [doubled.max(least), least].into_iter().any(|bytes| self.extend_to(grow, bytes))
    }

    /// Asks the backing for a block of `bytes`, its end where it is.
    fn extend_to(&self, grow: GrowFn<A>, bytes: usize) -> bool {
        let old = self.block.get();
        let Ok(new_layout) = Layout::from_size_align(bytes, Self::BLOCK_ALIGN) else {
            return false;
        };
        // SAFETY: 1. `old` is this backing's block and `block_layout` fits it (I1); 2. `bytes` is
        // larger, the alignment the same.
        let Some(block) =
            (unsafe { grow(&self.backing, old.cast(), self.block_layout(), new_layout) })
        else {
            return false;
        };
        debug_assert_eq!(
            block.cast::<u8>().addr().get() + block.len(),
            old.cast::<u8>().addr().get() + old.len(),
            "the end of a block grown at its low end stays"
        );
        self.block.set(block);
        let first = block.cast::<u8>();
        // The block starts at a multiple of its alignment or of the page size, so of `MIN_ALIGN`;
        // rounding up costs nothing and trusts nobody.
        let address = bump::round_up(first.addr().get(), MIN_ALIGN).unwrap_or(usize::MAX);
        // What the backing gives beyond the maximum (whole pages, say) stays unused.
        let lowest = self.end.addr().get().saturating_sub(self.max_bytes);
        let address =
            if cfg!(bug = "growth-ignores-the-maximum") { address } else { address.max(lowest) };
        if address > self.base.get().addr().get() {
            return false;
        }
        // The same places, by pointers that may reach the new bytes too.
        let is_closed = self.is_closed();
        let start = self.start.get();
        let start = if start == self.base.get() { address } else { start.addr().get() };
        let cursor = self.cursor.get().addr().get();
        self.base.set(at(first, address));
        self.start.set(at(first, start));
        self.cursor.set(if is_closed {
            closed_cursor(self.base.get()) // I4
        } else {
            at(first, cursor)
        });
        true
    }
}
