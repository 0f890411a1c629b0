//! [`SlabAlloc`]: an allocator for blocks of one size.
//!
//! Not thread-safe (`Send`, not `Sync`). A block is given out by a load and a store, and taken back by
//! two stores.
//!
//! ```text
//!   page    [ header | block | block | block | ... ]        aligned to its size: the header of a
//!               |                                           block is found by a mask (`trim`)
//!               v
//!             next page
//!   free    block -> block -> block -> 0                    last in, first out, in the blocks
//! ```
//!
//! # Invariants
//!
//! * **A1** every page in the list is a live block of the backing with `page`, its header initialised.
//! * **A2** the free list holds blocks of pages in the list, each once, each nobody's, and each with the
//!   next in its first bytes.
//! * **A3** a layout belongs to the class or it does not, by its size and alignment alone, and so do all
//!   layouts that fit one block, so it goes back where it came from.
//!
//! # Ordering edges
//!
//! None: cells, no atomics.
//!
//! # Cost
//!
//! Beside the test of the layout (two comparisons, one where it is constant and aligned no more than a
//! pointer): `allocate` a load, a branch, a load, a store; `deallocate` a load and two stores. Nothing is
//! counted, unless by feature `stats`.
//!
//! # Source
//!
//! J. Bonwick ("The Slab Allocator", 1994), with the free list in the blocks as he has it for small ones.

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use alloc_core::{AllocError, AllocStats, Allocator, Global, Layout, TryAllocError};

/// Least bytes of a page.
const MIN_PAGE_BYTES: usize = 16 << 10;

/// Least blocks of a page.
const MIN_PAGE_BLOCKS: usize = 16;

/// What stands in a free block.
type Link = Option<NonNull<FreeBlock>>;

struct FreeBlock {
    next: Cell<Link>,
}

/// What stands at the start of a page.
struct Header {
    next: Cell<Option<NonNull<Header>>>,
    /// Blocks in the free list, while `trim` counts them.
    free: Cell<usize>,
}

/// An [`Allocator`] for blocks of one size class, in front of another allocator.
///
/// Blocks at most as large and as aligned as the class come from pages that the backing gave; a smaller
/// one costs as much as the largest. All others go to the backing, as they are. For node-based
/// collections (`Box`, lists, trees), whose blocks are all alike; a growing `Vec` passes by the class
/// and goes on in the backing.
///
/// # Examples
///
/// ```
/// use alloc_core::collections::Box;
/// use alloc_slab::SlabAlloc;
///
/// struct Node<'a> { value: u32, next: Option<Box<Node<'a>, &'a SlabAlloc>> }
///
/// let nodes = SlabAlloc::for_type::<Node>();
/// let mut list = None;
/// for value in 0..1000 {
///     list = Some(Box::new_in(Node { value, next: list }, &nodes));
/// }
/// assert_eq!(list.map(|first| first.value), Some(999));
/// ```
///
/// # Concurrency
///
/// One thread at a time: `Send` (where `A` is), not `Sync`.
pub struct SlabAlloc<A: Allocator = Global> {
    free: Cell<Link>,
    /// The largest size of the class, as it was asked for, rounded up to a block; and its alignment.
    block: Layout,
    page: Layout,
    pages: Cell<Option<NonNull<Header>>>,
    page_count: Cell<usize>,
    slow_calls: Cell<u64>,
    peak_pages: Cell<usize>,
    exact: Exact,
    backing: A,
}

/// What is counted with feature `stats`, and takes no room without.
#[derive(Default)]
struct Exact {
    #[cfg(feature = "stats")]
    allocs: Cell<u64>,
    #[cfg(feature = "stats")]
    frees: Cell<u64>,
    #[cfg(feature = "stats")]
    requested_bytes: Cell<u64>,
    #[cfg(feature = "stats")]
    peak_blocks: Cell<u64>,
}

impl Exact {
    /// A block is given out, for `requested` bytes.
    #[inline(always)]
    fn allocated(&self, requested: usize) {
        #[cfg(feature = "stats")]
        {
            self.allocs.set(self.allocs.get() + 1);
            self.requested_bytes.set(self.requested_bytes.get() + requested as u64);
            self.peak_blocks.set(self.peak_blocks.get().max(self.allocs.get() - self.frees.get()));
        }
        #[cfg(not(feature = "stats"))]
        let _ = requested;
    }

