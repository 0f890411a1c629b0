//! Stacks that give their values one at a time.

#[cfg(feature = "epoch")]
mod epoch;
mod handle;
mod index;
mod nodes;
mod popped;

#[cfg(feature = "epoch")]
pub use epoch::{EpochPopped, EpochStack};
pub use handle::StackHandle;
pub use index::IndexStack;
pub use popped::IndexPopped;
