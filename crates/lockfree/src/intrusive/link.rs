//! [`Link`] and [`Linked`]: what a node brings along.

use core::fmt;
use core::num::NonZero;
use core::ptr::NonNull;

use primitives::sync::cell::UnsafeCell;

/// A node's place in a chain: the address of the next node.
///
/// A field of the node. Nobody but the structure that holds the node looks at it.
pub struct Link {
    /// The next node's address, exposed; 0 at the end.
    next: UnsafeCell<usize>,
}

// SAFETY: a link is reached through `Linked::link` alone, by who owns the node at that moment; a
// shared reference to it does nothing.
unsafe impl Sync for Link {}

impl Link {
    primitives::sync::const_fn! {
        /// Returns the link of a node that is in no chain.
        #[must_use]
        pub const fn new() -> Self {
            Self { next: UnsafeCell::new(0) }
        }
    }
}

impl Default for Link {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// Types with a [`Link`], and what owns them outside a chain.
///
/// A structure takes a handle apart into a pointer, strings the pointers together, and gives whole
/// handles back. `Box<Node>` is the usual handle; `&'static mut Node`, or a pointer into a page
/// that stays, serve where nothing may be allocated.
///
/// # Examples
///
/// ```
/// use core::ptr::{self, NonNull};
/// use lockfree::{IntrusiveStack, Link, Linked};
///
/// struct Job {
///     link: Link,
///     number: u32,
/// }
///
/// // SAFETY: 1. and 2. a box is unique, does not move what it owns, and is made of its pointer
/// // again; 3. the address of the field.
/// unsafe impl Linked for Job {
///     type Handle = Box<Job>;
///
///     fn into_ptr(job: Box<Job>) -> NonNull<Job> {
///         // SAFETY: a box is not null.
///         unsafe { NonNull::new_unchecked(Box::into_raw(job)) }
///     }
///
///     unsafe fn from_ptr(job: NonNull<Job>) -> Box<Job> {
///         // SAFETY: the pointer came from a box (2).
///         unsafe { Box::from_raw(job.as_ptr()) }
///     }
///
///     unsafe fn link(job: NonNull<Job>) -> NonNull<Link> {
///         // SAFETY: the node is alive; no reference to the whole is made.
///         unsafe { NonNull::new_unchecked(&raw mut (*job.as_ptr()).link) }
///     }
/// }
///
/// let jobs = IntrusiveStack::<Job>::new();
/// jobs.push(Box::new(Job { link: Link::new(), number: 1 }));
/// jobs.push(Box::new(Job { link: Link::new(), number: 2 }));
/// assert!(jobs.pop_all().map(|job| job.number).eq([2, 1]));
/// ```
///
/// # Safety
///
/// 1. A handle owns its node alone: no two handles have the same node at a time (so not `Arc`), and
///    from `into_ptr` until `from_ptr` the node stays where it is and may be reached through the
///    pointer, on any thread to which the handle could be sent.
/// 2. `from_ptr` of a pointer that `into_ptr` returned is the handle that it was made of.
/// 3. `link` returns the place of a [`Link`] inside the node, always the same, through which it may
///    be read and written, and which nothing else uses.
/// 4. None of the three unwinds.
pub unsafe trait Linked: Sized {
    /// What owns a node that is in no chain.
    type Handle;

    /// Takes a handle apart.
    fn into_ptr(handle: Self::Handle) -> NonNull<Self>;

    /// Makes the handle again.
    ///
    /// # Safety
    ///
    /// `node` came from [`into_ptr`](Self::into_ptr), and this is the first call with it since.
    unsafe fn from_ptr(node: NonNull<Self>) -> Self::Handle;

    /// Returns where the node's link is.
    ///
    /// # Safety
    ///
    /// `node` came from [`into_ptr`](Self::into_ptr), and `from_ptr` was not called with it since.
    unsafe fn link(node: NonNull<Self>) -> NonNull<Link>;
}

/// A node in a chain, by its exposed address.
///
/// A pusher compares the head with an address that it read before; in between that node may have
/// been freed and another allocated in its place. As *pointers* the two differ in provenance though
/// they compare equal; as exposed addresses they are the same number, and whoever turns it into a
/// pointer again gets the provenance of the node that is there now.
pub(super) type Address = Option<NonZero<usize>>;

/// Takes a handle apart, for its node to be found again by its address.
#[inline]
pub(super) fn expose<T: Linked>(handle: T::Handle) -> NonZero<usize> {
    T::into_ptr(handle).expose_provenance()
}

/// Makes the handle again.
///
/// # Safety
///
/// 1. `address` came from [`expose`] of this `T`, and this is the first call with it since.
#[inline]
pub(super) unsafe fn unexpose<T: Linked>(address: NonZero<usize>) -> T::Handle {
    // SAFETY: clause 1.
    unsafe { T::from_ptr(NonNull::with_exposed_provenance(address)) }
}

/// Returns the address in the node's link.
///
/// # Safety
///
/// 1. `address` came from [`expose`] of this `T`, and its handle was not made again since;
/// 2. the caller alone has the node.
#[inline]
pub(super) unsafe fn next<T: Linked>(address: NonZero<usize>) -> Address {
    // SAFETY: clause 1.
    let link = unsafe { T::link(NonNull::with_exposed_provenance(address)) };
    // SAFETY: clause 3 of `Linked`: a link, alive with its node.
    let link = unsafe { link.as_ref() };
    // SAFETY: clause 2: nobody writes it meanwhile.
    NonZero::new(link.next.with(|next| unsafe { next.read() }))
}

/// Sets the address in the node's link.
///
/// # Safety
///
/// As [`next`].
#[inline]
pub(super) unsafe fn set_next<T: Linked>(address: NonZero<usize>, to: Address) {
    // SAFETY: clause 1.
    let link = unsafe { T::link(NonNull::with_exposed_provenance(address)) };
    // SAFETY: clause 3 of `Linked`: a link, alive with its node.
    let link = unsafe { link.as_ref() };
    // SAFETY: clause 2: nobody reads or writes it meanwhile.
    link.next.with_mut(|next| unsafe { next.write(to.map_or(0, NonZero::get)) });
}
