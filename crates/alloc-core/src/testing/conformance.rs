//! What [`Allocator`] promises, as tests that every allocator of the workspace passes.

use core::alloc::Layout;
use core::hint::black_box;
use core::ptr::NonNull;
use std::boxed::Box;
use std::vec::Vec;

use super::Shadow;
use crate::Allocator;

/// Operations of the random sequence.
const OPERATIONS: usize = 2000;

/// Most blocks alive at a time there.
const LIVE: usize = 24;

/// Holds an allocator against the promises of [`Allocator`]; panics at the first that is broken.
///
/// `make` returns a fresh allocator, which must have room for 64 KiB at once, in blocks of up to
/// 16 KiB and aligned up to 4 KiB. What it refuses beyond that is no fault.
///
/// * Blocks are aligned, disjoint, as long as asked for, and keep what is written to them, at every
///   combination of sizes and alignments, also while the allocator itself moves.
/// * Growing and shrinking keep the common part, whether the block is the newest or not, also when
///   only the alignment changes.
/// * `allocate_zeroed` and `grow_zeroed` zero memory that was used before, and nothing else.
/// * A request that is refused leaves the old block as it was.
/// * Blocks without size can be had, grown, shrunk and given back.
/// * A random sequence of all of these agrees with [`Shadow`].
///
/// # Examples
///
/// ```
/// alloc_core::testing::conforms(|| alloc_core::Global);
/// ```
///
/// # Panics
///
/// If a promise is broken, with the layouts in question.
pub fn conforms<A: Allocator>(make: impl Fn() -> A) {
    for newest in [true, false] {
        resizing_keeps_contents(&make, newest);
        refusals_change_nothing(&make(), newest);
    }
    used_memory_is_zeroed(&make());
    blocks_without_size(&make());
    blocks_outlive_moves(make());
    random_operations_agree_with_the_shadow(&make());
}

fn resizing_keeps_contents<A: Allocator>(make: &impl Fn() -> A, newest: bool) {
    let sizes = [(0, 1), (1, 63), (8, 8), (63, 64), (64, 65), (65, 1000), (1000, 5000)];
    let aligns = [(1, 1), (1, 64), (64, 1), (16, 32), (8, 4096)];
    for (small, large) in sizes {
        for (before, after) in aligns {
            let alloc = make();
            let (old, new) = (layout(small, before), layout(large, after));
            let block = alloc.allocate(old).expect("a small block");
            assert_fits(block, old);
            let block = block.cast::<u8>();
            number(block, small);
            let above = (!newest).then(|| {
                let block = alloc.allocate(layout(24, 8)).expect("a small block");
                let mut shadow = Shadow::new();
                // SAFETY: alive with this layout until it is given back below.
                unsafe { shadow.insert(block.cast(), layout(24, 8)) };
                (block, shadow)
            });
            // SAFETY: `block` is alive with `old`; `new` is not smaller.
            let grown = unsafe { alloc.grow(block, old, new) }.expect("a larger block");
            assert_fits(grown, new);
            let grown = grown.cast::<u8>();
            assert!(is_numbered(grown, small), "growing {old:?} to {new:?} lost contents");
            number(grown, large);
            // SAFETY: `grown` is alive with `new`; `old` is not larger.
            let shrunk = unsafe { alloc.shrink(grown, new, old) }.expect("a smaller block");
            assert_fits(shrunk, old);
            let shrunk = shrunk.cast::<u8>();
            assert!(is_numbered(shrunk, small), "shrinking {new:?} to {old:?} lost contents");
            if let Some((block, shadow)) = above {
                shadow.check();
                // SAFETY: alive with this layout, not used again.
                unsafe { alloc.deallocate(block.cast(), layout(24, 8)) };
            }
            // SAFETY: alive with this layout, not used again.
            unsafe { alloc.deallocate(shrunk, old) };
        }
    }
}

