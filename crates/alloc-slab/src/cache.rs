//! [`ObjectCache`]: objects that stay constructed between uses.
//!
//! Not thread-safe (`Send`, not `Sync`). Taking an idle object and giving it back are a few
//! instructions each; what making it costs (its buffers, its tables, its registration) is paid once.
//!
//! ```text
//!   page   [ header | node | node | node | ... ]        nodes: link, built?, object
//!   idle   node -> node -> ..                           built, nobody's
//!   raw    node -> node -> ..                           without an object
//!          all other nodes: built, lent
//! ```
//!
//! # Invariants
//!
//! * **C1** every page in the list is a live block of the backing with `page_layout`, its header and the
//!   links of all its nodes initialised.
//! * **C2** a node is `built` if and only if it holds an object.
//! * **C3** each node is in `idle` and built, or in `raw` and not, or lent (or was, and was forgotten)
//!   and built; a lent node has one [`Cached`].
//! * **C4** no user code runs while one of these is broken.
//!
//! # Ordering edges
//!
//! None: cells, no atomics.
//!
//! # Cost
//!
//! `take`: two loads, a branch, two stores and the counter. Giving back: a load, two stores. A link and
//! a flag beside each object.
//!
//! # Source
//!
//! J. Bonwick ("The Slab Allocator", 1994), whose objects are constructed once and given back in their
//! constructed state. What is ours: guards, and a hook that restores that state.

use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::mem::{ManuallyDrop, MaybeUninit};
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use alloc_core::{Allocator, ErrorKind, Global, Layout, TryAllocError};

/// Bytes that a page has about.
const PAGE_BYTES: usize = 16 << 10;

/// Least nodes of a page.
const MIN_NODES: usize = 8;

type Link<T> = Option<NonNull<Node<T>>>;

struct Node<T> {
    next: Cell<Link<T>>,
    built: Cell<bool>,
    object: UnsafeCell<MaybeUninit<T>>,
}

struct Header {
    next: Cell<Option<NonNull<Header>>>,
}

/// What the nodes of a page need.
const fn nodes_per_page<T>() -> usize {
    let fit = PAGE_BYTES / size_of::<Node<T>>();
    if fit < MIN_NODES { MIN_NODES } else { fit }
}

fn page_layout<T>() -> Result<(Layout, usize), TryAllocError> {
    let overflow = TryAllocError::overflow::<Node<T>>(nodes_per_page::<T>());
    let nodes = Layout::array::<Node<T>>(nodes_per_page::<T>()).map_err(|_| overflow)?;
    Layout::new::<Header>().extend(nodes).map_err(|_| overflow)
}

/// Objects of one type that are made once and used many times.
///
/// [`take`](Self::take) lends an object that was given back before, in the state in which it was given
/// back, or makes one. Whoever gives it back leaves it as `make` made it, or a hook does
/// ([`with_restore`](Self::with_restore)). Worth it where making is dear: buffers and tables that keep
/// their memory, things that were registered or connected. Objects stay at their addresses.
///
/// # Examples
///
/// ```
/// use alloc_slab::ObjectCache;
///
/// let scratch = ObjectCache::new(|| Vec::<u8>::with_capacity(64 << 10)).with_restore(Vec::clear);
/// for line in ["one", "two", "three"] {
///     let mut buffer = scratch.take(); // makes one the first time
///     buffer.extend_from_slice(line.as_bytes());
/// }
/// let stats = scratch.stats();
/// assert_eq!((stats.misses, stats.hits, stats.idle), (1, 2, 1));
/// ```
///
/// # Concurrency
///
/// One thread at a time: `Send` (where `T`, `F` and `A` are), not `Sync`.
pub struct ObjectCache<T, F = fn() -> T, A: Allocator = Global> {
    idle: Cell<Link<T>>,
    raw: Cell<Link<T>>,
    make: F,
    restore: Option<fn(&mut T)>,
    pages: Cell<Option<NonNull<Header>>>,
    page_count: Cell<usize>,
    hits: Cell<u64>,
    misses: Cell<u64>,
    evictions: Cell<u64>,
    backing: A,
}

// SAFETY: the objects go with the cache: `T: Send`; nothing is tied to a thread. While it is sent nobody
// borrows it, so no object is lent, and a forgotten one is reached by nobody.
unsafe impl<T: Send, F: Send, A: Allocator + Send> Send for ObjectCache<T, F, A> {}

