//! A language of operations on a [`Linear`] region, and an interpreter that holds the region
//! against a shadow after every one. Shared by the property tests and the fuzz target.
//!
//! Inputs are decoded from bytes by `arbitrary`, so that a fuzzer's finding and a property test's
//! counterexample are the same kind of thing.

use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};

use alloc_core::testing::{Checked, FailAt, Shadow};
use alloc_core::{Allocator, Borrowed, End, ErrorKind, Global, Layout, Reserved};
use alloc_linear::{Burst, Linear, SliceBuilder, TryAllocError};
use arbitrary::{Arbitrary, Unstructured};

/// One region and what is done to it.
#[derive(Arbitrary, Clone, Debug)]
pub(crate) struct Input {
    min_align: u8,
    backing: Backing,
    capacity_bytes: u16,
    fail_at: u8,
    #[arbitrary(with = all)]
    ops: Vec<Op>,
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Backing {
    Global,
    FailAt,
    Borrowed { skip: u8 },
    Growing,
}

/// Decodes operations from all bytes that are left. (A `Vec`'s own decoding flips a coin for the end
/// after each element, so that most are shorter than two.)
fn all<'a, T: Arbitrary<'a>>(bytes: &mut Unstructured<'a>) -> arbitrary::Result<Vec<T>> {
    let mut ops = Vec::new();
    while !bytes.is_empty() {
        ops.push(T::arbitrary(bytes)?);
    }
    Ok(ops)
}

#[derive(Arbitrary, Clone, Copy, Debug)]
enum Op {
    Alloc { size: Size, align: Align },
    Free { pick: u8 },
    Grow { pick: u8, more: Size, align: Align, zeroed: bool },
    Shrink { pick: u8, keep: u8, align: Align },
    Typed { kind: u8 },
    Copy { len: Size },
    Fill { len: u8, panics_at: u8 },
    FromIter { len: u8, allocates: bool, panics_at: u8 },
    Fmt { number: u32, allocates: bool },
    BuilderNew { wide: bool },
    BuilderPush { pick: u8, count: u8 },
    BuilderFinish { pick: u8 },
    BuilderDrop { pick: u8, forget: bool },
    BurstOpen,
    BurstAlloc { size: Size, align: Align },
    BurstTyped { kind: u8 },
    BurstDrop { forget: bool },
    Reset { forget: bool },
}

/// A size in bytes: mostly small, often at a boundary, sometimes beyond every region.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Size(u16);

impl Size {
    fn bytes(self) -> usize {
        const BOUNDARIES: [usize; 10] = [0, 1, 2, 63, 64, 65, 127, 128, 4095, 4096];
        let low = usize::from(self.0 & 0xfff);
        match self.0 >> 12 {
            15 => isize::MAX.unsigned_abs() - low,
            14 => 100_000 + low * 16,
            13 | 12 => BOUNDARIES[low % BOUNDARIES.len()],
            shift => low >> shift,
        }
    }
}

/// An alignment: mostly small, up to 64 KiB.
#[derive(Arbitrary, Clone, Copy, Debug)]
struct Align(u8);

impl Align {
    fn bytes(self) -> usize {
        1 << if self.0 < 200 { self.0 % 6 } else { self.0 % 17 }
    }
}

fn layout(size: Size, align: Align) -> Option<Layout> {
    Layout::from_size_align(size.bytes(), align.bytes()).ok()
}

/// Runs an input; panics where the region and its shadow disagree.
pub(crate) fn run(input: &Input) {
    match input.min_align % 4 {
        0 => with_min_align::<1>(input),
        1 => with_min_align::<8>(input),
        2 => with_min_align::<16>(input),
        _ => with_min_align::<64>(input),
    }
}

fn with_min_align<const MIN_ALIGN: usize>(input: &Input) {
    let capacity_bytes = usize::from(input.capacity_bytes >> (input.capacity_bytes % 8));
    match input.backing {
        Backing::Global => {
            let backing = Checked::new(Global);
            let region = Linear::<MIN_ALIGN, _>::try_with_capacity_in(capacity_bytes, &backing);
            drive(&mut region.expect("the global allocator has this much"), &input.ops, false);
            assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
        }
        Backing::FailAt => {
            let backing = FailAt::new(Checked::new(Global), 1);
            match Linear::<MIN_ALIGN, _>::try_with_capacity_in(capacity_bytes, &backing) {
                Ok(mut region) => {
                    assert_eq!(region.capacity_bytes(), 0, "only nothing can be had from nobody");
                    drive(&mut region, &input.ops, false);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Backing),
            }
        }
        Backing::Borrowed { skip } => {
            let mut buffer = vec![core::mem::MaybeUninit::uninit(); capacity_bytes + 512];
            let backing = Checked::new(Borrowed::new(&mut buffer[usize::from(skip)..]));
            let region = Linear::<MIN_ALIGN, _>::try_with_capacity_in(capacity_bytes, &backing);
            match region {
                Ok(mut region) => drive(&mut region, &input.ops, false),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Backing),
            }
            assert_eq!(backing.live_blocks(), 0, "everything went back to the backing");
        }
        Backing::Growing => {
            let max_bytes = 1 << 20;
            let reserved = Reserved::new(max_bytes, End::Low).expect("1 MiB of addresses");
            let backing = Checked::new(FailAt::new(reserved, usize::from(input.fail_at % 8)));
            match Linear::<MIN_ALIGN, _>::try_growing_in(capacity_bytes, max_bytes, backing) {
                Ok(mut region) => drive(&mut region, &input.ops, true),
                Err(error) => assert!(
                    matches!(error.kind(), ErrorKind::Backing | ErrorKind::CapacityOutOfRange),
                    "{error}"
                ),
            }
        }
    }
}