fn refusals_change_nothing<A: Allocator>(alloc: &A, newest: bool) {
    let largest = isize::MAX.unsigned_abs();
    let old = layout(100, 1);
    let block = alloc.allocate(old).expect("a small block").cast::<u8>();
    number(block, 100);
    let above = (!newest).then(|| alloc.allocate(layout(8, 8)).expect("a small block"));
    for new in [layout(largest, 1), layout(largest - 4095, 4096)] {
        // Seen by nobody, a block of the global allocator need not be had at all, and optimised code
        // takes it for granted.
        assert!(black_box(alloc.allocate(new)).is_err(), "{new:?} was served");
        assert!(black_box(alloc.allocate_zeroed(new)).is_err(), "{new:?} was served");
        // SAFETY: `block` is alive with `old`; `new` is larger.
        let grown = unsafe { alloc.grow(block, old, new) };
        assert!(black_box(grown).is_err(), "{new:?} was served");
        // SAFETY: as above.
        let grown = unsafe { alloc.grow_zeroed(block, old, new) };
        assert!(black_box(grown).is_err(), "{new:?} was served");
        assert!(is_numbered(block, 100), "a refused {new:?} changed the block");
    }
    if let Some(above) = above {
        // SAFETY: alive with this layout, not used again.
        unsafe { alloc.deallocate(above.cast(), layout(8, 8)) };
    }
    // SAFETY: alive with this layout, not used again.
    unsafe { alloc.deallocate(block, old) };
}

fn used_memory_is_zeroed<A: Allocator>(alloc: &A) {
    // Several times, so that memory comes round again where anything is given back.
    for size in [1, 24, 100, 1000, 100, 24, 1] {
        for align in [1, 8, 64] {
            let new = layout(2 * size, align);
            for old in [layout(0, align), layout(size, 1), layout(size, align), new] {
                let zeroed = alloc.allocate_zeroed(old).expect("a small block");
                let bytes = contents(zeroed.cast(), old.size());
                assert!(bytes.iter().all(|&byte| byte == 0), "{old:?} is not zero: {bytes:x?}");
                let block = zeroed.cast::<u8>();
                number(block, old.size());
                // SAFETY: `block` is alive with `old`; `new` is not smaller.
                let grown = unsafe { alloc.grow_zeroed(block, old, new) }.expect("a block");
                assert_fits(grown, new);
                let grown = grown.cast::<u8>();
                assert!(is_numbered(grown, old.size()), "grow_zeroed of {old:?} lost contents");
                let bytes = &contents(grown, new.size())[old.size()..];
                assert!(bytes.iter().all(|&byte| byte == 0), "the tail is not zero: {bytes:x?}");
                // SAFETY: `new.size()` bytes of a live block.
                unsafe { grown.write_bytes(0xEE, new.size()) };
                // SAFETY: alive with this layout, not used again.
                unsafe { alloc.deallocate(grown, new) };
            }
        }
    }
}

fn blocks_without_size<A: Allocator>(alloc: &A) {
    for align in [1, 8, 64, 4096] {
        let (none, some) = (layout(0, align), layout(40, align));
        let first = alloc.allocate(none).expect("a block without size");
        let second = alloc.allocate_zeroed(none).expect("a block without size");
        assert_fits(first, none);
        assert_fits(second, none);
        // SAFETY: `first` is alive with `none`; `some` is larger.
        let block = unsafe { alloc.grow(first.cast(), none, some) }.expect("a small block");
        assert_fits(block, some);
        number(block.cast(), 40);
        // SAFETY: `block` is alive with `some`; `none` is smaller.
        let block = unsafe { alloc.shrink(block.cast(), some, none) }.expect("less");
        assert_fits(block, none);
        for block in [block, second] {
            // SAFETY: alive with this layout, not used again.
            unsafe { alloc.deallocate(block.cast(), none) };
        }
    }
}

