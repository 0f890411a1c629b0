//! `bench --compare REV`: another revision's build and this one, process by process.
use crate::case::Case;
use crate::runner::spawn::Spawner;
use anyhow::Result;
use std::io::Write;
/// Compares.
///
/// # Errors
/// Always, for now.
pub fn run(_: &mut dyn Write, _: &Spawner, _: &[Case], revision: &str, _: bool) -> Result<()> {
    anyhow::bail!("--compare {revision}: not built yet")
}
