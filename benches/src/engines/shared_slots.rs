//! Values under keys that several threads share.
//!
//! ```text
//!   ours      SyncSlab             pages of their own, remote frees in batches
//!   peers     sharded-slab         shards of their own, slots with a word of state
//!             slab                 Mutex<Slab>, as it is shared by hand
//!             mallocs              a block for each value; its address is the key
//!   controls  private slabs        nothing is shared, where no key crosses
//! ```
//!
//! A value is read while its key is known to be there; that a guard is what protects it elsewhere is
//! not asked here, as a box has none.

use core::ptr::NonNull;
use std::sync::Mutex;

use alloc_slab::{Key, SyncSlab};
use sharded_slab::{Config, DefaultConfig};

use super::About;
use super::alloc_slab::{Paged, ours};
use super::heap::{Heap, Malloc};
use super::null::Null;
use super::slots::Slots;
use crate::case::Role;

/// Values under keys, by `&self`.
pub trait SharedSlots<T: Copy + Send + Sync + 'static>: Send + Sync + Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What finds a value, on any thread.
    type Key: Copy + Send + 'static;

    /// What a thread keeps of its own.
    type Own: 'static;

    /// Makes an empty one.
    fn new() -> Self;

    /// Makes what the calling thread keeps.
    fn join(&self) -> Self::Own;

    /// Adds a value.
    fn insert(&self, own: &mut Self::Own, value: T) -> Self::Key;

    /// Takes a value out and drops it.
    ///
    /// # Safety
    ///
    /// The key is of this object, its value was not removed yet, and nobody else removes or reads it.
    /// Where the key is of another thread, [`SharedSlots::CROSSES`].
    unsafe fn remove(&self, own: &mut Self::Own, key: Self::Key);

    /// Reads a value.
    ///
    /// # Safety
    ///
    /// As [`SharedSlots::remove`], but that others may read it.
    unsafe fn get(&self, own: &Self::Own, key: Self::Key) -> T;

    /// Whether threads know each other's keys.
    const CROSSES: bool = true;
}

impl<T: Copy + Send + Sync + 'static> SharedSlots<T> for SyncSlab<T> {
    const ABOUT: About = ours("sync", "SyncSlab: each thread inserts into pages of its own");

    type Key = Key<T>;
    type Own = ();

    fn new() -> Self {
        Self::new()
    }

    fn join(&self) {}

    #[inline]
    fn insert(&self, (): &mut (), value: T) -> Key<T> {
        self.insert(value)
    }

    #[inline]
    unsafe fn remove(&self, (): &mut (), key: Key<T>) {
        assert!(self.remove(key), "the value is there");
    }

    #[inline]
    unsafe fn get(&self, (): &(), key: Key<T>) -> T {
        *self.get(key).expect("the value is there")
    }
}

/// `Mutex<slab::Slab>`.
#[derive(Debug)]
pub struct Locked<T>(Mutex<::slab::Slab<T>>);

impl<T: Copy + Send + Sync + 'static> SharedSlots<T> for Locked<T> {
    const ABOUT: About = About {
        name: "slab",
        config: "mutex",
        package: "slab",
        why: "Mutex<Slab>: how a slab is shared by hand",
        role: Role::Peer,
    };

    type Key = usize;
    type Own = ();

    fn new() -> Self {
        Self(Mutex::new(::slab::Slab::new()))
    }

    fn join(&self) {}

    #[inline]
    fn insert(&self, (): &mut (), value: T) -> usize {
        self.0.lock().expect("nobody panics").insert(value)
    }

    #[inline]
    unsafe fn remove(&self, (): &mut (), key: usize) {
        self.0.lock().expect("nobody panics").remove(key);
    }

    #[inline]
    unsafe fn get(&self, (): &(), key: usize) -> T {
        self.0.lock().expect("nobody panics")[key]
    }
}

/// sharded-slab with one of its configurations.
#[derive(Debug)]
pub struct Sharded<T, C: Config = DefaultConfig>(sharded_slab::Slab<T, C>);

/// Few threads and large first pages: shorter indices, fewer pages to look through.
#[derive(Debug)]
pub struct FewThreads;

impl Config for FewThreads {
    const MAX_THREADS: usize = 64;
    const INITIAL_PAGE_SIZE: usize = 4096;
    const MAX_PAGES: usize = 12;
}

