//! Contiguous address space, committed as it grows: a block that never moves.
//!
//! ```text
//!   End::High   base [ committed, readable and writable | reserved, no access ] base + reserved
//!   End::Low    base [ reserved, no access | committed, readable and writable ] base + reserved
//! ```
//!
//! Reserving costs address space and no memory. Committed pages are ordinary anonymous memory,
//! zeroed by the system when first touched.
//!
//! # Invariants
//!
//! * **I1** `base .. base + reserved_bytes` is one private anonymous mapping of ours.
//! * **I2** `committed_bytes` is a multiple of the page size, at most `reserved_bytes`; exactly
//!   that many bytes at the fixed end are readable and writable.
//! * **I3** at most one block of non-zero size is alive, and it is exactly the committed part.
//!
//! # Cost
//!
//! One `mmap` to reserve, one `mprotect` to grow or shrink, plus `madvise` to give memory back.

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use crate::{AllocError, Allocator, End, GrowInPlace, bump};

/// Tells a system that accounts for memory when it is mapped that these are addresses alone. Some
/// have no such flag: then nothing is said.
#[cfg(not(any(
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "hurd",
    target_os = "redox",
    target_os = "aix"
)))]
const NO_RESERVE: libc::c_int = libc::MAP_NORESERVE;
#[cfg(any(
    target_os = "freebsd",
    target_os = "dragonfly",
    target_os = "hurd",
    target_os = "redox",
    target_os = "aix"
))]
const NO_RESERVE: libc::c_int = 0;

/// A backing that reserves address space once and commits it as its one block grows.
///
/// Growth never moves the block and never copies, up to the reserved size.
///
/// # Examples
///
/// ```
/// use alloc_core::{Allocator, End, GrowInPlace, Layout, Reserved};
///
/// let backing = Reserved::new(1 << 30, End::High)?; // 1 GiB of addresses, no memory yet
/// let (old, new) = (Layout::from_size_align(4096, 16)?, Layout::from_size_align(1 << 20, 16)?);
/// let block = backing.allocate(old).expect("one page");
/// // SAFETY: `block` was just allocated with `old`; `new` is larger and aligned alike.
/// let grown = unsafe { backing.grow_in_place(block.cast(), old, new, End::High) }.expect("1 MiB");
/// assert_eq!(grown.cast::<u8>(), block.cast::<u8>());
/// assert!(grown.len() >= 1 << 20);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Reserved {
    base: NonNull<u8>,
    reserved_bytes: usize,
    committed_bytes: Cell<usize>,
    page_bytes: usize,
    end: End,
}

// SAFETY: the mapping belongs to this value alone and is not tied to a thread; the cell makes the
// type `!Sync`, so only one thread at a time changes it.
unsafe impl Send for Reserved {}

/// A system call that failed while address space was reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReserveError {
    call: &'static str,
    errno: i32,
    bytes: usize,
}

impl ReserveError {
    /// Returns the system's error number; convert with `std::io::Error::from_raw_os_error`.
    #[must_use]
    pub const fn errno(&self) -> i32 {
        self.errno
    }
}

impl fmt::Display for ReserveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes failed with error number {}", self.call, self.bytes, self.errno)
    }
}

impl core::error::Error for ReserveError {}

