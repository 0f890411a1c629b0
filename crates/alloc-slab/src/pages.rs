//! [`Pages`]: slots in pages of a backing allocator, found through a directory.
//!
//! ```text
//!   directory   [ page 0 | page 1 | VOID | page 3 | ... ][ info 0 | info 1 | ... ]   one block
//!                  |        |       ^ released: states that read as vacant
//!                  v        v
//!               [ states | live | values ]
//! ```
//!
//! # Invariants
//!
//! * **P1** the first `len` entries of the directory are pages: live blocks of the backing with
//!   `layout`, or the void page.
//! * **P2** the directory is a live block of the backing with room for `capacity` entries and as many
//!   infos, or dangling and `capacity` is 0.
//!
//! # Cost
//!
//! A slot is found by a shift, a load, a mask and an addition. The directory doubles, and is the only
//! thing that is ever copied: 16 bytes for each page of about 64 KiB.

use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::NonNull;

use alloc_core::{Allocator, ErrorKind, Global, Layout, TryAllocError};

use crate::shape::{MAX_PAGE_SLOTS, Shape};
use crate::store::{PageInfo, Place, Slots};

/// Entries of the first directory.
const FIRST_CAPACITY: usize = 4;

/// The slots of a [`Slab`](crate::Slab) in pages of about 64 KiB from the backing `A`.
///
/// The default: needs nothing but an allocator, takes no memory before the first value, and gives
/// single pages back.
pub struct Pages<A: Allocator = Global> {
    directory: NonNull<NonNull<u8>>,
    len: usize,
    capacity: usize,
    /// Pages that are blocks of the backing.
    held: usize,
    /// The layout of a page; without a size there is none yet.
    layout: Layout,
    backing: A,
}

// SAFETY: the blocks belong to this value and go with it; values in them are the slab's concern,
// which has a `PhantomData<T>`.
unsafe impl<A: Allocator + Send> Send for Pages<A> {}
// SAFETY: through a shared reference the directory is only read, and the backing lent as `&A`.
unsafe impl<A: Allocator + Sync> Sync for Pages<A> {}

/// The states of all released pages: never written, all 0. In a cell so that it takes no room in the
/// program: memory that the system zeroes, and that nobody touches before a page is released.
struct Void(UnsafeCell<[u64; MAX_PAGE_SLOTS]>);

// SAFETY: never written.
unsafe impl Sync for Void {}

static VOID: Void = Void(UnsafeCell::new([0; MAX_PAGE_SLOTS]));

fn void() -> NonNull<u8> {
    NonNull::from_ref(&VOID.0).cast()
}

/// The layout of a directory with room for `capacity` pages, and where its infos begin.
fn directory_layout(capacity: usize) -> Result<(Layout, usize), TryAllocError> {
    let overflow = TryAllocError::overflow::<[u64; 2]>(capacity);
    let entries = Layout::array::<NonNull<u8>>(capacity).map_err(|_| overflow)?;
    let infos = Layout::array::<PageInfo>(capacity).map_err(|_| overflow)?;
    entries.extend(infos).map_err(|_| overflow)
}

impl<A: Allocator> Pages<A> {
    pub(crate) const fn new_in(backing: A) -> Self {
        let layout = Layout::new::<()>();
        Self { directory: NonNull::dangling(), len: 0, capacity: 0, held: 0, layout, backing }
    }

    pub(crate) const fn backing(&self) -> &A {
        &self.backing
    }

    /// The block of the directory, which exists.
    fn block(&self) -> (Layout, usize) {
        debug_assert!(self.capacity != 0, "P2: no directory");
        match directory_layout(self.capacity) {
            Ok(both) => both,
            Err(error) => unreachable!("P2: the directory exists: {error}"),
        }
    }

    /// Where what is known of a page stands.
    fn info_at(&self, page: usize) -> *mut PageInfo {
        assert!(page < self.len, "page {page} of {}", self.len);
        let (_, offset) = self.block();
        self.directory.as_ptr().wrapping_byte_add(offset).cast::<PageInfo>().wrapping_add(page)
    }

    /// Where the address of a page stands.
    fn entry_at(&self, page: usize) -> *mut NonNull<u8> {
        debug_assert!(page < self.capacity, "P2: entry {page} of {}", self.capacity);
        self.directory.as_ptr().wrapping_add(page)
    }

    /// Doubles the directory.
    fn widen(&mut self) -> Result<(), TryAllocError> {
        let capacity = (self.capacity * 2).max(FIRST_CAPACITY);
        let (layout, new_infos) = directory_layout(capacity)?;
        let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
        let new = self.backing.allocate(layout).map_err(|_| refused)?.cast::<u8>();
        let old = self.directory.cast::<u8>();
        if self.capacity != 0 {
            let (old_layout, old_infos) = self.block();
            // SAFETY: P2: `len` entries were written to the old block; the new one has more room,
            // and is another.
            unsafe { new.copy_from_nonoverlapping(old, self.len * size_of::<NonNull<u8>>()) };
            // SAFETY: within the old block (P2).
            let from = unsafe { old.byte_add(old_infos) };
            // SAFETY: within the new block.
            let to = unsafe { new.byte_add(new_infos) };
            // SAFETY: as for the entries.
            unsafe { to.copy_from_nonoverlapping(from, self.len * size_of::<PageInfo>()) };
            (self.directory, self.capacity) = (new.cast(), capacity);
            // SAFETY: a live block of the backing with this layout (P2), no longer the directory.
            unsafe { self.backing.deallocate(old, old_layout) };
        } else {
            (self.directory, self.capacity) = (new.cast(), capacity);
        }
        Ok(())
    }

