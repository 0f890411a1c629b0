//! Ours: `alloc-stack`, each of its ways of use.

use core::alloc::Layout;
use core::fmt;
use core::ptr::NonNull;

use alloc_stack::{DynStack, Mark, Scope, Scratch, Stack, StackBox, Top, scratch};
use allocator_api2::alloc::Allocator;

use super::lifo::{DynLifo, Framed, Lifo, Owner, Recurse, Step, Value};
use super::scratch::{Pads, Word};
use super::{About, Backing, Region};
use crate::case::Role;

/// What every one of ours says of itself, but for the way of use.
const fn ours(config: &'static str, why: &'static str) -> About {
    About { name: "stack", config, package: "alloc-stack", why, role: Role::Ours }
}

/// No engine of ours states a capacity: its default segments have room for what is alive.
fn stack() -> Stack {
    Stack::new()
}

/// In order, by promise: the mark of each push is kept by the caller.
#[derive(Debug)]
pub struct Marks(Stack);

impl Lifo for Marks {
    const ABOUT: About = ours("marks", "push and an unsafe pop of its mark, newest first");

    type Mark = Mark;

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, Mark) {
        self.0.push(layout)
    }

    #[inline]
    unsafe fn pop(&mut self, _: NonNull<u8>, _: Layout, mark: Mark) {
        // SAFETY: the mark of that block, all newer blocks were popped, and it is not used again:
        // clauses 1 to 3 of this function.
        unsafe { self.0.pop(mark) };
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        self.0.used_bytes()
    }

    fn settle(&mut self) {}
}

impl Framed for Marks {
    const ABOUT: About = ours("mark-and-pop-to", "one mark a frame and an unsafe pop_to it");

    type Frame<'f> = &'f Stack;

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut &Stack, &[Layout], &mut [NonNull<u8>]),
    ) {
        let mark = self.0.mark();
        fill(&mut &self.0, layouts, blocks);
        // SAFETY: taken above from this stack, and the blocks since then die with the frame.
        unsafe { self.0.pop_to(mark) };
    }

    #[inline]
    fn alloc_layout(frame: &mut &Stack, layout: Layout) -> NonNull<u8> {
        frame.push(layout).0
    }
}

/// Blocks that may go in any order: what its boxes are made of.
#[derive(Debug)]
pub struct AnyOrder(Stack);

impl Lifo for AnyOrder {
    const ABOUT: About =
        ours("any-order", "alloc_layout and dealloc_layout: blocks that may go in any order");

    type Mark = ();

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
        (self.0.alloc_layout(layout), ())
    }

    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
        // SAFETY: clauses 1 and 2 of this function.
        unsafe { self.0.dealloc_layout(block, layout) };
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        self.0.used_bytes()
    }

    fn settle(&mut self) {}
}

/// The same with a mark for each block, which knows more than its layout says.
#[derive(Debug)]
pub struct AnyOrderMarks(Stack);

impl Lifo for AnyOrderMarks {
    const ABOUT: About = ours(
        "any-order-marks",
        "push_any and pop_any: any order, with a mark kept beside each block",
    );

    type Mark = Mark;

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, Mark) {
        self.0.push_any(layout)
    }

    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, _: Layout, mark: Mark) {
        // SAFETY: clauses 1 and 2 of this function.
        unsafe { self.0.pop_any(block, mark) };
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        self.0.used_bytes()
    }

    fn settle(&mut self) {}
}

/// Any order through the `Allocator` trait.
#[derive(Debug)]
pub struct InAllocator(Stack);

impl Lifo for InAllocator {
    const ABOUT: About = ours("allocator", "allocate and deallocate of the Allocator trait");

    type Mark = ();

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn push(&mut self, layout: Layout) -> (NonNull<u8>, ()) {
        match self.0.allocate(layout) {
            Ok(block) => (block.cast(), ()),
            Err(_) => std::alloc::handle_alloc_error(layout),
        }
    }

    #[inline]
    unsafe fn pop(&mut self, block: NonNull<u8>, layout: Layout, (): ()) {
        // SAFETY: clauses 1 and 2 of this function.
        unsafe { self.0.deallocate(block, layout) };
    }

    fn held_bytes(&mut self, _: &[(NonNull<u8>, Layout)]) -> usize {
        self.0.used_bytes()
    }

    fn settle(&mut self) {}
}

impl Owner for InAllocator {
    const ABOUT: About = ours("allocator-box", "allocator_api2's Box over &Stack");

    type Boxed<'s> = allocator_api2::boxed::Box<Value, &'s Stack>;

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn boxed(&self, value: Value) -> Self::Boxed<'_> {
        allocator_api2::boxed::Box::new_in(value, &self.0)
    }

    fn settle(&mut self) {}
}

/// Its own box.
#[derive(Debug)]
pub struct Boxed(Stack);

impl Owner for Boxed {
    const ABOUT: About = ours("boxed", "StackBox: any order, drops its value before its block");

    type Boxed<'s> = StackBox<'s, Value>;

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn boxed(&self, value: Value) -> StackBox<'_, Value> {
        self.0.alloc_box(value)
    }

    fn settle(&mut self) {}
}

/// In order, by the borrow checker: handles.
#[derive(Debug)]
pub struct Handles(Stack);

impl Recurse for Handles {
    const ABOUT: About =
        ours("handles", "Pushed handles, which pop when they drop: safe, and nothing to keep");

