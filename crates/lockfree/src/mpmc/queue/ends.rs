//! Where pushes and pops find their block, when the one that they used last will not do.
//!
//! ```text
//!   root ─▶ block 1 ─▶ block 2 ─▶ block 3 ─▶ block 4        links: `name`
//!                        ▲                     ▲
//!                      head                  tail            each: position, name, hint
//! ```
//!
//! A pusher that finds position `p` in no block yet puts one there *before* anybody claims `p`, and
//! so may whoever comes next, in four steps that any thread may take over from any other:
//!
//! 1. link a block behind the last one (`link`: active → linked; one thread wins),
//! 2. open it (`link`: candidate → active),
//! 3. move the tail's name to it,
//! 4. move the head's name to it, when all of the block before is claimed; who did that retires it.
//!
//! # Invariants
//!
//! * **E1** `head.position ≤ tail.position`; both only grow; a position is claimed by one push and
//!   then by one pop, each by its compare-exchange.
//! * **E2** block `n` is in the chain from its linking until step 4 has moved the head beyond it. The
//!   head's name is never beyond the tail's.
//! * **E3** the tail's position is in the block that the tail's name tells, or the first after it; the
//!   head's likewise.
//! * **E4** a hint is null or points to a block, any one.

use core::ptr;

use primitives::Backoff;
use primitives::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use primitives::sync::atomic::{AtomicPtr, AtomicU64, fence};

use super::block::{Block, SHIFT, first_position, follow};
use super::depot::NoMemory;
use super::name::{self, Link, Name};
use super::{CLOSED, MpmcQueue};
use crate::error::TryPopError;

/// One end of the queue.
pub(super) struct End<T> {
    /// The next position to claim; at the tail also whether the queue is closed.
    pub(super) position: AtomicU64,
    /// A block to try first (E4).
    hint: AtomicPtr<Block<T>>,
    /// The end's block, or that before it (E3).
    pub(super) name: AtomicU64,
}

impl<T> End<T> {
    primitives::sync::const_fn! {
        /// Returns an end before block 1; block 0 is none, and its link the queue's root.
        pub(super) const fn new() -> Self {
            Self::at(first_position(1), Name::NONE)
        }
    }

    primitives::sync::const_fn! {
        /// Returns an end at `position`, which is in the block called `name`, or the first after it.
        pub(super) const fn at(position: u64, name: Name) -> Self {
            Self {
                position: AtomicU64::new(position),
                hint: AtomicPtr::new(ptr::null_mut()),
                name: AtomicU64::new(name.word()),
            }
        }
    }

    /// Returns a block to try first.
    #[inline(always)]
    pub(super) fn hint<'q>(&'q self) -> Option<&'q Block<T>> {
        // ORD[hint] Acquire ← Release in `hint_at`: the block is made before it is read.
        let block = self.hint.load(Acquire);
        // SAFETY: E4, and blocks are not freed while the queue is borrowed.
        let block = unsafe { block.as_ref::<'q>() };
        block.map(Block::found)
    }

    pub(super) fn hint_at(&self, block: &Block<T>) {
        let block = ptr::from_ref(block).cast_mut();
        // ORD Relaxed: only compared.
        if self.hint.load(Relaxed) != block {
            // ORD[hint] Release → Acquire in `hint`: the block is made before it is read.
            self.hint.store(block, Release);
        }
    }

    fn name(&self) -> Name {
        // ORD[end-moves] Acquire ← Release in `move_on`: its block is made, linked and active.
        Name::from_word(self.name.load(Acquire))
    }

    /// Moves the name from one block to the next, and returns whether this thread did it.
    pub(super) fn move_on(&self, from: Name, to: Name) -> bool {
        // ORD[end-moves] Release → Acquire in `name`: the block is made, linked and active.
        // ORD Relaxed on failure: nothing is read.
        self.name.compare_exchange(from.word(), to.word(), Release, Relaxed).is_ok()
    }
}

/// Why a push has no place to go.
#[derive(Clone, Copy, Debug)]
pub(super) enum NoPlace {
    Full,
    Closed,
    Memory(NoMemory),
}

impl<T> MpmcQueue<T> {
    /// Returns the block of the tail's position, which it puts there if need be.
    #[cold]
    #[inline(never)]
    pub(super) fn tail_block(&self) -> Result<&Block<T>, NoPlace> {
        let backoff = Backoff::new();
        loop {
            let name = self.tail.name();
            // ORD Relaxed: positions are compared with names, which are ordered; E3 makes one that is
            // too old for its name impossible, and one that is too new is tried again.
            let position = self.tail.position.load(Relaxed);
            if position & CLOSED != 0 {
                return Err(NoPlace::Closed);
            }
            let number = position >> SHIFT;
            if name.is_number(number) {
                let block = self.depot.get(name.id());
                self.tail.hint_at(block);
                return Ok(block);
            }
            if name.is_number(number - 1) {
                match follow(self.link_of(name), number - 1) {
                    Link::Last => self.install(name, number)?,
                    Link::Next(next) => self.move_tail(name, number, next),
                    Link::Stale => backoff.spin(),
                }
            } else {
                backoff.spin();
            }
        }
    }