    /// Takes a page from the backing, and zeroes its states and liveness bytes.
    fn take<T>(&mut self) -> Result<NonNull<u8>, TryAllocError> {
        let layout = const { Shape::<T>::layout() }?;
        let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
        let page = self.backing.allocate(layout).map_err(|_| refused)?.cast::<u8>();
        self.layout = layout;
        self.held += 1;
        // SAFETY: the block begins with the states, followed by the liveness bytes.
        unsafe { page.write_bytes(0, Shape::<T>::LIVE_OFFSET + Shape::<T>::SLOTS) };
        Ok(page)
    }
}

// SAFETY: 1. a page is one block (P1) that stays where it is, laid out by `Shape`: the parts of a slot
// are apart from each other and from those of others, and aligned since the page is; a released page's
// entry is the void page, which begins with states; 2. the void page is 0; 3. by `Shape`; 4. `append`
// tests it; 5. the directory changes after the backing has answered, and an entry before `len` does;
// 6. values are not touched.
unsafe impl<A: Allocator> Slots for Pages<A> {
    const ONE_WORD: bool = false;
    const IN_A_ROW: bool = false;

    #[inline(always)]
    fn holds<T>(&self, index: u32) -> bool {
        ((index >> Shape::<T>::SHIFT) as usize) < self.len
    }

    #[inline(always)]
    #[expect(clippy::cast_ptr_alignment, reason = "a page is aligned to 64 and begins with states")]
    unsafe fn place<T>(&self, index: u32) -> Place<T> {
        let page = (index >> Shape::<T>::SHIFT) as usize;
        debug_assert!(page < self.len, "slot {index}: page {page} of {}", self.len);
        // SAFETY: P2: the caller's promise says that there is such an entry.
        let entry = unsafe { self.directory.add(page) };
        // SAFETY: P1: it was written.
        let page = unsafe { entry.read() }.as_ptr();
        let slot = Shape::<T>::in_page(index);
        Place {
            state: page.cast::<u64>().wrapping_add(slot),
            live: page.wrapping_add(Shape::<T>::LIVE_OFFSET + slot),
            value: page.wrapping_add(Shape::<T>::VALUES_OFFSET).cast::<T>().wrapping_add(slot),
        }
    }

    fn pages(&self) -> usize {
        self.len
    }

    #[inline]
    fn is_held(&self, page: usize) -> bool {
        assert!(page < self.len, "page {page} of {}", self.len);
        // SAFETY: P1: an entry below `len`.
        unsafe { self.entry_at(page).read() != void() }
    }

    fn info(&self, page: usize) -> PageInfo {
        // SAFETY: P2: an info below `len`, written by `append`.
        unsafe { self.info_at(page).read() }
    }

    fn set_info(&mut self, page: usize, info: PageInfo) {
        // SAFETY: P2: as in `info`.
        unsafe { self.info_at(page).write(info) };
    }

    fn append<T>(&mut self) -> Result<(), TryAllocError> {
        if self.len >= Shape::<T>::MAX_PAGES {
            let most = Shape::<T>::MAX_PAGES << Shape::<T>::SHIFT;
            return Err(TryAllocError::indices_exhausted::<T>(most));
        }
        if self.len == self.capacity {
            self.widen()?;
        }
        let page = self.take::<T>()?;
        // SAFETY: P2: `len < capacity`.
        unsafe { self.entry_at(self.len).write(page) };
        self.len += 1;
        self.set_info(self.len - 1, PageInfo { floor: 0, usable: 0 });
        Ok(())
    }

    fn restore<T>(&mut self, page: usize) -> Result<(), TryAllocError> {
        debug_assert_eq!(self.info(page).usable, 0, "page {page} was not released");
        let block = self.take::<T>()?;
        // SAFETY: P1: an entry below `len`.
        unsafe { self.entry_at(page).write(block) };
        Ok(())
    }

    unsafe fn release<T>(&mut self, page: usize) -> usize {
        let entry = self.entry_at(page);
        // SAFETY: P1: an entry below `len`.
        let block = unsafe { entry.replace(void()) };
        debug_assert_ne!(block, void(), "page {page} was released before");
        self.held -= 1;
        // SAFETY: P1: a live block of the backing with this layout, of which by clause 1 nobody uses
        // any part.
        unsafe { self.backing.deallocate(block, self.layout) };
        self.layout.size()
    }

    fn reserved_bytes(&self) -> usize {
        let directory = if self.capacity == 0 { 0 } else { self.block().0.size() };
        self.held * self.layout.size() + directory
    }
}

impl<A: Allocator> Drop for Pages<A> {
    fn drop(&mut self) {
        if self.capacity == 0 {
            return;
        }
        for page in 0..self.len {
            // SAFETY: P1: an entry below `len`.
            let block = unsafe { self.entry_at(page).read() };
            if block != void() {
                // SAFETY: P1: a live block of the backing with this layout; its values are gone.
                unsafe { self.backing.deallocate(block, self.layout) };
            }
        }
        let (layout, _) = self.block();
        // SAFETY: P2: a live block of the backing with this layout.
        unsafe { self.backing.deallocate(self.directory.cast(), layout) };
    }
}

impl<A: Allocator> fmt::Debug for Pages<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pages")
            .field("pages", &self.held)
            .field("reserved_bytes", &self.reserved_bytes())
            .finish_non_exhaustive()
    }
}