/// Applies `ops`, reset by reset.
fn drive<const MIN_ALIGN: usize, A: Allocator>(
    region: &mut Linear<MIN_ALIGN, A>,
    ops: &[Op],
    grows: bool,
) {
    let end = region.alloc_layout(Layout::new::<()>()).addr().get();
    let mut rest = ops;
    while !rest.is_empty() {
        rest = Phase::new(region, end, grows).run(rest);
        region.reset();
        assert!(!region.is_closed(), "a reset opens");
        assert_eq!(region.used_bytes(), 0, "a reset empties");
        assert_eq!(region.remaining_bytes(), region.capacity_bytes(), "all of it");
    }
}

/// What happens between two resets.
struct Phase<'a, const MIN_ALIGN: usize, A: Allocator> {
    region: &'a Linear<MIN_ALIGN, A>,
    burst: Option<Burst<'a, MIN_ALIGN, A>>,
    builders: Vec<Box<dyn Built + 'a>>,
    shadow: Shadow,
    /// Address of the region's end, which growth does not move.
    end: usize,
    grows: bool,
}

/// A planned panic, thrown past the panic hook.
struct Planned;

impl<'a, const MIN_ALIGN: usize, A: Allocator> Phase<'a, MIN_ALIGN, A> {
    fn new(region: &'a Linear<MIN_ALIGN, A>, end: usize, grows: bool) -> Self {
        Self { region, burst: None, builders: Vec::new(), shadow: Shadow::new(), end, grows }
    }

    /// Applies operations up to the next reset; returns those behind it.
    fn run(mut self, ops: &[Op]) -> &[Op] {
        for (done, &op) in ops.iter().enumerate() {
            if let Op::Reset { forget } = op {
                self.end_phase(forget);
                return &ops[done + 1..];
            }
            self.apply(op);
            self.builders.iter().for_each(|builder| builder.check());
            if done % 8 == 7 {
                self.shadow.check();
            }
        }
        self.end_phase(false);
        &[]
    }

    fn end_phase(&mut self, forget: bool) {
        self.shadow.clear();
        if forget {
            self.builders.drain(..).for_each(|builder| builder.forget());
            let _ = self.burst.take().map(core::mem::ManuallyDrop::new);
        }
    }

