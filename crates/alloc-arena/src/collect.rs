//! [`CollectIn`]: `iter.collect_in(&arena)`, and [`alloc_fmt!`](crate::alloc_fmt).

use alloc_core::collections::{Box, Vec};
use alloc_core::place::{array_layout, as_str};
use alloc_core::{Allocator, TryAllocError};

use crate::arena::no_room;
use crate::values::MAX_HINT;
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
        collect(values, arena)
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

/// Collects values of any kind into a vector.
pub(crate) fn collect<T, const MIN_ALIGN: usize, A: Allocator>(
    values: impl Iterator<Item = T>,
    arena: &Arena<MIN_ALIGN, A>,
) -> Result<Vec<T, &Arena<MIN_ALIGN, A>>, TryAllocError> {
    let mut list = Vec::new_in(arena);
    // A hint may be wrong, or more than there is: what is missing will be missed when it comes.
    let _ = list.try_reserve(values.size_hint().0.min(MAX_HINT));
    for value in values {
        if list.len() == list.capacity() {
            make_room(&mut list)?;
        }
        list.push(value);
    }
    Ok(list)
}

/// Makes room for one more element.
fn make_room<T, const MIN_ALIGN: usize, A: Allocator>(
    list: &mut Vec<T, &Arena<MIN_ALIGN, A>>,
) -> Result<(), TryAllocError> {
    // At the limit, exactly what is needed may still be had.
    if list.try_reserve(1).is_ok() || list.try_reserve_exact(1).is_ok() {
        return Ok(());
    }
    // The vector does not say why.
    let layout = array_layout::<T>(list.len().saturating_add(1))?;
    Err(list.allocator().refusal(layout))
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
