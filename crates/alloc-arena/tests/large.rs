//! Blocks that have a chunk of their own, and memory that is given back.
#![cfg(not(loom))]

use alloc_arena::{Arena, ArenaConfig};
use alloc_core::collections::Vec;
use alloc_core::testing::Checked;
use alloc_core::{AllocError, Allocator, Global, Layout};
use core::cell::Cell;
use core::ptr::NonNull;

const MIB: usize = 1 << 20;

fn layout(bytes: usize) -> Layout {
    Layout::from_size_align(bytes, 8).unwrap()
}

fn uncached() -> Arena {
    Arena::with_config(ArenaConfig::new().thread_cache(false))
}

#[test]
fn a_large_block_shrinks_and_grows_again_where_it_is() {
    let arena = uncached();
    let mut list = Vec::new_in(&arena);
    list.resize(3 * MIB, 7u8);
    let place = list.as_ptr();
    list.truncate(MIB);
    list.shrink_to_fit();
    list.reserve_exact(MIB);
    list.resize(2 * MIB, 9);
    assert_eq!(list.as_ptr(), place);
    assert!(list[..MIB].iter().all(|&byte| byte == 7));
    drop(list);
    assert_eq!((arena.used_bytes(), arena.stats().spare_chunks), (0, 1));
}

/// Every reset keeps the first chunk, so a block beyond the ladder must not be in it.
#[test]
fn a_large_block_is_let_go_even_if_it_came_first_or_into_a_full_chunk() {
    for full in [false, true] {
        let mut arena = uncached();
        if full {
            arena.alloc(1u8);
            arena.alloc_uninit_slice::<u8>(arena.remaining_bytes());
        }
        arena.alloc_uninit_slice::<u8>(64 * MIB);
        assert_eq!((arena.stats().chunks, arena.stats().large_chunks), (usize::from(full), 1));
        for _ in 0..16 {
            arena.reset();
            arena.alloc(1u8);
        }
        assert!(arena.reserved_bytes() < MIB, "{full}: {:?}", arena.stats());
    }
}

#[test]
fn an_empty_arena_gives_all_its_memory_back_when_asked() {
    let mut arena = uncached();
    assert_eq!(arena.trim(), 0);
    arena.reserve(100);
    arena.reserve(MIB);
    assert_eq!(arena.stats().chunks, 2);
    let reserved = arena.reserved_bytes();
    assert_eq!((arena.trim(), arena.reserved_bytes()), (reserved, 0), "reserved, never used");
    let before = arena.checkpoint();
    let reserved = arena.reserved_bytes();
    arena.alloc_uninit_slice::<u8>(MIB);
    arena.rewind(before);
    assert!(arena.trim() > MIB);
    assert_eq!(arena.reserved_bytes(), reserved, "the checkpoint's record is in use");
    arena.rewind(before);
    arena.reset();
    assert_eq!((arena.trim(), arena.reserved_bytes()), (reserved, 0));
    assert_eq!(arena.frame().scope().alloc(5u8), &5);
    assert_eq!(*arena.alloc(6u8), 6);
}

#[test]
fn rewinding_frees_large_blocks_that_came_after_one_was_freed() {
    let mut arena = uncached();
    let large = arena.alloc_layout(layout(4 * MIB));
    let first = arena.checkpoint();
    // SAFETY: alive with this layout, not used again.
    unsafe { arena.deallocate(large, layout(4 * MIB)) };
    let used = arena.used_bytes();
    arena.checkpoint();
    arena.alloc_layout(layout(4 * MIB));
    arena.alloc_layout(layout(3 * MIB));
    arena.rewind(first);
    assert_eq!((arena.used_bytes(), arena.stats().large_chunks), (used, 0));
    arena.alloc_layout(layout(3 * MIB));
    let second = arena.checkpoint();
    arena.alloc_layout(layout(3 * MIB));
    arena.rewind(second);
    assert_eq!(arena.stats().large_chunks, 1);
    arena.rewind(first);
    assert_eq!(arena.stats().large_chunks, 0);
}

#[test]
fn a_large_block_that_could_not_grow_is_as_old_as_before() {
    let config = ArenaConfig::new().thread_cache(false).limit_bytes(8 * MIB);
    let mut arena = Arena::<1>::with_config(config);
    let large = arena.alloc_layout(layout(4 * MIB));
    let before = arena.checkpoint();
    // SAFETY: `large` is alive with this layout; the new one is larger.
    assert!(unsafe { arena.grow(large, layout(4 * MIB), layout(16 * MIB)) }.is_err());
    arena.rewind(before);
    assert!(arena.contains(large.as_ptr()), "it was there before the checkpoint");
}

/// Hands blocks out at odd multiples of 16 bytes, each time another, and says how often it was asked.
struct Odd {
    allocated: Cell<usize>,
    grown: Cell<usize>,
}

impl Odd {
    /// Beyond the block, to place it at any multiple of 16 of it.
    const SLACK: usize = 4096;

    fn whole(layout: Layout) -> Layout {
        Layout::from_size_align(layout.size() + 2 * Self::SLACK, Self::SLACK).unwrap()
    }

