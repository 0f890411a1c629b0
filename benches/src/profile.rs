//! `bench --profile cpu|heap CASE`: where our primary engine spends its time or its bytes.
//!
//! Both write a pprof file and a flame graph into `target/bench`. CPU profiles sample the running
//! child 997 times a second; heap profiles note the stack of every call of the system allocator
//! (the child is `bench_count`) after warm-up, so that what they show is the steady state.

use core::cell::Cell;
use core::time::Duration;
use std::collections::HashMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, bail};
use inferno::flamegraph;
use pprof::protos::{self, Message};

use crate::case::{Case, Engine};
use crate::counting;
use crate::machine;
use crate::runner::job::Task;
use crate::runner::spawn::{Flavour, Spawner};

/// Samples a second: a prime, so as not to beat with what the engine does periodically.
const FREQUENCY: i32 = 997;
/// How long a CPU profile lasts.
const CPU_MILLIS: u64 = 4_000;
/// How long a heap profile lasts: taking stacks is slow, but counts need no patience.
const HEAP_MILLIS: u64 = 500;

/// Profiles the primary engine of a case and prints where the files are.
///
/// # Errors
///
/// Returns an error for a kind other than `cpu` and `heap`, a case without an engine of ours, and
/// whatever went wrong in the child.
pub fn run(out: &mut dyn Write, spawner: &Spawner, case: &Case, kind: &str) -> Result<()> {
    let (heap, millis, flavour) = match kind {
        "cpu" => (false, CPU_MILLIS, Flavour::Plain),
        "heap" => (true, HEAP_MILLIS, Flavour::Count),
        other => bail!("--profile {other}: the kinds are cpu and heap"),
    };
    let Some(engine) = case.engines.iter().position(|e| e.primary) else {
        bail!("{} has no engine of ours to profile", case.id);
    };
    let stem = format!("profile-{}-{kind}", case.id.replace('/', "-"));
    let base = machine::out_dir().join(stem);
    let task = Task::Profile { millis, heap };
    let answer = spawner
        .run(case, flavour, &[engine], task, Duration::from_secs(120))
        .map_err(|death| anyhow!("profiling {}: {}", case.id, death.why))?;
    if let Some(error) = answer.slots.iter().find_map(|slot| slot.error.as_ref()) {
        bail!("profiling {}: {error}", case.id);
    }
    let (pb, svg) = (base.with_extension("pb"), base.with_extension("svg"));
    for (from, to) in [("pb", &pb), ("svg", &svg)] {
        let from = last_written(spawner.scratch(), from)?;
        fs::rename(&from, to)
            .with_context(|| format!("moving {} to {}", from.display(), to.display()))?;
        writeln!(out, "wrote {}", to.display())?;
    }
    writeln!(out, "read it with: go tool pprof -http=: {}", pb.display())?;
    Ok(())
}

/// The newest file that a child of this run left with this extension.
fn last_written(folder: &Path, extension: &str) -> Result<PathBuf> {
    let prefix = format!("last-{}-", std::process::id());
    fs::read_dir(folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == extension))
        .find(|path| path.file_name().is_some_and(|n| n.to_string_lossy().starts_with(&prefix)))
        .with_context(|| format!("the child left no .{extension} file"))
}

/// In the child: runs the engine for so long and writes `base` with `.pb` and `.svg`.
///
/// # Errors
///
/// Returns an error when nothing was sampled or a file cannot be written.
pub fn record(engine: &mut dyn Engine, millis: Duration, heap: bool, base: &Path) -> Result<()> {
    engine.run(1);
    let profile = if heap { heap_profile(engine, millis)? } else { cpu_profile(engine, millis)? };
    if profile.stacks.is_empty() {
        bail!("nothing was sampled: the engine made no call worth a stack");
    }
    let mut svg = Vec::new();
    let mut options = flamegraph::Options::default();
    options.title = profile.title.to_owned();
    options.count_name = profile.unit.to_owned();
    let folded: Vec<String> = profile.stacks.iter().map(Stack::folded).collect();
    flamegraph::from_lines(&mut options, folded.iter().map(String::as_str), &mut svg)?;
    fs::write(base.with_extension("svg"), svg)?;
    fs::write(base.with_extension("pb"), profile.encode())?;
    Ok(())
}

