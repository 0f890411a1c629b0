//! A typed free list by hand: chunks of places, and a stack of those that are free.
//!
//! What a program writes that needs no keys, no iteration and no drop of what is left over. No crate of
//! that kind is still maintained, but anybody can write it: a peer, hence, that wins or loses.

use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::About;
use super::slots::Slots;
use crate::case::Role;

/// Places in a chunk.
const CHUNK: usize = 1024;

/// The list.
pub struct ByHand<T> {
    chunks: Vec<Box<[MaybeUninit<T>]>>,
    free: Vec<NonNull<T>>,
}

impl<T> core::fmt::Debug for ByHand<T> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ByHand").field("free", &self.free.len()).finish_non_exhaustive()
    }
}

impl<T> ByHand<T> {
    #[cold]
    fn grow(&mut self) -> NonNull<T> {
        let mut chunk: Box<[MaybeUninit<T>]> = Box::new_uninit_slice(CHUNK);
        self.free.extend(chunk.iter_mut().rev().map(|place| NonNull::from(place).cast()));
        self.chunks.push(chunk);
        self.free.pop().expect("a chunk has places")
    }
}

impl<T: Copy + 'static> Slots<T> for ByHand<T> {
    const ABOUT: About = About {
        name: "by-hand",
        config: "free-list",
        package: "benches",
        why: "chunks, and a Vec of the places that are free: raw pointers, so nothing notices reuse; no \
              keys, no iteration, no drop of what is left",
        role: Role::Peer,
    };

    const NEEDS_KEYS: bool = true;

    type Key = NonNull<T>;

    fn new(_: usize, _: bool) -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }

    #[inline]
    fn insert(&mut self, value: T) -> NonNull<T> {
        let place = match self.free.pop() {
            Some(place) => place,
            None => self.grow(),
        };
        // SAFETY: a place of a chunk that nobody has.
        unsafe { place.write(value) };
        place
    }

    #[inline]
    unsafe fn remove(&mut self, key: NonNull<T>) -> T {
        self.free.push(key);
        // SAFETY: alive until now (the caller's promise).
        unsafe { key.read() }
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
