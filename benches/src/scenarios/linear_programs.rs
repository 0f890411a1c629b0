//! Programs on real input: what does a linear region gain where a program does more than allocate?
//!
//! ```text
//!   linear/tokens/registry    the registry's sources, tokenised file by file      tokens
//!   linear/json-dom/metadata  what `cargo metadata` says, read into a tree        programs/json
//! ```
//!
//! Every engine runs the same algorithm and must return the checksum of the plain program, which
//! is what one would write without an allocator at hand. A control shows what the plain program
//! gains by re-using its buffers, the cheap alternative.
//!
//! **One round is the whole program**: it makes its region, reads all of its input and drops the
//! region again, so that peaks and page faults count what the region costs. Regions of fixed
//! capacity get the worst case of the largest file; of that only the pages they touch are memory.

mod tokens;

use super::programs::json;
use crate::case::Case;
use alloc_linear::Linear;

/// The cases of this file.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![tokens::case(), json_dom()]
}

fn json_dom() -> Case {
    let ours = vec![json::region::<Linear>().primary(), json::region::<Linear<8>>()];
    json::case("linear/json-dom/metadata", "alloc-linear", ours)
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
        super::super::programs::json::plain_program()
    }
}
