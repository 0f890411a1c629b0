//! What an allocator should look like from outside: the live blocks and their contents.

use core::alloc::Layout;
use core::ops::Range;
use core::ptr::NonNull;
use std::collections::BTreeMap;
use std::vec::Vec;

/// A model of an allocator's live blocks, for property tests and fuzzers.
///
/// Tell it of every block that the allocator under test hands out, resizes and takes back; it
/// writes a pattern into each block and panics, with addresses and sizes, when a block overlaps
/// another, is misaligned, leaves the given bounds, or no longer holds what was written.
#[derive(Debug, Default)]
pub struct Shadow {
    /// Live blocks by address: their layout and the seed of their pattern.
    live: BTreeMap<usize, (NonNull<u8>, Layout, u8)>,
    bounds: Option<Range<usize>>,
    next_seed: u8,
}

impl Shadow {
    /// Returns a model without blocks that accepts any address.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires every block of non-zero size to lie within `bounds` from now on.
    pub fn set_bounds(&mut self, bounds: Range<usize>) {
        self.bounds = Some(bounds);
    }

    /// Returns the number of live blocks.
    #[must_use]
    pub fn len(&self) -> usize {
        self.live.len()
    }

    /// Returns whether no block is alive.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.live.is_empty()
    }

    /// Returns the `index`-th live block in address order.
    #[must_use]
    pub fn nth(&self, index: usize) -> Option<(NonNull<u8>, Layout)> {
        self.live.values().nth(index).map(|&(ptr, layout, _)| (ptr, layout))
    }

    /// Takes note of a new block and fills it with a pattern.
    ///
    /// # Panics
    ///
    /// If the block overlaps a live one, is misaligned, or lies outside the bounds.
    ///
    /// # Safety
    ///
    /// `ptr` denotes `layout.size()` bytes that may be written until [`remove`](Self::remove) or
    /// [`clear`](Self::clear).
    pub unsafe fn insert(&mut self, ptr: NonNull<u8>, layout: Layout) {
        self.check_place(ptr, layout);
        if layout.size() == 0 {
            return;
        }
        let seed = self.next_seed;
        self.next_seed = self.next_seed.wrapping_add(1);
        for index in 0..layout.size() {
            // SAFETY: the caller lets us write the bytes from `ptr` to `ptr + layout.size()`.
            unsafe { ptr.as_ptr().wrapping_add(index).write(pattern(seed, index)) };
        }
        self.live.insert(ptr.addr().get(), (ptr, layout, seed));
    }

    /// Takes note that the block at `old` is now at `new`: its common prefix must have kept its
    /// contents; the rest is filled anew.
    ///
    /// # Panics
    ///
    /// As [`insert`](Self::insert), and if `old` is not alive or the prefix changed.
    ///
    /// # Safety
    ///
    /// As [`insert`](Self::insert), for `new`.
    pub unsafe fn resize(
        &mut self,
        old: NonNull<u8>,
        old_layout: Layout,
        new: NonNull<u8>,
        layout: Layout,
    ) {
        if old_layout.size() != 0 {
            let (_, known, seed) =
                self.live.remove(&old.addr().get()).expect("resized a block that is not alive");
            assert_eq!(known, old_layout, "the model and the test disagree about {old:p}");
            check_contents(new, known.size().min(layout.size()), seed, "resize");
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { self.insert(new, layout) };
    }

    /// Checks the contents of the block at `ptr` and forgets it.
    ///
    /// # Panics
    ///
    /// If no such block is alive or its contents changed.
    pub fn remove(&mut self, ptr: NonNull<u8>, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        let (ptr, known, seed) =
            self.live.remove(&ptr.addr().get()).expect("removed a block that is not alive");
        assert_eq!(known, layout, "the model and the test disagree about {ptr:p}");
        check_contents(ptr, layout.size(), seed, "remove");
    }

    /// Forgets the block at `ptr`, whose memory was given back with all that is newer: its contents
    /// may be gone.
    ///
    /// # Panics
    ///
    /// If no such block is alive.
    pub fn forget(&mut self, ptr: NonNull<u8>, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        let (ptr, known, _) =
            self.live.remove(&ptr.addr().get()).expect("forgot a block that is not alive");
        assert_eq!(known, layout, "the model and the test disagree about {ptr:p}");
    }

    /// Checks the contents of all live blocks.
    ///
    /// # Panics
    ///
    /// If one of them changed.
    pub fn check(&self) {
        for &(ptr, layout, seed) in self.live.values() {
            check_contents(ptr, layout.size(), seed, "check");
        }
    }

    /// Checks all live blocks, forgets them, and returns them: for a reset.
    ///
    /// # Panics
    ///
    /// If the contents of one changed.
    pub fn clear(&mut self) -> Vec<(NonNull<u8>, Layout)> {
        self.check();
        core::mem::take(&mut self.live)
            .into_values()
            .map(|(ptr, layout, _)| (ptr, layout))
            .collect()
    }

    fn check_place(&self, ptr: NonNull<u8>, layout: Layout) {
        let start = ptr.addr().get();
        assert!(start.is_multiple_of(layout.align()), "{start:#x} is not aligned for {layout:?}");
        if layout.size() == 0 {
            return;
        }
        let end = start.checked_add(layout.size()).expect("a block wraps round the address space");
        if let Some(bounds) = &self.bounds {
            assert!(
                bounds.start <= start && end <= bounds.end,
                "block {start:#x}..{end:#x} leaves the region {:#x}..{:#x}",
                bounds.start,
                bounds.end
            );
        }
        if let Some((&below, &(_, neighbour, _))) = self.live.range(..end).next_back() {
            assert!(
                below + neighbour.size() <= start,
                "block {start:#x}..{end:#x} overlaps {below:#x}..{:#x}",
                below + neighbour.size()
            );
        }
    }
}

