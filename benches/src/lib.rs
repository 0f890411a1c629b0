//! The benchmarks of this workspace: what is measured, beside whom, and how.
//!
//! ```text
//!   scenarios/  what is measured: one `Case` each        engines/  who does it: one file each
//!        └──────────────┬───────────────────────────────────┘
//!                     case.rs   the seam: Case, EngineSpec, Engine
//!        ┌──────────────┴──────────────┐
//!   runner/  how: child processes,   report/  tables, JSON, HTML     claims/  targets and verdicts
//!            interleaving, counts
//! ```
//!
//! Every engine of a case is timed in the same processes, turn by turn, and only ratios within
//! one run are ever compared: on shared machines the same code differs by a quarter from one run
//! to the next, while pairs of neighbouring samples agree within a percent.

pub mod adoption;
pub mod case;
pub mod claims;
pub mod cli;
pub mod compare;
pub mod counting;
pub mod engines;
pub mod input;
pub mod list;
pub mod machine;
pub mod profile;
pub mod report;
pub mod runner;
pub mod scenarios;
pub mod select;
pub mod stats;
pub mod threads;
pub mod trace;
pub mod verify;