/// Figures of an [`ObjectCache`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct CacheStats {
    /// Objects taken that were there.
    pub hits: u64,
    /// Objects taken that were made.
    pub misses: u64,
    /// Objects dropped before the cache: trimmed or discarded.
    pub evictions: u64,
    /// Objects that are there now, and lent to nobody.
    pub idle: usize,
    /// Objects that are lent now, or were forgotten.
    pub lent: usize,
    /// Bytes held from the backing.
    pub reserved_bytes: usize,
}

impl CacheStats {
    /// Returns the share of takes that found an object, from 0 to 1.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a share is wanted to a few digits")]
    pub fn hit_rate(&self) -> f64 {
        let all = self.hits + self.misses;
        if all == 0 { 0.0 } else { self.hits as f64 / all as f64 }
    }
}

impl<T, F: Fn() -> T> ObjectCache<T, F> {
    /// Returns an empty cache of what `make` makes.
    #[must_use]
    pub const fn new(make: F) -> Self {
        Self::new_in(make, Global)
    }
}

impl<T, F: Fn() -> T, A: Allocator> ObjectCache<T, F, A> {
    /// Returns an empty cache of what `make` makes, in memory from `backing`.
    #[must_use]
    pub const fn new_in(make: F, backing: A) -> Self {
        Self {
            idle: Cell::new(None),
            raw: Cell::new(None),
            make,
            restore: None,
            pages: Cell::new(None),
            page_count: Cell::new(0),
            hits: Cell::new(0),
            misses: Cell::new(0),
            evictions: Cell::new(0),
            backing,
        }
    }

    /// Sets what is done with each object when it is given back, to be as `make` made it.
    ///
    /// If `restore` panics, the object is not lent again; it is dropped with the cache.
    #[must_use]
    pub const fn with_restore(mut self, restore: fn(&mut T)) -> Self {
        self.restore = Some(restore);
        self
    }

    /// Returns an object: one that was given back last, or a new one.
    ///
    /// # Panics
    ///
    /// If there is no memory, or making it panics.
    #[inline]
    #[track_caller]
    pub fn take(&self) -> Cached<'_, T, F, A> {
        if let Some(node) = self.pop_idle() {
            return node;
        }
        match self.make() {
            Ok(cached) => cached,
            Err(error) => panic!("object cache: {error}"),
        }
    }

    /// Returns an object, or the reason why there is no room for one.
    ///
    /// # Errors
    ///
    /// If the backing refuses a page.
    ///
    /// # Panics
    ///
    /// If making it panics.
    #[inline]
    pub fn try_take(&self) -> Result<Cached<'_, T, F, A>, TryAllocError> {
        match self.pop_idle() {
            Some(node) => Ok(node),
            None => self.make(),
        }
    }

    #[inline(always)]
    fn pop_idle(&self) -> Option<Cached<'_, T, F, A>> {
        let node = self.idle.get()?;
        // SAFETY: C1, C3: a node of a page.
        self.idle.set(unsafe { node.as_ref() }.next.get());
        self.hits.set(self.hits.get() + 1);
        Some(Cached { node, cache: self })
    }

    #[cold]
    #[inline(never)]
    fn make(&self) -> Result<Cached<'_, T, F, A>, TryAllocError> {
        if self.raw.get().is_none() {
            self.grow()?;
        }
        let chosen = self.raw.get();
        let object = (self.make)();
        // Making it may have taken objects from this cache, and the node with them.
        let node = loop {
            if let Some(node) = chosen
                && cfg!(bug = "making-takes-the-node-first")
            {
                break node;
            }
            if let Some(node) = self.raw.get() {
                break node;
            }
            self.grow()?;
        };
        // SAFETY: C1, C3: a node of a page.
        let parts = unsafe { node.as_ref() };
        self.raw.set(parts.next.get());
        // SAFETY: C2, C3: a raw node, which nobody else has: no object is there, and none is lent.
        unsafe { (*parts.object.get()).write(object) };
        parts.built.set(true);
        self.misses.set(self.misses.get() + 1);
        Ok(Cached { node, cache: self })
    }

    /// Takes a page from the backing; its nodes are raw.
    fn grow(&self) -> Result<(), TryAllocError> {
        let (layout, offset) = page_layout::<T>()?;
        let refused = TryAllocError::new(ErrorKind::Backing, layout, 0);
        let page = self.backing.allocate(layout).map_err(|_| refused)?.cast::<u8>();
        let header = page.cast::<Header>();
        // SAFETY: a page begins with a header.
        unsafe { header.write(Header { next: Cell::new(self.pages.get()) }) };
        let mut raw = self.raw.get();
        for number in (0..nodes_per_page::<T>()).rev() {
            // SAFETY: within the page, by its layout.
            let node = unsafe { page.byte_add(offset) }.cast::<Node<T>>();
            // SAFETY: as above.
            let node = unsafe { node.add(number) };
            let object = UnsafeCell::new(MaybeUninit::uninit());
            let fresh = Node { next: Cell::new(raw), built: Cell::new(false), object };
            // SAFETY: aligned room for a node.
            unsafe { node.write(fresh) };
            raw = Some(node);
        }
        self.raw.set(raw);
        self.pages.set(Some(header));
        self.page_count.set(self.page_count.get() + 1);
        Ok(())
    }
}

