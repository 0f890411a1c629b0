//! Where blocks come from: the arena, or a scope of it; and the values that note their drop.

use core::ptr::NonNull;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};

use alloc_arena::{Arena, FrameGuard, Scope, TryAllocError};
use alloc_core::{Allocator, Layout};

use super::Planned;

/// The numbers of the values dropped so far.
pub(super) type Log = Arc<Mutex<Vec<u32>>>;

/// A value that notes its drop.
pub(super) struct Noisy {
    pub(super) number: u32,
    pub(super) log: Log,
    pub(super) panics: bool,
    pub(super) pattern: [u8; 5],
}

impl Drop for Noisy {
    fn drop(&mut self) {
        assert_eq!(self.pattern, [0xd5; 5], "dropped twice, or overwritten");
        self.pattern = [0; 5];
        self.log.lock().unwrap().push(self.number);
        if self.panics {
            resume_unwind(Box::new(Planned));
        }
    }
}

/// Where blocks are taken from: the arena, or a scope of it.
#[expect(clippy::mut_from_ref, reason = "as the methods of the arena")]
pub(super) trait Host<const MIN_ALIGN: usize, A: Allocator>: Allocator {
    fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError>;
    fn typed(&self, kind: u8) -> Option<(NonNull<u8>, Layout)>;
    fn copy(&self, source: &[u16]) -> Result<&mut [u16], TryAllocError>;
    fn fill(
        &self,
        len: usize,
        make: &mut dyn FnMut(usize) -> u8,
    ) -> Result<&mut [u8], TryAllocError>;
    fn collect(&self, values: &mut dyn Iterator<Item = u16>) -> Result<&mut [u16], TryAllocError>;
    fn fmt(&self, number: u32) -> Result<Option<&mut str>, TryAllocError>;
    fn keep(&self, value: Noisy) -> Result<&mut Noisy, Noisy>;
    fn frame(&mut self) -> FrameGuard<'_, MIN_ALIGN, A>;
    fn used_bytes(&self) -> usize;
}

#[repr(align(64))]
pub(super) struct Line(#[expect(dead_code, reason = "only its layout matters")] [u8; 64]);

macro_rules! host {
    () => {
        fn alloc(&self, layout: Layout) -> Result<NonNull<u8>, TryAllocError> {
            self.try_alloc_layout(layout)
        }
        fn typed(&self, kind: u8) -> Option<(NonNull<u8>, Layout)> {
            fn raw<T, E>(value: Result<&mut T, E>) -> Option<(NonNull<u8>, Layout)> {
                value.ok().map(|value| (NonNull::from_mut(value).cast(), Layout::new::<T>()))
            }
            match kind % 6 {
                0 => raw(self.try_alloc(7u8)),
                1 => raw(self.try_alloc([7u64; 3])),
                2 => raw(self.try_alloc(7u128)),
                3 => raw(self.try_alloc(Line([7; 64]))),
                4 => raw(self.try_alloc_with(|| [7u32; 9])),
                _ => raw(self.try_alloc(())),
            }
        }
        fn copy(&self, source: &[u16]) -> Result<&mut [u16], TryAllocError> {
            self.try_alloc_slice_copy(source)
        }
        fn fill(
            &self,
            len: usize,
            make: &mut dyn FnMut(usize) -> u8,
        ) -> Result<&mut [u8], TryAllocError> {
            self.try_alloc_slice_fill_with(len, make)
        }
        fn collect(
            &self,
            values: &mut dyn Iterator<Item = u16>,
        ) -> Result<&mut [u16], TryAllocError> {
            self.try_alloc_from_iter(values)
        }
        fn fmt(&self, number: u32) -> Result<Option<&mut str>, TryAllocError> {
            self.try_alloc_fmt(format_args!("{number}|{number:>9}"))
        }
        fn keep(&self, value: Noisy) -> Result<&mut Noisy, Noisy> {
            self.try_alloc_drop(value).map_err(|rejected| rejected.into_value())
        }
        fn frame(&mut self) -> FrameGuard<'_, MIN_ALIGN, A> {
            self.frame()
        }
        fn used_bytes(&self) -> usize {
            self.used_bytes()
        }
    };
}

impl<const MIN_ALIGN: usize, A: Allocator> Host<MIN_ALIGN, A> for Arena<MIN_ALIGN, A> {
    host!();
}

impl<const MIN_ALIGN: usize, A: Allocator> Host<MIN_ALIGN, A> for Scope<'_, '_, MIN_ALIGN, A> {
    host!();
}