/// One distinct stack, outermost function first.
struct Stack {
    functions: Vec<String>,
    count: u64,
    weight: u64,
}

impl Stack {
    fn folded(&self) -> String {
        format!("{} {}", self.functions.join(";"), self.weight)
    }
}

struct Profile {
    title: &'static str,
    /// What a weight counts.
    unit: &'static str,
    kinds: [(&'static str, &'static str); 2],
    stacks: Vec<Stack>,
}

impl Profile {
    /// Encodes for `pprof`.
    fn encode(&self) -> Vec<u8> {
        let mut strings = Strings::default();
        let kind = |(kind, unit): (&str, &str), strings: &mut Strings| protos::ValueType {
            ty: strings.index(kind),
            unit: strings.index(unit),
        };
        strings.index("");
        let mut profile = protos::Profile {
            sample_type: self.kinds.iter().map(|&k| kind(k, &mut strings)).collect(),
            ..protos::Profile::default()
        };
        for stack in &self.stacks {
            let ids: Vec<u64> = stack
                .functions
                .iter()
                .rev()
                .map(|name| u64::try_from(strings.index(name)).unwrap_or(0))
                .collect();
            profile.sample.push(protos::Sample {
                location_id: ids,
                value: vec![
                    i64::try_from(stack.count).unwrap_or(i64::MAX),
                    i64::try_from(stack.weight).unwrap_or(i64::MAX),
                ],
                ..protos::Sample::default()
            });
        }
        // A function's id is the index of its name, which is never 0: that one is "".
        let mut used: Vec<u64> =
            profile.sample.iter().flat_map(|s| s.location_id.iter().copied()).collect();
        used.sort_unstable();
        used.dedup();
        for id in used {
            let name = i64::try_from(id).unwrap_or(0);
            profile.function.push(protos::Function {
                id,
                name,
                system_name: name,
                ..protos::Function::default()
            });
            let line = protos::Line { function_id: id, line: 0 };
            profile.location.push(protos::Location {
                id,
                line: vec![line],
                ..protos::Location::default()
            });
        }
        profile.string_table = strings.table;
        profile.encode_to_vec()
    }
}

/// Strings by index, as pprof stores them.
#[derive(Default)]
struct Strings {
    table: Vec<String>,
    seen: HashMap<String, i64>,
}

impl Strings {
    fn index(&mut self, text: &str) -> i64 {
        if let Some(&at) = self.seen.get(text) {
            return at;
        }
        let at = i64::try_from(self.table.len()).unwrap_or(i64::MAX);
        self.table.push(text.to_owned());
        self.seen.insert(text.to_owned(), at);
        at
    }
}

fn cpu_profile(engine: &mut dyn Engine, millis: Duration) -> Result<Profile> {
    let guard = pprof::ProfilerGuardBuilder::default()
        .frequency(FREQUENCY)
        .blocklist(&["libgcc", "pthread", "vdso"])
        .build()
        .context("starting the profiler")?;
    let end = Instant::now() + millis;
    while Instant::now() < end {
        engine.run(1);
    }
    let report = guard.report().build().context("reading the profile")?;
    let stacks = report
        .data
        .iter()
        .map(|(frames, &count)| {
            let count = u64::try_from(count).unwrap_or(0);
            let functions = frames
                .frames
                .iter()
                .rev()
                .flat_map(|frame| frame.iter().rev())
                .map(pprof::Symbol::name)
                .collect();
            Stack {
                functions,
                count,
                weight: count * 1_000_000_000 / u64::from(FREQUENCY.unsigned_abs()),
            }
        })
        .collect();
    Ok(Profile {
        title: "CPU time",
        unit: "ns",
        kinds: [("samples", "count"), ("cpu", "nanoseconds")],
        stacks,
    })
}