    fn apply(&mut self, op: Op) {
        match op {
            Op::Alloc { size, align } => {
                let Some(layout) = layout(size, align) else { return };
                let got = self.region.try_alloc_layout(layout);
                self.judge(got, layout);
            }
            Op::Free { pick } => {
                let Some((block, layout)) = self.pick(pick) else { return };
                self.shadow.remove(block, layout);
                // SAFETY: the shadow knew the block as alive, with this layout.
                unsafe { self.region.deallocate(block, layout) };
            }
            Op::Grow { pick, more, align, zeroed } => self.grow(pick, more, align, zeroed),
            Op::Shrink { pick, keep, align } => self.shrink(pick, keep, align),
            Op::Typed { kind } => {
                let region = self.region;
                match kind % 5 {
                    0 => self.typed(|| region.try_alloc(7u8).ok()),
                    1 => self.typed(|| region.try_alloc([7u64; 3]).ok()),
                    2 => self.typed(|| region.try_alloc(7u128).ok()),
                    3 => self.typed(|| region.try_alloc(Line([7; 64])).ok()),
                    _ => self.typed(|| region.try_alloc(()).ok()),
                }
            }
            Op::Copy { len } => {
                let source: Vec<u16> = (0..4096).collect();
                let source = &source[..len.bytes().min(4096)];
                let before = self.region.is_closed();
                let got = self.region.try_alloc_slice_copy(source);
                let got = got.map(|copy| {
                    assert_eq!(copy, source);
                    NonNull::from_mut(copy).cast()
                });
                assert_eq!(before, self.region.is_closed());
                self.judge(got, Layout::for_value(source));
            }
            Op::Fill { len, panics_at } => {
                let region = self.region;
                let before = region.used_bytes();
                let make = |index: usize| {
                    if index == usize::from(panics_at) {
                        resume_unwind(Box::new(Planned));
                    }
                    u32::try_from(index).expect("at most 255")
                };
                let filled = catch_unwind(AssertUnwindSafe(|| {
                    region.try_alloc_slice_fill_with(usize::from(len), make)
                }));
                match filled {
                    Ok(got) => {
                        let got = got.map(|slice| {
                            assert!(slice.iter().copied().eq(0..u32::from(len)));
                            NonNull::from_mut(slice).cast()
                        });
                        self.judge(got, Layout::array::<u32>(usize::from(len)).unwrap());
                    }
                    Err(_) => assert_eq!(region.used_bytes(), before, "the block was given back"),
                }
            }
            Op::FromIter { len, allocates, panics_at } => {
                self.collect(len, allocates, panics_at);
            }
            Op::Fmt { number, allocates } => self.fmt(number, allocates),
            Op::BuilderNew { wide } => {
                let region = self.region;
                self.builders.push(if wide {
                    Box::new(Growing {
                        builder: SliceBuilder::new(region),
                        expected: vec![0u64; 0],
                    })
                } else {
                    Box::new(Growing {
                        builder: SliceBuilder::new(region),
                        expected: vec![[0u8; 3]; 0],
                    })
                });
            }
            Op::BuilderPush { pick, count } => {
                if let Some(index) = self.builder(pick) {
                    self.builders[index].push(usize::from(count % 64));
                }
            }
            Op::BuilderFinish { pick } => {
                let Some(index) = self.builder(pick) else { return };
                match self.builders.remove(index).finish() {
                    Ok((block, layout)) => self.insert(block, layout),
                    Err(builder) => self.builders.insert(index, builder),
                }
            }
            Op::BuilderDrop { pick, forget } => {
                let Some(index) = self.builder(pick) else { return };
                let builder = self.builders.remove(index);
                if forget {
                    builder.forget();
                }
            }
            Op::BurstOpen => match self.region.try_burst() {
                Ok(burst) => {
                    assert!(self.burst.is_none(), "two bursts at once");
                    self.burst = Some(burst);
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::Closed),
            },
            Op::BurstAlloc { size, align } => {
                let (Some(layout), Some(burst)) = (layout(size, align), &mut self.burst) else {
                    return;
                };
                let remaining = burst.remaining_bytes();
                match burst.try_alloc_layout(layout) {
                    Ok(block) => self.insert(block, layout),
                    Err(error) => {
                        assert_eq!(error.kind(), ErrorKind::Full);
                        assert!(self.grows || !surely_fits::<MIN_ALIGN>(layout, remaining));
                    }
                }
            }
            Op::BurstTyped { kind } => {
                let Some(mut burst) = self.burst.take() else { return };
                match kind % 5 {
                    0 => self.typed(|| burst.try_alloc(7u8).ok()),
                    1 => self.typed(|| burst.try_alloc([7u64; 3]).ok()),
                    2 => self.typed(|| burst.try_alloc(7u128).ok()),
                    3 => self.typed(|| burst.try_alloc(Line([7; 64])).ok()),
                    _ => self.typed(|| burst.try_alloc(()).ok()),
                }
                self.burst = Some(burst);
            }
            Op::BurstDrop { forget } => {
                if let Some(burst) = self.burst.take() {
                    let left = burst.remaining_bytes();
                    if forget {
                        let _ = core::mem::ManuallyDrop::new(burst);
                    } else {
                        drop(burst);
                        assert!(self.region.remaining_bytes() >= left, "the rest came back");
                    }
                }
            }
            Op::Reset { .. } => unreachable!("handled by `run`"),
        }
    }

    /// A value that was placed, if it was, is a block like any other.
    fn typed<'v, T: 'v>(&mut self, place: impl FnOnce() -> Option<&'v mut T>) {
        if let Some(value) = place() {
            self.insert(NonNull::from_mut(value).cast(), Layout::new::<T>());
        }
    }

