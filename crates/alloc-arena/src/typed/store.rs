//! [`Store`]: a typed arena's memory, and what happens when it is dropped. Knows no type.
//!
//! ```text
//!   full   [ values .......... | rest ]   [ values ............... | rest ]     older first
//!   base   [ values ......... | free ................................... ]      the current chunk
//!                              ^ cursor                                  ^ limit
//! ```
//!
//! # Why no type
//!
//! On stable Rust a type `X<T>` that implements `Drop` promises the compiler nothing about what its
//! drop does with `T`, so every lifetime in `T` must outlive the value: values that refer to each
//! other inside one arena would be refused. (The standard library says `#[may_dangle]`, which is
//! unstable.) So nothing with a `T` implements `Drop` here: the store does, drops the values through
//! a function pointer, and the arena beside it has a `PhantomData` that owns a `T`. The compiler
//! descends through that to what dropping a `T` itself needs, exactly as for `Vec<T>`.
//!
//! # Invariants
//!
//! * **T1** every chunk is one live block of the backing, of the layout `Kind::array`; the current
//!   one has `bytes == 0` if there is none.
//! * **T2** `base <= cursor <= limit`, each a whole number of values after `base`; `limit` is the end
//!   of the chunk, or `cursor` while an [`Extension`](super::extend::Extension) has the rest.
//!   For values without size these are counts from a dangling base, in steps of 1.
//! * **T3** `base..cursor` and the first `len` of each full chunk hold values, and no other place does;
//!   `cursor..limit` is nobody's.
//! * **T4** the first `indexed` values, and they stand at `first`, in one piece, lent to nobody
//!   mutably through `&self`: they were there when somebody last held `&mut self`.
//! * **T5** `index_limit` is above `cursor` only if all values stand in the current chunk, and the
//!   next one has an index.

use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::num::NonZero;
use core::ptr::{NonNull, slice_from_raw_parts_mut};

use alloc_core::place::dangling;
use alloc_core::{AllocStats, Allocator, ErrorKind, Layout, TryAllocError};

use super::index::MAX_INDICES;

/// Bytes of a first chunk that nobody asked for: small enough for the system allocator's own
/// cache, so that an arena of a few values costs no page fault.
const FIRST_BYTES: usize = 1024;

const MAX_BYTES: usize = isize::MAX.unsigned_abs();

/// What a store knows of the type of its values.
#[derive(Clone, Copy)]
pub(super) struct Kind {
    size: usize,
    /// What the cursor moves by for each value.
    step: usize,
    align: usize,
    /// Drops so many values from here on; `None` if they need no drop.
    drop: Option<unsafe fn(NonNull<u8>, usize)>,
    /// The error of so many values, which no layout can express.
    overflow: fn(usize) -> TryAllocError,
}

impl Kind {
    const fn of<T>() -> Self {
        let drop: Option<unsafe fn(NonNull<u8>, usize)> =
            if core::mem::needs_drop::<T>() { Some(drop_values::<T>) } else { None };
        Self {
            size: size_of::<T>(),
            step: step::<T>(),
            align: align_of::<T>(),
            drop,
            overflow: TryAllocError::overflow::<T>,
        }
    }

    /// The most values that one block can hold.
    const fn max_count(&self) -> usize {
        // A size is a multiple of its alignment, so rounding for it costs less than one value.
        match (MAX_BYTES - (self.align - 1)).checked_div(self.size) {
            Some(count) => count,
            None => MAX_BYTES,
        }
    }

    fn array(&self, count: usize) -> Result<Layout, TryAllocError> {
        let bytes = count.checked_mul(self.size).ok_or_else(|| (self.overflow)(count))?;
        Layout::from_size_align(bytes, self.align).map_err(|_| (self.overflow)(count))
    }
}

/// What the cursor moves by for a value of `T`: its size, or 1 where that would not move it.
pub(super) const fn step<T>() -> usize {
    if size_of::<T>() == 0 { 1 } else { size_of::<T>() }
}

/// Drops `len` values of `T`.
///
/// # Safety
///
/// From `first` on stand `len` values of `T` that nobody uses any more.
unsafe fn drop_values<T>(first: NonNull<u8>, len: usize) {
    let values = slice_from_raw_parts_mut(first.cast::<T>().as_ptr(), len);
    // SAFETY: the caller's promise. A panic in one drop does not keep the others from theirs.
    unsafe { values.drop_in_place() }
}