    /// A block is taken back.
    #[inline(always)]
    fn freed(&self) {
        #[cfg(feature = "stats")]
        self.frees.set(self.frees.get() + 1);
    }
}

// SAFETY: the pages belong to this allocator alone and are not tied to a thread. Who holds a block also
// borrows the allocator, or moves with it.
unsafe impl<A: Allocator + Send> Send for SlabAlloc<A> {}

impl SlabAlloc {
    /// Returns an allocator for blocks of `layout`, over the global allocator.
    ///
    /// # Panics
    ///
    /// If `layout` is too large for a page of 16 blocks. See [`try_new`](Self::try_new).
    #[must_use]
    #[track_caller]
    pub fn new(layout: Layout) -> Self {
        Self::new_in(layout, Global)
    }

    /// Returns an allocator for blocks of `layout`, over the global allocator, or the reason why there is
    /// none.
    ///
    /// # Errors
    ///
    /// As [`try_new_in`](Self::try_new_in).
    pub fn try_new(layout: Layout) -> Result<Self, TryAllocError> {
        Self::try_new_in(layout, Global)
    }

    /// Returns an allocator for blocks of the size of a `T`, over the global allocator.
    ///
    /// # Panics
    ///
    /// As [`new`](Self::new). See [`try_for_type`](Self::try_for_type).
    #[must_use]
    #[track_caller]
    pub fn for_type<T>() -> Self {
        Self::new(Layout::new::<T>())
    }

    /// Returns an allocator for blocks of the size of a `T`, over the global allocator, or the reason why
    /// there is none.
    ///
    /// # Errors
    ///
    /// As [`try_new_in`](Self::try_new_in).
    pub fn try_for_type<T>() -> Result<Self, TryAllocError> {
        Self::try_new(Layout::new::<T>())
    }
}

impl<A: Allocator> SlabAlloc<A> {
    /// Returns an allocator for blocks of `layout`, over `backing`, which it asks for nothing yet.
    ///
    /// # Panics
    ///
    /// If `layout` is too large for a page of 16 blocks. See [`try_new_in`](Self::try_new_in).
    #[must_use]
    #[track_caller]
    pub fn new_in(layout: Layout, backing: A) -> Self {
        match Self::try_new_in(layout, backing) {
            Ok(slab) => slab,
            Err(error) => panic!("no class of {} bytes: {error}", layout.size()),
        }
    }

    /// Returns an allocator for blocks of `layout` over `backing`, or the reason why there is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CapacityOverflow`](crate::ErrorKind::CapacityOverflow) if a page of 16 such blocks
    /// exceeds `isize::MAX` bytes; `backing` is dropped.
    pub fn try_new_in(layout: Layout, backing: A) -> Result<Self, TryAllocError> {
        let overflow = TryAllocError::overflow::<u8>(layout.size().saturating_mul(MIN_PAGE_BLOCKS));
        let link = Layout::new::<FreeBlock>();
        let align = layout.align().max(link.align());
        let size = layout.size().max(link.size());
        let block = Layout::from_size_align(size, align).map_err(|_| overflow)?.pad_to_align();
        let page_bytes = first_offset(block)
            .checked_add(block.size().saturating_mul(MIN_PAGE_BLOCKS))
            .and_then(usize::checked_next_power_of_two)
            .ok_or(overflow)?
            .max(MIN_PAGE_BYTES);
        let page = Layout::from_size_align(page_bytes, page_bytes).map_err(|_| overflow)?;
        Ok(Self {
            free: Cell::new(None),
            block,
            page,
            pages: Cell::new(None),
            page_count: Cell::new(0),
            slow_calls: Cell::new(0),
            peak_pages: Cell::new(0),
            exact: Exact::default(),
            backing,
        })
    }

    /// Returns the size and the alignment of the blocks: what was asked for, rounded up so that a
    /// pointer fits.
    #[must_use]
    pub const fn block_layout(&self) -> Layout {
        self.block
    }

    /// Returns the backing allocator.
    #[must_use]
    pub const fn backing(&self) -> &A {
        &self.backing
    }

