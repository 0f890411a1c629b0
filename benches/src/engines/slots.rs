//! Values under keys: what a slab is to a scenario.
//!
//! ```text
//!   Slots        insert, remove, get, each           one thread
//!     ├─ ours    Slab on pages, on reserved memory;  SlabAlloc, whose keys are addresses
//!     ├─ peers   slab, slotmap, thunderdome, generational-arena
//!     └─ Heap    a block of a malloc for each value; its address is the key
//!   SharedSlots  the same by `&self`                 several threads
//! ```
//!
//! Scenarios use a key only while its value is there, which they promise, since an address is
//! trusted; a slab looks every key up, stale or not.

use core::alloc::Layout;
use core::arch::asm;
use core::ptr::NonNull;

use super::heap::{Heap, Malloc};
use super::null::Null;
use super::{About, Region};
use crate::case::Role;

/// Values under keys.
pub trait Slots<T: Copy + 'static>: Sized + 'static {
    /// What the tables say of it, where it is not told how many values come.
    const ABOUT: About;

    /// What finds a value.
    type Key: Copy + 'static;

    /// Makes one for at most `most` values; one that can reserve room does so if it is `told`.
    fn new(most: usize, told: bool) -> Self;

    /// Adds a value.
    fn insert(&mut self, value: T) -> Self::Key;

    /// Takes a value out.
    ///
    /// # Safety
    ///
    /// The key is of this object, and its value was not removed yet.
    unsafe fn remove(&mut self, key: Self::Key) -> T;

    /// Finds a value.
    ///
    /// # Safety
    ///
    /// As [`Slots::remove`].
    unsafe fn get(&self, key: Self::Key) -> &T;

    /// Finds a value to change it.
    ///
    /// # Safety
    ///
    /// As [`Slots::remove`].
    unsafe fn get_mut(&mut self, key: Self::Key) -> &mut T;

    /// Shows every value, in any order. What cannot find its values itself goes through `keys`, as a
    /// program that uses it must.
    ///
    /// # Safety
    ///
    /// `keys` are the keys of all values.
    unsafe fn each(&self, keys: &[Self::Key], see: impl FnMut(&T));

    /// Whether [`Slots::each`] goes through `keys`.
    const NEEDS_KEYS: bool = false;

    /// Gives back what no value needs any more, as far as it can; `keys` follow values that move.
    fn shrink(&mut self, keys: &mut [Self::Key]) {
        let _ = keys;
    }
}

/// The slots of one engine, whatever they hold: values that refer to each other have keys in them.
pub trait Family: 'static {
    /// What finds a value.
    type Key<T>: Copy + 'static
    where
        T: 'static;

    /// What holds the values.
    type Slots<T>: Slots<T, Key = Self::Key<T>>
    where
        T: Copy + 'static;
}

macro_rules! families {
    ($($(#[$doc:meta])* $name:ident: $key:ty, $slots:ty;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Family for $name {
            type Key<T> = $key where T: 'static;
            type Slots<T> = $slots where T: Copy + 'static;
        }
    )*};
}

families! {
    /// Ours on pages.
    OnPages: ::alloc_slab::Key<T>, super::alloc_slab::Paged<T>;
    /// Ours on reserved memory.
    OnReserved: ::alloc_slab::Key<T>, super::alloc_slab::Reserved<T>;
    /// Boxes of ours.
    InBlocks: NonNull<T>, super::alloc_slab::Blocks;
    /// slab.
    InSlab: usize, super::slab::Plain<T>;
    /// slotmap.
    InSlotMap: ::slotmap::DefaultKey, super::slotmap::Basic<T>;
    /// slotmap's dense one.
    InDenseSlotMap: ::slotmap::DefaultKey, super::slotmap::Dense<T>;
    /// thunderdome.
    InThunderdome: ::thunderdome::Index, super::thunderdome::Plain<T>;
}

impl<M: Malloc> Family for Heap<M> {
    type Key<T>
        = NonNull<T>
    where
        T: 'static;
    type Slots<T>
        = Self
    where
        T: Copy + 'static;
}

