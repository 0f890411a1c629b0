//! Values that know whether they are whole, and a ledger of those alive.

use core::cell::RefCell;
use core::ptr::NonNull;
use std::collections::HashMap;
use std::panic::resume_unwind;

/// A planned panic, thrown past the panic hook.
pub(crate) struct Planned;

pub(crate) fn planned_panic() -> ! {
    resume_unwind(Box::new(Planned))
}

#[derive(Default)]
struct Ledger {
    /// How many values of each id are alive.
    live: Vec<u32>,
    total: usize,
    next: u64,
    /// What [`Owner`]s own, by id: what was forgotten goes with the ledger, and is no leak.
    owned: HashMap<u64, Box<u64>>,
    /// The drop that panics, counted from now; 0 for none.
    panics_in: u32,
}

thread_local!(static LEDGER: RefCell<Ledger> = RefCell::default());

/// Forgets everything: at the start of a run.
pub(crate) fn reset() {
    LEDGER.take();
}

/// The number of values alive.
pub(crate) fn live() -> usize {
    LEDGER.with_borrow(|ledger| ledger.total)
}

/// Strikes out values that were forgotten.
pub(crate) fn strike_out(count: usize) {
    LEDGER.with_borrow_mut(|ledger| ledger.total = ledger.total.saturating_sub(count));
}

/// Lets the `count`-th drop from now panic; 0 lets none.
pub(crate) fn set_panics_in(count: u32) {
    LEDGER.with_borrow_mut(|ledger| ledger.panics_in = count);
}

fn born(id: u64) {
    LEDGER.with_borrow_mut(|ledger| {
        let index = usize::try_from(id).expect("ids are small");
        if ledger.live.len() <= index {
            ledger.live.resize(index + 1, 0);
        }
        ledger.live[index] += 1;
        ledger.total += 1;
    });
}

/// Strikes a value out, and panics if that was planned.
fn dies(id: u64) {
    let panics = LEDGER.with_borrow_mut(|ledger| {
        let count = usize::try_from(id).ok().and_then(|index| ledger.live.get_mut(index));
        match count {
            Some(count) if *count != 0 => *count -= 1,
            _ => panic!("value {id} is dropped, and not alive"),
        }
        ledger.total -= 1;
        let panics = ledger.panics_in == 1;
        ledger.panics_in = ledger.panics_in.saturating_sub(1);
        panics
    });
    if panics {
        planned_panic();
    }
}

/// What arenas under test hold.
pub(crate) trait Element: Sized {
    /// Whether the ledger knows the values: they have a drop.
    const IS_COUNTED: bool;
    fn fresh() -> Self;
    /// The id; panics if the value is not whole.
    fn id(&self) -> u64;
}

fn next_id(ids: u64) -> u64 {
    LEDGER.with_borrow_mut(|ledger| {
        ledger.next += 1;
        ledger.next % ids
    })
}

/// Has no drop.
impl Element for u32 {
    const IS_COUNTED: bool = false;
    fn fresh() -> Self {
        next_id(0xD000_0000).to_le_bytes().first_chunk().map_or(0, |low| Self::from_le_bytes(*low))
    }
    fn id(&self) -> u64 {
        assert!(*self < 0xD000_0000, "{self:#x} is no value");
        u64::from(*self)
    }
}

/// What a value holds, and how it tells which one it is.
pub(crate) trait Shape: Sized {
    /// Ids are counted modulo this.
    const IDS: u64;
    fn of(id: u64) -> Self;
    /// The id; panics if the value is not whole.
    fn id(&self) -> u64;
}

/// A value in the ledger, until it is dropped.
pub(crate) struct Value<S: Shape>(S);

impl<S: Shape> Element for Value<S> {
    const IS_COUNTED: bool = true;

    fn fresh() -> Self {
        let id = next_id(S::IDS);
        born(id);
        Self(S::of(id))
    }

    fn id(&self) -> u64 {
        let place = core::ptr::from_ref(self);
        assert!(place.is_aligned(), "{place:p} for {}", align_of::<S>());
        self.0.id()
    }
}

impl<S: Shape> Drop for Value<S> {
    fn drop(&mut self) {
        dies(self.id());
    }
}

/// Without size, and over-aligned.
#[repr(align(128))]
pub(crate) struct Nothing;

impl Shape for Nothing {
    const IDS: u64 = 1;
    fn of(_id: u64) -> Self {
        Self
    }
    fn id(&self) -> u64 {
        0
    }
}

impl Shape for u8 {
    const IDS: u64 = 0xD0; // a freed block holds 0xDD
    fn of(id: u64) -> Self {
        id.to_le_bytes()[0]
    }
    fn id(&self) -> u64 {
        assert!(u64::from(*self) < Self::IDS, "{self:#x} is no value");
        u64::from(*self)
    }
}

impl Shape for [u8; 3] {
    const IDS: u64 = 0xD000;
    fn of(id: u64) -> Self {
        let [low, high, ..] = id.to_le_bytes();
        [low, low ^ high, high]
    }
    fn id(&self) -> u64 {
        assert_eq!(self[1], self[0] ^ self[2], "{self:x?} is no value");
        u64::from(u16::from_le_bytes([self[0], self[2]]))
    }
}

/// 24 bytes with a block of the heap, freed when it is dropped: a sanitizer sees who looks at a value
/// after that.
pub(crate) struct Owner(u64, NonNull<u64>, u64);

impl Shape for Owner {
    const IDS: u64 = u64::MAX;
    fn of(id: u64) -> Self {
        LEDGER.with_borrow_mut(|ledger| {
            let owned = ledger.owned.entry(id).insert_entry(Box::new(id)).into_mut();
            Self(id, NonNull::from_mut(owned), !id)
        })
    }
    fn id(&self) -> u64 {
        // SAFETY: in the ledger until the value is dropped.
        assert_eq!((self.0, self.0), (!self.2, unsafe { *self.1.as_ref() }), "no value");
        self.0
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        LEDGER.with_borrow_mut(|ledger| drop(ledger.owned.remove(&self.0)));
    }
}

/// A cache line.
#[repr(align(64))]
pub(crate) struct Line(u64, [u8; 48]);

impl Shape for Line {
    const IDS: u64 = u64::MAX;
    fn of(id: u64) -> Self {
        Self(id, [id.to_le_bytes()[0]; 48])
    }
    fn id(&self) -> u64 {
        assert_eq!(self.1, [self.0.to_le_bytes()[0]; 48], "no value");
        self.0
    }
}

/// A page: larger than a first chunk.
pub(crate) struct Page([u64; 512]);

impl Shape for Page {
    const IDS: u64 = u64::MAX;
    fn of(id: u64) -> Self {
        Self([id; 512])
    }
    fn id(&self) -> u64 {
        let [first, .., last] = self.0;
        assert_eq!((first, self.0[255]), (last, last), "no value");
        first
    }
}