    /// Returns whether blocks of `layout` are given out by the class (A3).
    #[inline(always)]
    #[must_use]
    pub const fn serves(&self, layout: Layout) -> bool {
        // A block without size is the backing's: `0 - 1` is larger than all.
        let fits = layout.size().wrapping_sub(1) < self.block.size();
        // Every block is aligned for a link, which the compiler knows of a constant layout.
        let aligned =
            layout.align() <= align_of::<FreeBlock>() || layout.align() <= self.block.align();
        fits && aligned
    }

    /// Blocks of a page.
    fn blocks_per_page(&self) -> usize {
        (self.page.size() - first_offset(self.block)) / self.block.size()
    }

    /// Takes a page from the backing, and links its blocks, lowest first.
    #[cold]
    #[inline(never)]
    fn grow(&self) -> Result<NonNull<FreeBlock>, AllocError> {
        self.slow_calls.set(self.slow_calls.get() + 1);
        let page = self.backing.allocate(self.page)?.cast::<u8>();
        let header = page.cast::<Header>();
        let next = self.pages.get();
        // SAFETY: a page begins with room for a header, and is aligned to more.
        unsafe { header.write(Header { next: Cell::new(next), free: Cell::new(0) }) };
        self.pages.set(Some(header));
        self.page_count.set(self.page_count.get() + 1);
        self.peak_pages.set(self.peak_pages.get().max(self.page_count.get()));
        // A backing may have used this allocator meanwhile: what is free already goes behind.
        self.link_blocks(page).ok_or(AllocError)
    }

    /// Adds all blocks of a page to the free list, lowest first; returns the first of the list.
    fn link_blocks(&self, page: NonNull<u8>) -> Link {
        let mut free = self.free.get();
        for number in (0..self.blocks_per_page()).rev() {
            // SAFETY: the blocks of a page end within it.
            let block =
                unsafe { page.byte_add(first_offset(self.block) + number * self.block.size()) };
            let block = block.cast::<FreeBlock>();
            // SAFETY: a block has room for a link, and is aligned for it.
            unsafe { block.write(FreeBlock { next: Cell::new(free) }) };
            free = Some(block);
        }
        self.free.set(free);
        free
    }

    /// Gives the pages whose blocks are all free back to the backing; returns how many bytes that were.
    ///
    /// # Complexity
    ///
    /// Linear in the number of free blocks and pages.
    ///
    /// # Panics
    ///
    /// If the backing does when it is given a page: that page counts as given back, and pages behind
    /// it stay.
    pub fn trim(&mut self) -> usize {
        let header_of = |block: NonNull<FreeBlock>| {
            let page_bytes = self.page.size();
            block.map_addr(|address| {
                let page = address.get() & !(page_bytes - 1);
                core::num::NonZero::new(page).unwrap_or(address)
            })
        };
        let mut look = self.free.get();
        while let Some(block) = look {
            // SAFETY: A1, A2: the header of the page of the block, at the start of that.
            let header = unsafe { header_of(block).cast::<Header>().as_ref() };
            header.free.set(header.free.get() + 1);
            // SAFETY: A2: a free block.
            look = unsafe { block.as_ref() }.next.get();
        }
        let all = self.blocks_per_page();
        // The blocks that stay, in the order that they have.
        let (mut first, mut last): (Link, Link) = (None, None);
        let mut look = self.free.get();
        while let Some(block) = look {
            // SAFETY: A2: a free block; links are changed behind it only.
            let link = unsafe { &block.as_ref().next };
            look = link.get();
            // SAFETY: as above.
            let freed = unsafe { header_of(block).cast::<Header>().as_ref() }.free.get() == all;
            if freed && !cfg!(bug = "trim-keeps-blocks-of-freed-pages") {
                continue;
            }
            match last {
                None => first = Some(block),
                // SAFETY: A2: a free block.
                Some(last) => unsafe { last.as_ref() }.next.set(Some(block)),
            }
            link.set(None);
            last = Some(block);
        }
        self.free.set(first);
        let mut bytes = 0;
        let mut rest = Rest { slab: self, look: self.pages.replace(None) };
        while let Some(page) = rest.next() {
            // SAFETY: A1.
            let header = unsafe { page.as_ref() };
            if header.free.replace(0) == all {
                bytes += self.page.size();
                self.page_count.set(self.page_count.get() - 1);
                // SAFETY: A1; all of its blocks were free, and have left the list.
                unsafe { self.backing.deallocate(page.cast(), self.page) };
            } else {
                header.next.set(self.pages.replace(Some(page)));
            }
        }
        bytes
    }

