//! [`ThreadSlots`]: one value per object and thread, found in a few instructions.
//!
//! ```text
//!   object                      slots: one heap block each, never unlinked while the object lives
//!  ┌──────┐   ┌───────────────┐   ┌───────────────┐
//!  │ id   │   │ state = OWNED │   │ state =       │     state: OWNED  a thread holds it
//!  │ head ┼──▶│       | ALIVE │──▶│         ALIVE │            ALIVE  the object lives, so does T
//!  └──────┘   │ T             │   │ T (adoptable) │            LATE   its thread cannot give it back
//!             └──▲────────────┘   └───────────────┘
//!   thread       │
//!  ┌─────────────┼─┐   cache: 4 entries (id, slot), by id: the fast path
//!  │ cache   ────┤ │
//!  │ registry────┘ │   registry: every slot the thread holds; its drop hands them back
//!  └───────────────┘
//! ```
//!
//! **Invariants.**
//! - I1: an id names one object for ever (a 64-bit counter); a cache or registry entry of a dropped
//!   object matches nothing and its slot is not touched, except by I4.
//! - I2: while OWNED is set, only the thread that set it forms a `&T`, but for `T: Sync`.
//! - I3: T is initialised from before the slot is published until ALIVE is cleared.
//! - I4: a slot's memory is freed by whoever clears the second of OWNED and ALIVE (by the object
//!   when LATE), hence exactly once, and after the other's last access.
//! - I5: `next` is written before publication only.
//! - I6: a thread's cache is used by one call at a time: calls nest (an initialiser may use another object),
//!   but none begins between two instructions of `cached` or `remember`, as a signal handler's would.
//!
//! **Ordering edges.**
//! - `slot-publish`: `push` → every walk of the list. The slot's T and `next` are written before.
//! - `slot-handover`: `hand_back` at thread exit → `adopt`. T passes from one thread to the next.
//! - `slot-free`: the first of `hand_back` (exit, sweep) and `retire` (drop) → the second, which frees.
//!
//! **Cost.** A hit: see the crate's design page. First use by a thread: a walk over the slots (at
//! most the peak number of threads), one allocation when none can be adopted. 16 bytes per thread
//! and object held, and per slot T plus 32 bytes, rounded up to 128.
//!
//! **Source.** Ours; the two-party release of a slot replaces the reference count that the exit of a
//! thread and the drop of an object would otherwise contend for.

use alloc::alloc::handle_alloc_error;
use core::alloc::Layout;
use core::convert::Infallible;
use core::fmt;
use core::iter::FusedIterator;
use core::marker::PhantomData;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ptr::{self, NonNull};

use crate::sync::alloc as memory;
use crate::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use crate::sync::atomic::{AtomicPtr, AtomicU8, Exclusive};
use crate::sync::cell::UnsafeCell;
use crate::sync::const_fn;
use crate::sync::unmodelled::AtomicU64;

mod registry;
use registry::Entered;

/// A thread holds the slot.
const OWNED: u8 = 1;
/// The object lives, and T with it.
const ALIVE: u8 = 2;
/// The holding thread is past the destructor that would hand the slot back.
const LATE: u8 = 4;

/// The type-erased head of a slot, which is all that a thread's exit touches.
struct Header {
    state: AtomicU8,
    /// Frees the slot this header begins.
    free: unsafe fn(NonNull<Header>),
}

/// One thread's place. Aligned so that no two threads write to one pair of cache lines.
#[repr(C)]
#[cfg_attr(any(target_arch = "x86_64", target_arch = "aarch64"), repr(align(128)))]
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), repr(align(64)))]
struct Slot<T> {
    header: Header,
    next: UnsafeCell<*mut Slot<T>>,
    value: UnsafeCell<MaybeUninit<T>>,
}

