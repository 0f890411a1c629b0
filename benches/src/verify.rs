//! `bench --verify`: every row once, checksums compared, nothing timed.

use std::io::{self, Write};

use crate::case::Case;
use crate::report::summary::counted;
use crate::runner::measure::{Checked, check};
use crate::runner::spawn::{Spawner, in_parallel};
use crate::threads;

/// Runs every engine of every case and prints what failed, then `N passed, N failed`. Returns
/// whether nothing failed.
///
/// # Errors
///
/// Returns the writer's error.
pub fn run(out: &mut dyn Write, spawner: &Spawner, cases: &[Case]) -> io::Result<bool> {
    let results: Vec<Vec<Checked>> =
        in_parallel(cases, threads::cpus().len().min(4), |case| check(spawner, case));
    let rows: Vec<&Checked> = results.iter().flatten().collect();
    for row in rows.iter().filter(|row| row.error.is_some()) {
        writeln!(out, "FAILED {}: {}", row.row, row.error.as_deref().unwrap_or(""))?;
    }
    let failed = rows.iter().filter(|row| row.error.is_some()).count();
    writeln!(out, "{}, {}", counted(cases.len(), "case"), counted(rows.len(), "row"))?;
    writeln!(out, "{} passed, {failed} failed", rows.len() - failed)?;
    Ok(failed == 0 && !rows.is_empty())
}
