//! Collections that peers ship themselves, which know their arena.

/// bumpalo's collections: forks of std's that know the arena.
pub(super) mod bumpalo_vec {
    use bumpalo::Bump;
    use bumpalo::collections::{String, Vec};

    use core::hint::black_box;

    use super::super::string::Words;
    use super::super::vec::push_all;
    use super::super::{APPENDS, CAPACITY_BYTES, ELEMENTS, sum_of};
    use crate::scenarios::Round;
    use crate::scenarios::checksum::fold_bytes;

    pub(in super::super) struct Pushed {
        bump: Bump,
        seed: u64,
    }

    #[inline(never)]
    fn grow(bump: &Bump, seed: u64) -> Vec<'_, u64> {
        let mut vec = Vec::new_in(bump);
        push_all(seed, |number| vec.push(number));
        vec
    }

    impl Round for Pushed {
        const OPS: u64 = ELEMENTS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_capacity(CAPACITY_BYTES), seed: black_box(0x5EED) }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let vec = grow(&self.bump, self.seed);
            let sum = if sum { sum_of(&vec) } else { 0 };
            drop(vec);
            self.bump.reset();
            sum
        }
    }

    pub(in super::super) struct Text {
        bump: Bump,
        words: Words,
    }

    #[inline(never)]
    fn append<'b>(bump: &'b Bump, words: &Words) -> String<'b> {
        let mut text = String::new_in(bump);
        words.append_all(|word| text.push_str(word));
        text
    }

    impl Round for Text {
        const OPS: u64 = APPENDS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_capacity(CAPACITY_BYTES), words: Words::new() }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let text = append(&self.bump, &self.words);
            let sum = if sum { fold_bytes(0, text.as_bytes()) } else { 0 };
            drop(text);
            self.bump.reset();
            sum
        }
    }
}

/// bump-scope's collections, which grow the last block in place.
pub(super) mod bump_scope_vec {
    use bump_scope::{Bump, BumpString, BumpVec, MutBumpVec};

    use core::hint::black_box;

    use super::super::string::Words;
    use super::super::vec::push_all;
    use super::super::{APPENDS, CAPACITY_BYTES, ELEMENTS, sum_of};
    use crate::scenarios::Round;
    use crate::scenarios::checksum::fold_bytes;

    pub(in super::super) struct Pushed {
        bump: Bump,
        seed: u64,
    }

    #[inline(never)]
    fn grow(bump: &Bump, seed: u64) -> BumpVec<u64, &Bump> {
        let mut vec = BumpVec::new_in(bump);
        push_all(seed, |number| vec.push(number));
        vec
    }

    impl Round for Pushed {
        const OPS: u64 = ELEMENTS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_size(CAPACITY_BYTES), seed: black_box(0x5EED) }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let vec = grow(&self.bump, self.seed);
            let sum = if sum { sum_of(&vec) } else { 0 };
            drop(vec);
            self.bump.reset();
            sum
        }
    }

    pub(in super::super) struct PushedMut {
        bump: Bump,
        seed: u64,
    }

    #[inline(never)]
    fn grow_mut(bump: &mut Bump, seed: u64) -> MutBumpVec<u64, &mut Bump> {
        let mut vec = MutBumpVec::new_in(bump);
        push_all(seed, |number| vec.push(number));
        vec
    }

    impl Round for PushedMut {
        const OPS: u64 = ELEMENTS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_size(CAPACITY_BYTES), seed: black_box(0x5EED) }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let vec = grow_mut(&mut self.bump, self.seed);
            let sum = if sum { sum_of(&vec) } else { 0 };
            drop(vec);
            self.bump.reset();
            sum
        }
    }

    pub(in super::super) struct Text {
        bump: Bump,
        words: Words,
    }

    #[inline(never)]
    fn append<'b>(bump: &'b Bump, words: &Words) -> BumpString<&'b Bump> {
        let mut text = BumpString::new_in(bump);
        words.append_all(|word| text.push_str(word));
        text
    }

    impl Round for Text {
        const OPS: u64 = APPENDS as u64;

        fn new() -> Self {
            Self { bump: Bump::with_size(CAPACITY_BYTES), words: Words::new() }
        }

        fn round(&mut self, sum: bool) -> u64 {
            let text = append(&self.bump, &self.words);
            let sum = if sum { fold_bytes(0, text.as_bytes()) } else { 0 };
            drop(text);
            self.bump.reset();
            sum
        }
    }
}