    /// Step 1: links a block as number `number` behind `name`, unless another thread does.
    ///
    /// Fails only while no thread has done so.
    pub(super) fn install(&self, name: Name, number: u64) -> Result<(), NoPlace> {
        let id = match self.depot.take() {
            Ok(id) => id,
            Err(why) => {
                let linked = follow(self.link_of(name), number - 1) != Link::Last;
                return if linked && !cfg!(bug = "queue-gives-up-without-a-look") {
                    Ok(())
                } else {
                    Err(NoPlace::Memory(why))
                };
            }
        };
        self.depot.get(id).prepare(number);
        // ORD[block-linked] Release → Acquire in `follow`: the block is prepared before it is found.
        // ORD Relaxed on failure: the caller looks again.
        let linked = self.link_of(name).compare_exchange(
            name::active(number - 1),
            name::linked(number - 1, id),
            Release,
            Relaxed,
        );
        match linked {
            Ok(_) => self.move_tail(name, number, Name::new(id, number)),
            Err(_) => self.depot.put(id),
        }
        Ok(())
    }

    /// Steps 2 and 3: opens block `number`, which is `next` and linked behind `name`, and moves the
    /// tail to it.
    pub(super) fn move_tail(&self, name: Name, number: u64, next: Name) {
        self.depot.get(next.id()).activate(number);
        self.tail.move_on(name, next);
    }

    /// Returns the link out of the block called `name`.
    pub(super) fn link_of(&self, name: Name) -> &AtomicU64 {
        match name.id() {
            0 => &self.root,
            id => self.depot.get(id).link(),
        }
    }

    /// Returns the block of the head's position, in which its value is; or says why there is none.
    #[cold]
    #[inline(never)]
    pub(super) fn head_block(&self) -> Result<&Block<T>, TryPopError> {
        let backoff = Backoff::new();
        loop {
            let name = self.head.name();
            // ORD Relaxed: as a pop's guess. If the tail that is read below is older than this, so that it
            // seems to be before the head, the answer is to look again, or that it is busy.
            let position = self.head.position.load(Relaxed);
            let number = position >> SHIFT;
            if name.is_number(number) {
                let block = self.depot.get(name.id());
                self.head.hint_at(block);
                if block.slot(position).is_full(position) {
                    return Ok(block);
                }
                if let Some(why) = self.nothing_at(position) {
                    return Err(why);
                }
                if block.slot(position).is_full(position) {
                    return Ok(block);
                }
                if block.slot(position).is_hole(position) {
                    self.pass(block, position);
                    continue;
                }
                // ORD Relaxed: if the head has not moved, the push that claimed this position is not
                // done.
                if self.head.position.load(Relaxed) == position {
                    return Err(TryPopError::Busy);
                }
            } else if name.is_number(number - 1) {
                match follow(self.link_of(name), number - 1) {
                    Link::Last => {
                        if let Some(why) = self.nothing_at(position) {
                            return Err(why);
                        }
                    }
                    Link::Next(next) => {
                        self.move_tail(name, number, next);
                        if self.head.move_on(name, next) {
                            self.retire(name, number - 1);
                        }
                        continue;
                    }
                    Link::Stale => {}
                }
            }
            backoff.spin();
        }
    }

    /// Passes over a hole, unless another thread does.
    fn pass(&self, block: &Block<T>, position: u64) {
        // ORD[popped] Release → Acquire in `len`: as in `claim_head`.
        // ORD Relaxed on failure: the caller looks again.
        let head = &self.head.position;
        if head.compare_exchange(position, position + 1, Release, Relaxed).is_ok() {
            block.slot(position).pass(position);
        }
    }

    /// Says whether nothing was pushed at the head's position `position`, and whether ever will be.
    fn nothing_at(&self, position: u64) -> Option<TryPopError> {
        // ORD[sleeper] SeqCst with the same fence of who pushes and then looks for sleepers: of "pushed,
        // saw nobody asleep" and "fell asleep, saw nothing pushed" at most one is true. And with that of
        // `has_room_after_all`: of "popped, then empty" and "pushed, then full" as well.
        // ORD[popped] And Acquire, for the head read before it ← Release in `claim_head`: the tail is seen as
        // far as who popped up to there saw it.
        fence(SeqCst);
        // ORD Relaxed: the fence orders.
        let tail = self.tail.position.load(Relaxed);
        if tail & !CLOSED != position {
            None
        } else if tail & CLOSED != 0 {
            Some(TryPopError::Closed)
        } else {
            Some(TryPopError::Empty)
        }
    }

    /// Takes block `number`, called `name`, out of the chain, from which the caller moved the head.
    fn retire(&self, name: Name, number: u64) {
        if name.id() != 0 {
            self.depot.get(name.id()).retire(number);
            self.depot.put(name.id());
        }
    }
}
