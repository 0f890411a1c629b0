//! Stacks that give their values one at a time.

#[cfg(feature = "epoch")]
mod epoch;
#[cfg(target_has_atomic = "64")]
mod handle;
#[cfg(target_has_atomic = "64")]
mod index;
#[cfg(target_has_atomic = "64")]
mod nodes;
#[cfg(target_has_atomic = "64")]
mod popped;

#[cfg(feature = "epoch")]
pub use epoch::{EpochPopped, EpochStack};
#[cfg(target_has_atomic = "64")]
pub use handle::StackHandle;
#[cfg(target_has_atomic = "64")]
pub use index::IndexStack;
#[cfg(target_has_atomic = "64")]
pub use popped::IndexPopped;
