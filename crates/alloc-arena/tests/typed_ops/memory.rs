//! Where the arenas under test get their memory: the heap, or a buffer whose blocks lie side by side,
//! the next one above or below; with refusals at chosen requests.

use core::cell::Cell;
use core::ptr::NonNull;

use alloc_core::{AllocError, Allocator, Global, Layout};
use arbitrary::Arbitrary;

const BUFFER: Layout = match Layout::from_size_align(256 << 10, 4096) {
    Ok(layout) => layout,
    Err(_) => panic!("256 KiB, aligned to a page"),
};

/// Where the next block lies.
#[derive(Arbitrary, Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Wherever the heap has it.
    Heap,
    /// Right above the newest one, which can grow and shrink in place.
    Up,
    /// Right below the newest one.
    Down,
}

/// Memory whose request number `n` is refused where bit `n % 64` of a mask is set.
#[derive(Debug)]
pub(crate) struct Memory {
    place: Place,
    refused: u64,
    calls: Cell<u32>,
    buffer: Option<NonNull<u8>>,
    /// The end of the part of the buffer that is in use.
    used_bytes: Cell<usize>,
}

impl Memory {
    pub(crate) fn new(place: Place, refused: u64) -> Self {
        let buffer = (place != Place::Heap).then(|| Global.allocate(BUFFER).expect("256 KiB"));
        let buffer = buffer.map(NonNull::cast);
        Self { place, refused, calls: Cell::new(0), buffer, used_bytes: Cell::new(0) }
    }

    /// The number of requests so far.
    pub(crate) fn calls(&self) -> u32 {
        self.calls.get()
    }

    fn admit(&self) -> Result<(), AllocError> {
        let call = self.calls.replace(self.calls.get() + 1);
        if self.refused >> (call % 64) & 1 == 1 { Err(AllocError) } else { Ok(()) }
    }

    /// How many bytes of the buffer are in use where this block is the newest.
    fn top(&self, block: NonNull<u8>, size: usize) -> usize {
        let first = self.buffer.map_or(0, |buffer| buffer.addr().get());
        let from_start = block.addr().get() - first;
        match self.place {
            Place::Down => BUFFER.size() - from_start,
            _ => from_start + size,
        }
    }

    /// Takes `size` bytes behind the first `used`.
    fn take(&self, buffer: NonNull<u8>, used: usize, layout: Layout) -> Option<NonNull<u8>> {
        let (align, size) = (layout.align(), layout.size());
        // The buffer is aligned to as much as any block.
        let (offset, now) = if self.place == Place::Up {
            let offset = used.next_multiple_of(align);
            (offset, offset.checked_add(size)?)
        } else {
            let offset = (BUFFER.size() - used).checked_sub(size)? & !(align - 1);
            (offset, BUFFER.size() - offset)
        };
        if align > BUFFER.align() || now > BUFFER.size() {
            return None;
        }
        self.used_bytes.set(now);
        // SAFETY: `offset + size` is at most the buffer's length.
        Some(unsafe { buffer.byte_add(offset) })
    }

    fn is_newest(&self, block: NonNull<u8>, layout: Layout) -> bool {
        self.top(block, layout.size()) == self.used_bytes.get()
    }
}

// SAFETY: blocks are the heap's, or disjoint parts of the buffer, which lives as long as the value
// and does not move with it; not `Clone`.
unsafe impl Allocator for Memory {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        let Some(buffer) = self.buffer else { return Global.allocate(layout) };
        let block = self.take(buffer, self.used_bytes.get(), layout).ok_or(AllocError)?;
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller gives the block up. What reads it later reads this.
        unsafe { ptr.write_bytes(0xDD, layout.size()) };
        if self.buffer.is_none() {
            // SAFETY: the caller's promise: a block of the heap.
            unsafe { Global.deallocate(ptr, layout) };
        } else if self.is_newest(ptr, layout) {
            // Its addresses come back with the next block.
            self.used_bytes.set(self.top(ptr, layout.size()) - layout.size());
        }
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        let Some(buffer) = self.buffer else {
            // SAFETY: the caller's promise, passed on: a block of the heap.
            return unsafe { Global.grow(ptr, old, new) };
        };
        let in_place = self.place == Place::Up && self.is_newest(ptr, old);
        let used =
            if in_place { self.used_bytes.get() - old.size() } else { self.used_bytes.get() };
        let block = self.take(buffer, used, new).ok_or(AllocError)?;
        // SAFETY: both are in the buffer, and in one place or disjoint.
        unsafe { block.copy_from(ptr, old.size()) };
        if !in_place {
            // SAFETY: the caller gives the old block up, and the new one lies elsewhere.
            unsafe { ptr.write_bytes(0xDD, old.size()) };
        }
        Ok(NonNull::slice_from_raw_parts(block, new.size()))
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        self.admit()?;
        if self.buffer.is_none() {
            // SAFETY: the caller's promise, passed on: a block of the heap.
            return unsafe { Global.shrink(ptr, old, new) };
        }
        if self.place == Place::Up && self.is_newest(ptr, old) {
            self.used_bytes.set(self.top(ptr, new.size()));
        }
        Ok(NonNull::slice_from_raw_parts(ptr, new.size()))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if let Some(buffer) = self.buffer {
            // SAFETY: allocated in `new` with this layout.
            unsafe { Global.deallocate(buffer, BUFFER) };
        }
    }
}
