//! Where trees live: on the global allocator, in counted references, in a region, on a malloc.
//!
//! ```text
//!   store      box         list             text
//!   Owned      Box<T>      Box<[T]>         Box<str>
//!   Counted    Rc<T>       Rc<[T]>          Rc<str>
//!   In<R>      &T          &[T]             &str
//!   Typed      &T          &[T]             &str             an arena for each type
//!   On<A>      Box<T, A>   Vec<T, A>        Vec<u8, A>
//!   Nothing    the sum of what would be there
//! ```

use core::alloc::Layout;
use core::marker::PhantomData;
use core::mem::needs_drop;
use core::slice;
use std::rc::Rc;

use allocator_api2::{alloc::Allocator, boxed::Box as BoxIn, vec::Vec as VecIn};

use typed_arena::Arena;

use super::tree::{Arenas, Node, Store, Sum, sum_list};
use crate::engines::Region;
use crate::scenarios::programs::digest;

// ---- the global allocator -----------------------------------------------------------------------

/// Boxes, as one would write it.
#[derive(Clone, Copy)]
pub(super) struct Owned;

impl Store<'static> for Owned {
    type Text = Box<str>;
    type Box<T: Sum + 'static> = Box<T>;
    type List<T: Sum + 'static> = Box<[T]>;

    #[inline]
    fn text(self, text: &str) -> Box<str> {
        Box::from(text)
    }

    #[inline]
    fn boxed<T: Node<'static, Self>>(self, node: T) -> Box<T> {
        Box::new(node)
    }

    #[inline]
    fn list<T: Node<'static, Self>>(self, nodes: &mut Vec<T>, from: usize) -> Box<[T]> {
        nodes.drain(from..).collect()
    }
}

/// Counted references, as trees that are shared hold them.
#[derive(Clone, Copy)]
pub(super) struct Counted;

impl Store<'static> for Counted {
    type Text = Rc<str>;
    type Box<T: Sum + 'static> = Rc<T>;
    type List<T: Sum + 'static> = Rc<[T]>;

    #[inline]
    fn text(self, text: &str) -> Rc<str> {
        Rc::from(text)
    }

    #[inline]
    fn boxed<T: Node<'static, Self>>(self, node: T) -> Rc<T> {
        Rc::new(node)
    }

    #[inline]
    fn list<T: Node<'static, Self>>(self, nodes: &mut Vec<T>, from: usize) -> Rc<[T]> {
        nodes.drain(from..).collect()
    }
}

impl Sum for str {
    #[inline]
    fn sum(&self) -> u64 {
        digest(self.as_bytes())
    }
}

impl<T: Sum> Sum for [T] {
    #[inline]
    fn sum(&self) -> u64 {
        sum_list(self.iter().map(Sum::sum))
    }
}

impl<T: Sum + ?Sized> Sum for Box<T> {
    #[inline]
    fn sum(&self) -> u64 {
        (**self).sum()
    }
}

impl<T: Sum + ?Sized> Sum for Rc<T> {
    #[inline]
    fn sum(&self) -> u64 {
        (**self).sum()
    }
}

impl<T: Sum + ?Sized> Sum for &T {
    #[inline]
    fn sum(&self) -> u64 {
        (**self).sum()
    }
}

// ---- regions ------------------------------------------------------------------------------------

/// Plain references into a region, which forgets them all at once.
pub(super) struct In<'t, R>(pub(super) &'t R);

impl<R> Clone for In<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for In<'_, R> {}

impl<'t, R: Region> Store<'t> for In<'t, R> {
    type Text = &'t str;
    type Box<T: Sum + 't> = &'t T;
    type List<T: Sum + 't> = &'t [T];

    #[inline]
    fn text(self, text: &str) -> &'t str {
        self.0.alloc_str(text)
    }

    #[inline]
    fn boxed<T: Node<'t, Self> + 't>(self, node: T) -> &'t T {
        const { assert!(!needs_drop::<T>(), "nothing in a region is dropped") };
        let block = self.0.alloc_layout(Layout::new::<T>()).cast::<T>();
        // SAFETY: a fresh block of `T`'s layout.
        unsafe { block.write(node) };
        // SAFETY: initialised just now; the block lives as long as the region is borrowed.
        unsafe { block.as_ref() }
    }

    #[inline]
    fn list<T: Node<'t, Self> + 't>(self, nodes: &mut Vec<T>, from: usize) -> &'t [T] {
        const { assert!(!needs_drop::<T>(), "nothing in a region is dropped") };
        let list = &nodes[from..];
        let count = list.len();
        if count == 0 {
            return &[];
        }
        let block = self.0.alloc_layout(Layout::for_value(list)).cast::<T>();
        // SAFETY: the block is as long as the list, fresh, and so does not overlap it.
        unsafe { block.as_ptr().copy_from_nonoverlapping(list.as_ptr(), count) };
        // SAFETY: `from` is an index of it, and the nodes after it have moved.
        unsafe { nodes.set_len(from) };
        // SAFETY: initialised just now; the block lives as long as the region is borrowed.
        unsafe { slice::from_raw_parts(block.as_ptr(), count) }
    }
}

