//! [`CollectIn`]: `iter.collect_in(&arena)`, and [`alloc_fmt!`](crate::alloc_fmt).

use alloc_core::collections::{Box, Vec};
use alloc_core::place::{array_layout, as_str};
use alloc_core::{Allocator, ErrorKind, TryAllocError};

use crate::arena::no_room;
use crate::{Arena, SliceBuilder};

/// A collection that can be built from an iterator in an arena.
pub trait FromIteratorIn<'a, T, const MIN_ALIGN: usize, A: Allocator>: Sized {
    /// Builds the collection, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses; the iterator is dropped.
    fn try_from_iter_in(
        values: impl Iterator<Item = T>,
        arena: &'a Arena<MIN_ALIGN, A>,
    ) -> Result<Self, TryAllocError>;
}

/// Collecting into an arena.
///
/// | into | for elements that | freed |
/// |---|---|---|
/// | `&mut [T]` | need no drop | with the arena |
/// | `&mut str` | are `char` or `&str` | with the arena |
/// | `Vec<T, &Arena>`, `Box<[T], &Arena>` of `alloc_core::collections` | any | their drop drops the elements |
///
/// # Examples
///
/// ```
/// use alloc_arena::{Arena, CollectIn};
///
/// let arena = Arena::new();
/// let squares: &mut [u32] = (1..=4).map(|n| n * n).collect_in(&arena);
/// let text: &mut str = ["arena", "of", "chunks"].into_iter().collect_in(&arena);
/// assert_eq!((squares[3], &*text), (16, "arenaofchunks"));
/// ```
pub trait CollectIn: Iterator + Sized {
    /// Collects the iterator into `C` in `arena`.
    ///
    /// # Panics
    ///
    /// If there is no room. See [`try_collect_in`](Self::try_collect_in).
    #[track_caller]
    fn collect_in<'a, C, const MIN_ALIGN: usize, A: Allocator>(
        self,
        arena: &'a Arena<MIN_ALIGN, A>,
    ) -> C
    where
        C: FromIteratorIn<'a, Self::Item, MIN_ALIGN, A>,
    {
        match C::try_from_iter_in(self, arena) {
            Ok(collection) => collection,
            Err(error) => no_room(error),
        }
    }

    /// Collects the iterator into `C` in `arena`, or returns the reason why there is no room.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses; the iterator is dropped.
    fn try_collect_in<'a, C, const MIN_ALIGN: usize, A: Allocator>(
        self,
        arena: &'a Arena<MIN_ALIGN, A>,
    ) -> Result<C, TryAllocError>
    where
        C: FromIteratorIn<'a, Self::Item, MIN_ALIGN, A>,
    {
        C::try_from_iter_in(self, arena)
    }
}

impl<I: Iterator> CollectIn for I {}

impl<'a, T, const MIN_ALIGN: usize, A: Allocator> FromIteratorIn<'a, T, MIN_ALIGN, A>
    for &'a mut [T]
{
    fn try_from_iter_in(
        values: impl Iterator<Item = T>,
        arena: &'a Arena<MIN_ALIGN, A>,
    ) -> Result<Self, TryAllocError> {
        arena.try_alloc_from_iter(values)
    }
}

impl<'a, T, const MIN_ALIGN: usize, A: Allocator> FromIteratorIn<'a, T, MIN_ALIGN, A>
    for Vec<T, &'a Arena<MIN_ALIGN, A>>
{
    fn try_from_iter_in(
        values: impl Iterator<Item = T>,
        arena: &'a Arena<MIN_ALIGN, A>,
    ) -> Result<Self, TryAllocError> {
        let mut list = Vec::new_in(arena);
        reserve(&mut list, values.size_hint().0)?;
        for value in values {
            if list.len() == list.capacity() {
                reserve(&mut list, 1)?;
            }
            list.push(value);
        }
        Ok(list)
    }
}

impl<'a, T, const MIN_ALIGN: usize, A: Allocator> FromIteratorIn<'a, T, MIN_ALIGN, A>
    for Box<[T], &'a Arena<MIN_ALIGN, A>>
{
    fn try_from_iter_in(
        values: impl Iterator<Item = T>,
        arena: &'a Arena<MIN_ALIGN, A>,
    ) -> Result<Self, TryAllocError> {
        let list: Vec<T, &'a Arena<MIN_ALIGN, A>> =
            FromIteratorIn::try_from_iter_in(values, arena)?;
        Ok(list.into_boxed_slice())
    }
}

impl<'a, const MIN_ALIGN: usize, A: Allocator> FromIteratorIn<'a, char, MIN_ALIGN, A>
    for &'a mut str
{
    fn try_from_iter_in(
        values: impl Iterator<Item = char>,
        arena: &'a Arena<MIN_ALIGN, A>,
    ) -> Result<Self, TryAllocError> {
        let mut text = SliceBuilder::new(arena);
        for value in values {
            text.try_extend_from_slice(value.encode_utf8(&mut [0; 4]).as_bytes())?;
        }
        // SAFETY: 1. whole characters only.
        Ok(unsafe { as_str(text.finish()) })
    }
}

impl<'a, 's, const MIN_ALIGN: usize, A: Allocator> FromIteratorIn<'a, &'s str, MIN_ALIGN, A>
    for &'a mut str
{
    fn try_from_iter_in(
        values: impl Iterator<Item = &'s str>,
        arena: &'a Arena<MIN_ALIGN, A>,
    ) -> Result<Self, TryAllocError> {
        let mut text = SliceBuilder::new(arena);
        for value in values {
            text.try_extend_from_slice(value.as_bytes())?;
        }
        // SAFETY: 1. whole strings only.
        Ok(unsafe { as_str(text.finish()) })
    }
}

/// Makes room for `count` more elements.
fn reserve<T, A: Allocator>(list: &mut Vec<T, A>, count: usize) -> Result<(), TryAllocError> {
    list.try_reserve(count).map_err(|_| {
        // The vector does not say why; its arena refused, or no layout can express the size.
        let total = list.len().saturating_add(count);
        match array_layout::<T>(total) {
            Ok(layout) => TryAllocError::new(ErrorKind::Full, layout, 0),
            Err(error) => error,
        }
    })
}

/// Formats into a string in an arena or a scope: `alloc_fmt!(arena, "{}", x)`.
///
/// ```
/// let arena = alloc_arena::Arena::new();
/// let name = alloc_arena::alloc_fmt!(arena, "{}-{:02}", 2026, 7);
/// assert_eq!(name, "2026-07");
/// ```
#[macro_export]
macro_rules! alloc_fmt {
    ($arena:expr, $($arguments:tt)*) => {
        $arena.alloc_fmt(::core::format_args!($($arguments)*))
    };
}
