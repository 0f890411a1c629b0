//! [`Store`]: where the slots of a slab stand. Two kinds: [`Pages`](crate::Pages) and `ReservedPages`.

use alloc_core::TryAllocError;

/// Where the slots of a [`Slab`](crate::Slab) stand: [`Pages`](crate::Pages) of a backing
/// allocator, or, with feature `reserve`, `ReservedPages`: one
/// range of address space.
///
/// Implemented by these two, and by nothing else.
pub trait Store: Slots {}

impl<S: Slots> Store for S {}

/// The three parts of a slot. Those of a slot that does not exist or whose page was released are
/// wild, but for the state of the latter, which reads as vacant.
#[derive(Debug)]
#[expect(unnameable_types, reason = "of the methods that seal `Store`")]
pub struct Place<T> {
    pub(crate) state: *mut u64,
    pub(crate) live: *mut u8,
    pub(crate) value: *mut T,
}

/// What a store remembers of each page, also after it was released.
#[derive(Clone, Copy, Debug)]
#[expect(unnameable_types, reason = "of the methods that seal `Store`")]
pub struct PageInfo {
    /// The even generation at which slots of the page (re)start: that of any slot before, or later.
    pub(crate) floor: u32,
    /// Slots of the page in use: fewer than it has where a limit says so; 0 if it was released.
    pub(crate) usable: u32,
}

/// The private part of [`Store`].
///
/// # Safety
///
/// An implementation upholds:
///
/// 1. for every `index` of which [`holds`](Self::holds) says that it is one, `place` returns a state
///    that may be read; and if the page was not released, parts that are valid for reads and writes,
///    aligned, disjoint from those of every other index, and at the same address every time, also
///    after the store was moved, until the page is released or the store dropped;
/// 2. the states of a page that was released are even in their upper half;
/// 3. the liveness bytes of a page stand in a row, as do its states and its values; where
///    [`IN_A_ROW`](Self::IN_A_ROW) says so, those of all pages do;
/// 4. pages are [`Shape::SLOTS`](crate::shape::Shape::SLOTS) slots, and there are never more than
///    [`Shape::MAX_PAGES`](crate::shape::Shape::MAX_PAGES) of them: appending more is an error;
/// 5. after an error or a panic every page is as it was, but for one that was being released;
/// 6. `T` is always the type that the store was made for; it implies no `Drop` of values.
#[expect(unnameable_types, reason = "seals `Store`")]
pub unsafe trait Slots {
    /// Whether the first free slot and the number of values share a word. That is one store less at
    /// each operation, and an instruction more between one operation and the next: a gain where a
    /// slot is found at once.
    const ONE_WORD: bool;

    /// Whether the pages stand in a row.
    const IN_A_ROW: bool;

    /// Whether `index` belongs to a page, released or not.
    fn holds<T>(&self, index: u32) -> bool;

    /// Returns the parts of a slot.
    ///
    /// # Safety
    ///
    /// 1. `self.holds::<T>(index)`.
    unsafe fn place<T>(&self, index: u32) -> Place<T>;

    /// Returns the number of pages, released ones included.
    fn pages(&self) -> usize;

    /// Returns whether a page below `pages()` was not released.
    fn is_held(&self, page: usize) -> bool;

    /// Returns what is known of a page below `pages()`.
    fn info(&self, page: usize) -> PageInfo;

    /// Remembers something about a page below `pages()`.
    fn set_info(&mut self, page: usize, info: PageInfo);

    /// Adds one page behind the others, all of whose states and liveness bytes are 0 and whose
    /// `usable` is 0, as is its `floor`.
    fn append<T>(&mut self) -> Result<(), TryAllocError>;

    /// Takes memory for a released page again, all of whose states and liveness bytes are 0.
    fn restore<T>(&mut self, page: usize) -> Result<(), TryAllocError>;

    /// Gives the memory of a page back; returns how many bytes that were. If the backing panics, the
    /// page counts as released.
    ///
    /// # Safety
    ///
    /// 1. The page was not released; it holds no value, and nobody uses its slots any more.
    unsafe fn release<T>(&mut self, page: usize) -> usize;

    /// Returns the bytes held from the backing or the system.
    fn reserved_bytes(&self) -> usize;
}