/// Return addresses of a stack, innermost first, with calls and bytes.
type Sites = HashMap<Vec<usize>, (u64, u64)>;

static SITES: Mutex<Option<Sites>> = Mutex::new(None);

thread_local! {
    /// Set while this thread takes a stack, which itself allocates.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

fn note(bytes: usize) {
    let entered = INSIDE.try_with(|inside| !inside.replace(true)).unwrap_or(false);
    if !entered {
        return;
    }
    let mut stack = Vec::with_capacity(64);
    backtrace::trace(|frame| {
        stack.push(frame.ip().addr());
        stack.len() < 64
    });
    if let Ok(mut sites) = SITES.lock()
        && let Some(sites) = sites.as_mut()
    {
        let site = sites.entry(stack).or_default();
        *site = (site.0 + 1, site.1 + bytes as u64);
    }
    let _ = INSIDE.try_with(|inside| inside.set(false));
}

fn heap_profile(engine: &mut dyn Engine, millis: Duration) -> Result<Profile> {
    let lock = || SITES.lock().map_err(|_| anyhow!("a thread panicked while it took a stack"));
    *lock()? = Some(Sites::new());
    counting::observe(Some(note));
    let end = Instant::now() + millis;
    while Instant::now() < end {
        engine.run(1);
    }
    counting::observe(None);
    let sites = lock()?.take().unwrap_or_default();
    let mut names: HashMap<usize, Vec<String>> = HashMap::new();
    let stacks = sites
        .into_iter()
        .map(|(addresses, (count, weight))| {
            let mut functions: Vec<String> = Vec::new();
            for address in addresses.into_iter().rev() {
                functions.extend(
                    names.entry(address).or_insert_with(|| symbols(address)).iter().cloned(),
                );
            }
            // From the allocator inwards it is our own bookkeeping.
            let own = functions
                .iter()
                .position(|name| name.contains("counting::"))
                .unwrap_or(functions.len());
            functions.truncate(own);
            Stack { functions, count, weight }
        })
        .collect();
    Ok(Profile {
        title: "Bytes asked of the system allocator, steady state",
        unit: "bytes",
        kinds: [("alloc_objects", "count"), ("alloc_space", "bytes")],
        stacks,
    })
}

/// Names of the functions at an address, outermost of those inlined first.
fn symbols(address: usize) -> Vec<String> {
    let mut names = Vec::new();
    backtrace::resolve(core::ptr::without_provenance_mut(address), |symbol| {
        if let Some(name) = symbol.name() {
            names.push(format!("{name:#}"));
        }
    });
    names.reverse();
    if names.is_empty() {
        names.push(format!("{address:#x}"));
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encoded_profile_names_every_function_once() {
        let stack = |functions: &[&str], weight| Stack {
            functions: functions.iter().map(|&f| f.to_owned()).collect(),
            count: 1,
            weight,
        };
        let profile = Profile {
            title: "t",
            unit: "ns",
            kinds: [("samples", "count"), ("cpu", "nanoseconds")],
            stacks: vec![stack(&["main", "run", "alloc"], 5), stack(&["main", "run"], 7)],
        };
        let decoded = protos::Profile::decode(&profile.encode()[..]).unwrap();
        assert_eq!(
            (decoded.sample.len(), decoded.function.len(), decoded.location.len()),
            (2, 3, 3)
        );
        assert_eq!(decoded.string_table[0], "");
        let name = |id: u64| decoded.string_table[usize::try_from(id).unwrap()].as_str();
        let innermost_first: Vec<&str> =
            decoded.sample[0].location_id.iter().map(|&id| name(id)).collect();
        assert_eq!(innermost_first, ["alloc", "run", "main"]);
        assert_eq!(decoded.sample[1].value, [1, 7]);
        assert_eq!(profile.stacks[0].folded(), "main;run;alloc 5");
    }
}
