//! [`Backoff`]: how long to pause after a failed try.
use core::cell::Cell;

use crate::sync::{MODELLED, hint};

/// Pauses that double from `FIRST` to `CAP` processor hints, for a retry loop.
///
/// The first pause is long on purpose. A try fails because another thread owns the cache line; a
/// short pause meets it again before it has moved on, and the line is handed to and fro. With a
/// first pause of 64 hints a contended ring costs about what an uncontended one does; without it,
/// several times as much. It costs an uncontended caller nothing: it never pauses.
///
/// Under a model every pause is one `yield_now`.
///
/// # Examples
///
/// ```
/// use primitives::Backoff;
/// use primitives::sync::atomic::{AtomicUsize, Ordering::Relaxed};
///
/// fn double(value: &AtomicUsize) {
///     let backoff = Backoff::new();
///     let mut current = value.load(Relaxed);
///     while let Err(now) = value.compare_exchange_weak(current, current * 2, Relaxed, Relaxed) {
///         current = now;
///         backoff.spin();
///     }
/// }
/// # let value = AtomicUsize::new(4);
/// # double(&value);
/// # assert_eq!(value.into_inner(), 8);
/// ```
#[derive(Clone, Debug)]
pub struct Backoff<const FIRST: u32 = { FIRST_PAUSE }, const CAP: u32 = { LONGEST_PAUSE }> {
    /// Hints of the next pause.
    next: Cell<u32>,
    /// Pauses made since the cap was reached, saturating at [`PATIENCE`].
    at_cap: Cell<u32>,
}

/// Hints of the first pause, unless the type says otherwise.
pub const FIRST_PAUSE: u32 = 64;
/// Hints of the longest pause, unless the type says otherwise.
pub const LONGEST_PAUSE: u32 = 256;
/// Pauses at the cap after which waiting should block instead.
const PATIENCE: u32 = 8;

impl Backoff {
    /// Starts at a first pause of 64 hints, capped at 256.
    #[inline]
    #[must_use]
    pub const fn new() -> Self {
        Self::with_pauses()
    }
}

impl<const FIRST: u32, const CAP: u32> Backoff<FIRST, CAP> {
    /// Starts at a first pause of `FIRST` hints, capped at `CAP`.
    ///
    /// ```
    /// let backoff = primitives::Backoff::<1, 16>::with_pauses();
    /// backoff.spin();
    /// ```
    #[inline]
    #[must_use]
    pub const fn with_pauses() -> Self {
        const { assert!(FIRST > 0 && FIRST <= CAP, "a back-off needs 0 < FIRST <= CAP") };
        Self { next: Cell::new(FIRST), at_cap: Cell::new(0) }
    }

    /// Pauses after a lost race: the winner is at work and will be through in a moment.
    #[inline]
    pub fn spin(&self) {
        self.pause();
    }

    /// Pauses while another thread has to do something first; at the cap, yields the processor to
    /// it.
    ///
    /// Without `std` there is nobody to yield to, and it pauses for one hint.
    #[inline]
    pub fn snooze(&self) {
        if self.next.get() < CAP {
            self.pause();
        } else {
            #[cfg(not(bug = "backoff_never_completes"))]
            self.at_cap.set((self.at_cap.get() + 1).min(PATIENCE));
            hint::yield_now();
        }
    }

    /// Says whether pausing has gone on so long that the caller should block, if it can.
    #[inline]
    #[must_use]
    pub fn is_completed(&self) -> bool {
        self.at_cap.get() == PATIENCE
    }

    /// Returns how many hints the next pause takes, outside a model.
    #[inline]
    #[must_use]
    pub fn next_pause(&self) -> u32 {
        self.next.get()
    }

    /// Starts again from the first pause.
    #[inline]
    pub fn reset(&self) {
        self.next.set(FIRST);
        self.at_cap.set(0);
    }

    #[inline]
    fn pause(&self) {
        let hints = self.next.get();
        if MODELLED {
            // To a model one pause is as good as many.
            hint::spin_loop();
        } else {
            for _ in 0..hints {
                hint::spin_loop();
            }
        }
        self.next.set(hints.saturating_mul(2).min(CAP));
    }
}

impl<const FIRST: u32, const CAP: u32> Default for Backoff<FIRST, CAP> {
    fn default() -> Self {
        Self::with_pauses()
    }
}
