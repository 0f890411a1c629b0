//! [`ReservedPages`]: slots in one range of reserved address space, found without a directory.
//!
//! ```text
//!   states   [ page 0 | page 1 | reserved, no memory ............................ ]
//!   live     [ page 0 | page 1 | .. ]
//!   values   [ page 0          | page 1          | .............................. ]
//! ```
//!
//! # Invariants
//!
//! * **R1** `starts` are the starts of the blocks of the three areas, or dangling and aligned where there
//!   is no block yet; the blocks never move.
//! * **R2** the first `bound` slots have their parts within the committed bytes of the areas; `bound` is
//!   a whole number of pages, `infos.len()` of them.
//! * **R3** the areas were reserved for at least `max_pages` pages of `T`.
//!
//! # Cost
//!
//! A slot is found by an addition. Three mappings a slab: reserve one for many values.

use alloc::vec::Vec;
use core::fmt;
use core::ptr::NonNull;

use alloc_core::place::dangling;
use alloc_core::{Allocator, End, ErrorKind, GrowInPlace, Layout, Reserved, TryAllocError};

use crate::shape::Shape;
use crate::slab::Slab;
use crate::store::{PageInfo, Place, Slots};

/// The areas by number.
const STATES: usize = 0;
const LIVE: usize = 1;
const VALUES: usize = 2;

/// The slots of a [`Slab`] in one range of reserved address space.
///
/// Faster than [`Pages`](crate::Pages), since a slot's address is its index, scaled; for slabs with a
/// bound that one knows, and that are worth three mappings. Made by [`Slab::try_reserved`].
pub struct ReservedPages {
    starts: [NonNull<u8>; 3],
    bound: u32,
    max_pages: usize,
    /// What the areas have committed, less what was given back of it.
    held_bytes: usize,
    infos: Vec<Info>,
    areas: [Reserved; 3],
}

struct Info {
    page: PageInfo,
    /// What the system got back of a page that was released.
    purged_bytes: usize,
}

// SAFETY: `Reserved` is not `Sync` for its cells, which change when a block does; through a shared
// reference to `ReservedPages` nothing of the areas is used, only the plain fields beside them.
unsafe impl Sync for ReservedPages {}

// SAFETY: the mappings go with it; values in them are the slab's concern, which has a `PhantomData<T>`.
unsafe impl Send for ReservedPages {}

impl<T> Slab<T, ReservedPages> {
    /// Returns a slab for up to `max_len` values in reserved address space, or the reason why there is
    /// none. Memory is taken page by page, as values come.
    ///
    /// More values are refused with [`ErrorKind::Full`]; the limit is `max_len`.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::CapacityOutOfRange`] if `max_len` is 0, or there are not so many indices;
    /// [`ErrorKind::CapacityOverflow`] if the values exceed `isize::MAX` bytes;
    /// [`ErrorKind::Backing`] if the system refuses the addresses, or its pages are less aligned than
    /// `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut slab = alloc_slab::Slab::try_reserved(1_000_000)?;
    /// let key = slab.insert([1u64; 8]);
    /// let address = &raw const slab[key];
    /// slab.extend((0..10_000).map(|n| [n; 8]));
    /// assert_eq!(&raw const slab[key], address);
    /// # Ok::<(), alloc_slab::TryAllocError>(())
    /// ```
    pub fn try_reserved(max_len: usize) -> Result<Self, TryAllocError> {
        Ok(Self::over(ReservedPages::new::<T>(max_len)?, max_len))
    }

    /// Returns a slab for up to `max_len` values in reserved address space.
    ///
    /// # Panics
    ///
    /// If it cannot be had. See [`try_reserved`](Self::try_reserved).
    #[must_use]
    #[track_caller]
    pub fn reserved(max_len: usize) -> Self {
        match Self::try_reserved(max_len) {
            Ok(slab) => slab,
            Err(error) => panic!("cannot reserve a slab of {max_len} values: {error}"),
        }
    }
}

/// Bytes of a page in each area.
const fn page_bytes<T>() -> [usize; 3] {
    let slots = Shape::<T>::SLOTS;
    [slots * size_of::<u64>(), slots, slots.saturating_mul(size_of::<T>())]
}

impl ReservedPages {
    fn new<T>(max_len: usize) -> Result<Self, TryAllocError> {
        let max_pages = max_len.div_ceil(Shape::<T>::SLOTS);
        if max_pages == 0 || max_pages > Shape::<T>::MAX_PAGES {
            let most = Shape::<T>::MAX_PAGES << Shape::<T>::SHIFT;
            return Err(TryAllocError::count_out_of_range(max_len, most));
        }
        let area = |bytes: usize| {
            let overflow = TryAllocError::overflow::<T>(max_len);
            let bytes = bytes.checked_mul(max_pages).ok_or(overflow)?.max(1);
            let layout = Layout::from_size_align(bytes, align_of::<T>()).map_err(|_| overflow)?;
            let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
            let area = Reserved::new(bytes, End::High).map_err(|_| refused)?;
            if layout.align() > area.page_bytes() { Err(refused) } else { Ok(area) }
        };
        let [states, live, values] = page_bytes::<T>();
        let nowhere = dangling(align_of::<u64>());
        Ok(Self {
            // Values without size have no block, and stand where all of them do.
            starts: [nowhere, nowhere, dangling(align_of::<T>())],
            bound: 0,
            max_pages,
            held_bytes: 0,
            infos: Vec::new(),
            areas: [area(states)?, area(live)?, area(values)?],
        })
    }

