//! What the programs of `GUIDE.md` share: the same work done in two or more
//! ways, timed in turn, its allocations counted, its answers compared.
//!
//! ```text
//! cargo run --release -p guide --example arena_tree              a table
//! cargo run --release -p guide --example arena_tree -- --json    the same for `cargo xtask guide`
//! cargo run -p guide --example arena_tree -- --quick             two rounds: does it run at all?
//! ```
//!
//! This is the small brother of `cargo xtask bench`, made to be read: one process, no peers, no
//! instruction counts. It resolves differences of a few per cent on a quiet machine, says how far
//! the plain version differs from itself, and calls nothing a gain that is not larger than that.

mod compare;
mod counting;
mod report;

pub use compare::{Compare, Measured, Ratio, measure};
pub use counting::{Costs, counted};
pub use report::{bytes, fact};

/// Whether the program was asked to run quickly, as the tests do.
#[must_use]
pub fn quick() -> bool {
    std::env::args().any(|argument| argument == "--quick")
}

/// Numbers that look random and are the same in every run.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// Starts a sequence.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns the next number below `limit`, which is not zero.
    pub const fn below(&mut self, limit: usize) -> usize {
        // A multiplicative generator by Steele and Vigna; the high bits are the good ones.
        self.0 = self.0.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        ((self.0 >> 33) % limit as u64) as usize
    }
}
