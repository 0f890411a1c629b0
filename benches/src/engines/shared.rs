//! Regions that several threads allocate from, and reset together.

use core::ptr::NonNull;

use super::{About, Region};

/// A region that threads share.
pub trait Shared: Send + Sync + Sized + 'static {
    /// What the tables say of it.
    const ABOUT: About;

    /// What a thread keeps from round to round: its private region, or nothing.
    type Own: 'static;

    /// What a thread allocates through within a round.
    type Local<'a, 'l>
    where
        Self: 'a;

    /// Makes one for `threads` threads that take `bytes` a round, together.
    fn with_capacity(bytes: usize, threads: usize) -> Self;

    /// Makes what the calling thread keeps.
    fn join(&self) -> Self::Own;

    /// Lends the calling thread its way of allocating, for one round. What it allocates is not
    /// used after `work` returns.
    fn with_local<'a, T>(
        &'a self,
        own: &'a mut Self::Own,
        work: impl for<'l> FnOnce(&Self::Local<'a, 'l>) -> T,
    ) -> T;

    /// Moves a value into the region.
    fn alloc<T: Copy + Send + 'static>(local: &Self::Local<'_, '_>, value: T) -> NonNull<T>;

    /// Ends the calling thread's part of a round.
    ///
    /// # Safety
    ///
    /// 1. `blocks` are exactly what this thread has allocated in this round.
    /// 2. None of them is used again.
    unsafe fn leave<T: Copy>(&self, own: &mut Self::Own, blocks: &[NonNull<T>]);

    /// Ends the round for all threads; every thread has left.
    fn reset(&mut self);
}

/// Nothing shared: each thread has a region of its own.
#[derive(Debug)]
pub struct PerThread<R> {
    bytes_per_thread: usize,
    region: core::marker::PhantomData<fn() -> R>,
}

impl<R: Region> Shared for PerThread<R> {
    const ABOUT: About = R::ABOUT;

    type Own = R;

    type Local<'a, 'l> = &'a R;

    fn with_capacity(bytes: usize, threads: usize) -> Self {
        Self { bytes_per_thread: bytes / threads, region: core::marker::PhantomData }
    }

    fn join(&self) -> R {
        R::with_capacity(self.bytes_per_thread)
    }

    #[inline]
    fn with_local<'a, T>(&'a self, own: &'a mut R, work: impl FnOnce(&&'a R) -> T) -> T {
        let own = &*own;
        work(&own)
    }

    #[inline]
    fn alloc<T: Copy + Send + 'static>(local: &&R, value: T) -> NonNull<T> {
        NonNull::from(local.alloc(value))
    }

    #[inline]
    unsafe fn leave<T: Copy>(&self, own: &mut R, blocks: &[NonNull<T>]) {
        let layout = core::alloc::Layout::new::<T>();
        // SAFETY: the caller's promise, with the layout that `alloc` asked for.
        unsafe { own.release(blocks.iter().map(|block| (block.cast(), layout))) };
    }

    fn reset(&mut self) {}
}