/// One `T` per object and thread: created when a thread first asks, found in a few instructions
/// after that.
///
/// When a thread exits, its value stays as it was left, and the next new thread that asks adopts
/// it: hence `T: Send`. The values are dropped with the object, on the thread that drops it. There
/// are never more of them than threads were alive at once (and [late](#late) ones).
///
/// # Which access to choose
///
/// [`with_or`](Self::with_or) serves any `T: Send`: only the owner thread sees the value.
/// [`get_or`](Self::get_or) returns a reference, and asks for `T: Sync`: a reference could be kept
/// in a thread-local and used by its destructor, after the value went to another thread.
///
/// # Late
///
/// A destructor of a thread-local may ask after this module's own has run for the thread. It is
/// served, and what it is given stays reserved until the object drops.
///
/// # Examples
///
/// ```
/// use core::cell::Cell;
/// use primitives::ThreadSlots;
///
/// static ALLOCATIONS: ThreadSlots<Cell<u64>> = ThreadSlots::new();
///
/// for _ in 0..3 {
///     ALLOCATIONS.with_or(|| Cell::new(0), |count| count.set(count.get() + 1));
/// }
/// assert_eq!(ALLOCATIONS.with(Cell::get), Some(3));
/// std::thread::spawn(|| assert_eq!(ALLOCATIONS.with(Cell::get), None)).join().unwrap();
/// ```
///
/// # Complexity
///
/// O(1) after a thread's first use; the first is O(slots).
///
/// # Concurrency
///
/// A hit is wait-free and writes nothing. First use is lock-free, apart from the allocation.
///
/// # Signal handlers
///
/// A signal handler must use no `ThreadSlots`, nor anything that is built on them, while the thread that it
/// interrupts may be using any, not even another object: a thread's accesses share a cache that is read
/// and written in two steps. A handler in between could leave the thread with one object's id beside
/// another's slot, whose value it would then take for its own, of whatever type. No method can see that it
/// was called there; who installs a handler, which is unsafe, has to see to it.
pub struct ThreadSlots<T> {
    /// 0 until a thread first asks (I1).
    id: AtomicU64,
    head: AtomicPtr<Slot<T>>,
    /// A statistic.
    adoptions: AtomicU64,
    _values: PhantomData<T>,
}

// SAFETY: sending the object sends its values: `T: Send`.
unsafe impl<T: Send> Send for ThreadSlots<T> {}
// SAFETY: `&ThreadSlots` lets each thread create, use and leave behind its own `T`, which another
// thread adopts and a third drops: `T: Send`. No two threads see one `T` (I2) where `T: Sync` is
// not asked, so `T: Sync` is not needed.
unsafe impl<T: Send> Sync for ThreadSlots<T> {}

/// A thread could not be given its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotError<E> {
    /// The allocator refused this layout.
    Alloc(Layout),
    /// The initialiser refused.
    Init(E),
}

