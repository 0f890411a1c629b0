//! Runs child processes: says what runs, captures what they print, and ends them at a time limit.

use anyhow::{Context, Result};
use core::time::Duration;
use std::io::Read;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread;
use std::time::Instant;

/// What a child left behind.
pub(crate) struct Done {
    /// `None` when it was ended at the time limit.
    pub(crate) status: Option<ExitStatus>,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error; empty when that went to the terminal.
    pub(crate) stderr: String,
    /// Wall time in seconds.
    pub(crate) seconds: f64,
}

impl Done {
    /// Whether it ended by itself, with exit code 0.
    pub(crate) fn ok(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }

    /// Everything it printed, for a failure message.
    pub(crate) fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// `exit status: 101`, `signal: 11 (SIGSEGV)`, `timed out`.
    pub(crate) fn end(&self) -> String {
        self.status.map_or_else(|| "timed out".into(), |status| status.to_string())
    }
}

/// Where the child's standard error goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stderr {
    /// To the terminal: cargo's progress.
    Terminal,
    /// Into [`Done::stderr`].
    Captured,
}

/// Runs `command` with its standard output captured.
pub(crate) fn run(command: &mut Command, stderr: Stderr, limit: Option<Duration>) -> Result<Done> {
    let shown = show(command);
    let started = Instant::now();
    command.stdin(Stdio::null()).stdout(Stdio::piped());
    command.stderr(if stderr == Stderr::Captured { Stdio::piped() } else { Stdio::inherit() });
    let mut child = command.spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let out = child.stdout.take().map(|pipe| thread::spawn(move || drain(pipe)));
    let err = child.stderr.take().map(|pipe| thread::spawn(move || drain(pipe)));
    let status = match limit {
        None => Some(child.wait()?),
        Some(limit) => loop {
            if let Some(status) = child.try_wait()? {
                break Some(status);
            }
            if started.elapsed() > limit {
                child.kill().with_context(|| format!("cannot end `{shown}` at its limit"))?;
                child.wait()?;
                break None;
            }
            thread::sleep(Duration::from_millis(2));
        },
    };
    let seconds = started.elapsed().as_secs_f64();
    let join = |pipe: Option<thread::JoinHandle<String>>| {
        pipe.map(|reader| reader.join().unwrap_or_default()).unwrap_or_default()
    };
    Ok(Done { status, stdout: join(out), stderr: join(err), seconds })
}

/// Runs `command`, prints it first, and fails with everything it printed when it fails.
pub(crate) fn must(command: &mut Command, stderr: Stderr) -> Result<Done> {
    println!("   $ {}", show(command));
    let done = run(command, stderr, None)?;
    if !done.ok() {
        anyhow::bail!("`{}`: {}\n{}", show(command), done.end(), done.text());
    }
    Ok(done)
}

/// The command as one would type it: flags that differ from the ordinary, program, arguments.
pub(crate) fn show(command: &Command) -> String {
    let mut words = Vec::new();
    for (key, value) in command.get_envs() {
        if let Some(value) = value.and_then(|v| v.to_str())
            && !value.is_empty()
            && SHOWN_ENV.iter().any(|shown| key == *shown)
        {
            words.push(format!("{}={value:?}", key.display()));
        }
    }
    let program = Path::new(command.get_program());
    // What was built here by its path from where it runs; tools by their name.
    let built = command.get_current_dir().and_then(|folder| program.strip_prefix(folder).ok());
    let tool = program.file_name().map_or(program, Path::new);
    words.push(built.unwrap_or(tool).display().to_string());
    words.extend(command.get_args().map(|arg| arg.display().to_string()));
    words.join(" ")
}

const SHOWN_ENV: [&str; 9] = [
    "RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "ASAN_OPTIONS",
    "TSAN_OPTIONS",
    "LOOM_MAX_PREEMPTIONS",
    "QUARRY_LOOM_WEAKEN",
    "QUARRY_LOOM_FREEZE",
    "RUSTDOCFLAGS",
    "RUSTC_BOOTSTRAP",
];

fn drain(mut pipe: impl Read) -> String {
    let mut bytes = Vec::new();
    // A broken pipe leaves what came before it: that is what a failure message needs.
    let _ = pipe.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Stderr, run};
    use core::time::Duration;
    use std::process::Command;

    #[test]
    fn output_status_and_limit_are_reported() {
        let done = run(
            Command::new("sh").args(["-c", "echo out; echo err >&2; exit 3"]),
            Stderr::Captured,
            None,
        )
        .expect("sh runs");
        assert_eq!((done.stdout.as_str(), done.stderr.as_str()), ("out\n", "err\n"));
        assert!(!done.ok());
        let late =
            run(Command::new("sleep").arg("60"), Stderr::Captured, Some(Duration::from_millis(50)))
                .expect("sleep runs");
        assert!(late.status.is_none() && !late.ok());
        assert_eq!(late.end(), "timed out");
    }

    #[test]
    fn a_missing_program_is_named() {
        let error = run(&mut Command::new("no-such-program-here"), Stderr::Captured, None)
            .err()
            .expect("must fail");
        assert!(error.to_string().contains("no-such-program-here"), "{error}");
    }
}
