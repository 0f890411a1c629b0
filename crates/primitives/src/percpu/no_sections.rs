//! The stand-in for [`sections`](self) where there are none: other processors, other systems, and models, which cannot
//! see into assembly. No structure gets a table, so every operation goes on to the atomic shards.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use super::shards::BuildError;

pub(crate) struct Sections<T>(PhantomData<T>);

pub(crate) struct StackShard<const N: usize>;

impl<const N: usize> StackShard<N> {
    pub(crate) const fn new() -> Self {
        Self
    }
}

pub(crate) struct CountShard;

impl CountShard {
    pub(crate) const fn new() -> Self {
        Self
    }
}

impl<T> Sections<T> {
    pub(crate) fn try_new(
        _count: usize,
        _make: impl FnMut(usize) -> T,
    ) -> Result<Option<Self>, BuildError> {
        Ok(None)
    }

    pub(crate) fn none() -> Self {
        Self(PhantomData)
    }

    pub(crate) fn covers_this_cpu(&self) -> bool {
        false
    }

    pub(crate) fn aborts(&self) -> u64 {
        0
    }
}

impl<const N: usize> Sections<StackShard<N>> {
    #[inline(always)]
    pub(crate) fn push(&self, _word: NonNull<u8>) -> bool {
        false
    }

    #[inline(always)]
    pub(crate) fn pop(&self) -> Option<NonNull<u8>> {
        None
    }

    pub(crate) fn len_hint(&self) -> usize {
        0
    }

    pub(crate) fn pop_any(&mut self) -> Option<NonNull<u8>> {
        None
    }
}

impl Sections<CountShard> {
    #[inline(always)]
    pub(crate) fn add(&self, _n: u64) -> bool {
        false
    }

    pub(crate) fn sum(&self) -> u64 {
        0
    }
}

impl<T> fmt::Debug for Sections<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sections(none)")
    }
}