impl<E: fmt::Display> fmt::Display for SlotError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alloc(layout) => write!(
                f,
                "no memory for a thread's slot: {} bytes aligned to {}",
                layout.size(),
                layout.align()
            ),
            Self::Init(error) => write!(f, "a thread's value could not be made: {error}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for SlotError<E> {}

/// Says whether a slot that this thread takes now would be handed back when the thread exits.
///
/// Not in the destructors of thread-locals that run after this module's own: see
/// [late](ThreadSlots#late). Who can do without a slot asks, so that dying threads leave none behind.
#[must_use]
pub fn hands_back() -> bool {
    registry::hands_back()
}

impl<T> ThreadSlots<T> {
    const_fn! {
        /// Creates an object in which no thread has a value yet.
        #[must_use]
        pub const fn new() -> Self {
            Self {
                id: AtomicU64::new(0),
                head: AtomicPtr::new(ptr::null_mut()),
                adoptions: AtomicU64::new(0),
                _values: PhantomData,
            }
        }
    }
}

impl<T: Send> ThreadSlots<T> {
    /// Runs `f` on this thread's value, made by `init` unless there is one already.
    ///
    /// A value left by an exited thread counts: it is adopted as it is. `init` may itself ask this
    /// object; the value made inside stays, the outer one is dropped.
    #[inline]
    pub fn with_or<R>(&self, init: impl FnOnce() -> T, f: impl FnOnce(&T) -> R) -> R {
        self.slot_or(init).with(f)
    }

    /// As [`with_or`](Self::with_or), with an initialiser that may fail.
    ///
    /// # Errors
    ///
    /// What `init` returned, or the layout the allocator refused.
    #[inline]
    pub fn try_with_or<R, E>(
        &self,
        init: impl FnOnce() -> Result<T, E>,
        f: impl FnOnce(&T) -> R,
    ) -> Result<R, SlotError<E>> {
        self.look_up(Ok, |slots| slots.claim(init)).map(|slot| slot.with(f))
    }

    /// Runs `f` on this thread's value, if there is one.
    #[inline]
    pub fn with<R>(&self, f: impl FnOnce(&T) -> R) -> Option<R> {
        self.look_up(Some, Self::registered).map(|slot| slot.with(f))
    }

    /// Returns this thread's value, made by `init` unless there is one already.
    ///
    /// As [`with_or`](Self::with_or), for a `T` that other threads may see.
    #[inline]
    pub fn get_or(&self, init: impl FnOnce() -> T) -> &T
    where
        T: Sync,
    {
        self.slot_or(init).shared()
    }

    /// As [`get_or`](Self::get_or), with an initialiser that may fail.
    ///
    /// # Errors
    ///
    /// What `init` returned, or the layout the allocator refused.
    #[inline]
    pub fn try_get_or<E>(&self, init: impl FnOnce() -> Result<T, E>) -> Result<&T, SlotError<E>>
    where
        T: Sync,
    {
        self.look_up(Ok, |slots| slots.claim(init)).map(Slot::shared)
    }

    /// Returns this thread's value, if there is one.
    #[inline]
    pub fn get(&self) -> Option<&T>
    where
        T: Sync,
    {
        self.look_up(Some, Self::registered).map(Slot::shared)
    }

    /// Runs `f` on every value, of living and of exited threads, in no order.
    ///
    /// # Concurrency
    ///
    /// Threads go on using their values meanwhile; one that asks for the first time may be missed.
    pub fn for_each_shared(&self, mut f: impl FnMut(&T))
    where
        T: Sync,
    {
        for slot in self.walk() {
            // SAFETY: a published slot, which lives as long as the object (I4).
            unsafe { slot.as_ref() }.with(&mut f);
        }
    }

    /// Counts the values, of living and of exited threads.
    #[must_use]
    pub fn len(&self) -> usize {
        self.walk().count()
    }

    /// Counts how often a value passed from a thread that exited to another.
    #[must_use]
    pub fn adoptions(&self) -> u64 {
        // ORD Relaxed: a statistic.
        self.adoptions.load(Relaxed)
    }

    /// Says whether no thread ever had a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.walk().next().is_none()
    }

    /// Lends every value, of living and of exited threads, in no order.
    pub fn iter_mut(&mut self) -> IterMut<'_, T> {
        IterMut { next: self.head.get(), _object: PhantomData }
    }

    #[inline]
    fn slot_or(&self, init: impl FnOnce() -> T) -> &Slot<T> {
        self.look_up(|slot| slot, |slots| slots.claim_or_abort(init))
    }

    /// The fast path: `hit` on the slot if the thread's cache knows it, else `miss`.
    #[inline]
    fn look_up<'a, R>(
        &'a self,
        hit: impl FnOnce(&'a Slot<T>) -> R,
        miss: impl FnOnce(&'a Self) -> R,
    ) -> R {
        // ORD Relaxed: an id is set once and guards no memory; a stale 0 matches no cache entry.
        let id = self.id.load(Relaxed);
        let (known, slot) = registry::cached(id);
        if known == id {
            // SAFETY: the cache holds this object's id (I1), so `slot` is one of its slots, a
            // `Slot<T>` that lives as long as the object (I4).
            hit(unsafe { &*slot.cast::<Slot<T>>() })
        } else {
            miss(self)
        }
    }

    /// The slow path of a thread that is known, but not to the cache.
    #[cold]
    fn registered(&self) -> Option<&Slot<T>> {
        // ORD Relaxed: as in `look_up`.
        let slot = registry::find(self.id.load(Relaxed))?;
        // SAFETY: the registry holds this object's id (I1): as in `look_up`.
        Some(unsafe { slot.cast::<Slot<T>>().as_ref() })
    }

    #[cold]
    #[inline(never)]
    fn claim_or_abort(&self, init: impl FnOnce() -> T) -> &Slot<T> {
        match self.claim(|| Ok::<T, Infallible>(init())) {
            Ok(slot) => slot,
            Err(SlotError::Alloc(layout)) => handle_alloc_error(layout),
            Err(SlotError::Init(never)) => match never {},
        }
    }

    /// Finds, adopts or makes this thread's slot. Holds nothing while `init` runs.
    #[cold]
    #[inline(never)]
    fn claim<E>(&self, init: impl FnOnce() -> Result<T, E>) -> Result<&Slot<T>, SlotError<E>> {
        let id = self.assign_id();
        if let Some(slot) = self.registered() {
            return Ok(slot);
        }
        let slot = match self.adopt() {
            Some(slot) => {
                // ORD Relaxed: a statistic.
                self.adoptions.fetch_add(1, Relaxed);
                slot
            }
            None => {
                let value = init().map_err(SlotError::Init)?;
                // `init` may have asked this object, and a thread has one value.
                #[cfg(not(bug = "slots_init_not_rechecked"))]
                if let Some(slot) = self.registered() {
                    return Ok(slot);
                }
                self.push(value).map_err(SlotError::Alloc)?
            }
        };
        let entered = registry::enter(id, slot.cast::<Header>());
        // SAFETY: an adopted or new slot of this object, which lives as long (I4).
        let slot_ref = unsafe { slot.as_ref() };
        match entered {
            Entered::Held => Ok(slot_ref),
            Entered::Gone => {
                // ORD Relaxed: read by `retire` only, which the object's owner has ordered after
                // every use of the object.
                slot_ref.header.state.fetch_or(LATE, Relaxed);
                Ok(slot_ref)
            }
            Entered::NoMemory(layout) => {
                // SAFETY: this thread owns the slot, and the registry does not know it.
                unsafe { Header::hand_back(slot.cast()) };
                Err(SlotError::Alloc(layout))
            }
        }
    }

    fn assign_id(&self) -> u64 {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        // ORD Relaxed: as in `look_up`; the compare-exchange below decides between two threads.
        let id = self.id.load(Relaxed);
        if id != 0 {
            return id;
        }
        // ORD Relaxed: only uniqueness matters, which the read-modify-write gives. 2^56 numbers last
        // for two years at a thousand million objects a second.
        let number = NEXT.fetch_add(1, Relaxed);
        #[cfg(bug = "slots_id_is_the_address")]
        let number = ptr::from_ref(self).addr() as u64 + number * 0;
        let fresh = registry::id_of(number);
        // ORD Relaxed: the id guards no memory.
        match self.id.compare_exchange(0, fresh, Relaxed, Relaxed) {
            Ok(_) => fresh,
            Err(id) => id,
        }
    }

    /// Takes over a slot that an exited thread left behind.
    fn adopt(&self) -> Option<NonNull<Slot<T>>> {
        self.walk().find(|slot| {
            // SAFETY: a published slot, which lives as long as the object (I4).
            let state = &unsafe { slot.as_ref() }.header.state;
            // ORD Relaxed: a hint; the compare-exchange decides.
            state.load(Relaxed) == ALIVE
                // ORD[slot-handover] Acquire ← Release in `hand_back`: the former owner's last use
                // of T happens before ours. Relaxed on failure: another thread was quicker.
                && state.compare_exchange(ALIVE, ALIVE | OWNED, Acquire, Relaxed).is_ok()
        })
    }

    /// Makes a slot, owned by this thread, and publishes it.
    fn push(&self, value: T) -> Result<NonNull<Slot<T>>, Layout> {
        let layout = Layout::new::<Slot<T>>();
        // SAFETY: a slot holds a header, so its size is not zero.
        let block = unsafe { memory::alloc(layout) };
        let Some(slot) = NonNull::new(block.cast::<Slot<T>>()) else { return Err(layout) };
        let contents = Slot {
            header: Header { state: AtomicU8::new(OWNED | ALIVE), free: free::<T> },
            next: UnsafeCell::new(ptr::null_mut()),
            value: UnsafeCell::new(MaybeUninit::new(value)),
        };
        // SAFETY: the block is new, ours, and has a slot's layout.
        unsafe { slot.write(contents) };
        // SAFETY: just written, and not freed while the object lives (I4).
        let next = &unsafe { slot.as_ref() }.next;
        // ORD Relaxed: the compare-exchange re-validates.
        let mut head = self.head.load(Relaxed);
        loop {
            // SAFETY: I5: not yet published, so no other thread reads or writes `next`.
            next.with_mut(|next| unsafe { *next = head });
            // ORD[slot-publish] Release → Acquire in `walk`: the writes of T and `next` above happen
            // before a walk reads them; later pushes continue the release sequence. Relaxed on
            // failure: the value is only retried with.
            match self.head.compare_exchange_weak(head, slot.as_ptr(), Release, Relaxed) {
                Ok(_) => return Ok(slot),
                Err(now) => head = now,
            }
        }
    }

    /// Walks every slot.
    fn walk(&self) -> impl Iterator<Item = NonNull<Slot<T>>> {
        // ORD[slot-publish] Acquire ← Release in `push`.
        let mut next = self.head.load(Acquire);
        core::iter::from_fn(move || {
            let slot = NonNull::new(next)?;
            // SAFETY: a published slot, which lives as long as the object (I4).
            let link = &unsafe { slot.as_ref() }.next;
            // SAFETY: I5: `next` is not written after publication.
            next = link.with(|next| unsafe { *next });
            Some(slot)
        })
    }
}