/// A chunk that is not the current one.
pub(super) struct Chunk {
    pub(super) base: NonNull<u8>,
    bytes: usize,
    pub(super) len: usize,
    /// Values that a drain took over from `len`.
    pub(super) drained: usize,
}

// The cursor and its limit first: the fast path touches one line.
#[repr(C)]
pub(super) struct Store<A: Allocator> {
    pub(super) cursor: Cell<NonNull<u8>>,
    pub(super) limit: Cell<NonNull<u8>>,
    /// An address (T5).
    pub(super) index_limit: Cell<usize>,
    pub(super) base: Cell<NonNull<u8>>,
    /// Base of the oldest chunk.
    pub(super) first: Cell<NonNull<u8>>,
    pub(super) indexed: Cell<usize>,
    /// The slice under construction that has the rest of the current chunk: a `Building` of this
    /// store's type, alive in the call that collects it (X3 of `src/typed/extend.rs`).
    pub(super) building: Cell<Option<NonNull<()>>>,
    bytes: Cell<usize>,
    full: RefCell<Vec<Chunk>>,
    kind: Kind,
    reserved_bytes: Cell<usize>,
    slow_calls: Cell<u64>,
    clears: u64,
    /// Values that were cleared.
    cleared: u64,
    peak_len: usize,
    pub(super) backing: A,
}

impl<A: Allocator> Store<A> {
    pub(super) const fn new<T>(backing: A) -> Self {
        let kind = Kind::of::<T>();
        let base = dangling(kind.align);
        // Values without size need no chunk: there is room from the start.
        let (limit, index_limit) = if kind.size == 0 {
            (address(kind.align + kind.max_count()), kind.align + MAX_INDICES)
        } else {
            (base, 0)
        };
        Self {
            cursor: Cell::new(base),
            limit: Cell::new(limit),
            index_limit: Cell::new(index_limit),
            base: Cell::new(base),
            first: Cell::new(base),
            indexed: Cell::new(0),
            building: Cell::new(None),
            bytes: Cell::new(0),
            full: RefCell::new(Vec::new()),
            kind,
            reserved_bytes: Cell::new(0),
            slow_calls: Cell::new(0),
            clears: 0,
            cleared: 0,
            peak_len: 0,
            backing,
        }
    }

    /// Values in the current chunk.
    pub(super) fn current_len(&self) -> usize {
        (self.cursor.get().addr().get() - self.base.get().addr().get()) / self.kind.step
    }

    /// Values that the current chunk has room for, those it holds included.
    fn current_capacity(&self) -> usize {
        self.bytes.get() / self.kind.step
    }

    pub(super) fn len(&self) -> usize {
        self.full.borrow().iter().map(|chunk| chunk.len).sum::<usize>() + self.current_len()
    }

    pub(super) fn full_mut(&mut self) -> &mut [Chunk] {
        self.full.get_mut()
    }

    /// Makes a chunk with room for at least `additional` values the current one.
    #[cold]
    #[inline(never)]
    pub(super) fn open(&self, additional: usize) -> Result<(), TryAllocError> {
        self.open_for(0, additional, 0)
    }

    /// [`Self::open`], for `wanted` values if they can be had, or in `steps` fewer.
    pub(super) fn open_for(
        &self,
        wanted: usize,
        additional: usize,
        steps: usize,
    ) -> Result<(), TryAllocError> {
        self.slow_calls.set(self.slow_calls.get() + 1);
        if self.kind.size == 0 || additional > self.kind.max_count() {
            return Err((self.kind.overflow)(additional));
        }
        let least = additional.max(1);
        let usual = if self.bytes.get() == 0 { self.first_capacity() } else { self.doubled() };
        let wanted = usual.max(wanted);
        let least = if cfg!(bug = "typed-slice-doubles-or-fails") { wanted } else { least };
        let allocate = |layout| self.backing.allocate(layout).ok();
        let (memory, layout) = self.ask(wanted, least, steps, allocate)?;
        // The backing may have allocated from here: what follows reads the store as it is now.
        let old = self.current();
        let is_first = old.bytes == 0;
        if !is_first {
            let mut full = self.full.borrow_mut();
            if full.try_reserve(1).is_err() {
                drop(full);
                // SAFETY: just allocated from this backing with this layout.
                unsafe { self.backing.deallocate(memory, layout) };
                return Err(TryAllocError::new(ErrorKind::Backing, Layout::new::<Chunk>(), 0));
            }
            full.push(old);
        }
        self.reserved_bytes.set(self.reserved_bytes.get() + layout.size());
        self.enter(memory, layout, 0);
        if is_first {
            self.first.set(memory);
        } else {
            self.index_limit.set(0);
        }
        Ok(())
    }

