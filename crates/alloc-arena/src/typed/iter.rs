//! Iterators of a typed arena: [`IterMut`], [`Drain`], [`IntoIter`], [`Indices`].

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ptr::NonNull;
use core::{mem, slice};

use alloc_core::{Allocator, Global};

use super::store::{Chunk, Store};
use super::{Index32, TypedArena};

/// All values of a [`TypedArena`], oldest first; made by [`TypedArena::iter_mut`].
pub struct IterMut<'a, T> {
    run: slice::IterMut<'a, T>,
    full: slice::Iter<'a, Chunk>,
    /// The values of the current chunk, which come last.
    last: slice::IterMut<'a, T>,
    left: usize,
}

// SAFETY: stands for the `&mut T` it will yield; the chunks' descriptions are only read.
unsafe impl<T: Send> Send for IterMut<'_, T> {}
// SAFETY: a shared iterator yields nothing.
unsafe impl<T: Sync> Sync for IterMut<'_, T> {}

impl<'a, T> IterMut<'a, T> {
    pub(super) fn new<A: Allocator>(store: &'a mut Store<A>) -> Self {
        let left = store.len();
        let (base, len) = (store.base.get(), store.current_len());
        // SAFETY: the store is borrowed exclusively for `'a`.
        let last = unsafe { values_mut(base, len) };
        Self { run: [].iter_mut(), full: store.full_mut().iter(), last: last.iter_mut(), left }
    }
}

/// The `len` values of a chunk, lent.
///
/// # Safety
///
/// `len` values of `T` stand at `base` (T3), of an arena that is borrowed exclusively for `'a`.
unsafe fn values_mut<'a, T>(base: NonNull<u8>, len: usize) -> &'a mut [T] {
    // SAFETY: the caller's promise.
    unsafe { NonNull::slice_from_raw_parts(base.cast::<T>(), len).as_mut() }
}

impl<'a, T> Iterator for IterMut<'a, T> {
    type Item = &'a mut T;

    #[inline]
    fn next(&mut self) -> Option<&'a mut T> {
        loop {
            if let Some(value) = self.run.next() {
                self.left -= 1;
                return Some(value);
            }
            self.run = match self.full.next() {
                // SAFETY: the arena is borrowed exclusively for `'a`; each chunk is visited once.
                Some(chunk) => unsafe { values_mut(chunk.base, chunk.len) }.iter_mut(),
                None if self.last.len() == 0 => return None,
                None => mem::take(&mut self.last),
            };
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl<T> ExactSizeIterator for IterMut<'_, T> {}
impl<T> FusedIterator for IterMut<'_, T> {}

impl<T> fmt::Debug for IterMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IterMut").field("left", &self.left).finish_non_exhaustive()
    }
}

/// Values on their way out of a store that counts them no longer.
struct Outgoing<T> {
    run: NonNull<T>,
    run_left: usize,
    /// The full chunk to go on with.
    next_full: usize,
    last: NonNull<T>,
    last_len: usize,
    left: usize,
}

impl<T> Outgoing<T> {
    fn new<A: Allocator>(store: &mut Store<A>) -> Self {
        store.count_clear();
        let left = store.len();
        for chunk in store.full_mut() {
            chunk.drained = mem::take(&mut chunk.len);
        }
        let last = store.base.get().cast();
        let last_len = store.take_current();
        let run = NonNull::dangling();
        Self { run, run_left: 0, next_full: 0, last, last_len, left }
    }

    fn next<A: Allocator>(&mut self, store: &mut Store<A>) -> Option<T> {
        while self.run_left == 0 {
            let full = store.full_mut();
            if let Some(chunk) = full.get(self.next_full) {
                (self.run, self.run_left) = (chunk.base.cast(), chunk.drained);
                self.next_full += 1;
            } else if self.last_len != 0 {
                (self.run, self.run_left) = (self.last, mem::take(&mut self.last_len));
            } else {
                return None;
            }
        }
        let place = self.run;
        self.run_left -= 1;
        self.left -= 1;
        if size_of::<T>() != 0 {
            // SAFETY: `place` holds a value, so one further is in its chunk or one past the end.
            self.run = unsafe { place.add(1) };
        }
        // SAFETY: T3 and `drained`: a value, which no length counts any more, so it is read once.
        Some(unsafe { place.read() })
    }