impl<T> Slot<T> {
    /// Runs `f` on the value. Called by the owner thread, or with `T: Sync`.
    #[inline]
    fn with<R>(&self, f: impl FnOnce(&T) -> R) -> R {
        self.value.with(|value| {
            // SAFETY: reads only, by the owner (I2) or with `T: Sync`; exclusive access needs
            // `&mut ThreadSlots`, which cannot coexist with the borrow that found this slot.
            let value = unsafe { &*value };
            // SAFETY: I3: the object is borrowed, so ALIVE is set.
            f(unsafe { value.assume_init_ref() })
        })
    }

    /// Returns the value, which other threads may see.
    #[inline]
    fn shared(&self) -> &T
    where
        T: Sync,
    {
        let value = self.value.with(|value| value);
        // SAFETY: `T: Sync`; exclusive access needs `&mut ThreadSlots`, as in `with`.
        let value = unsafe { &*value };
        // SAFETY: I3: the object is borrowed, so ALIVE is set.
        unsafe { value.assume_init_ref() }
    }
}

// Raw pointers, not `&self`: a reference must not be live when another thread, or the callee, frees
// the slot.
impl Header {
    /// Gives a slot up so that another thread may adopt it, or frees it if the object is gone.
    ///
    /// # Safety
    ///
    /// This thread owns the slot (it set OWNED) and does not use it, or T, any more.
    unsafe fn hand_back(header: NonNull<Self>) {
        if cfg!(bug = "slots_exit_keeps") {
            return;
        }
        // SAFETY: OWNED is set, so the slot is not freed (I4). Read now: later it may be.
        let free = unsafe { header.as_ref() }.free;
        // SAFETY: as above, up to the moment OWNED is cleared.
        let state = unsafe { &(*header.as_ptr()).state };
        // ORD[slot-handover] Release → Acquire in `adopt`: our last use of T happens before the
        // adopter's first.
        // ORD[slot-free] AcqRel ↔ AcqRel in `retire`: the first one's accesses to the slot happen
        // before the second one frees it.
        let before = state.fetch_and(!OWNED, AcqRel);
        debug_assert!(before & OWNED != 0, "handed back a slot nobody owned: state {before:#x}");
        if before & ALIVE == 0 {
            // SAFETY: I4: OWNED is the second to be cleared.
            unsafe { free(header) }
        }
    }

