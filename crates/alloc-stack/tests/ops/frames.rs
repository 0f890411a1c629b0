//! Frames and handles: what is placed in them, and that they leave nothing.

use core::mem::ManuallyDrop;
use core::panic::AssertUnwindSafe;
use core::ptr::NonNull;
use std::panic::{catch_unwind, resume_unwind};

use alloc_core::{Allocator, Layout};
use alloc_stack::{Scope, Top, TryAllocError};

use super::blocks::Blocks;
use super::input::{Align, Op, Size, layout};
use super::{Planned, Run};

impl Run<'_> {
    /// Works in a frame up to its end; says whether the frame is to be dropped.
    pub(super) fn scope_level<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        scope: &mut Scope<'_, MIN_ALIGN, A>,
    ) -> bool {
        let mut blocks = Blocks::default();
        let mut drops = true;
        while let Some(op) = self.next() {
            match op {
                Op::Open { handle } => {
                    if self.depth > 12 {
                        continue;
                    }
                    let used = scope.used_bytes();
                    self.depth += 1;
                    let exact = if handle {
                        self.top_level(scope.top());
                        true
                    } else {
                        let mut frame = scope.frame();
                        let drops = self.scope_level(&mut frame.scope());
                        if !drops {
                            let _ = ManuallyDrop::new(frame);
                        }
                        drops
                    };
                    self.depth -= 1;
                    if exact {
                        assert_eq!(scope.used_bytes(), used, "a frame leaves nothing");
                    } else {
                        // A forgotten frame's memory stays above this one's blocks.
                        blocks.0.iter_mut().for_each(|entry| entry.used_before = usize::MAX);
                        break;
                    }
                }
                Op::Close { forget } => {
                    drops = !forget;
                    break;
                }
                Op::Checkpoint => self.checkpoints.push(scope.checkpoint()),
                Op::Place { kind, size, align } => {
                    self.place(kind, size, align, scope, &mut blocks)
                }
                Op::Boxes { count, order, panics } => {
                    self.boxes(count, order, panics, scope);
                }
                Op::Fill { len, panics_at } => {
                    let used = scope.used_bytes();
                    let make = |index: usize| {
                        if index == usize::from(panics_at) {
                            resume_unwind(Box::new(Planned));
                        }
                        u32::try_from(index).expect("at most 255")
                    };
                    let filled = catch_unwind(AssertUnwindSafe(|| {
                        scope.try_alloc_slice_fill_with(usize::from(len), make)
                    }));
                    match filled {
                        Ok(Ok(slice)) => {
                            assert!(slice.iter().copied().eq(0..u32::from(len)));
                            let layout = Layout::for_value(slice);
                            self.keep(NonNull::from_mut(slice).cast(), layout, &mut blocks);
                        }
                        Ok(Err(_)) => {}
                        Err(_) => assert_eq!(scope.used_bytes(), used, "the block was given back"),
                    }
                }
                Op::FromIter { len, allocates, panics_at } => {
                    let mut inner = Vec::new();
                    let values = (0..u16::from(len)).inspect(|&n| {
                        if n == u16::from(panics_at) {
                            resume_unwind(Box::new(Planned));
                        }
                        if allocates && let Ok(value) = scope.try_alloc(n) {
                            inner.push(NonNull::from_mut(value));
                        }
                    });
                    let got = catch_unwind(AssertUnwindSafe(|| scope.try_alloc_from_iter(values)));
                    for value in inner {
                        self.keep(value.cast(), Layout::new::<u16>(), &mut blocks);
                    }
                    if let Ok(Ok(slice)) = got {
                        assert!(slice.iter().copied().eq(0..u16::from(len)));
                        let layout = Layout::for_value(slice);
                        self.keep(NonNull::from_mut(slice).cast(), layout, &mut blocks);
                    }
                }
                Op::Fmt { number } => {
                    if let Ok(text) = scope.try_alloc_fmt(format_args!("{number}{number:>9}")) {
                        let text = text.expect("nothing here returns a formatting error");
                        assert_eq!(*text, *format!("{number}{number:>9}"));
                        let layout = Layout::for_value(text);
                        self.keep(NonNull::from_mut(text).cast(), layout, &mut blocks);
                    }
                }
                op => self.apply(op, scope, &mut blocks),
            }
        }
        for entry in blocks.0.drain(..) {
            self.forget(&entry);
        }
        drops
    }

    /// Pushes values of many types, one above the other, with a frame on the last.
    pub(super) fn top_level<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        mut top: Top<'_, MIN_ALIGN, A>,
    ) {
        let used = top.used_bytes();
        if let Some(Op::Push { size, align, any }) = self.rest.first().copied() {
            self.rest = &self.rest[1..];
            let Some(layout) = layout(size, align) else { return };
            if any && self.depth <= 12 {
                let Ok(mut word) = top.try_push(vec![7u8; 3]) else { return };
                let (word, mut above) = word.split();
                if let Ok(mut bytes) = above.try_push_layout(layout) {
                    let block = NonNull::from_mut(&mut *bytes).cast();
                    self.insert::<MIN_ALIGN>(block, layout);
                    let (_, above) = bytes.split();
                    self.depth += 1;
                    self.top_level(above);
                    self.depth -= 1;
                    self.remove(block, layout);
                }
                assert_eq!(*word, [7; 3], "untouched by what came above");
            } else if let Ok(mut text) = top.try_push_str("between") {
                let (text, mut above) = text.split();
                let mut frame = above.frame();
                let drops = self.scope_level(&mut frame.scope());
                if !drops {
                    let _ = ManuallyDrop::new(frame);
                }
                assert_eq!(text, "between");
            }
        }
        assert_eq!(
            top.used_bytes(),
            used,
            "handles leave nothing, forgotten frames above included"
        );
    }

    /// Boxes of values that count their drops, dropped in some order; all of it is given back.
    fn boxes<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        count: u8,
        order: u8,
        panics: bool,
        scope: &Scope<'_, MIN_ALIGN, A>,
    ) {
        use core::cell::Cell;
        struct Counts<'c>(&'c Cell<u32>, bool);
        impl Drop for Counts<'_> {
            fn drop(&mut self) {
                self.0.set(self.0.get() + 1);
                if self.1 {
                    resume_unwind(Box::new(Planned));
                }
            }
        }
        let (used, drops) = (scope.used_bytes(), Cell::new(0));
        let mut boxes = Vec::new();
        for n in 0..count % 16 {
            let value = (Counts(&drops, panics && n == 3), [n; 40]);
            match scope.try_alloc_box(value) {
                Ok(boxed) => boxes.push(boxed),
                Err(rejected) => {
                    // Not counted.
                    let _ = ManuallyDrop::new(rejected.into_value());
                }
            }
        }
        let made = u32::try_from(boxes.len()).expect("at most 15");
        while !boxes.is_empty() {
            let boxed = boxes.swap_remove(usize::from(order) % boxes.len());
            assert!(boxed.1.iter().all(|&byte| byte == boxed.1[0]), "as written");
            let _ = catch_unwind(AssertUnwindSafe(|| drop(boxed)));
        }
        assert_eq!(drops.get(), made, "each is dropped once");
        let left = scope.used_bytes() - used;
        assert!(left < 16 && (MIN_ALIGN < 16 || left == 0), "{left} bytes left of {made} boxes");
    }

    /// A value, or a block, that stays until the frame ends.
    fn place<const MIN_ALIGN: usize, A: Allocator>(
        &mut self,
        kind: u8,
        size: Size,
        align: Align,
        scope: &Scope<'_, MIN_ALIGN, A>,
        blocks: &mut Blocks,
    ) {
        fn cast<T: ?Sized, E>(value: Result<&mut T, E>) -> Option<(NonNull<u8>, Layout)> {
            value.ok().map(|value| {
                let layout = Layout::for_value(value);
                (NonNull::from_mut(value).cast(), layout)
            })
        }
        let used_before = scope.used_bytes();
        let placed = match kind % 6 {
            0 => cast(scope.try_alloc(7u8)),
            1 => cast(scope.try_alloc([7u64; 3])),
            2 => cast(scope.try_alloc(())),
            3 => cast(scope.try_alloc_str("seven")),
            4 => cast(scope.try_alloc_slice_copy(&[1u16, 2, 3])),
            _ => layout(size, align).and_then(|layout| {
                let got: Result<_, TryAllocError> = scope.try_alloc_layout(layout);
                got.ok().map(|block| (block, layout))
            }),
        };
        if let Some((block, layout)) = placed {
            self.keep(block, layout, blocks);
            blocks.0.last_mut().expect("just kept").holds = scope.used_bytes() != used_before;
        }
    }
}
