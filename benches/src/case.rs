//! What is measured: a [`Case`] and the engines that run it.
//!
//! This is the seam between the scenarios (which say *what*) and the runner (which says *how
//! long, how often, beside whom*). A scenario builds cases; an engine is one way of doing a
//! case's work: one of ours, a peer, or a control. The runner knows no engine and no scenario.
//!
//! The one dynamic call is [`Engine::run`], once per sample of many thousand operations: what
//! happens inside is monomorphised, so that engines are compared and not the calls to them.

/// What a case's figure means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Model {
    /// Time of one operation, one after the other.
    Latency,
    /// Operations that several threads finish together.
    Throughput,
    /// Allocations and frees in turn, in steady state.
    Churn,
    /// Memory held.
    Footprint,
    /// The slowest operations.
    Tail,
}

/// Where a case's input comes from, and how much of it there is.
#[derive(Clone, Debug)]
pub struct Input {
    /// `synthetic`, `registry`, `metadata`, `trace` or `program`.
    pub kind: &'static str,
    /// Bytes of input read by one round.
    pub bytes: u64,
    /// Items of input in one round: files, values, events.
    pub count: u64,
}

/// What an engine is to the comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// One of this workspace's crates.
    Ours,
    /// What a program could use instead: somebody else's crate or allocator, or what is written by
    /// hand in a page. It counts for `best`.
    Peer,
    /// A yardstick that nobody could choose instead: plain code, share-nothing, an ideal loop.
    /// It never counts for `best`.
    Control,
    /// The scenario's loop with the measured operation left out. Its instructions are subtracted
    /// from everybody's; its checksum is not compared.
    Null,
}

/// One thing to measure, with everybody who can do it.
///
/// An id whose last part is `on-X` runs in the executable whose global allocator is `X`.
#[derive(Debug)]
pub struct Case {
    /// `group/name/variant`, as `targets.toml` names it.
    pub id: &'static str,
    /// The crate of ours that it is about.
    pub krate: &'static str,
    /// One sentence: what one round does, and what it says about an allocator.
    pub what: &'static str,
    /// What the figure means.
    pub model: Model,
    /// What one operation is, singular: `allocation`, `token`, `frame`.
    pub unit: &'static str,
    /// Describes the input, and loads and keeps what all engines share of it: each process calls
    /// it once before it reads how much memory it holds, so that input common to all is nobody's
    /// `peak_bytes`. Called only when the case is chosen.
    pub input: fn() -> Input,
    /// Bytes touched by one round.
    pub working_set_bytes: u64,
    /// Threads that [`Engine::run`] uses; above 1 the runner probes the hand-off around samples.
    pub threads: usize,
    /// Everybody who runs it. Exactly one is [`EngineSpec::reference`]; at most one is `Null`.
    pub engines: Vec<EngineSpec>,
}

/// How to make an engine, and what the table says of it.
///
/// Allocator calls are counted at `std::alloc::alloc` and its relatives. An engine that calls a
/// malloc by its C interface passes them by, and so names another that does the same calls through
/// them, built where calls are counted and never where anything is timed ([`EngineSpec::counted`]).
#[derive(Debug)]
pub struct EngineSpec {
    /// `linear`, `bumpalo`, `glibc` ….
    pub name: &'static str,
    /// `default`, `min-align-8`, `with-capacity` …; names and configs are unique in a case.
    pub config: &'static str,
    /// Version of the crate or library behind it.
    pub version: &'static str,
    /// Why this configuration: one line for the report.
    pub why: &'static str,
    /// What it is to the comparison.
    pub role: Role,
    /// The one engine of ours that targets use.
    pub primary: bool,
    /// The engine whose checksum every other must return (the plain one).
    pub reference: bool,
    /// Makes it, warm: memory touched, inputs loaded. Called once per process.
    pub build: fn() -> Box<dyn Engine>,
    /// Made in place of `build` where allocator calls are counted.
    pub counted: Option<fn() -> Box<dyn Engine>>,
}

/// One way of doing a case's work.
pub trait Engine {
    /// Does the work `rounds` times and returns the checksum of the last round.
    ///
    /// Every round does the same work, so the checksum does not depend on `rounds`.
    fn run(&mut self, rounds: u64) -> u64;

    /// Operations in one round (all threads together).
    fn ops_per_round(&self) -> u64;

    /// Figures of this engine's own beside the runner's (`bytes_left`, `busy_share` …), read
    /// after the last run. One called `goodput` (successful operations a second) or
    /// `above_100us` (operations a million) replaces the runner's figure of that name.
    fn metrics(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Runs once, timing each operation for itself, and pushes nanoseconds into `out`.
    /// Only [`Model::Tail`] cases answer; `false` means that the engine has no such form.
    fn run_timed(&mut self, _out: &mut Vec<u64>) -> bool {
        false
    }
}

impl Case {
    /// Returns what is wrong with this case, in the order found: nothing in one that can be run.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut fault = |wrong: bool, text: String| {
            if wrong {
                faults.push(format!("{}: {text}", self.id));
            }
        };
        let parts = self.id.split('/').collect::<Vec<_>>();
        fault(
            parts.len() != 3 || parts.contains(&""),
            "an id has three parts, group/name/variant".to_owned(),
        );
        let count =
            |which: fn(&EngineSpec) -> bool| self.engines.iter().filter(|e| which(e)).count();
        let references = count(|e| e.reference);
        fault(references != 1, format!("one engine is the reference, not {references}"));
        fault(
            count(|e| e.reference && e.role == Role::Null) > 0,
            "the null engine is no reference".to_owned(),
        );
        let nulls = count(|e| e.role == Role::Null);
        fault(nulls > 1, format!("at most one engine is the null engine, not {nulls}"));
        let primaries = count(|e| e.primary);
        fault(primaries > 1, format!("at most one engine is primary, not {primaries}"));
        fault(
            count(|e| e.primary && e.role != Role::Ours) > 0,
            "the primary engine is ours".to_owned(),
        );
        fault(self.threads == 0, "a case has at least one thread".to_owned());
        for (index, engine) in self.engines.iter().enumerate() {
            let twice = self.engines[..index]
                .iter()
                .any(|e| e.name == engine.name && e.config == engine.config);
            fault(twice, format!("engine {}/{} is listed twice", engine.name, engine.config));
        }
        faults
    }

    /// Returns the allocator whose executable runs this case, from an id that ends in `on-X`.
    #[must_use]
    pub fn on_allocator(&self) -> Option<&'static str> {
        self.id.rsplit('/').next()?.strip_prefix("on-")
    }
}
