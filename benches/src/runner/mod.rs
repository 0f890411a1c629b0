//! How it is measured: child processes, turn by turn.
//!
//! ```text
//!   measure   one case: processes until the A/A control agrees, then counts, then a row
//!    ├─ budget      how many processes, turns and seconds
//!    ├─ spawn       children; who was running when one died
//!    │    └─ worker     inside the child: build, warm up, take turns
//!    │         ├─ probe     hand-off between the CPUs, NEAR and FAR
//!    │         └─ rusage    CPU time, page faults, resident memory
//!    ├─ instructions    callgrind
//!    └─ assemble    samples to medians, ratios and intervals
//! ```

pub mod assemble;
pub mod budget;
pub mod canary;
pub mod instructions;
pub mod job;
pub mod measure;
pub mod probe;
pub mod rusage;
pub mod spawn;
pub mod worker;
