//! What a thread knows: a cache of the slots it used last, and every slot it holds.
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::{self, NonNull};

use super::{Header, ID_STEP};
use crate::sync::thread_local;

/// Cache entries: two objects used in turn have one each. A power of two, for the mask.
///
/// One under a model: ids differ between executions, and which objects share an entry must not.
const ENTRIES: usize = if cfg!(any(loom, shuttle)) { 1 } else { 4 };
const _: () = assert!(ENTRIES.is_power_of_two(), "the entry is chosen by masking the id");
const _: () = assert!(size_of::<CacheEntry>() as u64 == ID_STEP || size_of::<usize>() != 8);

/// Held slots at which a thread first looks for those of dropped objects.
const FIRST_SWEEP: usize = if cfg!(any(loom, shuttle)) { 1 } else { 16 };

/// The id of no object: ids are multiples of [`ID_STEP`], and 0 for one without.
const NO_ID: u64 = 1;

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

#[inline]
fn entry_of(id: u64) -> usize {
    (id / ID_STEP % ENTRIES as u64) as usize
}

/// Returns the slot of object `id`, if the cache knows it.
#[inline]
pub(super) fn cached(id: u64) -> Option<NonNull<Header>> {
    CACHE
        .try_with(|cache| {
            let entry = &cache[entry_of(id)];
            // SAFETY: an entry with an object's id was written by `remember`, from a `NonNull`;
            // `NO_ID` is no object's, and an object without id asks for 0.
            (entry.id.get() == id)
                .then(|| unsafe { NonNull::new_unchecked(entry.slot.get().cast_mut()) })
        })
        .ok()
        .flatten()
}

fn remember(id: u64, slot: NonNull<Header>) {
    // No cache any more (only under a model): then the next call searches again.
    let _ = CACHE.try_with(|cache| {
        let entry = &cache[entry_of(id)];
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
