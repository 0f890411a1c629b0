//! `alloc-slab`: slabs on pages and on reserved memory, boxes of one size, kept objects.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::collections::HashMap;

use alloc_slab::{Key, ReservedPages, Slab, SlabAlloc};
use allocator_api2::alloc::Allocator;

use super::About;
use super::slots::Slots;
use crate::case::Role;

/// What the tables say of one of ours.
pub(crate) const fn ours(config: &'static str, why: &'static str) -> About {
    About { name: "alloc-slab", config, package: "alloc-slab", why, role: Role::Ours }
}

/// The same slab wherever its slots stand.
macro_rules! slots {
    ($slab:ident, $store:ty, $about:expr, $new:expr, $shrink:expr) => {
        impl<T: Copy + 'static> Slots<T> for $slab<T> {
            const ABOUT: About = $about;

            type Key = Key<T>;

            fn new(most: usize, told: bool) -> Self {
                let new: fn(usize, bool) -> Slab<T, $store> = $new;
                Self(new(most, told))
            }

            #[inline]
            fn insert(&mut self, value: T) -> Key<T> {
                self.0.insert(value)
            }

            #[inline]
            unsafe fn remove(&mut self, key: Key<T>) -> T {
                self.0.remove(key).expect("the value is there")
            }

            #[inline]
            unsafe fn get(&self, key: Key<T>) -> &T {
                &self.0[key]
            }

            #[inline]
            unsafe fn get_mut(&mut self, key: Key<T>) -> &mut T {
                &mut self.0[key]
            }

            #[inline]
            unsafe fn each(&self, _: &[Key<T>], see: impl FnMut(&T)) {
                self.0.values().for_each(see);
            }

            fn shrink(&mut self, keys: &mut [Key<T>]) {
                let shrink: fn(&mut Slab<T, $store>, &mut [Key<T>]) = $shrink;
                shrink(&mut self.0, keys);
            }
        }
    };
}

/// A slab on pages of the global allocator.
#[derive(Debug)]
pub struct Paged<T>(Slab<T>);

/// A slab in reserved address space.
#[derive(Debug)]
pub struct Reserved<T>(Slab<T, ReservedPages>);

slots!(
    Paged,
    alloc_slab::Pages,
    ours("pages", "Slab::new(): pages of 64 KiB from the global allocator"),
    |most, told| if told { Slab::with_capacity(most) } else { Slab::new() },
    |slab, _| {
        slab.trim();
    }
);
slots!(
    Compacted,
    alloc_slab::Pages,
    ours("compact", "compact(): moves the fewest values that empty the most pages"),
    |_, _| Slab::new(),
    |slab, keys| {
        let moved: HashMap<_, _> = {
            let mut moved = HashMap::new();
            slab.compact(|_, old, new| {
                moved.insert(old, new);
            });
            moved
        };
        keys.iter_mut().for_each(|key| *key = *moved.get(key).unwrap_or(key));
    }
);
slots!(
    Reserved,
    ReservedPages,
    ours("reserved", "Slab::reserved(n): one range of address space, committed as it fills"),
    |most, _| Slab::reserved(most),
    |slab, _| {
        slab.trim();
    }
);

/// A slab on pages that is compacted rather than trimmed.
#[derive(Debug)]
pub struct Compacted<T>(Slab<T>);

/// `SlabAlloc` as an allocator for one type: a value's address is its key.
pub struct Blocks(SlabAlloc);

impl core::fmt::Debug for Blocks {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Blocks").finish()
    }
}

impl<T: Copy + 'static> Slots<T> for Blocks {
    const ABOUT: About = ours("boxes", "SlabAlloc: an Allocator for boxes of one size, no keys");

    const NEEDS_KEYS: bool = true;

    type Key = NonNull<T>;

    fn new(_: usize, _: bool) -> Self {
        Self(SlabAlloc::for_type::<T>())
    }

    #[inline]
    fn insert(&mut self, value: T) -> NonNull<T> {
        let Ok(block) = self.0.allocate(Layout::new::<T>()) else {
            std::alloc::handle_alloc_error(Layout::new::<T>())
        };
        let block = block.cast::<T>();
        // SAFETY: a fresh block of `T`'s layout.
        unsafe { block.write(value) };
        block
    }

    #[inline]
    unsafe fn remove(&mut self, key: NonNull<T>) -> T {
        // SAFETY: alive (the caller's promise).
        let value = unsafe { key.read() };
        // SAFETY: allocated here with this layout, and not used again.
        unsafe { self.0.deallocate(key.cast(), Layout::new::<T>()) };
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

    fn shrink(&mut self, _: &mut [NonNull<T>]) {
        self.0.trim();
    }
}
