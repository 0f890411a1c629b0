//! What the parts of a shared arena share: the backing, the limit, and counters.
//!
//! # Invariants
//!
//! * **H1** `reserved_bytes` is the sum of the blocks that parts hold, and of requests under way; it
//!   exceeds the limit at no time.
//! * **H2** `is_cached` only if the backing is the global allocator: blocks then come from the
//!   calling thread's [`ThreadCache`](crate::ThreadCache) and go there too.

use core::cell::Cell;
use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use alloc_core::{AllocError, Allocator, Layout};
use primitives::CachePadded;
use primitives::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use primitives::sync::const_fn;

use crate::chunk::{CHUNK_ALIGN, ChunkRef};
use crate::thread_cache;

pub(super) struct Shared<A> {
    /// What threads write together, on cache lines of its own: the rest is only read.
    counters: CachePadded<Counters>,
    limit_bytes: usize,
    is_cached: bool,
    pub(super) backing: A,
}

struct Counters {
    reserved_bytes: AtomicUsize,
    contended: AtomicU64,
}

impl<A> Shared<A> {
    const_fn! {
        /// `is_cached` only if `A` is the global allocator (H2).
        pub(super) const fn new(limit_bytes: usize, is_cached: bool, backing: A) -> Self {
            let reserved_bytes = AtomicUsize::new(0);
            let contended = AtomicU64::new(0);
            let counters = CachePadded::new(Counters { reserved_bytes, contended });
            Self { counters, limit_bytes, is_cached, backing }
        }
    }

    pub(super) fn reserved_bytes(&self) -> usize {
        // ORD Relaxed: a statistic; exact only while no other thread allocates.
        self.counters.reserved_bytes.load(Relaxed)
    }

    pub(super) fn contended(&self) -> u64 {
        // ORD Relaxed: a statistic.
        self.counters.contended.load(Relaxed)
    }

    /// Bytes that may still be taken from the backing.
    pub(super) fn allowed_bytes(&self) -> usize {
        self.limit_bytes.saturating_sub(self.reserved_bytes())
    }

    /// Counts `bytes` as held, if the limit allows (H1).
    fn reserve(&self, bytes: usize) -> bool {
        // ORD Relaxed: only a guess, which the compare-and-swap validates.
        let mut held = self.counters.reserved_bytes.load(Relaxed);
        loop {
            let Some(more) = held.checked_add(bytes).filter(|&more| more <= self.limit_bytes)
            else {
                return false;
            };
            #[cfg(bug = "sync-limit-counted-twice")]
            {
                // ORD Relaxed: a fault.
                self.counters.reserved_bytes.store(more, Relaxed);
                return true;
            }
            // ORD Relaxed Relaxed: a sum of numbers, for which atomicity is enough; no memory is
            // published through it.
            #[cfg(not(bug = "sync-limit-counted-twice"))]
            match self.counters.reserved_bytes.compare_exchange_weak(held, more, Relaxed, Relaxed) {
                Ok(_) => return true,
                Err(now) => {
                    // ORD Relaxed: a statistic.
                    self.counters.contended.fetch_add(1, Relaxed);
                    held = now;
                }
            }
        }
    }

    /// Counts `bytes` as given back.
    fn unreserve(&self, bytes: usize) {
        // ORD Relaxed: as in `reserve`.
        let before = self.counters.reserved_bytes.fetch_sub(bytes, Relaxed);
        debug_assert!(before >= bytes, "H1: {bytes} bytes given back of {before}");
    }
}

/// The backing of a part: that of the arena it belongs to.
///
/// It finds it by a pointer which the arena sets at each use (S2), so that an arena can move, and be
/// made in a constant.
pub(super) struct Lent<A> {
    shared: Cell<Option<NonNull<Shared<A>>>>,
    /// The limit refused the last request that was refused.
    at_limit: Cell<bool>,
    /// What is given back goes to the backing itself.
    bypass: Cell<bool>,
}

// SAFETY: a `Lent` is reached through its arena alone, one thread at a time (S1), and the arena goes
// to another thread, or is shared with one, only where its backing may.
unsafe impl<A> Send for Lent<A> {}

