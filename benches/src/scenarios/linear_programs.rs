//! Programs on real input: what does a linear region gain where a program does more than allocate?
//!
//! ```text
//!   linear/tokens/registry    the registry's sources, tokenised file by file      tokens, lexer
//!   linear/json-dom/metadata  what `cargo metadata` says, read into a tree        json
//!   linear/trace/…            recorded allocations, replayed                      replay
//! ```
//!
//! Every engine runs the same algorithm and must return the checksum of the plain program, which
//! is what one would write without an allocator at hand. A control shows what the plain program
//! gains by re-using its buffers, the cheap alternative.
//!
//! **One round is the whole program**: it makes its region, reads all of its input and drops the
//! region again, so that peaks and page faults count what the region costs. Regions of fixed
//! capacity get the worst case of the largest file; of that only the pages they touch are memory.

mod json;
mod lexer;
mod replay;
mod tokens;

use crate::case::Case;

/// The cases of this file.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = vec![tokens::case(), json::case()];
    cases.extend(replay::cases());
    cases
}

/// The plain programs, for the recorder.
pub mod plain {
    /// Tokenises every file of the sample whose index is a multiple of `step`.
    #[must_use]
    pub fn tokens(step: usize) -> u64 {
        super::tokens::plain_program(step)
    }

    /// Reads the metadata into a `serde_json::Value`.
    #[must_use]
    pub fn json() -> u64 {
        super::json::plain_program()
    }
}

/// Folds a value into a checksum.
#[inline]
fn fold(sum: u64, value: u64) -> u64 {
    (sum.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A cheap digest that depends on a text's length and, where it is not empty, on its ends.
#[inline]
fn digest(text: &[u8]) -> u64 {
    let [first, .., last] = text else {
        return text.first().map_or(0, |&only| u64::from(only) << 8 | 1);
    };
    (text.len() as u64) << 16 | u64::from(*first) << 8 | u64::from(*last)
}