impl Family for Null {
    type Key<T>
        = NonNull<T>
    where
        T: 'static;
    type Slots<T>
        = Self
    where
        T: Copy + 'static;
}

/// A block of a malloc for each value.
impl<M: Malloc, T: Copy + 'static> Slots<T> for Heap<M> {
    const ABOUT: About = M::ABOUT;
    const NEEDS_KEYS: bool = true;

    type Key = NonNull<T>;

    fn new(_: usize, _: bool) -> Self {
        Self::new()
    }

    #[inline]
    fn insert(&mut self, value: T) -> NonNull<T> {
        NonNull::from(self.alloc(value))
    }

    #[inline]
    unsafe fn remove(&mut self, key: NonNull<T>) -> T {
        // SAFETY: alive (the caller's promise).
        let value = unsafe { key.read() };
        // SAFETY: made by `insert` with this layout, and not used again.
        unsafe { M::free(key.as_ptr().cast(), Layout::new::<T>()) };
        value
    }

    #[inline]
    unsafe fn get(&self, key: NonNull<T>) -> &T {
        // SAFETY: alive (the caller's promise).
        unsafe { key.as_ref() }
    }

    #[inline]
    unsafe fn get_mut(&mut self, mut key: NonNull<T>) -> &mut T {
        // SAFETY: alive (the caller's promise), and borrowed with the engine.
        unsafe { key.as_mut() }
    }

    #[inline]
    unsafe fn each(&self, keys: &[NonNull<T>], see: impl FnMut(&T)) {
        // SAFETY: all are alive (the caller's promise).
        keys.iter().map(|key| unsafe { key.as_ref() }).for_each(see);
    }
}

/// One place for all: the scenario's own stores and loads, and no more.
///
/// The key that comes back is the one place, and is loaded and stored by the scenario as any other.
impl<T: Copy + 'static> Slots<T> for Null {
    const ABOUT: About = About {
        name: "null",
        config: "loop",
        package: "benches",
        why: "the loop with its stores and its table of keys: every value has the same place",
        role: Role::Null,
    };
    const NEEDS_KEYS: bool = true;

    type Key = NonNull<T>;

    fn new(_: usize, _: bool) -> Self {
        <Self as Region>::with_capacity(0)
    }

    #[inline]
    fn insert(&mut self, value: T) -> NonNull<T> {
        NonNull::from(self.alloc(value))
    }

    #[inline]
    unsafe fn remove(&mut self, key: NonNull<T>) -> T {
        // SAFETY: emits nothing: the value must be read where the scenario reads it.
        unsafe { asm!("/* {0} */", in(reg) key.as_ptr(), options(nostack, preserves_flags)) };
        // SAFETY: the block, which every key is the address of; written by the first insertion.
        unsafe { key.read() }
    }

    #[inline]
    unsafe fn get(&self, key: NonNull<T>) -> &T {
        // SAFETY: as in `remove`.
        unsafe { asm!("/* {0} */", in(reg) key.as_ptr(), options(nostack, preserves_flags)) };
        // SAFETY: as in `remove`.
        unsafe { key.as_ref() }
    }

    #[inline]
    unsafe fn get_mut(&mut self, mut key: NonNull<T>) -> &mut T {
        // SAFETY: as in `remove`.
        unsafe { asm!("/* {0} */", in(reg) key.as_ptr(), options(nostack, preserves_flags)) };
        // SAFETY: as in `remove`; borrowed with the engine.
        unsafe { key.as_mut() }
    }

    #[inline]
    unsafe fn each(&self, keys: &[NonNull<T>], mut see: impl FnMut(&T)) {
        // Not through the keys: what finds its values itself loads none.
        let place = NonNull::from(self.alloc([0_u64; 0])).cast::<T>();
        for _ in keys {
            // SAFETY: as in `remove`: the one block.
            see(unsafe { self.get(place) });
        }
    }
}
