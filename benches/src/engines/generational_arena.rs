//! generational-arena 0.2: a `Vec` of entries with generations of 64 bits; keys of 16 bytes.

use ::generational_arena::{Arena, Index};

use super::About;
use super::slots::Slots;
use crate::case::Role;

/// `Arena<T>`.
#[derive(Debug)]
pub struct Plain<T>(Arena<T>);

impl<T: Copy + 'static> Slots<T> for Plain<T> {
    const ABOUT: About = About {
        name: "generational-arena",
        config: "default",
        package: "generational-arena",
        why: "Arena::new(): entries with generations of 64 bits in a Vec",
        role: Role::Peer,
    };

    type Key = Index;

    fn new(most: usize, told: bool) -> Self {
        Self(Arena::with_capacity(if told { most } else { 0 }))
    }

    #[inline]
    fn insert(&mut self, value: T) -> Index {
        self.0.insert(value)
    }

    #[inline]
    unsafe fn remove(&mut self, key: Index) -> T {
        self.0.remove(key).expect("the value is there")
    }

    #[inline]
    unsafe fn get(&self, key: Index) -> &T {
        &self.0[key]
    }

    #[inline]
    unsafe fn get_mut(&mut self, key: Index) -> &mut T {
        &mut self.0[key]
    }

    #[inline]
    unsafe fn each(&self, _: &[Index], mut see: impl FnMut(&T)) {
        self.0.iter().for_each(|(_, value)| see(value));
    }
}