    /// Returns the bytes of the blocks in use: of the class, not of what went to the backing.
    ///
    /// # Complexity
    ///
    /// Linear in the number of free blocks, which are counted; O(1) with feature `stats`.
    #[must_use]
    pub fn used_bytes(&self) -> usize {
        self.used_blocks() * self.block.size()
    }

    /// Returns the bytes of the pages.
    #[must_use]
    pub const fn reserved_bytes(&self) -> usize {
        self.page_count.get() * self.page.size()
    }

    #[cfg(feature = "stats")]
    fn used_blocks(&self) -> usize {
        let used = self.exact.allocs.get() - self.exact.frees.get();
        usize::try_from(used).unwrap_or(usize::MAX)
    }

    #[cfg(not(feature = "stats"))]
    fn used_blocks(&self) -> usize {
        let mut free = 0;
        let mut look = self.free.get();
        while let Some(block) = look {
            free += 1;
            // SAFETY: A2: a free block.
            look = unsafe { block.as_ref() }.next.get();
        }
        self.page_count.get() * self.blocks_per_page() - free
    }

    /// Returns what the allocator holds: the class, not what went to the backing.
    ///
    /// `peak_bytes` is a lower bound, of the moments when a page was taken and of now; exact with feature
    /// `stats`, which also counts blocks and what was asked of them. (A block that is resized in place is
    /// the one that it was.)
    ///
    /// # Complexity
    ///
    /// As [`used_bytes`](Self::used_bytes).
    #[must_use]
    pub fn stats(&self) -> AllocStats {
        let mut stats = AllocStats::default();
        stats.used_bytes = self.used_bytes();
        stats.reserved_bytes = self.reserved_bytes();
        // Exact when a page was taken: every block was in use.
        let before = self.peak_pages.get().saturating_sub(1);
        let blocks_bytes = self.blocks_per_page() * self.block.size();
        stats.peak_bytes = stats.used_bytes.max(before * blocks_bytes);
        stats.waste_tail_bytes = self.page_count.get() * (self.page.size() - blocks_bytes);
        stats.slow_calls = self.slow_calls.get();
        #[cfg(feature = "stats")]
        {
            let Exact { allocs, frees, requested_bytes, peak_blocks } = &self.exact;
            stats.allocs = Some(allocs.get());
            stats.frees = Some(frees.get());
            stats.requested_bytes = Some(requested_bytes.get());
            let given = allocs.get() * self.block.size() as u64;
            stats.waste_align_bytes = Some(given - requested_bytes.get());
            let peak = usize::try_from(peak_blocks.get()).unwrap_or(usize::MAX);
            stats.peak_bytes = peak * self.block.size();
        }
        stats
    }
}

/// The pages that `trim` has not come to yet. They stay if the backing panics, and with them the blocks
/// that have left the list since their pages were to go.
struct Rest<'a, A: Allocator> {
    slab: &'a SlabAlloc<A>,
    look: Option<NonNull<Header>>,
}

impl<A: Allocator> Rest<'_, A> {
    fn next(&mut self) -> Option<NonNull<Header>> {
        let page = self.look?;
        // SAFETY: A1.
        self.look = unsafe { page.as_ref() }.next.get();
        Some(page)
    }
}

impl<A: Allocator> Drop for Rest<'_, A> {
    fn drop(&mut self) {
        if cfg!(bug = "trim-loses-the-pages-behind") {
            return;
        }
        while let Some(page) = self.next() {
            // SAFETY: A1.
            let header = unsafe { page.as_ref() };
            header.next.set(self.slab.pages.replace(Some(page)));
            if header.free.replace(0) == self.slab.blocks_per_page() {
                self.slab.link_blocks(page.cast());
            }
        }
    }
}

