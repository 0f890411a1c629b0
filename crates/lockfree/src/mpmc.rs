//! Queues between any number of producers and any number of consumers.

mod queue;
mod ring;

pub use queue::{GrowError, MpmcQueue, QueueDrain, QueueStats};
pub use ring::{MpmcRing, RingDrain, RingIntoIter, RingStats};
