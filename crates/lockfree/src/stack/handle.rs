//! [`StackHandle`]: nodes without values that one thread keeps, so that pushes need not ask for them.
//!
//! ```text
//!  numbers  │ 4 │ 9 │ 2 │   │   │   │      a push takes the last one, a pop puts its own behind it
//!                    └ kept
//!  empty: takes `keeps / 2` from the stack's free list      full: gives as many back
//! ```
//!
//! **Cost.** A push or pop is one compare-exchange, on the head of the values; every `keeps / 2` of
//! them, in the worst case, there is one more, which moves `keeps / 2` nodes.

use core::fmt;
use core::marker::PhantomData;
use core::ptr::NonNull;

use primitives::sync::Arc;

use super::index::IndexStack;
use crate::error::PushError;

/// Most nodes that a handle keeps.
const KEEPS: usize = 32;

/// Access to an [`IndexStack`] that keeps nodes without values for its own pushes.
///
/// Its [`push`](Self::push) and [`pop`](Self::pop) are one compare-exchange each. A thread makes one
/// where it begins to work, and drops it where it ends.
///
/// A handle keeps up to [`keeps`](Self::keeps) nodes, which other threads cannot push into meanwhile:
/// make the stack's capacity that much larger for each. A handle that is forgotten keeps them until the
/// stack is dropped.
///
/// # Examples
///
/// ```
/// use lockfree::IndexStack;
///
/// let stack = IndexStack::new(1_000);
/// std::thread::scope(|scope| {
///     for thread in 0..4 {
///         let mut handle = stack.handle();
///         scope.spawn(move || (0..100).for_each(|number| handle.push(thread * 100 + number).unwrap()));
///     }
/// });
/// let mut handle = stack.handle();
/// assert_eq!(std::iter::from_fn(|| handle.pop()).count(), 400);
/// ```
pub struct StackHandle<'s, T> {
    /// Borrowed for `'s`, or kept by `_owner`: alive as long as this is.
    stack: NonNull<IndexStack<T>>,
    _owner: Option<Arc<IndexStack<T>>>,
    _stack: PhantomData<&'s IndexStack<T>>,
    /// Nodes that this handle has, without values, in the first `kept` places.
    numbers: [u32; KEEPS],
    kept: usize,
    /// `kept` at most; 2 at least, and even.
    keeps: usize,
}

// SAFETY: as a reference to the stack, or an `Arc` of it; the nodes are nobody else's.
unsafe impl<T: Send> Send for StackHandle<'_, T> {}
// SAFETY: a shared handle lends the stack, which is `Sync` by the same bound, and nothing more.
unsafe impl<T: Send> Sync for StackHandle<'_, T> {}

impl<T: 'static> StackHandle<'static, T> {
    /// Returns a handle that keeps the stack alive, for a thread that outlives who made it.
    ///
    /// # Examples
    ///
    /// ```
    /// use lockfree::{IndexStack, StackHandle};
    /// use std::sync::Arc;
    ///
    /// let stack = Arc::new(IndexStack::new(100));
    /// let mut handle = StackHandle::owning(Arc::clone(&stack));
    /// std::thread::spawn(move || handle.push(7)).join().unwrap().unwrap();
    /// assert_eq!(stack.pop(), Some(7));
    /// ```
    #[must_use]
    pub fn owning(stack: Arc<IndexStack<T>>) -> Self {
        Self::with(NonNull::from(&*stack), Some(stack))
    }
}

impl<'s, T> StackHandle<'s, T> {
    /// Most nodes that any handle keeps.
    pub const KEEPS: usize = KEEPS;

    pub(super) fn new(stack: &'s IndexStack<T>) -> Self {
        Self::with(NonNull::from(stack), None)
    }

    fn with(stack: NonNull<IndexStack<T>>, owner: Option<Arc<IndexStack<T>>>) -> Self {
        let mut handle = Self {
            stack,
            _owner: owner,
            _stack: PhantomData,
            numbers: [0; KEEPS],
            kept: 0,
            keeps: 0,
        };
        // No more than a quarter of a small stack.
        handle.keeps = (handle.stack().capacity() / 8 * 2).clamp(2, KEEPS);
        handle
    }

    /// Returns the stack.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that changes.
    #[inline]
    #[must_use]
    pub fn stack(&self) -> &IndexStack<T> {
        // SAFETY: borrowed for `'s`, which this handle does not outlive, or kept by `_owner`.
        unsafe { self.stack.as_ref() }
    }

    /// Returns how many nodes this handle keeps at most.
    ///
    /// 32, or a quarter of a stack that has room for fewer than 128 values, but 2 at least.
    ///
    /// # Concurrency
    ///
    /// Wait-free; touches nothing that changes.
    #[inline]
    #[must_use]
    pub fn keeps(&self) -> usize {
        self.keeps
    }

    /// Puts a value on top; see [`IndexStack::push`].
    ///
    /// # Errors
    ///
    /// [`PushError::Full`] with the value if this handle has no node, and the stack has none free.
    ///
    /// # Concurrency
    ///
    /// As [`IndexStack::push`].
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), PushError<T>> {
        if self.kept == 0 && !self.refill() {
            return Err(PushError::Full(value));
        }
        self.kept -= 1;
        // SAFETY: 1. ours, and forgotten by the line above; without a value, as all here.
        unsafe { self.stack().push_in(self.numbers[self.kept], value) };
        Ok(())
    }

    /// Takes the newest value, if there is one; see [`IndexStack::pop`].
    ///
    /// # Concurrency
    ///
    /// As [`IndexStack::pop`].
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        let (number, value) = self.stack().pop_out()?;
        if self.kept == self.keeps {
            self.give_back(self.keeps / 2);
        }
        self.numbers[self.kept] = number;
        self.kept += 1;
        Some(value)
    }

    /// Takes nodes from the stack, and says whether there were any.
    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> bool {
        let most = u32::try_from(self.keeps / 2).unwrap_or(1);
        let mut taken = self.stack().take_free(most);
        while let Some(run) = taken {
            let (number, rest) = self.stack().nodes().split_first(run);
            self.numbers[self.kept] = number;
            self.kept += 1;
            taken = rest;
        }
        self.kept > 0
    }

    /// Gives the first `count` nodes back to the stack: the ones used longest ago.
    #[cold]
    #[inline(never)]
    fn give_back(&mut self, count: usize) {
        let nodes = self.stack().nodes();
        let run = self.numbers[..count]
            .iter()
            .fold(None, |run, &number| Some(nodes.prepend(number, run)));
        self.numbers.copy_within(count..self.kept, 0);
        self.kept -= count;
        if let Some(run) = run {
            // SAFETY: 1. ours, and forgotten by the lines above; 2. without values, as all here.
            unsafe { self.stack().put_free(run) };
        }
    }
}

impl<T> Drop for StackHandle<'_, T> {
    fn drop(&mut self) {
        if !cfg!(bug = "handles-keep-their-nodes") {
            self.give_back(self.kept);
        }
    }
}

impl<T> fmt::Debug for StackHandle<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StackHandle")
            .field("stack", self.stack())
            .field("kept", &self.kept)
            .finish_non_exhaustive()
    }
}
