//! Who does the work: one adapter file per engine, ours and peers'.
//!
//! ```text
//!   Region   allocate, give everything back at once            every engine
//!     ├─ Bump      `reset`: everything dies in O(1)            bump allocators
//!     ├─ Backing   lends an `allocator_api2` 0.2 `Allocator`   what Vec and HashMap can live on
//!     └─ Heap<M>   a malloc: each block freed on its own       glibc, mimalloc, jemalloc, snmalloc
//! ```
//!
//! Scenarios are generic over these traits, so that each engine gets its own monomorphised loop and
//! nothing but the allocator differs. An adapter forwards and does nothing else: it converts types
//! where a peer's signature differs, chooses the documented configuration, and is `#[inline]`.
//!
//! **One round, equal for all.** Scenarios keep a table of the blocks of the round, because a
//! malloc needs one to free them. Every engine fills the same table; a bump allocator then ignores
//! it. A user of a bump allocator would not need the table, so the ratios understate the gap.
//!
//! **Heap state.** All engines of a case live in one process and take their first chunk from the
//! same malloc, in an order the runner changes. Nothing is freed between construction and the last
//! sample, and every engine is run until its chunks have settled before it is timed.

use core::alloc::Layout;
use core::ptr::NonNull;
use std::collections::HashMap;
use std::sync::OnceLock;

use allocator_api2::alloc::Allocator;

use crate::case::{Engine, EngineSpec, Role};

pub mod alloc_slab;
pub mod arena;
pub mod blink_alloc;
pub mod block_class;
pub mod boxes;
pub mod bump_scope;
pub mod bumpalo;
pub mod channels;
pub mod concurrent_queue;
pub mod counters;
pub mod crossbeam_queue;
pub mod dynstack;
pub mod free_list;
pub mod generational_arena;
pub mod glibc;
pub mod heap;
pub mod ideal;
pub mod jemalloc;
pub mod leases;
pub mod lifo;
pub mod linear;
pub mod locked;
pub mod lockfree;
pub mod mimalloc;
pub mod multitude;
pub mod null;
pub mod oxc;
pub mod queues;
pub mod ringbuf;
pub mod rtrb;
pub mod scoped_arena;
pub mod scratch;
pub mod shared;
pub mod shared_slots;
pub mod slab;
pub mod slotmap;
pub mod slots;
pub mod snmalloc;
pub mod stack;
pub mod stack_allocator;
pub mod stacks;
pub mod thunderdome;
pub mod typed_arena;

/// What the tables say of an engine.
#[derive(Clone, Copy, Debug)]
pub struct About {
    /// `bumpalo`, `glibc` ….
    pub name: &'static str,
    /// `default`, `min-align-8` ….
    pub config: &'static str,
    /// The package in `Cargo.lock` whose version is printed, `libc` for the system's, `std` for the
    /// compiler's.
    pub package: &'static str,
    /// Why this configuration, in one line.
    pub why: &'static str,
    /// What it is to the comparison.
    pub role: Role,
}

/// Memory that gives out blocks and takes them all back at the end of a round.
pub trait Region: Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// Makes one that can serve `bytes` of blocks between two releases, padding included.
    ///
    /// A configuration that is about *not* stating a capacity ignores it.
    fn with_capacity(bytes: usize) -> Self;

    /// Moves a value into the region.
    #[expect(clippy::mut_from_ref, reason = "each call returns another block")]
    fn alloc<T: Copy>(&self, value: T) -> &mut T;

    /// Returns a block for a layout known at run time; its bytes are uninitialised.
    fn alloc_layout(&self, layout: Layout) -> NonNull<u8>;

    /// Copies a slice into the region.
    #[expect(clippy::mut_from_ref, reason = "each call returns another block")]
    fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T];

    /// Copies a string into the region.
    fn alloc_str(&self, text: &str) -> &str;

    /// Ends a round: every block dies.
    ///
    /// # Safety
    ///
    /// 1. `blocks` yields exactly the blocks handed out since the last release that are not freed
    ///    yet, each with the layout that it was allocated with.
    /// 2. None of them is used again.
    unsafe fn release(&mut self, blocks: impl Iterator<Item = (NonNull<u8>, Layout)>);

    /// Ends the last round of a region that is dropped next: frees what that does not.
    ///
    /// By reference, so that a region is dropped where it was made, as at the end of a scope. Moved
    /// there, one of 200 bytes would be read back whole, just after it was written in parts.
    ///
    /// # Safety
    ///
    /// As [`Region::release`].
    #[inline]
    unsafe fn end(&mut self, blocks: impl Iterator<Item = (NonNull<u8>, Layout)>) {
        let _ = blocks;
    }
}

/// A region that forgets all its blocks at once, without being told which they were.
pub trait Bump: Region {
    /// Ends a round; the borrow checker knows that no block is in use.
    fn reset(&mut self);
}