    /// Notes that the object is gone, and frees the slot if no thread holds it.
    ///
    /// # Safety
    ///
    /// The slot is the object's, its T is dropped, and the object does not use it any more.
    unsafe fn retire(header: NonNull<Self>) {
        // SAFETY: ALIVE is set, so the slot is not freed (I4). Read now: later it may be.
        let free = unsafe { header.as_ref() }.free;
        // SAFETY: as above, up to the moment ALIVE is cleared.
        let state = unsafe { &(*header.as_ptr()).state };
        // ORD[slot-free] AcqRel ↔ AcqRel in `hand_back`.
        let before = state.fetch_and(!ALIVE, AcqRel);
        debug_assert!(before & ALIVE != 0, "retired a slot twice: state {before:#x}");
        if before & OWNED == 0 || before & LATE != 0 || cfg!(bug = "slots_drop_frees_owned") {
            // SAFETY: I4: ALIVE is the second to be cleared, or the owner will not clear OWNED.
            unsafe { free(header) }
        }
    }

    /// Says whether the object is gone. Called by the owner thread, which may then hand the slot
    /// back for good.
    fn is_dead(&self) -> bool {
        // ORD Relaxed: a cleared ALIVE stays cleared, and `hand_back` orders the drop before the free.
        self.state.load(Relaxed) & ALIVE == 0
    }
}

