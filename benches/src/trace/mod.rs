//! Recorded allocation traces: what a program asked of its allocator, event by event.
//!
//! ```text
//!   recorder   a `GlobalAlloc` wrapper that writes every event      (in the traced program)
//!      │  records of 32 bytes, `format`
//!   read       checks a trace and puts the threads' events in order (afterwards)
//!      ├── summary   what the program did: lifetimes, sizes, order of death
//!      └── script    the same trace as steps that can be replayed on any allocator
//! ```
//!
//! Nothing here knows of benchmarks: a trace says what happened, and others decide what it means.

pub mod format;
pub mod read;
pub mod recorder;
pub mod script;
pub mod summary;

pub use read::{Event, Kind, Trace, TraceError};
pub use recorder::{Recorder, Recording};
