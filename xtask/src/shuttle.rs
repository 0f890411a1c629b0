//! The models of many threads, part of `cargo xtask test`: random schedules of more threads than loom
//! can search.
//!
//! Such a model is a test whose name's last part starts with `shuttle_`; it runs through
//! `primitives::model`, which says how many schedules it tried, in a process of its own.

use crate::cargo::{self, Build, Package, TestProgram, Workspace};
use crate::child::{self, Stderr};
use crate::loom::executions;
use crate::steps::{Steps, passed};
use crate::test::{Count, every_feature_of};
use crate::weaken::in_parallel;
use anyhow::{Result, bail};
use core::time::Duration;

/// Time limit of one model.
const LIMIT: Duration = Duration::from_secs(180);

/// Builds and runs the models of `packages`, in one step.
pub(crate) fn run_models(
    steps: &mut Steps,
    workspace: &Workspace,
    packages: &[&Package],
    count: &mut Count,
) {
    let mut models = Vec::new();
    let built = steps.step("models of many threads compiled", || {
        models = find(workspace, packages)?;
        passed(format!("{} models", models.len()))
    });
    if !built || models.is_empty() {
        return;
    }
    steps.step("models of many threads, in random schedules", || {
        let runs = in_parallel(models.len(), |at| run(&models[at].0, &models[at].1))?;
        let (mut all, mut failures) = (0, Vec::new());
        for ((_, name), (schedules, fault)) in models.iter().zip(&runs) {
            let mark = if fault.is_none() { "ok" } else { "FAILED" };
            println!("   {name:<56} {schedules:>9} schedules  {mark}");
            all += schedules;
            count.passed += usize::from(fault.is_none());
            count.failed += usize::from(fault.is_some());
            failures.extend(fault.clone());
        }
        if !failures.is_empty() {
            bail!("{} of {} models failed\n{}", failures.len(), runs.len(), failures.join("\n"));
        }
        passed(format!("{} models, {all} schedules", runs.len()))
    });
}

fn find(workspace: &Workspace, packages: &[&Package]) -> Result<Vec<(TestProgram, String)>> {
    let mut having = Vec::new();
    for &package in packages {
        if !cargo::targets_with(&[package], "fn shuttle_")?.is_empty() {
            having.push(package);
        }
    }
    if having.is_empty() {
        return Ok(Vec::new());
    }
    let mut args = vec![crate::loom::PROFILE.to_owned()];
    args.extend(cargo::targets_with(&having, "fn shuttle_")?);
    args.extend(every_feature_of(&having));
    let programs = cargo::test_programs(workspace, &having, &Build::shuttle(), &args)?;
    Ok(programs
        .into_iter()
        .flat_map(|program| {
            let names: Vec<_> =
                program.tests.iter().filter(|name| is_model(name)).cloned().collect();
            names.into_iter().map(move |name| (program.clone(), name))
        })
        .collect())
}

/// Runs one model; how many schedules it tried, and what is wrong.
fn run(program: &TestProgram, name: &str) -> Result<(u64, Option<String>)> {
    let mut command = cargo::test_command(&program.path, &program.package);
    command.args([name, "--exact", "--nocapture", "--test-threads", "1"]);
    let done = child::run(&mut command, Stderr::Captured, Some(LIMIT))?;
    let schedules = executions(&done.text());
    let fault = if !done.ok() {
        Some(done.end())
    } else if schedules == 0 {
        Some("printed no `model … executions=N` line".to_owned())
    } else {
        None
    };
    let shown = child::show(&command);
    Ok((schedules, fault.map(|fault| format!("{shown}: {fault}\n{}", done.text()))))
}

fn is_model(name: &str) -> bool {
    name.rsplit("::").next().is_some_and(|last| last.starts_with("shuttle_"))
}

#[cfg(test)]
mod tests {
    use super::is_model;

    #[test]
    fn models_are_found_by_the_last_part_of_their_name() {
        assert!(is_model("ring::shuttle_torn_down") && is_model("shuttle_torn_down"));
        assert!(!is_model("shuttle_models::helper") && !is_model("loom_torn_down"));
    }
}