impl<A: Allocator> Lent<A> {
    pub(super) const fn new() -> Self {
        Self { shared: Cell::new(None), at_limit: Cell::new(false), bypass: Cell::new(false) }
    }

    /// Points to the arena's shared part, which stays there while it is borrowed.
    #[inline(always)]
    pub(super) fn point_to(&self, shared: &Shared<A>) {
        self.shared.set(Some(NonNull::from_ref(shared)));
    }

    pub(super) fn was_at_limit(&self) -> bool {
        self.at_limit.replace(false)
    }

    pub(super) fn set_bypass(&self, bypass: bool) {
        self.bypass.set(bypass);
    }

    fn shared(&self) -> &Shared<A> {
        match self.shared.get() {
            // SAFETY: S2: the arena's, at its present place, for this call.
            Some(shared) => unsafe { shared.as_ref() },
            None => unreachable!("S2: a part is pointed to its arena before it is used"),
        }
    }

    /// Counts bytes that the backing is asked for; notes whether it was the limit that refused.
    fn reserve<'s>(
        &self,
        shared: &'s Shared<A>,
        bytes: usize,
    ) -> Result<Request<'s, A>, AllocError> {
        let is_within = shared.reserve(bytes);
        self.at_limit.set(!is_within);
        if is_within { Ok(Request { shared, bytes }) } else { Err(AllocError) }
    }
}

/// Bytes counted as held, which are not if the backing refuses them, or panics.
struct Request<'s, A> {
    shared: &'s Shared<A>,
    bytes: usize,
}

impl<A> Request<'_, A> {
    /// They are held.
    fn granted(self) {
        let _ = ManuallyDrop::new(self);
    }
}

impl<A> Drop for Request<'_, A> {
    fn drop(&mut self) {
        if !cfg!(bug = "sync-refused-bytes-stay-counted") {
            self.shared.unreserve(self.bytes);
        }
    }
}

// SAFETY: blocks are the backing's, or (H2) the thread's cache's, which are the global allocator's
// and live until they are given back; a `Lent` is not `Clone`, and the arena, which owns both parts
// and backing, drops the parts first.
unsafe impl<A: Allocator> Allocator for Lent<A> {
    fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
        let shared = self.shared();
        let request = self.reserve(shared, layout.size())?;
        let cached = if shared.is_cached && layout.align() == CHUNK_ALIGN {
            thread_cache::take(layout.size())
        } else {
            None
        };
        let block = match cached {
            Some(chunk) => chunk.block(),
            None => shared.backing.allocate(layout)?.cast(),
        };
        request.granted();
        // No more than was asked for, so that the same is counted when it is given back (H1).
        Ok(NonNull::slice_from_raw_parts(block, layout.size()))
    }

    unsafe fn deallocate(&self, ptr: NonNull<u8>, layout: Layout) {
        let shared = self.shared();
        shared.unreserve(layout.size());
        if shared.is_cached && !self.bypass.get() && layout.align() == CHUNK_ALIGN {
            // SAFETY: 1. the caller gives up a block of this layout: nobody else uses it.
            let chunk = unsafe { ChunkRef::adopt(ptr, layout.size()) };
            // SAFETY: 1. a live block of the global allocator (H2) with this layout, in no list.
            if unsafe { thread_cache::give(chunk) } {
                return;
            }
        }
        // SAFETY: the caller's promise, passed on.
        unsafe { shared.backing.deallocate(ptr, layout) };
    }

    unsafe fn grow(
        &self,
        ptr: NonNull<u8>,
        old: Layout,
        new: Layout,
    ) -> Result<NonNull<[u8]>, AllocError> {
        let shared = self.shared();
        let request = self.reserve(shared, new.size() - old.size())?;
        // SAFETY: the caller's promise, passed on.
        let block = unsafe { shared.backing.grow(ptr, old, new) }?;
        request.granted();
        Ok(NonNull::slice_from_raw_parts(block.cast(), new.size()))
    }
}