    type Top<'s> = Top<'s>;

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn enter<T>(&mut self, work: impl FnOnce(Top<'_>) -> T) -> T {
        work(self.0.top())
    }

    #[inline]
    fn again<'t>(top: &'t mut Top<'_>) -> Top<'t> {
        top.reborrow()
    }

    #[inline]
    fn with_block<T>(
        top: &mut Top<'_>,
        layout: Layout,
        work: impl FnOnce(NonNull<u8>, Top<'_>) -> T,
    ) -> T {
        let mut pushed = top.push_layout(layout);
        let (block, top) = pushed.split();
        work(NonNull::from(block).cast(), top)
    }
}

/// Frames, flat or one a call.
#[derive(Debug)]
pub struct Frames(Stack);

impl Framed for Frames {
    const ABOUT: About = ours("frames", "a frame guard and its scope: safe");

    type Frame<'f> = Scope<'f>;

    fn with_capacity(_: usize) -> Self {
        Self(stack())
    }

    #[inline]
    fn frame(
        &mut self,
        layouts: &[Layout],
        blocks: &mut [NonNull<u8>],
        fill: impl FnOnce(&mut Scope<'_>, &[Layout], &mut [NonNull<u8>]),
    ) {
        let mut guard = self.0.frame();
        fill(&mut guard.scope(), layouts, blocks);
    }

    #[inline]
    fn alloc_layout(frame: &mut Scope<'_>, layout: Layout) -> NonNull<u8> {
        frame.alloc_layout(layout)
    }
}

/// A frame around each round, for what needs no order within it.
#[derive(Debug)]
pub struct Rounds {
    stack: Stack,
    empty: Mark,
}

impl Rounds {
    #[inline]
    fn end_round(&mut self) {
        // SAFETY: 1. taken from this stack before its first block; 2. every block dies with the round,
        // which all callers end with, and there are no frames or handles.
        unsafe { self.stack.pop_to(self.empty) };
    }
}

impl Region for Rounds {
    const ABOUT: About =
        ours("mark-and-pop-to", "one mark for all rounds, and an unsafe pop_to it after each");

    fn with_capacity(_: usize) -> Self {
        let stack = stack();
        Self { empty: stack.mark(), stack }
    }

    #[inline]
    fn alloc<T: Copy>(&self, value: T) -> &mut T {
        let mut block = self.stack.push(Layout::new::<T>()).0.cast::<T>();
        // SAFETY: the block has `T`'s layout and nobody else has it.
        unsafe { block.write(value) };
        // SAFETY: initialised just now; it lives until the round ends, through `&mut self`.
        unsafe { block.as_mut() }
    }

    #[inline]
    fn alloc_layout(&self, layout: Layout) -> NonNull<u8> {
        self.stack.push(layout).0
    }

    #[inline]
    fn alloc_slice_copy<T: Copy>(&self, values: &[T]) -> &mut [T] {
        let block = self.stack.push(Layout::for_value(values)).0.cast::<T>();
        // SAFETY: the block is as long as `values`, fresh, and so does not overlap it.
        unsafe { block.copy_from_nonoverlapping(NonNull::from(values).cast(), values.len()) };
        // SAFETY: initialised just now; it lives until the round ends, through `&mut self`.
        unsafe { NonNull::slice_from_raw_parts(block, values.len()).as_mut() }
    }

    #[inline]
    fn alloc_str(&self, text: &str) -> &str {
        let bytes = self.alloc_slice_copy(text.as_bytes());
        // SAFETY: a copy of a `str`.
        unsafe { core::str::from_utf8_unchecked(bytes) }
    }

    #[inline]
    unsafe fn release(&mut self, _: impl Iterator<Item = (NonNull<u8>, Layout)>) {
        self.end_round();
    }
}

impl Backing for Rounds {
    type Handle<'a> = &'a Stack;

    #[inline]
    fn handle(&self) -> &Stack {
        &self.stack
    }

    #[inline]
    fn end_collections(&mut self) {
        self.end_round();
    }
}

/// A stack of values behind one trait.
pub struct Dyn(DynStack<dyn Step>);

impl fmt::Debug for Dyn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dyn").field("len", &self.0.len()).finish()
    }
}

impl DynLifo for Dyn {
    const ABOUT: About = ours("dyn-stack", "DynStack: values inline, dropped from the top");

    fn with_capacity(_: usize, _: usize) -> Self {
        Self(DynStack::new())
    }

    #[inline]
    fn push<T: Step>(&mut self, value: T) {
        self.0.push(value, |value| value);
    }

    #[inline]
    fn step_and_pop(&mut self, input: u64) -> u64 {
        self.0.pop_with(|value| value.step(input)).expect("a scenario calls no empty stack")
    }
}

/// The thread's pair of scratch stacks.
#[derive(Debug)]
pub struct Pair;

impl Pads for Pair {
    const ABOUT: About = ours(
        "scratch",
        "scratch(conflict): a frame on whichever of two stacks is not the caller's",
    );

    type Pad<'s> = Scratch<'s>;

    type Slice<'s> = &'s mut [Word];

    #[inline]
    fn with<T>(out: Option<&Scratch<'_>>, work: impl FnOnce(&Scratch<'_>) -> T) -> T {
        scratch(out, work)
    }

    #[inline]
    fn copy<'s>(pad: &Self::Pad<'s>, _: usize, words: &[Word]) -> Self::Slice<'s> {
        pad.alloc_slice_copy(words)
    }
}
