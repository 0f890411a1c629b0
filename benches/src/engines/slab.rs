//! slab 0.4: a `Vec` of slots with a free list, and no generations.

use std::collections::HashMap;

use ::slab::Slab;

use super::About;
use super::slots::Slots;
use crate::case::Role;

/// `Slab<T>`.
#[derive(Debug)]
pub struct Plain<T>(Slab<T>);

/// The same, compacted rather than shrunk.
#[derive(Debug)]
pub struct Compacted<T>(Slab<T>);

macro_rules! slots {
    ($name:ident, $config:literal, $why:literal, $shrink:expr) => {
        impl<T: Copy + 'static> Slots<T> for $name<T> {
            const ABOUT: About = About {
                name: "slab",
                config: $config,
                package: "slab",
                why: $why,
                role: Role::Peer,
            };

            type Key = usize;

            fn new(most: usize, told: bool) -> Self {
                Self(Slab::with_capacity(if told { most } else { 0 }))
            }

            #[inline]
            fn insert(&mut self, value: T) -> usize {
                self.0.insert(value)
            }

            #[inline]
            unsafe fn remove(&mut self, key: usize) -> T {
                self.0.remove(key)
            }

            #[inline]
            unsafe fn get(&self, key: usize) -> &T {
                &self.0[key]
            }

            #[inline]
            unsafe fn get_mut(&mut self, key: usize) -> &mut T {
                &mut self.0[key]
            }

            #[inline]
            unsafe fn each(&self, _: &[usize], mut see: impl FnMut(&T)) {
                self.0.iter().for_each(|(_, value)| see(value));
            }

            fn shrink(&mut self, keys: &mut [usize]) {
                let shrink: fn(&mut Slab<T>, &mut [usize]) = $shrink;
                shrink(&mut self.0, keys);
            }
        }
    };
}

slots!(
    Plain,
    "default",
    "Slab::new(): no generations, a Vec that moves when it grows",
    |slab, _| slab.shrink_to_fit()
);
slots!(
    Compacted,
    "compact",
    "compact(): moves values into the first slots, and the Vec with them",
    |slab, keys| {
        let mut moved = HashMap::new();
        slab.compact(|_, old, new| {
            moved.insert(old, new);
            true
        });
        keys.iter_mut().for_each(|key| *key = *moved.get(key).unwrap_or(key));
    }
);