    fn at(number: usize) -> usize {
        number * 7 % 255 * 16 + 16
    }
}

// SAFETY: a block lies inside one of the global allocator's, at a distance that is written in front of
// it, and lives until it is given back.
unsafe impl Allocator for Odd {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        assert!(layout.align() <= 16, "{layout:?}");
        self.allocated.set(self.allocated.get() + 1);
        let whole = Global.allocate(Self::whole(layout))?.cast::<u8>();
        let offset = Self::at(self.allocated.get() + self.grown.get());
        // SAFETY: inside the block: `offset` is at least 16 and at most 4,096.
        let block = unsafe { whole.add(offset) };
        // SAFETY: the eight bytes in front of it are inside, too.
        let note = unsafe { block.cast::<usize>().sub(1) };
        // SAFETY: inside, and aligned as the block is.
        unsafe { note.write(offset) };
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        // SAFETY: in front of the block, where `allocate` wrote.
        let note = unsafe { ptr.cast::<usize>().sub(1) };
        // SAFETY: as above.
        let offset = unsafe { note.read() };
        // SAFETY: back to where the global allocator's block begins.
        let whole = unsafe { ptr.sub(offset) };
        // SAFETY: allocated with this layout; the caller gives it up.
        unsafe { Global.deallocate(whole, Self::whole(layout)) };
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let block = self.allocate(new)?;
        self.allocated.set(self.allocated.get() - 1);
        self.grown.set(self.grown.get() + 1);
        // SAFETY: the caller's block, and a fresh one that is not smaller.
        unsafe { block.cast::<u8>().copy_from_nonoverlapping(ptr, old.size()) };
        // SAFETY: the caller's promise, passed on.
        unsafe { self.deallocate(ptr, old) };
        Ok(block)
    }
}

#[test]
fn large_blocks_of_any_alignment_grow_by_their_backing() {
    fn check<const MIN_ALIGN: usize>(align: usize) {
        let odd = Odd { allocated: Cell::new(0), grown: Cell::new(0) };
        let backing = Checked::new(&odd);
        let of = |size: usize, align: usize| Layout::from_size_align(size, align).unwrap();
        let config = ArenaConfig::new().max_chunk_bytes(16 << 10);
        let arena = Arena::<MIN_ALIGN, _>::with_config_in(config, &backing);
        let mut size = 20_000;
        let mut block: NonNull<u8> = arena.alloc_layout(of(size, align));
        // SAFETY: a live block of so many bytes.
        unsafe { block.write_bytes(0x5C, size) };
        let mut align_now = align;
        for step in 1..40 {
            // Small steps within the chunk's rest, and large ones beyond it.
            let larger = size + if step % 3 == 0 { 5_000 } else { step };
            let new_align = if step == 20 { align * 4 } else { align_now };
            // SAFETY: alive with this layout; the new one is not smaller.
            let grown = unsafe { arena.grow(block, of(size, align_now), of(larger, new_align)) };
            block = grown.unwrap().cast();
            assert!(block.addr().get().is_multiple_of(new_align), "{block:p} for {new_align}");
            // SAFETY: alive, and written up to here.
            let bytes = unsafe { NonNull::slice_from_raw_parts(block, size).as_ref() };
            assert!(bytes.iter().all(|&byte| byte == 0x5C), "step {step}");
            // SAFETY: alive, its first `size` bytes written above, the others fresh.
            unsafe { block.write_bytes(0x5C, larger) };
            (size, align_now) = (larger, new_align);
            let stats = arena.stats();
            assert_eq!((stats.large_chunks, stats.used_bytes >= size), (1, true), "{stats:?}");
        }
        assert_eq!(odd.allocated.get(), 1, "extended, never asked for another: {align}");
        assert!(odd.grown.get() > 10);
    }
    for align in [1, 16, 32, 64, 512] {
        check::<1>(align);
        check::<64>(align);
    }
}

/// A block that was aligned to more lies further in: with less alignment asked for, it has to move.
#[test]
fn a_large_block_that_grows_with_less_alignment_stays_in_its_chunk() {
    for align in [64, 512, 4096, 65536] {
        let arena = Arena::<1, _>::new_in(Checked::new(Global));
        let old = Layout::from_size_align(3 << 20, align).unwrap();
        let block = arena.allocate(old).unwrap().cast::<u8>();
        // SAFETY: a fresh block of this layout.
        unsafe { block.write_bytes(7, old.size()) };
        let new = layout((3 << 20) + align * 2);
        // SAFETY: alive with `old`; `new` is larger.
        let grown = unsafe { arena.grow(block, old, new) }.unwrap();
        // SAFETY: alive with `new`: inside the block.
        let end = unsafe { grown.cast::<u8>().byte_add(old.size()) };
        // SAFETY: from there on it is so much longer than with `old`.
        unsafe { end.write_bytes(8, align * 2) };
        // SAFETY: as many bytes, all written.
        let bytes = unsafe { grown.as_ref() };
        assert!(bytes[..old.size()].iter().all(|&byte| byte == 7));
        assert!(arena.stats().waste_large_bytes < 1 << 20, "{:?}", arena.stats());
    }
}
