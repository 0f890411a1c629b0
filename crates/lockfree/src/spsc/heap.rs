//! [`SpscRing`]: a ring of any capacity, in one block of memory.
//!
//! ```text
//!   ┌────────────┬──────────────────────────────┐
//!   │   Shared   │  slots: capacity, and spare  │
//!   └────────────┴──────────────────────────────┘
//! ```

use core::convert::Infallible;
use core::marker::PhantomData;
use core::ptr::NonNull;

use primitives::sync::alloc::{Layout, alloc, dealloc};

use super::consumer::Consumer;
use super::producer::Producer;
use super::shared::{Shared, Storage, sealed::Sealed};
use super::slots::Slots;
use crate::ConfigError;

/// A bounded queue from one thread to one other: see [`new`](Self::new).
///
/// There are no values of this type: a ring is seen through its two ends.
#[derive(Debug)]
pub struct SpscRing<T>(PhantomData<T>, Infallible);

/// The ring is in a block of its own, which the end that leaves last frees.
#[derive(Debug)]
pub struct Heap(Infallible);

impl<T> SpscRing<T> {
    /// The largest capacity: what fits in `isize::MAX` bytes.
    pub const MAX_CAPACITY: usize = {
        let align = if align_of::<T>() > align_of::<Shared>() {
            align_of::<T>()
        } else {
            align_of::<Shared>()
        };
        let room = isize::MAX.cast_unsigned() - 2 * align - size_of::<Shared>();
        room / Slots::<T>::STRIDE - 1
    };

    /// Makes a ring of a fixed capacity and returns its two ends.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::{PopError, PushError, SpscRing};
    ///
    /// let (mut producer, mut consumer) = SpscRing::new(2);
    /// let sender = std::thread::spawn(move || {
    ///     for number in 0..5 {
    ///         while let Err(PushError::Full(_)) = producer.push(number) {
    ///             std::thread::yield_now();
    ///         }
    ///     }
    /// });
    /// let mut sum = 0;
    /// loop {
    ///     match consumer.pop() {
    ///         Ok(number) => sum += number,
    ///         Err(PopError::Empty) => std::thread::yield_now(),
    ///         Err(PopError::Closed) => break, // empty, and the producer is gone
    ///     }
    /// }
    /// assert_eq!(sum, 10);
    /// # sender.join().unwrap();
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if `capacity` is 0 or larger than [`MAX_CAPACITY`](Self::MAX_CAPACITY), with the message of
    /// [`try_new`](Self::try_new). Memory that is refused ends as it does in other collections, through
    /// `handle_alloc_error`.
    #[expect(clippy::new_ret_no_self, reason = "a ring is its two ends")]
    #[must_use]
    #[track_caller]
    pub fn new(capacity: usize) -> (Producer<T>, Consumer<T>) {
        Self::try_new(capacity).unwrap_or_else(|error| error.raise())
    }

    /// Makes a ring of a fixed capacity and returns its two ends, or says what is wrong with that.
    ///
    /// # Examples
    ///
    /// ```
    /// let error = lockfree::SpscRing::<u8>::try_new(0).unwrap_err();
    /// assert!(error.to_string().starts_with("capacity is 0, not in 1..="));
    /// ```
    ///
    /// # Errors
    ///
    /// A [`ConfigError`] if `capacity` is 0 or larger than [`MAX_CAPACITY`](Self::MAX_CAPACITY), or if the
    /// memory for it was refused.
    pub fn try_new(capacity: usize) -> Result<(Producer<T>, Consumer<T>), ConfigError> {
        if capacity == 0 || capacity > Self::MAX_CAPACITY {
            return Err(ConfigError::out_of_range("capacity", capacity, 1, Self::MAX_CAPACITY));
        }
        let count = capacity + 1;
        let (layout, offset) = layout::<T>(count);
        // SAFETY: the layout holds a `Shared`, so its size is not 0.
        let block = unsafe { alloc(layout) };
        let Some(block) = NonNull::new(block) else {
            return Err(ConfigError::no_memory("capacity", capacity, layout));
        };
        let shared = block.cast::<Shared>();
        // SAFETY: the block begins with room for it, aligned.
        unsafe { shared.write(Shared::new()) };
        // SAFETY: the slots lie in the block, behind `Shared`.
        let first = unsafe { block.add(offset) }.cast::<T>();
        // SAFETY: 1. the layout has room for `count` values from `offset` on; 2. in 2..=MOST, checked
        // above.
        let slots = unsafe { Slots::new(first, count) };
        // SAFETY: written above.
        unsafe { shared.as_ref() }.begin(slots.first().addr());
        // SAFETY: 1. a new ring, of `Heap`; 2. its only producer.
        let producer = unsafe { Producer::attach(shared, slots) };
        // SAFETY: 1. as above; 2. its only consumer.
        let consumer = unsafe { Consumer::attach(shared, slots) };
        Ok((producer, consumer))
    }
}

/// The block of a ring with `count` slots, and where in it these begin.
fn layout<T>(count: usize) -> (Layout, usize) {
    let slots =
        if size_of::<T>() == 0 { Ok(Layout::new::<T>()) } else { Layout::array::<T>(count) };
    let both = slots.and_then(|slots| Layout::new::<Shared>().extend(slots));
    let (layout, offset) = both.expect("`MAX_CAPACITY` keeps every layout in bounds");
    (layout.pad_to_align(), offset)
}

impl Storage for Heap {}

impl Sealed for Heap {
    unsafe fn release<T>(shared: NonNull<()>, slots: usize) {
        let shared = shared.cast::<Shared>();
        // SAFETY: both ends have left: nobody uses it again.
        unsafe { shared.drop_in_place() };
        // SAFETY: `try_new` allocated it by this layout.
        unsafe { dealloc(shared.as_ptr().cast(), layout::<T>(slots).0) };
    }
}