    fn grow(&mut self, pick: u8, more: Size, align: Align, zeroed: bool) {
        let Some((block, old)) = self.pick(pick) else { return };
        let size = old.size().saturating_add(more.bytes());
        let Ok(new) = Layout::from_size_align(size, align.bytes()) else { return };
        let grown = if zeroed {
            // SAFETY: the shadow knew the block as alive with `old`; `new` is not smaller.
            unsafe { self.region.grow_zeroed(block, old, new) }
        } else {
            // SAFETY: as above.
            unsafe { self.region.grow(block, old, new) }
        };
        let Ok(grown) = grown else {
            self.shadow.check(); // the old block is as it was
            return;
        };
        assert_eq!(grown.len(), new.size());
        if zeroed {
            for index in old.size()..new.size() {
                // SAFETY: a byte of the block, which `grow_zeroed` wrote.
                let byte = unsafe { grown.cast::<u8>().as_ptr().wrapping_add(index).read() };
                assert_eq!(byte, 0, "byte {index} of {new:?} grown from {old:?}");
            }
        }
        self.bounds();
        // SAFETY: the new block belongs to the shadow until it is freed or the region reset.
        unsafe { self.shadow.resize(block, old, grown.cast(), new) };
        self.placed(grown.cast(), new);
    }

    fn shrink(&mut self, pick: u8, keep: u8, align: Align) {
        let Some((block, old)) = self.pick(pick) else { return };
        let size = old.size() * usize::from(keep) / 255;
        let Ok(new) = Layout::from_size_align(size, align.bytes()) else { return };
        // SAFETY: the shadow knew the block as alive with `old`; `new` is not larger.
        match unsafe { self.region.shrink(block, old, new) } {
            Ok(shrunk) => {
                self.bounds();
                // SAFETY: as in `grow`.
                unsafe { self.shadow.resize(block, old, shrunk.cast(), new) };
            }
            Err(_) => self.shadow.check(),
        }
    }

    fn collect(&mut self, len: u8, allocates: bool, panics_at: u8) {
        let region = self.region;
        let mut inner = Vec::new();
        let values = (0..u16::from(len)).inspect(|&n| {
            if n == u16::from(panics_at) {
                resume_unwind(Box::new(Planned));
            }
            if allocates && let Ok(value) = region.try_alloc(n) {
                inner.push(NonNull::from_mut(value));
            }
        });
        let got = catch_unwind(AssertUnwindSafe(|| region.try_alloc_from_iter(values)));
        for value in inner {
            self.insert(value.cast(), Layout::new::<u16>());
        }
        match got {
            Ok(Ok(slice)) => {
                assert!(slice.iter().copied().eq(0..u16::from(len)));
                let layout = Layout::for_value(slice);
                self.insert(NonNull::from_mut(slice).cast(), layout);
            }
            Ok(Err(error)) => {
                assert!(matches!(error.kind(), ErrorKind::Full | ErrorKind::Closed), "{error}");
            }
            Err(payload) => assert!(payload.is::<Planned>(), "another panic than the planned one"),
        }
    }