/// A region that collections can live on.
pub trait Backing: Region {
    /// The allocator that collections hold: usually a reference to the region.
    type Handle<'a>: Allocator + Copy
    where
        Self: 'a;

    /// Lends the allocator.
    fn handle(&self) -> Self::Handle<'_>;

    /// Ends a round in which collections were the only users and are all dropped.
    fn end_collections(&mut self);
}

/// Touches `bytes` of a fresh bump region, a page at a time, and resets it: what follows is warm.
pub fn prefault<R: Bump>(region: &mut R, bytes: usize) {
    const PAGE: Layout = Layout::new::<[u8; 4096]>();
    for _ in 0..bytes / PAGE.size() {
        let block = region.alloc_layout(PAGE);
        // SAFETY: the block is a page long, ours, and not used after the reset.
        unsafe { block.write_bytes(0xA5, PAGE.size()) };
    }
    region.reset();
}

/// Describes engine `R` as the runner wants it; `build` makes it.
#[must_use]
pub fn spec<R: Region>(build: fn() -> Box<dyn Engine>) -> EngineSpec {
    spec_of(R::ABOUT, build)
}

/// Describes an engine from what the tables say of it.
#[must_use]
pub fn spec_of(about: About, build: fn() -> Box<dyn Engine>) -> EngineSpec {
    EngineSpec {
        name: about.name,
        config: about.config,
        version: version_of(about.package),
        why: about.why,
        role: about.role,
        primary: false,
        reference: false,
        build,
        counted: None,
    }
}

impl EngineSpec {
    /// Marks the one engine of ours that targets use.
    #[must_use]
    pub fn primary(mut self) -> Self {
        self.primary = true;
        self
    }

    /// Marks the engine whose checksum all others must return.
    #[must_use]
    pub fn reference(mut self) -> Self {
        self.reference = true;
        self
    }

    /// Names another configuration, with its reason: the same adapter in a scenario that drives it
    /// in another way.
    #[must_use]
    pub fn configured(mut self, config: &'static str, why: &'static str) -> Self {
        self.config = config;
        self.why = why;
        self
    }

    /// Counts allocator calls on `other`, which makes the same ones through `std::alloc`.
    #[must_use]
    pub fn counted_on(mut self, other: &Self) -> Self {
        self.counted = Some(other.build);
        self
    }

    /// Gives it another part in the comparison.
    #[must_use]
    pub fn as_role(mut self, role: Role) -> Self {
        self.role = role;
        self
    }
}

/// Returns the version of a package as `Cargo.lock` has it, of the running C library for `libc`, or of
/// the compiler for `std`.
///
/// # Panics
///
/// Panics when the lock file has no such package: an adapter misnames its crate.
#[must_use]
pub fn version_of(package: &str) -> &'static str {
    if package == "libc" {
        static SYSTEM: OnceLock<String> = OnceLock::new();
        return SYSTEM.get_or_init(glibc::version);
    }
    if package == "std" {
        return env!("BENCH_RUSTC").split(' ').nth(1).unwrap_or_default();
    }
    let version = locked().get(package);
    version.unwrap_or_else(|| panic!("package {package} is not in Cargo.lock"))
}

/// The packages of `Cargo.lock` with their versions, of several the lowest.
///
/// Read once: a process describes each engine of each case before it looks for its own.
fn locked() -> &'static HashMap<&'static str, &'static str> {
    const LOCK: &str = include_str!("../../../Cargo.lock");
    static LOCKED: OnceLock<HashMap<&str, &str>> = OnceLock::new();
    LOCKED.get_or_init(|| {
        let mut locked = HashMap::new();
        for entry in LOCK.split("[[package]]") {
            let mut fields = entry.lines().filter_map(|line| line.split_once(" = "));
            let mut field = |name| Some(fields.find(|(key, _)| *key == name)?.1.trim_matches('"'));
            if let (Some(name), Some(version)) = (field("name"), field("version")) {
                locked.entry(name).or_insert(version);
            }
        }
        locked
    })
}

/// Applies a generic `fn<R: Region>() -> EngineSpec` to every configuration of every bump peer.
#[macro_export]
macro_rules! bump_peers {
    ($spec:ident) => {
        [
            $spec::<$crate::engines::bumpalo::New>(),
            $spec::<$crate::engines::bumpalo::WithCapacity<1>>(),
            $spec::<$crate::engines::bumpalo::WithCapacity<8>>(),
            $spec::<$crate::engines::bump_scope::Scope<1, true>>(),
            $spec::<$crate::engines::bump_scope::Scope<1, false>>(),
            $spec::<$crate::engines::bump_scope::Scope<8, true>>(),
            $spec::<$crate::engines::bump_scope::Scope<8, false>>(),
            $spec::<$crate::engines::blink_alloc::New>(),
            $spec::<$crate::engines::blink_alloc::WithCapacity>(),
            $spec::<$crate::engines::scoped_arena::WithCapacity>(),
            $spec::<$crate::engines::oxc::New>(),
            $spec::<$crate::engines::oxc::WithCapacity>(),
            $spec::<$crate::engines::multitude::New>(),
            $spec::<$crate::engines::multitude::WithCapacity>(),
        ]
    };
}