    /// Asks for `wanted` values, and where that is refused for `least`; in between, `steps` times,
    /// for half as many beyond `least`.
    fn ask(
        &self,
        wanted: usize,
        least: usize,
        steps: usize,
        allocate: impl Fn(Layout) -> Option<NonNull<[u8]>>,
    ) -> Result<(NonNull<u8>, Layout), TryAllocError> {
        let wanted = wanted.max(least).min(self.kind.max_count());
        let refused = TryAllocError::new(ErrorKind::Backing, self.kind.array(least)?, 0);
        let mut beyond = wanted - least;
        for step in 0.. {
            let layout = self.kind.array(least + beyond)?;
            if let Some(memory) = allocate(layout) {
                return Ok((memory.cast(), layout));
            }
            if beyond == 0 {
                break;
            }
            beyond = if step < steps { beyond / 2 } else { 0 };
        }
        Err(refused)
    }

    fn first_capacity(&self) -> usize {
        FIRST_BYTES / self.kind.step
    }

    /// Twice what the current chunk holds.
    fn doubled(&self) -> usize {
        self.current_capacity().saturating_mul(2)
    }

    /// Goes on in `memory`, of which the first `len` places hold values.
    fn enter(&self, memory: NonNull<u8>, layout: Layout, len: usize) {
        let indices = (MAX_INDICES.saturating_mul(self.kind.step)).min(layout.size());
        self.base.set(memory);
        self.bytes.set(layout.size());
        self.cursor.set(after(memory, len * self.kind.step));
        self.limit.set(after(memory, layout.size()));
        self.index_limit.set(memory.addr().get() + indices);
    }

    /// Makes sure that all values stand in one piece and `additional` more have room behind them.
    ///
    /// Moves them if need be: `&mut self` says that nobody borrows one.
    pub(super) fn consolidate(&mut self, additional: usize) -> Result<(), TryAllocError> {
        let (len, max) = (self.len(), self.kind.max_count());
        let least = len.saturating_add(additional);
        if least > max {
            return Err((self.kind.overflow)(least));
        }
        let is_one = self.full.get_mut().is_empty();
        if self.kind.size == 0 || (is_one && self.current_capacity() >= least) {
            return Ok(());
        }
        self.slow_calls.set(self.slow_calls.get() + 1);
        let held = self.reserved_bytes.get() / self.kind.step;
        let growth = if additional == 0 { held } else { len.saturating_mul(2) };
        let wanted = growth.max(self.first_capacity()).max(least);
        let old = self.current_layout();
        if !is_one || old.size() == 0 {
            let (memory, layout) =
                self.ask(wanted, least, 0, |new| self.backing.allocate(new).ok())?;
            self.gather(memory, layout);
            return Ok(());
        }
        let base = self.base.get();
        // SAFETY: T1: a block of this backing with this layout; `ask` asks for at least `least`
        // values, which is more than there is room for, with the same alignment.
        let grow = |new| unsafe { self.backing.grow(base, old, new) }.ok();
        let (memory, layout) = self.ask(wanted, least, 0, grow)?;
        self.reserved_bytes.set(layout.size());
        self.first.set(memory);
        self.enter(memory, layout, len);
        Ok(())
    }

    /// Moves every value to `memory`, a fresh block of `layout`, in order, and frees the chunks.
    fn gather(&mut self, memory: NonNull<u8>, layout: Layout) {
        let (current, len) = (self.current(), self.len());
        let chunks = core::mem::take(self.full.get_mut());
        let mut to = memory;
        for chunk in chunks.iter().chain([&current]) {
            let bytes = chunk.len * self.kind.size;
            // SAFETY: T3: the chunk's values; the new block has room for all of them, and is fresh.
            unsafe { to.copy_from_nonoverlapping(chunk.base, bytes) };
            to = after(to, bytes);
        }
        self.reserved_bytes.set(self.reserved_bytes.get() + layout.size());
        self.first.set(memory);
        self.enter(memory, layout, len);
        // Last: a backing that panics finds a store that has forgotten them.
        self.free_all(chunks.iter().chain([&current]));
    }

    /// The current chunk.
    fn current(&self) -> Chunk {
        let (base, bytes) = (self.base.get(), self.bytes.get());
        Chunk { base, bytes, len: self.current_len(), drained: 0 }
    }

