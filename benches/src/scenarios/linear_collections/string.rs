//! `linear/string`: words appended to a string that grows, and its controls.

use core::ops::Range;

use allocator_api2::alloc::Allocator;
use allocator_api2::vec::Vec as VecIn;

use super::{APPENDS, CAPACITY_BYTES};
use crate::engines::Backing;
use crate::scenarios::Round;
use crate::scenarios::checksum::fold_bytes;
use crate::scenarios::linear::words;

/// The words of a round.
pub(super) struct Words {
    text: String,
    places: Vec<Range<usize>>,
}

impl Words {
    pub(super) fn new() -> Self {
        let (text, places) = words(APPENDS);
        Self { text, places }
    }

    #[inline(always)]
    pub(super) fn append_all(&self, mut append: impl FnMut(&str)) {
        for place in &self.places {
            append(&self.text[place.clone()]);
        }
    }
}

pub(super) struct Text<R> {
    region: R,
    words: Words,
}

impl<R: Backing> Text<R> {
    /// `allocator-api2` has no `String`, and its `extend_from_slice` clones element by element:
    /// reserve and copy is what std's `String` does.
    #[inline(never)]
    fn grow<A: Allocator>(allocator: A, words: &Words) -> VecIn<u8, A> {
        let mut text = VecIn::new_in(allocator);
        words.append_all(|word| {
            text.reserve(word.len());
            let old_len = text.len();
            let end = text.spare_capacity_mut().as_mut_ptr().cast::<u8>();
            // SAFETY: `reserve` made room for `word.len()` bytes past the end; a fresh buffer does
            // not overlap the words.
            unsafe { end.copy_from_nonoverlapping(word.as_ptr(), word.len()) };
            // SAFETY: that many bytes are initialised now, within the capacity.
            unsafe { text.set_len(old_len + word.len()) };
        });
        text
    }
}

impl<R: Backing> Round for Text<R> {
    const OPS: u64 = APPENDS as u64;

    fn new() -> Self {
        Self { region: R::with_capacity(CAPACITY_BYTES), words: Words::new() }
    }

    fn round(&mut self, sum: bool) -> u64 {
        let text = Self::grow(self.region.handle(), &self.words);
        let sum = if sum { fold_bytes(0, &text) } else { 0 };
        drop(text);
        self.region.end_collections();
        sum
    }
}

pub(super) struct PlainString(Words);

impl PlainString {
    #[inline(never)]
    fn grow(words: &Words) -> String {
        let mut text = String::new();
        words.append_all(|word| text.push_str(word));
        text
    }
}

impl Round for PlainString {
    const OPS: u64 = APPENDS as u64;

    fn new() -> Self {
        Self(Words::new())
    }

    fn round(&mut self, sum: bool) -> u64 {
        let text = Self::grow(&self.0);
        if sum { fold_bytes(0, text.as_bytes()) } else { 0 }
    }
}

pub(super) struct ReusedString {
    text: String,
    words: Words,
}

impl ReusedString {
    #[inline(never)]
    fn refill(text: &mut String, words: &Words) {
        text.clear();
        words.append_all(|word| text.push_str(word));
    }
}

impl Round for ReusedString {
    const OPS: u64 = APPENDS as u64;

    fn new() -> Self {
        Self { text: String::new(), words: Words::new() }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::refill(&mut self.text, &self.words);
        if sum { fold_bytes(0, self.text.as_bytes()) } else { 0 }
    }
}

pub(super) struct CopyLoop {
    buffer: Vec<u8>,
    words: Words,
}

impl CopyLoop {
    #[inline(never)]
    fn copy(mut buffer: &mut [u8], words: &Words) {
        words.append_all(|word| {
            let (head, tail) = core::mem::take(&mut buffer).split_at_mut(word.len());
            head.copy_from_slice(word.as_bytes());
            buffer = tail;
        });
    }
}

impl Round for CopyLoop {
    const OPS: u64 = APPENDS as u64;

    fn new() -> Self {
        let words = Words::new();
        Self { buffer: vec![1; words.text.len()], words }
    }

    fn round(&mut self, sum: bool) -> u64 {
        Self::copy(&mut self.buffer, &self.words);
        if sum { fold_bytes(0, &self.buffer) } else { 0 }
    }
}