impl<T, C> SharedSlots<T> for Sharded<T, C>
where
    T: Copy + Send + Sync + 'static,
    C: Config + Send + Sync + 'static,
{
    const ABOUT: About = if C::INITIAL_PAGE_SIZE == DefaultConfig::INITIAL_PAGE_SIZE {
        sharded("default", "Slab::new()")
    } else {
        sharded("large-pages", "a Config of 64 threads at most and first pages of 4,096 slots")
    };

    type Key = usize;
    type Own = ();

    fn new() -> Self {
        Self(sharded_slab::Slab::new_with_config())
    }

    fn join(&self) {}

    #[inline]
    fn insert(&self, (): &mut (), value: T) -> usize {
        self.0.insert(value).expect("the shard has room")
    }

    #[inline]
    unsafe fn remove(&self, (): &mut (), key: usize) {
        assert!(self.0.remove(key), "the value is there");
    }

    #[inline]
    unsafe fn get(&self, (): &(), key: usize) -> T {
        *self.0.get(key).expect("the value is there")
    }
}

const fn sharded(config: &'static str, why: &'static str) -> About {
    About { name: "sharded-slab", config, package: "sharded-slab", why, role: Role::Peer }
}

/// An address that threads hand to each other.
#[derive(Debug)]
pub struct Address<T>(NonNull<T>);

impl<T> Clone for Address<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Address<T> {}

// SAFETY: the value goes with its address to who removes it: `T: Send`; it is read from any thread:
// `T: Sync`.
unsafe impl<T: Send + Sync> Send for Address<T> {}

/// A block of a malloc for each value.
impl<M: Malloc, T: Copy + Send + Sync + 'static> SharedSlots<T> for Heap<M>
where
    Self: Send + Sync,
{
    const ABOUT: About = M::ABOUT;

    type Key = Address<T>;
    type Own = ();

    fn new() -> Self {
        Self::new()
    }

    fn join(&self) {}

    #[inline]
    fn insert(&self, (): &mut (), value: T) -> Address<T> {
        Address(Slots::insert(&mut Self::new(), value))
    }

    #[inline]
    unsafe fn remove(&self, (): &mut (), key: Address<T>) {
        // SAFETY: alive and nobody else's (the caller's promise); any thread may free it.
        unsafe { <Self as Slots<T>>::remove(&mut Self::new(), key.0) };
    }

    #[inline]
    unsafe fn get(&self, (): &(), key: Address<T>) -> T {
        // SAFETY: alive (the caller's promise).
        unsafe { key.0.read() }
    }
}

/// A private one for each thread.
#[derive(Debug)]
pub struct Private<S>(core::marker::PhantomData<fn() -> S>);

/// A key that does not leave its thread but with its table.
#[derive(Clone, Copy, Debug)]
pub struct Kept<K>(K);

// SAFETY: private slots do not cross (`CROSSES`): the tables of keys that threads exchange between
// rounds come back to whom they are from before a key is used.
unsafe impl<K> Send for Kept<K> {}

macro_rules! private {
    ($slots:ty, $about:expr) => {
        impl<T: Copy + Send + Sync + 'static> SharedSlots<T> for Private<$slots> {
            const ABOUT: About = $about;

            type Key = Kept<<$slots as Slots<T>>::Key>;
            type Own = $slots;

            const CROSSES: bool = false;

            fn new() -> Self {
                Self(core::marker::PhantomData)
            }

            fn join(&self) -> $slots {
                <$slots as Slots<T>>::new(0, false)
            }

            #[inline]
            fn insert(&self, own: &mut $slots, value: T) -> Self::Key {
                Kept(own.insert(value))
            }

            #[inline]
            unsafe fn remove(&self, own: &mut $slots, key: Self::Key) {
                // SAFETY: of this thread's, and there (the caller's promise).
                unsafe { <$slots as Slots<T>>::remove(own, key.0) };
            }

            #[inline]
            unsafe fn get(&self, own: &$slots, key: Self::Key) -> T {
                // SAFETY: as above.
                *unsafe { <$slots as Slots<T>>::get(own, key.0) }
            }
        }
    };
}

private!(Null, <Null as Slots<T>>::ABOUT);
private!(
    Paged<T>,
    About {
        name: "share-nothing",
        config: "slab",
        package: "alloc-slab",
        why: "a private Slab each, the same meetings; no key leaves its thread",
        role: Role::Control,
    }
);