/// What the backing gave for a layout that the class does not serve, so that no layout that fits it is
/// one that the class does (A3): a block without size may come with room, of which nothing is said.
#[inline(always)]
fn outside(layout: Layout, block: NonNull<[u8]>) -> NonNull<[u8]> {
    if layout.size() != 0 { block } else { NonNull::slice_from_raw_parts(block.cast(), 0) }
}

/// Where the blocks begin in a page.
const fn first_offset(block: Layout) -> usize {
    size_of::<Header>().next_multiple_of(block.align())
}

// SAFETY: a block of the class is part of a page that lives as long as the allocator does and does not
// move with it; the free list holds only what was given back (A2), so live blocks are apart; blocks
// are at least as large and aligned as any layout that the class serves, and by A3 all others are the
// backing's, from beginning to end.
unsafe impl<A: Allocator> Allocator for SlabAlloc<A> {
    #[inline(always)]
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if !self.serves(layout) {
            return Ok(outside(layout, self.backing.allocate(layout)?));
        }
        let block = match self.free.get() {
            Some(block) => block,
            None => self.grow()?,
        };
        // SAFETY: A2: a free block.
        self.free.set(unsafe { block.as_ref() }.next.get());
        self.exact.allocated(layout.size());
        Ok(NonNull::slice_from_raw_parts(block.cast(), self.block.size()))
    }

    #[inline(always)]
    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        if !self.serves(layout) {
            // SAFETY: the caller's promise, passed on: by A3 the block is the backing's.
            return unsafe { self.backing.deallocate(ptr, layout) };
        }
        let block = ptr.cast::<FreeBlock>();
        // SAFETY: A3: a block of the class, which the caller gives up: room for a link, aligned.
        unsafe { block.write(FreeBlock { next: Cell::new(self.free.get()) }) };
        self.free.set(Some(block));
        self.exact.freed();
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.resize(ptr, old, new) }
    }

    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.resize(ptr, old, new) }?;
        // SAFETY: `old.size() <= new.size()`, within the block.
        let tail = unsafe { block.cast::<u8>().byte_add(old.size()) };
        // SAFETY: the rest of the block, which is the caller's.
        unsafe { tail.write_bytes(0, block.len() - old.size()) };
        Ok(block)
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        unsafe { self.resize(ptr, old, new) }
    }
}

impl<A: Allocator> SlabAlloc<A> {
    /// Resizes a block: in place within the class, by the backing within the backing, else by moving.
    ///
    /// # Safety
    ///
    /// As `grow` or `shrink`, whichever it is.
    unsafe fn resize(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        match (self.serves(old), self.serves(new)) {
            (true, true) => Ok(NonNull::slice_from_raw_parts(ptr, self.block.size())),
            (false, false) => {
                let block = if new.size() >= old.size() {
                    // SAFETY: the caller's promise, passed on: by A3 the block is the backing's.
                    unsafe { self.backing.grow(ptr, old, new) }
                } else {
                    // SAFETY: as above.
                    unsafe { self.backing.shrink(ptr, old, new) }
                };
                Ok(outside(new, block?))
            }
            _ => {
                let moved = self.allocate(new)?;
                let bytes = if cfg!(bug = "moving-copies-too-much") {
                    old.size().max(new.size())
                } else {
                    old.size().min(new.size())
                };
                // SAFETY: both blocks are at least so long, and different.
                unsafe { moved.cast::<u8>().copy_from_nonoverlapping(ptr, bytes) };
                // SAFETY: the caller's promise: alive with this layout, and given up.
                unsafe { self.deallocate(ptr, old) };
                Ok(moved)
            }
        }
    }
}

impl<A: Allocator> Drop for SlabAlloc<A> {
    fn drop(&mut self) {
        let mut look = self.pages.get();
        while let Some(page) = look {
            // SAFETY: A1.
            look = unsafe { page.as_ref() }.next.get();
            // SAFETY: A1: a live block of the backing with this layout; who held a block of it borrowed
            // this allocator, or gave it up.
            unsafe { self.backing.deallocate(page.cast(), self.page) };
        }
    }
}

impl<A: Allocator> fmt::Debug for SlabAlloc<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SlabAlloc")
            .field("block_layout", &self.block)
            .field("pages", &self.page_count.get())
            .finish_non_exhaustive()
    }
}