    fn current_layout(&self) -> Layout {
        self.layout(self.bytes.get())
    }

    fn layout(&self, bytes: usize) -> Layout {
        // SAFETY: T1: size and alignment of a layout that `Kind::array` made.
        unsafe { Layout::from_size_align_unchecked(bytes, self.kind.align) }
    }

    /// Frees chunks that the store has forgotten: all of them, also if the backing panics.
    fn free_all<'c, I: Iterator<Item = &'c Chunk>>(&self, chunks: I) {
        struct Rest<'s, 'c, A: Allocator, I: Iterator<Item = &'c Chunk>>(&'s Store<A>, I);
        impl<'c, A: Allocator, I: Iterator<Item = &'c Chunk>> Drop for Rest<'_, 'c, A, I> {
            fn drop(&mut self) {
                for chunk in self.1.by_ref() {
                    self.0.free(chunk);
                }
            }
        }
        let mut rest = Rest(self, chunks);
        for chunk in rest.1.by_ref() {
            self.free(chunk);
        }
    }

    fn free(&self, chunk: &Chunk) {
        if chunk.bytes != 0 {
            self.reserved_bytes.set(self.reserved_bytes.get() - chunk.bytes);
            // SAFETY: T1: the chunk is a block of this backing with this layout; its values were
            // moved or dropped, and whoever calls this forgets it.
            unsafe { self.backing.deallocate(chunk.base, self.layout(chunk.bytes)) };
        }
    }

    /// Notes the values that are about to go, for the statistics.
    pub(super) fn count_clear(&mut self) {
        let len = self.len();
        self.clears += 1;
        self.cleared += len as u64;
        self.peak_len = self.peak_len.max(len);
    }

    /// Forgets the values of the current chunk, and returns how many there were.
    pub(super) fn take_current(&mut self) -> usize {
        let len = self.current_len();
        self.cursor.set(self.base.get());
        self.indexed.set(0);
        len
    }

    /// Drops every value, oldest first. When a drop panics, the others are dropped all the same.
    pub(super) fn drop_values(&mut self) {
        struct GoOn<'a, A: Allocator>(&'a mut Store<A>);
        impl<A: Allocator> Drop for GoOn<'_, A> {
            fn drop(&mut self) {
                self.0.drop_each(); // nothing is left unless a drop panicked
            }
        }
        GoOn(self).0.drop_each();
    }

    fn drop_each(&mut self) {
        let drop = self.kind.drop;
        for chunk in self.full.get_mut() {
            let len = core::mem::take(&mut chunk.len);
            if let Some(drop) = drop
                && len != 0
            {
                // SAFETY: T3: `len` values, which are forgotten already, so that none is dropped
                // twice; `&mut self`: nobody borrows one.
                unsafe { drop(chunk.base, len) };
            }
        }
        let (base, len) = (self.base.get(), self.take_current());
        if let Some(drop) = drop
            && len != 0
            && !cfg!(bug = "typed-clear-skips-the-current-chunk")
        {
            // SAFETY: as above.
            unsafe { drop(base, len) };
        }
    }

    /// Of a store without values, keeps the largest chunk and frees the others.
    pub(super) fn keep_largest(&mut self) {
        debug_assert_eq!(self.len(), 0, "only an empty store gives its chunks back");
        let mut kept = self.current();
        let mut others = core::mem::take(self.full.get_mut());
        for chunk in &mut others {
            if chunk.bytes > kept.bytes {
                core::mem::swap(chunk, &mut kept);
            }
        }
        if kept.bytes != 0 {
            self.first.set(kept.base);
            self.enter(kept.base, self.layout(kept.bytes), 0);
        }
        // Last: a backing that panics finds a store that has forgotten them.
        self.free_all(others.iter());
    }

    /// Gives back what the current chunk does not need, and returns the bytes; of a store without
    /// values, every chunk.
    pub(super) fn trim(&mut self) -> usize {
        if self.len() == 0 && self.kind.size != 0 {
            return self.free_empty();
        }
        let (len, old) = (self.current_len(), self.current_layout());
        let is_one = self.full.get_mut().is_empty();
        let new = self.layout(len * self.kind.size);
        if new.size() == old.size() || len == 0 {
            return 0;
        }
        // SAFETY: T1; `new` is smaller, not empty, and aligned alike.
        let Ok(memory) = (unsafe { self.backing.shrink(self.base.get(), old, new) }) else {
            return 0;
        };
        self.enter(memory.cast(), new, len);
        if is_one {
            self.first.set(memory.cast());
        } else {
            self.index_limit.set(0);
        }
        let freed = old.size() - new.size();
        self.reserved_bytes.set(self.reserved_bytes.get() - freed);
        freed
    }

    /// Frees the chunks of a store without values, and returns their bytes.
    fn free_empty(&mut self) -> usize {
        let (current, held) = (self.current(), self.reserved_bytes.get());
        let mut full = core::mem::take(self.full.get_mut());
        if cfg!(bug = "typed-trim-keeps-full-chunks") && !full.is_empty() {
            *self.full.get_mut() = core::mem::take(&mut full);
            return 0;
        }
        self.bytes.set(0);
        for place in [&self.base, &self.cursor, &self.limit, &self.first] {
            place.set(dangling(self.kind.align));
        }
        self.indexed.set(0);
        self.index_limit.set(0);
        // Last: a backing that panics finds a store that has forgotten them.
        self.free_all(full.iter().chain([&current]));
        held
    }

    /// Hands over the one chunk and the values in it: base, values, capacity.
    ///
    /// The store is empty afterwards.
    pub(super) fn release(&mut self) -> (NonNull<u8>, usize, usize) {
        debug_assert_eq!(self.full.get_mut().len(), 0, "one chunk");
        let (capacity, base) = (self.current_capacity(), self.base.get());
        let len = self.take_current();
        if self.kind.size != 0 {
            self.reserved_bytes.set(0);
            self.bytes.set(0);
            self.limit.set(self.cursor.get());
            self.index_limit.set(0);
        }
        (base, len, capacity)
    }

    pub(super) fn capacity(&self) -> usize {
        if self.kind.size == 0 {
            return self.kind.max_count();
        }
        // What a full chunk has left over is not room any more.
        self.len() + self.current_capacity() - self.current_len()
    }

    pub(super) fn reserved_bytes(&self) -> usize {
        self.reserved_bytes.get()
    }

    /// Whether `address` lies in a place that holds a value.
    pub(super) fn contains(&self, address: usize) -> bool {
        let lies_in = |base: NonNull<u8>, len: usize| {
            let start = base.addr().get();
            (start..start + len * self.kind.size).contains(&address)
        };
        lies_in(self.base.get(), self.current_len())
            || self.full.borrow().iter().any(|chunk| lies_in(chunk.base, chunk.len))
    }

    pub(super) fn stats(&self) -> AllocStats {
        let (len, size) = (self.len(), self.kind.size);
        let allocs = self.cleared + len as u64;
        let tails = self.full.borrow().iter().map(|full| full.bytes - full.len * size).sum();
        let mut stats = AllocStats::default();
        // These follow from the lengths, so they are exact in every build.
        stats.allocs = Some(allocs);
        stats.frees = Some(self.cleared);
        stats.requested_bytes = Some(allocs * size as u64);
        stats.waste_align_bytes = Some(0);
        stats.used_bytes = len * size;
        stats.reserved_bytes = self.reserved_bytes.get();
        stats.peak_bytes = self.peak_len.max(len) * size;
        stats.waste_tail_bytes = tails;
        stats.resets = self.clears;
        stats.slow_calls = self.slow_calls.get();
        stats
    }
}