/// Frees the slot that `header` begins.
///
/// # Safety
///
/// `header` begins a `Slot<T>` of `push`; its T is dropped, and nobody uses the slot any more.
unsafe fn free<T>(header: NonNull<Header>) {
    let slot = header.cast::<Slot<T>>();
    // SAFETY: the caller's promise; T itself is `MaybeUninit` here and not dropped again.
    unsafe { slot.drop_in_place() };
    // SAFETY: allocated by `push` with this layout.
    unsafe { memory::dealloc(slot.as_ptr().cast(), Layout::new::<Slot<T>>()) };
}

impl<T> Drop for ThreadSlots<T> {
    fn drop(&mut self) {
        // The dropping thread's own slot need not wait for the thread's exit.
        // ORD Relaxed: `&mut self`.
        registry::forget(self.id.load(Relaxed));
        Rest(self.head.get()).drop_all();
    }
}

/// Slots still to be dropped. Its drop goes on where a panicking `T::drop` stopped.
struct Rest<T>(*mut Slot<T>);

impl<T> Rest<T> {
    fn drop_all(self) {
        let mut rest = ManuallyDrop::new(self);
        while let Some(slot) = NonNull::new(rest.0) {
            // SAFETY: a slot of the object being dropped, not yet retired (I4); the reference ends
            // with this statement.
            rest.0 = unsafe { slot.as_ref() }.next.with(|next| {
                // SAFETY: I5: not written after publication.
                unsafe { *next }
            });
            let on_panic = Rest(rest.0);
            let retired = Retire(slot);
            // SAFETY: as above; `&mut ThreadSlots` proves that no reference to T is left.
            #[cfg(not(bug = "slots_drop_skips_values"))]
            unsafe { slot.as_ref() }.value.with_mut(|value| {
                // SAFETY: I3: T is initialised, and ALIVE is cleared right after, by `Retire`, so
                // it is dropped once.
                unsafe { value.cast::<T>().drop_in_place() }
            });
            drop(retired);
            let _ = ManuallyDrop::new(on_panic);
        }
    }
}

impl<T> Drop for Rest<T> {
    fn drop(&mut self) {
        Self(self.0).drop_all();
    }
}

/// Retires a slot, also while `T::drop` unwinds.
struct Retire<T>(NonNull<Slot<T>>);

impl<T> Drop for Retire<T> {
    fn drop(&mut self) {
        // SAFETY: `drop_all` hands each slot of the object to one `Retire`, and T is dropped, or its
        // drop panicked and is not tried again.
        unsafe { Header::retire(self.0.cast()) };
    }
}

impl<T> Default for ThreadSlots<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> fmt::Debug for ThreadSlots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Values are other threads': not shown.
        f.debug_struct("ThreadSlots").finish_non_exhaustive()
    }
}

/// Every value of a [`ThreadSlots`]; made by [`ThreadSlots::iter_mut`].
pub struct IterMut<'a, T> {
    next: *mut Slot<T>,
    _object: PhantomData<&'a mut T>,
}

// SAFETY: stands for the `&mut T` it will yield; nothing else is reachable through it.
unsafe impl<T: Send> Send for IterMut<'_, T> {}
// SAFETY: a shared iterator yields nothing.
unsafe impl<T: Sync> Sync for IterMut<'_, T> {}

impl<'a, T> Iterator for IterMut<'a, T> {
    type Item = &'a mut T;

    fn next(&mut self) -> Option<&'a mut T> {
        let slot = NonNull::new(self.next)?;
        // SAFETY: a slot of the exclusively borrowed object.
        let slot = unsafe { slot.as_ref() };
        // SAFETY: I5: not written after publication.
        self.next = slot.next.with(|next| unsafe { *next });
        // SAFETY: I3: initialised; the object is exclusively borrowed for `'a`, and each slot is
        // yielded once, so no other reference to this T lives.
        Some(slot.value.with_mut(|value| unsafe { &mut *value.cast::<T>() }))
    }
}

impl<T> FusedIterator for IterMut<'_, T> {}

impl<T> fmt::Debug for IterMut<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IterMut").finish_non_exhaustive()
    }
}