    /// Commits at least `needed` bytes of an area, and rather `ahead`.
    fn commit(
        &mut self,
        number: usize,
        needed: usize,
        ahead: usize,
        align: usize,
    ) -> Result<(), TryAllocError> {
        let area = &self.areas[number];
        let committed = area.committed_bytes();
        if needed <= committed {
            return Ok(());
        }
        let overflow = TryAllocError::overflow::<u8>(ahead);
        let new = Layout::from_size_align(ahead, align).map_err(|_| overflow)?;
        let refused = TryAllocError::new(ErrorKind::Backing, new, 0);
        let block = if committed == 0 {
            area.allocate(new)
        } else {
            let old = Layout::from_size_align(committed, align).map_err(|_| overflow)?;
            // SAFETY: R1: the start of the area's one block, which is its committed part; the new
            // size is not smaller (`ahead >= needed`), the alignment the same.
            unsafe { area.grow_in_place(self.starts[number], old, new, End::High) }
        };
        self.starts[number] = block.map_err(|_| refused)?.cast();
        self.held_bytes += area.committed_bytes() - committed;
        Ok(())
    }

    /// The three parts of a page: their starts and lengths in bytes.
    fn parts<T>(&self, page: usize) -> [(NonNull<u8>, usize); 3] {
        debug_assert!(page < self.infos.len(), "page {page} of {}", self.infos.len());
        let bytes = page_bytes::<T>();
        core::array::from_fn(|area| {
            // SAFETY: R2: within the block of the area.
            (unsafe { self.starts[area].byte_add(page * bytes[area]) }, bytes[area])
        })
    }
}

// SAFETY: 1. and 3. the parts of the first `bound` slots are committed (R2), in arrays; a released page
// keeps its addresses; 2. its states are as they were left, without a value, or 0; 4. R3, tested by
// `append`; 5. `bound` changes after everything was had, and growing an area leaves what it had in
// place; 6. values are not touched.
unsafe impl Slots for ReservedPages {
    const ONE_WORD: bool = true;
    const IN_A_ROW: bool = true;

    #[inline(always)]
    fn holds<T>(&self, index: u32) -> bool {
        index < self.bound
    }

    #[inline(always)]
    unsafe fn place<T>(&self, index: u32) -> Place<T> {
        debug_assert!(index < self.bound, "R2: slot {index} of {}", self.bound);
        let index = index as usize;
        Place {
            state: self.starts[STATES].cast::<u64>().as_ptr().wrapping_add(index),
            live: self.starts[LIVE].as_ptr().wrapping_add(index),
            value: self.starts[VALUES].cast::<T>().as_ptr().wrapping_add(index),
        }
    }

    fn pages(&self) -> usize {
        self.infos.len()
    }

    #[inline]
    fn is_held(&self, page: usize) -> bool {
        self.infos[page].page.usable != 0
    }

    fn info(&self, page: usize) -> PageInfo {
        self.infos[page].page
    }

    fn set_info(&mut self, page: usize, info: PageInfo) {
        self.infos[page].page = info;
    }

    fn append<T>(&mut self) -> Result<(), TryAllocError> {
        let pages = self.infos.len() + 1;
        if pages > self.max_pages {
            return Err(TryAllocError::limit_reached::<T>(self.max_pages << Shape::<T>::SHIFT));
        }
        let info = Layout::new::<Info>();
        let refused = TryAllocError::new(ErrorKind::Backing, info, 0);
        self.infos.try_reserve(1).map_err(|_| refused)?;
        // An eighth more than needed, so that the system is asked rarely.
        let ahead = (pages + pages / 8).min(self.max_pages);
        let bytes = page_bytes::<T>();
        let aligns = [align_of::<u64>(), 1, align_of::<T>()];
        for (area, align) in aligns.into_iter().enumerate() {
            self.commit(area, bytes[area] * pages, bytes[area] * ahead, align)?;
        }
        // Fresh memory of the system is zeroed.
        let page = PageInfo { floor: 0, usable: 0 };
        self.infos.push(Info { page, purged_bytes: 0 });
        self.bound += 1 << Shape::<T>::SHIFT;
        Ok(())
    }

    fn restore<T>(&mut self, page: usize) -> Result<(), TryAllocError> {
        debug_assert_eq!(self.info(page).usable, 0, "page {page} was not released");
        let [(states, states_bytes), (live, live_bytes), _] = self.parts::<T>(page);
        // SAFETY: R2: the page's own part of the block, of which nothing is in use.
        unsafe { states.write_bytes(0, states_bytes) };
        // SAFETY: as above.
        unsafe { live.write_bytes(0, live_bytes) };
        self.held_bytes += core::mem::take(&mut self.infos[page].purged_bytes);
        Ok(())
    }

    unsafe fn release<T>(&mut self, page: usize) -> usize {
        let mut purged = 0;
        for (area, (part, bytes)) in self.parts::<T>(page).into_iter().enumerate() {
            // SAFETY: R2: within the block; by clause 1 nobody needs what is there.
            purged += unsafe { self.areas[area].purge(part, bytes) };
        }
        self.infos[page].purged_bytes = purged;
        self.held_bytes -= purged;
        purged
    }

    fn reserved_bytes(&self) -> usize {
        self.held_bytes
    }
}

impl fmt::Debug for ReservedPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReservedPages")
            .field("pages", &self.infos.len())
            .field("max_pages", &self.max_pages)
            .field("reserved_bytes", &self.held_bytes)
            .finish_non_exhaustive()
    }
}
