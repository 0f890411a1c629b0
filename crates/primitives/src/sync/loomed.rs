//! The facade under `--cfg loom`.
//!
//! ```text
//!  code ─▶ atomic / cell / memory / thread      wrappers, `#[track_caller]`
//!              │         │
//!              │         └▶ life       a free is a write: one loom cell per object and per block
//!              └▶ site                 record · weaken · freeze, by call site
//!                    └▶ execution      what one execution remembers; reset by loom's execution id
//! ```
pub(crate) mod atomic;
pub(crate) mod cell;
pub(crate) mod execution;
pub(crate) mod freeze;
pub(crate) mod life;
pub(crate) mod memory;
pub(crate) mod site;
pub(crate) mod thread;