impl Reserved {
    /// Reserves at least `max_bytes` of address space for a block that grows at `end`.
    ///
    /// `max_bytes` is rounded up to whole pages.
    ///
    /// # Errors
    ///
    /// When `max_bytes` is 0 or, rounded up, exceeds `isize::MAX` (`EINVAL`), or the system
    /// refuses the mapping.
    pub fn new(max_bytes: usize, end: End) -> Result<Self, ReserveError> {
        let page_bytes = page_bytes();
        let refuse = |errno| ReserveError { call: "mmap", errno, bytes: max_bytes };
        let reserved_bytes = bump::round_up(max_bytes, page_bytes)
            .filter(|&bytes| bytes != 0 && bytes <= isize::MAX.unsigned_abs())
            .ok_or(refuse(libc::EINVAL))?;
        // SAFETY: a new private anonymous mapping at an address of the system's choice touches
        // no memory that exists.
        let base = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                reserved_bytes,
                libc::PROT_NONE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | NO_RESERVE,
                -1,
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(refuse(errno()));
        }
        let Some(base) = NonNull::new(base.cast::<u8>()) else {
            return Err(refuse(libc::EFAULT)); // page zero mapped: no allocator can use it
        };
        Ok(Self { base, reserved_bytes, committed_bytes: Cell::new(0), page_bytes, end })
    }

    /// Returns the bytes of address space reserved.
    #[must_use]
    pub const fn reserved_bytes(&self) -> usize {
        self.reserved_bytes
    }

    /// Returns the bytes that are committed: readable, writable, and counted by the system once
    /// touched.
    #[must_use]
    pub const fn committed_bytes(&self) -> usize {
        self.committed_bytes.get()
    }

    /// Returns the size of the system's pages, which is what a block is aligned to: requests for more
    /// are refused.
    #[must_use]
    pub const fn page_bytes(&self) -> usize {
        self.page_bytes
    }

    /// Gives the memory of a part of the block back to the system, and keeps the addresses: whole
    /// pages only, those that lie within the part. Returns how many bytes that were.
    ///
    /// The part stays readable and writable; its bytes are then 0, or what they were.
    ///
    /// # Safety
    ///
    /// 1. The `len_bytes` bytes from `part` on lie within the live block;
    /// 2. nobody needs what is there.
    pub unsafe fn purge(&self, part: NonNull<u8>, len_bytes: usize) -> usize {
        let first = part.addr().get();
        let (Some(low), high) = (
            bump::round_up(first, self.page_bytes),
            bump::round_down(first + len_bytes, self.page_bytes),
        ) else {
            return 0;
        };
        if low >= high {
            return 0;
        }
        debug_assert!(
            {
                let block = self.block();
                let start = block.cast::<u8>().addr().get();
                start <= low && high <= start + block.len()
            },
            "purge: {part:p} + {len_bytes} lies outside the block {:p}",
            self.block()
        );
        // SAFETY: `low - first` is less than `len_bytes`: inside the part (clause 1).
        let inner = unsafe { part.byte_add(low - first) };
        // SAFETY: whole pages within our private mapping (I1) whose contents nobody needs (clause 2).
        let done = unsafe { libc::madvise(inner.as_ptr().cast(), high - low, libc::MADV_DONTNEED) };
        if done == 0 { high - low } else { 0 } // refused for locked memory
    }

    /// The committed part, which is the block (I2, I3).
    fn block(&self) -> NonNull<[u8]> {
        let committed = self.committed_bytes.get();
        let offset = match self.end {
            End::High => 0,
            End::Low => self.reserved_bytes - committed,
        };
        // SAFETY: by I2 `offset <= reserved_bytes`, so the result is inside the mapping (I1) or
        // one past its end.
        let start = unsafe { self.base.byte_add(offset) };
        NonNull::slice_from_raw_parts(start, committed)
    }

    /// Changes the committed size, and with it the block.
    fn commit(&self, bytes: usize) -> Result<NonNull<[u8]>, AllocError> {
        let target = bump::round_up(bytes, self.page_bytes).ok_or(AllocError)?;
        if target > self.reserved_bytes {
            return Err(AllocError);
        }
        let committed = self.committed_bytes.get();
        let (low, high) = (committed.min(target), committed.max(target));
        let offset = match self.end {
            End::High => low,
            End::Low if cfg!(bug = "reserved-grows-wrong-end") => low,
            End::Low => self.reserved_bytes - high,
        };
        // SAFETY: `offset + (high - low) <= reserved_bytes`, inside the mapping (I1).
        let changed = unsafe { self.base.byte_add(offset) };
        let done = if target > committed {
            self.protect(changed, high - low, libc::PROT_READ | libc::PROT_WRITE)
        } else {
            self.discard(changed, high - low)
        };
        if !done {
            return Err(AllocError);
        }
        self.committed_bytes.set(target);
        Ok(self.block())
    }

    /// Gives the pages of a part of the mapping back to the system and makes it inaccessible.
    fn discard(&self, start: NonNull<u8>, len_bytes: usize) -> bool {
        // Protection first: it can fail (a limit on mappings), and then every byte is as it was.
        if !self.protect(start, len_bytes, libc::PROT_NONE) {
            return false;
        }
        if !cfg!(bug = "reserved-keeps-pages") {
            // Refused for locked memory: then the pages stay with us, out of everybody's reach.
            // SAFETY: the range lies in our private mapping (I1) and, being outside the block that
            // remains (I3), holds nothing that anybody may still read.
            unsafe { libc::madvise(start.as_ptr().cast(), len_bytes, libc::MADV_DONTNEED) };
        }
        true
    }

    fn protect(&self, start: NonNull<u8>, len_bytes: usize, protection: libc::c_int) -> bool {
        debug_assert!(
            start.addr() >= self.base.addr()
                && start.addr().get() + len_bytes <= self.base.addr().get() + self.reserved_bytes,
            "{start:p} + {len_bytes} lies outside the {} bytes reserved at {:p}",
            self.reserved_bytes,
            self.base
        );
        // SAFETY: the range lies in our mapping (I1), asserted above; callers make inaccessible
        // only what is outside the live block.
        unsafe { libc::mprotect(start.as_ptr().cast(), len_bytes, protection) == 0 }
    }
}