/// Byte `index` of a block with `seed`: differs between neighbours in space and in time.
fn pattern(seed: u8, index: usize) -> u8 {
    let [low, high, ..] = index.to_le_bytes();
    seed.wrapping_mul(31).wrapping_add(low).wrapping_add(high).wrapping_add(1)
}

fn check_contents(ptr: NonNull<u8>, len: usize, seed: u8, when: &str) {
    for index in 0..len {
        // SAFETY: the bytes were written by `insert` and the block is alive.
        let found = unsafe { ptr.as_ptr().wrapping_add(index).read() };
        assert_eq!(found, pattern(seed, index), "{when}: byte {index} of {len} at {ptr:p} changed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(buffer: &mut [u8], at: usize) -> NonNull<u8> {
        NonNull::from_mut(&mut buffer[at])
    }

    fn bytes(size: usize) -> Layout {
        Layout::from_size_align(size, 1).unwrap()
    }

    #[test]
    #[should_panic(expected = "overlaps")]
    fn overlap_is_noticed() {
        let mut buffer = [0u8; 32];
        let start = NonNull::from_mut(&mut buffer).cast::<u8>();
        // SAFETY: inside the buffer.
        let inside = unsafe { start.byte_add(15) };
        let mut shadow = Shadow::new();
        // SAFETY: the block lies in the buffer.
        unsafe { shadow.insert(start, bytes(16)) };
        // SAFETY: as above.
        unsafe { shadow.insert(inside, bytes(4)) };
    }

    #[test]
    #[should_panic(expected = "changed")]
    fn changed_contents_are_noticed() {
        let mut buffer = [0u8; 32];
        let mut shadow = Shadow::new();
        let start = NonNull::from_mut(&mut buffer).cast::<u8>();
        // SAFETY: the block lies in the buffer.
        unsafe { shadow.insert(start, bytes(16)) };
        // SAFETY: inside the buffer.
        unsafe { start.as_ptr().wrapping_add(3).write(0xee) };
        shadow.check();
    }

    #[test]
    #[should_panic(expected = "leaves the region")]
    fn leaving_the_bounds_is_noticed() {
        let mut buffer = [0u8; 32];
        let start = block(&mut buffer, 16);
        let mut shadow = Shadow::new();
        shadow.set_bounds(start.addr().get() - 16..start.addr().get() + 8);
        // SAFETY: the block lies in the buffer.
        unsafe { shadow.insert(start, bytes(16)) };
    }

    #[test]
    #[should_panic(expected = "not aligned")]
    fn misalignment_is_noticed() {
        let mut shadow = Shadow::new();
        let odd = NonNull::<u8>::without_provenance(core::num::NonZero::new(9).unwrap());
        // SAFETY: it panics before anything is written.
        unsafe { shadow.insert(odd, Layout::new::<u64>()) };
    }
}
