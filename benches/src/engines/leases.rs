//! Memory that any thread borrows for the time of a job, and gives back.
//!
//! ```text
//!   stack        Depot            a lease, and a frame on it
//!   bump-scope   BumpPool         a guard, and a scope on it
//!   bumpalo-herd Herd             a member; nothing is given back before the reset
//!   by hand      Mutex<Vec<…>>    a stack popped and pushed
//! ```

use std::sync::Mutex;

use alloc_stack::{Depot, DepotConfig, Stack};
use allocator_api2::vec::Vec as VecIn;
use bump_scope::BumpPool;
use bump_scope::alloc::Global;
use bump_scope::settings::BumpSettings;
use bumpalo::Bump;

use super::heap::{Heap, Malloc};
use super::{About, Backing};
use crate::case::Role;

/// What slices are made of.
pub type Word = u32;

/// A job: what it does with the memory that it is lent.
pub trait Job {
    /// Copies slices, one after the other, and returns what it read in the copies.
    ///
    /// `copy` returns a copy that lives as long as the job.
    fn run<'m>(self, copy: impl FnMut(&[Word]) -> &'m mut [Word]) -> u64;
}

/// Memory that is lent.
pub trait Leases: Send + Sync + Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// Makes it, with nothing in it.
    fn new() -> Self;

    /// Lends memory for a job.
    fn serve(&self, job: impl Job) -> u64;

    /// Makes room while nobody has a lease: what could not be given back goes.
    fn settle(&mut self) {}
}

const fn ours(name: &'static str, config: &'static str, why: &'static str, role: Role) -> About {
    About { name, config, package: "alloc-stack", why, role }
}

/// Ours.
#[derive(Debug)]
pub struct OfDepot(Depot<8>);

impl Leases for OfDepot {
    const ABOUT: About =
        ours("stack", "depot", "a lease of Depot for each job, and a frame on it", Role::Ours);

    fn new() -> Self {
        Self(Depot::with_config(DepotConfig::new()))
    }

    #[inline]
    fn serve(&self, job: impl Job) -> u64 {
        let mut lease = self.0.lease();
        let mut frame = lease.frame();
        let scope = frame.scope();
        job.run(|words| scope.alloc_slice_copy(words))
    }
}

/// The same stacks behind a lock.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "what is popped and pushed is not to be moved")]
pub struct OfMutex(Mutex<Vec<Box<Stack<8>>>>);

impl Leases for OfMutex {
    const ABOUT: About = ours(
        "by-hand",
        "mutex-stack",
        "a Mutex<Vec<Box<Stack>>>: a stack popped for each job, and pushed",
        Role::Control,
    );

    fn new() -> Self {
        Self(Mutex::default())
    }

    #[inline]
    fn serve(&self, job: impl Job) -> u64 {
        let lock = || self.0.lock().expect("no job panics");
        let mut stack = lock().pop().unwrap_or_else(|| Box::new(Stack::with_min_align()));
        let sum = {
            let mut frame = stack.frame();
            let scope = frame.scope();
            job.run(|words| scope.alloc_slice_copy(words))
        };
        lock().push(stack);
        sum
    }
}

/// Minimum alignment 8, downwards, as its frames are fastest; a pool asks for `claim`.
type PoolSettings = BumpSettings<8, false>;

/// bump-scope's pool.
pub struct OfBumpPool(BumpPool<Global, PoolSettings>);

impl core::fmt::Debug for OfBumpPool {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("OfBumpPool").finish_non_exhaustive()
    }
}

impl Leases for OfBumpPool {
    const ABOUT: About = About {
        name: "bump-scope",
        config: "pool",
        package: "bump-scope",
        why: "a Bump of BumpPool for each job, and a scope on it; downwards, minimum alignment 8",
        role: Role::Peer,
    };

    fn new() -> Self {
        Self(BumpPool::new_in(Global))
    }

    #[inline]
    fn serve(&self, job: impl Job) -> u64 {
        self.0.get().scoped(|scope| {
            let scope = &*scope;
            job.run(|words| scope.alloc_slice_copy(words).into_mut())
        })
    }
}

/// bumpalo-herd: what a job took stays until the reset, as a member cannot give it back.
#[derive(Debug)]
pub struct OfHerd(bumpalo_herd::Herd);

impl Leases for OfHerd {
    const ABOUT: About = About {
        name: "bumpalo-herd",
        config: "default",
        package: "bumpalo-herd",
        why: "a Bump of the herd for each job; the herd is reset between rounds",
        role: Role::Peer,
    };

    fn new() -> Self {
        Self(bumpalo_herd::Herd::new())
    }

    #[inline]
    fn serve(&self, job: impl Job) -> u64 {
        let member = self.0.get();
        job.run(|words| member.alloc_slice_copy(words))
    }

    fn settle(&mut self) {
        self.0.reset();
    }
}

/// bumpalo behind a lock, as pools of it are written by hand.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "what is popped and pushed is not to be moved")]
pub struct OfBumps(Mutex<Vec<Box<Bump>>>);

impl Leases for OfBumps {
    const ABOUT: About = About {
        name: "bumpalo",
        config: "mutex",
        package: "bumpalo",
        why: "a Mutex<Vec<Box<Bump>>>: a Bump popped for each job, reset and pushed",
        role: Role::Peer,
    };

    fn new() -> Self {
        Self(Mutex::default())
    }

    #[inline]
    fn serve(&self, job: impl Job) -> u64 {
        let lock = || self.0.lock().expect("no job panics");
        let mut bump = lock().pop().unwrap_or_else(|| Box::new(Bump::with_capacity(16 << 10)));
        let sum = {
            let bump = &*bump;
            job.run(|words| bump.alloc_slice_copy(words))
        };
        bump.reset();
        lock().push(bump);
        sum
    }
}

/// A block of a malloc for each slice.
impl<M: Malloc> Leases for Heap<M>
where
    Self: Send + Sync,
{
    const ABOUT: About = M::ABOUT;

    fn new() -> Self {
        Self::new()
    }

    #[inline]
    fn serve(&self, job: impl Job) -> u64 {
        let mut blocks: [Option<VecIn<Word, _>>; MOST_SLICES] = [const { None }; MOST_SLICES];
        let mut places = blocks.iter_mut();
        job.run(|words| {
            let place = places.next().expect("a job takes few slices");
            let mut copy = VecIn::with_capacity_in(words.len(), Self::new().handle());
            copy.extend_from_slice(words);
            place.insert(copy)
        })
    }
}

/// Slices of a job at most.
pub const MOST_SLICES: usize = 3;

/// Longest slice, in words.
pub const MOST_WORDS: usize = 32;

/// No memory: places of the call.
#[derive(Debug)]
pub struct Places;

impl Leases for Places {
    const ABOUT: About = About {
        name: "null",
        config: "places",
        package: "benches",
        why: "the jobs and the copies: every slice has a place on the machine's stack",
        role: Role::Null,
    };

    fn new() -> Self {
        Self
    }

    #[inline]
    fn serve(&self, job: impl Job) -> u64 {
        let mut slices = [[0; MOST_WORDS]; MOST_SLICES];
        let mut places = slices.iter_mut();
        job.run(|words| {
            let place = &mut places.next().expect("a job takes few slices")[..words.len()];
            place.copy_from_slice(words);
            place
        })
    }
}