// SAFETY: a block is the committed part of a private mapping that lives as long as `self` and
// does not move with it; I3 keeps two live blocks apart; `Reserved` is not `Clone`.
unsafe impl Allocator for Reserved {
    /// Commits the first block; fails while one is alive.
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        if layout.size() == 0 {
            let dangling = core::num::NonZero::new(layout.align()).ok_or(AllocError)?;
            return Ok(NonNull::slice_from_raw_parts(NonNull::without_provenance(dangling), 0));
        }
        if self.committed_bytes.get() != 0 || layout.align() > self.page_bytes {
            return Err(AllocError);
        }
        self.commit(layout.size())
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        if layout.size() == 0 {
            return;
        }
        debug_assert_eq!(ptr, self.block().cast(), "deallocate: not the block of this backing");
        if self.commit(0).is_err() {
            // The pages stay committed, but the block is gone: say so to the next `allocate`.
            self.committed_bytes.set(0);
        }
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if old.size() == 0 {
            return self.allocate(new);
        }
        if self.end == End::Low || new.align() > self.page_bytes {
            return Err(AllocError); // growing below would move the block's first byte
        }
        debug_assert_eq!(ptr, self.block().cast(), "grow: not the block of this backing");
        self.commit(new.size().max(self.committed_bytes.get()))
    }

    /// As [`grow`](Self::grow): the default would ask for a second block.
    unsafe fn grow_zeroed(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { self.grow(ptr, old, new) }?;
        // All of it: what lies behind `old` was committed before, or came back from the system as
        // it was, where that keeps pages it was told are not needed.
        let fresh = block.cast::<u8>().as_ptr().wrapping_add(old.size());
        // SAFETY: `old.size() <= block.len()`: the bytes of the block behind the old ones.
        unsafe { fresh.write_bytes(0, block.len() - old.size()) };
        Ok(block)
    }

    unsafe fn shrink(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        debug_assert!(new.size() <= old.size(), "shrink to {} from {}", new.size(), old.size());
        if new.size() == 0 {
            // The empty block is given back without a call that would end the old one.
            let empty = self.allocate(new)?;
            // SAFETY: the caller's promise, passed on: `ptr` is our block, and given up.
            unsafe { self.deallocate(ptr, old) };
            return Ok(empty);
        }
        if new.align() > self.page_bytes {
            return Err(AllocError);
        }
        Ok(NonNull::slice_from_raw_parts(ptr, new.size()))
    }
}

// SAFETY: 1. `commit` keeps the end that does not move (`End::High`: offset 0; `End::Low`: the
// block always ends at `base + reserved_bytes`), and rounds sizes up; 2. `mprotect` changes no
// contents, and `discard` touches only bytes outside what is kept; 3. the block is the committed
// part, whatever the layout says; 4. `commit` changes its state last, after every call succeeded;
// 5. nothing but system calls is called.
unsafe impl GrowInPlace for Reserved {
    unsafe fn grow_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if end != self.end || old.size() == 0 {
            return Err(AllocError);
        }
        debug_assert_eq!(ptr, self.block().cast(), "grow_in_place: not the block of this backing");
        self.commit(new.size().max(self.committed_bytes.get()))
    }

    unsafe fn shrink_in_place(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
        end: End,
    ) -> Result<NonNull<[u8]>, AllocError> {
        if end != self.end || old.size() == 0 || new.size() == 0 {
            return Err(AllocError);
        }
        debug_assert_eq!(
            ptr,
            self.block().cast(),
            "shrink_in_place: not the block of this backing"
        );
        self.commit(new.size())
    }
}

impl Drop for Reserved {
    fn drop(&mut self) {
        // SAFETY: I1: the mapping is ours; whoever holds a block also holds this allocator, so no
        // block is alive.
        let unmapped = unsafe { libc::munmap(self.base.as_ptr().cast(), self.reserved_bytes) };
        debug_assert_eq!(unmapped, 0, "munmap failed with error number {}", errno());
    }
}

impl fmt::Debug for Reserved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reserved")
            .field("base", &self.base)
            .field("reserved_bytes", &self.reserved_bytes)
            .field("committed_bytes", &self.committed_bytes.get())
            .field("end", &self.end)
            .finish_non_exhaustive()
    }
}

fn page_bytes() -> usize {
    // SAFETY: `sysconf` only reads a number of the system.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(bytes).ok().filter(|bytes| bytes.is_power_of_two()).unwrap_or(4096)
}

/// The error number of the calling thread's last system call.
fn errno() -> i32 {
    // Each system has its own name for the place. One that is missing here lacks more than that: QNX
    // has no `madvise`.
    #[cfg(any(target_os = "solaris", target_os = "illumos"))]
    use libc::___errno as place;
    #[cfg(any(
        target_os = "android",
        target_os = "netbsd",
        target_os = "openbsd",
        target_os = "cygwin"
    ))]
    use libc::__errno as place;
    #[cfg(any(
        target_os = "linux",
        target_os = "l4re",
        target_os = "emscripten",
        target_os = "fuchsia",
        target_os = "dragonfly",
        target_os = "hurd",
        target_os = "redox"
    ))]
    use libc::__errno_location as place;
    #[cfg(any(target_vendor = "apple", target_os = "freebsd"))]
    use libc::__error as place;
    #[cfg(target_os = "aix")]
    use libc::_Errno as place;
    #[cfg(target_os = "haiku")]
    use libc::_errnop as place;

    // SAFETY: returns the address of the calling thread's error number, always valid.
    let location = unsafe { place() };
    // SAFETY: `location` points to this thread's error number.
    unsafe { *location }
}

#[cfg(test)]
mod tests;
