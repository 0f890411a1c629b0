//! Boxes of `dyn Trait` in a `Vec`: how a stack of values of different types is written without a
//! crate for it.

use core::alloc::Layout;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use allocator_api2::alloc::Allocator;
use allocator_api2::boxed::Box as BoxIn;
use allocator_api2::unsize_box;

use super::heap::{Handle, Heap, Malloc};
use super::lifo::{DynLifo, Step};
use super::{About, Backing};
use crate::case::Role;

/// `Vec<Box<dyn Step>>` on the process's allocator, which is glibc's where anything is timed.
#[derive(Default)]
pub struct StdBoxes(Vec<Box<dyn Step>>);

impl core::fmt::Debug for StdBoxes {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("StdBoxes").field("len", &self.0.len()).finish()
    }
}

impl DynLifo for StdBoxes {
    const ABOUT: About = About {
        name: "box-glibc",
        config: "default",
        package: "libc",
        why: "Vec<Box<dyn Trait>>, as everybody writes it, on the system's malloc",
        role: Role::Peer,
    };

    fn with_capacity(count: usize, _: usize) -> Self {
        Self(Vec::with_capacity(count))
    }

    #[inline]
    fn push<T: Step>(&mut self, value: T) {
        self.0.push(Box::new(value));
    }

    #[inline]
    fn step_and_pop(&mut self, input: u64) -> u64 {
        self.0.pop().expect("a scenario calls no empty stack").step(input)
    }
}

/// The same with the boxes on another malloc.
pub struct Boxes<M: Malloc> {
    boxes: Vec<BoxIn<dyn Step, Handle<M>>>,
    heap: Heap<M>,
}

impl<M: Malloc> core::fmt::Debug for Boxes<M> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Boxes").field("len", &self.boxes.len()).finish_non_exhaustive()
    }
}

impl<M: Malloc> DynLifo for Boxes<M> {
    const ABOUT: About = About {
        name: match M::ABOUT.name.as_bytes() {
            b"mimalloc" => "box-mimalloc",
            b"jemalloc" => "box-jemalloc",
            b"snmalloc" => "box-snmalloc",
            _ => "box-counted",
        },
        config: M::ABOUT.config,
        package: M::ABOUT.package,
        why: "Vec<Box<dyn Trait>> on that malloc",
        role: M::ABOUT.role,
    };

    fn with_capacity(count: usize, _: usize) -> Self {
        Self { boxes: Vec::with_capacity(count), heap: Heap::new() }
    }

    #[inline]
    fn push<T: Step>(&mut self, value: T) {
        let boxed = BoxIn::new_in(value, self.heap.handle());
        self.boxes.push(unsize_box!(boxed));
    }

    #[inline]
    fn step_and_pop(&mut self, input: u64) -> u64 {
        self.boxes.pop().expect("a scenario calls no empty stack").step(input)
    }
}

/// Values in a bump region that takes its newest block back, and a `Vec` of pointers to them.
pub struct InBump<R> {
    values: Vec<NonNull<dyn Step>>,
    region: R,
}

impl<R> core::fmt::Debug for InBump<R> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("InBump").field("len", &self.values.len()).finish_non_exhaustive()
    }
}

impl<R: Backing> DynLifo for InBump<R> {
    const ABOUT: About = About {
        why: "a Vec of pointers to values in it; the newest block is given back",
        ..R::ABOUT
    };

    fn with_capacity(count: usize, bytes: usize) -> Self {
        // What is not given back stays until the round ends.
        Self { values: Vec::with_capacity(count), region: R::with_capacity(64 * bytes) }
    }

    #[inline]
    fn push<T: Step>(&mut self, value: T) {
        let boxed = BoxIn::new_in(value, self.region.handle());
        let (value, _) = BoxIn::into_non_null(boxed);
        self.values.push(value);
    }

    #[inline]
    fn step_and_pop(&mut self, input: u64) -> u64 {
        let mut value = self.values.pop().expect("a scenario calls no empty stack");
        // SAFETY: a value of this stack that nobody else reaches.
        let answer = unsafe { value.as_mut() }.step(input);
        // SAFETY: as above.
        let layout = Layout::for_value(unsafe { value.as_ref() });
        // SAFETY: as above; dropped once.
        unsafe { value.drop_in_place() };
        // SAFETY: allocated by `push` with the layout of its type, which its vtable has.
        unsafe { self.region.handle().deallocate(value.cast(), layout) };
        answer
    }

    fn settle(&mut self) {
        self.region.end_collections();
    }
}

/// Longest value, in words.
const SLOT_WORDS: usize = 8;

/// The loop without an allocator: each depth has a place of its own for a value and the pointer to
/// it.
pub struct Slots {
    slots: Box<[Slot]>,
    /// The first free slot.
    top: *mut Slot,
}

struct Slot {
    value: MaybeUninit<[u64; SLOT_WORDS]>,
    pointer: MaybeUninit<NonNull<dyn Step>>,
}

impl core::fmt::Debug for Slots {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Slots").field("count", &self.slots.len()).finish_non_exhaustive()
    }
}

impl DynLifo for Slots {
    const ABOUT: About = About {
        name: "null",
        config: "slots",
        package: "benches",
        why: "the loop, the values and a pointer to each: every depth has a place of its own",
        role: Role::Null,
    };

    fn with_capacity(count: usize, _: usize) -> Self {
        let slot = || Slot { value: MaybeUninit::uninit(), pointer: MaybeUninit::uninit() };
        let mut slots: Box<[Slot]> = (0..count).map(|_| slot()).collect();
        let top = slots.as_mut_ptr();
        Self { slots, top }
    }

    #[inline]
    fn push<T: Step>(&mut self, value: T) {
        const { assert!(size_of::<T>() <= 8 * SLOT_WORDS && align_of::<T>() <= 8) }
        debug_assert!(self.slots.as_ptr_range().contains(&self.top.cast_const()), "too deep");
        // SAFETY: a scenario is at most as deep as it said, so this is one of the slots.
        let slot = unsafe { &mut *self.top };
        let place = NonNull::from(&mut slot.value).cast::<T>();
        // SAFETY: long enough and aligned, as asserted; the value before was dropped.
        unsafe { place.write(value) };
        let pointer: NonNull<dyn Step> = place;
        slot.pointer = MaybeUninit::new(pointer);
        // SAFETY: at most one past the slots.
        self.top = unsafe { self.top.add(1) };
    }

    #[inline]
    fn step_and_pop(&mut self, input: u64) -> u64 {
        // SAFETY: a scenario pops no more than it pushed.
        self.top = unsafe { self.top.sub(1) };
        // SAFETY: one of the slots.
        let slot = unsafe { &*self.top };
        // SAFETY: written by the push of this depth.
        let mut value = unsafe { slot.pointer.assume_init() };
        // SAFETY: in its slot, which nobody else reaches.
        let answer = unsafe { value.as_mut() }.step(input);
        // SAFETY: as above; dropped once.
        unsafe { value.drop_in_place() };
        answer
    }
}
