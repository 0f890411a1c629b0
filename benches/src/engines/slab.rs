//! slab 0.4: a `Vec` of slots with a free list, and no generations.

use ::slab::Slab;

use super::About;
use super::slots::Slots;
use crate::case::Role;

/// `Slab<T>`.
#[derive(Debug)]
pub struct Plain<T>(Slab<T>);

impl<T: Copy + 'static> Slots<T> for Plain<T> {
    const ABOUT: About = About {
        name: "slab",
        config: "default",
        package: "slab",
        why: "Slab::new(): no generations, a Vec that moves when it grows",
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

    fn shrink(&mut self, _: &mut [usize]) {
        self.0.shrink_to_fit();
    }
}
