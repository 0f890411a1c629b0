//! Iterators over a [`DynStack`], newest value first.

use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::ptr::NonNull;

use alloc_core::Allocator;

use super::segments::Header;
use super::{DynStack, Footer, base_of};

/// A walk over the footers: down through a segment, and on in the one below.
struct Walk<D: ?Sized> {
    at: NonNull<Footer<D>>,
    base: NonNull<Footer<D>>,
    segment: Option<NonNull<Header>>,
    left: usize,
}

impl<D: ?Sized> Walk<D> {
    fn new<A: Allocator>(stack: &DynStack<D, A>) -> Self {
        Self { at: stack.top, base: stack.base, segment: stack.segments.current, left: stack.len }
    }

    /// Returns the next value.
    ///
    /// # Safety
    ///
    /// 1. The stack has not been changed since [`Self::new`].
    unsafe fn next(&mut self) -> Option<NonNull<D>> {
        self.left = self.left.checked_sub(1)?;
        if self.at == self.base {
            // SAFETY: clause 1 and D2: a segment of the stack, and there are values left, so one
            // lies below it.
            let segment = unsafe { self.segment?.as_ref() };
            let below = segment.below?;
            // SAFETY: G2: in the chain.
            self.at = unsafe { below.as_ref() }.top.cast();
            // SAFETY: as above.
            self.base = unsafe { base_of(below) };
            self.segment = Some(below);
        }
        // SAFETY: clause 1 and D1: not the base, so a footer that is written and alive.
        let footer = unsafe { self.at.as_ref() };
        self.at = footer.below;
        Some(footer.value)
    }
}

/// Shared references to the values of a [`DynStack`], newest first.
pub struct DynIter<'a, D: ?Sized> {
    walk: Walk<D>,
    _values: PhantomData<&'a D>,
}

/// Exclusive references to the values of a [`DynStack`], newest first.
pub struct DynIterMut<'a, D: ?Sized> {
    walk: Walk<D>,
    _values: PhantomData<&'a mut D>,
}

// SAFETY: stands for the `&D`s that it will yield, which may move if `D: Sync`; the pointers lead to
// memory that nobody changes while the stack is borrowed.
unsafe impl<D: ?Sized + Sync> Send for DynIter<'_, D> {}
// SAFETY: a shared iterator yields nothing; what it points to is only read.
unsafe impl<D: ?Sized + Sync> Sync for DynIter<'_, D> {}
// SAFETY: stands for the `&mut D`s that it will yield, which may move if `D: Send`.
unsafe impl<D: ?Sized + Send> Send for DynIterMut<'_, D> {}
// SAFETY: a shared iterator yields nothing.
unsafe impl<D: ?Sized + Sync> Sync for DynIterMut<'_, D> {}

impl<D: ?Sized, A: Allocator> DynStack<D, A> {
    /// Returns an iterator over the values, newest first.
    #[must_use]
    pub fn iter(&self) -> DynIter<'_, D> {
        DynIter { walk: Walk::new(self), _values: PhantomData }
    }

    /// Returns an iterator that lends the values for writing, newest first.
    #[must_use]
    pub fn iter_mut(&mut self) -> DynIterMut<'_, D> {
        DynIterMut { walk: Walk::new(self), _values: PhantomData }
    }
}

impl<'a, D: ?Sized> Iterator for DynIter<'a, D> {
    type Item = &'a D;

    fn next(&mut self) -> Option<&'a D> {
        // SAFETY: the stack is borrowed for `'a`, so it does not change.
        let value = unsafe { self.walk.next() }?;
        // SAFETY: D1: initialised and alive; the stack is borrowed shared for `'a`, so there is no
        // `&mut` to the value.
        Some(unsafe { value.as_ref() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.walk.left, Some(self.walk.left))
    }
}

impl<'a, D: ?Sized> Iterator for DynIterMut<'a, D> {
    type Item = &'a mut D;

    fn next(&mut self) -> Option<&'a mut D> {
        // SAFETY: the stack is borrowed for `'a`, so it does not change.
        let mut value = unsafe { self.walk.next() }?;
        // SAFETY: D1: initialised and alive; the stack is borrowed exclusively for `'a`, and each
        // value is yielded once: footers are apart from values, so the walk touches none of them.
        Some(unsafe { value.as_mut() })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.walk.left, Some(self.walk.left))
    }
}

impl<D: ?Sized> Clone for DynIter<'_, D> {
    fn clone(&self) -> Self {
        let Walk { at, base, segment, left } = self.walk;
        Self { walk: Walk { at, base, segment, left }, _values: PhantomData }
    }
}

impl<D: ?Sized> ExactSizeIterator for DynIter<'_, D> {}
impl<D: ?Sized> ExactSizeIterator for DynIterMut<'_, D> {}
impl<D: ?Sized> FusedIterator for DynIter<'_, D> {}
impl<D: ?Sized> FusedIterator for DynIterMut<'_, D> {}

impl<'a, D: ?Sized, A: Allocator> IntoIterator for &'a DynStack<D, A> {
    type Item = &'a D;
    type IntoIter = DynIter<'a, D>;

    fn into_iter(self) -> DynIter<'a, D> {
        self.iter()
    }
}

impl<'a, D: ?Sized, A: Allocator> IntoIterator for &'a mut DynStack<D, A> {
    type Item = &'a mut D;
    type IntoIter = DynIterMut<'a, D>;

    fn into_iter(self) -> DynIterMut<'a, D> {
        self.iter_mut()
    }
}

impl<D: ?Sized> fmt::Debug for DynIter<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynIter").field("left", &self.walk.left).finish_non_exhaustive()
    }
}

impl<D: ?Sized> fmt::Debug for DynIterMut<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynIterMut").field("left", &self.walk.left).finish_non_exhaustive()
    }
}