    /// Drops what is left, also when a drop panics, then gives the chunks back but the largest.
    fn finish<A: Allocator>(&mut self, store: &mut Store<A>) {
        struct GoOn<'a, T, A: Allocator>(&'a mut Outgoing<T>, &'a mut Store<A>);
        impl<T, A: Allocator> Drop for GoOn<'_, T, A> {
            fn drop(&mut self) {
                while self.0.next(self.1).is_some() {}
                self.1.keep_largest();
            }
        }
        let both = GoOn(self, store);
        while both.0.next(both.1).is_some() {}
    }
}

/// The values taken out of a [`TypedArena`], oldest first; made by [`TypedArena::drain`].
pub struct Drain<'a, T, A: Allocator = Global> {
    arena: &'a mut TypedArena<T, A>,
    values: Outgoing<T>,
}

impl<'a, T, A: Allocator> Drain<'a, T, A> {
    pub(super) fn new(arena: &'a mut TypedArena<T, A>) -> Self {
        let values = Outgoing::new(&mut arena.store);
        Self { arena, values }
    }
}

impl<T, A: Allocator> Iterator for Drain<'_, T, A> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.values.next(&mut self.arena.store)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.values.left, Some(self.values.left))
    }
}

impl<T, A: Allocator> ExactSizeIterator for Drain<'_, T, A> {}
impl<T, A: Allocator> FusedIterator for Drain<'_, T, A> {}

impl<T, A: Allocator> Drop for Drain<'_, T, A> {
    fn drop(&mut self) {
        self.values.finish(&mut self.arena.store);
    }
}

// SAFETY: the iterator owns the values it still has, and borrows the arena exclusively.
unsafe impl<T: Send, A: Allocator + Send> Send for Drain<'_, T, A> {}

impl<T, A: Allocator> fmt::Debug for Drain<'_, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drain").field("left", &self.values.left).finish_non_exhaustive()
    }
}

/// The values of a [`TypedArena`] that is used up, oldest first.
pub struct IntoIter<T, A: Allocator = Global> {
    arena: TypedArena<T, A>,
    values: Outgoing<T>,
}

impl<T, A: Allocator> IntoIter<T, A> {
    pub(super) fn new(mut arena: TypedArena<T, A>) -> Self {
        let values = Outgoing::new(&mut arena.store);
        Self { arena, values }
    }
}

impl<T, A: Allocator> Iterator for IntoIter<T, A> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        self.values.next(&mut self.arena.store)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.values.left, Some(self.values.left))
    }
}

impl<T, A: Allocator> ExactSizeIterator for IntoIter<T, A> {}
impl<T, A: Allocator> FusedIterator for IntoIter<T, A> {}

impl<T, A: Allocator> Drop for IntoIter<T, A> {
    fn drop(&mut self) {
        self.values.finish(&mut self.arena.store);
    }
}

// SAFETY: the iterator owns the arena and the values it still has.
unsafe impl<T: Send, A: Allocator + Send> Send for IntoIter<T, A> {}

impl<T, A: Allocator> fmt::Debug for IntoIter<T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IntoIter").field("left", &self.values.left).finish_non_exhaustive()
    }
}

/// The indices of a [`TypedArena`]'s values, oldest first; made by [`TypedArena::indices`].
pub struct Indices<T> {
    next: usize,
    end: usize,
    _names: PhantomData<fn() -> T>,
}

impl<T> Indices<T> {
    pub(super) const fn new(end: usize) -> Self {
        Self { next: 0, end, _names: PhantomData }
    }
}

impl<T> Iterator for Indices<T> {
    type Item = Index32<T>;

    fn next(&mut self) -> Option<Index32<T>> {
        if self.next == self.end {
            return None;
        }
        let index = Index32::from_usize(self.next)?;
        self.next += 1;
        Some(index)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.end - self.next, Some(self.end - self.next))
    }
}

impl<T> ExactSizeIterator for Indices<T> {}
impl<T> FusedIterator for Indices<T> {}

impl<T> fmt::Debug for Indices<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Indices").field("next", &self.next).field("end", &self.end).finish()
    }
}