fn blocks_outlive_moves<A: Allocator>(alloc: A) {
    let mut shadow = Shadow::new();
    let mut blocks = Vec::new();
    let mut take = |alloc: &A, shadow: &mut Shadow| {
        for size in [8, 100, 1000] {
            let block = alloc.allocate(layout(size, 8)).expect("a small block").cast();
            // SAFETY: alive with this layout until the end.
            unsafe { shadow.insert(block, layout(size, 8)) };
            blocks.push((block, layout(size, 8)));
        }
    };
    take(&alloc, &mut shadow);
    let boxed = Box::new(alloc);
    shadow.check();
    take(&boxed, &mut shadow);
    let alloc = *boxed;
    shadow.check();
    take(&alloc, &mut shadow);
    for (block, layout) in blocks {
        shadow.remove(block, layout);
        // SAFETY: alive with this layout, not used again.
        unsafe { alloc.deallocate(block, layout) };
    }
}

fn random_operations_agree_with_the_shadow<A: Allocator>(alloc: &A) {
    let mut shadow = Shadow::new();
    let mut live: Vec<(NonNull<u8>, Layout)> = Vec::new();
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..OPERATIONS {
        let what = random.below(100);
        if live.is_empty() || (what < 40 && live.len() < LIVE) {
            let wanted = random.layout();
            let got = if what.is_multiple_of(2) {
                alloc.allocate(wanted)
            } else {
                alloc.allocate_zeroed(wanted)
            };
            let Ok(block) = got else { continue };
            assert_fits(block, wanted);
            // SAFETY: a live block of this layout.
            unsafe { shadow.insert(block.cast(), wanted) };
            live.push((block.cast(), wanted));
            continue;
        }
        let index = random.below(live.len());
        let (block, old) = live[index];
        let other = random.layout();
        if what >= 70 {
            live.swap_remove(index);
            shadow.remove(block, old);
            // SAFETY: alive with this layout, not used again.
            unsafe { alloc.deallocate(block, old) };
            continue;
        }
        let (resized, new) = if what < 55 {
            let new = layout(old.size() + other.size(), other.align());
            // SAFETY: `block` is alive with `old`; `new` is not smaller.
            (unsafe { alloc.grow(block, old, new) }, new)
        } else {
            let new = layout(old.size().min(other.size()), other.align());
            // SAFETY: `block` is alive with `old`; `new` is not larger.
            (unsafe { alloc.shrink(block, old, new) }, new)
        };
        let Ok(resized) = resized else { continue };
        assert_fits(resized, new);
        // SAFETY: a live block of the new layout, in the place of the old one.
        unsafe { shadow.resize(block, old, resized.cast(), new) };
        live[index] = (resized.cast(), new);
    }
    for (block, layout) in live {
        shadow.remove(block, layout);
        // SAFETY: alive with this layout, not used again.
        unsafe { alloc.deallocate(block, layout) };
    }
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

fn assert_fits(block: NonNull<[u8]>, layout: Layout) {
    let address = block.cast::<u8>().addr().get();
    assert!(address.is_multiple_of(layout.align()), "{block:p} is not aligned for {layout:?}");
    assert!(block.len() >= layout.size(), "{} bytes for {layout:?}", block.len());
}

fn nth(index: usize) -> u8 {
    index.to_le_bytes()[0].wrapping_add(1)
}

/// Writes byte `index` of the live block to be [`nth`]`(index)`.
fn number(block: NonNull<u8>, len: usize) {
    for index in 0..len {
        // SAFETY: callers pass a live block of `len` bytes.
        unsafe { block.as_ptr().wrapping_add(index).write(nth(index)) };
    }
}

fn is_numbered(block: NonNull<u8>, len: usize) -> bool {
    contents(block, len).iter().enumerate().all(|(index, &byte)| byte == nth(index))
}

fn contents(block: NonNull<u8>, len: usize) -> Vec<u8> {
    // SAFETY: callers pass a live block whose first `len` bytes were written.
    unsafe { NonNull::slice_from_raw_parts(block, len).as_ref() }.to_vec()
}

/// Numbers that look random and are the same every time (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    /// Mostly small and little aligned, sometimes neither.
    fn layout(&mut self) -> Layout {
        let size = match self.below(8) {
            0 => 0,
            1 => self.below(2000),
            _ => self.below(100),
        };
        let shift = if self.below(8) == 0 { self.below(13) } else { self.below(5) };
        layout(size, 1 << shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Checked, FailAt};
    use crate::{AllocError, Borrowed, Global};
    use core::cell::Cell;
    use core::mem::MaybeUninit;
    use core::panic::AssertUnwindSafe;
    use core::slice::from_raw_parts_mut;
    use std::panic::catch_unwind;

    /// What a [`Faulty`] allocator does wrong.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Fault {
        None,
        MisalignsPages,
        Overlaps,
        ServesLess,
        GrowCopiesLess,
        ShrinkForgets,
        ZeroedIsDirty,
        GrownTailIsDirty,
        RefusalWrites,
        RefusesBlocksWithoutSize,
        LosesItsBlocksInAMove,
    }

    /// A bump allocator over dirty memory that gives nothing back, and has one fault.
    struct Faulty {
        memory: Vec<Cell<u8>>,
        used: Cell<usize>,
        fault: Fault,
        /// Where the allocator stood when it was first used.
        home: Cell<usize>,
    }

    impl Faulty {
        fn new(fault: Fault) -> Self {
            let memory = std::vec![Cell::new(0xA5); 256 << 10];
            Self { memory, used: Cell::new(0), fault, home: Cell::new(0) }
        }

        /// Every byte becomes `0xBB`: memory safe, and what a dangling block might hold.
        fn spoil(&self) {
            self.memory.iter().for_each(|byte| byte.set(0xBB));
        }
    }

    // SAFETY: not kept where a fault is asked for; blocks lie in `memory` all the same, which stays
    // where it is when `Faulty` moves, so no test touches memory that is not its own.
    unsafe impl Allocator for Faulty {
        fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            let here = core::ptr::from_ref(self).addr();
            if self.home.get() == 0 {
                self.home.set(here);
            }
            if self.home.get() != here && self.fault == Fault::LosesItsBlocksInAMove {
                self.spoil();
            }
            if layout.size() == 0 && self.fault == Fault::RefusesBlocksWithoutSize {
                return Err(AllocError);
            }
            let first = NonNull::from(self.memory.as_slice()).cast::<u8>();
            let align = match self.fault {
                Fault::MisalignsPages => layout.align().min(64),
                _ => layout.align(),
            };
            let used = self.used.get();
            let used = if self.fault == Fault::Overlaps { used.saturating_sub(1) } else { used };
            let start = (first.addr().get() + used).next_multiple_of(align) - first.addr().get();
            let end = start.checked_add(layout.size()).ok_or(AllocError)?;
            if end > self.memory.len() {
                return Err(AllocError);
            }
            self.used.set(end);
            let block = NonNull::from(&self.memory[start..end]).cast::<u8>();
            let missing = usize::from(self.fault == Fault::ServesLess).min(layout.size());
            Ok(NonNull::slice_from_raw_parts(block, layout.size() - missing))
        }

        unsafe fn deallocate(&self, _: NonNull<u8>, _: Layout) {}

        fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
            let block = self.allocate(layout)?;
            if self.fault != Fault::ZeroedIsDirty {
                // SAFETY: a fresh block of that many bytes.
                unsafe { block.cast::<u8>().write_bytes(0, block.len()) };
            }
            Ok(block)
        }

        unsafe fn grow(
            &self,
            ptr: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            let block = self.allocate(new).inspect_err(|_| {
                if self.fault == Fault::RefusalWrites {
                    self.spoil();
                }
            })?;
            let missed = usize::from(self.fault == Fault::GrowCopiesLess).min(old.size());
            // SAFETY: both blocks have as many bytes and lie in `memory`.
            unsafe { ptr.copy_to(block.cast(), old.size() - missed) };
            Ok(block)
        }

        unsafe fn grow_zeroed(
            &self,
            ptr: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            // SAFETY: the caller's promise, passed on.
            let block = unsafe { self.grow(ptr, old, new) }?;
            if self.fault != Fault::GrownTailIsDirty {
                let tail = block.cast::<u8>().as_ptr().wrapping_add(old.size());
                // SAFETY: the bytes of the block behind the old ones.
                unsafe { tail.write_bytes(0, new.size() - old.size()) };
            }
            Ok(block)
        }

        unsafe fn shrink(
            &self,
            ptr: NonNull<u8>,
            old: Layout,
            new: Layout,
        ) -> Result<NonNull<[u8]>, AllocError> {
            if self.fault == Fault::ShrinkForgets {
                return self.allocate(new);
            }
            debug_assert!(new.size() <= old.size(), "the caller's promise");
            let block = self.allocate(new)?;
            // SAFETY: both blocks have as many bytes and lie in `memory`.
            unsafe { ptr.copy_to(block.cast(), new.size()) };
            Ok(block)
        }
    }

    #[test]
    fn the_allocators_of_this_crate_conform() {
        conforms(|| Global);
        conforms(|| Checked::new(Global));
        conforms(|| FailAt::new(Global, 0));
        conforms(|| Faulty::new(Fault::None));
    }

    /// [`conforms`] for backings that lend one block at a time.
    fn conforms_with_one_block<A: Allocator>(make: impl Fn() -> A) {
        resizing_keeps_contents(&make, true);
        refusals_change_nothing(&make(), true);
        used_memory_is_zeroed(&make());
        blocks_without_size(&make());
        random_operations_agree_with_the_shadow(&make());
        let (alloc, old, new) = (make(), layout(100, 8), layout(1000, 8));
        let block = alloc.allocate(old).expect("a small block").cast::<u8>();
        number(block, 100);
        let alloc = Box::new(alloc);
        // SAFETY: `block` is alive with `old`; `new` is larger.
        let grown = unsafe { alloc.grow(block, old, new) }.expect("a larger block").cast::<u8>();
        assert!(is_numbered(grown, 100), "the block was lost when its allocator moved");
        // SAFETY: alive with this layout, not used again.
        unsafe { alloc.deallocate(grown, new) };
    }

    #[test]
    fn lent_memory_conforms() {
        let mut memory = std::vec![MaybeUninit::new(0xA5); 80 << 10];
        let (first, len) = (memory.as_mut_ptr(), memory.len());
        // SAFETY: `memory` outlives every backing made here, of which there is one at a time.
        conforms_with_one_block(|| Borrowed::new(unsafe { from_raw_parts_mut(first, len) }));
    }

    #[test]
    #[cfg(all(feature = "reserve", unix))]
    fn reserved_memory_conforms() {
        use crate::{End, Reserved};

        conforms_with_one_block(|| Reserved::new(1 << 20, End::High).expect("address space"));
    }

    #[test]
    fn each_fault_is_seen() {
        for fault in [
            Fault::MisalignsPages,
            Fault::Overlaps,
            Fault::ServesLess,
            Fault::GrowCopiesLess,
            Fault::ShrinkForgets,
            Fault::ZeroedIsDirty,
            Fault::GrownTailIsDirty,
            Fault::RefusalWrites,
            Fault::RefusesBlocksWithoutSize,
            Fault::LosesItsBlocksInAMove,
        ] {
            let checked = catch_unwind(AssertUnwindSafe(|| conforms(|| Faulty::new(fault))));
            assert!(checked.is_err(), "{fault:?} was not seen");
        }
    }
}
