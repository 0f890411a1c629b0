//! `--profile`: placeholder until written.
use crate::case::Engine;
use anyhow::Result;
use core::time::Duration;
use std::path::Path;
/// Records.
///
/// # Errors
/// Never.
pub fn record(engine: &mut dyn Engine, _: Duration, _: bool, _: &Path) -> Result<()> {
    engine.run(1);
    Ok(())
}
/// Profiles.
///
/// # Errors
/// Always, for now.
pub fn run(
    _: &mut dyn std::io::Write,
    _: &crate::runner::spawn::Spawner,
    _: &crate::case::Case,
    kind: &str,
) -> Result<()> {
    anyhow::bail!("--profile {kind}: not built yet")
}
