//! Raw memory and [`Track`] under loom.
//!
//! Each block has a [`Life`]: atomics and cells inside it read it with every access, `dealloc`
//! writes it. A freed block stays mapped until its execution ends, so that a late access is a named
//! panic and not undefined behaviour; hence no address comes back within one execution.
use alloc::rc::Rc;
use core::alloc::Layout;
use core::mem::ManuallyDrop;
use core::panic::Location;

use super::execution;
use super::life::Life;

/// One block of [`alloc`].
pub(crate) struct Block {
    ptr: *mut u8,
    layout: Layout,
    /// Forgotten, not dropped, when the execution it belongs to is over.
    life: ManuallyDrop<Rc<Life>>,
    /// loom's own leak check; taken by `dealloc`.
    leak: ManuallyDrop<Option<loom::alloc::Track<()>>>,
    allocated: &'static Location<'static>,
    freed: Option<&'static Location<'static>>,
}

impl Drop for Block {
    fn drop(&mut self) {
        if self.freed.is_some() {
            // SAFETY: `ptr` came from `std`'s allocator with this layout, and `freed` says that the
            // code under test gave it back; this is the only place that frees it.
            unsafe { std::alloc::dealloc(self.ptr, self.layout) }
        }
    }
}

/// Records an access to the block around `address`, if it is one of ours.
///
/// Panics if the block is freed.
pub(crate) fn touch(address: usize, at: &'static Location<'static>) {
    let found = execution::with(|execution| {
        let (start, block) = execution.blocks.range(..=address).next_back()?;
        (address - start < block.layout.size())
            .then(|| (Rc::clone(&block.life), block.allocated, block.freed))
    });
    let Some((life, allocated, freed)) = found else { return };
    if let Some(freed) = freed {
        if std::thread::panicking() {
            return;
        }
        panic!(
            "use after free: {address:#x}, reached at {at}, lies in a block allocated at {allocated} and freed at {freed}"
        );
    }
    life.with(|| ());
}

/// Declares a read of the block that `ptr` points into, for code that reaches it with bare
/// pointers.
///
/// # Panics
///
/// Panics when the block is freed.
#[track_caller]
pub fn access<T: ?Sized>(ptr: *const T) {
    touch(ptr.addr(), Location::caller());
}

#[track_caller]
fn register(ptr: *mut u8, layout: Layout) -> *mut u8 {
    if !ptr.is_null() {
        let block = Block {
            ptr,
            layout,
            life: ManuallyDrop::new(Rc::new(Life::new())),
            leak: ManuallyDrop::new(Some(loom::alloc::Track::new(()))),
            allocated: Location::caller(),
            freed: None,
        };
        execution::with(|execution| execution.blocks.insert(ptr.addr(), block));
    }
    ptr
}

/// Allocates a block; see [`std::alloc::alloc`].
///
/// # Safety
///
/// As [`std::alloc::alloc`].
#[track_caller]
pub unsafe fn alloc(layout: Layout) -> *mut u8 {
    // SAFETY: the caller promises a layout of non-zero size.
    register(unsafe { std::alloc::alloc(layout) }, layout)
}

/// Allocates a block of zeros; see [`std::alloc::alloc_zeroed`].
///
/// # Safety
///
/// As [`std::alloc::alloc_zeroed`].
#[track_caller]
pub unsafe fn alloc_zeroed(layout: Layout) -> *mut u8 {
    // SAFETY: the caller promises a layout of non-zero size.
    register(unsafe { std::alloc::alloc_zeroed(layout) }, layout)
}

/// Frees a block of [`alloc`], which every access to it must happen before.
///
/// # Safety
///
/// As [`std::alloc::dealloc`].
///
/// # Panics
///
/// Panics on a block that is not from here, already freed, or of another layout, and when an
/// access to it does not happen before.
#[track_caller]
pub unsafe fn dealloc(ptr: *mut u8, layout: Layout) {
    let at = Location::caller();
    if std::thread::panicking() {
        return;
    }
    let (life, known, freed) = execution::with(|execution| {
        let block = execution
            .blocks
            .get(&ptr.addr())
            .unwrap_or_else(|| panic!("dealloc of {ptr:p} at {at}: no block starts there"));
        (Rc::clone(&block.life), block.layout, block.freed)
    });
    assert!(freed.is_none(), "double free of {ptr:p}: at {}, again at {at}", freed.unwrap_or(at));
    assert_eq!(known, layout, "dealloc of {ptr:p} at {at} with another layout than allocated");
    #[cfg(not(bug = "facade_free_is_no_write"))]
    life.with_mut(|| ());
    drop(life);
    let leak = execution::with(|execution| {
        let block = execution.blocks.get_mut(&ptr.addr())?;
        block.freed = Some(at);
        block.leak.take()
    });
    drop(leak);
}

/// Moves a block to one of `new_size` bytes; see [`std::alloc::realloc`]. Always moves here.
///
/// # Safety
///
/// As [`std::alloc::realloc`].
#[track_caller]
pub unsafe fn realloc(ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
    // SAFETY: the caller promises that `new_size`, rounded up to the alignment, fits in `isize`.
    let new_layout = unsafe { Layout::from_size_align_unchecked(new_size, layout.align()) };
    // SAFETY: the caller promises that `new_size` is not 0.
    let new = unsafe { alloc(new_layout) };
    if !new.is_null() {
        // SAFETY: both blocks are at least this long, and a new block overlaps no old one.
        unsafe { ptr.copy_to_nonoverlapping(new, layout.size().min(new_size)) };
        // SAFETY: the caller gives up `ptr`, which has this layout.
        unsafe { dealloc(ptr, layout) };
    }
    new
}

/// A value whose leak, and whose drop while others still use it, loom reports.
#[derive(Default)]
pub struct Track<T> {
    value: T,
    life: Life,
    leak: Leak,
}

struct Leak(#[expect(dead_code, reason = "its drop is what counts")] loom::alloc::Track<()>);

impl Default for Leak {
    #[track_caller]
    fn default() -> Self {
        Self(loom::alloc::Track::new(()))
    }
}

impl Default for Life {
    #[track_caller]
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Track<T> {
    /// Tracks a value.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self { value, life: Life::new(), leak: Leak::default() }
    }

    /// Returns a shared reference to the value; dropping it must happen after.
    #[track_caller]
    pub fn get_ref(&self) -> &T {
        self.life.access((&raw const *self).addr());
        &self.value
    }

    /// Returns an exclusive reference to the value.
    #[track_caller]
    pub fn get_mut(&mut self) -> &mut T {
        self.life.with_mut(|| ());
        &mut self.value
    }

    /// Returns the value and stops tracking it.
    #[track_caller]
    pub fn into_inner(self) -> T {
        let Self { value, life, leak } = self;
        drop((life, leak));
        value
    }
}

impl<T: core::fmt::Debug> core::fmt::Debug for Track<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Track").field(&self.value).finish()
    }
}