impl<A: Allocator> Drop for Store<A> {
    fn drop(&mut self) {
        struct Free<'a, A: Allocator>(&'a mut Store<A>);
        impl<A: Allocator> Drop for Free<'_, A> {
            fn drop(&mut self) {
                let bytes = self.0.bytes.replace(0);
                let current = Chunk { base: self.0.base.get(), bytes, len: 0, drained: 0 };
                let full = core::mem::take(self.0.full.get_mut());
                self.0.free_all(full.iter().chain([&current]));
            }
        }
        Free(self).0.drop_values();
    }
}

/// The pointer `bytes` after `pointer`, inside its chunk or one past the end.
#[inline(always)]
pub(super) fn after(pointer: NonNull<u8>, bytes: usize) -> NonNull<u8> {
    let after = pointer.as_ptr().wrapping_byte_add(bytes);
    debug_assert!(after >= pointer.as_ptr(), "T2: {pointer:p} + {bytes} wraps");
    // SAFETY: a chunk does not wrap round the address space, so the sum is not null.
    unsafe { NonNull::new_unchecked(after) }
}

const fn address(address: usize) -> NonNull<u8> {
    NonNull::without_provenance(match NonZero::new(address) {
        Some(address) => address,
        None => NonZero::<usize>::MIN,
    })
}