impl<T, F, A: Allocator> ObjectCache<T, F, A> {
    /// Returns the backing allocator.
    #[must_use]
    pub const fn backing(&self) -> &A {
        &self.backing
    }

    /// Drops all idle objects and gives the pages without objects back to the backing; returns how many
    /// bytes that were.
    ///
    /// # Complexity
    ///
    /// Linear in the number of objects there ever were at one time.
    ///
    /// # Panics
    ///
    /// If a drop panics: the objects not yet dropped stay idle, and no page is given back. If the backing
    /// does when it is given a page: that page counts as given back, and pages behind it stay.
    pub fn trim(&mut self) -> usize {
        while let Some(node) = self.idle.get() {
            // SAFETY: C1, C3: a node of a page.
            let parts = unsafe { node.as_ref() };
            self.idle.set(parts.next.get());
            self.evict(node);
        }
        // Pages without objects go; the raw nodes of the others stay.
        self.raw.set(None);
        let mut bytes = 0;
        let mut rest = Rest { cache: self, look: self.pages.replace(None) };
        while let Some(page) = rest.next() {
            if nodes::<T>(page).any(|node| node.built.get()) {
                self.keep(page);
            } else {
                self.page_count.set(self.page_count.get() - 1);
                bytes += free_page::<T, A>(&self.backing, page);
            }
        }
        bytes
    }

    /// Puts a page back into the list that left it, and its raw nodes into theirs.
    fn keep(&self, page: NonNull<Header>) {
        for node in nodes::<T>(page).filter(|node| !node.built.get()) {
            node.next.set(self.raw.replace(Some(NonNull::from_ref(node))));
        }
        // SAFETY: C1.
        unsafe { page.as_ref() }.next.set(self.pages.replace(Some(page)));
    }

    /// Drops the object of a node that is in no list; the node is raw then.
    fn evict(&self, node: NonNull<Node<T>>) {
        // SAFETY: C1: a node of a page.
        let parts = unsafe { node.as_ref() };
        debug_assert!(parts.built.get(), "C2: no object to drop");
        parts.built.set(false);
        parts.next.set(self.raw.replace(Some(node)));
        self.evictions.set(self.evictions.get() + 1);
        // From here on the node may be taken again, by the drop itself: so the object leaves it first.
        // SAFETY: C2: it was built, and nobody else has it.
        let object = unsafe { parts.object.get().cast::<T>().read() };
        drop(object);
    }

    /// Returns what the cache holds and did so far.
    ///
    /// # Complexity
    ///
    /// Linear in the number of objects there ever were at one time.
    #[must_use]
    pub fn stats(&self) -> CacheStats {
        let mut built = 0;
        let mut look = self.pages.get();
        while let Some(page) = look {
            built += nodes::<T>(page).filter(|node| node.built.get()).count();
            // SAFETY: C1.
            look = unsafe { page.as_ref() }.next.get();
        }
        let mut idle = 0;
        let mut look = self.idle.get();
        while let Some(node) = look {
            idle += 1;
            // SAFETY: C1, C3: a node of a page.
            look = unsafe { node.as_ref() }.next.get();
        }
        let page_bytes = page_layout::<T>().map_or(0, |(layout, _)| layout.size());
        CacheStats {
            hits: self.hits.get(),
            misses: self.misses.get(),
            evictions: self.evictions.get(),
            idle,
            lent: built - idle,
            reserved_bytes: self.page_count.get() * page_bytes,
        }
    }
}

/// The pages that `trim` has not come to yet, which stay if the backing panics.
struct Rest<'a, T, F, A: Allocator> {
    cache: &'a ObjectCache<T, F, A>,
    look: Option<NonNull<Header>>,
}

impl<T, F, A: Allocator> Rest<'_, T, F, A> {
    fn next(&mut self) -> Option<NonNull<Header>> {
        let page = self.look?;
        // SAFETY: C1.
        self.look = unsafe { page.as_ref() }.next.get();
        Some(page)
    }
}

