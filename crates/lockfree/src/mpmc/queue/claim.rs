//! Claiming positions: what each push and each pop does, by one compare-exchange.
//!
//! The first try stands in the caller; what happens after it failed is out of line, so that the first
//! one needs no registers for pauses.

use primitives::Backoff;
use primitives::sync::atomic::Ordering::{Relaxed, Release};

use super::MpmcQueue;
use super::block::{Block, SHIFT};
use super::ends::NoPlace;
use crate::error::TryPopError;

/// A block, the first position in it that was claimed, and how many were.
type Claimed<'q, T> = (&'q Block<T>, u64, u64);

/// Why positions were not claimed.
#[derive(Clone, Copy)]
enum Missed {
    /// None was wanted.
    Full,
    /// Another thread was quicker.
    Lost,
    /// They are in another block; or, at the head, there is nothing in this one.
    Elsewhere,
}

impl<T> MpmcQueue<T> {
    /// Claims as many positions as `run` says for the first of them, all in one block: returns it, the
    /// first position, and how many. None is `Full`.
    #[inline(always)]
    pub(super) fn push_claim(&self, run: impl Fn(u64) -> u64) -> Result<Claimed<'_, T>, NoPlace> {
        let missed = match self.tail.hint() {
            Some(block) => match self.claim_tail(block, &run) {
                Ok((position, count)) => return Ok((block, position, count)),
                Err(missed) => missed,
            },
            None => Missed::Elsewhere,
        };
        self.push_claim_again(missed, run)
    }

    /// Claims positions at the tail, if `block` is where they are.
    #[inline(always)]
    fn claim_tail(&self, block: &Block<T>, run: impl Fn(u64) -> u64) -> Result<(u64, u64), Missed> {
        // ORD Relaxed: a guess, which the compare-exchange confirms.
        let position = self.tail.position.load(Relaxed);
        if !block.is_active(position >> SHIFT) {
            return Err(Missed::Elsewhere);
        }
        let count = run(position);
        if count == 0 {
            return Err(Missed::Full);
        }
        // ORD[sleeper] Release → fence in `nothing_at`: who looks for sleepers after a push, or for room
        // and finds none, makes the fence in between.
        // ORD[pushed] Release → fence in `has_room_after_all`: who sees this push sees the pops before it,
        // and does not say Full by an older head. It decides who has the position (E1); the block was
        // active for it, and stays so until it is claimed.
        // ORD Relaxed on failure: another guess.
        let claimed =
            self.tail.position.compare_exchange(position, position + count, Release, Relaxed);
        if claimed.is_ok() { Ok((position, count)) } else { Err(Missed::Lost) }
    }

    /// [`push_claim`](Self::push_claim) after a first try.
    #[cold]
    #[inline(never)]
    fn push_claim_again(
        &self,
        mut missed: Missed,
        run: impl Fn(u64) -> u64,
    ) -> Result<Claimed<'_, T>, NoPlace> {
        let backoff = Backoff::new();
        let mut asked = false;
        loop {
            let mut block = None;
            match missed {
                Missed::Full => return Err(NoPlace::Full),
                Missed::Lost => {
                    backoff.spin();
                    block = self.tail.hint();
                }
                // Others filled the block meanwhile, or this thread reads what is long past.
                Missed::Elsewhere if asked => backoff.spin(),
                Missed::Elsewhere => {}
            }
            let block = match block {
                Some(block) => block,
                None => {
                    asked = true;
                    self.tail_block()?
                }
            };
            missed = match self.claim_tail(block, &run) {
                Ok((position, count)) => return Ok((block, position, count)),
                Err(missed) => missed,
            };
        }
    }

    /// Claims as many of the oldest values as `run` says for the first of them, all in one block and
    /// there: returns it, the first position, and how many.
    #[inline(always)]
    pub(super) fn pop_claim(
        &self,
        mut run: impl FnMut(&Block<T>, u64) -> u64,
    ) -> Result<Claimed<'_, T>, TryPopError> {
        let missed = match self.head.hint() {
            Some(block) => match self.claim_head(block, &mut run) {
                Ok((position, count)) => return Ok((block, position, count)),
                Err(missed) => missed,
            },
            None => Missed::Elsewhere,
        };
        self.pop_claim_again(missed, run)
    }

    /// Claims positions at the head, if the first value is in `block`, and there.
    #[inline(always)]
    fn claim_head(
        &self,
        block: &Block<T>,
        mut run: impl FnMut(&Block<T>, u64) -> u64,
    ) -> Result<(u64, u64), Missed> {
        // ORD Relaxed: a guess, which the compare-exchange confirms.
        let position = self.head.position.load(Relaxed);
        if !block.slot(position).is_full(position) {
            return Err(Missed::Elsewhere);
        }
        let count = run(block, position);
        // ORD[popped] Release → Acquire in `len`, fence in `nothing_at`: what is popped was pushed, so who
        // sees the head moved sees the tail as far.
        // ORD[sleeper] Release → fence in `has_room_after_all`: who looks for sleepers after a pop, or for a
        // value and finds none, makes the fence in between.
        // ORD Relaxed on failure: another guess.
        let claimed =
            self.head.position.compare_exchange(position, position + count, Release, Relaxed);
        if claimed.is_ok() { Ok((position, count)) } else { Err(Missed::Lost) }
    }

    /// [`pop_claim`](Self::pop_claim) after a first try.
    #[cold]
    #[inline(never)]
    fn pop_claim_again(
        &self,
        mut missed: Missed,
        mut run: impl FnMut(&Block<T>, u64) -> u64,
    ) -> Result<Claimed<'_, T>, TryPopError> {
        let backoff = Backoff::new();
        loop {
            let mut block = None;
            if matches!(missed, Missed::Lost) {
                backoff.spin();
                block = self.head.hint();
            }
            let block = match block {
                Some(block) => block,
                None => self.head_block()?,
            };
            missed = match self.claim_head(block, &mut run) {
                Ok((position, count)) => return Ok((block, position, count)),
                Err(missed) => missed,
            };
        }
    }
}