/// Applies a generic `fn<R: Region>() -> EngineSpec` to the configurations of bump peers that differ
/// in a program: one that keeps its region from file to file has the same chunks whatever capacity it
/// stated, and a round takes a tenth of a second.
#[macro_export]
macro_rules! program_peers {
    ($spec:ident) => {
        [
            $spec::<$crate::engines::bumpalo::New>(),
            $spec::<$crate::engines::bumpalo::WithCapacity<8>>(),
            $spec::<$crate::engines::bump_scope::Scope<1, true>>(),
            $spec::<$crate::engines::bump_scope::Scope<8, false>>(),
            $spec::<$crate::engines::blink_alloc::WithCapacity>(),
            $spec::<$crate::engines::scoped_arena::WithCapacity>(),
            $spec::<$crate::engines::oxc::WithCapacity>(),
            $spec::<$crate::engines::multitude::WithCapacity>(),
        ]
    };
}

/// Applies a generic `fn<R: Backing>() -> EngineSpec` to every bump peer that lends an allocator.
#[macro_export]
macro_rules! backing_peers {
    ($spec:ident) => {
        [
            $spec::<$crate::engines::bumpalo::New>(),
            $spec::<$crate::engines::bumpalo::WithCapacity<1>>(),
            $spec::<$crate::engines::bumpalo::WithCapacity<8>>(),
            $spec::<$crate::engines::bump_scope::Scope<1, true>>(),
            $spec::<$crate::engines::bump_scope::Scope<1, false>>(),
            $spec::<$crate::engines::bump_scope::Scope<8, true>>(),
            $spec::<$crate::engines::bump_scope::Scope<8, false>>(),
            $spec::<$crate::engines::blink_alloc::WithCapacity>(),
            $spec::<$crate::engines::oxc::WithCapacity>(),
            $spec::<$crate::engines::multitude::WithCapacity>(),
        ]
    };
}

/// Applies a generic `fn<R: Region>() -> EngineSpec` to every whole allocator but glibc, which is
/// each scenario's reference.
#[macro_export]
macro_rules! heap_peers {
    ($spec:ident) => {
        [
            $crate::heap_peer!($spec, $crate::engines::mimalloc::Mimalloc),
            $crate::heap_peer!($spec, $crate::engines::jemalloc::Plain),
            $crate::heap_peer!($spec, $crate::engines::jemalloc::SizedFree),
            $crate::heap_peer!($spec, $crate::engines::snmalloc::Snmalloc),
        ]
    };
}

/// Those that stand for all whole allocators where crates are compared with each other: glibc, which
/// answers for all, mimalloc, and jemalloc both ways, since which is faster depends on the work.
#[macro_export]
macro_rules! mallocs {
    ($spec:ident) => {
        [
            $crate::heap_peer!($spec, $crate::engines::glibc::Glibc).reference(),
            $crate::heap_peer!($spec, $crate::engines::mimalloc::Mimalloc),
            $crate::heap_peer!($spec, $crate::engines::jemalloc::Plain),
            $crate::heap_peer!($spec, $crate::engines::jemalloc::SizedFree),
        ]
    };
}

/// Applies a generic `fn<S: Lifo>() -> EngineSpec` to every peer that gives its newest block back and
/// is not a whole allocator.
#[macro_export]
macro_rules! lifo_peers {
    ($spec:ident) => {
        [
            $spec::<$crate::engines::bumpalo::New>(),
            $spec::<$crate::engines::bumpalo::WithCapacity<1>>(),
            $spec::<$crate::engines::bump_scope::Scope<1, true>>(),
            $spec::<$crate::engines::bump_scope::Scope<1, false>>(),
            $spec::<$crate::engines::bump_scope::Scope<8, false>>(),
            $spec::<$crate::engines::stack_allocator::Inline>(),
            $spec::<$crate::engines::stack_allocator::Hybrid>(),
        ]
    };
}

/// Applies a generic `fn<R: Region>() -> EngineSpec` to one whole allocator, whose calls are counted
/// on [`heap::Counted`].
#[macro_export]
macro_rules! heap_peer {
    ($spec:ident, $malloc:ty) => {
        $spec::<$crate::engines::heap::Heap<$malloc>>()
            .counted_on(&$spec::<$crate::engines::heap::Heap<$crate::engines::heap::Counted>>())
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        assert!(version_of("bumpalo").starts_with("3."));
        assert!(!version_of("libc").is_empty());
    }

    #[test]
    #[should_panic(expected = "package bumpallo is not in Cargo.lock")]
    fn misnamed_package_is_refused() {
        let _ = version_of("bumpallo");
    }
}