    fn fmt(&mut self, number: u32, allocates: bool) {
        struct Nested<'a, const MIN_ALIGN: usize, A: Allocator>(
            &'a Linear<MIN_ALIGN, A>,
            u32,
            bool,
        );
        impl<const MIN_ALIGN: usize, A: Allocator> core::fmt::Display for Nested<'_, MIN_ALIGN, A> {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                write!(f, "{}", self.1)?;
                if self.2 {
                    let inner = self.0.try_alloc_fmt(format_args!("<{:x}>", self.1));
                    if let Ok(Some(inner)) = inner {
                        assert_eq!(*inner, *format!("<{:x}>", self.1));
                    }
                }
                f.write_str("|")
            }
        }
        let nested = Nested(self.region, number, allocates);
        match self.region.try_alloc_fmt(format_args!("{nested}{number:>9}")) {
            Ok(text) => {
                let text = text.expect("nothing here returns a formatting error");
                assert_eq!(*text, *format!("{number}|{number:>9}"));
                self.insert(NonNull::from_mut(text).cast(), Layout::for_value(&*text));
            }
            Err(error) => {
                assert!(matches!(error.kind(), ErrorKind::Full | ErrorKind::Closed), "{error}");
            }
        }
    }

    /// Holds a request that the region answered against what it had to answer.
    fn judge(&mut self, got: Result<NonNull<u8>, TryAllocError>, layout: Layout) {
        match got {
            Ok(block) => {
                assert!(self.burst.is_none() || layout.size() == 0, "a closed region gave a block");
                self.insert(block, layout);
            }
            Err(error) => {
                assert_eq!((error.size(), error.align()), (layout.size(), layout.align()));
                assert_eq!(error.remaining_bytes(), self.region.remaining_bytes());
                let closed = self.region.is_closed();
                let kind = if closed { ErrorKind::Closed } else { ErrorKind::Full };
                assert_eq!(error.kind(), kind);
                let remaining = self.region.remaining_bytes();
                assert!(
                    closed || self.grows || !surely_fits::<MIN_ALIGN>(layout, remaining),
                    "{layout:?} was refused with {remaining} bytes free"
                );
            }
        }
    }

    fn insert(&mut self, block: NonNull<u8>, layout: Layout) {
        self.bounds();
        // SAFETY: a fresh block, which belongs to the shadow until it is freed or the region reset.
        unsafe { self.shadow.insert(block, layout) };
        self.placed(block, layout);
    }

    fn placed(&self, block: NonNull<u8>, layout: Layout) {
        if layout.size() != 0 {
            let address = block.addr().get();
            assert!(address.is_multiple_of(MIN_ALIGN), "{address:#x} for {MIN_ALIGN}");
            if !self.region.is_closed() {
                assert!(self.region.contains(block.as_ptr()), "{block:p} in {:?}", self.region);
            }
        }
    }

    fn bounds(&mut self) {
        self.shadow.set_bounds(self.end - self.region.capacity_bytes()..self.end);
    }

    fn pick(&self, pick: u8) -> Option<(NonNull<u8>, Layout)> {
        // Half of the picks go to the lowest, which is mostly the newest.
        let len = self.shadow.len();
        let index = if pick < 128 { 0 } else { usize::from(pick - 128) };
        self.shadow.nth(index % len.max(1))
    }

    fn builder(&self, pick: u8) -> Option<usize> {
        usize::from(pick).checked_rem(self.builders.len())
    }
}

#[repr(align(64))]
struct Line(#[expect(dead_code, reason = "only its layout matters")] [u8; 64]);

/// Whether `layout` fits `remaining` bytes at every address.
fn surely_fits<const MIN_ALIGN: usize>(layout: Layout, remaining: usize) -> bool {
    layout.size().saturating_add(layout.align() + MIN_ALIGN) <= remaining
}

/// A builder of any element type, beside what it should hold.
trait Built {
    fn push(&mut self, count: usize);
    fn check(&self);
    fn forget(self: Box<Self>);
    fn finish<'s>(self: Box<Self>) -> Result<(NonNull<u8>, Layout), Box<dyn Built + 's>>
    where
        Self: 's;
}

struct Growing<'a, T, const MIN_ALIGN: usize, A: Allocator> {
    builder: SliceBuilder<'a, T, MIN_ALIGN, A>,
    expected: Vec<T>,
}

/// An element that can be told from its neighbours.
trait Element: Copy + PartialEq + core::fmt::Debug {
    fn nth(n: usize) -> Self;
}

impl Element for u64 {
    fn nth(n: usize) -> Self {
        0x0101_0101_0101_0101_u64.wrapping_mul(n as u64 + 1)
    }
}

impl Element for [u8; 3] {
    fn nth(n: usize) -> Self {
        let [a, b, ..] = n.to_le_bytes();
        [a, b, 0xee]
    }
}

impl<T: Element, const MIN_ALIGN: usize, A: Allocator> Built for Growing<'_, T, MIN_ALIGN, A> {
    fn push(&mut self, count: usize) {
        let more: Vec<T> = (0..count).map(|n| T::nth(self.expected.len() + n)).collect();
        if count == 1 {
            if self.builder.try_push(more[0]).is_ok() {
                self.expected.push(more[0]);
            }
        } else if self.builder.try_extend_from_slice(&more).is_ok() {
            self.expected.extend(more);
        }
    }

    fn check(&self) {
        assert_eq!(self.builder.as_slice(), self.expected, "the builder's elements");
    }

    fn forget(self: Box<Self>) {
        let _ = core::mem::ManuallyDrop::new(self.builder);
    }

    fn finish<'s>(self: Box<Self>) -> Result<(NonNull<u8>, Layout), Box<dyn Built + 's>>
    where
        Self: 's,
    {
        let Self { builder, expected } = *self;
        match builder.try_finish() {
            Ok(slice) => {
                assert_eq!(slice, expected, "the finished slice");
                let layout = Layout::for_value(slice);
                Ok((NonNull::from_mut(slice).cast(), layout))
            }
            Err(rejected) => Err(Box::new(Self { builder: rejected.into_value(), expected })),
        }
    }
}
