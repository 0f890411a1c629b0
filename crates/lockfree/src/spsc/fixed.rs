//! [`StaticSpscRing`]: a ring of a capacity known when compiling, without an allocation.

use core::fmt;
use core::marker::PhantomData;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use primitives::sync::atomic::AtomicBool;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use primitives::sync::cell::UnsafeCell;
use primitives::sync::const_fn;

use super::consumer::Consumer;
use super::producer::Producer;
use super::shared::{Shared, Storage, sealed::Sealed};
use super::slots::Slots;

/// A bounded queue of `N` values from one thread to one other, without an allocation.
///
/// It may be a `static`, stand on the stack, or be part of another type.
/// [`split`](Self::split) and [`try_split`](Self::try_split) give out its ends, any number of times,
/// one pair at a time. A pair that is dropped leaves the ring empty.
///
/// # Examples
///
/// ```
/// use lockfree::StaticSpscRing;
///
/// static KEYS: StaticSpscRing<u8, 16> = StaticSpscRing::new();
///
/// let (mut producer, mut consumer) = KEYS.try_split().expect("nobody else uses it");
/// assert!(KEYS.try_split().is_none());
/// producer.push(b'q').unwrap();
/// assert_eq!(consumer.pop(), Ok(b'q'));
/// drop((producer, consumer));
/// assert!(KEYS.try_split().is_some());
/// ```
#[repr(C)]
pub struct StaticSpscRing<T, const N: usize> {
    /// First, so that its address is that of the ring's [`Claim`].
    claim: Claim,
    slots: UnsafeCell<Room<T, N>>,
}

/// The ring is in a [`StaticSpscRing`] that is borrowed for `'a`.
#[derive(Debug)]
pub struct Borrowed<'a>(PhantomData<&'a ()>, core::convert::Infallible);

/// What both ends see, and whether there are any.
#[repr(C)]
struct Claim {
    /// First, so that its address is that of the claim.
    shared: Shared,
    /// A pair of ends is out.
    taken: AtomicBool,
}

/// `N` slots and the spare, side by side.
#[repr(C)]
struct Room<T, const N: usize> {
    slots: MaybeUninit<[T; N]>,
    spare: MaybeUninit<T>,
}

// SAFETY: a shared ring gives its values' slots to one pair of ends at a time, and values cross
// threads through these, hence `Send`; nobody shares a value, so it need not be `Sync`.
unsafe impl<T: Send, const N: usize> Sync for StaticSpscRing<T, N> {}
impl<T, const N: usize> StaticSpscRing<T, N> {
    const CAPACITY_IN_RANGE: () = assert!(
        N > 0 && N < Slots::<T>::MOST,
        "a StaticSpscRing holds at least one value, and fits in isize::MAX bytes"
    );

    const_fn! {
        /// Makes an empty ring. A capacity of 0 does not compile.
        #[must_use]
        pub const fn new() -> Self {
            const { Self::CAPACITY_IN_RANGE };
            Self {
                claim: Claim { shared: Shared::new(), taken: AtomicBool::new(false) },
                slots: UnsafeCell::new(Room {
                    slots: MaybeUninit::uninit(),
                    spare: MaybeUninit::uninit(),
                }),
            }
        }
    }

    /// Returns the two ends, by exclusive access.
    ///
    /// Values of an earlier pair whose ends were forgotten, not dropped, are forgotten with them.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut ring = lockfree::StaticSpscRing::<_, 4>::new();
    /// let (mut producer, mut consumer) = ring.split();
    /// std::thread::scope(|scope| {
    ///     scope.spawn(move || producer.push(1).unwrap());
    ///     scope.spawn(move || while consumer.pop() != Ok(1) {});
    /// });
    /// ```
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that other threads touch: access is exclusive.
    pub fn split(&mut self) -> (Producer<T, Borrowed<'_>>, Consumer<T, Borrowed<'_>>) {
        use primitives::sync::atomic::Exclusive;
        self.claim.taken.with_mut(|taken| *taken = true);
        // SAFETY: `&mut`: no pair is out that is not forgotten, and the claim is this one's.
        unsafe { self.ends() }
    }

    /// Returns the two ends, unless an earlier pair is still out.
    ///
    /// A pair of which one end was forgotten, not dropped, is out for good.
    ///
    /// # Concurrency
    ///
    /// Wait-free; linearizes at its compare-exchange.
    pub fn try_split(&self) -> Option<(Producer<T, Borrowed<'_>>, Consumer<T, Borrowed<'_>>)> {
        // ORD[ring-hand-on] Acquire ← Release in `release`: the earlier pair is done with all of it.
        // ORD Relaxed on failure: the pair that is out is left alone.
        self.claim.taken.compare_exchange(false, true, Acquire, Relaxed).ok()?;
        // SAFETY: no pair was out, and no other call gets through until this one is back.
        Some(unsafe { self.ends() })
    }

    /// Makes a pair of ends.
    ///
    /// # Safety
    ///
    /// No other pair is out, and `taken` says that this one is.
    unsafe fn ends(&self) -> (Producer<T, Borrowed<'_>>, Consumer<T, Borrowed<'_>>) {
        let first = self.slots.with_mut(|room| {
            // SAFETY: a cell's content is not null.
            unsafe { NonNull::new_unchecked(room) }.cast::<T>()
        });
        // SAFETY: 1. `Room` is `N + 1` values side by side; 2. `CAPACITY_IN_RANGE`.
        let slots = unsafe { Slots::new(first, N + 1) };
        self.claim.shared.begin(slots.first().addr());
        let shared = NonNull::from(&self.claim).cast::<Shared>();
        // SAFETY: 1. this ring, borrowed for as long as its ends live; 2. the only pair.
        let producer = unsafe { Producer::attach(shared, slots) };
        // SAFETY: as above.
        let consumer = unsafe { Consumer::attach(shared, slots) };
        (producer, consumer)
    }

    /// Returns how many values it holds at most: `N`.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that changes.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        N
    }
}

impl Storage for Borrowed<'_> {}

impl Sealed for Borrowed<'_> {
    unsafe fn release<T>(shared: NonNull<()>, _: usize) {
        // SAFETY: made of the address of a `Claim`, whose first field it is; the ring is borrowed for
        // longer than its ends live.
        let claim = unsafe { shared.cast::<Claim>().as_ref() };
        // ORD[ring-hand-on] Release → Acquire in `try_split`: this pair is done with all of it.
        claim.taken.store(false, Release);
    }
}

impl<T, const N: usize> Default for StaticSpscRing<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T, const N: usize> fmt::Debug for StaticSpscRing<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticSpscRing").field("capacity", &N).finish_non_exhaustive()
    }
}
