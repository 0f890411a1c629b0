//! [`Checkpoint`]: a position in an arena to go back to, checked when it is used.
//!
//! ```text
//!   arena: id 7     records:  top -> [serial 9 | mark] -> [serial 4 | mark]
//!   Checkpoint { arena: 7, serial: 4 }     found: go back there; 9 is forgotten
//!   Checkpoint { arena: 7, serial: 9 }     from then on not found: stale
//! ```
//!
//! A checkpoint is a name and nothing else. What it stands for, a record, lies in the arena, and
//! the records are chained from the newest to the oldest: one that was rewound over, or reset away,
//! is in no chain any more.
//!
//! # Invariants
//!
//! * **R1** the records in the chain are live blocks of the arena, which went back to no mark older
//!   than theirs: going back takes those above out of the chain. (Single blocks older than a mark
//!   may have been given back since.)
//! * **R2** an arena's id is unique in the process (a 64-bit counter), and a serial number in its
//!   arena: neither is used twice, so a name matches its own record or none.
//!
//! # Ordering edges
//!
//! None (the counter of ids is `Relaxed`: only uniqueness matters).
//!
//! # Cost
//!
//! Taking one: an allocation of 56 bytes, and the arena's first one an atomic increment. Rewinding:
//! a step for each newer checkpoint, which it forgets. A stale one is noticed as quickly.

use core::cell::Cell;
use core::fmt;
use core::ptr::NonNull;

use alloc_core::{Allocator, Layout, TryAllocError};
use primitives::sync::atomic::Ordering::Relaxed;
use primitives::sync::unmodelled::AtomicU64;

use crate::Arena;
use crate::arena::{Mark, no_room};
use crate::drops::Entry;

/// The id that the next arena gets which takes a checkpoint; 0 is none.
static NEXT_ARENA: AtomicU64 = AtomicU64::new(1);

/// A position of one [`Arena`], to [`rewind`](Arena::rewind) to.
///
/// Ends silently, by becoming stale, when its arena is reset or rewound to an earlier position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Checkpoint {
    arena: u64,
    serial: u64,
}

/// Why an arena did not rewind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The checkpoint is another arena's.
    Foreign,
    /// The arena was reset, or rewound to an earlier position, since the checkpoint was taken.
    Stale,
}

impl fmt::Display for CheckpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Foreign => "the checkpoint is another arena's",
            Self::Stale => "the arena went back behind the checkpoint since it was taken",
        })
    }
}

impl core::error::Error for CheckpointError {}

/// The chain of an arena's records, and its identity.
pub(crate) struct Records {
    top: Cell<Option<NonNull<Record>>>,
    /// 0 until the first checkpoint.
    arena: Cell<u64>,
    serial: Cell<u64>,
}

struct Record {
    below: Option<NonNull<Record>>,
    serial: u64,
    mark: Mark,
    drops: Option<NonNull<Entry>>,
}

impl Records {
    pub(crate) const fn new() -> Self {
        Self { top: Cell::new(None), arena: Cell::new(0), serial: Cell::new(0) }
    }

    /// Empties the chain: every checkpoint so far is stale.
    #[inline]
    pub(crate) fn forget(&self) {
        self.top.set(None);
    }

    /// The depth from which on large chunks are newer than the newest checkpoint.
    pub(crate) fn large_depth(&self) -> usize {
        // SAFETY: R1: a live record.
        self.top.get().map_or(0, |top| unsafe { top.as_ref() }.mark.large)
    }

    fn next_name(&self) -> Checkpoint {
        if self.arena.get() == 0 {
            // ORD Relaxed: only uniqueness matters (R2); nothing is published through the counter.
            self.arena.set(NEXT_ARENA.fetch_add(1, Relaxed));
        }
        self.serial.set(self.serial.get() + 1);
        Checkpoint { arena: self.arena.get(), serial: self.serial.get() }
    }

