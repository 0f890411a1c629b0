//! What a thread knows: a cache of the slots it used last, and every slot it holds.
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::{self, NonNull};

use super::Header;
use crate::sync::{MODELLED, thread, thread_local};

/// Cache entries: two objects used in turn have one each. A power of two, for the mask.
///
/// One under a model: ids differ between executions, and which objects share an entry must not.
const ENTRIES: usize = if MODELLED { 1 } else { 4 };
const _: () = assert!(ENTRIES * size_of::<CacheEntry>() <= 256, "an id's low byte is an offset");

/// Held slots at which a thread first looks for those of dropped objects.
const FIRST_SWEEP: usize = if MODELLED { 1 } else { 16 };

/// The id of no object: those have a low byte below this one's, and 0 is for one without.
const NO_ID: u64 = 0xff;

/// Makes the `n`-th id: `n` above, the offset of its cache entry in the low byte.
///
/// | bits | 63…8 | 7…0 |
/// |---|---|---|
/// | | number of the object, from 1 | byte offset of its entry in the cache |
///
/// The hit is one instruction shorter for it than with an index.
pub(super) const fn id_of(n: u64) -> u64 {
    let offset = n % ENTRIES as u64 * size_of::<CacheEntry>() as u64;
    n << u8::BITS | offset
}

struct CacheEntry {
    id: Cell<u64>,
    slot: Cell<*const Header>,
}

impl CacheEntry {
    const fn empty() -> Self {
        Self { id: Cell::new(NO_ID), slot: Cell::new(ptr::null()) }
    }
}

#[derive(Clone, Copy)]
struct Held {
    id: u64,
    slot: NonNull<Header>,
}

/// Every slot this thread holds, sorted by id.
struct Registry {
    held: RefCell<Vec<Held>>,
    /// Number of slots at which to sweep next.
    sweep_at: Cell<usize>,
}

thread_local! {
    // No destructor and a constant initialiser: a bare thread-local load.
    static CACHE: [CacheEntry; ENTRIES] = const { [const { CacheEntry::empty() }; ENTRIES] };
    static REGISTRY: Registry =
        const { Registry { held: RefCell::new(Vec::new()), sweep_at: Cell::new(FIRST_SWEEP) } };
}

/// What became of a slot a thread wants to hold.
pub(super) enum Entered {
    /// It is held, and handed back at exit.
    Held,
    /// The thread's registry is no more, or in use further up the stack.
    Gone,
    /// The registry could not grow.
    NoMemory(Layout),
}

/// Returns the cache entry of object `id`.
#[inline]
fn entry_of(cache: &[CacheEntry; ENTRIES], id: u64) -> &CacheEntry {
    let offset = usize::from(id.to_le_bytes()[0]);
    debug_assert!(offset < size_of_val(cache), "id {id:#x} has no cache entry");
    // SAFETY: the low byte of an id is the offset of an entry (`id_of`); that of an object without
    // id is 0, the first entry's.
    let entry = unsafe { cache.as_ptr().byte_add(offset) };
    // SAFETY: in bounds and aligned, as above.
    unsafe { &*entry }
}

/// Returns the cache entry for object `id`: whose it is, and that object's slot.
///
/// Not an `Option`: the caller compares, and the compiler need not test a pointer for null as well. The two
/// loads belong together (I6).
#[inline]
pub(super) fn cached(id: u64) -> (u64, *const Header) {
    let entry = CACHE.try_with(|cache| {
        let entry = entry_of(cache, id);
        // SAFETY: a cell of this thread. Volatile, because the compiler would otherwise load after
        // the caller's branch, and compute the address once more for it.
        (entry.id.get(), unsafe { entry.slot.as_ptr().read_volatile() })
    });
    entry.unwrap_or((NO_ID, ptr::null()))
}

fn remember(id: u64, slot: NonNull<Header>) {
    // No cache any more (only under a model): then the next call searches again.
    let _ = CACHE.try_with(|cache| {
        let entry = entry_of(cache, id);
        entry.slot.set(slot.as_ptr());
        entry.id.set(id);
    });
}

/// Returns the slot of object `id`, if this thread holds one, and remembers it.
pub(super) fn find(id: u64) -> Option<NonNull<Header>> {
    let slot = REGISTRY
        .try_with(|registry| {
            let held = registry.held.try_borrow().ok()?;
            let at = held.binary_search_by_key(&id, |held| held.id).ok()?;
            Some(held[at].slot)
        })
        .ok()
        .flatten()?;
    remember(id, slot);
    Some(slot)
}

/// Holds `slot` for object `id` until the thread exits, and remembers it.
pub(super) fn enter(id: u64, slot: NonNull<Header>) -> Entered {
    let entered = REGISTRY.try_with(|registry| registry.hold(Held { id, slot }));
    let entered = entered.unwrap_or(Entered::Gone);
    if !matches!(entered, Entered::NoMemory(_)) {
        remember(id, slot);
    }
    entered
}

/// Says whether a slot entered now would be held, memory permitting.
pub(super) fn hands_back() -> bool {
    REGISTRY.try_with(|registry| registry.held.try_borrow_mut().is_ok()).unwrap_or(false)
}

/// Gives up the slot of object `id`, which is being dropped, if this thread holds one.
pub(super) fn forget(id: u64) {
    let slot = REGISTRY.try_with(|registry| {
        let mut held = registry.held.try_borrow_mut().ok()?;
        let at = held.binary_search_by_key(&id, |held| held.id).ok()?;
        Some(held.remove(at).slot)
    });
    if let Ok(Some(slot)) = slot {
        // SAFETY: held by this thread and no longer in the registry; the object is being dropped,
        // so its T is not in use.
        unsafe { Header::hand_back(slot) };
    }
}

impl Registry {
    fn hold(&self, new: Held) -> Entered {
        // Taken while the vector grows through an allocator that is itself built on thread slots.
        let Ok(mut held) = self.held.try_borrow_mut() else { return Entered::Gone };
        if held.len() >= self.sweep_at.get() {
            held.retain(|held| {
                // SAFETY: held, hence not freed (I4).
                let dead = unsafe { held.slot.as_ref() }.is_dead();
                if dead {
                    // SAFETY: held by this thread, T is gone, and `retain` drops the entry.
                    unsafe { Header::hand_back(held.slot) };
                }
                !dead
            });
            self.sweep_at.set(FIRST_SWEEP.max(held.len() * 2));
        }
        if held.try_reserve(1).is_err() {
            let wanted = Layout::array::<Held>(held.len() + 1);
            return Entered::NoMemory(wanted.unwrap_or(Layout::new::<Held>()));
        }
        // Objects are mostly met in the order they were made: the end, nearly always.
        let at = held.partition_point(|other| other.id < new.id);
        held.insert(at, new);
        Entered::Held
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if MODELLED && thread::panicking() {
            // A failing model is torn down outside the checker, which refuses every access then.
            return;
        }
        // What other destructors of this thread ask for from now on is late: it must not find a
        // slot that is about to pass to another thread.
        #[cfg(not(bug = "slots_cache_outlives_exit"))]
        let _ = CACHE.try_with(|cache| {
            for entry in cache {
                entry.id.set(NO_ID);
            }
        });
        for held in self.held.get_mut().drain(..) {
            // SAFETY: held by this thread, whose references to T have ended with its code, or are
            // `T: Sync`; `drain` removes the entry.
            unsafe { Header::hand_back(held.slot) };
        }
    }
}
