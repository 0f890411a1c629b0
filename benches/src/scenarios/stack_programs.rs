//! Programs whose temporaries die in reverse: what does a stack allocator gain there?
//!
//! ```text
//!   stack/eval/program         an interpreter of vector expressions runs a program     eval
//!   stack/backtrack/registry   patterns sought in source files                         backtrack
//!   stack/backtrack/explicit   the same with a stack of trait objects                  backtrack/explicit
//! ```

mod backtrack;
mod eval;

use crate::case::Case;

/// The cases of this file.
#[must_use]
pub fn cases() -> Vec<Case> {
    vec![eval::case(), backtrack::case(), backtrack::explicit::case()]
}
