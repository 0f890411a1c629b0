//! slotmap 1.1: a `Vec` of slots with versions, and one whose values stand side by side.

use ::slotmap::{DefaultKey, DenseSlotMap, SlotMap};

use super::About;
use super::slots::Slots;
use crate::case::Role;

macro_rules! slots {
    ($name:ident, $map:ident, $about:expr) => {
        impl<T: Copy + 'static> Slots<T> for $name<T> {
            const ABOUT: About = $about;

            type Key = DefaultKey;

            fn new(most: usize, told: bool) -> Self {
                Self($map::with_capacity(if told { most } else { 0 }))
            }

            #[inline]
            fn insert(&mut self, value: T) -> DefaultKey {
                self.0.insert(value)
            }

            #[inline]
            unsafe fn remove(&mut self, key: DefaultKey) -> T {
                self.0.remove(key).expect("the value is there")
            }

            #[inline]
            unsafe fn get(&self, key: DefaultKey) -> &T {
                &self.0[key]
            }

            #[inline]
            unsafe fn get_mut(&mut self, key: DefaultKey) -> &mut T {
                &mut self.0[key]
            }

            #[inline]
            unsafe fn each(&self, _: &[DefaultKey], see: impl FnMut(&T)) {
                self.0.values().for_each(see);
            }
        }
    };
}

const fn about(config: &'static str, why: &'static str) -> About {
    About { name: "slotmap", config, package: "slotmap", why, role: Role::Peer }
}

/// `SlotMap`.
#[derive(Debug)]
pub struct Basic<T>(SlotMap<DefaultKey, T>);

/// `DenseSlotMap`.
#[derive(Debug)]
pub struct Dense<T>(DenseSlotMap<DefaultKey, T>);

slots!(Basic, SlotMap, about("default", "SlotMap: slots with versions in a Vec"));
slots!(Dense, DenseSlotMap, about("dense", "DenseSlotMap: values side by side, moved on removal"));
