//! Hot paths through the facade beside the same code over `core`, for `tests/zero_cost.rs`, which
//! compares their instructions; and the fast path of `ThreadSlots`, which it counts.
//!
//! Each pair `facade_*` / `core_*` differs in its imports only.

/// Writes the pair once for the facade and once for `core`.
macro_rules! pair {
    ($module:ident, $claim:ident, $cell:ident, { $($imports:tt)* }) => {
        mod $module {
            $($imports)*

            /// A ring slot as the queues have it: stamp, then value.
            pub(crate) struct Slot {
                stamp: AtomicUsize,
                value: Cell,
            }
            // SAFETY: an example that is disassembled and run on one thread only.
            unsafe impl Sync for Slot {}

            impl Slot {
                pub(crate) fn new() -> Self {
                    Self { stamp: AtomicUsize::new(0), value: Cell::new(0) }
                }
            }

            /// Claims a position by compare-exchange, publishes a value by stamp.
            ///
            /// # Safety
            ///
            /// One thread at a time.
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub(crate) unsafe extern "C" fn $claim(tail: &AtomicUsize, slot: &Slot, new: u64) -> bool {
                let mut position = tail.load(Relaxed);
                loop {
                    if slot.stamp.load(Acquire) != position {
                        return false;
                    }
                    match tail.compare_exchange_weak(position, position + 1, AcqRel, Relaxed) {
                        Ok(_) => break,
                        Err(now) => position = now,
                    }
                    spin_loop();
                }
                write(&slot.value, new);
                fence(SeqCst);
                slot.stamp.store(position + 1, Release);
                true
            }

            /// Reads a value once it is published.
            #[unsafe(no_mangle)]
            #[inline(never)]
            pub(crate) extern "C" fn $cell(slot: &mut Slot) -> u64 {
                if exclusive(&mut slot.stamp) == 0 { 0 } else { read(&slot.value) }
            }
        }
    };
}

pair!(facade, facade_claim, facade_cell, {
    use primitives::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
    use primitives::sync::atomic::{AtomicUsize, Exclusive, fence};
    use primitives::sync::cell::UnsafeCell;
    use primitives::sync::hint::spin_loop;
    type Cell = UnsafeCell<u64>;
    fn write(cell: &Cell, new: u64) {
        // SAFETY: one thread only.
        cell.with_mut(|value| unsafe { *value = new });
    }
    fn read(cell: &Cell) -> u64 {
        // SAFETY: one thread only.
        cell.with(|value| unsafe { *value })
    }
    fn exclusive(stamp: &mut AtomicUsize) -> usize {
        stamp.get()
    }
});

pair!(direct, core_claim, core_cell, {
    use core::cell::UnsafeCell;
    use core::hint::spin_loop;
    use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
    use core::sync::atomic::{AtomicUsize, fence};
    type Cell = UnsafeCell<u64>;
    fn write(cell: &Cell, new: u64) {
        // SAFETY: one thread only.
        unsafe { *cell.get() = new }
    }
    fn read(cell: &Cell) -> u64 {
        // SAFETY: one thread only.
        unsafe { *cell.get() }
    }
    fn exclusive(stamp: &mut AtomicUsize) -> usize {
        *stamp.get_mut()
    }
});

/// One hit of `ThreadSlots`, then one instruction of the caller's.
#[unsafe(no_mangle)]
#[inline(never)]
pub(crate) extern "C" fn slots_hit(slots: &primitives::ThreadSlots<core::cell::Cell<u64>>) {
    slots.with_or(|| core::cell::Cell::new(0), |count| count.set(count.get() + 1));
}

fn main() {
    use core::hint::black_box;
    let (tail, mut slot) = (primitives::sync::atomic::AtomicUsize::new(0), facade::Slot::new());
    // SAFETY: one thread only.
    let claimed = unsafe { facade::facade_claim(black_box(&tail), black_box(&slot), 7) };
    assert!(claimed && facade::facade_cell(&mut slot) == 7);
    let (tail, mut slot) = (core::sync::atomic::AtomicUsize::new(0), direct::Slot::new());
    // SAFETY: one thread only.
    let claimed = unsafe { direct::core_claim(black_box(&tail), black_box(&slot), 7) };
    assert!(claimed && direct::core_cell(&mut slot) == 7);
    let slots = primitives::ThreadSlots::new();
    slots_hit(black_box(&slots));
    slots_hit(black_box(&slots));
    assert_eq!(slots.with(core::cell::Cell::get), Some(2));
}