// ---- typed-arena --------------------------------------------------------------------------------

/// Plain references into arenas of one type each.
#[derive(Clone, Copy)]
pub(super) struct Typed<'t>(pub(super) &'t Arenas<'t>);

impl<'t> Typed<'t> {
    #[inline]
    fn arena<T: Node<'t, Self>>(self) -> &'t Arena<T> {
        let arena = self.0.of(T::KIND).cast::<Arena<T>>();
        // SAFETY: the arena for nodes of `T`'s kind in trees of this store, and no other type of their
        // nodes is of that kind (`Node`); it is borrowed for `'t`.
        unsafe { arena.as_ref() }
    }
}

impl<'t> Store<'t> for Typed<'t> {
    type Text = &'t str;
    type Box<T: Sum + 't> = &'t T;
    type List<T: Sum + 't> = &'t [T];

    #[inline]
    fn text(self, text: &str) -> &'t str {
        self.0.texts.alloc_str(text)
    }

    #[inline]
    fn boxed<T: Node<'t, Self> + 't>(self, node: T) -> &'t T {
        self.arena().alloc(node)
    }

    #[inline]
    fn list<T: Node<'t, Self> + 't>(self, nodes: &mut Vec<T>, from: usize) -> &'t [T] {
        if nodes.len() == from {
            return &[];
        }
        self.arena().alloc_extend(nodes.drain(from..))
    }
}

// ---- mallocs ------------------------------------------------------------------------------------

/// Blocks of a malloc of their own.
#[derive(Clone, Copy)]
pub(super) struct On<A>(pub(super) A);

impl<A: Allocator + Copy + 'static> Store<'static> for On<A> {
    type Text = Bytes<A>;
    type Box<T: Sum + 'static> = BoxIn<T, A>;
    type List<T: Sum + 'static> = VecIn<T, A>;

    #[inline]
    fn text(self, text: &str) -> Bytes<A> {
        let mut block = VecIn::with_capacity_in(text.len(), self.0);
        block.extend_from_slice(text.as_bytes());
        Bytes(block)
    }

    #[inline]
    fn boxed<T: Node<'static, Self>>(self, node: T) -> BoxIn<T, A> {
        BoxIn::new_in(node, self.0)
    }

    #[inline]
    fn list<T: Node<'static, Self>>(self, nodes: &mut Vec<T>, from: usize) -> VecIn<T, A> {
        let mut block = VecIn::with_capacity_in(nodes.len() - from, self.0);
        block.extend(nodes.drain(from..));
        block
    }
}

/// A text's bytes.
pub(super) struct Bytes<A: Allocator>(VecIn<u8, A>);

impl<A: Allocator> Sum for Bytes<A> {
    #[inline]
    fn sum(&self) -> u64 {
        digest(&self.0)
    }
}

impl<T: Sum, A: Allocator> Sum for VecIn<T, A> {
    #[inline]
    fn sum(&self) -> u64 {
        (**self).sum()
    }
}

impl<T: Sum, A: Allocator> Sum for BoxIn<T, A> {
    #[inline]
    fn sum(&self) -> u64 {
        (**self).sum()
    }
}

// ---- nothing ------------------------------------------------------------------------------------

/// Keeps of each node its sum: what the program costs without a tree.
#[derive(Clone, Copy)]
pub(super) struct Nothing;

/// The sum of what is not there.
pub(super) struct SumOf<T: ?Sized>(u64, PhantomData<T>);

impl<T: ?Sized> Sum for SumOf<T> {
    #[inline]
    fn sum(&self) -> u64 {
        self.0
    }
}

impl Store<'static> for Nothing {
    type Text = SumOf<str>;
    type Box<T: Sum + 'static> = SumOf<T>;
    type List<T: Sum + 'static> = SumOf<[T]>;

    #[inline]
    fn text(self, text: &str) -> SumOf<str> {
        SumOf(text.sum(), PhantomData)
    }

    #[inline]
    fn boxed<T: Node<'static, Self>>(self, node: T) -> SumOf<T> {
        SumOf(node.sum(), PhantomData)
    }

    #[inline]
    fn list<T: Node<'static, Self>>(self, nodes: &mut Vec<T>, from: usize) -> SumOf<[T]> {
        SumOf(sum_list(nodes.drain(from..).map(|node| node.sum())), PhantomData)
    }
}