    /// Finds the record of `name` and takes those above it out of the chain; nothing changes if
    /// there is none.
    fn find(&self, name: Checkpoint) -> Result<&Record, CheckpointError> {
        let is_ours = name.arena == self.arena.get() && name.arena != 0;
        if !is_ours && !cfg!(bug = "checkpoint-of-another-arena") {
            return Err(CheckpointError::Foreign);
        }
        let mut look = self.top.get();
        while let Some(found) = look {
            // SAFETY: R1: a live record.
            let record = unsafe { found.as_ref() };
            if record.serial <= name.serial {
                if record.serial != name.serial && !cfg!(bug = "checkpoint-stale-accepted") {
                    break;
                }
                self.top.set(look);
                return Ok(record);
            }
            look = record.below;
        }
        Err(CheckpointError::Stale)
    }
}

impl<const MIN_ALIGN: usize, A: Allocator> Arena<MIN_ALIGN, A> {
    /// Returns the present position, to [`rewind`](Self::rewind) to.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut arena = alloc_arena::Arena::new();
    /// arena.alloc([0u8; 100]);
    /// let before = arena.checkpoint();
    /// let used = arena.used_bytes();
    /// arena.alloc([0u8; 1000]);
    /// arena.rewind(before);
    /// assert_eq!(arena.used_bytes(), used);
    /// arena.reset();
    /// assert!(arena.try_rewind(before).is_err(), "stale");
    /// ```
    ///
    /// # Panics
    ///
    /// If there is no room for its record. See [`try_checkpoint`](Self::try_checkpoint).
    #[track_caller]
    pub fn checkpoint(&self) -> Checkpoint {
        match self.try_checkpoint() {
            Ok(checkpoint) => checkpoint,
            Err(error) => no_room(error),
        }
    }

    /// Returns the present position, or the reason why there is no room for its record.
    ///
    /// # Errors
    ///
    /// If the arena is at its limit, or the backing refuses.
    pub fn try_checkpoint(&self) -> Result<Checkpoint, TryAllocError> {
        let place = self.try_alloc_layout(Layout::new::<Record>())?.cast::<Record>();
        let mut mark = self.mark(); // behind the record, which rewinding keeps
        let records = &self.ledger().records;
        mark.large = mark.large.max(records.large_depth());
        let name = records.next_name();
        let record = Record {
            below: records.top.get(),
            serial: name.serial,
            mark,
            drops: self.drops.head(),
        };
        // SAFETY: a fresh block of the record's layout (I3).
        unsafe { place.write(record) };
        records.top.set(Some(place));
        Ok(name)
    }

    /// Frees everything taken since `checkpoint`, which stays good.
    ///
    /// Values from [`alloc_drop`](Self::alloc_drop) since then are dropped, the newest first. That
    /// nothing is borrowed from the arena is checked by the compiler; what older blocks hold stays
    /// as it is, for code that reaches it otherwise (by index, by raw pointer).
    ///
    /// # Panics
    ///
    /// If the checkpoint is another arena's or stale, in release builds too, or if a value's drop
    /// panics (the arena is rewound all the same).
    #[track_caller]
    pub fn rewind(&mut self, checkpoint: Checkpoint) {
        if let Err(error) = self.try_rewind(checkpoint) {
            panic!("cannot rewind: {error}");
        }
    }

    /// Frees everything taken since `checkpoint`, or says why it cannot.
    ///
    /// # Errors
    ///
    /// If the checkpoint is another arena's, or stale; nothing changed then.
    pub fn try_rewind(&mut self, checkpoint: Checkpoint) -> Result<(), CheckpointError> {
        /// Goes back, also if a drop panics.
        struct Rewound<'a, const MIN_ALIGN: usize, A: Allocator>(&'a Arena<MIN_ALIGN, A>, Mark);
        impl<const MIN_ALIGN: usize, A: Allocator> Drop for Rewound<'_, MIN_ALIGN, A> {
            fn drop(&mut self) {
                // SAFETY: 1. R1: the record was in the chain; 2. the arena is held exclusively, so
                // nothing is in use (I4), and the values with a drop were dropped.
                unsafe { self.0.go_back(&self.1) };
            }
        }
        let record = self.ledger().records.find(checkpoint)?;
        let (mark, drops) = (record.mark, record.drops);
        let rewound = Rewound(self, mark);
        // SAFETY: 1. the values are 'static, their memory is given back afterwards; 2. the arena is
        // held exclusively.
        unsafe { rewound.0.drops.run_down_to(drops) };
        Ok(())
    }
}
