//! Helpers for the tests of every crate: backings that fail on demand, or that check their user.
//!
//! * [`FailAt`] refuses the n-th request: shows that nothing is lost when memory runs out.
//! * [`Checked`] knows every block it handed out: shows that each is given back once, with the
//!   right layout, and none is leaked.
//! * [`Shadow`] is the model that property tests and fuzzers hold an allocator against: no
//!   overlap, alignment, bounds, and contents that stay as written.
//! * [`conforms`] holds an allocator against every promise of the trait.

mod backing;
mod conformance;
mod shadow;

pub use backing::{Checked, FailAt};
pub use conformance::conforms;
pub use shadow::Shadow;