impl<T, F, A: Allocator> Drop for Rest<'_, T, F, A> {
    fn drop(&mut self) {
        if cfg!(bug = "trim-loses-the-pages-behind") {
            return;
        }
        while let Some(page) = self.next() {
            self.cache.keep(page);
        }
    }
}

/// The nodes of a page.
fn nodes<'a, T: 'a>(page: NonNull<Header>) -> impl Iterator<Item = &'a Node<T>> {
    let offset = page_layout::<T>().map_or(0, |(_, offset)| offset);
    (0..nodes_per_page::<T>()).map(move |number| {
        // SAFETY: callers pass a page of the list: it has this layout, and its nodes are initialised
        // (C1).
        let first = unsafe { page.byte_add(offset) }.cast::<Node<T>>();
        // SAFETY: as above.
        let node = unsafe { first.add(number) };
        // SAFETY: as above; only cells of it change while it is lent.
        unsafe { node.as_ref() }
    })
}

/// Gives a page back; returns its bytes.
fn free_page<T, A: Allocator>(backing: &A, page: NonNull<Header>) -> usize {
    let Ok((layout, _)) = page_layout::<T>() else { unreachable!("C1: the page exists") };
    // SAFETY: callers pass a page that has left the list, a live block of the backing with this layout
    // (C1), whose objects are gone.
    unsafe { backing.deallocate(page.cast(), layout) };
    layout.size()
}

impl<T, F, A: Allocator> Drop for ObjectCache<T, F, A> {
    fn drop(&mut self) {
        /// Frees what is left, also when a drop panics.
        struct GoOn<'a, T, F, A: Allocator>(&'a ObjectCache<T, F, A>);
        impl<T, F, A: Allocator> GoOn<'_, T, F, A> {
            fn drop_all(&self) {
                while let Some(page) = self.0.pages.get() {
                    for node in nodes::<T>(page).filter(|node| node.built.get()) {
                        self.0.evict(NonNull::from_ref(node));
                    }
                    // SAFETY: C1.
                    self.0.pages.set(unsafe { page.as_ref() }.next.get());
                    free_page::<T, A>(&self.0.backing, page);
                }
            }
        }
        impl<T, F, A: Allocator> Drop for GoOn<'_, T, F, A> {
            fn drop(&mut self) {
                self.drop_all();
            }
        }
        GoOn(self).drop_all();
    }
}

impl<T, F, A: Allocator> fmt::Debug for ObjectCache<T, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ObjectCache").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// An object of an [`ObjectCache`], given back when this is dropped; made by [`ObjectCache::take`].
///
/// Forgotten, the object is lent until the cache is dropped, and then dropped with it.
pub struct Cached<'a, T, F = fn() -> T, A: Allocator = Global> {
    node: NonNull<Node<T>>,
    cache: &'a ObjectCache<T, F, A>,
}

impl<T, F, A: Allocator> Cached<'_, T, F, A> {
    /// Drops the object instead of giving it back: for one that cannot be restored.
    // Not a method: it would hide one of `T`.
    pub fn discard(this: Self) {
        let this = ManuallyDrop::new(this);
        this.cache.evict(this.node);
    }

    fn object(&self) -> NonNull<T> {
        // SAFETY: C1: a node of a page.
        let object = unsafe { self.node.as_ref() }.object.get();
        // SAFETY: the address of a part of the node.
        unsafe { NonNull::new_unchecked(object.cast()) }
    }
}

impl<T, F, A: Allocator> Deref for Cached<'_, T, F, A> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: C2, C3: a built node, lent to this guard alone.
        unsafe { self.object().as_ref() }
    }
}

impl<T, F, A: Allocator> DerefMut for Cached<'_, T, F, A> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: C2, C3: a built node, lent to this guard alone, which is borrowed exclusively.
        unsafe { self.object().as_mut() }
    }
}

impl<T, F, A: Allocator> Drop for Cached<'_, T, F, A> {
    #[inline]
    fn drop(&mut self) {
        if let Some(restore) = self.cache.restore {
            restore(self); // if it panics, the object stays lent
        }
        // SAFETY: C1: a node of a page.
        let parts = unsafe { self.node.as_ref() };
        parts.next.set(self.cache.idle.replace(Some(self.node)));
    }
}

impl<T: fmt::Debug, F, A: Allocator> fmt::Debug for Cached<'_, T, F, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        T::fmt(self, f)
    }
}
