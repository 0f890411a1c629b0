//! Intrusive structures: nodes that carry their own link, so that nothing is allocated.

mod chain;
mod link;
mod popped;
mod stack;

pub use chain::Chain;
pub use link::{Link, Linked};
pub use popped::Popped;
pub use stack::IntrusiveStack;
